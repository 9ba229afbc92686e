/* text -- a graph as text, which saved networks carry (metadata weft.graph), so that they are not recognised again.
 *
 *   input=3x32x32 classes=10
 *   conv1 convolution 0 out=16 kernel=3x3 stride=1x1 padding=1,1,1,1 groups=1 weight=conv1.weight
 *   bn1 batch_norm 1 out=16 epsilon=1e-05 weight=bn1.weight bias=bn1.bias mean=bn1.running_mean ...
 *   layer1.0.add add 8,3 out=16 stage=1 block=1
 *
 * One line an operation: its name, kind, inputs (lines, the first is 0), then what is not zero. Tensors are told by
 * name; blanks, control characters, '%' and '=' in names are %XX. Quantisers are left out: weft.quantisers tells them.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/internal.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

enum { OPS_MOST = 1 << 16, WORD_MOST = 3 * 4096 + 64 /* a tensor's name, escaped */ };

typedef enum FieldKind { FIELD_NUMBER, FIELD_PAIR, FIELD_SIDES, FIELD_FLAG, FIELD_REAL, FIELD_TENSOR } FieldKind;

static const struct Field {
    const char *name;
    FieldKind kind;
    size_t offset;
} fields[] = {
    {"out", FIELD_NUMBER, offsetof(Op, out_channels)},  {"kernel", FIELD_PAIR, offsetof(Op, kernel)},
    {"stride", FIELD_PAIR, offsetof(Op, stride)},       {"dilation", FIELD_PAIR, offsetof(Op, dilation)},
    {"padding", FIELD_SIDES, offsetof(Op, padding)},    {"groups", FIELD_NUMBER, offsetof(Op, groups)},
    {"size", FIELD_PAIR, offsetof(Op, size)},           {"offset", FIELD_NUMBER, offsetof(Op, offset)},
    {"ceiling", FIELD_FLAG, offsetof(Op, ceiling)},     {"exclude_padding", FIELD_FLAG, offsetof(Op, exclude_padding)},
    {"epsilon", FIELD_REAL, offsetof(Op, epsilon)},     {"slope", FIELD_REAL, offsetof(Op, slope)},
    {"weight", FIELD_TENSOR, offsetof(Op, weight)},     {"bias", FIELD_TENSOR, offsetof(Op, bias)},
    {"mean", FIELD_TENSOR, offsetof(Op, mean)},         {"variance", FIELD_TENSOR, offsetof(Op, variance)},
    {"stage", FIELD_NUMBER, offsetof(Op, stage)},       {"block", FIELD_NUMBER, offsetof(Op, block)},
    {"predicted", FIELD_FLAG, offsetof(Op, predicted)},
};
enum { FIELDS = sizeof fields / sizeof *fields };

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void add_name(Str *out, const char *name) {
    for (const unsigned char *at = (const unsigned char *)name; *at; at++)
        if (*at <= ' ' || *at == '%' || *at == '=' || *at == 0x7f)
            str_addf(out, "%%%02X", *at);
        else
            str_addf(out, "%c", *at);
}

static void add_numbers(Str *out, const char *name, const unsigned *numbers, unsigned count, const char *between) {
    unsigned sum = 0;
    for (unsigned i = 0; i < count; i++) sum |= numbers[i];
    if (sum == 0) return;
    str_addf(out, " %s=", name);
    for (unsigned i = 0; i < count; i++) str_addf(out, "%s%u", i ? between : "", numbers[i]);
}

/* With as many digits as bring the same float32 back. */
static void add_real(Str *out, const char *name, float value) {
    char text[32];
    int digits = 1;
    if (!(value > 0 || value < 0)) return;
    do snprintf(text, sizeof text, "%.*g", digits, (double)value);
    while (digits++ < 9 && memcmp(&(float){strtof(text, NULL)}, &value, sizeof value) != 0);
    str_addf(out, " %s=%s", name, text);
}

static void add_field(Str *out, const Network *network, const Op *op, const struct Field *field) {
    const void *at = (const char *)op + field->offset;
    switch (field->kind) {
    case FIELD_NUMBER:
        add_numbers(out, field->name, at, 1, "");
        break;
    case FIELD_PAIR:
        if (field->offset == offsetof(Op, dilation) && op->dilation[0] == 1 && op->dilation[1] == 1) break;
        add_numbers(out, field->name, at, 2, "x");
        break;
    case FIELD_SIDES:
        add_numbers(out, field->name, at, 4, ",");
        break;
    case FIELD_FLAG:
        if (*(const bool *)at) str_addf(out, " %s=1", field->name);
        break;
    case FIELD_REAL:
        add_real(out, field->name, *(const float *)at);
        break;
    case FIELD_TENSOR:
        if (*(const int *)at == NO_TENSOR) break;
        str_addf(out, " %s=", field->name);
        add_name(out, network->tensors[*(const int *)at].name);
    }
}

/* "max pool" is written max_pool. */
static void add_kind(Str *out, OpKind kind) {
    for (const char *at = op_name(kind); *at; at++) str_addf(out, "%c", *at == ' ' ? '_' : *at);
}

bool network_graph_text(const Network *network, Str *out, Error *err) {
    const Graph *graph = network->graph;
    size_t *line = mem_alloc(graph->count, sizeof *line, err), lines = 0;
    if (!line) return false;
    str_addf(out, "input=%ux%ux%u classes=%u\n", graph->in_channels, graph->height, graph->width, graph->classes);
    for (size_t i = 0; i < graph->count; i++) {
        const Op *op = &graph->ops[i];
        line[i] = op->kind == OP_QUANTISE ? line[op->input[0]] : lines++;
        if (i == 0 || op->kind == OP_QUANTISE) continue;
        add_name(out, op->name[0] ? op->name : op_name(op->kind));
        str_add(out, " ");
        add_kind(out, op->kind);
        for (unsigned j = 0; j < op_inputs(op->kind); j++) str_addf(out, "%c%zu", j ? ',' : ' ', line[op->input[j]]);
        for (size_t f = 0; f < FIELDS; f++) add_field(out, network, op, &fields[f]);
        str_add(out, "\n");
    }
    mem_free(line);
    return str_ok(out, err);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

typedef struct Reader {
    const char *at; /* what is left of the line */
    size_t line;
    TensorNames names;
    Error *err;
} Reader;

static bool line_refused(const Reader *reader, const char *why, const char *what) {
    return error_set(reader->err, STATUS_BAD_INPUT, "line %zu: %s '%.200s'", reader->line, why, what);
}

static int hex_digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The next word up to a blank, into `out` (of `size`). False: none, or too long. */
static bool next_word(Reader *reader, char *out, size_t size) {
    while (*reader->at == ' ') reader->at++;
    const size_t length = strcspn(reader->at, " \n");
    if (length == 0 || length >= size) return false;
    memcpy(out, reader->at, length);
    out[length] = '\0';
    reader->at += length;
    return true;
}

static bool unescape(char *text) {
    char *to = text;
    for (const char *from = text; *from; from++) {
        if (*from != '%') {
            *to++ = *from;
            continue;
        }
        const int high = hex_digit(from[1]), low = high < 0 ? -1 : hex_digit(from[2]);
        if (low < 0 || (high == 0 && low == 0)) return false;
        *to++ = (char)(high * 16 + low);
        from += 2;
    }
    *to = '\0';
    return true;
}

/* Exactly `count` numbers with `between` between them. */
static bool read_numbers(const char *text, unsigned *out, unsigned count, char between) {
    for (unsigned i = 0; i < count; i++) {
        char word[16];
        uint64_t number;
        const size_t length = strspn(text, "0123456789");
        if (length == 0 || length >= sizeof word) return false;
        memcpy(word, text, length);
        word[length] = '\0';
        if (!text_to_u64(word, &number) || number > INT32_MAX) return false;
        out[i] = (unsigned)number;
        text += length;
        if (i + 1 < count && *text++ != between) return false;
    }
    return *text == '\0';
}

static bool read_field(const Reader *reader, Op *op, const char *name, char *value) {
    const struct Field *field = fields;
    while (field < fields + FIELDS && strcmp(field->name, name) != 0) field++;
    if (field == fields + FIELDS) return line_refused(reader, "there is no", name);
    void *at = (char *)op + field->offset;
    double real;
    unsigned flag;
    size_t tensor;
    bool done = false;
    switch (field->kind) {
    case FIELD_NUMBER:
        done = read_numbers(value, at, 1, '\0');
        break;
    case FIELD_PAIR:
        done = read_numbers(value, at, 2, 'x');
        break;
    case FIELD_SIDES:
        done = read_numbers(value, at, 4, ',');
        break;
    case FIELD_FLAG:
        done = read_numbers(value, &flag, 1, '\0') && flag <= 1;
        if (done) *(bool *)at = flag;
        break;
    case FIELD_REAL:
        done = text_to_double(value, &real) && real >= -1e6 && real <= 1e6;
        if (done) *(float *)at = (float)real;
        break;
    case FIELD_TENSOR:
        if (!unescape(value) || !tensor_names_find(&reader->names, value, &tensor))
            return line_refused(reader, "there is no tensor", value);
        *(int *)at = (int)tensor;
        done = true;
    }
    return done || line_refused(reader, field->name, value);
}

static bool read_kind(const char *word, OpKind *out) {
    for (OpKind kind = OP_INPUT + 1; kind < OP_COUNT; kind++) {
        const char *name = op_name(kind), *at = word;
        while (*at && (*name == *at || (*name == ' ' && *at == '_'))) at++, name++;
        if (*at || *name || kind == OP_QUANTISE) continue;
        *out = kind;
        return true;
    }
    return false;
}

static bool read_operation(Reader *reader, GraphBuilder *builder) {
    char name[3 * OP_NAME_SIZE], word[WORD_MOST];
    unsigned inputs[2] = {0};
    Op op = {.weight = NO_TENSOR, .bias = NO_TENSOR, .mean = NO_TENSOR, .variance = NO_TENSOR};
    if (!next_word(reader, name, sizeof name) || !unescape(name))
        return line_refused(reader, "not a name:", reader->at);
    if (!next_word(reader, word, sizeof word) || !read_kind(word, &op.kind))
        return line_refused(reader, "not an operation:", word);
    if (!next_word(reader, word, sizeof word) || !read_numbers(word, inputs, op_inputs(op.kind), ','))
        return line_refused(reader, "not the inputs:", word);
    for (unsigned i = 0; i < op_inputs(op.kind); i++) {
        if (inputs[i] >= reader->line - 1) return line_refused(reader, "inputs come from earlier lines, not", word);
        op.input[i] = (int)inputs[i];
    }
    while (next_word(reader, word, sizeof word)) {
        char *value = strchr(word, '=');
        if (!value) return line_refused(reader, "not NAME=VALUE:", word);
        *value++ = '\0';
        if (!read_field(reader, &op, word, value)) return false;
    }
    if (*reader->at && *reader->at != '\n') return line_refused(reader, "too long:", "a word");
    graph_add(builder, op, "%s", name);
    return !builder->failed;
}

static bool read_head(Reader *reader, unsigned shape[3], unsigned *classes) {
    char word[64];
    return next_word(reader, word, sizeof word) && strncmp(word, "input=", 6) == 0 &&
           read_numbers(word + 6, shape, 3, 'x') && next_word(reader, word, sizeof word) &&
           strncmp(word, "classes=", 8) == 0 && read_numbers(word + 8, classes, 1, '\0') && *classes > 0 &&
           *classes <= CLASSES_MAX && shape[0] > 0 && shape[0] <= CLASSES_MAX && *reader->at == '\n';
}

static Graph *read_lines(Reader *reader) {
    unsigned shape[3], classes = 0;
    if (!read_head(reader, shape, &classes)) {
        error_set(reader->err, STATUS_BAD_INPUT, "line 1: not input=CxHxW classes=N");
        return NULL;
    }
    GraphBuilder builder = graph_begin(shape[0], shape[1], shape[2], reader->err);
    bool done = !builder.failed;
    for (reader->at++, reader->line = 2; done && *reader->at; reader->line++) {
        done = reader->line <= OPS_MOST || line_refused(reader, "more operations than", "65536");
        done = done && read_operation(reader, &builder);
        if (*reader->at == '\n') reader->at++;
    }
    builder.failed = !done;
    return graph_finish(&builder, classes);
}

Graph *network_graph_read(const Network *network, const char *text, Error *err) {
    Reader reader = {.at = text, .line = 1, .err = err};
    if (!tensor_names_begin(&reader.names, network, err)) return NULL;
    Graph *graph = read_lines(&reader);
    tensor_names_done(&reader.names);
    Shape *shapes = graph ? mem_alloc(graph->count, sizeof *shapes, err) : NULL;
    const bool done = shapes && graph_find_shapes(graph, graph->height, graph->width, shapes, err) &&
                      graph_tensors_fit(graph, network, shapes, err);
    mem_free(shapes);
    if (done) return graph;
    if (graph && err->status == STATUS_FAILED) err->status = STATUS_BAD_INPUT;
    graph_release(graph);
    return NULL;
}
