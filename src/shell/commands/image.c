/* image -- one image of a dataset, drawn in the terminal. */
#include <string.h>
#include <math.h>

#include "../attack_options.h"
#include "../dispatch.h"
#include "../output.h"
#include "../session.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/text.h"
#include "weft/probe.h"

typedef struct Image {
    const Object *data, *network;
    uint64_t index;
    const char *corrupt;
    AttackOptions attack;
} Image;

/* The image as a network sees it, and as bytes. */
typedef struct Shown {
    float *values;
    uint8_t *bytes;
    size_t size;
} Shown;

static void shown_done(Shown *shown) {
    mem_free(shown->values);
    mem_free(shown->bytes);
}

/* As it is. Values of noise reach from -1 to 1, others from 0 to 1. */
static bool take_image(const Dataset *data, uint64_t index, Shown *out, Error *err) {
    out->size = (size_t)data->channels * data->height * data->width;
    out->values = mem_alloc(out->size, sizeof *out->values, err);
    out->bytes = out->values ? mem_alloc(out->size, 1, err) : NULL;
    if (!out->bytes) return false;
    dataset_image(data, index, out->values);
    for (size_t i = 0; i < out->size; i++) {
        const float value = data->noise ? out->values[i] / 2 + 0.5f : out->values[i];
        out->bytes[i] = (uint8_t)lroundf(value * 255);
    }
    return true;
}

static bool corrupt(const Session *session, const Image *o, const Dataset *data, uint64_t index, Shown *shown,
                    Error *err) {
    CorruptionChoice choice;
    if (!corruption_choose(o->corrupt, &choice, err)) return false;
    if (!corruption_single(&choice))
        return error_set(err, STATUS_USAGE, "image shows a single corruption: --corrupt KIND:SEVERITY");
    if (!dataset_corrupt_image(data, index, choice.first, choice.low, session->seed, shown->bytes, err)) return false;
    for (size_t i = 0; i < shown->size; i++) shown->values[i] = (float)shown->bytes[i] / 255.0f;
    return true;
}

/* The pixels that an attack on --net makes of it. */
static bool attack(const Args *args, const Image *o, const Dataset *data, uint64_t index, Shown *shown, Error *err) {
    Attack *attacks;
    size_t count;
    if (!attacks_read(args, &o->attack, &attacks, &count, err)) return false;
    bool ok = true;
    if (count > 0 && !o->network)
        ok = error_set(err, STATUS_USAGE, "--attack needs a network: --net NET");
    else if (count > 0 && o->corrupt)
        ok = error_set(err, STATUS_USAGE, "--attack cannot be combined with --corrupt");
    else if (count > 1)
        ok = error_set(err, STATUS_USAGE, "image shows a single attack; give --eps one number, not %zu", count);
    else if (count == 1)
        ok = attack_image(o->network->network, data, index, attacks, shown->values, err);
    for (size_t i = 0; ok && count == 1 && i < shown->size; i++)
        shown->bytes[i] = (uint8_t)lroundf(shown->values[i] * 255);
    mem_free(attacks);
    return ok;
}

/* "label 2 Pullover" */
static void add_class(const Dataset *data, const char *what, unsigned label, Str *out) {
    const char *name = data->class_names && label < data->classes ? data->class_names[label] : "";
    str_addf(out, "%s %u%s%s", what, label, *name ? " " : "", name);
}

static bool add_title(const Args *args, const Image *o, const Dataset *data, uint64_t index, const Shown *shown,
                      Str *out, Error *err) {
    const Network *network = object_network(o->network);
    str_addf(out, "%s, image %llu", o->data->name, (unsigned long long)index);
    if (o->corrupt) str_addf(out, ", %s", o->corrupt);
    if (args_given(args, "attack")) str_addf(out, ", %s eps %s", attack_name(o->attack.kind), o->attack.eps);
    if (data->labels) add_class(data, ": label", data->labels[index], out);
    if (!network) return true;
    unsigned predicted;
    double probability;
    if (!predict_image(network, data, shown->values, &predicted, &probability, err)) return false;
    if (isnan(probability)) {
        str_addf(out, "; %s has no logits for it (NaN or infinite)", o->network->name);
        return true;
    }
    str_addf(out, "; %s predicts", o->network->name);
    add_class(data, "", predicted, out);
    str_addf(out, " (%.1f %%)", 100 * probability);
    return true;
}

static bool draw(const Session *session, const Dataset *data, const Shown *shown, const char *title, Str *out,
                 Error *err) {
    ChartGrid grid;
    if (!picture_grid(shown->bytes, data->channels, data->height, data->width, output_columns(), session->ascii,
                      session->colours, &grid, err))
        return false;
    str_add_escaped(out, title, strlen(title)); /* classes are folders' names */
    str_add(out, "\n");
    chart_grid_text(&grid, session->colours, out);
    chart_grid_done(&grid);
    if (!session->options.interactive) str_add(out, "\n"); /* results of a script stand apart */
    return true;
}

static bool image_command(Session *session, const Args *args, Result *result, Error *err) {
    const Image *o = args->options;
    const Dataset *data = o->data->dataset;
    const uint64_t index = o->index;
    if (index >= data->count)
        return error_set(err, STATUS_USAGE, "'%s' has no image %llu; its %llu images are counted from 0", o->data->name,
                         (unsigned long long)index, (unsigned long long)data->count);
    Shown shown = {0};
    Str title = {0};
    bool ok = take_image(data, index, &shown, err) && (!o->corrupt || corrupt(session, o, data, index, &shown, err)) &&
              attack(args, o, data, index, &shown, err) && add_title(args, o, data, index, &shown, &title, err) &&
              str_ok(&title, err) && draw(session, data, &shown, str_text(&title), &result->text, err) &&
              (result->table = pixels_table(shown.bytes, data->channels, data->height, data->width, err));
    if (ok) {
        const Column *last = &result->table->columns[result->table->column_count - 1];
        result_chart(result, CHART_HEATMAP, "column", "row", "%s", str_text(&title));
        snprintf(result->encoding.value, CHART_NAME_MAX, "%s", last->name);
        result->encoding.y_names = true;
        result->encoding.picture = true;
        result->drawn = true;
    }
    str_done(&title);
    shown_done(&shown);
    return ok;
}

static const Setting positionals[] = {
    OBJECT(Image, data, DATASET, "DATA", NULL, .help = "the images"),
    INTEGER(Image, index, "N", NULL, .max = 1e15, .help = "number of the image, counted from 0"),
    {0}};
#define X(name, help) #name ":3",
static const Setting own[] = {WORD(Image, corrupt, TEXT, "corrupt", "KIND:SEVERITY",
                                   .choices = (const char *const[]){CORRUPTIONS(X) NULL},
                                   .help = "corrupt it first (help corruptions)"),
                              OBJECT(Image, network, NETWORK, "net", "NET",
                                     .help = "report the class that this network predicts, and its probability"),
                              {0}};
#undef X
static const SettingGroup options[] = {{own, 0}, {attack_settings, offsetof(Image, attack)}, {NULL, 0}};
static const SettingChange changes[] = {
    {.name = "eps", .help = "largest change of a pixel, in [0, 1]: a number or a fraction such as 2/255"},
    {.name = NULL}};
static const char *const examples[] = {"image test 3", "image test 3 --corrupt motion_blur:4 --net base",
                                       "image test 3 --attack fgsm --eps 8/255 --net base", NULL};

const Command command_image = {
    .name = "image",
    .group = "Measuring",
    .summary = "Draw one image in the terminal",
    .description =
        "Each character shows two pixels with 256 colours, or one level of a grey ramp without them. The image is "
        "reduced if it does not fit. The table holds the pixels, with values 0 to 255 (--as NAME). --format "
        "prints them, and `export` draws them in their own colours.",
    .size = sizeof(Image),
    .positionals = positionals,
    .options = options,
    .changes = changes,
    .examples = examples,
    .run = image_command,
    .table = true,
};
