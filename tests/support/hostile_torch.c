/* hostile_torch -- hostile PyTorch files (RELIABILITY (b), rows 42 to 94). */
#include "hostile.h"

const HostileCase hostile_torch[] = {{0}};
