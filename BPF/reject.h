/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The answer to a rejected packet. It is made of the packet itself and goes back where that came from. TCP gets a
 * reset, all else an ICMP or ICMPv6 error that says "prohibited".
 */
#ifndef BULKHEAD_REJECT_H
#define BULKHEAD_REJECT_H

#include "bucket.h"
#include "flow.h"
#include "offload.h"
#include "station.h"

enum {
	/* The longest answer without its Ethernet header: RFC 1812 for ICMP, RFC 4443 for ICMPv6. */
	ANSWER_V4_MAX = 576,
	ANSWER_V6_MAX = 1280,
	ANSWER_HOPS = 64,
	/* The service of ICMP errors, internetwork control (RFC 1812). */
	CONTROL_SERVICE = 0xc0,
	/* Version and length of an IPv4 header without options. */
	IPV4_FIRST_BYTE = IPV4 << 4 | IPV4_HEADER / 4,
	/* Type and code, as the highest bytes of a word. */
	PROHIBITED_V4 = ICMP_UNREACHABLE << 24 | ICMP_CODE_PROHIBITED << 16,
	PROHIBITED_V6 = ICMPV6_UNREACHABLE << 24 | ICMPV6_CODE_PROHIBITED << 16,
	/* A quotation is summed in pieces of so many bytes. */
	PIECE = 64,
	PIECES = (ANSWER_V6_MAX - IPV6_HEADER) / PIECE + 1,
};

/* Whether an address is one host's own: only such may be answered. */
static __always_inline bool is_one_v4(__u32 address)
{
	return address >> 24 != 0 && address >> 24 != 127 && address >> 28 < 14;
}

static __always_inline bool is_one_v6(__u64 high, __u64 low)
{
	return high >> 56 != 0xff && (high || low > 1);
}

/* Whether a rejected packet is one that RFC 1122 and RFC 4443 let be answered. */
static __always_inline bool is_answerable(const struct bh_packet *packet)
{
	if (packet->flags & BH_PACKET_FRAGMENT_LATER || (packet->source_mac[0] | packet->destination_mac[0]) & 1)
		return false;
	if (packet->flags & BH_PACKET_IPV4) {
		if (!is_one_v4(packet->source_low) || !is_one_v4(packet->destination_low))
			return false;
	} else if (packet->flags & BH_PACKET_IPV6) {
		if (!is_one_v6(packet->source_high, packet->source_low) ||
		    !is_one_v6(packet->destination_high, packet->destination_low))
			return false;
	} else {
		return false;
	}
	if (packet->protocol == IPPROTO_TCP)
		return packet->flags & BH_PACKET_L4 && !(packet->tcp_flags & TCP_RST);
	return !is_icmp(packet) || (packet->flags & BH_PACKET_L4 && is_query(packet));
}

/* Whether the device may send another answer now. */
static __always_inline bool take_answer(const struct bh_scratch *here)
{
	__u32 device = here->device & (BH_DEVICES_MAX - 1);
	struct token_bucket *bucket = bpf_map_lookup_elem(&answers, &device);

	return bucket && take_token(bucket, settings.answer_cost, BH_ANSWER_BURST);
}

/* The checksum that makes up for a sum, as it stands in a header. */
static __always_inline __u16 checksum_of(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static __always_inline __u64 sum_of(void *bytes, __u32 size, __u64 sum)
{
	return sum + (__u32)bpf_csum_diff(NULL, 0, bytes, size, 0);
}

/* Writes the Ethernet addresses, exchanged. A checksum of the whole frame starts behind them. */
static __always_inline long put_addresses(struct __sk_buff *ctx, const struct bh_packet *packet)
{
	__u8 addresses[2 * ETH_ALEN];

	__builtin_memcpy(addresses, packet->source_mac, ETH_ALEN);
	__builtin_memcpy(addresses + ETH_ALEN, packet->destination_mac, ETH_ALEN);
	return bpf_skb_store_bytes(ctx, 0, addresses, sizeof(addresses), 0);
}

/* Writes the answer's IP header at the packet's, and sums its pseudo-header into `sum`. */
static __always_inline long put_ip(struct __sk_buff *ctx, const struct bh_packet *packet, __u8 protocol, __u32 length,
				   __u64 *sum)
{
	__be32 words[10];

	*sum = (__u64)bpf_htonl(length) + bpf_htonl(protocol);
	if (packet->flags & BH_PACKET_IPV4) {
		__u32 service = protocol == IPPROTO_ICMP ? CONTROL_SERVICE : 0;

		words[0] = bpf_htonl(IPV4_FIRST_BYTE << 24 | service << 16 | (IPV4_HEADER + length));
		words[1] = bpf_htonl(IPV4_DONT_FRAGMENT);
		words[2] = bpf_htonl((__u32)ANSWER_HOPS << 24 | (__u32)protocol << 16);
		words[3] = bpf_htonl((__u32)packet->destination_low);
		words[4] = bpf_htonl((__u32)packet->source_low);
		*sum = sum_of(words + 3, 8, *sum);
		((__u16 *)words)[5] = checksum_of(sum_of(words, IPV4_HEADER, 0));
		return bpf_skb_store_bytes(ctx, packet->l3_offset, words, IPV4_HEADER, BPF_F_RECOMPUTE_CSUM);
	}
	words[0] = bpf_htonl((__u32)IPV6 << 28);
	words[1] = bpf_htonl(length << 16 | (__u32)protocol << 8 | ANSWER_HOPS);
	words[2] = bpf_htonl(packet->destination_high >> 32);
	words[3] = bpf_htonl((__u32)packet->destination_high);
	words[4] = bpf_htonl(packet->destination_low >> 32);
	words[5] = bpf_htonl((__u32)packet->destination_low);
	words[6] = bpf_htonl(packet->source_high >> 32);
	words[7] = bpf_htonl((__u32)packet->source_high);
	words[8] = bpf_htonl(packet->source_low >> 32);
	words[9] = bpf_htonl((__u32)packet->source_low);
	*sum = sum_of(words + 2, 32, *sum);
	return bpf_skb_store_bytes(ctx, packet->l3_offset, words, IPV6_HEADER, BPF_F_RECOMPUTE_CSUM);
}

static __always_inline __u32 ip_header_size(const struct bh_packet *packet)
{
	return packet->flags & BH_PACKET_IPV4 ? IPV4_HEADER : IPV6_HEADER;
}

/*
 * A reset with the numbers of RFC 793. Where the packet had options or extension headers, the reset stands before the
 * place of its TCP header. What is left behind the reset is padding, and a checksum that is yet to be written may not
 * lie there.
 */
static __always_inline bool make_reset(struct __sk_buff *ctx, struct bh_scratch *here, int partial)
{
	struct bh_packet *packet = &here->packet;
	__u32 place = packet->l3_offset + ip_header_size(packet), size = place + TCP_HEADER;
	__u32 flags = TCP_RST, sequence = packet->acknowledgement, acknowledgement = 0;
	struct {
		__be32 words[4];
		__u16 checksum;
		__u16 urgent;
	} header;
	__u64 sum;

	if (partial && packet->l4_offset != place)
		return false;
	if (size < packet->l4_offset)
		size = packet->l4_offset;
	if (!(packet->tcp_flags & TCP_ACK)) {
		flags |= TCP_ACK;
		sequence = 0;
		acknowledgement = packet->sequence + packet->payload + !!(packet->tcp_flags & TCP_SYN) +
				  !!(packet->tcp_flags & TCP_FIN);
	}
	header.words[0] = bpf_htonl((__u32)packet->destination_port << 16 | packet->source_port);
	header.words[1] = bpf_htonl(sequence);
	header.words[2] = bpf_htonl(acknowledgement);
	header.words[3] = bpf_htonl(5u << 28 | flags << 16);
	header.checksum = header.urgent = 0;
	if (bpf_skb_change_tail(ctx, size, 0) || put_ip(ctx, packet, IPPROTO_TCP, TCP_HEADER, &sum))
		return false;
	header.checksum = partial ? (__u16)~checksum_of(sum) : checksum_of(sum_of(&header, TCP_HEADER, sum));
	return !bpf_skb_store_bytes(ctx, place, &header, sizeof(header), BPF_F_RECOMPUTE_CSUM);
}

/* What of a quotation is left to be added up. */
struct summing {
	struct __sk_buff *ctx;
	struct bh_scratch *here;
	__u32 offset;
	__u32 count;
	__u32 total;
	__u32 failed;
};

static long sum_piece(__u32 index __attribute__((unused)), struct summing *left)
{
	__u64 piece = left->count > PIECE ? PIECE : left->count;
	struct bh_scratch *here = left->here;

	if (left->count == 0)
		return 1;
	__builtin_memset(here->header, 0, PIECE);
	/* From 1 to PIECE in a form that the verifier of Linux 6.1 follows. */
	asm volatile("" : "+r"(piece));
	piece = ((piece - 1) & (PIECE - 1)) + 1;
	if (bpf_skb_load_bytes(left->ctx, left->offset, here->header, piece)) {
		left->failed = 1;
		return 1;
	}
	left->total = bpf_csum_diff(NULL, 0, (__be32 *)here->header, PIECE, left->total);
	left->offset += piece;
	left->count -= piece;
	return 0;
}

/*
 * Adds up `count` bytes of the frame, from an even number of bytes into the message. False where they are not all
 * there, or too many.
 */
static __always_inline bool sum_quotation(struct __sk_buff *ctx, struct bh_scratch *here, __u32 offset, __u32 count,
					  __u64 *sum)
{
	struct summing left = { .ctx = ctx, .here = here, .offset = offset, .count = count };

	bpf_loop(PIECES, sum_piece, &left, 0);
	*sum += left.total;
	return left.count == 0 && !left.failed;
}

/*
 * An ICMP error that quotes the packet from its IP header on. The packet stays where it is, and the answer's headers
 * are put before it. A checksum that is yet to be written is that of UDP in the quotation. What it will be is known: it
 * makes the sum from the UDP header on the complement of what stands there now.
 */
static __always_inline bool make_error(struct __sk_buff *ctx, struct bh_scratch *here, int partial)
{
	struct bh_packet *packet = &here->packet;
	bool v4 = packet->flags & BH_PACKET_IPV4;
	__u32 start = packet->l3_offset, room = ip_header_size(packet) + ICMP_HEADER, quoted;
	__u32 end = start + (v4 ? ANSWER_V4_MAX : ANSWER_V6_MAX) - room, summed;
	__be32 icmp[2] = { bpf_htonl(v4 ? PROHIBITED_V4 : PROHIBITED_V6), 0 };
	__be16 ethertypes[6], seed = 0;
	__u64 sum, tags;

	if (end > packet->end)
		end = packet->end;
	if (end > ctx->len)
		end = ctx->len;
	summed = end;
	if (partial) {
		summed = packet->l4_offset;
		if (packet->protocol != IPPROTO_UDP || summed + UDP_HEADER > end ||
		    bpf_skb_load_bytes(ctx, summed + checksum_offset(IPPROTO_UDP), &seed, sizeof(seed)))
			return false;
	}
	tags = start - 2 * ETH_ALEN;
	asm volatile("" : "+r"(tags));
	tags = ((tags - 1) & 15) + 1;
	if (end <= start || tags > sizeof(ethertypes) || bpf_skb_load_bytes(ctx, 2 * ETH_ALEN, ethertypes, tags))
		return false;
	quoted = end - start;
	if (bpf_skb_change_tail(ctx, end, 0) || bpf_skb_change_head(ctx, room, 0))
		return false;
	if (bpf_skb_store_bytes(ctx, 2 * ETH_ALEN, ethertypes, tags, 0) ||
	    put_ip(ctx, packet, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, ICMP_HEADER + quoted, &sum))
		return false;
	/* ICMP has no pseudo-header. */
	if (v4)
		sum = 0;
	sum += icmp[0] + (__u16)~seed * !!partial;
	if (!sum_quotation(ctx, here, start + room, summed - start, &sum))
		return false;
	((__u16 *)icmp)[1] = checksum_of(sum);
	return !bpf_skb_store_bytes(ctx, start + room - ICMP_HEADER, icmp, sizeof(icmp), BPF_F_RECOMPUTE_CSUM);
}

/*
 * Turns a rejected packet into its answer, marked as ours. Returns 0 where there is to be none; the packet is spoilt
 * then. A super-packet is answered once. At a host's device, a frame for another host is not answered: a switch may
 * have flooded it. A frame for another device of this host is answered, from the address that it was sent to. A global
 * function: verified once.
 */
__noinline int make_answer(struct __sk_buff *ctx, struct bh_scratch *here, __u32 hook)
{
	const struct bh_packet *packet;
	int partial;

	if (!here)
		return 0;
	packet = &here->packet;
	if (!is_answerable(packet))
		return 0;
	if (hook == BH_HOOK_TC_INGRESS && here->judgement.direction == BH_IN && ctx->pkt_type == PACKET_OTHERHOST &&
	    !settings.answers_all && !is_station(here))
		return 0;
	if (!take_answer(here))
		return 0;
	partial = has_partial_checksum(ctx);
	/* A checksum of what a tunnel carries would be written into the answer. */
	if (partial && checksum_start(ctx) != packet->l4_offset)
		return 0;
	if (packet->protocol == IPPROTO_TCP ? !make_reset(ctx, here, partial) : !make_error(ctx, here, partial))
		return 0;
	if (put_addresses(ctx, packet))
		return 0;
	ctx->mark = settings.answer_mark;
	return 1;
}

/*
 * Whether this is one of our answers, which comes back at the device's other hook and crosses it unjudged and
 * uncounted. The mark is random, nothing that came over a wire or through a veth has one, and it goes no further. What
 * leaves by a macvlan may have any mark; but this device did not receive it, as it received what an answer is made of.
 */
static __always_inline bool is_answer(struct __sk_buff *ctx, enum bh_hook hook)
{
	if (ctx->mark != settings.answer_mark)
		return false;
	if (hook == BH_HOOK_TC_EGRESS && ctx->ingress_ifindex != ctx->ifindex)
		return false;
	ctx->mark = 0;
	return true;
}

#endif
