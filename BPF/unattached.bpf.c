// SPDX-License-Identifier: GPL-2.0-only
/* Programs that are attached nowhere: the controller runs them by BPF_PROG_TEST_RUN. */
#include "flow_share.h"
#include "fragment.h"
#include "skb.h"

static long clear_bucket(__u32 index, __u32 *scope)
{
	struct bh_flow_bucket *bucket = bucket_at(index);

	if (!bucket)
		return 1;
	for (__u32 way = 0; way < BH_FLOW_WAYS; way++) {
		__u32 tag = bucket->tags[way];

		if (tag && bucket->scopes[way] == *scope)
			end_flow(bucket, index, way, tag, END_ANY, 0);
	}
	return 0;
}

/* Takes out all flows of a scope, which the mark names, before the scope passes on to another device. */
SEC("tc")
int bulkhead_clear_flows(struct __sk_buff *ctx)
{
	__u32 scope = ctx->mark;

	bpf_loop(BH_FLOW_PLACES, clear_bucket, &scope, 0);
	return 0;
}

/*
 * Ends the flow in a place, which the mark names, if it still is the one with the tag cb[0]. For cb[1] jiffies its
 * connection is not adopted. Returns whether it did.
 */
SEC("tc")
int bulkhead_end_flow(struct __sk_buff *ctx)
{
	__u32 place = ctx->mark, tag = ctx->cb[0], ticks = ctx->cb[1], index = place / BH_FLOW_WAYS;
	struct bh_flow_totals *totals = this_cpu_flow_totals();
	struct bh_flow_bucket *bucket = bucket_at(index);
	bool ended;

	if (!bucket || !totals || !tag)
		return 0;
	ended = ticks ? bar_flow(bucket, index, place, tag, bpf_jiffies64(), ticks) :
			end_flow(bucket, index, place, tag, END_ANY, 0);
	if (ended)
		totals->ended++;
	return ended;
}

/* Forgets a scope's datagrams in one bucket of its room. */
static long forget_datagrams(__u32 index, __u32 *scope)
{
	__u32 number = bucket_in_room(*scope, index);
	struct bh_fragment_bucket *bucket = bpf_map_lookup_elem(&fragments, &number);

	if (!bucket)
		return 1;
	bpf_spin_lock(&bucket->lock);
	for (__u32 way = 0; way < BH_FRAGMENT_WAYS; way++) {
		if (bucket->datagrams[way].key.scope == *scope)
			bucket->tags[way] = 0;
	}
	bpf_spin_unlock(&bucket->lock);
	return 0;
}

/* Forgets the datagrams of a scope, which the mark names. */
SEC("tc")
int bulkhead_clear_datagrams(struct __sk_buff *ctx)
{
	__u32 scope = ctx->mark;

	bpf_loop(scope & BH_SCOPE_ENTRY ? BH_ENTRY_ROOM : BH_DEVICE_ROOM, forget_datagrams, &scope, 0);
	return 0;
}

/* Tells the time by which flows age. */
SEC("tc")
int bulkhead_clock(struct __sk_buff *ctx __attribute__((unused)))
{
	return bpf_jiffies64();
}

/* Reads a frame into the scratch of the CPU that runs it, and judges nothing. Returns that CPU. */
SEC("tc")
int bulkhead_parse(struct __sk_buff *ctx)
{
	struct bh_scratch *here = this_cpu_scratch();

	if (here)
		parse_skb(ctx, here);
	return bpf_get_smp_processor_id();
}

char _license[] SEC("license") = "GPL";
