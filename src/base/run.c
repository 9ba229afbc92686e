/* run -- the files of a run folder, and its log. The log is
 * plain text that other programs may read at the same time, so it only ever grows, a row at a time; an incomplete last
 * row, left by a crash or a full disk, is cut off before the next row. */

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "io.h"
#include "run.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/run.h"
#include "weft/base/save.h"
#include "weft/base/size.h"
#include "weft/base/table.h"
#include "weft/base/text.h"
#include "weft/base/version.h"

enum { LOG_LIMIT = 1 << 28, LOCK_LIMIT = 64 /* bytes */, LOG_COLUMNS_MOST = 4096 };
static const char log_name[] = "log.csv", probe_name[] = "probe";

bool run_write_failed(const char *folder, const char *file, Error *err) {
    return error_set(err, io_status(), "%s%s%s: %s", folder, *file ? "/" : "", file, io_reason());
}

bool run_fail_for(const char *folder, Error *err) {
    err->status = STATUS_WRITE;
    return error_prefix(err, "%s", folder);
}

void run_path(const char *folder, const char *file, Str *out) {
    str_done(out);
    str_add(out, folder);
    if (out->length > 0 && out->text[out->length - 1] != '/') str_add(out, "/");
    str_add(out, file);
}

/* ---- files of the folder ------------------------------------------------------------------------------------------
 */

bool run_probe(const Run *run, uint64_t bytes, Error *err) {
    enum { BLOCK = 1 << 16 };
    Str path = {0};
    run_path(run->folder, probe_name, &path);
    char *block = mem_alloc(BLOCK, 1, err);
    bool done = (block && str_ok(&path, err)) || run_fail_for(run->folder, err);
    Save *save = done ? save_begin(str_text(&path), true, err) : NULL;
    done = save != NULL;
    if (block) memset(block, 0x5a, BLOCK); /* no zeros: file systems that store holes would promise too much */
    for (uint64_t left = bytes; done && left > 0;) {
        uint64_t length = left < BLOCK ? left : BLOCK;
        done = save_write(save, block, length, err);
        left -= length;
    }
    if (save && !done) save_abandon(save);
    done = done && save_commit(save, err);
    done = done && run_remove(run->folder, probe_name, err);
    mem_free(block);
    str_done(&path);
    return done;
}

/* Some file systems know no fsync of folders and say EINVAL: they have nothing more to offer. */
bool run_rename(const char *folder, const char *from, const char *to, Error *err) {
    const int fd = io_open(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    bool done =
        fd >= 0 && (io_rename(fd, from, to, true) == 0 || errno == ENOENT) && (io_fsync(fd) == 0 || errno == EINVAL);
    if (!done) run_write_failed(folder, to, err);
    if (fd >= 0) io_close(fd);
    return done;
}

bool run_remove(const char *folder, const char *file, Error *err) {
    Str path = {0};
    run_path(folder, file, &path);
    bool done = str_ok(&path, err) || run_fail_for(folder, err);
    done = done &&
           (io_remove(AT_FDCWD, str_text(&path), false) == 0 || errno == ENOENT || run_write_failed(folder, file, err));
    str_done(&path);
    return done;
}

/* ---- the log: writing -------------------------------------------------------------------------------------------- */

/* The number that a row begins with. `row` ends in a line end. */
static bool row_step(const char *row, uint64_t *step) {
    const char *at = row;
    for (*step = 0; *at >= '0' && *at <= '9'; at++) {
        if (!size_mul(*step, 10, step) || !size_add(*step, (uint64_t)(*at - '0'), step)) return false;
    }
    return at > row && (*at == ',' || *at == '\n');
}

static size_t commas(const char *from, const char *end) {
    size_t count = 0;
    for (; from < end; from++) count += *from == ',';
    return count;
}

/* How much of an old log stands: up to the first row that is torn, beyond `last_step`, or no row at all. 0: it is to be
 * begun; false: it is another log. */
static bool log_keep(const char *text, size_t length, const char *heading, uint64_t last_step, uint64_t *end) {
    size_t at = strlen(heading);
    *end = 0;
    if (length <= at) return memcmp(text, heading, length) == 0;
    if (memcmp(text, heading, at) != 0 || text[at] != '\n') return false;
    for (at++;;) {
        uint64_t step;
        const char *line_end = memchr(text + at, '\n', length - at);
        if (!line_end || !row_step(text + at, &step) || step > last_step ||
            commas(text + at, line_end) != commas(heading, heading + strlen(heading)))
            break;
        at = (size_t)(line_end + 1 - text);
    }
    *end = at;
    return true;
}

/* Makes the file where it is missing, with its heading at once and for certain: what a power loss left of a heading
 * could be anything, and would not be known for a log. */
static bool make_log(const Run *run, const char *path, const char *heading, Error *err) {
    if (run_has(run->folder, log_name)) return true;
    Str text = {0};
    str_addf(&text, "%s\n", heading);
    bool done = str_ok(&text, err) || run_fail_for(run->folder, err);
    done = done && save_text(path, false, str_text(&text), text.length, err);
    str_done(&text);
    return done;
}

/* Behind the process number: so many rows stood in the log before this writer. */
static bool note_rows(const Run *run, const char *text, Error *err) {
    uint64_t lines = 0;
    Str line = {0};
    for (uint64_t i = 0; i < run->end; i++) lines += text[i] == '\n';
    str_addf(&line, "%llu\n", (unsigned long long)(lines > 0 ? lines - 1 : 0)); /* without the heading */
    bool done = str_ok(&line, err) || run_fail_for(run->folder, err);
    done = done && (io_write(run->lock, str_text(&line), line.length) == (ssize_t)line.length ||
                    run_write_failed(run->folder, run_lock_name, err));
    str_done(&line);
    return done;
}

bool run_log_open(Run *run, const char *heading, uint64_t last_step, Error *err) {
    Str path = {0};
    size_t length = 0;
    char *text = NULL;
    bool done = false;
    if (run->log >= 0) io_close(run->log);
    run->log = -1;
    run_path(run->folder, log_name, &path);
    if (!str_ok(&path, err)) {
        run_fail_for(run->folder, err);
        goto out;
    }
    if (!make_log(run, str_text(&path), heading, err)) goto out;
    run->log = io_open_plain(AT_FDCWD, str_text(&path), O_RDWR | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0);
    if (run->log < 0) {
        run_write_failed(run->folder, log_name, err);
        goto out;
    }
    text = file_read_all(str_text(&path), LOG_LIMIT, &length, err);
    if (!text) goto out;
    if (!log_keep(text, length, heading, last_step, &run->end)) {
        error_set(err, STATUS_BAD_INPUT,
                  "%s: other columns than weft %s keeps for such a run; run the command again into another folder",
                  str_text(&path), WEFT_VERSION);
        goto out;
    }
    run->torn = run->end != length;
    done = note_rows(run, text, err);
    done = done && (run->end == 0
                        ? run_log_row(run, heading, err)
                        : io_truncate(run->log, (off_t)run->end) == 0 || run_write_failed(run->folder, log_name, err));
    if (done) run->torn = false;
out:
    if (!done && run->log >= 0) {
        io_close(run->log);
        run->log = -1;
    }
    mem_free(text);
    str_done(&path);
    return done;
}

bool run_log_row(Run *run, const char *row, Error *err) {
    assert(run->log >= 0 && !strchr(row, '\n'));
    Str line = {0};
    str_add(&line, row);
    str_add(&line, "\n");
    if (!str_ok(&line, err)) {
        str_done(&line);
        return run_fail_for(run->folder, err);
    }
    if (run->torn && io_truncate(run->log, (off_t)run->end) == 0) run->torn = false;
    bool done = false;
    if (!run->torn) {
        errno = ENOSPC; /* what a short write means */
        done = io_write(run->log, line.text, line.length) == (ssize_t)line.length;
        run->torn = !done;
    }
    if (done)
        run->end += line.length;
    else
        run_write_failed(run->folder, log_name, err);
    str_done(&line);
    return done;
}

bool run_log_sync(Run *run, Error *err) {
    assert(run->log >= 0);
    return io_fsync(run->log) == 0 || run_write_failed(run->folder, log_name, err);
}

/* ---- the log: reading -------------------------------------------------------------------------------------------- */

/* Cuts `field` off the line at *rest; NULL after the last one. */
static char *next_field(char **rest) {
    char *field = *rest;
    if (!field) return NULL;
    char *comma = strchr(field, ',');
    if (comma) *comma = '\0';
    *rest = comma ? comma + 1 : NULL;
    return field;
}

static void add_heading(Table *table, char *line) {
    for (char *name; (name = next_field(&line));) {
        char *unit = strstr(name, " ("), *close = unit ? strchr(unit, ')') : NULL;
        bool has_unit = close && close[1] == '\0';
        if (has_unit) *unit = *close = '\0';
        table_column(table, name, has_unit ? unit + 2 : "", table->column_count == 0 ? COLUMN_INTEGER : COLUMN_REAL);
    }
}

static bool add_row(Table *table, char *line, const char *path, size_t number, Error *err) {
    size_t count = 1;
    for (const char *at = line; (at = strchr(at, ',')); at++) count++;
    if (count != table->column_count) {
        return error_set(err, STATUS_BAD_INPUT, "%s: line %zu has %zu values for %zu columns", path, number, count,
                         table->column_count);
    }
    for (const char *field; (field = next_field(&line));) {
        uint64_t step = 0;
        double value = NAN;
        bool first = table->filled == table->column_count || table->rows == 0;
        bool sound = first ? text_to_u64(field, &step) && step <= INT64_MAX : !*field || text_to_double(field, &value);
        if (!sound) return error_set(err, STATUS_BAD_INPUT, "%s: line %zu: '%s' is not a number", path, number, field);
        if (first)
            table_integer(table, (int64_t)step);
        else
            table_real(table, value);
    }
    return true;
}

/* `text` is cut to pieces on the way. */
static Table *parse_log(char *text, const char *path, Error *err) {
    Table *table = NULL;
    char *line = text, *line_end = strchr(text, '\n');
    if (!line_end) {
        error_set(err, STATUS_BAD_INPUT, "%s: has no complete line", path);
        return NULL;
    }
    if (commas(text, line_end) >= LOG_COLUMNS_MOST) {
        error_set(err, STATUS_BAD_INPUT, "%s: has more than %d columns", path, LOG_COLUMNS_MOST);
        return NULL;
    }
    table = table_new(err);
    for (size_t number = 1; table && line_end; number++, line = line_end + 1, line_end = strchr(line, '\n')) {
        *line_end = '\0';
        if (number == 1) {
            add_heading(table, line);
        } else if (!table->failed && !add_row(table, line, path, number, err)) {
            table_free(table);
            return NULL;
        }
    }
    return table ? table_finish(table, err) : NULL;
}

Table *run_log_table(const char *folder, Error *err) {
    Str path = {0};
    size_t length;
    run_path(folder, log_name, &path);
    char *text = str_ok(&path, err) ? run_read(folder, log_name, LOG_LIMIT, &length, err) : NULL;
    Table *table = text ? parse_log(text, str_text(&path), err) : NULL;
    mem_free(text);
    str_done(&path);
    return table;
}

bool run_has(const char *folder, const char *file) {
    return !isnan(run_changed(folder, file));
}

double run_changed(const char *folder, const char *file) {
    Str path = {0};
    struct stat about;
    run_path(folder, file, &path);
    const bool there = !path.failed && io_stat(AT_FDCWD, str_text(&path), &about) == 0;
    str_done(&path);
    return there ? (double)about.st_mtim.tv_sec + 1e-9 * (double)about.st_mtim.tv_nsec : (double)NAN;
}

double run_step_seconds(const Table *log) {
    enum { ROWS = 50 };
    if (!log || log->rows < 2) return NAN;
    const size_t last = log->rows - 1, first = last > ROWS ? last - ROWS : 0;
    const double steps = table_number(log, "step", last) - table_number(log, "step", first);
    const double seconds = table_number(log, "seconds", last) - table_number(log, "seconds", first);
    return steps > 0 && seconds > 0 ? seconds / steps : NAN;
}

double run_row_seconds(const char *folder, uint64_t rows, double *idle) {
    Error ignored;
    size_t length;
    char *text = run_read(folder, run_lock_name, LOCK_LIMIT, &length, &ignored);
    const char *line = text ? strchr(text, '\n') : NULL;
    const double begun = run_changed(folder, run_lock_name), written = run_changed(folder, log_name);
    const bool known = line && line[1] && !isnan(begun) && !isnan(written);
    const uint64_t before = known ? strtoull(line + 1, NULL, 10) : 0;
    const double seconds = known ? written - begun : 0;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    *idle = known ? (double)now.tv_sec + 1e-9 * (double)now.tv_nsec - written : NAN;
    mem_free(text);
    return rows > before && seconds > 0 ? seconds / (double)(rows - before) : (double)NAN;
}
