/* kernels -- choosing the kernels for this CPU. */
#include "spectral/symmetric/kernels.h"

const SymmetricKernels *symmetric_kernels(size_t index) {
    const SymmetricKernels *sets[3];
    size_t count = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw"))
        sets[count++] = &symmetric_avx512;
    if (avx2) sets[count++] = &symmetric_avx2;
#endif
    sets[count++] = &symmetric_baseline;
    return index < count ? sets[index] : NULL;
}
