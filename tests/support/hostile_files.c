/* hostile_files -- hostile files of PyTorch's other kinds: whole modules, inert objects, TorchScript
 * archives, shards of PyTorch files, NumPy arrays in a pickle; and what is refused by name. */
#include "hostile.h"
#include "pickle_text.h"

#include <stdio.h>
#include <string.h>

static bool put(const char *path, Bytes *bytes) {
    bool ok = write_bytes(path, bytes->data, bytes->length);
    bytes_done(bytes);
    return ok;
}

/* ---- zip files --------------------------------------------------------------------------------------------------- */

static const uint8_t six_floats[24];
#define VERSION \
    { .name = "a/version", .data = "3\n", .length = 2 }
#define DATA \
    { .name = "a/data/0", .data = six_floats, .length = sizeof six_floats }

static bool put_pickle(const char *path, Bytes *pickle) {
    Bytes bytes = {0};
    bytes_zip(&bytes,
              (ZipPart[]){{.name = "a/data.pkl", .data = pickle->data, .length = pickle->length}, VERSION, DATA}, 3);
    bytes_done(pickle);
    return put(path, &bytes);
}

static bool put_zip(const char *path, const char *program) {
    Bytes pickle = {0};
    bytes_pickle(&pickle, program);
    return put_pickle(path, &pickle);
}

#define PICKLE(function, program)            \
    static bool function(const char *path) { \
        return put_zip(path, program);       \
    }

/* ---- objects and modules ----------------------------------------------------------------------------------------- */

#define MODULE(parameters, modules) \
    "@home.Net ) #81 } ( '_parameters } " parameters "'_buffers } '_modules } " modules "u b "
PICKLE(module_good, MODULE("'w " GOOD "s ", "'sub " MODULE("'v " GOOD "s ", "") "s ") ".")
PICKLE(module_of_itself, "@home.Net ) #81 <0 } ( '_parameters } 'w " GOOD "s '_modules } 'me >0 s u b .")
PICKLE(module_twice, MODULE("'w " GOOD "s 'w " GOOD "s ", "") ".")
PICKLE(object_of_itself, "} 'w " GOOD "s 'x @home.Thing ) #81 <0 } 'me >0 s b s .")
PICKLE(argument_of_itself, "} 'w " GOOD "s 'x ] <0 @home.Thing ( >0 t R a s .")
PICKLE(parameter_in_itself, "@home.Thing ) #81 <0 @torch._utils._rebuild_parameter ( >0 T N t R b .")
PICKLE(state_twice, "} 'w " GOOD "s 'x @home.Thing ) #81 } b } b s .")
PICKLE(pairs_not_pairs, "@collections.OrderedDict ( ] 1 a t R .")
PICKLE(pairs_of_three, "@collections.OrderedDict ( ] ( 'w " GOOD "1 t a t R .")
PICKLE(from_type_of_itself,
       "} 'w @torch._tensor._rebuild_from_type_v2 ( @torch._tensor._rebuild_from_type_v2 @home.T ( 1 t N t R s .")
PICKLE(class_with_source, "} 'w " GOOD "s 'm ( 'module @home.Net 'net.py 'import_os;os.system t Q ) #81 s .")

/* Modules in modules, `count` deep. */
static bool put_nested(const char *path, unsigned count) {
    Bytes pickle = {0};
    bytes_pickle(&pickle, "");
    for (unsigned i = 0; i < count; i++) {
        Bytes part = {0};
        bytes_pickle(&part, "@home.Net ) #81 } ( '_parameters } '_modules } 'm");
        bytes_add(&pickle, part.data + 2, part.length - 2);
        bytes_done(&part);
    }
    Bytes leaf = {0}, end = {0};
    bytes_pickle(&leaf, GOOD);
    bytes_pickle(&end, "s u b");
    bytes_add(&pickle, leaf.data + 2, leaf.length - 2);
    for (unsigned i = 0; i < count; i++) bytes_add(&pickle, end.data + 2, end.length - 2);
    bytes_add(&pickle, ".", 1);
    bytes_done(&leaf);
    bytes_done(&end);
    return put_pickle(path, &pickle);
}

static bool nested_30(const char *path) {
    return put_nested(path, 30);
}
static bool nested_5000(const char *path) {
    return put_nested(path, 5000);
}

/* The prefix, then `count` times the bytes, then the end. */
static bool put_repeated(const char *path, const char *before, const char *each, unsigned count, const char *after) {
    Bytes pickle = {0}, part = {0}, end = {0};
    bytes_pickle(&pickle, before);
    bytes_pickle(&part, each);
    bytes_pickle(&end, after);
    for (unsigned i = 0; i < count; i++) bytes_add(&pickle, part.data + 2, part.length - 2);
    bytes_add(&pickle, end.data + 2, end.length - 2);
    bytes_done(&part);
    bytes_done(&end);
    return put_pickle(path, &pickle);
}

/* 20,000 inert objects beside a tensor. */
static bool many_objects(const char *path) {
    return put_repeated(path, "} 'w " GOOD "s 'x ] ( ", "@a.B ) #81 ", 20000, "e s .");
}
/* Long names from the memo, again and again. */
static bool many_names(const char *path) {
    char program[1200];
    char word[501];
    memset(word, 'x', 500);
    word[500] = '\0';
    snprintf(program, sizeof program, "'%s <0 '%s <1 ( ", word, word);
    return put_repeated(path, program, ">0 >1 #93 ", 30000, "t .");
}
/* Modules that share one large dict of attributes. */
static bool shared_state(const char *path) {
    Bytes pickle = {0}, part = {0};
    bytes_pickle(&pickle, "} ");
    for (unsigned i = 0; i < 20000; i++) {
        bytes_add(&pickle, "K", 1);
        bytes_fill(&pickle, (uint8_t)i, 1);
        bytes_add(&pickle, "Ns", 2);
    }
    bytes_pickle(&part, "<0 ( ");
    bytes_add(&pickle, part.data + 2, part.length - 2);
    bytes_done(&part);
    for (unsigned i = 0; i < 20000; i++) bytes_add(&pickle, "ca\nB\n)\x81h\0b", 10);
    bytes_add(&pickle, "t\x86.", 3);
    return put_pickle(path, &pickle);
}
/* A large container with one tensor, in many places. */
static bool put_shared(const char *path, unsigned places) {
    Bytes pickle = {0};
    bytes_pickle(&pickle, "] ( ] <0 ( " GOOD);
    bytes_fill(&pickle, 'N', 20000);
    bytes_add(&pickle, "e", 1);
    for (unsigned i = 0; i < places / 10; i++) bytes_add(&pickle, "h\0h\0h\0h\0h\0h\0h\0h\0h\0h", 20);
    bytes_add(&pickle, "e.", 2);
    return put_pickle(path, &pickle);
}
static bool shared_children(const char *path) {
    return put_shared(path, 1000);
}
static bool shared_by_many(const char *path) {
    return put_shared(path, 100000);
}

static bool huge_integer(const char *path) {
    Bytes pickle = {0};
    bytes_pickle(&pickle, "} 'w " GOOD "s 'big");
    bytes_add(&pickle, "\x8b\x40\x42\x0f\x00", 5);
    bytes_fill(&pickle, 0x7f, 1000000);
    bytes_add(&pickle, "s.", 2);
    return put_pickle(path, &pickle);
}

/* ---- arrays ------------------------------------------------------------------------------------------------------ */

#define DTYPE(code) "@numpy.dtype ( '" code " F T t R ( 3 '< N N N -1 -1 0 t b "
#define ARRAY(shape, code, bytes)                                                                  \
    "} 'w @numpy.core.multiarray._reconstruct ( @numpy.ndarray ( 0 t #43 #01 #62 t R ( 1 ( " shape \
    " t " DTYPE(code) "F " bytes " t b s ."
PICKLE(array_good, ARRAY("2", "f2", "#43 #04 #00 #3c #00 #40"))
PICKLE(array_short, ARRAY("2 2", "f4", "#43 #04 #00 #00 #00 #00"))
PICKLE(array_wraps, ARRAY("4294967296 4294967296", "f4", "#43 #00"))
PICKLE(array_negative, ARRAY("-1", "f4", "#43 #00"))
PICKLE(array_text_shape, ARRAY("'1", "f4", "#43 #00"))
PICKLE(array_objects, ARRAY("1", "O8", "] N a"))
PICKLE(array_no_bytes, ARRAY("1", "f4", "N"))

/* Lists within lists that are shared: 3^25 numbers from a few bytes. */
static bool list_doubling(const char *path) {
    Bytes pickle = {0};
    bytes_pickle(&pickle, "} 'a.w ] ( ] 1 a");
    for (uint8_t i = 0; i < 40; i++) bytes_add(&pickle, (uint8_t[]){'q', i, 'h', i, 0x86}, 5);
    bytes_add(&pickle, "es.", 3);
    return put_pickle(path, &pickle);
}
static bool list_trebling(const char *path) {
    Bytes pickle = {0};
    bytes_pickle(&pickle, "} 'a.w ] 1 a");
    for (uint8_t i = 0; i < 25; i++) bytes_add(&pickle, (uint8_t[]){'q', i, 'h', i, 'h', i, 0x87}, 7);
    bytes_add(&pickle, "s.", 2);
    return put_pickle(path, &pickle);
}
PICKLE(list_ragged, "} 'a.w ] ( ] ( 1 2 e ] 1 a e s .")

static bool put_plain(const char *path, const char *program) {
    Bytes pickle = {0};
    bytes_pickle(&pickle, program);
    return put(path, &pickle);
}
static bool plain_good(const char *path) {
    return put_plain(path, ARRAY("2", "f2", "#43 #04 #00 #3c #00 #40"));
}
static bool plain_os(const char *path) {
    return put_plain(path, "@os.system ( 'touch${IFS}weft-canary t R .");
}
static bool plain_text(const char *path) {
    return put_plain(path, "'hello .");
}

/* ---- TorchScript ------------------------------------------------------------------------------------------------- */

static bool put_script(const char *path, const char *data, const char *constants, const char *folder) {
    Bytes bytes = {0}, first = {0}, second = {0};
    bytes_pickle(&first, data);
    bytes_pickle(&second, constants);
    bytes_zip(&bytes,
              (ZipPart[]){{.name = "a/data.pkl", .data = first.data, .length = first.length},
                          VERSION,
                          {.name = "a/constants.pkl", .data = second.data, .length = second.length},
                          {.name = folder, .data = six_floats, .length = sizeof six_floats},
                          {.name = "a/code/__torch__.py", .data = "import os", .length = 9}},
              5);
    bytes_done(&first);
    bytes_done(&second);
    return put(path, &bytes);
}

#define SCRIPT(function, data, constants, folder)         \
    static bool function(const char *path) {              \
        return put_script(path, data, constants, folder); \
    }
SCRIPT(script_good, "@__torch__.Net ) #81 } ( 'training T 'w " GOOD "u b .", ") .", "a/data/0")
SCRIPT(script_frozen, "@__torch__.Net ) #81 } 'training F s b .", "( " GOOD "t .", "a/constants/0")
SCRIPT(script_no_constants, "@__torch__.Net ) #81 } b .", ") .", "a/data/0")
SCRIPT(script_record, "@__torch__.Net ) #81 } b .", "( " GOOD "t .", "a/data/0")
SCRIPT(script_os, "@__torch__.Net ) #81 } b .", "( @os.system 'touch${IFS}weft-canary t .", "a/data/0")

/* ---- shards ------------------------------------------------------------------------------------------------------ */

/* An index of w in PATH-1, a PyTorch file that holds the program. */
static bool put_index(const char *path, const char *program) {
    const char *name = strrchr(path, '/') + 1;
    Bytes bytes = {0};
    const char *index = text_of("{\"weight_map\":{\"w\":\"%s-1\"}}", name);
    bytes_add(&bytes, index, strlen(index));
    return put_zip(text_of("%s-1", path), program) && put(path, &bytes);
}

static bool shard_good(const char *path) {
    return put_index(path, STATE_DICT(GOOD));
}
static bool shard_other(const char *path) {
    return put_index(path, "} 'v " GOOD "s .");
}
static bool shard_os(const char *path) {
    return put_index(path, "@os.system ( 'touch${IFS}weft-canary t R .");
}
static bool shard_note(const char *path) {
    return put_index(path, "} 'w " GOOD "s 'x @datetime.date ) R s .");
}
static bool shard_text(const char *path) {
    const char *name = strrchr(path, '/') + 1;
    const char *index = text_of("{\"weight_map\":{\"w\":\"%s-1\"}}", name);
    return write_bytes(text_of("%s-1", path), "hello", 5) && write_bytes(path, index, strlen(index));
}

/* ---- refused by name --------------------------------------------------------------------------------------------- */

#define FILE_OF(function, text)                           \
    static bool function(const char *path) {              \
        return write_bytes(path, text, sizeof(text) - 1); \
    }
FILE_OF(tflite, "\x1c\0\0\0TFL3\x14\0\x20\0")
FILE_OF(msgpack, "\x81\xa6params\x81\xa4"
                 "conv\x80")
FILE_OF(saved_model, "\x08\x01\x12\x1c\x0a\x1a\x12\x18\x0a\x16VarHandleOp.ReadVariableOp")
FILE_OF(graph_def, "\x0a\x1c\x0a\x05input\x12\x0bPlaceholder\x2a\x02\x0a\x00")
FILE_OF(core_ml, "\x08\x05\x12\x0d\x0a\x0e\x0a\x05image\x1a\x05\x22\x03")
FILE_OF(html, "\n<!doctype HTML><html>404</html>")
FILE_OF(joblib, "\x80\x04\x95\x20\0\0\0\0\0\0\0\x8c\x13joblib.numpy_pickle\x94\x8c\x11NumpyArrayWrapper")
FILE_OF(zlib_data, "\x78\x9c\x03\x00\x00\x00\x00\x01")
FILE_OF(xz, "\xfd\x37zXZ\0\0\4")
FILE_OF(zstd, "\x28\xb5\x2f\xfd\x20\x01")
FILE_OF(gzip_data, "\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0")
FILE_OF(torch7, "\4\0\0\0\1\0\0\0\3\0\0\0V 1\x0d\0\0\0")

#define LEFT_OUT "left out, because they are neither tensors nor plain values: "
#define MALICIOUS " is not a tensor type; the file may be malicious; nothing was executed"

const HostileCase hostile_files[] = {
    {91, "module-good.pth", "net", module_good, 0, "a whole module, home.Net"},
    {91, "module-of-itself.pth", "net", module_of_itself, 0, "a whole module, home.Net"},
    {91, "module-twice.pth", "net", module_twice, 3, "\"w\" appears twice"},
    {91, "module-30.pth", "net", nested_30, 0, NULL},
    {91, "module-5000.pth", "net", nested_5000, 3, "nested deeper than 128"},
    {91, "module-shared.pth", "net", shared_state, 5, "steps for parts that are shared"},
    {91, "module-source.pth", "net", class_with_source, 0, LEFT_OUT "\"m\" (home.Net)"},
    {91, "object-of-itself.pth", "net", object_of_itself, 0, LEFT_OUT "\"x\" (home.Thing)"},
    {91, "object-argument.pth", "net", argument_of_itself, 0, LEFT_OUT},
    {91, "object-parameter.pth", "net", parameter_in_itself, 3, "without tensors"},
    {91, "object-state-twice.pth", "net", state_twice, 0, LEFT_OUT "\"x\" (home.Thing)"},
    {91, "objects.pth", "net", many_objects, 0, LEFT_OUT "\"x\" (a list without tensors)"},
    {91, "object-names.pth", "net", many_names, 5, "bytes of names and encoded texts"},
    {91, "shared-children.pth", "net", shared_children, 0, NULL},
    {91, "shared-by-many.pth", "net", shared_by_many, 5, "steps through values that are shared"},
    {91, "pairs-not-pairs.pth", "net", pairs_not_pairs, 3, "without tensors"},
    {91, "pairs-of-three.pth", "net", pairs_of_three, 3, "without tensors"},
    {91, "from-type.pth", "net", from_type_of_itself, 3, "without tensors"},
    {49, "huge-integer.pth", "net", huge_integer, 0, LEFT_OUT "\"big\" (an integer over 64 bits)"},
    {74, "array-good.pth", "net", array_good, 0, NULL},
    {74, "array-short.pth", "net", array_short, 3, "tensor \"w\": its shape needs 16 bytes, its data has 4"},
    {74, "array-wraps.pth", "net", array_wraps, 3, "too many bytes"},
    {74, "array-negative.pth", "net", array_negative, 3, "its shape has invalid sizes"},
    {74, "array-text-shape.pth", "net", array_text_shape, 3, "its shape has invalid sizes"},
    {74, "array-objects.pth", "net", array_objects, 3, "\"w\" (a NumPy array that is not numeric)"},
    {74, "array-no-bytes.pth", "net", array_no_bytes, 3, "its data is not bytes"},
    {74, "list-deep.pth", "net", list_doubling, 3, "lists deeper than 32"},
    {74, "list-trebling.pth", "net", list_trebling, 5, "loading a.w needs 6.2 TiB, limit"},
    {74, "list-ragged.pth", "net", list_ragged, 3, "without tensors"},
    {62, "plain-good.pkl", "net", plain_good, 0, NULL},
    {62, "plain-os.pkl", "net", plain_os, 3, "global os.system" MALICIOUS},
    {62, "plain-text.pkl", "net", plain_text, 3,
     "a Python pickle without PyTorch tensors or arrays (it has no numeric array); save"},
    {90, "script-good.pt", "net", script_good, 0, "the graph in code/ is not"},
    {90, "script-frozen.pt", "net", script_frozen, 0, "which are constants here"},
    {90, "script-empty.pt", "net", script_no_constants, 3, "without tensors"},
    {90, "script-record.pt", "net", script_record, 3, "storage '0' has no record constants/0"},
    {90, "script-os.pt", "net", script_os, 3, "global os.system" MALICIOUS},
    {40, "shard-good.bin.index.json", "net", shard_good, 0, NULL},
    {40, "shard-other.bin.index.json", "net", shard_other, 3, "\"w\" is not in its shard"},
    {40, "shard-os.bin.index.json", "net", shard_os, 3, "global os.system" MALICIOUS},
    {40, "shard-note.bin.index.json", "net", shard_note, 0, "shard-note.bin.index.json-1: left out"},
    {40, "shard-text.bin.index.json", "net", shard_text, 3, "text, not a checkpoint: \"hello\""},
    {8, "named.tflite", "net", tflite, 3, "is a TFLite file"},
    {8, "named.msgpack", "net", msgpack, 3, "is a msgpack file (Flax)"},
    {8, "saved_model.pb", "net", saved_model, 3, "is a TensorFlow SavedModel"},
    {8, "graph.pb", "net", graph_def, 3, "is a TensorFlow graph"},
    {8, "named.mlmodel", "net", core_ml, 3, "is a Core ML model"},
    {8, "html.pth", "net", html, 3, "is an HTML page"},
    {8, "joblib.pkl", "net", joblib, 3, "is a joblib file"},
    {8, "zlib.joblib", "net", zlib_data, 3, "zlib-compressed data"},
    {8, "compressed.xz", "net", xz, 3, "xz-compressed data"},
    {8, "compressed.zst", "net", zstd, 3, "zstd-compressed data"},
    {8, "compressed.gz", "net", gzip_data, 3, "gunzip it"},
    {8, "lua.t7", "net", torch7, 3, "is a Torch7 file"},
    {0},
};
