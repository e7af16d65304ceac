/* SPDX-License-Identifier: GPL-2.0-only */
/* Streaming. Per-CPU counters are exact; events are a sample for whoever listens. */
#ifndef BULKHEAD_EVENT_H
#define BULKHEAD_EVENT_H

#include "bucket.h"
#include "count.h"
#include "service.h"

static __always_inline struct bh_event_counters *this_cpu_event_counters(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&event_counters, &zero);
}

/* Whether one end of the packet is in the prefix that a reader asks for. */
static __always_inline bool is_host(const struct bh_reader *reader, const struct bh_packet *packet)
{
	__u32 family = reader->host_family == 6 ? BH_PACKET_IPV6 : BH_PACKET_IPV4;
	__u64 source = (packet->source_high ^ reader->host_high) & reader->mask_high;
	__u64 destination = (packet->destination_high ^ reader->host_high) & reader->mask_high;

	if (!(packet->flags & family))
		return false;
	source |= (packet->source_low ^ reader->host_low) & reader->mask_low;
	destination |= (packet->destination_low ^ reader->host_low) & reader->mask_low;
	return !source || !destination;
}

/* Whether a reader asks for this rule. */
static __always_inline bool is_rule(const struct bh_reader *reader, __u32 counter)
{
	for (__u32 index = 0; index < BH_READER_RULES; index++) {
		if (reader->rules[index] == counter)
			return true;
	}
	return false;
}

/* Whether a reader asks for a service that this packet carries. */
static __always_inline bool is_service(const struct bh_reader *reader, const struct bh_packet *packet)
{
	__u32 headers = (packet->flags & BH_PACKET_HEADERS) >> BH_PACKET_HEADERS_SHIFT, protocol;
	__u16 key;

	protocol = service_key(packet, &key);
	for (__u32 index = 0; index < BH_READER_SERVICES; index++) {
		const struct bh_reader_service *service = &reader->services[index];

		if (service->headers & headers)
			return true;
		if (service->protocol == protocol && (__u16)(key - service->key) <= service->key_span &&
		    (__u16)(packet->source_port - service->source) <= service->source_span)
			return true;
	}
	return false;
}

/* Whether a reader asked for this packet. A global function: verified once, not once per reader. */
__noinline int wants(struct bh_reader *reader, struct bh_scratch *here)
{
	const struct bh_judgement *judgement;
	__u32 flags, device;

	if (!reader || !here)
		return false;
	judgement = &here->judgement;
	flags = reader->flags;
	device = here->device & (BH_DEVICES_MAX - 1);
	if (judgement->verdict == BH_ACCEPT && !(flags & BH_READER_ACCEPTS))
		return false;
	if (!(reader->reasons >> (judgement->reason & 31) & 1))
		return false;
	if (flags & BH_READER_DEVICES && !(reader->devices[device >> 6] >> (device & 63) & 1))
		return false;
	if (flags & BH_READER_HOST && !is_host(reader, &here->packet))
		return false;
	if (flags & BH_READER_RULE && !is_rule(reader, judgement->counter))
		return false;
	return !(flags & BH_READER_SERVICE) || is_service(reader, &here->packet);
}

/* Whether a reader still renews its request. One that has stopped is switched off here. */
static __always_inline bool is_alive(__u32 slot)
{
	struct bh_reader *reader = bpf_map_lookup_elem(&readers, &slot);

	if (!reader)
		return false;
	if (bpf_ktime_get_coarse_ns() < reader->expires)
		return true;
	reader->flags = 0;
	return false;
}

/* The slots of the readers that want this packet, one bit per slot. */
static __always_inline __u32 wanting_readers(struct bh_scratch *here)
{
	__u32 wanting = 0;

	for (__u32 slot = 0; slot < BH_READERS_MAX; slot++) {
		__u32 key = slot;
		struct bh_reader *reader = bpf_map_lookup_elem(&readers, &key);

		if (reader && reader->flags & BH_READER_ACTIVE && wants(reader, here))
			wanting |= 1u << slot;
	}
	return wanting;
}

/*
 * Whether this packet's token bucket lets it be streamed to a reader. There is one bucket per reader, device,
 * direction, reason and rule, though several may share a slot. Each reader has its own, so that no reader costs another
 * an event. A race for a token changes no count: what was emitted is counted as emitted.
 */
static __always_inline bool take_sample(const struct bh_scratch *here, __u32 reader)
{
	const struct bh_judgement *judgement = &here->judgement;
	__u64 key = (__u64)judgement->counter << 32 | reader << 24 | here->device << 8 | judgement->reason << 1 |
		    judgement->direction;
	__u32 slot = key * 0x9e3779b97f4a7c15ull >> 50 & (BH_BUCKETS - 1);
	struct token_bucket *bucket = bpf_map_lookup_elem(&buckets, &slot);

	return bucket && take_token(bucket, BH_SAMPLE_COST, BH_SAMPLE_BURST);
}

/*
 * Wakes the reader when a quarter of its ring is full. Before that the reader wakes by itself, several times a second.
 */
static __always_inline __u64 wakeup(void *ring)
{
	__u64 waiting = bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA);
	__u64 quarter = bpf_ringbuf_query(ring, BPF_RB_RING_SIZE) / 4;

	return waiting > quarter && waiting < quarter + 16 * sizeof(struct bh_event) ? BPF_RB_FORCE_WAKEUP :
										       BPF_RB_NO_WAKEUP;
}

/* Writes the packet into one reader's ring; false where there is no room. */
static __always_inline bool emit(void *ctx, const struct bh_scratch *here, __u32 slot)
{
	__u32 captured = here->packet.length;
	struct bh_event *event;
	void *ring;

	ring = bpf_map_lookup_elem(&rings, &slot);
	if (!ring)
		return false;
	event = bpf_ringbuf_reserve(ring, sizeof(*event), 0);
	if (!event)
		return false;
	event->time = bpf_ktime_get_ns();
	event->device = here->device;
	event->judgement = here->judgement;
	event->packet = here->packet;
	if (captured > BH_HEADER_BYTES)
		captured = BH_HEADER_BYTES;
	/*
	 * From 1 to BH_HEADER_BYTES in a form that the verifier of Linux 6.1 follows. Nothing can be loaded with a size
	 * of 0, so 0 becomes all.
	 */
	asm volatile("" : "+r"(captured));
	captured = ((captured - 1) & (BH_HEADER_BYTES - 1)) + 1;
	if (frame_load(ctx, 0, event->header, captured))
		captured = 0;
	event->captured = captured;
	bpf_ringbuf_submit(event, wakeup(ring));
	return true;
}

/*
 * Streams the packet to those who want it, and accounts for it: emitted or lost. A drop that is neither is suppressed;
 * the controller works out how many are.
 */
static __always_inline void report(void *ctx, struct bh_scratch *here)
{
	struct bh_event_counters *counters = this_cpu_event_counters();
	/* What a rule logs counts as what is accepted: its drop, if one comes of it, is reported by itself. */
	bool accepted = here->judgement.verdict == BH_ACCEPT || here->judgement.verdict == BH_LOG;
	__u32 wanting = 0, segments = here->packet.segments;
	bool emitted = false, sampled = false;

	if (!counters || (accepted && !here->judgement.log))
		return;
	if (here->judgement.log)
		wanting = wanting_readers(here);
	for (__u32 slot = 0; slot < BH_READERS_MAX; slot++) {
		/*
		 * The clock comes last, because it costs most. What is not sampled is suppressed, whether the reader
		 * lives or not.
		 */
		if (!(wanting >> slot & 1) || !take_sample(here, slot) || !is_alive(slot))
			continue;
		sampled = true;
		if (emit(ctx, here, slot))
			emitted = true;
	}
	if (emitted)
		*(accepted ? &counters->accepts_emitted : &counters->emitted) += segments;
	else if (sampled)
		*(accepted ? &counters->accepts_lost : &counters->lost) += segments;
	else if (accepted)
		counters->accepts_suppressed += segments;
}

/* Counts a packet that passed unjudged, because it found no image or no port record. */
static __always_inline void count_unjudged(const struct bh_scratch *here)
{
	struct bh_event_counters *counters = this_cpu_event_counters();

	if (counters)
		counters->unjudged += here->packet.segments;
}

#endif
