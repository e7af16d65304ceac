/* SPDX-License-Identifier: GPL-2.0-only */
/* What becomes of a packet that was judged at tc. */
#ifndef BULKHEAD_FINISH_H
#define BULKHEAD_FINISH_H

#include <linux/pkt_cls.h>
#include "count.h"
#include "reject.h"

/* Sends the answer back where the packet came from, out of the device or into it; else drops the packet. */
static __always_inline int reject(struct __sk_buff *ctx, struct bh_scratch *here, enum bh_hook hook)
{
	if (make_answer(ctx, here, hook))
		return bpf_redirect(ctx->ifindex, hook == BH_HOOK_TC_EGRESS ? BPF_F_INGRESS : 0);
	count_unanswered(here);
	return TC_ACT_SHOT;
}

static __always_inline int finish(struct __sk_buff *ctx, struct bh_scratch *here, enum bh_hook hook)
{
	if (here->judgement.verdict == BH_REJECT)
		return reject(ctx, here, hook);
	return here->judgement.verdict == BH_ACCEPT ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}

#endif
