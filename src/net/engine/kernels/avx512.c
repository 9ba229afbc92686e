/* avx512 -- the vector kernels for CPUs with avx512f, avx512vl, avx512dq, avx512bw, avx2, fma. */
#if defined(__x86_64__)
#define LANES 16
#define PIXELS 16
#define PAIR 14
#define VECTOR_REGISTER "v"
#define TAPS 24
#define KERNEL_TAPS 9
#define TARGET __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")))
#define NAME "avx512"
#define KERNELS kernels_avx512
#include "net/engine/kernels/template.h"
#else
typedef int NotForThisCpu; /* ISO C asks for a declaration */
#endif
