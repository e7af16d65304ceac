/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* A shadow: a policy that says what it would do with packets that another one judges. */
#ifndef BULKHEAD_ABI_SHADOW_H
#define BULKHEAD_ABI_SHADOW_H

#include <linux/types.h>
#include "events.h"

enum {
	BH_SHADOW_PAIRS = 16384,  /* ways in which verdicts differ that are counted each by itself */
	BH_SHADOW_BUCKETS = 4096, /* token buckets of what is streamed */
};

/* Value of map `shadow_lease`, one, which is mapped: what the command says that asks for the shadow. */
struct bh_shadow_lease {
	__u64 expires;    /* CLOCK_MONOTONIC nanoseconds; renewed every second */
	__u32 generation; /* of the policy that the shadow is compared with */
	__u32 pad;
};

_Static_assert(sizeof(struct bh_shadow_lease) == 16, "bh_shadow_lease");

/* Value of map `shadow_counts`, one, per CPU. All count wire packets. */
struct bh_shadow_counts {
	__u64 compared;
	__u64 changed;
	__u64 emitted;  /* of those, placed in the ring */
	__u64 lost;     /* of those, for which it had no room; the others were not sampled */
	__u64 unlisted; /* of those, that found no place in `shadow_totals` */
	__u64 pad;
};

_Static_assert(sizeof(struct bh_shadow_counts) == 48, "bh_shadow_counts");

/* Key of map `shadow_totals`: what the two policies say. */
struct bh_shadow_pair {
	__u32 counter; /* slot of the counter of the rule that decided in the policy in force; or BH_NONE */
	__u32 rule;    /* rank of the rule that would decide, of several terms the first one's; or BH_NONE */
	__u8 old_verdict;
	__u8 old_reason;
	__u8 verdict;
	__u8 reason;
	__u8 direction; /* enum bh_direction of the policy in force */
	__u8 may;
	__u16 pad;
};

_Static_assert(sizeof(struct bh_shadow_pair) == 16, "bh_shadow_pair");

/* Value of map `shadow_totals`. */
struct bh_shadow_total {
	__u64 packets;
	__u64 bytes;
};

_Static_assert(sizeof(struct bh_shadow_total) == 16, "bh_shadow_total");

/* A record of the ring `shadow_ring`. */
struct bh_shadow_event {
	struct bh_event event;      /* with the judgement of the policy in force */
	struct bh_judgement shadow; /* generation 0: the shadow's policy has no such port, and it would pass */
	__u32 may;                  /* whether the shadow cannot know it for sure */
	__u32 pad;
};

_Static_assert(sizeof(struct bh_shadow_event) == 336, "bh_shadow_event");

#endif
