/* Completion: what is offered where. */
#include "session_fixture.h"

#include <stdlib.h>
#include <unistd.h>

#include "weft/base/text.h"

/* All candidates for the word at the end of `line`, with spaces between. */
static const char *offers(const char *line) {
    static Str out;
    size_t end = strlen(line), start = end;
    while (start && (!strchr(" \t;=,\"'$(){}\n", line[start - 1]) || (start > 1 && line[start - 2] == '\\'))) start--;
    Words words;
    assert_true(complete_candidates(session, line, start, end, &words));
    out.length = 0;
    str_add(&out, "");
    for (size_t i = 0; i < words.count; i++) str_addf(&out, "%s%s", i ? " " : "", words.word[i]);
    words_done(&words);
    return str_text(&out);
}

static void test_offers(void **state) {
    (void)state;
    assert_string_equal(offers("low"), "lowpass");
    assert_string_equal(offers("lo"), "load log lowpass");
    assert_string_equal(offers("load "), "data net predictor");
    assert_string_equal(offers("load n"), "net");
    assert_string_equal(offers("sratio "), "base smooth");
    assert_string_equal(offers("sratio b"), "base");
    assert_string_equal(offers("evaluate base "), "test");
    assert_string_equal(offers("evaluate base test --attack "), "fgsm ifgsm");
    assert_string_equal(offers("sratio base --v"), "--vs");
    assert_string_equal(offers("sratio base --vs s"), "smooth");
    assert_string_equal(offers("sratio base --vs=s"), "smooth");
    assert_string_equal(offers("lowpass base --mode "), "1d 2d raw");
    assert_string_equal(offers("lowpass base --mode=2"), "2d");
    assert_string_equal(offers("spectrum base layer2"), "layer2.0.conv1 layer2.0.conv2");
    assert_string_equal(offers("sratio base --layers stage:"), "stage:1 stage:2 stage:3");
    assert_string_equal(offers("sratio base --layers conv1,block:3"), "block:3.0");
    assert_string_equal(offers("sratio base --layers=conv1,layer3.0.conv2"), "layer3.0.conv2");
    assert_string_equal(offers("ls; show sm"), "smooth");
    assert_string_equal(offers("help sel"), "selectors");
    assert_string_equal(offers("help archi"), "architectures");
    assert_string_equal(offers("load net x y --arch resnet-cif"), "resnet-cifar resnet-cifar:B");
    assert_string_equal(offers("load net x y --arch samples/fashion-resnet8."), "samples/fashion-resnet8.safetensors");
    assert_string_equal(offers("fit x --arch resnet11"), "resnet110");
    assert_string_equal(offers("load net x y --pref"), "--prefix");
    assert_string_equal(offers("load data x fashion-mnist"), "fashion-mnist:");
    assert_string_equal(offers("load net x samples/fashion-resnet8."), "samples/fashion-resnet8.safetensors");
    assert_string_equal(offers("load data x fashion-mnist:"), "fashion-mnist:test fashion-mnist:train");
    assert_string_equal(offers("load data x cifar10:samples:t"), "cifar10:samples:test cifar10:samples:train");
    assert_string_equal(offers("load data x cifar10:samples/pic"), "cifar10:samples/pictures/");
    assert_string_equal(offers("load data x stl10:samples:"),
                        "stl10:samples:test stl10:samples:train stl10:samples:unlabeled");
    assert_string_equal(offers("load data x images:samples/pic"), "images:samples/pictures/");
    assert_string_equal(offers("load data x npy:samples/pic"), "npy:samples/pictures/");
    assert_string_equal(offers("load data x npy:a.npy,samples/pic"), "samples/pictures/");
    assert_string_equal(offers("load net x y --normalise c"), "cifar10 cifar10-kuangliu cifar100");
    fixture_works(session, "sratio base --as ratios");
    assert_string_equal(offers("plot ratios --y s_"), "s_ratio");
    assert_string_equal(offers("reconstruct "), "pred");
    assert_string_equal(offers("save "), "base last pred ratios smooth test");
    assert_string_equal(offers("save pred x --dtype b"), "bf16");
    assert_string_equal(offers("load predictor x y --for "), "base smooth");
    assert_string_equal(offers("load predictor x y --for base --layers stage:"), "stage:1 stage:2 stage:3");
    assert_string_equal(offers("load predictor x y --permutation "), "cross-filter in-filter none");
    assert_string_equal(offers("nothing here "), "");
    assert_string_equal(offers("sweep "), "lowpass mix quantise svscale");
    assert_string_equal(offers("sweep lowpass b"), "base");
    assert_string_equal(offers("sweep lowpass base --over "), "cutoff=");
    assert_string_equal(offers("sweep svscale base --over factor=1,"), "factor= last=");
    assert_string_equal(offers("sweep lowpass base --over cutoff=1 --mo"), "--mode");
    assert_string_equal(offers("sweep lowpass base --over cutoff=1 --mode "), "1d 2d raw");
    assert_string_equal(offers("sweep lowpass base --int"), "");
    assert_string_equal(offers("sweep lowpass base --over cutoff="), "");
    assert_string_equal(offers("sweep lowpass base --ea"), "--each");
    assert_string_equal(offers("sratio base --format j"), "json");
    assert_string_equal(offers("load net x sample:fashion-resnet8"),
                        "sample:fashion-resnet8 sample:fashion-resnet8-predictor");
    assert_string_equal(offers("load data x sample:fashion-t"), "sample:fashion-test");
}

/* Folders with blanks and quotes in their names: behind backslashes, and in quotes. */
static void test_folders(void **state) {
    (void)state;
    char folder[] = "/tmp/weft complete XXXXXX", path[64], line[200], whole[200];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/it's.pth", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    snprintf(line, sizeof line, "load net x /tmp/weft\\ complete\\ %s/i", strrchr(folder, ' ') + 1);
    assert_string_equal(offers(line), path);
    snprintf(line, sizeof line, "load net x \"%s/i", folder);
    Words words;
    const size_t start = strlen("load net x \""); /* where readline begins a quoted word */
    assert_true(complete_candidates(session, line, start, strlen(line), &words));
    assert_int_equal(words.count, 1);
    assert_string_equal(words.word[0], path);
    words_done(&words);
    snprintf(whole, sizeof whole, "load net x '%s/it", folder);
    assert_true(complete_candidates(session, whole, start, strlen(whole), &words));
    assert_int_equal(words.count, 1);
    words_done(&words);
    snprintf(line, sizeof line, "cd /tmp/weft\\ complete\\ %s/", strrchr(folder, ' ') + 1);
    assert_string_equal(offers(line), ""); /* a file is no folder */
    remove(path);
    rmdir(folder);
}

static void test_lua(void **state) {
    (void)state;
    fixture_works(session, "sratio base --as ratios --quiet");
    fixture_works(session, "cutoffs = {first = 1, second = 2}");
    assert_string_equal(offers("math.fl"), "math.floor");
    assert_string_equal(offers("x = 2 * math.fl"), "math.floor");
    assert_string_equal(offers("print(math.fl"), "math.floor");
    assert_string_equal(offers("cutoffs."), "cutoffs.first cutoffs.second");
    assert_string_equal(offers("print(ratios.s_"), "ratios.s_ratio");
    assert_string_equal(offers("ratios.notes.mean_l"), "ratios.notes.mean_last_half");
    assert_string_equal(offers("cuto"), "cutoffs");
    assert_string_equal(offers("ra"), "ratios");
    assert_string_equal(offers("lowpass base --cutoff $cut"), "cutoffs");
    assert_string_equal(offers("lowpass base --cutoff $(cutoffs.f"), "cutoffs.first");
    assert_string_equal(offers("sratio{\"ba"), "base");
    assert_string_equal(offers("for i = 1, 3 do\n  print(math.fl"), "math.floor");
    assert_string_equal(offers("ls\nlowp"), "lowpass");
    assert_string_equal(offers("ratios:so"), "ratios:sort");
    assert_string_equal(offers("ratios:s_r"), "");
    assert_string_equal(offers("expect nea"), "near");
    assert_string_equal(offers("expect 1 < ratios.s_"), "ratios.s_ratio");
    assert_string_equal(offers("nothing.here."), "");
    assert_string_equal(offers("ratios.nothing.here."), ""); /* no such column: an error inside Lua */
}

/* Columns of the table that stands on the line. */
static void test_columns(void **state) {
    (void)state;
    fixture_works(session, "sratio base --as ratios");
    assert_string_equal(offers("sort ratios s_"), "s_ratio");
    assert_string_equal(offers("sort ratios layer -s_"), "-s_ratio");
    assert_string_equal(offers("sort ratios --des"), "--descending");
    assert_string_equal(offers("filter ratios \"s_"), "s_ratio");
    assert_string_equal(offers("join ratios ra"), "ratios");
    assert_string_equal(offers("join ratios last --by la"), "layer");
    assert_string_equal(offers("group ratios --by layer --take mean,s"), "std sum");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_offers), cmocka_unit_test(test_folders),
                                       cmocka_unit_test(test_lua), cmocka_unit_test(test_columns)};
    return cmocka_run_group_tests(tests, fixture_begin, fixture_end);
}
