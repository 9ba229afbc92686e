/* machine -- what weft asks about the machine it runs on. */
#ifndef WEFT_MACHINE_H
#define WEFT_MACHINE_H

const char *cpu_name(void); /* "Intel(R) Xeon(R) ...", as the system gives it; "unknown" */

#endif
