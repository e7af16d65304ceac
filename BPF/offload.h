/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel does to a packet after it was judged: it writes a checksum where the sender asked for it, and cuts a
 * super-packet into segments. Guests and containers choose both (virtio's header, PACKET_VNET_HDR). Nothing that was
 * judged may change.
 */
#ifndef BULKHEAD_OFFLOAD_H
#define BULKHEAD_OFFLOAD_H

#include <bpf/bpf_core_read.h>
#include "icmp.h"
#include "packet.h"
#include "port.h"
#include "settings.h"

/* What is read of the kernel's own structures; the loader finds where it stands in the running kernel. */
struct sk_buff {
	__u8 ip_summed : 2;
	__u8 encapsulation : 1;
	__u16 csum_start; /* like all places here, from `head` on */
	__u16 csum_offset;
	__u16 inner_mac_header;
	__u32 end;
	unsigned char *head;
	unsigned char *data;
} __attribute__((preserve_access_index));

struct skb_shared_info {
	unsigned int gso_type;
} __attribute__((preserve_access_index));

#define CHECKSUM_PARTIAL 3

/* Bits of `gso_type`. */
enum {
	GSO_TCPV4 = 1 << 0,
	GSO_TCPV6 = 1 << 4,
	GSO_GRE = 1 << 6,
	GSO_GRE_CSUM = 1 << 7,
	GSO_IPXIP4 = 1 << 8,
	GSO_IPXIP6 = 1 << 9,
	GSO_UDP_TUNNEL = 1 << 10,
	GSO_UDP_TUNNEL_CSUM = 1 << 11,
	GSO_SCTP = 1 << 14,
	GSO_ESP = 1 << 15,
	GSO_UDP = 1 << 16,      /* a UDP datagram that is to become IP fragments */
	GSO_UDP_L4 = 1 << 17,   /* several UDP datagrams */
	GSO_FRAGLIST = 1 << 18, /* whole packets in a list, each with headers of its own */
	GSO_TRANSPORTS = GSO_TCPV4 | GSO_TCPV6 | GSO_SCTP | GSO_UDP | GSO_UDP_L4,
	GSO_FRAMED_TUNNELS = GSO_GRE | GSO_GRE_CSUM | GSO_UDP_TUNNEL | GSO_UDP_TUNNEL_CSUM,
	GSO_TUNNELS = GSO_FRAMED_TUNNELS | GSO_IPXIP4 | GSO_IPXIP6 | GSO_ESP,
};

/* The packet as the kernel sees it. Linux 6.2. */
extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym __weak;

/*
 * A field of the packet's struct sk_buff. An older kernel has no function that yields it. But `ctx` is its address by
 * another type, so a probe can read it, at the cost of a call.
 */
#define SKB_FIELD(ctx, field)                                                                                    \
	({                                                                                                       \
		typeof(((struct sk_buff *)0)->field) value = 0;                                                  \
		if (settings.casts_context)                                                                      \
			value = ((struct sk_buff *)bpf_cast_to_kern_ctx(ctx))->field;                            \
		else                                                                                             \
			bpf_probe_read_kernel(&value, sizeof(value), &((struct sk_buff *)(void *)(ctx))->field); \
		value;                                                                                           \
	})

#define SKB_BITS(ctx, field)                                                         \
	({                                                                           \
		struct sk_buff *skb = settings.casts_context ? NULL : (void *)(ctx); \
		__u64 bits;                                                          \
		if (settings.casts_context) {                                        \
			skb = bpf_cast_to_kern_ctx(ctx);                             \
			bits = BPF_CORE_READ_BITFIELD(skb, field);                   \
		} else {                                                             \
			bits = BPF_CORE_READ_BITFIELD_PROBED(skb, field);            \
		}                                                                    \
		bits;                                                                \
	})

/* Whether the kernel, or the device, is yet to write a checksum. */
static __always_inline bool has_partial_checksum(struct __sk_buff *ctx)
{
	return SKB_BITS(ctx, ip_summed) == CHECKSUM_PARTIAL;
}

/*
 * The offset in the frame of a place that counts from `head` on. A place before the frame becomes one beyond any
 * frame's end.
 */
static __always_inline __u32 place_in_frame(struct __sk_buff *ctx, __u32 place)
{
	return place - (__u32)((__u64)SKB_FIELD(ctx, data) - (__u64)SKB_FIELD(ctx, head));
}

/* The offset in the frame where a partial checksum's cover begins. */
static __always_inline __u32 checksum_start(struct __sk_buff *ctx)
{
	return place_in_frame(ctx, SKB_FIELD(ctx, csum_start));
}

/* The offset of the checksum in a transport header; 0 for a protocol whose checksum is never left to others. */
static __always_inline __u32 checksum_offset(__u8 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return 16;
	case IPPROTO_UDP:
		return 6;
	case IPPROTO_SCTP:
		return 8;
	case IPPROTO_GRE:
		return 4;
	default:
		return 0;
	}
}

/* Whether another packet, which is not judged, may stand behind the header. */
static __always_inline bool may_be_tunnel(__u8 protocol)
{
	switch (protocol) {
	case IPPROTO_UDP:
	case IPPROTO_GRE:
	case IPPROTO_IPIP:
	case IPPROTO_IPV6:
	case IPPROTO_ESP:
	case IPPROTO_MPLS:
		return true;
	default:
		return false;
	}
}

static __always_inline bool is_ip(const struct bh_packet *packet)
{
	return packet->flags & (BH_PACKET_IPV4 | BH_PACKET_IPV6);
}

static __always_inline bool is_fragment(const struct bh_packet *packet)
{
	return packet->flags & (BH_PACKET_FRAGMENT_FIRST | BH_PACKET_FRAGMENT_LATER);
}

/*
 * Whether a partial checksum will be written into the checksum field of the packet's own transport header, or of what a
 * tunnel carries. In a frame that is neither IP nor ARP nothing behind the ethertype is judged.
 */
static __always_inline bool writes_own_checksum(struct __sk_buff *ctx, const struct bh_scratch *here)
{
	const struct bh_packet *packet = &here->packet;
	__u32 start = checksum_start(ctx);

	if (start >= packet->length)
		return false;
	if (!is_ip(packet))
		return !(packet->flags & BH_PACKET_ARP) && start >= packet->l3_offset;
	if (is_fragment(packet))
		return false;
	/*
	 * An error that `reject` made may quote UDP whose checksum is still open. No checksum of a quotation is judged.
	 */
	if (is_error(packet))
		return here->subject.flags && here->subject.protocol == IPPROTO_UDP &&
		       start == here->subject.l4_offset && SKB_FIELD(ctx, csum_offset) == checksum_offset(IPPROTO_UDP);
	if (start == packet->l4_offset)
		return checksum_offset(packet->protocol) &&
		       SKB_FIELD(ctx, csum_offset) == checksum_offset(packet->protocol);
	if (!may_be_tunnel(packet->protocol) || start < packet->l4_offset + UDP_HEADER)
		return false;
	return packet->protocol != IPPROTO_UDP || SKB_BITS(ctx, encapsulation);
}

static __always_inline __u32 read_gso_type(struct __sk_buff *ctx)
{
	struct skb_shared_info *info = (void *)(SKB_FIELD(ctx, head) + SKB_FIELD(ctx, end));
	__u32 type = 0;

	bpf_probe_read_kernel(&type, sizeof(type), &info->gso_type);
	return type;
}

/* Whether a workload has sent the packet. */
static __always_inline bool is_from_workload(const struct bh_scratch *here, enum bh_hook hook)
{
	struct found_port found;
	struct image image;

	if (hook != BH_HOOK_TC_INGRESS || !image_open_in_force(&image, here))
		return false;
	return find_port(&image, here, &found) && found.port->protects == BH_WORKLOAD;
}

/*
 * Whether each segment of a super-packet will have the headers that were judged. In a list, only the first packet's
 * headers were. The others are alike where the kernel made the list of what a NIC received, but a container that
 * forwards may have changed the first alone. Any other super-packet is cut up to the end of its frame: bytes behind the
 * datagram would become its payload, and the length in its header another.
 */
static __always_inline bool keeps_headers(struct __sk_buff *ctx, const struct bh_scratch *here, enum bh_hook hook,
					  __u32 type)
{
	const struct bh_packet *packet = &here->packet;
	__u32 transport = type & GSO_TRANSPORTS;

	/* Without a type the kernel cuts nothing, and drops the packet where it would have to. */
	if (!type)
		return true;
	if (!is_ip(packet))
		return !(packet->flags & BH_PACKET_ARP);
	if (is_fragment(packet))
		return false;
	if (type & GSO_FRAGLIST && is_from_workload(here, hook))
		return false;
	if (!(type & GSO_FRAGLIST) && packet->end != packet->length)
		return false;
	if (type & GSO_TUNNELS) {
		__u32 inner = place_in_frame(ctx, SKB_FIELD(ctx, inner_mac_header));

		if (!may_be_tunnel(packet->protocol))
			return false;
		return !(type & GSO_FRAMED_TUNNELS) || (inner >= packet->l4_offset + 4 && inner < packet->length);
	}
	switch (packet->protocol) {
	case IPPROTO_TCP:
		return transport == (packet->flags & BH_PACKET_IPV4 ? GSO_TCPV4 : GSO_TCPV6);
	case IPPROTO_UDP:
		/* The first fragment holds the header, and the places of the others count in units of eight bytes. */
		if (transport == GSO_UDP)
			return ctx->gso_size && ctx->gso_size % 8 == 0;
		return transport == GSO_UDP_L4;
	case IPPROTO_SCTP:
		return transport == GSO_SCTP;
	default:
		return false;
	}
}

/*
 * Counts the IP fragments that a datagram becomes. They share out the UDP header too, and repeat what is before it; in
 * IPv6 each has a header more.
 */
static __always_inline void count_fragments(struct __sk_buff *ctx, struct bh_packet *packet)
{
	__u32 data = packet->length - packet->l4_offset, size = ctx->gso_size;

	if (!size || data <= size)
		return;
	packet->segments = (data + size - 1) / size;
	packet->wire_bytes = packet->length + (packet->segments - 1) * packet->l4_offset;
	if (packet->flags & BH_PACKET_IPV6)
		packet->wire_bytes += packet->segments * sizeof(struct extension);
}

/*
 * Refuses a packet that would change after it was judged, and counts fragments, which count_segments() does not know
 * from segments. A global function: verified once.
 */
__noinline int check_offload(struct __sk_buff *ctx, struct bh_scratch *here, __u32 hook)
{
	struct bh_packet *packet;
	__u32 type;

	if (!here)
		return 0;
	packet = &here->packet;
	if (packet->refusal)
		return 0;
	if (has_partial_checksum(ctx) && !writes_own_checksum(ctx, here)) {
		packet->refusal = BH_REASON_MALFORMED;
		return 0;
	}
	if (!ctx->gso_size)
		return 0;
	type = read_gso_type(ctx);
	if (!keeps_headers(ctx, here, hook, type))
		packet->refusal = BH_REASON_MALFORMED;
	else if (type & GSO_UDP && is_ip(packet))
		count_fragments(ctx, packet);
	return 0;
}

#endif
