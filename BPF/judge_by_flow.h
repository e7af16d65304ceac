/* SPDX-License-Identifier: GPL-2.0-only */
/* The second stage: what the flow says that covers the packet, or that covers what an ICMP error quotes. */
#ifndef BULKHEAD_JUDGE_BY_FLOW_H
#define BULKHEAD_JUDGE_BY_FLOW_H

#include "icmp.h"
#include "judgement.h"
#include "limit.h"
#include "question.h"
#include "tcp.h"

/*
 * Looks for the flow that covers the packet, or what it quotes; a quoted packet went the other way. A flow that was
 * ended covers nothing, and keeps its connection from being adopted.
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

/*
 * Whether what accepted the flow may no longer hold: its time has come, or a dynamic group that it depends on may have
 * changed.
 */
static __always_inline bool has_lapsed(const struct bh_flow *flow, const struct bh_scratch *here)
{
	__u32 flags = flow->flags & (BH_FLOW_LAPSES | BH_FLOW_MEMBERS);

	if (!flags)
		return false;
	if (flags & BH_FLOW_MEMBERS && flow->epoch != here->epoch)
		return true;
	return flags & BH_FLOW_LAPSES && (__s32)(ticks_now(here) - flow->lapses) >= 0;
}

/* Whether an error is addressed to the sender of what it quotes. */
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
 * The stage. Settles what a flow settles; else leaves in `here` what the rules are to be asked. A SYN is never looked
 * up, because it cannot be a reply.
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
	if (here->segment == SEGMENT_ANSWERS_ATTEMPT && !is_attempt_noted(flow))
		return ask_about_attempt(here, flow);
	if (flow->generation != judgement->generation || has_lapsed(flow, here))
		return ask_about_opening(here, flow, error);
	judgement->counter = flow->counter;
	if (flow->flags & BH_FLOW_METERED && !error) {
		here->metered_rule = flow->rule;
		here->metered = here->forward == flow->opener_is_first ? METERED_OPENER : METERED_ANSWERER;
	}
	decide(judgement, BH_ACCEPT, error ? BH_REASON_RELATED : BH_REASON_ESTABLISHED);
}

#endif
