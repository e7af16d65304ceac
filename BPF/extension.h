/* SPDX-License-Identifier: GPL-2.0-only */
/* Fragments' headers, and the extension headers of IPv6: where each may stand, and up to which header they lead. */
#ifndef BULKHEAD_EXTENSION_H
#define BULKHEAD_EXTENSION_H

#include <bpf/bpf_endian.h>
#include "cursor.h"
#include "protocol.h"

/*
 * Notes what a fragment's header says: which datagram it belongs to, and where its data stands there. `head` is the
 * number of bytes before the data that the datagram's length counts.
 */
static __always_inline void note_fragment(struct bh_packet *packet, __u32 identification, __u32 offset, bool more,
					  __u32 length, __u32 head)
{
	packet->identification = identification;
	packet->fragment_offset = offset;
	packet->fragment_length = length;
	packet->flags |= offset ? BH_PACKET_FRAGMENT_LATER : BH_PACKET_FRAGMENT_FIRST;
	if (more)
		packet->flags |= BH_PACKET_FRAGMENT_MORE;
	if (!length || (more && length & 7) || head + offset + length > DATAGRAM_MAX)
		packet->flags |= BH_PACKET_FRAGMENT_UNSOUND;
}

/* The first eight bytes of any extension header. */
struct extension {
	__u8 next;
	__u8 length;
	__u8 type; /* routing header */
	__u8 segments_left;
	__be32 rest;
};

static __always_inline bool is_extension(const struct bh_packet *packet)
{
	__u8 protocol = packet->protocol;

	if (protocol == IPPROTO_AH)
		return true;
	return packet->flags & BH_PACKET_IPV6 && (protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING ||
						  protocol == IPPROTO_FRAGMENT || protocol == IPPROTO_DSTOPTS);
}

/* Reads a fragment header; false for a second one. */
static __always_inline bool read_fragment_header(const struct extension *header, struct bh_packet *packet, __u32 start)
{
	__u32 fragment = (__u32)header->type << 8 | header->segments_left, data = packet->l4_offset + sizeof(*header);

	if (packet->flags & BH_PACKET_FRAGMENT_HEADER)
		return false;
	packet->flags |= BH_PACKET_FRAGMENT_HEADER;
	if (fragment & IPV6_IS_FRAGMENT)
		note_fragment(packet, bpf_ntohl(header->rest), fragment & IPV6_FRAGMENT_OFFSET,
			      fragment & IPV6_MORE_FRAGMENTS, packet->end - data, packet->l4_offset - start);
	return true;
}

/* The flag of a header. A fragment header sets its own, see read_fragment_header(). */
static __always_inline __u32 header_flag(__u8 protocol)
{
	switch (protocol) {
	case IPPROTO_HOPOPTS:
		return BH_PACKET_HOP_BY_HOP;
	case IPPROTO_ROUTING:
		return BH_PACKET_ROUTING;
	case IPPROTO_AH:
		return BH_PACKET_AUTHENTICATION;
	case IPPROTO_DSTOPTS:
		return BH_PACKET_DESTINATION_OPTIONS;
	default:
		return 0;
	}
}

/* Whether a whole header may stand where it does and say what it says. */
static __always_inline bool is_sound(const struct extension *header, struct bh_packet *packet, __u32 start)
{
	switch (packet->protocol) {
	case IPPROTO_HOPOPTS:
		return packet->l4_offset == start;
	case IPPROTO_ROUTING:
		/*
		 * Of any type: with segments left, the packet goes on to another place than its destination field says.
		 */
		return header->segments_left == 0;
	case IPPROTO_AH:
		return header->length >= 1;
	case IPPROTO_FRAGMENT:
		return read_fragment_header(header, packet, start);
	default:
		return true;
	}
}

/*
 * Walks extension headers from packet->l4_offset up to the transport header, or to a later fragment's data, and leaves
 * its place there. All that changes from step to step lives in the packet, not in registers, so the verifier sees nine
 * equal steps and checks one.
 */
static __noinline enum bh_reason walk_extensions(void *ctx, struct bh_packet *packet)
{
	__u32 start = packet->l4_offset;
	struct extension header;

	for (int i = 0; i <= BH_EXTENSIONS_MAX; i++) {
		__u32 offset = packet->l4_offset, length;
		__u8 protocol = packet->protocol;

		if (packet->flags & BH_PACKET_FRAGMENT_LATER || !is_extension(packet))
			return BH_REASON_NONE;
		if (i == BH_EXTENSIONS_MAX)
			break;
		if (offset + sizeof(header) > packet->end || frame_load(ctx, offset, &header, sizeof(header)))
			goto cut_short;
		length = (header.length + 1) * 8;
		if (protocol == IPPROTO_AH)
			length = (header.length + 2) * 4;
		if (protocol == IPPROTO_FRAGMENT)
			length = sizeof(header);
		if (offset + length > packet->end)
			goto cut_short;
		if (!is_sound(&header, packet, start))
			break;
		packet->flags |= header_flag(protocol);
		packet->l4_offset = offset + length;
		packet->protocol = header.next;
	}
	return BH_REASON_EXTENSION_HEADER;
cut_short:
	return packet->flags & BH_PACKET_FRAGMENT_FIRST ? BH_REASON_FRAGMENT : BH_REASON_EXTENSION_HEADER;
}

#endif
