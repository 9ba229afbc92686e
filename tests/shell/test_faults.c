/* test_faults -- every command with memory that runs out and files that fail.
 *
 * The cases are the examples of every command (help shows them), and the lines below. A commit tries a sample of each;
 * `make faults` (FAULTS=all) refuses every call once, and again every one from it on:
 *
 *   FAULTS=all [FAULTS_LINE=PART] [FAULTS_FIRST=N] build/release/tests/shell/test_faults [-a|-f] [COMMAND ...]   (-a:
 * memory only, -f: files only)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "../support/bytes.h"
#include "../support/faults.h"
#include "shell/command.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/shell.h"

/* Lines beside the examples: other paths through a command, and those whose examples need a terminal or a job. */
static const struct {
    const char *command, *prelude, *line;
} lines[] = {
    {"quantise", "load data few sample:fashion-test --limit 8", "quantise base --calibrate few --into t"},
    {"quantise", NULL, "quantise pred --into t"},
    {"recalibrate", NULL, "recalibrate base --on test --batch 4 --into t"},
    {"evaluate", NULL, "evaluate base test --attack ifgsm --eps 1/255,2/255 --steps 2"},
    {"svscale", NULL, "svscale base --factor 0.5 --layers stage:1 --into t"},
    {"spectrum", NULL, "spectrum base conv1 --fft"},
    {"attach", "train p --net base --hidden 8 --steps 6 --run runs/a --quiet", "attach runs/a"},
    {"stop", "train p --net base --hidden 8 --steps 6 --run runs/a --quiet", "stop runs/a"},
    {"attach", "sweep lowpass base --over cutoff=1:2:2 --on test --run runs/s", "attach runs/s"},
    {"jobs", "train p --net base --hidden 8 --steps 6 --run runs/a --background --quiet", "jobs"},
    {"train", NULL, "train p --net base --hidden 8 --steps 6 --run runs/a --background"},
    {"train", NULL, "train p --net base --hidden 8 --steps 6 --run runs/a --on test --save-every 3"},
    {"train", NULL, "train p --net base --hidden 8 --steps 4 --trials 2 --run runs/a"},
    {"fit", NULL, "fit f --arch resnet8 --widths 4 --data test --epochs 1 --run runs/f"},
    {"progressive", NULL,
     "progressive base --rounds 2 --trials 1 --hidden 8 --steps 4 --on test --run runs/r --into t"},
    {"sweep", NULL, "sweep lowpass base --over cutoff=1:2:2 --on test --run runs/s"},
    {"interpolate", NULL, "interpolate base smooth --on test --points 3 --run runs/i"},
    {"landscape", NULL, "landscape base --random 1 --on test --grid 3 --run runs/l"},
    {"resume", "sweep lowpass base --over cutoff=1:2:2 --on test --run runs/s", "resume runs/s"},
    {"save", "save base n.safetensors; save base n.npz", "save smooth n.safetensors --force"},
    {"save", "save base n.npz", "save smooth n.npz --force"},
    {"save", NULL, "save smooth n.onnx"},
    {"save", "save pred p.safetensors", "save pred p.safetensors --dtype f16 --force"},
    {"load net", "save base n.onnx", "load net t n.onnx"},
    {"load net", "save base n.npz", "load net t n.npz"},
    {"load net", "save base n.safetensors", "load net t n.safetensors"},
    {"load predictor", "save pred p.safetensors", "load predictor t p.safetensors --for base"},
    {"export", "sratio base --as t; export t t.csv", "export t t.csv --force"},
    {"export", "sratio base --as t", "export t t.tsv"},
    {"export", "sratio base --as t", "export t t.json"},
    {"export", "sratio base --as t", "export t t.md"},
    {"export", "sratio base --as t; export t t.svg", "export t t.svg --force"},
    {"export", "sratio base --as t", "export t t.png"},
    {"export", "sratio base --as t", "export t t.pdf"},
    {"record", "record r.weft", "record r.weft --force"},
    {"record", "record r.weft", "sratio base --as again"},
    {"plot", "sratio base --as t", "plot t --inline --y s_ratio --log-y"},
    {"cd", NULL, "shell mkdir d; cd d; cd ..; cd -; cd .."},
    {"check", "lesson first --restart", "check 7"},
    {"lesson", NULL, "lesson first --auto"},
    {"help", NULL, "help"},
    {"help", NULL, "help low-pass"},
    {"join", "sratio base --as a; sratio smooth --as b", "join a b --stack network --as s"},
    {"evaluate", NULL, "evaluate base test --per-class --format json"},
    {"expect", NULL, "lowpass{'base', cutoff = 2, into = 't', layers = {'conv1', 'layer1.*'}}"},
    {"show", "n = 2", "run('show %s --layers conv$(n - 1)', 'base')"},
    {"sort", NULL, "r = tabulate('mine', {'a', 'b (%)'}, {{1, 2.5}, {2, 'x'}})"},
    {"sort", "ratio = sratio{'base'}", "r = ratio:with('x', ratio.K * 2):filter('x > 1'):join(ratio, 'layer'):as('s')"},
};
enum {
    SAMPLE = 5,
    LINES = sizeof lines / sizeof *lines,
    FILE_KINDS = FAULT_OPEN | FAULT_READ | FAULT_WRITE | FAULT_FSYNC | FAULT_CLOSE | FAULT_RENAME
};

static const char *const *chosen; /* names of commands; NULL: all */
static int chosen_count;
static char samples[4200];
static bool all, memory = true, files = true;

static bool is_chosen(const char *name) {
    bool found = chosen_count == 0;
    for (int i = 0; i < chosen_count; i++) found = found || strcmp(chosen[i], name) == 0;
    return found;
}

typedef void EachCase(const FaultCase *item, void *context);

/* Several commands, one whose expression runs others, or one that keeps what it has done. */
static bool many(const Command *command, const char *line) {
    static const char *const names[] = {"source", "lesson", "expect", "record", "sweep", "interpolate", "landscape"};
    bool found = command->retries || strchr(line, ';') || strcmp(line, "skip") == 0; /* runs a step's commands */
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) found = found || strcmp(command->name, names[i]) == 0;
    return found;
}

static void give(const Command *command, FaultCase item, EachCase *each, void *context) {
    const char *part = getenv("FAULTS_LINE"); /* only lines with this in them */
    if (part && !strstr(item.line, part)) return;
    item.many = many(command, item.line);
    each(&item, context);
}

/* A sample takes the lines of a command, and its first example where it has none. */
static void each_case(EachCase *each, void *context) {
    for (const Command *const *at = commands; *at; at++) {
        const Command *command = *at;
        size_t own = 0;
        if (!is_chosen(command->name)) continue;
        for (size_t i = 0; i < LINES; i++) {
            if (strcmp(lines[i].command, command->name) != 0) continue;
            const FaultCase item = {.command = command->name, .prelude = lines[i].prelude, .line = lines[i].line};
            give(command, item, each, context);
            own++;
        }
        for (size_t i = 0; command->examples[i] && !command->examples_need_job && (all || own + i == 0); i++) {
            const FaultCase item = {.command = command->name,
                                    .prelude = command->prelude,
                                    .before = command->examples,
                                    .before_count = i,
                                    .line = command->examples[i]};
            give(command, item, each, context);
        }
    }
}

/* Every command has a case, and every case works where nothing is refused. */
static void count_command(const FaultCase *item, void *context) {
    (void)item;
    ++*(size_t *)context;
}

static void test_cases(void **state) {
    (void)state;
    for (size_t i = 0; i < LINES; i++) {
        const char *const words[] = {lines[i].command,
                                     strchr(lines[i].command, ' ') ? strchr(lines[i].command, ' ') + 1 : ""};
        bool known = false;
        for (const Command *const *at = commands; *at; at++) known = known || strcmp((*at)->name, words[0]) == 0;
        if (!known) fail_msg("no command %s", lines[i].command);
    }
    for (const Command *const *at = commands; *at && !getenv("FAULTS_LINE"); at++) {
        const char *const one[] = {(*at)->name};
        const char *const *before = chosen;
        const int before_count = chosen_count;
        size_t count = 0;
        chosen = one, chosen_count = 1;
        each_case(count_command, &count);
        chosen = before, chosen_count = before_count;
        if (count == 0) fail_msg("%s has no case", (*at)->name);
    }
}

/* The start of the program, before there is a session. */
static void test_start(void **state) {
    (void)state;
    for (int all_after = 0; all_after < 2; all_after++) {
        uint64_t seen = 1;
        for (uint64_t n = 1; n <= seen && memory; n++) {
            Error err = {0};
            fault_arm(FAULT_ALLOC, n, all_after);
            Session *session = session_new(&(SessionOptions){.quiet = true}, &err);
            seen = fault_disarm();
            if (!session && (err.status != STATUS_LIMIT || !err.text[0] || strchr(err.text, '\n')))
                fail_msg("allocation %llu: status %d: %s", (unsigned long long)n, (int)err.status, err.text);
            if (!session) assert_true(n <= seen);
            session_free(session);
        }
    }
}

typedef struct Total {
    FaultPlan plan;
    uint64_t runs;
    unsigned cases, failures;
} Total;

static void walk(const FaultCase *item, void *context) {
    Total *total = context;
    if (!all && total->cases++ % 2 != total->plan.all_after) return; /* a sample: one or the other */
    const FaultReport report = faults_walk(item, &total->plan);
    total->runs += report.runs;
    total->failures += report.failures;
    total->cases += all;
    if (all || report.seconds > 2)
        printf("# %6.1f s %7llu runs of %7llu calls, %u failed: %s\n", report.seconds, (unsigned long long)report.runs,
               (unsigned long long)report.calls, report.failures, item->line);
    fflush(stdout);
}

static void walk_all(unsigned kinds, bool all_after) {
    const char *first = getenv("FAULTS_FIRST"); /* goes on from this call, as a failure names it */
    const unsigned some = strcmp(WEFT_BUILD_MODE, "asan") == 0 ? SAMPLE / 2 : SAMPLE;
    Total total = {.plan = {.kinds = kinds,
                            .all_after = all_after,
                            .first = first ? strtoull(first, NULL, 10) : 1,
                            .samples = samples,
                            .sample = all ? 0 : some,
                            .leaks_each = getenv("FAULTS_LEAKS") != NULL}};
    each_case(walk, &total);
    printf("# kinds %u%s: %u cases, %llu runs, %u failures\n", kinds, all_after ? ", all later" : "", total.cases,
           (unsigned long long)total.runs, total.failures);
    assert_int_equal(total.failures, 0);
}

static void test_memory(void **state) {
    (void)state;
    if (memory) walk_all(FAULT_ALLOC, false);
}

static void test_no_memory_any_more(void **state) {
    (void)state;
    if (memory) walk_all(FAULT_ALLOC, true);
}

static void test_files(void **state) {
    (void)state;
    if (files) walk_all(FILE_KINDS, false);
}

static void test_no_files_any_more(void **state) {
    (void)state;
    if (files) walk_all(FILE_KINDS, true);
}

static void test_parts(void **state) {
    (void)state;
    if (files) walk_all(FAULT_SHORT, false);
}

static void test_interruptions(void **state) {
    (void)state;
    if (files) walk_all(FAULT_INTERRUPTED, false);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases),  cmocka_unit_test(test_start),
                                       cmocka_unit_test(test_memory), cmocka_unit_test(test_no_memory_any_more),
                                       cmocka_unit_test(test_files),  cmocka_unit_test(test_no_files_any_more),
                                       cmocka_unit_test(test_parts),  cmocka_unit_test(test_interruptions)};
    if (argc > 1 && strcmp(argv[1], "-c") == 0) return 0; /* a run in the background starts this program */
    const char *how = getenv("FAULTS");
    all = how && strcmp(how, "all") == 0;
    for (argv++; *argv && **argv == '-'; argv++) {
        memory = memory && strcmp(*argv, "-f") != 0;
        files = files && strcmp(*argv, "-a") != 0;
    }
    chosen = (const char *const *)argv;
    while (argv[chosen_count]) chosen_count++;
    if (!getcwd(samples, sizeof samples - 8)) return 1;
    strcat(samples, "/samples");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
