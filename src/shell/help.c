/* help -- all help text comes from the command table and the files of src/shell/help. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "architectures.h"
#include "command.h"
#include "help.h"
#include "output.h"
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
        str_addf(out, "  %s\n      %s\n", kind->form, kind->help);
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

void argument_term(const Setting *setting, size_t most, Str *out) {
    Str choices = {0};
    setting_called(setting, out);
    if (setting->value && setting->choices && setting_form(setting) != FORM_TEXT)
        setting_choices(setting->choices, "|", "|", &choices);
    if (setting->value)
        str_addf(out, " %s", choices.length && choices.length < most ? str_text(&choices) : setting->value);
    str_done(&choices);
}

static void add_option(const Setting *setting, Str *out) {
    Str term = {0};
    argument_term(setting, 24, &term);
    str_addf(out, setting->required ? "%s" : "[%s]", str_text(&term));
    str_done(&term);
}

void command_synopsis(const Command *command, Str *out) {
    CommandWalk walk = {0};
    Setting setting;
    str_add(out, command->name);
    while (command_row(command, &walk, &setting) && walk.part != PART_COMMON) {
        str_add(out, " ");
        if (walk.part == PART_OPTIONS)
            add_option(&setting, out);
        else
            str_addf(out, setting.optional ? "[%s%s]" : "%s%s", setting.name, setting.repeated ? "..." : "");
    }
    if (command->table) str_add(out, " [--as NAME]");
}

/* The term, and its text beside it where there is room. */
static void add_argument(const Setting *setting, Str *out) {
    enum { BESIDE = 21, TEXT_AT = 25 }; /* columns */
    Str term = {0};
    argument_term(setting, SIZE_MAX, &term);
    if (term.length <= BESIDE)
        str_addf(out, "  %-*s", TEXT_AT - 2, str_text(&term));
    else
        str_addf(out, "  %s\n%*s", str_text(&term), TEXT_AT, "");
    str_add(out, setting->help);
    setting_details(setting, out);
    str_add(out, "\n");
    str_done(&term);
}

/* A heading before the positionals, and one before all options. */
static void add_arguments(const Command *command, Str *out) {
    CommandWalk walk = {0};
    Setting setting;
    const char *heading = NULL;
    while (command_row(command, &walk, &setting)) {
        const char *own = walk.part == PART_POSITIONALS ? "Arguments" : "Options";
        if (heading != own) str_addf(out, "\n%s\n", own);
        heading = own;
        add_argument(&setting, out);
    }
}

static void add_command(const Command *command, Str *out) {
    str_addf(out, "%s: %s\n\n  ", command->name, command->summary);
    command_synopsis(command, out);
    str_add(out, "\n");
    if (command->description) str_addf(out, "\n%s\n", command->description);
    add_arguments(command, out);
    if (command->examples && command->examples[0]) {
        str_add(out, "\nExamples\n");
        for (const char *const *example = command->examples; *example; example++) str_addf(out, "  %s\n", *example);
    }
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
    str_add(out, "\nhelp NAME explains a command or a topic (begin with help start); apropos WORD searches the help. "
                 "\"The paper\" is Enhancing Accuracy and Parameter Efficiency of Neural Representations for Network "
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

void help_fill(Str *text, Str *out) {
    str_add_filled(out, str_text(text), output_columns());
    if (text->failed) out->failed = true;
    str_done(text);
}

/* ---- apropos ----------------------------------------------------------------------------------------------------- */

static bool contains(const char *text, const char *word) {
    return text && strcasestr(text, word);
}

static bool arguments_contain(const Command *command, const char *word) {
    CommandWalk walk = {0};
    Setting setting;
    while (command_row(command, &walk, &setting) && walk.part != PART_COMMON) {
        if (contains(setting.name, word) || contains(setting.help, word)) return true;
        for (const char *const *choice = setting.choices; choice && *choice; choice++)
            if (contains(*choice, word)) return true;
    }
    return false;
}

bool help_apropos(const char *word, Str *out) {
    size_t before = out->length;
    for (const Command *const *each = commands; *each; each++) {
        const Command *command = *each;
        if (contains(command->name, word) || contains(command->summary, word) || contains(command->description, word) ||
            arguments_contain(command, word))
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
