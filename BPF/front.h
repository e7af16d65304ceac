/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The front: the short way of packets of plain shapes whose like were judged before. Each CPU keeps answers, one line
 * of the cache for two. docs/decisions/front.md says why an answer is right as long as its version is the stamp's.
 *
 * A plain packet is IPv4 without options and fragments, or IPv6 without extension headers, with one tag at most, and
 * with UDP, a bare SYN, or TCP with neither SYN nor RST; whole, and not DHCP.
 */
#ifndef BULKHEAD_FRONT_H
#define BULKHEAD_FRONT_H

#include "count.h"
#include "flow_state.h"
#include "front_lines.h"
#include "front_read.h"
#include "front_score.h"

enum front_end {
	FRONT_NONE, /* the packet goes the general way */
	FRONT_DROP,
	FRONT_PASS,
};

/* Both ports of DHCP, for IPv4 and IPv6: what cannot be done without is not asked of the rules. */
static __always_inline bool is_dhcp_port(__u16 port)
{
	return port == DHCP_CLIENT_PORT || port == DHCP_SERVER_PORT || port == DHCPV6_CLIENT_PORT ||
	       port == DHCPV6_SERVER_PORT;
}

/* Reads the transport header; returns enum plain_shape, or 0. `room`: bytes of it and its payload. */
static __always_inline __u32 read_plain_transport(const __u8 *header, const __u8 *end, __u32 room,
						  struct bh_scratch *here)
{
	struct bh_packet *packet = &here->packet;
	const __be16 *half = (const __be16 *)header;
	const __be32 *word = (const __be32 *)header;
	__u32 length;

	here->front.ports = *word;
	packet->source_port = bpf_ntohs(half[0]);
	packet->destination_port = bpf_ntohs(half[1]);
	if (packet->protocol == IPPROTO_UDP) {
		length = bpf_ntohs(half[2]);
		if (length < UDP_HEADER || length > room || is_dhcp_port(packet->source_port) ||
		    is_dhcp_port(packet->destination_port))
			return 0;
		packet->payload = room - UDP_HEADER;
		return SHAPE_UDP;
	}
	if (packet->protocol != IPPROTO_TCP || header + TCP_HEADER > end)
		return 0;
	length = (header[12] >> 4) * 4;
	/* Options too must be where no sender can write any more, see read_frame(). */
	if (length < TCP_HEADER || length > room || header + length > end)
		return 0;
	packet->payload = room - length;
	packet->tcp_flags = header[13];
	if (packet->tcp_flags & TCP_SYN)
		return (packet->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN ? SHAPE_SYN : 0;
	packet->sequence = bpf_ntohl(word[1]);
	packet->acknowledgement = bpf_ntohl(word[2]);
	packet->window = bpf_ntohs(half[7]);
	return packet->tcp_flags & TCP_RST ? 0 : SHAPE_TCP;
}

/* Reads IPv4, of which there are at least IPV4_HEADER + UDP_HEADER bytes; returns enum plain_shape, or 0. */
static __always_inline __u32 read_plain_v4(const __u8 *ip, const __u8 *end, struct bh_scratch *here)
{
	const struct iphdr *header = (const void *)ip;
	__u32 total = bpf_ntohs(header->tot_len), offset = here->packet.l3_offset;

	if (*ip != (IPV4 << 4 | IPV4_HEADER / 4) || header->frag_off & bpf_htons(IPV4_IS_FRAGMENT) ||
	    offset + total > here->frame_length || total < IPV4_HEADER + UDP_HEADER)
		return 0;
	here->packet.flags = BH_PACKET_IPV4 | BH_PACKET_L4;
	here->packet.protocol = header->protocol;
	here->packet.l4_offset = offset + IPV4_HEADER;
	here->packet.end = offset + total;
	here->front.addresses[0] = *(const __u64 *)&header->saddr;
	return read_plain_transport(ip + IPV4_HEADER, end, total - IPV4_HEADER, here);
}

/* Reads IPv6; returns enum plain_shape, or 0. */
static __always_inline __u32 read_plain_v6(const __u8 *ip, const __u8 *end, struct bh_scratch *here)
{
	const struct ipv6hdr *header = (const void *)ip;
	const __u64 *addresses = (const __u64 *)&header->saddr;
	__u32 room, shape, offset = here->packet.l3_offset;

	if (ip + IPV6_HEADER + UDP_HEADER > end)
		return 0;
	room = bpf_ntohs(header->payload_len);
	if (*ip >> 4 != IPV6 || offset + IPV6_HEADER + room > here->frame_length || room < UDP_HEADER)
		return 0;
	here->packet.flags = BH_PACKET_IPV6 | BH_PACKET_L4;
	here->packet.protocol = header->nexthdr;
	here->packet.l4_offset = offset + IPV6_HEADER;
	here->packet.end = offset + IPV6_HEADER + room;
	for (int i = 0; i < 4; i++)
		here->front.addresses[i] = addresses[i];
	shape = read_plain_transport(ip + IPV6_HEADER, end, room, here);
	return shape ? shape | SHAPE_IPV6 : 0;
}

/*
 * Reads what comes after the MAC addresses; returns enum plain_shape, or 0. `tag`: what stands in the frame's metadata,
 * as in struct bh_front_key. With a second one the packet is not plain.
 */
static __always_inline __u32 read_plain_link(const __u8 *data, const __u8 *end, __u32 tag, struct bh_scratch *here)
{
	const __u8 *ip = data + ETHERNET_HEADER;
	__be16 ethertype;

	if (ip + IPV4_HEADER + UDP_HEADER > end)
		return 0;
	ethertype = *(const __be16 *)(data + 2 * ETH_ALEN);
	here->packet.l3_offset = ETHERNET_HEADER;
	if (!tag && is_vlan(ethertype)) {
		tag = BH_FRONT_TAGGED | (bpf_ntohs(*(const __be16 *)ip) & (BH_FRONT_TAGGED - 1));
		ethertype = *(const __be16 *)(ip + 2);
		ip += VLAN_HEADER;
		here->packet.l3_offset = ETHERNET_HEADER + VLAN_HEADER;
		if (ip + IPV4_HEADER + UDP_HEADER > end)
			return 0;
	}
	here->front.tag = tag;
	if (ethertype == bpf_htons(ETH_P_IP)) {
		if (tag)
			here->front.addresses[1] = here->front.addresses[2] = here->front.addresses[3] = 0;
		return read_plain_v4(ip, end, here);
	}
	return ethertype == bpf_htons(ETH_P_IPV6) ? read_plain_v6(ip, end, here) : 0;
}

/*
 * Writes the key of a plain packet, and what its flow needs of it; false for any other. `tag`: that of the frame's
 * metadata, as in read_plain_link().
 */
static __always_inline bool read_plain(const __u8 *data, const __u8 *end, __u32 tag, bool egress,
				       struct bh_scratch *here)
{
	const __u64 mac = (1ull << LINK_SHIFT) - 1;
	struct bh_front_key *key = &here->front;
	struct bh_packet *packet = &here->packet;
	__u64 stamped = stamp_now(here);
	__u32 shape;

	if (stamped >> 32 & BH_STAMP_CLOSED)
		return false;
	shape = read_plain_link(data, end, tag, here);
	/* The compiler may read the MAC addresses anew, so it is to know that they are there. */
	if (!shape || data + ETHERNET_HEADER > end)
		return false;
	packet->length = here->frame_length;
	packet->segments = 1;
	packet->wire_bytes = here->frame_length;
	packet->vlan_tags = !!key->tag;
	packet->refusal = BH_REASON_NONE;
	/* Guards ask for the MAC address of the end that is beyond the hook. */
	key->link = *(const __u64 *)(data + (egress ? 0 : ETH_ALEN)) & mac;
	key->link |= (__u64)(here->device << SHAPE_BITS | (egress ? SHAPE_EGRESS : 0) | shape) << LINK_SHIFT;
	key->version = stamped;
	key->hash = hash_front_key(key);
	return true;
}

/* Whether there may be a flow of this hash: its packets are the flow's, and no rule's. */
static __always_inline bool may_have_flow(__u32 hash)
{
	const __u16 *hints = hints_of(hash);
	const struct bh_flow_bucket *home;
	bool found;

	if (!hints)
		return true;
	if (!(*(volatile const __u16 *)hints & hint(hash)))
		return false;
	home = bucket_at(home_of(hash));
	if (!home)
		return true;
	found = home->overflow;
#pragma unroll
	for (int way = 0; way < BH_FLOW_WAYS; way++)
		found |= *(volatile const __u32 *)&home->tags[way] == hash;
	return found;
}

/*
 * Whether the flow that an answer names is the packet's own. Its bucket, another line, need not be read: a place that
 * is free, or being given to another flow, has generation 0, which goes_on() refuses.
 */
static __always_inline bool is_flow_of(const struct bh_flow *flow, const struct bh_scratch *here, __u32 result)
{
	const struct bh_packet *packet = &here->packet;
	struct ends ends = front_ends(&here->front);
	bool out = result & RESULT_OUT;
	struct bh_flow_key wanted = {};

	wanted.first_high = out ? ends.source_high : ends.destination_high;
	wanted.first_low = out ? ends.source_low : ends.destination_low;
	wanted.second_high = out ? ends.destination_high : ends.source_high;
	wanted.second_low = out ? ends.destination_low : ends.source_low;
	wanted.first_port = out ? packet->source_port : packet->destination_port;
	wanted.second_port = out ? packet->destination_port : packet->source_port;
	wanted.outer_vlan = front_vlan(&here->front);
	wanted.scope = result & RESULT_SCOPE;
	wanted.protocol = packet->protocol;
	wanted.family = packet->flags & BH_PACKET_IPV6 ? 6 : 4;
	wanted.direction = BH_OUT;
	return same_key(&flow->key, &wanted);
}

/*
 * Whether another packet from this end changes nothing but the flow's time, see advance_other(). For protocols other
 * than TCP.
 */
static __always_inline bool only_refreshes(const struct bh_flow *flow, bool answer)
{
	const __u16 seen = BH_FLOW_ADOPTED | BH_FLOW_SEEN_OPENER | BH_FLOW_SEEN_ANSWERER;

	if (flow->state == BH_FLOW_OPENING)
		return !answer && (flow->flags & seen) == BH_FLOW_SEEN_OPENER;
	return flow->state == BH_FLOW_ESTABLISHED || (flow->state == BH_FLOW_ANSWERED && answer);
}

/*
 * Whether the packet simply goes on in its flow, which it then does. Anything else goes the general way, and so does a
 * flow that may have to be judged again.
 */
static __always_inline bool goes_on(struct bh_flow *flow, const struct bh_scratch *here, __u32 result)
{
	__u32 now = ticks_now(here), generation = result >> RESULT_GENERATION_SHIFT & RESULT_GENERATION;
	/* Read first: it is written last. */
	__u32 judged = *(volatile const __u32 *)&flow->generation;
	bool answer = !!(result & RESULT_OUT) != flow->opener_is_first;

	/* No rule has said anything yet of a flow of generation 0, see spared.h; or there is no flow any more. */
	if (!judged || (judged & RESULT_GENERATION) != generation)
		return false;
	JOIN_PATHS();
	if (flow->flags & (BH_FLOW_LAPSES | BH_FLOW_MEMBERS | BH_FLOW_METERED) || is_expired(flow, now))
		return false;
	if (here->packet.protocol != IPPROTO_TCP) {
		if (!only_refreshes(flow, answer))
			return false;
		if (flow->seen != now)
			refresh(flow, now);
		return true;
	}
	if (flow->state != BH_FLOW_ESTABLISHED || !fits(flow, &here->packet, answer))
		return false;
	advance_within(flow, &here->packet, answer);
	/* Another state may have another timeout. */
	refresh(flow, now);
	return true;
}

/* Takes the packet for its flow's, if it is. */
static __always_inline enum front_end front_flow(struct bh_scratch *here, __u32 result)
{
	__u32 way = result >> RESULT_WAY_SHIFT & (BH_FLOW_WAYS - 1);
	__u32 index = result & RESULT_RESERVE ? reserve_of(result & RESULT_SCOPE) : home_of(here->hash);
	struct bh_flow *flows = flows_at(index), *flow;

	if (!flows)
		return FRONT_NONE;
	flow = &flows[way];
	if (!is_flow_of(flow, here, result) || !goes_on(flow, here, result))
		return FRONT_NONE;
	here->judgement.counter = flow->counter;
	here->judgement.reason = BH_REASON_ESTABLISHED;
	return FRONT_PASS;
}

/* What the rules, or a default, said of a packet like this one, as long as no flow came into being. */
static __always_inline enum front_end front_rules(struct bh_scratch *here, __u32 result)
{
	__u32 counter = result & RESULT_COUNTER;

	if (!is_plain_syn(&here->front) && may_have_flow(here->hash))
		return FRONT_NONE;
	here->judgement.counter = counter - 1;
	here->judgement.reason = result >> RESULT_REASON_SHIFT & RESULT_REASON;
	if (may_be_read(result, here))
		return FRONT_NONE;
	return (result & RESULT_KIND) == RESULT_DROP ? FRONT_DROP : FRONT_PASS;
}

/* Passes the packet at XDP, where that says nothing of it. */
static __always_inline enum front_end leave_to_tc(struct bh_scratch *here)
{
	here->judgement.counter = BH_NONE;
	here->judgement.reason = BH_REASON_NONE;
	return FRONT_PASS;
}

/* What is to be done with the packet by a result of the rules. XDP passes on what tc may accept. */
static __always_inline enum front_end front_said(struct bh_scratch *here, __u32 result, __u32 hook)
{
	if (hook && (result & RESULT_KIND) == RESULT_ACCEPT)
		return leave_to_tc(here);
	return front_rules(here, result);
}

/* The same by any result. */
static __always_inline enum front_end front_result(struct bh_scratch *here, __u32 result, __u32 hook)
{
	if ((result & RESULT_KIND) != RESULT_FLOW)
		return front_said(here, result, hook);
	if (hook)
		return may_have_flow(here->hash) ? leave_to_tc(here) : FRONT_NONE;
	return front_flow(here, result);
}

/* Writes and counts what was done with the packet by a result, unless it goes the general way. */
static __always_inline void front_conclude(struct bh_scratch *here, __u32 result, __u32 hook, enum front_end end)
{
	if (end == FRONT_NONE)
		return;
	here->front.answered = 1;
	here->judgement.rule = BH_NONE;
	here->judgement.direction = result & RESULT_OUT ? BH_OUT : BH_IN;
	here->judgement.verdict = end == FRONT_DROP ? BH_DROP : BH_ACCEPT;
	/* XDP counts only what it drops. */
	if (!hook || end == FRONT_DROP)
		count_packet(here);
}

/* Judges the packet by the answer to its like, if there is one. `hook`: RESULT_XDP or 0. */
static __always_inline enum front_end front_judge(struct bh_scratch *here, __u32 hook)
{
	enum front_end end = FRONT_NONE;
	const struct answer *answer;

	if (!(here->front.kinds & 1 << BH_ANSWER_EXACT))
		return FRONT_NONE;
	answer = find_answer(here, hook);
	if (answer) {
		__u32 result = answer->result;

		here->hash = answer->flow;
		end = front_result(here, result, hook);
		JOIN_PATHS();
		front_conclude(here, result, hook, end);
		/* Whatever keeps the packet from its own answer keeps it from that to its class. */
		if (end == FRONT_NONE)
			here->front.kinds = 1 << BH_ANSWER_EXACT;
	}
	if (answer)
		note_use(score_of(here, hook, BH_ANSWER_EXACT), end != FRONT_NONE);
	else
		note_new(here, hook, BH_ANSWER_EXACT,
			 is_crowded(here, answer_block_of(here->front.hash), here->front.hash,
				    needs_line(&here->front)));
	return end;
}

#endif
