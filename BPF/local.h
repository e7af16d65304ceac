/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether an address is the host's own at this moment: what the kernel itself would find when it decides to deliver a
 * packet to itself.
 *
 * No helper tells. bpf_fib_lookup() answers FWD_DISABLED before it looks where forwarding is off. Where it is on, it
 * gives the same answer for an address of the host and for one without a route. So the kernel's own tables are read:
 * the routes of type `local` in the table of that name, or in that of the VRF that the port is in. They are read by
 * probes, which fail softly, and under RCU, which every program holds.
 */
#ifndef BULKHEAD_LOCAL_H
#define BULKHEAD_LOCAL_H

#include "local_v4.h"
#include "local_v6.h"
#include "members.h"
#include "question.h"

/* The first byte of the addresses that IPv4 keeps for a host itself. */
enum { LOOPBACK_V4 = 127 };

/* Whether the running kernel has all that is read here; known when the program is loaded. */
static __always_inline bool knows_kernel(void)
{
	return settings.reads_kernel && bpf_core_field_exists(struct net___bh, ipv4.fib_table_hash) &&
	       bpf_core_field_exists(struct net___bh, ipv6.fib_table_hash) &&
	       bpf_core_field_exists(struct net_device___bh, nd_net) &&
	       bpf_core_field_exists(struct net_device___bh, adj_list.upper) &&
	       bpf_core_field_exists(struct netdev_adjacent___bh, master) &&
	       bpf_core_field_exists(struct fib_table___bh, tb_data) &&
	       bpf_core_field_exists(struct key_vector___bh, tnode) && bpf_core_field_exists(struct tnode___bh, kv) &&
	       bpf_core_field_exists(struct fib_alias___bh, fa_slen) &&
	       bpf_core_field_exists(struct fib6_table___bh, tb6_root) &&
	       bpf_core_field_exists(struct fib6_node___bh, fn_flags) &&
	       bpf_core_field_exists(struct fib6_info___bh, fib6_nh) &&
	       bpf_core_field_exists(struct fib_nh_common___bh, nhc_dev);
}

/* Notes which frame this is, so that its device can be found. */
static __always_inline void note_frame(void *ctx, struct bh_scratch *here)
{
	if (settings.reads_kernel)
		here->frame = (__u64)ctx;
}

/* Asks the kernel's tables. */
static __always_inline bool is_local(struct local_search *search, const struct bh_scratch *here, __u32 family)
{
	struct net_device___bh *device = device_of(search, here->frame);
	struct net___bh *net;
	__u32 table = 0;

	if (!device || !READ(search->next, device->nd_net.net) || !search->next)
		return false;
	net = search->next;
#pragma unroll
	for (int i = 0; i < STACKED_MAX; i++) {
		search->devices[i] = device;
		if (!table)
			table = vrf_table(search, device);
		device = master_of(search, device);
		JOIN_PATHS();
	}
	if (family == 4)
		return is_in_table_v4(search, net, TABLE_LOCAL) || (table && is_in_table_v4(search, net, table));
	return is_in_table_v6(search, net, TABLE_LOCAL) || (table && is_in_table_v6(search, net, table));
}

/* Whether the controller found the address when it last looked. */
static __always_inline bool was_own(struct local_search *search, __u32 family)
{
	search->own.high = search->high;
	search->own.low = search->low;
	search->own.family = family;
	return (family == 4 && search->low >> 24 == LOOPBACK_V4) || bpf_map_lookup_elem(&own_addresses, &search->own);
}

/* Whether an address is the host's own, as of this tick. A global function: verified once. */
__noinline int is_own(const struct bh_scratch *here, __u64 high, __u64 low, __u32 family)
{
	struct local_search *search;
	struct local_memo *memo;
	__u32 slot = 0;

	search = bpf_map_lookup_elem(&local_searches, &slot);
	if (!here || !search)
		return 0;
	search->high = high;
	search->low = low;
	if (settings.simulates || !knows_kernel())
		return was_own(search, family);
	slot = ((high ^ low ^ here->device) * 0x9e3779b97f4a7c15ull >> 32) & (LOCAL_MEMOS - 1);
	memo = bpf_map_lookup_elem(&local_memos, &slot);
	if (!memo)
		return 0;
	if (memo->ticks == ticks_now(here) && memo->family == family && memo->low == low && memo->high == high &&
	    memo->device == here->device)
		return memo->is_own;
	memo->ticks = ticks_now(here);
	memo->family = 0;
	search->unfinished = 0;
	memo->is_own = is_local(search, here, family) || (search->unfinished && was_own(search, family));
	memo->high = search->high;
	memo->low = search->low;
	memo->device = here->device;
	memo->family = family;
	return memo->is_own;
}

/*
 * Which ends of a packet are the host's own, as far as the rules ask; see enum bh_host_question. What is not
 * known yet is noted in `wanted`: find_own() finds it out where the stack is not as deep, and the rules are then
 * asked again.
 */
static __always_inline __u32 host_state(const struct bh_packet *packet, __u32 asked, struct bh_scratch *here)
{
	__u32 found = here->host_found & ~BH_FOUND_FIELDS;

	if (!asked)
		return 0;
	if (!(packet->flags & (BH_PACKET_IPV4 | BH_PACKET_IPV6)))
		return BH_HOST_NO_ADDRESSES;
	here->asked_host = 1;
	note_lapse(here, BH_HOST_LAPSE_SECONDS * 1000000000ull);
	/* The next question may be about another packet. */
	here->host_found &= BH_FOUND_FIELDS;
	if (!found)
		here->wanted |= asked;
	return found & asked;
}

/*
 * Finds out what the rules want to know about the ends of the packet that they are asked about. A global function:
 * verified once.
 */
__noinline int find_own(struct bh_scratch *here)
{
	const struct bh_packet *packet;
	__u32 found = BH_HOST_FOUND, family;

	if (!here)
		return 0;
	packet = here->question == ASK_PACKET ? &here->packet : &here->subject;
	family = packet->flags & BH_PACKET_IPV4 ? 4 : 6;
	if (here->wanted & BH_HOST_SOURCE && is_own(here, packet->source_high, packet->source_low, family))
		found |= BH_HOST_SOURCE;
	if (here->wanted & BH_HOST_DESTINATION &&
	    is_own(here, packet->destination_high, packet->destination_low, family))
		found |= BH_HOST_DESTINATION;
	here->host_found = found | (here->host_found & BH_FOUND_FIELDS);
	return 0;
}

#endif
