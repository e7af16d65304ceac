/* SPDX-License-Identifier: GPL-2.0-only */
/* The clocks that packets are judged by: the kernel's, or a simulation's where a program is attached to nothing. */
#ifndef BULKHEAD_CLOCK_H
#define BULKHEAD_CLOCK_H

#include "image.h"
#include "settings.h"

/* Jiffies, their low half. */
static __always_inline __u32 ticks_now(const struct bh_scratch *here)
{
	if (settings.simulates)
		return here->now / (1000000000 / settings.ticks_per_second);
	return bpf_jiffies64();
}

/* Nanoseconds, from some moment on. */
static __always_inline __u64 nanoseconds_now(const struct bh_scratch *here)
{
	return settings.simulates ? here->now : bpf_ktime_get_ns();
}

/* Nanoseconds since 1970. */
static __always_inline __u64 wall_now(const struct image *image, const struct bh_scratch *here)
{
	return (settings.simulates ? here->now : bpf_ktime_get_tai_ns()) + image->header->wall_offset;
}

/*
 * Nanoseconds since the start, sleep included, by which members of dynamic groups age. `offset` is the image's
 * boot_offset.
 */
static __always_inline __u64 boot_now(const struct bh_scratch *here, __u64 offset)
{
	return (settings.simulates ? here->now : bpf_ktime_get_boot_ns()) + offset;
}

#endif
