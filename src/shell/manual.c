/* manual -- weft.1, --help and --version, from the command table and the flag table. */
#include <cairo.h>
#include <curses.h>
#include <fftw3.h>
#include <jansson.h>
#include <lua.h>
#include <png.h>
#include <readline/readline.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>
#include <zlib.h>
#include <jpeglib.h> /* needs stdio.h before it */

#include "command.h"
#include "help.h"
#include "output.h"
#include "weft/base/confine.h"
#include "weft/base/pool.h"
#include "weft/base/text.h"
#include "weft/base/version.h"
#include "weft/shell.h"

/* " (libjpeg-turbo 2.1.5)", where it is that one. */
#ifdef LIBJPEG_TURBO_VERSION
#define AS_TEXT(word) #word
#define TEXT_OF(macro) AS_TEXT(macro)
#define JPEG_MAKER " (libjpeg-turbo " TEXT_OF(LIBJPEG_TURBO_VERSION) ")"
#else
#define JPEG_MAKER ""
#endif

/* From OpenBLAS; its own header clashes with other BLAS headers. */
char *openblas_get_config(void);
char *openblas_get_corename(void);

static const char usage[] =
    "usage: weft [OPTION]... [SCRIPT.weft|-|MODEL] [ARGUMENT]...\n"
    "       weft [OPTION]... lesson [NAME|FILE] [--auto] [--restart]\n"
    "\n"
    "Without a file, weft opens its prompt. A script is run. A checkpoint (MODEL) is loaded as `net`, "
    "and the prompt opens. `weft lesson first` teaches it in five minutes.\n"
    "\n"
    "  -c, --command COMMANDS   run these commands (repeatable), then quit\n"
    "  -i, --interactive        open the prompt after a script or -c\n"
    "  -q, --quiet              print no greeting, tables or messages\n"
    "      --format FORMAT      print tables as table, csv, tsv, json or md\n"
    "      --colour WHEN        use colours: auto, always or never (also --color)\n"
    "      --graphics HOW       print charts as pictures: auto, sixel, kitty or off\n"
    "      --ascii              draw charts in 7-bit characters\n"
    "      --seed N             seed of all random numbers (default 0)\n"
    "  -j, --threads N          number of threads (default: all cores)\n"
    "      --max-memory SIZE    limit the memory of one load, such as 8G (default: 75 % of memory), and of weights\n"
    "                           that can be read again (default: 25 %; help large-networks)\n"
    "      --no-pager           print long output at once; do not start a pager\n"
    "      --safe               start no process, load no bytecode or native module, and write only below "
    "the working folder\n"
    "      --echo               print each command before it runs\n"
    "  -h, --help               print this text (`help` at the prompt lists the commands)\n"
    "  -V, --version            print the versions of weft and its libraries\n"
    "      --print-manual       print the man page in roff\n";

void shell_usage(Str *out) {
    str_add_filled(out, usage, output_columns());
}

void shell_version(Str *out) {
    str_addf(out, "weft %s (%s build)\n", WEFT_VERSION, WEFT_BUILD_MODE);
    str_addf(out, "OpenBLAS: %s, kernels %s\n", openblas_get_config(), openblas_get_corename());
    str_addf(out, "FFTW: %s\n", fftwf_version);
    str_addf(out, "Lua: %s\n", LUA_RELEASE);
    str_addf(out, "readline: %s; ncurses: %s\n", rl_library_version, curses_version());
    str_addf(out, "jansson: %s; zlib: %s; xxHash: %u.%u.%u; cairo: %s\n", jansson_version_str(), zlibVersion(),
             XXH_versionNumber() / 10000, XXH_versionNumber() / 100 % 100, XXH_versionNumber() % 100,
             cairo_version_string());
    str_addf(out, "libpng: %s; libjpeg: API %d" JPEG_MAKER "; libsixel: %s\n", png_get_libpng_ver(NULL),
             JPEG_LIB_VERSION, chart_sixel_version());
    str_addf(out, "threads: %u\n", pool_threads());
    const unsigned landlock = confine_kernel_version();
    str_addf(out, landlock ? "Landlock (--safe): version %u\n" : "Landlock (--safe): none\n", landlock);
    str_add(out, "Licence GPL-3.0-or-later\n");
}

/* ---- roff -------------------------------------------------------------------------------------------------------- */

static void add_roff(Str *out, const char *text) {
    bool line_start = true;
    for (; *text; text++) {
        if (line_start && (*text == '.' || *text == '\'')) str_add(out, "\\&");
        if (*text == '\\')
            str_add(out, "\\e");
        else if (*text == '-')
            str_add(out, "\\-");
        else
            str_add_bytes(out, text, 1);
        line_start = *text == '\n';
    }
}

/* Paragraphs, with an empty line between them; a single line break stays one. */
static void add_paragraphs(Str *out, const char *text) {
    while (*text) {
        size_t length = strcspn(text, "\n");
        Str line = {0};
        str_add_bytes(&line, text, length);
        add_roff(out, str_text(&line));
        str_done(&line);
        text += length;
        size_t breaks = strspn(text, "\n");
        str_add(out, !*text || breaks == 0 ? "\n" : breaks > 1 ? "\n.PP\n" : "\n.br\n");
        text += breaks;
    }
}

/* As it is laid out, in lines that fit where man indents them in 80 columns. */
static void add_verbatim(Str *out, const char *text) {
    enum { WIDTH = 72 };
    Str lines = {0};
    str_add_filled(&lines, text, WIDTH);
    str_add(out, ".nf\n");
    add_roff(out, str_text(&lines));
    str_add(out, ".fi\n");
    str_done(&lines);
}

static void add_argument(Str *out, const Setting *setting) {
    Str term = {0}, text = {0};
    argument_term(setting, SIZE_MAX, &term);
    str_add(&text, setting->help);
    setting_details(setting, &text);
    str_add(out, ".TP\n.B ");
    add_roff(out, str_text(&term));
    str_add(out, "\n");
    add_roff(out, str_text(&text));
    str_add(out, "\n");
    str_done(&term);
    str_done(&text);
}

/* Those of a command, or the common ones. */
static void add_arguments(Str *out, const Command *command, bool common) {
    CommandWalk walk = {0};
    Setting setting;
    while (command_row(command, &walk, &setting))
        if ((walk.part == PART_COMMON) == common) add_argument(out, &setting);
}

static void add_command(Str *out, const Command *command) {
    Str synopsis = {0};
    command_synopsis(command, &synopsis);
    str_add(out, ".SS ");
    add_roff(out, command->name);
    str_add(out, "\n.B ");
    add_roff(out, str_text(&synopsis));
    str_add(out, "\n.PP\n");
    add_roff(out, command->summary);
    str_add(out, ".\n");
    if (command->description) {
        str_add(out, ".PP\n");
        add_paragraphs(out, command->description);
    }
    add_arguments(out, command, false);
    if (command->examples && command->examples[0]) {
        Str examples = {0};
        for (const char *const *example = command->examples; *example; example++)
            str_addf(&examples, "  %s\n", *example);
        str_add(out, ".PP\nExamples:\n");
        add_verbatim(out, str_text(&examples));
        str_done(&examples);
    }
    str_done(&synopsis);
}

static void add_heading(Str *out, const char *macro, const char *name) {
    str_addf(out, "%s ", macro);
    for (; *name; name++) str_addf(out, "%c", *name == '-' ? ' ' : *name >= 'a' && *name <= 'z' ? *name - 32 : *name);
    str_add(out, "\n");
}

/* Sections that every man page has under these names. */
static bool is_section(const HelpTopic *topic) {
    return strcmp(topic->name, "environment") == 0 || strcmp(topic->name, "exit-status") == 0;
}

static void add_topics(Str *out, bool sections) {
    for (const HelpTopic *topic = help_topics; topic->name; topic++) {
        if (is_section(topic) != sections) continue;
        Str text = {0};
        if (sections) {
            add_heading(out, ".SH", topic->name);
        } else {
            str_addf(&text, "%s: ", topic->name);
            topic_summary(topic, &text);
            str_add(out, ".SS ");
            add_roff(out, str_text(&text));
            str_add(out, "\n");
            text.length = 0;
        }
        topic_text(topic, false, &text);
        add_verbatim(out, str_text(&text));
        str_done(&text);
    }
}

void shell_manual(Str *out) {
    str_add(out, ".\\\" Written by `make man` from the command table; do not edit.\n");
    str_add(out, ".TH WEFT 1 \"\" \"weft " WEFT_VERSION "\" \"User Commands\"\n");
    str_add(out, ".SH NAME\nweft \\- workbench for the weights of neural networks\n");
    str_add(out, ".SH SYNOPSIS\n.B weft\n[\\fIOPTION\\fR]... [\\fISCRIPT\\fR|\\-|\\fIMODEL\\fR] [\\fIARGUMENT\\fR]...\n"
                 ".br\n.B weft\n[\\fIOPTION\\fR]... \\fBlesson\\fR [\\fINAME\\fR|\\fIFILE\\fR] [\\-\\-auto] "
                 "[\\-\\-restart]\n");
    str_add(out, ".SH DESCRIPTION\n"
                 "weft is a workbench for the weights of neural networks.\n"
                 "It loads trained networks, measures and smooths their weights, trains weight predictors (NeRN) for "
                 "them, and shows the results as tables and charts, at a prompt or from scripts.\n"
                 ".PP\n"
                 "Without a file, weft opens its prompt. A script is run. A checkpoint (MODEL) is loaded as `net`, and "
                 "the prompt opens.\n"
                 "`weft lesson first` teaches the prompt in five minutes.\n"
                 ".PP\n"
                 "Most of its analyses come from the paper\n"
                 ".I Enhancing Accuracy and Parameter Efficiency of Neural Representations for Network "
                 "Parameterization\n"
                 "(anonymous, under review), called \"the paper\" below.\n"
                 ".SH OPTIONS\n");
    add_verbatim(out, strstr(usage, "  -c,"));
    str_add(out, ".SH COMMANDS\nEvery command also takes:\n");
    add_arguments(out, commands[0], true);
    str_add(out, ".PP\n"
                 "Commands that make a table also take \\-\\-as NAME and \\-\\-format FORMAT.\n"
                 "The examples run after these lines:\n");
    add_verbatim(out, command_prelude);
    for (const Command *const *each = commands; *each; each++) add_command(out, *each);
    str_add(out, ".SH TOPICS\n");
    add_topics(out, false);
    add_topics(out, true);
}
