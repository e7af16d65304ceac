/* SPDX-License-Identifier: GPL-2.0-only */
/* What a flow's packets make of it: who has spoken, and TCP's states. */
#ifndef BULKHEAD_FLOW_STATE_H
#define BULKHEAD_FLOW_STATE_H

#include "tcp.h"

/*
 * Whether a packet of an adopted flow comes from the only end that was seen yet. Such a packet refreshes nothing: an
 * adopted flow lasts only if it is seen both ways.
 */
static __always_inline bool is_lonely(const struct bh_flow *flow, bool answer)
{
	return flow->state == BH_FLOW_OPENING && flow->flags & BH_FLOW_ADOPTED && flow->flags & seen_flag(answer);
}

/*
 * Notes whether an end has sent a FIN. The windows of an adopted connection are wide, and anybody may hit them: there a
 * FIN is the last that its sender has sent, or none.
 */
static __always_inline void note_fin(struct bh_flow *flow, const struct bh_packet *packet, bool answer, bool goes_on)
{
	__u16 fin = answer ? BH_FLOW_FIN_ANSWERER : BH_FLOW_FIN_OPENER;
	bool last = !(flow->flags & BH_FLOW_ADOPTED) || segment_end(packet) == flow->sides[answer & 1].end;

	if (!(packet->tcp_flags & TCP_FIN) || !last) {
		if (flow->flags & BH_FLOW_ADOPTED && goes_on && flow->flags & fin)
			flow->flags &= ~fin;
		return;
	}
	flow->flags |= fin;
}

/*
 * Whether both ends have sent a FIN; of an adopted connection, whether each end has acknowledged the other's. No true
 * end acknowledges a stranger's.
 */
static __always_inline bool is_closing(const struct bh_flow *flow)
{
	const __u16 fins = BH_FLOW_FIN_OPENER | BH_FLOW_FIN_ANSWERER;

	if ((flow->flags & fins) != fins)
		return false;
	return !(flow->flags & BH_FLOW_ADOPTED) || (!is_before(flow->sides[0].acknowledged, flow->sides[1].end) &&
						    !is_before(flow->sides[1].acknowledged, flow->sides[0].end));
}

/* A segment within the windows. A connection that was reset changes nothing but its time. */
static __always_inline void advance_within(struct bh_flow *flow, const struct bh_packet *packet, bool answer)
{
	struct bh_flow_side *side = &flow->sides[answer & 1], *other = &flow->sides[!answer];
	const __u16 both = BH_FLOW_SEEN_OPENER | BH_FLOW_SEEN_ANSWERER;
	__u32 end = side->end;
	__u16 flags;

	if (flow->flags & seen_flag(answer)) {
		note_segment(side, other, packet, flow->scales[answer & 1]);
	} else {
		start_side(side, packet, flow->scales[answer & 1]);
		side->end = taken_end(packet, other);
	}
	/* It is not seen here how much of the segment follows in other fragments. */
	if (packet->flags & BH_PACKET_FRAGMENT_FIRST && is_before(side->end, other->granted))
		side->end = other->granted;
	if (flow->state == BH_FLOW_CLOSED || flow->state == BH_FLOW_BARRED)
		return;
	/* Most packets change no flag. What they do not write they cannot take from another CPU. */
	flags = (flow->flags | seen_flag(answer)) & ~BH_FLOW_DOUBTED;
	if (flags != flow->flags)
		flow->flags = flags;
	note_fin(flow, packet, answer, side->end != end);
	/*
	 * When the opener goes on, it acknowledges the answer, or the segment would not fit. An adopted flow needs both
	 * ends.
	 */
	if (flow->state == BH_FLOW_ANSWERED ? !answer : flow->state == BH_FLOW_OPENING && (flow->flags & both) == both)
		flow->state = BH_FLOW_ESTABLISHED;
	if (is_closing(flow))
		flow->state = BH_FLOW_CLOSING;
}

/*
 * Adopts a connection by another segment than before. Where the other end spoke before, both ends are there, and the
 * segment refreshes the flow. So a stranger who speaks in between can keep the ends from agreeing, but cannot end the
 * flow. Returns whether the segment refreshes it.
 */
static __always_inline bool start_anew(struct bh_flow *flow, const struct bh_packet *packet, bool answer)
{
	const __u16 both = BH_FLOW_SEEN_OPENER | BH_FLOW_SEEN_ANSWERER;
	bool lonely = is_lonely(flow, answer);

	if (!is_unsure(flow))
		return false;
	start_in_the_middle(flow, packet, answer);
	flow->flags &= ~(both | BH_FLOW_FIN_OPENER | BH_FLOW_FIN_ANSWERER);
	flow->flags |= seen_flag(answer);
	return !lonely;
}

/*
 * Changes a TCP flow by a segment that does more than go on; false where the segment refreshes nothing. The bucket is
 * locked.
 */
static __always_inline bool turn_tcp(struct bh_flow *flow, const struct bh_scratch *here)
{
	const struct bh_packet *packet = &here->packet;
	bool answer = here->forward != flow->opener_is_first;

	if (flow->state == BH_FLOW_BARRED)
		return false;
	switch (here->segment) {
	case SEGMENT_STARTS_ANEW:
		return start_anew(flow, packet, answer);
	case SEGMENT_ANSWERS:
		start_answered(flow, packet, here->scale);
		break;
	case SEGMENT_ANSWERS_ATTEMPT:
		start_attempted(flow, packet, here->scale);
		break;
	case SEGMENT_CHALLENGES:
		flow->sides[1].acknowledged = packet->acknowledgement;
		flow->flags |= BH_FLOW_CHALLENGED;
		return false;
	case SEGMENT_RESETS:
		flow->state = BH_FLOW_CLOSED;
		return true;
	case SEGMENT_DOUBTS:
		flow->flags |= BH_FLOW_DOUBTED;
		return true;
	default:
		return false;
	}
	flow->flags = (flow->flags | BH_FLOW_SEEN_OPENER | BH_FLOW_SEEN_ANSWERER) & ~BH_FLOW_CHALLENGED;
	flow->attempt.from = BH_ATTEMPT_NONE;
	flow->state = BH_FLOW_ANSWERED;
	return true;
}

/* Takes note of a packet of another protocol. */
static __always_inline void advance_other(struct bh_flow *flow, bool answer)
{
	const __u16 both = BH_FLOW_SEEN_OPENER | BH_FLOW_SEEN_ANSWERER;

	if (!(flow->flags & seen_flag(answer)))
		flow->flags |= seen_flag(answer);
	if (flow->state == BH_FLOW_OPENING && (flow->flags & both) == both)
		flow->state = BH_FLOW_ANSWERED;
	else if (flow->state == BH_FLOW_ANSWERED && !answer)
		flow->state = BH_FLOW_ESTABLISHED;
}

/* A mark against adopting that was made meanwhile, on another CPU, keeps its time. */
static __always_inline void refresh(struct bh_flow *flow, __u32 now)
{
	if (flow->state == BH_FLOW_BARRED)
		return;
	flow->seen = now;
	flow->timeout = flow_timeout(flow);
}

/* Takes note of the rare segments, under the lock. */
static __always_inline void turn_flow(struct bh_scratch *here, struct bh_flow *flow, __u32 now)
{
	struct bh_flow_bucket *bucket = bucket_at((here->flow - 1) / BH_FLOW_WAYS);

	if (!bucket)
		return;
	bpf_spin_lock(&bucket->lock);
	if (turn_tcp(flow, here))
		refresh(flow, now);
	bpf_spin_unlock(&bucket->lock);
}

/*
 * Takes note of a packet that its flow has admitted. CPUs that race here write what one of them saw. A global function:
 * verified once.
 */
__noinline int advance_flow(struct bh_scratch *here)
{
	struct bh_flow *flow;
	bool answer, lonely;
	__u32 now;

	if (!here || !here->flow)
		return 0;
	flow = found_flow(here);
	if (!flow)
		return 0;
	answer = here->forward != flow->opener_is_first;
	now = ticks_now(here);
	lonely = is_lonely(flow, answer);
	if (!(flow->flags & BH_FLOW_TCP)) {
		advance_other(flow, answer);
	} else if (here->segment == SEGMENT_FITS) {
		advance_within(flow, &here->packet, answer);
	} else {
		turn_flow(here, flow, now);
		return 0;
	}
	if (!lonely)
		refresh(flow, now);
	return 0;
}

#endif
