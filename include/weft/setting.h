/* setting -- one row per setting: its name, its place in a struct, its range, choices, default and help.
 *
 * Command-line options, completion, help, the man page, config.json, the comparison of two runs and the check of ranges
 * all come from these rows. The code that uses a setting reads a typed field. After libvips, which binds an option to
 * its place in a struct once, and tmux, whose options are plain rows.
 *
 *     static const Setting lowpass_settings[] = {
 *         REAL(Lowpass, cutoff, "cutoff", "D0", .open_min = true, .required = true, .help = "cutoff frequency"),
 *         CHOICE(Lowpass, mode, "mode", "MODE", LOWPASS_MODES, .standard = "1d", .help = "which transform"),
 *         {0}};
 */
#ifndef WEFT_SETTING_H
#define WEFT_SETTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weft/base/error.h"
#include "weft/base/text.h"

/* X(kind, form). The form is the type of the field in the struct: FLAG and SWITCH a bool, INTEGER an unsigned of 4 or
 * 8 bytes, REAL a double, CHOICE an enum, TEXT a `const char *` or a char array longer than a pointer, OBJECT a pointer
 * that the caller looks up. The kinds of one form differ in the meaning of the text, which the shell defines
 * (src/shell/kinds.c). */
#define SETTING_KINDS(X)                                                               \
    X(FLAG, FLAG)        /* an option without a value */                               \
    X(SWITCH, SWITCH)    /* off or on, or the two `choices` */                         \
    X(INTEGER, INTEGER)  /* digits, min..max */                                        \
    X(REAL, REAL)        /* a number, min..max */                                      \
    X(CHOICE, CHOICE)    /* one of `choices` */                                        \
    X(TEXT, TEXT)        /* anything; completion offers `choices` */                   \
    X(COLUMN, TEXT)      /* a column of the table given first, or of the newest one */ \
    X(FILE, TEXT)        /* a file to read */                                          \
    X(FOLDER, TEXT)      /* a folder */                                                \
    X(OUTPUT, TEXT)      /* a file to write */                                         \
    X(SHOWN, TEXT)       /* any object of the workspace, or a file by its path */      \
    X(RUN, TEXT)         /* the number of a job, or the folder of a run */             \
    X(LOG, TEXT)         /* the same, or a predictor of the workspace */               \
    X(NEW, TEXT)         /* a name for a new object */                                 \
    X(LAYER, TEXT)       /* a layer of the network given first */                      \
    X(LAYERS, TEXT)      /* a layer selector (help selectors) */                       \
    X(FAMILY, TEXT)      /* an architecture to recognise (help architectures) */       \
    X(PRESET, TEXT)      /* an architecture to make */                                 \
    X(SPEC, TEXT)        /* a dataset specification (help data) */                     \
    X(TOPIC, TEXT)       /* a command or a help topic */                               \
    X(LESSON, TEXT)      /* a lesson by its name, or its file */                       \
    X(MAKER, TEXT)       /* a command that makes a network from a network */           \
    X(OVER, TEXT)        /* numbers of that command, NAME=VALUES */                    \
    X(REST, TEXT)        /* the rest of the line, unchanged */                         \
    X(NETWORK, OBJECT)   /* a network of the workspace */                              \
    X(PREDICTOR, OBJECT) /* a predictor of the workspace */                            \
    X(DATASET, OBJECT)   /* a dataset of the workspace */                              \
    X(TABLE, OBJECT)     /* a table of the workspace */                                \
    X(OBJECT, OBJECT)    /* any object of the workspace */
typedef enum SettingKind {
#define X(kind, form) SETTING_##kind,
    SETTING_KINDS(X)
#undef X
        SETTING_KIND_COUNT
} SettingKind;
typedef enum SettingForm {
    FORM_FLAG,
    FORM_SWITCH,
    FORM_INTEGER,
    FORM_REAL,
    FORM_CHOICE,
    FORM_TEXT,
    FORM_OBJECT
} SettingForm;

#define SETTING_NO_LIMIT 1e300
#define SETTING_MANY 1e9 /* upper bounds from here on are not shown */

/* One positional argument (name in capitals) or option (name without the dashes). */
typedef struct Setting {
    const char *name;
    const char *key; /* in config.json; NULL: the name with _ for - */
    SettingKind kind;
    size_t offset, size;        /* its place in the struct */
    const char *value;          /* options: what help calls the value, "D0"; NULL for flags and positionals */
    const char *standard;       /* the default as a user would type it; NULL: none */
    const char *environment;    /* the variable that names another default, as a user would type it; NULL: none */
    const char *usual;          /* the default in words, for help, if it depends on other settings */
    const char *const *choices; /* names of the values 0, 1, ..., ended by NULL */
    double min, max;         /* both 0 and closed: any finite number; max <= min or SETTING_NO_LIMIT: no upper bound */
    bool open_min, open_max; /* min, max themselves are not allowed */
    const char *needs;       /* the condition under which it applies: see setting_needs */
    const char *excludes;    /* an option that this one does not go with: "from" */
    const char *help; /* what it does, in one clause without full stop; default and range are appended automatically */
    bool required;    /* an option that must be given; positionals are required unless `optional` */
    bool optional;
    bool repeated; /* the last positional takes one or more words: its place is a SettingList */
    bool internal; /* only in config.json: no option */
    bool aside; /* determines where a result goes or how it is watched, not the result itself: not saved with a run */
} Setting;

/* Rows of one struct, at `offset` in the struct that is filled. Arrays of groups end with settings NULL.
 */
typedef struct SettingGroup {
    const Setting *settings; /* ends with name NULL */
    size_t offset;
} SettingGroup;

/* How a command differs from a row that it shares with others; NULL: as in the row. Ends with name NULL. */
typedef struct SettingChange {
    const char *name, *standard, *usual, *needs, *help;
} SettingChange;

/* The words of a repeated positional: texts or objects. */
typedef struct SettingList {
    const void *const *item;
    size_t count;
} SettingList;

/* ---- rows -------------------------------------------------------------------------------------------------------- */

#define SETTING_NAME(name, text) text,
/* Choices from the X-macro of their enum, X(NAME, "text"). */
#define SETTING_NAMES(LIST) ((const char *const[]){LIST(SETTING_NAME) NULL})
/* The offset of a field that has the type; a field of another type does not compile. */
#define SETTING_FIELD(type, field) ((type *)0)->field
#define SETTING_PLACE(type, field, ...)                                                           \
    .offset = offsetof(type, field) * (size_t) _Generic(SETTING_FIELD(type, field), __VA_ARGS__), \
    .size = sizeof(SETTING_FIELD(type, field))

#define FLAG(type, field, option, ...) \
    { .name = option, .kind = SETTING_FLAG, SETTING_PLACE(type, field, bool : 1), __VA_ARGS__ }
/* The choices are off and on by default. */
#define SWITCH(type, field, option, called, ...) \
    { .name = option, .kind = SETTING_SWITCH, SETTING_PLACE(type, field, bool : 1), .value = called, __VA_ARGS__ }
#define INTEGER(type, field, option, called, ...)                                                        \
    {                                                                                                    \
        .name = option, .kind = SETTING_INTEGER, SETTING_PLACE(type, field, unsigned : 1, uint64_t : 1), \
        .value = called, __VA_ARGS__                                                                     \
    }
#define REAL(type, field, option, called, ...) \
    { .name = option, .kind = SETTING_REAL, SETTING_PLACE(type, field, double : 1), .value = called, __VA_ARGS__ }
#define CHOICE(type, field, option, called, LIST, ...)                                             \
    {                                                                                              \
        .name = option, .kind = SETTING_CHOICE, SETTING_PLACE(type, field, unsigned : 1, int : 1), \
        .choices = SETTING_NAMES(LIST), .value = called, __VA_ARGS__                               \
    }
/* A kind of text: WORD(Lowpass, layers, LAYERS, "layers", "SEL", ...). */
#define WORD(type, field, what, option, called, ...)                                                      \
    {                                                                                                     \
        .name = option, .kind = SETTING_##what, SETTING_PLACE(type, field, const char * : 1, char * : 1), \
        .value = called, __VA_ARGS__                                                                      \
    }

/* ---- values ------------------------------------------------------------------------------------------------------ */

/* One value outside of its struct. Texts and objects are borrowed. */
typedef union SettingValue {
    bool flag;
    uint64_t integer;
    double real;
    int choice;
    const char *text;
    const void *object;
} SettingValue;

SettingForm setting_form(const Setting *setting);
bool setting_is_option(const Setting *setting); /* else a positional */
bool setting_is_number(const Setting *setting);
/* "--name" or "NAME", as errors call it; appended. */
void setting_called(const Setting *setting, Str *out);
/* The value of `text`, for any form except OBJECT. STATUS_USAGE names the setting and what was expected. */
bool setting_read(const Setting *setting, const char *text, SettingValue *out, Error *err);
/* The value of a number; the same checks. */
bool setting_number(const Setting *setting, double number, SettingValue *out, Error *err);
/* The default: the value of its variable where that is set and not empty, else `standard`. */
const char *setting_standard(const Setting *setting);
void setting_put(const Setting *setting, void *structure, SettingValue value);
SettingValue setting_get(const Setting *setting, const void *structure);
/* Range and default for help, " (1 to 8192; default 140)"; nothing if there is neither. Appended. */
void setting_details(const Setting *setting, Str *out);
/* The choices with `between` between them and `last` before the last one; appended. */
void setting_choices(const char *const *choices, const char *between, const char *last, Str *out);

/* ---- groups ------------------------------------------------------------------------------------------------------ */

/* Walks all rows of groups. `out` is a copy whose offset counts from the struct that is filled and that has the changes
 * applied (`changes` may be NULL). Begin with *walk zeroed; false at the end. */
typedef struct SettingWalk {
    size_t group, row;
} SettingWalk;
bool settings_next(const SettingGroup *groups, const SettingChange *changes, SettingWalk *walk, Setting *out);
bool settings_find(const SettingGroup *groups, const SettingChange *changes, const char *name, size_t length,
                   Setting *out);
/* Writes every default that is a value. */
void settings_standard(const SettingGroup *groups, void *structure);
/* STATUS_USAGE, naming the field, where a number is out of its range. */
bool settings_check(const SettingGroup *groups, const void *structure, Error *err);

/* ---- config.json ------------------------------------------------------------------------------------------------- */

struct json_t; /* jansson's */

/* How texts and objects are named in JSON: objects need it; NULL: there are none. */
typedef struct SettingObjects {
    void *context;
    const char *(*name)(void *context, const void *object);
    const void *(*find)(void *context, const char *name); /* NULL: there is none */
} SettingObjects;

/* A value as JSON, NULL where memory ran out; of an object its name. */
struct json_t *setting_json(const Setting *setting, SettingValue value, const SettingObjects *objects);
/* Texts are borrowed from `json`. False if it does not have the type of the setting. */
bool setting_from_json(const Setting *setting, const struct json_t *json, const SettingObjects *objects,
                       SettingValue *out);
/* The key of a setting; appended. */
void setting_key(const Setting *setting, Str *out);

/* One object with a field a row; the caller's reference. NULL where memory ran out. */
struct json_t *settings_json(const SettingGroup *groups, const void *structure);
/* Sets every row's field; a missing one with a default keeps its value in `structure` (the row is newer than the file).
 * STATUS_BAD_INPUT names a field that is missing without a default, unknown, or has another type. */
bool settings_from_json(const SettingGroup *groups, const struct json_t *object, void *structure, Error *err);
/* The key of the first row that differs; NULL where none does. */
const char *settings_difference(const SettingGroup *groups, const void *a, const void *b);

#endif
