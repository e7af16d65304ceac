/* SPDX-License-Identifier: GPL-2.0-only */
/* How the programs at the tc hooks read a frame: from an skb, whose outermost tag may stand in its metadata. */
#ifndef BULKHEAD_SKB_H
#define BULKHEAD_SKB_H

#include <linux/if_packet.h>
#include "packet.h"
#include "settings.h"

static __always_inline long frame_load(void *ctx, __u32 offset, void *to, __u32 size)
{
	return bpf_skb_load_bytes(ctx, offset, to, size);
}

/* Counts wire packets and bytes of a super-packet: each segment repeats the headers, which end at `headers`. */
static __always_inline void count_segments(struct __sk_buff *ctx, struct bh_packet *packet, __u32 headers)
{
	__u32 size = ctx->gso_size, segments = ctx->gso_segs;

	packet->segments = 1;
	packet->wire_bytes = packet->length;
	if (!size || packet->length <= headers)
		return;
	/* A guest's super-packet comes without a count. */
	if (!segments)
		segments = (packet->length - headers + size - 1) / size;
	packet->segments = segments;
	packet->wire_bytes += (segments - 1) * headers;
}

/* Reads the frame into `here->packet`. Returns where the headers end. A global function: verified once. */
__noinline int parse_skb(struct __sk_buff *ctx, struct bh_scratch *here)
{
	struct metadata metadata = {};
	__u32 headers;

	if (!here)
		return 0;
	metadata.has_tag = ctx->vlan_present;
	metadata.tag = ctx->vlan_tci;
	metadata.is_offloaded = ctx->gso_size > 0;
	headers = parse_frame(ctx, ctx->data, ctx->data_end, &metadata, here);
	count_segments(ctx, &here->packet, headers);
	return headers;
}

/*
 * Notes whether the host routes the packet. On its way out such a packet still says where it came from, unlike one that
 * the host sends; and its frame was for the host, unlike one that a bridge passes on. The driver that received it says
 * so, out of the link header; the IP layer routes nothing else.
 */
static __always_inline void note_route(const struct __sk_buff *ctx, struct bh_scratch *here, enum bh_hook hook)
{
	if (hook == BH_HOOK_TC_EGRESS && ctx->ingress_ifindex && ctx->pkt_type == PACKET_HOST)
		here->packet.flags |= BH_PACKET_ROUTED;
	if (!settings.simulates)
		here->came_from = hook == BH_HOOK_TC_EGRESS ? ctx->ingress_ifindex : BH_NONE;
}

#endif
