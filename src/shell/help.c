/* help -- all help text comes from the command table and the files of src/shell/help. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "session.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

/* ---- topics ------------------------------------------------------------------------------------------------------ */

static void add_corruptions(bool own, Str *out) {
    (void)own;
#define X(name, help) "  " #name ": " help "\n"
    str_add(out, CORRUPTIONS(X));
#undef X
}

static void add_datasets(bool own, Str *out) {
    (void)own;
    for (const DatasetKind *kind = dataset_kinds(); kind->name; kind++) {
        str_addf(out, "  %s\n", kind->form);
        help_filled(out, kind->help, 6, 100);
    }
}

/* What stands in the place of a line "@NAME" of a topic. */
static const struct {
    const char *name;
    void (*add)(bool own, Str *out);
} made_lines[] = {
    {"@corruptions", add_corruptions}, {"@datasets", add_datasets}, {"@architectures", architecture_families}};

static void add_line(const char *line, size_t length, bool own, Str *out) {
    for (size_t i = 0; i < sizeof made_lines / sizeof *made_lines; i++)
        if (strlen(made_lines[i].name) == length && strncmp(made_lines[i].name, line, length) == 0) {
            made_lines[i].add(own, out);
            return;
        }
    str_addf(out, "%.*s\n", (int)length, line);
}

void topic_text(const HelpTopic *topic, bool own, Str *out) {
    const char *line = topic->file + strcspn(topic->file, "\n");
    line += strspn(line, "\n");
    while (*line) {
        size_t length = strcspn(line, "\n");
        add_line(line, length, own, out);
        line += length;
        if (*line) line++;
    }
}

void topic_summary(const HelpTopic *topic, Str *out) {
    str_add_bytes(out, topic->file, strcspn(topic->file, "\n"));
}

static void add_topic(const HelpTopic *topic, Str *out) {
    str_addf(out, "%s: ", topic->name);
    topic_summary(topic, out);
    str_add(out, "\n\n");
    topic_text(topic, true, out);
}

static char folded(char c) {
    return c == ' ' || c == '_' ? '-' : c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Upper case, spaces and underscores make no difference; the last part of a name will do: `help status`. */
static bool is_topic(const char *name, const char *asked) {
    const char *last = strrchr(name, '-');
    if (last && is_topic(last + 1, asked)) return true;
    while (*name && folded(*name) == folded(*asked)) name++, asked++;
    return !*name && !*asked;
}

/* ---- one command ------------------------------------------------------------------------------------------------- */

static void add_option(const ArgSpec *spec, bool brackets, Str *out) {
    if (brackets) str_add(out, "[");
    str_addf(out, "--%s", spec->name);
    if (spec->kind == ARG_CHOICE && strlen(spec->choices) < 24)
        str_addf(out, " %s", spec->choices);
    else if (spec->kind != ARG_FLAG)
        str_addf(out, " %s", spec->value);
    if (brackets) str_add(out, "]");
}

void command_synopsis(const Command *command, Str *out) {
    str_add(out, command->name);
    for (const ArgSpec *spec = command->positionals; spec && spec->name; spec++) {
        const char *dots = spec->repeated ? "..." : "";
        str_addf(out, spec->optional ? " [%s%s]" : " %s%s", spec->name, dots);
    }
    for (const ArgSpec *spec = command->options; spec && spec->name; spec++) {
        str_add(out, " ");
        add_option(spec, !spec->required, out);
    }
    if (command->table) str_add(out, " [--as NAME]");
}

void argument_details(const ArgSpec *spec, Str *out) {
    Str details = {0};
    bool number = spec->kind == ARG_REAL || spec->kind == ARG_INTEGER;
    if (spec->kind == ARG_CHOICE) {
        str_add(&details, "one of ");
        for (const char *at = spec->choices; *at; at++)
            str_add_bytes(&details, *at == '|' ? ", " : at, *at == '|' ? 2 : 1);
    }
    if (number && (spec->above_min || spec->min != 0 || spec->max > spec->min || spec->kind == ARG_INTEGER))
        str_addf(&details, spec->above_min ? "greater than %g" : "at least %g", spec->min);
    if (number && spec->max > spec->min && spec->max < 1e15) str_addf(&details, ", at most %g", spec->max);
    if (spec->standard) str_addf(&details, "%sdefault %s", details.length ? "; " : "", spec->standard);
    if (spec->required) str_addf(&details, "%srequired", details.length ? "; " : "");
    if (details.length) str_addf(out, " (%s)", str_text(&details));
    str_done(&details);
}

void help_filled(Str *out, const char *text, size_t indent, size_t width) {
    size_t column = 0;
    while (*text) {
        text += strspn(text, " ");
        size_t length = strcspn(text, " \n");
        if (column && column + 1 + length > width - indent) {
            str_add(out, "\n");
            column = 0;
        }
        if (!column) str_addf(out, "%*s", (int)indent, "");
        str_addf(out, "%s%.*s", column ? " " : "", (int)length, text);
        column += length + (column ? 1 : 0);
        text += length;
        if (*text == '\n') {
            str_add(out, "\n");
            column = 0;
            text++;
        }
    }
    str_add(out, "\n");
}

static void add_argument(const ArgSpec *spec, Str *out) {
    Str term = {0}, text = {0};
    if (spec->value || spec->kind == ARG_FLAG)
        str_addf(&term, "--%s%s%s", spec->name, spec->value ? " " : "", spec->value ? spec->value : "");
    else
        str_add(&term, spec->name);
    str_add(&text, spec->help);
    argument_details(spec, &text);
    if (term.length <= 22) {
        str_addf(out, "  %-22s ", str_text(&term));
        Str filled = {0};
        help_filled(&filled, str_text(&text), 25, 100);
        str_add(out, filled.length > 25 ? filled.text + 25 : "\n");
        str_done(&filled);
    } else {
        str_addf(out, "  %s\n", str_text(&term));
        help_filled(out, str_text(&text), 25, 100);
    }
    str_done(&term);
    str_done(&text);
}

static void add_arguments(const char *heading, const Command *command, const ArgSpec *specs, Str *out) {
    if (!specs || !specs->name) return;
    if (heading) str_addf(out, "\n%s\n", heading);
    for (const ArgSpec *spec = specs; spec->name; spec++)
        if (specs != common_options || common_applies(command, spec)) add_argument(spec, out);
}

static void add_command(const Command *command, Str *out) {
    Str synopsis = {0};
    command_synopsis(command, &synopsis);
    str_addf(out, "%s: %s\n\n", command->name, command->summary);
    help_filled(out, str_text(&synopsis), 2, 100);
    if (command->description) {
        str_add(out, "\n");
        help_filled(out, command->description, 0, 100);
    }
    add_arguments("Arguments", command, command->positionals, out);
    add_arguments("Options", command, command->options, out);
    add_arguments(command->options ? NULL : "Options", command, common_options, out);
    if (command->examples && command->examples[0]) {
        str_add(out, "\nExamples\n");
        for (const char *const *example = command->examples; *example; example++) str_addf(out, "  %s\n", *example);
    }
    str_done(&synopsis);
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

/* The columns of the longest name. */
static int name_columns(void) {
    size_t longest = 0;
    for (const Command *const *each = commands; *each; each++)
        if (strlen((*each)->name) > longest) longest = strlen((*each)->name);
    for (const HelpTopic *topic = help_topics; topic->name; topic++)
        if (strlen(topic->name) > longest) longest = strlen(topic->name);
    return (int)longest;
}

static void add_topic_line(const HelpTopic *topic, const char *mark, Str *out) {
    str_addf(out, "  %-*s  ", name_columns(), topic->name);
    topic_summary(topic, out);
    str_addf(out, "%s\n", mark);
}

void help_overview(Str *out) {
    const char *group = "";
    for (const Command *const *each = commands; *each; each++) {
        if (strcmp(group, (*each)->group) != 0) {
            group = (*each)->group;
            str_addf(out, "%s%s\n", out->length ? "\n" : "", group);
        }
        str_addf(out, "  %-*s  %s\n", name_columns(), (*each)->name, (*each)->summary);
    }
    str_add(out, "\nTopics\n");
    for (const HelpTopic *topic = help_topics; topic->name; topic++) add_topic_line(topic, "", out);
    str_add(out, "\nhelp NAME explains a command or a topic (begin with help start); apropos WORD searches the help.\n"
                 "\"The paper\" is Enhancing Accuracy and Parameter Efficiency of Neural Representations for Network\n"
                 "Parameterization (help paper).\n");
}

static bool no_help(const char *topic, Error *err) {
    const char *names[160];
    size_t count = 0;
    for (const Command *const *each = commands; *each && count < 128; each++) names[count++] = (*each)->name;
    for (const HelpTopic *each = help_topics; each->name && count < 160; each++) names[count++] = each->name;
    const char *near = text_nearest(topic, names, count);
    if (near) return error_set(err, STATUS_USAGE, "no help on '%s'; did you mean %s?", topic, near);
    return error_set(err, STATUS_USAGE, "no help on '%s' (try apropos %s)", topic, topic);
}

bool help_text(const char *topic, Str *out, Error *err) {
    if (!topic) {
        help_overview(out);
        return true;
    }
    size_t found = 0;
    for (const HelpTopic *each = help_topics; each->name; each++)
        if (is_topic(each->name, topic)) {
            if (found++) str_add(out, "\n\n");
            add_topic(each, out);
        }
    for (const Command *const *each = commands; *each; each++) {
        const char *name = (*each)->name;
        bool first_word = strcspn(name, " ") == strlen(topic) && strncmp(name, topic, strlen(topic)) == 0;
        if (strcmp(name, topic) != 0 && !first_word) continue;
        if (found++) str_add(out, "\n\n");
        add_command(*each, out);
    }
    return found > 0 || no_help(topic, err);
}

/* ---- apropos ----------------------------------------------------------------------------------------------------- */

static bool contains(const char *text, const char *word) {
    return text && strcasestr(text, word);
}

static bool arguments_contain(const ArgSpec *specs, const char *word) {
    for (; specs && specs->name; specs++)
        if (contains(specs->name, word) || contains(specs->help, word) || contains(specs->choices, word)) return true;
    return false;
}

bool help_apropos(const char *word, Str *out) {
    size_t before = out->length;
    for (const Command *const *each = commands; *each; each++) {
        const Command *command = *each;
        if (contains(command->name, word) || contains(command->summary, word) || contains(command->description, word) ||
            arguments_contain(command->positionals, word) || arguments_contain(command->options, word))
            str_addf(out, "  %-*s  %s\n", name_columns(), command->name, command->summary);
    }
    for (const HelpTopic *topic = help_topics; topic->name; topic++) {
        Str text = {0};
        topic_summary(topic, &text);
        str_add(&text, "\n");
        topic_text(topic, true, &text);
        if (contains(topic->name, word) || contains(str_text(&text), word)) add_topic_line(topic, " (topic)", out);
        str_done(&text);
    }
    return out->length > before;
}
