/* hostile_tar -- hostile files of PyTorch's tar layout. */
#include "hostile.h"
#include "pickle_text.h"

#include <stdio.h>
#include <string.h>

static bool put(const char *path, Bytes *bytes) {
    bool ok = write_bytes(path, bytes->data, bytes->length);
    bytes_done(bytes);
    return ok;
}

static void add_member(Bytes *bytes, const char *name, char type, const void *data, size_t length) {
    uint8_t header[512] = {0};
    unsigned sum = 0;
    snprintf((char *)header, 100, "%s", name);
    memcpy(header + 100, "0000644", 7);
    snprintf((char *)header + 124, 12, "%011zo", length);
    header[156] = (uint8_t)type;
    memcpy(header + 257, "ustar\00000", 8);
    memset(header + 148, ' ', 8);
    for (size_t i = 0; i < sizeof header; i++) sum += header[i];
    snprintf((char *)header + 148, 8, "%06o", sum);
    bytes_add(bytes, header, sizeof header);
    bytes_add(bytes, data, length);
    bytes_fill(bytes, 0, (512 - length % 512) % 512);
}

typedef struct Record {
    const char *pickle;
    int64_t number[8];
    size_t numbers, data; /* numbers behind it; zero bytes behind these */
} Record;

static void add_records(Bytes *bytes, const Record *record, size_t count) {
    for (size_t i = 0; i < count; i++) {
        bytes_pickle(bytes, record[i].pickle);
        for (size_t k = 0; k < record[i].numbers; k++) bytes_le(bytes, (uint64_t)record[i].number[k], 8);
        bytes_fill(bytes, 0, record[i].data);
    }
}

/* Three storages at most, views, two tensors at most, the object. */
typedef struct TarCase {
    Record storage[4], tensor[3];
    const char *object, *system; /* sys_info; NULL: none */
} TarCase;
#define COUNT(array) (sizeof(array) / sizeof *(array))

static size_t used(const Record *record, size_t most) {
    size_t count = 0;
    while (count < most && record[count].pickle) count++;
    return count;
}

static bool put_tar(const char *path, const TarCase *tar) {
    Bytes storages = {0}, tensors = {0}, object = {0}, bytes = {0};
    add_records(&storages, tar->storage, used(tar->storage, COUNT(tar->storage)));
    add_records(&tensors, tar->tensor, used(tar->tensor, COUNT(tar->tensor)));
    bytes_pickle(&object, tar->object);
    if (tar->system) {
        Bytes system = {0};
        bytes_pickle(&system, tar->system);
        add_member(&bytes, "sys_info", '\0', system.data, system.length);
        bytes_done(&system);
    }
    add_member(&bytes, "./pickle", '0', object.data, object.length);
    add_member(&bytes, "./tensors", '0', tensors.data, tensors.length);
    add_member(&bytes, "./storages", '0', storages.data, storages.length);
    bytes_fill(&bytes, 0, 1024);
    bytes_done(&storages);
    bytes_done(&tensors);
    bytes_done(&object);
    return put(path, &bytes);
}

#define TAR(function, storages, tensors, object)                                           \
    static bool function(const char *path) {                                               \
        return put_tar(path, &(TarCase){{STRIP storages}, {STRIP tensors}, object, NULL}); \
    }
#define STRIP(...) __VA_ARGS__
#define ONE_STORAGE                                    \
    {"1 .", {0}, 0, 0}, {                              \
        "( 7 'cpu @torch.FloatStorage t .", {6}, 1, 24 \
    }
#define NO_VIEWS \
    { "] .", {0}, 0, 0 }
#define ONE_TENSOR(...)                                                                     \
    {"1 .", {0}, 0, 0}, {                                                                   \
        "( 9 7 @torch.FloatTensor t .", {__VA_ARGS__}, COUNT(((int64_t[]){__VA_ARGS__})), 0 \
    }
#define TAR_OBJECT "} 'w '9 Q s ."
TAR(tar_good, (ONE_STORAGE, NO_VIEWS), (ONE_TENSOR(2, 2, 3, 3, 1, 0)), TAR_OBJECT)
TAR(tar_parameter, (ONE_STORAGE, NO_VIEWS), (ONE_TENSOR(2, 2, 3, 3, 1, 0)),
    "} 'w @torch.nn.parameter.Parameter ) #81 ( '9 Q N } T F t b s .")
TAR(tar_parameter_later, (ONE_STORAGE, NO_VIEWS), (ONE_TENSOR(2, 2, 3, 3, 1, 0)),
    "} 'w @torch.nn.parameter.Parameter ( '9 Q T t R ( T F } t b s .")
TAR(tar_view, (ONE_STORAGE, {"] ( 8 7 2 4 t a .", {0}, 0, 0}),
    ({"1 .", {0}, 0, 0}, {"( 9 8 @torch.FloatTensor t .", {1, 4, 1, 0}, 4, 0}), TAR_OBJECT)
TAR(tar_view_long, (ONE_STORAGE, {"] ( 8 7 3 4 t a .", {0}, 0, 0}), (ONE_TENSOR(1, 4, 1, 0)), TAR_OBJECT)
TAR(tar_view_of_none, (ONE_STORAGE, {"] ( 8 6 0 4 t a .", {0}, 0, 0}), (ONE_TENSOR(1, 4, 1, 0)), TAR_OBJECT)
TAR(tar_view_pair, (ONE_STORAGE, {"] ( 8 7 t a .", {0}, 0, 0}), (ONE_TENSOR(1, 4, 1, 0)), TAR_OBJECT)
TAR(tar_count_negative, ({"-1 .", {0}, 0, 0}, NO_VIEWS), (ONE_TENSOR(1, 6, 1, 0)), TAR_OBJECT)
TAR(tar_count_huge, ({"1000000000 .", {0}, 0, 0}, NO_VIEWS), (ONE_TENSOR(1, 6, 1, 0)), TAR_OBJECT)
TAR(tar_elements_negative, ({"1 .", {0}, 0, 0}, {"( 7 'cpu @torch.FloatStorage t .", {-1}, 1, 24}, NO_VIEWS),
    (ONE_TENSOR(1, 6, 1, 0)), TAR_OBJECT)
TAR(tar_elements_huge, ({"1 .", {0}, 0, 0}, {"( 7 'cpu @torch.DoubleStorage t .", {INT64_C(1) << 61}, 1, 24}, NO_VIEWS),
    (ONE_TENSOR(1, 6, 1, 0)), TAR_OBJECT)
TAR(tar_storage_type, ({"1 .", {0}, 0, 0}, {"( 7 'cpu @home.Storage t .", {6}, 1, 24}, NO_VIEWS),
    (ONE_TENSOR(1, 6, 1, 0)), TAR_OBJECT)
TAR(tar_storage_pair, ({"1 .", {0}, 0, 0}, {"( 7 'cpu t .", {6}, 1, 24}, NO_VIEWS), (ONE_TENSOR(1, 6, 1, 0)),
    TAR_OBJECT)
TAR(tar_same_key,
    ({"2 .", {0}, 0, 0}, {"( 7 'cpu @torch.FloatStorage t .", {6}, 1, 24},
     {"( 7 'cpu @torch.FloatStorage t .", {6}, 1, 24}, NO_VIEWS),
    (ONE_TENSOR(1, 6, 1, 0)), TAR_OBJECT)
TAR(tar_no_storage, (ONE_STORAGE, NO_VIEWS), ({"1 .", {0}, 0, 0}, {"( 9 8 @torch.FloatTensor t .", {1, 6, 1, 0}, 4, 0}),
    TAR_OBJECT)
TAR(tar_rank, (ONE_STORAGE, NO_VIEWS), (ONE_TENSOR(33, 6, 1, 0)), TAR_OBJECT)
TAR(tar_rank_huge, (ONE_STORAGE, NO_VIEWS), (ONE_TENSOR(0x7fffffff, 6, 1, 0)), TAR_OBJECT)
TAR(tar_cut, (ONE_STORAGE, NO_VIEWS), (ONE_TENSOR(2, 2, 3, 3)), TAR_OBJECT)
TAR(tar_long, (ONE_STORAGE, NO_VIEWS), (ONE_TENSOR(1, 6, 1, 0, 0)), TAR_OBJECT)
TAR(tar_size_negative, (ONE_STORAGE, NO_VIEWS), (ONE_TENSOR(1, -6, 1, 0)), TAR_OBJECT)
TAR(tar_past_end, (ONE_STORAGE, NO_VIEWS), (ONE_TENSOR(1, 6, 1, 1)), TAR_OBJECT)
TAR(tar_stride_wraps, (ONE_STORAGE, NO_VIEWS), (ONE_TENSOR(1, 6, INT64_MAX, 0)), TAR_OBJECT)
TAR(tar_expanded, (ONE_STORAGE, NO_VIEWS), (ONE_TENSOR(2, INT64_C(1) << 40, INT64_C(1) << 20, 0, 0, 0)), TAR_OBJECT)
TAR(tar_unknown_tensor, (ONE_STORAGE, NO_VIEWS), (ONE_TENSOR(1, 6, 1, 0)), "} 'w '8 Q s .")
TAR(tar_key_text, (ONE_STORAGE, NO_VIEWS), (ONE_TENSOR(1, 6, 1, 0)), "} 'w 'x Q s .")
TAR(tar_os, (ONE_STORAGE, NO_VIEWS), (ONE_TENSOR(1, 6, 1, 0)), "@os.system ( 'touch${IFS}weft-canary t R .")
TAR(tar_os_in_record, ({"1 .", {0}, 0, 0}, {"( 7 'cpu @os.system t .", {6}, 1, 24}, NO_VIEWS), (ONE_TENSOR(1, 6, 1, 0)),
    TAR_OBJECT)

#define GOOD_TAR                     \
    {ONE_STORAGE, NO_VIEWS}, {       \
        ONE_TENSOR(2, 2, 3, 3, 1, 0) \
    }
#define SYSTEM(function, program)                                             \
    static bool function(const char *path) {                                  \
        return put_tar(path, &(TarCase){GOOD_TAR, "} 'w '9 Q s .", program}); \
    }
SYSTEM(tar_little, "} 'little_endian T s .")
SYSTEM(tar_big, "} 'little_endian F s .")
SYSTEM(tar_endian_text, "} 'little_endian 'yes s .")
SYSTEM(tar_no_endian, "} .")
SYSTEM(tar_system_cut, "} 'little_endian")
TAR(tar_same_tensor, (ONE_STORAGE, NO_VIEWS),
    ({"2 .", {0}, 0, 0}, {"( 9 7 @torch.FloatTensor t .", {1, 6, 1, 0}, 4, 0},
     {"( 9 7 @torch.FloatTensor t .", {1, 6, 1, 0}, 4, 0}),
    TAR_OBJECT)
TAR(tar_stride_negative, (ONE_STORAGE, NO_VIEWS), (ONE_TENSOR(1, 6, -1, 0)), TAR_OBJECT)
TAR(tar_offset_negative, (ONE_STORAGE, NO_VIEWS), (ONE_TENSOR(1, 6, 1, -1)), TAR_OBJECT)
TAR(tar_views_tuple, (ONE_STORAGE, {") .", {0}, 0, 0}), (ONE_TENSOR(1, 6, 1, 0)), TAR_OBJECT)
TAR(tar_view_text, (ONE_STORAGE, {"] ( 8 7 '2 4 t a .", {0}, 0, 0}), (ONE_TENSOR(1, 4, 1, 0)), TAR_OBJECT)
TAR(tar_view_before, (ONE_STORAGE, {"] ( 8 7 -1 4 t a .", {0}, 0, 0}), (ONE_TENSOR(1, 4, 1, 0)), TAR_OBJECT)
TAR(tar_view_negative, (ONE_STORAGE, {"] ( 8 7 2 -4 t a .", {0}, 0, 0}), (ONE_TENSOR(1, 4, 1, 0)), TAR_OBJECT)
TAR(tar_view_beyond, (ONE_STORAGE, {"] ( 8 7 7 0 t a .", {0}, 0, 0}), (ONE_TENSOR(1, 4, 1, 0)), TAR_OBJECT)
TAR(tar_count_text, ({"'1 .", {0}, 0, 0}, NO_VIEWS), (ONE_TENSOR(1, 6, 1, 0)), TAR_OBJECT)
TAR(tar_nothing, ({"0 .", {0}, 0, 0}, NO_VIEWS), ({"0 .", {0}, 0, 0}), "} .")
TAR(tar_view_of_nothing, ({"0 .", {0}, 0, 0}, {"] ( 8 7 0 0 t a .", {0}, 0, 0}), ({"0 .", {0}, 0, 0}), TAR_OBJECT)
TAR(tar_type_text, ({"1 .", {0}, 0, 0}, {"( 7 'cpu 'x t .", {6}, 1, 24}, NO_VIEWS), (ONE_TENSOR(1, 6, 1, 0)),
    TAR_OBJECT)
TAR(tar_key_of_text, ({"1 .", {0}, 0, 0}, {"( '7 'cpu @torch.FloatStorage t .", {6}, 1, 24}, NO_VIEWS),
    (ONE_TENSOR(1, 6, 1, 0)), TAR_OBJECT)
TAR(tar_storage_four, ({"1 .", {0}, 0, 0}, {"( 7 'cpu @torch.FloatStorage 1 t .", {6}, 1, 24}, NO_VIEWS),
    (ONE_TENSOR(1, 6, 1, 0)), TAR_OBJECT)
TAR(tar_storage_cut, ({"1 .", {0}, 0, 0}, {"( 7 'cpu @torch.FloatStorage t .", {1000}, 1, 24}, NO_VIEWS),
    (ONE_TENSOR(1, 6, 1, 0)), TAR_OBJECT)
TAR(tar_tensor_of_text, (ONE_STORAGE, NO_VIEWS),
    ({"1 .", {0}, 0, 0}, {"( 9 '7 @torch.FloatTensor t .", {1, 6, 1, 0}, 4, 0}), TAR_OBJECT)
TAR(tar_key_minus, (ONE_STORAGE, NO_VIEWS), (ONE_TENSOR(1, 6, 1, 0)), "} 'w '-9 Q s .")
TAR(tar_key_huge, (ONE_STORAGE, NO_VIEWS), (ONE_TENSOR(1, 6, 1, 0)), "} 'w '18446744073709551615 Q s .")
TAR(tar_key_list, (ONE_STORAGE, NO_VIEWS), (ONE_TENSOR(1, 6, 1, 0)), "} 'w ] Q s .")

TAR(tar_view_same_key, (ONE_STORAGE, {"] ( 7 7 0 4 t a .", {0}, 0, 0}), (ONE_TENSOR(1, 4, 1, 0)), TAR_OBJECT)
TAR(tar_view_chars, (ONE_STORAGE, {"] 'abcd a .", {0}, 0, 0}), (ONE_TENSOR(1, 4, 1, 0)), TAR_OBJECT)
TAR(tar_view_three, (ONE_STORAGE, {"] ( 8 7 0 '4 t a .", {0}, 0, 0}), (ONE_TENSOR(1, 4, 1, 0)), TAR_OBJECT)
TAR(tar_tensor_pair, (ONE_STORAGE, NO_VIEWS), ({"1 .", {0}, 0, 0}, {"( 9 7 t .", {1, 6, 1, 0}, 4, 0}), TAR_OBJECT)
TAR(tar_no_tensors, (ONE_STORAGE, NO_VIEWS), ({"0 .", {0}, 0, 0}), TAR_OBJECT)
TAR(tar_no_storages, ({"0 .", {0}, 0, 0}, NO_VIEWS), (ONE_TENSOR(1, 6, 1, 0)), TAR_OBJECT)
TAR(tar_object_long, (ONE_STORAGE, NO_VIEWS), (ONE_TENSOR(1, 6, 1, 0)), "} 'w '9 Q s . N")
TAR(tar_sizes_cut, (ONE_STORAGE, NO_VIEWS), (ONE_TENSOR(4, 2, 3)), TAR_OBJECT)

/* The first member's header with other bytes, and its sum. */
static bool put_header(const char *path, size_t at, const char *field, size_t length) {
    Bytes bytes = {0};
    unsigned sum = 0;
    add_member(&bytes, "storages", '0', "x", 1);
    memcpy(bytes.data + at, field, length);
    memset(bytes.data + 148, ' ', 8);
    for (size_t i = 0; i < 512; i++) sum += bytes.data[i];
    snprintf((char *)bytes.data + 148, 8, "%06o", sum);
    return put(path, &bytes);
}
#define HEADER(function, at, field)                            \
    static bool function(const char *path) {                   \
        return put_header(path, at, field, sizeof(field) - 1); \
    }
HEADER(tar_base_256, 124, "\x80\0\0\0\0\0\0\0\0\0\0\1")
HEADER(tar_base_256_huge, 124, "\x80\0\1\0\0\0\0\0\0\0\0\1")
HEADER(tar_size_letters, 124, "0000000000x")
HEADER(tar_size_blanks, 124, "          1 ")
HEADER(tar_old, 156, "7")
HEADER(tar_global, 156, "g")

static bool tar_twice(const char *path) {
    Bytes bytes = {0};
    add_member(&bytes, "storages", '0', "x", 1);
    add_member(&bytes, "./storages", '0', "x", 1);
    return put(path, &bytes);
}

static bool tar_link(const char *path) {
    Bytes bytes = {0};
    add_member(&bytes, "storages", '2', "", 0);
    return put(path, &bytes);
}

static bool tar_size(const char *path) {
    Bytes bytes = {0};
    add_member(&bytes, "storages", '0', "x", 1);
    memcpy(bytes.data + 124, "77777777777", 11);
    unsigned sum = 0;
    memset(bytes.data + 148, ' ', 8);
    for (size_t i = 0; i < 512; i++) sum += bytes.data[i];
    snprintf((char *)bytes.data + 148, 8, "%06o", sum);
    return put(path, &bytes);
}

static bool tar_sum(const char *path) {
    Bytes bytes = {0};
    add_member(&bytes, "storages", '0', "x", 1);
    bytes.data[150] ^= 1;
    return put(path, &bytes);
}

static bool tar_sum_letters(const char *path) {
    Bytes bytes = {0};
    add_member(&bytes, "storages", '0', "x", 1);
    bytes.data[150] = 'x';
    return put(path, &bytes);
}

/* A member without its padding, and a header that is cut. */
static bool tar_unpadded(const char *path) {
    Bytes bytes = {0};
    add_member(&bytes, "storages", '0', "x", 1);
    bytes.length = 513;
    return put(path, &bytes);
}

static bool tar_header_cut(const char *path) {
    Bytes bytes = {0};
    add_member(&bytes, "storages", '0', "x", 1);
    bytes_fill(&bytes, 'x', 100);
    return put(path, &bytes);
}

static bool tar_parent(const char *path) {
    Bytes bytes = {0};
    add_member(&bytes, "../weft-canary", '0', "x", 1);
    add_member(&bytes, "storages", '0', "x", 1);
    return put(path, &bytes);
}

static bool tar_many(const char *path) {
    Bytes bytes = {0};
    for (unsigned i = 0; i < 10001; i++) add_member(&bytes, "x", '0', "", 0);
    return put(path, &bytes);
}

#define MALICIOUS " is not a tensor type; the file may be malicious; nothing was executed"
const HostileCase hostile_tar[] = {
    {93, "tar-good.pth", "net", tar_good, 0, NULL},
    {93, "tar-parameter.pth", "net", tar_parameter, 0, NULL},
    {93, "tar-parameter-later.pth", "net", tar_parameter_later, 0, NULL},
    {93, "tar-view.pth", "net", tar_view, 0, NULL},
    {93, "tar-view-long.pth", "net", tar_view_long, 3, "a view of 4 elements at 3 of storage 7, which has 6"},
    {93, "tar-view-of-none.pth", "net", tar_view_of_none, 3, "a view of a storage is not"},
    {93, "tar-view-pair.pth", "net", tar_view_pair, 3, "a view of a storage is not"},
    {93, "tar-count-negative.pth", "net", tar_count_negative, 3, "the number of storages is invalid"},
    {93, "tar-count-huge.pth", "net", tar_count_huge, 5, "more than 100000 storages"},
    {93, "tar-elements-negative.pth", "net", tar_elements_negative, 3, "storage 7 declares -1 elements"},
    {93, "tar-elements-huge.pth", "net", tar_elements_huge, 3, "storage 7 declares 2305843009213693952 elements"},
    {93, "tar-storage-type.pth", "net", tar_storage_type, 3, "storage 7: its type is invalid"},
    {93, "tar-storage-pair.pth", "net", tar_storage_pair, 3, "a record is not (key, location, type)"},
    {93, "tar-same-key.pth", "net", tar_same_key, 3, "two storages have the key 7"},
    {93, "tar-no-storage.pth", "net", tar_no_storage, 3, "tensor 9: its storage is missing"},
    {93, "tar-rank.pth", "net", tar_rank, 3, "tensor 9: rank 33, limit 32"},
    {93, "tar-rank-huge.pth", "net", tar_rank_huge, 3, "rank 2147483647, limit 32"},
    {93, "tar-cut.pth", "net", tar_cut, 3, "truncated: a tensor needs 8 bytes"},
    {93, "tar-long.pth", "net", tar_long, 3, "member \"tensors\" has 8 bytes too many"},
    {93, "tar-size-negative.pth", "net", tar_size_negative, 3, "negative size -6"},
    {93, "tar-past-end.pth", "net", tar_past_end, 3, "reaches element 6 of a storage of 6"},
    {93, "tar-stride-wraps.pth", "net", tar_stride_wraps, 3, "size and stride overflow"},
    {93, "tar-expanded.pth", "net", tar_expanded, 5, "loading w needs 4.0 EiB, limit"},
    {93, "tar-unknown-tensor.pth", "net", tar_unknown_tensor, 3, "there is no tensor '8' in the file"},
    {93, "tar-key-text.pth", "net", tar_key_text, 3, "there is no tensor 'x' in the file"},
    {93, "tar-os.pth", "net", tar_os, 3, "global os.system" MALICIOUS},
    {93, "tar-os-in-record.pth", "net", tar_os_in_record, 3, "global os.system" MALICIOUS},
    {93, "tar-little.pth", "net", tar_little, 0, NULL},
    {93, "tar-big.pth", "net", tar_big, 3, "little_endian is not True"},
    {93, "tar-endian-text.pth", "net", tar_endian_text, 3, "little_endian is not True"},
    {93, "tar-no-endian.pth", "net", tar_no_endian, 0, NULL},
    {93, "tar-system-cut.pth", "net", tar_system_cut, 3, NULL},
    {93, "tar-same-tensor.pth", "net", tar_same_tensor, 3, "two tensors have the key 9"},
    {93, "tar-stride-negative.pth", "net", tar_stride_negative, 3, "negative stride -1"},
    {93, "tar-offset-negative.pth", "net", tar_offset_negative, 3, "negative offset -1"},
    {93, "tar-views-tuple.pth", "net", tar_views_tuple, 3, "the views of storages are not a list"},
    {93, "tar-view-text.pth", "net", tar_view_text, 3, "a view of a storage is not"},
    {93, "tar-view-before.pth", "net", tar_view_before, 3, "a view of 4 elements at -1"},
    {93, "tar-view-negative.pth", "net", tar_view_negative, 3, "a view of -4 elements at 2"},
    {93, "tar-view-beyond.pth", "net", tar_view_beyond, 3, "a view of 0 elements at 7"},
    {93, "tar-count-text.pth", "net", tar_count_text, 3, "the number of storages is invalid"},
    {93, "tar-nothing.pth", "net", tar_nothing, 3, NULL},
    {93, "tar-view-of-nothing.pth", "net", tar_view_of_nothing, 3, "a view of a storage is not"},
    {93, "tar-type-text.pth", "net", tar_type_text, 3, "its type is invalid"},
    {93, "tar-key-of-text.pth", "net", tar_key_of_text, 3, "a record is not"},
    {93, "tar-storage-four.pth", "net", tar_storage_four, 3, "a record is not"},
    {93, "tar-storage-cut.pth", "net", tar_storage_cut, 3, NULL},
    {93, "tar-tensor-of-text.pth", "net", tar_tensor_of_text, 3, "its storage is missing"},
    {93, "tar-key-minus.pth", "net", tar_key_minus, 3, "there is no tensor '-9'"},
    {93, "tar-key-huge.pth", "net", tar_key_huge, 3, "there is no tensor"},
    {93, "tar-key-list.pth", "net", tar_key_list, 3, NULL},
    {93, "tar-base-256.pth", "net", tar_base_256, 3, "tar"},
    {93, "tar-base-256-huge.pth", "net", tar_base_256_huge, 3, "tar"},
    {93, "tar-size-letters.pth", "net", tar_size_letters, 3, "a damaged header at byte 0"},
    {93, "tar-size-blanks.pth", "net", tar_size_blanks, 3, NULL},
    {93, "tar-old.pth", "net", tar_old, 3, NULL},
    {93, "tar-global.pth", "net", tar_global, 3, NULL},
    {93, "tar-twice.pth", "net", tar_twice, 3, "two members are named \"storages\""},
    {93, "tar-link.pth", "net", tar_link, 3, "member \"storages\" is not a plain file"},
    {93, "tar-size.pth", "net", tar_size, 3, "a member of 8589934591 bytes, 512 remain"},
    {93, "tar-sum.pth", "net", tar_sum, 3, "a damaged header at byte 0"},
    {93, "tar-sum-letters.pth", "net", tar_sum_letters, 3, "a damaged header at byte 0"},
    {93, "tar-unpadded.pth", "net", tar_unpadded, 3, "tar archive"},
    {93, "tar-header-cut.pth", "net", tar_header_cut, 3, "truncated at byte 1024"},
    {93, "tar-view-same-key.pth", "net", tar_view_same_key, 3, "two storages have the key 7"},
    {93, "tar-view-chars.pth", "net", tar_view_chars, 3, "a view of a storage is not"},
    {93, "tar-view-three.pth", "net", tar_view_three, 3, "a view of a storage is not"},
    {93, "tar-tensor-pair.pth", "net", tar_tensor_pair, 3, "a record is not (key, storage, type)"},
    {93, "tar-no-tensors.pth", "net", tar_no_tensors, 3, "there is no tensor '9'"},
    {93, "tar-no-storages.pth", "net", tar_no_storages, 3, "its storage is missing"},
    {93, "tar-object-long.pth", "net", tar_object_long, 3, "member \"pickle\" has 1 bytes too many"},
    {93, "tar-sizes-cut.pth", "net", tar_sizes_cut, 3, "truncated"},
    {93, "tar-parent.tar", "net", tar_parent, 3, "a tar archive of \"../weft-canary\", \"storages\", not a checkpoint"},
    {93, "tar-many.tar", "net", tar_many, 5, "more than 10000 members"},
    {0},
};
