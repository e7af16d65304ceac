/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every map of the datapath. The controller pins them. What both sides read of a map is in datapath_abi.h; what only
 * the programs read is here.
 */
#ifndef BULKHEAD_MAPS_H
#define BULKHEAD_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "answer.h"
#include "datapath_abi.h"

/*
 * Flag of maps whose values are lines of the cache. Such an array begins on a page. Any other begins in the middle of a
 * line, and what is laid out for one line would be in two. Nobody maps them.
 */
#define IN_LINES BPF_F_MMAPABLE

struct rule_counters {
	struct bh_count counts[BH_RULE_PAGE];
};

/* The hints of a line of buckets: each flow's tag sets one bit of its bucket's, see hint(). */
struct flow_hints {
	__u16 hints[BH_FLOW_HINTS];
};

/* An image, of as many pages as it needs. */
struct image_pages {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, BH_PAGE_SIZE);
};

/* By enum bh_slot. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, BH_SLOT_MAX);
	__type(key, __u32);
	__array(values, struct image_pages);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bh_scratch);
} scratch SEC(".maps");

struct port_chunk {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, BH_PORT_CHUNK *BH_DIRECTION_MAX);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct bh_port_counters));
};

/* By device / BH_PORT_CHUNK. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, BH_PORT_CHUNKS);
	__type(key, __u32);
	__array(values, struct port_chunk);
} port_counters SEC(".maps");

/*
 * By CPU; the controller makes them with as many entries as there are CPUs, and names such a page as the model before
 * the map of pages is made. In a per-CPU map each access would go through a table as large.
 */
struct rule_page {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct rule_counters));
};

/* By slot / BH_RULE_PAGE. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, BH_RULE_PAGES);
	__type(key, __u32);
	__array(values, struct rule_page);
} rule_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bh_event_counters);
} event_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct bh_stamp);
} stamp SEC(".maps");

/*
 * What the front knows of recent packets: by CPU, as many blocks as bh_settings says. The controller sets how many that
 * are. A per-CPU map has no IN_LINES.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, IN_LINES);
	__type(key, __u32);
	__type(value, struct answer_block);
} verdicts SEC(".maps");

/* How many drops that the front knows go the general way, where they may be streamed. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct reader_budgets);
} reader_budgets SEC(".maps");

/*
 * Samples events, or answers to rejected packets: a clock that each of them moves on by its cost and that may not pass
 * the present. It lags at most a burst behind.
 */
struct token_bucket {
	__u64 clock; /* CLOCK_MONOTONIC nanoseconds */
};

struct reader_ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, BH_RING_SIZE);
};

/* A ring has one consumer, so each reader brings its own. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, BH_READERS_MAX);
	__type(key, __u32);
	__array(values, struct reader_ring);
} rings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BH_READERS_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct bh_reader);
} readers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BH_BUCKETS);
	__type(key, __u32);
	__type(value, struct token_bucket);
} buckets SEC(".maps");

/* How many answers to rejected packets a device may send, by device. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BH_DEVICES_MAX);
	__type(key, __u32);
	__type(value, struct token_bucket);
} answers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BH_FLOW_PLACES);
	__uint(map_flags, IN_LINES);
	__type(key, __u32);
	__type(value, struct bh_flow_bucket);
} flow_buckets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BH_FLOW_PLACES);
	__uint(map_flags, IN_LINES);
	__type(key, __u32);
	__type(value, struct bh_flow_ways);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BH_FLOW_BUCKETS / BH_FLOW_HINTS);
	__uint(map_flags, IN_LINES);
	__type(key, __u32);
	__type(value, struct flow_hints);
} flow_hints SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BH_SCOPES_MAX);
	__type(key, __u32);
	__type(value, struct bh_flow_scope);
} flow_scopes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bh_flow_totals);
} flow_totals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BH_FRAGMENT_BUCKETS);
	__uint(map_flags, IN_LINES);
	__type(key, __u32);
	__type(value, struct bh_fragment_bucket);
} fragments SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BH_LIMITS_MAX);
	__uint(map_flags, IN_LINES);
	__type(key, __u32);
	__type(value, struct bh_limit);
} limits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BH_SOURCE_SETS);
	__uint(map_flags, IN_LINES);
	__type(key, __u32);
	__type(value, struct bh_source_set);
} sources SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BH_HOLDER_BUCKETS);
	__uint(map_flags, IN_LINES);
	__type(key, __u32);
	__type(value, struct bh_holder_bucket);
} holders SEC(".maps");

/* The members of a dynamic group. It takes only the room that they need. */
struct member_trie {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 2 * BH_MEMBERS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(key_size, sizeof(struct bh_member_key));
	__uint(value_size, sizeof(struct bh_member));
};

/* By a group's slot. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, BH_GROUP_SLOTS);
	__type(key, __u32);
	__array(values, struct member_trie);
} groups SEC(".maps");

/* A member that a rule has put into a group. */
struct added {
	struct bh_member_key key;
	__u32 slot; /* of the group, counted from 1; 0: none */
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BH_ADDED);
	__type(key, __u32);
	__type(value, struct added);
} added SEC(".maps");

/* Where the next member is noted in the ring, and where the next look for room begins. */
struct added_state {
	__u64 head;
	__u64 hand;
	__u32 swept; /* jiffies of the last look */
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct added_state);
} added_state SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BH_OWN_ADDRESSES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct bh_own_address);
	__type(value, __u32);
} own_addresses SEC(".maps");

/* What the kernel's tables said of an address at a device. It holds for the tick that it was said in. */
struct local_memo {
	__u64 high;
	__u64 low;
	__u32 device;
	__u32 ticks; /* jiffies, low half */
	__u8 family; /* 4 or 6; 0: nothing was said */
	__u8 is_own;
	__u8 pad[6];
};

enum { LOCAL_MEMOS = 256 };

/* By a hash of address and device. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LOCAL_MEMOS);
	__type(key, __u32);
	__type(value, struct local_memo);
} local_memos SEC(".maps");

/*
 * Room for a search of the kernel's tables, see struct local_search. It is in a map, because the verifier does not
 * follow what is written there.
 */
struct local_search_room {
	__u64 words[24];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct local_search_room);
} local_searches SEC(".maps");

/* A walk down the address trie: what is left of the address, left-aligned, and what the last step found. */
struct walk {
	__u64 high;
	__u64 low;
	__u32 value;
	__u32 pad;
};

struct walks {
	struct walk source; /* also of an address that is looked up alone */
	struct walk destination;
};

/*
 * The walks are in a map, because the verifier does not follow what is written there. In registers it would know each
 * way through a step from the others, and follow them all through the steps that come after.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct walks);
} address_walks SEC(".maps");

/* The shared programs that the devices' entry programs continue with, by enum bh_hook. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, BH_HOOK_MAX);
	__type(key, __u32);
	__type(value, __u32);
} tc_programs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, BH_HOOK_MAX);
	__type(key, __u32);
	__type(value, __u32);
} xdp_programs SEC(".maps");

/*
 * Generic XDP has its own map, because programs that take frames in parts, as native XDP's do, cannot share one with
 * those that do not.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} generic_programs SEC(".maps");

static __always_inline struct walks *this_cpu_walks(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&address_walks, &zero);
}

static __always_inline struct bh_scratch *this_cpu_scratch(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratch, &zero);
}

#endif
