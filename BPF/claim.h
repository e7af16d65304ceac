/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads what ARP and neighbour discovery say of their sender in their payload, for the guards. */
#ifndef BULKHEAD_CLAIM_H
#define BULKHEAD_CLAIM_H

#include "essential.h"

/* Neighbour discovery of any hop limit, also where a first fragment begins it. */
static __always_inline bool is_neighbour_discovery(const struct bh_packet *packet)
{
	return packet->flags & BH_PACKET_L4 && packet->flags & BH_PACKET_IPV6 && packet->protocol == IPPROTO_ICMPV6 &&
	       packet->type >= ND_ROUTER_SOLICITATION && packet->type <= ND_REDIRECT;
}

static __always_inline bool makes_claim(const struct bh_packet *packet)
{
	return packet->flags & BH_PACKET_ARP || is_neighbour_discovery(packet);
}

/* A MAC address as a number, the first byte the highest. */
static __always_inline __u64 mac_number(const __u8 *mac)
{
	return (__u64)mac[0] << 40 | (__u64)mac[1] << 32 | (__u64)mac[2] << 24 | (__u64)mac[3] << 16 |
	       (__u64)mac[4] << 8 | (__u64)mac[5];
}

/* ARP over Ethernet and IPv4; RARP that asks for what belongs to its own MAC address. */
static __always_inline bool read_arp(void *ctx, struct bh_scratch *here)
{
	const struct {
		__be16 hardware, protocol;
		__u8 hardware_length, protocol_length;
		__be16 operation;
		__u8 sender_mac[6];
		__be16 sender[2];
		__u8 target_mac[6];
		__be32 target;
	} *body = (void *)here->header;
	struct bh_claim *claim = &here->claim;

	_Static_assert(sizeof(*body) == 28, "an ARP body over Ethernet and IPv4");
	if (frame_load(ctx, here->packet.l3_offset, here->header, sizeof(*body)))
		return false;
	if (body->hardware != bpf_htons(ARP_ETHERNET) || body->protocol != bpf_htons(ETH_P_IP) ||
	    body->hardware_length != ETH_ALEN || body->protocol_length != sizeof(__be32))
		return false;
	claim->operation = bpf_ntohs(body->operation);
	claim->mac = mac_number(body->sender_mac);
	claim->has_mac = 1;
	claim->sender = (__u32)bpf_ntohs(body->sender[0]) << 16 | bpf_ntohs(body->sender[1]);
	claim->target_low = bpf_ntohl(body->target);
	/* A sender without an address can only ask; it has nothing to tell. */
	if (here->packet.ethertype != ETH_P_RARP)
		return claim->sender || claim->operation == ARP_REQUEST;
	return claim->operation == RARP_REQUEST && claim->mac == mac_number(body->target_mac);
}

/* How long a message is before its options. */
static __always_inline __u32 discovery_length(__u8 type)
{
	switch (type) {
	case ND_ROUTER_SOLICITATION:
		return 8;
	case ND_ROUTER_ADVERTISEMENT:
		return 16;
	case ND_REDIRECT:
		return 40;
	default:
		return 24;
	}
}

/*
 * Reads the option at packet->payload and moves on to the next; false where the option is unsound, or names another
 * link-layer address than an earlier one. The place lives in the packet, so the verifier sees equal steps and checks
 * one.
 */
static __always_inline bool read_option(void *ctx, struct bh_scratch *here)
{
	struct bh_claim *claim = &here->claim;
	__u32 offset = here->packet.payload, length;
	__u64 mac;

	if (offset + ND_OPTION_UNIT > here->packet.end || frame_load(ctx, offset, here->header, ND_OPTION_UNIT))
		return false;
	length = here->header[1] * ND_OPTION_UNIT;
	if (!length || offset + length > here->packet.end)
		return false;
	here->packet.payload = offset + length;
	if (here->header[0] != ND_SOURCE_LINK_ADDRESS && here->header[0] != ND_TARGET_LINK_ADDRESS)
		return true;
	mac = mac_number(here->header + 2);
	if (length != ND_OPTION_UNIT || (claim->has_mac && claim->mac != mac))
		return false;
	claim->mac = mac;
	claim->has_mac = 1;
	return true;
}

static __always_inline bool read_discovery(void *ctx, struct bh_scratch *here)
{
	struct bh_packet *packet = &here->packet;
	const __be64 *half = (const __be64 *)here->header;

	/* Neighbour discovery is never fragmented (RFC 6980). */
	packet->payload = packet->l4_offset + discovery_length(packet->type);
	if (packet->flags & BH_PACKET_FRAGMENT_FIRST || packet->payload > packet->end)
		return false;
	if (packet->type >= ND_NEIGHBOUR_SOLICITATION) {
		if (frame_load(ctx, packet->l4_offset + ICMP_HEADER, here->header, 16))
			return false;
		here->claim.target_high = bpf_be64_to_cpu(half[0]);
		here->claim.target_low = bpf_be64_to_cpu(half[1]);
	}
	for (int i = 0; i <= BH_OPTIONS_MAX; i++) {
		JOIN_PATHS();
		if (packet->payload == packet->end)
			return true;
		if (i == BH_OPTIONS_MAX || !read_option(ctx, here))
			break;
	}
	return false;
}

/* Reads what the packet claims into here->claim. */
static __always_inline void read_claim(void *ctx, struct bh_scratch *here)
{
	bool is_sound;

	__builtin_memset(&here->claim, 0, sizeof(here->claim));
	is_sound = here->packet.flags & BH_PACKET_ARP ? read_arp(ctx, here) : read_discovery(ctx, here);
	here->packet.payload = 0;
	here->claim.state = is_sound ? BH_CLAIM_SOUND : BH_CLAIM_UNSOUND;
}

#endif
