/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* How many there may be of everything, and how large tables are. */
#ifndef BULKHEAD_ABI_LIMITS_H
#define BULKHEAD_ABI_LIMITS_H

/* The image. */
enum {
	BH_PAGE_BITS = 22, /* a page is 4 MiB: the largest array value that Linux 6.1 takes */
	BH_PAGE_SIZE = 1 << BH_PAGE_BITS,
	BH_PAGES_MAX = 64,     /* 256 MiB per image */
	BH_RULES_MAX = 262144, /* rules of one policy, and slots of rule counters */
	BH_LIST_SHORT = 8,     /* entries of a list that is scanned; a longer list has a row */
	BH_BITMAP_WORDS = 256, /* of a bitmap over rules: 16,384 of them */
	/* A step for each word, and one for each match whose condition does not hold: every bit, if it came to that. */
	BH_BITMAP_STEPS = BH_BITMAP_WORDS * 65,
	BH_TRIE_DEPTH = 16, /* nodes on the longest walk: one per byte of an IPv6 address */
	BH_TRIES_MAX = 16,  /* conditional rules that one packet may match before the rule that decides */
};

/* Ports. */
enum {
	BH_DEVICES_MAX = 4096, /* devices that one instance filters at once; id 0 is never allotted */
	BH_MACS_MAX = 16,      /* MAC addresses of one port, shared ones included */
};

/* Packets. */
enum {
	BH_VLANS = 4096,       /* tags; 0 stands for untagged */
	BH_EXTENSIONS_MAX = 8, /* IPv6 extension headers before a packet is refused */
	BH_HEADER_SETS = 32,   /* sets of the five headers that may stand between IP and the transport header */
	BH_OPTIONS_MAX = 32,   /* options of a neighbour discovery message before a guard refuses it */
};

/*
 * The flow table is a set of buckets of eight places. Each scope, a device or a host entry, has one more bucket that
 * is its reserve.
 */
enum {
	BH_FLOW_WAYS = 8,
	BH_FLOW_BUCKETS = 32768, /* 262,144 flows */
	BH_FLOW_HINTS = 32,      /* buckets whose hints share one line of the cache */
	BH_FLOWS_MAX = BH_FLOW_WAYS * BH_FLOW_BUCKETS,
	BH_SCOPES_MAX = 2 * BH_DEVICES_MAX,
	BH_FLOW_PLACES = BH_FLOW_BUCKETS + BH_SCOPES_MAX, /* the buckets, then each scope's reserve */
	BH_SCOPE_ENTRY = BH_DEVICES_MAX,                  /* set in the scope of a host entry */
};

/*
 * Datagrams in fragments. Each device has a room of a few buckets, and each host entry a larger one, so that nobody
 * crowds out another. Where there are more devices or entries than rooms, two may share one, and each can keep half of
 * each bucket.
 */
enum {
	BH_FRAGMENT_WAYS = 8,
	BH_FRAGMENT_RANGES = 8, /* parts of a datagram with gaps between them, at a time */
	BH_DEVICE_ROOMS = 1024,
	BH_DEVICE_ROOM = 8, /* buckets */
	BH_ENTRY_ROOMS = 16,
	BH_ENTRY_ROOM = 512, /* buckets */
	BH_FRAGMENT_BUCKETS = BH_DEVICE_ROOMS * BH_DEVICE_ROOM + BH_ENTRY_ROOMS * BH_ENTRY_ROOM,
};

/* Limits of rules. */
enum {
	BH_ZONE_CHANGES = 64,  /* of the clocks of one time zone */
	BH_LIMITS_MAX = 16384, /* rules whose limit is for all sources together */
	BH_SOURCE_WAYS = 8,
	BH_SOURCE_SETS = 8192, /* 65,536 sources under limits per source */
};

/*
 * Flows that count at a rule with `connections`. Every place of the flow table may be one: 458,752 holders are more
 * than it has places.
 */
enum {
	BH_CONNECTIONS_MAX = 1024, /* of one source, destination or rule: the highest `max` */
	BH_HOLDER_WAYS = 7,
	BH_HOLDER_BUCKETS = 65536,
};

/* Dynamic groups. */
enum {
	BH_GROUPS_MAX = 512,                /* of one policy */
	BH_GROUP_SLOTS = 3 * BH_GROUPS_MAX, /* so that three policies in a row never share one */
	BH_LITERALS_MAX = 8,                /* questions about dynamic groups in one of a rule's terms */
	BH_MEMBERS_MAX = 1 << 24,           /* members of one group */
	BH_OWN_ADDRESSES = 65536,           /* addresses of the host that the controller notes */
};

/* Events. */
enum {
	BH_READERS_MAX = 4,      /* event streams at once */
	BH_RING_SIZE = 1 << 22,  /* bytes of a reader's ring */
	BH_READER_RULES = 16,    /* rules that one reader may name */
	BH_READER_SERVICES = 16, /* terms of services that one reader may name */
	BH_HEADER_BYTES = 128,   /* of the frame, in an event */
	BH_BUCKETS = 16384,      /* token buckets of event sampling */
	/* Sampling: nanoseconds per event (4,096 a second), and how many events may come at once after a silence. */
	BH_SAMPLE_COST = 244140,
	BH_SAMPLE_BURST = 8192,
};

/* Answers to rejected packets: a thousand a second per device, and as many at once after a silence. */
enum {
	BH_ANSWER_COST = 1000000, /* nanoseconds per answer */
	BH_ANSWER_BURST = 1000,
};

#endif
