/* hostile_any -- what is hostile whatever the format (docs/reliability.md, section 7, rows 1 to 11). Rows 3, 5, 6, 7
 * and 10 are tests of their own in tests/format/test_hostile.c. */
#include "bytes.h"
#include "hostile.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool put(const char *path, const void *bytes, size_t length) {
    return write_bytes(path, bytes, length);
}

static bool empty(const char *path) {
    return put(path, "", 0);
}

static bool folder(const char *path) {
    return mkdir(path, 0777) == 0;
}

static bool fifo(const char *path) {
    return mkfifo(path, 0666) == 0;
}

static bool device(const char *path) {
    return symlink("/dev/zero", path) == 0;
}

static bool lfs_pointer(const char *path) {
    static const char text[] =
        "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb"
        "8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";
    return put(path, text, sizeof text - 1);
}

static bool gguf(const char *path) {
    return put(path, "GGUF\3\0\0\0\0\0\0\0\0\0\0\0", 16);
}

static bool hdf5(const char *path) {
    return put(path, "\211HDF\r\n\032\n\0\0\0\0\0\10\10\0", 16);
}

static bool pytorch1(const char *path) {
    return put(path, "PYTORCH1\1\0\0\0\0\0\0\0", 16);
}

static bool text(const char *path) {
    return put(path, "load net base base.safetensors\n", 31);
}

static bool unknown(const char *path) {
    return put(path,
               "\x7f"
               "ELF\2\1\1\0\0\0\0\0\0\0\0\0",
               16);
}

static bool wrong_extension(const char *path) {
    Bytes bytes = {0};
    bytes_npy(&bytes, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }");
    bytes_fill(&bytes, 0, 8);
    bool ok = put(path, bytes.data, bytes.length);
    bytes_done(&bytes);
    return ok;
}

static bool escapes_in_name(const char *path) {
    Bytes bytes = {0};
    bytes_safetensors(&bytes,
                      "{\"\\u001b]0;x\\u0007\\u001b[2J\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4);
    bool ok = put(path, bytes.data, bytes.length);
    bytes_done(&bytes);
    return ok;
}

static bool sparse(const char *path) {
    return put(path, "", 0) && truncate(path, (off_t)4 << 30) == 0;
}

const HostileCase hostile_any[] = {
    {1, "1-empty.safetensors", "net", empty, 3, "empty"},
    {2, "2-folder.safetensors", "net", folder, 3, "is a directory"},
    {2, "2-fifo.safetensors", "net", fifo, 3, "not a regular file"},
    {2, "2-device.safetensors", "net", device, 3, "not a regular file"},
    {4, "4-lfs-pointer.safetensors", "net", lfs_pointer, 3, "git-LFS pointer"},
    {4, "4-gguf.safetensors", "net", gguf, 3, "GGUF"},
    {4, "4-hdf5.h5", "net", hdf5, 3, "HDF5"},
    {4, "4-pytorch1.pt", "net", pytorch1, 3, "PYTORCH1"},
    {4, "4-text.pth", "net", text, 3, "text, not a checkpoint"},
    {4, "4-unknown.pth", "net", unknown, 3, "not a checkpoint of any known format"},
    {8, "8-wrong-extension.pth", "net", wrong_extension, 0, NULL},
    {9, "9-escapes-in-name.safetensors", "net", escapes_in_name, 0, NULL},
    {11, "11-sparse-4-gib.safetensors", "net", sparse, 3, "not a checkpoint of any known format"},
    {0},
};
