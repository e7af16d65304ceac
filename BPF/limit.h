/* SPDX-License-Identifier: GPL-2.0-only */
/* Limits of rules: how often one may match. */
#ifndef BULKHEAD_LIMIT_H
#define BULKHEAD_LIMIT_H

#include "flow.h"

#ifndef TAKES_BUDGETS
#define TAKES_BUDGETS 1
#endif
/* Whether what is judged has been judged already by the policy in force, and nothing may come of it. */
#ifndef FOR_SHADOW
#define FOR_SHADOW 0
#endif
/* Whether tc is to do what is not done here. */
#define IS_LEFT_TO_TC (!TAKES_BUDGETS && !FOR_SHADOW)

/*
 * Moves a limit's clock on by a price, unless it would run further ahead of the present than the limit's span. A clock
 * that lags behind starts from now. So in any stretch of time no more passes than the burst and what the rate adds.
 */
static __always_inline bool pay(__u64 *full_at, const struct bh_condition *condition, __u64 price, __u64 now)
{
	__u64 full = *full_at > now ? *full_at : now;

	if (full - now + price > condition->span)
		return false;
	*full_at = full + price;
	return true;
}

static __always_inline bool pay_for_rule(const struct bh_condition *condition, __u64 price, __u64 now)
{
	__u32 slot = condition->slot;
	struct bh_limit *limit = bpf_map_lookup_elem(&limits, &slot);
	bool paid;

	if (!limit)
		return false;
	bpf_spin_lock(&limit->lock);
	if (limit->identity != condition->identity) {
		limit->identity = condition->identity;
		limit->full_at = 0;
	}
	paid = pay(&limit->full_at, condition, price, now);
	bpf_spin_unlock(&limit->lock);
	return paid;
}

/* The place of a source in its set: its own, else the one that is free first. */
static __always_inline __u32 source_way(struct bh_source_set *set, __u32 identity, __u64 source)
{
	__u64 least = ~0ull;
	__u32 way = 0;

#pragma unroll
	for (__u32 i = 0; i < BH_SOURCE_WAYS; i++) {
		if (set->identities[i] == identity && set->sources[i] == source)
			return i;
		if (set->full_at[i] < least) {
			least = set->full_at[i];
			way = i;
		}
	}
	return way;
}

/* Whose budget it is: the end of the packet that the limit counts by, as bh_budget_of() has it. */
static __always_inline __u64 budget_of(const struct bh_condition *condition, const struct bh_packet *packet,
				       bool is_answer, __u64 secret)
{
	bool destination = !!(condition->flags & BH_CONDITION_BY_DESTINATION) != is_answer;
	__u64 high = destination ? packet->destination_high : packet->source_high;
	__u64 low = destination ? packet->destination_low : packet->source_low;

	if (!(packet->flags & BH_PACKET_IPV6))
		return low & condition->v4_mask;
	return bh_budget_of(secret, high & condition->high_mask, low, condition->low_mask);
}

static __always_inline bool pay_for_source(const struct bh_condition *condition, const struct bh_packet *packet,
					   bool is_answer, __u64 secret, __u64 price, __u64 now)
{
	bool v6 = packet->flags & BH_PACKET_IPV6, paid;
	__u32 identity = condition->identity | v6, index, way;
	__u64 source = budget_of(condition, packet, is_answer, secret);
	struct bh_source_set *set;

	index = bh_source_set_of(secret, source, identity);
	set = bpf_map_lookup_elem(&sources, &index);
	if (!set)
		return false;
	bpf_spin_lock(&set->lock);
	way = source_way(set, identity, source) & (BH_SOURCE_WAYS - 1);
	if (set->identities[way] != identity || set->sources[way] != source) {
		set->identities[way] = identity;
		set->sources[way] = source;
		set->full_at[way] = 0;
	}
	paid = pay(&set->full_at[way], condition, price, now);
	bpf_spin_unlock(&set->lock);
	return paid;
}

/*
 * Takes a limited rule's budget for the packet itself; false where it is used up. Packets without
 * a flow cost one token per wire packet; a new flow costs one. Bytes are those of the frames on the wire. A global
 * function: verified once.
 */
__noinline int take_budget(const struct bh_scratch *here, const struct bh_condition *condition, bool by_flow,
			   __u64 secret)
{
	__u64 price, now;

	if (!here || !condition)
		return 0;
	now = nanoseconds_now(here) << 4;
	if (condition->flags & BH_CONDITION_BYTES)
		price = condition->cost * here->packet.wire_bytes >> (condition->shift & 63);
	else
		price = condition->cost * (by_flow ? 1 : here->packet.segments);
	if (condition->flags & (BH_CONDITION_BY_SOURCE | BH_CONDITION_BY_DESTINATION))
		return pay_for_source(condition, &here->packet, here->metered == METERED_ANSWERER, secret, price, now);
	return pay_for_rule(condition, price, now);
}

#if TAKES_BUDGETS && !FOR_SHADOW
/* A flow that a rule with a limit of bytes accepted takes of it for what it carries, and waits where it is used up. */
static __always_inline void meter_flow(const struct image *image, struct bh_scratch *here)
{
	struct bh_judgement *judgement = &here->judgement;
	const struct bh_rule *rule = IMAGE_ELEMENT(image, image->header->rules, here->metered_rule, struct bh_rule);
	const struct bh_condition *condition =
		IMAGE_ELEMENT(image, image->header->conditions, rule->condition, struct bh_condition);

	if (take_budget(here, condition, true, image->header->secret))
		return;
	judgement->verdict = BH_DROP;
	judgement->reason = BH_REASON_RULE;
	judgement->rule = here->metered_rule;
	judgement->counter = BH_NONE;
	judgement->log = 0;
}
#endif

#endif
