/* avx512 -- the kernels for CPUs with avx512f, avx512dq, avx2, fma. */
#if defined(__x86_64__)
#include <immintrin.h>
#define LANES 8
#define ROWS 8
#define COLUMNS 3
#define VECTOR_REGISTER "v"
#define TARGET __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")))
#define NAME "avx512"
#define KERNELS symmetric_avx512
#include "spectral/symmetric/template.h"
#else
typedef int NotForThisCpu; /* ISO C asks for a declaration */
#endif
