/* record -- config.json of a run folder: everything that determines a run. One format for all runs: training, trials,
 * rounds and surveys.
 *
 * The record holds values and hashes. Networks are stored next to it in the folder; datasets are opened again from
 * their specification. Training folders written by weft 0.1 can be read as well.
 */
#ifndef WEFT_BASE_RECORD_H
#define WEFT_BASE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weft/base/error.h"
#include "weft/base/hash.h"

struct json_t; /* jansson's */

/* Something that the run needs. */
typedef struct RecordObject {
    char *role;          /* what it is in the run: "source", "teacher", "data"; of a survey the name in its settings */
    char hash[HASH_HEX]; /* of its contents */
    char *file;          /* a network: its file in the folder; else NULL */
    char *spec;          /* a dataset: its specification; else NULL */
    char *folder;        /* a dataset: what spec may be relative to; NULL: the record's folder */
    uint64_t images;     /* a dataset: how many */
} RecordObject;

/* Begin from {0}; every text is a copy of the record's own. */
typedef struct RunRecord {
    char *weft;    /* the version that wrote it; NULL: this one */
    char *kind;    /* "train", "trials", "progressive", "points" */
    char *name;    /* of the result; of a survey its command */
    char *command; /* the line that began it */
    char *folder;  /* the working folder then, which specifications may be relative to; "" not known */
    char *rate_of; /* what a step counts: "kernels", "images", "points" */
    uint64_t steps, seed;
    unsigned trials, rounds, patience; /* of training; 0: there are none */
    RecordObject *objects;
    size_t object_count, object_capacity;
    struct json_t *settings; /* as settings_json or the shell's args_json wrote them */
} RunRecord;

/* The texts, copied, and the working folder. Takes `settings` over, also where it fails (NULL: no memory). */
bool record_begin(RunRecord *record, const char *kind, const char *name, const char *command, struct json_t *settings,
                  Error *err);
bool record_add_network(RunRecord *record, const char *role, const char *hash, const char *file, Error *err);
/* `folder`: what the specification may be relative to, NULL: the record's folder. STATUS_USAGE where the specification
 * is not UTF-8, which JSON cannot hold. */
bool record_add_data(RunRecord *record, const char *role, const char *hash, const char *spec, const char *folder,
                     uint64_t images, Error *err);
const RecordObject *record_object(const RunRecord *record, const char *role); /* NULL: there is none */
void record_done(RunRecord *record);

bool record_here(const char *folder);
/* Writes config.json, all or nothing. */
bool record_write(const char *folder, const RunRecord *record, Error *err);
/* STATUS_BAD_INPUT, naming the file and the field, where it is missing or not a record; STATUS_FAILED where a version
 * wrote it whose runs cannot be continued. */
bool record_read(const char *folder, RunRecord *out, Error *err);
/* The first object that is not the same in both, by role and hash: its role; NULL: none. */
const char *record_objects_difference(const RunRecord *a, const RunRecord *b);

#endif
