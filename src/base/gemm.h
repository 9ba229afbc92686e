/* gemm -- OpenBLAS is set once to run on the calling thread (inside base). */
#ifndef WEFT_BASE_GEMM_H
#define WEFT_BASE_GEMM_H

void gemm_prepare(void);

#endif
