/* folder -- the image files below a folder, class by class. Private to src/data. */
#ifndef WEFT_DATA_FOLDER_H
#define WEFT_DATA_FOLDER_H

#include "weft/base/error.h"
#include "weft/base/text.h"

enum { FOLDER_FILES_MOST = 1000000, FOLDER_CLASSES_MOST = UINT16_MAX + 1, FOLDER_DEPTH = 16 };

typedef struct FolderFile {
    size_t path; /* where its path, relative to the folder, stands in `text` */
    unsigned class;
} FolderFile;

/* From {0}. */
typedef struct FolderTree {
    const char *root;  /* borrowed */
    FolderFile *files; /* by class, then by path; at least one */
    size_t count, capacity;
    size_t *classes;      /* where their names stand in `text`, in order; each has a file */
    unsigned class_count; /* 0: the files are in the folder itself */
    size_t *empty;        /* the same of folders for classes that have no file; they are no classes */
    size_t empty_count;
    size_t others; /* files that were left out: neither PNG nor JPEG by their names */
    size_t hidden; /* files and folders that were left out for their names: .NAME, and what macOS zips beside */
    char *text;
    size_t text_length, text_capacity;
} FolderTree;

/* All *.png, *.jpg and *.jpeg, however they are written, that are no folders, below `root`, links followed; names that
 * begin with a dot and __MACOSX are left out. Classes are in the order of their names, or of their numbers where all of
 * them are numbers. STATUS_BAD_INPUT also where all folders are called train, val, test, ...: these are no classes. On
 * failure `out` is to be freed too. */
bool folder_read(const char *root, FolderTree *out, Error *err);
void folder_done(FolderTree *tree);

/* train, val, test and their like: parts of a dataset. */
bool folder_is_part(const char *name);

/* Adds the whole path of a file. */
void folder_path(const FolderTree *tree, size_t file, Str *out);

#endif
