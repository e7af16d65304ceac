/* SPDX-License-Identifier: GPL-2.0-only */
/* What of a judgement is kept as an answer for packets alike. docs/decisions/front.md has the reasons. */
#ifndef BULKHEAD_FRONT_LEARN_H
#define BULKHEAD_FRONT_LEARN_H

#include "front_class.h"

/* Whether what the rules deny under the policy that judged the packet is not asked again as an answer any more. */
static __always_inline bool may_keep_denial(const struct bh_scratch *here)
{
	struct image image;

	return image_open_in_force(&image, here) && image.header->generation == here->judgement.generation &&
	       is_settled(&image, here);
}

/* What the rules, or a default, said without a flow; 0 where it need not hold for packets alike. */
static __always_inline __u32 result_of_rules(const struct bh_scratch *here)
{
	const struct bh_judgement *judgement = &here->judgement;

	if (!here->lasts || judgement->verdict == BH_REJECT || (judgement->verdict == BH_ACCEPT && judgement->log))
		return 0;
	if (judgement->reason != BH_REASON_RULE && judgement->reason != BH_REASON_DEFAULT &&
	    judgement->reason != BH_REASON_INVALID_STATE)
		return 0;
	if (!is_plain_syn(&here->front) && !may_keep_denial(here))
		return 0;
	return (judgement->verdict == BH_DROP ? RESULT_DROP : RESULT_ACCEPT) |
	       ((judgement->counter + 1) & RESULT_COUNTER) |
	       (judgement->reason & RESULT_REASON) << RESULT_REASON_SHIFT | (judgement->log ? RESULT_LOG : 0);
}

/* Whether the packet's flow is asked each time whether what accepted it still holds: the front never follows one. */
static __always_inline bool may_lapse(const struct bh_scratch *here)
{
	const struct bh_flow *flow = found_flow(here);

	return !flow || flow->flags & (BH_FLOW_LAPSES | BH_FLOW_MEMBERS);
}

/* What tc is to do with packets alike; 0 where nothing can be said. */
static __always_inline __u32 result_at_tc(const struct bh_scratch *here)
{
	const struct bh_judgement *judgement = &here->judgement;
	__u32 slot = here->flow - 1;

	if (here->question != ASK_PACKET || here->opens || here->metered)
		return 0;
	if (!here->flow)
		return result_of_rules(here);
	if (judgement->reason != BH_REASON_ESTABLISHED || judgement->verdict != BH_ACCEPT || may_lapse(here))
		return 0;
	return RESULT_FLOW | (here->scope & RESULT_SCOPE) | slot % BH_FLOW_WAYS << RESULT_WAY_SHIFT |
	       (slot / BH_FLOW_WAYS >= BH_FLOW_BUCKETS ? RESULT_RESERVE : 0) |
	       (judgement->generation & RESULT_GENERATION) << RESULT_GENERATION_SHIFT;
}

/*
 * The same for XDP. `sure`: it drops the packet. What it passes on may always be passed on, but what it may come to
 * drop itself is not left to tc for good.
 */
static __always_inline __u32 result_at_xdp(const struct bh_scratch *here, bool sure)
{
	__u32 result;

	if (here->flow)
		return RESULT_XDP | RESULT_FLOW;
	if (!sure && (!here->lasts || (here->judgement.verdict == BH_DROP && !may_keep_denial(here))))
		return 0;
	if (!sure)
		return RESULT_XDP | RESULT_ACCEPT;
	result = here->question == ASK_PACKET ? result_of_rules(here) : 0;
	return result ? RESULT_XDP | result : 0;
}

/*
 * Keeps a result for the packet's like, for each kind that the front was asked for; 0: it need not hold for any.
 * `hook`: RESULT_XDP or 0.
 */
static __always_inline void learn_result(struct bh_scratch *here, __u32 hook, __u32 result)
{
	if (result)
		result |= here->judgement.direction == BH_OUT ? RESULT_OUT : 0;
	if (!result)
		note_unkept(here, hook, BH_ANSWER_EXACT);
	else if (here->front.kinds & 1 << BH_ANSWER_EXACT)
		keep_answer(here, result);
	if (!result || (result & RESULT_KIND) == RESULT_FLOW)
		note_unkept(here, hook, BH_ANSWER_CLASS);
	else if (here->front.kinds & 1 << BH_ANSWER_CLASS)
		keep_class_answer(here, result);
}

#endif
