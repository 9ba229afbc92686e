/* Every record is complete, every example runs, bad arguments are refused. */
#include <stdlib.h>
#include <unistd.h>

#include "session_fixture.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

/* Each name that `needs` begins a clause with belongs to some command that has the row. */
static bool knows(const char *needs) {
    for (const char *at = needs; at && *at; at += strcspn(at, ",") + (at[strcspn(at, ",")] == ',')) {
        bool known = false;
        Setting other;
        for (const Command *const *each = commands; *each && !known; each++)
            known = command_option(*each, at, strcspn(at, ",=!>"), &other);
        if (!known) return false;
    }
    return true;
}

static void check_row(const Command *command, CommandPart part, const Setting *setting, const char *help) {
    Error err;
    SettingValue value;
    if (!setting->help || !strstr(help, setting->name)) fail_msg("%s: %s has no help", command->name, setting->name);
    if (part != PART_POSITIONALS && (setting->kind == SETTING_FLAG) != (setting->value == NULL))
        fail_msg("%s: --%s has a value's name or is a flag", command->name, setting->name);
    if (setting->kind == SETTING_CHOICE) assert_non_null(setting->choices);
    if (setting->standard && !setting_read(setting, setting->standard, &value, &err))
        fail_msg("%s: the default of %s: %s", command->name, setting->name, err.text);
    if (!knows(setting->needs))
        fail_msg("%s: --%s needs '%s', which nothing is", command->name, setting->name, setting->needs);
    if (part != PART_COMMON && !setting->repeated && setting->offset + setting->size > command->size)
        fail_msg("%s: the place of %s lies outside of its struct", command->name, setting->name);
}

static void test_records(void **state) {
    (void)state;
    for (const Command *const *each = commands; *each; each++) {
        const Command *command = *each;
        if (!command->summary || !command->group || !command->run || !command->examples || !command->examples[0])
            fail_msg("%s: an incomplete record", command->name);
        Error err;
        Str help = {0};
        assert_true(help_text(command->name, &help, &err));
        CommandWalk walk = {0};
        Setting setting;
        while (command_row(command, &walk, &setting)) check_row(command, walk.part, &setting, help.text);
        str_done(&help);
    }
}

static void test_help(void **state) {
    (void)state;
    Error err;
    Str out = {0};
    help_overview(&out);
    for (const Command *const *each = commands; *each; each++) assert_non_null(strstr(out.text, (*each)->summary));
    for (const HelpTopic *topic = help_topics; topic->name; topic++) assert_true(help_text(topic->name, &out, &err));
    assert_false(help_text("lowpas", &out, &err));
    assert_non_null(strstr(err.text, "did you mean lowpass?"));
    out.length = 0;
    assert_true(help_apropos("SINGULAR", &out));
    assert_non_null(strstr(out.text, "svscale"));
    assert_false(help_apropos("xyzzy", &out));
    str_done(&out);
}

/* Every example of every command, in a folder of its own since some write files; each after the prelude. */
static void test_examples(void **state) {
    (void)state;
    char old[4096], folder[] = "/tmp/weft-examples-XXXXXX";
    assert_non_null(getcwd(old, sizeof old));
    setenv("WEFT_SAMPLES", "samples", 1);
    char samples[4200];
    snprintf(samples, sizeof samples, "%s/samples", old);
    setenv("WEFT_SAMPLES", samples, 1);
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    setenv("XDG_STATE_HOME", folder, 1); /* where lessons keep their progress */
    for (const Command *const *each = commands; *each; each++) {
        if ((*each)->examples_need_job) continue; /* see jobs.sh */
        session = fixture_session(true);
        Error none;
        if (strcmp(WEFT_BUILD_MODE, "asan") == 0) /* fewer images, for the slower build */
            fixture_works(session, "load data test sample:fashion-test --limit 24 --quiet");
        if ((*each)->prelude) assert_int_equal(fixture_run(session, (*each)->prelude, &none), STATUS_OK);
        for (const char *const *example = (*each)->examples; *example; example++) {
            Error err;
            if (fixture_run(session, *example, &err) != STATUS_OK) fail_msg("%s: %s", *example, err.text);
        }
        session_free(session);
    }
    assert_int_equal(chdir(old), 0);
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

static void test_bad_arguments(void **state) {
    (void)state;
    static const struct {
        const char *line, *text;
    } cases[] = {
        {"sratio", "sratio needs NET: sratio NET [--vs NET2]"},
        {"sratio bse", "no network 'bse'; did you mean base?"},
        {"sratio test", "'test' is a dataset, not a network"},
        {"sratio base extra", "unexpected argument 'extra'"},
        {"sratio base --vz smooth", "sratio has no option --vz; did you mean --vs?"},
        {"sratio base --vs", "--vs needs a value (NET2)"},
        {"sratio base --vs smooth --vs smooth", "--vs is given twice"},
        {"sratio base --layers layer9.0", "layer9.0"},
        {"sratio base --layers layer1.0.conv", "did you mean layer1.0.conv1?"},
        {"sratio base --quiet=1", "--quiet must be off or on, not '1'"},
        {"sratio base --seed -1", "--seed must be at least 0"},
        {"sratio base --format xml", "--format must be table, csv, tsv, json or md"},
        {"sratio base --as 2x",
         "'2x' is not a valid name: use a letter, then letters, digits, _ . or -, at most 64 characters"},
        {"lowpass base --into s", "lowpass needs --cutoff"},
        {"lowpass base --cutoff 2", "lowpass needs --into"},
        {"lowpass base --cutoff x --into s", "--cutoff needs a number, not 'x'"},
        {"lowpass base --cutoff nan --into s", "--cutoff needs a number"},
        {"lowpass base --cutoff -1 --into s", "--cutoff must be greater than 0"},
        {"lowpass base --cutoff 1 --mode 3d --into s", "--mode must be 1d, 2d or raw"},
        {"svscale base --factor -0.5 --into s", "--factor must be at least 0"},
        {"svscale base --factor 1 --last 1.5 --into s", "--last needs a whole number"},
        {"svscale base --factor 1 --last 0 --into s", "--last must be at least 1"},
        {"spectrum base layer1.0.convx", "did you mean layer1.0.conv1?"},
        {"load data x bogus:1", "bogus"},
        {"load data x sample:fashion-test --limit 0", "--limit must be at least 1"},
        {"load net x sample:fashion-resnet8 --normalise a/b", "a/b"},
        {"evaluate base smooth", "'smooth' is a network, not a dataset"},
        {"evaluate base test --attack pgd --eps 0.1", "--attack must be fgsm or ifgsm"},
        {"evaluate base test --attack fgsm", "--attack needs --eps"},
        {"evaluate base test --attack fgsm --eps 1/0", "--eps: '1/0' divides by 0"},
        {"evaluate base test --attack ifgsm --eps 0.1 --steps 0", "--steps must be at least 1"},
        {"save test x.npz", "'test' is a dataset"},
        {"save base x.bin", ".safetensors"},
        {"export nothing x.svg", "no table 'nothing'"},
        {"plot nothing", "no table 'nothing'"},
        {"show nothing", "no object 'nothing'"},
        {"show test --layers all", "--layers needs a network;"},
        {"help lowpas", "did you mean lowpass?"},
    };
    session = fixture_session(true);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        fixture_fails(session, cases[i].line, STATUS_USAGE, cases[i].text);
    fixture_works(session, "sratio base --layers -conv1 --as rest");
    fixture_works(session, "sratio base --help");
    fixture_works(session, "sratio -- base");
    session_free(session);
}

static void test_bad_tables(void **state) {
    (void)state;
    static const struct {
        const char *line, *text;
    } cases[] = {
        {"sort change diference", "did you mean difference? (columns: layer, s_ratio, s_ratio_vs, difference)"},
        {"filter change diference > 1", "did you mean difference?"},
        {"filter change layer == conv1", "a text stands in quotes: 'conv1'"},
        {"filter change \"layer = 'conv1'\"", "(Lua writes == for equal)"},
        {"filter change difference != 0", "(Lua writes ~= for not equal)"},
        {"filter change difference", "the value is a number, neither true nor false"},
        {"filter change \"\"", "the expression is empty"},
        {"head change -3", "N must be at least 0, not -3"},
        {"join change", "join needs two tables or more"},
        {"join change change", "join needs --by COLUMN (side by side) or --stack NAME"},
        {"join change change --by laier", "'change' has no column 'laier'; did you mean layer?"},
        {"join change change --by layer,layer", "--by: layer is given twice"},
        {"join change change --by layer --stack x", "--by does not go with --stack"},
        {"join change change --stack layer", "'change' has a column 'layer' already"},
        {"group change --by layer --take avg", "'avg' is not mean, std, min, max, median, sum or count"},
        {"group change --by layer --columns layer", "column 'layer' holds texts, not numbers"},
    };
    session = fixture_session(true);
    fixture_works(session, "sratio base --vs smooth --as change");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        fixture_fails(session, cases[i].line, STATUS_USAGE, cases[i].text);
    session_free(session);
}

static void test_manual(void **state) {
    (void)state;
    Str manual = {0};
    shell_manual(&manual);
    for (const Command *const *each = commands; *each; each++) {
        Str heading = {0};
        str_addf(&heading, ".SS %s\n", (*each)->name);
        assert_non_null(strstr(manual.text, heading.text));
        str_done(&heading);
    }
    str_done(&manual);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_records),    cmocka_unit_test(test_help),
                                       cmocka_unit_test(test_examples),   cmocka_unit_test(test_bad_arguments),
                                       cmocka_unit_test(test_bad_tables), cmocka_unit_test(test_manual)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
