/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The one word that says which policy is in force. */
#ifndef BULKHEAD_ABI_STAMP_H
#define BULKHEAD_ABI_STAMP_H

#include <linux/types.h>

/*
 * Value of map `stamp`, one, which is mapped: a line of the cache, of which every packet reads the word. Writing the
 * word is the one step that puts a policy in force. Its lower half is the version: it moves on with each new policy,
 * and after each change of quarantine or of a dynamic group, so what was learnt before is not used any more.
 */
struct bh_stamp {
	__u64 word;
	__u64 until; /* CLOCK_BOOTTIME in nanoseconds, when the trial ends; read where a trial is in force */
	__u32 trial; /* its generation */
	__u32 base;  /* the generation that is in force again after it, and knows what it has to go on with; 0: none */
	__u64 pad[5];
};

_Static_assert(sizeof(struct bh_stamp) == 64, "bh_stamp");

/* Bits of the word's upper half, counted from its lowest. */
enum bh_stamp_flag {
	BH_STAMP_ODD = 1,     /* the policy in force is in BH_SLOT_ODD, else in BH_SLOT_EVEN */
	BH_STAMP_READERS = 2, /* somebody may want to read drops */
	BH_STAMP_CLOSED = 4,  /* other programs come, which may read answers otherwise: the front is off */
	/* the policy in force is on trial, and its base, if it has one, in the other slot; see BH_STAMP_EXPIRED */
	BH_STAMP_TRIAL = 8,
	BH_STAMP_EXPIRED = 16, /* the trial has ended, and is in the other slot: its base judges, or nothing does */
	BH_STAMP_NARROW = 32,  /* one of those who may want to read drops asks for some of them only */
	BH_STAMP_SHADOW = 64,  /* another policy is asked what it would do with each packet that was judged */
};

#endif
