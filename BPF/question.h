/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the rules are asked about in place of the packet itself: the packet that opened its flow under an earlier
 * policy, or the packet that would have opened a connection that was there before us, which is then adopted.
 */
#ifndef BULKHEAD_QUESTION_H
#define BULKHEAD_QUESTION_H

#include "flow.h"
#include "port.h"

#ifndef ASKS_BEFORE
#define ASKS_BEFORE 1
#endif

/* What the rules are asked, and about which packet. */
enum question {
	ASK_PACKET,  /* the packet itself, as a new connection's or one of no connection */
	ASK_OPENING, /* the opening packet of a flow that an earlier policy accepted */
	ASK_QUOTED,  /* what an ICMP error quotes: does a stateless rule accept it? */
	ASK_ADOPTED, /* what would have opened a connection that was there before us */
	ASK_BEFORE,  /* the packet itself, of the previous policy: did that pass it without a flow? */
	ASK_REPLY,   /* the other way of an adopted flow: does a rule deny it? */
	ASK_ATTEMPT, /* the SYN that came over a flow, now that it is answered: what accepts it? */
};

static __always_inline void reverse(struct bh_packet *packet)
{
	__u64 high = packet->source_high, low = packet->source_low;
	__u16 port = packet->source_port;

	packet->source_high = packet->destination_high;
	packet->source_low = packet->destination_low;
	packet->source_port = packet->destination_port;
	packet->destination_high = high;
	packet->destination_low = low;
	packet->destination_port = port;
}

static __always_inline void as_request(struct bh_packet *packet)
{
	packet->type = packet->flags & BH_PACKET_IPV4 ? ICMP_ECHO_REQUEST : ICMPV6_ECHO_REQUEST;
}

/* Gives the subject the headers of the packet that opened the flow. */
static __always_inline void take_headers(struct bh_scratch *here, const struct bh_flow *flow)
{
	here->subject.flags &= ~BH_PACKET_HEADERS;
	here->subject.flags |= (__u32)flow->headers << BH_PACKET_HEADERS_SHIFT;
}

/* Makes the subject the packet that opened the flow. */
static __always_inline void ask_about_opening(struct bh_scratch *here, const struct bh_flow *flow, bool error)
{
	if (!error)
		here->subject = here->packet;
	take_headers(here, flow);
	if (here->forward != flow->opener_is_first)
		reverse(&here->subject);
	if (is_icmp(&here->subject))
		as_request(&here->subject);
	here->question = ASK_OPENING;
	here->asked_direction = flow->direction;
	/* Within one policy, limited rules before the one that accepted the flow were over their limit. */
	here->limited_from = flow->generation == here->judgement.generation ? flow->rule : 0;
}

/*
 * Makes the subject the SYN over the flow that the packet answers. The rules have accepted it, but what they said is
 * not kept, because the flow's own connection went on. A limit that drops was over then, or the SYN had not passed.
 */
static __always_inline void ask_about_attempt(struct bh_scratch *here, const struct bh_flow *flow)
{
	here->subject = here->packet;
	take_headers(here, flow);
	reverse(&here->subject);
	here->question = ASK_ATTEMPT;
	here->asked_direction ^= 1;
}

/* Seconds for which connections that were there at a time are still adopted; 0 where they are not. */
static __always_inline __u32 seconds_of_adopting(const struct image *image, __u64 since, __u64 now)
{
	__u64 end = since + image->header->adopt * 1000000000ull;

	/* The coarse clock may be behind the time that was noted, so `adopt` itself is checked for 0. */
	return since && image->header->adopt && now < end ? (end - now) / 1000000000 + 1 : 0;
}

/*
 * The same after a trial whose base the image is, at a device with a flag; else 0. A global function: verified once.
 */
__noinline int seconds_after_trial(const struct bh_scratch *here, __u32 flag)
{
	const struct bh_device *device;
	const struct bh_stamp *ended;
	struct image image;

	if (!here || !image_open_in_force(&image, here) || image.header->generation != here->judgement.generation)
		return 0;
	device = device_record(&image, here);
	ended = device->flags & flag ? ended_trial(image.header->generation) : NULL;
	if (!ended)
		return 0;
	return seconds_of_adopting(&image, *(volatile const __u64 *)&ended->until, bpf_ktime_get_boot_ns());
}

/* Seconds for which connections are adopted since a time, or since the end of a trial that set the device's flag. */
static __always_inline __u32 seconds_since(const struct image *image, const struct bh_scratch *here, __u64 since,
					   __u32 flag)
{
	__u32 seconds = device_record(image, here)->flags & flag ? seconds_after_trial(here, flag) : 0;

	/* Most packets end here, without a look at the clock. */
	if (seconds || !since)
		return seconds;
	return seconds_of_adopting(image, since, bpf_ktime_get_coarse_ns());
}

/* Seconds for which TCP connections are adopted that were there when the port was first filtered, or was again. */
static __always_inline __u32 seconds_attached(const struct image *image, const struct bh_scratch *here)
{
	return seconds_since(image, here, device_record(image, here)->attached_at, BH_DEVICE_SPARED);
}

/* The same for what the previous policy, or a trial, passed without a flow. */
static __always_inline __u32 seconds_untracked(const struct image *image, const struct bh_scratch *here)
{
	return seconds_since(image, here, device_record(image, here)->untracked_at, BH_DEVICE_UNTRACKED);
}

/* The generation that is asked what it passed without a flow: the previous policy, or a trial; 0: none. */
static __always_inline __u32 generation_before(const struct image *image, const struct bh_scratch *here)
{
	const struct bh_stamp *ended = NULL;

	if (device_record(image, here)->flags & BH_DEVICE_UNTRACKED)
		ended = ended_trial(image->header->generation);
	return ended ? *(volatile const __u32 *)&ended->trial : image->header->before;
}

/* Whether a TCP connection that was there when the port was first filtered is adopted. */
static __always_inline bool may_adopt(const struct image *image, const struct bh_scratch *here)
{
	return !here->barred && seconds_attached(image, here);
}

/*
 * Whether the previous policy is to be asked about the packet: it passed something here without a flow, and not long
 * ago.
 */
static __always_inline bool may_ask_before(const struct image *image, const struct bh_scratch *here)
{
	/* Most packets end here, without a look at the clock. */
	if (here->barred || !generation_before(image, here))
		return false;
	return seconds_untracked(image, here);
}

/* Whether a packet other than TCP's could be an answer, by its ports or its type. */
static __always_inline bool may_be_answer(const struct bh_packet *packet)
{
	if (is_icmp(packet))
		return !is_echo_request(packet);
	return packet->source_port < packet->destination_port && packet->source_port < CLIENT_PORTS;
}

/* Whether a rule, and not just a default, refuses what was asked about. */
static __always_inline bool is_denied_by_rule(const struct bh_judgement *judgement)
{
	return judgement->verdict != BH_ACCEPT && judgement->reason == BH_REASON_RULE;
}

/*
 * For how many jiffies a flow that is ended now must be kept from being adopted: as long as anything here may be
 * adopted.
 */
static __always_inline __u32 bar_time(const struct image *image, const struct bh_scratch *here)
{
	__u32 attached = seconds_attached(image, here), untracked = seconds_untracked(image, here);
	__u32 seconds = attached > untracked ? attached : untracked;

	/* The low half of a tick counter wraps after weeks. */
	return (seconds > BH_BAR_SECONDS ? BH_BAR_SECONDS : seconds) * settings.ticks_per_second;
}

/*
 * Has the rules asked about what would have opened the packet's connection from the other side. What the rule asked for
 * that accepted the packet itself is not done: it does not decide.
 */
static __always_inline void ask_about_other_way(struct bh_scratch *here)
{
	here->metered = METERED_NOT;
	if (here->adds && here->add_decides) {
		here->adds--;
		here->add_decides = 0;
	}
	here->subject = here->packet;
	reverse(&here->subject);
	if (is_icmp(&here->subject))
		as_request(&here->subject);
	here->asked_direction ^= 1;
	here->opener_is_first = !here->forward;
	here->question = ASK_ADOPTED;
	here->denial = here->judgement;
}

/*
 * Has the previous policy asked about the packet itself, and keeps what the one in force says of it. XDP leaves this to
 * tc. Returns whether there is something to ask.
 */
static __always_inline bool ask_before(struct bh_scratch *here)
{
	if (!ASKS_BEFORE) {
		here->unsure = 1;
		return false;
	}
	here->subject = here->packet;
	here->question = ASK_BEFORE;
	here->denial = here->judgement;
	return true;
}

/*
 * Has the rules asked about the other way of an adopted flow. Its opening packet was made up: that may be accepted,
 * though a rule denies by name the packets that the answerer sends.
 */
static __always_inline void ask_about_reply(struct bh_scratch *here)
{
	reverse(&here->subject);
	if (is_icmp(&here->subject))
		here->subject.type = here->subject.flags & BH_PACKET_IPV4 ? ICMP_ECHO_REPLY : ICMPV6_ECHO_REPLY;
	here->asked_direction ^= 1;
	here->question = ASK_REPLY;
	here->denial = here->judgement;
}

/*
 * Accepts a connection that was there before us. A reset would end it at once, and no receiver heeds a segment that
 * acknowledges nothing: neither makes a flow.
 */
static __always_inline void adopt(struct bh_scratch *here)
{
	here->opens = here->packet.protocol != IPPROTO_TCP || (here->packet.tcp_flags & (TCP_RST | TCP_ACK)) == TCP_ACK;
	here->judgement.verdict = BH_ACCEPT;
	here->judgement.reason = BH_REASON_ADOPTED;
}

/*
 * Concludes about a segment of a connection that was there before us. It is judged as the packet that would have opened
 * the connection, the one to the lower port. Where the ports do not tell, both ways must be accepted. What a rule
 * denies by name is not adopted. Returns whether the rules are to be asked about the other way.
 */
static __always_inline bool conclude_adopting(struct bh_scratch *here, bool accepted)
{
	__u16 from = here->packet.source_port, to = here->packet.destination_port;
	bool known = from != to && (from < CLIENT_PORTS || to < CLIENT_PORTS);

	if (is_denied_by_rule(&here->judgement))
		return false;
	if (known && to < from) {
		if (accepted)
			adopt(here);
		return false;
	}
	if (!known && !accepted)
		return false;
	ask_about_other_way(here);
	return true;
}

#endif
