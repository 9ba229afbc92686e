/* arch -- what the files of src/net/arch share: a network's names as definitions ask for them, the families that
 * definitions give, and one definition at work. Private to src/net and its tests.
 */
#ifndef WEFT_NET_ARCH_H
#define WEFT_NET_ARCH_H

#include "net/internal.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

/* ---- names ------------------------------------------------------------------------------------------------------- */

typedef struct NameEntry {
    const char *name; /* without what wrappers put within it */
    size_t tensor;
} NameEntry;

/* The names of a network's tensors, sorted. */
typedef struct NameIndex {
    const Network *network; /* borrowed */
    NameEntry *entries;
    char *cleaned; /* the texts of names that had a wrapper within them */
    size_t count;
    bool wrapped; /* there were such */
} NameIndex;
bool name_index_init(NameIndex *names, const Network *network, Error *err);
void name_index_done(NameIndex *names);

/* The names that begin with a prefix, without it. */
typedef struct View {
    const NameIndex *names;
    size_t first, count; /* entries */
    size_t skip;         /* the prefix's length */
} View;
View name_index_under(const NameIndex *names, const char *prefix, size_t length);
const char *view_name(const View *view, size_t index);
bool view_find(const View *view, const char *name, size_t *index);
bool view_has(const View *view, const char *name); /* a tensor of this name, or a module: names that begin "NAME." */
/* The entries whose names begin with `prefix`: the first one and how many. */
size_t view_range(const View *view, const char *prefix, size_t *first);

/* Every prefix "a.b." that at least `least` names begin with, in sorted order; *out is freed with mem_free. */
bool name_index_prefixes(const NameIndex *names, size_t least, View **out, size_t *count, Error *err);
/* The names without the wrappers (module., _orig_mod., ...) that every name with a dot begins with; all where none. */
View name_index_unwrapped(const NameIndex *names);
/* Makes the view's names those of the network, drops its other tensors, and adds a note. */
bool view_apply(const View *view, Network *network, Error *err);

/* ---- families ---------------------------------------------------------------------------------------------------- */

typedef enum PredictedRule { PREDICTED_SPATIAL, PREDICTED_ALL, PREDICTED_NONE } PredictedRule;

typedef struct Preset {
    const char *name; /* with %d or %g: a pattern */
    int values;       /* registry reference of the table or function */
} Preset;

/* One name, or some of which one must be there. */
typedef struct Signature {
    const char **names;
    size_t count;
} Signature;

/* What a family{...} of a definition said; texts live as long as the Definitions. */
typedef struct Family {
    const char *name, *help, *repositories /* "torchvision, kuangliu/pytorch-cifar" */;
    const char *file; /* where it was defined: "resnet.lua" */
    bool own;         /* the user's */
    ArchitectureVariant *variants;
    size_t variant_count;
    Preset *presets; /* natural order */
    size_t preset_count;
    const char **listed; /* presets that are not patterns, then examples */
    size_t listed_count;
    Signature *signature;
    size_t signature_count;
    PredictedRule predicted;
    unsigned widths;
    unsigned height, width; /* of the input */
    int forward;            /* registry reference */
} Family;

/* Definitions in a Lua state behind a fence: no files, no processes, no loading, nothing whose time or memory is not
 * bounded. */
typedef struct Definitions Definitions;
Definitions *definitions_new(Error *err);
void definitions_free(Definitions *definitions);
/* Runs a definition file's text. STATUS_BAD_INPUT "NAME:LINE: ..." if it is not a definition; its families are then
 * ignored. `own`: it belongs to the user. */
bool definitions_add(Definitions *definitions, const char *name, const char *text, size_t length, bool own, Error *err);
size_t definitions_count(const Definitions *definitions);
const Family *definitions_family(const Definitions *definitions, size_t index);

/* Which of a family's variants are chosen: variant_count marks. */
typedef struct Variants {
    bool chosen[32];
} Variants;
enum { VARIANTS_MAX = 32 };
/* Marks the comma-separated names of `text` (NULL: none). STATUS_USAGE if the family has no such variant. */
bool family_variants(const Family *family, const char *text, Variants *out, Error *err);
/* How many parts of the family's signature the names have. */
size_t family_signature(const Family *family, const View *view);

/* ---- a definition at work ---------------------------------------------------------------------------------------- */

/* What a definition found in names, or made. */
typedef struct Fit {
    Graph *graph; /* NULL: it does not fit, or cannot be made; tensor indices are the network's */
    Str description, assumed;
    Str left;       /* what it ignores: "the auxiliary classifier (AuxLogits.*)" */
    Str why;        /* why it does not fit */
    size_t matched; /* tensors found before it did not fit */
    bool broken;    /* it did not come to an end: an error in it, or a limit */
} Fit;
void fit_done(Fit *fit);
/* Both are false only where memory ran out. */
bool definition_recognise(Definitions *definitions, const Family *family, const Variants *variants, const View *view,
                          Fit *fit, Error *err);
/* Adds the tensors, all zero, to an empty network. `name` is the preset's ("resnet20"), for its values. */
bool definition_make(Definitions *definitions, const Family *family, const Variants *variants, const char *name,
                     const ArchitectureRequest *request, Network *network, Fit *fit, Error *err);
/* Whether `name` is one of the family's presets, exactly or as its pattern has it (*exact); a pattern's numbers need
 * not make sense. */
bool family_preset(const Family *family, const char *name, bool *exact);

/* The definitions in the binary; ends with name NULL. */
typedef struct EmbeddedFile {
    const char *name, *text;
} EmbeddedFile;
extern const EmbeddedFile architecture_files[];

#endif
