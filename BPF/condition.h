/* SPDX-License-Identifier: GPL-2.0-only */
/* Conditional rules: whether their conditions hold, and where the rules go on after one that does not decide. */
#ifndef BULKHEAD_CONDITION_H
#define BULKHEAD_CONDITION_H

#include "classify.h"
#include "fields.h"
#include "limit.h"
#include "members.h"
#include "times.h"
#if FOR_SHADOW
#include "shadow_known.h"
#endif

static __always_inline bool is_in_time(const struct image *image, const struct bh_condition *condition,
				       struct bh_scratch *here)
{
	__u64 now = wall_now(image, here);

	if (condition->flags & BH_CONDITION_STARTS && now < condition->starts) {
		note_lapse(here, condition->starts - now);
		return false;
	}
	if (condition->flags & BH_CONDITION_EXPIRES) {
		if (now >= condition->expires)
			return false;
		note_lapse(here, condition->expires - now);
	}
	if (!(condition->flags & BH_CONDITION_TIMES))
		return true;
	JOIN_PATHS();
	return is_in_times(here, condition, image_at(image, condition->zone, sizeof(struct bh_zone)), now / 1000000000);
}

/*
 * Whether what a rule asks of a packet that is only asked about, and that nobody can know any more, counts as met: so
 * that it ends no flow. Within one policy, the rule that accepted a flow's opening packet met it, and those before not.
 */
static __always_inline bool is_taken_as_met(const struct bh_rule *rule, const struct bh_scratch *here)
{
	if (here->question == ASK_OPENING && here->lookup.best < here->limited_from)
		return false;
	return rule->verdict != BH_DROP && rule->verdict != BH_REJECT;
}

/*
 * A limit counts the packet that is here. Questions about other packets ignore it. So does a TCP segment that is not an
 * opening at a stateful rule: it opens no flow there, unless it is adopted.
 */
static __always_inline bool limit_holds(const struct image *image, const struct bh_rule *rule,
					const struct bh_condition *condition, struct bh_scratch *here)
{
	const struct bh_packet *packet = &here->packet;
	bool by_flow = rule->verdict == BH_ACCEPT && !(rule->flags & BH_RULE_STATELESS);
	bool over = condition->flags & BH_CONDITION_OVER;

	if (over && here->question != ASK_PACKET)
		return is_taken_as_met(rule, here);

	/* The rule's terms stand one after another, and limited_from is the rank of the first. */
	if (here->question == ASK_OPENING)
		return here->lookup.best >= here->limited_from;
	if (here->question == ASK_ATTEMPT)
		return is_taken_as_met(rule, here);
	if (here->question != ASK_PACKET)
		return true;
	if (by_flow && packet->protocol == IPPROTO_TCP && !is_opening(packet))
		return !over;
#if FOR_SHADOW
	(void)image;
	return limit_would_hold(rule, condition, here);
#else
	here->unsure = !TAKES_BUDGETS;
	return !TAKES_BUDGETS || take_budget(here, condition, by_flow, image->header->secret) == !over;
#endif
}

enum room_left { ROOM_LEFT, ROOM_FULL, ROOM_UNKNOWN };

/*
 * Whether a rule may open another flow. Only the packet that is here may be one too many: what is asked about other
 * packets is whether flows go on, and those are open.
 */
static __always_inline enum room_left room_left(const struct image *image, const struct bh_rule *rule,
						const struct bh_condition *condition, __u32 rank,
						struct bh_scratch *here)
{
	if (here->question == ASK_OPENING)
		return here->lookup.best >= here->limited_from ? ROOM_LEFT : ROOM_FULL;
	if (here->question != ASK_PACKET || (here->packet.protocol == IPPROTO_TCP && !is_opening(&here->packet)))
		return ROOM_LEFT;
#if FOR_SHADOW
	(void)rank;
	return would_have_room(image, rule, condition, here) ? ROOM_LEFT : ROOM_FULL;
#else
	(void)image;
	(void)rule;
	(void)condition;
	here->unsure = !TAKES_BUDGETS;
	if (!TAKES_BUDGETS)
		return ROOM_LEFT;
	if (here->asked_room == rank + 1)
		return here->has_room ? ROOM_LEFT : ROOM_FULL;
	here->asked_room = rank + 1;
	here->wanted |= BH_WANTED_ROOM;
	return ROOM_UNKNOWN;
#endif
}

/* Whether a flow counts for the rule that the question is about. */
static __always_inline bool may_count(const struct bh_scratch *here)
{
	return here->question == ASK_PACKET || here->question == ASK_OPENING || here->question == ASK_ATTEMPT ||
	       here->question == ASK_ADOPTED;
}

/*
 * Whether a rule takes of its limit for all that the packet's flow carries. A stateless rule opens none, but a flow
 * that an earlier policy opened may go on by it.
 */
static __always_inline bool meters_flow(const struct bh_rule *rule, const struct bh_condition *condition,
					const struct bh_scratch *here)
{
	return (condition->flags & (BH_CONDITION_BYTES | BH_CONDITION_OVER)) == BH_CONDITION_BYTES &&
	       rule->verdict == BH_ACCEPT && !(rule->flags & BH_RULE_STATELESS && here->question == ASK_PACKET);
}

/* Notes of whose limit the packet's flow takes, and whether the packet is the opener's. */
static __always_inline void note_meter(const struct bh_rule *rule, __u32 rank, struct bh_scratch *here)
{
	here->metered_rule = rank - rule->term;
	here->metered = here->asked_direction == here->judgement.direction ? METERED_OPENER : METERED_ANSWERER;
}

/*
 * Notes that a rule asks for an end of the packet in a group. That is done once the packet is judged, because rules
 * after this one may ask for the group. XDP leaves it to tc.
 */
static __always_inline void note_addition(const struct bh_condition *condition, struct bh_scratch *here)
{
	here->unsure |= IS_LEFT_TO_TC;
	here->additions[here->adds++ & (BH_TRIES_MAX - 1)] = condition->addition;
	here->add_decides = !(condition->flags & BH_CONDITION_GOES_ON);
}

/*
 * Notes that the packet matches a rule that logs. XDP neither counts nor streams what tc may see too, so it leaves such
 * a packet to tc. Packets that are only asked about are not here to be logged.
 */
static __always_inline void note_match(const struct bh_rule *rule, __u32 rank, struct bh_scratch *here)
{
	if (rule->verdict != BH_LOG || here->question != ASK_PACKET)
		return;
	here->unsure |= IS_LEFT_TO_TC;
	here->matched = rank - rule->term;
	here->counter = rule->counter;
	here->wanted |= BH_WANTED_LOG;
}

/* Notes, for a simulation, that a rule of a packet does not decide, and why. Returns the rank to go on with. */
static __always_inline __u32 go_on(struct bh_scratch *here, __u32 rank, enum bh_try why, __u32 next)
{
	if (here->question == ASK_PACKET)
		here->tried[here->tries++ & (BH_TRIES_MAX - 1)] = rank | (__u32)why << BH_TRY_SHIFT;
	return next;
}

/* In place of a rank: what the rule asks for is wanted first, then it is asked again. */
#define ASK_SAME_RULE BH_NONE

/*
 * The rank of a conditional rule that a packet matches, if the rule is in force for it and decides; else the rank,
 * higher than that, with which the rules go on. All terms of a rule share its times and its limit, so these are asked
 * once.
 */
static __always_inline __u32 follow_condition(const struct image *image, const struct bh_rule *rule, __u32 rank,
					      const struct bh_packet *packet, struct bh_scratch *here)
{
	const struct bh_condition *condition =
		IMAGE_ELEMENT(image, image->header->conditions, rule->condition, struct bh_condition);
	__u32 flags = condition->flags, behind = rank + 1 + rule->terms_behind;

	if (flags & (BH_CONDITION_STARTS | BH_CONDITION_EXPIRES | BH_CONDITION_TIMES) &&
	    !is_in_time(image, condition, here))
		return go_on(here, rank, BH_TRY_TIME, behind);
	if (flags & BH_CONDITION_MEMBERS && !members_hold(image, condition, packet, here))
		return go_on(here, rank, BH_TRY_MEMBERS, rank + 1);
	if (flags & BH_CONDITION_FIELDS) {
		enum fields fields = FIELDS_HOLD;

		if (here->question == ASK_PACKET)
			fields = fields_hold(image, condition, here);
		else if (!is_taken_as_met(rule, here))
			fields = FIELDS_FAIL;
		JOIN_PATHS();
		if (fields == FIELDS_WANTED) {
			here->wanted |= BH_WANTED_FIELDS;
			return ASK_SAME_RULE;
		}
		if (fields == FIELDS_FAIL)
			return go_on(here, rank, BH_TRY_FIELDS, behind);
	}
	if (condition->connections) {
		enum room_left room = room_left(image, rule, condition, rank, here);

		JOIN_PATHS();
		if (room == ROOM_UNKNOWN)
			return ASK_SAME_RULE;
		if (room == ROOM_FULL)
			return go_on(here, rank, BH_TRY_CONNECTIONS, behind);
	}
	if (flags & BH_CONDITION_LIMITED && !limit_holds(image, rule, condition, here))
		return go_on(here, rank, BH_TRY_LIMIT, behind);
	if (condition->connections && may_count(here))
		here->counted = rank - rule->term + 1;
	if (may_count(here) && meters_flow(rule, condition, here))
		note_meter(rule, rank, here);
	if (condition->addition && here->question == ASK_PACKET)
		note_addition(condition, here);
	if (!(flags & BH_CONDITION_GOES_ON))
		return rank;
	note_match(rule, rank, here);
	return go_on(here, rank, rule->verdict == BH_LOG ? BH_TRY_LOGGED : BH_TRY_PASSED, condition->next);
}

#endif
