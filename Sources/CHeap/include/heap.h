/* SPDX-License-Identifier: Apache-2.0 */
/* How the C library gets memory from the kernel, which Swift cannot set. */
#ifndef BULKHEAD_HEAP_H
#define BULKHEAD_HEAP_H

#include <stddef.h>

/*
 * Prepares the heap of a process that reads a whole policy and ends soon. It sets aside addresses for `bytes` of heap,
 * in large pages where the kernel gives them when asked; memory is taken only as the pages are touched. What is freed
 * is kept for what is allocated next. Without this, thousands of small pages, each faulted in by itself and many of
 * them twice, take a seventh of the time of an apply.
 */
void bulkhead_prepare_heap(size_t bytes);

/* For a process that lives long and mostly waits: few heaps, and what is free goes back to the kernel. */
void bulkhead_prepare_service_heap(void);

/* Gives back what is free now. */
void bulkhead_return_memory(void);

#endif
