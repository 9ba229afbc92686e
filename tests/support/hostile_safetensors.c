/* hostile_safetensors -- hostile safetensors files and indexes (docs/reliability.md, section 7, rows 12 to 41). */
#include "bytes.h"
#include "hostile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Writes the bytes and frees them. */
static bool put(const char *path, Bytes *bytes) {
    bool ok = write_bytes(path, bytes->data, bytes->length);
    bytes_done(bytes);
    return ok;
}

static bool with_json(const char *path, const char *json, size_t data) {
    Bytes bytes = {0};
    bytes_safetensors(&bytes, json, data);
    return put(path, &bytes);
}

#define TENSOR(name, dtype, shape, offsets) \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" offsets "]}"
#define CASE(function, json, data)           \
    static bool function(const char *path) { \
        return with_json(path, json, data);  \
    }

/* ---- the length -------------------------------------------------------------------------------------------------- */

static bool seven_bytes(const char *path) {
    Bytes bytes = {0};
    bytes_fill(&bytes, 2, 7);
    return put(path, &bytes);
}

/* A good file of 66 + 8 bytes and 4 of data, whose length says `length`. */
static bool with_length(const char *path, uint64_t length) {
    Bytes bytes = {0}, lie = {0};
    bytes_safetensors(&bytes, "{" TENSOR("w", "F32", "1", "0,4") "}", 4);
    bytes_le(&lie, length, 8);
    memcpy(bytes.data, lie.data, 8);
    bytes_done(&lie);
    return put(path, &bytes);
}

static bool length_2_64(const char *path) {
    return with_length(path, UINT64_MAX);
}

static bool length_past_end(const char *path) {
    size_t size = 8 + strlen("{" TENSOR("w", "F32", "1", "0,4") "}") + 4;
    return with_length(path, size - 7);
}

static bool length_over_cap(const char *path) {
    return with_length(path, 100000001) && truncate(path, 200000000) == 0;
}

/* ---- the JSON ---------------------------------------------------------------------------------------------------- */

CASE(bad_utf8, "{" TENSOR("\xff\xfe", "F32", "1", "0,4") "}", 4)
CASE(one_brace, "{", 0)
CASE(duplicate_tensor, "{" TENSOR("w", "F32", "1", "0,4") "," TENSOR("w", "F32", "1", "4,8") "}", 8)
CASE(duplicate_key, "{\"w\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4)
CASE(duplicate_metadata_key, "{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0)
CASE(duplicate_metadata, "{\"__metadata__\":{},\"__metadata__\":{}}", 0)
CASE(missing_key, "{\"w\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4)
CASE(extra_key, "{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4)
CASE(metadata_number, "{\"__metadata__\":{\"a\":1}}", 0)
CASE(lone_surrogate, "{" TENSOR("\\ud800", "F32", "1", "0,4") "}", 4)
CASE(nul_in_name, "{" TENSOR("\\u0000", "F32", "1", "0,4") "}", 4)
CASE(trailing_comma, "{" TENSOR("w", "F32", "1", "0,4") ",}", 4)
CASE(behind_the_object, "{" TENSOR("w", "F32", "1", "0,4") "} {}", 4)
CASE(leading_space, " \n{" TENSOR("w", "F32", "1", "0,4") "} ", 4)

static bool repeated(const char *path, const char *head, const char *repeat, size_t times, const char *tail) {
    Bytes json = {0}, bytes = {0};
    bytes_add(&json, head, strlen(head));
    for (size_t i = 0; i < times; i++) bytes_add(&json, repeat, strlen(repeat));
    bytes_add(&json, tail, strlen(tail) + 1);
    bytes_safetensors(&bytes, (const char *)json.data, 4);
    bytes_done(&json);
    return put(path, &bytes);
}

static bool deep_arrays(const char *path) {
    return repeated(path, "", "[", 100000, "");
}

static bool deep_in_tensor(const char *path) {
    return repeated(path, "{\"w\":", "[", 100000, "");
}

/* Ten million entries in 70 MB. The block is written many times over, so that making the file is quick too. */
static bool many_entries(const char *path) {
    static const char entry[] = "\"a\":\"\",", head[] = "{\"__metadata__\":{";
    enum { BLOCK = 10000, BLOCKS = 1000 };
    Bytes block = {0}, start = {0};
    for (int i = 0; i < BLOCK; i++) bytes_add(&block, entry, sizeof entry - 1);
    bytes_le(&start, sizeof head - 1 + block.length * BLOCKS, 8);
    bytes_add(&start, head, sizeof head - 1);
    FILE *file = fopen(path, "wb");
    bool ok = file && fwrite(start.data, 1, start.length, file) == start.length;
    for (int i = 0; i < BLOCKS && ok; i++) ok = fwrite(block.data, 1, block.length, file) == block.length;
    bytes_done(&block);
    bytes_done(&start);
    return file && fclose(file) == 0 && ok;
}

/* Two tensors more than a million, all of them good. */
static bool many_tensors(const char *path) {
    enum { TENSORS = 1000002, ENTRY = 60 };
    char *json = malloc((size_t)TENSORS * ENTRY + 3), *at = json;
    if (!json) return false;
    *at++ = '{';
    for (int i = 0; i < TENSORS; i++) at += sprintf(at, "%s" TENSOR("%d", "U8", "0", "0,0"), i ? "," : "", i);
    strcpy(at, "}");
    bool ok = with_json(path, json, 0);
    free(json);
    return ok;
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

CASE(wraps_to_zero, "{" TENSOR("w", "F32", "4294967296,4294967296", "0,0") "}", 0)
CASE(wraps_with_zero, "{" TENSOR("w", "F32", "0,281474976710655,281474976710655", "0,0") "}", 0)
CASE(beyond_2_63, "{" TENSOR("w", "F32", "2,9223372036854775808", "0,0") "}", 0)
CASE(exponent, "{" TENSOR("w", "F32", "1e3", "0,4000") "}", 4000)
CASE(negative, "{" TENSOR("w", "F32", "-1", "0,4") "}", 4)
CASE(fraction, "{" TENSOR("w", "F32", "1.0", "0,4") "}", 4)
CASE(leading_zero, "{" TENSOR("w", "F32", "01", "0,4") "}", 4)
CASE(backwards, "{" TENSOR("w", "F32", "2", "8,0") "}", 8)
CASE(one_offset, "{" TENSOR("w", "F32", "1", "4") "}", 4)
CASE(three_offsets, "{" TENSOR("w", "F32", "1", "0,4,4") "}", 4)
CASE(hole, "{" TENSOR("a", "F32", "1", "0,4") "," TENSOR("b", "F32", "1", "8,12") "}", 12)
CASE(hole_in_front, "{" TENSOR("a", "F32", "1", "4,8") "}", 8)
CASE(trailing_bytes, "{" TENSOR("w", "F32", "1", "0,4") "}", 5)
CASE(missing_bytes, "{" TENSOR("w", "F32", "2", "0,8") "}", 7)
CASE(size_differs, "{" TENSOR("w", "F32", "32,8", "0,65536") "}", 65536)
CASE(unknown_dtype, "{" TENSOR("w", "F128", "1", "0,16") "}", 16)
CASE(numpy_dtype, "{" TENSOR("w", "C128", "1", "0,16") "}", 16)
CASE(odd_f4, "{" TENSOR("w", "F4", "3", "0,1") "}", 1)
CASE(even_f4, "{" TENSOR("w", "F4", "4", "0,2") "}", 2)
CASE(rank_33, "{" TENSOR("w", "U8", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1", "0,1") "}", 1)
CASE(zero_dim_and_rank_0,
     "{" TENSOR("e", "F32", "3,0", "0,0") "," TENSOR("s", "F32", "", "0,4") "," TENSOR("f", "F32", "0", "4,4") "}", 4)

static bool overlap(const char *path) {
    enum { TENSORS = 100000, ENTRY = 70 };
    char *json = malloc((size_t)TENSORS * ENTRY + 3), *at = json;
    if (!json) return false;
    *at++ = '{';
    for (int i = 0; i < TENSORS; i++) at += sprintf(at, "%s" TENSOR("%d", "F32", "256", "0,1024"), i ? "," : "", i);
    strcpy(at, "}");
    bool ok = with_json(path, json, 1024);
    free(json);
    return ok;
}

static bool long_name(const char *path) {
    return repeated(path, "{\"", "n", 4097, "\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}");
}

/* ---- indexes ----------------------------------------------------------------------------------------------------- */

static bool with_text(const char *path, const char *text) {
    return write_bytes(path, text, strlen(text));
}

#define INDEX(function, file)                                            \
    static bool function(const char *path) {                             \
        return with_text(path, "{\"weight_map\":{\"w\":\"" file "\"}}"); \
    }
INDEX(index_parent, "../x.safetensors")
INDEX(index_absolute, "/etc/passwd")
INDEX(index_folder, "a/b.safetensors")
INDEX(index_backslash, "a\\\\b.safetensors")
INDEX(index_home, "~x.safetensors")
INDEX(index_dots, "..")
INDEX(index_missing, "37-is-not-there.safetensors")

static bool index_missing_two(const char *path) {
    return with_text(path, "{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}}");
}

static bool index_duplicate(const char *path) {
    return with_text(path, "{\"weight_map\":{\"a\":\"one.safetensors\"},\"weight_map\":{}}");
}

static bool index_deep(const char *path) {
    Bytes bytes = {0};
    static const char head[] = "{\"weight_map\":{},\"metadata\":{\"x\":";
    bytes_add(&bytes, head, sizeof head - 1);
    bytes_fill(&bytes, '[', 100000);
    return put(path, &bytes);
}

/* PATH itself as the shard of its own tensor. */
static bool index_itself(const char *path) {
    return with_text(path, text_of("{\"weight_map\":{\"w\":\"%s\"}}", strrchr(path, '/') + 1));
}

/* An index of two tensors and `total` bytes, with its shards PATH-1 and PATH-2, whose JSON is given. */
static bool two_shards(const char *path, int total, const char *first, const char *second) {
    const char *name = strrchr(path, '/') + 1;
    return with_json(text_of("%s-1", path), first, 4) && with_json(text_of("%s-2", path), second, 4) &&
           with_text(path, text_of("{\"metadata\":{\"total_size\":%d,\"note\":[1,{\"a\":null}]},"
                                   "\"weight_map\":{\"a\":\"%s-1\",\"b\":\"%s-2\"}}",
                                   total, name, name));
}

#define ONE(name) "{" TENSOR(name, "F32", "1", "0,4") "}"
static bool index_two_shards(const char *path) {
    return two_shards(path, 8, ONE("a"), "{" TENSOR("b", "F16", "1", "0,2") "," TENSOR("a", "F16", "1", "2,4") "}");
}

static bool index_absent(const char *path) {
    return two_shards(path, 8, ONE("a"), ONE("c"));
}

static bool index_total(const char *path) {
    return two_shards(path, 9, ONE("a"), ONE("b"));
}

static bool index_unmapped(const char *path) {
    return two_shards(path, 8, ONE("a"), "{" TENSOR("b", "F16", "1", "0,2") "," TENSOR("more", "F16", "1", "2,4") "}");
}

/* Ties to itself, in a circle, to what is not there; and one that is sound. */
CASE(tie_circle,
     "{\"__metadata__\":{\"a.w\":\"a.w\",\"b.w\":\"c.w\",\"c.w\":\"b.w\",\"d.w\":\"e.w\",\"f.w\":\"a.w\"}," TENSOR(
         "a.w", "F32", "2,2", "0,16") "}",
     16)

/* Parts of weights with no elements, and parts that name themselves. */
CASE(parts_of_nothing,
     "{" TENSOR("weight_g", "F32", "0,1", "0,0") "," TENSOR("weight_v", "F32", "0,4", "0,0") "," TENSOR(
         "b.weight_u", "F32", "0", "0,0") "," TENSOR("b.weight_orig", "F32", "0,4",
                                                     "0,0") "," TENSOR("_g", "F32", "2,2", "0,16") "}",
     16)

const HostileCase hostile_safetensors[] = {
    {12, "12-seven-bytes.safetensors", "net", seven_bytes, 3, "not a checkpoint of any known format"},
    {13, "13-length-2-64.safetensors", "net", length_2_64, 3,
     "safetensors: header length 18446744073709551615; the format allows"},
    {14, "14-length-past-end.safetensors", "net", length_past_end, 3, "bytes follow"},
    {15, "15-length-over-cap.safetensors", "net", length_over_cap, 3, "the format allows 100000000"},
    {16, "16-bad-utf8.safetensors", "net", bad_utf8, 3, "UTF-8"},
    {17, "17-one-brace.safetensors", "net", one_brace, 3, "JSON: expected"},
    {18, "18-deep-arrays.safetensors", "net", deep_arrays, 3, "expected '{'"},
    {18, "18-deep-in-tensor.safetensors", "net", deep_in_tensor, 3, "expected '{'"},
    {18, "18-deep-index.json", "net", index_deep, 3, "16 levels"},
    {19, "19-duplicate-tensor.safetensors", "net", duplicate_tensor, 3, "\"w\" appears twice"},
    {20, "20-duplicate-key.safetensors", "net", duplicate_key, 3, "\"dtype\" appears twice"},
    {20, "20-duplicate-metadata-key.safetensors", "net", duplicate_metadata_key, 3, "\"a\" appears twice"},
    {20, "20-duplicate-metadata.safetensors", "net", duplicate_metadata, 3, "__metadata__ appears twice"},
    {20, "20-missing-key.safetensors", "net", missing_key, 3, "needs dtype, shape and data_offsets"},
    {20, "20-extra-key.safetensors", "net", extra_key, 3, "unknown key \"x\""},
    {21, "21-wraps-to-zero.safetensors", "net", wraps_to_zero, 3, "too many bytes"},
    {21, "21-wraps-with-zero.safetensors", "net", wraps_with_zero, 3, "too many bytes"},
    {22, "22-beyond-2-63.safetensors", "net", beyond_2_63, 3, "2^48"},
    {23, "23-exponent.safetensors", "net", exponent, 3, "not a fraction"},
    {23, "23-negative.safetensors", "net", negative, 3, "without a sign"},
    {23, "23-fraction.safetensors", "net", fraction, 3, "not a fraction"},
    {23, "23-leading-zero.safetensors", "net", leading_zero, 3, "leading zero"},
    {24, "24-backwards.safetensors", "net", backwards, 3, "run backwards"},
    {25, "25-one-offset.safetensors", "net", one_offset, 3, "two numbers"},
    {25, "25-three-offsets.safetensors", "net", three_offsets, 3, "two numbers"},
    {26, "26-hole.safetensors", "net", hole, 3, "hole"},
    {26, "26-hole-in-front.safetensors", "net", hole_in_front, 3, "hole"},
    {27, "27-overlap.safetensors", "net", overlap, 3, "inside another tensor's"},
    {28, "28-trailing-bytes.safetensors", "net", trailing_bytes, 3,
     "the tensors need 4 bytes of data; the file holds 5"},
    {28, "28-missing-bytes.safetensors", "net", missing_bytes, 3, "the tensors need 8 bytes of data; the file holds 7"},
    {29, "29-size-differs.safetensors", "net", size_differs, 3,
     "tensor \"w\": shape [32,8] F32 needs 1024 bytes, data_offsets span 65536"},
    {30, "30-unknown-dtype.safetensors", "net", unknown_dtype, 3, "unknown dtype \"F128\""},
    {30, "30-numpy-dtype.safetensors", "net", numpy_dtype, 3, "unknown dtype \"C128\""},
    {31, "31-metadata-number.safetensors", "net", metadata_number, 3,
     "metadata \"a\": its value is not a string (the format allows only strings)"},
    {32, "32-odd-f4.safetensors", "net", odd_f4, 3, "whole bytes"},
    {32, "32-even-f4.safetensors", "net", even_f4, 3, "cannot be used as numbers"},
    {33, "33-zero-dim-and-rank-0.safetensors", "net", zero_dim_and_rank_0, 0, NULL},
    {33, "33-rank-33.safetensors", "net", rank_33, 5, "more than 32 dimensions"},
    {33, "33-parts-of-nothing.safetensors", "net", parts_of_nothing, 0, NULL},
    {33, "33-ties-in-a-circle.safetensors", "net", tie_circle, 0, NULL},
    {34, "34-leading-space.safetensors", "net", leading_space, 0, NULL},
    {35, "35-ten-million-entries.safetensors", "net", many_entries, 5, "more than 1000000 metadata entries"},
    {35, "35-a-million-tensors.safetensors", "net", many_tensors, 5, "more than 1000000 tensors"},
    {35, "35-long-name.safetensors", "net", long_name, 5, "4097 bytes, limit 4096"},
    {36, "36-lone-surrogate.safetensors", "net", lone_surrogate, 3, "lone surrogate"},
    {36, "36-nul-in-name.safetensors", "net", nul_in_name, 3, "NUL"},
    {36, "36-trailing-comma.safetensors", "net", trailing_comma, 3, "comma"},
    {36, "36-behind-the-object.safetensors", "net", behind_the_object, 3, "text after the last brace"},
    {37, "37-parent.index.json", "net", index_parent, 3, "plain name"},
    {37, "37-absolute.index.json", "net", index_absolute, 3, "plain name"},
    {37, "37-folder.index.json", "net", index_folder, 3, "plain name"},
    {37, "37-backslash.index.json", "net", index_backslash, 3, "plain name"},
    {37, "37-home.index.json", "net", index_home, 3, "plain name"},
    {37, "37-dots.index.json", "net", index_dots, 3, "plain name"},
    {38, "38-missing-shard.index.json", "net", index_missing, 3, "shards: 37-is-not-there.safetensors"},
    {38, "38-missing-shards.index.json", "net", index_missing_two, 3, "shards: one.safetensors, two.safetensors"},
    {38, "38-tensor-not-in-shard.index.json", "net", index_absent, 3, "\"b\" is not in its shard"},
    {38, "38-two-maps.index.json", "net", index_duplicate, 3, "\"weight_map\" appears twice"},
    {39, "39-itself.index.json", "net", index_itself, 3, "an index, not a shard"},
    {40, "40-two-shards.index.json", "net", index_two_shards, 3, "\"a\" is in two shards"},
    {41, "41-total-size.index.json", "net", index_total, 0, "total_size is 9 bytes, but the tensors have 8"},
    {41, "41-unmapped.index.json", "net", index_unmapped, 0, "1 tensors of the shards are not in the weight_map"},
    {0},
};
