/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of holders, see abi/connections.h: walks over those of one home, and places for more. No lock is held; a
 * word is replaced by compare-and-swap.
 */
#ifndef BULKHEAD_HOLDERS_H
#define BULKHEAD_HOLDERS_H

#include "flow_table.h"

enum {
	HOLDER_STEPS = 512, /* buckets that a search for room covers */
	HOLDER_LINE = 8,    /* words of a bucket: the counts, then the holders */
};

_Static_assert(HOLDER_LINE == BH_HOLDER_WAYS + 1 && sizeof(struct bh_holder_bucket) == 8 * HOLDER_LINE, "HOLDER_LINE");

#define HOLDER_TAG ((1ull << BH_HOLDER_KEY_SHIFT) - (1ull << BH_HOLDER_TAG_SHIFT))

/* The bits of a flow's tag that its holder has. */
static __always_inline __u64 holder_tag(__u32 hash)
{
	return (__u64)(hash >> (32 - (BH_HOLDER_KEY_SHIFT - BH_HOLDER_TAG_SHIFT))) << BH_HOLDER_TAG_SHIFT;
}

static __always_inline bool is_pending(__u64 holder)
{
	return (holder & BH_HOLDER_PENDING) == BH_HOLDER_PENDING;
}

static __always_inline struct bh_holder_bucket *holders_at(__u32 number)
{
	__u32 index = number & (BH_HOLDER_BUCKETS - 1);

	return bpf_map_lookup_elem(&holders, &index);
}

/* Counts a holder that comes to a bucket other than its home, or leaves it. */
static __always_inline void count_elsewhere(__u32 home, __s32 change)
{
	struct bh_holder_bucket *bucket = holders_at(home);

	if (bucket)
		__sync_fetch_and_add(&bucket->overflow, change);
}

/* Puts a holder in the place of another, or of none; false where another CPU was faster. */
static __always_inline bool exchange_holder(__u64 *place, __u64 old, __u64 next)
{
	return __sync_val_compare_and_swap(place, old, next) == old;
}

/* Whether a flow is one of those that count: also a new connection that takes its place once it is answered. */
static __always_inline bool is_open(const struct bh_flow *flow, __u32 now)
{
	if (is_expired(flow, now))
		return false;
	/*
	 * A reset may never have reached the host that it was for: its checksum may be wrong. So a connection counts
	 * until its time is over.
	 */
	if (flow->state == BH_FLOW_CLOSING)
		return flow->attempt.from;
	return flow->state != BH_FLOW_FREE && flow->state != BH_FLOW_BARRED;
}

/* The flow in a slot, counted from 1, if its tag is the holder's. */
static __always_inline const struct bh_flow *flow_of_holder(__u64 holder)
{
	__u32 place = (holder & BH_HOLDER_PENDING) - 1, index = place / BH_FLOW_WAYS, way = place % BH_FLOW_WAYS, tag;
	const struct bh_flow_bucket *bucket = bucket_at(index);
	const struct bh_flow *flows = flows_at(index);

	if (!bucket || !flows)
		return NULL;
	tag = *(volatile const __u32 *)&bucket->tags[way];
	return tag && !((holder_tag(tag) ^ holder) & HOLDER_TAG) ? &flows[way] : NULL;
}

/* Whether the end that counts of a flow has the address in question. */
static __always_inline bool has_address(const struct bh_flow *flow, const struct bh_holding *holding)
{
	const struct bh_flow_key *key = &flow->key;
	bool first = flow->opener_is_first != holding->destination;
	__u64 high = first ? key->first_high : key->second_high, low = first ? key->first_low : key->second_low;

	return !((holding->family && key->family != holding->family) | ((high & holding->high_mask) ^ holding->high) |
		 ((low & holding->low_mask) ^ holding->low));
}

enum holder_state {
	HOLDER_GONE,
	HOLDER_COUNTS,
	HOLDER_OWN, /* of the packet's own connection, which takes no second place */
};

/* What a holder of the rule and address in question is. A global function: verified once. */
__noinline int holder_state(struct bh_scratch *here, __u64 holder)
{
	const struct bh_holding *holding;
	const struct bh_flow *flow;

	if (!here)
		return HOLDER_GONE;
	holding = &here->holding;
	if (is_pending(holder))
		return holder == holding->holder ? HOLDER_OWN : HOLDER_COUNTS;
	flow = flow_of_holder(holder);
	if (!flow || !is_open(flow, holding->now) || flow->counter != holding->counter || !has_address(flow, holding))
		return HOLDER_GONE;
	JOIN_PATHS();
	return same_key(&flow->key, &here->key) ? HOLDER_OWN : HOLDER_COUNTS;
}

/* Whether a holder of any rule has no flow any more. A global function: verified once. */
__noinline int is_stale_holder(__u64 holder, __u32 now)
{
	const struct bh_flow *flow;

	if (is_pending(holder))
		return 0;
	flow = flow_of_holder(holder);
	return !flow || !is_open(flow, now);
}

/* Takes a holder of the home in question into account; one that has no flow any more is taken out. */
static __always_inline void count_holder(struct bh_scratch *here, __u64 *place, __u64 holder, bool elsewhere)
{
	struct bh_holding *holding = &here->holding;
	int state = HOLDER_COUNTS;

	holding->seen += elsewhere;
	if ((holder ^ holding->holder) >> BH_HOLDER_KEY_SHIFT)
		return;
	if (!((holder ^ holding->holder) >> BH_HOLDER_TAG_SHIFT))
		holding->has_twin = 1;
	if (holding->checks)
		state = holder_state(here, holder);
	if (state == HOLDER_GONE && exchange_holder(place, holder, 0) && elsewhere)
		count_elsewhere(holding->home, -1);
	if (state == HOLDER_COUNTS)
		holding->found++;
}

/*
 * Whether a walk has seen all holders of its home: as many as are elsewhere, or as were when it began. Others may come
 * and go meanwhile.
 */
static __always_inline bool is_through(struct bh_holding *holding, const struct bh_holder_bucket *home, __u32 step)
{
	__u32 elsewhere = *(volatile const __u32 *)&home->overflow;

	if (!step)
		holding->first = elsewhere;
	return holding->seen >= elsewhere && holding->seen >= holding->first;
}

static long count_bucket(__u32 step, struct bh_scratch **context)
{
	struct bh_scratch *here = *context;
	struct bh_holding *holding = &here->holding;
	struct bh_holder_bucket *bucket = holders_at(holding->home + step), *home = holders_at(holding->home);

	if (!bucket || !home)
		return 1;
	for (__u32 way = 0; way < BH_HOLDER_WAYS; way++) {
		__u64 holder = *(volatile __u64 *)&bucket->holders[way];

		if (holder && holder >> BH_HOLDER_HOME_SHIFT == holding->home)
			count_holder(here, &bucket->holders[way], holder, step);
		JOIN_PATHS();
	}
	return holding->found >= holding->maximum || is_through(holding, home, step);
}

/*
 * Counts the flows. If `checks` is not set, those are counted too that are gone. A global function: verified once.
 */
__noinline int count_flows(struct bh_scratch *here, __u32 checks)
{
	if (!here)
		return 0;
	here->holding.checks = checks;
	here->holding.found = 0;
	here->holding.seen = 0;
	bpf_loop(BH_HOLDER_BUCKETS, count_bucket, &here, 0);
	return here->holding.found;
}

static long find_in_holders(__u32 step, struct bh_scratch **context)
{
	struct bh_holding *holding = &(*context)->holding;
	const struct bh_holder_bucket *bucket = holders_at(holding->home + step), *home = holders_at(holding->home);

	if (!bucket || !home)
		return 1;
	for (__u32 way = 0; way < BH_HOLDER_WAYS; way++) {
		__u64 holder = *(volatile const __u64 *)&bucket->holders[way];

		holding->found += holder == holding->holder;
		holding->seen += step && holder && holder >> BH_HOLDER_HOME_SHIFT == holding->home;
		JOIN_PATHS();
	}
	return holding->found > holding->checks || is_through(holding, home, step);
}

/* Whether more than so many holders say what the packet's does. A global function: verified once. */
__noinline int is_held(struct bh_scratch *here, __u32 more_than)
{
	if (!here)
		return 0;
	here->holding.checks = more_than;
	here->holding.found = 0;
	here->holding.seen = 0;
	bpf_loop(BH_HOLDER_BUCKETS, find_in_holders, &here, 0);
	return here->holding.found > more_than;
}

static long insert_in_bucket(__u32 step, struct bh_scratch **context)
{
	struct bh_scratch *here = *context;
	struct bh_holding *holding = &here->holding;
	__u32 number = (holding->first + step) & (BH_HOLDER_BUCKETS - 1);
	struct bh_holder_bucket *bucket = holders_at(number);
	bool elsewhere = number != holding->home;

	if (!bucket)
		return 1;
	for (__u32 way = 0; way < BH_HOLDER_WAYS; way++) {
		__u64 old = *(volatile __u64 *)&bucket->holders[way];

		JOIN_PATHS();
		if (old && !is_stale_holder(old, holding->now))
			continue;
		/* Counted first, so that whoever counts does not miss it. */
		if (elsewhere)
			count_elsewhere(holding->home, 1);
		if (exchange_holder(&bucket->holders[way], old, holding->holder)) {
			if (old && old >> BH_HOLDER_HOME_SHIFT != number)
				count_elsewhere(old >> BH_HOLDER_HOME_SHIFT, -1);
			holding->at = number * HOLDER_LINE + way + 1;
			return 1;
		}
		if (elsewhere)
			count_elsewhere(holding->home, -1);
	}
	return 0;
}

/*
 * Puts the holder into the table; false where there is no room. Where many have the same home, those elsewhere fill the
 * buckets that come next. A global function: verified once.
 */
__noinline int insert_holder(struct bh_scratch *here)
{
	const struct bh_holder_bucket *home;
	struct bh_holding *holding;

	if (!here)
		return 0;
	holding = &here->holding;
	home = holders_at(holding->home);
	holding->at = 0;
	if (!home)
		return 0;
	holding->first = holding->home + home->overflow / BH_HOLDER_WAYS;
	bpf_loop(HOLDER_STEPS, insert_in_bucket, &here, 0);
	return !!here->holding.at;
}

/*
 * Gives the packet's place another holder, or takes it out: 0. The place is told as a word of the table, of which the
 * first of each line is no holder's. So the verifier of Linux 6.1 sees that it is within the line.
 */
static __always_inline void replace_holder(struct bh_holding *holding, __u64 next)
{
	__u32 number = holding->at / HOLDER_LINE, word = holding->at % HOLDER_LINE;
	struct bh_holder_bucket *bucket = holders_at(number);
	__u64 *line = (__u64 *)bucket;

	if (!next)
		holding->at = 0;
	if (!line || !word)
		return;
	if (exchange_holder(&line[word], holding->holder, next) && !next && number != holding->home)
		count_elsewhere(holding->home, -1);
}

#endif
