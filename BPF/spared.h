/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ports that a trial does not have. Their packets pass, but the trial's base will judge them again: so what it has of
 * flows goes on, and what is in quarantine stays cut off. For the tc hooks.
 */
#ifndef BULKHEAD_SPARED_H
#define BULKHEAD_SPARED_H

#include "flow_state.h"
#include "flow_table.h"
#include "judge.h"

/*
 * A SYN over a flow is remembered beside it, or begins it anew, as ever. No rule has said anything of it: generation 0
 * has the base ask its own.
 */
static __always_inline void follow_opening(struct bh_scratch *here)
{
	make_key(here, &here->packet, here->judgement.direction);
	here->opener_is_first = here->forward;
	if (find_flow(here))
		open_flow(here);
}

/* Moves on the flow that covers the packet, if there is one. New ones are adopted when the base judges again. */
static __always_inline void follow_flow(struct bh_scratch *here)
{
	const struct bh_packet *packet = &here->packet;
	struct bh_flow *flow;

	if (packet->refusal || packet->flags & BH_PACKET_FRAGMENT_LATER || is_error(packet) || !is_tracked(packet))
		return;
	if (packet->protocol == IPPROTO_TCP && packet->tcp_flags & TCP_SYN && !(packet->tcp_flags & TCP_ACK)) {
		if (!(packet->tcp_flags & (TCP_FIN | TCP_RST)))
			follow_opening(here);
		return;
	}
	flow = covering_flow(here, false);
	JOIN_PATHS();
	if (!flow)
		return;
	if (packet->protocol == IPPROTO_TCP) {
		here->segment = place_segment(flow, packet, here->forward != flow->opener_is_first);
		JOIN_PATHS();
		if (here->segment == SEGMENT_ANSWERS_ATTEMPT && !is_attempt_noted(flow))
			flow->generation = 0;
	}
	advance_flow(here);
}

/*
 * Takes care of a packet at a port that the trial does not have and its base does. Returns whether it must not pass. A
 * global function: verified once.
 */
__noinline int stand_in_for_base(struct bh_scratch *here, __u32 hook)
{
	struct found_port found;
	struct image image;

	if (!here || !image_open_other(&image, here) || !find_port(&image, here, &found))
		return 0;
	clear_judgement(&here->judgement);
	here->judgement.direction = direction_of(hook, found.port->protects);
	start_packet(&image, found.port, here);
	JOIN_PATHS();
	if (found.is_quarantined) {
		here->judgement.generation = image.header->generation;
		here->judgement.port = found.record;
		decide(&here->judgement, BH_DROP, BH_REASON_QUARANTINE);
		return 1;
	}
	follow_flow(here);
	here->flow = 0;
	return 0;
}

/* Whether a packet that no port record was found for must not pass. Without a trial it costs one load. */
static __always_inline bool is_cut_off_by_base(struct bh_scratch *here, enum bh_hook hook)
{
	return is_on_trial(stamp_word()) && stand_in_for_base(here, hook);
}

#endif
