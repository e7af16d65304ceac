/* The flow table's buckets: reclaiming what has expired, and the place of a new flow. */
#ifndef BULKHEAD_FLOW_TABLE_H
#define BULKHEAD_FLOW_TABLE_H

#include "flow_share.h"

/* Reclaims what has expired in one bucket, and returns how many flows that were. A global function: verified once. */
__noinline int tidy_bucket(__u32 index, __u32 now)
{
	struct flow_bucket *bucket = bucket_of(index);
	const struct bh_flow *flows = flows_of(index);
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
 * Each insertion tidies two buckets, so the table is tidied as fast as it is used and a scope's count of flows stays close to the truth.
 * CPUs start from different places only by chance; each goes round by itself.
 */
static __always_inline void tidy(struct bh_flow_totals *totals, __u32 now)
{
	totals->expired += tidy_bucket(totals->hand++, now);
	totals->expired += tidy_bucket(totals->hand++, now);
}

/* More than the age of any flow that is half-open. */
#define OWN (1ull << 31)

/* How good a place is for a new flow, 0 being no good: its own connection's, a free one, that of a stale flow. */
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
static __always_inline __u32 choose_place(const struct flow_bucket *bucket, const struct bh_flow *flows,
					  struct bh_scratch *here, __u32 now, enum room room)
{
	start_search(&here->search, now);
	for (__u32 way = 0; way < BH_FLOW_WAYS; way++) {
		consider(&here->search, worth(&flows[way], bucket->tags[way], here, now, room), way);
		JOIN_PATHS();
	}
	return here->search.best ? here->search.best % BH_FLOW_WAYS : BH_NONE;
}

/* Notes in a flow what accepts it, and for how long that is sure to hold. */
static __always_inline void note_judgement(struct bh_flow *flow, const struct bh_scratch *here, __u32 now)
{
	flow->generation = here->judgement.generation;
	flow->rule = here->judgement.rule;
	flow->counter = here->judgement.counter;
	flow->lapses = now + here->lapse;
	flow->epoch = here->epoch;
	flow->flags &= ~(BH_FLOW_LAPSES | BH_FLOW_MEMBERS);
	if (here->lapse)
		flow->flags |= BH_FLOW_LAPSES;
	if (here->asked_members)
		flow->flags |= BH_FLOW_MEMBERS;
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
 * connection from an old one. Returns 0 where there was no room. A global function: verified once.
 */
__noinline int open_flow(struct bh_scratch *here)
{
	struct bh_flow_totals *totals = flow_totals_here();
	__u32 now, way, replaced = 0, scope = 0;
	bool same = false, written = false, expired = false;
	struct flow_bucket *bucket;
	struct bh_flow *flows;
	enum room room;
	__u16 *hints;

	if (!here || !totals)
		return 0;
	now = ticks_now(here);
	tidy(totals, now);
	bucket = bucket_of(here->hash);
	flows = flows_of(here->hash);
	hints = hints_of(here->hash);
	if (!bucket || !flows || !hints)
		return 0;
	room = take_place(here, now);
	bpf_spin_lock(&bucket->lock);
	way = choose_place(bucket, flows, here, now, room);
	if (way < BH_FLOW_WAYS) {
		struct bh_flow *flow = &flows[way];

		replaced = bucket->tags[way];
		scope = bucket->scopes[way];
		expired = is_expired(flow, now);
		same = replaced == here->hash && same_key(&flow->key, &here->key);
		if (!same || expired || flow->state != BH_FLOW_ESTABLISHED) {
			*(volatile __u32 *)&bucket->tags[way] = 0;
			write_flow(flow, here, now);
			bucket->scopes[way] = here->scope;
			*(volatile __u32 *)&bucket->tags[way] = here->hash;
			update_hints(hints, bucket);
		}
		written = true;
	}
	bpf_spin_unlock(&bucket->lock);
	if (!written) {
		if (room != ROOM_NONE)
			release_place(here->scope);
		totals->refused++;
		return 0;
	}
	/* The place that was taken belonged to a flow that is gone, or that goes on. Without room it is the same flow's. */
	if (replaced && room != ROOM_NONE)
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
