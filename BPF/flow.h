/* SPDX-License-Identifier: GPL-2.0-only */
/* Flows: which packets have one, its key, how long it lasts, and how a packet finds its own. */
#ifndef BULKHEAD_FLOW_H
#define BULKHEAD_FLOW_H

#include "clock.h"
#include "icmp.h"
#include "packet.h"

/* Whether what a flow carries takes of its rule's limit. */
enum metered {
	METERED_NOT,
	METERED_OPENER,   /* or a packet that opens a flow */
	METERED_ANSWERER, /* whose packets have the opener's ends the other way round */
};

/* Which bits of a key's ports and VLANs are compared: not the VLANs where the program may not see tags. */
#ifdef TAGS_MAY_BE_HIDDEN
#define KEY_PORTS_MASK 0x00000000ffffffffull
#else
#define KEY_PORTS_MASK 0xffffffffffffffffull
#endif

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

/* A keyed hash of a key without its VLANs; never 0. */
static __always_inline __u32 key_hash(const struct bh_flow_key *key)
{
	struct bh_sip sip = bh_sip_start(settings.flow_secret[0], settings.flow_secret[1]);
	__u32 hash;

	bh_sip_add(&sip, (__u64)key->first_port << 48 | (__u64)key->second_port << 32 | (__u32)key->scope << 16 |
				 key->protocol << 8 | key->family << 1 | key->direction);
	if (key->family == 4) {
		bh_sip_add(&sip, key->first_low << 32 | key->second_low);
	} else {
		bh_sip_add(&sip, key->first_high);
		bh_sip_add(&sip, key->first_low);
		bh_sip_add(&sip, key->second_high);
		bh_sip_add(&sip, key->second_low);
	}
	hash = bh_sip_end(&sip);
	return hash ? hash : 1;
}

/*
 * Writes the key of a packet that crosses the port in `direction`, and its hash. Both directions of a connection have
 * the same key. The VLANs are not part of the hash, so that a program that may not see them finds the bucket.
 */
static __always_inline void make_key(struct bh_scratch *here, const struct bh_packet *packet, __u32 direction)
{
	struct bh_flow_key *key = &here->key;
	__u16 source_port = packet->source_port, destination_port = packet->destination_port;
	bool forward = direction == BH_OUT;

	/*
	 * Requests each way are two conversations, whatever their identifiers: no two identifiers have the same pair,
	 * turned round or not.
	 */
	if (is_icmp(packet)) {
		__u16 next = packet->echo + 1;

		source_port = is_echo_request(packet) ? packet->echo : next;
		destination_port = is_echo_request(packet) ? next : packet->echo;
	}
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
	key->direction = BH_OUT;
	/* A flow that was accepted behind an authentication header admits nothing without one. */
	key->authenticated = !!(packet->flags & BH_PACKET_AUTHENTICATION);
	__builtin_memset(key->pad, 0, sizeof(key->pad));
	here->forward = forward;
	here->hash = key_hash(key);
}

static __always_inline bool same_key(const struct bh_flow_key *left, const struct bh_flow_key *right)
{
	const __u64 *a = (const __u64 *)left, *b = (const __u64 *)right;

	/*
	 * Without a branch per word: the tags being equal, the keys nearly always are, and the verifier would follow
	 * each branch.
	 */
	return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[5] ^ b[5]) |
		 ((a[4] ^ b[4]) & KEY_PORTS_MASK));
}

/*
 * Seconds after which a flow that is not seen is gone. A SYN that came over a connection waits for its answer, whatever
 * becomes of the connection.
 */
static __always_inline __u32 flow_seconds(const struct bh_flow *flow)
{
	__u32 closed = flow->attempt.from ? BH_SECONDS_ATTEMPT : BH_SECONDS_CLOSED;

	if (flow->flags & BH_FLOW_DOUBTED)
		return closed;
	switch (flow->state) {
	case BH_FLOW_OPENING:
		return BH_SECONDS_OPENING;
	case BH_FLOW_ANSWERED:
		return flow->flags & BH_FLOW_TCP ? BH_SECONDS_ANSWERED_TCP : BH_SECONDS_ANSWERED;
	case BH_FLOW_ESTABLISHED:
		return flow->flags & BH_FLOW_TCP || flow->key.protocol == IPPROTO_SCTP ? BH_SECONDS_ESTABLISHED_TCP :
											 BH_SECONDS_ESTABLISHED;
	case BH_FLOW_CLOSING:
		return BH_SECONDS_CLOSING;
	default:
		return closed;
	}
}

/* The same in jiffies. */
static __always_inline __u32 flow_timeout(const struct bh_flow *flow)
{
	return flow_seconds(flow) * settings.ticks_per_second;
}

static __always_inline bool is_expired(const struct bh_flow *flow, __u32 now)
{
	/* Another CPU may have seen it a moment after `now` was read. */
	__u32 slack = settings.ticks_per_second;

	return now - flow->seen + slack > flow->timeout + slack;
}

/* The number of a hash's bucket. */
static __always_inline __u32 home_of(__u32 hash)
{
	return hash & (BH_FLOW_BUCKETS - 1);
}

/* The number of the bucket that is a scope's reserve. */
static __always_inline __u32 reserve_of(__u32 scope)
{
	return BH_FLOW_BUCKETS + (scope & (BH_SCOPES_MAX - 1));
}

static __always_inline struct bh_flow_bucket *bucket_at(__u32 index)
{
	return bpf_map_lookup_elem(&flow_buckets, &index);
}

/* The hints of a hash's bucket. */
static __always_inline __u16 *hints_of(__u32 hash)
{
	__u32 number = home_of(hash), index = number / BH_FLOW_HINTS;
	struct flow_hints *line = bpf_map_lookup_elem(&flow_hints, &index);

	return line ? &line->hints[number % BH_FLOW_HINTS] : NULL;
}

/* The bit that a tag sets in its bucket's hints, by bits of the hash that do not choose the bucket. */
static __always_inline __u16 hint(__u32 tag)
{
	return 1 << (tag >> 28);
}

/*
 * Sets the hints of the tags that are there now; all hints where flows of the bucket are in a reserve. The bucket is
 * locked.
 */
static __always_inline void update_hints(__u16 *hints, const struct bh_flow_bucket *bucket)
{
	__u16 all = bucket->overflow ? 0xffff : 0;

#pragma unroll
	for (int way = 0; way < BH_FLOW_WAYS; way++)
		all |= bucket->tags[way] ? hint(bucket->tags[way]) : 0;
	*(volatile __u16 *)hints = all;
}

/* The flows of a bucket. */
static __always_inline struct bh_flow *flows_at(__u32 index)
{
	struct bh_flow_ways *ways = bpf_map_lookup_elem(&flows, &index);

	return ways ? ways->flows : NULL;
}

/* The flow that was found for a packet, if its place still is its own. */
static __always_inline struct bh_flow *found_flow(const struct bh_scratch *here)
{
	__u32 slot = here->flow - 1, way = slot % BH_FLOW_WAYS;
	struct bh_flow_bucket *bucket = bucket_at(slot / BH_FLOW_WAYS);
	struct bh_flow *flows = flows_at(slot / BH_FLOW_WAYS);

	if (!bucket || !flows || *(volatile __u32 *)&bucket->tags[way] != here->hash)
		return NULL;
	return &flows[way];
}

/*
 * Finds the flow of here->key in a bucket: its slot counted from 1, or 0. It reads without the lock, because a place
 * that is being replaced shows another tag before its key changes and after.
 */
static __noinline __u32 find_in_bucket(const struct bh_scratch *here, __u32 index)
{
	struct bh_flow_bucket *bucket = bucket_at(index);
	struct bh_flow *flows = flows_at(index);
	__u32 hash = here->hash, now;

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
			return index * BH_FLOW_WAYS + way + 1;
	}
	return 0;
}

/* Finds the flow of here->key in its bucket or its scope's reserve. */
static __always_inline __u32 find_flow(const struct bh_scratch *here)
{
	const __u16 *hints = hints_of(here->hash);
	const struct bh_flow_bucket *home;
	__u32 slot;

	if (!hints || !(*hints & hint(here->hash)))
		return 0;
	slot = find_in_bucket(here, home_of(here->hash));
	if (slot)
		return slot;
	home = bucket_at(home_of(here->hash));
	return home && home->overflow ? find_in_bucket(here, reserve_of(here->scope)) : 0;
}

#endif
