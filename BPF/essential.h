/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a network cannot do without: address resolution, neighbour discovery, group membership, DHCP, link control.
 * Each within its link, in its direction, and no longer than its protocol needs, so that it is no way around the
 * rules; docs/decisions/essentials.md has the reason for each number.
 */
#ifndef BULKHEAD_ESSENTIAL_H
#define BULKHEAD_ESSENTIAL_H

#include "classify.h"
#include "packet.h"

#define IGMP_QUERY 0x11
#define IGMP_REPORT 0x22
#define IGMP_ROUTER_ADVERTISEMENT 0x30

#define MLD_QUERY 130
#define MLD_DONE 132
#define MLD_REPORT 143
#define MULTICAST_ROUTER_ADVERTISEMENT 151

#define ND_ROUTER_SOLICITATION 133
#define ND_ROUTER_ADVERTISEMENT 134
#define ND_NEIGHBOUR_SOLICITATION 135
#define ND_NEIGHBOUR_ADVERTISEMENT 136
#define ND_REDIRECT 137

enum {
	/* Frames: what is padded to the least length with two tags, and the longest that is not a jumbo frame. */
	PADDED_FRAME = 68,
	WHOLE_FRAME = 1522,
	/* What may stand before a message: IPv4 with a router alert, IPv6 with one short header. */
	IPV4_HEAD = 24,
	IPV6_HEAD = 48,
	/* The longest datagram. */
	ETHERNET_MTU = 1500,
	/* Messages, from the transport header on. */
	ANY_MESSAGE = 1480,
	DHCP_CLIENT = 556,
	ND_MESSAGE = 128,
	/* A solicitation or advertisement with one link-layer address, and nothing in front of it. */
	ND_LEAST_MESSAGE = 32 - (IPV6_HEAD - 40),
	ND_ROUTER_MESSAGE = 576,
	ND_REDIRECT_MESSAGE = 1240,
	MLD_MESSAGE = 24,
	MLD_QUERY_MESSAGE = 540,
	IGMP_MESSAGE = 8,
	IGMP_QUERY_MESSAGE = 140,
	/* Of one record of a report: 64 sources. */
	REPORT_SOURCES = 64,
};

/* What the IP layer knows of where the packet goes. */
static __always_inline bool is_link_multicast(const struct bh_packet *packet)
{
	return (packet->destination_high >> 48 & 0xff0f) == 0xff02;
}

static __always_inline bool is_link_local(const struct bh_packet *packet)
{
	return packet->destination_high >> 54 == 0xfe80 >> 6;
}

static __always_inline bool is_ipv4_broadcast(const struct bh_packet *packet)
{
	return packet->destination_low == 0xffffffff;
}

/* Who has no address yet speaks to the link, and to nobody in particular. */
static __always_inline bool is_misplaced_unspecified(const struct bh_packet *packet)
{
	return packet->flags & BH_PACKET_IPV6 && !packet->source_high && !packet->source_low &&
	       !is_link_multicast(packet);
}

/* A DHCP client that asks whoever is there. */
static __always_inline bool is_dhcp_request(const struct bh_packet *packet)
{
	__u16 from = packet->source_port, to = packet->destination_port;

	if (packet->flags & BH_PACKET_IPV4)
		return from == 68 && to == 67 && is_ipv4_broadcast(packet);
	return from == 546 && to == 547 && is_link_multicast(packet);
}

/* A DHCP server that answers: everyone, or by the address that it gives, which is the port's where one is bound. */
static __always_inline bool is_dhcp_answer(const struct image *image, const struct bh_port *port,
					   const struct bh_packet *packet)
{
	__u16 from = packet->source_port, to = packet->destination_port;

	if (packet->flags & BH_PACKET_IPV6)
		return from == 547 && to == 546 && is_link_local(packet);
	if (from != 67 || to != 68)
		return false;
	return is_ipv4_broadcast(packet) || !(port->flags & BH_PORT_HAS_ADDRESSES) ||
	       trie_class(image, port->v4, packet->destination_low << 32, 0);
}

/* Group membership of IPv4, which no router forwards. */
static __always_inline bool is_group_message(const struct bh_packet *packet)
{
	return packet->protocol == IPPROTO_IGMP && packet->flags & BH_PACKET_IPV4 && packet->hop_limit == 1 &&
	       packet->destination_low >> 28 == 0xe;
}

static __always_inline bool is_discovery(const struct bh_packet *packet)
{
	return packet->type >= ND_ROUTER_SOLICITATION && packet->type <= ND_REDIRECT;
}

/* Neighbour discovery that did not cross a router, and multicast listener reports that will not. */
static __always_inline bool is_neighbour_message(const struct bh_packet *packet)
{
	if (packet->protocol != IPPROTO_ICMPV6 || !(packet->flags & BH_PACKET_IPV6) ||
	    packet->flags & BH_PACKET_FRAGMENT_FIRST || is_misplaced_unspecified(packet))
		return false;
	if (is_discovery(packet))
		return packet->hop_limit == 255;
	return ((packet->type >= MLD_QUERY && packet->type <= MLD_DONE) || packet->type == MLD_REPORT) &&
	       packet->hop_limit == 1;
}

/*
 * How long a report may be that says how many records it has, each of `record` bytes and sources of `source`
 * bytes. One that cannot hold them may be as long as an older message.
 */
static __always_inline __u32 report_length(const struct bh_packet *packet, __u32 record, __u32 source, __u32 older)
{
	__u32 length = packet->end - packet->l4_offset;

	if (!packet->records || length < 8 + packet->records * record)
		return older;
	return 8 + packet->records * (record + REPORT_SOURCES * source);
}

static __always_inline __u32 group_message_length(const struct bh_packet *packet)
{
	switch (packet->type) {
	case IGMP_QUERY:
		return IGMP_QUERY_MESSAGE;
	case IGMP_REPORT:
		return report_length(packet, 8, 4, IGMP_MESSAGE);
	default:
		return IGMP_MESSAGE;
	}
}

/* Neighbour discovery is for the link: by its destination, not only by where it comes from. */
static __always_inline bool may_leave_link(const struct bh_packet *packet)
{
	return !is_link_multicast(packet) && !is_link_local(packet);
}

/*
 * A router sends on what is for a global address, beyond the link. Such addresses have neighbours too, who are asked
 * whether they are still there and answer; nothing else needs to be sent to one, and no more than that takes. `sent`:
 * by a workload.
 */
static __always_inline __u32 neighbour_message_length(const struct bh_packet *packet, bool sent)
{
	if (sent && is_discovery(packet) && may_leave_link(packet))
		return packet->type == ND_NEIGHBOUR_SOLICITATION || packet->type == ND_NEIGHBOUR_ADVERTISEMENT ?
			       ND_LEAST_MESSAGE : 0;
	switch (packet->type) {
	case ND_ROUTER_ADVERTISEMENT:
		return ND_ROUTER_MESSAGE;
	case ND_REDIRECT:
		return ND_REDIRECT_MESSAGE;
	case MLD_QUERY:
		return MLD_QUERY_MESSAGE;
	case MLD_REPORT:
		return report_length(packet, 20, 16, MLD_MESSAGE);
	case MLD_QUERY + 1:
	case MLD_DONE:
		return MLD_MESSAGE;
	default:
		return ND_MESSAGE;
	}
}

/*
 * How long the message may be if it is one that a network cannot do without; else 0. A function of its own: the verifier then follows
 * its many outcomes no further than to its end.
 */
static __noinline __u32 essential_length(const struct image *image, const struct bh_port *port,
					 const struct bh_packet *packet, bool sent)
{
	switch (packet->protocol) {
	case IPPROTO_UDP:
		if (!(packet->flags & BH_PACKET_L4) || packet->flags & BH_PACKET_FRAGMENT_FIRST ||
		    is_misplaced_unspecified(packet))
			return 0;
		if (is_dhcp_request(packet))
			return DHCP_CLIENT;
		return is_dhcp_answer(image, port, packet) ? ANY_MESSAGE : 0;
	case IPPROTO_ICMPV6:
		return packet->flags & BH_PACKET_L4 && is_neighbour_message(packet) ?
			       neighbour_message_length(packet, sent) : 0;
	case IPPROTO_IGMP:
		return is_group_message(packet) && !(packet->flags & BH_PACKET_FRAGMENT_FIRST) ?
			       group_message_length(packet) : 0;
	default:
		return 0;
	}
}

/* Whether neither the packet nor what pads its frame is longer than a message of this length needs. */
static __always_inline bool is_bounded(const struct bh_packet *packet, __u32 message)
{
	__u32 most = message + (packet->flags & BH_PACKET_IPV4 ? IPV4_HEAD : IPV6_HEAD);

	if (most > ETHERNET_MTU)
		most = ETHERNET_MTU;
	return packet->end - packet->l3_offset <= most &&
	       (packet->length <= packet->end || packet->length <= PADDED_FRAME);
}

/* Frames in which other packets travel: a host that takes them would take these. */
static __always_inline bool carries_packets(__u16 ethertype)
{
	return ethertype == ETH_P_PPP_SES || ethertype == ETH_P_MPLS_UC || ethertype == ETH_P_MPLS_MC;
}

/*
 * Frames to 01:80:c2:00:00:00-0f: spanning tree, link aggregation, link discovery. What IP or ARP is in such a
 * frame is judged as any.
 */
static __always_inline bool is_control(const struct bh_packet *packet)
{
	const __u8 *to = packet->destination_mac;

	return to[0] == 0x01 && to[1] == 0x80 && to[2] == 0xc2 && to[3] == 0 && to[4] == 0 && to[5] < 16 &&
	       !(packet->flags & (BH_PACKET_IPV4 | BH_PACKET_IPV6 | BH_PACKET_ARP)) &&
	       !carries_packets(packet->ethertype) && packet->length <= WHOLE_FRAME;
}

/* What a network cannot do without, as a reason to accept; BH_REASON_NONE for anything else. */
static __always_inline enum bh_reason essential_reason(const struct image *image, const struct bh_port *port,
						       const struct bh_packet *packet, enum bh_direction direction)
{
	bool sent = port->protects == BH_WORKLOAD && direction == BH_OUT;
	__u32 message;

	if (!(port->flags & BH_PORT_ESSENTIALS))
		return BH_REASON_NONE;
	if (port->protects == BH_HOST && is_control(packet))
		return BH_REASON_CONTROL;
	if (packet->flags & BH_PACKET_ARP)
		return packet->length <= PADDED_FRAME ? BH_REASON_ESSENTIAL : BH_REASON_NONE;
	message = essential_length(image, port, packet, sent);
	return message && is_bounded(packet, message) ? BH_REASON_ESSENTIAL : BH_REASON_NONE;
}

#endif
