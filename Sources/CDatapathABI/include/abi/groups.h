/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Dynamic groups: their members are changed while the policy is in force. */
#ifndef BULKHEAD_ABI_GROUPS_H
#define BULKHEAD_ABI_GROUPS_H

#include <linux/types.h>

/* A dynamic group in the image. */
struct bh_group {
	__u64 timeout; /* nanoseconds that a member stays where no time is given; 0: for ever */
	__u32 maximum; /* members */
	__u32 name;    /* offset in `strings` */
	__u32 slot;    /* the host's part: place in map `groups` */
	__u32 line;    /* from 1 */
	__u16 file;    /* index in `files` */
	__u16 pad[3];
};

_Static_assert(sizeof(struct bh_group) == 32, "bh_group");

/* That a match puts an end of the packet into a group. */
struct bh_addition {
	__u32 seconds;    /* for which it stays; 0: as the group says */
	__u16 group;      /* index in `groups` */
	__u8 destination; /* the packet's destination, else its source */
	__u8 pad;
};

_Static_assert(sizeof(struct bh_addition) == 8, "bh_addition");

enum { BH_ADDED = 65536 /* places of the ring that remembers what rules have added */ };

/*
 * Entries of a group's trie, of length 32, that are no members but count them. The controller's `own` is the number of
 * members when the programs' was `deadline`; its `pad` is set while it changes them, and `own` is then at least their
 * number. The programs' `own` goes up and down with what they add and take out.
 */
enum bh_members_count { BH_MEMBERS_CONTROLLER, BH_MEMBERS_PROGRAMS };

/*
 * Key of a group's members, a BPF_MAP_TYPE_LPM_TRIE in map `groups`. The family's bits always count, so prefix_length
 * is 32 and the prefix's own length.
 */
struct bh_member_key {
	__u32 prefix_length;
	__u32 family;     /* 4 or 6 */
	__u8 address[16]; /* network byte order; of IPv4 the first four bytes */
};

_Static_assert(sizeof(struct bh_member_key) == 24, "bh_member_key");

#define BH_FOREVER 0xffffffffffffffffull

/*
 * A member: an address is in the group where the longest prefix that covers it has not reached its deadline. This one
 * look-up is exact because the controller keeps a prefix's deadline no earlier than that of any shorter prefix that
 * covers it.
 */
struct bh_member {
	/* nanoseconds of CLOCK_BOOTTIME, or BH_FOREVER: the latest of its own and of those that cover it */
	__u64 deadline;
	__u64 own;           /* what it was added with */
	__u32 prefix_length; /* the key's: tells which entry a look-up has found */
	__u32 pad;
};

_Static_assert(sizeof(struct bh_member) == 24, "bh_member");

#endif
