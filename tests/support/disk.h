/* disk -- what a power loss can leave of the files that a test wrote.
 *
 * A Disk records what goes through base's thin layer over system calls (io_recorder) below one folder, and then shows
 * the states in which the power may have gone at any moment of it. Certain is only what was asked for: the bytes of a
 * file by an fsync of the file, a name (of a new file or folder, a renaming, a removal) by an fsync of the folder that
 * it stands in. Of everything else any part may be there, in any order; a write may also be there to its half, or as
 * zeros. A renaming is there or not, never half. After SQLite's crash tests (https://www.sqlite.org/atomiccommit.html)
 * and Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014. */
#ifndef WEFT_TESTS_DISK_H
#define WEFT_TESTS_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Disk Disk;

/* Records from now on, one Disk at a time; what stands below `root` (an absolute path without a slash at its end) is
 * there for certain. Running out of memory ends the test. */
Disk *disk_record(const char *root);
/* From here on the program has promised something: the checks of later states are told. */
void disk_promise(Disk *disk, uint64_t promise);
/* The end of the recording. Fails the test where what was recorded is not what stands below the root. */
void disk_stop(Disk *disk);
void disk_free(Disk *disk);

/* Called with one state in `folder`, which it may change; `promise`: the newest (0: none yet); `what`: how the state
 * came to be, for messages. */
typedef void DiskCheck(void *context, const char *folder, uint64_t promise, const char *what);
/* Names of files that nobody reads: states that differ in them alone are one. */
typedef bool DiskTrivial(const char *name);
/* Puts every different state into `folder` (which is emptied first) and checks it. For each moment: all that is
 * uncertain lost, all kept, each alone lost, each alone kept, each write torn or zeroed, and `random` mixtures; of up
 * to four uncertain operations every subset. Returns the number of states. */
size_t disk_crashes(const Disk *disk, const char *folder, size_t random, DiskTrivial *trivial, DiskCheck *check,
                    void *context);

#endif
