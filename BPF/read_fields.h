/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading what few rules ask for, and no parse has: the code point and the tag's priority. */
#ifndef BULKHEAD_READ_FIELDS_H
#define BULKHEAD_READ_FIELDS_H

#include <linux/if_ether.h>
#include "packet.h"

/* Where a tag's word has the priority, and a header of IPv6 the code point, behind its version. */
enum { PCP_SHIFT = 5, DSCP_SHIFT = 2, DSCP_MASK = 63 };

#ifdef FRAME_IS_XDP
#define FRAME struct xdp_md
#else
#define FRAME struct __sk_buff
#endif

/*
 * Reads `dscp` and `pcp`. The outermost tag may stand in metadata, where XDP does not see it. A global function:
 * verified once.
 */
__noinline int read_fields(FRAME *ctx, struct bh_scratch *here)
{
	__u8 bytes[2];

	if (!here)
		return 0;
	here->dscp = 0;
	here->pcp = BH_PCP_NONE;
#ifndef FRAME_IS_XDP
	if (ctx->vlan_present)
		here->pcp = ctx->vlan_tci >> 13 & 7;
	else
#endif
		if (here->packet.vlan_tags && !frame_load(ctx, ETH_HLEN, bytes, sizeof(bytes)))
		here->pcp = bytes[0] >> PCP_SHIFT;
	if (here->packet.flags & (BH_PACKET_IPV4 | BH_PACKET_IPV6) &&
	    !frame_load(ctx, here->packet.l3_offset, bytes, sizeof(bytes))) {
		__u32 class = here->packet.flags & BH_PACKET_IPV4 ? bytes[1] : bytes[0] << 4 | bytes[1] >> 4;

		here->dscp = class >> DSCP_SHIFT & DSCP_MASK;
	}
	here->host_found |= BH_FOUND_FIELDS;
	return 0;
}

#endif
