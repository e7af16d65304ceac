/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The shares of the flow table: whose places they are, how they are given back, and which flow a scope gives up that
 * has used up its share.
 */
#ifndef BULKHEAD_FLOW_SHARE_H
#define BULKHEAD_FLOW_SHARE_H

#include "flow_state.h"

enum {
	FLOW_BITS = 19,      /* of a place in the table or a reserve */
	SEARCH_ENOUGH = 8,   /* flows to choose from, where they are many */
	SEARCH_SHORT = 2048, /* buckets */
};

_Static_assert((1 << FLOW_BITS) >= BH_FLOW_PLACES * BH_FLOW_WAYS, "FLOW_BITS");

/* Whether one of a bucket's flows is this scope's: four of them at a time. */
static __always_inline bool has_flow_of(const struct bh_flow_bucket *bucket, __u32 scope)
{
	const __u64 *words = (const __u64 *)bucket->scopes, ones = 0x0001000100010001ull;
	__u64 left = words[0] ^ scope * ones, right = words[1] ^ scope * ones;

	return (((left - ones) & ~left) | ((right - ones) & ~right)) & ones << 15;
}

static __always_inline struct bh_flow_totals *this_cpu_flow_totals(void)
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

static __always_inline bool is_half_open(const struct bh_flow *flow)
{
	return flow->state == BH_FLOW_OPENING || flow->state == BH_FLOW_ANSWERED || flow->state == BH_FLOW_CLOSED;
}

/* Which flows may be ended. */
enum ending {
	END_ANY,
	END_EXPIRED,
	END_HALF_OPEN, /* or expired */
};

static __always_inline bool may_end(const struct bh_flow *flow, enum ending which, __u32 now)
{
	return which == END_ANY || is_expired(flow, now) || (which == END_HALF_OPEN && is_half_open(flow));
}

/* Counts a flow of a hash's bucket that goes into a reserve, or leaves it. */
static __always_inline void count_overflow(__u32 hash, __s32 change)
{
	struct bh_flow_bucket *bucket = bucket_at(home_of(hash));
	__u16 *hints = hints_of(hash);

	if (!bucket || !hints)
		return;
	bpf_spin_lock(&bucket->lock);
	bucket->overflow += change;
	update_hints(hints, bucket);
	bpf_spin_unlock(&bucket->lock);
}

static __always_inline bool is_reserve(__u32 index)
{
	return index >= BH_FLOW_BUCKETS;
}

/* Takes a flow out of its place, if the place still holds it and it may still be ended. `index` is the bucket's. */
static __always_inline bool end_flow(struct bh_flow_bucket *bucket, __u32 index, __u32 way, __u32 tag,
				     enum ending which, __u32 now)
{
	struct bh_flow *flows = flows_at(index);
	__u16 *hints = hints_of(index);
	bool ended = false;
	__u32 scope;

	if (!flows || !hints)
		return false;
	way %= BH_FLOW_WAYS;
	bpf_spin_lock(&bucket->lock);
	scope = bucket->scopes[way];
	if (bucket->tags[way] == tag && may_end(&flows[way], which, now)) {
		bucket->scopes[way] = 0;
		bucket->tags[way] = 0;
		flows[way].state = BH_FLOW_FREE;
		/* A packet on another CPU may yet write the state of what it found, but never this, see goes_on(). */
		*(volatile __u32 *)&flows[way].generation = 0;
		if (!is_reserve(index))
			update_hints(hints, bucket);
		ended = true;
	}
	bpf_spin_unlock(&bucket->lock);
	if (!ended)
		return false;
	release_place(scope);
	if (is_reserve(index))
		count_overflow(tag, -1);
	return true;
}

/*
 * Turns a flow into a mark that its connection is not to be adopted, which stays for `ticks`, if its place still is its
 * own: another CPU may have given the place to another connection meanwhile. `index` is the bucket's.
 */
static __always_inline bool bar_flow(struct bh_flow_bucket *bucket, __u32 index, __u32 way, __u32 tag, __u32 now,
				     __u32 ticks)
{
	struct bh_flow *flows = flows_at(index);
	bool barred = false;

	if (!flows)
		return false;
	way %= BH_FLOW_WAYS;
	bpf_spin_lock(&bucket->lock);
	if (bucket->tags[way] == tag) {
		flows[way].state = BH_FLOW_BARRED;
		flows[way].seen = now;
		flows[way].timeout = ticks;
		barred = true;
	}
	bpf_spin_unlock(&bucket->lock);
	return barred;
}

/* How easily a flow can be given up: an expired one first, then half-open ones by their age; 0 for any other. */
static __always_inline __u64 staleness(const struct bh_flow *flow, __u32 now)
{
	/* Negative where another CPU has seen the flow since `now` was read. */
	__s32 age = now - flow->seen;

	if (is_expired(flow, now))
		return 1ull << 32;
	if (!is_half_open(flow))
		return 0;
	return age > 0 ? (__u64)age + 1 : 1;
}

static __always_inline void start_search(struct bh_flow_search *search, __u32 now)
{
	search->best = 0;
	search->found = 0;
	search->now = now;
}

/* Notes a place if it is the best so far; a place without worth does not count. */
static __always_inline void consider(struct bh_flow_search *search, __u64 worth, __u32 place)
{
	__u64 candidate = worth << FLOW_BITS | place;

	if (!worth)
		return;
	search->found++;
	if (candidate > search->best)
		search->best = candidate;
}

/* Looks at a scope's own flows in one bucket; returns 1 where the search may end. */
static long search_bucket(__u32 step, struct bh_scratch **context)
{
	struct bh_scratch *here = *context;
	struct bh_flow_search *search = &here->search;
	__u32 index = (search->first + step) & (BH_FLOW_BUCKETS - 1);
	const struct bh_flow_bucket *bucket = bucket_at(index);
	const struct bh_flow *flows;

	search->visited = step + 1;
	if (!bucket || !has_flow_of(bucket, here->scope))
		return search->found && step >= SEARCH_SHORT / 4;
	flows = flows_at(index);
	if (!flows)
		return 1;
	for (__u32 way = 0; way < BH_FLOW_WAYS; way++) {
		if (bucket->scopes[way] == here->scope)
			consider(search, staleness(&flows[way], search->now), index * BH_FLOW_WAYS + way);
		JOIN_PATHS();
	}
	return search->found >= SEARCH_ENOUGH || search->best >> (FLOW_BITS + 32);
}

/* Ends what a search has found best; false where another CPU was faster. */
static __always_inline bool end_best(const struct bh_scratch *here, struct bh_flow_totals *totals)
{
	__u32 place = here->search.best, way = place % BH_FLOW_WAYS;
	__u32 index = place / BH_FLOW_WAYS & (BH_FLOW_BUCKETS - 1);
	struct bh_flow_bucket *bucket = bucket_at(index);
	__u32 tag;

	if (!bucket)
		return false;
	tag = *(volatile __u32 *)&bucket->tags[way];
	if (!tag || bucket->scopes[way] != here->scope ||
	    !end_flow(bucket, index, way, tag, END_HALF_OPEN, here->search.now))
		return false;
	if (here->search.best >> (FLOW_BITS + 32))
		totals->expired++;
	else
		totals->evicted++;
	return true;
}

/*
 * Searches on from where the scope's last search ended: the whole table four times a second at most, else a part of it.
 * After a search in vain it does not search again in the same jiffy.
 */
static __always_inline bool search_table(struct bh_scratch *here, struct bh_flow_scope *owner, __u32 now)
{
	bool is_long = now - owner->swept >= settings.ticks_per_second / 4;
	struct bh_flow_search *search = &here->search;

	start_search(search, now);
	if (!is_long && owner->barren == now)
		return false;
	search->first = owner->hand;
	bpf_loop(is_long ? BH_FLOW_BUCKETS : SEARCH_SHORT, search_bucket, &here, 0);
	__sync_fetch_and_add(&owner->hand, search->visited);
	if (search->visited > SEARCH_SHORT)
		owner->swept = now;
	if (!search->best)
		owner->barren = now;
	return search->best;
}

/*
 * Has a scope that has used up its share give up a flow of its own: one that has expired, or the stalest of a few
 * half-open ones. Where another CPU takes that one, there is a second try.
 */
static __always_inline bool give_up_place(struct bh_scratch *here, struct bh_flow_scope *owner, __u32 now)
{
	struct bh_flow_totals *totals = this_cpu_flow_totals();

	if (!totals)
		return false;
	if (search_table(here, owner, now) && end_best(here, totals))
		return true;
	return here->search.best && search_table(here, owner, now) && end_best(here, totals);
}

/* What a new flow may take. */
enum room {
	ROOM_NONE, /* its own connection's place */
	ROOM_OWN,  /* also a free place, or a half-open flow's, rather one of the scope's own */
	ROOM_ANY,  /* also a free place, or a half-open flow's */
};

/*
 * Takes a place of the scope's share, if need be from another of its flows; returns enum room. CPUs that race may take
 * a few more than the share. A count below zero counts as 0. A global function: verified once.
 */
__noinline int take_place(struct bh_scratch *here, __u32 now)
{
	struct bh_flow_scope *owner;
	__u32 index;
	bool full;

	if (!here)
		return ROOM_NONE;
	index = here->scope & (BH_SCOPES_MAX - 1);
	owner = bpf_map_lookup_elem(&flow_scopes, &index);
	if (!owner)
		return ROOM_NONE;
	full = (__s32)owner->flows >= (__s32)here->share;
	if (full && !give_up_place(here, owner, now))
		return ROOM_NONE;
	__sync_fetch_and_add(&owner->flows, 1);
	return full ? ROOM_OWN : ROOM_ANY;
}

#endif
