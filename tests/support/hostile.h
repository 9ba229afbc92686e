/* hostile -- the list of hostile inputs (docs/reliability.md, section 7), as data. One list a format, in
 * tests/support/hostile_FORMAT.c; add a row and every test that walks the list covers it: in process
 * (tests/format/test_hostile.c) and through the program (tests/shell/hostile.sh, which asks `test_hostile --write
 * FOLDER` to write all files and print the list as TSV). */
#ifndef WEFT_TESTS_HOSTILE_H
#define WEFT_TESTS_HOSTILE_H

#include <stdbool.h>

typedef struct HostileCase {
    int row;          /* of docs/reliability.md, section 7 */
    const char *name; /* file (or folder) name to write, unique: "13-header-length.safetensors" */
    const char *load; /* "net", "predictor", "arch" (a definition, asked to recognise a sample), or a DATA SPEC in which
                         every %s is the written path: "idx:%s/images,%s/labels" */
    bool (*write)(const char *path); /* writes the file or folder; false: could not (the test then fails) */
    int status;                      /* expected exit status: 0 must load, 3 bad input, 5 limit */
    const char *reason; /* must stand in the message (for status 0: in a note or warning; NULL: nothing asked) */
} HostileCase;

/* Each ends with name == NULL. */
extern const HostileCase hostile_any[], hostile_safetensors[], hostile_torch[], hostile_files[], hostile_npy[],
    hostile_datasets[], hostile_predictor[], hostile_pictures[], hostile_arch[], hostile_onnx[], hostile_corners[],
    hostile_tar[];

#endif
