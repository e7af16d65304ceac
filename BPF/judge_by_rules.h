/* SPDX-License-Identifier: GPL-2.0-only */
/* The third stage: what the rules, or the port's default, say of a packet. */
#ifndef BULKHEAD_JUDGE_BY_RULES_H
#define BULKHEAD_JUDGE_BY_RULES_H

#include "classify.h"
#include "condition.h"
#include "judgement.h"

static __always_inline void judge_by_default(const struct bh_port *port, const struct bh_packet *packet,
					     struct bh_scratch *here)
{
	if (!(packet->flags & (BH_PACKET_IPV4 | BH_PACKET_IPV6)))
		return decide(&here->judgement, BH_DROP, BH_REASON_NON_IP);
	decide(&here->judgement, port->defaults[here->asked_direction & 1], BH_REASON_DEFAULT);
}

/*
 * The stage. Writes what the rules say, and whether they would accept without a flow. Returns false where it is to be
 * called again: the rule that was found does not decide, or has a condition that does not hold, so the rules after it
 * are asked next; or something is wanted first, see here->wanted.
 */
static __always_inline bool judge_by_rules(const struct image *image, const struct bh_port *port,
					   const struct bh_packet *packet, struct bh_scratch *here)
{
	struct bh_judgement *judgement = &here->judgement;
	const struct bh_rule *rule;
	__u32 rank = BH_NONE, next;

	/* Rules before this one that have conditions, and did not match, leave a floor. */
	here->lasts = here->question == ASK_PACKET && !here->lookup.floor;
	judgement->rule = BH_NONE;
	judgement->counter = BH_NONE;
	here->stateless = port->flags & BH_PORT_SYMMETRIC && packet->protocol != IPPROTO_TCP;
	if (!(packet->flags & BH_PACKET_ARP))
		rank = classify(image, packet, port->scopes[here->asked_direction & 1], here);
	if (here->wanted)
		return false;
	if (here->asked_host)
		here->lasts = 0;
	if (rank == BH_NONE) {
		judge_by_default(port, packet, here);
		return true;
	}
	rule = IMAGE_ELEMENT(image, image->header->rules, rank, struct bh_rule);
	next = rule->flags & BH_RULE_CONDITIONAL ? follow_condition(image, rule, rank, packet, here) : rank;
	if (next != rank) {
		here->lookup.floor = next == ASK_SAME_RULE ? rank : next;
		return false;
	}
	decide(judgement, rule->verdict, BH_REASON_RULE);
	judgement->rule = rank - rule->term;
	judgement->counter = rule->counter;
	judgement->log = rule->flags & BH_RULE_LOG;
	if (rule->flags & BH_RULE_STATELESS)
		here->stateless = 1;
	if (rule->flags & BH_RULE_CONDITIONAL)
		here->lasts = 0;
	return true;
}

#endif
