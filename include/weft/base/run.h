/* run -- the folder of a long computation: config.json, log.csv, checkpoints. */
#ifndef WEFT_RUN_H
#define WEFT_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

/* A run folder that this process writes. There is one writer: it holds an flock on FOLDER/lock, whose text is its
 * process number, and on a second line how many rows its log had as it went on. The system releases the lock however
 * the process ends. Until run_close, all paths of FOLDER and below it, in every function of weft, lead into the folder
 * that was opened, through no link below it, and not to what may stand at that path by then. */
typedef struct Run Run;
/* Makes the folder (and those above it) where it is missing, durably. STATUS_FAILED "FOLDER: in use by process N" where
 * another process writes there; STATUS_WRITE if it cannot be made or written. */
Run *run_open(const char *folder, Error *err);
/* Opens the folder to read only: no lock is taken, and nothing made. STATUS_BAD_INPUT, also where something in the
 * folder, its rounds or trials is neither a folder nor a regular file: what another program put there is not followed.
 * run_open refuses such folders, too. */
Run *run_look(const char *folder, Error *err);
/* Begins a run: what is written in run_folder stands in a folder of another name beside FOLDER until run_publish gives
 * it its name, durably and at once; so a folder of that name can always be resumed. An empty FOLDER is replaced. Where
 * nothing can take its place (a link, the working folder, the rest of an older run), the run is made in it. A folder
 * that may not be one (run_vacant) is STATUS_WRITE; one that another run took meanwhile, STATUS_FAILED. */
Run *run_create(const char *folder, Error *err);
bool run_publish(Run *run, Error *err);
/* Puts the folder's own name in the place of its first one in a message. */
void run_name_error(const Run *run, Error *err);
void run_close(Run *run); /* a run that was not published leaves nothing */
/* Whether a new run may begin in `folder`: it is missing, empty, or a run began there before (it holds a lock). Else
 * STATUS_WRITE: weft does not touch other files. */
bool run_vacant(const char *folder, Error *err);
const char *run_folder(const Run *run);
void run_path(const char *folder, const char *file, Str *out); /* sets *out */
/* A whole file of the folder, as file_read_all, after run_look. */
char *run_read(const char *folder, const char *file, uint64_t limit, size_t *length, Error *err);
/* True while a process holds the folder's lock; *process is its number, 0 where it is not known. */
bool run_busy(const char *folder, long *process);
/* Whether that process, another one than this, holds the folder's lock: the number in the file is anybody's word. */
bool run_holder(const char *folder, long process);
/* Writes and removes a file of `bytes` bytes, to notice a full or read-only folder before the first hour of work. */
bool run_probe(const Run *run, uint64_t bytes, Error *err);
/* Moves a file of the folder, if it exists, over another; durable when it returns true, else STATUS_WRITE.
 */
bool run_rename(const char *folder, const char *from, const char *to, Error *err);
/* Removes a file of the folder, where it exists; else STATUS_WRITE. Durable with the folder's next save. */
bool run_remove(const char *folder, const char *file, Error *err);

/* FOLDER/log.csv: a heading, then rows that are only ever appended. The first column is a step. run_log_open begins a
 * log (durably) or continues an old one: it cuts off a torn last line and the rows of steps beyond `last_step`. An old
 * log with another heading is STATUS_BAD_INPUT. run_log_row adds one line (no line end in `row`) in one write.
 * run_log_sync makes all rows durable. Failures are STATUS_WRITE; a later row may succeed again. */
bool run_log_open(Run *run, const char *heading, uint64_t last_step, Error *err);
bool run_log_row(Run *run, const char *row, Error *err);
bool run_log_sync(Run *run, Error *err);
/* The log as a table of its whole rows. Empty fields are NaN; "name (unit)" in a heading gives a column its unit. The
 * folder may be in use. STATUS_BAD_INPUT if there is no log. */
Table *run_log_table(const char *folder, Error *err);
/* Seconds a step over the last rows of a log; NaN where it does not tell (those of surveys do not). */
double run_step_seconds(const Table *log);
/* Seconds a row, by the times of the files, since the writer opened the log that has `rows` rows now; *idle: seconds
 * since the last row. NaN where it has written none. */
double run_row_seconds(const char *folder, uint64_t rows, double *idle);
bool run_has(const char *folder, const char *file); /* whether there is such a file */
/* When it was written, in seconds since 1970; NaN: there is none. */
double run_changed(const char *folder, const char *file);

#endif
