/* SPDX-License-Identifier: GPL-2.0-only */
/* IPv4's routes: a trie that skips bits. */
#ifndef BULKHEAD_LOCAL_V4_H
#define BULKHEAD_LOCAL_V4_H

#include "local_table.h"

enum { V4_BITS = 32 };

static __always_inline bool take_child(struct local_search *search, struct key_vector___bh *node, __u64 index)
{
	struct key_vector___bh **children = (void *)node + bpf_core_field_offset(struct key_vector___bh, tnode);

	search->node = 0;
	bpf_probe_read_kernel(&search->node, sizeof(search->node), children + index);
	return search->node;
}

/* Goes on with the child whose index has one bit less set than the last one's: the next shorter prefix is there. */
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

/* One of the routes at a leaf, `next`; routes of longer prefixes come first. */
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

static long search_v4(__u32 step, struct local_search **context)
{
	struct local_search *search = *context;
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

static long next_table_v4(__u32 step, struct local_search **context)
{
	(void)step;
	return next_table(*context, bpf_core_field_offset(struct fib_table___bh, tb_hlist),
			  bpf_core_field_offset(struct fib_table___bh, tb_id));
}

/* The start of a table of routes; NULL where there is none. */
static __always_inline struct key_vector___bh *table_v4(struct local_search *search, struct net___bh *net, __u32 number)
{
	struct fib_table___bh *table;

	if (!READ(search->next, net->ipv4.fib_table_hash) || !search->next)
		return 0;
	table = find_table(search, number, next_table_v4);
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

#endif
