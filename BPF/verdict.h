/* SPDX-License-Identifier: GPL-2.0-only */
/* The order of judgement at a port, and its outcome in struct bh_judgement. */
#ifndef BULKHEAD_VERDICT_H
#define BULKHEAD_VERDICT_H

#include <linux/if_ether.h>
#include <stdbool.h>
#include "condition.h"
#include "essential.h"
#include "flow_table.h"
#include "fragment.h"
#include "guard.h"
#include "question.h"
#include "verdict_cache.h"

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

/* Ingress of a host's device is `in`; ingress of a workload's device is what the guest sends, `out`. */
static __always_inline enum bh_direction direction_of(enum bh_hook hook, __u8 protects)
{
	bool egress = hook == BH_HOOK_TC_EGRESS;

	return egress == (protects == BH_WORKLOAD) ? BH_IN : BH_OUT;
}

static __always_inline bool admits_vlan(const struct image *image, const struct bh_port *port,
					const struct bh_packet *packet)
{
	__u16 outer = packet->outer_vlan & (BH_VLANS - 1);

	if (port->vlan_mode == BH_VLAN_ANY)
		return true;
	if (packet->flags & BH_PACKET_INNER_TAG)
		return false;
	if (port->vlan_mode == BH_VLAN_NONE)
		return outer == 0;
	return *IMAGE_ELEMENT(image, port->vlans, outer >> 6, __u64) >> (outer & 63) & 1;
}

static __always_inline void judge_by_default(const struct bh_port *port, const struct bh_packet *packet,
					     struct bh_scratch *here)
{
	if (!(packet->flags & (BH_PACKET_IPV4 | BH_PACKET_IPV6)))
		return decide(&here->judgement, BH_DROP, BH_REASON_NON_IP);
	decide(&here->judgement, port->defaults[here->asked_direction & 1], BH_REASON_DEFAULT);
}

/*
 * Writes what the rules, or the default, say of a packet in a direction, and whether they would accept it without a flow. Returns false where the
 * rule that was found has a condition that does not hold: it is to be asked again for those behind it. So it
 * does where it must be known first whether
 * an end is the host's own.
 */
static __always_inline bool judge_by_rules(const struct image *image, const struct bh_port *port,
					   const struct bh_packet *packet, struct bh_scratch *here)
{
	struct bh_judgement *judgement = &here->judgement;
	const struct bh_rule *rule;
	__u32 rank = BH_NONE, skip;
	bool cacheable = is_cacheable(here) && !here->lookup.floor;

	if (cacheable && recall(here))
		return true;
	JOIN_PATHS();
	judgement->rule = BH_NONE;
	judgement->counter = BH_NONE;
	here->stateless = port->flags & BH_PORT_SYMMETRIC && packet->protocol != IPPROTO_TCP;
	if (!(packet->flags & BH_PACKET_ARP))
		rank = classify(image, packet, port->scopes[here->asked_direction & 1], here);
	if (here->host_wanted)
		return false;
	if (rank == BH_NONE) {
		judge_by_default(port, packet, here);
		if (cacheable && !here->asked_host)
			remember(here);
		return true;
	}
	rule = IMAGE_ELEMENT(image, image->header->rules, rank, struct bh_rule);
	skip = rule->flags & BH_RULE_CONDITIONAL ? ranks_to_skip(image, rule, packet, here) : 0;
	if (skip) {
		here->lookup.floor = rank + skip;
		return false;
	}
	decide(judgement, rule->verdict, BH_REASON_RULE);
	judgement->rule = rank - rule->term;
	judgement->counter = rule->counter;
	judgement->log = rule->flags & BH_RULE_LOG;
	if (rule->flags & BH_RULE_STATELESS)
		here->stateless = 1;
	if (cacheable && !here->asked_host && !(rule->flags & BH_RULE_CONDITIONAL))
		remember(here);
	return true;
}

/* What is decided of a fragment by itself: a later one follows its first, and one that is astray is dropped. XDP leaves them all to tc. */
static __always_inline void judge_fragment(struct bh_scratch *here, enum bh_hook hook)
{
	enum fragment_place place = hook == BH_HOOK_XDP ? FRAGMENT_ASTRAY : place_fragment(here);

	if (place != FRAGMENT_OPENS)
		decide(&here->judgement, place == FRAGMENT_FOLLOWS ? BH_ACCEPT : BH_DROP, BH_REASON_FRAGMENT);
}

/* Why a port refuses a packet whatever its rules say; BH_REASON_NONE where it does not. */
static __always_inline enum bh_reason port_refusal(const struct image *image, const struct bh_port *port,
						   bool quarantined, const struct bh_scratch *here)
{
	if (port->flags & BH_PORT_UNKNOWN_DROP)
		return BH_REASON_DEFAULT;
	if (!admits_vlan(image, port, &here->packet))
		return BH_REASON_VLAN;
	if (quarantined)
		return BH_REASON_QUARANTINE;
	return port->guards ? guard_reason(image, port, here) : BH_REASON_NONE;
}

/* What is decided before the rules are asked; the reason stays BH_REASON_NONE where they must be. */
static __always_inline void judge_before_rules(const struct image *image, const struct bh_port *port, bool quarantined,
					       struct bh_scratch *here, enum bh_hook hook)
{
	struct bh_judgement *judgement = &here->judgement;
	const struct bh_packet *packet = &here->packet;
	enum bh_reason refusal, essential;

	if (packet->refusal)
		return decide(judgement, BH_DROP, packet->refusal);
	refusal = port_refusal(image, port, quarantined, here);
	JOIN_PATHS();
	if (refusal)
		return decide(judgement, BH_DROP, refusal);
	if (packet->flags & (BH_PACKET_FRAGMENT_FIRST | BH_PACKET_FRAGMENT_LATER)) {
		judge_fragment(here, hook);
		if (judgement->reason != BH_REASON_NONE)
			return;
	}
	JOIN_PATHS();
	essential = essential_reason(image, port, packet, judgement->direction);
	JOIN_PATHS();
	if (essential)
		decide(judgement, BH_ACCEPT, essential);
}

/* An ICMP error of a kind that may be related to a flow: never a redirect. */
static __always_inline bool is_error(const struct bh_packet *packet)
{
	if (!(packet->flags & BH_PACKET_L4) || !is_icmp(packet))
		return false;
	if (packet->flags & BH_PACKET_IPV4)
		return packet->type == 3 || packet->type == 11 || packet->type == 12;
	return packet->type >= 1 && packet->type <= 4;
}

/*
 * Looks for the flow that covers the packet, or what it quotes. What is quoted went the other way. One that was ended covers nothing, and keeps its
 * connection from being adopted.
 */
static __always_inline struct bh_flow *covering_flow(struct bh_scratch *here, bool error)
{
	struct bh_flow *flow;

	here->flow = 0;
	if (error && !is_tracked(&here->subject))
		return NULL;
	make_key(here, error ? &here->subject : &here->packet, here->judgement.direction ^ error);
	here->flow = find_flow(here);
	flow = here->flow ? found_flow(here) : NULL;
	if (!flow || flow->state != BH_FLOW_BARRED)
		return flow;
	here->flow = 0;
	here->barred = 1;
	return NULL;
}

/* Whether what accepted the flow may no longer hold: its time has come, or a dynamic group that it depends on may have changed. */
static __always_inline bool has_lapsed(const struct bh_flow *flow, const struct bh_scratch *here)
{
	__u32 flags = flow->flags & (BH_FLOW_LAPSES | BH_FLOW_MEMBERS);

	if (!flags)
		return false;
	if (flags & BH_FLOW_MEMBERS && flow->epoch != here->epoch)
		return true;
	return flags & BH_FLOW_LAPSES && (__s32)(ticks_now(here) - flow->lapses) >= 0;
}

/* Whether an error speaks to who sent what it quotes. */
static __always_inline bool is_addressed_to_sender(const struct bh_scratch *here)
{
	return here->subject.flags & (BH_PACKET_IPV4 | BH_PACKET_IPV6) &&
	       here->packet.destination_high == here->subject.source_high &&
	       here->packet.destination_low == here->subject.source_low;
}

/* Why a segment is dropped though a flow covers it; BH_REASON_NONE where it is not. */
static __always_inline enum bh_reason segment_refusal(const struct bh_port *port, enum segment segment)
{
	if (segment == SEGMENT_IGNORED)
		return BH_REASON_INVALID_STATE;
	if (segment == SEGMENT_OUTSIDE && port->flags & BH_PORT_TCP_STRICT)
		return BH_REASON_INVALID_STATE;
	return BH_REASON_NONE;
}

/*
 * Settles what a flow settles; else says what the rules are to be asked. A SYN is never looked up, for it cannot be a reply.
 */
static __always_inline void judge_by_flow(const struct bh_port *port, struct bh_scratch *here)
{
	struct bh_judgement *judgement = &here->judgement;
	const struct bh_packet *packet = &here->packet;
	bool error = is_error(packet), tcp = packet->protocol == IPPROTO_TCP;
	struct bh_flow *flow;

	if (!error && !is_tracked(packet))
		return;
	if (error && !is_addressed_to_sender(here))
		return;
	if (!error && tcp && packet->tcp_flags & TCP_SYN) {
		if (packet->tcp_flags & (TCP_FIN | TCP_RST))
			return decide(judgement, BH_DROP, BH_REASON_INVALID_STATE);
		if (!(packet->tcp_flags & TCP_ACK))
			return make_key(here, packet, judgement->direction);
	}
	flow = covering_flow(here, error);
	JOIN_PATHS();
	if (!flow) {
		if (error) {
			here->question = ASK_QUOTED;
			here->asked_direction = judgement->direction ^ 1;
		}
		return;
	}
	if (!error && tcp) {
		here->segment = place_segment(flow, packet, here->forward != flow->opener_is_first);
		JOIN_PATHS();
		if (segment_refusal(port, here->segment))
			return decide(judgement, BH_DROP, BH_REASON_INVALID_STATE);
	}
	JOIN_PATHS();
	if (flow->generation != judgement->generation || has_lapsed(flow, here))
		return ask_about_opening(here, flow, error);
	judgement->counter = flow->counter;
	decide(judgement, BH_ACCEPT, error ? BH_REASON_RELATED : BH_REASON_ESTABLISHED);
}

/*
 * What follows from what the rules say of the packet itself, other than to accept it statelessly. `before`: the policy before has been asked, and
 * passed it without a flow. Returns whether there is more to ask.
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

/* The policy before has answered. Goes on with what the one in force has said. */
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

/* The rules have been asked about a flow's opening packet, and about the other way of one that was adopted by a packet that went it. */
static __always_inline bool conclude_opening(const struct image *image, struct bh_scratch *here, bool holds)
{
	struct bh_judgement *judgement = &here->judgement;
	const struct bh_flow *flow = found_flow(here);

	if (holds && here->question == ASK_OPENING && flow && flow->flags & BH_FLOW_BY_ANSWERER) {
		ask_about_reply(here);
		return true;
	}
	if (here->question == ASK_REPLY && holds)
		*judgement = here->denial;
	here->question = ASK_OPENING;
	if (!holds)
		here->bar = bar_time(image, here);
	decide(judgement, holds ? BH_ACCEPT : BH_DROP,
	       !holds ? BH_REASON_POLICY_CHANGED :
	       is_error(&here->packet) ? BH_REASON_RELATED : BH_REASON_ESTABLISHED);
	return false;
}

/* Draws the conclusion from one answer of the rules. Returns whether there is more to ask. */
static __always_inline bool conclude(const struct image *image, struct bh_scratch *here)
{
	struct bh_judgement *judgement = &here->judgement;
	bool accepted = judgement->verdict == BH_ACCEPT, stateless = here->stateless;

	switch (here->question) {
	case ASK_OPENING:
		return conclude_opening(image, here, accepted);
	case ASK_REPLY:
		return conclude_opening(image, here, !is_denied_by_rule(judgement));
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
		return accepted && stateless ? false : conclude_packet(image, here, accepted, false);
	}
}

/* The record of the packet's port in an image, with its mark of quarantine; 0 where it has none. */
static __always_inline __u16 port_record(const struct image *image, const struct bh_scratch *here)
{
	return *IMAGE_ELEMENT(image, image->header->device_ports, here->device & (BH_DEVICES_MAX - 1), __u16);
}

/*
 * Asks the rules once. Returns whether there is more to ask: what stands behind a rule whose condition does not hold, or the next question.
 */
static __always_inline bool ask_rules(const struct image *image, const struct bh_port *port, struct bh_scratch *here)
{
	const struct bh_packet *subject = here->question == ASK_PACKET ? &here->packet : &here->subject;

	/* The policy before has answered by now. */
	if (here->question != ASK_BEFORE && !judge_by_rules(image, port, subject, here))
		return true;
	JOIN_PATHS();
	here->lookup.floor = 0;
	return conclude(image, here);
}

/*
 * Makes the flow that a new policy denies a mark that its connection is not to be adopted, if its place still is its
 * own: another CPU may have given the place to another connection meanwhile.
 */
static __always_inline bool bar_flow(struct bh_flow_bucket *bucket, __u32 way, struct bh_flow *flow,
				     const struct bh_scratch *here)
{
	__u32 now = ticks_now(here);
	bool barred = false;

	bpf_spin_lock(&bucket->lock);
	if (bucket->tags[way] == here->hash) {
		flow->state = BH_FLOW_BARRED;
		flow->seen = now;
		flow->timeout = here->bar;
		barred = true;
	}
	bpf_spin_unlock(&bucket->lock);
	return barred;
}

/* Ends the flow that a new policy denies. */
static __always_inline void end_found_flow(const struct bh_scratch *here)
{
	struct bh_flow_totals *totals = flow_totals_here();
	__u32 slot = here->flow - 1, index = slot / BH_FLOW_WAYS;
	struct bh_flow_bucket *bucket = bucket_at(index);
	struct bh_flow *flow = found_flow(here);
	bool ended;

	if (!bucket || !totals || !flow)
		return;
	ended = here->bar ? bar_flow(bucket, slot % BH_FLOW_WAYS, flow, here) :
			    end_flow(bucket, index, slot, here->hash, END_ANY, 0);
	if (ended)
		totals->ended++;
}

/* Does to the flow table what the judgement says. XDP never comes here. A global function: verified once. */
__noinline int settle_flow(struct bh_scratch *here)
{
	struct bh_judgement *judgement;
	struct bh_flow *flow;

	if (!here)
		return 0;
	judgement = &here->judgement;
	if (here->opens) {
		if (!open_flow(here))
			overrule(judgement, BH_REASON_FLOW_TABLE_FULL);
		return 0;
	}
	if (!here->flow)
		return 0;
	if (judgement->reason == BH_REASON_POLICY_CHANGED) {
		end_found_flow(here);
		return 0;
	}
	flow = found_flow(here);
	if (judgement->verdict != BH_ACCEPT || !flow)
		return 0;
	if (here->question == ASK_OPENING)
		note_judgement(flow, here, ticks_now(here));
	judgement->rule = BH_NONE;
	/* An error refreshes nothing. */
	if (judgement->reason == BH_REASON_ESTABLISHED)
		advance_flow(here);
	return 0;
}

/* Keeps a first fragment that was accepted, for those that follow. */
static __always_inline void settle_fragment(struct bh_scratch *here)
{
	if (here->packet.flags & BH_PACKET_FRAGMENT_FIRST && here->judgement.verdict == BH_ACCEPT && !keep_datagram(here))
		overrule(&here->judgement, BH_REASON_FRAGMENT);
}

static __always_inline bool is_reset(const struct bh_packet *packet)
{
	return packet->protocol == IPPROTO_TCP && packet->tcp_flags & TCP_RST;
}

/* Starts to judge: what is settled before the rules are asked, and what they are to be asked. */
static __always_inline void begin(const struct image *image, const struct bh_port *port, bool quarantined,
				  struct bh_scratch *here, enum bh_hook hook)
{
	here->flow = 0;
	here->opens = 0;
	here->unsure = 0;
	here->lapse = 0;
	/* Before the groups themselves, for they are changed first. */
	here->epoch = *(volatile const __u32 *)&image->header->epoch;
	here->asked_members = 0;
	here->asked_host = 0;
	here->host_wanted = 0;
	here->host_found = 0;
	here->lookup.floor = 0;
	here->question = ASK_PACKET;
	here->asked_direction = here->judgement.direction;
	here->scope = port->flow_scope ? port->flow_scope : here->device;
	here->share = port->flow_share;
	here->asks = 0;
	here->bar = 0;
	here->barred = 0;
	here->segment = SEGMENT_OUTSIDE;
	judge_before_rules(image, port, quarantined, here, hook);
	JOIN_PATHS();
	/* XDP does not read what an ICMP error quotes, and leaves all of them to tc. */
	if (here->judgement.reason != BH_REASON_NONE || (hook == BH_HOOK_XDP && is_error(&here->packet)))
		return;
	JOIN_PATHS();
	judge_by_flow(port, here);
	here->asks = here->judgement.reason == BH_REASON_NONE;
}

enum {
	JUDGED,
	ASK_AGAIN,
	ASK_POLICY_BEFORE,
};

/* No image or no port record: the packet passes, and its generation is 0. */
static __always_inline int pass_unjudged(struct bh_scratch *here)
{
	clear_judgement(&here->judgement);
	here->flow = 0;
	here->opens = 0;
	return JUDGED;
}

/*
 * Judges the packet in `here` by the policy in force, up to one question to the rules: while it returns ASK_AGAIN it is to be called again. The slot
 * is read at each call; where another generation has come into force meanwhile, it starts anew: one packet, one generation. A global function: verified
 * once, whatever its callers are.
 */
__noinline int judge(struct bh_scratch *here, __u32 hook)
{
	struct bh_judgement *judgement;
	const struct bh_port *port;
	struct image image;
	bool quarantined;
	__u16 record;

	if (!here)
		return JUDGED;
	judgement = &here->judgement;
	if (!image_open(&image, BH_SLOT_IN_FORCE))
		return pass_unjudged(here);
	record = port_record(&image, here);
	if (!record)
		return pass_unjudged(here);
	quarantined = record & BH_QUARANTINED;
	record &= ~BH_QUARANTINED;
	port = IMAGE_ELEMENT(&image, image.header->ports, record - 1, struct bh_port);
	if (!here->asks || judgement->generation != image.header->generation) {
		clear_judgement(judgement);
		judgement->generation = image.header->generation;
		judgement->port = record - 1;
		judgement->direction = direction_of(hook, port->protects);
		here->hidden_matters = image.header->flags & BH_IMAGE_VLAN_SENSITIVE ||
				       port->vlan_mode != BH_VLAN_ANY ||
				       (image.header->flags & BH_IMAGE_REJECTS && is_reset(&here->packet));
		begin(&image, port, quarantined, here, hook);
		/* The rules are asked at the next call: the verifier follows the look-up once, not for each way that leads to it. */
		return here->asks ? ASK_AGAIN : JUDGED;
	}
	JOIN_PATHS();
	here->asks = ask_rules(&image, port, here);
	if (!here->asks)
		return JUDGED;
	return here->question == ASK_BEFORE ? ASK_POLICY_BEFORE : ASK_AGAIN;
}

/*
 * Asks the policy before about the packet. Where it is not there, did not know the port, or dropped the packet before
 * it asked its rules, it passed nothing. Returns whether it has answered. A global function: verified once. It is not
 * called from judge(), whose stack is deep as it is.
 */
__noinline int ask_policy_before(struct bh_scratch *here)
{
	const struct bh_port *port;
	struct image image;
	enum bh_reason refusal;
	__u32 generation;
	__u16 record;

	if (!here)
		return 1;
	here->judgement.verdict = BH_DROP;
	if (!image_open(&image, BH_SLOT_IN_FORCE))
		return 1;
	generation = image.header->before;
	if (!image_open(&image, BH_SLOT_BEFORE) || image.header->generation != generation)
		return 1;
	record = port_record(&image, here);
	if (!record || record & BH_QUARANTINED)
		return 1;
	port = IMAGE_ELEMENT(&image, image.header->ports, record - 1, struct bh_port);
	refusal = port_refusal(&image, port, false, here);
	JOIN_PATHS();
	if (refusal)
		return 1;
	return judge_by_rules(&image, port, &here->subject, here);
}

/* What was wanted to be known of the host's addresses is found out here, where the stack is shallow. */
static __always_inline void find_own_if_wanted(struct bh_scratch *here)
{
	if (here->host_wanted)
		find_own(here);
}

static __always_inline void ask_before_until_answered(struct bh_scratch *here)
{
#pragma unroll
	for (int i = 0; i <= BH_TRIES_MAX + 1; i++) {
		if (ask_policy_before(here))
			return;
		find_own_if_wanted(here);
	}
}

/*
 * Judges on until there is nothing more to ask of the policy in force. Of one packet two questions are asked at most: what it quotes and it
 * itself, it and what opened its connection, a flow's opening and its other way. Each may want to know of the host.
 */
static __always_inline int judge_on(struct bh_scratch *here, enum bh_hook hook)
{
	int said = ASK_AGAIN;

#pragma unroll
	for (int i = 0; i < 2 * (BH_TRIES_MAX + 1) + 4; i++) {
		said = judge(here, hook);
		if (said != ASK_AGAIN)
			break;
		find_own_if_wanted(here);
	}
	return said;
}

/* Judges the packet in `here`. */
static __always_inline void judge_packet(struct bh_scratch *here, enum bh_hook hook)
{
	int said;

	here->asks = 0;
	said = judge_on(here, hook);
	if (ASKS_BEFORE && said == ASK_POLICY_BEFORE) {
		ask_before_until_answered(here);
		said = judge_on(here, hook);
	}
	/* Not reached: the compiler refuses what would take more. */
	if (said != JUDGED)
		decide(&here->judgement, BH_DROP, BH_REASON_DEFAULT);
}

#endif
