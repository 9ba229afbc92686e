/* run -- what run_folder.c and run.c share (inside base). */
#ifndef WEFT_BASE_RUN_H
#define WEFT_BASE_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "hold.h"
#include "weft/base/error.h"
#include "weft/base/run.h"

struct Run {
    char *folder;  /* where its files are */
    char *place;   /* where run_publish puts the folder; NULL: it is there */
    Hold hold;     /* of the folder */
    int above;     /* the folder above it, until it is published; -1: not open */
    int lock, log; /* -1: not open */
    uint64_t end;  /* of the last whole row, in bytes */
    bool torn;     /* more than that may stand in the file */
};

extern const char run_lock_name[]; /* "lock" */

/* "FOLDER/FILE: REASON" of the io call that has just failed. */
bool run_write_failed(const char *folder, const char *file, Error *err);
/* Memory that ran out while something was to be written is a failed write, as in a Save. */
bool run_fail_for(const char *folder, Error *err);

#endif
