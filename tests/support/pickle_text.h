/* pickle_text -- pickles for tests, written down as text.
 *
 * A program is a sequence of tokens between blanks:
 *   'text       BINUNICODE            12, -3      LONG1 of eight bytes
 *   @module.name GLOBAL (the last dot divides)    <N, >N  BINPUT, BINGET
 *   #69         the byte 0x69         other single characters: that opcode, as in ( t ) } ] s u a e R b Q N .
 *   T F         NEWTRUE, NEWFALSE
 */
#ifndef WEFT_TESTS_PICKLE_TEXT_H
#define WEFT_TESTS_PICKLE_TEXT_H

#include "bytes.h"

/* Adds PROTO 2 and the program. */
void bytes_pickle(Bytes *bytes, const char *program);

/* Programs: a storage of `count` elements; a tensor on it; a state dict of that one tensor, w. */
#define STORAGE(kind, key, count) "( 'storage @torch." kind "Storage '" key " 'cpu " count " t Q "
#define REBUILD(storage, offset, size, stride)                                     \
    "@torch._utils._rebuild_tensor_v2 ( " storage offset " ( " size " t ( " stride \
    " t F @collections.OrderedDict ) R t R "
#define TENSOR(offset, size, stride) REBUILD(STORAGE("Float", "0", "6"), offset, size, stride)
#define STATE_DICT(tensor) "} 'w " tensor "s ."
#define GOOD TENSOR("0", "2 3", "3 1")

#endif
