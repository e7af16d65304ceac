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

/*
 * Key of a group's members, a BPF_MAP_TYPE_LPM_TRIE in map `groups`. The family's bits always count, so prefix_length
 * is 32 and the prefix's own length. The entry of family 0, of length 32, is the controller's: its `own` is the number
 * of the others, or BH_FOREVER while they are being changed.
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
