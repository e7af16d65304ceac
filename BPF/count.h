/* SPDX-License-Identifier: GPL-2.0-only */
/* Counting: one line of the cache for the packet's port, and one for its rule. */
#ifndef BULKHEAD_COUNT_H
#define BULKHEAD_COUNT_H

#include "image.h"

static __always_inline void add_to(struct bh_count *count, const struct bh_packet *packet)
{
	count->packets += packet->segments;
	count->bytes += packet->wire_bytes;
}

/* Adds the packet to one of its port's counters. */
static __always_inline void count_at_port(const struct bh_scratch *here, __u64 outcome)
{
	__u32 device = here->device & (BH_DEVICES_MAX - 1), chunk = device / BH_PORT_CHUNK;
	__u32 index = device % BH_PORT_CHUNK * BH_DIRECTION_MAX + (here->judgement.direction & 1);
	void *counters = bpf_map_lookup_elem(&port_counters, &chunk);
	struct bh_port_counters *port = counters ? bpf_map_lookup_elem(counters, &index) : NULL;

	/* The verifier must see bounds on the very register that indexes. */
	asm volatile("" : "+r"(outcome));
	if (port && outcome < BH_OUTCOME_MAX)
		add_to(&port->outcomes[outcome], &here->packet);
}

/* Adds the packet to the counter of the rule that decided, if one did. */
static __always_inline void count_for_rule(const struct bh_scratch *here)
{
	__u32 slot = here->judgement.counter, page = slot >> BH_RULE_PAGE_BITS, cpu = bpf_get_smp_processor_id();
	struct rule_counters *rules;
	void *counters;

	if (slot == BH_NONE)
		return;
	counters = bpf_map_lookup_elem(&rule_counters, &page);
	rules = counters ? bpf_map_lookup_elem(counters, &cpu) : NULL;
	if (rules)
		add_to(&rules->counts[slot & (BH_RULE_PAGE - 1)], &here->packet);
}

/* Counts the packet. Packets are wire packets: a super-packet counts its segments. */
static __always_inline void count_packet(const struct bh_scratch *here)
{
	const struct bh_judgement *judgement = &here->judgement;

	count_at_port(here, bh_outcome(judgement->reason, judgement->verdict == BH_ACCEPT));
	count_for_rule(here);
}

/* Counts a rejected packet that got no answer. */
static __always_inline void count_unanswered(const struct bh_scratch *here)
{
	count_at_port(here, BH_OUTCOME_UNANSWERED);
}

#endif
