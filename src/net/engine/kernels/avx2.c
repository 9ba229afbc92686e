/* avx2 -- the vector kernels for CPUs with avx2, fma. */
#if defined(__x86_64__)
#define LANES 8
#define PIXELS 6
#define PAIR 0
#define VECTOR_REGISTER "x"
#define TAPS 6
#define KERNEL_TAPS 3
#define TARGET __attribute__((target("avx2,fma")))
#define NAME "avx2"
#define KERNELS kernels_avx2
#include "net/engine/kernels/template.h"
#else
typedef int NotForThisCpu; /* ISO C asks for a declaration */
#endif
