/* vectors -- plain loops that the compiler makes vectors of, also with gcc's -O2.
 *
 * VECTOR_PLAIN stands before a function with such a loop. VECTOR_AVX2, where it is defined, stands before a copy of it
 * for processors that have AVX2 (vector_avx2). It has no fused multiply-adds, so both give the same bits.
 *
 * VECTOR_UNROLL stands before a loop of a kernel whose sums are to stay in registers. VECTOR_SANITIZED is 1 under
 * AddressSanitizer. Nothing is unrolled there: every access would be checked on its own, which takes minutes to
 * compile.
 */
#ifndef WEFT_VECTORS_H
#define WEFT_VECTORS_H

#if defined(__GNUC__) && !defined(__clang__)
#define VECTOR_PLAIN __attribute__((optimize("tree-vectorize", "vect-cost-model=dynamic")))
#else
#define VECTOR_PLAIN
#endif

#ifdef __has_feature
#define VECTOR_SANITIZED __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define VECTOR_SANITIZED 1
#else
#define VECTOR_SANITIZED 0
#endif

#if VECTOR_SANITIZED
#define VECTOR_UNROLL
#elif defined(__clang__)
#define VECTOR_UNROLL _Pragma("clang loop unroll(full)")
#else
#define VECTOR_UNROLL _Pragma("GCC unroll 32")
#endif

#if defined(__x86_64__)
#define VECTOR_AVX2 VECTOR_PLAIN __attribute__((target("avx2")))
#define vector_avx2() __builtin_cpu_supports("avx2")
#endif

#endif
