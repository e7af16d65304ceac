/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TCP as its ends see it (RFC 9293, RFC 5961): which segments lie in their windows, and which resets they take. Both
 * ends' numbers are followed by van Rooij's method: how far an end has sent, how far the other has let it, and the
 * largest window that it was ever offered. A segment outside the windows changes nothing, so whoever does not know the
 * numbers can do nothing to a connection.
 */
#ifndef BULKHEAD_TCP_H
#define BULKHEAD_TCP_H

#include "flow.h"

/* How far an acknowledgement may lag behind at least, however small the window: segments overtake each other. */
#define LAG_MIN 0xffff

/*
 * How far the numbers of a connection that was there before may lie from what was seen of it: half the largest window
 * that there is.
 */
#define REACH (1u << 29)

/* What a TCP segment is to the flow that covers it. */
enum segment {
	SEGMENT_OUTSIDE, /* of the windows: it moves nothing */
	SEGMENT_FITS,
	SEGMENT_ANSWERS,         /* the SYN that opened the flow */
	SEGMENT_ANSWERS_ATTEMPT, /* a SYN that came over it */
	SEGMENT_CHALLENGES,      /* a SYN, which it takes for one of another connection */
	SEGMENT_RESETS,          /* its receiver takes this reset */
	SEGMENT_DOUBTS,          /* its receiver takes this reset, or answers it with an acknowledgement */
	SEGMENT_STARTS_ANEW,     /* contradicts the end that an adopted flow knows: adopted by this one */
	SEGMENT_PASSES,          /* it changes nothing, but its receiver answers it, or ends another connection by it */
	SEGMENT_IGNORED,         /* a reset that its receiver would not heed */
};

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

/*
 * Whether the packet, which comes from the answerer or the opener, acknowledges the SYN that the other end sent over
 * its connection.
 */
static __always_inline bool acknowledges_attempt(const struct bh_flow *flow, const struct bh_packet *packet,
						 bool answer)
{
	const struct bh_attempt *attempt = &flow->attempt;

	return attempt->from == (answer ? BH_ATTEMPT_OPENER : BH_ATTEMPT_ANSWERER) &&
	       acknowledges(packet, attempt->start, attempt->start + attempt->length);
}

/*
 * Whether what the rules say of the SYN over the flow was noted in the flow: both connections have the same opening
 * packet, and nothing else is asked of the flow.
 */
static __always_inline bool is_attempt_noted(const struct bh_flow *flow)
{
	return flow->attempt.from == BH_ATTEMPT_OPENER && !(flow->flags & BH_FLOW_BY_ANSWERER);
}

/*
 * A mark of the answer to a SYN: of the numbers that the key's two ends begin with. Where both open at once each
 * answers the other, and both answers have the same mark. `answer`: it comes from the flow's answerer.
 */
static __always_inline __u16 handshake_mark(const struct bh_flow *flow, const struct bh_packet *packet, bool answer)
{
	__u32 own = packet->sequence, other = packet->acknowledgement - 1;
	bool first = answer != flow->opener_is_first;
	__u64 numbers = (__u64)(first ? own : other) << 32 | (first ? other : own);
	__u16 mark;

	numbers *= 0x9e3779b97f4a7c15ull;
	numbers ^= numbers >> 32;
	mark = numbers * 0x9e3779b97f4a7c15ull >> 48;
	return mark ? mark : 1;
}

/*
 * Whether the packet answers the SYN that came over the flow. The windows do not tell, because a host that comes back
 * may begin near its old numbers. A copy of the answer that made the flow answers a copy of its SYN, and nothing else.
 */
static __always_inline bool answers_attempt(const struct bh_flow *flow, const struct bh_packet *packet, bool answer)
{
	return is_answer_to_syn(packet) && acknowledges_attempt(flow, packet, answer) &&
	       flow->attempt.handshake != handshake_mark(flow, packet, answer);
}

/* Whether a connection was adopted and only one end was seen yet: nothing shows that this was a true end. */
static __always_inline bool is_unsure(const struct bh_flow *flow)
{
	return flow->state == BH_FLOW_OPENING && flow->flags & BH_FLOW_ADOPTED;
}

/*
 * Whether a segment is one that its sender could send and its receiver would take. It starts no further than was
 * permitted, or one byte further as after a FIN or a probe. It is not older than a window before what its receiver has
 * acknowledged, or one byte older as a keep-alive is. And what it acknowledges was sent, and no longer ago than a
 * window (RFC 5961 section 5.2). No receiver heeds a segment that acknowledges nothing.
 *
 * Each end is held against what the other has said, except for the oldest acknowledgement. So a stranger who speaks for
 * one end and hits the window puts neither end outside: not the other, which is not held against how far this one has
 * sent; nor the one that the stranger speaks for.
 */
static __always_inline bool fits(const struct bh_flow *flow, const struct bh_packet *packet, bool answer)
{
	const struct bh_flow_side *sender = &flow->sides[answer], *receiver = &flow->sides[!answer];
	__u32 lag = sender->window > LAG_MIN ? sender->window : LAG_MIN;
	__u32 window = receiver->window, last = receiver->end;

	/*
	 * The scales of a connection that was there before are not known. What was seen of an end may have been sent
	 * again, so that more of it is acknowledged already. Once both ends were seen, numbers behind may lie twice as
	 * far away as numbers ahead, so that what one end makes of them does not put the other outside.
	 */
	if (flow->flags & BH_FLOW_ADOPTED) {
		window = lag = is_unsure(flow) ? REACH : 2 * REACH;
		last += REACH;
	}
	return packet->tcp_flags & TCP_ACK && !is_before(receiver->granted + 1, packet->sequence) &&
	       !is_before(segment_end(packet), receiver->acknowledged - window - 1) &&
	       is_between(sender->acknowledged - lag, packet->acknowledgement, last);
}

/* A reset to or from an end that has not been answered. */
static __always_inline enum segment place_early_reset(const struct bh_flow *flow, const struct bh_packet *packet,
						      bool answer)
{
	const struct bh_flow_side *opener = &flow->sides[0];
	__u32 start = opener->acknowledged;

	if (answer)
		return acknowledges(packet, start, opener->end) ? SEGMENT_RESETS : SEGMENT_IGNORED;
	if (is_between(start + 1, packet->sequence, opener->end))
		return SEGMENT_RESETS;
	if (flow->flags & BH_FLOW_CHALLENGED && packet->sequence == flow->sides[1].acknowledged)
		return SEGMENT_PASSES;
	return SEGMENT_IGNORED;
}

/*
 * What a reset is to its receiver. The receiver takes it where its number is the one that the receiver waits for. That
 * number lies between the receiver's last acknowledgement and the end of what it was sent; where these differ, it
 * cannot be known from here. Elsewhere in the window the receiver answers the reset with an acknowledgement; outside it
 * does not heed it. As Linux does, a receiver also takes the number of a FIN that it has, and the end of the last data
 * that it has, though earlier data may be missing.
 */
static __always_inline enum segment place_reset(const struct bh_flow *flow, const struct bh_packet *packet, bool answer)
{
	const struct bh_flow_side *sender = &flow->sides[answer], *receiver = &flow->sides[!answer];
	__u16 fin = answer ? BH_FLOW_FIN_ANSWERER : BH_FLOW_FIN_OPENER;
	__u32 sequence = packet->sequence, first = receiver->acknowledged;
	/* An opener that has not gone on may have missed the answer, and a host that waits for one ignores the reset.
	 */
	bool waits = answer && flow->state == BH_FLOW_ANSWERED;
	bool certain = !waits && (!(flow->flags & seen_flag(!answer)) || receiver->acknowledged == sender->end);

	/* It refuses the attempt. That does not tell whether the connection itself is over. */
	if (acknowledges_attempt(flow, packet, answer))
		return SEGMENT_PASSES;
	if (is_unanswered(flow))
		return place_early_reset(flow, packet, answer);
	if (flow->flags & fin && sequence == sender->end - 1)
		return certain ? SEGMENT_RESETS : SEGMENT_DOUBTS;
	if (sequence == sender->end)
		return certain ? SEGMENT_RESETS : SEGMENT_DOUBTS;
	/*
	 * More was acknowledged than was seen: by a true end that saw earlier data, or by a stranger. Only in an
	 * adopted connection.
	 */
	if (is_before(sender->end, first))
		first = sender->end - REACH;
	if (sequence != first && sequence - first >= receiver->granted - first)
		return SEGMENT_IGNORED;
	return is_before(sender->end, sequence) ? SEGMENT_PASSES : SEGMENT_DOUBTS;
}

/*
 * In a connection that was there before, a stranger's data may have made a stranger's reset look true. Only a reset
 * that is certain ends it.
 */
static __always_inline enum segment place_adopted_reset(const struct bh_flow *flow, enum segment place)
{
	return place == SEGMENT_DOUBTS || (place == SEGMENT_RESETS && is_unsure(flow)) ? SEGMENT_PASSES : place;
}

/* What a segment other than a SYN is to the flow that covers it; `answer`: it comes from the answerer. */
static __noinline __attribute__((unused)) enum segment place_segment(const struct bh_flow *flow,
								     const struct bh_packet *packet, bool answer)
{
	if (packet->tcp_flags & TCP_RST) {
		enum segment place = place_reset(flow, packet, answer);

		return flow->flags & BH_FLOW_ADOPTED ? place_adopted_reset(flow, place) : place;
	}
	if (is_unanswered(flow)) {
		const struct bh_flow_side *opener = &flow->sides[0];

		if (answer && is_answer_to_syn(packet) && acknowledges(packet, opener->acknowledged, opener->end))
			return SEGMENT_ANSWERS;
		/* An end that still has the connection open speaks so, to a SYN or of its own accord. */
		if (answer && (packet->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_ACK)
			return SEGMENT_CHALLENGES;
	} else if (!answers_attempt(flow, packet, answer) && fits(flow, packet, answer)) {
		return SEGMENT_FITS;
	}
	if (acknowledges_attempt(flow, packet, answer))
		return answers_attempt(flow, packet, answer) ? SEGMENT_ANSWERS_ATTEMPT : SEGMENT_PASSES;
	/*
	 * The first segment that was seen may have been a stranger's, and so may this one. Neither can keep the true
	 * ends from meeting.
	 */
	if (is_unsure(flow) && packet->tcp_flags & TCP_ACK)
		return SEGMENT_STARTS_ANEW;
	return SEGMENT_OUTSIDE;
}

/* Bytes of the window that a segment offers, at least 1: a closed window is probed. */
static __always_inline __u32 offered_window(const struct bh_packet *packet, __u8 scale)
{
	__u32 window = (__u32)packet->window << (packet->tcp_flags & TCP_SYN ? 0 : scale & 15);

	return window ? window : 1;
}

/*
 * The sequence number behind what the receiver takes of a segment: at most one byte beyond its window, which is a FIN
 * or a probe.
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

/* Starts a side by the first segment that is seen of it, in a connection that was there before. */
static __always_inline void start_side(struct bh_flow_side *side, const struct bh_packet *packet, __u8 scale)
{
	side->end = segment_end(packet);
	side->acknowledged = packet->acknowledgement;
	side->window = offered_window(packet, scale);
	side->granted = packet->acknowledgement + side->window;
}

/*
 * Starts a connection that was there before, by the first segment that is seen. The windows' scales are not known, so
 * they are taken for the largest. Of the other end is known what this one has acknowledged and waits for. The windows
 * are not held against the other end: see fits().
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

/* Starts a flow by the SYN that opens it. */
static __always_inline void start_opening(struct bh_flow *flow, const struct bh_packet *packet, __u8 scale)
{
	struct bh_flow_side *opener = &flow->sides[0];

	opener->end = segment_end(packet);
	opener->acknowledged = packet->sequence;
	opener->window = offered_window(packet, 0);
	flow->scales[0] = scale;
}

/*
 * The SYN that opened a flow comes again, and may ask for more: whoever sent the first may have guessed its number. The
 * answer tells whether there is a scale.
 */
static __always_inline void repeat_opening(struct bh_flow *flow, const struct bh_packet *packet, __u8 scale)
{
	struct bh_flow_side *opener = &flow->sides[0];
	__u32 end = segment_end(packet), window = offered_window(packet, 0);

	if (is_before(opener->end, end))
		opener->end = end;
	if (opener->window < window)
		opener->window = window;
	if (scale != BH_SCALE_NONE && (flow->scales[0] == BH_SCALE_NONE || flow->scales[0] < scale))
		flow->scales[0] = scale;
}

/*
 * Takes the answer to a SYN, whose numbers the opener's side has: now both ends' numbers are known. It is assumed that
 * the opener acknowledges the answer, because a reset to it must be held against that. Scales hold where both ends
 * offer one.
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
	flow->attempt.handshake = handshake_mark(flow, packet, true);
}

/*
 * The SYN that came over the flow was answered: the flow is that connection now, and whoever sent the SYN its opener.
 */
static __always_inline void start_attempted(struct bh_flow *flow, const struct bh_packet *packet, __u8 scale)
{
	struct bh_flow_side *opener = &flow->sides[0];

	if (flow->attempt.from == BH_ATTEMPT_ANSWERER) {
		flow->opener_is_first = !flow->opener_is_first;
		flow->direction = !flow->direction;
	}
	opener->end = flow->attempt.start + flow->attempt.length;
	opener->window = flow->attempt.window ? flow->attempt.window : 1;
	flow->scales[0] = flow->attempt.scale;
	start_answered(flow, packet, scale);
	flow->flags = BH_FLOW_TCP | (flow->flags & (BH_FLOW_LAPSES | BH_FLOW_MEMBERS | BH_FLOW_METERED));
}

#endif
