/* baseline -- the vector kernels in whatever every CPU of the build's kind has (SSE2 on x86-64). */
#define LANES 4
#define PIXELS 3
#define PAIR 0
#define TAPS 3
#define KERNEL_TAPS 3
#define TARGET
#define NAME "baseline"
#define KERNELS kernels_baseline
#include "net/engine/kernels/template.h"
