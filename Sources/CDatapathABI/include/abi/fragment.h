/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What is known of datagrams whose first fragment was accepted and that are not complete. */
#ifndef BULKHEAD_ABI_FRAGMENT_H
#define BULKHEAD_ABI_FRAGMENT_H

#include <linux/types.h>
#include "limits.h"
#include "lock.h"

/* A datagram and its VLAN at one scope, in one direction. */
struct bh_datagram_key {
	__u64 source_high;
	__u64 source_low;
	__u64 destination_high;
	__u64 destination_low;
	__u32 identification;
	__u16 outer_vlan;
	__u16 inner_vlan;
	__u16 scope;
	__u8 protocol;  /* IPv4; IPv6 does not tell datagrams apart by it */
	__u8 family;    /* 4 or 6 */
	__u8 direction; /* enum bh_direction */
	__u8 pad[3];
};

_Static_assert(sizeof(struct bh_datagram_key) == 48, "bh_datagram_key");

/* A part of a datagram that was seen, in units of eight bytes. Where `end` is 0 there is none. */
struct bh_range {
	__u16 start;
	__u16 end; /* the first unit behind it */
};

_Static_assert(sizeof(struct bh_range) == 4, "bh_range");

struct bh_datagram {
	struct bh_datagram_key key;
	__u32 opened;     /* jiffies of its first fragment, low half */
	__u32 generation; /* that accepted it */
	__u32 counter;    /* slot of the rule's counter, or BH_NONE */
	__u32 end;        /* bytes of the whole datagram's data, once its last fragment was seen; else BH_NONE */
	struct bh_range ranges[BH_FRAGMENT_RANGES]; /* do not touch each other; the first starts at 0 */
};

_Static_assert(sizeof(struct bh_datagram) == 96, "bh_datagram");

/* Value of map `fragments`. A tag is the key's hash, 0 in a free place. */
struct bh_fragment_bucket {
	BH_LOCK lock;
	__u32 pad[7];
	__u32 tags[BH_FRAGMENT_WAYS];
	struct bh_datagram datagrams[BH_FRAGMENT_WAYS];
};

_Static_assert(sizeof(struct bh_fragment_bucket) == 64 + BH_FRAGMENT_WAYS * 96, "bh_fragment_bucket");

#endif
