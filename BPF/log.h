/* SPDX-License-Identifier: GPL-2.0-only */
/* Rules that log: counting and streaming a match of theirs while the packet's verdict is still open. */
#ifndef BULKHEAD_LOG_H
#define BULKHEAD_LOG_H

#include "event.h"

/*
 * Counts and streams the match that the rules have noted, and leaves the judgement as it was. A global function:
 * verified once.
 */
__noinline int log_match(struct __sk_buff *ctx, struct bh_scratch *here)
{
	struct bh_judgement open;

	if (!here)
		return 0;
	open = here->judgement;
	here->judgement.verdict = BH_LOG;
	here->judgement.reason = BH_REASON_RULE;
	here->judgement.rule = here->matched;
	here->judgement.counter = here->counter;
	here->judgement.log = 1;
	count_for_rule(here);
	report(ctx, here);
	here->judgement = open;
	return 0;
}

#endif
