/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Rules that match only while few of the flows that they opened are open. Which flows count is in the flow table: those
 * that are open, that the rule accepts, and of which one end has the address in question. The map `holders` only finds
 * them. A flow that is gone needs nobody to take it out: whoever counts sees that its place is free or another's.
 */
#ifndef BULKHEAD_ABI_CONNECTIONS_H
#define BULKHEAD_ABI_CONNECTIONS_H

#include <linux/types.h>
#include "limits.h"

/* How many flows of a rule may be open. */
struct bh_connections {
	__u64 high_mask; /* IPv6: the bits of an address that count */
	__u64 low_mask;
	__u32 v4_mask;     /* all three are 0 where the rule counts all its flows together */
	__u32 identity;    /* of the rule's name */
	__u32 maximum;     /* from 1 to BH_CONNECTIONS_MAX */
	__u32 destination; /* whether the opening packet's destination counts, else its source */
};

_Static_assert(sizeof(struct bh_connections) == 32, "bh_connections");

/*
 * Value of map `holders`. A holder says in which place a flow is that counts for a rule and an address. It is one word,
 * so that it comes and goes at once:
 *   bits 0-18: the flow's place, counted from 1; BH_HOLDER_PENDING: the flow is about to be opened
 *   bits 19-35: the upper bits of the flow's tag
 *   bits 36-47 and 48-63: of the hash of rule and address. The last are the number of its home bucket.
 * A holder that finds no room at home is in a later bucket.
 */
struct bh_holder_bucket {
	__u32 overflow; /* holders that have their home here and are elsewhere */
	__u32 changes;  /* how often one came that has its home here; wraps */
	__u64 holders[BH_HOLDER_WAYS];
};

_Static_assert(sizeof(struct bh_holder_bucket) == 64, "bh_holder_bucket");

enum {
	BH_HOLDER_TAG_SHIFT = 19,
	BH_HOLDER_KEY_SHIFT = 36,
	BH_HOLDER_HOME_SHIFT = 48,
	BH_HOLDER_PENDING = (1 << BH_HOLDER_TAG_SHIFT) - 1,
};

#endif
