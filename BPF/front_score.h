/* SPDX-License-Identifier: GPL-2.0-only */
/* How well the front knows the packets of late, and for which kinds of answers it is asked. */
#ifndef BULKHEAD_FRONT_SCORE_H
#define BULKHEAD_FRONT_SCORE_H

#include <stdbool.h>
#include "datapath_abi.h"

/*
 * A packet that the front does not know costs more with it than without. So where it knows less than a third of them,
 * it is asked for one packet in seven; for each kind of answer by itself. A packet that it now learns does not count
 * against it, unless the answer takes the place of another that holds.
 */
enum { VAIN = 128, VAIN_MOST = 192, VAIN_PERIOD = 7, NEW_SHIFT = 8 };

static __always_inline struct bh_front_score *score_of(struct bh_scratch *here, __u32 hook, enum bh_answer_kind kind)
{
	return &here->scores[(hook ? 0 : BH_ANSWER_KINDS) + kind];
}

/* Whether the front is asked for answers of a kind about this packet. */
static __always_inline bool is_worth_asking(struct bh_front_score *score)
{
	if (score->misses < VAIN)
		return true;
	score->skipped++;
	if (score->skipped < VAIN_PERIOD)
		return false;
	score->skipped = 0;
	return true;
}

/* Notes which kinds of answers are asked for; false where none is. */
static __always_inline bool choose_kinds(struct bh_scratch *here, __u32 hook)
{
	here->front.link = 0;
	here->front.answered = 0;
	here->front.kinds = 0;
#pragma unroll
	for (int kind = 0; kind < BH_ANSWER_KINDS; kind++) {
		if (is_worth_asking(score_of(here, hook, kind)))
			here->front.kinds |= 1 << kind;
	}
	return here->front.kinds;
}

static __always_inline void note_use(struct bh_front_score *score, bool is_known)
{
	__u16 misses = score->misses;

	if (!is_known)
		score->misses = misses < VAIN_MOST ? misses + 1 : misses;
	else if (misses)
		score->misses = misses - (misses > 1 ? 2 : 1);
}

/* Notes that there was no answer of a kind, in vain only if none is kept now; `crowded`: there is no room for it. */
static __always_inline void note_new(struct bh_scratch *here, __u32 hook, enum bh_answer_kind kind, bool crowded)
{
	if (crowded)
		note_use(score_of(here, hook, kind), false);
	else
		here->front.kinds |= 1 << (NEW_SHIFT + kind);
}

/* Notes that no answer of a kind is kept for the packet. */
static __always_inline void note_unkept(struct bh_scratch *here, __u32 hook, enum bh_answer_kind kind)
{
	if (here->front.kinds & 1 << (NEW_SHIFT + kind))
		note_use(score_of(here, hook, kind), false);
}

#endif
