/* hostile_torch -- hostile PyTorch files (docs/reliability.md, section 7, rows 42 to 94). What is hostile in any zip
 * (rows 79 to 88) stands also in hostile_npy.c. */
#include "hostile.h"
#include "pickle_text.h"

#include <string.h>

/* Writes the bytes and frees them. */
static bool put(const char *path, Bytes *bytes) {
    bool ok = write_bytes(path, bytes->data, bytes->length);
    bytes_done(bytes);
    return ok;
}

enum { PICKLE_CAP = 256 << 20 };

/* ---- zip files --------------------------------------------------------------------------------------------------- */

static const uint8_t six_floats[24];
#define VERSION \
    { .name = "a/version", .data = "3\n", .length = 2 }
#define DATA \
    { .name = "a/data/0", .data = six_floats, .length = sizeof six_floats }

/* a/data.pkl with the bytes (which it frees), then the parts. */
static bool put_records(const char *path, Bytes *pickle, const ZipPart *parts, size_t count) {
    Bytes bytes = {0};
    ZipPart all[8] = {{.name = "a/data.pkl", .data = pickle->data, .length = pickle->length}};
    memcpy(all + 1, parts, count * sizeof *parts);
    bytes_zip(&bytes, all, count + 1);
    bytes_done(pickle);
    return put(path, &bytes);
}

static bool put_parts(const char *path, const char *program, const ZipPart *parts, size_t count) {
    Bytes pickle = {0};
    bytes_pickle(&pickle, program);
    return put_records(path, &pickle, parts, count);
}

static bool put_zip(const char *path, const char *program) {
    return put_parts(path, program, (ZipPart[]){VERSION, DATA}, 2);
}

/* A case that is its data.pkl, or a state dict of one tensor, or a good state dict with these parts beside data.pkl. */
#define PICKLE(function, program)            \
    static bool function(const char *path) { \
        return put_zip(path, program);       \
    }
#define WEIGHTS(function, tensor) PICKLE(function, STATE_DICT(tensor))
#define PARTS(function, ...)                                                           \
    static bool function(const char *path) {                                           \
        const ZipPart parts[] = {__VA_ARGS__};                                         \
        return put_parts(path, STATE_DICT(GOOD), parts, sizeof parts / sizeof *parts); \
    }

/* ---- names that would run something ------------------------------------------------------------------------------ */

/* In a shell, this makes the file weft-canary; the tests look for it. */
#define TOUCH "( 'touch${IFS}weft-canary t R ."
PICKLE(global, "@os.system " TOUCH)
PICKLE(posix_global, "@posix.system " TOUCH)
PICKLE(stack_global, "'os 'system #93 " TOUCH)
PICKLE(inst, "( 'touch${IFS}weft-canary #69 #6f #73 #0a #73 #79 #73 #74 #65 #6d #0a .")
PICKLE(obj, "( @os.system 'touch${IFS}weft-canary #6f .")
PICKLE(torch_load, "@torch.load ( 'weft-canary t R .")
PICKLE(runpy, "@runpy._run_code ( 'pass } t R .")
PICKLE(getattr, "@__builtin__.getattr ( @torch.Size 'x t R .")
PICKLE(eval, "@builtins.eval ( '1 t R .")
PICKLE(dotted, "'collections 'OrderedDict.fromkeys #93 ) R .")
PICKLE(escapes_in_global, "#63 #6f #73 #0a #1b #5b #32 #4a #0a ) R .")
PICKLE(dotted_os, "'logging 'os.system #93 " TOUCH)
PICKLE(method, "@builtins.getattr ( @logging.handlers 'system t R " TOUCH)
PICKLE(in_partial, "@functools.partial ( @os.system 'touch${IFS}weft-canary t R .")
PICKLE(no_newline, "#63 #6f #73")
PICKLE(no_second_newline, "#63 #6f #73 #0a #73")

static bool long_global(const char *path) {
    Bytes pickle = {0};
    bytes_pickle(&pickle, "#63");
    bytes_fill(&pickle, 'x', 100000);
    return put_records(path, &pickle, (ZipPart[]){VERSION, DATA}, 2);
}

/* ---- the stream, the memo, the stack ----------------------------------------------------------------------------- */

PICKLE(long_text, "#58 #ff #ff #ff #ff #61 .")
PICKLE(long_text_8, "#8d #ff #ff #ff #ff #ff #ff #ff #ff #61 .")
PICKLE(negative_string, "#54 #ff #ff #ff #ff .")
PICKLE(long_integer, "#8a #ff #01 .")
PICKLE(long_frame, "#95 #ff #ff #ff #ff #ff #ff #ff #7f N .")
PICKLE(unset_memo, ">5 .")
PICKLE(far_memo_unset, "#6a #ff #ff #ff #ff .")
PICKLE(far_memo, "N #72 #ff #ff #ff #ff .")
PICKLE(underflow_append, "a .")
PICKLE(underflow_setitem, "} 'a s .")
PICKLE(underflow_reduce, ") R .")
PICKLE(underflow_past_mark, "N ( #85 .")
PICKLE(empty, ".")
PICKLE(mark_alone, "( .")
PICKLE(two_values, "N N .")
PICKLE(tuple_without_mark, "N t .")
PICKLE(setitem_on_tuple, ") 'a N s .")
PICKLE(setitem_on_tensor, GOOD "'a N s .")
PICKLE(setitem_on_text, "'x 'a N s .")
PICKLE(setitems_on_list, "] ( 'a N u .")
PICKLE(odd_setitems, "} ( 'a N 'b u .")
PICKLE(append_to_dict, "} N a .")
PICKLE(appends_to_tuple, ") ( N e .")
PICKLE(dict_as_key, "} } N s .")
PICKLE(own_item, "] <0 >0 a .")
PICKLE(own_value, "} <0 'a ] >0 a s .")
PICKLE(own_argument, "] <0 @torch._utils._rebuild_parameter ( >0 t R a .")
PICKLE(reduce_text, "'a ) R .")
PICKLE(reduce_storage, "@torch.FloatStorage ) R .")
PICKLE(reduce_without_tuple, "@collections.OrderedDict N R .")
PICKLE(newobj_of_tensor, "@torch._utils._rebuild_tensor_v2 ) #81 .")
PICKLE(build_on_tensor, GOOD "} b .")
PICKLE(no_stop, "N")
PICKLE(bad_opcode, "#ff .")
PICKLE(protocol_9, "#80 #09 N .")
PICKLE(not_utf8, "#58 #01 #00 #00 #00 #ff .")

static bool nested_lists(const char *path) {
    Bytes pickle = {0};
    bytes_pickle(&pickle, "");
    bytes_fill(&pickle, ']', 1000000);
    bytes_fill(&pickle, 'a', 999999);
    bytes_fill(&pickle, '.', 1);
    return put_records(path, &pickle, (ZipPart[]){VERSION, DATA}, 2);
}

/* Each list goes into its parent while it is still empty, so that only the finished graph shows the depth. */
static bool nested_backwards(const char *path) {
    Bytes pickle = {0};
    bytes_pickle(&pickle, "( ] <0");
    for (uint8_t i = 1; i < 200; i++) bytes_add(&pickle, (uint8_t[]){']', 'q', i, 'a', 'h', i}, 6);
    bytes_add(&pickle, "t.", 2);
    return put_records(path, &pickle, (ZipPart[]){VERSION, DATA}, 2);
}

/* 60 tuples, each holding what is below twice. */
static void add_doubling(Bytes *pickle) {
    for (uint8_t i = 0; i < 60; i++) bytes_add(pickle, (uint8_t[]){'q', i, 'h', i, 0x86}, 5);
}

static bool doubling(const char *path) {
    Bytes pickle = {0};
    bytes_pickle(&pickle, "]");
    add_doubling(&pickle);
    bytes_add(&pickle, ".", 1);
    return put_records(path, &pickle, (ZipPart[]){VERSION, DATA}, 2);
}

static bool doubling_tensors(const char *path) {
    Bytes pickle = {0};
    bytes_pickle(&pickle, GOOD);
    add_doubling(&pickle);
    bytes_add(&pickle, ".", 1);
    return put_records(path, &pickle, (ZipPart[]){VERSION, DATA}, 2);
}

static bool doubling_beside(const char *path) {
    Bytes pickle = {0};
    bytes_pickle(&pickle, "} 'w " GOOD "s 'log N");
    add_doubling(&pickle);
    bytes_add(&pickle, "s.", 2);
    return put_records(path, &pickle, (ZipPart[]){VERSION, DATA}, 2);
}

/* ---- legacy files ------------------------------------------------------------------------------------------------ */

#define SYSTEM "} ( 'protocol_version 1001 'little_endian T u ."
#define LEGACY_STORAGE(view) "( 'storage @torch.FloatStorage '0 'cpu 6 " view " t Q "
#define LEGACY_WEIGHTS(view) STATE_DICT(REBUILD(LEGACY_STORAGE(view), "0", "2 3", "3 1"))
#define LEGACY_GOOD LEGACY_WEIGHTS("N")

/* The five pickles and one storage that says it has `elements`, with `length` bytes. */
static bool put_legacy(const char *path, const char *const program[4], int64_t elements, size_t length) {
    Bytes bytes = {0};
    bytes_add(&bytes, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
    for (size_t i = 0; i < 4; i++) bytes_pickle(&bytes, program[i]);
    bytes_le(&bytes, (uint64_t)elements, 8);
    bytes_fill(&bytes, 0, length);
    return put(path, &bytes);
}

#define LEGACY(function, protocol, system, object, keys, elements, length)                                \
    static bool function(const char *path) {                                                              \
        return put_legacy(path, (const char *const[]){protocol, system, object, keys}, elements, length); \
    }
LEGACY(legacy_good, "1001 .", SYSTEM, LEGACY_GOOD, "] '0 a .", 6, 24)
LEGACY(legacy_protocol, "1002 .", SYSTEM, LEGACY_GOOD, "] '0 a .", 6, 24)
LEGACY(legacy_protocol_text, "'1001 .", SYSTEM, LEGACY_GOOD, "] '0 a .", 6, 24)
LEGACY(legacy_big_endian, "1001 .", "} 'little_endian F s .", LEGACY_GOOD, "] '0 a .", 6, 24)
LEGACY(legacy_no_endian, "1001 .", "} .", LEGACY_GOOD, "] '0 a .", 6, 24)
LEGACY(legacy_count_negative, "1001 .", SYSTEM, LEGACY_GOOD, "] '0 a .", -1, 24)
LEGACY(legacy_count_huge, "1001 .", SYSTEM, LEGACY_GOOD, "] '0 a .", INT64_C(1) << 61, 24)
LEGACY(legacy_count_other, "1001 .", SYSTEM, LEGACY_GOOD, "] '0 a .", 2, 24)
LEGACY(legacy_key_missing, "1001 .", SYSTEM, LEGACY_GOOD, "] .", 6, 24)
LEGACY(legacy_key_twice, "1001 .", SYSTEM, LEGACY_GOOD, "] ( '0 '0 e .", 6, 24)
LEGACY(legacy_key_unused, "1001 .", SYSTEM, LEGACY_GOOD, "] ( '1 '0 e .", 6, 24)
LEGACY(legacy_key_number, "1001 .", SYSTEM, LEGACY_GOOD, "] 0 a .", 6, 24)
LEGACY(legacy_keys_dict, "1001 .", SYSTEM, LEGACY_GOOD, "} .", 6, 24)
LEGACY(legacy_short, "1001 .", SYSTEM, LEGACY_GOOD, "] '0 a .", 6, 24 - 5)
LEGACY(legacy_long, "1001 .", SYSTEM, LEGACY_GOOD, "] '0 a .", 6, 24 + 4)
LEGACY(legacy_view_good, "1001 .", SYSTEM, LEGACY_WEIGHTS("( 'v 0 6 t"), "] '0 a .", 6, 24)
LEGACY(legacy_view_long, "1001 .", SYSTEM, LEGACY_WEIGHTS("( 'v 1 6 t"), "] '0 a .", 6, 24)
LEGACY(legacy_view_short, "1001 .", SYSTEM, LEGACY_WEIGHTS("( 'v 1 5 t"), "] '0 a .", 6, 24)
LEGACY(legacy_view_negative, "1001 .", SYSTEM, LEGACY_WEIGHTS("( 'v -1 6 t"), "] '0 a .", 6, 24)
LEGACY(legacy_view_pair, "1001 .", SYSTEM, LEGACY_WEIGHTS("( 'v 1 t"), "] '0 a .", 6, 24)
LEGACY(legacy_module, "1001 .", SYSTEM, "( 'module @torch.Size 'net.py 'pass t Q .", "] .", 6, 24)

static bool legacy_magic(const char *path) {
    Bytes bytes = {0};
    bytes_add(&bytes, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x18.", 15);
    bytes_pickle(&bytes, "1001 .");
    return put(path, &bytes);
}

/* ---- storages and tensors ---------------------------------------------------------------------------------------- */

WEIGHTS(elements_negative, REBUILD(STORAGE("Float", "0", "-1"), "0", "2 3", "3 1"))
WEIGHTS(elements_huge, REBUILD(STORAGE("Float", "0", "2305843009213693952"), "0", "2 3", "3 1"))
WEIGHTS(elements_wrap, REBUILD(STORAGE("Double", "0", "4611686018427387904"), "0", "2 3", "3 1"))
WEIGHTS(elements_text, REBUILD(STORAGE("Float", "0", "'6"), "0", "2 3", "3 1"))
WEIGHTS(offset_negative, TENSOR("-1", "2 3", "3 1"))
WEIGHTS(offset_past_end, TENSOR("1", "2 3", "3 1"))
WEIGHTS(empty_past_end, TENSOR("7", "0 3", "3 1"))
WEIGHTS(stride_past_end, TENSOR("0", "2 3", "4 1"))
WEIGHTS(stride_wraps, TENSOR("0", "2 3", "9223372036854775807 9223372036854775807"))
WEIGHTS(stride_negative, TENSOR("0", "2 3", "3 -1"))
WEIGHTS(size_negative, TENSOR("0", "2 -3", "3 1"))
WEIGHTS(size_real, TENSOR("0", "2 #47 #00 #00 #00 #00 #00 #00 #00 #00", "3 1"))
WEIGHTS(ranks_differ, TENSOR("0", "2 3", "1"))
WEIGHTS(rank_33, TENSOR("0", "1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
                        "1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"))
WEIGHTS(expanded_huge, TENSOR("0", "1099511627776 1048576", "0 0"))
WEIGHTS(size_wraps, TENSOR("0", "4294967296 4294967296", "0 0"))
WEIGHTS(size_wraps_empty, TENSOR("0", "9223372036854775807 4 0", "0 0 0"))
WEIGHTS(no_storage, REBUILD("'0 ", "0", "2 3", "3 1"))
WEIGHTS(few_arguments, "@torch._utils._rebuild_tensor_v2 ( " STORAGE("Float", "0", "6") "0 t R ")
WEIGHTS(stored_conjugated,
        "@torch._utils._rebuild_tensor_v2 ( " STORAGE("Float", "0", "6") "0 ( 6 t ( 1 t F N } 'conj T s t R ")
WEIGHTS(two_kinds, "( " GOOD REBUILD(STORAGE("Int", "0", "6"), "0", "6", "1") "t ")
WEIGHTS(two_counts, "( " GOOD REBUILD(STORAGE("Float", "0", "5"), "0", "5", "1") "t ")
WEIGHTS(record_short, REBUILD(STORAGE("Float", "0", "8"), "0", "2 3", "3 1"))
WEIGHTS(record_long, REBUILD(STORAGE("Float", "0", "5"), "0", "5", "1"))
WEIGHTS(record_missing, REBUILD(STORAGE("Float", "1", "6"), "0", "2 3", "3 1"))
WEIGHTS(key_parent, REBUILD(STORAGE("Float", "../../x", "6"), "0", "2 3", "3 1"))
WEIGHTS(key_root, REBUILD(STORAGE("Float", "/etc/passwd", "6"), "0", "2 3", "3 1"))
WEIGHTS(not_a_storage, REBUILD("( 'strange '0 t Q ", "0", "2 3", "3 1"))
WEIGHTS(storage_of_sizes, REBUILD("( 'storage @torch.Size '0 'cpu 6 t Q ", "0", "2 3", "3 1"))
WEIGHTS(size_list, "@torch._utils._rebuild_tensor_v2 ( " STORAGE("Float", "0", "6") "0 ] 6 a ( 1 t F N t R ")
WEIGHTS(offset_text, TENSOR("'0", "2 3", "3 1"))
WEIGHTS(parameter_of_none, "@torch._utils._rebuild_parameter ( N T N t R ")
WEIGHTS(parameter_of_parameter,
        "@torch._utils._rebuild_parameter ( @torch._utils._rebuild_parameter ( " GOOD "T N t R T N t R ")
#define BYTES_REBUILD(function, storage, type) \
    WEIGHTS(function, "@torch._utils._rebuild_" storage "0 ( 1 t ( 1 t F N " type " t R ")
#define UNTYPED "( 'storage @torch.storage.UntypedStorage '0 'cpu 24 t Q "
BYTES_REBUILD(bytes_good, "tensor_v3 ( " UNTYPED, "@torch.int32")
BYTES_REBUILD(bytes_untyped, "tensor_v2 ( " UNTYPED, "")
BYTES_REBUILD(bytes_typed, "tensor_v3 ( " STORAGE("Float", "0", "6"), "@torch.int32")
BYTES_REBUILD(bytes_no_dtype, "tensor_v3 ( " UNTYPED, "'int32")
BYTES_REBUILD(bytes_quantised, "tensor_v3 ( " UNTYPED, "@torch.quint8")
PICKLE(same_name, "} 'w " GOOD "s 'w " GOOD "s .")
PICKLE(no_tensors, "} 'epoch 3 s .")
PICKLE(shared_and_expanded, "} 'a " GOOD "<0 s 'b >0 s 'c " TENSOR("5", "1000 2", "0 0") "s .")

static bool long_name(const char *path) {
    Bytes pickle = {0};
    bytes_pickle(&pickle, "} #58 #89 #13 #00 #00");
    bytes_fill(&pickle, 'n', 5001);
    bytes_pickle(&pickle, GOOD "s .");
    return put_records(path, &pickle, (ZipPart[]){VERSION, DATA}, 2);
}

/* Names of 4096 bytes for 20,000 tensors, from a stream of some 80,000 bytes. */
static bool many_long_names(const char *path) {
    Bytes pickle = {0};
    bytes_pickle(&pickle, "} #58 #00 #10 #00 #00");
    bytes_fill(&pickle, 'n', 4096);
    bytes_add(&pickle, "q\1", 2);
    bytes_pickle(&pickle, GOOD "<2 s");
    for (unsigned i = 0; i < 20000; i++) bytes_add(&pickle, "h\1h\2s", 5);
    bytes_add(&pickle, ".", 1);
    return put_records(path, &pickle, (ZipPart[]){VERSION, DATA}, 2);
}

/* ---- records ----------------------------------------------------------------------------------------------------- */

PARTS(two_pickles, VERSION, DATA, {.name = "a/data.pkl", .data = "\x80\x02N.", .length = 4})
PARTS(two_roots, VERSION, DATA, {.name = "b/data.pkl", .data = "\x80\x02N.", .length = 4})
PARTS(flipped_byte, VERSION,
      {.name = "a/data/0", .data = six_floats, .length = sizeof six_floats, .crc_change = 0x01000000})
PARTS(bomb, VERSION,
      {.name = "a/data/0", .data = six_floats, .length = sizeof six_floats, .method = 8, .declared = 4000000000})
PARTS(local_name, VERSION,
      {.name = "a/data/0", .data = six_floats, .length = sizeof six_floats, .local_name = "a/data/1"})
PARTS(encrypted, VERSION, {.name = "a/data/0", .data = six_floats, .length = sizeof six_floats, .flags = 1})
PARTS(method_12, VERSION, {.name = "a/data/0", .data = six_floats, .length = sizeof six_floats, .method = 12})
PARTS(byteorder_middle, VERSION, DATA, {.name = "a/byteorder", .data = "middle", .length = 6})
PARTS(byteorder_long, VERSION, DATA,
      {.name = "a/byteorder", .data = "little little little little little little", .length = 41})
PARTS(no_version, DATA)
PARTS(version_0, DATA, {.name = "a/version", .data = "0\n", .length = 2})
PARTS(version_11, DATA, {.name = "a/version", .data = "11\n", .length = 3})
PARTS(script, VERSION, DATA, {.name = "a/constants.pkl", .data = "\x80\x02).", .length = 4})

static bool no_root(const char *path) {
    Bytes bytes = {0};
    bytes_zip(&bytes, (ZipPart[]){{.name = "data.pkl", .data = "\x80\x02N.", .length = 4}}, 1);
    return put(path, &bytes);
}

static bool trailing_junk(const char *path) {
    Bytes pickle = {0}, bytes = {0};
    bytes_pickle(&pickle, STATE_DICT(GOOD));
    bytes_zip(&bytes, (ZipPart[]){{.name = "a/data.pkl", .data = pickle.data, .length = pickle.length}, VERSION, DATA},
              3);
    bytes_add(&bytes, "junk", 4);
    bytes_done(&pickle);
    return put(path, &bytes);
}

/* A deflated data.pkl of `length` bytes, random or zeros, that says it has `declared`. */
static bool put_deflated_pickle(const char *path, size_t length, bool random, uint64_t declared) {
    Bytes bytes = {0}, pickle = {0};
    uint32_t state = 1;
    bytes_fill(&pickle, '.', length);
    for (size_t i = 0; i < length && random; i++) {
        state = state * 1664525 + 1013904223; /* Numerical Recipes */
        pickle.data[i] = (uint8_t)(state >> 24);
    }
    const ZipPart parts[] = {
        {.name = "a/data.pkl", .data = pickle.data, .length = length, .method = 8, .declared = declared}, VERSION};
    bytes_zip(&bytes, parts, 2);
    bytes_done(&pickle);
    return put(path, &bytes);
}

static bool pickle_bomb(const char *path) {
    return put_deflated_pickle(path, 1 << 20, false, 1 << 29);
}

static bool pickle_zeros(const char *path) {
    return put_deflated_pickle(path, 1 << 20, false, 1 << 20);
}

static bool pickle_over_cap(const char *path) {
    return put_deflated_pickle(path, 300000, true, PICKLE_CAP + 1);
}

/* ---- what is refused by name ------------------------------------------------------------------------------------- */

PICKLE(whole_linear, "@torch.nn.modules.linear.Linear ) #81 } b .")
PICKLE(whole_own, "@__main__.Net ) #81 } b .")
WEIGHTS(sparse, "@torch._utils._rebuild_sparse_tensor ( N t R ")
WEIGHTS(quantised, "@torch._utils._rebuild_qtensor ( N t R ")
WEIGHTS(quantised_storage, REBUILD(STORAGE("QInt8", "0", "24"), "0", "2 3", "3 1"))
WEIGHTS(meta, "@torch._utils._rebuild_meta_tensor_no_storage ( N t R ")

static bool tar(const char *path) {
    Bytes bytes = {0};
    bytes_add(&bytes, "../weft-canary", 15);
    bytes_fill(&bytes, 0, 512 - 15);
    memcpy(bytes.data + 100, "0000644", 7);
    memcpy(bytes.data + 124, "00000000000", 11);
    memcpy(bytes.data + 257, "ustar\00000", 8);
    bytes_fill(&bytes, 0, 1024);
    return put(path, &bytes);
}

#define MALICIOUS " is not a tensor type; the file may be malicious; nothing was executed"

const HostileCase hostile_torch[] = {
    {42, "42-global.pth", "net", global, 3, "global os.system" MALICIOUS},
    {42, "42-posix.pth", "net", posix_global, 3, "global posix.system" MALICIOUS},
    {42, "42-escapes.pth", "net", escapes_in_global, 3, "global os.\\x1b[2J" MALICIOUS},
    {43, "43-stack-global.pth", "net", stack_global, 3, "global os.system" MALICIOUS},
    {43, "43-dotted.pth", "net", dotted, 3, "without tensors; left out"},
    {43, "43-dotted-os.pth", "net", dotted_os, 3, "global logging.os.system" MALICIOUS},
    {45, "45-method.pth", "net", method, 3, "global builtins.getattr" MALICIOUS},
    {45, "45-partial.pth", "net", in_partial, 3, "global os.system" MALICIOUS},
    {44, "44-inst.pth", "net", inst, 3, "unsupported pickle opcode 0x69 at byte 30"},
    {44, "44-obj.pth", "net", obj, 3, "global os.system" MALICIOUS},
    {45, "45-torch-load.pth", "net", torch_load, 3, "global torch.load" MALICIOUS},
    {45, "45-runpy.pth", "net", runpy, 3, "global runpy._run_code" MALICIOUS},
    {45, "45-getattr.pth", "net", getattr, 3, "global __builtin__.getattr" MALICIOUS},
    {45, "45-eval.pth", "net", eval, 3, "global builtins.eval" MALICIOUS},
    {46, "46-no-newline.pth", "net", no_newline, 3, "a global's name without a newline"},
    {46, "46-no-second-newline.pth", "net", no_second_newline, 3, "a global's name without a newline"},
    {46, "46-long-global.pth", "net", long_global, 3, "global name longer than 511 bytes"},
    {47, "47-long-text.pth", "net", long_text, 3, "4294967295 bytes needed, 2 remain"},
    {47, "47-long-text-8.pth", "net", long_text_8, 3, "18446744073709551615 bytes needed, 2 remain"},
    {48, "48-negative-string.pth", "net", negative_string, 3, "string of negative length -1"},
    {49, "49-long-integer.pth", "net", long_integer, 3, "255 bytes needed, 2 remain"},
    {49, "49-long-frame.pth", "net", long_frame, 3, "9223372036854775807 bytes needed"},
    {50, "50-unset-memo.pth", "net", unset_memo, 3, "memo index 5 was never set"},
    {51, "51-far-memo.pth", "net", far_memo, 3, "memo index 4294967295, limit 4000000"},
    {51, "51-far-memo-unset.pth", "net", far_memo_unset, 3, "memo index 4294967295 was never set"},
    {52, "52-append.pth", "net", underflow_append, 3, "stack underflow"},
    {52, "52-setitem.pth", "net", underflow_setitem, 3, "stack underflow"},
    {52, "52-reduce.pth", "net", underflow_reduce, 3, "stack underflow"},
    {52, "52-past-mark.pth", "net", underflow_past_mark, 3, "stack underflow"},
    {52, "52-empty.pth", "net", empty, 3, "stack underflow"},
    {52, "52-mark-alone.pth", "net", mark_alone, 3, "stack underflow"},
    {52, "52-two-values.pth", "net", two_values, 3, "2 values on the stack at STOP"},
    {53, "53-tuple.pth", "net", tuple_without_mark, 3, "finds no MARK"},
    {54, "54-on-tuple.pth", "net", setitem_on_tuple, 3, "SETITEM on something that is not a dict"},
    {54, "54-on-tensor.pth", "net", setitem_on_tensor, 3, "SETITEM on something that is not a dict"},
    {54, "54-on-text.pth", "net", setitem_on_text, 3, "SETITEM on something that is not a dict"},
    {54, "54-setitems-on-list.pth", "net", setitems_on_list, 3, "SETITEM on something that is not a dict"},
    {54, "54-build-on-tensor.pth", "net", build_on_tensor, 3, "BUILD on something that takes no state"},
    {55, "55-odd.pth", "net", odd_setitems, 3, "odd number of values"},
    {55, "55-dict-as-key.pth", "net", dict_as_key, 3, "a dict's key is a list or a dict"},
    {56, "56-append-to-dict.pth", "net", append_to_dict, 3, "APPEND to something that is not a list"},
    {56, "56-appends-to-tuple.pth", "net", appends_to_tuple, 3, "APPEND to something that is not a list"},
    {57, "57-own-item.pth", "net", own_item, 3, "a value contains itself"},
    {57, "57-own-value.pth", "net", own_value, 3, "a value contains itself"},
    {57, "57-own-argument.pth", "net", own_argument, 3, "a value contains itself"},
    {58, "58-nested-lists.pth", "net", nested_lists, 3, "nested deeper than 128"},
    {58, "58-nested-backwards.pth", "net", nested_backwards, 3, "nested deeper than 128"},
    {59, "59-doubling.pth", "net", doubling, 3, "without tensors"},
    {59, "59-doubling-tensors.pth", "net", doubling_tensors, 5, "more than 1000000 tensors"},
    {59, "59-doubling-beside.pth", "net", doubling_beside, 0, NULL},
    {60, "60-reduce-text.pth", "net", reduce_text, 3, "REDUCE of something that is not a name"},
    {60, "60-reduce-storage.pth", "net", reduce_storage, 3, "REDUCE of torch.FloatStorage, which is not a function"},
    {60, "60-without-tuple.pth", "net", reduce_without_tuple, 3, "REDUCE without a tuple"},
    {60, "60-newobj.pth", "net", newobj_of_tensor, 3, "NEWOBJ of something"},
    {61, "61-no-stop.pth", "net", no_stop, 3, "pickle ends without STOP"},
    {61, "61-bad-opcode.pth", "net", bad_opcode, 3, "unsupported pickle opcode 0xff at byte 2"},
    {61, "61-protocol-9.pth", "net", protocol_9, 3, "pickle protocol 9"},
    {61, "61-not-utf8.pth", "net", not_utf8, 3, "text is not UTF-8"},
    {62, "62-magic.th", "net", legacy_magic, 3, "a Python pickle without PyTorch tensors or arrays"},
    {63, "63-protocol-1002.th", "net", legacy_protocol, 3, "protocol 1002; only 1001 is supported"},
    {63, "63-protocol-text.th", "net", legacy_protocol_text, 3, "protocol is not a number"},
    {64, "64-big-endian.th", "net", legacy_big_endian, 3, "little_endian is not True"},
    {64, "64-no-endian.th", "net", legacy_no_endian, 3, "little_endian is not True"},
    {65, "65-negative.th", "net", legacy_count_negative, 3, "storage '0' declares 6 elements; its data says -1"},
    {65, "65-huge.th", "net", legacy_count_huge, 3, "declares 6 elements; its data says 2305843009213693952"},
    {65, "65-other.th", "net", legacy_count_other, 3, "declares 6 elements; its data says 2"},
    {65, "65-negative.pth", "net", elements_negative, 3, "storage '0': its number of elements is not a valid count"},
    {65, "65-huge.pth", "net", elements_huge, 3, "storage '0' declares 9223372036854775808 bytes, record holds 24"},
    {65, "65-wraps.pth", "net", elements_wrap, 3, "too many bytes"},
    {65, "65-text.pth", "net", elements_text, 3, "storage '0': its number of elements is not a valid count"},
    {66, "66-missing.th", "net", legacy_key_missing, 3, "storage '0' is missing from the list"},
    {66, "66-twice.th", "net", legacy_key_twice, 3, "storage '0' is listed twice"},
    {66, "66-unused.th", "net", legacy_key_unused, 3, "a key that no tensor uses"},
    {66, "66-number.th", "net", legacy_key_number, 3, "a key that no tensor uses"},
    {66, "66-dict.th", "net", legacy_keys_dict, 3, "keys are not a list"},
    {67, "67-short.th", "net", legacy_short, 3, "truncated: storage '0' declares 24 bytes, 19 remain"},
    {67, "67-long.th", "net", legacy_long, 3, "4 bytes after the last storage"},
    {67, "67-good.th", "net", legacy_good, 0, NULL},
    {68, "68-good.th", "net", legacy_view_good, 0, NULL},
    {68, "68-long.th", "net", legacy_view_long, 3, "view of 6 elements at 1 of storage '0', which has 6"},
    {68, "68-short.th", "net", legacy_view_short, 3, "reaches element 5 of a storage of 5"},
    {68, "68-negative.th", "net", legacy_view_negative, 3, "view of 6 elements at -1"},
    {68, "68-pair.th", "net", legacy_view_pair, 3, "view is not (key, offset, size)"},
    {69, "69-negative.pth", "net", offset_negative, 3, "tensor \"w\": its storage offset is invalid"},
    {69, "69-past-end.pth", "net", offset_past_end, 3, "reaches element 6 of a storage of 6"},
    {69, "69-empty-past-end.pth", "net", empty_past_end, 3, "reaches element 7 of a storage of 6"},
    {70, "70-stride.pth", "net", stride_past_end, 3, "reaches element 6 of a storage of 6"},
    {70, "70-wraps.pth", "net", stride_wraps, 3, "size and stride overflow"},
    {71, "71-stride.pth", "net", stride_negative, 3, "negative stride -1"},
    {71, "71-size.pth", "net", size_negative, 3, "negative size -3"},
    {71, "71-real.pth", "net", size_real, 3, "its size does not hold integers"},
    {72, "72-ranks.pth", "net", ranks_differ, 3, "size has 2 dimensions, stride 1"},
    {72, "72-rank-33.pth", "net", rank_33, 3, "rank 33, limit 32"},
    {73, "73-expanded.pth", "net", expanded_huge, 5, "loading w needs 4.0 EiB, limit"},
    {74, "74-wraps.pth", "net", size_wraps, 3, "too many bytes"},
    {74, "74-wraps-empty.pth", "net", size_wraps_empty, 3, "too many bytes"},
    {74, "74-no-storage.pth", "net", no_storage, 3, "its storage is invalid"},
    {74, "74-arguments.pth", "net", few_arguments, 3, "_rebuild_tensor_v2 with 2 arguments"},
    {74, "74-conjugated.pth", "net", stored_conjugated, 3, "stored with its conj bit set"},
    {74, "74-size-list.pth", "net", size_list, 3, "its size is not a tuple"},
    {74, "74-offset-text.pth", "net", offset_text, 3, "its storage offset is invalid"},
    {74, "74-parameter.pth", "net", parameter_of_none, 3, "_rebuild_parameter without a tensor"},
    {74, "74-parameter-twice.pth", "net", parameter_of_parameter, 3, "_rebuild_parameter without a tensor"},
    {74, "74-bytes-good.pth", "net", bytes_good, 0, NULL},
    {74, "74-bytes-untyped.pth", "net", bytes_untyped, 3, "rebuilt without a type from a storage of bytes"},
    {74, "74-bytes-typed.pth", "net", bytes_typed, 3, "rebuilt by type from a typed storage"},
    {74, "74-bytes-no-dtype.pth", "net", bytes_no_dtype, 3, "its element type is not supported"},
    {74, "74-bytes-quantised.pth", "net", bytes_quantised, 3, "its element type is not supported"},
    {75, "75-short.pth", "net", record_short, 3, "storage '0' declares 32 bytes, record holds 24"},
    {76, "76-long.pth", "net", record_long, 3, "storage '0' declares 20 bytes, record holds 24"},
    {76, "76-two-kinds.pth", "net", two_kinds, 3, "storage '0' is declared twice with different sizes"},
    {76, "76-two-counts.pth", "net", two_counts, 3, "storage '0' is declared twice with different sizes"},
    {77, "77-missing.pth", "net", record_missing, 3, "storage '1' has no record data/1"},
    {78, "78-parent.pth", "net", key_parent, 3, "storage key '../../x' is not a plain name"},
    {78, "78-root.pth", "net", key_root, 3, "storage key '/etc/passwd' is not a plain name"},
    {78, "78-strange.pth", "net", not_a_storage, 3, "a persistent id does not describe a storage"},
    {78, "78-sizes.pth", "net", storage_of_sizes, 3, "a storage's type is invalid"},
    {78, "78-same-name.pth", "net", same_name, 3, "\"w\" appears twice"},
    {78, "78-long-name.pth", "net", long_name, 5, "more than 4096 bytes"},
    {78, "78-many-long-names.pth", "net", many_long_names, 5, "names take more than"},
    {79, "79-two-pickles.pth", "net", two_pickles, 3, "two members are named \"a/data.pkl\""},
    {79, "79-two-roots.pth", "net", two_roots, 3, "more than one data.pkl"},
    {79, "79-no-root.pth", "net", no_root, 3, "data.pkl is not in a folder"},
    {79, "79-no-tensors.pth", "net", no_tensors, 3, "without tensors"},
    {80, "80-flipped.pth", "net", flipped_byte, 3, "torch.serialization.set_crc32_options(False)"},
    {81, "81-bomb.pth", "net", bomb, 3, "cannot inflate to 4000000000"},
    {81, "81-pickle-bomb.pth", "net", pickle_bomb, 3, "cannot inflate to 536870912"},
    {81, "81-pickle-zeros.pth", "net", pickle_zeros, 3, "are no checkpoint's"},
    {81, "81-pickle-over-cap.pth", "net", pickle_over_cap, 5, "a/data.pkl has 268435457 bytes, limit 268435456"},
    {83, "83-local-name.pth", "net", local_name, 3, "another name"},
    {84, "84-encrypted.pth", "net", encrypted, 3, "encrypted"},
    {85, "85-method-12.pth", "net", method_12, 3, "compression method 12"},
    {88, "88-junk.pth", "net", trailing_junk, 3, "no end record that reaches the end"},
    {89, "89-middle.pth", "net", byteorder_middle, 3, "byteorder 'middle' is neither little nor big"},
    {89, "89-long.pth", "net", byteorder_long, 3, "record a/byteorder has 41 bytes"},
    {89, "89-no-version.pth", "net", no_version, 3, "no version record"},
    {89, "89-version-0.pth", "net", version_0, 3, "version '0'"},
    {89, "89-version-11.pth", "net", version_11, 3, "version '11'"},
    {90, "90-script.pth", "net", script, 0, "a TorchScript archive: its weights are read, the graph in code/ is not"},
    {91, "91-linear.pth", "net", whole_linear, 3,
     "without tensors; left out, because they are neither tensors nor plain values: torch.nn"},
    {91, "91-own.pth", "net", whole_own, 3,
     "without tensors; left out, because they are neither tensors nor plain values: __main__.Net"},
    {91, "91-module.th", "net", legacy_module, 3, "bytes after the last storage"},
    {92, "92-sparse.pth", "net", sparse, 3, "\"w\" (a sparse tensor; save it dense)"},
    {92, "92-quantised.pth", "net", quantised, 3, "a quantised tensor"},
    {92, "92-quantised-storage.pth", "net", quantised_storage, 3, "a quantised tensor"},
    {92, "92-meta.pth", "net", meta, 3, "a meta tensor"},
    {93, "93-parent.tar", "net", tar, 3, "tar archive: a damaged header"},
    {94, "94-shared.pth", "net", shared_and_expanded, 0, NULL},
    {0},
};
