/* SPDX-License-Identifier: GPL-2.0-only */
/* A search of the kernel's tables, step by step. What it knows lives in a map, see local_searches. */
#ifndef BULKHEAD_LOCAL_SEARCH_H
#define BULKHEAD_LOCAL_SEARCH_H

#include <bpf/bpf_core_read.h>
#include "kernel_types.h"
#include "maps.h"

enum {
	/*
	 * Steps through a table of routes at most. A link-local address takes one for each device that has it: a router
	 * has fe80::1 on each of its bridges and VLANs. Where they do not suffice, what the controller found counts.
	 */
	LOCAL_STEPS = 16384,
	/* The port's device, and those that it is a part of: a bridge, a bond, a VRF. */
	STACKED_MAX = 3,
};

struct local_search {
	__u64 high;
	__u64 low;
	struct net_device___bh *devices[STACKED_MAX];
	void *node;   /* where the search is */
	void *parent; /* IPv4: the last node with other ways to go */
	__u32 ways;   /* its child that was taken: those with fewer bits set are left */
	__u8 step;    /* enum local_step */
	__u8 found;
	__u8 unfinished; /* a search took more steps than there are */
	/* What is being read: here and not on the stack, of which little is left where the rules are asked. */
	__u8 type;
	__u8 open_bits;
	__u16 bit;
	__u16 flags;
	__u32 number;
	__u32 table; /* the number of the table that is looked for */
	struct vector_head head;
	struct vector_head upper;
	struct route_key prefix;
	void *next;
	struct net_device___bh *owner;
	struct bh_own_address own;
};

enum local_step {
	LOCAL_DESCEND,
	LOCAL_LEFTMOST, /* a shorter prefix: all that is left of the address is zero in it */
	LOCAL_BACK,
	LOCAL_LEAF,
	LOCAL_END = 1, /* what a callback of bpf_loop() returns to end it */
};

_Static_assert(sizeof(struct local_search) <= sizeof(struct local_search_room), "local_search");

/* Reads a field of the kernel's; false where that fails. */
#define READ(to, from) (bpf_core_read(&(to), sizeof(to), &(from)) == 0)

#endif
