/* command -- the record that a command is, and the parsed arguments it runs on. Private to src/shell.
 *
 * Everything a user sees of a command comes from its record: parsing, error messages, help, completion, the man page
 * and the Lua function.
 */
#ifndef WEFT_SHELL_COMMAND_H
#define WEFT_SHELL_COMMAND_H

#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/chart.h"
#include "weft/data.h"
#include "weft/net.h"
#include "weft/predictor.h"
#include "weft/setting.h"
#include "weft/spectral/work.h"

typedef enum ObjectKind { OBJECT_NETWORK, OBJECT_PREDICTOR, OBJECT_DATASET, OBJECT_TABLE } ObjectKind;

/* An object of the workspace. */
typedef struct Object {
    char *name;
    ObjectKind kind;
    Network *network;
    Predictor *predictor;
    Dataset *dataset;
    Table *table;
    Encoding encoding; /* OBJECT_TABLE: how it plots */
    bool plots;        /* the encoding is set */
    Encoding redrawn;  /* OBJECT_TABLE: what `plot` made of the encoding */
    bool redraws;      /* it made something of it */
    uint64_t number;   /* higher than that of all objects put before it */
} Object;

typedef struct Session Session;
typedef struct Command Command;

/* Rows whose place holds an object of the workspace, and rows that hold all words from there on. */
#define OBJECT(type, field, what, option, called, ...)                                                        \
    {                                                                                                         \
        .name = option, .kind = SETTING_##what, SETTING_PLACE(type, field, const Object * : 1, Object * : 1), \
        .value = called, __VA_ARGS__                                                                          \
    }
#define LIST(type, field, what, name_, ...)                                                                   \
    {                                                                                                         \
        .name = name_, .kind = SETTING_##what, SETTING_PLACE(type, field, SettingList : 1), .repeated = true, \
        __VA_ARGS__                                                                                           \
    }

/* What every command takes; `as` and `format` only where it makes a table. */
typedef struct CommonOptions {
    const char *as;
    TableFormat format;
    bool quiet, help;
    uint64_t seed;
} CommonOptions;

/* Arguments after parsing: every value checked against its row, objects looked up. */
typedef struct ArgValue {
    Setting setting;
    bool given; /* on the line, not by default */
    SettingValue value;
} ArgValue;
typedef struct Args Args;
struct Args {
    const Command *command;
    char *line;   /* the command as one line, for lineage and the table's notes */
    char **words; /* owned */
    size_t word_count;
    ArgValue *values;              /* positionals, then options, then the common options */
    size_t value_count, own_count; /* all; those before the common options */
    void *options;                 /* the struct that the command's rows fill */
    CommonOptions common;
    const void **rest; /* what the SettingList of the repeated positional points to */
    size_t rest_count;
    const char **passed; /* words for another command; borrowed from words */
    size_t passed_count;
    Args *inner; /* that command (Command.passes); its required options may be missing: args_complete */
};

/* What a command gives back; published and printed by the dispatcher only after success. All taken over. */
typedef struct Result {
    Table *table;
    Encoding encoding;
    bool plots;       /* the encoding is set */
    const char *name; /* borrowed: name of the new network, predictor or dataset; NULL: none */
    Network *network;
    Predictor *predictor;
    Dataset *dataset;
    Str text;         /* printed unchanged on standard output (help) */
    char *own_name;   /* if `name` is not the text of an argument: freed with the result */
    Error afterwards; /* status not STATUS_OK: all is published and shown, then the command fails with this */
    Str message;      /* for people, on standard error; not in Lua */
    bool transient;   /* the table is printed but not kept as `last` (ls, show) */
    bool receipt;     /* the table only says what was made: not for standard output where that is no terminal */
    bool sparse;      /* at a terminal, columns that have no value in any row are not shown */
    bool drawn; /* `text` shows the table already: its rows are printed, in the text's place, where --format asks */
} Result;

struct Command {
    const char *name;    /* "lowpass", "load net" */
    const char *group;   /* help heading */
    const char *summary; /* one clause */
    const char *description;
    size_t size;                  /* of the struct that its rows fill */
    const Setting *positionals;   /* ends with name NULL; NULL: none */
    const SettingGroup *options;  /* ends with settings NULL; NULL: none */
    const SettingChange *changes; /* how it differs from options that it shares; NULL: not at all */
    const char *const *examples;  /* end with NULL; run after the prelude of command_prelude */
    const char *prelude;          /* a line that must run before the examples, in addition to command_prelude */
    bool examples_need_job;       /* they are shown, but tests cannot run them */
    /* Sets what depends on other settings, before `needs` is checked (args_write_given puts back what was given). */
    bool (*settle)(Session *session, Args *args, Error *err);
    /* Fills *result; changes nothing in the session but what the command is about. */
    bool (*run)(Session *session, const Args *args, Result *result, Error *err);
    /* Network-to-network commands: called by `run` and by sweeps. `options` is the command's struct, whose first member
     * is a Maker; `chosen` marks the layers to change (those of --layers, or what a sweep chooses). */
    Network *(*apply)(const Network *network, const void *options, const bool *chosen, const char *line,
                      const Task *task, Error *err);
    bool streams;       /* reads weights a part at a time: its networks need not fit into memory (dispatch.c) */
    bool table;         /* makes a table: takes --as */
    LayerChoice layers; /* with `apply`: which layers it changes */
    WorkFunction *work; /* with `apply`: what it takes for a layer (--dry-run) */
    bool retries;       /* a long run: where memory is short in it, it tries again later or says so itself */
    bool passes; /* the first argument is another command, whose options it takes too and hands on (Args.inner) */
};

extern const Command *const commands[]; /* ends with NULL */
size_t command_count(void);
/* The command that `words` begin with (two words tried first) and in *used how many words its name has; NULL: none. */
const Command *command_find(const char *const *words, size_t count, size_t *used);
/* True where `word` is the first word of some command. */
bool command_word(const char *word, size_t length);
/* The command whose name is like `word`; NULL: none. */
const char *command_nearest(const char *word);
/* "unknown command 'evalute'; did you mean evaluate?" */
bool command_unknown(const char *word, Error *err);
/* Groups of a command that has one. */
#define ONE_GROUP(rows)      \
    (const SettingGroup[]) { \
        {rows, 0}, {         \
            NULL, 0          \
        }                    \
    }
/* Walks a command's positionals, options and common options. Begin with *walk zeroed; false at the end. */
typedef enum CommandPart { PART_POSITIONALS, PART_OPTIONS, PART_COMMON, PART_COUNT } CommandPart;
typedef struct CommandWalk {
    SettingWalk walk;
    CommandPart part; /* of the row that was given last */
} CommandWalk;
bool command_row(const Command *command, CommandWalk *walk, Setting *out);
/* An option, a common one too, by the first `length` bytes of `name`. */
bool command_option(const Command *command, const char *name, size_t length, Setting *out);
/* Lines that load what the examples use: networks `base` and `smooth`, predictor `pred` of `base`, dataset `test`. */
extern const char command_prelude[];

/* The first settings of a network-to-network command. */
typedef struct Maker {
    const Object *network;
    const char *layers, *into;
    bool dry_run;
} Maker;
#define MAKER_LAYERS(text) WORD(Maker, layers, LAYERS, "layers", "SEL", .help = text)
#define MAKER_DRY_RUN DRY_RUN(Maker)
#define MAKER_INTO WORD(Maker, into, NEW, "into", "NEW", .required = true, .help = "name of the new network")

/* A command's option for work_command instead of what it does. */
#define DRY_RUN(type) \
    FLAG(type, dry_run, "dry-run", .help = "compute nothing: estimate the time and memory of each layer")

/* Parses words (after the command's name) into *args; `literal` marks words that are never options (from Lua). Takes
 * nothing over. args_done also after a failure. */
bool args_parse(Session *session, const Command *command, const char *const *words, const bool *literal, size_t count,
                Args *args, Error *err);
void args_done(Args *args);
bool args_given(const Args *args, const char *name); /* on the line, not by default */
/* The object given for an argument; NULL: none was, or the command has no argument of this name for objects. */
const Object *args_object(const Args *args, const char *name);
/* Writes every given value into the command's struct, over the defaults. */
void args_write_given(Args *args);
/* The same, and the defaults of rows. */
void args_write_all(Args *args);
/* The values that were given, as JSON: {"settings": {...}, "inner": {"command": ..., "settings": {...}}}; objects by
 * their names. NULL where memory ran out. And back, as args_parse would have had it; objects are found by `objects`,
 * texts are borrowed from `json`. STATUS_BAD_INPUT names a field that is not what it should be. */
struct json_t *args_json(const Args *args);
bool args_from_json(Session *session, const Command *command, const struct json_t *json, const SettingObjects *objects,
                    Args *args, Error *err);
/* The first setting that differs between two such JSON objects, its key; NULL: none. */
const char *args_difference(const struct json_t *a, const struct json_t *b);
/* An Args of a command with the defaults of its rows and room for `words` words. */
bool args_begin(Session *session, const Command *command, size_t words, Args *args, Error *err);
/* Puts a list's value in its place, once all its items are there. */
void args_close_lists(Args *args);
/* What follows all values: the command's own settling, and whether they go together. */
bool args_settle(Session *session, Args *args, Error *err);
/* Gives a text to an option, borrowed. */
bool args_give_text(Args *args, const char *name, const char *text, Error *err);
/* Gives a number to an option, as if it stood on the line; STATUS_USAGE where it is out of range. */
bool args_give(Args *args, const char *name, double number, Error *err);
/* As if it had not been given; its value stays. */
void args_forget(Args *args, const char *name);
/* STATUS_USAGE where something that must be given is not; `settled`: options that need not, `count` of them. */
bool args_complete(const Args *args, const char *const *settled, size_t count, Error *err);
/* STATUS_USAGE where something is given whose `needs` do not hold, or that another option settles. */
bool args_check_needs(const Args *args, Error *err);
/* The seed that the command runs with: --seed, else the session's. */
uint64_t args_seed(const Session *session, const Args *args);
/* The layers that a selector (NULL: none) chooses of `network` (layer_count booleans; free with mem_free). */
bool *choose_layers(const Network *network, const char *selector, LayerChoice choice, Error *err);
static inline const Network *object_network(const Object *object) {
    return object ? object->network : NULL;
}
static inline const Predictor *object_predictor(const Object *object) {
    return object ? object->predictor : NULL;
}
static inline const Dataset *object_dataset(const Object *object) {
    return object ? object->dataset : NULL;
}

/* "--cutoff D0", "--mode 1d|2d|raw", "NET": an argument as help shows it; choices with fewer than `most` characters are
 * written out. */
void argument_term(const Setting *setting, size_t most, Str *out);
/* Synopsis of one command: "lowpass NET --cutoff D0 [--mode 1d|2d|raw] ... --into NEW". */
void command_synopsis(const Command *command, Str *out);
#endif
