/* SPDX-License-Identifier: GPL-2.0-only */
/* IPv6's routes: a binary tree. */
#ifndef BULKHEAD_LOCAL_V6_H
#define BULKHEAD_LOCAL_V6_H

#include "local_device.h"
#include "local_table.h"
#include "reach.h"

/* Flags of a node. */
enum {
	NODE_ROOT = 2,
	NODE_HAS_ROUTES = 4,
};

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

/* One route of a prefix, `next`. Several devices may have the same link-local address. */
static __always_inline long read_route(struct local_search *search)
{
	struct fib6_info___bh *route = search->next;

	if (!route || !READ(search->type, route->fib6_type))
		return LOCAL_END;
	if (search->type == ROUTE_LOCAL || search->type == ROUTE_ANYCAST) {
		search->found = !is_link_local_half(search->high) ||
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
	/* The node of a whole address has no others below it. */
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

static long search_v6(__u32 step, struct local_search **context)
{
	struct local_search *search = *context;
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

static long next_table_v6(__u32 step, struct local_search **context)
{
	(void)step;
	return next_table(*context, bpf_core_field_offset(struct fib6_table___bh, tb6_hlist),
			  bpf_core_field_offset(struct fib6_table___bh, tb6_id));
}

/* The root of a table of routes; NULL where there is none. */
static __always_inline struct fib6_node___bh *table_v6(struct local_search *search, struct net___bh *net, __u32 number)
{
	void *table;

	if (!READ(search->next, net->ipv6.fib_table_hash) || !search->next)
		return 0;
	table = find_table(search, number, next_table_v6);
	return table ? table + bpf_core_field_offset(struct fib6_table___bh, tb6_root) : 0;
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

#endif
