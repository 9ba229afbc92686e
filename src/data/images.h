/* images -- what the specification of a folder of images asks for. Private to src/data. */
#ifndef WEFT_DATA_IMAGES_H
#define WEFT_DATA_IMAGES_H

#include "weft/base/error.h"

enum { IMAGES_SIDE_MOST = 4096 };

/* From {0}. */
typedef struct ImagesSpec {
    char *folder;                     /* without a slash at its end */
    unsigned shorter;                 /* scale the shorter side to this; 0: no */
    unsigned width, height;           /* scale to exactly this; 0: no */
    unsigned crop_width, crop_height; /* then cut this out of the middle; 0: no */
    bool skip_broken;
    char *classes; /* the file of a ClassList; NULL: the folders' order */
} ImagesSpec;

/* DIR[:PART][:OPTION,...], where DIR may hold colons: what follows is an option only if it begins like one. PART:
 * folder_is_part, if DIR:PART is not itself a folder. On failure `out` is to be freed too. */
bool images_spec_read(const char *rest, ImagesSpec *out, Error *err);
void images_spec_done(ImagesSpec *spec);

/* The size that an image of width x height is scaled to, and what the dataset's images are after the crop. */
void images_scaled(const ImagesSpec *spec, unsigned width, unsigned height, unsigned *to_width, unsigned *to_height);
void images_cropped(const ImagesSpec *spec, unsigned width, unsigned height, unsigned *to_width, unsigned *to_height);

#endif
