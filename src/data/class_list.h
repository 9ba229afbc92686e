/* class_list -- which class a folder of images belongs to, from a file. Private to src/data. */
#ifndef WEFT_DATA_CLASS_LIST_H
#define WEFT_DATA_CLASS_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "weft/base/error.h"

typedef struct ClassEntry {
    char *folder; /* owned */
    unsigned label;
} ClassEntry;

/* From {0}. */
typedef struct ClassList {
    ClassEntry *entries; /* sorted by folder, each once */
    size_t count, capacity;
    char **names; /* of the classes: `classes` of them, each owned */
    size_t classes, name_capacity;
} ClassList;

/* Reads PATH, at most 16 MiB, classes 0 to 65535:
 *     text   one class a line, the first line is class 0: the folder's name, or a WordNet id (n01440764) and, after a
 *            blank, tab or comma, the name to show
 *     JSON   ["FOLDER", ...]                        in the order of the classes
 *            {"FOLDER": 0, ...}                     torchvision's class_to_idx; several folders may share a class
 *            {"0": "FOLDER", ...}                   the other way round
 *            {"0": ["FOLDER", "NAME"], ...}         Keras's imagenet_class_index.json
 * STATUS_BAD_INPUT names the file and the line or the class. On failure `out` is to be freed too. */
bool class_list_read(const char *path, ClassList *out, Error *err);
void class_list_done(ClassList *list);
/* The class of a folder; false if the list does not have it. */
bool class_list_find(const ClassList *list, const char *folder, unsigned *label);

#endif
