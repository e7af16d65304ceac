/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TCP as its ends see it (RFC 9293, RFC 5961): which segments lie in their windows, and which resets they take. Both ends' numbers are
 * followed by van Rooij's method: how far an end has sent, how far the other has let it, and the largest window that it was ever offered.
 * A segment that lies outside moves nothing, so whoever knows no number can do nothing to a connection.
 */
#ifndef BULKHEAD_TCP_H
#define BULKHEAD_TCP_H

#include "flow.h"

/* What an acknowledgement may lag behind, where the window is smaller: segments overtake each other. */
#define LAG_MIN 0xffff

/*
 * How far from what was seen of a connection that was there before its numbers may lie: half the largest window that
 * there is.
 */
#define REACH (1u << 29)

/* Whether one sequence number comes before another: they wrap. */
static __always_inline bool is_before(__u32 left, __u32 right)
{
	return (__s32)(left - right) < 0;
}

/* Whether a sequence number is one of `first` to `last`. */
static __always_inline bool is_between(__u32 first, __u32 number, __u32 last)
{
	return number - first <= last - first;
}

static __always_inline __u16 seen_flag(bool answer)
{
	return answer ? BH_FLOW_SEEN_ANSWERER : BH_FLOW_SEEN_OPENER;
}

/* The sequence number behind a segment. SYN and FIN count. */
static __always_inline __u32 segment_end(const struct bh_packet *packet)
{
	return packet->sequence + packet->payload + !!(packet->tcp_flags & TCP_SYN) + !!(packet->tcp_flags & TCP_FIN);
}

/* Whether the packet is a SYN with ACK. */
static __always_inline bool is_answer_to_syn(const struct bh_packet *packet)
{
	return (packet->tcp_flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK);
}

/* Whether the flow is an opener's SYN that nobody has answered, or that was refused. */
static __always_inline bool is_unanswered(const struct bh_flow *flow)
{
	return !(flow->flags & (BH_FLOW_ADOPTED | BH_FLOW_SEEN_ANSWERER));
}

/* Whether the packet acknowledges a SYN, or some of the data that came with it. */
static __always_inline bool acknowledges(const struct bh_packet *packet, __u32 start, __u32 end)
{
	return packet->tcp_flags & TCP_ACK && is_between(start + 1, packet->acknowledgement, end);
}

/* Whether the packet, which comes from the answerer or the opener, acknowledges the SYN that the other end sent over its connection. */
static __always_inline bool acknowledges_attempt(const struct bh_flow *flow, const struct bh_packet *packet, bool answer)
{
	const struct bh_attempt *attempt = &flow->attempt;

	return attempt->from == (answer ? BH_ATTEMPT_OPENER : BH_ATTEMPT_ANSWERER) &&
	       acknowledges(packet, attempt->start, attempt->end);
}

/* Whether a connection was adopted, and only one end was seen yet: nothing shows that this was a true end. */
static __always_inline bool is_unsure(const struct bh_flow *flow)
{
	return flow->state == BH_FLOW_OPENING && flow->flags & BH_FLOW_ADOPTED;
}

/*
 * Whether a segment is one that its sender could send and its receiver would take: it starts no further than was
 * permitted, or behind a FIN or a probe there; it is not older than a window before what its receiver has
 * acknowledged, or a keep-alive there; and what it acknowledges was sent, and not longer ago than a window (RFC 5961
 * section 5.2). A segment that acknowledges nothing is not heeded by anyone.
 *
 * Each end is held against what the other has said, but for the oldest acknowledgement. So a stranger who speaks for
 * one end and hits the window puts neither outside: not the other, whose words are not held against how far this one
 * has sent; nor the one that he speaks for.
 */
static __always_inline bool fits(const struct bh_flow *flow, const struct bh_packet *packet, bool answer)
{
	const struct bh_flow_side *sender = &flow->sides[answer], *receiver = &flow->sides[!answer];
	__u32 lag = sender->window > LAG_MIN ? sender->window : LAG_MIN;
	__u32 window = receiver->window, last = receiver->end;

	/*
	 * No scale is known of a connection that was there before, and what was seen of an end may have been sent
	 * again, so that more of it is acknowledged. Once both ends were seen, what is behind may lie twice as far
	 * away as what is ahead: what one end makes of it does not put the other outside.
	 */
	if (flow->flags & BH_FLOW_ADOPTED) {
		window = lag = is_unsure(flow) ? REACH : 2 * REACH;
		last += REACH;
	}
	return packet->tcp_flags & TCP_ACK && !is_before(receiver->granted + 1, packet->sequence) &&
	       !is_before(segment_end(packet), receiver->acknowledged - window - 1) &&
	       is_between(sender->acknowledged - lag, packet->acknowledgement, last);
}

/* A reset to an end that has not been answered, or by one. */
static __always_inline enum bh_segment place_early_reset(const struct bh_flow *flow, const struct bh_packet *packet,
							 bool answer)
{
	const struct bh_flow_side *opener = &flow->sides[0];
	__u32 start = opener->acknowledged;

	if (answer)
		return acknowledges(packet, start, opener->end) ? BH_SEGMENT_RESETS : BH_SEGMENT_IGNORED;
	if (is_between(start + 1, packet->sequence, opener->end))
		return BH_SEGMENT_RESETS;
	if (flow->flags & BH_FLOW_CHALLENGED && packet->sequence == flow->sides[1].acknowledged)
		return BH_SEGMENT_PASSES;
	return BH_SEGMENT_IGNORED;
}

/*
 * What a reset is to its receiver. It is taken where its number is the one that the receiver waits for. That lies between its last
 * acknowledgement and the end of what it was sent; where these differ, it cannot be known from here. Elsewhere in the window the reset is answered
 * with an acknowledgement; outside it is not heeded. As Linux does, a receiver also takes the number of a FIN that it has, and the end of the last
 * data that it has, though some before be missing.
 */
static __always_inline enum bh_segment place_reset(const struct bh_flow *flow, const struct bh_packet *packet,
						   bool answer)
{
	const struct bh_flow_side *sender = &flow->sides[answer], *receiver = &flow->sides[!answer];
	__u16 fin = answer ? BH_FLOW_FIN_ANSWERER : BH_FLOW_FIN_OPENER;
	__u32 sequence = packet->sequence, first = receiver->acknowledged;
	bool certain = !(flow->flags & seen_flag(!answer)) || receiver->acknowledged == sender->end;

	/* It refuses the attempt. Whether the connection beside it is over cannot be told from that. */
	if (acknowledges_attempt(flow, packet, answer))
		return BH_SEGMENT_PASSES;
	if (is_unanswered(flow))
		return place_early_reset(flow, packet, answer);
	if (flow->flags & fin && sequence == sender->end - 1)
		return certain ? BH_SEGMENT_RESETS : BH_SEGMENT_DOUBTS;
	if (sequence == sender->end)
		return certain ? BH_SEGMENT_RESETS : BH_SEGMENT_DOUBTS;
	/*
	 * More was acknowledged than was seen: by a true end of what was sent before, or by a stranger. Only of an
	 * adopted connection.
	 */
	if (is_before(sender->end, first))
		first = sender->end - REACH;
	if (sequence != first && sequence - first >= receiver->granted - first)
		return BH_SEGMENT_IGNORED;
	return is_before(sender->end, sequence) ? BH_SEGMENT_PASSES : BH_SEGMENT_DOUBTS;
}

/*
 * Of a connection that was there before, a stranger's data may have made a reset of his look true: only one that
 * certainly is ends it.
 */
static __always_inline enum bh_segment place_adopted_reset(const struct bh_flow *flow, enum bh_segment place)
{
	return place == BH_SEGMENT_DOUBTS || (place == BH_SEGMENT_RESETS && is_unsure(flow)) ? BH_SEGMENT_PASSES : place;
}

/* What a segment other than a SYN is to the flow that covers it; `answer`: it comes from the answerer. */
static __noinline __attribute__((unused)) enum bh_segment
place_segment(const struct bh_flow *flow, const struct bh_packet *packet, bool answer)
{
	if (packet->tcp_flags & TCP_RST) {
		enum bh_segment place = place_reset(flow, packet, answer);

		return flow->flags & BH_FLOW_ADOPTED ? place_adopted_reset(flow, place) : place;
	}
	if (is_unanswered(flow)) {
		const struct bh_flow_side *opener = &flow->sides[0];

		if (answer && is_answer_to_syn(packet) && acknowledges(packet, opener->acknowledged, opener->end))
			return BH_SEGMENT_ANSWERS;
		/* So speaks an end that has the connection still open, to a SYN or of its own accord. */
		if (answer && (packet->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_ACK)
			return BH_SEGMENT_CHALLENGES;
	} else if (fits(flow, packet, answer)) {
		return BH_SEGMENT_FITS;
	}
	if (acknowledges_attempt(flow, packet, answer))
		return is_answer_to_syn(packet) ? BH_SEGMENT_ANSWERS_ATTEMPT : BH_SEGMENT_PASSES;
	/*
	 * The first that was seen may have been a stranger's. So may this one: none of them can keep the true ends
	 * from meeting.
	 */
	if (is_unsure(flow) && packet->tcp_flags & TCP_ACK)
		return BH_SEGMENT_STARTS_ANEW;
	return BH_SEGMENT_OUTSIDE;
}

/* Bytes of the window that a segment offers, at least 1: a closed window is probed. */
static __always_inline __u32 offered_window(const struct bh_packet *packet, __u8 scale)
{
	__u32 window = (__u32)packet->window << (packet->tcp_flags & TCP_SYN ? 0 : scale & 15);

	return window ? window : 1;
}

/*
 * The sequence number behind what the receiver takes of a segment: nothing beyond the byte right behind its window, a
 * FIN or a probe.
 */
static __always_inline __u32 taken_end(const struct bh_packet *packet, const struct bh_flow_side *receiver)
{
	__u32 end = segment_end(packet), most = receiver->granted + 1;

	return is_before(most, end) ? most : end;
}

/* Notes what an end says in a segment that fits. */
static __always_inline void note_segment(struct bh_flow_side *side, const struct bh_flow_side *receiver,
					 const struct bh_packet *packet, __u8 scale)
{
	__u32 end = taken_end(packet, receiver), window = offered_window(packet, scale);

	if (is_before(side->end, end))
		side->end = end;
	if (is_before(side->acknowledged, packet->acknowledgement))
		side->acknowledged = packet->acknowledgement;
	if (is_before(side->granted, packet->acknowledgement + window))
		side->granted = packet->acknowledgement + window;
	if (side->window < window)
		side->window = window;
}

/* The first segment that is seen of an end of a connection that was there before. */
static __always_inline void start_side(struct bh_flow_side *side, const struct bh_packet *packet, __u8 scale)
{
	side->end = segment_end(packet);
	side->acknowledged = packet->acknowledgement;
	side->window = offered_window(packet, scale);
	side->granted = packet->acknowledgement + side->window;
}

/*
 * A connection that was there before, of which a segment is the first that is seen. Nothing is known of the windows'
 * scales, so they are taken for the largest; of the other end no more than what this one has of it, and waits for.
 * Its windows are not held against the other end: see fits().
 */
static __always_inline void start_in_the_middle(struct bh_flow *flow, const struct bh_packet *packet, bool answer)
{
	struct bh_flow_side *sender = &flow->sides[answer & 1], *receiver = &flow->sides[!answer];

	flow->scales[0] = flow->scales[1] = BH_SCALE_MAX;
	start_side(sender, packet, BH_SCALE_MAX);
	receiver->end = packet->acknowledgement;
	receiver->acknowledged = packet->sequence;
	receiver->window = 0;
	receiver->granted = sender->end + REACH;
}

/* A SYN that opens a flow. */
static __always_inline void start_opening(struct bh_flow *flow, const struct bh_packet *packet, __u8 scale)
{
	struct bh_flow_side *opener = &flow->sides[0];

	opener->end = segment_end(packet);
	opener->acknowledged = packet->sequence;
	opener->window = offered_window(packet, 0);
	flow->scales[0] = scale;
}

/*
 * The answer to a SYN, whose numbers are those of the opener's side: now both ends' are known. What the opener will acknowledge is taken for
 * granted: it is what a reset to it must be held against. Scales hold where both ends offer one.
 */
static __always_inline void start_answered(struct bh_flow *flow, const struct bh_packet *packet, __u8 scale)
{
	struct bh_flow_side *opener = &flow->sides[0], *answerer = &flow->sides[1];
	bool scaled = scale != BH_SCALE_NONE && flow->scales[0] != BH_SCALE_NONE;

	opener->acknowledged = packet->sequence + 1;
	opener->granted = opener->acknowledged + opener->window;
	start_side(answerer, packet, 0);
	flow->scales[0] = scaled ? flow->scales[0] : 0;
	flow->scales[1] = scaled ? scale : 0;
}

/*
 * The SYN that came over the flow was answered: the flow is that connection now, and whoever sent the SYN its opener.
 * Where nothing was noted of what the rules said of it, it is to be judged again.
 */
static __always_inline void start_attempted(struct bh_flow *flow, const struct bh_packet *packet, __u8 scale)
{
	struct bh_flow_side *opener = &flow->sides[0];

	if (flow->attempt.from == BH_ATTEMPT_ANSWERER) {
		flow->opener_is_first = !flow->opener_is_first;
		flow->direction = !flow->direction;
		flow->generation = 0;
	}
	if (flow->flags & BH_FLOW_BY_ANSWERER)
		flow->generation = 0;
	opener->end = flow->attempt.end;
	opener->window = flow->attempt.window ? flow->attempt.window : 1;
	flow->scales[0] = flow->attempt.scale;
	start_answered(flow, packet, scale);
	flow->flags = BH_FLOW_TCP | (flow->flags & (BH_FLOW_LAPSES | BH_FLOW_MEMBERS));
}

#endif
