/* SPDX-License-Identifier: GPL-2.0-only */
/* Writing an outcome into struct bh_judgement. */
#ifndef BULKHEAD_JUDGEMENT_H
#define BULKHEAD_JUDGEMENT_H

#include "datapath_abi.h"

static __always_inline void decide(struct bh_judgement *judgement, enum bh_verdict verdict, enum bh_reason reason)
{
	judgement->verdict = verdict;
	judgement->reason = reason;
	judgement->log = verdict != BH_ACCEPT;
}

/* Drops what the rules, or a flow, would accept: it counts for no rule. */
static __always_inline void overrule(struct bh_judgement *judgement, enum bh_reason reason)
{
	judgement->rule = BH_NONE;
	judgement->counter = BH_NONE;
	decide(judgement, BH_DROP, reason);
}

static __always_inline void clear_judgement(struct bh_judgement *judgement)
{
	__builtin_memset(judgement, 0, sizeof(*judgement));
	judgement->rule = BH_NONE;
	judgement->counter = BH_NONE;
	decide(judgement, BH_ACCEPT, BH_REASON_NONE);
}

#endif
