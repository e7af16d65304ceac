/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Drops that somebody may read go the general way, which samples and streams them; but not so many that readers slow a
 * flood's drops down. A reader that asks for some packets only has places of its own, which other packets do not take.
 */
#ifndef BULKHEAD_FRONT_READ_H
#define BULKHEAD_FRONT_READ_H

#include "event.h"
#include "front_lines.h"

/* Writes what read_plain() has left in the key into the packet, where flows and rules look for it. */
static __always_inline void write_addresses(struct bh_scratch *here)
{
	struct ends ends = front_ends(&here->front);
	struct bh_packet *packet = &here->packet;

	packet->outer_vlan = front_vlan(&here->front);
	packet->inner_vlan = 0;
	packet->source_high = ends.source_high;
	packet->source_low = ends.source_low;
	packet->destination_high = ends.destination_high;
	packet->destination_low = ends.destination_low;
}

enum { BUDGET_A_TICK = 64, BUDGET_MOST = 2048, BUDGET_OF_KIND_A_TICK = 16, BUDGET_OF_KIND_MOST = 1024 };

/* What is left after so many ticks of what grows by `rate` a tick, up to `most`. */
static __always_inline __u32 grown(__u32 left, __u32 elapsed, __u32 rate, __u32 most)
{
	return elapsed >= most / rate || left + elapsed * rate > most ? most : left + elapsed * rate;
}

/* This CPU's budgets at this moment. */
static __always_inline struct reader_budgets *budgets_now(const struct bh_scratch *here)
{
	__u32 zero = 0, now = ticks_now(here), elapsed;
	struct reader_budgets *budgets = bpf_map_lookup_elem(&reader_budgets, &zero);

	if (!budgets)
		return NULL;
	elapsed = now - budgets->ticks;
	if (!elapsed)
		return budgets;
	budgets->ticks = now;
	budgets->left = grown(budgets->left, elapsed, BUDGET_A_TICK, BUDGET_MOST);
	for (int i = 0; i < BUDGET_KINDS; i++)
		budgets->left_of[i] = grown(budgets->left_of[i], elapsed, BUDGET_OF_KIND_A_TICK, BUDGET_OF_KIND_MOST);
	for (int i = 0; i < BH_READERS_MAX; i++)
		budgets->left_for[i] = grown(budgets->left_for[i], elapsed, BUDGET_OF_KIND_A_TICK, BUDGET_OF_KIND_MOST);
	return budgets;
}

/*
 * Whether a reader that asks for some packets only asks for this one, and has a place left. here->judgement has the
 * counter and the reason of what the packet's answer says. A global function: verified once.
 */
__noinline int is_asked_for(struct bh_scratch *here)
{
	struct reader_budgets *budgets;
	__u32 zero = 0;

	if (!here)
		return false;
	budgets = bpf_map_lookup_elem(&reader_budgets, &zero);
	if (!budgets)
		return true;
	write_addresses(here);
	here->judgement.verdict = BH_DROP;
	for (__u32 slot = 0; slot < BH_READERS_MAX; slot++) {
		__u32 key = slot;
		struct bh_reader *reader = bpf_map_lookup_elem(&readers, &key);

		if (!reader || !(reader->flags & BH_READER_NARROW) || !budgets->left_for[slot] || !wants(reader, here))
			continue;
		budgets->left_for[slot]--;
		return true;
	}
	return false;
}

/*
 * Whether a drop that a reader may want goes the general way. Per CPU 16 of each kind and 64 in all go there each tick,
 * more at once after a silence; and besides 16 for each reader that does not ask for all.
 */
static __always_inline bool may_be_read(__u32 result, struct bh_scratch *here)
{
	__u32 kind = (result & ~(RESULT_LOG | RESULT_CLASS | RESULT_TAGGED)) * 0x9e3779b1u >> 26 & (BUDGET_KINDS - 1);
	struct reader_budgets *budgets;
	__u32 flags;

	if (!(result & RESULT_LOG))
		return false;
	flags = stamp_word() >> 32;
	if (!(flags & BH_STAMP_READERS))
		return false;
	budgets = budgets_now(here);
	if (!budgets)
		return true;
	if (budgets->left && budgets->left_of[kind]) {
		budgets->left--;
		budgets->left_of[kind]--;
		return true;
	}
	JOIN_PATHS();
	return flags & BH_STAMP_NARROW && is_asked_for(here);
}

#endif
