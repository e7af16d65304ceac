/* SPDX-License-Identifier: Apache-2.0 */
/* How the C library gets memory from the kernel, which Swift cannot set. */
#ifndef BULKHEAD_HEAP_H
#define BULKHEAD_HEAP_H

#include <stddef.h>

/*
 * For a process that reads a whole policy and ends soon: sets aside addresses for `bytes` of heap, in large pages where the kernel gives
 * them when asked (it takes memory only as the pages are touched), and keeps what is freed for what is allocated next. Thousands of small
 * pages, each faulted in by itself and many of them twice, are a seventh of what an apply takes.
 */
void bulkhead_prepare_heap(size_t bytes);

#endif
