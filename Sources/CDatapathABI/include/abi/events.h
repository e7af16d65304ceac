/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Events: what a reader asks for, and the records of its ring. */
#ifndef BULKHEAD_ABI_EVENTS_H
#define BULKHEAD_ABI_EVENTS_H

#include <linux/types.h>
#include "limits.h"
#include "packet.h"
#include "words.h"

enum bh_reader_flag {
	BH_READER_ACTIVE = 1,
	BH_READER_ACCEPTS = 2,  /* logged accepts as well */
	BH_READER_HOST = 4,     /* only packets whose source or destination is in the prefix `host` */
	BH_READER_RULE = 8,     /* only counter slots that `rules` has */
	BH_READER_DEVICES = 16, /* only devices whose bit is set */
	BH_READER_SERVICE = 32, /* only packets that one of `services` matches */
	BH_READER_NARROW = 64,  /* it asks for some packets only, in one of these ways or by reason */
};

/*
 * One term of a service that a reader asks for. Keys are those of service_key(); a span is the last key less the first.
 */
struct bh_reader_service {
	__u16 protocol; /* enum bh_protocol_index; BH_PROTOCOL_INDEX_MAX in a term that is not used */
	__u16 headers;  /* not 0: a packet matches if it has one of these, BH_PACKET_HEADERS from the lowest bit on */
	__u16 key;      /* destination port, ICMP type and code, or ethertype */
	__u16 key_span;
	__u16 source;
	__u16 source_span;
	__u16 pad[2];
};

_Static_assert(sizeof(struct bh_reader_service) == 16, "bh_reader_service");

/*
 * Value of map `readers`, which is mapped, by slot. The reader writes it. The programs clear `flags` of a reader that
 * has stopped renewing.
 */
struct bh_reader {
	__u64 expires; /* CLOCK_MONOTONIC nanoseconds; renewed every second */
	__u64 host_high;
	__u64 host_low;
	__u64 mask_high; /* the bits of `host` that count */
	__u64 mask_low;
	__u32 flags;       /* enum bh_reader_flag */
	__u32 reasons;     /* bit r: reason r is wanted */
	__u32 host_family; /* 4 or 6 */
	__u32 pad1;
	__u32 rules[BH_READER_RULES]; /* counter slots; what is not used has one that no packet has */
	struct bh_reader_service services[BH_READER_SERVICES];
	__u64 devices[BH_DEVICES_MAX / 64];
	__u64 pad2;
};

_Static_assert(sizeof(struct bh_reader) == 896, "bh_reader");

/* A record of a reader's ring. */
struct bh_event {
	__u64 time; /* CLOCK_MONOTONIC nanoseconds */
	__u32 device;
	__u32 captured; /* bytes of `header` that are set */
	struct bh_judgement judgement;
	struct bh_packet packet;
	__u8 header[BH_HEADER_BYTES]; /* the frame's first bytes; VLAN tags in metadata are not among them */
};

_Static_assert(sizeof(struct bh_event) == 296, "bh_event");

#endif
