/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The host's own addresses. */
#ifndef BULKHEAD_ABI_ADDRESSES_H
#define BULKHEAD_ABI_ADDRESSES_H

#include <linux/types.h>

/* Key of map `own_addresses`: the host's addresses when the controller last looked. The map's values say nothing. */
struct bh_own_address {
	__u64 high; /* as in struct bh_packet */
	__u64 low;
	__u32 family; /* 4 or 6 */
	__u32 pad;
};

_Static_assert(sizeof(struct bh_own_address) == 24, "bh_own_address");

#endif
