/* SPDX-License-Identifier: GPL-2.0-only */
/* Conditional rules: whether what they ask for besides the packet holds. */
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
 * A limit counts what a packet does for itself. Questions about other packets than the one that is here ignore it, and so does a TCP segment at
 * a stateful rule that is no opening: it will not open a flow there, or else be adopted.
 */
static __always_inline bool is_within_limit(const struct image *image, const struct bh_rule *rule,
					    const struct bh_condition *condition, struct bh_scratch *here)
{
	const struct bh_packet *packet = &here->packet;
	__u32 flags = rule->flags;

	/* All terms of the rule that accepted it stand from its first one on. */
	if (here->question == ASK_OPENING)
		return here->lookup.best >= here->limited_from;
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
 * Whether a conditional rule that a packet matches is in force for it: 0 where it is, else how many ranks to go on. Whether it is in time and
 * within its limit is the same for all terms of a rule, and is asked once.
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
