/* SPDX-License-Identifier: GPL-2.0-only */
/* Where a judgement starts: nothing is known yet of the packet but what was read. */
#ifndef BULKHEAD_JUDGE_START_H
#define BULKHEAD_JUDGE_START_H

#include "limit.h"
#include "port.h"
#include "question.h"
#include "tcp.h"

/* Forgets what was found out about an earlier packet, or under another generation. */
static __always_inline void start_packet(const struct image *image, const struct bh_port *port, struct bh_scratch *here)
{
	here->flow = 0;
	here->opens = 0;
	here->unsure = 0;
	here->lapse = 0;
	/* Before the groups themselves, because they are changed first. */
	here->epoch = *(volatile const __u32 *)&image->header->epoch;
	here->asked_members = 0;
	here->asked_host = 0;
	here->asked_via = 0;
	here->via_open = 0;
	here->adds = 0;
	here->counted = 0;
	here->asked_room = 0;
	here->metered = METERED_NOT;
	here->wanted = 0;
	here->host_found = 0;
	here->lookup.floor = 0;
	here->lasts = 0;
	here->question = ASK_PACKET;
	here->asked_direction = here->judgement.direction;
	here->scope = port->flow_scope ? port->flow_scope : here->device;
	here->share = port->flow_share;
	here->asks = 0;
	here->bar = 0;
	here->barred = 0;
	here->segment = SEGMENT_OUTSIDE;
}

#endif
