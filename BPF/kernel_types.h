/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is read of the kernel's own structures: only the fields that are needed. The place of each is found when a
 * program is loaded, by the type information of the running kernel (CO-RE), so the order here says nothing. What
 * follows the three underscores is not part of a name.
 */
#ifndef BULKHEAD_KERNEL_TYPES_H
#define BULKHEAD_KERNEL_TYPES_H

#include <stdbool.h>
#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct hlist_node___bh {
	struct hlist_node___bh *next;
};

struct hlist_head___bh {
	struct hlist_node___bh *first;
};

struct list_head___bh {
	struct list_head___bh *next;
};

struct netns_ipv4___bh {
	struct hlist_head___bh *fib_table_hash;
};

struct netns_ipv6___bh {
	struct hlist_head___bh *fib_table_hash;
};

struct net___bh {
	struct netns_ipv4___bh ipv4;
	struct netns_ipv6___bh ipv6;
};

struct rtnl_link_ops___bh {
	const char *kind;
};

typedef struct {
	struct net___bh *net;
} possible_net_t___bh;

struct netdev_hw_addr_list___bh {
	struct list_head___bh list;
};

struct netdev_hw_addr___bh {
	struct list_head___bh list;
	unsigned char addr[32];
};

struct net_device___bh {
	possible_net_t___bh nd_net;
	const unsigned char *dev_addr;
	struct netdev_hw_addr_list___bh uc;
	struct {
		struct list_head___bh upper;
		struct list_head___bh lower;
	} adj_list;
	const struct rtnl_link_ops___bh *rtnl_link_ops;
};

struct netdev_adjacent___bh {
	struct net_device___bh *dev;
	bool master;
	struct list_head___bh list;
};

struct net_vrf___bh {
	__u32 tb_id;
};

struct sk_buff___bh {
	struct net_device___bh *dev;
};

struct xdp_rxq_info___bh {
	struct net_device___bh *dev;
};

struct xdp_buff___bh {
	struct xdp_rxq_info___bh *rxq;
};

/* IPv4's routes. */
struct fib_table___bh {
	struct hlist_node___bh tb_hlist;
	__u32 tb_id;
	unsigned long *tb_data;
};

struct key_vector___bh {
	__u32 key;
	struct hlist_head___bh leaf;
	struct key_vector___bh *tnode[1];
};

struct tnode___bh {
	struct key_vector___bh *parent;
	struct key_vector___bh kv[1];
};

struct fib_alias___bh {
	struct hlist_node___bh fa_list;
	__u8 fa_type;
	__u8 fa_slen;
};

/* IPv6's routes. */
struct rt6key___bh {
	int plen;
};

struct fib_nh_common___bh {
	struct net_device___bh *nhc_dev;
};

struct fib6_nh___bh {
	struct fib_nh_common___bh nh_common;
};

struct fib6_info___bh {
	struct fib6_info___bh *fib6_next;
	struct rt6key___bh fib6_dst;
	__u8 fib6_type;
	struct fib6_nh___bh fib6_nh[1];
};

struct fib6_node___bh {
	struct fib6_node___bh *parent;
	struct fib6_node___bh *left;
	struct fib6_node___bh *right;
	struct fib6_info___bh *leaf;
	__u16 fn_bit;
	__u16 fn_flags;
};

struct fib6_table___bh {
	struct hlist_node___bh tb6_hlist;
	__u32 tb6_id;
	struct fib6_node___bh tb6_root;
};

#pragma clang attribute pop

/* The first fields of struct key_vector, side by side since 2015, so that they can be read at once. */
struct vector_head {
	__u32 key;
	__u8 position; /* bits behind those that it tells apart */
	__u8 bits;     /* how many it tells apart; 0 of a leaf */
	__u8 longest;  /* most bits that a prefix below leaves open */
	__u8 pad;
};

/* struct rt6key. */
struct route_key {
	__u8 address[16];
	__u32 length;
};

#endif
