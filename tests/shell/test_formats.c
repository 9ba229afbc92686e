/* Whatever claims to be CSV or JSON is: every example of every command with --format csv and json, the files that the
 * examples export, and each line of README.md and of the help topics that asks for one of the two. CSV is read by the
 * grammar of RFC 4180, JSON by jansson. */
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "../support/bytes.h"
#include "session_fixture.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

/* ---- what is read ------------------------------------------------------------------------------------------------ */

/* One field from *at, which moves behind it; false where RFC 4180 has no such field. */
static bool csv_field(const char **at) {
    if (**at != '"') {
        *at += strcspn(*at, ",\n\"");
        return **at != '"';
    }
    for (++*at; **at; ++*at) {
        if (**at != '"') continue;
        if ((*at)[1] != '"') {
            ++*at;
            return **at == ',' || **at == '\n';
        }
        ++*at;
    }
    return false;
}

/* Tables with an empty line between them. Each has one heading, and as many fields in every row. Returns how many. */
static size_t csv_tables(const char *text, const char *what) {
    size_t tables = 0, columns = 0;
    for (const char *at = text; *at; at++) {
        size_t fields = 1;
        if (*at == '\n') {
            if (columns == 0) fail_msg("%s: an empty line where a table should begin", what);
            columns = 0;
            continue;
        }
        for (;; fields++) {
            if (!csv_field(&at)) fail_msg("%s: not CSV: %.60s", what, at);
            if (*at != ',') break;
            at++;
        }
        if (*at != '\n') fail_msg("%s: the last line has no end", what);
        if (columns == 0) tables++, columns = fields;
        if (fields != columns) fail_msg("%s: a row of %zu fields under %zu headings", what, fields, columns);
    }
    return tables;
}

/* JSON documents, each a table. Returns how many. */
static size_t json_tables(const char *text, const char *what) {
    size_t tables = 0;
    for (const char *at = text + strspn(text, "\n"); *at; at += strspn(at, "\n"), tables++) {
        json_error_t why;
        json_t *root = json_loads(at, JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &why);
        if (!root) fail_msg("%s: not JSON: %s: %.60s", what, why.text, at);
        json_t *columns = json_object_get(root, "columns"), *rows = json_object_get(root, "rows"), *row;
        size_t i;
        if (!json_is_object(json_object_get(root, "notes")) || !json_is_array(columns) || !json_is_array(rows))
            fail_msg("%s: JSON, but no table", what);
        json_array_foreach(rows, i, row) assert_int_equal(json_object_size(row), json_array_size(columns));
        at += why.position;
        json_decref(root);
    }
    return tables;
}

static size_t tables_in(const char *text, const char *format, const char *what) {
    return strcmp(format, "csv") == 0 ? csv_tables(text, what) : json_tables(text, what);
}

/* ---- standard output --------------------------------------------------------------------------------------------- */

static int terminal = -1, caught = -1;

static void catch_output(void) {
    fflush(stdout);
    FILE *file = tmpfile();
    assert_non_null(file);
    terminal = dup(STDOUT_FILENO);
    caught = dup(fileno(file));
    fclose(file);
    assert_true(dup2(caught, STDOUT_FILENO) >= 0);
}

/* What was printed since catch_output; free it. */
static char *caught_output(void) {
    fflush(stdout);
    assert_true(dup2(terminal, STDOUT_FILENO) >= 0);
    const off_t length = lseek(caught, 0, SEEK_END);
    char *text = calloc((size_t)length + 1, 1);
    assert_non_null(text);
    assert_int_equal(pread(caught, text, (size_t)length, 0), length);
    close(caught);
    close(terminal);
    return text;
}

static Session *session_with(const char *format) {
    Error err;
    const SessionOptions options = {.format = format};
    Session *made = session_new(&options, &err);
    assert_non_null(made);
    return made;
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

/* Commands that print a table without keeping it. */
static bool prints_table(const Command *command) {
    static const char *const others[] = {"ls", "show", "jobs"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(command->name, others[i]) == 0) return true;
    return command->table;
}

static void run_examples(const Command *command, const char *format) {
    session = session_with(format);
    session->options.quiet = true;
    assert_int_equal(session_run_text(session, NULL, command_prelude), STATUS_OK);
    fixture_works(session, "load data test sample:fashion-test --limit 24");
    if (command->prelude) fixture_works(session, command->prelude);
    session->options.quiet = false;
    for (const char *const *example = command->examples; *example; example++) {
        Error err;
        catch_output();
        const Status status = fixture_run(session, *example, &err);
        char *text = caught_output();
        if (status != STATUS_OK) fail_msg("%s: %s", *example, err.text);
        const bool lesson =
            strncmp(*example, "lesson ", 7) == 0; /* one that begins prints its text; the list is a table */
        if (!lesson && (!strstr(*example, "--format") || strstr(*example, format)))
            tables_in(text + (*text == '\n'), format, *example); /* apart from the one before */
        free(text);
    }
    session_free(session);
}

static void examples_of_commands(void **state) {
    (void)state;
    static const char *const formats[] = {"csv", "json"};
    for (const Command *const *each = commands; *each; each++)
        for (int f = 0; f < 2; f++) {
            if ((*each)->examples_need_job || !prints_table(*each)) continue;
            run_examples(*each, formats[f]);
            if (system("rm -rf ./*") != 0) fail_msg("the folder cannot be emptied");
        }
}

/* Runs the commands of "weft -c '...'" as they stand, but for a file's name, and reads the form they ask for. */
static size_t run_line(const char *line, const char *what) {
    const char *begin = strstr(line, "weft -c '"), *end = begin ? strchr(begin + strlen("weft -c '"), '\'') : NULL;
    const char *format = strstr(line, "--format csv") ? "csv" : strstr(line, "--format json") ? "json" : NULL;
    if (!end || !format) return 0;
    Str commands_of_it = {0};
    for (const char *at = begin + strlen("weft -c '"); at < end; at++) {
        const bool file = strncmp(at, "a.pth", 5) == 0;
        str_add_bytes(&commands_of_it, file ? "sample:fashion-resnet8" : at, file ? 22 : 1);
        if (file) at += 4;
    }
    catch_output();
    session = session_with(NULL);
    const Status status = session_run_text(session, NULL, str_text(&commands_of_it));
    session_free(session);
    char *text = caught_output();
    if (status != STATUS_OK) fail_msg("%s: %s", what, line);
    assert_int_equal(tables_in(text, format, line), 1);
    free(text);
    str_done(&commands_of_it);
    return 1;
}

static size_t run_lines(const char *text, const char *what) {
    size_t found = 0;
    char *copy = strdup(text), *rest = NULL;
    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        found += run_line(line, what);
    free(copy);
    return found;
}

static void lines_of_documents(void **state) {
    (void)state;
    Error err;
    size_t length, found = 0;
    char *readme = file_read_all("README.md", 1 << 20, &length, &err);
    if (!readme) fail_msg("%s", err.text);
    found += run_lines(readme, "README.md");
    mem_free(readme);
    for (const HelpTopic *topic = help_topics; topic->name; topic++) found += run_lines(topic->file, topic->name);
    assert_true(found >= 3);
}

static void the_reader_is_strict(void **state) {
    (void)state;
    const char *at = "\"a\"b,";
    assert_false(csv_field(&at));
    at = "a\"b\n";
    assert_false(csv_field(&at));
    at = "\"never ends\n";
    assert_false(csv_field(&at));
    at = "\"a,\"\"b\"\"\nc\",d\n";
    assert_true(csv_field(&at));
    assert_string_equal(at, ",d\n");
    assert_int_equal(csv_tables("a,b\n1,2\n\nc\n\"\"\n", "two"), 2);
}

int main(void) {
    char folder[] = "/tmp/weft-formats-XXXXXX", old[4096], samples[4200], command[64];
    const struct CMUnitTest first[] = {cmocka_unit_test(the_reader_is_strict), cmocka_unit_test(lines_of_documents)};
    const struct CMUnitTest second[] = {cmocka_unit_test(examples_of_commands)};
    if (!getcwd(old, sizeof old) || !mkdtemp(folder)) return 1;
    snprintf(samples, sizeof samples, "%s/samples", old);
    setenv("WEFT_SAMPLES", samples, 1);
    int failed = cmocka_run_group_tests_name("documents", first, NULL, NULL);
    if (chdir(folder) != 0) return 1; /* some examples write files */
    failed += cmocka_run_group_tests_name("examples", second, NULL, NULL);
    snprintf(command, sizeof command, "rm -r %s", folder);
    return chdir(old) != 0 || system(command) != 0 || failed;
}
