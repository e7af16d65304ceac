/* SPDX-License-Identifier: GPL-2.0-only */
/* Conditional rules: whether their conditions hold. */
#ifndef BULKHEAD_CONDITION_H
#define BULKHEAD_CONDITION_H

#include "classify.h"
#include "limit.h"
#include "members.h"

static __always_inline bool is_in_time(const struct image *image, const struct bh_condition *condition,
				       struct bh_scratch *here)
{
	__u64 now = wall_now(image, here);

	if (now >= condition->expires)
		return false;
	note_lapse(here, condition->expires - now);
	return true;
}

/*
 * A limit counts the packet that is here. Questions about other packets ignore it. So does a TCP segment that is not an
 * opening at a stateful rule: it opens no flow there, unless it is adopted.
 */
static __always_inline bool is_within_limit(const struct image *image, const struct bh_rule *rule,
					    const struct bh_condition *condition, struct bh_scratch *here)
{
	const struct bh_packet *packet = &here->packet;
	__u32 flags = rule->flags;

	/* The rule's terms stand one after another, and limited_from is the rank of the first. */
	if (here->question == ASK_OPENING)
		return here->lookup.best >= here->limited_from;
	if (here->question == ASK_ATTEMPT)
		return rule->verdict == BH_ACCEPT;
	if (here->question != ASK_PACKET)
		return true;
	if (rule->verdict != BH_ACCEPT)
		flags |= BH_RULE_STATELESS;
	if (!(flags & BH_RULE_STATELESS) && packet->protocol == IPPROTO_TCP && !is_opening(packet))
		return true;
	here->unsure = !TAKES_BUDGETS;
	return !TAKES_BUDGETS || take_budget(here, condition, flags, image->header->secret);
}

/*
 * 0 where a conditional rule that a packet matches is in force for it, else how many ranks to go on. All terms of a
 * rule share its expiry and its limit, so these are asked once.
 */
static __always_inline __u32 ranks_to_skip(const struct image *image, const struct bh_rule *rule,
					   const struct bh_packet *packet, struct bh_scratch *here)
{
	const struct bh_condition *condition =
		IMAGE_ELEMENT(image, image->header->conditions, rule->condition, struct bh_condition);

	if (rule->flags & BH_RULE_EXPIRES && !is_in_time(image, condition, here))
		return 1 + rule->terms_behind;
	if (rule->flags & BH_RULE_MEMBERS && !members_hold(image, condition, packet, here))
		return 1;
	if (rule->flags & BH_RULE_LIMITED && !is_within_limit(image, rule, condition, here))
		return 1 + rule->terms_behind;
	return 0;
}

#endif
