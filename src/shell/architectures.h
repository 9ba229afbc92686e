/* architectures -- architectures of the user, and their list in help. Private to src/shell. */
#ifndef WEFT_SHELL_ARCHITECTURES_H
#define WEFT_SHELL_ARCHITECTURES_H

#include "weft/base/text.h"

void architecture_folder_set(void); /* to the user's data folder */
void architecture_families(bool own, Str *out);

#endif
