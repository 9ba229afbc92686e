/* pickle -- an inert interpreter of Python's pickle format: it builds a graph of plain values and calls nothing.
 *
 * Names in the stream resolve in one static table (pickle_globals.c). What a stream "calls" becomes a PICKLE_CALL node
 * for the reader that knows its meaning (torch.c, cifar_pickle.c), where the table has its name; where it has not, a
 * PICKLE_OBJECT, an inert leaf that keeps its class's name and parts. Names that are there to run something refuse the
 * file, although nothing would be run. Nodes live in one arena, freed at once; a graph may share nodes, is at most
 * PICKLE_DEPTH deep and holds no cycle: where an object refers to itself, that reference becomes PICKLE_OPAQUE. Private
 * to src/format.
 */
#ifndef WEFT_FORMAT_PICKLE_H
#define WEFT_FORMAT_PICKLE_H

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/text.h"

enum {
    PICKLE_CAP_WORK = 200000000,   /* comparisons and copies that shared parts ask for again and again */
    PICKLE_CAP_STREAM = 256 << 20, /* bytes, long byte strings apart */
    PICKLE_CAP_OPCODES = 8000000,
    PICKLE_CAP_NODES = 4000000,
    PICKLE_CAP_MEMO = 4000000,
    PICKLE_DEPTH = 128,
    PICKLE_HELD = 65536, /* longer strings stay in the file: offset and length only */
};

/* The meaning of a name in the table. */
typedef enum PickleMeaning {
    PICKLE_FOREIGN, /* not in the table; the name is in the node */
    PICKLE_UNREAD,  /* as PICKLE_FOREIGN, but known: `reason` describes it */
    PICKLE_ORDERED_DICT,
    PICKLE_ENCODE, /* _codecs.encode(text, 'latin1') */
    PICKLE_SIZE,
    PICKLE_REBUILD_TENSOR,
    PICKLE_REBUILD_TENSOR_V2,
    PICKLE_REBUILD_TENSOR_V3,
    PICKLE_REBUILD_PARAMETER,
    PICKLE_PARAMETER,         /* the class, as PyTorch before 0.4 pickled it */
    PICKLE_REBUILD_FROM_TYPE, /* (function, type, arguments, state): of a subclass of tensors */
    PICKLE_FIRST,             /* represents its first argument */
    PICKLE_GETATTR,         /* (something unknown, a harmless name): as methods and functions of PyTorch are pickled */
    PICKLE_RECONSTRUCTOR,   /* copyreg's: an object of the class that is its first argument */
    PICKLE_STORAGE,         /* of elements of `dtype`; with a `reason` where they are not their values */
    PICKLE_STORAGE_UNTYPED, /* of bytes */
    PICKLE_TORCH_DTYPE,
    PICKLE_NUMPY_SCALAR,
    PICKLE_NUMPY_RECONSTRUCT,
    PICKLE_NUMPY_FROMBUFFER,
    PICKLE_NUMPY_DTYPE,
    PICKLE_NUMPY_ARRAY,
} PickleMeaning;

typedef struct PickleGlobal {
    const char *module, *name;
    PickleMeaning meaning;
    DType dtype;
    const char *reason;
} PickleGlobal;

/* The row of a name (at most 255 rows), that of PICKLE_FOREIGN where it is not in the table; NULL for a name that
 * serves to run something. */
const PickleGlobal *pickle_global_find(const char *module, const char *name);
uint8_t pickle_global_row(const PickleGlobal *global);
const PickleGlobal *pickle_global_at(uint8_t row);

typedef enum PickleType {
    PICKLE_NONE,
    PICKLE_BOOL,
    PICKLE_INTEGER,
    PICKLE_REAL,
    PICKLE_TEXT,   /* UTF-8 */
    PICKLE_BYTES,  /* also the strings of Python 2 */
    PICKLE_LATIN1, /* long bytes, which the file holds as text: each a Latin-1 character */
    PICKLE_LIST,
    PICKLE_TUPLE,
    PICKLE_DICT, /* items: key, value, key, value, ... */
    PICKLE_NAME,
    PICKLE_CALL,
    PICKLE_PERSISTENT,
    PICKLE_OBJECT, /* of a class that is not in the table */
    PICKLE_OPAQUE, /* an integer over 64 bits, or an object within itself */
} PickleType;

/* How a node is walked (pickle_view.c). */
typedef enum PickleShape {
    PICKLE_PLAIN,    /* holds nothing to walk */
    PICKLE_ENTRIES,  /* keys and values */
    PICKLE_SERIES,   /* items */
    PICKLE_PAIRS,    /* items that are a key and a value each */
    PICKLE_MODULE,   /* a network: its parameters, buffers and modules, one dict after the other */
    PICKLE_INTEGERS, /* a list, or lists of one length each, of integers: nothing to walk */
    PICKLE_REALS,    /* of numbers, not all integers */
} PickleShape;

typedef struct PickleNode PickleNode;
typedef struct PickleItem {
    PickleNode *node;
    struct PickleItem *next;
} PickleItem;

/* What the stream gave an object; any may be NULL but name and arguments. */
typedef struct PickleObject {
    PickleNode *name;      /* its class */
    PickleNode *arguments; /* PICKLE_TUPLE */
    PickleNode *state;     /* BUILD */
    PickleNode *entries;   /* PICKLE_DICT: SETITEM */
    PickleNode *items;     /* PICKLE_LIST: APPEND, ADDITEMS */
    PickleNode *walked[3]; /* once the graph is checked: what pickle_view takes, one after the other */
} PickleObject;

struct PickleNode {
    uint8_t type;      /* PickleType */
    uint8_t row;       /* of the table of globals: NAME, CALL */
    uint8_t depth;     /* of the values below, 0 for a leaf */
    uint8_t visit : 2; /* used while the graph is checked */
    uint8_t shape : 6; /* PickleShape, once it is checked */
    uint32_t number;   /* nodes are numbered from 0 */
    uint32_t tensors;  /* rebuilt tensors met on all paths from here, at most UINT32_MAX */
    uint32_t count; /* items of a container (two for each entry of a dict); bytes of a string, in LATIN1 of the text */
    union {
        bool truth;
        int64_t integer;
        double real;
        struct {
            const char *text; /* NUL-terminated; NULL if longer than PICKLE_HELD; of a NAME that is in no row */
            uint64_t offset;  /* in the file, where it came from there */
        };
        struct {
            PickleItem *first, *last;
        };
        struct {
            PickleNode *arguments; /* PICKLE_TUPLE */
            PickleNode *state;     /* what BUILD gave, or NULL */
        };
        struct {
            PickleNode *id;
            PickleNode *previous; /* the persistent node before this one in the stream, or NULL */
        };
        PickleObject *object;
    };
};

typedef struct Pickle Pickle;

/* Interprets the one pickle that starts at `offset` of `file` and ends before `offset + length`. The file is read only
 * here; errors start with its name. */
Pickle *pickle_parse(const File *file, uint64_t offset, uint64_t length, Error *err);
void pickle_free(Pickle *pickle);
const PickleNode *pickle_root(const Pickle *pickle);
void pickle_set_root(Pickle *pickle, const PickleNode *node); /* one that is reached from the root */
uint64_t pickle_end(const Pickle *pickle);                    /* offset after STOP */
uint32_t pickle_nodes(const Pickle *pickle);
bool pickle_in_file(const Pickle *pickle); /* whether a string stayed in the file, which reading it then needs */
const PickleNode *pickle_last_persistent(const Pickle *pickle); /* NULL: none; the others by `previous` */

/* Item `index` of a list or tuple; NULL if there is none. */
const PickleNode *pickle_item(const PickleNode *node, uint32_t index);
/* A NAME's or CALL's row of the table; NULL for another node. */
const PickleGlobal *pickle_global(const PickleNode *node);
bool pickle_is_text(const PickleNode *node, const char *text); /* a TEXT or BYTES of just these characters */
/* The value of a dict's (last) key of these characters, or NULL. */
const PickleNode *pickle_get(const PickleNode *dict, const char *key);
/* A tensor: a call that rebuilds one or a parameter, a NumPy array of numbers, a persistent id that is a text (in tar
 * files, where tensors have these). */
bool pickle_is_tensor(const PickleNode *node);
/* Lists of numbers as the values of a dict whose names have dots: a state dict as JSON would hold it. */
bool pickle_is_list_tensor(const PickleNode *node);
/* The tensor itself, out of a parameter that holds it; NULL if there is none. */
const PickleNode *pickle_tensor_within(const PickleNode *node);
bool pickle_is_array(const PickleNode *node); /* a NumPy array of numbers, real or complex */
/* The shape, dtype, order and bytes of a NumPy array; false if the node is none, or one of other parts. */
bool pickle_array_parts(const PickleNode *node, const PickleNode *part[static 4]);
/* Appends the dotted name of a NAME, or of an object's class, a call's function; nothing for other nodes. */
void pickle_name_text(const PickleNode *node, Str *out);

/* ---- walking ----------------------------------------------------------------------------------------------------- */

/* The values that a node holds for a reader: of a dict or an object like one, a list or tuple or an object like one, a
 * list of (key, value), a module. Objects of other kinds hold nothing. */
typedef struct PickleView {
    const PickleNode *node;
    const PickleItem *next;
    uint8_t shape, part; /* of a module: which of its dicts */
    uint32_t index;
} PickleView;
PickleView pickle_view(const PickleNode *node);
/* The next value; its key, NULL for an item of a list, whose number is *index. false at the end. */
bool pickle_view_next(PickleView *view, const PickleNode **key, uint32_t *index, const PickleNode **value);
static inline bool pickle_is_container(const PickleNode *node) {
    return node->shape != PICKLE_PLAIN && node->shape < PICKLE_INTEGERS;
}

/* The kind ('f', 'i', 'u', 'b', 'c') and size in bytes of a NumPy dtype of numbers; false if the node is something
 * else.
 */
bool pickle_numpy_type(const PickleNode *node, char *kind, unsigned *size, bool *big_endian);

/* Appends a scalar as text (bool, integer, real, text, NumPy scalar); false if the node is something else. */
bool pickle_scalar_text(const PickleNode *node, Str *out);

#endif
