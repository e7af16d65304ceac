/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a shadow knows of limits, and of how many flows are open: what the policy in force found out about its own rule
 * of the same name and figures, when it judged this packet. Nothing is taken of any limit here.
 */
#ifndef BULKHEAD_SHADOW_KNOWN_H
#define BULKHEAD_SHADOW_KNOWN_H

#include "limit.h"

enum known { KNOWN_NOT, KNOWN_MET, KNOWN_UNMET };

/* The figures of a condition on open flows, as one number. */
static __always_inline __u32 figures_of(const struct bh_connections *connections)
{
	__u64 figures = connections->high_mask;

	figures = figures * 0x9e3779b97f4a7c15ull ^ connections->low_mask;
	figures = figures * 0x9e3779b97f4a7c15ull ^ connections->v4_mask;
	figures = figures * 0x9e3779b97f4a7c15ull ^ connections->maximum;
	figures = figures * 0x9e3779b97f4a7c15ull ^ connections->destination;
	return figures ^ figures >> 32;
}

static __always_inline __u32 figures_at(const struct image *image, const struct bh_condition *condition)
{
	return figures_of(
		IMAGE_ELEMENT(image, image->header->connections, condition->connections - 1, struct bh_connections));
}

/* Whether the rule at a rank has this counter, and this limit or these figures. */
static __always_inline bool is_same_rule(const struct image *image, __u32 rank, __u32 counter, __u32 identity,
					 enum bh_try kind)
{
	const struct bh_rule *rule = IMAGE_ELEMENT(image, image->header->rules, rank, struct bh_rule);
	const struct bh_condition *condition;

	if (rule->counter != counter || !(rule->flags & BH_RULE_CONDITIONAL))
		return false;
	condition = IMAGE_ELEMENT(image, image->header->conditions, rule->condition, struct bh_condition);
	if (kind == BH_TRY_LIMIT)
		return condition->flags & BH_CONDITION_LIMITED && condition->identity == identity;
	return condition->connections && figures_at(image, condition) == identity;
}

/* What follows from how a rule of the policy in force left the packet to others. */
static __always_inline enum known known_by_try(__u32 why, enum bh_try kind)
{
	if (why == BH_TRY_LOGGED || why == BH_TRY_PASSED)
		return KNOWN_MET;
	if (why == (__u32)kind)
		return KNOWN_UNMET;
	/* Limits are asked last. */
	return why == BH_TRY_LIMIT ? KNOWN_MET : KNOWN_NOT;
}

/*
 * Whether the packet met the condition of the rule with this counter in the policy in force. `identity`: of the limit,
 * or of BH_TRY_CONNECTIONS the figures. A global function: verified once.
 */
__noinline int known_of_rule(__u32 counter, __u32 identity, __u32 kind)
{
	const struct bh_scratch *judged = this_cpu_scratch();
	struct image image;

	/* The front knows of no rule with a condition. */
	if (!judged || counter == BH_NONE || judged->front.answered || judged->tries > BH_TRIES_MAX ||
	    !image_open_in_force(&image, judged))
		return KNOWN_NOT;
	if (judged->judgement.reason == BH_REASON_RULE && judged->judgement.counter == counter &&
	    is_same_rule(&image, judged->judgement.rule, counter, identity, kind))
		return KNOWN_MET;
	for (__u32 i = 0; i < BH_TRIES_MAX; i++) {
		__u32 tried = judged->tried[i];

		JOIN_PATHS();
		if (i >= judged->tries)
			break;
		if (is_same_rule(&image, tried & ((1u << BH_TRY_SHIFT) - 1), counter, identity, kind))
			return known_by_try(tried >> BH_TRY_SHIFT, kind);
	}
	return KNOWN_NOT;
}

/* Whether a limited rule of the shadow matches: one that nothing is known of does, unless it asks for an excess. */
static __always_inline bool limit_would_hold(const struct bh_rule *rule, const struct bh_condition *condition,
					     struct bh_scratch *here)
{
	int known = known_of_rule(rule->counter, condition->identity, BH_TRY_LIMIT);

	if (known != KNOWN_NOT)
		return known == KNOWN_MET;
	here->unsure = 1;
	return !(condition->flags & BH_CONDITION_OVER);
}

/* Whether a rule of the shadow has room for the packet's flow: one that nothing is known of has. */
static __always_inline bool would_have_room(const struct image *image, const struct bh_rule *rule,
					    const struct bh_condition *condition, struct bh_scratch *here)
{
	int known = known_of_rule(rule->counter, figures_at(image, condition), BH_TRY_CONNECTIONS);

	if (known == KNOWN_NOT)
		here->unsure = 1;
	return known != KNOWN_UNMET;
}

#endif
