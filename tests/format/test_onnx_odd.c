/* test_onnx_odd -- ONNX files that are odd in one field each, files of which any read fails or finds other bytes, and
 * external data. The list of hostile files (tests/support/hostile_onnx.c) has those that an attacker would write.
 *
 * Files are written down as text, tokens between blanks, N the number of a field:
 *   N{ ... }  a message        N=13  a varint          N~1.5  four bytes, a float     N!3  eight bytes
 *   N'text    a text           N"9   a text of 9 a's   N#8    eight zero bytes        N[1,300  packed varints
 *   %0aff     these bytes      *100:TOKEN  the token a hundred times
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../support/bytes.h"
#include "format/protobuf.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"
#include "weft/format.h"
#include "weft/format/onnx.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- files written as text --------------------------------------------------------------------------------------- */

static const char *assemble(const char *at, Str *out);

static void put_filled(Str *out, uint32_t number, size_t length, char fill) {
    Str text = {0};
    for (size_t i = 0; i < length; i++) str_add_bytes(&text, &fill, 1);
    proto_put_message(out, number, &text);
}

/* One token; returns where it ends. */
static const char *token(const char *at, Str *out) {
    static const char hex[] = "0123456789abcdef";
    if (*at == '*') {
        char *colon;
        const char *end = at;
        for (long times = strtol(at + 1, &colon, 10); times > 0; times--) end = token(colon + 1, out);
        return end;
    }
    if (*at == '%') {
        for (at++; *at && *at != ' '; at += 2)
            str_add_bytes(out, &(char){(char)((strchr(hex, at[0]) - hex) << 4 | (strchr(hex, at[1]) - hex))}, 1);
        return at;
    }
    char *kind;
    const uint32_t number = (uint32_t)strtoul(at, &kind, 10);
    const char *value = kind + 1, *end = value + strcspn(value, " ");
    Str text = {0};
    switch (*kind) {
    case '{':
        end = assemble(value, &text);
        proto_put_message(out, number, &text);
        break;
    case '=':
        proto_put_integer(out, number, strtoll(value, NULL, 10));
        break;
    case '~':
        proto_put_float(out, number, strtof(value, NULL));
        break;
    case '!':
        proto_put_varint(out, (uint64_t)number << 3 | PROTO_FIXED64);
        str_add_bytes(out, (const char[8]){(char)atoi(value)}, 8);
        break;
    case '\'':
        proto_put_bytes(out, number, value, (size_t)(end - value));
        break;
    case '"':
        put_filled(out, number, strtoul(value, NULL, 10), 'a');
        break;
    case '#':
        put_filled(out, number, strtoul(value, NULL, 10), '\0');
        break;
    case '[':
        for (char *next = kind; *next == '[' || *next == ',';)
            proto_put_varint(&text, (uint64_t)strtoll(next + 1, &next, 10));
        proto_put_message(out, number, &text);
        break;
    default:
        fail_msg("no token: %s", at);
    }
    return end;
}

/* Tokens up to a }, or to the end. */
static const char *assemble(const char *at, Str *out) {
    for (at += strspn(at, " "); *at && *at != '}'; at += strspn(at, " ")) at = token(at, out);
    return *at ? at + 1 : at;
}

static const char *put(const char *program) {
    Str out = {0};
    const char *path = scratch_path("odd.onnx");
    assemble(program, &out);
    assert_false(out.failed);
    assert_true(write_bytes(path, str_text(&out), out.length));
    str_done(&out);
    return path;
}

/* Opens and reads every tensor, those that it does not list too. */
static bool read_all(const char *path, Error *err) {
    Checkpoint *checkpoint = checkpoint_open(path, err);
    if (!checkpoint) return false;
    const OnnxModel *model = checkpoint_onnx(checkpoint);
    bool done = model != NULL;
    for (size_t i = 0; done && i < checkpoint_count(checkpoint); i++) {
        const CheckpointTensor *tensor = checkpoint_tensor(checkpoint, i);
        uint8_t *bytes = malloc(tensor->count * dtype_bits(tensor->dtype) / 8 + 1);
        assert_non_null(bytes);
        done = checkpoint_read(checkpoint, i, bytes, err);
        free(bytes);
    }
    for (size_t i = 0; done && i < model->tensor_count; i++)
        if (!model->tensors[i].number) {
            Error text = {0};
            assert_false(onnx_read(checkpoint, &model->tensors[i], &(char){0}, &text));
            assert_non_null(strstr(text.text, "its elements are not numbers"));
        }
    checkpoint_close(checkpoint);
    return done;
}

/* ---- odd fields -------------------------------------------------------------------------------------------------- */

#define MODEL(graph) "1=8 2'test 7{ " graph " } 8{ 1' 2=13 }"
#define W "5{ 1=2 2=1 8'w 9#8 } "
#define NODE(fields) MODEL(W "1{ " fields " 4'X }")
#define ATTRIBUTE(fields) NODE("5{ " fields " }")
#define INPUT(fields) MODEL(W "11{ " fields " }")
#define TENSOR(fields) MODEL("5{ 8'w " fields " }")

static const struct {
    const char *program, *reason; /* NULL: it loads */
} odd[] = {
    {MODEL(W), NULL},
    {MODEL(W) " 14{ 2'v }", NULL},
    {MODEL(W) " 14{ 1'k }", NULL},
    {MODEL(W) " 14{ 1=3 }", "a metadata key (field 1) has wire type 0"},
    {MODEL(W) " 14{ 1'k 2=3 }", "a metadata value (field 2) has wire type 0"},
    {MODEL(W) " 14{ %08 }", "extends beyond the end"},
    {MODEL(W) " 8{ 1'other 2=0 }", NULL},
    {MODEL(W) " 8{ 1'ai.onnx 2=0 }", "operator set 0 does not exist"},
    {MODEL(W) " 8{ 2=1001 }", "operator set 1001 does not exist"},
    {MODEL(W) " 8{ 2~1 }", "an operator set's version (field 2) has wire type 5"},
    {MODEL(W) " 8{ 1=1 }", "an operator set's domain (field 1) has wire type 0"},
    {MODEL(W) " 8{ %10 }", "extends beyond the end"},
    {MODEL(W) " 1~3", "ir_version (field 1) has wire type 5"},
    {MODEL(W) " 2=3", "the producer's name (field 2) has wire type 0"},
    {MODEL(W) " 14=3", "a part of the model (field 14) has wire type 0"},
    {MODEL(W) " %0d0102", "extends beyond the end"},
    {MODEL(W) " %09010203", "extends beyond the end"},
    {MODEL(W " 1{ %0d010203 }"), "extends beyond the end"},
    {MODEL(W " 11=3"), "an input (field 11) has wire type 0"},
    {MODEL(W " 12=3"), "an output (field 12) has wire type 0"},
    {MODEL("*100001:5{ }"), "100001 initialisers, limit 100000"},
    {MODEL("*100001:1{ }"), "100001 nodes and 0 initialisers, limit 100000"},
    /* nodes and their attributes */
    {NODE("1'a 1' 2'b 3'name 7'domain 6'doc 40=1"), NULL},
    {NODE("5=3"), "a node's attribute (field 5) has wire type 0"},
    {NODE("7=3"), "a node's domain (field 7) has wire type 0"},
    {NODE("1=3"), "a node's input (field 1) has wire type 0"},
    {NODE("2=3"), "a node's output (field 2) has wire type 0"},
    {NODE("3=3"), "a node's name (field 3) has wire type 0"},
    {NODE("4=3"), "a node's operator (field 4) has wire type 0"},
    {MODEL(W "1{ 3'n }"), "node \"n\" has no operator"},
    {MODEL(W "1{ 4'X %08 }"), "extends beyond the end"},
    {NODE("5{ %08 }"), "extends beyond the end"},
    {ATTRIBUTE("1'f 2~1"), NULL},
    {ATTRIBUTE("1'f 2=1"), "an attribute's number (field 2) has wire type 0"},
    {ATTRIBUTE("1=3"), "an attribute's name (field 1) has wire type 0"},
    {ATTRIBUTE("1'i 3~1"), "an attribute's integer (field 3) has wire type 5"},
    {ATTRIBUTE("1'i 4=1"), "an attribute's text (field 4) has wire type 0"},
    {ATTRIBUTE("1'i 5=1"), "an attribute's tensor (field 5) has wire type 0"},
    {ATTRIBUTE("1's 20=3"), NULL},
    {ATTRIBUTE("1's %2201ff"), NULL},
    {ATTRIBUTE("1't 20=4"), "attribute \"t\" has no tensor"},
    {ATTRIBUTE("1'? 20=99"), NULL},
    {ATTRIBUTE("1'? 20~99"), NULL},
    {ATTRIBUTE("1'? 5{ 2=8 1=1 6'text }"), NULL},
    {ATTRIBUTE("1'f 7~1 7#8 7~2 9=1"), NULL},
    {ATTRIBUTE("1'f 7=1"), "a list of numbers (field 7) has wire type 0"},
    {ATTRIBUTE("1'f 7#7"), "not a multiple of 4 bytes"},
    {ATTRIBUTE("1'i 8=1 8[2,300,-1 8=3 9=1"), NULL},
    {ATTRIBUTE("1'i 8~1"), "a list of integers (field 8) has wire type 5"},
    {ATTRIBUTE("1'i 8'\xff"), "extends beyond the end"},
    /* constants: numbers with a fraction, of rank 1 at least */
    {MODEL("1{ 4'Constant 2'c 5{ 1'value 5{ 1=1 2=1 4~1 } } }"), NULL},
    {MODEL(W "1{ 4'Constant 2'c 5{ 1'value 5{ 1=1 2=9 5=1 } } }"), NULL},
    {MODEL(W "1{ 4'Constant 2'c 5{ 1'value 5{ 1=1 2=7 7=1 } } }"), NULL},
    {MODEL(W "1{ 4'Constant 2'c 5{ 1'value 5{ 1=1 2=8 6'a } } }"), NULL},
    {MODEL(W "1{ 4'Constant 2'c 5{ 1'value 5{ 2=1 4~1 } } }"), NULL},
    {MODEL(W "1{ 4'Constant 2'c 5{ 1'value 3=1 } }"), NULL},
    {MODEL(W "1{ 4'Constant 2'c 2'd 5{ 1'value 5{ 1=1 2=1 4~1 } } }"), NULL},
    {MODEL(W "1{ 4'Constant 2' 5{ 1'value 5{ 1=1 2=1 4~1 } } }"), "an initialiser without a name"},
    {MODEL(W "1{ 4'Constant 2'w 5{ 1'value 5{ 1=1 2=1 4~1 } } }"), "appears twice"},
    /* inputs and their shapes */
    {INPUT("1'x 2{ 1{ 1=1 2{ 1{ 1=1 } 1{ 2'N } 1{ 1=-5 } 2=1 } } }"), NULL},
    {INPUT("1'x 2{ }"), NULL},
    {INPUT("2{ 1{ } }"), NULL},
    {INPUT("1=1"), "an input's or output's name (field 1) has wire type 0"},
    {INPUT("2=1"), "an input's or output's type (field 2) has wire type 0"},
    {INPUT("%08"), "extends beyond the end"},
    {INPUT("2{ %08 }"), "extends beyond the end"},
    {INPUT("2{ 1{ 2{ %08 } } }"), "extends beyond the end"},
    {INPUT("2{ 1{ 2{ 1{ %08 } } } }"), "extends beyond the end"},
    {INPUT("2{ 1{ 2{ 1=3 } } }"), "a dimension (field 1) has wire type 0"},
    {INPUT("2{ 1{ 2{ 1{ 1~1 } } } }"), "a dimension's size (field 1) has wire type 5"},
    {INPUT("1'x 2{ 1{ 2{ *9:1{ } } } }"), "\"x\" has more than 8 dimensions"},
    /* tensors */
    {TENSOR("1=2 2=1 4~1 4#4 9=1"), "raw_data (field 9) has wire type 0"},
    {TENSOR("1=2 2~1"), "a tensor's type (field 2) has wire type 5"},
    {TENSOR("1=2 2=1 14~1"), "data_location (field 14) has wire type 5"},
    {TENSOR("1=2 2=1 13=1"), "external_data (field 13) has wire type 0"},
    {TENSOR("1=2 2=1 %08"), "extends beyond the end"},
    {TENSOR("1=2 2=1 13{ %08 }"), "extends beyond the end"},
    {TENSOR("1=2 2=1 13{ 1=1 }"), "a key of external data (field 1) has wire type 0"},
    {TENSOR("1=2 2=1 13{ 2=1 }"), "a value of external data (field 2) has wire type 0"},
    {TENSOR("1=2 2=1 13{ 1'other 2'x } 9#8"), NULL},
    {TENSOR("1[2,3 2=1 9#24"), NULL},
    {TENSOR("1=2305843009213693952 2=1 9#8"), "its shape has too many bytes"},
    {TENSOR("1=0 2=1"), NULL},
    {TENSOR("1=2 2=14 4#16"), NULL},
    {TENSOR("1=2 2=14 4#8"), "2 elements; its shape needs 4"},
    {TENSOR("1=1 2=15 10!1 10!2"), NULL},
    {TENSOR("1=1 2=15 10~1"), "a tensor's elements (field 10) has wire type 5"},
    {TENSOR("1=3 2=7 7[1,300 7=-1 6=4"), NULL},
    {TENSOR("1=3 2=7 7~1"), "a tensor's elements (field 7) has wire type 5"},
    {TENSOR("1=1 2=7 7'\xff"), "extends beyond the end"},
    {TENSOR("1=1 2=0 7=1"), NULL},
    {TENSOR("1=1 2=21 7=1"), NULL},
    {MODEL(W "5{ 8't 1=1 2=8 6'text }"), NULL},
};

static void odd_fields(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        Error err = {0};
        const char *path = put(odd[i].program);
        const bool done = read_all(path, &err);
        if (done != !odd[i].reason || (!done && !(strstr(err.text, odd[i].reason) && strstr(err.text, path))))
            fail_msg("%.300s\n  %s, not %s", odd[i].program, done ? "loads" : err.text, odd[i].reason);
        if (!done) assert_true(err.status == STATUS_BAD_INPUT || err.status == STATUS_LIMIT);
    }
}

/* How a file may begin to be taken for an ONNX model. */
static void beginnings(void **state) {
    (void)state;
    static const struct {
        const char *program;
        bool onnx;
    } cases[] = {{"1=8 5=1 3'1.0 4'domain 6'doc 7{ }", true},
                 {"1=8 8{ 1' 2=13 }", true},
                 {"1=8 8{ 2=13 }", true},
                 {"1=8 6\"100000 7{ }", true},
                 {"1=8 2\"100000 7{ }", false},
                 {"6\"100000 7{ }", false},
                 {"7{ }", false},
                 {"1=8 8{ }", false},
                 {"1=8 8{ 3=1 }", false},
                 {"1=8 %4202", false},
                 {"1=8 2'\xff 7{ }", false},
                 {"1=8 2'\001 7{ }", false},
                 {"1=8 6'\001 7{ }", true},
                 {"1=8 9=1", false},
                 {"1=8 2=1000000", false},
                 {"1=8 %12ffff7f", false},
                 {"1=8 %ffffffffffffffffffff", false},
                 {"1=8 %08", false},
                 {"1=8 %80", false},
                 {"1=8", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Error err = {0};
        const bool done = read_all(put(cases[i].program), &err);
        const bool onnx = strstr(err.text, "ONNX") || strstr(err.text, "operator set") || strstr(err.text, "protobuf");
        if (done || onnx != cases[i].onnx) fail_msg("%.100s: %s", cases[i].program, err.text);
    }
}

/* A text that is longer than the cap: zeros, which no disk holds. */
static void long_text(void **state) {
    (void)state;
    enum { TEXT = (16 << 20) + 1 };
    Error err = {0};
    Str out = {0}, graph = {0}, node = {0};
    const char *path = scratch_path("long.onnx");
    proto_put_head(&node, 3, TEXT);
    proto_put_head(&graph, 1, node.length + TEXT);
    str_add_bytes(&graph, node.text, node.length);
    proto_put_integer(&out, 1, 8);
    proto_put_head(&out, 7, graph.length + TEXT);
    str_add_bytes(&out, graph.text, graph.length);
    assert_true(write_bytes(path, out.text, out.length));
    assert_int_equal(truncate(path, (off_t)out.length + TEXT), 0);
    assert_false(read_all(path, &err));
    assert_int_equal(err.status, STATUS_LIMIT);
    assert_non_null(strstr(err.text, "a node's name has 16777217 bytes, limit 16777216"));
    str_done(&out);
    str_done(&graph);
    str_done(&node);
}

/* ---- files that are read in parts -------------------------------------------------------------------------------- */

/* Each list and text is longer than the window through which the file is read, so that what was counted is read again
 * when it is taken. */
static const char large[] =
    "1=8 2'test 3\"33000 7{ "
    "1{ *3400:1'an-input 2'y 3\"33000 4'Big 6\"33000 "
    "5{ 1'a 7#36000 20=6 9\"33000 7~1 } 5{ 1'b *6600:7~1.5 } 5{ 1'c *11000:8[300 } 5{ 1'd *11000:8=300 } "
    "5{ 1'e 5{ 1=11000 2=7 *11000:7=300 8'inner } 9\"33000 } 5{ 1'f 4\"33000 9\"33000 } } "
    "5{ 1=9000 2=1 8'a 4#36000 14=0 } 5{ 1=6600 2=1 8'b *6600:4~1.5 } 5{ 1=11000 2=7 8'c *11000:7[300 } "
    "5{ 1=3700 2=11 8'd *3700:10!1 } 5{ 1=11000 2=6 8'e *11000:5=300 } 5{ 1=9000 2=1 8\"4000 9#36000 14=0 } "
    "5{ 1=33000 2=7 8'g 7\"33000 } 11{ 1'x 3\"33000 2{ 1{ 1=1 3\"33000 2{ 1{ 1=1 3\"33000 2'n } 3\"33000 1{ 2'n 3\"33000 1=3 } 2\"33000 } } } } "
    "12{ 1'y 3\"33000 2{ } } } 8{ 1' 3\"33000 2=13 } 14{ 1'key 2\"33000 } 14{ 1'more 3\"33000 2'v }";

/* Reads that come short; any read fails, or finds other bytes, once or from then on. */
static void reads_fail(void **state) {
    (void)state;
    static const unsigned kinds[] = {FAULT_READ, FAULT_CHANGED};
    Error err = {0};
    const char *path = put(large);
    fault_arm(FAULT_SHORT, 1, true);
    if (!read_all(path, &err)) fail_msg("%s", err.text);
    fault_disarm();
    for (size_t i = 0; i < 2; i++) {
        bool over = false;
        for (uint64_t nth = 1; !over; nth++) {
            memset(&err, 0, sizeof err);
            fault_arm(kinds[i], nth, i == 1 && nth % 2);
            const bool done = read_all(path, &err);
            over = fault_disarm() < nth;
            if (over) assert_true(done);
            if (done && !over && kinds[i] == FAULT_READ) fail_msg("read %d is not missed", (int)nth);
            if (!done && (err.status != STATUS_BAD_INPUT || !strstr(err.text, path)))
                fail_msg("read %d: %s", (int)nth, err.text);
            assert_true(nth < 1000);
        }
    }
}

/* A file that changes between two looks: with other lengths it has more inputs, numbers or elements than were counted,
 * and room for. */
static void changed(void **state) {
    (void)state;
    static const char *const programs[] = {
        /* an input of 1,280 bytes, which becomes an empty one before eleven others */
        "1{ 4'X %0a800a7d *125:%61 *9:%0a7d6161616161616161616161616161616161616161616161616161616161616161616161616161"
        "6161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161"
        "616161616161616161616161616161616161616161616161616161616161616161 %0a09 *9:%61 3\"40000 *500:6\"100 }",
        "1{ 4'X 5{ 1'i *20000:8[300 } 5{ 1'j 8=300 *500:9\"100 8=300 } }",
        /* 1,952 numbers in one block, which becomes an empty one before others of four bytes; and so for a tensor */
        "1{ 4'X 5{ 1'f 7~1 %3a803d00000000 *1560:%3d00000000 %4a020000 *500:9\"100 7~1 } }",
        "5{ 1=61 1=32 2=1 8'e %22803d00000000 *1560:%3d00000000 %4a020000 *500:6\"100 14=0 }",
        "5{ 1=100 1=100 2=7 8'e *10000:7[300 *500:6\"100 14=0 }",
        /* a comment, of which the rest becomes numbers */
        "5{ 1=1 2=1 8'e 4#4 %32802278 *4351:%00 *500:6\"100 14=0 }",
        "5{ 1=1 2=1 8'e 4#4 %328025 *4736:%00 *500:6\"100 14=0 }"};
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        Str program = {0};
        str_addf(&program, "1=8 2'test 7{ " W "%s } 8{ 1' 2=13 }", programs[i]);
        const char *path = put(str_text(&program));
        bool over = false, here = false;
        for (uint64_t nth = 1; !over; nth++) {
            Error err = {0};
            fault_arm(FAULT_CHANGED, nth, nth % 2);
            const bool done = read_all(path, &err);
            over = fault_disarm() < nth;
            if (over && !done) fail_msg("%zu: %s", i, err.text);
            if (!done) assert_int_equal(err.status, STATUS_BAD_INPUT);
            here = here || strstr(err.text, "file changed while reading");
            assert_true(nth < 200);
        }
        if (!here) fail_msg("%s: not noticed", programs[i]);
        str_done(&program);
    }
}

/* Memory that runs out at any allocation. */
static void no_memory(void **state) {
    (void)state;
    const char *path = put("1=8 2'test 7{ " W "1{ 4'Constant 1'x 2'c 3'n 7'd 5{ 1'value 5{ 1=1 2=1 4~1 } } } "
                           "1{ 4'X 5{ 1's 4'text } 5{ 1'f 7~1 } 5{ 1'i 8=1 } } 5{ 8't 1=1 2=8 } "
                           "11{ 1'x 2{ 1{ 2{ 1{ 1=1 } } } } } 12{ 1'y } } 8{ 1'ai.onnx 2=13 } 14{ 1'k 2'v }");
    for (int all_after = 0; all_after < 2; all_after++) {
        bool over = false;
        for (uint64_t nth = 1; !over; nth++) {
            Error err = {0};
            fault_arm(FAULT_ALLOC, nth, all_after);
            const bool done = read_all(path, &err);
            over = fault_disarm() < nth;
            assert_int_equal(done, over);
            if (!done && err.status != STATUS_LIMIT) fail_msg("allocation %d: %s", (int)nth, err.text);
        }
    }
}

/* ---- external data ----------------------------------------------------------------------------------------------- */

#define EXTERNAL(location, more) TENSOR("1=2 2=1 14=1 13{ 1'location 2'" location " } " more)

static void external_data(void **state) {
    (void)state;
    static const struct {
        const char *program, *reason;
    } cases[] = {{EXTERNAL("w.data", ""), NULL},
                 {EXTERNAL("./w.data", "13{ 1'length 2'8 } 13{ 1'offset 2'4 }"), NULL},
                 {EXTERNAL("w.data", "13{ 1'offset 2'5 }"), "8 bytes at byte 5 of \"w.data\", which has 12 bytes"},
                 {EXTERNAL("w.data", "13{ 1'offset 2'13 }"), "8 bytes at byte 13 of \"w.data\", which has 12 bytes"},
                 {EXTERNAL("", ""), "not the plain name of a file"},
                 {EXTERNAL("./", ""), "not the plain name of a file"},
                 {EXTERNAL("~w", ""), "not the plain name of a file"},
                 {EXTERNAL(".", ""), "not the plain name of a file"},
                 {EXTERNAL("a\\b", ""), "not the plain name of a file"},
                 {EXTERNAL("w.data", "13{ 1'length 2'x }"), "is not a number"},
                 /* two tensors of one file */
                 {MODEL("5{ 8'v 1=2 2=1 14=1 13{ 1'location 2'./w.data } } "
                        "5{ 8'w 1=2 2=1 14=1 13{ 1'location 2'w.data } }"),
                  NULL}};
    char here[PATH_MAX];
    assert_true(write_bytes(scratch_path("w.data"), "123456789012", 12));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Error err = {0};
        const bool done = read_all(put(cases[i].program), &err);
        if (done != !cases[i].reason || (!done && !strstr(err.text, cases[i].reason)))
            fail_msg("%s\n  %s, not %s", cases[i].program, done ? "loads" : err.text, cases[i].reason);
        for (uint64_t nth = 1, over = 0; done && !over; nth++) {
            fault_arm(nth % 2 ? FAULT_ALLOC : FAULT_OPEN | FAULT_READ, nth / 2 + 1, false);
            const bool read = read_all(scratch_path("odd.onnx"), &err);
            over = fault_disarm() < nth / 2 + 1 && nth > 100;
            if (!read && !*err.text) fail_msg("call %d: no reason", (int)nth);
        }
    }
    Error err = {0}; /* beside a model without a folder in its name */
    put(cases[0].program);
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(scratch_folder()), 0);
    if (!read_all("odd.onnx", &err)) fail_msg("%s", err.text);
    for (uint64_t nth = 1; nth < 40; nth++) {
        fault_arm(FAULT_ALLOC, nth, false);
        const bool done = read_all("odd.onnx", &err);
        if (fault_disarm() >= nth) assert_false(done);
    }
    assert_int_equal(chdir(here), 0);
}

/* As many files as may be open, and one more. */
static void many_files(void **state) {
    (void)state;
    enum { MOST = 1000 };
    struct rlimit files;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    if (files.rlim_max < MOST + 100) skip();
    files.rlim_cur = files.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    for (int count = MOST; count <= MOST + 1; count++) {
        Error err = {0};
        Str program = {0};
        str_add(&program, "1=8 2'test 7{ ");
        for (int i = 0; i < count; i++) {
            assert_true(write_bytes(scratch_path(text_of("w%d", i)), "12345678", 8));
            str_addf(&program, "5{ 8'w%d 1=2 2=1 14=1 13{ 1'location 2'w%d } } ", i, i);
        }
        str_add(&program, "} 8{ 1' 2=13 }");
        const bool done = read_all(put(str_text(&program)), &err);
        assert_int_equal(done, count == MOST);
        if (!done && !strstr(err.text, "more than 1000 files of external data")) fail_msg("%s", err.text);
        str_done(&program);
    }
}

int main(void) {
    scratch_folder();
    const struct CMUnitTest tests[] = {cmocka_unit_test(odd_fields),    cmocka_unit_test(beginnings),
                                       cmocka_unit_test(long_text),     cmocka_unit_test(reads_fail),
                                       cmocka_unit_test(changed),       cmocka_unit_test(no_memory),
                                       cmocka_unit_test(external_data), cmocka_unit_test(many_files)};
    if (getenv("ONLY_TEST")) cmocka_set_test_filter(getenv("ONLY_TEST"));
    return cmocka_run_group_tests_name("onnx_odd", tests, NULL, NULL);
}
