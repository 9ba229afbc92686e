/* test_torch_odd -- PyTorch files whose pickles are odd in one argument each: a tensor, an array, a list, a class. What
 * is wrong is told, what is only unusual loads. The list of hostile files (tests/support/hostile_torch.c) has the ones
 * that an attacker would write; these are the rest of what the readers tell apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../support/pickle_text.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"
#include "weft/format.h"

#include <stdio.h>
#include <string.h>

static const uint8_t six_floats[24];

static bool put_zip(const char *path, const char *program, const void *data, size_t length, const char *order) {
    Bytes pickle = {0}, bytes = {0};
    bytes_pickle(&pickle, program);
    const ZipPart parts[] = {{.name = "a/data.pkl", .data = pickle.data, .length = pickle.length},
                             {.name = "a/version", .data = "3\n", .length = 2},
                             {.name = "a/data/0", .data = data, .length = length},
                             {.name = "a/byteorder", .data = order, .length = strlen(order)}};
    bytes_zip(&bytes, parts, 4);
    const bool done = write_bytes(path, bytes.data, bytes.length);
    bytes_done(&pickle);
    bytes_done(&bytes);
    return done;
}

static bool put_legacy(const char *path, const char *program) {
    Bytes bytes = {0};
    bytes_add(&bytes, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
    bytes_pickle(&bytes, "1001 .");
    bytes_pickle(&bytes, "} ( 'protocol_version 1001 'little_endian T u .");
    bytes_pickle(&bytes, program);
    bytes_pickle(&bytes, "] '0 a .");
    bytes_le(&bytes, 6, 8);
    bytes_fill(&bytes, 0, 24);
    const bool done = write_bytes(path, bytes.data, bytes.length);
    bytes_done(&bytes);
    return done;
}

/* Opens and reads everything; `reason` NULL: it must load. */
static void judge(const char *path, const char *program, const char *reason) {
    Error err = {0};
    Checkpoint *checkpoint = checkpoint_open(path, &err);
    bool done = checkpoint != NULL;
    for (size_t i = 0; done && i < checkpoint_count(checkpoint); i++) {
        const CheckpointTensor *tensor = checkpoint_tensor(checkpoint, i);
        void *bytes = mem_alloc(tensor->count + 1, dtype_bits(tensor->dtype) / 8, &err);
        done = bytes && checkpoint_read(checkpoint, i, bytes, &err);
        mem_free(bytes);
    }
    checkpoint_close(checkpoint);
    if (done != !reason || (reason && !strstr(err.text, reason)))
        fail_msg("%.400s\n  %s, not %s", program, done ? "loads" : err.text, reason ? reason : "loaded");
}

typedef struct Odd {
    const char *program, *reason;
} Odd;

#define V2(arguments) \
    "@torch._utils._rebuild_tensor_v2 ( " STORAGE("Float", "0", "6") "0 ( 6 t ( 1 t F N " arguments "t R "
#define PARAMETER(arguments) "@torch._utils._rebuild_parameter ( " arguments "t R "
#define CLASS(arguments) "@torch.nn.parameter.Parameter " arguments

static const Odd tensors[] = {
    /* metadata: none, without flags, flags that are off, on, and no flags at all */
    {STATE_DICT(V2("N ")), NULL},
    {STATE_DICT(V2("} ")), NULL},
    {STATE_DICT(V2("} ( 'conj F 'neg F u ")), NULL},
    {STATE_DICT(V2("} 'neg T s ")), "stored with its neg bit set"},
    {STATE_DICT(V2("} 'conj 1 s ")), "stored with its conj bit set"},
    {STATE_DICT(V2("N N ")), "_rebuild_tensor_v2 with 8 arguments"},
    /* parameters: too few and too many arguments, none, of something else */
    {STATE_DICT(PARAMETER(GOOD "T N ")), NULL},
    {STATE_DICT(PARAMETER(GOOD "T N } ")), NULL},
    {STATE_DICT(PARAMETER(GOOD "T ")), "_rebuild_parameter without a tensor and two flags"},
    {STATE_DICT(PARAMETER(GOOD "T N N N ")), "_rebuild_parameter without a tensor and two flags"},
    {STATE_DICT(PARAMETER("")), "_rebuild_parameter without a tensor and two flags"},
    {STATE_DICT(PARAMETER("@collections.OrderedDict ( N t R T N ")), "left out"},
    {STATE_DICT(PARAMETER("@torch.nn.parameter.Parameter ) R T N ")), "_rebuild_parameter without a tensor"},
    /* Parameter(tensor), (class, tensor), no tensor */
    {STATE_DICT(CLASS("( " GOOD "T t R ")), NULL},
    {STATE_DICT(CLASS("( @torch.Size " GOOD "t R ")), NULL},
    {STATE_DICT(CLASS("( N N " GOOD "t R ")), "without tensors"},
    {STATE_DICT(CLASS(") R ")), "without tensors"},
    {STATE_DICT(CLASS(") #81 ( " GOOD "t b ")), NULL},
    /* a persistent id in the place of a tensor, which only tar files have */
    {STATE_DICT("'key Q "), "a persistent id does not describe a storage"},
    {STATE_DICT("#54 #02 #00 #00 #00 k e Q "), "a persistent id does not describe a storage"},
    /* sizes that no bytes can count, and one whose bytes they cannot */
    {STATE_DICT(TENSOR("0", "4611686018427387904", "0")), "too many bytes"},
    {STATE_DICT(TENSOR("0", "2 2", "9223372036854775807 9223372036854775807")), "reaches element 18446744073709551614"},
    {STATE_DICT("@torch._utils._rebuild_tensor ( " STORAGE("Float", "0", "6") "0 ( 6 t ( 1 t t R "), NULL},
    {STATE_DICT("@torch._utils._rebuild_tensor ( " STORAGE("Float", "0", "6") "0 ( 6 t ( 1 t F t R "),
     "_rebuild_tensor with 5 arguments"},
    /* storages: ids that are odd */
    {STATE_DICT(REBUILD("( 'storage @torch.FloatStorage '0 t Q ", "0", "6", "1")), "does not describe a storage"},
    {STATE_DICT(REBUILD("( 'storage @torch.FloatStorage 0 'cpu 6 t Q ", "0", "6", "1")),
     "a storage's key is not a short text"},
    {STATE_DICT(REBUILD("( 'storage @torch.FloatStorage '. 'cpu 6 t Q ", "0", "6", "1")), "has no record data/."},
    {STATE_DICT(REBUILD("'storage Q ", "0", "6", "1")), "does not describe a storage"},
    /* keys of a dict that are no texts */
    {"} N " GOOD "s .", NULL},
    {"} 3 " GOOD "s .", NULL},
    {"} ( 1 2 t " GOOD "s .", NULL},
    {"} ( 1 N t " GOOD "s .", NULL},
    {"} @own.Kind ( 1 t R " GOOD "s .", NULL},
    {"} @own.Kind " GOOD "s .", NULL},
    {"( " GOOD GOOD "t .", NULL},
    {GOOD ".", NULL},
};

/* Legacy files have views of storages. */
#define VIEW(storage, view) \
    STATE_DICT(REBUILD("( 'storage @torch." storage "Storage '0 'cpu 6 " view " t Q ", "0", "1", "1"))
static const Odd legacy[] = {
    {VIEW("Float", "( 'v 0 6 t"), NULL},
    {VIEW("Float", "( 'v 'x 6 t"), "view is not (key, offset, size)"},
    {VIEW("Float", "( 'v 0 'x t"), "view is not (key, offset, size)"},
    {VIEW("Float", "( 'v 0 6 6 t"), "view is not (key, offset, size)"},
    {VIEW("Float", "5"), "view is not (key, offset, size)"},
    {VIEW("Float", "( 'v 0 -6 t"), "view of -6 elements at 0"},
    {VIEW("Float", "( 'v 7 0 t"), "view of 0 elements at 7"},
    {VIEW("Float", "( 'v 5 1 t"), NULL},
};

/* NumPy arrays and lists. */
#define DTYPE(code, state) "@numpy.dtype ( '" code " F T t R " state
#define LITTLE "( 3 '< N N N -1 -1 0 t b "
#define ARRAY(shape, dtype, order, bytes) \
    "} 'w @numpy.core.multiarray._reconstruct ( @numpy.ndarray ( 0 t 'b t R ( 1 " shape dtype order bytes "t b s ."
static const Odd arrays[] = {
    {ARRAY("( 2 t ", DTYPE("f4", LITTLE), "F ", "#43 #08 #00 #00 #00 #00 #00 #00 #00 #00 "), NULL},
    {ARRAY("( 1 t ", DTYPE("f8", "( 3 '> N N N -1 -1 0 t b "), "T ", "#43 #08 #00 #00 #00 #00 #00 #00 #00 #00 "), NULL},
    {ARRAY("( 1 t ", DTYPE("f8", ""), "'F ", "#43 #08 #00 #00 #00 #00 #00 #00 #00 #00 "), NULL},
    {ARRAY("( 1 t ", DTYPE("f8", "N b "), "'C ", "#43 #08 #00 #00 #00 #00 #00 #00 #00 #00 "), NULL},
    {ARRAY("( 1 t ", DTYPE("f4", LITTLE), "F ", "#43 #08 #00 #00 #00 #00 #00 #00 #00 #00 "),
     "its shape needs 4 bytes, its data has 8"},
    {ARRAY("] 2 a ", DTYPE("f4", LITTLE), "F ", "#43 #00 "), "its shape is not a tuple"},
    {ARRAY("( -1 t ", DTYPE("f4", LITTLE), "F ", "#43 #00 "), "its shape has invalid sizes"},
    {ARRAY("( '1 t ", DTYPE("f4", LITTLE), "F ", "#43 #00 "), "its shape has invalid sizes"},
    {ARRAY("( 4611686018427387904 t ", DTYPE("f4", LITTLE), "F ", "#43 #00 "), "its shape has too many bytes"},
    {ARRAY("( 4294967296 4294967296 t ", DTYPE("f4", LITTLE), "F ", "#43 #00 "), "its shape has too many bytes"},
    {ARRAY("( 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 t ", DTYPE("f4", LITTLE), "F ",
           "#43 #00 "),
     "rank 33, limit 32"},
    {ARRAY("( 1 t ", DTYPE("f4", LITTLE), "F ", "N "), "its data is not bytes"},
    {ARRAY("( 0 t ", DTYPE("f4", LITTLE), "F ", "#43 #00 "), NULL},
    /* types that are none: no tensor is left */
    {ARRAY("( 1 t ", DTYPE("O8", LITTLE), "F ", "#43 #00 "), "without"},
    {ARRAY("( 1 t ", DTYPE("f3", LITTLE), "F ", "#43 #00 "), "without"},
    {ARRAY("( 1 t ", DTYPE("f16", LITTLE), "F ", "#43 #00 "), "without"},
    {ARRAY("( 1 t ", DTYPE("f", LITTLE), "F ", "#43 #00 "), "without"},
    {ARRAY("( 1 t ", DTYPE("f128", LITTLE), "F ", "#43 #00 "), "without"},
    {ARRAY("( 1 t ", DTYPE("fx", LITTLE), "F ", "#43 #00 "), "without"},
    {ARRAY("( 1 t ", "@numpy.dtype ) R ", "F ", "#43 #00 "), "without"},
    {ARRAY("( 1 t ", "@numpy.dtype ( 4 t R ", "F ", "#43 #00 "), "without"},
    {ARRAY("( 1 t ", "N ", "F ", "#43 #00 "), "without"},
};

/* A good tensor, and beside it a value that is only told, or not. */
#define BESIDE(value) "} 'w " GOOD "s 'x " value "s ."
#define SCALAR(dtype, bytes) BESIDE("@numpy.core.multiarray.scalar ( " dtype bytes "t R ")
#define FROM_TYPE(arguments) BESIDE("@torch._tensor._rebuild_from_type_v2 ( " arguments "t R ")
#define V2_ARGUMENTS "( " STORAGE("Float", "0", "6") "0 ( 6 t ( 1 t F N t "
static const Odd values[] = {
    {SCALAR(DTYPE("f2", LITTLE), "#43 #02 #00 #3c "), NULL},
    {SCALAR(DTYPE("f4", LITTLE), "#43 #04 #00 #00 #80 #3f "), NULL},
    {SCALAR(DTYPE("f8", LITTLE), "#43 #08 #9a #99 #99 #99 #99 #99 #b9 #3f "), NULL},
    {SCALAR(DTYPE("f8", LITTLE), "#43 #08 #55 #55 #55 #55 #55 #55 #d5 #3f "), NULL},
    {SCALAR(DTYPE("f8", LITTLE), "#43 #08 #00 #00 #00 #00 #00 #00 #f8 #7f "), NULL}, /* not a number */
    {SCALAR(DTYPE("f3", LITTLE), "#43 #03 #00 #00 #00 "), NULL},
    {SCALAR(DTYPE("f1", LITTLE), "#43 #01 #00 "), NULL},
    {SCALAR(DTYPE("i0", LITTLE), "#43 #00 "), NULL},
    {SCALAR(DTYPE("u0", LITTLE), "#43 #00 "), NULL},
    {SCALAR(DTYPE("i1", LITTLE), "#43 #01 #ff "), NULL},
    {SCALAR(DTYPE("u4", "( 3 '> N N N -1 -1 0 t b "), "#43 #04 #00 #00 #00 #01 "), NULL},
    {SCALAR(DTYPE("b1", LITTLE), "#43 #01 #01 "), NULL},
    {SCALAR(DTYPE("b1", LITTLE), "#43 #01 #00 "), NULL},
    {SCALAR(DTYPE("b2", LITTLE), "#43 #02 #00 #00 "), NULL},
    {SCALAR(DTYPE("S4", LITTLE), "#43 #04 a b a b "), NULL},
    {SCALAR(DTYPE("f16", LITTLE), "#43 #10 #00 #00 #00 #00 #00 #00 #00 #00 #00 #00 #00 #00 #00 #00 #00 #00 "), NULL},
    {SCALAR(DTYPE("f8", LITTLE), "#43 #01 #00 "), NULL},
    {SCALAR(DTYPE("f8", LITTLE), "'abcdefgh "), NULL},
    {SCALAR(DTYPE("f8", LITTLE), ""), NULL},
    {SCALAR(DTYPE("f8", "] b "), "#43 #08 #00 #00 #00 #00 #00 #00 #00 #00 "), NULL},
    {SCALAR("@numpy.dtype ( #43 #02 #66 #38 F T t R ", "#43 #08 #00 #00 #00 #00 #00 #00 #00 #00 "), NULL},
    {SCALAR("N ", "N "), NULL},
    {BESIDE("@numpy.core.multiarray.scalar ) R "), NULL},
    {FROM_TYPE("@torch._utils._rebuild_tensor_v2 @own.Kind " V2_ARGUMENTS "} "), NULL},
    {FROM_TYPE("@torch._utils._rebuild_parameter @own.Kind ( " GOOD "T N t } "), NULL},
    {FROM_TYPE("@torch._utils._rebuild_tensor @own.Kind ( " STORAGE("Float", "0", "6") "0 ( 6 t ( 1 t t } "), NULL},
    {FROM_TYPE("@torch._utils._rebuild_tensor_v2 @own.Kind N } "), NULL},
    {FROM_TYPE("@torch._utils._rebuild_tensor_v2 "), NULL},
    {FROM_TYPE("@own.function @own.Kind " V2_ARGUMENTS "} "), NULL},
    {FROM_TYPE("N @own.Kind " V2_ARGUMENTS "} "), NULL},
    {FROM_TYPE(""), NULL},
    {BESIDE("@builtins.getattr ( @own.Kind 'a t R "), NULL},
    {BESIDE("@builtins.getattr ( @own.Kind 'a 'b t R "), "global builtins.getattr"},
    {BESIDE("@builtins.getattr ( @own.Kind 3 t R "), "global builtins.getattr"},
    {BESIDE("@builtins.getattr ( @own.Kind t R "), "global builtins.getattr"},
    {BESIDE("@builtins.getattr ( 3 'a t R "), "global builtins.getattr"},
    {BESIDE("@builtins.getattr ( @own.Kind ) R 'a t R "), NULL},
    {BESIDE("@builtins.getattr "), "global builtins.getattr"},
    {BESIDE("@copyreg._reconstructor ( @torch.nn.parameter.Parameter @builtins.object N t R ( " GOOD "t b "), NULL},
    {BESIDE("@copyreg._reconstructor ( 3 @builtins.object N t R "), NULL},
    {BESIDE("@copyreg._reconstructor ) R "), NULL},
    {BESIDE("@collections.OrderedDict ) #81 "), NULL},
    {BESIDE("@own.Kind N #81 "), "NEWOBJ of something that is not an inert object"},
    {BESIDE("3 ) #81 "), "NEWOBJ of something that is not an inert object"},
    {BESIDE("@own.Kind ) #81 } b } b "), NULL},
    {BESIDE("@own.Kind ) #81 ( N } t b "), NULL},
    {BESIDE("@own.Kind ) #81 ( } 'a 1 s N t b "), NULL},
    {BESIDE("@torch.Size ) R "), NULL},
    {BESIDE("@torch.Size ( ( 1 t t R "), NULL},
    {BESIDE("@_codecs.encode ( 'a 'latin1 N t R "), NULL},
    {BESIDE("@_codecs.encode ( 3 'latin1 t R "), NULL},
    {BESIDE("@osx.thing ) R "), NULL},
    {BESIDE("@os.path.join ) R "), "global os.path.join"},
    {BESIDE("@torch.cuda.FloatStorage "), NULL},
    {BESIDE("'own 'Kind #93 "), NULL},
    {BESIDE("N 'Kind #93 "), "a global's name is not a short text"},
    {BESIDE("'own 3 #93 "), "a global's name is not a short text"},
    {BESIDE("'os 'system #93 "), "global os.system"},
    {BESIDE("I #30 #30 #0a "), NULL},
    {BESIDE("I #30 #31 #0a "), NULL},
    {BESIDE("I #2d #37 #0a "), NULL},
    {BESIDE("I #78 #0a "), "the text of an integer is not an integer"},
    {BESIDE("I #39 #39 #39 #39 #39 #39 #39 #39 #39 #39 #39 #39 #39 #39 #39 #39 #39 #39 #39 #0a "),
     "the text of an integer is not an integer"},
    {BESIDE("@own.Kind N R "), "REDUCE without a tuple of arguments"},
    {BESIDE("@own.Kind ] R "), "REDUCE without a tuple of arguments"},
    {BESIDE("@builtins.getattr ( @torch.Size 'a t R "), "global builtins.getattr"},
};

static void walk(const Odd *odd, size_t count, bool old) {
    const char *path = scratch_path("odd.pth");
    for (size_t i = 0; i < count; i++) {
        assert_true(old ? put_legacy(path, odd[i].program)
                        : put_zip(path, odd[i].program, six_floats, sizeof six_floats, "little"));
        judge(path, odd[i].program, odd[i].reason);
    }
}

static void odd_tensors(void **state) {
    (void)state;
    walk(tensors, sizeof tensors / sizeof *tensors, false);
}

static void odd_views(void **state) {
    (void)state;
    walk(legacy, sizeof legacy / sizeof *legacy, true);
}

static void odd_arrays(void **state) {
    (void)state;
    walk(arrays, sizeof arrays / sizeof *arrays, false);
}

static void odd_values(void **state) {
    (void)state;
    walk(values, sizeof values / sizeof *values, false);
}

/* Lists in which each level holds the one below eight times: few bytes, that would be 2^66 numbers. */
static void shared_lists(void **state) {
    (void)state;
    static const struct {
        unsigned levels;
        const char *reason;
    } cases[] = {
        {2, NULL}, {20, "limit"}, {21, "its lists have too many bytes"}, {22, "its lists have too many bytes"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Bytes pickle = {0}, bytes = {0};
        const char *path = scratch_path("lists.pth");
        bytes_pickle(&pickle, "} 'layer.weight ] ( 1 1 1 1 1 1 1 1 e <0");
        for (uint8_t level = 1; level < cases[i].levels; level++) {
            bytes_add(&pickle, "0](", 3); /* the one below stays in the memo only */
            for (int k = 0; k < 8; k++) bytes_add(&pickle, (uint8_t[]){'h', (uint8_t)(level - 1)}, 2);
            bytes_add(&pickle, (uint8_t[]){'e', 'q', level}, 3);
        }
        bytes_add(&pickle, "s.", 2);
        const ZipPart parts[] = {{.name = "a/data.pkl", .data = pickle.data, .length = pickle.length},
                                 {.name = "a/version", .data = "3\n", .length = 2}};
        bytes_zip(&bytes, parts, 2);
        assert_true(write_bytes(path, bytes.data, bytes.length));
        judge(path, "lists", cases[i].reason);
        bytes_done(&pickle);
        bytes_done(&bytes);
    }
}

/* The halves of complex numbers turn one by one; what is turned, strided or one of several has no place in the file. */
static void byte_orders(void **state) {
    (void)state;
    static const struct {
        const char *storage;
        unsigned size, word;
    } kinds[] = {{"ComplexDouble", 16, 8}, {"ComplexFloat", 8, 4}, {"Double", 8, 8},
                 {"Float", 4, 4},          {"Short", 2, 2},        {"Byte", 1, 1}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        uint8_t stored[16], found[16];
        char program[400];
        CheckpointPlace place;
        Error err = {0};
        for (unsigned k = 0; k < 16; k++) stored[k] = (uint8_t)k;
        snprintf(
            program, sizeof program,
            "} 'w @torch._utils._rebuild_tensor_v2 ( ( 'storage @torch.%sStorage '0 'cpu 1 t Q 0 ( 1 t ( 1 t F N t "
            "R s .",
            kinds[i].storage);
        const char *path = scratch_path("order.pth");
        for (int big = 0; big < 2; big++) {
            assert_true(put_zip(path, program, stored, kinds[i].size, big ? "big" : "little"));
            Checkpoint *checkpoint = checkpoint_open(path, &err);
            if (!checkpoint) fail_msg("%s", err.text);
            assert_true(checkpoint_read(checkpoint, 0, found, &err));
            for (unsigned k = 0; k < kinds[i].size; k++)
                assert_int_equal(found[k],
                                 big ? k / kinds[i].word * kinds[i].word + kinds[i].word - 1 - k % kinds[i].word : k);
            assert_int_equal(checkpoint_place(checkpoint, 0, &place), !big);
            checkpoint_close(checkpoint);
        }
    }
}

/* ---- which container is taken ------------------------------------------------------------------------------------ */

#define FLAT "} ( 'a.w " GOOD "'a.b " GOOD "u "
#define OTHER(name) "'" name " } 'w " GOOD "s "
#define BYTES(size, stride) REBUILD("( 'storage @torch.ByteStorage '0 'cpu 24 t Q ", "0", size, stride)
#define HUGE BYTES("4294967296 4294967296", "0 0")
#define MODULE(parts) "@own.Net ) #81 } ( " parts "u b "
#define PARTS "'_parameters } 'w " GOOD "s '_buffers } '_modules } "
#define LIST "] ( ] ( 1 2 e ] ( 3 4 e e "

static const struct {
    const char *program, *key;
    const char *told; /* in a note, or in the reason where nothing is loaded */
    unsigned count;   /* of tensors; 0: nothing is loaded */
} choices[] = {
    {"} 'state_dict " FLAT "s .", NULL, "the state dict is \"state_dict\"", 2},
    {"} 'net " FLAT "s .", ".", NULL, 2},
    {"} 'net " FLAT "s .", "net", "the state dict is \"net\"", 2},
    {"} ( 'a " FLAT "'b " FLAT "u .", NULL,
     "the state dict is \"a\": 2 of the file's 4 tensors; --key selects \"b\" (2 ", 2},
    {"} ( 'a } 'deep " FLAT "s 'b } 'x " FLAT "s u .", NULL, NULL, 4},
    {"} ( 'a " FLAT "'b } 'x " FLAT "s u .", NULL, "\"b.x\" (2 tensors, 12 elements)", 2},
    {"} ( 'a " FLAT "<0 'b >0 'c " FLAT "u .", NULL, "\"c\" (2 tensors", 2},
    {"} ( 'a " FLAT "'b ] " GOOD "a 'c " GOOD "u .", NULL, "--key selects \"b\" (1 tensor, 6 elements)", 2},
    {"} 'a ] " GOOD "a s .", NULL, NULL, 1},
    {"} 'a } 'b } 'w " GOOD "s s s .", NULL, "the state dict is \"a.b\"", 1},
    {"} ( 'a } 'w " GOOD "s 'x " GOOD "u .", NULL, NULL, 2},
    {"} ( 'a } 'w " GOOD "s 'b } 'w " GOOD "s u .", NULL, NULL, 2},
    {"} 'a " MODULE(PARTS) "s .", NULL, "a whole module, own.Net", 1},
    {"} ( 'a " MODULE(PARTS) "'b } 'w " GOOD "s u .", NULL, "\"b\" (1 tensor", 1},
    {"] " MODULE(PARTS) "a .", NULL, "a whole module", 1},
    {"} ( 'opt } 'a.w " GOOD "s 'args } 'a.w " GOOD "s 'loops } 'a.w " GOOD "s 'Optimizer } 'a.w " GOOD "s 'm " FLAT
     "u .",
     NULL, "the state dict is \"m\"", 2},
    {"} ( 'a.w " GOOD "'optimizer } 'w " GOOD "s u .", NULL, "left out: \"optimizer\", 1 tensor for training", 1},
    {"} ( 'a.w " GOOD "'optimizer } ( 'v " GOOD "'w " GOOD "u u .", NULL, "2 tensors for training", 1},
    {"} ( 'a.w " GOOD "'m } 'opt } 'w " GOOD "s s u .", NULL, NULL, 2},
    {"} #43 #01 #61 " FLAT "s .", "a", "the state dict is \"a\"", 2},
    {"} ( 'a " FLAT OTHER("b") OTHER("c") OTHER("d") OTHER("e") OTHER("f") OTHER("g") OTHER("h") OTHER("i") OTHER("j")
         OTHER("k") "u .",
     NULL, "among \"b\" (1 tensor, 6 elements), ", 2},
    {"} ( 'a " FLAT OTHER("b") OTHER("c") OTHER("d") OTHER("e") OTHER("f") OTHER("g") OTHER("h") OTHER("i") OTHER("j")
         OTHER("k") "u .",
     NULL, " and 2 more", 2},
    {"} ( 'a } 'a.w " BYTES("6", "1") "s 'b } ( 'x " BYTES("6", "1") "'y " HUGE "u u .", NULL,
     "18446744073709551615 elements)", 1},
    /* keys */
    {"} ( 'a " FLAT "'b 3 'c } u .", "b", "--key b: it has no tensors", 0},
    {"} ( 'a " FLAT "'b 3 u .", "x", "--key x: no 'x'; the file holds \"a\" (2 tensors, 12 elements)", 0},
    {"} ( 'model " FLAT "'b 3 u .", "modle", "no 'modle'; did you mean model; the file holds", 0},
    {"} ( 'model " FLAT "'b 3 u .", "modle.a", "no 'modle.a'; did you mean model; the file holds", 0},
    {"} ( 'model " FLAT "'b 3 u .", "zzz.qqqqqq", "no 'zzz.qqqqqq'; the file holds", 0},
    {"} ( 'model " FLAT "'b 3 u .", "model.x", "no 'x' in \"model\"", 0},
    {"} 'w " GOOD "s .", "x", "the file holds nothing to choose from", 0},
    {GOOD ".", "x", "the file holds nothing to choose from", 0},
    {"} ( 'a " FLAT OTHER("b") OTHER("c") OTHER("d") OTHER("e") OTHER("f") OTHER("g") OTHER("h") OTHER("i")
         OTHER("j") "u .",
     "x", " and 2 more", 0},
    {"} ( 'a } 'w " GOOD "s 'a.b " FLAT "' " FLAT "u .", "a.b", "the state dict is \"a.b\"", 2},
    {"} ( 'a.b " FLAT "'a } 'w " GOOD "s u .", "a.b", "the state dict is \"a.b\"", 2},
    {"} ( 'a } 'b " FLAT "s u .", "a.b", "the state dict is \"a.b\"", 2},
    {"} ( 'a } 'b " FLAT "s u .", "a", "the state dict is \"a.b\"", 2},
    {"] ( " FLAT FLAT "e .", "1", "the state dict is \"1\"", 2},
    {"} ( 'a " FLAT "'b " GOOD "'c 3 u .", "q", "no 'q'; the file holds \"a\"", 0},
    {"} ( 'a ] " GOOD "a 'b " GOOD "u .", "q", "the file holds \"a\" (1 tensor", 0},
    {"} ( 'a ] ( " GOOD GOOD "e u .", NULL, NULL, 2},
    {"} ( 'a " FLAT "3 " FLAT "N " FLAT "@own.Kind " FLAT "( 1 t " FLAT "u .", "3", "the state dict is \"3\"", 2},
    /* what is left out */
    {"3 .", NULL, "without tensors", 0},
    {"'text .", NULL, "without tensors", 0},
    {"N .", NULL, "without tensors", 0},
    {"@own.Kind .", NULL, "own.Kind", 0},
    {STORAGE("Float", "0", "6") ".", NULL, "a storage without a tensor", 0},
    {"} ( 'w " GOOD "'x ] ( 1 2 e 'y 3 'z 'text u .", NULL, NULL, 1},
    {"} ( 'm } ( 'a.w " GOOD "'x ] ( 1 2 e 'y 3 'z 'text 'u ] 'n N 't T u u .", NULL,
     "\"m.x\" (a list without tensors), \"m.y\" (a number), \"m.z\" (a text), \"m.t\" (a number)", 1},
    {"} ( 'w " GOOD "'x @own.Kind ) R 'y @own.Kind u .", NULL, "\"x\" (own.Kind), \"y\" (own.Kind)", 1},
    {"} ( 'w " GOOD "'x " STORAGE("Float", "0", "6") "u .", NULL, "\"x\" (a storage without a tensor)", 1},
    {"} ( 'w " GOOD "'x " MODULE("'_parameters } '_modules } ") "u .", NULL, NULL, 1},
    /* lists of numbers */
    {"} ( 'a.w " LIST "'n 3 u .", NULL, NULL, 1},
    {"} ( 'a.w " LIST "3 4 u .", NULL, "without tensors", 0},
    {"} ( 'a.w " LIST "'b 'text u .", NULL, "without tensors", 0},
    {"} ( 'aw " LIST "u .", NULL, "without tensors", 0},
    {"} ( 'a.w ] ( ] ( 1 2 e ] ( 3 e e u .", NULL, "without tensors", 0},
    {"} ( 'a.w ] ( ] ( 1 2 e 3 e u .", NULL, "without tensors", 0},
    {"} ( 'a.w ] ( 3 ] ( 1 2 e e u .", NULL, "without tensors", 0},
    {"} ( 'a.w ] ( ] ( 1 2 e 'x e u .", NULL, "without tensors", 0},
    /* modules: parts that are none, buffers that are not kept, attributes with slots */
    {MODULE("'_parameters } 'w " GOOD "s '_buffers N '_modules } ") ".", NULL, "a whole module", 1},
    {MODULE("'_parameters 3 '_modules } 'w " GOOD "s ") ".", NULL, "without tensors", 0},
    {MODULE("'_parameters } '_modules 3 ") ".", NULL, "without tensors", 0},
    {MODULE("'_parameters } 'w " GOOD "s '_buffers } ( 'b " GOOD "'c " GOOD "3 " GOOD "u '_modules } "
            "'_non_persistent_buffers_set @builtins.set ( ] 'b a t R "),
     NULL, NULL, 0},
    {MODULE("'_parameters } 'w " GOOD "s '_buffers } ( 'b " GOOD "'c " GOOD "3 " GOOD "u '_modules } "
            "'_non_persistent_buffers_set @builtins.set ( ] 'b a t R ") ".",
     NULL, "a whole module", 3},
    {MODULE(PARTS "'_non_persistent_buffers_set @builtins.set ( ( 'b t t R ") ".", NULL, "a whole module", 1},
    {MODULE(PARTS "'_non_persistent_buffers_set @builtins.set ) R ") ".", NULL, "a whole module", 1},
    {MODULE(PARTS "'_non_persistent_buffers_set 3 ") ".", NULL, "a whole module", 1},
    {"@own.Net ) #81 ( } ( " PARTS "u } t b .", NULL, "a whole module", 1},
    {"@own.Net ) #81 ( N } t b .", NULL, "without tensors", 0},
    {"@own.Net ) #81 ( N N N t b .", NULL, "without tensors", 0},
    {MODULE("'_parameters } '_buffers } ( 'b " GOOD "#43 #01 #63 " GOOD "N " GOOD "u '_modules } "
            "'_non_persistent_buffers_set @builtins.set ( ] ( 'b 3 'c e t R ") ".",
     NULL, "a whole module", 1},
    {"} ( #43 #01 #ff 3 'w " GOOD "u .", NULL, NULL, 1},
    {"} ( 3 " LIST "'a.w " LIST "u .", NULL, "without tensors", 0},
    {"] ( ] ( 3 " GOOD "e e .", NULL, NULL, 1},
    {"] ( ] ( 'v " GOOD "e ] 3 a e .", NULL, NULL, 1},
    /* ordered dicts of pairs, and what are none */
    {"@collections.OrderedDict ( ] ( ( 'w " GOOD "t t e t R .", NULL, "w", 0},
    {"@collections.OrderedDict ( ] ( 'w " GOOD "t a t R .", NULL, NULL, 1},
    {"@collections.OrderedDict ( ] ( 3 " GOOD "t a t R .", NULL, NULL, 1},
    {"@collections.OrderedDict ( ] 3 a t R .", NULL, "without tensors", 0},
    {"@collections.OrderedDict ( } 'w " GOOD "s t R .", NULL, NULL, 1},
    {"@collections.OrderedDict ( ] t R .", NULL, "without tensors", 0},
    {"] ( ] ( 'w " GOOD "e e .", NULL, NULL, 1},
    {"( ( 'w " GOOD "t ( 'v " GOOD "t t .", NULL, NULL, 2},
    {"@own.List ( ] " GOOD "a t R .", NULL, "own.List", 0},
    {"@own.Dict ) #81 ( 'w " GOOD "u .", NULL, NULL, 1},
    {"@own.List ) #81 ( " GOOD "e .", NULL, NULL, 1},
    /* the same view, and others of the same storage: dtype, rank, sizes, strides */
    {"} ( 'a " TENSOR("0", "2 3", "3 1") "'b " TENSOR("0", "2 3", "3 1") "'c " TENSOR("0", "2 3", "1 2") "'d " TENSOR(
         "0", "3 2", "2 1") "'e " TENSOR("0", "6", "1") "'f " TENSOR("1", "2",
                                                                     "1") "'g " TENSOR("0", "2 3",
                                                                                       "1 1") "'i " TENSOR("0", "2 3",
                                                                                                           "3 1") "u .",
     NULL, NULL, 8},
};

static bool told(const Checkpoint *checkpoint, const char *text) {
    bool found = false;
    for (size_t i = 0; i < checkpoint_note_count(checkpoint); i++)
        found = found || strstr(checkpoint_note(checkpoint, i), text);
    return found;
}

/* What is taken and told of each, and memory that runs out on the way. */
static void container_choices(void **state) {
    (void)state;
    const char *path = scratch_path("choice.pth");
    unsigned wrong = 0;
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
        Error err = {0};
        assert_true(put_zip(path, choices[i].program, six_floats, sizeof six_floats, "little"));
        Checkpoint *checkpoint = checkpoint_open_key(path, choices[i].key, &err);
        const size_t count = checkpoint ? checkpoint_count(checkpoint) : 0;
        const char *text = choices[i].told;
        if (count != choices[i].count ||
            (text && !(checkpoint ? told(checkpoint, text) : strstr(err.text, text) != NULL))) {
            wrong++;
            for (size_t k = 0; checkpoint && k < checkpoint_note_count(checkpoint); k++)
                print_message("note: %s\n", checkpoint_note(checkpoint, k));
            print_message("%zu: %.200s\n  %zu tensors, not %u; '%s', not '%s'\n", i, choices[i].program, count,
                          choices[i].count, checkpoint ? "loads" : err.text, text);
        }
        checkpoint_close(checkpoint);
        bool over = wrong > 0;
        for (uint64_t nth = 1; !over; nth++) {
            fault_arm(FAULT_ALLOC, nth, nth % 2);
            checkpoint = checkpoint_open_key(path, choices[i].key, &err);
            over = fault_disarm() < nth;
            if (!over && !checkpoint && err.status != STATUS_LIMIT && choices[i].count > 0)
                fail_msg("%.200s\n allocation %d: %s", choices[i].program, (int)nth, err.text);
            if (checkpoint) assert_int_equal(checkpoint_count(checkpoint), choices[i].count);
            checkpoint_close(checkpoint);
        }
    }
    assert_int_equal(wrong, 0);
}

/* Names as long as may be, and longer: what is chosen or told of them. L is a name of 3,000 bytes, M of 5,000. */
static void long_names(void **state) {
    (void)state;
    static const struct {
        const char *program, *key, *told;
        unsigned count;
    } cases[] = {{"} 'L " FLAT "s .", NULL, "the state dict is", 2},
                 {"} 'L } 'L " FLAT "s s .", NULL, "a tensor's name has more than 4096 bytes", 0},
                 {"} 'L } 'L " FLAT "s s .", ".", "a tensor's name has more than 4096 bytes", 0},
                 {"} 'L } 'L } 'w " GOOD "s s s .", NULL, "a tensor's name has more than 4096 bytes", 0},
                 {"} 'M " FLAT "s .", NULL, "a tensor's name has more than 4096 bytes", 0},
                 {"} ( 'a " FLAT "'M " FLAT "u .", NULL, "2 of the file's 4 tensors", 2},
                 {"} ( 'a " FLAT "'b } ( 'M " GOOD "'w " GOOD "u u .", NULL, "--key selects \"b\" (2 tensors)", 2},
                 {"} ( 'a " FLAT "'M " FLAT "u .", "M", "--key M: no 'M'; the file holds \"a\" (2 tensors", 0},
                 {"} ( 'a " FLAT "'M " FLAT "u .", "x", "--key x: no 'x'", 0},
                 {"} ( 'a " FLAT "'M @own.Kind u .", NULL, "(own.Kind)", 2},
                 {"} ( 'a " FLAT "'b 'M u .", NULL, "\"b\" (a text)", 2},
                 {"} ( 'a " FLAT "( 'L 'L t " FLAT "u .", NULL, NULL, 2}};
    const char *path = scratch_path("long.pth");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Str program = {0};
        Error err = {0};
        for (const char *at = cases[i].program; *at; at++) {
            const bool name = at[0] == '\'' && (at[1] == 'L' || at[1] == 'M') && at[2] == ' ';
            str_add_bytes(&program, at, 1);
            for (int k = 0; name && k < (at[1] == 'L' ? 3000 : 5000); k++) str_add_bytes(&program, at + 1, 1);
            at += name;
        }
        assert_true(put_zip(path, str_text(&program), six_floats, sizeof six_floats, "little"));
        str_done(&program);
        Checkpoint *checkpoint = checkpoint_open_key(path, cases[i].key, &err);
        const size_t count = checkpoint ? checkpoint_count(checkpoint) : 0;
        const char *text = cases[i].told;
        if (count != cases[i].count ||
            (text && !(checkpoint ? told(checkpoint, text) : strstr(err.text, text) != NULL)))
            fail_msg("%zu: %zu tensors; %.300s", i, count,
                     checkpoint ? checkpoint_note_count(checkpoint) ? checkpoint_note(checkpoint, 0) : "" : err.text);
        checkpoint_close(checkpoint);
        for (uint64_t nth = 1, over = 0; !over; nth++) {
            fault_arm(FAULT_ALLOC, nth, nth % 2);
            checkpoint_close(checkpoint_open_key(path, cases[i].key, &err));
            over = fault_disarm() < nth;
        }
    }
}

/* More names than a wrong --key is compared with. */
static void many_names(void **state) {
    (void)state;
    const char *path = scratch_path("many.pth");
    Str program = {0};
    Error err = {0};
    str_add(&program, "} ( 'model " FLAT "'w " GOOD "<0 'b } ( ");
    for (int i = 0; i < 300; i++) str_addf(&program, "'n%d >0 ", i);
    str_add(&program, "u u .");
    assert_true(put_zip(path, str_text(&program), six_floats, sizeof six_floats, "little"));
    str_done(&program);
    assert_null(checkpoint_open_key(path, "b.zzzz", &err));
    if (!strstr(err.text, "no 'zzzz' in \"b\"")) fail_msg("%s", err.text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(odd_tensors),       cmocka_unit_test(odd_views),    cmocka_unit_test(odd_arrays),
        cmocka_unit_test(odd_values),        cmocka_unit_test(shared_lists), cmocka_unit_test(byte_orders),
        cmocka_unit_test(container_choices), cmocka_unit_test(long_names),   cmocka_unit_test(many_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
