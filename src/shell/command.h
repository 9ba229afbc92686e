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

typedef enum ArgKind {
    ARG_FLAG,      /* option without a value */
    ARG_INTEGER,   /* digits, min..max */
    ARG_REAL,      /* a number, min..max */
    ARG_CHOICE,    /* one of `choices` */
    ARG_TEXT,      /* anything; `choices` are what completion offers */
    ARG_COLUMN,    /* a column of the table given first, or of the last one */
    ARG_FILE,      /* a file to read */
    ARG_OUTPUT,    /* a file to write */
    ARG_NETWORK,   /* a network of the workspace */
    ARG_PREDICTOR, /* a predictor of the workspace */
    ARG_DATASET,   /* a dataset of the workspace */
    ARG_TABLE,     /* a table of the workspace */
    ARG_OBJECT,    /* any object of the workspace */
    ARG_SHOWN,     /* any object, or a file by its path */
    ARG_RUN,       /* the number of a job, or the folder of a run */
    ARG_LOG,       /* the same, or a predictor of the workspace */
    ARG_NEW,       /* a name for a new object */
    ARG_LAYER,     /* a layer of the network given first */
    ARG_LAYERS,    /* a layer selector (help selectors) */
    ARG_FAMILY,    /* an architecture to recognise (help architectures) */
    ARG_PRESET,    /* an architecture to make */
    ARG_SPEC,      /* a dataset specification (help data) */
    ARG_COMMAND,   /* a command or help topic */
    ARG_MAKER,     /* a command that makes a network of a network */
    ARG_OVER,      /* numbers of that command, NAME=VALUES */
    ARG_REST,      /* the rest of the line, as it stands */
} ArgKind;

/* One positional argument (name in capitals) or option (name without the dashes). */
typedef struct ArgSpec {
    const char *name;
    ArgKind kind;
    const char *help;     /* one clause, no full stop */
    const char *value;    /* options: what the value is called, "D0"; NULL for flags */
    const char *standard; /* default as the user would type it; NULL: none */
    const char *choices;  /* ARG_CHOICE, ARG_TEXT: "1d|2d|raw" */
    double min, max;      /* ARG_INTEGER, ARG_REAL; both 0: any finite number */
    bool above_min;       /* min itself is not allowed */
    bool required;        /* options that must be given; positionals are required unless `optional` */
    bool optional;
    bool repeated; /* the last positional takes one or more words */
} ArgSpec;

typedef enum ObjectKind { OBJECT_NETWORK, OBJECT_PREDICTOR, OBJECT_DATASET, OBJECT_TABLE } ObjectKind;

/* What a workspace name stands for. */
typedef struct Object {
    char *name;
    ObjectKind kind;
    Network *network;
    Predictor *predictor;
    Dataset *dataset;
    Table *table;
    Encoding encoding; /* OBJECT_TABLE: how it plots */
    bool plots;        /* the encoding is set */
    uint64_t number;   /* higher than that of all objects put before it */
} Object;

typedef struct Session Session;
typedef struct Command Command;

/* Arguments after parsing: every value checked against its spec, objects looked up. Accessors take the spec's name and
 * assert that it exists. */
typedef struct ArgValue {
    const ArgSpec *spec;
    bool given;       /* on the line, not by default */
    const char *text; /* the word (owned by Args); NULL where absent without default */
    double real;      /* ARG_REAL, ARG_INTEGER */
    int choice;       /* ARG_CHOICE: index into choices */
    Object *object;   /* ARG_NETWORK, ARG_PREDICTOR, ARG_DATASET, ARG_TABLE, ARG_OBJECT; borrowed */
} ArgValue;
typedef struct Args {
    const Command *command;
    char *line;   /* the command as one line, for lineage and the table's notes */
    char **words; /* owned */
    size_t word_count;
    ArgValue *values; /* positionals, then options, then the common options */
    size_t value_count;
    char **rest; /* words of the repeated positional; borrowed from words */
    size_t rest_count;
    char **passed; /* options of another command, and their values; borrowed from words */
    size_t passed_count;
} Args;

/* What a command gives back; published and printed by the dispatcher only after success. All taken over. */
typedef struct Result {
    Table *table;
    Encoding encoding;
    bool plots;       /* the encoding is set */
    const char *name; /* borrowed: name of the new network, predictor or dataset; NULL: none */
    Network *network;
    Predictor *predictor;
    Dataset *dataset;
    Str text;         /* printed on standard output as it is (help) */
    char *own_name;   /* where `name` is no argument's text: freed with the result */
    Error afterwards; /* status not STATUS_OK: all is published and shown, then the command fails with this */
    Str message;      /* for people, on standard error; not in Lua */
    bool transient;   /* the table is printed but not kept as `last` (ls, show) */
    bool sparse;      /* at a terminal, columns that have no value in any row are not shown */
    bool drawn; /* `text` shows the table already: its rows are printed, in the text's place, where --format asks */
} Result;

struct Command {
    const char *name;    /* "lowpass", "load net" */
    const char *group;   /* help heading */
    const char *summary; /* one clause */
    const char *description;
    const ArgSpec *positionals, *options; /* end with name NULL; NULL: none */
    const char *const *examples;          /* end with NULL; run after the prelude of command_prelude */
    const char *prelude;                  /* a line that the examples need to have run, beside command_prelude */
    bool examples_need_job;               /* they are shown, but tests cannot run them */
    /* Fills *result; changes nothing in the session but what the command is about. */
    bool (*run)(Session *session, const Args *args, Result *result, Error *err);
    /* Network-to-network commands: what `run` and sweeps call. The first positional is the network; `chosen` marks the
     * layers to change (those of --layers, or what a sweep chooses). */
    Network *(*apply)(const Network *network, const Args *args, const bool *chosen, const Task *task, Error *err);
    bool table;         /* makes a table: takes --as */
    LayerChoice layers; /* with `apply`: which layers it changes */
    bool passes; /* the first argument is another command, whose options it takes too and hands on (Args.passed) */
};

extern const Command *const commands[]; /* ends with NULL */
size_t command_count(void);
/* The command that `words` begin with (two words tried first) and in *used how many words its name has; NULL: none. */
const Command *command_find(const char *const *words, size_t count, size_t *used);
/* True where `word` is the first word of some command. */
bool command_word(const char *word, size_t length);
/* "unknown command 'evalute'; did you mean evaluate?" */
bool command_unknown(const char *word, Error *err);
/* "--format", "--as", ...: options that every command, or every table command, takes. Ends with name NULL. */
extern const ArgSpec common_options[];
bool common_applies(const Command *command, const ArgSpec *spec);
/* Lines that load what the examples use: networks `base` and `smooth`, predictor `pred` of `base`, dataset `test`. */
extern const char command_prelude[];

/* Parses words (after the command's name) into *args; `literal` marks words that are never options (from Lua). Takes
 * nothing over. */
bool args_parse(Session *session, const Command *command, const char *const *words, const bool *literal, size_t count,
                Args *args, Error *err);
void args_done(Args *args);
const ArgValue *args_value(const Args *args, const char *name);
const char *args_text(const Args *args, const char *name); /* NULL where absent */
bool args_flag(const Args *args, const char *name);
double args_real(const Args *args, const char *name);
uint64_t args_integer(const Args *args, const char *name);
int args_choice(const Args *args, const char *name);
const Network *args_network(const Args *args, const char *name); /* NULL where absent */
const Predictor *args_predictor(const Args *args, const char *name);
const Dataset *args_dataset(const Args *args, const char *name);
/* The layers that option --layers chooses of `network` (layer_count booleans; free with mem_free). */
bool *args_layers(const Args *args, const Network *network, LayerChoice choice, Error *err);

/* Synopsis of one command: "lowpass NET --cutoff D0 [--mode 1d|2d|raw] ... --into NEW". */
void command_synopsis(const Command *command, Str *out);
/* Default, range and choices of one argument: " (default 1d; one of 1d, 2d, raw)". */
void argument_details(const ArgSpec *spec, Str *out);

#endif
