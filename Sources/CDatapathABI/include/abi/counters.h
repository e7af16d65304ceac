/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What the programs count. */
#ifndef BULKHEAD_ABI_COUNTERS_H
#define BULKHEAD_ABI_COUNTERS_H

#include <linux/types.h>
#include "words.h"

/* Value of map `rule_counters`, which is mapped, by CPU: one for each slot. */
struct bh_count {
	__u64 packets;
	__u64 bytes;
};

_Static_assert(sizeof(struct bh_count) == 16, "bh_count");

/* Value of map `port_counters`, per CPU, by device * BH_DIRECTION_MAX + direction. */
struct bh_port_counters {
	struct bh_count accepted;
	struct bh_count dropped;             /* rejected packets included */
	__u64 drop_reasons[BH_REASON_MAX];   /* packets */
	__u64 accept_reasons[BH_REASON_MAX]; /* packets */
	__u64 unanswered;                    /* rejected packets that got no answer */
	__u64 pad;
};

_Static_assert(sizeof(struct bh_port_counters) == 48 + 16 * BH_REASON_MAX, "bh_port_counters");

/* Value of map `event_counters`, one, per CPU. The first three add up to the dropped packets. */
struct bh_event_counters {
	__u64 emitted;    /* drops that reached at least one ring */
	__u64 suppressed; /* drops that no reader wanted, or that sampling held back */
	__u64 lost;       /* drops that were wanted and found no room */
	__u64 accepts_emitted;
	__u64 accepts_suppressed;
	__u64 accepts_lost;
	__u64 unjudged; /* packets that found no image or no port record, and passed */
	__u64 pad;
};

_Static_assert(sizeof(struct bh_event_counters) == 64, "bh_event_counters");

#endif
