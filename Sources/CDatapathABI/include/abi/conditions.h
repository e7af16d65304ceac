/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Conditions of rules, and what the programs remember of their limits. */
#ifndef BULKHEAD_ABI_CONDITIONS_H
#define BULKHEAD_ABI_CONDITIONS_H

#include <linux/types.h>
#include "hash.h"
#include "limits.h"
#include "lock.h"

/* A question about a dynamic group: its index in `groups`, and what is asked. 0 ends a list of them. */
enum bh_literal {
	BH_LITERAL_GROUP = BH_GROUPS_MAX - 1,
	BH_LITERAL_DESTINATION = 1 << 12, /* of the destination, else of the source */
	BH_LITERAL_OUTSIDE = 1 << 13,     /* it must not be a member, else it must be */
	BH_LITERAL_USED = 1 << 15,
};

/*
 * What must hold besides for a conditional rule to match. A limit is a clock that each match moves on by `cost`, and
 * that may not run further ahead of the present than `span`. Its unit is a sixteenth of a nanosecond of
 * CLOCK_MONOTONIC.
 */
struct bh_condition {
	__u64 expires;                   /* nanoseconds since 1970 */
	__u64 cost;                      /* of one match, rounded up */
	__u64 span;                      /* the burst times `cost` */
	__u32 identity;                  /* of the rule's name and limit; even, never 0 */
	__u32 slot;                      /* the host's part: place in map `limits` */
	__u16 literals[BH_LITERALS_MAX]; /* of BH_RULE_MEMBERS: enum bh_literal */
	__u64 pad[2];
};

_Static_assert(sizeof(struct bh_condition) == 64, "bh_condition");

/* Value of map `limits`, by a condition's slot. */
struct bh_limit {
	BH_LOCK lock;
	__u32 identity; /* of the condition that it counts for; for another, it starts anew */
	__u64 full_at;  /* when the whole burst is free again, in a condition's units */
};

_Static_assert(sizeof(struct bh_limit) == 16, "bh_limit");

/*
 * Value of map `sources`: what eight sources of limits per source have used. A source that used nothing of late needs
 * no place. A new source takes the place that is free again first. Whoever loses a place gets back what was left to
 * wait for, and no one waits longer for it.
 */
struct bh_source_set {
	BH_LOCK lock;
	__u32 pad[7];
	__u32 identities[BH_SOURCE_WAYS]; /* of the condition, and 1 for IPv6 */
	__u64 sources[BH_SOURCE_WAYS];    /* the address, of IPv6 its first 64 bits */
	__u64 full_at[BH_SOURCE_WAYS];
};

_Static_assert(sizeof(struct bh_source_set) == 192, "bh_source_set");

/* The set of a source. The secret keeps others from aiming at one. */
static inline __attribute__((always_inline)) __u32 bh_source_set_of(__u64 secret, __u64 source, __u32 identity)
{
	struct bh_sip sip = bh_sip_start(secret, ~secret);

	bh_sip_add(&sip, source);
	bh_sip_add(&sip, identity);
	return bh_sip_end(&sip) & (BH_SOURCE_SETS - 1);
}

#endif
