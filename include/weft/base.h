/* base -- what every other folder stands on: errors, memory, strings, files, numbers, threads, tensors and tables.
 *
 * Conventions of the whole library
 * - A function that can fail returns bool (true: done) or a pointer (NULL: failed) and takes `Error *err` last, never
 * NULL. On failure it has set *err and left its outputs as they were; on success it has not touched *err.
 * - Ownership: X_new/X_open/X_load results are freed with X_free/X_close, which accept NULL. X_init'ed values end with
 *   X_done. `const` pointers returned by an accessor are borrowed and live as long as their owner.
 * - Sizes are uint64_t or size_t and pass through size_mul/size_add where they come from a file.
 * - Nothing here prints, reads a terminal or exits.
 */
#ifndef WEFT_BASE_H
#define WEFT_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEFT_VERSION "0.1.0"

/* ---- errors ------------------------------------------------------------------------------------------------------ */

/* What went wrong; the values are the exit statuses that every command promises (128+n for signals is the shell's). */
typedef enum Status {
    STATUS_OK = 0,
    STATUS_FAILED = 1,      /* anything else */
    STATUS_USAGE = 2,       /* unknown command, option, object, layer; a value out of range */
    STATUS_BAD_INPUT = 3,   /* a file that cannot be read or is not what it claims to be */
    STATUS_WRITE = 4,       /* nothing or not everything could be written */
    STATUS_LIMIT = 5,       /* memory, or a cap on sizes */
    STATUS_CANCELLED = 130, /* Ctrl-C */
} Status;

/* One failure: its status and one line of text that names the file, layer or option and the reason. */
typedef struct Error {
    Status status;
    char text[1024];
} Error;

/* Sets *err; always returns false, so that `return error_set(err, ...)` reads well. Control, DEL, C1 and bidirectional
 * characters of the formatted text are escaped (\xNN, \u{NNNN}), so a hostile name cannot reach a terminal. Long texts
 * end in "...". */
bool error_set(Error *err, Status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "PREFIX: " in front of a text that is already set ("model.pth: storage '0' ..."); always returns false. */
bool error_prefix(Error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- memory and injected faults ---------------------------------------------------------------------------------- */

/* `count` zeroed objects of `size` bytes, 64-byte aligned; a product that overflows, or no memory: NULL and
 * STATUS_LIMIT. count == 0 gives a valid, empty allocation. Free with mem_free. */
void *mem_alloc(uint64_t count, size_t size, Error *err);
void mem_free(void *memory);

/* Makes *array (of objects of `size` bytes, allocated here or NULL) hold at least `need` objects, growing by half at
 * least; new room is zeroed. On failure *array and *capacity are unchanged. */
bool mem_grow(void *array_address, size_t *capacity, uint64_t need, size_t size, Error *err);

/* A copy of `text` (or of its first `length` bytes), NUL-terminated. */
char *mem_copy_text(const char *text, Error *err);
char *mem_copy_bytes(const void *bytes, size_t length, Error *err);

/* The most that one load may take: the user's limit, else 75 % of RAM or of the control group's limit, whichever is
 * less. */
uint64_t mem_budget(void);
void mem_set_budget(uint64_t bytes); /* 0: back to the default */

/* STATUS_LIMIT "loading WHAT needs 37.0 GiB, limit 16.0 GiB (set --max-memory)" where `bytes` is over the budget. */
bool mem_admit(uint64_t bytes, const char *what, Error *err);

/* Faults for tests: the n-th call (from 1) of the kinds in the mask fails, as if the system had refused; `all_after`
 * makes every later one fail too. fault_disarm returns how many calls of these kinds were seen since fault_arm. */
typedef enum FaultKind {
    FAULT_ALLOC = 1,
    FAULT_OPEN = 2,
    FAULT_READ = 4,
    FAULT_WRITE = 8,
    FAULT_FSYNC = 16,
    FAULT_CLOSE = 32,
    FAULT_RENAME = 64,
} FaultKind;
void fault_arm(unsigned kinds, uint64_t nth, bool all_after);
uint64_t fault_disarm(void);
bool fault_hit(FaultKind kind); /* asked by the thin layer before each call; true: fail now */

/* ---- checked sizes ----------------------------------------------------------------------------------------------- */

/* *out = a op b; false on overflow, *out then undefined. */
static inline bool size_mul(uint64_t a, uint64_t b, uint64_t *out) {
    return !__builtin_mul_overflow(a, b, out);
}
static inline bool size_add(uint64_t a, uint64_t b, uint64_t *out) {
    return !__builtin_add_overflow(a, b, out);
}

/* Product of `rank` dimensions (1 for rank 0); false where any partial product of the non-zero dimensions overflows,
 * even if another dimension is 0. */
bool size_product(const uint64_t *dim, unsigned rank, uint64_t *out);

/* ---- strings ----------------------------------------------------------------------------------------------------- */

/* A growing text. Start from {0}; a failed allocation sets `failed`, later additions do nothing, and str_ok reports it
 * once. */
typedef struct Str {
    char *text; /* NUL-terminated once anything was added, else NULL */
    size_t length, capacity;
    bool failed;
} Str;
void str_add(Str *str, const char *text);
void str_add_bytes(Str *str, const char *bytes, size_t length);
void str_addf(Str *str, const char *format, ...) __attribute__((format(printf, 2, 3)));
void str_addv(Str *str, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
void str_add_escaped(Str *str, const char *bytes, size_t length); /* as error_set escapes; invalid UTF-8 as \xNN */
bool str_ok(const Str *str, Error *err);                          /* false and STATUS_LIMIT where an addition failed */
const char *str_text(const Str *str);                             /* "" while empty */
void str_done(Str *str);

bool text_valid_utf8(const char *bytes, size_t length);
/* `text` itself where it is UTF-8, else escaped into *scratch (as str_add_escaped does): for formats that hold only
 * UTF-8. NULL where memory ran out. */
const char *text_as_utf8(const char *text, Str *scratch);
size_t text_columns(const char *text);             /* terminal columns of a UTF-8 text */
size_t text_fit(const char *text, size_t columns); /* bytes of the longest beginning that takes at most `columns` */
bool text_ends_with(const char *text, const char *end);
bool text_glob(const char *pattern, const char *text); /* whole-text match; * ? [a-z] [!a]; no recursion */
/* The candidate closest to `word` in Damerau-Levenshtein distance, or NULL where none is close enough to be what was
 * meant. */
const char *text_nearest(const char *word, const char *const *candidates, size_t count);
bool text_to_double(const char *text, double *out); /* whole text, finite or inf/nan, C locale */
bool text_to_u64(const char *text, uint64_t *out);  /* whole text, digits only */

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* A file (or a block of memory that stands for one) to read at any offset. Only regular files open; opened
 * O_CLOEXEC|O_NONBLOCK and read with pread, never mapped. */
typedef struct File File;
File *file_open(const char *path, Error *err); /* STATUS_BAD_INPUT names the path */
File *file_open_in(const char *folder, const char *basename, Error *err);
File *file_memory(const char *name, const void *bytes, uint64_t size, Error *err); /* borrows `bytes` */
void file_close(File *file);
const char *file_name(const File *file); /* the path as the user gave it */
uint64_t file_size(const File *file);
/* Exactly `length` bytes from `offset`; beyond the end or a short read: STATUS_BAD_INPUT, the text starting with the
 * name. */
bool file_read(const File *file, uint64_t offset, void *out, uint64_t length, Error *err);
/* The whole file as a NUL-terminated allocation, at most `limit` bytes (STATUS_LIMIT). */
char *file_read_all(const char *path, uint64_t limit, size_t *length, Error *err);

/* An atomic save: temporary file in the target's folder (O_EXCL, the old file's mode kept), fsync, rename, fsync of the
 * folder. save_begin refuses an existing target unless `overwrite` (STATUS_WRITE, "exists; --force overwrites it").
 * Until save_commit returns true the old file is untouched, unless only the folder's fsync failed; save_commit and
 * save_abandon free the Save and leave no temporary file. All failures are STATUS_WRITE and name the target. */
typedef struct Save Save;
Save *save_begin(const char *path, bool overwrite, Error *err);
bool save_write(Save *save, const void *bytes, uint64_t length, Error *err);
bool save_commit(Save *save, Error *err);
void save_abandon(Save *save);
/* From now on save_begin asks first, and fails with the error that `allowed` sets (of any status). NULL: no more. Not
 * while other threads save. */
void save_guard(bool (*allowed)(void *context, const char *path, Error *err), void *context);
bool save_text(const char *path, bool overwrite, const char *text, size_t length, Error *err); /* the three in one */

/* ---- hashes ------------------------------------------------------------------------------------------------------ */

/* XXH3-128 of a block as 32 hexadecimal digits: tells accidents apart (torn files, changed data), not forgeries. */
enum { HASH_HEX = 33 };
void hash_hex(const void *bytes, size_t length, char out[HASH_HEX]);

/* ---- random numbers ---------------------------------------------------------------------------------------------- */

/* Counter-based Philox 4x32-10 (Salmon et al., 2011): number i of (seed, stream) depends on nothing else, so results
 * repeat whatever the number of threads. A stream is any 64-bit label: a purpose, a step, a layer. */
typedef struct Rng {
    uint64_t seed, stream, position; /* position counts 32-bit draws */
} Rng;
void rng_block(uint64_t seed, uint64_t stream, uint64_t block, uint32_t out[4]);
uint32_t rng_u32(Rng *rng);
uint64_t rng_below(Rng *rng, uint64_t bound); /* uniform on [0, bound), no modulo bias; bound > 0 */
double rng_uniform(Rng *rng);                 /* [0, 1), 53 bits */
double rng_normal(Rng *rng);                  /* Box-Muller, two 53-bit draws, nothing cached */

/* ---- spread ------------------------------------------------------------------------------------------------------ */

/* Mean and spread of values that come one by one (Welford, 1962). From {0}. */
typedef struct Spread {
    double count, mean, squares; /* squares: of the deviations, summed */
} Spread;
void spread_add(Spread *spread, double value);
double spread_deviation(const Spread *spread); /* standard deviation with count - 1; 0 for fewer than two values */

/* ---- progress and cancellation ----------------------------------------------------------------------------------- */

/* What a long computation reports to, and asks whether it should go on. NULL stands for "no progress"; cancellation is
 * always honoured. */
typedef struct Task {
    void (*report)(void *context, const char *what, uint64_t done, uint64_t total); /* any thread; may be NULL */
    void *context;
    bool patient; /* a first cancellation is somebody else's business; only a second one stops this */
} Task;
/* Reports, then returns false with STATUS_CANCELLED where a cancellation is pending. */
bool task_step(const Task *task, const char *what, uint64_t done, uint64_t total, Error *err);

/* The process's cancellation level, set by signal handlers (async-signal-safe): 0 none, 1 finish the step, 2 at once.
 */
void cancel_request(void);
int cancel_level(void);
void cancel_clear(void);

double clock_seconds(void); /* monotonic */
const char *cpu_name(void); /* "Intel(R) Xeon(R) ...", as the system tells it; "unknown" */

/* ---- threads ----------------------------------------------------------------------------------------------------- */

/* Threads used by pool_run: WEFT_THREADS, else OMP_NUM_THREADS, else the cores this process may use; at least 1. */
unsigned pool_threads(void);
void pool_set_threads(unsigned threads); /* 0: the default again. Not while pool_run is running. */

/* Calls piece(context, i, worker) for every i in [0, pieces), in no particular order, on the pool and the caller;
 * worker < pool_threads() and no two calls with the same worker overlap. How work is cut into pieces must not depend on
 * the number of threads; then results do not either. A call from inside a piece runs in that worker, serially. Workers
 * are started at the first use and kept. */
typedef void PieceFunction(void *context, size_t piece, unsigned worker);
void pool_run(size_t pieces, PieceFunction *piece, void *context);

typedef struct Run Run; /* see run folders */

/* Who runs independent pieces: as pool_run, all threads across the pieces; or run_in_turn, one after the other on the
 * calling thread, each with all threads to itself. Machines would be one more function of this kind. */
typedef void Executor(size_t pieces, PieceFunction *piece, void *context);
Executor run_in_turn;

/* One map over independent points: evaluates every point, in parallel, expensive ones first (`cost` may be NULL), with
 * progress; stops at the first failure or cancellation. Of several failures it reports that of the point that comes
 * first in this order (equal costs: the lower point), whatever the number of threads; a failure goes before a
 * cancellation. */
typedef bool PointFunction(void *context, size_t point, Error *err);
bool map_points(size_t points, const double *cost, PointFunction *point, void *context, const char *what,
                const Task *task, Error *err);

/* The same for points that give numbers, which a run folder keeps as they come. */
typedef struct Points {
    size_t count, values;     /* points; numbers that each gives, at least 1 */
    const char *const *names; /* of the numbers, "name (unit)" where there is one: the log's heading */
    const double *cost;       /* relative; NULL: alike */
    bool (*evaluate)(void *context, size_t point, double *values, Error *err); /* from several threads at once */
    void *context;
    const char *what;   /* for progress */
    Executor *executor; /* NULL: pool_run */
} Points;
/* Evaluates the points that are missing. `results`: count x values; `done`: count marks; both begin as the caller made
 * them, marked points are left alone. With `run` (the caller's, locked), those of its log.csv are taken from there, and
 * every other point is added to it as soon as it is known. On failure or cancellation what is done is marked, and kept,
 * all the same; the points that are running when a first cancellation comes are finished. STATUS_WRITE where all went
 * well but the log could not be written (it is tried again with every point); STATUS_BAD_INPUT for another run's log.
 */
bool points_run(const Points *points, Run *run, double *results, bool *done, const Task *task, Error *err);

/* ---- numbers and tensors ----------------------------------------------------------------------------------------- */

/* Every element type a file can hold: X(name, safetensors name, bits). */
#define DTYPES(X)                    \
    X(BOOL, "BOOL", 8)               \
    X(U8, "U8", 8)                   \
    X(I8, "I8", 8)                   \
    X(U16, "U16", 16)                \
    X(I16, "I16", 16)                \
    X(F16, "F16", 16)                \
    X(BF16, "BF16", 16)              \
    X(U32, "U32", 32)                \
    X(I32, "I32", 32)                \
    X(F32, "F32", 32)                \
    X(U64, "U64", 64)                \
    X(I64, "I64", 64)                \
    X(F64, "F64", 64)                \
    X(C64, "C64", 64)                \
    X(C128, "C128", 128)             \
    X(F8_E4M3, "F8_E4M3", 8)         \
    X(F8_E5M2, "F8_E5M2", 8)         \
    X(F8_E8M0, "F8_E8M0", 8)         \
    X(F8_E4M3FNUZ, "F8_E4M3FNUZ", 8) \
    X(F8_E5M2FNUZ, "F8_E5M2FNUZ", 8) \
    X(F4, "F4", 4)                   \
    X(F6_E2M3, "F6_E2M3", 6)         \
    X(F6_E3M2, "F6_E3M2", 6)
typedef enum DType {
#define X(name, text, bits) DTYPE_##name,
    DTYPES(X)
#undef X
        DTYPE_COUNT
} DType;
const char *dtype_name(DType type);
unsigned dtype_bits(DType type);
bool dtype_integer(DType type); /* signed or not, of 8 to 64 bits; not BOOL */
bool dtype_float(DType type);   /* real floats of 8 bits or more: what dtype_from_f32 writes */
bool dtype_parse(const char *name, DType *out);
/* `count` little-endian elements to float32 (round to nearest even from wider types); false for complex and sub-byte
 * types, with STATUS_BAD_INPUT "F4 values cannot be used as numbers". */
bool dtype_to_f32(DType type, const void *bytes, uint64_t count, float *out, Error *err);
/* float32 to a float type, as PyTorch converts: to the nearest, ties to even. What is too large becomes infinite, NaN
 * in the FNUZ forms, which have no infinity, and the largest number in F8_E4M3. F8_E8M0, powers of two without a sign:
 * the nearest one by its exponent, 1.5 going up. */
void dtype_from_f32(DType type, const float *values, uint64_t count, void *bytes);

/* A dense row-major float32 array, immutable once shared: counted references let a smoothed network share every weight
 * it did not change. */
enum { TENSOR_RANK_MAX = 32 };
typedef struct Tensor {
    unsigned rank;
    uint64_t dim[TENSOR_RANK_MAX];
    uint64_t count; /* product of the dimensions */
    float *data;    /* 64-byte aligned */
    int references; /* touched only by tensor_share and tensor_release (atomically) */
} Tensor;
Tensor *tensor_new(unsigned rank, const uint64_t *dim, Error *err); /* zeroed, one reference */
Tensor *tensor_share(Tensor *tensor);
void tensor_release(Tensor *tensor);

/* c[m][n] = alpha * op(a) op(b) + beta * c, row-major, one OpenBLAS call on the calling thread (we cut work ourselves).
 */
void gemm_f32(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
              const float *b, size_t ldb, float beta, float *c, size_t ldc);

/* The same product on the CPU's matrix unit (AMX), several times faster, for matrices that are packed once and used
 * often. A float32 number is taken as the exact sum of three bfloat16 ones: results are as exact as gemm_f32's.
 * tiles_pack and tiles_multiply may be called only where tiles_available. On the calling thread; no allocation. */
bool tiles_available(void);
enum { TILES_SIDE = 16 };
typedef enum TilesFactor { TILES_LEFT, TILES_RIGHT } TilesFactor;
/* `rows` of the left factor or columns of the right one, `depth` numbers of each, over which products are summed:
 * from[row * step + d] where `deep`, else from[d * step + row]. */
typedef struct TilesSource {
    const float *from;
    size_t step, rows, depth;
    bool deep;
    bool rough; /* packed for rough products only */
} TilesSource;
size_t tiles_size(size_t rows, size_t depth); /* of a packed factor, in numbers of 16 bits */
void tiles_pack(const TilesSource *source, TilesFactor factor, uint16_t *packed);
/* out[r][c] = sum over d of left[r][d] right[d][c], + bias[c] (NULL: 0), + out[r][c] where `add`; negative ones are 0
 * where `relu`, a NaN stays one. `columns`: a multiple of TILES_SIDE. `rough`: twice as fast, each term with a relative
 * error of up to 2^-15. */
typedef struct TilesProduct {
    const uint16_t *left, *right;
    size_t rows, columns, depth;
    const float *bias;
    bool relu, add, rough;
    float *out;
    size_t out_step;
} TilesProduct;
void tiles_multiply(const TilesProduct *product);

/* ---- tables ------------------------------------------------------------------------------------------------------ */

/* The one result type: named, typed columns with units, and metadata (the command, the objects it came from, the seed).
 */
typedef enum ColumnType { COLUMN_TEXT, COLUMN_INTEGER, COLUMN_REAL } ColumnType;
typedef union Cell {
    char *text; /* owned by the table; NULL prints as empty */
    int64_t integer;
    double real; /* NaN prints as empty in text and Markdown, "nan" in CSV/TSV, null in JSON */
} Cell;
typedef struct Column {
    char *name, *unit; /* unit "" where there is none; "%" prints with three decimals */
    ColumnType type;
    Cell *cells; /* table->rows of them */
} Column;
typedef struct TableNote {
    char *key, *value;
} TableNote;
typedef struct Table {
    Column *columns;
    size_t column_count, rows;
    TableNote *notes; /* metadata, in the order added */
    size_t note_count;
    size_t cell_capacity, filled; /* building: cells per column allocated; cells filled of the last row */
    bool failed;                  /* building: memory ran out */
} Table;

/* Building: columns first, then cells row by row, left to right; a row begins with its first cell. Failures stick and
 * table_finish reports them, so the calls between need no checks. Cells of the wrong type for their column are a
 * programming error (assert). */
Table *table_new(Error *err);
void table_column(Table *table, const char *name, const char *unit, ColumnType type);
void table_text(Table *table, const char *text);
void table_integer(Table *table, int64_t value);
void table_real(Table *table, double value);
void table_note(Table *table, const char *key, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Returns `table` when complete; else frees it, sets *err and returns NULL. */
Table *table_finish(Table *table, Error *err);
void table_free(Table *table);
Table *table_copy(const Table *table, Error *err);

const Column *table_find(const Table *table, const char *name); /* NULL where absent */
double table_number(const Table *table, const char *column,
                    size_t row);                             /* integer or real cell; NaN for text or absent */
double table_latest(const Table *table, const char *column); /* of the last row that has a value; NaN: none has */
const char *table_get_note(const Table *table, const char *key);
/* A copy without the columns that have no value in any row and, where `needs` is given, without the rows in which that
 * column has none; notes are not copied. */
Table *table_filled(const Table *table, const char *needs, Error *err);
/* A copy with only the rows in which a column reads `text`, as its text or as its number to six digits; notes are not
 * copied. STATUS_USAGE where there is no such column or row. */
Table *table_where(const Table *table, const char *column, const char *text, Error *err);
/* True where two columns show the same numbers, absent ones included. */
bool table_same_column(const Table *table, const char *a, const char *b);

typedef enum TableFormat { TABLE_TEXT, TABLE_CSV, TABLE_TSV, TABLE_JSON, TABLE_MARKDOWN } TableFormat;
/* TEXT: aligned columns for people (numbers right, units in the heading; at most `width` columns wide where width > 0,
 * long texts shortened with an ellipsis). CSV (RFC 4180, lines ending in \n), TSV, MARKDOWN: heading, then rows,
 * numbers with all their digits (%.9g or more where that does not read back equal). JSON:
 * {"notes":{},"columns":[{name,unit,type}],"rows":[{...}]}. Text is escaped for terminals in TEXT only. */
void table_write(const Table *table, TableFormat format, size_t width, Str *out);
/* One cell as people read it (as TEXT does). */
void table_cell_text(const Table *table, size_t column, size_t row, Str *out);

/* ---- run folders ------------------------------------------------------------------------------------------------- */

/* The folder of a long computation: config.json, log.csv, checkpoints. One writer: an flock on FOLDER/lock, whose text
 * is the writer's process number; the system gives it back however the process ends. */
/* Makes the folder (and those above it) where it is missing, durably; STATUS_FAILED "FOLDER: in use by process N" where
 * another process writes there; STATUS_WRITE where it cannot be made or written. */
Run *run_open(const char *folder, Error *err);
void run_close(Run *run);
/* Whether a new run may begin in `folder`: it is missing, empty, or one where a run began before (it holds a lock).
 * Else STATUS_WRITE: nobody's files are touched. */
bool run_vacant(const char *folder, Error *err);
const char *run_folder(const Run *run);
void run_path(const char *folder, const char *file, Str *out); /* sets *out */
/* True while a process holds the folder's lock; *process is its number, 0 where it is not known. */
bool run_busy(const char *folder, long *process);
/* Writes and removes a file of `bytes` bytes, so that a full or read-only folder is found out before hour one. */
bool run_probe(const Run *run, uint64_t bytes, Error *err);
/* Puts a file of the folder, where it exists, in the place of another; durable when it returns true, else STATUS_WRITE.
 */
bool run_rename(const char *folder, const char *from, const char *to, Error *err);
/* Removes a file of the folder, where it exists; else STATUS_WRITE. Durable with the folder's next save. */
bool run_remove(const char *folder, const char *file, Error *err);

/* FOLDER/log.csv: a heading, then rows that are only ever appended; the first column is a step. run_log_open begins it
 * (durably), or takes an old one up: cuts off a torn last line and the rows of steps beyond `last_step`. An old log
 * with another heading is STATUS_BAD_INPUT. run_log_row adds one line (no line end in `row`) in one write; run_log_sync
 * makes all rows durable. Failures are STATUS_WRITE; a later row may succeed again. */
bool run_log_open(Run *run, const char *heading, uint64_t last_step, Error *err);
bool run_log_row(Run *run, const char *row, Error *err);
bool run_log_sync(Run *run, Error *err);
/* The log as a table (whole rows only; empty fields are NaN; "name (unit)" in a heading gives a column its unit). The
 * folder may be in use. STATUS_BAD_INPUT where there is none. */
Table *run_log_table(const char *folder, Error *err);
bool run_has(const char *folder, const char *file); /* whether there is such a file */

#endif
