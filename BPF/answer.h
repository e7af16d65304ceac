/* SPDX-License-Identifier: GPL-2.0-only */
/* The answers that each CPU keeps for the front: what was decided about packets of plain shapes. */
#ifndef BULKHEAD_ANSWER_H
#define BULKHEAD_ANSWER_H

#include "datapath_abi.h"

/* The low bits of an answer's `link`, above the MAC address: what the packet is. The device's id is above them. */
enum plain_shape {
	SHAPE_UDP = 1,
	SHAPE_SYN = 2, /* TCP: a SYN that is no answer */
	SHAPE_TCP = 3, /* TCP with neither SYN nor RST */
	SHAPE_MASK = 3,
	SHAPE_IPV6 = 4,
	SHAPE_EGRESS = 8,
	SHAPE_BITS = 4,
	LINK_SHIFT = 48,
};

/* An answer's `result`. */
enum {
	RESULT_DROP = 1u << 29,
	RESULT_ACCEPT = 2u << 29, /* at XDP: leave it to tc, which may know more */
	RESULT_FLOW = 3u << 29,   /* accept it as its flow's, and take note of it there */
	RESULT_KIND = 3u << 29,
	RESULT_XDP = 1u << 31, /* what XDP does; else what tc does */
	RESULT_OUT = 1 << 28,  /* enum bh_direction */
	/* to drop and accept */
	RESULT_LOG = 1 << 27,    /* to be streamed */
	RESULT_CLASS = 1 << 26,  /* the answer is to a class of packets, see front_class.h; never of a flow */
	RESULT_TAGGED = 1 << 25, /* the answer is to a packet with a tag, which stands at the line's end */
	RESULT_REASON_SHIFT = 20,
	RESULT_REASON = 31,
	RESULT_COUNTER = (1 << 20) - 1, /* slot of the rule's counter, counted from 1; or 0 */
	/* of a flow */
	RESULT_SCOPE = BH_SCOPES_MAX - 1,
	RESULT_WAY_SHIFT = 13,
	RESULT_RESERVE = 1 << 16, /* it is in its scope's reserve, else in its hash's bucket */
	RESULT_GENERATION_SHIFT = 17,
	RESULT_GENERATION = (1 << 8) - 1, /* low bits of the generation that accepted it */
};

_Static_assert(BH_SCOPES_MAX == 1 << RESULT_WAY_SHIFT && BH_RULES_MAX < RESULT_COUNTER, "result");

/* All zero where there is none: no result is 0. */
struct answer {
	__u64 addresses;
	__u64 link;
	__u32 ports;
	__u32 version; /* of the stamp, under which it was learnt */
	__u32 result;
	__u32 flow; /* hash of the key of the flow that may come into being */
};

_Static_assert(sizeof(struct answer) == 32, "answer");

/* A line of the cache: two answers, the latest first; or one to a packet of IPv6, with its other addresses after it. */
struct answer_line {
	struct answer first;
	union {
		struct answer second;
		__u64 rest[4]; /* the last is 0, and so is `result` in another answer read here */
	};
};

_Static_assert(sizeof(struct answer_line) == 64, "answer_line");

enum {
	ANSWER_LINES = 256,
};

/* Value of map `verdicts`, for each CPU as many as bh_settings says. */
struct answer_block {
	struct answer_line lines[ANSWER_LINES];
};

/* Value of map `reader_budgets`, one, per CPU. */
enum { BUDGET_KINDS = 64 };
struct reader_budgets {
	__u32 ticks;                 /* jiffies of the last packet, low half */
	__u32 left;                  /* packets of any kind that may yet go the general way */
	__u16 left_of[BUDGET_KINDS]; /* by a hash of rule and reason */
	/* by reader, of those that ask for some packets only: more of these */
	__u16 left_for[BH_READERS_MAX];
};

#endif
