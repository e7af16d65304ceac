// SPDX-License-Identifier: GPL-2.0-only
/*
 * A shadow at the tc hooks: what another policy would do with each packet that was judged. Entered from the main
 * program by a tail call, so that its verification stands apart.
 */
#define FOR_SHADOW 1
/* No limit is taken of, and no policy but the two is asked. */
#define TAKES_BUDGETS 0
#define ASKS_BEFORE 0

#include <linux/pkt_cls.h>
#include "packet.h"
#include "quote.h"
#include "skb.h"
#include "shadow_judge.h"
#include "shadow_read.h"
#include "shadow_tell.h"
#include "finish.h"

/* Reads what an ICMP error quotes. A global function: verified once. */
__noinline int parse_skb_quote(struct __sk_buff *ctx, struct bh_scratch *here)
{
	if (here)
		parse_quote(ctx, here);
	return 0;
}

/* Asks the shadow about the packet, and tells what it says. */
static __always_inline void ask_shadow(struct __sk_buff *ctx, struct bh_scratch *judged, enum bh_hook hook)
{
	const struct bh_shadow_lease *lease = lease_of_shadow();
	struct bh_scratch *here = shadow_room();

	if (!here || !lease || !is_shadow_wanted(lease))
		return;
	take_over(judged, here);
	if (!note_judged(here))
		return;
	note_frame(ctx, here);
	if (judged->front.answered) {
		parse_skb(ctx, here);
		take_counts(judged, here);
		note_route(ctx, here, hook);
	}
	if (is_error(&here->packet))
		parse_skb_quote(ctx, here);
	if (judge_shadow(ctx, judged, here, hook))
		tell(ctx, judged, here, lease->generation);
}

static __always_inline int shadow(struct __sk_buff *ctx, enum bh_hook hook)
{
	struct bh_scratch *judged = this_cpu_scratch();

	if (!judged)
		return TC_ACT_UNSPEC;
	ask_shadow(ctx, judged, hook);
	/* Counted for the shadow alone. A simulation counts by itself. */
	if (!settings.simulates)
		judged->tries = 0;
	return finish(ctx, judged, hook);
}

SEC("tc")
int shadow_tc_ingress(struct __sk_buff *ctx)
{
	return shadow(ctx, BH_HOOK_TC_INGRESS);
}

SEC("tc")
int shadow_tc_egress(struct __sk_buff *ctx)
{
	return shadow(ctx, BH_HOOK_TC_EGRESS);
}

char _license[] SEC("license") = "GPL";
