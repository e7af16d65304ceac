/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's tables of routes: both versions of IP keep them in hash chains by number. */
#ifndef BULKHEAD_LOCAL_TABLE_H
#define BULKHEAD_LOCAL_TABLE_H

#include "local_search.h"

enum {
	TABLE_LOCAL = 255,
	TABLE_HASH_MASK = 255,
	/* Tables in one chain of their hash at most. */
	CHAIN_MAX = 16384,
};

/* Types of routes: an enum of <linux/rtnetlink.h>, which clashes with others. */
enum {
	ROUTE_LOCAL = 2,
	ROUTE_ANYCAST = 4,
};

/*
 * Goes on to the next table in a chain; `link` and `number` are where the structure has its link and its number. Leaves
 * the table in `node` where it is the one.
 */
static __always_inline long next_table(struct local_search *search, __u32 link, __u32 number)
{
	void *table;

	if (bpf_probe_read_kernel(&search->next, sizeof(search->next), search->next) || !search->next)
		return LOCAL_END;
	table = search->next - link;
	if (bpf_probe_read_kernel(&search->number, sizeof(search->number), table + number))
		return LOCAL_END;
	if (search->number == search->table) {
		search->node = table;
		return LOCAL_END;
	}
	/* The link's first field is the next one. */
	search->next = table + link;
	return 0;
}

/* Finds a table by its number in the hash at `next`, step by step with next_table(); NULL where there is none. */
static __always_inline void *find_table(struct local_search *search, __u32 number,
					long (*step)(__u32, struct local_search **))
{
	search->next += (number & TABLE_HASH_MASK) * sizeof(void *);
	search->table = number;
	search->node = 0;
	if (bpf_loop(CHAIN_MAX, step, &search, 0) >= CHAIN_MAX)
		search->unfinished = 1;
	return search->node;
}

#endif
