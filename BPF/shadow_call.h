/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a shadow's program takes over, after a packet was judged and all that follows from it was done. It judges the
 * packet by another policy, tells where the two differ, and does with the packet what was decided here.
 *
 * The program stands in an array that no pin holds, each main program's own: so the kernel takes it out when the
 * command ends that put it there, however that ends.
 */
#ifndef BULKHEAD_SHADOW_CALL_H
#define BULKHEAD_SHADOW_CALL_H

#include "stamp.h"

/* Without a shadow it costs a look at the stamp's word. */
static __always_inline bool has_shadow(void)
{
	return stamp_word() >> 32 & BH_STAMP_SHADOW;
}

/* Has no packet asked about any more: nobody waits for the answers. */
static __always_inline void end_shadow(void)
{
	struct bh_stamp *found = this_stamp();

	if (found)
		__sync_fetch_and_and(&found->word, ~((__u64)BH_STAMP_SHADOW << 32));
}

#endif
