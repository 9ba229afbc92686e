/* version -- the number of this version. It is defined only here: scripts/release and the man page read it,
 * tests/release.sh compares debian/changelog and CHANGELOG.md with it. */
#ifndef WEFT_VERSION_H
#define WEFT_VERSION_H

#define WEFT_VERSION "0.2.0"

#endif
