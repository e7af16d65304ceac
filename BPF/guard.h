/* SPDX-License-Identifier: GPL-2.0-only */
/* The guards: what a guest may claim to be and may overhear, and what the network may not claim to be. */
#ifndef BULKHEAD_GUARD_H
#define BULKHEAD_GUARD_H

#include "claim.h"
#include "classify.h"
#include "essential.h"
#include "port.h"

/* Whether a MAC address is one of the port's. */
static __noinline bool is_own_mac(const struct image *image, __u32 list, __u64 mac)
{
	const struct bh_mac_list *own = image_at(image, list, sizeof(*own));

#pragma unroll
	for (int i = 0; i < BH_MACS_MAX; i++) {
		if (own->macs[i] == mac)
			return true;
	}
	return false;
}

/* A frame from the port must have its MAC address as source; a frame to it must be for it, or for many. */
static __always_inline bool is_honest_mac(const struct image *image, const struct bh_port *port,
					  const struct bh_packet *packet, bool claims)
{
	if (!(port->guards & (claims ? BH_GUARD_MAC : BH_GUARD_PROMISCUOUS)))
		return true;
	if (!claims && packet->destination_mac[0] & 1)
		return true;
	return is_own_mac(image, port->macs, mac_number(claims ? packet->source_mac : packet->destination_mac));
}

/* What goes to a guest must be for one of its addresses, for a group or for all. What is not IP is for no address. */
static __always_inline bool is_for_guest(const struct image *image, const struct bh_port *port,
					 const struct bh_packet *packet)
{
	__u64 high = packet->destination_high, low = packet->destination_low;

	if (packet->flags & BH_PACKET_IPV4)
		return low >> 28 == 0xe || low == 0xffffffff || trie_class(image, port->v4, low << 32, 0);
	if (packet->flags & BH_PACKET_IPV6)
		return high >> 56 == 0xff || trie_class(image, port->v6, high, low);
	return true;
}

/* A sender without an address may ask for one, and say which groups it is in. */
static __always_inline bool may_be_unspecified(const struct bh_packet *packet)
{
	if (packet->flags & BH_PACKET_IPV4)
		return is_group_message(packet) || (packet->protocol == IPPROTO_UDP && is_dhcp_request(packet));
	return packet->flags & BH_PACKET_L4 && is_neighbour_message(packet) &&
	       packet->type != ND_ROUTER_ADVERTISEMENT && packet->type != ND_NEIGHBOUR_ADVERTISEMENT &&
	       packet->type != ND_REDIRECT;
}

/* A guest's source must be its own. What comes to a host from the network must not have one of its guests' sources. */
static __always_inline bool is_honest_source(const struct image *image, const struct bh_port *port,
					     const struct bh_packet *packet)
{
	bool is_guest = port->protects == BH_WORKLOAD, is_bound;
	__u64 high = packet->source_high, low = packet->source_low;
	__u32 root = port->v6;

	if (!(packet->flags & (BH_PACKET_IPV4 | BH_PACKET_IPV6)))
		return true;
	if (is_guest && !high && !low)
		return may_be_unspecified(packet);
	if (packet->flags & BH_PACKET_IPV4) {
		root = port->v4;
		high = low << 32;
		low = 0;
	}
	is_bound = trie_class(image, root, high, low);
	return is_bound == is_guest;
}

/* Clients accept an answer from any port. */
static __always_inline bool is_dhcp_server(const struct bh_packet *packet)
{
	__u16 from = packet->source_port, to = packet->destination_port;

	return packet->protocol == IPPROTO_UDP && (from == DHCP_SERVER_PORT || from == DHCPV6_SERVER_PORT ||
						   to == DHCP_CLIENT_PORT || to == DHCPV6_CLIENT_PORT);
}

/* What makes a switch send all multicast to a port: queries, announcements of multicast routers, DVMRP and PIM. */
static __always_inline bool is_multicast_router_message(const struct bh_packet *packet)
{
	if (packet->protocol == IPPROTO_PIM)
		return true;
	if (packet->flags & BH_PACKET_IPV4)
		return packet->protocol == IPPROTO_IGMP && (packet->type == IGMP_QUERY || packet->type == IGMP_DVMRP ||
							    packet->type == IGMP_ROUTER_ADVERTISEMENT);
	return packet->protocol == IPPROTO_ICMPV6 &&
	       (packet->type == MLD_QUERY || packet->type == MULTICAST_ROUTER_ADVERTISEMENT);
}

/*
 * What tells hosts where to send their packets: router advertisements and redirects of both versions; or tells
 * switches.
 */
static __always_inline bool is_router_message(const struct bh_packet *packet)
{
	if (!(packet->flags & (BH_PACKET_IPV4 | BH_PACKET_IPV6)))
		return false;
	if (is_multicast_router_message(packet))
		return true;
	if (packet->flags & BH_PACKET_IPV4)
		return packet->protocol == IPPROTO_ICMP &&
		       (packet->type == ICMP_REDIRECT || packet->type == ICMP_ROUTER_ADVERTISEMENT);
	return packet->protocol == IPPROTO_ICMPV6 &&
	       (packet->type == ND_ROUTER_ADVERTISEMENT || packet->type == ND_REDIRECT);
}

/*
 * Writes which address the packet claims besides its source; false where it claims none. In ARP it is the sender's.
 * Where that is 0.0.0.0, ARP probes for its target, and RARP does not know its address yet. In neighbour discovery an
 * advertisement claims its target, and so does the probe for a duplicate address.
 */
static __always_inline bool claimed_address(const struct bh_scratch *here, __u64 *high, __u64 *low)
{
	const struct bh_packet *packet = &here->packet;
	const struct bh_claim *claim = &here->claim;

	if (packet->flags & BH_PACKET_ARP) {
		*high = (__u64)claim->sender << 32;
		*low = 0;
		if (claim->sender)
			return true;
		*high = claim->target_low << 32;
		return packet->ethertype != ETH_P_RARP;
	}
	*high = claim->target_high;
	*low = claim->target_low;
	return packet->type == ND_NEIGHBOUR_ADVERTISEMENT ||
	       (packet->type == ND_NEIGHBOUR_SOLICITATION && !packet->source_high && !packet->source_low);
}

static __always_inline bool is_honest_claim(const struct image *image, const struct bh_port *port,
					    const struct bh_scratch *here)
{
	const struct bh_claim *claim = &here->claim;
	__u64 high, low;

	/* XDP reads no claims, so it leaves the reason that follows to tc, see is_sure(). */
	if (claim->state != BH_CLAIM_SOUND)
		return false;
	if (port->macs && claim->has_mac && !is_own_mac(image, port->macs, claim->mac))
		return false;
	JOIN_PATHS();
	if (!(port->flags & BH_PORT_HAS_ADDRESSES) || !claimed_address(here, &high, &low))
		return true;
	return trie_class(image, here->packet.flags & BH_PACKET_ARP ? port->v4 : port->v6, high, low);
}

/* Why the port's guards refuse the packet; BH_REASON_NONE where they do not. */
static __noinline enum bh_reason guard_reason(const struct image *image, const struct bh_port *port,
					      const struct bh_scratch *here)
{
	const struct bh_packet *packet = &here->packet;
	__u32 guards = port->guards, is_arp = packet->flags & BH_PACKET_ARP;
	bool claims = is_claiming(port, here->judgement.direction);

	if (!is_honest_mac(image, port, packet, claims))
		return claims ? BH_REASON_GUARD_MAC : BH_REASON_GUARD_PROMISCUOUS;
	JOIN_PATHS();
	if (!claims)
		return guards & BH_GUARD_DESTINATION && !is_for_guest(image, port, packet) ?
			       BH_REASON_GUARD_DESTINATION :
			       BH_REASON_NONE;
	if (guards & BH_GUARD_IP && !is_honest_source(image, port, packet))
		return BH_REASON_GUARD_IP;
	JOIN_PATHS();
	if (guards & BH_GUARD_DHCP_SERVER && is_dhcp_server(packet))
		return BH_REASON_GUARD_DHCP;
	if (guards & BH_GUARD_RA && is_router_message(packet))
		return BH_REASON_GUARD_RA;
	if (!makes_claim(packet) || !(guards & (is_arp ? BH_GUARD_ARP : BH_GUARD_ND)))
		return BH_REASON_NONE;
	JOIN_PATHS();
	if (is_honest_claim(image, port, here))
		return BH_REASON_NONE;
	return is_arp ? BH_REASON_GUARD_ARP : BH_REASON_GUARD_ND;
}

#endif
