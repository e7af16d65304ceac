/* SPDX-License-Identifier: GPL-2.0-only */
/* The flow table's buckets: reclaiming what has expired, and the place of a new flow. */
#ifndef BULKHEAD_FLOW_TABLE_H
#define BULKHEAD_FLOW_TABLE_H

#include "flow_share.h"

/* Reclaims what has expired in one bucket, and returns how many flows that were. A global function: verified once. */
__noinline int tidy_bucket(__u32 index, __u32 now)
{
	struct bh_flow_bucket *bucket = bucket_at(index);
	const struct bh_flow *flows = flows_at(index);
	int expired = 0;

	if (!bucket || !flows)
		return 0;
	for (__u32 way = 0; way < BH_FLOW_WAYS; way++) {
		__u32 tag = bucket->tags[way];

		if (tag && is_expired(&flows[way], now) && end_flow(bucket, index, way, tag, END_EXPIRED, now))
			expired++;
		JOIN_PATHS();
	}
	return expired;
}

/*
 * Each insertion tidies two buckets, so the table is tidied as fast as it is used, and a scope's count of flows stays
 * close to the truth. Each CPU goes round by itself, from wherever it happens to be.
 */
static __always_inline void tidy(struct bh_flow_totals *totals, __u32 now)
{
	totals->expired += tidy_bucket(totals->hand++ % BH_FLOW_PLACES, now);
	totals->expired += tidy_bucket(totals->hand++ % BH_FLOW_PLACES, now);
}

/* Added to the worth of the scope's own flows: more than the age of any half-open flow. */
#define OWN (1ull << 31)

/*
 * How good a place is for a new flow: best its own connection's, then a free one, then that of a stale flow; 0 for any
 * other.
 */
static __always_inline __u64 worth(const struct bh_flow *flow, __u32 tag, const struct bh_scratch *here, __u32 now,
				   enum room room)
{
	__u64 stale;

	if (tag == here->hash && same_key(&flow->key, &here->key))
		return 1ull << 33;
	if (room == ROOM_NONE)
		return 0;
	if (!tag)
		return (1ull << 32) + 1;
	stale = staleness(flow, now);
	return stale && room == ROOM_OWN && flow->key.scope == here->scope ? stale | OWN : stale;
}

/* The best place in a bucket for a new flow; BH_NONE if there is none. */
static __always_inline __u32 choose_place(const struct bh_flow_bucket *bucket, const struct bh_flow *flows,
					  struct bh_scratch *here, __u32 now, enum room room)
{
	start_search(&here->search, now);
	for (__u32 way = 0; way < BH_FLOW_WAYS; way++) {
		consider(&here->search, worth(&flows[way], bucket->tags[way], here, now, room), way);
		JOIN_PATHS();
	}
	return here->search.best ? here->search.best % BH_FLOW_WAYS : BH_NONE;
}

/*
 * Notes in a flow what accepts it, and for how long that is sure to hold. The generation comes last, because the front
 * takes it for the word that all else is there, see front_flow().
 */
static __always_inline void note_judgement(struct bh_flow *flow, const struct bh_scratch *here, __u32 now)
{
	__u16 flags;

	flow->rule = here->judgement.rule;
	flow->counter = here->judgement.counter;
	flow->lapses = now + here->lapse;
	flow->epoch = here->epoch;
	flags = flow->flags & ~(BH_FLOW_LAPSES | BH_FLOW_MEMBERS | BH_FLOW_METERED);
	if (here->metered)
		flags |= BH_FLOW_METERED;
	if (here->lapse)
		flags |= BH_FLOW_LAPSES;
	if (here->asked_members)
		flags |= BH_FLOW_MEMBERS;
	/* At once, because packets on other CPUs change other flags without the lock. */
	*(volatile __u16 *)&flow->flags = flags;
	JOIN_PATHS();
	*(volatile __u32 *)&flow->generation = here->judgement.generation;
}

static __always_inline void write_flow(struct bh_flow *flow, const struct bh_scratch *here, __u32 now)
{
	bool answer = here->forward != here->opener_is_first;

	/* Before the new key is there, see front_flow(). */
	*(volatile __u32 *)&flow->generation = 0;
	JOIN_PATHS();
	__builtin_memset(flow, 0, sizeof(*flow));
	flow->key = here->key;
	flow->state = BH_FLOW_OPENING;
	flow->flags = seen_flag(answer);
	flow->opener_is_first = here->opener_is_first;
	flow->direction = here->asked_direction;
	flow->headers = (here->packet.flags & BH_PACKET_HEADERS) >> BH_PACKET_HEADERS_SHIFT;
	if (here->judgement.reason == BH_REASON_ADOPTED)
		flow->flags |= answer ? BH_FLOW_ADOPTED | BH_FLOW_BY_ANSWERER : BH_FLOW_ADOPTED;
	if (here->packet.protocol == IPPROTO_TCP) {
		flow->flags |= BH_FLOW_TCP;
		if (flow->flags & BH_FLOW_ADOPTED)
			start_in_the_middle(flow, &here->packet, answer);
		else
			start_opening(flow, &here->packet, here->scale);
	}
	refresh(flow, now);
	note_judgement(flow, here, now);
}

/*
 * Decides about a flow that is there already when a packet opens it. A SYN over a connection that was not reset is
 * remembered in the flow, with time for an answer: the ends will tell whether it is a new connection. Returns whether
 * the flow stays; else a new one takes its place.
 */
static __always_inline bool keep_flow(struct bh_flow *flow, const struct bh_scratch *here, __u32 now)
{
	__u32 left = flow->timeout - (now - flow->seen), least = BH_SECONDS_ATTEMPT * settings.ticks_per_second;
	const struct bh_packet *packet = &here->packet;
	bool answer = here->forward != flow->opener_is_first;
	__u32 length = segment_end(packet) - packet->sequence;

	if (flow->state == BH_FLOW_CLOSED || flow->state == BH_FLOW_BARRED)
		return false;
	if (!(flow->flags & BH_FLOW_TCP) || here->judgement.reason == BH_REASON_ADOPTED)
		return true;
	if (left < least)
		flow->timeout += least - left;
	if (is_unanswered(flow) && !answer && flow->sides[0].acknowledged == packet->sequence) {
		repeat_opening(flow, packet, here->scale);
		return true;
	}
	flow->attempt.start = packet->sequence;
	flow->attempt.length = length < 0xffff ? length : 0xffff;
	flow->attempt.window = packet->window;
	flow->attempt.scale = here->scale;
	flow->attempt.from = answer ? BH_ATTEMPT_ANSWERER : BH_ATTEMPT_OPENER;
	/* What accepts the new connection accepts the old one too. */
	if (is_attempt_noted(flow))
		note_judgement(flow, here, now);
	return true;
}

/* What happened to the place that an opening took. */
struct placing {
	__u32 replaced; /* tag of the flow that was there; 0: none */
	__u32 scope;    /* its */
	__u32 slot;     /* the place, counted from 1 */
	__u8 placed;
	__u8 same; /* it was of the same connection */
	__u8 expired;
	__u8 pad;
};

/* Puts the flow of here->key into a bucket, if there is a place for it there. */
static __noinline void place_flow(struct bh_scratch *here, __u32 index, __u32 room, __u32 now, struct placing *placing)
{
	struct bh_flow_bucket *bucket = bucket_at(index);
	struct bh_flow *flows = flows_at(index);
	__u16 *hints = hints_of(here->hash);
	__u32 way;

	__builtin_memset(placing, 0, sizeof(*placing));
	if (!bucket || !flows || !hints)
		return;
	bpf_spin_lock(&bucket->lock);
	way = choose_place(bucket, flows, here, now, room);
	if (way < BH_FLOW_WAYS) {
		struct bh_flow *flow = &flows[way];

		placing->placed = 1;
		placing->slot = index * BH_FLOW_WAYS + way + 1;
		placing->replaced = bucket->tags[way];
		placing->scope = bucket->scopes[way];
		placing->expired = is_expired(flow, now);
		placing->same = placing->replaced == here->hash && same_key(&flow->key, &here->key);
		if (!placing->same || placing->expired || !keep_flow(flow, here, now)) {
			*(volatile __u32 *)&bucket->tags[way] = 0;
			write_flow(flow, here, now);
			bucket->scopes[way] = here->scope;
			*(volatile __u32 *)&bucket->tags[way] = here->hash;
			if (!is_reserve(index))
				update_hints(hints, bucket);
		}
	}
	bpf_spin_unlock(&bucket->lock);
}

/*
 * Puts the flow into the scope's reserve. It is counted first, so that none of its packets misses it; also where it was
 * found there, because another CPU may have taken it away and counted that.
 */
static __always_inline void place_in_reserve(struct bh_scratch *here, enum room room, __u32 now,
					     struct placing *placing)
{
	count_overflow(here->hash, 1);
	place_flow(here, reserve_of(here->scope), room, now, placing);
	if (!placing->placed || placing->same)
		count_overflow(here->hash, -1);
	else if (placing->replaced)
		count_overflow(placing->replaced, -1);
}

/*
 * Opens the flow of a packet that was accepted as its first: in its bucket, else in its scope's reserve. Returns 0
 * where there was no room. A global function: verified once.
 */
__noinline int open_flow(struct bh_scratch *here)
{
	struct bh_flow_totals *totals = this_cpu_flow_totals();
	struct placing placing = {};
	__u32 now, found;
	bool in_reserve;
	enum room room;

	if (!here || !totals)
		return 0;
	now = ticks_now(here);
	here->opened = 0;
	tidy(totals, now);
	found = find_flow(here);
	in_reserve = found && is_reserve((found - 1) / BH_FLOW_WAYS);
	room = take_place(here, now);
	if (!in_reserve)
		place_flow(here, home_of(here->hash), room, now, &placing);
	if (!placing.placed && (in_reserve || room != ROOM_NONE))
		place_in_reserve(here, room == ROOM_NONE ? ROOM_NONE : ROOM_ANY, now, &placing);
	if (!placing.placed) {
		if (room != ROOM_NONE)
			release_place(here->scope);
		totals->refused++;
		return 0;
	}
	here->opened = placing.slot;
	/*
	 * The place belonged to a flow that is gone or that goes on, so one place too many was taken. Without room none
	 * was taken.
	 */
	if (placing.replaced && room != ROOM_NONE)
		release_place(placing.scope);
	if (!placing.same)
		totals->opened++;
	if (!placing.same && here->judgement.reason == BH_REASON_ADOPTED)
		totals->adopted++;
	if (placing.replaced && placing.expired)
		totals->expired++;
	else if (placing.replaced && !placing.same)
		totals->evicted++;
	return 1;
}

#endif
