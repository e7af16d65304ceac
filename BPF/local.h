/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether an address is the host's own at this moment: what the kernel itself would find when it decides to
 * deliver a packet to itself.
 *
 * No helper tells. bpf_fib_lookup() answers FWD_DISABLED before it looks where forwarding is off, and where it
 * is on it gives the same answer for
 * an address of the host and for one without a route. So the kernel's own tables are read: the routes of type
 * `local` in the table of that name, or
 * in that of the VRF that the port is in. They are read by probes, which fail softly, and under RCU, which every
 * program holds.
 */
#ifndef BULKHEAD_LOCAL_H
#define BULKHEAD_LOCAL_H

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include "kernel_types.h"
#include "members.h"
#include "question.h"

/*
 * Steps through a table of routes at most. A link-local address takes one for each device that has it: a router has
 * fe80::1 on each of its bridges and VLANs. Where they do not suffice, it counts what the controller found.
 */
#define LOCAL_STEPS 16384

#define TABLE_LOCAL 255
#define TABLE_HASH_MASK 255
/* Tables in one chain of their hash at most. */
#define CHAIN_MAX 16384
#define V4_BITS 32

/* enum of <linux/rtnetlink.h>, which clashes with others. */
#define ROUTE_LOCAL 2
#define ROUTE_ANYCAST 4

/* Flags of a node of the IPv6 tree. */
#define NODE_ROOT 2
#define NODE_HAS_ROUTES 4

/* The port's device, and those that it is a part of: a bridge, a bond, a VRF. */
#define STACKED_MAX 3

struct local_search {
	__u64 high;
	__u64 low;
	struct net_device___bh *devices[STACKED_MAX];
	void *node;                  /* where the search is */
	void *parent;                /* IPv4: the last node with other ways to go */
	__u32 ways;                  /* its child that was taken: those with fewer bits set are left */
	__u8 step;                   /* enum local_step */
	__u8 found;
	__u8 unfinished;             /* a search took more steps than there are */
	/* What is being read: here and not on the stack, of which little is left where the rules are asked. */
	__u8 type;
	__u8 open_bits;
	__u16 bit;
	__u16 flags;
	__u32 number;
	__u32 table;                 /* the number of the table that is looked for */
	struct vector_head head;
	struct vector_head upper;
	struct route_key prefix;
	void *next;
	struct net_device___bh *owner;
	struct bh_own_address own;
};

enum local_step {
	LOCAL_DESCEND,
	LOCAL_LEFTMOST,              /* a shorter prefix: all that is left of the address is zero in it */
	LOCAL_BACK,
	LOCAL_LEAF,
	LOCAL_END = 1,               /* what a callback of bpf_loop() returns to end it */
};

_Static_assert(sizeof(struct local_search) <= sizeof(struct local_search_room), "local_search");

#define READ(to, from) (bpf_core_read(&(to), sizeof(to), &(from)) == 0)

/* The device that another is a part of. */
static __always_inline struct net_device___bh *master_of(struct local_search *search, struct net_device___bh *device)
{
	struct netdev_adjacent___bh *upper;
	__u32 list = bpf_core_field_offset(struct net_device___bh, adj_list.upper);

	if (!device || !READ(search->next, device->adj_list.upper.next) || search->next == (void *)device + list)
		return 0;
	upper = search->next - bpf_core_field_offset(struct netdev_adjacent___bh, list);
	if (!READ(search->type, upper->master) || !search->type || !READ(search->next, upper->dev))
		return 0;
	return search->next;
}

/* The device that another one, of a VLAN say, is made of. */
static __always_inline struct net_device___bh *lower_of(struct local_search *search, struct net_device___bh *device)
{
	struct netdev_adjacent___bh *lower;
	__u32 list = bpf_core_field_offset(struct net_device___bh, adj_list.lower);

	if (!device || !READ(search->next, device->adj_list.lower.next) || search->next == (void *)device + list)
		return 0;
	lower = search->next - bpf_core_field_offset(struct netdev_adjacent___bh, list);
	return READ(search->next, lower->dev) ? search->next : 0;
}

/* The number of a VRF's table of routes; 0 where the device is not a VRF. */
static __always_inline __u32 vrf_table(struct local_search *search, struct net_device___bh *device)
{
	struct rtnl_link_ops___bh *ops;
	__u32 size, offset;

	if (!device || !READ(search->next, device->rtnl_link_ops) || !search->next)
		return 0;
	ops = search->next;
	if (!READ(search->next, ops->kind) || bpf_probe_read_kernel(&search->number, 4, search->next) ||
	    search->number != bpf_htonl(0x76726600) /* "vrf" */)
		return 0;
	/* What a device keeps for itself stands behind what all have, at the next line of 32 bytes. */
	size = (bpf_core_type_size(struct net_device___bh) + 31) & ~31;
	/*
	 * Where the VRF driver was not there when the program was loaded: behind three pointers, as ever
	 * since there are VRFs of IPv6.
	 */
	offset = 24;
	if (bpf_core_field_exists(struct net_vrf___bh, tb_id))
		offset = bpf_core_field_offset(struct net_vrf___bh, tb_id);
	if (bpf_probe_read_kernel(&search->number, 4, (void *)device + size + offset))
		return 0;
	return search->number;
}

/*
 * Whether the owner of a link-local address is the port's device, of one that this is a part of, or of one
 * that is made of such.
 */
static __always_inline bool is_on_link(struct local_search *search)
{
	struct net_device___bh *owner = search->owner, *lower = lower_of(search, owner);

	for (int i = 0; i < STACKED_MAX; i++) {
		if (search->devices[i] && (search->devices[i] == owner || search->devices[i] == lower))
			return true;
	}
	return false;
}

/* ---- IPv4: a trie that skips bits ---- */

static __always_inline bool take_child(struct local_search *search, struct key_vector___bh *node, __u64 index)
{
	struct key_vector___bh **children = (void *)node + bpf_core_field_offset(struct key_vector___bh, tnode);

	search->node = 0;
	bpf_probe_read_kernel(&search->node, sizeof(search->node), children + index);
	return search->node;
}

/*
 * Goes on with the child that has one bit less set than the one that was taken last, as the next shorter
 * prefix is there.
 */
static __always_inline long go_back(struct local_search *search)
{
	struct key_vector___bh *parent = search->parent;
	struct tnode___bh *node;

	if (search->ways) {
		search->ways &= search->ways - 1;
		if (take_child(search, parent, search->ways))
			search->step = LOCAL_LEFTMOST;
		return 0;
	}
	if (!READ(search->head, parent->key) || search->head.position >= V4_BITS)
		return LOCAL_END;
	node = (void *)parent - bpf_core_field_offset(struct tnode___bh, kv);
	if (!READ(search->parent, node->parent))
		return LOCAL_END;
	parent = search->parent;
	if (!READ(search->upper, parent->key))
		return LOCAL_END;
	search->ways = 0;
	if (search->upper.position < V4_BITS)
		search->ways = (search->head.key ^ search->upper.key) >> search->upper.position;
	return 0;
}

/* One of the routes at a leaf, `next`; those of longer prefixes come first. */
static __always_inline long read_leaf(struct local_search *search)
{
	struct fib_alias___bh *alias;

	if (!search->next) {
		search->step = LOCAL_BACK;
		return 0;
	}
	alias = search->next - bpf_core_field_offset(struct fib_alias___bh, fa_list);
	if (!READ(search->open_bits, alias->fa_slen) || !READ(search->type, alias->fa_type))
		return LOCAL_END;
	if (!((search->low ^ search->number) >> (search->open_bits & 63))) {
		search->found = search->type == ROUTE_LOCAL;
		return LOCAL_END;
	}
	return READ(search->next, alias->fa_list.next) ? 0 : LOCAL_END;
}

static __always_inline long enter_leaf(struct local_search *search, struct key_vector___bh *leaf)
{
	search->number = search->head.key;
	search->step = LOCAL_LEAF;
	return READ(search->next, leaf->leaf.first) ? 0 : LOCAL_END;
}

static __always_inline long descend(struct local_search *search, struct key_vector___bh *node)
{
	__u64 index = ((__u32)search->low ^ search->head.key) >> (search->head.position & 31);

	if (index >> (search->head.bits & 31)) {
		search->step = LOCAL_LEFTMOST;
		return 0;
	}
	if (!search->head.bits)
		return enter_leaf(search, node);
	if (search->head.longest > search->head.position) {
		search->parent = node;
		search->ways = index;
	}
	if (!take_child(search, node, index))
		search->step = LOCAL_BACK;
	return 0;
}

static long search_v4(__u32 step, struct local_search **here)
{
	struct local_search *search = *here;
	struct key_vector___bh *node = search->node;
	__u32 key;

	(void)step;
	if (search->step == LOCAL_BACK)
		return go_back(search);
	if (search->step == LOCAL_LEAF)
		return read_leaf(search);
	if (!READ(search->head, node->key))
		return LOCAL_END;
	if (search->step == LOCAL_DESCEND)
		return descend(search, node);
	/* Only zeros may follow the prefix in what is compared. */
	key = search->head.key;
	if (((__u32)search->low ^ key) & (key | -key) || search->head.longest == search->head.position)
		search->step = LOCAL_BACK;
	else if (!search->head.bits)
		return enter_leaf(search, node);
	else if (!take_child(search, node, 0))
		search->step = LOCAL_BACK;
	return 0;
}

/* Goes on to the next of IPv4's tables in a chain; `node` is the one that was found. */
static long next_table_v4(__u32 step, struct local_search **here)
{
	struct local_search *search = *here;
	struct fib_table___bh *table;

	(void)step;
	if (bpf_probe_read_kernel(&search->next, sizeof(search->next), search->next) || !search->next)
		return LOCAL_END;
	table = search->next - bpf_core_field_offset(struct fib_table___bh, tb_hlist);
	if (!READ(search->number, table->tb_id))
		return LOCAL_END;
	if (search->number == search->table) {
		search->node = table;
		return LOCAL_END;
	}
	search->next = (void *)table + bpf_core_field_offset(struct fib_table___bh, tb_hlist.next);
	return 0;
}

/* The start of IPv4's table of routes of a number, 0 where there is none. */
static __always_inline struct key_vector___bh *table_v4(struct local_search *search, struct net___bh *net, __u32 number)
{
	struct fib_table___bh *table;

	if (!READ(search->next, net->ipv4.fib_table_hash) || !search->next)
		return 0;
	search->next += (number & TABLE_HASH_MASK) * sizeof(void *);
	search->table = number;
	search->node = 0;
	if (bpf_loop(CHAIN_MAX, next_table_v4, &search, 0) >= CHAIN_MAX)
		search->unfinished = 1;
	table = search->node;
	return table && READ(search->next, table->tb_data) ? search->next : 0;
}

static __always_inline bool is_in_table_v4(struct local_search *search, struct net___bh *net, __u32 number)
{
	search->parent = table_v4(search, net, number);
	search->ways = 0;
	search->step = LOCAL_DESCEND;
	search->found = 0;
	if (search->parent && take_child(search, search->parent, 0) &&
	    bpf_loop(LOCAL_STEPS, search_v4, &search, 0) >= LOCAL_STEPS)
		search->unfinished = 1;
	return search->found;
}

/* ---- IPv6: a binary tree ---- */

static __always_inline __u64 swapped(const __u8 *bytes)
{
	return __builtin_bswap64(*(const __u64 *)bytes);
}

/* Whether the first `length` bits of the address are those of a prefix. */
static __always_inline bool has_prefix(const struct local_search *search)
{
	const struct route_key *key = &search->prefix;
	__u64 high = search->high ^ swapped(key->address), low = search->low ^ swapped(key->address + 8);
	__u32 length = key->length;

	if (length > 64)
		return !high && !(low >> ((128 - length) & 63));
	return !length || !(high >> ((64 - length) & 63));
}

/* Whether an address has a meaning on one link only. */
static __always_inline bool is_of_one_link(__u64 high)
{
	return high >> 54 == 0xfe80 >> 6;
}

/* One route of a prefix, `next`. A link-local address may be that of several devices. */
static __always_inline long read_route(struct local_search *search)
{
	struct fib6_info___bh *route = search->next;

	if (!route || !READ(search->type, route->fib6_type))
		return LOCAL_END;
	if (search->type == ROUTE_LOCAL || search->type == ROUTE_ANYCAST) {
		search->found = !is_of_one_link(search->high) ||
				(READ(search->owner, route->fib6_nh[0].nh_common.nhc_dev) && is_on_link(search));
		if (search->found)
			return LOCAL_END;
	}
	return READ(search->next, route->fib6_next) ? 0 : LOCAL_END;
}

static __always_inline long descend_v6(struct local_search *search, struct fib6_node___bh *node)
{
	__u64 bits = search->high;

	if (!READ(search->bit, node->fn_bit))
		return LOCAL_END;
	if (search->bit >= 64)
		bits = search->low;
	/* An address's own node has no others below. */
	if (search->bit < 128 && bits >> (63 - (search->bit & 63)) & 1) {
		if (!READ(search->next, node->right))
			return LOCAL_END;
	} else if (!READ(search->next, node->left)) {
		return LOCAL_END;
	}
	if (search->next)
		search->node = search->next;
	else
		search->step = LOCAL_BACK;
	return 0;
}

static long search_v6(__u32 step, struct local_search **here)
{
	struct local_search *search = *here;
	struct fib6_node___bh *node = search->node;
	struct fib6_info___bh *route;

	(void)step;
	if (search->step == LOCAL_LEAF)
		return read_route(search);
	if (search->step == LOCAL_DESCEND)
		return descend_v6(search, node);
	if (!READ(search->flags, node->fn_flags))
		return LOCAL_END;
	if (search->flags & NODE_HAS_ROUTES && READ(search->next, node->leaf) && search->next) {
		route = search->next;
		if (READ(search->prefix, route->fib6_dst) && has_prefix(search)) {
			search->step = LOCAL_LEAF;
			return 0;
		}
	}
	if (search->flags & NODE_ROOT || !READ(search->node, node->parent) || !search->node)
		return LOCAL_END;
	return 0;
}

/* Goes on to the next of IPv6's tables in a chain; `node` is the root of the one that was found. */
static long next_table_v6(__u32 step, struct local_search **here)
{
	struct local_search *search = *here;
	struct fib6_table___bh *table;

	(void)step;
	if (bpf_probe_read_kernel(&search->next, sizeof(search->next), search->next) || !search->next)
		return LOCAL_END;
	table = search->next - bpf_core_field_offset(struct fib6_table___bh, tb6_hlist);
	if (!READ(search->number, table->tb6_id))
		return LOCAL_END;
	if (search->number == search->table) {
		search->node = (void *)table + bpf_core_field_offset(struct fib6_table___bh, tb6_root);
		return LOCAL_END;
	}
	search->next = (void *)table + bpf_core_field_offset(struct fib6_table___bh, tb6_hlist.next);
	return 0;
}

/* The root of IPv6's table of routes of a number, 0 where there is none. */
static __always_inline struct fib6_node___bh *table_v6(struct local_search *search, struct net___bh *net, __u32 number)
{
	if (!READ(search->next, net->ipv6.fib_table_hash) || !search->next)
		return 0;
	search->next += (number & TABLE_HASH_MASK) * sizeof(void *);
	search->table = number;
	search->node = 0;
	if (bpf_loop(CHAIN_MAX, next_table_v6, &search, 0) >= CHAIN_MAX)
		search->unfinished = 1;
	return search->node;
}

static __always_inline bool is_in_table_v6(struct local_search *search, struct net___bh *net, __u32 number)
{
	search->node = table_v6(search, net, number);
	search->step = LOCAL_DESCEND;
	search->found = 0;
	if (search->node && bpf_loop(LOCAL_STEPS, search_v6, &search, 0) >= LOCAL_STEPS)
		search->unfinished = 1;
	return search->found;
}

/* ---- Both ---- */

/* The device that the frame is at. */
static __always_inline struct net_device___bh *device_of(struct local_search *search, __u64 address)
{
#ifdef FRAME_IS_XDP
	struct xdp_buff___bh *frame = (void *)address;
	struct xdp_rxq_info___bh *queue;

	if (!READ(search->next, frame->rxq))
		return 0;
	queue = search->next;
	return READ(search->next, queue->dev) ? search->next : 0;
#else
	struct sk_buff___bh *frame = (void *)address;

	return READ(search->next, frame->dev) ? search->next : 0;
#endif
}

/* Whether the kernel that runs has all that is read here; known when the program is loaded. */
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

/* Notes which frame this is, for the device that it is at. */
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
	return (family == 4 && search->low >> 24 == 127) || bpf_map_lookup_elem(&own_addresses, &search->own);
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
 * Which ends of a packet are the host's own, as far as the rules of a scope ask; see enum bh_host_question. What
 * is not known yet is noted: it is found out
 * where the stack is not as deep, see find_own(), and the rules are then asked again.
 */
static __always_inline __u32 host_state(const struct image *image, const struct bh_packet *packet, __u32 scope,
					struct bh_scratch *here)
{
	__u32 asked = *IMAGE_ELEMENT(image, image->header->host_questions, scope, __u8), found = here->host_found;

	if (!asked)
		return 0;
	if (!(packet->flags & (BH_PACKET_IPV4 | BH_PACKET_IPV6)))
		return BH_HOST_NO_ADDRESSES;
	here->asked_host = 1;
	note_lapse(here, BH_HOST_LAPSE_SECONDS * 1000000000ull);
	/* The next question may be about another packet. */
	here->host_found = 0;
	if (!found)
		here->host_wanted = asked;
	return found & asked;
}

/* Finds out what the rules want to know of the packet that they are asked about. A global function: verified once. */
__noinline int find_own(struct bh_scratch *here)
{
	const struct bh_packet *packet;
	__u32 found = BH_HOST_FOUND, family;

	if (!here)
		return 0;
	packet = here->question == ASK_PACKET ? &here->packet : &here->subject;
	family = packet->flags & BH_PACKET_IPV4 ? 4 : 6;
	if (here->host_wanted & BH_HOST_SOURCE && is_own(here, packet->source_high, packet->source_low, family))
		found |= BH_HOST_SOURCE;
	if (here->host_wanted & BH_HOST_DESTINATION &&
	    is_own(here, packet->destination_high, packet->destination_low, family))
		found |= BH_HOST_DESTINATION;
	here->host_wanted = 0;
	here->host_found = found;
	return 0;
}

#endif
