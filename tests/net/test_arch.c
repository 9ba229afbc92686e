/* test_arch -- definitions of architectures: what they make they recognise; prefixes that wrappers leave; variants,
 * assumptions and choices; a user's files; memory that runs out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "net/architecture.h"
#include "../support/bytes.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/task.h"
#include "weft/base/text.h"

#define SAMPLE "samples/fashion-resnet8.safetensors"

/* ---- making and recognising -------------------------------------------------------------------------------------- */

static const NetTensor *named(const Network *network, const char *name) {
    for (size_t i = 0; i < network->tensor_count; i++)
        if (strcmp(network->tensors[i].name, name) == 0) return &network->tensors[i];
    return NULL;
}

/* Makes one network (its weights stay zero) and recognises it by its tensors alone. */
static void check_round_trip(const LibraryEntry *entry, const char *preset, unsigned channels) {
    Error err;
    Fit fit = {0};
    const Variants none = {0};
    const NetworkOptions options = {0};
    const ArchitectureRequest request = {.architecture = preset, .in_channels = channels, .classes = 11};
    Network *network = mem_alloc(1, sizeof *network, &err);
    assert_non_null(network);
    if (!definition_make(entry->definitions, entry->family, &none, preset, &request, network, &fit, &err))
        fail_msg("%s: %s", preset, err.text);
    if (!fit.graph) fail_msg("%s: %s", preset, str_text(&fit.why));
    assert_int_equal(fit.graph->classes, 11);
    assert_int_equal(fit.graph->in_channels, channels);
    const size_t tensors = network->tensor_count;
    if (!architecture_recognise(network, &options, &err)) fail_msg("%s: %s", preset, err.text);
    if (!network->graph) fail_msg("%s: made, but %s", preset, network->why_unknown);
    if (!graph_equal(network->graph, fit.graph))
        fail_msg("%s: recognised as another graph (%s)", preset, network->architecture);
    assert_string_equal(network->architecture, fit.description.text);
    assert_int_equal(network->tensor_count, tensors);
    for (size_t i = 0; i < fit.graph->count; i++) {
        const Op *made = &fit.graph->ops[i], *found = &network->graph->ops[i];
        const int *a = &made->weight, *b = &found->weight;
        if (*a != *b || made->bias != found->bias || made->mean != found->mean || made->variance != found->variance ||
            made->stage != found->stage || made->block != found->block || made->predicted != found->predicted)
            fail_msg("%s: %s differs", preset, made->name);
    }
    fit_done(&fit);
    network_free(network);
}

static void round_trips(void **state) {
    (void)state;
    Error err;
    Library library;
    size_t made = 0;
    if (!library_init(&library, NULL, &err)) fail_msg("%s", err.text);
    for (size_t i = 0; i < library.count; i++) {
        const Family *family = library.entries[i].family;
        for (size_t k = 0; k < family->listed_count; k++, made++)
            check_round_trip(&library.entries[i], family->listed[k], 3);
    }
    assert_true(made >= 7);
    library_done(&library);
}

static void every_family_is_told(void **state) {
    (void)state;
    Error err;
    ArchitectureList *list = architecture_list(NULL, &err);
    assert_non_null(list);
    for (size_t i = 0; i < list->count; i++) {
        const ArchitectureInfo *family = &list->families[i];
        if (!family->help[0] || !family->repositories[0]) fail_msg("%s: no help or repositories", family->name);
        assert_false(family->own);
    }
    architecture_list_free(list);
}

/* ---- prefixes ---------------------------------------------------------------------------------------------------- */

/* Writes the sample's tensors under the names that `rename` gives (NULL: leaves one out), and further ones. */
static const char *renamed(const char *file, const char *format, const char *infix, const char *const *more) {
    Error err;
    Network *network = network_load(SAMPLE, NULL, &err);
    if (!network) fail_msg("%s", err.text);
    static TensorOut out[128];
    static char names[128][200];
    static const float numbers[4] = {1, 2, 3, 4};
    static const uint64_t four[1] = {4};
    size_t count = 0;
    for (size_t i = 0; i < network->tensor_count; i++) {
        const NetTensor *from = &network->tensors[i];
        const char *dot = strrchr(from->name, '.');
        char inner[100];
        snprintf(inner, sizeof inner, "%.*s.%s%s", (int)(dot - from->name), from->name, infix, dot + 1);
        int length = 0;
        for (const char *at = format; *at; at++)
            if (*at == '@')
                length += snprintf(names[count] + length, sizeof names[count] - (size_t)length, "%s", inner);
            else
                names[count][length++] = *at;
        names[count][length] = '\0';
        out[count] = (TensorOut){names[count], DTYPE_F32, from->tensor->rank, from->tensor->dim, from->tensor->data};
        count++;
    }
    for (; more && *more; more++) out[count++] = (TensorOut){*more, DTYPE_F32, 1, four, numbers};
    const char *path = scratch_path(file);
    if (!safetensors_save(path, true, out, count, NULL, 0, &err)) fail_msg("%s", err.text);
    network_free(network);
    return path;
}

static const char *note_with(const Network *network, const char *words) {
    for (size_t i = 0; i < network->note_count; i++)
        if (strstr(network->notes[i].value, words)) return network->notes[i].value;
    return NULL;
}

/* The sample's tensors, by name and value, and nothing else. */
static void check_sample(const Network *network) {
    Error err;
    Network *sample = network_load(SAMPLE, NULL, &err);
    assert_non_null(sample);
    if (!network->graph) fail_msg("%s", network->why_unknown);
    assert_string_equal(network->architecture, sample->architecture);
    assert_int_equal(network->tensor_count, sample->tensor_count);
    assert_true(graph_equal(network->graph, sample->graph));
    assert_int_equal(network->layer_count, sample->layer_count);
    for (size_t i = 0; i < sample->tensor_count; i++) {
        const NetTensor *expected = &sample->tensors[i], *found = named(network, expected->name);
        if (!found) fail_msg("no tensor %s", expected->name);
        assert_int_equal(found->tensor->count, expected->tensor->count);
        assert_memory_equal(found->tensor->data, expected->tensor->data, expected->tensor->count * sizeof(float));
    }
    for (size_t i = 0; i < network->graph->count; i++) { /* the tensors that it computes with */
        const Op *op = &network->graph->ops[i];
        if (op->kind != OP_CONV) continue;
        assert_string_equal(network->tensors[op->weight].name, text_of("%s.weight", op->name));
    }
    network_free(sample);
}

static void prefixes(void **state) {
    (void)state;
    static const char *const counter[] = {"n_averaged", NULL}, *const loss[] = {"criterion.weight", NULL},
                             *const beside[] = {"head.a", "head.b", "projector.0.weight", "ema.decay", "queue",
                                                "x.y",    NULL};
    static const struct {
        const char *format, *infix;
        const char *const *more;
        const char *note, *other_note;
    } cases[] = {
        {"@", "", NULL, NULL, NULL},
        {"module.@", "", NULL, "every name began with \"module.\"; stripped", NULL},
        {"_orig_mod.@", "", NULL, "names held \"_orig_mod.\"; stripped", NULL},
        {"_orig_mod.module.@", "", NULL, "every name began with \"module.\"; stripped", "\"_orig_mod.\""},
        {"module._orig_mod.@", "", NULL, "every name began with \"module.\"; stripped", "\"_orig_mod.\""},
        {"module.module.@", "", NULL, "every name began with \"module.module.\"; stripped", NULL},
        {"_fsdp_wrapped_module.@", "", NULL, "\"_fsdp_wrapped_module.\"; stripped", NULL},
        {"@", "_orig_mod.", NULL, "\"_orig_mod.\"; stripped", NULL},
        {"@", "_fsdp_wrapped_module._orig_mod.", NULL, "\"_fsdp_wrapped_module.\"", "\"_orig_mod.\""},
        {"model.@", "_checkpoint_wrapped_module.", NULL, "\"_checkpoint_wrapped_module.\"", "\"model.\""},
        {"model.@", "", NULL, "every name began with \"model.\"; stripped", NULL},
        {"net.@", "", NULL, "\"net.\"", NULL},
        {"backbone.@", "", NULL, "\"backbone.\"", NULL},
        {"encoder.model.@", "", NULL, "\"encoder.model.\"", NULL},
        {"a.b.c.d.e.f.g.@", "", NULL, "\"a.b.c.d.e.f.g.\"", NULL},
        {"no-wrapper.\xc3\xa9.@", "", NULL, "\"no-wrapper.\xc3\xa9.\"", NULL},
        {"module.@", "", counter, "names began with \"module.\"; stripped",
         "tensors outside \"module.\" left out: n_averaged"},
        {"model.@", "", loss, "names began with \"model.\"; stripped",
         "tensors outside \"model.\" left out: criterion.weight"},
        {"x.y.z.@", "", beside, "names began with \"x.y.z.\"; stripped",
         "left out: head.a, head.b, projector.0.weight, ema.decay, queue and 1 more"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Error err;
        const char *path = renamed("prefix.safetensors", cases[i].format, cases[i].infix, cases[i].more);
        Network *network = network_load(path, NULL, &err);
        if (!network) fail_msg("%s: %s", cases[i].format, err.text);
        check_sample(network);
        const char *const notes[] = {cases[i].note, cases[i].other_note};
        size_t expected = 0;
        for (size_t n = 0; n < 2; n++) {
            expected += notes[n] != NULL;
            if (notes[n] && !note_with(network, notes[n])) fail_msg("%s: no note of %s", cases[i].format, notes[n]);
        }
        assert_int_equal(network->note_count, expected);
        network_free(network);
    }
}

static void prefixes_by_hand(void **state) {
    (void)state;
    Error err;
    static const char *const spellings[] = {"student", "student.", "stud", "nothing"};
    const char *path = renamed("hand.safetensors", "student.@", "", (const char *const[]){"teacher.w", NULL});
    for (size_t i = 0; i < 4; i++) {
        const NetworkOptions options = {.prefix = spellings[i], .architecture = i < 2 ? "resnet-cifar" : NULL};
        Network *network = network_load(path, &options, &err);
        if (i < 2) {
            if (!network) fail_msg("%s", err.text);
            check_sample(network);
        } else if (i == 2) { /* what is left over fits nothing, and is loaded all the same */
            assert_non_null(network);
            assert_null(network->graph);
            assert_non_null(named(network, "ent.conv1.weight"));
            assert_null(named(network, "teacher.w"));
        } else {
            assert_null(network);
            assert_int_equal(err.status, STATUS_USAGE);
            assert_non_null(strstr(err.text, "--prefix 'nothing': no tensor name begins with it"));
        }
        network_free(network);
    }
}

/* Two networks in a file: the first one of the largest, and the others told. */
static void several_networks(void **state) {
    (void)state;
    Error err;
    Network *sample = network_load(SAMPLE, NULL, &err);
    assert_non_null(sample);
    static TensorOut out[128];
    static char names[128][100];
    size_t count = 0;
    for (int half = 0; half < 2; half++)
        for (size_t i = 0; i < sample->tensor_count; i++, count++) {
            const NetTensor *from = &sample->tensors[i];
            snprintf(names[count], sizeof names[count], "%s.%s", half ? "a_teacher" : "student", from->name);
            out[count] =
                (TensorOut){names[count], DTYPE_F32, from->tensor->rank, from->tensor->dim, from->tensor->data};
        }
    const char *path = scratch_path("two.safetensors");
    assert_true(safetensors_save(path, true, out, count, NULL, 0, &err));
    Network *network = network_load(path, NULL, &err);
    assert_non_null(network);
    check_sample(network);
    assert_non_null(note_with(network, "names began with \"student.\""));
    assert_non_null(note_with(network, "several networks (select one with --prefix): a_teacher."));
    network_free(network);
    network_free(sample);
}

/* Where nothing fits, only what wrappers are known to put there is removed. */
static void unknown_networks(void **state) {
    (void)state;
    Error err;
    const float values[36] = {0};
    const uint64_t conv[4] = {2, 2, 3, 3}, one[1] = {1};
    static const char *const names[][3] = {{"module._orig_mod.a.weight", "module._orig_mod.b.c.weight", "n_averaged"},
                                           {"features.a.weight", "features.b.c.weight", "features.n"},
                                           {"module.weight", "weight", "n"},
                                           {"_orig_mod.a.weight", "a.weight", "n"}};
    static const char *const expected[][3] = {{"a.weight", "b.c.weight", NULL},
                                              {"features.a.weight", "features.b.c.weight", "features.n"},
                                              {"module.weight", "weight", "n"},
                                              {"_orig_mod.a.weight", "a.weight", "n"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const TensorOut tensors[] = {{names[i][0], DTYPE_F32, 4, conv, values},
                                     {names[i][1], DTYPE_F32, 4, conv, values},
                                     {names[i][2], DTYPE_F32, 1, one, values}};
        const char *path = scratch_path("unknown.safetensors");
        assert_true(safetensors_save(path, true, tensors, 3, NULL, 0, &err));
        Network *network = network_load(path, NULL, &err);
        if (!network) fail_msg("%s", err.text);
        size_t count = 0;
        for (size_t k = 0; k < 3; k++) {
            if (!expected[i][k]) continue;
            if (!named(network, expected[i][k])) fail_msg("no %s", expected[i][k]);
            count++;
        }
        assert_int_equal(network->tensor_count, count);
        network_free(network);
    }
}

/* ---- a user's definitions ---------------------------------------------------------------------------------------- */

/* Recognises the sample as resnet-cifar does not: one family with an assumption, variants and a choice. */
static const char *own_source =
    "family{name = 'mine', help = 'a test', repositories = {'me/mine'},\n"
    "  variants = {half = 'strides of one half', a = 'the first', b = 'the second', must = 'chooses'},\n"
    "  presets = {['mine%d-%g'] = function(n, x)\n"
    "    if n > 9 then return nil, 'n is 9 at most' end\n"
    "    return {n = n, x = x}\n"
    "  end, tiny = {n = 1, x = 0.5}},\n"
    "  widths = 2, predicted = 'all',\n"
    "  forward = function(net)\n"
    "    local x = input(8, 8)\n"
    "    if net.variant.must then describe('mine %s', choose('a', 'b')) else describe('mine, %d%%', 100) end\n"
    "    for i = 0, count('block.%d', net.preset.n) - 1 do\n"
    "      stage(1) block(i)\n"
    "      x = relu(conv(x, 'block.' .. i, {kernel = 3, out = net.widths[2] or 4, bias = true}))\n"
    "    end\n"
    "    stage(0)\n"
    "    assume('no %s', 'pools')\n"
    "    leave('aux', 'the other head')\n"
    "    return linear(global_pool(x), first{'head', 'fc'})\n"
    "  end}\n";

static const char *own_network(bool aux) {
    Error err;
    static const float values[200] = {0};
    const uint64_t first[4] = {4, 3, 3, 3}, second[4] = {4, 4, 3, 3}, vector[1] = {4}, matrix[2] = {5, 4},
                   five[1] = {5};
    const TensorOut tensors[] = {
        {"block.0.weight", DTYPE_F32, 4, first, values},  {"block.0.bias", DTYPE_F32, 1, vector, values},
        {"block.1.weight", DTYPE_F32, 4, second, values}, {"block.1.bias", DTYPE_F32, 1, vector, values},
        {"fc.weight", DTYPE_F32, 2, matrix, values},      {"fc.bias", DTYPE_F32, 1, five, values},
        {"aux.x", DTYPE_F32, 1, vector, values}};
    const char *path = scratch_path("own.safetensors");
    assert_true(safetensors_save(path, true, tensors, aux ? 7 : 6, NULL, 0, &err));
    return path;
}

static const char *own_file(void) {
    const char *path = scratch_path("mine.lua");
    assert_true(write_bytes(path, own_source, strlen(own_source)));
    return path;
}

static void own_files(void **state) {
    (void)state;
    Error err;
    const char *file = own_file(), *path = own_network(true);
    const NetworkOptions plain = {.architecture = file};
    Network *network = network_load(path, &plain, &err);
    if (!network) fail_msg("%s", err.text);
    assert_non_null(network->graph);
    assert_string_equal(network->architecture, "mine, 100%");
    assert_non_null(note_with(network, "not part of the network: the other head (aux)"));
    assert_non_null(
        note_with(network, "no pools; input 3x8x8; --arch mine:a|b|half|must selects another (help architectures)"));
    assert_int_equal(network->layer_count, 3);
    assert_int_equal(network->layers[1].stage, 1);
    assert_int_equal(network->layers[1].block, 1);
    assert_int_equal(network->layers[2].stage, -1);
    assert_true(network->layers[0].predicted && !network->layers[2].predicted);
    network_free(network);

    const NetworkOptions chosen = {.architecture = text_of("%s:must,b", file)};
    network = network_load(path, &chosen, &err);
    if (!network) fail_msg("%s", err.text);
    assert_string_equal(network->architecture, "mine b");
    network_free(network);

    static const struct {
        const char *variants;
        Status status;
        const char *words;
    } wrong[] = {{":must", STATUS_BAD_INPUT, "choose --arch mine:a or --arch mine:b"},
                 {":mist", STATUS_USAGE, "mine has no variant 'mist'; there are a, b, half, must"}};
    for (size_t i = 0; i < 2; i++) {
        const NetworkOptions options = {.architecture = text_of("%s%s", file, wrong[i].variants)};
        assert_null(network_load(path, &options, &err));
        assert_int_equal(err.status, wrong[i].status);
        if (!strstr(err.text, wrong[i].words)) fail_msg("%s", err.text);
    }
    const NetworkOptions missing = {.architecture = "/nowhere/mine.lua"};
    assert_null(network_load(path, &missing, &err));
    assert_int_equal(err.status, STATUS_BAD_INPUT);
    assert_non_null(strstr(err.text, "/nowhere/mine.lua"));
}

static void own_networks_made(void **state) {
    (void)state;
    Error err;
    const char *file = own_file();
    static const struct {
        const char *rest;
        size_t tensors;
        Status status;
        const char *words;
    } cases[] = {
        {"", 4, STATUS_OK, NULL},
        {":tiny", 4, STATUS_OK, NULL},
        {":mine3-0.5", 8, STATUS_OK, NULL},
        {":mine3-0.5:half,a", 8, STATUS_OK, NULL},
        {":half", 4, STATUS_OK, NULL},
        {":mine10-1", 0, STATUS_USAGE, "n is 9 at most"},
        {":mine3-", 0, STATUS_USAGE, "no architecture 'mine3-' to create"},
        {":mine3-1.5.2", 0, STATUS_USAGE, "no architecture"},
        {":mine3-1:c", 0, STATUS_USAGE, "mine has no variant 'c'"},
        {":must", 0, STATUS_USAGE, "choose --arch mine:a or --arch mine:b"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const ArchitectureRequest request = {.architecture = text_of("%s%s", file, cases[i].rest),
                                             .in_channels = 1,
                                             .classes = 5,
                                             .normalisation = {1, {0}, {1}}};
        Network *network = network_create(&request, 1, "fit", &err);
        if (cases[i].status == STATUS_OK) {
            if (!network) fail_msg("%s: %s", cases[i].rest, err.text);
            assert_int_equal(network->tensor_count, cases[i].tensors);
            assert_string_equal(network->tensors[cases[i].tensors - 2].name, "head.weight");
            network_free(network);
            continue;
        }
        assert_null(network);
        if (err.status != cases[i].status || !strstr(err.text, cases[i].words))
            fail_msg("%s: %d %s", cases[i].rest, err.status, err.text);
    }
}

/* Definitions of the folder are found by themselves; one that is none is told and spoils nothing. */
static void own_folder(void **state) {
    (void)state;
    Error err;
    const char *folder = scratch_folder(), *path = own_network(false);
    own_file();
    assert_true(write_bytes(scratch_path("broken.lua"), "family{", 7));
    architecture_folder(folder);
    Network *network = network_load(path, NULL, &err);
    if (!network) fail_msg("%s", err.text);
    if (!network->graph) fail_msg("%s", network->why_unknown);
    assert_string_equal(network->architecture, "mine, 100%");
    assert_non_null(note_with(network, "definitions left out: broken.lua:1:"));
    network_free(network);
    const NetworkOptions options = {.architecture = "mine:half"};
    network = network_load(path, &options, &err);
    assert_non_null(network);
    network_free(network);
    network = network_load(SAMPLE, NULL, &err);
    assert_non_null(network);
    assert_string_equal(network->architecture, "ResNet8 (CIFAR, option A, widths 16/32/64)");
    network_free(network);
    ArchitectureList *list = architecture_list(NULL, &err);
    assert_non_null(list);
    assert_true(list->families[list->count - 1].own);
    assert_string_equal(list->families[list->count - 1].name, "mine");
    assert_non_null(strstr(list->broken.text, "broken.lua:1:"));
    architecture_list_free(list);
    architecture_folder(NULL);
}

/* ---- limits of a whole recognition ------------------------------------------------------------------------------- */

/* A definition that passes for every prefix and loops does so once. */
static void loops_once(void **state) {
    (void)state;
    Error err;
    static const char text[] = "family{name = 'slow', forward = function(net)\n"
                               "for i = 1, 1e6 do has('x') end refuse('no') end}";
    const char *file = scratch_path("slow.lua"), *path = renamed("deep.safetensors", "a.b.c.d.e.f.g.h.@", "", NULL);
    assert_true(write_bytes(file, text, sizeof text - 1));
    const NetworkOptions options = {.architecture = file};
    const double began = clock_seconds();
    assert_null(network_load(path, &options, &err));
    assert_int_equal(err.status, STATUS_BAD_INPUT);
    assert_true(clock_seconds() - began < 30);
}

/* Every allocation may fail: STATUS_LIMIT, and nothing leaks (the sanitiser looks). */
static void memory_runs_out(void **state) {
    (void)state;
    const char *path = renamed("memory.safetensors", "model.@", "_orig_mod.", (const char *const[]){"loss.w", NULL});
    for (int all_after = 0; all_after < 2; all_after++) {
        bool done = false;
        for (uint64_t k = 1; !done; k += 1 + k / 50) {
            Error err;
            fault_arm(FAULT_ALLOC, k, all_after);
            Network *network = network_load(path, NULL, &err);
            done = fault_disarm() < k; /* without memory for it some bytes are kept that need not be */
            network_free(network);
            if (!network && (done || err.status != STATUS_LIMIT)) fail_msg("allocation %d: %s", (int)k, err.text);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips),      cmocka_unit_test(every_family_is_told), cmocka_unit_test(prefixes),
        cmocka_unit_test(prefixes_by_hand), cmocka_unit_test(several_networks),     cmocka_unit_test(unknown_networks),
        cmocka_unit_test(own_files),        cmocka_unit_test(own_networks_made),    cmocka_unit_test(own_folder),
        cmocka_unit_test(loops_once),       cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests_name("architectures", tests, NULL, NULL);
}
