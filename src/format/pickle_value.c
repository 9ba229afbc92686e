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

const PickleNode *pickle_get(const PickleNode *dict, const char *key) {
    const PickleNode *found = NULL;
    if (dict->type != PICKLE_DICT) return NULL;
    for (const PickleItem *item = dict->first; item; item = item->next->next) {
        if (pickle_is_text(item->node, key)) found = item->next->node;
    }
    return found;
}

bool pickle_is_tensor(const PickleNode *node) {
    if (node->type != PICKLE_CALL) return false;
    PickleMeaning meaning = pickle_global(node)->meaning;
    return meaning == PICKLE_REBUILD_TENSOR || meaning == PICKLE_REBUILD_TENSOR_V2 ||
           meaning == PICKLE_REBUILD_TENSOR_V3 || meaning == PICKLE_REBUILD_PARAMETER;
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

static bool numpy_type(const PickleNode *node, NumpyType *out) {
    if (node->type != PICKLE_CALL || pickle_global(node)->meaning != PICKLE_NUMPY_DTYPE) return false;
    const PickleNode *code = pickle_item(node->arguments, 0), *order = NULL;
    if (!code || (code->type != PICKLE_TEXT && code->type != PICKLE_BYTES) || code->count != 2) return false;
    if (node->state && node->state->type == PICKLE_TUPLE) order = pickle_item(node->state, 1);
    out->kind = code->text[0];
    out->size = (unsigned)(code->text[1] - '0');
    out->swap = pickle_is_text(order, ">");
    return true;
}

bool pickle_numpy_type(const PickleNode *node, char *kind, unsigned *size) {
    NumpyType type;
    if (!numpy_type(node, &type)) return false;
    *kind = type.kind;
    *size = type.size;
    return strchr("fiub", type.kind) && type.size >= 1 && type.size <= 8;
}

static bool numpy_scalar_text(const PickleNode *node, Str *out) {
    NumpyType type;
    const PickleNode *bytes = pickle_item(node->arguments, 1);
    if (node->arguments->count != 2 || !numpy_type(pickle_item(node->arguments, 0), &type)) return false;
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
        if (!dtype_to_f32(type.size == 2 ? DTYPE_F16 : DTYPE_F32, little, 1, &value, &ignored)) return false;
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
