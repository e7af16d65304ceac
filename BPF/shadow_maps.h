/* SPDX-License-Identifier: GPL-2.0-only */
/* The maps of a shadow: made by the command that asks for it, pinned nowhere, and gone with it. */
#ifndef BULKHEAD_SHADOW_MAPS_H
#define BULKHEAD_SHADOW_MAPS_H

#include "maps.h"

/* One entry: the image of the shadow's policy. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct image_pages);
} shadow_slots SEC(".maps");

/* The shadow's own room: that of the programs that judge stays as they left it. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bh_scratch);
} shadow_scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct bh_shadow_lease);
} shadow_lease SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bh_shadow_counts);
} shadow_counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BH_SHADOW_PAIRS);
	__type(key, struct bh_shadow_pair);
	__type(value, struct bh_shadow_total);
} shadow_totals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BH_SHADOW_BUCKETS);
	__type(key, __u32);
	__type(value, struct token_bucket);
} shadow_buckets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, BH_RING_SIZE);
} shadow_ring SEC(".maps");

static __always_inline struct bh_scratch *shadow_room(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&shadow_scratch, &zero);
}

static __always_inline struct bh_shadow_lease *lease_of_shadow(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&shadow_lease, &zero);
}

#endif
