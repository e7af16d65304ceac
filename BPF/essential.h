/* What a network cannot do without: address resolution, neighbour discovery, group membership, DHCP, link control. */
#ifndef BULKHEAD_ESSENTIAL_H
#define BULKHEAD_ESSENTIAL_H

#include "packet.h"

static __always_inline bool is_dhcp(const struct bh_packet *packet)
{
	__u16 from = packet->source_port, to = packet->destination_port;

	if (packet->protocol != IPPROTO_UDP)
		return false;
	if (packet->flags & BH_PACKET_IPV4)
		return (from == 68 && to == 67) || (from == 67 && to == 68);
	return (from == 546 && to == 547) || (from == 547 && to == 546);
}

/* Neighbour discovery that did not cross a router, and multicast listener reports that will not. */
static __always_inline bool is_neighbour_message(const struct bh_packet *packet)
{
	if (packet->protocol != IPPROTO_ICMPV6 || !(packet->flags & BH_PACKET_IPV6) ||
	    packet->flags & BH_PACKET_FRAGMENT_FIRST)
		return false;
	if (packet->type >= 133 && packet->type <= 137)
		return packet->hop_limit == 255;
	return ((packet->type >= 130 && packet->type <= 132) || packet->type == 143) && packet->hop_limit == 1;
}

/* Frames to 01:80:c2:00:00:00-0f: spanning tree, link aggregation, link discovery. */
static __always_inline bool is_control(const struct bh_packet *packet)
{
	const __u8 *to = packet->destination_mac;

	return to[0] == 0x01 && to[1] == 0x80 && to[2] == 0xc2 && to[3] == 0 && to[4] == 0 && to[5] < 16;
}

/* What a network cannot do without, as a reason to accept; BH_REASON_NONE for anything else. */
static __always_inline enum bh_reason essential_reason(const struct bh_port *port, const struct bh_packet *packet)
{
	if (!(port->flags & BH_PORT_ESSENTIALS))
		return BH_REASON_NONE;
	if (port->protects == BH_HOST && is_control(packet))
		return BH_REASON_CONTROL;
	if (packet->flags & BH_PACKET_ARP)
		return BH_REASON_ESSENTIAL;
	if (packet->flags & BH_PACKET_IPV4 && packet->protocol == IPPROTO_IGMP)
		return BH_REASON_ESSENTIAL;
	if (packet->flags & BH_PACKET_L4 && (is_dhcp(packet) || is_neighbour_message(packet)))
		return BH_REASON_ESSENTIAL;
	return BH_REASON_NONE;
}

#endif
