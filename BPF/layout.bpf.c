// SPDX-License-Identifier: GPL-2.0-only
/*
 * Not a program: every structure of the contract in one place, so that this object's type information describes them
 * all. A test compares it with what the controller sees. No other object describes structures that programs only use
 * through pointers.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "datapath_abi.h"

const union {
	struct bh_image_header image_header;
	struct bh_node node;
	struct bh_address_class address_class;
	struct bh_protocol protocol;
	struct bh_bucket bucket;
	struct bh_list_entry list_entry;
	struct bh_run run;
	struct bh_bitmap_word bitmap_word;
	struct bh_covered covered;
	struct bh_rule rule;
	struct bh_note note;
	struct bh_layer layer;
	struct bh_condition condition;
	struct bh_group group;
	struct bh_addition addition;
	struct bh_member_key member_key;
	struct bh_member member;
	struct bh_port port;
	struct bh_selector selector;
	struct bh_mac_list mac_list;
	struct bh_file file;
	struct bh_device device;
	struct bh_claim claim;
	struct bh_flow_bucket flow_bucket;
	struct bh_flow_ways flow_ways;
	struct bh_flow_scope flow_scope;
	struct bh_flow_totals flow_totals;
	struct bh_fragment_bucket fragment_bucket;
	struct bh_limit limit;
	struct bh_source_set source_set;
	struct bh_connections connections;
	struct bh_holder_bucket holder_bucket;
	struct bh_scratch scratch;
	struct bh_settings settings;
	struct bh_stamp stamp;
	struct bh_port_counters port_counters;
	struct bh_event_counters event_counters;
	struct bh_reader reader;
	struct bh_reader_service reader_service;
	struct bh_event event;
	struct bh_shadow_lease shadow_lease;
	struct bh_shadow_counts shadow_counts;
	struct bh_shadow_pair shadow_pair;
	struct bh_shadow_total shadow_total;
	struct bh_shadow_event shadow_event;
} layouts = {};

char _license[] SEC("license") = "GPL";
