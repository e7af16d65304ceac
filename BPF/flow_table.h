/* The places of the flow table: giving them back, reclaiming what has expired, making room for a new flow. */
#ifndef BULKHEAD_FLOW_TABLE_H
#define BULKHEAD_FLOW_TABLE_H

#include "flow_state.h"

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

/* Reclaims what has expired in one bucket, and returns how many flows that were. A global function: verified once. */
__noinline int tidy_bucket(__u32 index, __u32 now)
{
	struct flow_bucket *bucket = bucket_of(index);
	int expired = 0;

	if (!bucket)
		return 0;
	for (__u32 way = 0; way < BH_FLOW_WAYS; way++) {
		__u32 tag = bucket->tags[way];

		if (tag && is_expired(&bucket->flows[way], now) && end_flow(bucket, way, tag, true, now))
			expired++;
		JOIN_PATHS();
	}
	return expired;
}

/*
 * Each insertion tidies two buckets, so the table is tidied as fast as it is used and a scope's count of flows stays close to the truth.
 * CPUs start from different places only by chance; each goes round by itself.
 */
static __always_inline void tidy(struct bh_flow_totals *totals, __u32 now)
{
	totals->expired += tidy_bucket(totals->hand++, now);
	totals->expired += tidy_bucket(totals->hand++, now);
}

struct search {
	__u32 hand;
	__u32 now;
};

static long search_bucket(__u32 index, struct search *search)
{
	struct bh_flow_totals *totals = flow_totals_here();

	if (totals)
		totals->expired += tidy_bucket(search->hand + index, search->now);
	return 0;
}

/* A scope that has used up its share looks for what has expired: a quarter of the table, four times a second. */
static __always_inline void search_expired(struct bh_flow_scope *owner, __u32 now)
{
	struct search search = { .hand = owner->hand, .now = now };

	if (now - owner->swept < settings.ticks_per_second / 4)
		return;
	owner->swept = now;
	owner->hand = search.hand + BH_FLOW_BUCKETS / 4;
	bpf_loop(BH_FLOW_BUCKETS / 4, search_bucket, &search, 0);
}

static __always_inline bool is_half_open(const struct bh_flow *flow)
{
	return flow->state == BH_FLOW_OPENING || flow->state == BH_FLOW_ANSWERED || flow->state == BH_FLOW_CLOSED;
}

/* How good a place is for a new flow, 0 being no good: its own connection's, a free one, an expired one, a half-open one by its age. */
static __always_inline __u64 worth(const struct flow_bucket *bucket, __u32 way, const struct bh_scratch *here, __u32 now,
				   bool room)
{
	const struct bh_flow *flow = &bucket->flows[way];
	__u32 tag = bucket->tags[way];

	if (tag == here->hash && same_key(&flow->key, &here->key))
		return 1ull << 33;
	if (!room && (!tag || flow->key.scope != here->scope))
		return 0;
	if (!tag)
		return (1ull << 32) + 1;
	if (is_expired(flow, now))
		return 1ull << 32;
	return is_half_open(flow) ? (__u64)(now - flow->seen) + 1 : 0;
}

/*
 * The best place for a new flow; BH_NONE if there is none. Without `room` in the scope's share it must be one of the scope's own. The place is
 * kept in the low bits of its worth: one number, of which the verifier need not tell which way it came from.
 */
static __always_inline __u32 choose_place(const struct flow_bucket *bucket, const struct bh_scratch *here, __u32 now,
					  bool room)
{
	__u64 best = 0;

	for (__u32 way = 0; way < BH_FLOW_WAYS; way++) {
		__u64 candidate = worth(bucket, way, here, now, room) * BH_FLOW_WAYS + way;

		if (candidate > best)
			best = candidate;
	}
	return best < BH_FLOW_WAYS ? BH_NONE : best % BH_FLOW_WAYS;
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

/* Notes in a flow what accepts it, and for how long that is sure to hold. */
static __always_inline void note_judgement(struct bh_flow *flow, const struct bh_scratch *here, __u32 now)
{
	flow->generation = here->judgement.generation;
	flow->rule = here->judgement.rule;
	flow->counter = here->judgement.counter;
	flow->lapses = now + here->lapse;
	if (here->lapse)
		flow->flags |= BH_FLOW_LAPSES;
	else
		flow->flags &= ~BH_FLOW_LAPSES;
}

static __always_inline void write_flow(struct bh_flow *flow, const struct bh_scratch *here, __u32 now)
{
	const struct bh_judgement *judgement = &here->judgement;
	bool answer = here->forward != here->opener_is_first;

	flow->key = here->key;
	flow->seen = now;
	flow->state = BH_FLOW_OPENING;
	flow->flags = answer ? BH_FLOW_SEEN_ANSWERER : BH_FLOW_SEEN_OPENER;
	if (here->packet.protocol == IPPROTO_TCP)
		flow->flags |= BH_FLOW_TCP;
	if (judgement->reason == BH_REASON_ADOPTED)
		flow->flags |= BH_FLOW_ADOPTED;
	flow->opener_is_first = here->opener_is_first;
	flow->direction = here->asked_direction;
	flow->sides[0].end = flow->sides[0].acknowledged = flow->sides[1].end = flow->sides[1].acknowledged = 0;
	start_side(flow, &here->packet, answer);
	flow->timeout = flow_timeout(flow);
	note_judgement(flow, here, now);
}

/*
 * Makes the flow of a packet that was accepted as its first. An established flow of the same key is left as it is: its ends will tell a new
 * connection from an old one. A scope whose share is used up may only replace what is half-open of its own. Returns 0 where there was no room.
 * A global function: verified once.
 */
__noinline int open_flow(struct bh_scratch *here)
{
	struct bh_flow_totals *totals = flow_totals_here();
	__u32 now, way, replaced = 0, scope = 0;
	bool room, same = false, written = false, expired = false;
	struct flow_bucket *bucket;

	if (!here || !totals)
		return 0;
	now = ticks_now(here);
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
