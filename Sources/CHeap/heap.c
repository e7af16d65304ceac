// SPDX-License-Identifier: Apache-2.0
#define _DEFAULT_SOURCE
#include "heap.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef __GLIBC__
#include <malloc.h>

enum { LARGE_PAGE = 2 << 20 };

void bulkhead_prepare_heap(size_t bytes)
{
	/* One heap, also for large arrays and the second thread. */
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	mallopt(M_TRIM_THRESHOLD, INT_MAX);
	mallopt(M_TOP_PAD, (int)bytes);
	uintptr_t start = (uintptr_t)sbrk(0);
	/*
	 * More than there is, so that the heap grows by all of it. Volatile, so that the compiler does not leave it out
	 * as unused.
	 */
	void *volatile block = malloc(LARGE_PAGE);
	uintptr_t end = (uintptr_t)sbrk(0);
	free(block);
	mallopt(M_TOP_PAD, LARGE_PAGE);
	start = (start + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
	if (end > start)
		madvise((void *)start, end - start, MADV_HUGEPAGE);
}
void bulkhead_prepare_service_heap(void)
{
	mallopt(M_ARENA_MAX, 2);
	mallopt(M_MMAP_THRESHOLD, 256 << 10);
	mallopt(M_TRIM_THRESHOLD, 1 << 20);
}

void bulkhead_return_memory(void)
{
	malloc_trim(0);
}
#else
void bulkhead_prepare_service_heap(void)
{
}

void bulkhead_return_memory(void)
{
}

void bulkhead_prepare_heap(size_t bytes)
{
	(void)bytes;
}
#endif
