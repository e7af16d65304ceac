/* SPDX-License-Identifier: GPL-2.0-only */
/* How far an address reaches: one link, many hosts, everyone. */
#ifndef BULKHEAD_REACH_H
#define BULKHEAD_REACH_H

#include <stdbool.h>
#include "datapath_abi.h"

/* fe80::/10, by the address's first eight bytes: it has a meaning on one link only. */
static __always_inline bool is_link_local_half(__u64 high)
{
	return high >> 54 == 0xfe80 >> 6;
}

/* ff02::/16 and its like of other flags: multicast that no router forwards. */
static __always_inline bool is_link_multicast(const struct bh_packet *packet)
{
	return (packet->destination_high >> 48 & 0xff0f) == 0xff02;
}

static __always_inline bool is_link_local(const struct bh_packet *packet)
{
	return is_link_local_half(packet->destination_high);
}

static __always_inline bool is_ipv4_broadcast(const struct bh_packet *packet)
{
	return packet->destination_low == 0xffffffff;
}

/* 224.0.0.0/4 */
static __always_inline bool is_ipv4_multicast(const struct bh_packet *packet)
{
	return packet->destination_low >> 28 == 0xe;
}

#endif
