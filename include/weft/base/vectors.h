/* vectors -- plain loops that the compiler makes vectors of, also with gcc's -O2.
 *
 * VECTOR_PLAIN stands before a function with such a loop. VECTOR_AVX2, where it is defined, stands before a copy of it
 * for processors that have AVX2 (vector_avx2). It has no fused multiply-adds, so both give the same bits.
 */
#ifndef WEFT_VECTORS_H
#define WEFT_VECTORS_H

#if defined(__GNUC__) && !defined(__clang__)
#define VECTOR_PLAIN __attribute__((optimize("tree-vectorize", "vect-cost-model=dynamic")))
#else
#define VECTOR_PLAIN
#endif

#if defined(__x86_64__)
#define VECTOR_AVX2 VECTOR_PLAIN __attribute__((target("avx2")))
#define vector_avx2() __builtin_cpu_supports("avx2")
#endif

#endif
