/* Flows: which packets have one, the key, how long one lasts, and finding a packet's own. */
#ifndef BULKHEAD_FLOW_H
#define BULKHEAD_FLOW_H

#include "clock.h"
#include "packet.h"

#define TCP_FIN 1
#define TCP_SYN 2
#define TCP_RST 4
#define TCP_ACK 16

#define ICMP_ECHO_REPLY 0
#define ICMP_ECHO_REQUEST 8
#define ICMPV6_ECHO_REQUEST 128
#define ICMPV6_ECHO_REPLY 129

/* The VLANs' part of the fourth word of a key counts, unless the program may not see tags. */
#ifdef TAGS_MAY_BE_HIDDEN
#define KEY_PORTS_MASK 0x00000000ffffffffull
#else
#define KEY_PORTS_MASK 0xffffffffffffffffull
#endif

static __always_inline bool is_echo_request(const struct bh_packet *packet)
{
	return (packet->protocol == IPPROTO_ICMP && packet->type == ICMP_ECHO_REQUEST) ||
	       (packet->protocol == IPPROTO_ICMPV6 && packet->type == ICMPV6_ECHO_REQUEST);
}

static __always_inline bool is_echo(const struct bh_packet *packet)
{
	return is_echo_request(packet) || (packet->protocol == IPPROTO_ICMP && packet->type == ICMP_ECHO_REPLY) ||
	       (packet->protocol == IPPROTO_ICMPV6 && packet->type == ICMPV6_ECHO_REPLY);
}

static __always_inline bool is_icmp(const struct bh_packet *packet)
{
	return packet->protocol == (packet->flags & BH_PACKET_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

/* Whether packets of this kind have flows: every IP packet but ICMP messages other than echo. */
static __always_inline bool is_tracked(const struct bh_packet *packet)
{
	if (!(packet->flags & (BH_PACKET_IPV4 | BH_PACKET_IPV6)))
		return false;
	return !is_icmp(packet) || is_echo(packet);
}

/* Whether the packet may be the first of its flow: for TCP a bare SYN, for ICMP a request. */
static __always_inline bool is_opening(const struct bh_packet *packet)
{
	if (packet->protocol == IPPROTO_TCP)
		return (packet->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
	return !is_icmp(packet) || is_echo_request(packet);
}

static __always_inline __u64 mix(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 32;
}

/*
 * Writes the key of a packet that crosses the port in `direction`, and its hash. Both directions of a connection have the same. The VLANs are
 * no part of the hash, so that a program that may not see them finds the bucket.
 */
static __always_inline void make_key(struct bh_scratch *here, const struct bh_packet *packet, __u32 direction)
{
	struct bh_flow_key *key = &here->key;
	__u16 source_port = packet->source_port, destination_port = packet->destination_port;
	__u64 hash;
	bool forward;

	if (is_icmp(packet))
		source_port = destination_port = packet->echo;
	if (packet->source_high != packet->destination_high)
		forward = packet->source_high < packet->destination_high;
	else if (packet->source_low != packet->destination_low)
		forward = packet->source_low < packet->destination_low;
	else
		forward = source_port <= destination_port;
	key->first_high = forward ? packet->source_high : packet->destination_high;
	key->first_low = forward ? packet->source_low : packet->destination_low;
	key->second_high = forward ? packet->destination_high : packet->source_high;
	key->second_low = forward ? packet->destination_low : packet->source_low;
	key->first_port = forward ? source_port : destination_port;
	key->second_port = forward ? destination_port : source_port;
	key->outer_vlan = here->packet.outer_vlan;
	key->inner_vlan = here->packet.inner_vlan;
	key->scope = here->scope;
	key->protocol = packet->protocol;
	key->family = packet->flags & BH_PACKET_IPV6 ? 6 : 4;
	key->direction = forward ? direction : !direction;
	__builtin_memset(key->pad, 0, sizeof(key->pad));
	here->forward = forward;
	hash = mix(settings.flow_secret[0] ^ key->direction, key->first_high ^ (__u64)here->scope << 48 ^ (__u64)packet->protocol << 40);
	hash = mix(hash, key->first_low);
	hash = mix(hash, key->second_high);
	hash = mix(hash, key->second_low);
	hash = mix(hash, (settings.flow_secret[1] ^ ((__u64)key->first_port << 16 | key->second_port)));
	here->hash = (__u32)hash ? (__u32)hash : 1;
}

static __always_inline bool same_key(const struct bh_flow_key *left, const struct bh_flow_key *right)
{
	const __u64 *a = (const __u64 *)left, *b = (const __u64 *)right;

	/* Without a branch for each word: the tag has all but told already, and the verifier follows each branch of each place. */
	return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[5] ^ b[5]) |
		 ((a[4] ^ b[4]) & KEY_PORTS_MASK));
}

/* Jiffies after which a flow that is not seen is gone. RFC 5382 asks 2 h 4 min of an established TCP connection. */
static __always_inline __u32 flow_timeout(const struct bh_flow *flow)
{
	__u32 seconds;

	switch (flow->state) {
	case BH_FLOW_OPENING:
		seconds = 30;
		break;
	case BH_FLOW_ANSWERED:
		seconds = flow->flags & BH_FLOW_TCP ? 60 : 120;
		break;
	case BH_FLOW_ESTABLISHED:
		seconds = flow->flags & BH_FLOW_TCP ? 7500 : flow->key.protocol == IPPROTO_SCTP ? 7500 : 180;
		break;
	case BH_FLOW_CLOSING:
		seconds = 120;
		break;
	default:
		seconds = 10;
		break;
	}
	return seconds * settings.ticks_per_second;
}

static __always_inline bool is_expired(const struct bh_flow *flow, __u32 now)
{
	/* Another CPU may have seen it a moment after `now` was read. */
	__u32 slack = settings.ticks_per_second;

	return now - flow->seen + slack > flow->timeout + slack;
}

static __always_inline struct flow_bucket *bucket_of(__u32 hash)
{
	__u32 index = hash & (BH_FLOW_BUCKETS - 1);

	return bpf_map_lookup_elem(&flow_buckets, &index);
}

/* The hints of a hash's bucket. */
static __always_inline __u16 *hints_of(__u32 hash)
{
	__u32 number = hash & (BH_FLOW_BUCKETS - 1), index = number / BH_FLOW_HINTS;
	struct flow_hints *line = bpf_map_lookup_elem(&flow_hints, &index);

	return line ? &line->hints[number % BH_FLOW_HINTS] : NULL;
}

/* The bit that a tag sets in its bucket's hints: of its hash, one that does not choose the bucket. */
static __always_inline __u16 hint(__u32 tag)
{
	return 1 << (tag >> 28);
}

/* Has the hints say which tags there are now. The bucket is locked. */
static __always_inline void update_hints(__u16 *hints, const struct flow_bucket *bucket)
{
	__u16 all = 0;

#pragma unroll
	for (int way = 0; way < BH_FLOW_WAYS; way++)
		all |= bucket->tags[way] ? hint(bucket->tags[way]) : 0;
	*(volatile __u16 *)hints = all;
}

/* The flows of a hash's bucket. */
static __always_inline struct bh_flow *flows_of(__u32 hash)
{
	__u32 index = hash & (BH_FLOW_BUCKETS - 1);
	struct bh_flow_ways *ways = bpf_map_lookup_elem(&flows, &index);

	return ways ? ways->flows : NULL;
}

/* The flow that was found for a packet, if its place still is its own. */
static __always_inline struct bh_flow *found_flow(const struct bh_scratch *here)
{
	__u32 slot = here->flow - 1, way = slot % BH_FLOW_WAYS;
	struct flow_bucket *bucket = bucket_of(slot / BH_FLOW_WAYS);
	struct bh_flow *flows = flows_of(slot / BH_FLOW_WAYS);

	if (!bucket || !flows || *(volatile __u32 *)&bucket->tags[way] != here->hash)
		return NULL;
	return &flows[way];
}

/*
 * Finds the flow of here->key: its slot counted from 1, or 0. Reads without the lock: a place that is being replaced shows another
 * tag before its key changes and after.
 */
static __noinline __u32 find_flow(const struct bh_scratch *here)
{
	__u32 hash = here->hash, now;
	const __u16 *hints = hints_of(hash);
	struct flow_bucket *bucket;
	struct bh_flow *flows;

	if (!hints || !(*hints & hint(hash)))
		return 0;
	bucket = bucket_of(hash);
	flows = flows_of(hash);
	if (!bucket || !flows)
		return 0;
	now = ticks_now(here);
	for (__u32 way = 0; way < BH_FLOW_WAYS; way++) {
		struct bh_flow *flow = &flows[way];

		if (*(volatile __u32 *)&bucket->tags[way] != hash)
			continue;
		if (!same_key(&flow->key, &here->key) || *(volatile __u32 *)&bucket->tags[way] != hash)
			continue;
		if (!is_expired(flow, now))
			return (hash & (BH_FLOW_BUCKETS - 1)) * BH_FLOW_WAYS + way + 1;
	}
	return 0;
}

#endif
