/* SPDX-License-Identifier: GPL-2.0-only */
/* What a shadow knows of a packet: what was read of it when it was judged. */
#ifndef BULKHEAD_SHADOW_READ_H
#define BULKHEAD_SHADOW_READ_H

#include "shadow_call.h"
#include "shadow_maps.h"

/* Whether somebody still waits for what the shadow says. Else no packet is asked about any more. */
static __always_inline bool is_shadow_wanted(const struct bh_shadow_lease *lease)
{
	if (bpf_ktime_get_coarse_ns() < lease->expires)
		return true;
	end_shadow();
	return false;
}

/* Takes over what was read. What the front judged it has read in part alone: then it is to be read anew. */
static __always_inline void take_over(const struct bh_scratch *judged, struct bh_scratch *here)
{
	here->device = judged->device;
	here->frame_length = judged->frame_length;
	here->now = judged->now;
	here->came_from = judged->came_from;
	here->scale = judged->scale;
	here->claim = judged->claim;
	here->host_found = 0;
	if (!judged->front.answered)
		here->packet = judged->packet;
}

/* What the front counted of a frame that it judged. */
static __always_inline void take_counts(const struct bh_scratch *judged, struct bh_scratch *here)
{
	here->packet.segments = judged->packet.segments;
	here->packet.wire_bytes = judged->packet.wire_bytes;
}

#endif
