/* hostile_onnx -- hostile ONNX files: protobuf that lies, tensors that do not fit, external data that leads elsewhere.
 * (Graphs that make no sense are in tests/net/test_onnx.c: their weights load.) */
#include "bytes.h"
#include "hostile.h"
#include "weft/base/text.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "format/protobuf.h"

static bool put(const char *path, Str *model) {
    const bool ok = !model->failed && write_bytes(path, model->text, model->length);
    str_done(model);
    return ok;
}

/* ---- a good model, and its parts --------------------------------------------------------------------------------- */

static void put_head(Str *model) {
    proto_put_integer(model, 1, 8);
    proto_put_text(model, 2, "test");
}

static void put_opset(Str *model, int64_t version) {
    Str opset = {0};
    proto_put_text(&opset, 1, "");
    proto_put_integer(&opset, 2, version);
    proto_put_message(model, 8, &opset);
}

/* A TensorProto of float32 less its elements. */
static Str tensor(const char *name, const int64_t *dim, size_t rank) {
    Str out = {0};
    proto_put_integers(&out, 1, dim, rank);
    proto_put_integer(&out, 2, 1);
    proto_put_text(&out, 8, name);
    return out;
}

static bool with_graph(const char *path, Str *graph) {
    Str model = {0};
    put_head(&model);
    proto_put_message(&model, 7, graph);
    put_opset(&model, 13);
    return put(path, &model);
}

static bool with_tensor(const char *path, Str *one) {
    Str graph = {0};
    proto_put_message(&graph, 5, one);
    return with_graph(path, &graph);
}

/* A tensor of two elements, with these bytes raw. */
static Str raw_tensor(const char *name, size_t bytes) {
    static const char zeros[64];
    Str one = tensor(name, (int64_t[]){2}, 1);
    proto_put_bytes(&one, 9, zeros, bytes);
    return one;
}

/* ---- the wire ---------------------------------------------------------------------------------------------------- */

static bool bytes_behind(const char *path, const char *bytes, size_t length) {
    Str model = {0};
    put_head(&model);
    str_add_bytes(&model, bytes, length);
    return put(path, &model);
}
#define WIRE(function, bytes)                                   \
    static bool function(const char *path) {                    \
        return bytes_behind(path, "" bytes, sizeof(bytes) - 1); \
    }
WIRE(long_varint, "\x3a\x0c\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x42\x02\x10\x0d")
WIRE(varint_65_bits, "\x3a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\x42\x02\x10\x0d")
WIRE(over_end, "\x3a\x7f\x08")
WIRE(huge_length, "\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x08")
WIRE(group, "\x3a\x02\x0b\x0c\x42\x02\x10\x0d")
WIRE(wire_seven, "\x3a\x01\x0f\x42\x02\x10\x0d")
WIRE(field_zero, "\x3a\x02\x02\x00\x42\x02\x10\x0d")
WIRE(graph_is_number, "\x42\x02\x10\x0d\x38\x01")
WIRE(node_is_number, "\x3a\x02\x08\x01\x42\x02\x10\x0d")
WIRE(tensor_is_number, "\x3a\x02\x28\x01\x42\x02\x10\x0d")
WIRE(no_graph, "\x42\x02\x10\x0d")
WIRE(no_opset, "\x3a\x00")
WIRE(opset_zero, "\x3a\x00\x42\x02\x10\x00")
WIRE(two_graphs, "\x3a\x00\x3a\x00\x42\x02\x10\x0d")
WIRE(name_not_text, "\x3a\x07\x2a\x05\x42\x03\xff\xfe\x00\x42\x02\x10\x0d")
WIRE(name_is_number, "\x3a\x04\x2a\x02\x40\x05\x42\x02\x10\x0d")

/* Messages within messages as deep as the file allows: they are skipped, not entered. */
static bool nested(const char *path) {
    Str graph = {0};
    for (int i = 0; i < 20000; i++) {
        Str outer = {0}, attribute = {0};
        proto_put_message(&attribute, 6, &graph);
        proto_put_message(&outer, 5, &attribute);
        proto_put_message(&graph, 1, &outer);
        if (graph.length > 20000) break;
    }
    return with_graph(path, &graph);
}

static bool many_nodes(const char *path) {
    Str graph = {0};
    for (int i = 0; i < 200000; i++) str_add_bytes(&graph, "\x0a\x00", 2);
    return with_graph(path, &graph);
}

/* 90,000 nodes of 100 integers: little in the file, much in memory. */
static bool many_integers(const char *path) {
    Str graph = {0};
    int64_t ones[100];
    for (size_t i = 0; i < 100; i++) ones[i] = 1;
    for (int i = 0; i < 90000; i++) {
        Str node = {0}, attribute = {0};
        proto_put_integers(&attribute, 8, ones, 100);
        proto_put_text(&node, 4, "X");
        proto_put_message(&node, 5, &attribute);
        proto_put_message(&graph, 1, &node);
    }
    return with_graph(path, &graph);
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

static bool shaped(const char *path, const int64_t *dim, size_t rank) {
    Str one = tensor("w", dim, rank);
    proto_put_bytes(&one, 9, "", 0);
    return with_tensor(path, &one);
}
#define SHAPE(function, ...)                                                                             \
    static bool function(const char *path) {                                                             \
        return shaped(path, (int64_t[]){__VA_ARGS__}, sizeof(int64_t[]){__VA_ARGS__} / sizeof(int64_t)); \
    }
SHAPE(negative_dim, -1)
SHAPE(wrapping_dims, INT64_C(1) << 32, INT64_C(1) << 32)
SHAPE(huge_dim, INT64_C(1) << 40)
SHAPE(deep_rank, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)

static bool raw_short(const char *path) {
    Str one = raw_tensor("w", 7);
    return with_tensor(path, &one);
}

static bool raw_long(const char *path) {
    Str one = raw_tensor("w", 12);
    return with_tensor(path, &one);
}

static bool typed_short(const char *path) {
    Str one = tensor("w", (int64_t[]){2}, 1);
    proto_put_float(&one, 4, 1);
    return with_tensor(path, &one);
}

static bool typed_ragged(const char *path) {
    Str one = tensor("w", (int64_t[]){2}, 1);
    proto_put_bytes(&one, 4, "1234567", 7);
    return with_tensor(path, &one);
}

static bool typed_wire(const char *path) {
    Str one = tensor("w", (int64_t[]){1}, 1);
    proto_put_integer(&one, 4, 1);
    return with_tensor(path, &one);
}

static bool typed_good(const char *path) { /* one by one and packed, as proto2 and proto3 have it */
    Str one = tensor("w", (int64_t[]){3}, 1);
    proto_put_float(&one, 4, 1);
    proto_put_bytes(&one, 4, "\0\0\0\0\0\0\0\0", 8);
    return with_tensor(path, &one);
}

static bool no_elements(const char *path) {
    Str one = tensor("w", (int64_t[]){2}, 1);
    return with_tensor(path, &one);
}

static bool without_name(const char *path) {
    Str one = raw_tensor("", 8);
    return with_tensor(path, &one);
}

static bool name_twice(const char *path) {
    Str graph = {0}, a = raw_tensor("w", 8), b = raw_tensor("w", 8);
    proto_put_message(&graph, 5, &a);
    proto_put_message(&graph, 5, &b);
    return with_graph(path, &graph);
}

static bool text_tensor(const char *path) {
    Str one = {0};
    proto_put_integers(&one, 1, (int64_t[]){1}, 1);
    proto_put_integer(&one, 2, 8);
    proto_put_text(&one, 8, "words");
    proto_put_text(&one, 6, "text");
    Str graph = {0}, good = raw_tensor("w", 8);
    proto_put_message(&graph, 5, &one);
    proto_put_message(&graph, 5, &good);
    return with_graph(path, &graph);
}

static bool segment(const char *path) {
    Str one = raw_tensor("w", 8);
    proto_put_bytes(&one, 3, "", 0);
    return with_tensor(path, &one);
}

static bool sparse(const char *path) {
    Str graph = {0};
    proto_put_bytes(&graph, 15, "", 0);
    return with_graph(path, &graph);
}

/* ---- external data ----------------------------------------------------------------------------------------------- */

static void put_entry(Str *one, const char *key, const char *value) {
    Str entry = {0};
    proto_put_text(&entry, 1, key);
    proto_put_text(&entry, 2, value);
    proto_put_message(one, 13, &entry);
}

static bool external(const char *path, const char *location, const char *offset, const char *length) {
    Str one = tensor("w", (int64_t[]){2}, 1);
    if (location) put_entry(&one, "location", location);
    if (offset) put_entry(&one, "offset", offset);
    if (length) put_entry(&one, "length", length);
    proto_put_integer(&one, 14, 1);
    return with_tensor(path, &one);
}
#define EXTERNAL(function, location, offset, length)     \
    static bool function(const char *path) {             \
        return external(path, location, offset, length); \
    }
EXTERNAL(external_missing, "nowhere.data", NULL, NULL)
EXTERNAL(external_up, "../secret", NULL, NULL)
EXTERNAL(external_absolute, "/etc/passwd", NULL, NULL)
EXTERNAL(external_folder, "a/b", NULL, NULL)
EXTERNAL(external_dots, "..", NULL, NULL)
EXTERNAL(external_nameless, NULL, "0", "8")
EXTERNAL(external_length, "nowhere.data", "0", "9")
EXTERNAL(external_offset, "nowhere.data", "-1", NULL)

/* The model itself as its data: a good file, but its end comes too early. */
static bool external_beyond(const char *path) {
    const char *slash = strrchr(path, '/');
    return external(path, slash ? slash + 1 : path, "18446744073709551615", NULL);
}

const HostileCase hostile_onnx[] = {
    {0, "onnx-long-varint.onnx", "net", long_varint, 3, "more than 64 bits"},
    {0, "onnx-varint-65-bits.onnx", "net", varint_65_bits, 3, "more than 64 bits"},
    {0, "onnx-over-end.onnx", "net", over_end, 3, "its message only 1 more"},
    {0, "onnx-huge-length.onnx", "net", huge_length, 3, "its message only"},
    {0, "onnx-group.onnx", "net", group, 3, "a group"},
    {0, "onnx-wire-seven.onnx", "net", wire_seven, 3, "wire type"},
    {0, "onnx-field-zero.onnx", "net", field_zero, 3, "field number"},
    {0, "onnx-graph-is-number.onnx", "net", graph_is_number, 3, "wire type"},
    {0, "onnx-node-is-number.onnx", "net", node_is_number, 3, "a node (field 1) has wire type 0"},
    {0, "onnx-tensor-is-number.onnx", "net", tensor_is_number, 3, "an initialiser (field 5) has wire type 0"},
    {0, "onnx-no-graph.onnx", "net", no_graph, 3, "without a graph"},
    {0, "onnx-no-opset.onnx", "net", no_opset, 3, "no operator set"},
    {0, "onnx-opset-zero.onnx", "net", opset_zero, 3, "operator set 0"},
    {0, "onnx-two-graphs.onnx", "net", two_graphs, 3, "two graphs"},
    {0, "onnx-name-not-text.onnx", "net", name_not_text, 3, "not UTF-8"},
    {0, "onnx-name-is-number.onnx", "net", name_is_number, 3, "a tensor's name (field 8) has wire type 0"},
    {0, "onnx-nested.onnx", "net", nested, 3, NULL},
    {0, "onnx-many-nodes.onnx", "net", many_nodes, 5, "200000 nodes"},
    {0, "onnx-many-integers.onnx", "net", many_integers, 5, "48 MiB"},
    {0, "onnx-negative-dim.onnx", "net", negative_dim, 3, "dimension 0 is -1"},
    {0, "onnx-wrapping-dims.onnx", "net", wrapping_dims, 3, "too many bytes"},
    {0, "onnx-huge-dim.onnx", "net", huge_dim, 3, "raw_data has 0 bytes; its shape needs"},
    {0, "onnx-deep-rank.onnx", "net", deep_rank, 5, "rank 34"},
    {0, "onnx-raw-short.onnx", "net", raw_short, 3, "raw_data has 7 bytes; its shape needs 8"},
    {0, "onnx-raw-long.onnx", "net", raw_long, 3, "raw_data has 12 bytes; its shape needs 8"},
    {0, "onnx-typed-short.onnx", "net", typed_short, 3, "1 elements; its shape needs 2"},
    {0, "onnx-typed-ragged.onnx", "net", typed_ragged, 3, "whole bytes"},
    {0, "onnx-typed-wire.onnx", "net", typed_wire, 3, "wire type 0"},
    {0, "onnx-typed-good.onnx", "net", typed_good, 0, NULL},
    {0, "onnx-no-elements.onnx", "net", no_elements, 3, "0 elements; its shape needs 2"},
    {0, "onnx-without-name.onnx", "net", without_name, 3, "without a name"},
    {0, "onnx-name-twice.onnx", "net", name_twice, 3, "appears twice"},
    {0, "onnx-text-tensor.onnx", "net", text_tensor, 0, "left out: its elements are text"},
    {0, "onnx-segment.onnx", "net", segment, 3, "segments"},
    {0, "onnx-sparse.onnx", "net", sparse, 3, "sparse"},
    {0, "onnx-external-missing.onnx", "net", external_missing, 3, "put both files into one folder"},
    {0, "onnx-external-up.onnx", "net", external_up, 3, "not the plain name of a file"},
    {0, "onnx-external-absolute.onnx", "net", external_absolute, 3, "not the plain name of a file"},
    {0, "onnx-external-folder.onnx", "net", external_folder, 3, "not the plain name of a file"},
    {0, "onnx-external-dots.onnx", "net", external_dots, 3, "not the plain name of a file"},
    {0, "onnx-external-nameless.onnx", "net", external_nameless, 3, "without a location"},
    {0, "onnx-external-length.onnx", "net", external_length, 3, "external data has 9 bytes; its shape needs 8"},
    {0, "onnx-external-offset.onnx", "net", external_offset, 3, "is not a number"},
    {0, "onnx-external-beyond.onnx", "net", external_beyond, 3, "8 bytes at byte 18446744073709551615"},
    {0},
};
