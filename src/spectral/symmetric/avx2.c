/* avx2 -- the kernels for CPUs with avx2 and fma. */
#if defined(__x86_64__)
#define LANES 4
#define ROWS 4
#define COLUMNS 3
#define VECTOR_REGISTER "x"
#define TARGET __attribute__((target("avx2,fma")))
#define NAME "avx2"
#define KERNELS symmetric_avx2
#include "spectral/symmetric/template.h"
#else
typedef int NotForThisCpu; /* ISO C asks for a declaration */
#endif
