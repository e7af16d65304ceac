/* The flow table: finding a packet's flow, keeping its state, making room for a new one. */
#ifndef BULKHEAD_FLOW_H
#define BULKHEAD_FLOW_H

#include "packet.h"

#define TCP_FIN 1
#define TCP_SYN 2
#define TCP_RST 4
#define TCP_ACK 16

#define ICMP_ECHO_REPLY 0
#define ICMP_ECHO_REQUEST 8
#define ICMPV6_ECHO_REQUEST 128
#define ICMPV6_ECHO_REPLY 129

/* Jiffies a second on this kernel, set before loading. */
const volatile __u32 ticks_per_second = 250;

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
	hash = mix(key->direction, key->first_high ^ (__u64)here->scope << 48 ^ (__u64)packet->protocol << 40);
	hash = mix(hash, key->first_low);
	hash = mix(hash, key->second_high);
	hash = mix(hash, key->second_low);
	hash = mix(hash, (__u64)key->first_port << 16 | key->second_port);
	here->hash = (__u32)hash ? (__u32)hash : 1;
}

static __always_inline bool same_key(const struct bh_flow_key *left, const struct bh_flow_key *right)
{
	const __u64 *a = (const __u64 *)left, *b = (const __u64 *)right;

	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3] && a[5] == b[5] &&
	       !((a[4] ^ b[4]) & KEY_PORTS_MASK);
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
	return seconds * ticks_per_second;
}

static __always_inline bool is_expired(const struct bh_flow *flow, __u32 now)
{
	/* Another CPU may have seen it a moment after `now` was read. */
	__u32 slack = ticks_per_second;

	return now - flow->seen + slack > flow_timeout(flow) + slack;
}

static __always_inline struct flow_bucket *bucket_of(__u32 hash)
{
	__u32 index = hash & (BH_FLOW_BUCKETS - 1);

	return bpf_map_lookup_elem(&flows, &index);
}

/* The flow that was found for a packet, if its place still is its own. */
static __always_inline struct bh_flow *found_flow(const struct bh_scratch *here)
{
	__u32 slot = here->flow - 1, way = slot % BH_FLOW_WAYS;
	struct flow_bucket *bucket = bucket_of(slot / BH_FLOW_WAYS);

	if (!bucket || *(volatile __u32 *)&bucket->tags[way] != here->hash)
		return NULL;
	return &bucket->flows[way];
}

/*
 * Finds the flow of here->key: its slot counted from 1, or 0. Reads without the lock: a place that is being replaced shows another
 * tag before its key changes and after.
 */
static __noinline __u32 find_flow(const struct bh_scratch *here)
{
	__u32 hash = here->hash, now = bpf_jiffies64();
	struct flow_bucket *bucket = bucket_of(hash);

	if (!bucket)
		return 0;
	for (__u32 way = 0; way < BH_FLOW_WAYS; way++) {
		struct bh_flow *flow = &bucket->flows[way];

		if (*(volatile __u32 *)&bucket->tags[way] != hash)
			continue;
		if (!same_key(&flow->key, &here->key) || *(volatile __u32 *)&bucket->tags[way] != hash)
			continue;
		if (!is_expired(flow, now))
			return (hash & (BH_FLOW_BUCKETS - 1)) * BH_FLOW_WAYS + way + 1;
	}
	return 0;
}

static __always_inline struct bh_flow_totals *flow_totals_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&flow_totals, &zero);
}

/* Gives a scope's place back. */
static __always_inline void release_place(__u32 scope)
{
	__u32 index = scope & (BH_SCOPES_MAX - 1);
	struct bh_flow_scope *owner = bpf_map_lookup_elem(&flow_scopes, &index);

	if (owner)
		__sync_fetch_and_add(&owner->flows, -1);
}

/* Takes a flow out of its place, if the place still holds it; where `expired`, if it is not in use again meanwhile. */
static __always_inline bool end_flow(struct flow_bucket *bucket, __u32 way, __u32 tag, bool expired, __u32 now)
{
	bool ended = false;
	__u32 scope;

	way %= BH_FLOW_WAYS;
	bpf_spin_lock(&bucket->lock);
	scope = bucket->flows[way].key.scope;
	if (bucket->tags[way] == tag && (!expired || is_expired(&bucket->flows[way], now))) {
		bucket->tags[way] = 0;
		bucket->flows[way].state = BH_FLOW_FREE;
		ended = true;
	}
	bpf_spin_unlock(&bucket->lock);
	if (ended)
		release_place(scope);
	return ended;
}

/* Reclaims what has expired in one bucket. */
static __always_inline void tidy_bucket(__u32 index, struct bh_flow_totals *totals, __u32 now)
{
	struct flow_bucket *bucket = bucket_of(index);

	if (!bucket)
		return;
	for (__u32 way = 0; way < BH_FLOW_WAYS; way++) {
		__u32 tag = bucket->tags[way];

		if (tag && is_expired(&bucket->flows[way], now) && end_flow(bucket, way, tag, true, now))
			totals->expired++;
	}
}

/*
 * Each insertion tidies two buckets, so the table is tidied as fast as it is used and a scope's count of flows stays close to the truth.
 * CPUs start from different places only by chance; each goes round by itself.
 */
static __always_inline void tidy(struct bh_flow_totals *totals, __u32 now)
{
	tidy_bucket(totals->hand++, totals, now);
	tidy_bucket(totals->hand++, totals, now);
}

struct search {
	__u32 hand;
	__u32 now;
};

static long search_bucket(__u32 index, struct search *search)
{
	struct bh_flow_totals *totals = flow_totals_here();

	if (totals)
		tidy_bucket(search->hand + index, totals, search->now);
	return 0;
}

/* A scope that has used up its share looks for what has expired: a quarter of the table, four times a second. */
static __always_inline void search_expired(struct bh_flow_scope *owner, __u32 now)
{
	struct search search = { .hand = owner->hand, .now = now };

	if (now - owner->swept < ticks_per_second / 4)
		return;
	owner->swept = now;
	owner->hand = search.hand + BH_FLOW_BUCKETS / 4;
	bpf_loop(BH_FLOW_BUCKETS / 4, search_bucket, &search, 0);
}

static __always_inline bool is_half_open(const struct bh_flow *flow)
{
	return flow->state == BH_FLOW_OPENING || flow->state == BH_FLOW_ANSWERED || flow->state == BH_FLOW_CLOSED;
}

/*
 * The best place for a new flow: the connection's own, a free or expired one, the stalest half-open one; BH_NONE if there is none. Without
 * `room` in the scope's share it must be one of the scope's own.
 */
static __always_inline __u32 choose_place(const struct flow_bucket *bucket, const struct bh_scratch *here, __u32 now,
					  bool room)
{
	__u32 best = BH_NONE, best_age = 0;

	for (__u32 way = 0; way < BH_FLOW_WAYS; way++) {
		const struct bh_flow *flow = &bucket->flows[way];
		__u32 age = 0;

		if (bucket->tags[way] == here->hash && same_key(&flow->key, &here->key))
			return way;
		if (!room && (!bucket->tags[way] || flow->key.scope != here->scope))
			continue;
		if (!bucket->tags[way])
			age = 0xffffffff;
		else if (is_expired(flow, now))
			age = 0xfffffffe;
		else if (is_half_open(flow))
			age = (now - flow->seen) + 1;
		if (age > best_age) {
			best = way;
			best_age = age;
		}
	}
	return best;
}

/* What one end has now said: how far its data reaches, and what it has of the other's. */
static __always_inline void note_segment(struct bh_flow *flow, const struct bh_packet *packet, __u32 side)
{
	__u32 length = packet->payload + !!(packet->tcp_flags & TCP_SYN) + !!(packet->tcp_flags & TCP_FIN);
	struct bh_flow_side *said = &flow->sides[side & 1];

	if ((__s32)(packet->sequence + length - said->end) > 0)
		said->end = packet->sequence + length;
	if (packet->tcp_flags & TCP_ACK && (__s32)(packet->acknowledgement - said->acknowledged) > 0)
		said->acknowledged = packet->acknowledgement;
}

/* The first segment that is seen of an end sets where it starts. */
static __always_inline void start_side(struct bh_flow *flow, const struct bh_packet *packet, __u32 side)
{
	struct bh_flow_side *said = &flow->sides[side & 1];

	said->end = packet->sequence;
	said->acknowledged = packet->acknowledgement;
	note_segment(flow, packet, side);
}

/*
 * Whether a reset is one that its sender could send: its sequence number lies between what the other end has acknowledged and what
 * the sender has sent. That is narrower than the window and needs no window scale. The refusal of a SYN acknowledges it.
 */
static __always_inline bool is_sound_reset(const struct bh_flow *flow, const struct bh_packet *packet, bool answer)
{
	const struct bh_flow_side *sender = &flow->sides[answer], *other = &flow->sides[!answer];

	if (answer && flow->state == BH_FLOW_OPENING)
		return packet->tcp_flags & TCP_ACK && packet->acknowledgement == other->end;
	if (other->acknowledged == 0)
		return packet->sequence == sender->end;
	return (__s32)(packet->sequence - other->acknowledged) >= 0 && (__s32)(sender->end - packet->sequence) >= 0;
}

/* Whether what the opener acknowledges is near what it was answered: a blind guess at the answer's number is not. */
static __always_inline bool knows_answer(const struct bh_flow *flow, const struct bh_packet *packet)
{
	return packet->tcp_flags & TCP_ACK && flow->sides[1].end - packet->acknowledgement <= 0xffff;
}

static __always_inline void advance_tcp(struct bh_flow *flow, const struct bh_packet *packet, bool answer)
{
	__u8 seen = answer ? BH_FLOW_SEEN_ANSWERER : BH_FLOW_SEEN_OPENER, flags = packet->tcp_flags;

	if (flow->flags & seen)
		note_segment(flow, packet, answer);
	else
		start_side(flow, packet, answer);
	flow->flags |= seen;
	if (flags & TCP_RST) {
		flow->state = BH_FLOW_CLOSED;
		return;
	}
	if (flow->state == BH_FLOW_OPENING && flow->flags & BH_FLOW_SEEN_OPENER && flow->flags & BH_FLOW_SEEN_ANSWERER)
		/* A connection that was adopted is established once it is seen both ways. */
		flow->state = flow->flags & BH_FLOW_ADOPTED ? BH_FLOW_ESTABLISHED : BH_FLOW_ANSWERED;
	else if (flow->state == BH_FLOW_ANSWERED && !answer && knows_answer(flow, packet))
		flow->state = BH_FLOW_ESTABLISHED;
	if (flags & TCP_FIN)
		flow->flags |= answer ? BH_FLOW_FIN_ANSWERER : BH_FLOW_FIN_OPENER;
	if (flow->flags & BH_FLOW_FIN_OPENER && flow->flags & BH_FLOW_FIN_ANSWERER)
		flow->state = BH_FLOW_CLOSING;
}

/* Takes note of a packet that its flow has admitted. CPUs that race here write what either saw. A global function: verified once. */
__noinline int advance_flow(struct bh_scratch *here)
{
	struct bh_flow *flow;
	bool answer;

	if (!here || !here->flow)
		return 0;
	flow = found_flow(here);
	if (!flow)
		return 0;
	answer = here->forward != flow->opener_is_first;
	flow->seen = bpf_jiffies64();
	if (flow->flags & BH_FLOW_TCP)
		advance_tcp(flow, &here->packet, answer);
	else if (answer && flow->state == BH_FLOW_OPENING)
		flow->state = BH_FLOW_ANSWERED;
	else if (!answer && flow->state == BH_FLOW_ANSWERED)
		flow->state = BH_FLOW_ESTABLISHED;
	return 0;
}

/* Takes a place of the scope's share; false if it has none left. CPUs that race may take a few more, and a count below zero is none. */
static __always_inline bool take_place(const struct bh_scratch *here, __u32 now)
{
	__u32 index = here->scope & (BH_SCOPES_MAX - 1);
	struct bh_flow_scope *owner = bpf_map_lookup_elem(&flow_scopes, &index);

	if (!owner)
		return false;
	if ((__s32)owner->flows >= (__s32)here->share)
		search_expired(owner, now);
	if ((__s32)owner->flows >= (__s32)here->share)
		return false;
	__sync_fetch_and_add(&owner->flows, 1);
	return true;
}

static __always_inline void write_flow(struct bh_flow *flow, const struct bh_scratch *here, __u32 now)
{
	const struct bh_judgement *judgement = &here->judgement;
	bool answer = here->forward != here->opener_is_first;

	flow->key = here->key;
	flow->generation = judgement->generation;
	flow->seen = now;
	flow->rule = judgement->rule;
	flow->counter = judgement->counter;
	flow->state = BH_FLOW_OPENING;
	flow->flags = answer ? BH_FLOW_SEEN_ANSWERER : BH_FLOW_SEEN_OPENER;
	if (here->packet.protocol == IPPROTO_TCP)
		flow->flags |= BH_FLOW_TCP;
	if (judgement->reason == BH_REASON_ADOPTED)
		flow->flags |= BH_FLOW_ADOPTED;
	flow->opener_is_first = here->opener_is_first;
	flow->direction = here->asked_direction;
	flow->pad = 0;
	flow->sides[0].end = flow->sides[0].acknowledged = flow->sides[1].end = flow->sides[1].acknowledged = 0;
	start_side(flow, &here->packet, answer);
}

/*
 * Makes the flow of a packet that was accepted as its first. An established flow of the same key is left as it is: its ends will tell a new
 * connection from an old one. A scope whose share is used up may only replace what is half-open of its own. Returns 0 where there was no room.
 * A global function: verified once.
 */
__noinline int open_flow(struct bh_scratch *here)
{
	struct bh_flow_totals *totals = flow_totals_here();
	__u32 now = bpf_jiffies64(), way, replaced = 0, scope = 0;
	bool room, same = false, written = false, expired = false;
	struct flow_bucket *bucket;

	if (!here || !totals)
		return 0;
	tidy(totals, now);
	bucket = bucket_of(here->hash);
	if (!bucket)
		return 0;
	room = take_place(here, now);
	bpf_spin_lock(&bucket->lock);
	way = choose_place(bucket, here, now, room);
	if (way < BH_FLOW_WAYS) {
		struct bh_flow *flow = &bucket->flows[way];

		replaced = bucket->tags[way];
		scope = flow->key.scope;
		expired = is_expired(flow, now);
		same = replaced == here->hash && same_key(&flow->key, &here->key);
		if (!same || expired || flow->state != BH_FLOW_ESTABLISHED) {
			*(volatile __u32 *)&bucket->tags[way] = 0;
			write_flow(flow, here, now);
			*(volatile __u32 *)&bucket->tags[way] = here->hash;
		}
		written = true;
	}
	bpf_spin_unlock(&bucket->lock);
	if (!written) {
		if (room)
			release_place(here->scope);
		totals->refused++;
		return 0;
	}
	/* The place that was taken belonged to a flow that is gone, or that goes on. Without room it was one of the scope's own. */
	if (replaced && room)
		release_place(scope);
	if (!same)
		totals->opened++;
	if (!same && here->judgement.reason == BH_REASON_ADOPTED)
		totals->adopted++;
	if (replaced && expired)
		totals->expired++;
	else if (replaced && !same)
		totals->evicted++;
	return 1;
}

#endif
