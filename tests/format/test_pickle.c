/* test_pickle -- the inert interpreter on its own: every opcode, what the graph looks like, what the caps are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "../support/pickle_text.h"
#include "format/pickle.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/text.h"

static Error err;

/* The pickle of `bytes` behind seven other bytes and in front of three, or NULL; frees the bytes. */
static Pickle *parse_bytes(Bytes *bytes) {
    Bytes all = {0};
    bytes_add(&all, "before.", 7);
    bytes_add(&all, bytes->data, bytes->length);
    bytes_add(&all, "...", 3);
    File *file = file_memory("p", all.data, all.length, &err);
    assert_non_null(file);
    Pickle *pickle = pickle_parse(file, 7, bytes->length, &err);
    if (pickle) assert_in_range(pickle_end(pickle), 7 + 3, 7 + bytes->length);
    file_close(file);
    bytes_done(&all);
    bytes_done(bytes);
    return pickle;
}

static Pickle *parse(const char *program) {
    Bytes bytes = {0};
    bytes_pickle(&bytes, program);
    size_t length = bytes.length;
    Pickle *pickle = parse_bytes(&bytes);
    if (pickle) assert_int_equal(pickle_end(pickle), 7 + length);
    return pickle;
}

static Pickle *parse_good(const char *program) {
    Pickle *pickle = parse(program);
    if (!pickle) fail_msg("%s: %s", program, err.text);
    return pickle;
}

static void refused(const char *program, Status status, const char *reason) {
    Pickle *pickle = parse(program);
    if (pickle) fail_msg("%s was read", program);
    assert_int_equal(err.status, status);
    if (!strstr(err.text, reason)) fail_msg("%s: %s", program, err.text);
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

/* A one-value program as scalar text. */
static void check_scalar(const char *program, PickleType type, const char *expected) {
    Pickle *pickle = parse_good(program);
    Str text = {0};
    assert_int_equal(pickle_root(pickle)->type, type);
    assert_true(pickle_scalar_text(pickle_root(pickle), &text));
    assert_string_equal(str_text(&text), expected);
    str_done(&text);
    pickle_free(pickle);
}

static void scalars(void **state) {
    (void)state;
    check_scalar("T .", PICKLE_BOOL, "true");
    check_scalar("F .", PICKLE_BOOL, "false");
    check_scalar("K #ff .", PICKLE_INTEGER, "255");
    check_scalar("M #01 #80 .", PICKLE_INTEGER, "32769");
    check_scalar("J #fe #ff #ff #ff .", PICKLE_INTEGER, "-2");
    check_scalar("#8a #00 .", PICKLE_INTEGER, "0");
    check_scalar("#8a #01 #80 .", PICKLE_INTEGER, "-128");
    check_scalar("#8a #02 #80 #00 .", PICKLE_INTEGER, "128");
    check_scalar("#8a #08 #ff #ff #ff #ff #ff #ff #ff #7f .", PICKLE_INTEGER, "9223372036854775807");
    check_scalar("#8a #08 #00 #00 #00 #00 #00 #00 #00 #80 .", PICKLE_INTEGER, "-9223372036854775808");
    check_scalar("G #3f #b9 #99 #99 #99 #99 #99 #9a .", PICKLE_REAL, "0.1");
    check_scalar("G #c0 #08 #00 #00 #00 #00 #00 #00 .", PICKLE_REAL, "-3");
    check_scalar("'text .", PICKLE_TEXT, "text");
    check_scalar("#8c #02 #c3 #a9 .", PICKLE_TEXT, "\xc3\xa9");
    check_scalar("#8d #01 #00 #00 #00 #00 #00 #00 #00 #61 .", PICKLE_TEXT, "a");
    check_scalar("U #03 #61 #62 #63 .", PICKLE_BYTES, "abc");
    check_scalar("#54 #01 #00 #00 #00 #61 .", PICKLE_BYTES, "a");
    check_scalar("#42 #01 #00 #00 #00 #61 .", PICKLE_BYTES, "a");
    check_scalar("#43 #01 #61 .", PICKLE_BYTES, "a");
    check_scalar("#8e #01 #00 #00 #00 #00 #00 #00 #00 #61 .", PICKLE_BYTES, "a");
}

/* A NumPy scalar of the type's code and byte order, its bytes as they stand in `bytes`. */
#define SCALAR(code, order, bytes) \
    "@numpy.core.multiarray.scalar @numpy.dtype ( '" code " F T t R ( 3 '" order " N N N -1 -1 0 t b " bytes " #86 R ."

static void numpy_scalars(void **state) {
    (void)state;
    check_scalar(SCALAR("f8", "<", "#43 #08 #00 #00 #00 #00 #00 #d0 #56 #40"), PICKLE_CALL, "91.25");
    check_scalar(SCALAR("f8", ">", "#43 #08 #40 #56 #d0 #00 #00 #00 #00 #00"), PICKLE_CALL, "91.25");
    check_scalar(SCALAR("f4", "<", "#43 #04 #00 #00 #80 #3f"), PICKLE_CALL, "1");
    check_scalar(SCALAR("f2", "<", "#43 #02 #00 #c0"), PICKLE_CALL, "-2");
    check_scalar(SCALAR("i2", ">", "#43 #02 #ff #fe"), PICKLE_CALL, "-2");
    check_scalar(SCALAR("i8", "<", "#43 #08 #07 #00 #00 #00 #00 #00 #00 #00"), PICKLE_CALL, "7");
    check_scalar(SCALAR("u4", "<", "#43 #04 #ff #ff #ff #ff"), PICKLE_CALL, "4294967295");
    check_scalar(SCALAR("b1", "|", "#43 #01 #01"), PICKLE_CALL, "true");
    /* as protocol 2 writes bytes: text whose characters are the bytes */
    check_scalar(SCALAR("u2", "<", "@_codecs.encode ( #58 #03 #00 #00 #00 #c3 #bf #01 'latin1 t R"), PICKLE_CALL,
                 "511");
    const char *const strange[] = {SCALAR("f8", "<", "#43 #01 #00"),
                                   SCALAR("O8", "<", "#43 #08 #0 #0 #0 #0 #0 #0 #0 #0"),
                                   SCALAR("f9", "<", "#43 #09 #0 #0 #0 #0 #0 #0 #0 #0 #0"),
                                   SCALAR("f8", "<", "N"),
                                   "@numpy.core.multiarray.scalar ) R .",
                                   "N .",
                                   "] .",
                                   "U #01 #ff .",
                                   "U #01 #00 ."};
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
        Pickle *pickle = parse_good(strange[i]);
        Str text = {0};
        assert_false(pickle_scalar_text(pickle_root(pickle), &text));
        str_done(&text);
        pickle_free(pickle);
    }
}

static void graph(void **state) {
    (void)state;
    Pickle *pickle = parse_good("} <0 ( 'a ] ( 1 2 e 3 a 'b ( 4 ) #85 t 7 N 'a #8f ( 8 #90 u .");
    const PickleNode *root = pickle_root(pickle), *list, *tuple;
    assert_int_equal(root->type, PICKLE_DICT);
    assert_int_equal(root->count, 8);
    assert_int_equal(root->depth, 3);
    assert_int_equal(pickle_get(root, "a")->type, PICKLE_OBJECT); /* the last one counts */
    list = root->first->next->node;
    assert_int_equal(list->type, PICKLE_LIST);
    assert_int_equal(list->count, 3);
    assert_int_equal(pickle_item(list, 2)->integer, 3);
    assert_null(pickle_item(list, 3));
    tuple = pickle_get(root, "b");
    assert_int_equal(tuple->type, PICKLE_TUPLE);
    assert_int_equal(pickle_item(tuple, 0)->integer, 4);
    assert_int_equal(pickle_item(pickle_item(tuple, 1), 0)->count, 0);
    assert_null(pickle_get(root, "c"));
    assert_null(pickle_get(list, "a"));
    assert_null(pickle_item(root, 0));
    pickle_free(pickle);
}

static void objects(void **state) {
    (void)state;
    static const char *const leaves[] = {
        "@torch.device ( 'cpu t R .",
        "@torch.device ( 'cuda 1 t R .",
        "@argparse.Namespace ) #81 } 'lr N s b .",
        "@pathlib.PosixPath ( 'a 'b t R .",
        "@collections.Counter ( } 'a 1 s t R .",
        "@collections.defaultdict ( @__builtin__.list t R 'a ] s ( 'b ] u .",
        "@builtins.set ( ] 1 a t R .",
        "@builtins.bytearray ) #81 .",
        "#8f ( 1 2 #90 .",
        "@datetime.datetime ( #43 #01 #00 t R .",
        "@collections.deque ( ] t R ( 1 2 e .",
        "'enum_home 'Colour.RED #93 .",
        "( 1 2 #91 .",
        "@home.Thing ) } #92 } b .",
        "@copyreg._reconstructor ( @home.Thing @builtins.object N t R } 'a 1 s b .",
        "@builtins.getattr ( @torch._C._VariableFunctionsClass 'relu t R .",
        "@_codecs.encode ( 'a 'utf8 t R .",
        "@torch.Size ( 2 t R .",
        "@torch._utils._rebuild_sparse_tensor ( N t R .",
        "@home.Thing ) #81 <0 } 'self >0 s b .",
        "@home.Thing ) #81 <0 ( >0 ) } 'other ] >0 a s t b .",
        "@home.Thing ) #81 'a N s .",
        "@home.Thing ) #81 } b } b .",
    };
    for (size_t i = 0; i < sizeof leaves / sizeof *leaves; i++) {
        Pickle *pickle = parse_good(leaves[i]);
        const PickleType type = (PickleType)pickle_root(pickle)->type;
        if (type != PICKLE_OBJECT && type != PICKLE_NAME) fail_msg("%s: type %d", leaves[i], (int)type);
        assert_int_equal(pickle_root(pickle)->tensors, 0);
        pickle_free(pickle);
    }
    Pickle *pickle = parse_good("@collections.OrderedDict ) R 'a @torch.Size ( ( 2 3 t t R s } '_metadata } s b .");
    assert_int_equal(pickle_root(pickle)->type, PICKLE_DICT);
    assert_int_equal(pickle_root(pickle)->count, 2);
    assert_int_equal(pickle_get(pickle_root(pickle), "a")->count, 2);
    pickle_free(pickle);
    refused("@_codecs.encode ( #58 #02 #00 #00 #00 #c4 #80 'latin1 t R .", STATUS_BAD_INPUT, "not Latin-1");
    refused("( 'os 1 #93 .", STATUS_BAD_INPUT, "not a short text");
    refused("] ( N #90 .", STATUS_BAD_INPUT, "ADDITEMS to something that is not a set");
}

/* What Python 2 made of an OrderedDict, a list of pairs, a class of its own over dict, a module and its buffers. */
static void views(void **state) {
    (void)state;
    static const struct {
        const char *program, *keys;
        uint32_t tensors;
    } cases[] = {
        {"@collections.OrderedDict ( ] ( ] ( 'a " GOOD "e ] ( 'b 1 e e t R } '_metadata } s b .", "a b ", 1},
        {"@collections.OrderedDict ( ] t R .", "", 0},
        {"] ( ( 'a " GOOD "t ( 'b " GOOD "t e .", "a b ", 2},
        {"] ( ( 1 " GOOD "t ( 2 " GOOD "t e .", "- - ", 0},
        {"@home.Config ) #81 ( 'a " GOOD "'b N u } 'x 1 s b .", "a b ", 1},
        {"@home.Thing ) #81 } 'a " GOOD "s b .", "", 0},
        {"@__torch__.Net ) #81 } 'a " GOOD "s b .", "a ", 1},
        {"@home.Net ) #81 } ( '_parameters } 'w " GOOD "s '_buffers } ( 'kept " GOOD "'gone " GOOD
         "u '_non_persistent_buffers_set #8f ( 'gone #90 '_modules } 'sub @home.Net ) #81 } ( '_parameters } 'v " GOOD
         "s '_modules } u b s u b .",
         "w kept sub ", 3},
        {"@home.Net ) #81 } ( '_parameters N '_modules } u b .", "", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Pickle *pickle = parse_good(cases[i].program);
        const PickleNode *key, *value;
        uint32_t index;
        Str keys = {0};
        for (PickleView view = pickle_view(pickle_root(pickle)); pickle_view_next(&view, &key, &index, &value);)
            str_addf(&keys, "%s ", key ? key->text : "-");
        assert_string_equal(str_text(&keys), cases[i].keys);
        if (cases[i].tensors) assert_int_equal(pickle_root(pickle)->tensors, cases[i].tensors);
        str_done(&keys);
        pickle_free(pickle);
    }
}

/* Names that serve to run something, in any dress. */
static void dangerous_names(void **state) {
    (void)state;
    static const char *const programs[] = {
        "@os.system .",
        "@nt.system .",
        "@subprocess.Popen ) #81 .",
        "'sys 'modules #93 .",
        "@builtins.exec .",
        "@__builtin__.compile .",
        "@builtins.__import__ .",
        "@builtins.open ( 'x t R .",
        "@shutil.rmtree .",
        "@socket.socket .",
        "@importlib.import_module .",
        "@ctypes.CDLL .",
        "@runpy.run_path .",
        "'logging 'os.system #93 .",
        "'logging 'os #93 .",
        "'torch.nn 'functional.__builtins__ #93 .",
        "'home 'Thing.__class__ #93 .",
        "@torch.load .",
        "@torch.hub.load .",
        "@pickle.loads .",
        "@webbrowser.open .",
        "@builtins.getattr .",
        "} 'a @builtins.getattr s .",
        "@builtins.getattr ( @home.thing 'system t R .",
        "@builtins.getattr ( @home.thing '__class__ t R .",
        "@builtins.getattr ( @home.thing 1 t R .",
        "@builtins.getattr ( @torch.Size 'x t R .",
        "@functools.partial ( @os.system t R .",
        "@copyreg._reconstructor ( @os.system t R .",
    };
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
        refused(programs[i], STATUS_BAD_INPUT, "is not a tensor type; the file may be malicious; nothing was executed");
}

static void integers(void **state) {
    (void)state;
    static const struct {
        const char *program;
        PickleType type;
        int64_t value;
    } cases[] = {
        {"#8a #08 #ff #ff #ff #ff #ff #ff #ff #7f .", PICKLE_INTEGER, INT64_MAX},
        {"#8a #09 #00 #00 #00 #00 #00 #00 #00 #00 #01 .", PICKLE_OPAQUE, 0},
        {"#8b #02 #00 #00 #00 #ff #ff .", PICKLE_INTEGER, -1},
        {"#8b #0a #00 #00 #00 #00 #00 #00 #00 #00 #00 #00 #00 #00 #01 .", PICKLE_OPAQUE, 0},
        {"#49 #31 #32 #33 #34 #35 #36 #37 #38 #39 #30 #31 #32 #0a .", PICKLE_INTEGER, 123456789012},
        {"#49 #2d #37 #0a .", PICKLE_INTEGER, -7},
        {"#49 #30 #31 #0a .", PICKLE_BOOL, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Pickle *pickle = parse_good(cases[i].program);
        assert_int_equal(pickle_root(pickle)->type, cases[i].type);
        if (cases[i].type == PICKLE_INTEGER) assert_int_equal(pickle_root(pickle)->integer, cases[i].value);
        pickle_free(pickle);
    }
    refused("#8b #ff #ff #ff #ff .", STATUS_BAD_INPUT, "integer of negative length");
    refused("#8b #ff #ff #ff #7f .", STATUS_BAD_INPUT, "2147483647 bytes needed");
    refused("#49 #78 #0a .", STATUS_BAD_INPUT, "the text of an integer is not an integer");
    refused("#30 .", STATUS_BAD_INPUT, "stack underflow");
    refused("N #31 .", STATUS_BAD_INPUT, "finds no MARK");
}

static void tensors_are_counted(void **state) {
    (void)state;
    Pickle *pickle = parse_good("} 'a " GOOD "<0 s 'b ( >0 >0 >0 t s .");
    assert_int_equal(pickle_root(pickle)->tensors, 4);
    assert_non_null(pickle_last_persistent(pickle));
    assert_null(pickle_last_persistent(pickle)->previous);
    pickle_free(pickle);
}

/* ---- protocol 4 and 5 -------------------------------------------------------------------------------------------- */

static void second_tier(void **state) {
    (void)state;
    /* pickletools' view of pickle.dumps({'a': b'x'}, 4), by hand */
    Pickle *pickle =
        parse_good("#80 #04 #95 #0c #00 #00 #00 #00 #00 #00 #00 } #94 #8c #01 #61 #94 #43 #01 #78 #94 s .");
    assert_true(pickle_is_text(pickle_get(pickle_root(pickle), "a"), "x"));
    pickle_free(pickle);
    pickle = parse_good("'collections #94 'OrderedDict #94 #93 #94 ) R #94 >3 #86 .");
    assert_ptr_equal(pickle_item(pickle_root(pickle), 0), pickle_item(pickle_root(pickle), 1));
    pickle_free(pickle);
}

/* ---- every opcode ------------------------------------------------------------------------------------------------ */

/* With nothing on the stack, with a MARK only, and with one value: an opcode may do something useful, but the stream is
 * refused where it is not one value in the end, and never read past its end. */
static void any_opcode_anywhere(void **state) {
    (void)state;
    static const char *const before[] = {"", "(", "N", "N (", ")", "]", "}", "@torch.Size", "( N N"};
    static const char known[] = ".()01INQRTUXJKMGabcehjqrstu]}BC";
    for (unsigned op = 0; op < 256; op++) {
        for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
            for (size_t rest = 0; rest < 12; rest++) {
                Bytes bytes = {0};
                bytes_pickle(&bytes, before[i]);
                bytes_fill(&bytes, (uint8_t)op, 1);
                bytes_fill(&bytes, 0, rest);
                Pickle *pickle = parse_bytes(&bytes);
                if (!pickle) assert_int_equal(err.status, STATUS_BAD_INPUT);
                bool supported = (op < 0x80 && strchr(known, (int)op)) || op >= 0x80;
                if (!supported && op > 0) assert_non_null(strstr(err.text, "unsupported pickle opcode"));
                pickle_free(pickle);
            }
        }
    }
}

static void underflow(void **state) {
    (void)state;
    /* every opcode that takes something off the stack, and how much */
    static const struct {
        const char *opcode;
        unsigned takes;
    } ops[] = {{"a", 2},   {"s", 3},   {"R", 2},   {"b", 2},   {"Q", 1},   {"<0", 1},  {"r #00 #00 #00 #00", 1},
               {"#94", 1}, {"#85", 1}, {"#86", 2}, {"#87", 3}, {"#81", 2}, {"#93", 2}, {".", 1}};
    static const char *const values[] = {"", "'x", "'x 'x"};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        for (unsigned have = 0; have < ops[i].takes; have++) {
            refused(text_of("%s %s .", values[have], ops[i].opcode), STATUS_BAD_INPUT, "stack underflow");
            refused(text_of("'x ( %s %s .", values[have], ops[i].opcode), STATUS_BAD_INPUT, "stack underflow");
        }
    }
    static const char *const marked[] = {"t", "e", "u", "#90"};
    for (size_t i = 0; i < sizeof marked / sizeof *marked; i++) {
        refused(text_of("'x %s .", marked[i]), STATUS_BAD_INPUT, "stack underflow");
        if (i > 0) refused(text_of("( 'x %s .", marked[i]), STATUS_BAD_INPUT, "stack underflow");
    }
}

/* ---- long strings and caps --------------------------------------------------------------------------------------- */

static void long_strings_stay_in_the_file(void **state) {
    (void)state;
    Bytes bytes = {0};
    bytes_pickle(&bytes, "} 'data #54");
    bytes_le(&bytes, 100000, 4);
    size_t offset = bytes.length + 7;
    bytes_fill(&bytes, 'x', 100000);
    bytes_add(&bytes, "s.", 2);
    Pickle *pickle = parse_bytes(&bytes);
    assert_non_null(pickle);
    const PickleNode *data = pickle_get(pickle_root(pickle), "data");
    assert_int_equal(data->count, 100000);
    assert_null(data->text);
    assert_int_equal(data->offset, offset);
    assert_false(pickle_is_text(data, "x"));
    pickle_free(pickle);
}

static void caps(void **state) {
    (void)state;
    Bytes bytes = {0};
    bytes_pickle(&bytes, "(");
    bytes_fill(&bytes, 'N', PICKLE_CAP_NODES + 1);
    bytes_add(&bytes, "t.", 2);
    assert_null(parse_bytes(&bytes));
    assert_int_equal(err.status, STATUS_LIMIT);
    assert_non_null(strstr(err.text, "more than 4000000 values"));
    bytes_pickle(&bytes, "] <0");
    size_t start = bytes.length;
    bytes_fill(&bytes, 1, 2 * PICKLE_CAP_OPCODES);
    for (size_t i = start; i < bytes.length; i += 2) bytes.data[i] = 'q';
    assert_null(parse_bytes(&bytes));
    assert_int_equal(err.status, STATUS_LIMIT);
    assert_non_null(strstr(err.text, "more than 8000000 opcodes"));
}

/* The memo in pages: far indices are as good as near ones. */
static void sparse_memo(void **state) {
    (void)state;
    Pickle *pickle = parse_good("7 r #ff #08 #3d #00 q #09 j #ff #08 #3d #00 #86 .");
    assert_ptr_equal(pickle_item(pickle_root(pickle), 0), pickle_item(pickle_root(pickle), 1));
    pickle_free(pickle);
    refused("7 r #00 #09 #3d #00 .", STATUS_BAD_INPUT, "memo index 4000000, limit 4000000");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars),     cmocka_unit_test(numpy_scalars),
        cmocka_unit_test(graph),       cmocka_unit_test(objects),
        cmocka_unit_test(views),       cmocka_unit_test(dangerous_names),
        cmocka_unit_test(integers),    cmocka_unit_test(tensors_are_counted),
        cmocka_unit_test(second_tier), cmocka_unit_test(any_opcode_anywhere),
        cmocka_unit_test(underflow),   cmocka_unit_test(long_strings_stay_in_the_file),
        cmocka_unit_test(caps),        cmocka_unit_test(sparse_memo),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
