/* SPDX-License-Identifier: GPL-2.0-only */
/* The verdict cache's answers: what the rules, or a default, said of a packet. */
#ifndef BULKHEAD_CACHED_VERDICT_H
#define BULKHEAD_CACHED_VERDICT_H

#include "datapath_abi.h"

/* In the lowest byte of `place`, beside enum bh_verdict. */
enum answer_flag {
	ANSWER_VERDICT = 3,
	ANSWER_LOG = 4,
	ANSWER_STATELESS = 8, /* accepted without a flow */
	ANSWER_BITS = 255,
};

enum {
	ANSWER_WAYS = 4,     /* in a set */
	ANSWER_SETS = 64,    /* in a block */
	ANSWER_BLOCKS = 128, /* 32,768 answers: of IPv4 a MiB per CPU, of IPv6 two */
};

/* All zero where there is none, because no generation is 0. */
struct answer {
	__u64 service; /* source port, destination port, VLANs from the outside in; sixteen bits each */
	__u64 place;   /* generation, port record, direction, protocol, answer: 32, 15, 1, 8 and 8 bits */
	__u32 rule;    /* as in struct bh_judgement */
	__u32 counter;
};

struct answer_v4 {
	__u64 addresses; /* the source in the high half */
	struct answer answer;
};

_Static_assert(sizeof(struct answer_v4) == 32, "answer_v4");

struct answer_v6 {
	__u64 source_high;
	__u64 source_low;
	__u64 destination_high;
	__u64 destination_low;
	struct answer answer;
	__u64 pad;
};

_Static_assert(sizeof(struct answer_v6) == 64, "answer_v6");

/*
 * Values of maps `verdicts_v4` and `verdicts_v6`: blocks of sets of answers whose packets have the same hash, the
 * latest one first.
 */
struct answers_v4 {
	struct answer_v4 sets[ANSWER_SETS][ANSWER_WAYS];
};

struct answers_v6 {
	struct answer_v6 sets[ANSWER_SETS][ANSWER_WAYS];
};

#endif
