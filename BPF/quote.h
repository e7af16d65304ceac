/* SPDX-License-Identifier: GPL-2.0-only */
/* What an ICMP error quotes: the head of the packet that it is about. */
#ifndef BULKHEAD_QUOTE_H
#define BULKHEAD_QUOTE_H

#include "icmp.h"
#include "packet.h"

static __always_inline bool read_quoted_ip(void *ctx, struct bh_scratch *here)
{
	struct bh_packet *quoted = &here->subject;
	__u32 start = here->packet.l4_offset + ICMP_HEADER;
	const struct ipv6hdr *v6 = (void *)here->header;
	const struct iphdr *v4 = (void *)here->header;

	quoted->end = here->packet.end;
	if (here->packet.flags & BH_PACKET_IPV4) {
		if (start + IPV4_HEADER > quoted->end || frame_load(ctx, start, here->header, IPV4_HEADER))
			return false;
		if (here->header[0] >> 4 != IPV4 || (here->header[0] & 15) < IPV4_HEADER / 4 ||
		    v4->frag_off & bpf_htons(IPV4_FRAGMENT_OFFSET))
			return false;
		quoted->source_low = bpf_ntohl(v4->saddr);
		quoted->destination_low = bpf_ntohl(v4->daddr);
		quoted->protocol = v4->protocol;
		quoted->l4_offset = start + (here->header[0] & 15) * 4;
		quoted->flags = BH_PACKET_IPV4;
		return true;
	}
	if (start + IPV6_HEADER > quoted->end || frame_load(ctx, start, here->header, IPV6_HEADER) ||
	    here->header[0] >> 4 != IPV6)
		return false;
	read_ipv6_addresses(v6, quoted);
	quoted->protocol = v6->nexthdr;
	quoted->l4_offset = start + IPV6_HEADER;
	quoted->flags = BH_PACKET_IPV6;
	return true;
}

/* The first eight bytes of the transport header are always quoted: ports, or type, code and identifier. */
static __always_inline bool read_quoted_transport(void *ctx, struct bh_scratch *here)
{
	struct bh_packet *quoted = &here->subject;

	if (walk_extensions(ctx, quoted) || quoted->flags & BH_PACKET_FRAGMENT_LATER)
		return false;
	if (!transport_minimum(quoted))
		return true;
	if (quoted->l4_offset + ENDS > quoted->end || frame_load(ctx, quoted->l4_offset, here->header, ENDS))
		return false;
	JOIN_PATHS();
	read_ends(here->header, quoted);
	return true;
}

/* Reads what an ICMP error quotes into here->subject; its flags are 0 where it cannot be read. */
static __always_inline void parse_quote(void *ctx, struct bh_scratch *here)
{
	struct bh_packet *quoted = &here->subject;

	__builtin_memset(quoted, 0, sizeof(*quoted));
	if (!read_quoted_ip(ctx, here) || !read_quoted_transport(ctx, here))
		quoted->flags = 0;
	quoted->outer_vlan = here->packet.outer_vlan;
}

#endif
