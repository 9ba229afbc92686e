/* describe -- a checkpoint as text, to compare with what tests/fixtures/make.py writes. */
#ifndef WEFT_TESTS_DESCRIBE_H
#define WEFT_TESTS_DESCRIBE_H

#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/text.h"
#include "weft/format.h"

/* One line a tensor: name, type, shape, its bytes in hexadecimal, separated by tabs. */
bool describe(Checkpoint *checkpoint, Str *out, Error *err);

/* Opens `file` (taking it over) as checkpoint_parse does and reads every tensor, as stored and as float32. `notes` gets
 * the notes, one a line; it may be NULL. */
bool load_everything(File *file, Str *notes, Error *err);

#endif
