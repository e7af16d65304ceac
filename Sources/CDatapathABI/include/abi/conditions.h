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

enum bh_condition_flag {
	BH_CONDITION_STARTS = 1,
	BH_CONDITION_EXPIRES = 2,
	BH_CONDITION_LIMITED = 4,
	BH_CONDITION_BY_SOURCE = 8, /* the limit counts each source by itself */
	BH_CONDITION_MEMBERS = 16,
	BH_CONDITION_GOES_ON = 32, /* the rule does not decide: it logs or passes */
	BH_CONDITION_BY_DESTINATION = 64,
	BH_CONDITION_BYTES = 128, /* the limit counts bytes, else packets */
	BH_CONDITION_OVER = 256,  /* the rule matches what exceeds the limit, else what is within it */
	BH_CONDITION_FIELDS = 512,
	BH_CONDITION_TIMES = 1024,
};

/* What a condition asks of the packet's own fields: bits of its `fields`. */
enum bh_field {
	BH_FIELD_TCP_FLAGS = 1,
	BH_FIELD_HOP_LIMIT = 2,
	BH_FIELD_LENGTH = 4,
	BH_FIELD_FRAGMENT = 8, /* a first fragment */
	BH_FIELD_WHOLE = 16,   /* none */
	BH_FIELD_FROM_MAC = 32,
	BH_FIELD_TO_MAC = 64,
	BH_FIELD_DSCP = 128,
	BH_FIELD_PCP = 256,
};

/*
 * What must hold besides for a conditional rule to match, and where the rules go on after one that does not decide. A
 * limit is a clock that each match moves on by `cost`, and
 * that may not run further ahead of the present than `span`. Its unit is a sixteenth of a nanosecond of
 * CLOCK_MONOTONIC.
 */
struct bh_condition {
	__u64 starts;                    /* nanoseconds since 1970 */
	__u64 expires;                   /* nanoseconds since 1970 */
	__u64 cost;                      /* of one match or byte, rounded up, shifted left by `shift` */
	__u64 span;                      /* the burst times the cost */
	__u32 identity;                  /* of the rule's name and limit; even, never 0 */
	__u32 slot;                      /* the host's part: place in map `limits` */
	__u32 flags;                     /* enum bh_condition_flag */
	__u32 next;                      /* of BH_CONDITION_GOES_ON: the rank to go on with */
	__u16 literals[BH_LITERALS_MAX]; /* of BH_CONDITION_MEMBERS: enum bh_literal */
	/* whose budget it is, of BH_CONDITION_BY_SOURCE and BY_DESTINATION: the bits of an address that count */
	__u64 high_mask; /* IPv6 */
	__u64 low_mask;
	__u32 v4_mask;
	__u16 fields;    /* of BH_CONDITION_FIELDS: enum bh_field */
	__u8 shift;      /* of `cost` */
	__u8 pcps;       /* bit p: priority p */
	__u64 dscps;     /* bit d: code point d */
	__u32 from_macs; /* offset of bh_mac_list */
	__u32 to_macs;
	__u32 shortest; /* bytes of the IP packet */
	__u32 longest;
	__u8 tcp_flags; /* those that are set, of those in `tcp_mask` */
	__u8 tcp_mask;
	__u8 least_hops;
	__u8 most_hops;
	/* of BH_CONDITION_TIMES: when it matches, by the clock of a time zone */
	__u32 zone;    /* offset of bh_zone */
	__u16 from;    /* minutes of the day */
	__u16 to;      /* where that is not after `from`, of the next day */
	__u8 days;     /* bit d: the time from `from` on of a day of the week, Monday 0 */
	__u8 addition; /* that a match asks for, counted from 1; 0: none */
	/* index in `connections`, counted from 1: it matches only while few of its flows are open; 0: whatever is */
	__u16 connections;
};

_Static_assert(sizeof(struct bh_condition) == 128, "bh_condition");

/* What the clocks of a time zone show from a time on. */
struct bh_zone_change {
	__u32 minute; /* since 1970, in UTC */
	__s32 offset; /* seconds, east of Greenwich positive */
};

_Static_assert(sizeof(struct bh_zone_change) == 8, "bh_zone_change");

/* A time zone: its changes in order, the first at minute 0. The last one fills the rest. */
struct bh_zone {
	struct bh_zone_change changes[BH_ZONE_CHANGES];
};

_Static_assert(sizeof(struct bh_zone) == 512, "bh_zone");

/* Value of map `limits`, by a condition's slot. */
struct bh_limit {
	BH_LOCK lock;
	__u32 identity; /* of the condition that it counts for; for another, it starts anew */
	__u64 full_at;  /* when the whole burst is free again, in a condition's units */
};

_Static_assert(sizeof(struct bh_limit) == 16, "bh_limit");

/* Whose budget an end of a packet takes: the bits of its address that count, as a number. */
static inline __attribute__((always_inline)) __u64 bh_budget_of(__u64 secret, __u64 high, __u64 low, __u64 low_mask)
{
	struct bh_sip sip;

	if (!low_mask)
		return high;
	sip = bh_sip_start(~secret, secret);
	bh_sip_add(&sip, high);
	bh_sip_add(&sip, low & low_mask);
	return bh_sip_end(&sip);
}

/*
 * Value of map `sources`: what eight sources of limits per source have used. A source that used nothing of late needs
 * no place. A new source takes the place that is free again first. Whoever loses a place gets back what was left to
 * wait for, and no one waits longer for it.
 */
struct bh_source_set {
	BH_LOCK lock;
	__u32 pad[7];
	__u32 identities[BH_SOURCE_WAYS]; /* of the condition, and 1 for IPv6 */
	__u64 sources[BH_SOURCE_WAYS];    /* of bh_budget_of(); of IPv4 the address */
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
