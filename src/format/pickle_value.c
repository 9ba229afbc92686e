/* pickle_value -- reading a pickle's graph: items, keys, scalars, NumPy's scalars.
 *
 * A NumPy scalar is scalar(dtype, bytes); its dtype is dtype('f8', False, True) with the state (3, '<', None, None,
 * None, -1, -1, 0): kind and size in the first argument, byte order ('<', '>', '|', '=') in the state's second item.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "format/bytes.h"
#include "format/pickle.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

const PickleNode *pickle_item(const PickleNode *node, uint32_t index) {
    if (node->type != PICKLE_LIST && node->type != PICKLE_TUPLE) return NULL;
    const PickleItem *item = node->first;
    while (item && index-- > 0) item = item->next;
    return item ? item->node : NULL;
}

const PickleGlobal *pickle_global(const PickleNode *node) {
    return node->type == PICKLE_NAME || node->type == PICKLE_CALL ? pickle_global_at(node->row) : NULL;
}

bool pickle_is_text(const PickleNode *node, const char *text) {
    return node && (node->type == PICKLE_TEXT || node->type == PICKLE_BYTES) && node->text &&
           node->count == strlen(text) && memcmp(node->text, text, node->count) == 0;
}

const PickleNode *pickle_get(const PickleNode *dict, const char *name) {
    const PickleNode *found = NULL, *key, *value;
    uint32_t index;
    for (PickleView view = pickle_view(dict); pickle_view_next(&view, &key, &index, &value);)
        if (key && pickle_is_text(key, name)) found = value;
    return found;
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

static PickleMeaning meaning_of(const PickleNode *node) {
    const PickleGlobal *global = node && node->type == PICKLE_CALL ? pickle_global_at(node->row) : NULL;
    return global ? global->meaning : PICKLE_FOREIGN;
}

bool pickle_array_parts(const PickleNode *node, const PickleNode *part[static 4]) {
    static const uint8_t place[2][4] = {{1, 2, 3, 4}, {2, 1, 3, 0}}; /* shape, dtype, order, bytes */
    const bool buffer = meaning_of(node) == PICKLE_NUMPY_FROMBUFFER;
    const PickleNode *from = meaning_of(node) == PICKLE_NUMPY_RECONSTRUCT ? node->state
                             : buffer                                     ? node->arguments
                                                                          : NULL;
    for (unsigned i = 0; i < 4; i++)
        if (!from || !(part[i] = pickle_item(from, place[buffer][i]))) return false;
    return true;
}

bool pickle_is_array(const PickleNode *node) {
    const PickleNode *part[4];
    char kind;
    unsigned size;
    bool big;
    return pickle_array_parts(node, part) && pickle_numpy_type(part[1], &kind, &size, &big);
}

static bool is_bare_tensor(const PickleNode *node) {
    const PickleMeaning meaning = meaning_of(node);
    if (node->type == PICKLE_PERSISTENT) return node->id->type == PICKLE_TEXT || node->id->type == PICKLE_BYTES;
    return meaning == PICKLE_REBUILD_TENSOR || meaning == PICKLE_REBUILD_TENSOR_V2 ||
           meaning == PICKLE_REBUILD_TENSOR_V3 || pickle_is_array(node) || pickle_is_list_tensor(node);
}

static const PickleNode *first_tensor(const PickleNode *tuple) {
    const PickleNode *item = NULL;
    for (uint32_t i = 0; tuple && i < 2 && (item = pickle_item(tuple, i)); i++) /* a class may stand before it */
        if (is_bare_tensor(item)) return item;
    return NULL;
}

bool pickle_is_list_tensor(const PickleNode *node) {
    return node->shape >= PICKLE_INTEGERS && node->tensors > 0;
}

const PickleNode *pickle_tensor_within(const PickleNode *node) {
    const PickleMeaning meaning = meaning_of(node);
    const PickleNode *data = NULL;
    if (meaning == PICKLE_PARAMETER) {
        data = first_tensor(node->arguments);
        return data ? data : first_tensor(node->state);
    }
    if (meaning == PICKLE_REBUILD_PARAMETER) {
        data = pickle_item(node->arguments, 0);
        return data && is_bare_tensor(data) ? data : NULL;
    }
    return is_bare_tensor(node) ? node : NULL;
}

bool pickle_is_tensor(const PickleNode *node) {
    if (meaning_of(node) != PICKLE_REBUILD_PARAMETER) return pickle_tensor_within(node) != NULL;
    const PickleNode *data = pickle_item(node->arguments, 0);
    return !data ||
           data->type != PICKLE_OBJECT; /* of one that cannot be read; anything else is for the reader to judge */
}

void pickle_name_text(const PickleNode *node, Str *out) {
    const PickleObject *object = node->type == PICKLE_OBJECT ? node->object : NULL;
    if (object) node = object->name;
    const PickleGlobal *global = pickle_global(node);
    if (!global) return;
    if (object && global->meaning == PICKLE_GETATTR) { /* X.name; of what X is, only a name is told */
        const PickleNode *of = pickle_item(object->arguments, 0), *name = pickle_item(object->arguments, 1);
        if (of && name && of->type == PICKLE_NAME && name->text) {
            str_addf(out, "%s.%s", of->text ? of->text : "", name->text);
            return;
        }
    }
    if (global->meaning == PICKLE_FOREIGN)
        str_add(out, node->text);
    else
        str_addf(out, "%s.%s", global->module, global->name);
}

/* ---- scalars ----------------------------------------------------------------------------------------------------- */

/* The shortest decimal that reads back as the same double. */
static void add_real(Str *out, double value) {
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        double back;
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (text_to_double(text, &back) && back == value) break;
    }
    str_add(out, text);
}

typedef struct NumpyType {
    char kind;
    unsigned size;
    bool swap;
} NumpyType;

/* The number in a dtype's code behind its kind: "f4", "c16". */
static bool numpy_type(const PickleNode *node, NumpyType *out) {
    if (meaning_of(node) != PICKLE_NUMPY_DTYPE) return false;
    const PickleNode *code = pickle_item(node->arguments, 0), *order = NULL;
    uint64_t size;
    if (!code || (code->type != PICKLE_TEXT && code->type != PICKLE_BYTES) || code->count < 2 || code->count > 3 ||
        !text_to_u64(code->text + 1, &size))
        return false;
    if (node->state && node->state->type == PICKLE_TUPLE) order = pickle_item(node->state, 1);
    out->kind = code->text[0];
    out->size = (unsigned)size;
    out->swap = pickle_is_text(order, ">");
    return true;
}

bool pickle_numpy_type(const PickleNode *node, char *kind, unsigned *size, bool *big_endian) {
    static const struct {
        char kind;
        uint8_t sizes;                                                  /* their bits */
    } known[] = {{'b', 1}, {'i', 15}, {'u', 15}, {'f', 14}, {'c', 24}}; /* 1, 2, 4, 8, 16 bytes */
    NumpyType type;
    if (!numpy_type(node, &type)) return false;
    *kind = type.kind;
    *size = type.size;
    *big_endian = type.swap;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        for (unsigned bit = 0; bit < 5 && known[i].kind == type.kind; bit++)
            if ((known[i].sizes >> bit & 1) && type.size == 1u << bit) return true;
    return false;
}

static bool numpy_scalar_text(const PickleNode *node, Str *out) {
    NumpyType type;
    const PickleNode *bytes = pickle_item(node->arguments, 1);
    if (!bytes || node->arguments->count != 2 || !numpy_type(pickle_item(node->arguments, 0), &type)) return false;
    if (bytes->type != PICKLE_BYTES || bytes->count != type.size || type.size > 8) return false;
    uint8_t little[8] = {0};
    for (unsigned i = 0; i < type.size; i++) {
        little[i] = (uint8_t)bytes->text[type.swap ? type.size - 1 - i : i];
    }
    uint64_t bits = get_le64(little);
    unsigned unused = 64 - 8 * type.size;
    Error ignored;
    if (type.kind == 'f' && type.size == 8) {
        double value;
        memcpy(&value, &bits, sizeof value);
        add_real(out, value);
    } else if (type.kind == 'f' && (type.size == 2 || type.size == 4)) {
        float value;
        dtype_to_f32(type.size == 2 ? DTYPE_F16 : DTYPE_F32, little, 1, &value, &ignored); /* these two never fail */
        add_real(out, (double)value);
    } else if (type.kind == 'i' && type.size > 0) {
        str_addf(out, "%" PRId64, (int64_t)(bits << unused) >> unused);
    } else if (type.kind == 'u' && type.size > 0) {
        str_addf(out, "%" PRIu64, bits);
    } else if (type.kind == 'b' && type.size == 1) {
        str_add(out, bits ? "true" : "false");
    } else {
        return false;
    }
    return true;
}

bool pickle_scalar_text(const PickleNode *node, Str *out) {
    switch ((PickleType)node->type) {
    case PICKLE_BOOL:
        str_add(out, node->truth ? "true" : "false");
        return true;
    case PICKLE_INTEGER:
        str_addf(out, "%" PRId64, node->integer);
        return true;
    case PICKLE_REAL:
        add_real(out, node->real);
        return true;
    case PICKLE_TEXT:
    case PICKLE_BYTES:
        if (!node->text || strlen(node->text) != node->count || !text_valid_utf8(node->text, node->count)) return false;
        str_add(out, node->text);
        return true;
    case PICKLE_CALL:
        return pickle_global(node)->meaning == PICKLE_NUMPY_SCALAR && numpy_scalar_text(node, out);
    default:
        return false;
    }
}
