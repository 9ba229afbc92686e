/* folder -- the image files below a folder, class by class. Private to src/data. */
#ifndef WEFT_DATA_FOLDER_H
#define WEFT_DATA_FOLDER_H

#include "weft/base/error.h"
#include "weft/base/text.h"

enum { FOLDER_FILES_MOST = 1000000, FOLDER_CLASSES_MOST = UINT16_MAX + 1, FOLDER_DEPTH = 16 };

typedef struct FolderFile {
    size_t path; /* position of its path, relative to the folder, in `text` */
    unsigned class;
} FolderFile;

/* From {0}. */
typedef struct FolderTree {
    const char *root;  /* borrowed */
    FolderFile *files; /* by class, then by path; at least one */
    size_t count, capacity;
    size_t *classes;      /* positions of their names in `text`, in order; each has a file */
    unsigned class_count; /* 0: the files are in the folder itself */
    size_t *empty;        /* the same for class folders without files; they are not classes */
    size_t empty_count;
    size_t others; /* files that were left out: neither PNG nor JPEG by their names */
    size_t hidden; /* files and folders that were skipped for their names: .NAME, and what macOS adds to zips */
    char *text;
    size_t text_length, text_capacity;
} FolderTree;

/* All *.png, *.jpg and *.jpeg, in any case, that are not folders, below `root`, following links; names that begin with
 * a dot and __MACOSX are skipped. Classes are sorted by name, or by number if all names are numbers. STATUS_BAD_INPUT
 * also if all folders are called train, val, test, ...: these are not classes. On failure `out` is to be freed too. */
bool folder_read(const char *root, FolderTree *out, Error *err);
void folder_done(FolderTree *tree);

/* train, val, test and their like: parts of a dataset. */
bool folder_is_part(const char *name);

/* Adds the whole path of a file. */
void folder_path(const FolderTree *tree, size_t file, Str *out);

#endif
