// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "cbenchmark.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

int bench_open_namespace(const char *path)
{
	int descriptor = open(path ? path : "/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	return descriptor < 0 ? -errno : descriptor;
}

int bench_enter_namespace(int descriptor)
{
	return setns(descriptor, CLONE_NEWNET) < 0 ? -errno : 0;
}

static __thread cpu_set_t allowed;

int bench_begin_burst(int first)
{
	struct sched_param priority = { .sched_priority = 1 };
	int chosen = -1;
	cpu_set_t one;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return -errno;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed) && (chosen < 0 || !first))
			chosen = cpu;
	CPU_ZERO(&one);
	CPU_SET(chosen, &one);
	if (sched_setaffinity(0, sizeof(one), &one) < 0)
		return -errno;
	return sched_setscheduler(0, SCHED_FIFO, &priority) < 0 ? -errno : 0;
}

void bench_end_burst(void)
{
	struct sched_param ordinary = { .sched_priority = 0 };

	sched_setscheduler(0, SCHED_OTHER, &ordinary);
	sched_setaffinity(0, sizeof(allowed), &allowed);
}
