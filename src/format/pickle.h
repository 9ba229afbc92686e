/* pickle -- an inert interpreter of Python's pickle format: it builds a graph of plain values and calls nothing.
 *
 * Names in the stream resolve in one static table (pickle_globals.c) or are refused. What a stream "calls" becomes a
 * PICKLE_CALL node for the reader that knows its meaning (torch.c, cifar_pickle.c). Nodes live in one arena, freed at
 * once; a graph may share nodes, is at most PICKLE_DEPTH deep and holds no cycle. Private to src/format.
 */
#ifndef WEFT_FORMAT_PICKLE_H
#define WEFT_FORMAT_PICKLE_H

#include "weft/base.h"

enum {
    PICKLE_CAP_STREAM = 256 << 20, /* bytes, long byte strings apart */
    PICKLE_CAP_OPCODES = 8000000,
    PICKLE_CAP_NODES = 4000000,
    PICKLE_CAP_MEMO = 4000000,
    PICKLE_DEPTH = 128,
    PICKLE_HELD = 65536, /* longer strings stay in the file: offset and length only */
};

/* What a name in the table stands for. */
typedef enum PickleMeaning {
    PICKLE_REFUSED, /* known, and why it cannot be read stands in `reason` */
    PICKLE_LEAF,    /* kept as PICKLE_OPAQUE whatever happens to it */
    PICKLE_MAPPING_LEAF,
    PICKLE_ORDERED_DICT,
    PICKLE_ENCODE, /* _codecs.encode(text, 'latin1') */
    PICKLE_SIZE,
    PICKLE_REBUILD_TENSOR,
    PICKLE_REBUILD_TENSOR_V2,
    PICKLE_REBUILD_TENSOR_V3,
    PICKLE_REBUILD_PARAMETER,
    PICKLE_STORAGE,         /* of elements of `dtype` */
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

/* The row of a name, or NULL where it is not in the table (at most 255 rows). */
const PickleGlobal *pickle_global_find(const char *module, size_t module_length, const char *name, size_t name_length);
uint8_t pickle_global_row(const PickleGlobal *global);
const PickleGlobal *pickle_global_at(uint8_t row);
/* Why a name is refused (its row, or NULL): STATUS_BAD_INPUT without the file's name; always false. */
bool pickle_global_refuse(const PickleGlobal *global, const char *module, const char *name, Error *err);

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
    PICKLE_OPAQUE,
} PickleType;

typedef struct PickleNode PickleNode;
typedef struct PickleItem {
    PickleNode *node;
    struct PickleItem *next;
} PickleItem;

struct PickleNode {
    uint8_t type;     /* PickleType */
    uint8_t row;      /* of the table of globals: NAME, CALL */
    uint8_t depth;    /* of the values below, 0 for a leaf */
    uint8_t visit;    /* used while the graph is checked */
    uint32_t number;  /* nodes are numbered from 0 */
    uint32_t tensors; /* rebuilt tensors met on all paths from here, at most UINT32_MAX */
    uint32_t count; /* items of a container (two for each entry of a dict); bytes of a string, in LATIN1 of the text */
    union {
        bool truth;
        int64_t integer;
        double real;
        struct {
            const char *text; /* NUL-terminated; NULL where longer than PICKLE_HELD */
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
    };
};

typedef struct Pickle Pickle;

/* Interprets the one pickle that starts at `offset` of `file` and ends before `offset + length`. The file is read only
 * here; errors start with its name. */
Pickle *pickle_parse(const File *file, uint64_t offset, uint64_t length, Error *err);
void pickle_free(Pickle *pickle);
const PickleNode *pickle_root(const Pickle *pickle);
uint64_t pickle_end(const Pickle *pickle); /* offset after STOP */
uint32_t pickle_nodes(const Pickle *pickle);
const PickleNode *pickle_last_persistent(const Pickle *pickle); /* NULL: none; the others by `previous` */

/* Item `index` of a list or tuple; NULL where there is none. */
const PickleNode *pickle_item(const PickleNode *node, uint32_t index);
/* A NAME's or CALL's row of the table; NULL for another node. */
const PickleGlobal *pickle_global(const PickleNode *node);
bool pickle_is_text(const PickleNode *node, const char *text); /* a TEXT or BYTES of just these characters */
/* The value of a dict's (last) key of these characters, or NULL. */
const PickleNode *pickle_get(const PickleNode *dict, const char *key);
bool pickle_is_tensor(const PickleNode *node); /* a call that rebuilds a tensor or parameter */

/* The kind ('f', 'i', 'u', 'b') and size in bytes of a NumPy dtype of numbers; false where the node is something else.
 */
bool pickle_numpy_type(const PickleNode *node, char *kind, unsigned *size);

/* Appends a scalar as text (bool, integer, real, text, NumPy scalar); false where the node is something else. */
bool pickle_scalar_text(const PickleNode *node, Str *out);

#endif
