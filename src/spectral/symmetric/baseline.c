/* baseline -- the kernels in whatever every CPU of the build's kind has (SSE2 on x86-64). */
#define LANES 2
#define ROWS 4
#define COLUMNS 2
#define TARGET
#define NAME "baseline"
#define KERNELS symmetric_baseline
#include "spectral/symmetric/template.h"
