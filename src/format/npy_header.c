/* npy_header -- the dict literal in front of an array's data, by a grammar of its own: three keys, each once, in any
 * order; quoted text without escapes, True or False, a tuple of digits (Python 2's 2L too). Nothing is evaluated. */
#include "format/npy.h"

#include <string.h>

#include "format/bytes.h"
#include "format/checkpoint.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

/* NumPy's names of our types. */
static const struct {
    const char *name;
    DType dtype;
} types[] = {
    {"b1", DTYPE_BOOL}, {"i1", DTYPE_I8},  {"u1", DTYPE_U8},  {"i2", DTYPE_I16},   {"u2", DTYPE_U16},
    {"i4", DTYPE_I32},  {"u4", DTYPE_U32}, {"i8", DTYPE_I64}, {"u8", DTYPE_U64},   {"f2", DTYPE_F16},
    {"f4", DTYPE_F32},  {"f8", DTYPE_F64}, {"c8", DTYPE_C64}, {"c16", DTYPE_C128},
};
enum { TYPE_COUNT = sizeof types / sizeof *types };

typedef struct Text {
    const char *at, *end;
} Text;

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static bool bad(Error *err, const char *reason) {
    return error_set(err, STATUS_BAD_INPUT, "npy: %s", reason);
}

static char peek(Text *text) {
    while (text->at < text->end && (*text->at == ' ' || *text->at == '\t' || *text->at == '\n' || *text->at == '\r'))
        text->at++;
    return text->at < text->end ? *text->at : '\0';
}

static bool take_character(Text *text, char character) {
    if (peek(text) != character) return false; /* which is no NUL */
    text->at++;
    return true;
}

static bool take_word(Text *text, const char *word) {
    size_t length = strlen(word);
    peek(text);
    if ((size_t)(text->end - text->at) < length || memcmp(text->at, word, length) != 0) return false;
    text->at += length;
    return true;
}

/* A quoted text of less than `room` bytes. */
static bool take_quoted(Text *text, char *out, size_t room, Error *err) {
    char quote = peek(text);
    if (quote != '\'' && quote != '"') return bad(err, "expected a quoted text in the header");
    const char *first = ++text->at, *last = memchr(first, quote, (size_t)(text->end - first));
    if (!last || memchr(first, '\\', (size_t)(last - first)) || (size_t)(last - first) >= room)
        return bad(err, "a quoted text in the header is unterminated, has an escape, or is too long");
    memcpy(out, first, (size_t)(last - first));
    out[last - first] = '\0';
    text->at = last + 1;
    return true;
}

static bool take_descr(Text *text, NpyHeader *header, Error *err) {
    char descr[32];
    if (peek(text) == '[') {
        header->unread = "records";
        return bad(err, "a structured dtype; only plain arrays are supported");
    }
    if (!take_quoted(text, descr, sizeof descr, err)) return false;
    if (descr[0] && descr[1] == 'O') {
        header->unread = NPY_OBJECTS;
        return bad(err,
                   "dtype 'O' holds Python objects (a pickle), which are not supported; save arrays with numpy.savez");
    }
    for (size_t i = 0; i < TYPE_COUNT && *descr && strchr("<>|=", *descr); i++) {
        if (strcmp(types[i].name, descr + 1) != 0) continue;
        header->dtype = types[i].dtype;
        header->big_endian = *descr == '>';
        return true;
    }
    if (descr[0] && descr[1]) {
        static const char kinds[] = "SaUVMm";
        static const char *const names[] = {"text", "text", "text", "raw bytes", "dates", "time spans"};
        const char *kind = strchr(kinds, descr[1]);
        if (kind) header->unread = names[kind - kinds];
    }
    return error_set(err, STATUS_BAD_INPUT, "npy: unsupported dtype '%s'", descr);
}

static bool take_dimension(Text *text, uint64_t *value, Error *err) {
    char c = peek(text);
    *value = 0;
    if (c < '0' || c > '9') return bad(err, "the shape is not a tuple of sizes");
    for (; text->at < text->end && *text->at >= '0' && *text->at <= '9'; text->at++)
        if (!size_mul(*value, 10, value) || !size_add(*value, (uint64_t)(*text->at - '0'), value))
            return bad(err, "a size in the shape is too large");
    if (text->at < text->end && *text->at == 'L') text->at++;
    return true;
}

static bool take_shape(Text *text, NpyHeader *header, Error *err) {
    bool comma = true;
    header->rank = 0;
    if (!take_character(text, '(')) return bad(err, "the shape is not a tuple of sizes");
    while (!take_character(text, ')')) {
        if (!comma) return bad(err, "the shape is not a tuple of sizes");
        if (header->rank == TENSOR_RANK_MAX)
            return error_set(err, STATUS_LIMIT, "npy: more than %d dimensions", TENSOR_RANK_MAX);
        if (!take_dimension(text, &header->dim[header->rank++], err)) return false;
        comma = take_character(text, ',');
    }
    /* (3) is a number to Python, not a tuple. */
    return header->rank != 1 || comma || bad(err, "the shape is not a tuple of sizes");
}

static bool parse_dict(Text *text, NpyHeader *header, Error *err) {
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    bool seen[3] = {false}, comma = true, ok;
    if (!take_character(text, '{')) return bad(err, "the header is not a dict");
    while (!take_character(text, '}')) {
        char key[32];
        size_t which = 0;
        if (!comma) return bad(err, "expected a comma in the header");
        if (!take_quoted(text, key, sizeof key, err)) return false;
        while (which < 3 && strcmp(keys[which], key) != 0) which++;
        if (which == 3) return error_set(err, STATUS_BAD_INPUT, "npy: unknown key '%s' in the header", key);
        if (seen[which]) return error_set(err, STATUS_BAD_INPUT, "npy: key '%s' appears twice", key);
        seen[which] = true;
        if (!take_character(text, ':')) return bad(err, "expected a colon in the header");
        if (which == 0) {
            ok = take_descr(text, header, err);
        } else if (which == 1) {
            header->fortran = take_word(text, "True");
            ok = header->fortran || take_word(text, "False") || bad(err, "fortran_order is neither True nor False");
        } else {
            ok = take_shape(text, header, err);
        }
        if (!ok) return false;
        comma = take_character(text, ',');
    }
    if (!seen[0] || !seen[1] || !seen[2]) return bad(err, "the header needs descr, fortran_order and shape");
    peek(text);
    return text->at == text->end || bad(err, "text after the header's dict");
}

/* The data that the shape asks for against the bytes that are there. */
static bool check_data(NpyHeader *header, uint64_t remain, Error *err) {
    uint64_t count;
    bool counted = size_product(header->dim, header->rank, &count) &&
                   size_mul(count, dtype_bits(header->dtype) / 8, &header->bytes);
    if (counted && header->bytes == remain) return true;
    Str shape = {0};
    checkpoint_shape_text(header->rank, header->dim, &shape);
    if (counted)
        error_set(err, STATUS_BAD_INPUT, "npy: shape %s %s needs %llu bytes, %llu follow the header", str_text(&shape),
                  dtype_name(header->dtype), (unsigned long long)header->bytes, (unsigned long long)remain);
    else
        error_set(err, STATUS_BAD_INPUT, "npy: shape %s has too many bytes", str_text(&shape));
    str_done(&shape);
    return false;
}

bool npy_read_header(NpyFill *fill, void *context, uint64_t size, NpyHeader *out, Error *err) {
    uint8_t start[12];
    *out = (NpyHeader){0};
    if (size < 10) return bad(err, "too short");
    if (!fill(context, start, 10, err)) return false;
    if (memcmp(start, "\223NUMPY", 6) != 0) return bad(err, "does not begin with \\x93NUMPY");
    if (start[6] < 1 || start[6] > 3 || start[7] != 0)
        return error_set(err, STATUS_BAD_INPUT, "npy: unknown version %u.%u", start[6], start[7]);
    uint64_t length = get_le16(start + 8), begin = 10;
    if (start[6] > 1) {
        if (size < 12) return bad(err, "too short");
        if (!fill(context, start + 10, 2, err)) return false;
        length = get_le32(start + 8);
        begin = 12;
    }
    if (length > size - begin)
        return error_set(err, STATUS_BAD_INPUT, "npy: the header has %llu bytes, but only %llu follow",
                         (unsigned long long)length, (unsigned long long)(size - begin));
    if (length > CAP_NPY_HEADER)
        return error_set(err, STATUS_LIMIT, "npy: the header has %llu bytes, limit %d", (unsigned long long)length,
                         CAP_NPY_HEADER);
    char *bytes = mem_alloc(length, 1, err);
    Text text = {bytes, bytes ? bytes + length : NULL};
    out->offset = begin + length;
    bool ok = bytes && fill(context, bytes, length, err) && parse_dict(&text, out, err) &&
              check_data(out, size - out->offset, err);
    mem_free(bytes);
    return ok;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

bool npy_build_header(const TensorOut *tensor, Str *out, uint64_t *data_bytes, Error *err) {
    static const uint8_t start[] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, 0, 0};
    const char *name = NULL;
    uint64_t count;
    for (size_t i = 0; i < TYPE_COUNT; i++)
        if (types[i].dtype == tensor->dtype) name = types[i].name;
    if (!name)
        return error_set(err, STATUS_USAGE, "tensor \"%s\": NumPy has no type for %s", tensor->name,
                         dtype_name(tensor->dtype));
    if (tensor->rank > TENSOR_RANK_MAX || !size_product(tensor->dim, tensor->rank, &count) ||
        !size_mul(count, dtype_bits(tensor->dtype) / 8, data_bytes))
        return error_set(err, STATUS_USAGE, "tensor \"%s\": impossible shape", tensor->name);
    str_add_bytes(out, (const char *)start, sizeof start);
    str_addf(out, "{'descr': '%c%s', 'fortran_order': False, 'shape': (", dtype_bits(tensor->dtype) > 8 ? '<' : '|',
             name);
    for (unsigned i = 0; i < tensor->rank; i++)
        str_addf(out, i == 0 ? "%llu," : " %llu,", (unsigned long long)tensor->dim[i]);
    str_add(out, "), }");
    while (out->length % 64 != 63 && !out->failed) str_add(out, " ");
    str_add(out, "\n");
    if (!str_ok(out, err)) return false;
    uint8_t length[2];
    put_le16(length, out->length - sizeof start);
    memcpy(out->text + 8, length, sizeof length);
    return true;
}
