/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a network cannot do without: address resolution, neighbour discovery, group membership, DHCP, link control. Each
 * is accepted within its link, in its direction, and no longer than its protocol needs, so nobody gets around the rules
 * by it. docs/decisions/essentials.md has the reason for each number.
 */
#ifndef BULKHEAD_ESSENTIAL_H
#define BULKHEAD_ESSENTIAL_H

#include "classify.h"
#include "packet.h"
#include "reach.h"

enum {
	/*
	 * Frames: the least length with two tags, to which frames are padded, and the longest that is not a jumbo
	 * frame.
	 */
	PADDED_FRAME = 68,
	WHOLE_FRAME = 1522,
	/* What may stand before a message: IPv4 with a router alert, IPv6 with one short header. */
	IPV4_HEAD = IPV4_HEADER + 4,
	IPV6_HEAD = IPV6_HEADER + 8,
	/* The longest datagram. */
	ETHERNET_MTU = 1500,
	/* Messages, from the transport header on. */
	ANY_MESSAGE = 1480,
	DHCP_CLIENT = 556,
	ND_MESSAGE = 128,
	/* A solicitation or advertisement with one link-layer address, and nothing in front of it. */
	ND_LEAST_MESSAGE = 32 - (IPV6_HEAD - IPV6_HEADER),
	ND_ROUTER_MESSAGE = 576,
	ND_REDIRECT_MESSAGE = 1240,
	MLD_MESSAGE = 24,
	MLD_QUERY_MESSAGE = 540,
	IGMP_MESSAGE = 8,
	IGMP_QUERY_MESSAGE = 140,
	/* Sources of one record of a report. */
	REPORT_SOURCES = 64,
};

/* A sender without an address speaks to the link, and to nobody in particular. */
static __always_inline bool is_misplaced_unspecified(const struct bh_packet *packet)
{
	return packet->flags & BH_PACKET_IPV6 && !packet->source_high && !packet->source_low &&
	       !is_link_multicast(packet);
}

/* A DHCP client's question to all servers. */
static __always_inline bool is_dhcp_request(const struct bh_packet *packet)
{
	__u16 from = packet->source_port, to = packet->destination_port;

	if (packet->flags & BH_PACKET_IPV4)
		return from == DHCP_CLIENT_PORT && to == DHCP_SERVER_PORT && is_ipv4_broadcast(packet);
	return from == DHCPV6_CLIENT_PORT && to == DHCPV6_SERVER_PORT && is_link_multicast(packet);
}

/*
 * A DHCP server's answer: to everyone, or to the address that it gives, which must be the port's where addresses are
 * bound. A relay of the link makes it anew, so it is never one that the host routes. What a far server answers to its
 * client's own packet belongs to that packet's flow.
 */
static __always_inline bool is_dhcp_answer(const struct image *image, const struct bh_port *port,
					   const struct bh_packet *packet)
{
	__u16 from = packet->source_port, to = packet->destination_port;

	if (packet->flags & BH_PACKET_IPV6)
		return from == DHCPV6_SERVER_PORT && to == DHCPV6_CLIENT_PORT && is_link_local(packet);
	if (from != DHCP_SERVER_PORT || to != DHCP_CLIENT_PORT || packet->flags & BH_PACKET_ROUTED)
		return false;
	return is_ipv4_broadcast(packet) || !(port->flags & BH_PORT_HAS_ADDRESSES) ||
	       trie_class(image, port->v4, packet->destination_low << 32, 0);
}

/* IPv4 group membership, which no router forwards. */
static __always_inline bool is_group_message(const struct bh_packet *packet)
{
	return packet->protocol == IPPROTO_IGMP && packet->flags & BH_PACKET_IPV4 &&
	       packet->hop_limit == HOP_LIMIT_LINK && is_ipv4_multicast(packet);
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
		return packet->hop_limit == HOP_LIMIT_MAX;
	return ((packet->type >= MLD_QUERY && packet->type <= MLD_DONE) || packet->type == MLD_REPORT) &&
	       packet->hop_limit == HOP_LIMIT_LINK;
}

/*
 * How long a report may be by the number of records that it states, each of `record` bytes and with sources of `source`
 * bytes. One too short for its records may be as long as an older message.
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

/* Neighbour discovery must stay on the link by its destination, and not only come from it. */
static __always_inline bool may_leave_link(const struct bh_packet *packet)
{
	return !is_link_multicast(packet) && !is_link_local(packet);
}

/* A solicitation or advertisement of a neighbour. */
static __always_inline bool is_neighbour_probe(const struct bh_packet *packet)
{
	return packet->type == ND_NEIGHBOUR_SOLICITATION || packet->type == ND_NEIGHBOUR_ADVERTISEMENT;
}

/*
 * How long a message may be. A router forwards what is for a global address, beyond the link. Neighbours with such
 * addresses are asked whether they are still there, and answer. So only these two messages may go to a global address,
 * in their least length. `sent`: by a workload.
 */
static __always_inline __u32 neighbour_message_length(const struct bh_packet *packet, bool sent)
{
	if (sent && is_discovery(packet) && may_leave_link(packet))
		return is_neighbour_probe(packet) ? ND_LEAST_MESSAGE : 0;
	switch (packet->type) {
	case ND_ROUTER_ADVERTISEMENT:
		return ND_ROUTER_MESSAGE;
	case ND_REDIRECT:
		return ND_REDIRECT_MESSAGE;
	case MLD_QUERY:
		return MLD_QUERY_MESSAGE;
	case MLD_REPORT:
		return report_length(packet, 20, 16, MLD_MESSAGE);
	case MLD_OLD_REPORT:
	case MLD_DONE:
		return MLD_MESSAGE;
	default:
		return ND_MESSAGE;
	}
}

/*
 * How long the message may be if a network cannot do without it; else 0. Not inlined, so the verifier follows its many
 * outcomes only to its end.
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
		if (!(packet->flags & BH_PACKET_L4) || !is_neighbour_message(packet))
			return 0;
		return neighbour_message_length(packet, sent);
	case IPPROTO_IGMP:
		if (!is_group_message(packet) || packet->flags & BH_PACKET_FRAGMENT_FIRST)
			return 0;
		return group_message_length(packet);
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

/*
 * Frames that carry other packets, or decide about those that do: a host that takes the frames would take the packets.
 * MACsec is among them, because a host that does not insist on it takes packets that nobody has signed.
 */
static __always_inline bool carries_packets(__u16 ethertype)
{
	switch (ethertype) {
	case ETH_P_PPP_DISC:
	case ETH_P_PPP_SES:
	case ETH_P_MPLS_UC:
	case ETH_P_MPLS_MC:
	case ETH_P_MACSEC:
	case ETH_P_HSR:
	case ETH_P_PRP:
	case ETH_P_BATMAN:
	case ETH_P_NSH:
		return true;
	default:
		return false;
	}
}

/*
 * Frames to 01:80:c2:00:00:00-0f: spanning tree, link aggregation, link discovery. IP or ARP in such a frame is judged
 * as in any other.
 */
static __always_inline bool is_control(const struct bh_packet *packet)
{
	const __u8 *to = packet->destination_mac;

	return to[0] == 0x01 && to[1] == 0x80 && to[2] == 0xc2 && to[3] == 0 && to[4] == 0 && to[5] < 16 &&
	       !(packet->flags & (BH_PACKET_IPV4 | BH_PACKET_IPV6 | BH_PACKET_ARP)) &&
	       !carries_packets(packet->ethertype) && packet->length <= WHOLE_FRAME;
}

/* The reason to accept what a network cannot do without; BH_REASON_NONE for anything else. */
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
