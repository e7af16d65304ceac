/*
 * What the rules are asked about in place of the packet itself: the one that opened its flow under an earlier policy, or what would have opened a
 * connection that was there before us, which is then adopted.
 */
#ifndef BULKHEAD_QUESTION_H
#define BULKHEAD_QUESTION_H

#include "flow.h"

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

/* Makes the subject the packet that opened the flow. */
static __always_inline void ask_about_opening(struct bh_scratch *here, const struct bh_flow *flow, bool error)
{
	if (!error)
		here->subject = here->packet;
	if (here->forward != flow->opener_is_first)
		reverse(&here->subject);
	if (is_icmp(&here->subject))
		as_request(&here->subject);
	here->question = BH_ASK_OPENING;
	here->asked_direction = flow->direction;
	/* Within one policy, limited rules ahead of the one that accepted it were over their limit. */
	here->limited_from = flow->generation == here->judgement.generation ? flow->rule : 0;
}

static __always_inline const struct bh_device *device_here(const struct image *image, const struct bh_scratch *here)
{
	return IMAGE_ELEMENT(image, image->header->devices, here->device & (BH_DEVICES_MAX - 1), struct bh_device);
}

/* Whether what was there at a time is adopted still. */
static __always_inline bool is_adopting(const struct image *image, __u64 since)
{
	/* The coarse clock may be behind the time that was noted: nothing is adopted for no time. */
	return image->header->adopt && bpf_ktime_get_coarse_ns() < since + image->header->adopt * 1000000000ull;
}

static __always_inline bool may_adopt(const struct image *image, const struct bh_scratch *here)
{
	return is_adopting(image, device_here(image, here)->attached_at);
}

/*
 * Whether a packet other than TCP's could be the answer to one that an earlier policy passed without a flow: as long as there may be such, and where
 * its ports, or its type, say so.
 */
static __always_inline bool may_be_answer(const struct image *image, const struct bh_scratch *here)
{
	const struct bh_packet *packet = &here->packet;
	__u64 since;

	/* What most policies have at hand. */
	if (!image->header->untracked_at)
		return false;
	since = device_here(image, here)->untracked_at;
	if (!since || !is_adopting(image, since))
		return false;
	if (is_icmp(packet))
		return !is_echo_request(packet);
	return packet->source_port < packet->destination_port && packet->source_port < 32768;
}

/* Has the rules asked about what would have opened the packet's connection from the other side. */
static __always_inline void ask_about_other_way(struct bh_scratch *here)
{
	here->subject = here->packet;
	reverse(&here->subject);
	if (is_icmp(&here->subject))
		as_request(&here->subject);
	here->asked_direction ^= 1;
	here->opener_is_first = !here->forward;
	here->question = BH_ASK_ADOPTED;
	here->denial = here->judgement;
}

/* Accepts a connection that was there before us. */
static __always_inline void adopt(struct bh_scratch *here)
{
	here->opens = 1;
	here->judgement.verdict = BH_ACCEPT;
	here->judgement.reason = BH_REASON_ADOPTED;
}

/*
 * A segment of a connection that was there before us is judged as what would have opened it: the packet to the lower port. Where the ports do
 * not tell, both ways must be accepted. Returns whether the rules are to be asked about the other way.
 */
static __always_inline bool conclude_adopting(struct bh_scratch *here, bool accepted)
{
	__u16 from = here->packet.source_port, to = here->packet.destination_port;
	bool known = from != to && (from < 32768 || to < 32768);

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
