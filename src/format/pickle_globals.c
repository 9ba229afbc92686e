/* pickle_globals -- every name that a pickle may mention, and what it stands for. Nothing is ever looked up elsewhere.
 */
#include <string.h>

#include "format/pickle.h"

#define TORCH_STORAGE(name, type) \
    { "torch", name "Storage", PICKLE_STORAGE, DTYPE_##type, NULL }
#define TORCH_DTYPE(name, type) \
    { "torch", name, PICKLE_TORCH_DTYPE, DTYPE_##type, NULL }
#define NUMPY(name, meaning)                             \
    {"numpy.core.multiarray", name, meaning, 0, NULL}, { \
        "numpy._core.multiarray", name, meaning, 0, NULL \
    }
#define BUILTIN(name)                              \
    {"__builtin__", name, PICKLE_LEAF, 0, NULL}, { \
        "builtins", name, PICKLE_LEAF, 0, NULL     \
    }
#define PATHLIB(name)                                \
    {"pathlib", name, PICKLE_LEAF, 0, NULL}, {       \
        "pathlib._local", name, PICKLE_LEAF, 0, NULL \
    }
#define TORCH_REFUSED(module, name, reason) \
    { module, name, PICKLE_REFUSED, 0, reason }

static const PickleGlobal globals[] = {
    {"collections", "OrderedDict", PICKLE_ORDERED_DICT, 0, NULL},
    {"torch._utils", "_rebuild_tensor_v2", PICKLE_REBUILD_TENSOR_V2, 0, NULL},
    {"torch._utils", "_rebuild_tensor", PICKLE_REBUILD_TENSOR, 0, NULL},
    {"torch._utils", "_rebuild_tensor_v3", PICKLE_REBUILD_TENSOR_V3, 0, NULL},
    {"torch._utils", "_rebuild_parameter", PICKLE_REBUILD_PARAMETER, 0, NULL},
    TORCH_STORAGE("Float", F32),
    TORCH_STORAGE("Double", F64),
    TORCH_STORAGE("Half", F16),
    TORCH_STORAGE("BFloat16", BF16),
    TORCH_STORAGE("Long", I64),
    TORCH_STORAGE("Int", I32),
    TORCH_STORAGE("Short", I16),
    TORCH_STORAGE("Char", I8),
    TORCH_STORAGE("Byte", U8),
    TORCH_STORAGE("Bool", BOOL),
    TORCH_STORAGE("ComplexFloat", C64),
    TORCH_STORAGE("ComplexDouble", C128),
    {"torch", "UntypedStorage", PICKLE_STORAGE_UNTYPED, DTYPE_U8, NULL},
    {"torch.storage", "UntypedStorage", PICKLE_STORAGE_UNTYPED, DTYPE_U8, NULL},
    {"torch", "Size", PICKLE_SIZE, 0, NULL},
    TORCH_DTYPE("float32", F32),
    TORCH_DTYPE("float64", F64),
    TORCH_DTYPE("float16", F16),
    TORCH_DTYPE("bfloat16", BF16),
    TORCH_DTYPE("int64", I64),
    TORCH_DTYPE("int32", I32),
    TORCH_DTYPE("int16", I16),
    TORCH_DTYPE("int8", I8),
    TORCH_DTYPE("uint8", U8),
    TORCH_DTYPE("uint16", U16),
    TORCH_DTYPE("uint32", U32),
    TORCH_DTYPE("uint64", U64),
    TORCH_DTYPE("bool", BOOL),
    TORCH_DTYPE("complex64", C64),
    TORCH_DTYPE("complex128", C128),
    TORCH_DTYPE("float8_e4m3fn", F8_E4M3),
    TORCH_DTYPE("float8_e5m2", F8_E5M2),
    TORCH_DTYPE("float8_e4m3fnuz", F8_E4M3FNUZ),
    TORCH_DTYPE("float8_e5m2fnuz", F8_E5M2FNUZ),
    TORCH_DTYPE("float8_e8m0fnu", F8_E8M0),
    {"torch", "device", PICKLE_LEAF, 0, NULL},
    {"torch", "complex32", PICKLE_LEAF, 0, NULL},
    {"torch", "quint8", PICKLE_LEAF, 0, NULL},
    {"torch", "qint8", PICKLE_LEAF, 0, NULL},
    {"torch", "qint32", PICKLE_LEAF, 0, NULL},
    {"_codecs", "encode", PICKLE_ENCODE, 0, NULL},
    NUMPY("scalar", PICKLE_NUMPY_SCALAR),
    NUMPY("_reconstruct", PICKLE_NUMPY_RECONSTRUCT),
    {"numpy.core.numeric", "_frombuffer", PICKLE_NUMPY_FROMBUFFER, 0, NULL},
    {"numpy._core.numeric", "_frombuffer", PICKLE_NUMPY_FROMBUFFER, 0, NULL},
    {"numpy", "dtype", PICKLE_NUMPY_DTYPE, 0, NULL},
    {"numpy", "ndarray", PICKLE_NUMPY_ARRAY, 0, NULL},
    BUILTIN("set"),
    BUILTIN("bytearray"),
    BUILTIN("complex"),
    BUILTIN("list"),
    BUILTIN("dict"),
    BUILTIN("int"),
    BUILTIN("float"),
    {"argparse", "Namespace", PICKLE_LEAF, 0, NULL},
    PATHLIB("Path"),
    PATHLIB("PosixPath"),
    PATHLIB("WindowsPath"),
    PATHLIB("PurePath"),
    PATHLIB("PurePosixPath"),
    PATHLIB("PureWindowsPath"),
    {"collections", "Counter", PICKLE_LEAF, 0, NULL},
    {"collections", "defaultdict", PICKLE_MAPPING_LEAF, 0, NULL},
    TORCH_REFUSED("torch._utils", "_rebuild_sparse_tensor", "a sparse tensor; save it dense"),
    TORCH_REFUSED("torch._utils", "_rebuild_sparse_csr_tensor", "a sparse tensor; save it dense"),
    TORCH_REFUSED("torch._utils", "_rebuild_qtensor", "a quantised tensor; save it dequantised"),
    TORCH_REFUSED("torch._utils", "_rebuild_meta_tensor_no_storage", "a meta tensor, which has no data"),
    TORCH_REFUSED("torch._utils", "_rebuild_nested_tensor", "a nested tensor; save its parts"),
    TORCH_REFUSED("torch", "QInt8Storage", "a quantised tensor; save it dequantised"),
    TORCH_REFUSED("torch", "QUInt8Storage", "a quantised tensor; save it dequantised"),
    TORCH_REFUSED("torch", "QInt32Storage", "a quantised tensor; save it dequantised"),
    TORCH_REFUSED("torch", "QUInt4x2Storage", "a quantised tensor; save it dequantised"),
    TORCH_REFUSED("torch", "QUInt2x4Storage", "a quantised tensor; save it dequantised"),
};

/* Where the classes of networks live: a file that names one holds a whole module, not only its weights. */
static const char *const module_homes[] = {"torch.nn.", "torchvision.", "timm.", "__main__.", "models.", "model."};

const PickleGlobal *pickle_global_find(const char *module, size_t module_length, const char *name, size_t name_length) {
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++) {
        const PickleGlobal *global = &globals[i];
        if (strlen(global->name) == name_length && memcmp(global->name, name, name_length) == 0 &&
            strlen(global->module) == module_length && memcmp(global->module, module, module_length) == 0) {
            return global;
        }
    }
    return NULL;
}

_Static_assert(sizeof globals / sizeof *globals <= 255, "a node holds its row in a byte");

uint8_t pickle_global_row(const PickleGlobal *global) {
    return (uint8_t)(global - globals);
}

const PickleGlobal *pickle_global_at(uint8_t row) {
    return &globals[row];
}

bool pickle_global_refuse(const PickleGlobal *global, const char *module, const char *name, Error *err) {
    if (global) return error_set(err, STATUS_BAD_INPUT, "needs %s.%s (%s)", module, name, global->reason);
    for (size_t i = 0; i < sizeof module_homes / sizeof *module_homes; i++) {
        size_t length = strlen(module_homes[i]);
        bool home =
            strncmp(module, module_homes[i], length - 1) == 0 && (!module[length - 1] || module[length - 1] == '.');
        if (home) {
            return error_set(err, STATUS_BAD_INPUT, "needs %s.%s (a whole pickled module; save a state_dict)", module,
                             name);
        }
    }
    return error_set(err, STATUS_BAD_INPUT, "global %s.%s is not a tensor type; file may be malicious, nothing was run",
                     module, name);
}
