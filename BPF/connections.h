/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counting the flows that a rule opened, see abi/connections.h. A packet that is about to open one comes with a holder
 * that stands for it, then counts the others: so of two at once the second sees the first. For the tc hooks.
 */
#ifndef BULKHEAD_CONNECTIONS_H
#define BULKHEAD_CONNECTIONS_H

#include "holders.h"

enum {
	HOLDER_TRIES = 4, /* counts, where others come meanwhile */
};

/* Sets what is counted: the flows of a rule, of the end of a packet or flow that the rule counts by. */
static __always_inline void start_holding(const struct image *image, __u32 rank, const struct bh_packet *opening,
					  struct bh_scratch *here)
{
	struct bh_holding *holding = &here->holding;
	const struct bh_rule *rule = IMAGE_ELEMENT(image, image->header->rules, rank, struct bh_rule);
	const struct bh_condition *condition =
		IMAGE_ELEMENT(image, image->header->conditions, rule->condition, struct bh_condition);
	const struct bh_connections *connections =
		IMAGE_ELEMENT(image, image->header->connections, condition->connections - 1, struct bh_connections);
	struct bh_sip sip = bh_sip_start(image->header->secret, ~image->header->secret);
	bool v6 = opening->flags & BH_PACKET_IPV6;
	__u64 hash;

	holding->high_mask = v6 ? connections->high_mask : 0;
	holding->low_mask = v6 ? connections->low_mask : connections->v4_mask;
	holding->destination = connections->destination;
	holding->high =
		(connections->destination ? opening->destination_high : opening->source_high) & holding->high_mask;
	holding->low = (connections->destination ? opening->destination_low : opening->source_low) & holding->low_mask;
	holding->family = !connections->v4_mask ? 0 : v6 ? 6 : 4;
	holding->counter = rule->counter;
	holding->maximum = connections->maximum;
	holding->rule = rank - rule->term + 1;
	holding->now = ticks_now(here);
	holding->has_twin = 0;
	bh_sip_add(&sip, (__u64)connections->identity << 8 | holding->family);
	bh_sip_add(&sip, holding->high);
	bh_sip_add(&sip, holding->low);
	hash = bh_sip_end(&sip);
	holding->home = hash >> BH_HOLDER_HOME_SHIFT;
	holding->holder = hash >> BH_HOLDER_KEY_SHIFT << BH_HOLDER_KEY_SHIFT | holder_tag(here->hash);
}

/*
 * Has the packet hold a place among the flows that count, if there is room for one more. While another packet came with
 * a holder of the same home, it may have been counted or not; where that matters, this one counts again.
 */
static __always_inline bool hold_room(struct bh_scratch *here)
{
	struct bh_holding *holding = &here->holding;
	struct bh_holder_bucket *home = holders_at(holding->home);
	__u32 before, found;

	if (!home)
		return false;
	for (int try = 0; try < HOLDER_TRIES; try++) {
		before = *(volatile __u32 *)&home->changes;
		found = count_flows(here, false);
		if (found >= holding->maximum)
			found = count_flows(here, true);
		if (found >= holding->maximum || !insert_holder(here))
			return false;
		if (__sync_fetch_and_add(&home->changes, 1) - before + found < holding->maximum)
			return true;
		replace_holder(holding, 0);
	}
	return false;
}

/*
 * Finds out whether the rule in here->asked_room may open a flow for the packet, which holds a place then until it has
 * been settled. A global function: verified once.
 */
__noinline int ask_room(struct bh_scratch *here)
{
	struct image image;

	if (!here)
		return 0;
	here->has_room = 0;
	if (here->holding.at)
		replace_holder(&here->holding, 0);
	if (!image_open_in_force(&image, here) || image.header->generation != here->judgement.generation)
		return 0;
	start_holding(&image, here->asked_room - 1, &here->packet, here);
	here->holding.holder |= BH_HOLDER_PENDING;
	here->has_room = hold_room(here);
	return 0;
}

/*
 * Takes the packet's holder out if another says the same: two CPUs that see packets of a flow at once may both have
 * listed it. Both may take theirs out, so it is looked at again.
 */
static __always_inline void keep_one(struct bh_scratch *here)
{
	for (int try = 0; try < HOLDER_TRIES / 2 && is_held(here, 1); try++) {
		replace_holder(&here->holding, 0);
		if (is_held(here, 0) || !insert_holder(here))
			break;
	}
	here->holding.at = 0;
}

/* The place of the flow that was opened is known now. */
static __always_inline void hold_place(struct bh_scratch *here, __u32 slot)
{
	struct bh_holding *holding = &here->holding;
	__u64 holder = (holding->holder & ~(__u64)BH_HOLDER_PENDING) | slot;

	replace_holder(holding, holder);
	holding->holder = holder;
	if (holding->has_twin)
		keep_one(here);
	holding->at = 0;
}

/* Has a flow count that nobody asked whether there is room for: a new policy accepts it, or it was adopted. */
static __always_inline void hold_anyway(struct bh_scratch *here, const struct bh_flow *flow, __u32 slot)
{
	struct bh_packet *opening = &here->subject;
	const struct bh_flow_key *key = &flow->key;
	bool first = flow->opener_is_first;
	struct bh_holder_bucket *home;
	struct image image;

	if (!image_open_in_force(&image, here) || image.header->generation != here->judgement.generation)
		return;
	opening->flags = key->family == 6 ? BH_PACKET_IPV6 : BH_PACKET_IPV4;
	opening->source_high = first ? key->first_high : key->second_high;
	opening->source_low = first ? key->first_low : key->second_low;
	opening->destination_high = first ? key->second_high : key->first_high;
	opening->destination_low = first ? key->second_low : key->first_low;
	start_holding(&image, here->counted - 1, opening, here);
	here->holding.holder |= slot;
	home = holders_at(here->holding.home);
	/* So many take no more room, which others may need, and no more time. */
	if (home && *(volatile __u32 *)&home->overflow > 2 * BH_CONNECTIONS_MAX)
		return;
	if (is_held(here, 0) || !insert_holder(here))
		return;
	if (home)
		__sync_fetch_and_add(&home->changes, 1);
	keep_one(here);
}

/* Gives the packet's flow its place among those that count, or gives it back. A global function: verified once. */
__noinline int settle_holder(struct bh_scratch *here)
{
	const struct bh_flow *flow;
	__u32 slot;

	if (!here)
		return 0;
	slot = here->opens ? here->opened : here->flow;
	flow = slot ? flow_of_holder(slot | holder_tag(here->hash)) : NULL;
	if (!flow || !here->counted || flow->rule != here->counted - 1 ||
	    flow->generation != here->judgement.generation)
		slot = 0;
	if (here->holding.at && (!slot || here->holding.rule != here->counted))
		replace_holder(&here->holding, 0);
	if (!slot)
		return 0;
	if (here->holding.at)
		hold_place(here, slot);
	else
		hold_anyway(here, flow, slot);
	return 0;
}

/* The same. Packets of other rules go past it. */
static __always_inline void settle_connection(struct bh_scratch *here)
{
	if (here->counted || here->holding.at)
		settle_holder(here);
}

#endif
