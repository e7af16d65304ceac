/* SPDX-License-Identifier: GPL-2.0-only */
/* What a shadow tells: how many packets it compared, and of those that another verdict would meet, which and why. */
#ifndef BULKHEAD_SHADOW_TELL_H
#define BULKHEAD_SHADOW_TELL_H

#include "bucket.h"
#include "shadow_maps.h"

/* The judgement of the policy in force. The front leaves out what it does not need. */
static __always_inline void write_judged(struct bh_judgement *judgement, const struct bh_scratch *judged,
					 const struct bh_scratch *here, __u32 generation)
{
	*judgement = judged->judgement;
	if (!judged->front.answered)
		return;
	judgement->generation = generation;
	judgement->port = here->denial.port;
	judgement->log = 0;
}

/* Counts the packet for the pair of verdicts that it met and would meet. */
static __always_inline void count_change(const struct bh_scratch *judged, const struct bh_scratch *here,
					 struct bh_shadow_counts *counts)
{
	struct bh_shadow_pair pair = {
		.counter = judged->judgement.counter,
		.rule = here->judgement.rule,
		.old_verdict = judged->judgement.verdict,
		.old_reason = judged->judgement.reason,
		.verdict = here->judgement.verdict,
		.reason = here->judgement.reason,
		.direction = judged->judgement.direction,
		.may = here->unsure,
	};
	struct bh_shadow_total *total = bpf_map_lookup_elem(&shadow_totals, &pair), none = {};

	if (!total) {
		bpf_map_update_elem(&shadow_totals, &pair, &none, BPF_NOEXIST);
		total = bpf_map_lookup_elem(&shadow_totals, &pair);
	}
	if (!total) {
		counts->unlisted += here->packet.segments;
		return;
	}
	__sync_fetch_and_add(&total->packets, here->packet.segments);
	__sync_fetch_and_add(&total->bytes, here->packet.wire_bytes);
}

/* Whether the packet is streamed: so many a second of each device, direction, and pair of rules. */
static __always_inline bool is_sampled(const struct bh_scratch *judged, const struct bh_scratch *here)
{
	__u64 key = (__u64)judged->judgement.counter << 32 | here->judgement.rule;
	__u32 slot;
	struct token_bucket *bucket;

	key = (key ^ here->device << 1 ^ here->judgement.direction) * 0x9e3779b97f4a7c15ull;
	slot = key >> 50 & (BH_SHADOW_BUCKETS - 1);
	bucket = bpf_map_lookup_elem(&shadow_buckets, &slot);
	return bucket && take_token(bucket, BH_SAMPLE_COST, BH_SAMPLE_BURST);
}

static __always_inline bool emit_change(void *ctx, const struct bh_scratch *judged, const struct bh_scratch *here,
					__u32 generation)
{
	__u32 captured = here->packet.length;
	struct bh_shadow_event *event = bpf_ringbuf_reserve(&shadow_ring, sizeof(*event), 0);

	if (!event)
		return false;
	event->event.time = bpf_ktime_get_ns();
	event->event.device = here->device;
	write_judged(&event->event.judgement, judged, here, generation);
	event->event.packet = here->packet;
	event->shadow = here->judgement;
	event->may = here->unsure;
	event->pad = 0;
	if (captured > BH_HEADER_BYTES)
		captured = BH_HEADER_BYTES;
	/* See emit(). */
	asm volatile("" : "+r"(captured));
	captured = ((captured - 1) & (BH_HEADER_BYTES - 1)) + 1;
	if (frame_load(ctx, 0, event->event.header, captured))
		captured = 0;
	event->event.captured = captured;
	bpf_ringbuf_submit(event, 0);
	return true;
}

/* Tells what the shadow's judgement, in `here`, is to that of the policy in force. */
static __always_inline void tell(void *ctx, const struct bh_scratch *judged, struct bh_scratch *here, __u32 generation)
{
	__u32 zero = 0, segments = here->packet.segments;
	struct bh_shadow_counts *counts = bpf_map_lookup_elem(&shadow_counts, &zero);

	if (!counts)
		return;
	counts->compared += segments;
	if (here->judgement.verdict == judged->judgement.verdict)
		return;
	counts->changed += segments;
	count_change(judged, here, counts);
	if (!is_sampled(judged, here))
		return;
	if (emit_change(ctx, judged, here, generation))
		counts->emitted += segments;
	else
		counts->lost += segments;
}

#endif
