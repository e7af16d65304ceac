/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From a frame's bytes to struct bh_packet: Ethernet, VLAN tags, IPv4 with options, IPv6 with extension headers, TCP,
 * UDP, SCTP, ICMP, ICMPv6, ARP. The same code serves XDP and tc.
 */
#ifndef BULKHEAD_PACKET_H
#define BULKHEAD_PACKET_H

#include <bpf/bpf_endian.h>
#include <stdbool.h>
#include "extension.h"

static __always_inline bool is_vlan(__be16 ethertype)
{
	return ethertype == bpf_htons(ETH_P_8021Q) || ethertype == bpf_htons(ETH_P_8021AD);
}

/* A tag of VLAN 0 has a priority and no VLAN. Linux goes past it to the tag that counts. */
static __always_inline void add_tag(struct bh_packet *packet, __u16 tci)
{
	packet->vlan_tags++;
	if (!packet->outer_vlan) {
		packet->outer_vlan = tci & 0xfff;
		return;
	}
	packet->inner_vlan = tci & 0xfff;
	packet->flags |= BH_PACKET_INNER_TAG;
}

/* The Ethernet header and at most two tags, one of which may have been counted already. */
static __always_inline enum bh_reason parse_ethernet(struct cursor *cursor, struct bh_packet *packet)
{
	const struct {
		__u8 destination[ETH_ALEN], source[ETH_ALEN];
		__be16 ethertype;
	} *header = (void *)cursor->header;
	const struct {
		__be16 tci;
		__be16 ethertype;
	} *tag = (void *)cursor->header;
	__be16 ethertype;

	if (!cursor_read(cursor, sizeof(*header)))
		return BH_REASON_MALFORMED;
	copy_bytes(packet->source_mac, header->source, ETH_ALEN);
	copy_bytes(packet->destination_mac, header->destination, ETH_ALEN);
	ethertype = header->ethertype;
	for (int i = 0; i < 2; i++) {
		if (!is_vlan(ethertype) || packet->vlan_tags == 2)
			break;
		if (!cursor_read(cursor, sizeof(*tag)))
			return BH_REASON_MALFORMED;
		add_tag(packet, bpf_ntohs(tag->tci));
		ethertype = tag->ethertype;
	}
	if (is_vlan(ethertype))
		return BH_REASON_VLAN;
	packet->ethertype = bpf_ntohs(ethertype);
	if (packet->ethertype < ETH_P_802_3_MIN)
		packet->ethertype = 0;
	packet->l3_offset = cursor->offset;
	JOIN_PATHS();
	cursor->offset = packet->l3_offset;
	return BH_REASON_NONE;
}

/* ARP and RARP: only checks that all of it is there. */
static __always_inline enum bh_reason parse_arp(struct cursor *cursor, struct bh_packet *packet)
{
	const struct {
		__be16 hardware, protocol;
		__u8 hardware_length, protocol_length;
		__be16 operation;
	} *header = (void *)cursor->header;

	if (!cursor_read(cursor, sizeof(*header)))
		return BH_REASON_MALFORMED;
	if (cursor->offset + 2 * (header->hardware_length + header->protocol_length) > cursor->end)
		return BH_REASON_MALFORMED;
	packet->flags |= BH_PACKET_ARP;
	return BH_REASON_NONE;
}

/* Sets where the datagram ends by the length that its header states; false if the frame is shorter. */
static __always_inline bool bound_datagram(struct cursor *cursor, __u32 start, __u32 length, bool offloaded)
{
	__u32 room = cursor->end - start;

	/* A super-packet of more than 65,535 bytes cannot state its length in sixteen bits. */
	if (length == 0 && offloaded && room > DATAGRAM_MAX)
		return true;
	if (length > room)
		return false;
	cursor->end = start + length;
	return true;
}

static __always_inline bool is_source_route(__u8 option)
{
	return option == IPV4_LOOSE_SOURCE_ROUTE || option == IPV4_STRICT_SOURCE_ROUTE;
}

/*
 * Whether an IPv4 option between packet->payload and packet->l4_offset sends the packet on to another place than its
 * destination field says, or is of that kind and cannot be read. No host reads options behind one of impossible length.
 * The place lives in the packet, so the verifier sees equal steps and checks one.
 */
static __noinline bool has_hops_left(void *ctx, struct bh_packet *packet)
{
	__u8 kind, rest[2];

	for (int i = 0; i < IPV4_OPTIONS_MAX; i++) {
		__u32 offset = packet->payload, left = packet->l4_offset - offset;

		if (!left || left > IPV4_OPTIONS_MAX || frame_load(ctx, offset, &kind, 1) || kind == IPV4_OPTION_END)
			return false;
		if (kind == IPV4_OPTION_NONE) {
			packet->payload = offset + 1;
			continue;
		}
		/* Not into `kind`: a load that fails leaves zeroes. */
		if (left < 1 + sizeof(rest) || frame_load(ctx, offset + 1, rest, sizeof(rest)) || rest[0] < 2 ||
		    rest[0] > left) {
			JOIN_PATHS();
			return is_source_route(kind);
		}
		JOIN_PATHS();
		/* A route of two bytes has no room for how far it has come. */
		if (is_source_route(kind) && (rest[0] < 3 || rest[1] <= rest[0]))
			return true;
		packet->payload = offset + rest[0];
	}
	return false;
}

static __always_inline bool is_source_routed(void *ctx, struct bh_packet *packet, __u32 options, __u32 end)
{
	bool result;

	packet->payload = options;
	packet->l4_offset = end;
	result = has_hops_left(ctx, packet);
	packet->payload = 0;
	return result;
}

static __always_inline enum bh_reason parse_ipv4(struct cursor *cursor, struct bh_packet *packet, bool offloaded)
{
	__u32 start = cursor->offset, header_length;
	const struct iphdr *header = (void *)cursor->header;
	__u16 fragment;

	if (!cursor_peek(cursor, sizeof(*header)))
		return BH_REASON_MALFORMED;
	header_length = (cursor->header[0] & 15) * 4;
	if (cursor->header[0] >> 4 != IPV4 || header_length < sizeof(*header))
		return BH_REASON_MALFORMED;
	if (!bound_datagram(cursor, start, bpf_ntohs(header->tot_len), offloaded) ||
	    start + header_length > cursor->end)
		return BH_REASON_MALFORMED;
	cursor->offset = start + header_length;
	packet->flags |= BH_PACKET_IPV4;
	packet->source_low = bpf_ntohl(header->saddr);
	packet->destination_low = bpf_ntohl(header->daddr);
	packet->protocol = header->protocol;
	packet->hop_limit = header->ttl;
	fragment = bpf_ntohs(header->frag_off);
	if (fragment & IPV4_IS_FRAGMENT) {
		packet->fragment_protocol = header->protocol;
		note_fragment(packet, bpf_ntohs(header->id), (fragment & IPV4_FRAGMENT_OFFSET) * 8,
			      fragment & IPV4_MORE_FRAGMENTS, cursor->end - cursor->offset, header_length);
	}
	if (header_length > sizeof(*header) &&
	    is_source_routed(cursor->ctx, packet, start + sizeof(*header), start + header_length))
		return BH_REASON_MALFORMED;
	return BH_REASON_NONE;
}

/* Source and destination of an IPv6 header. */
static __always_inline void read_ipv6_addresses(const struct ipv6hdr *header, struct bh_packet *packet)
{
	const __be64 *half = (const __be64 *)&header->saddr;

	packet->source_high = bpf_be64_to_cpu(half[0]);
	packet->source_low = bpf_be64_to_cpu(half[1]);
	packet->destination_high = bpf_be64_to_cpu(half[2]);
	packet->destination_low = bpf_be64_to_cpu(half[3]);
}

static __always_inline enum bh_reason parse_ipv6(struct cursor *cursor, struct bh_packet *packet, bool offloaded)
{
	__u32 start = cursor->offset + sizeof(struct ipv6hdr);
	const struct ipv6hdr *header = (void *)cursor->header;

	if (!cursor_read(cursor, sizeof(*header)) || cursor->header[0] >> 4 != IPV6)
		return BH_REASON_MALFORMED;
	if (!bound_datagram(cursor, start, bpf_ntohs(header->payload_len), offloaded))
		return BH_REASON_MALFORMED;
	packet->flags |= BH_PACKET_IPV6;
	read_ipv6_addresses(header, packet);
	packet->protocol = header->nexthdr;
	packet->hop_limit = header->hop_limit;
	return BH_REASON_NONE;
}

/* The least length of the transport header; 0 for a protocol that is not looked into. */
static __always_inline __u32 transport_minimum(const struct bh_packet *packet)
{
	switch (packet->protocol) {
	case IPPROTO_TCP:
		return TCP_HEADER;
	case IPPROTO_UDP:
		return UDP_HEADER;
	case IPPROTO_SCTP:
		return SCTP_HEADER;
	case IPPROTO_ICMP:
		return packet->flags & BH_PACKET_IPV4 ? ICMP_HEADER : 0;
	case IPPROTO_ICMPV6:
		return packet->flags & BH_PACKET_IPV6 ? ICMP_HEADER : 0;
	default:
		return 0;
	}
}

/* Bytes of a transport header that say who its ends are. */
enum { ENDS = 8 };

/* What the first eight bytes of a transport header say of both ends: ports, or type, code and identifier. */
static __always_inline void read_ends(const __u8 *header, struct bh_packet *packet)
{
	const __be16 *half = (const __be16 *)header;

	packet->flags |= BH_PACKET_L4;
	if (packet->protocol == IPPROTO_ICMP || packet->protocol == IPPROTO_ICMPV6) {
		packet->type = header[0];
		packet->code = header[1];
		packet->echo = bpf_ntohs(half[2]);
		packet->records = bpf_ntohs(half[3]);
	} else {
		packet->source_port = bpf_ntohs(half[0]);
		packet->destination_port = bpf_ntohs(half[1]);
	}
}

static __always_inline bool parse_tcp(struct cursor *cursor, struct bh_packet *packet)
{
	const __u8 *header = cursor->header;
	__u32 length;

	if (!cursor_peek(cursor, TCP_HEADER))
		return false;
	read_ends(header, packet);
	packet->sequence = bpf_ntohl(*(__be32 *)(header + 4));
	packet->acknowledgement = bpf_ntohl(*(__be32 *)(header + 8));
	length = (header[12] >> 4) * 4;
	packet->tcp_flags = header[13];
	packet->window = bpf_ntohs(*(__be16 *)(header + 14));
	cursor->offset += length;
	if (length < TCP_HEADER || cursor->offset > cursor->end)
		return false;
	packet->payload = cursor->end - cursor->offset;
	return true;
}

/*
 * Reads the type of an IGMP message, and how many records it says it has. No host takes a message of fewer than eight
 * bytes.
 */
static __always_inline void read_group_message(struct cursor *cursor, struct bh_packet *packet)
{
	const __be16 *half = (const __be16 *)cursor->header;

	if (packet->protocol != IPPROTO_IGMP || !(packet->flags & BH_PACKET_IPV4) || !cursor_peek(cursor, IGMP_HEADER))
		return;
	packet->type = cursor->header[0];
	packet->records = bpf_ntohs(half[3]);
	/* It is judged, so it must not stay in memory that its sender can write: see read_frame(). */
	cursor->offset += IGMP_HEADER;
}

/* Reads ports, or type and code. Leaves in `cursor->offset` where the payload starts. */
static __always_inline bool parse_transport(struct cursor *cursor, struct bh_packet *packet)
{
	__u32 minimum = transport_minimum(packet), room = cursor->end - cursor->offset;
	const __be16 *half = (const __be16 *)cursor->header;

	if (!minimum) {
		read_group_message(cursor, packet);
		return true;
	}
	if (minimum > room)
		return false;
	if (packet->protocol == IPPROTO_TCP)
		return parse_tcp(cursor, packet);
	if (!cursor_peek(cursor, ENDS))
		return false;
	read_ends(cursor->header, packet);
	cursor->offset += minimum;
	if (packet->protocol != IPPROTO_UDP)
		return true;
	/* A fragment holds only a part of its datagram. */
	return bpf_ntohs(half[2]) >= UDP_HEADER &&
	       (bpf_ntohs(half[2]) <= room || packet->flags & BH_PACKET_FRAGMENT_FIRST);
}

static __always_inline enum bh_reason parse_ip(struct cursor *cursor, struct bh_packet *packet, bool offloaded)
{
	enum bh_reason refusal;

	refusal = packet->ethertype == ETH_P_IP ? parse_ipv4(cursor, packet, offloaded) :
						  parse_ipv6(cursor, packet, offloaded);
	if (refusal)
		return refusal;
	packet->end = cursor->end;
	packet->l4_offset = cursor->offset;
	if (is_extension(packet)) {
		refusal = walk_extensions(cursor->ctx, packet);
		if (refusal)
			return refusal;
	}
	JOIN_PATHS();
	cursor->offset = packet->l4_offset;
	cursor->end = packet->end;
	if (packet->flags & BH_PACKET_FRAGMENT_UNSOUND)
		return BH_REASON_FRAGMENT;
	if (packet->flags & BH_PACKET_FRAGMENT_LATER)
		return BH_REASON_NONE;
	if (!parse_transport(cursor, packet))
		return packet->flags & BH_PACKET_FRAGMENT_FIRST ? BH_REASON_FRAGMENT : BH_REASON_MALFORMED;
	return BH_REASON_NONE;
}

/* What a frame's metadata says of it. */
struct metadata {
	bool has_tag; /* a VLAN tag that is not in the frame */
	__u16 tag;
	bool is_offloaded; /* a super-packet, which segmentation offload will cut */
};

/* A cursor at the start of the frame, and an empty packet to be filled. */
static __always_inline struct cursor start_frame(void *ctx, __u32 data, __u32 data_end, struct bh_scratch *here)
{
	struct cursor cursor = {
		.ctx = ctx,
		.data = (const __u8 *)(long)data,
		.data_end = (const __u8 *)(long)data_end,
		.end = here->frame_length,
		.header = here->header,
	};

	__builtin_memset(&here->packet, 0, sizeof(here->packet));
	here->packet.length = here->frame_length;
	here->claim.state = BH_CLAIM_NONE;
	return cursor;
}

static __always_inline enum bh_reason parse_headers(struct cursor *cursor, struct bh_packet *packet, bool offloaded)
{
	enum bh_reason refusal = parse_ethernet(cursor, packet);

	if (refusal)
		return refusal;
	switch (packet->ethertype) {
	case ETH_P_IP:
	case ETH_P_IPV6:
		return parse_ip(cursor, packet, offloaded);
	case ETH_P_ARP:
	case ETH_P_RARP:
		return parse_arp(cursor, packet);
	default:
		return BH_REASON_NONE;
	}
}

/* Reads the frame from `data` to `data_end` into here->packet. Returns where its headers end. */
static __always_inline __u32 parse_frame(void *ctx, __u32 data, __u32 data_end, const struct metadata *metadata,
					 struct bh_scratch *here)
{
	struct cursor cursor = start_frame(ctx, data, data_end, here);
	struct bh_packet *packet = &here->packet;

	if (metadata->has_tag)
		add_tag(packet, metadata->tag);
	packet->refusal = parse_headers(&cursor, packet, metadata->is_offloaded);
	return cursor.offset;
}

#endif
