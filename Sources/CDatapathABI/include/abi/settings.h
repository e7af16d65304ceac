/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What is set in the programs before they are loaded. */
#ifndef BULKHEAD_ABI_SETTINGS_H
#define BULKHEAD_ABI_SETTINGS_H

#include <linux/types.h>

/* Read-only data of the programs, the same in all of an instance. */
struct bh_settings {
	__u32 ticks_per_second; /* of the kernel's jiffies */
	__u32 answer_mark;      /* of answers to rejected packets, from one hook to the other: random, never 0 */
	__u32 answer_cost;      /* nanoseconds per answer: what the rate is limited to; 0 for no limit */
	__u32 answers_all;      /* whether packets to another host are answered too, as where there is no device */
	__u64 flow_secret[2];   /* random: of the hash of flows */
	/* whether struct bh_scratch says what time it is, and map `own_addresses` what the host's addresses are */
	__u32 simulates;
	/* whether programs may read the kernel's tables; else `own_addresses` stands in for them too */
	__u32 reads_kernel;
	__u32 casts_context; /* whether the kernel has bpf_cast_to_kern_ctx(): Linux 6.2 */
	/* blocks of answers that each CPU keeps, a power of two; 0: the front is off, and all packets go the general
	 * way */
	__u32 answer_blocks;
};

_Static_assert(sizeof(struct bh_settings) == 48, "bh_settings");

enum { BH_ANSWER_CLASS_PART = 8 }; /* one block of answers to classes for so many of answers to very packets */

/* Blocks of answers to classes that a CPU has besides so many blocks of answers to very packets. */
static inline __u32 bh_class_blocks(__u32 answer_blocks)
{
	__u32 blocks = answer_blocks / BH_ANSWER_CLASS_PART;

	return blocks ? blocks : 1;
}

#endif
