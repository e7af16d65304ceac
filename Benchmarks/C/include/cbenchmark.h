/* What the benchmark asks of the system that Swift cannot: network namespaces and the scheduler. Results are 0 or a negative errno. */
#ifndef BULKHEAD_CBENCHMARK_H
#define BULKHEAD_CBENCHMARK_H

#include <stdint.h>

/* A descriptor of the calling thread's network namespace, or of the one at `path`. */
int bench_open_namespace(const char *path);
int bench_enter_namespace(int descriptor);

/* Keeps the calling thread on the last CPU, ahead of all ordinary threads, or gives it back what it had. */
int bench_begin_burst(void);
void bench_end_burst(void);

#endif
