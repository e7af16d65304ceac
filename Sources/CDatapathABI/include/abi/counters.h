/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What the programs count. */
#ifndef BULKHEAD_ABI_COUNTERS_H
#define BULKHEAD_ABI_COUNTERS_H

#include <linux/types.h>
#include "limits.h"
#include "words.h"

/* Packets and bytes. */
struct bh_count {
	__u64 packets;
	__u64 bytes;
};

_Static_assert(sizeof(struct bh_count) == 16, "bh_count");

/*
 * Map `rule_counters` has a page for so many slots, if one of them is or was in use. A page is mapped: by CPU, a count
 * for each of its slots.
 */
enum {
	BH_RULE_PAGE_BITS = 12,
	BH_RULE_PAGE = 1 << BH_RULE_PAGE_BITS,
	BH_RULE_PAGES = BH_RULES_MAX / BH_RULE_PAGE,
};

/*
 * Places of a port's counters: enum bh_reason, and what may also accept. Each four share a line of the cache, so a
 * packet touches one line.
 */
enum bh_outcome {
	BH_OUTCOME_UNANSWERED = BH_REASON_NONE, /* rejected packets that got no answer; they count as dropped too */
	BH_OUTCOME_ACCEPTED = BH_REASON_MAX,    /* from here on */
	BH_OUTCOME_ACCEPTED_BY_RULE = BH_OUTCOME_ACCEPTED,
	BH_OUTCOME_ACCEPTED_BY_DEFAULT,
	BH_OUTCOME_ACCEPTED_FRAGMENT,
	BH_OUTCOME_MAX,
};

/* The place where a packet of this reason is counted. From BH_REASON_ESTABLISHED on a reason only accepts. */
static inline __attribute__((always_inline)) __u32 bh_outcome(__u32 reason, __u32 accepted)
{
	if (!accepted || reason >= BH_REASON_ESTABLISHED)
		return reason;
	if (reason == BH_REASON_FRAGMENT)
		return BH_OUTCOME_ACCEPTED_FRAGMENT;
	return reason == BH_REASON_RULE ? BH_OUTCOME_ACCEPTED_BY_RULE : BH_OUTCOME_ACCEPTED_BY_DEFAULT;
}

/*
 * Map `port_counters` has a map for each BH_PORT_CHUNK devices, if one of them is or was in use: per CPU, by
 * device % BH_PORT_CHUNK * BH_DIRECTION_MAX + direction.
 */
enum {
	BH_PORT_CHUNK = 64,
	BH_PORT_CHUNKS = BH_DEVICES_MAX / BH_PORT_CHUNK,
};

struct bh_port_counters {
	struct bh_count outcomes[BH_OUTCOME_MAX];
	struct bh_count pad[3];
};

_Static_assert(BH_OUTCOME_MAX == 29 && sizeof(struct bh_port_counters) == 8 * 64, "bh_port_counters");

/* Value of map `event_counters`, one, per CPU. Drops that are neither emitted nor lost are suppressed. */
struct bh_event_counters {
	__u64 emitted; /* drops that reached at least one ring */
	__u64 lost;    /* drops that were wanted and found no room */
	__u64 accepts_emitted;
	__u64 accepts_suppressed; /* logged accepts that no reader wanted, or that sampling held back */
	__u64 accepts_lost;
	__u64 unjudged; /* packets that found no image or no port record, and passed */
	__u64 pad[2];
};

_Static_assert(sizeof(struct bh_event_counters) == 64, "bh_event_counters");

#endif
