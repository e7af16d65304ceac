/* What a flow's packets make of it: who has spoken, TCP's states, which resets may be believed. */
#ifndef BULKHEAD_FLOW_STATE_H
#define BULKHEAD_FLOW_STATE_H

#include "flow.h"

/* What one end has now said: how far its data reaches, and what it has of the other's. */
static __always_inline void note_segment(struct bh_flow *flow, const struct bh_packet *packet, __u32 side)
{
	__u32 length = packet->payload + !!(packet->tcp_flags & TCP_SYN) + !!(packet->tcp_flags & TCP_FIN);
	struct bh_flow_side *said = &flow->sides[side & 1];

	if ((__s32)(packet->sequence + length - said->end) > 0)
		said->end = packet->sequence + length;
	if (packet->tcp_flags & TCP_ACK && (__s32)(packet->acknowledgement - said->acknowledged) > 0)
		said->acknowledged = packet->acknowledgement;
}

/* The first segment that is seen of an end sets where it starts. */
static __always_inline void start_side(struct bh_flow *flow, const struct bh_packet *packet, __u32 side)
{
	struct bh_flow_side *said = &flow->sides[side & 1];

	said->end = packet->sequence;
	said->acknowledged = packet->acknowledgement;
	note_segment(flow, packet, side);
}

/*
 * Whether a reset is one that its sender could send: its sequence number lies between what the other end has acknowledged and what
 * the sender has sent. That is narrower than the window and needs no window scale. The refusal of a SYN acknowledges it.
 */
static __always_inline bool is_sound_reset(const struct bh_flow *flow, const struct bh_packet *packet, bool answer)
{
	const struct bh_flow_side *sender = &flow->sides[answer], *other = &flow->sides[!answer];

	if (answer && flow->state == BH_FLOW_OPENING)
		return packet->tcp_flags & TCP_ACK && packet->acknowledgement == other->end;
	if (other->acknowledged == 0)
		return packet->sequence == sender->end;
	return (__s32)(packet->sequence - other->acknowledged) >= 0 && (__s32)(sender->end - packet->sequence) >= 0;
}

/* Whether what the opener acknowledges is near what it was answered: a blind guess at the answer's number is not. */
static __always_inline bool knows_answer(const struct bh_flow *flow, const struct bh_packet *packet)
{
	return packet->tcp_flags & TCP_ACK && flow->sides[1].end - packet->acknowledgement <= 0xffff;
}

static __always_inline void advance_tcp(struct bh_flow *flow, const struct bh_packet *packet, bool answer)
{
	__u8 seen = answer ? BH_FLOW_SEEN_ANSWERER : BH_FLOW_SEEN_OPENER, flags = packet->tcp_flags;

	if (flow->flags & seen)
		note_segment(flow, packet, answer);
	else
		start_side(flow, packet, answer);
	flow->flags |= seen;
	if (flags & TCP_RST) {
		flow->state = BH_FLOW_CLOSED;
		return;
	}
	if (flow->state == BH_FLOW_OPENING && flow->flags & BH_FLOW_SEEN_OPENER && flow->flags & BH_FLOW_SEEN_ANSWERER)
		/* A connection that was adopted is established once it is seen both ways. */
		flow->state = flow->flags & BH_FLOW_ADOPTED ? BH_FLOW_ESTABLISHED : BH_FLOW_ANSWERED;
	else if (flow->state == BH_FLOW_ANSWERED && !answer && knows_answer(flow, packet))
		flow->state = BH_FLOW_ESTABLISHED;
	if (flags & TCP_FIN)
		flow->flags |= answer ? BH_FLOW_FIN_ANSWERER : BH_FLOW_FIN_OPENER;
	if (flow->flags & BH_FLOW_FIN_OPENER && flow->flags & BH_FLOW_FIN_ANSWERER)
		flow->state = BH_FLOW_CLOSING;
}

/* Takes note of a packet that its flow has admitted. CPUs that race here write what either saw. A global function: verified once. */
__noinline int advance_flow(struct bh_scratch *here)
{
	struct bh_flow *flow;
	bool answer;

	if (!here || !here->flow)
		return 0;
	flow = found_flow(here);
	if (!flow)
		return 0;
	answer = here->forward != flow->opener_is_first;
	flow->seen = ticks_now(here);
	if (flow->flags & BH_FLOW_TCP)
		advance_tcp(flow, &here->packet, answer);
	else if (answer && flow->state == BH_FLOW_OPENING)
		flow->state = BH_FLOW_ANSWERED;
	else if (!answer && flow->state == BH_FLOW_ANSWERED)
		flow->state = BH_FLOW_ESTABLISHED;
	flow->timeout = flow_timeout(flow);
	return 0;
}

#endif
