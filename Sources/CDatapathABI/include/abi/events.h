/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Events: what a reader asks for, and the records of its ring. */
#ifndef BULKHEAD_ABI_EVENTS_H
#define BULKHEAD_ABI_EVENTS_H

#include <linux/types.h>
#include "limits.h"
#include "packet.h"

enum bh_reader_flag {
	BH_READER_ACTIVE = 1,
	BH_READER_ACCEPTS = 2,  /* logged accepts as well */
	BH_READER_HOST = 4,     /* only packets whose source or destination is `host` */
	BH_READER_RULE = 8,     /* only counter slot `rule` */
	BH_READER_DEVICES = 16, /* only devices whose bit is set */
};

/*
 * Value of map `readers`, which is mapped, by slot. The reader writes it. The programs clear `flags` of a reader that
 * has stopped renewing.
 */
struct bh_reader {
	__u64 expires; /* CLOCK_MONOTONIC nanoseconds; renewed every second */
	__u64 host_high;
	__u64 host_low;
	__u32 flags;       /* enum bh_reader_flag */
	__u32 reasons;     /* bit r: reason r is wanted */
	__u32 rule;        /* counter slot */
	__u32 host_family; /* 4 or 6 */
	__u64 devices[BH_DEVICES_MAX / 64];
	__u64 pad[3];
};

_Static_assert(sizeof(struct bh_reader) == 576, "bh_reader");

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
