/* SPDX-License-Identifier: GPL-2.0-only */
/* The fourth stage: what follows from an answer of the rules, by the question that they were asked. */
#ifndef BULKHEAD_JUDGE_CONCLUDE_H
#define BULKHEAD_JUDGE_CONCLUDE_H

#include "icmp.h"
#include "judge_by_rules.h"
#include "judgement.h"
#include "question.h"

/* Whether the previous policy is known to have passed the packet without a flow: to a shadow, that in force is it. */
#if FOR_SHADOW
#define PASSED_BEFORE(here) ((here)->passed_before && !(here)->barred)
#else
#define PASSED_BEFORE(here) false
#endif

/*
 * Concludes from what the rules say of the packet itself, unless they accept it without a flow. `before`: the previous
 * policy has been asked, and passed the packet without a flow. Returns whether there is more to ask.
 */
static __always_inline bool conclude_packet(const struct image *image, struct bh_scratch *here, bool accepted,
					    bool before)
{
	const struct bh_packet *packet = &here->packet;

	if (!is_tracked(packet))
		return false;
	here->opener_is_first = here->forward;
	if (is_opening(packet) || packet->protocol != IPPROTO_TCP) {
		here->opens = accepted && is_opening(packet);
		if (accepted || packet->protocol == IPPROTO_TCP || !may_be_answer(packet) ||
		    is_denied_by_rule(&here->judgement))
			return false;
		if (before)
			ask_about_other_way(here);
		else if (may_ask_before(image, here))
			return ask_before(here);
		return here->question != ASK_PACKET;
	}
	if (before || may_adopt(image, here))
		return conclude_adopting(here, accepted);
	if (may_ask_before(image, here) && ask_before(here))
		return true;
	if (accepted)
		overrule(&here->judgement, BH_REASON_INVALID_STATE);
	return false;
}

/* The previous policy has answered. Goes on with what the one in force has said. */
static __always_inline bool conclude_before(const struct image *image, struct bh_scratch *here, bool passed)
{
	bool accepted = here->denial.verdict == BH_ACCEPT;

	here->judgement = here->denial;
	here->question = ASK_PACKET;
	if (passed)
		return conclude_packet(image, here, accepted, true);
	if (accepted)
		overrule(&here->judgement, BH_REASON_INVALID_STATE);
	return false;
}

/*
 * The rules have been asked about a flow's opening packet; or about the other way of a flow, where a packet of the
 * answerer had it adopted.
 */
static __always_inline bool conclude_opening(const struct image *image, struct bh_scratch *here, bool holds)
{
	struct bh_judgement *judgement = &here->judgement;
	const struct bh_flow *flow = found_flow(here);
	enum bh_reason reason = BH_REASON_POLICY_CHANGED;

	if (holds && here->question == ASK_OPENING && flow && flow->flags & BH_FLOW_BY_ANSWERER) {
		ask_about_reply(here);
		return true;
	}
	if (here->question == ASK_REPLY && holds)
		*judgement = here->denial;
	here->question = ASK_OPENING;
	if (!holds)
		here->bar = bar_time(image, here);
	else
		reason = is_error(&here->packet) ? BH_REASON_RELATED : BH_REASON_ESTABLISHED;
	decide(judgement, holds ? BH_ACCEPT : BH_DROP, reason);
	return false;
}

/*
 * The rules have been asked about a SYN over the flow that is answered now. If a policy has come meanwhile that denies
 * it, the answer does not pass, and the connection that was there stays.
 */
static __always_inline void conclude_attempt(struct bh_scratch *here, bool holds)
{
	if (!holds)
		here->flow = 0;
	decide(&here->judgement, holds ? BH_ACCEPT : BH_DROP, holds ? BH_REASON_ESTABLISHED : BH_REASON_POLICY_CHANGED);
}

/* The stage. Returns whether there is more to ask. */
static __always_inline bool conclude(const struct image *image, struct bh_scratch *here)
{
	struct bh_judgement *judgement = &here->judgement;
	bool accepted = judgement->verdict == BH_ACCEPT, stateless = here->stateless;

	switch (here->question) {
	case ASK_OPENING:
		return conclude_opening(image, here, accepted);
	case ASK_REPLY:
		return conclude_opening(image, here, !is_denied_by_rule(judgement));
	case ASK_ATTEMPT:
		conclude_attempt(here, accepted);
		return false;
	case ASK_QUOTED:
		if (accepted && stateless) {
			decide(judgement, BH_ACCEPT, BH_REASON_RELATED);
			return false;
		}
		here->question = ASK_PACKET;
		here->asked_direction = judgement->direction;
		return true;
	case ASK_BEFORE:
		return conclude_before(image, here, accepted && stateless);
	case ASK_ADOPTED:
		if (accepted)
			adopt(here);
		else if (here->packet.protocol != IPPROTO_TCP)
			*judgement = here->denial;
		return false;
	default:
		return accepted && stateless ? false : conclude_packet(image, here, accepted, PASSED_BEFORE(here));
	}
}

/*
 * Asks the rules once. Returns whether there is more to ask: the rules after one whose condition does not hold, or the
 * next question.
 */
static __always_inline bool ask_rules(const struct image *image, const struct bh_port *port, struct bh_scratch *here)
{
	const struct bh_packet *subject = here->question == ASK_PACKET ? &here->packet : &here->subject;

	/* The previous policy has answered by now. */
	if (here->question != ASK_BEFORE && !judge_by_rules(image, port, subject, here))
		return true;
	JOIN_PATHS();
	here->lookup.floor = 0;
	return conclude(image, here);
}

#endif
