/* hostile_corners -- the corners of readers that the other lists do not reach: what is recognised to be refused,
 * archives of something else, keys and containers that pickles seldom have, attributes of ONNX. */
#include "hostile.h"
#include "pickle_text.h"

#include <string.h>

#include "format/protobuf.h"
#include "weft/base/text.h"

static bool put(const char *path, Bytes *bytes) {
    bool ok = write_bytes(path, bytes->data, bytes->length);
    bytes_done(bytes);
    return ok;
}

/* ---- what is refused by its first bytes -------------------------------------------------------------------------- */

#define LITERAL(function, text)                           \
    static bool function(const char *path) {              \
        return write_bytes(path, text, sizeof(text) - 1); \
    }
LITERAL(png, "\211PNG\r\n\032\n\0\0\0\rIHDR")
LITERAL(jpeg, "\377\330\377\340\0\020JFIF")
LITERAL(idx, "\0\0\010\001\0\0\0\001\007")
LITERAL(idx_short, "\0\0\010")
LITERAL(idx_type, "\0\0\012\001\0\0\0\001\007")
LITERAL(idx_rank_0, "\0\0\010\0\0\0\0\001\007")
LITERAL(idx_rank_9, "\0\0\010\011\0\0\0\001\007")
LITERAL(weights, "\1\2\3\377\376\4\5\6\7")
LITERAL(msgpack, "\xde\0\1\xa6params\1")
LITERAL(msgpack_empty_key, "\xde\0\1\xa0\1\1")
LITERAL(msgpack_no_key, "\xde\0\1\1\1\1")
LITERAL(msgpack_other_key, "\x81\xc1\1\1\1")
LITERAL(msgpack_short_key, "\x81\xbf\x61\x61\1\1")
LITERAL(msgpack_control, "\x81\xa2\1\2\1\1")
LITERAL(msgpack_high, "\x81\xa2\xfe\xff\1\1")
LITERAL(msgpack_nothing, "\xde\0\1\xa1")
LITERAL(saved_model, "\x08\1\x12\x05\x0a\3tensorflow")
LITERAL(core_ml, "\x08\1\x12\x05\x0a\3abc\1\2")
LITERAL(model_of_text, "\x08\1\x12\x05weft!\1\2")
LITERAL(model_of_nothing, "\x08\1\x12\0\1\2\3\1\2")
LITERAL(model_over_end, "\x08\1\x12\x7f\1\2\3\1\2")
LITERAL(model_long, "\x08\1\x12\x80\x80\x80\x80\x80\x80\1")
LITERAL(model_cut, "\x08\1\x12\x80\x80")
LITERAL(graph, "\x0a\x1f\x0a\3abc\x12\x0bPlaceholder\1\2")
LITERAL(html, " \n\r<HTML>")
LITERAL(blanks, " \n\r ")
LITERAL(zlib, "\x78\x9c\1\2\3\4")
LITERAL(zlib_not, "\x78\2\1\2\3\4")

/* The last bytes of a table of TensorFlow. */
static bool table(const char *path) {
    Bytes bytes = {0};
    bytes_fill(&bytes, 1, 60);
    bytes_add(&bytes, "\x57\xfb\x80\x8b\x24\x75\x47\xdb", 8);
    return put(path, &bytes);
}

/* ---- archives ---------------------------------------------------------------------------------------------------- */

#define ZIP(function, ...)                                                                          \
    static bool function(const char *path) {                                                        \
        const char *const names[] = {__VA_ARGS__};                                                  \
        ZipPart part[8] = {{0}};                                                                    \
        const size_t count = sizeof names / sizeof *names;                                          \
        Bytes bytes = {0};                                                                          \
        for (size_t i = 0; i < count; i++) part[i] = (ZipPart){names[i], "x", 1, 0, 0, 0, 0, 0, 0}; \
        bytes_zip(&bytes, part, count);                                                             \
        return put(path, &bytes);                                                                   \
    }
ZIP(zip_keras, "config.json", "model.weights.h5")
ZIP(zip_of_one, "notes.txt")
ZIP(zip_of_two, "__MACOSX/._notes.txt", "notes.txt", "more/notes.txt")
ZIP(zip_of_leavings, "__MACOSX/._x", ".DS_Store", "a/.DS_Store", "a/._x")

static bool zip_of_none(const char *path) {
    Bytes bytes = {0};
    bytes_zip(&bytes, NULL, 0);
    return put(path, &bytes);
}

/* ---- safetensors ------------------------------------------------------------------------------------------------- */

static bool with_json(const char *path, const char *json, size_t data) {
    Bytes bytes = {0};
    bytes_safetensors(&bytes, json, data);
    return put(path, &bytes);
}

static bool rank_33(const char *path) {
    return with_json(
        path,
        "{\"w\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
        "1,1],\"data_offsets\":[0,4]}}",
        4);
}

static bool long_name(const char *path) {
    static char json[5000];
    char name[4098];
    memset(name, 'w', 4097);
    name[4097] = '\0';
    strcat(strcat(strcpy(json, "{\""), name), "\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}");
    return with_json(path, json, 4);
}

#define JSON(function, json)                 \
    static bool function(const char *path) { \
        return with_json(path, json, 4);     \
    }
#define NAMED(name) "{\"" name "\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}"
JSON(json_escapes, NAMED("\\u00e9\\u20AC\\ud83d\\uDE00\\/\\b\\f\\n\\r\\t\\\"\\\\"))
JSON(json_hex, NAMED("\\u00g0"))
JSON(json_hex_upper, NAMED("\\u00G0"))
JSON(json_hex_cut, "{\"\\u00")
JSON(json_low_surrogate, NAMED("\\udc00"))
JSON(json_high_alone, NAMED("\\ud800x"))
JSON(json_high_escape, NAMED("\\ud800\\n"))
JSON(json_high_high, NAMED("\\ud800\\ud800"))
JSON(json_high_e000, NAMED("\\ud800\\ue000"))
JSON(json_high_hex, NAMED("\\ud800\\uzzzz"))
JSON(json_high_cut, "{\"\\ud800\\")
JSON(json_escape_cut, "{\"\\")
JSON(json_numbers, "{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"__metadata__\":{\"a\":-1.5e+3}}")

/* ---- pickles ----------------------------------------------------------------------------------------------------- */

static const uint8_t six_floats[24];

static bool put_records(const char *path, Bytes *pickle) {
    Bytes bytes = {0};
    bytes_zip(&bytes,
              (ZipPart[]){{.name = "a/data.pkl", .data = pickle->data, .length = pickle->length},
                          {.name = "a/version", .data = "3\n", .length = 2},
                          {.name = "a/data/0", .data = six_floats, .length = sizeof six_floats}},
              3);
    bytes_done(pickle);
    return put(path, &bytes);
}

static bool put_zip(const char *path, const char *program) {
    Bytes pickle = {0};
    bytes_pickle(&pickle, program);
    return put_records(path, &pickle);
}

#define PICKLE(function, program)            \
    static bool function(const char *path) { \
        return put_zip(path, program);       \
    }
#define BESIDE(value) "} ( 'x " value "'w " GOOD "u ."
PICKLE(key_object, "} @home.Color ( 1 'red N t R " GOOD "s .")
PICKLE(key_none, "} N " GOOD "s .")
PICKLE(key_tuple, "} ( 'a 1 N t " GOOD "s .")
PICKLE(key_bool, "} T " GOOD "s .")
PICKLE(ordered_of_dict, "@collections.OrderedDict ( } 'w " GOOD "s t R .")
PICKLE(ordered_of_two, "@collections.OrderedDict ( } 1 t R .")
PICKLE(first_of_args, "} 'w @torch._utils._rebuild_xla_tensor ( " GOOD "1 t R s .")
PICKLE(first_of_none, "} 'w @torch._utils._rebuild_xla_tensor ) R 'v " GOOD "s s .")
PICKLE(persistent_text, "} 'w '8 Q s .")
PICKLE(persistent_of_none, "} 'w ) Q s .")
PICKLE(persistent_module, "} 'w ( 'module t Q s .")
PICKLE(encode_one, BESIDE("@_codecs.encode ( 'a t R "))
PICKLE(encode_none, BESIDE("@_codecs.encode ) R "))
PICKLE(encode_utf8, BESIDE("@_codecs.encode ( 'a 'utf8 t R "))
PICKLE(encode_three, BESIDE("@_codecs.encode ( 'a 'latin1 1 t R "))
PICKLE(encode_number, BESIDE("@_codecs.encode ( 1 'latin1 t R "))
PICKLE(size_of_number, BESIDE("@torch.Size ( 1 t R "))
PICKLE(size_of_none, BESIDE("@torch.Size ) R "))
PICKLE(size_of_two, BESIDE("@torch.Size ( ) ) t R "))
PICKLE(reconstructor_of_none, BESIDE("@copy_reg._reconstructor ) R "))
PICKLE(reconstructor_of_text, BESIDE("@copy_reg._reconstructor ( 'a 'b N t R "))
PICKLE(getattr_three, BESIDE("@builtins.getattr ( @home.Thing 'x 1 t R "))
PICKLE(getattr_number, BESIDE("@builtins.getattr ( @home.Thing 1 t R "))
PICKLE(getattr_of_text, BESIDE("@builtins.getattr ( 'a 'x t R "))
PICKLE(getattr_of_object, BESIDE("@builtins.getattr ( @home.Thing ) R 'x t R "))
PICKLE(module_slots, "@home.Net ) #81 ( } ( '_parameters } 'w " GOOD "s '_buffers N '_modules } u N t b .")
PICKLE(module_no_modules, BESIDE("@home.Net ) #81 } ( '_parameters } '_modules N u b "))
#define BUFFERS(names, keys)                                                               \
    "@home.Net ) #81 } ( '_parameters } 'v " GOOD "s '_buffers } ( " keys "u '_modules } " \
    "'_non_persistent_buffers_set " names "u b ."
PICKLE(buffers_set, BUFFERS("@__builtin__.set ( ] 'b a t R ", "'b " GOOD "'c " GOOD))
PICKLE(buffers_number, BUFFERS("@__builtin__.set ( 1 t R ", "'b " GOOD))
PICKLE(buffers_list, BUFFERS("] 'b a ", "'b " GOOD))
PICKLE(buffers_key_number, BUFFERS("@__builtin__.set ( ] 'b a t R ", "1 " GOOD))
PICKLE(integers, "} 'a.w ] ( 1 2 3 e s 'b.w ] ( ] ( 1 2 e ] ( 3 4 e e s .")
#define REAL "#47 #3f #f8 #00 #00 #00 #00 #00 #00 "
PICKLE(reals, "} 'a.w ] ( ] ( " REAL REAL "e ] ( " REAL REAL "e e s .")
PICKLE(reals_and_integers, "} 'a.w ] ( ] ( " REAL "1 e ] ( 2 3 e e s .")
PICKLE(integers_and_reals, "} 'a.w ] ( 1 " REAL "e s .")

#define DTYPE(code) "@numpy.dtype ( '" code " F T t R ( 3 '< N N N -1 -1 0 t b "
#define ARRAY(shape, code, order, bytes)                                                                     \
    "} 'w @numpy.core.multiarray._reconstruct ( @numpy.ndarray ( 0 t #43 #01 #62 t R ( 1 " shape DTYPE(code) \
    order bytes " t b s 'v " GOOD "s ."
PICKLE(array_rank_33, ARRAY("( 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 t ", "f4", "F ",
                            "#43 #04 #00 #00 #00 #00"))
PICKLE(array_shape_list, ARRAY("] 1 a ", "f4", "F ", "#43 #04 #00 #00 #00 #00"))
PICKLE(array_columns, ARRAY("( 2 1 t ", "f2", "T ", "#43 #04 #00 #3c #00 #40"))
PICKLE(array_order_text, ARRAY("( 2 1 t ", "f2", "'F ", "#43 #04 #00 #3c #00 #40"))
PICKLE(array_text, ARRAY("( 2 t ", "i1", "F ", "'ab"))
PICKLE(array_other_type, ARRAY("( 1 t ", "f3", "F ", "#43 #03 #00 #00 #00"))
PICKLE(array_code_long, ARRAY("( 1 t ", "f4444", "F ", "#43 #01 #00"))
PICKLE(array_code_word, ARRAY("( 1 t ", "fx", "F ", "#43 #01 #00"))

/* Scalars of every type, which stand beside the weights and are told. */
#define SCALAR(key, code, bytes) "'" key " @numpy.core.multiarray.scalar ( " DTYPE(code) bytes " t R "
PICKLE(scalars, "} ( 'w " GOOD SCALAR("a", "f8", "#43 #08 #00 #00 #00 #00 #00 #00 #f8 #3f")
                    SCALAR("b", "f4", "#43 #04 #00 #00 #c0 #3f") SCALAR("c", "f2", "#43 #02 #00 #3e")
                        SCALAR("d", "i4", "#43 #04 #ff #ff #ff #ff") SCALAR("e", "u2", "#43 #02 #ff #ff")
                            SCALAR("f", "b1", "#43 #01 #01") SCALAR("g", "b1", "#43 #01 #00")
                                SCALAR("h", "f4", "#43 #02 #00 #00") SCALAR("i", "c8", "#43 #01 #00") "u .")
PICKLE(scalar_of_one, BESIDE("@numpy.core.multiarray.scalar ( " DTYPE("f8") "t R "))
PICKLE(scalar_of_three, "} ( 'w " GOOD "'x @numpy.core.multiarray.scalar ( " DTYPE("f8") "#43 #01 #00 1 t R u .")
PICKLE(scalar_untyped, "} ( 'w " GOOD "'x @numpy.core.multiarray.scalar ( 1 #43 #01 #00 t R u .")

/* An array whose data is a text in Latin-1, longer than what a pickle keeps in memory. */
static bool put_latin1(const char *path, bool zip, size_t characters, const char *end, size_t end_length,
                       const char *shape) {
    Bytes pickle = {0};
    bytes_pickle(&pickle, "} 'w @numpy.core.multiarray._reconstruct ( @numpy.ndarray ( 0 t #43 #01 #62 t R ( 1 ");
    Bytes part = {0};
    bytes_pickle(&part, text_of("( %s t " DTYPE("f2") "F @_codecs.encode (", shape));
    bytes_add(&pickle, part.data + 2, part.length - 2);
    bytes_done(&part);
    bytes_add(&pickle, "X", 1);
    bytes_le(&pickle, 2 * characters + end_length, 4);
    for (size_t i = 0; i < characters; i++) bytes_add(&pickle, i % 2 ? "\xc3\xa9" : "ab", 2);
    bytes_add(&pickle, end, end_length);
    bytes_pickle(&part, "'latin1 t R t b s .");
    bytes_add(&pickle, part.data + 2, part.length - 2);
    bytes_done(&part);
    return zip ? put_records(path, &pickle) : put(path, &pickle);
}
#define LATIN1(function, end, shape)                                                         \
    static bool function(const char *path) {                                                 \
        return put_latin1(path, strstr(path, ".pth"), 1 << 16, end, sizeof(end) - 1, shape); \
    }
LATIN1(latin1_good, "ab", "49153") /* of 2 bytes; 3/2 x 65536 + 2 */
LATIN1(latin1_long, "abcd", "49153")
LATIN1(latin1_short, "a", "49153")
LATIN1(latin1_cut, "a\xc3", "49153")
LATIN1(latin1_euro, "\xe2\x82\xac", "49153")
LATIN1(latin1_follows,
       "\x80"
       "b",
       "49153")
LATIN1(latin1_two_leads, "\xc3\xc3", "49153")
LATIN1(latin1_most, "ab", "1000000")

/* ---- ONNX -------------------------------------------------------------------------------------------------------- */

/* A graph of a weight and these fields, in a model with these fields behind it. */
static bool with_fields(const char *path, Str *graph, const char *bytes, size_t length) {
    const int64_t one = 1;
    Str model = {0}, opset = {0}, tensor = {0};
    proto_put_integers(&tensor, 1, &one, 1);
    proto_put_integer(&tensor, 2, 1);
    proto_put_text(&tensor, 8, "w");
    proto_put_bytes(&tensor, 9, "\0\0\0\0", 4);
    proto_put_message(graph, 5, &tensor);
    proto_put_integer(&model, 1, 8);
    proto_put_text(&model, 2, "test");
    proto_put_message(&model, 7, graph);
    proto_put_text(&opset, 1, "");
    proto_put_integer(&opset, 2, 13);
    proto_put_message(&model, 8, &opset);
    str_add_bytes(&model, bytes, length);
    const bool ok = !model.failed && write_bytes(path, model.text, model.length);
    str_done(&model);
    return ok;
}

static bool with_attribute(const char *path, Str *attribute, const char *domain) {
    Str node = {0}, graph = {0};
    proto_put_text(&node, 2, "y");
    proto_put_text(&node, 4, "Thing");
    proto_put_message(&node, 5, attribute);
    proto_put_text(&node, 7, domain);
    proto_put_message(&graph, 1, &node);
    return with_fields(path, &graph, "", 0);
}

#define GRAPH(function, bytes)                           \
    static bool function(const char *path) {             \
        Str graph = {0};                                 \
        str_add_bytes(&graph, bytes, sizeof(bytes) - 1); \
        return with_fields(path, &graph, "", 0);         \
    }
GRAPH(input_wire, "\x58\1")
GRAPH(output_wire, "\x60\1")
GRAPH(sparse_tensors, "\x7a\0")
GRAPH(input_name, "\x5a\2\x08\1")
GRAPH(input_type, "\x5a\2\x10\1")
GRAPH(input_empty, "\x5a\0\x62\0")
GRAPH(dimension_wire, "\x5a\x08\x12\6\x0a\4\x12\2\x08\1")
GRAPH(dimension_other, "\x5a\x08\x12\6\x0a\4\x12\2\x10\1")
GRAPH(size_wire, "\x5a\x0d\x12\x0b\x0a\x09\x12\7\x0a\5\x0d\0\0\0\0")
GRAPH(size_negative, "\x5a\x13\x12\x11\x0a\x0f\x12\x0d\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\1")
GRAPH(value_cut, "\x5a\2\x12\x7f")
#define TEN_DIMENSIONS "\x0a\0\x0a\0\x0a\0\x0a\0\x0a\0\x0a\0\x0a\0\x0a\0\x0a\0\x0a\0"
GRAPH(many_dimensions, "\x5a\x56\x12\x54\x0a\x52\x12\x50" TEN_DIMENSIONS TEN_DIMENSIONS TEN_DIMENSIONS TEN_DIMENSIONS)

#define MODEL(function, bytes)                                         \
    static bool function(const char *path) {                           \
        return with_fields(path, &(Str){0}, bytes, sizeof(bytes) - 1); \
    }
MODEL(ir_wire, "\x0a\0")
MODEL(opset_wire, "\x40\1")
MODEL(opset_domain, "\x42\2\x08\1")
MODEL(opset_version, "\x42\2\x12\0")
MODEL(opset_zero, "\x42\2\x10\0")
MODEL(opset_huge, "\x42\4\x10\xff\xff\3")
MODEL(opset_named, "\x42\x0b\x0a\7"
                   "ai.onnx\x10\x0d")
MODEL(opset_other, "\x42\5\x0a\1m\x10\1")
MODEL(metadata_wire, "\x70\1")
MODEL(metadata_key, "\x72\2\x08\1")
MODEL(metadata_value, "\x72\5\x0a\1k\x10\1")
MODEL(metadata_none, "\x72\0")
MODEL(metadata_cut, "\x72\2\x0a\x7f")

/* An attribute of these bytes behind its name. */
#define ATTRIBUTE(function, bytes)                           \
    static bool function(const char *path) {                 \
        Str attribute = {0};                                 \
        proto_put_text(&attribute, 1, "a");                  \
        str_add_bytes(&attribute, bytes, sizeof(bytes) - 1); \
        return with_attribute(path, &attribute, "home");     \
    }
ATTRIBUTE(floats, "\x3a\x08\0\0\0\0\0\0\0\0\x3d\0\0\x80\x3f")
ATTRIBUTE(floats_ragged, "\x3a\x03\0\0\0")
ATTRIBUTE(floats_wire, "\x38\x01")
ATTRIBUTE(floats_64, "\x39\0\0\0\0\0\0\0\0")
ATTRIBUTE(integers_mixed, "\x40\1\x42\2\1\2")
ATTRIBUTE(float_wire, "\x10\1")
ATTRIBUTE(integer_wire, "\x1d\0\0\0\0")
ATTRIBUTE(text_wire, "\x20\1")
ATTRIBUTE(text_bytes, "\x22\2\xff\xfe")
ATTRIBUTE(tensor_wire, "\x28\1")
ATTRIBUTE(tensor_none, "\xa0\1\4")
ATTRIBUTE(text_none, "\xa0\1\3")
ATTRIBUTE(kind_unknown, "\xa0\1\x63")
ATTRIBUTE(kind_wire, "\xa2\1\0")
ATTRIBUTE(attribute_cut, "\x3a\x7f")

enum { BAD = 3, MUCH = 5 };
const HostileCase hostile_corners[] = {
    {4, "4-picture.png", "net", png, BAD, "an image, not a checkpoint"},
    {4, "4-picture.jpg", "net", jpeg, BAD, "an image, not a checkpoint"},
    {4, "4-images.idx", "net", idx, BAD, "an IDX image file"},
    {4, "4-images-short.idx", "net", idx_short, BAD, NULL},
    {4, "4-images-type.idx", "net", idx_type, BAD, "not a checkpoint of any known format"},
    {4, "4-images-0.idx", "net", idx_rank_0, BAD, "not a checkpoint of any known format"},
    {4, "4-images-9.idx", "net", idx_rank_9, BAD, "not a checkpoint of any known format"},
    {4, "4-net.weights", "net", weights, BAD, "its name suggests Darknet weights"},
    {4, "4-msgpack.flax", "net", msgpack, BAD, "a msgpack file (Flax)"},
    {4, "4-msgpack-empty.flax", "net", msgpack_empty_key, BAD, "not a checkpoint of any known format"},
    {4, "4-msgpack-none.flax", "net", msgpack_no_key, BAD, "not a checkpoint of any known format"},
    {4, "4-msgpack-other.flax", "net", msgpack_other_key, BAD, "not a checkpoint of any known format"},
    {4, "4-msgpack-short.flax", "net", msgpack_short_key, BAD, "not a checkpoint of any known format"},
    {4, "4-msgpack-control.flax", "net", msgpack_control, BAD, "not a checkpoint of any known format"},
    {4, "4-msgpack-high.flax", "net", msgpack_high, BAD, "not a checkpoint of any known format"},
    {4, "4-msgpack-nothing.flax", "net", msgpack_nothing, BAD, "not a checkpoint of any known format"},
    {4, "4-saved-model.pb2", "net", saved_model, BAD, NULL},
    {4, "4-core-ml.model", "net", core_ml, BAD, NULL},
    {4, "4-model-text.model", "net", model_of_text, BAD, NULL},
    {4, "4-model-nothing.model", "net", model_of_nothing, BAD, NULL},
    {4, "4-model-over-end.model", "net", model_over_end, BAD, NULL},
    {4, "4-model-long.model", "net", model_long, BAD, NULL},
    {4, "4-model-cut.model", "net", model_cut, BAD, NULL},
    {4, "4-graph.model", "net", graph, BAD, "a TensorFlow graph"},
    {4, "4-html.model", "net", html, BAD, "an HTML page"},
    {4, "4-blanks.model", "net", blanks, BAD, "text, not a checkpoint"},
    {4, "4-zlib.model", "net", zlib, BAD, "zlib-compressed data"},
    {4, "4-zlib-not.model", "net", zlib_not, BAD, "not a checkpoint of any known format"},
    {4, "4-table.model", "net", table, BAD, "the index of a TensorFlow checkpoint"},
    {4, "4-keras.zip", "net", zip_keras, BAD, "a Keras archive"},
    {4, "4-one.zip", "net", zip_of_one, BAD, "a zip archive of \"notes.txt\", but neither"},
    {4, "4-two.zip", "net", zip_of_two, BAD, "a zip archive of \"notes.txt\" and more"},
    {4, "4-leavings.zip", "net", zip_of_leavings, BAD, "an empty zip archive"},
    {4, "4-none.zip", "net", zip_of_none, BAD, "an empty zip archive"},
    {22, "22-rank-33.safetensors", "net", rank_33, MUCH, "more than 32 dimensions"},
    {22, "22-long-name.safetensors", "net", long_name, MUCH, "a tensor's name has 4097 bytes"},
    {36, "36-escapes.safetensors", "net", json_escapes, 0, NULL},
    {36, "36-hex.safetensors", "net", json_hex, BAD, "four hexadecimal digits"},
    {36, "36-hex-upper.safetensors", "net", json_hex_upper, BAD, "four hexadecimal digits"},
    {36, "36-hex-cut.safetensors", "net", json_hex_cut, BAD, "four hexadecimal digits"},
    {36, "36-low.safetensors", "net", json_low_surrogate, BAD, "lone surrogate"},
    {36, "36-high.safetensors", "net", json_high_alone, BAD, "lone surrogate"},
    {36, "36-high-escape.safetensors", "net", json_high_escape, BAD, "lone surrogate"},
    {36, "36-high-high.safetensors", "net", json_high_high, BAD, "lone surrogate"},
    {36, "36-high-e000.safetensors", "net", json_high_e000, BAD, "lone surrogate"},
    {36, "36-high-hex.safetensors", "net", json_high_hex, BAD, "four hexadecimal digits"},
    {36, "36-high-cut.safetensors", "net", json_high_cut, BAD, "lone surrogate"},
    {36, "36-escape-cut.safetensors", "net", json_escape_cut, BAD, "JSON"},
    {31, "31-numbers.safetensors", "net", json_numbers, BAD, "its value is not a string"},
    {91, "key-object.pth", "net", key_object, 0, NULL},
    {91, "key-none.pth", "net", key_none, 0, NULL},
    {91, "key-tuple.pth", "net", key_tuple, 0, NULL},
    {91, "key-bool.pth", "net", key_bool, 0, NULL},
    {91, "ordered-of-dict.pth", "net", ordered_of_dict, 0, NULL},
    {91, "ordered-of-two.pth", "net", ordered_of_two, BAD, NULL},
    {92, "first-of-args.pth", "net", first_of_args, 0, NULL},
    {92, "first-of-none.pth", "net", first_of_none, 0, NULL},
    {91, "persistent-text.pth", "net", persistent_text, BAD, NULL},
    {91, "persistent-of-none.pth", "net", persistent_of_none, BAD, NULL},
    {91, "persistent-module.pth", "net", persistent_module, BAD, NULL},
    {91, "encode-one.pth", "net", encode_one, 0, NULL},
    {91, "encode-none.pth", "net", encode_none, 0, NULL},
    {91, "encode-utf8.pth", "net", encode_utf8, 0, NULL},
    {91, "encode-three.pth", "net", encode_three, 0, NULL},
    {91, "encode-number.pth", "net", encode_number, 0, NULL},
    {91, "size-of-number.pth", "net", size_of_number, 0, NULL},
    {91, "size-of-none.pth", "net", size_of_none, 0, NULL},
    {91, "size-of-two.pth", "net", size_of_two, 0, NULL},
    {91, "reconstructor-of-none.pth", "net", reconstructor_of_none, 0, NULL},
    {91, "reconstructor-of-text.pth", "net", reconstructor_of_text, 0, NULL},
    {45, "45-getattr-three.pth", "net", getattr_three, BAD, "builtins.getattr"},
    {45, "45-getattr-number.pth", "net", getattr_number, BAD, "builtins.getattr"},
    {45, "45-getattr-text.pth", "net", getattr_of_text, BAD, "builtins.getattr"},
    {45, "45-getattr-object.pth", "net", getattr_of_object, 0, NULL},
    {91, "module-slots.pth", "net", module_slots, 0, "a whole module, home.Net"},
    {91, "module-no-modules.pth", "net", module_no_modules, 0, NULL},
    {91, "module-buffers.pth", "net", buffers_set, 0, "a whole module, home.Net"},
    {91, "module-buffers-number.pth", "net", buffers_number, 0, "a whole module, home.Net"},
    {91, "module-buffers-list.pth", "net", buffers_list, 0, "a whole module, home.Net"},
    {91, "module-buffers-key.pth", "net", buffers_key_number, 0, "a whole module, home.Net"},
    {91, "lists-integers.pth", "net", integers, 0, NULL},
    {91, "lists-reals.pth", "net", reals, 0, NULL},
    {91, "lists-reals-integers.pth", "net", reals_and_integers, 0, NULL},
    {91, "lists-integers-reals.pth", "net", integers_and_reals, BAD, "without tensors"},
    {91, "array-rank-33.pth", "net", array_rank_33, BAD, "rank 33, limit 32"},
    {91, "array-shape-list.pth", "net", array_shape_list, BAD, "its shape is not a tuple"},
    {91, "array-columns.pth", "net", array_columns, 0, NULL},
    {91, "array-order-text.pth", "net", array_order_text, 0, NULL},
    {91, "array-text.pth", "net", array_text, 0, NULL},
    {91, "array-other-type.pth", "net", array_other_type, 0, "not numeric"},
    {91, "array-code-long.pth", "net", array_code_long, 0, "not numeric"},
    {91, "array-code-word.pth", "net", array_code_word, 0, "not numeric"},
    {91, "scalars.pth", "net", scalars, 0, NULL},
    {91, "scalar-of-one.pth", "net", scalar_of_one, 0, NULL},
    {91, "scalar-of-three.pth", "net", scalar_of_three, 0, NULL},
    {91, "scalar-untyped.pth", "net", scalar_untyped, 0, NULL},
    {91, "latin1-good.pkl", "net", latin1_good, 0, NULL},
    {91, "latin1-good.pth", "net", latin1_good, 0, NULL},
    {91, "latin1-long.pkl", "net", latin1_long, BAD, "the array's data is too long"},
    {91, "latin1-short.pkl", "net", latin1_short, BAD, "the array's data is too short"},
    {91, "latin1-cut.pkl", "net", latin1_cut, BAD, "the array's data is too short"},
    {91, "latin1-euro.pkl", "net", latin1_euro, BAD, "text that is not Latin-1"},
    {91, "latin1-follows.pkl", "net", latin1_follows, BAD, "text that is not Latin-1"},
    {91, "latin1-two-leads.pkl", "net", latin1_two_leads, BAD, "text that is not Latin-1"},
    {91, "latin1-most.pkl", "net", latin1_most, BAD, "its data is too short"},
    {0, "onnx-input-wire.onnx", "net", input_wire, BAD, "an input"},
    {0, "onnx-output-wire.onnx", "net", output_wire, BAD, "an output"},
    {0, "onnx-sparse-tensors.onnx", "net", sparse_tensors, BAD, "sparse initialisers"},
    {0, "onnx-input-name.onnx", "net", input_name, BAD, "an input's or output's name"},
    {0, "onnx-input-type.onnx", "net", input_type, BAD, "an input's or output's type"},
    {0, "onnx-input-empty.onnx", "net", input_empty, 0, NULL},
    {0, "onnx-dimension-wire.onnx", "net", dimension_wire, BAD, "a dimension"},
    {0, "onnx-dimension-other.onnx", "net", dimension_other, 0, NULL},
    {0, "onnx-size-wire.onnx", "net", size_wire, BAD, "a dimension's size"},
    {0, "onnx-size-negative.onnx", "net", size_negative, 0, NULL},
    {0, "onnx-value-cut.onnx", "net", value_cut, BAD, NULL},
    {0, "onnx-many-dimensions.onnx", "net", many_dimensions, MUCH, "dimensions"},
    {0, "onnx-ir-wire.onnx", "net", ir_wire, BAD, "ir_version"},
    {0, "onnx-opset-wire.onnx", "net", opset_wire, BAD, NULL},
    {0, "onnx-opset-domain.onnx", "net", opset_domain, BAD, "an operator set's domain"},
    {0, "onnx-opset-version.onnx", "net", opset_version, BAD, "an operator set's version"},
    {0, "onnx-opset-zero.onnx", "net", opset_zero, BAD, NULL},
    {0, "onnx-opset-huge.onnx", "net", opset_huge, BAD, NULL},
    {0, "onnx-opset-named.onnx", "net", opset_named, 0, NULL},
    {0, "onnx-opset-other.onnx", "net", opset_other, 0, NULL},
    {0, "onnx-metadata-wire.onnx", "net", metadata_wire, BAD, NULL},
    {0, "onnx-metadata-key.onnx", "net", metadata_key, BAD, "a metadata key"},
    {0, "onnx-metadata-value.onnx", "net", metadata_value, BAD, "a metadata value"},
    {0, "onnx-metadata-none.onnx", "net", metadata_none, 0, NULL},
    {0, "onnx-metadata-cut.onnx", "net", metadata_cut, BAD, NULL},
    {0, "onnx-floats.onnx", "net", floats, 0, NULL},
    {0, "onnx-floats-ragged.onnx", "net", floats_ragged, BAD, "not a multiple of 4 bytes"},
    {0, "onnx-floats-wire.onnx", "net", floats_wire, BAD, "a list of numbers"},
    {0, "onnx-floats-64.onnx", "net", floats_64, BAD, "a list of numbers"},
    {0, "onnx-integers-mixed.onnx", "net", integers_mixed, 0, NULL},
    {0, "onnx-float-wire.onnx", "net", float_wire, BAD, "an attribute's number"},
    {0, "onnx-integer-wire.onnx", "net", integer_wire, BAD, "an attribute's integer"},
    {0, "onnx-text-wire.onnx", "net", text_wire, BAD, "an attribute's text"},
    {0, "onnx-text-bytes.onnx", "net", text_bytes, 0, NULL},
    {0, "onnx-attribute-tensor.onnx", "net", tensor_wire, BAD, "an attribute's tensor"},
    {0, "onnx-attribute-no-tensor.onnx", "net", tensor_none, BAD, "has no tensor"},
    {0, "onnx-attribute-no-text.onnx", "net", text_none, 0, NULL},
    {0, "onnx-attribute-kind.onnx", "net", kind_unknown, 0, NULL},
    {0, "onnx-attribute-kind-wire.onnx", "net", kind_wire, 0, NULL},
    {0, "onnx-attribute-cut.onnx", "net", attribute_cut, BAD, NULL},
    {0},
};
