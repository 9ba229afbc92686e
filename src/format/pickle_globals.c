/* pickle_globals -- the names that have a meaning in a pickle, and those for which a file is refused. Every other name
 * is an inert leaf's; nothing is ever looked up elsewhere.
 */
#include <string.h>

#include "format/pickle.h"
#include "weft/base/dtype.h"

#define TORCH_STORAGE(name, type) \
    { "torch", name "Storage", PICKLE_STORAGE, DTYPE_##type, NULL }
#define TORCH_DTYPE(name, type) \
    { "torch", name, PICKLE_TORCH_DTYPE, DTYPE_##type, NULL }
#define NUMPY(name, meaning)                             \
    {"numpy.core.multiarray", name, meaning, 0, NULL}, { \
        "numpy._core.multiarray", name, meaning, 0, NULL \
    }
#define QUANTISED(name, type) \
    { "torch", name "Storage", PICKLE_STORAGE, DTYPE_##type, "a quantised tensor; save it dequantised" }
#define UNREAD(name, reason) \
    { "torch._utils", name, PICKLE_UNREAD, 0, reason }
static const PickleGlobal globals[] = {
    {"", "", PICKLE_FOREIGN, 0, NULL}, /* stands for every name that is not here */
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
    {"_codecs", "encode", PICKLE_ENCODE, 0, NULL},
    NUMPY("scalar", PICKLE_NUMPY_SCALAR),
    NUMPY("_reconstruct", PICKLE_NUMPY_RECONSTRUCT),
    {"numpy.core.numeric", "_frombuffer", PICKLE_NUMPY_FROMBUFFER, 0, NULL},
    {"numpy._core.numeric", "_frombuffer", PICKLE_NUMPY_FROMBUFFER, 0, NULL},
    {"numpy", "dtype", PICKLE_NUMPY_DTYPE, 0, NULL},
    {"numpy", "ndarray", PICKLE_NUMPY_ARRAY, 0, NULL},
    {"torch._utils", "_rebuild_parameter_with_state", PICKLE_REBUILD_PARAMETER, 0, NULL},
    {"torch.nn.parameter", "Parameter", PICKLE_PARAMETER, 0, NULL},
    {"torch.autograd.variable", "Variable", PICKLE_PARAMETER, 0, NULL},
    {"torch._tensor", "_rebuild_from_type_v2", PICKLE_REBUILD_FROM_TYPE, 0, NULL},
    {"torch._tensor", "_rebuild_from_type", PICKLE_REBUILD_FROM_TYPE, 0, NULL},
    {"torch.tensor", "_rebuild_from_type", PICKLE_REBUILD_FROM_TYPE, 0, NULL},
    {"torch._utils", "_rebuild_device_tensor_from_cpu_tensor", PICKLE_FIRST, 0, NULL},
    {"torch._utils", "_rebuild_device_tensor_from_numpy", PICKLE_FIRST, 0, NULL},
    {"torch._utils", "_rebuild_xla_tensor", PICKLE_FIRST, 0, NULL},
    {"torch.jit._pickle", "restore_type_tag", PICKLE_FIRST, 0, NULL},
    {"builtins", "getattr", PICKLE_GETATTR, 0, NULL},
    {"__builtin__", "getattr", PICKLE_GETATTR, 0, NULL},
    {"copyreg", "_reconstructor", PICKLE_RECONSTRUCTOR, 0, NULL},
    {"copy_reg", "_reconstructor", PICKLE_RECONSTRUCTOR, 0, NULL},
    {"copyreg", "__newobj__", PICKLE_RECONSTRUCTOR, 0, NULL},
    {"copy_reg", "__newobj__", PICKLE_RECONSTRUCTOR, 0, NULL},
    UNREAD("_rebuild_sparse_tensor", "a sparse tensor; save it dense"),
    UNREAD("_rebuild_sparse_csr_tensor", "a sparse tensor; save it dense"),
    UNREAD("_rebuild_qtensor", "a quantised tensor; save it dequantised"),
    UNREAD("_rebuild_meta_tensor_no_storage", "a meta tensor, which has no data"),
    UNREAD("_rebuild_nested_tensor", "a nested tensor; save its parts"),
    UNREAD("_rebuild_wrapper_subclass", "a tensor of another library; save it as a plain tensor"),
    QUANTISED("QInt8", I8),
    QUANTISED("QUInt8", U8),
    QUANTISED("QInt32", I32),
    QUANTISED("QUInt4x2", U8),
    QUANTISED("QUInt2x4", U8),
};

/* ---- names that serve to run something --------------------------------------------------------------------------- */

/* Packages, and modules of packages, of which nothing has a place beside weights. */
static const char *const running[] = {
    "os",
    "posix",
    "nt",
    "posixpath",
    "ntpath",
    "subprocess",
    "_posixsubprocess",
    "commands",
    "popen2",
    "pty",
    "sys",
    "shutil",
    "socket",
    "_socket",
    "ssl",
    "runpy",
    "importlib",
    "imp",
    "_imp",
    "zipimport",
    "pkgutil",
    "ctypes",
    "_ctypes",
    "cffi",
    "mmap",
    "marshal",
    "pickle",
    "_pickle",
    "cPickle",
    "shelve",
    "webbrowser",
    "pip",
    "ensurepip",
    "venv",
    "distutils",
    "pdb",
    "bdb",
    "cProfile",
    "timeit",
    "codeop",
    "asyncio",
    "urllib",
    "urllib2",
    "http",
    "httplib",
    "requests",
    "aiohttp",
    "ftplib",
    "smtplib",
    "telnetlib",
    "xmlrpc",
    "tempfile",
    "pydoc",
    "idlelib",
    "lib2to3",
    "_winreg",
    "winreg",
    "msvcrt",
    "gc",
    "faulthandler",
    "sqlite3",
    "torch.hub",

    "torch.utils.cpp_extension",
    "torch.utils.collect_env",
    "torch.utils.bottleneck",
    "torch.utils._config_module",
    "torch._inductor",
    "torch._dynamo.guards",
    "numpy.testing",
    "numpy.f2py",
    "numpy.distutils",
    "logging.config",
};

/* Names that run what they are given, wherever they come from. */
static const char *const runners[] = {
    "eval",           "exec",        "execfile",     "system",         "popen",        "__import__", "getattr",
    "_run_code",      "Popen",       "_eval_repr",   "_import_module", "_create_code", "__reduce__", "__getattribute__",
    "__subclasses__", "__globals__", "__builtins__", "__class__",      "__dict__",
};

/* And some of modules that hold harmless ones beside them; "" ends the names of a module. */
static const char *const some[] = {
    "builtins",
    "compile",
    "open",
    "input",
    "setattr",
    "delattr",
    "breakpoint",
    "globals",
    "locals",
    "vars",
    "apply",
    "file",
    "raw_input",
    "reload",
    "exit",
    "quit",
    "help",
    "",
    "torch",
    "load",
    "save",
    "compile",
    "",
    "torch.serialization",
    "load",
    "_load",
    "_legacy_load",
    "save",
    "",
    "torch.jit",
    "load",
    "save",
    "",
    "numpy",
    "load",
    "loadtxt",
    "fromfile",
    "save",
    "memmap",
    "",
    "joblib",
    "load",
    "",
    "pandas",
    "read_pickle",
    "",
    "operator",
    "attrgetter",
    "methodcaller",
    "",
    "_operator",
    "attrgetter",
    "methodcaller",
    "",
    "io",
    "open",
    "open_code",
    "FileIO",
    "",
    "_io",
    "open",
    "open_code",
    "FileIO",
    "",
    "codecs",
    "open",
    "",
    "functools",
    "reduce",
    "",
    "types",
    "CodeType",
    "FunctionType",
    "",
    "code",
    "interact",
    "InteractiveInterpreter",
    "InteractiveConsole",
    "",
    "profile",
    "run",
    "runctx",
    "Profile",
    "",
    "trace",
    "Trace",
    "",
};

static bool is_within(const char *module, const char *package) {
    size_t length = strlen(package);
    return strncmp(module, package, length) == 0 && (!module[length] || module[length] == '.');
}

static bool is_listed(const char *const *list, size_t count, const char *word, size_t length) {
    for (size_t i = 0; i < count; i++)
        if (strlen(list[i]) == length && memcmp(list[i], word, length) == 0) return true;
    return false;
}

/* Each part of a dotted name: modules hold those that they use, so that from a harmless one others can be reached. */
static bool name_runs(const char *name) {
    for (const char *part = name; part; part = strchr(part, '.') ? strchr(part, '.') + 1 : NULL) {
        size_t length = strcspn(part, ".");
        if (is_listed(runners, sizeof runners / sizeof *runners, part, length)) return true;
        if (is_listed(running, sizeof running / sizeof *running, part, length)) return true;
    }
    return false;
}

static bool serves_to_run(const char *module, const char *name) {
    if (strcmp(module, "__builtin__") == 0) module = "builtins";
    for (size_t i = 0; i < sizeof running / sizeof *running; i++)
        if (is_within(module, running[i])) return true;
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        const char *home = some[i];
        for (i++; *some[i]; i++)
            if (strcmp(module, home) == 0 && is_within(name, some[i])) return true;
    }
    return name_runs(name);
}

/* ---- looking up -------------------------------------------------------------------------------------------------- */

const PickleGlobal *pickle_global_find(const char *module, const char *name) {
    const char *home = strcmp(module, "torch.cuda") == 0 ? "torch" : module; /* storages' kinds have a twin there */
    for (size_t i = 1; i < sizeof globals / sizeof *globals; i++)
        if (strcmp(globals[i].name, name) == 0 && strcmp(globals[i].module, home) == 0) return &globals[i];
    return serves_to_run(module, name) ? NULL : &globals[0];
}

_Static_assert(sizeof globals / sizeof *globals <= 255, "a node holds its row in a byte");

uint8_t pickle_global_row(const PickleGlobal *global) {
    return (uint8_t)(global - globals);
}

const PickleGlobal *pickle_global_at(uint8_t row) {
    return &globals[row];
}
