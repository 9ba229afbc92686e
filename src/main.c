/* weft -- flags, then the prompt, a script, or commands from the line. */
#include <fcntl.h>
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "weft/base/confine.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/ranks.h"
#include "weft/base/text.h"
#include "weft/format.h"
#include "weft/shell.h"

enum {
    FLAG_FORMAT = 256,
    FLAG_COLOUR,
    FLAG_GRAPHICS,
    FLAG_ASCII,
    FLAG_SEED,
    FLAG_MEMORY,
    FLAG_SAFE,
    FLAG_NO_PAGER,
    FLAG_ECHO,
    FLAG_MANUAL
};

static const struct option flags[] = {{"command", required_argument, NULL, 'c'},
                                      {"interactive", no_argument, NULL, 'i'},
                                      {"quiet", no_argument, NULL, 'q'},
                                      {"format", required_argument, NULL, FLAG_FORMAT},
                                      {"colour", required_argument, NULL, FLAG_COLOUR},
                                      {"color", required_argument, NULL, FLAG_COLOUR},
                                      {"graphics", required_argument, NULL, FLAG_GRAPHICS},
                                      {"ascii", no_argument, NULL, FLAG_ASCII},
                                      {"seed", required_argument, NULL, FLAG_SEED},
                                      {"threads", required_argument, NULL, 'j'},
                                      {"max-memory", required_argument, NULL, FLAG_MEMORY},
                                      {"safe", no_argument, NULL, FLAG_SAFE},
                                      {"no-pager", no_argument, NULL, FLAG_NO_PAGER},
                                      {"echo", no_argument, NULL, FLAG_ECHO},
                                      {"help", no_argument, NULL, 'h'},
                                      {"version", no_argument, NULL, 'V'},
                                      {"print-manual", no_argument, NULL, FLAG_MANUAL},
                                      {0}};

typedef struct Line {
    SessionOptions options;
    const char **commands; /* of -c */
    size_t command_count;
    bool interactive;
} Line;

static int usage_error(const char *format, const char *value) {
    fputs("weft: ", stderr);
    fprintf(stderr, format, value);
    fputs(" (weft --help)\n", stderr);
    return STATUS_USAGE;
}

static bool one_of(const char *value, const char *const *names) {
    for (; *names; names++)
        if (strcmp(value, *names) == 0) return true;
    return false;
}

static int print_built(void (*build)(Str *out)) {
    Str text = {0};
    build(&text);
    int status = STATUS_LIMIT;
    if (!text.failed) {
        fputs(str_text(&text), stdout);
        status = fflush(stdout) == 0 ? STATUS_OK : STATUS_WRITE;
    }
    str_done(&text);
    return status;
}

/* The flag that only switches something on; NULL: it takes a value or prints something. */
static bool *switch_of(int flag, Line *line) {
    switch (flag) {
    case 'i':
        return &line->interactive;
    case 'q':
        return &line->options.quiet;
    case FLAG_ASCII:
        return &line->options.ascii;
    case FLAG_SAFE:
        return &line->options.safe;
    case FLAG_NO_PAGER:
        return &line->options.no_pager;
    case FLAG_ECHO:
        return &line->options.echo;
    default:
        return NULL;
    }
}

/* Reads the flags; -1: go on, else the status to leave with. */
static int read_flags(int argc, char **argv, Line *line) {
    static const char *const formats[] = {"table", "csv", "tsv", "json", "md", NULL};
    static const char *const whens[] = {"auto", "always", "never", NULL};
    static const char *const pictures[] = {"auto", "sixel", "kitty", "off", NULL};
    uint64_t number;
    for (int flag; (flag = getopt_long(argc, argv, "+c:iqj:hV", flags, NULL)) != -1;) {
        bool *on = switch_of(flag, line);
        if (on) {
            *on = true;
            continue;
        }
        switch (flag) {
        case 'c':
            line->commands[line->command_count++] = optarg;
            break;
        case 'j':
            if (!text_to_u64(optarg, &number) || number < 1 || number > 1024)
                return usage_error("--threads needs a number from 1 to 1024, not '%s'", optarg);
            pool_set_threads((unsigned)number);
            break;
        case FLAG_FORMAT:
            if (!one_of(optarg, formats))
                return usage_error("--format is table, csv, tsv, json or md, not '%s'", optarg);
            line->options.format = optarg;
            break;
        case FLAG_COLOUR:
            if (!one_of(optarg, whens)) return usage_error("--colour is auto, always or never, not '%s'", optarg);
            line->options.colour = optarg;
            break;
        case FLAG_GRAPHICS:
            if (!one_of(optarg, pictures))
                return usage_error("--graphics is auto, sixel, kitty or off, not '%s'", optarg);
            line->options.graphics = optarg;
            break;
        case FLAG_SEED:
            if (!text_to_u64(optarg, &line->options.seed))
                return usage_error("--seed needs a whole number, not '%s'", optarg);
            break;
        case FLAG_MEMORY:
            if (!text_to_size(optarg, &number))
                return usage_error("--max-memory needs a size such as 8G, not '%s'", optarg);
            mem_set_budget(number);
            break;
        case 'h':
            return print_built(shell_usage);
        case 'V':
            return print_built(shell_version);
        case FLAG_MANUAL:
            return print_built(shell_manual);
        default:
            fputs("weft: see weft --help\n", stderr);
            return STATUS_USAGE;
        }
    }
    return -1;
}

/* Whether FILE is a checkpoint rather than a script: by content. */
static bool is_checkpoint(const char *path) {
    Error ignored;
    FileKind kind = FILE_TEXT;
    if (strcmp(path, "-") == 0) return false;
    size_t length = strlen(path);
    if (length > 5 && strcmp(path + length - 5, ".weft") == 0) return false;
    File *file = file_open(path, &ignored);
    bool ok = file && file_kind(file, &kind, &ignored);
    file_close(file);
    return file && (!ok || (kind != FILE_TEXT && kind != FILE_UNKNOWN));
}

/* `weft lesson NAME --auto`: the command, whose words are the arguments; a script of that name is ./lesson. */
static bool is_lesson(const char *file) {
    return file && strcmp(file, "lesson") == 0;
}

static Status run_session(Session *session, const Line *line, const char *file) {
    Status status = STATUS_OK;
    bool prompt = line->interactive;
    if (is_lesson(file)) {
        status = session_lesson(session, &prompt);
    } else if (file && is_checkpoint(file)) {
        status = session_open_network(session, "net", file);
        prompt = line->command_count == 0 || line->interactive;
    } else if (file) {
        status = session_run_file(session, file);
    }
    for (size_t i = 0; i < line->command_count && status == STATUS_OK && !session_exit_status(session); i++)
        status = session_run_text(session, NULL, line->commands[i]);
    if (!file && line->command_count == 0) prompt = true;
    if (prompt && (status == STATUS_OK || line->interactive)) {
        if (isatty(STDIN_FILENO)) return session_prompt(session);
        if (status == STATUS_OK) return session_run_file(session, "-");
    }
    return status;
}

/* A closed standard stream would give its number to the next file that is opened, and printing would write there.
 * Read-only, so that printing still fails. */
static void occupy_streams(void) {
    for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++)
        if (fcntl(stream, F_GETFD) < 0 && open("/dev/null", O_RDONLY) < 0) return;
}

/* What happens to other ranks, on a line of its own. */
static void say(const char *text) {
    fprintf(stderr, "%sweft: %s\n", isatty(STDERR_FILENO) || ranks_terminal() >= 0 ? "\r\033[K" : "", text);
}

/* Every rank may have the same to say. */
static int ranks_failed(const Error *err) {
    if (!ranks_worker()) fprintf(stderr, "weft: %s\n", err->text);
    return (int)err->status;
}

int main(int argc, char **argv) {
    occupy_streams();
    setlocale(LC_ALL, "");
    setlocale(LC_NUMERIC, "C");
    Line line = {.commands = calloc((size_t)argc + 1, sizeof *line.commands)};
    if (!line.commands) return STATUS_LIMIT;
    int leave = read_flags(argc, argv, &line);
    Error err;
    Session *session = NULL;
    if (leave < 0) {
        const char *file = optind < argc ? argv[optind] : NULL;
        line.options.arguments = (const char *const *)argv + optind + (file != NULL);
        line.options.script = file;
        line.options.argument_count = file ? (size_t)(argc - optind - 1) : 0;
        bool alone = !file && line.command_count == 0;
        line.options.interactive =
            isatty(STDIN_FILENO) && (line.interactive || alone || is_lesson(file) || (file && is_checkpoint(file)));
        shell_signals();
        if (!ranks_start(say, &err)) return ranks_failed(&err);
        if (line.options.safe && confine(&err)) confine_kernel(); /* early: it holds for threads that begin later */
        session = session_new(&line.options, &err);
        if (session) {
            Status status = ranks_worker() ? session_serve(session) : run_session(session, &line, file);
            leave = session_exit_status(session) ? session_exit_status(session) : (int)status;
        } else {
            fprintf(stderr, "weft: %s\n", err.text);
            leave = (int)err.status;
        }
    }
    ranks_stop();
    session_free(session);
    free(line.commands);
    return leave;
}
