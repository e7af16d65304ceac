/* SPDX-License-Identifier: GPL-2.0-only */
/* The last stage: what is done about a judgement, to the flow table and to the datagrams in fragments. tc's alone. */
#ifndef BULKHEAD_JUDGE_SETTLE_H
#define BULKHEAD_JUDGE_SETTLE_H

#include "flow_state.h"
#include "flow_table.h"
#include "fragment.h"
#include "judgement.h"
#include "question.h"

/* Ends the flow that a new policy denies. */
static __always_inline void end_found_flow(const struct bh_scratch *here)
{
	struct bh_flow_totals *totals = this_cpu_flow_totals();
	__u32 slot = here->flow - 1, index = slot / BH_FLOW_WAYS;
	struct bh_flow_bucket *bucket = bucket_at(index);
	bool ended;

	if (!bucket || !totals)
		return;
	ended = here->bar ? bar_flow(bucket, index, slot, here->hash, ticks_now(here), here->bar) :
			    end_flow(bucket, index, slot, here->hash, END_ANY, 0);
	if (ended)
		totals->ended++;
}

/*
 * Keeps the flow that a trial denies, for its base: the packet is dropped, and the flow stays as it is. It does not age
 * while its ends send what it would let pass.
 */
static __always_inline void suspend_found_flow(const struct bh_scratch *here)
{
	const struct bh_packet *packet = &here->packet;
	struct bh_flow *flow = found_flow(here);
	bool tcp = packet->protocol == IPPROTO_TCP;

	if (!flow || flow->state == BH_FLOW_BARRED || is_error(packet))
		return;
	if (tcp && (here->segment != SEGMENT_FITS || packet->tcp_flags & (TCP_FIN | TCP_RST)))
		return;
	if (!is_lonely(flow, here->forward != flow->opener_is_first))
		flow->seen = ticks_now(here);
}

/* Notes in the packet's flow what accepts it now, if its place still is its own. */
static __always_inline void note_in_found_flow(struct bh_scratch *here)
{
	__u32 slot = here->flow - 1, way = slot % BH_FLOW_WAYS, now = ticks_now(here);
	struct bh_flow_bucket *bucket = bucket_at(slot / BH_FLOW_WAYS);
	struct bh_flow *flows = flows_at(slot / BH_FLOW_WAYS);

	if (!bucket || !flows)
		return;
	bpf_spin_lock(&bucket->lock);
	if (bucket->tags[way] == here->hash)
		note_judgement(&flows[way], here, now);
	bpf_spin_unlock(&bucket->lock);
}

/* Opens, ends or moves on the packet's flow. A global function: verified once. */
__noinline int settle_flow(struct bh_scratch *here)
{
	struct bh_judgement *judgement;
	struct bh_flow *flow;

	if (!here)
		return 0;
	judgement = &here->judgement;
	if (here->opens) {
		if (!open_flow(here))
			overrule(judgement, BH_REASON_FLOW_TABLE_FULL);
		return 0;
	}
	if (!here->flow)
		return 0;
	if (judgement->reason == BH_REASON_POLICY_CHANGED) {
		if (is_tried(here))
			suspend_found_flow(here);
		else
			end_found_flow(here);
		return 0;
	}
	flow = found_flow(here);
	if (judgement->verdict != BH_ACCEPT || !flow)
		return 0;
	/* Where nobody knew whence its opening packet came, the next packet of that way tells. */
	if ((here->question == ASK_OPENING && !here->via_open) || here->question == ASK_ATTEMPT)
		note_in_found_flow(here);
	judgement->rule = BH_NONE;
	/* An error refreshes nothing. */
	if (judgement->reason == BH_REASON_ESTABLISHED)
		advance_flow(here);
	return 0;
}

/* Keeps a first fragment that was accepted, for those that follow. */
static __always_inline void settle_fragment(struct bh_scratch *here)
{
	bool opened = here->packet.flags & BH_PACKET_FRAGMENT_FIRST && here->judgement.verdict == BH_ACCEPT;

	if (opened && !keep_datagram(here))
		overrule(&here->judgement, BH_REASON_FRAGMENT);
}

#endif
