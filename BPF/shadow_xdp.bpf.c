// SPDX-License-Identifier: GPL-2.0-only
/* A shadow at the NIC's early path, for each packet that XDP drops. See shadow_tc.bpf.c. */
#define TAGS_MAY_BE_HIDDEN
#define FRAME_IS_XDP
#define FOR_SHADOW 1
#define TAKES_BUDGETS 0
#define ASKS_BEFORE 0

#include "packet.h"

static __always_inline long frame_load(void *ctx, __u32 offset, void *to, __u32 size)
{
	return bpf_xdp_load_bytes(ctx, offset, to, size);
}

#include "claim.h"
#include "quote.h"
#include "shadow_judge.h"
#include "shadow_read.h"
#include "shadow_tell.h"

/* Reads the frame into `here->packet`. A global function: verified once. */
__noinline int parse_xdp(struct xdp_md *ctx, struct bh_scratch *here)
{
	struct metadata none = {};

	if (here)
		parse_frame(ctx, ctx->data, ctx->data_end, &none, here);
	return 0;
}

/* Reads what an ICMP error quotes, or what ARP or neighbour discovery claims. A global function: verified once. */
__noinline int read_payload(struct xdp_md *ctx, struct bh_scratch *here)
{
	if (!here)
		return 0;
	if (is_error(&here->packet))
		parse_quote(ctx, here);
	else if (makes_claim(&here->packet))
		read_claim(ctx, here);
	return 0;
}

/* Asks the shadow about the packet, and tells what it says. */
static __always_inline void ask_shadow(struct xdp_md *ctx, const struct bh_scratch *judged)
{
	const struct bh_shadow_lease *lease = lease_of_shadow();
	struct bh_scratch *here = shadow_room();

	if (!here || !lease || !is_shadow_wanted(lease))
		return;
	take_over(judged, here);
	if (!note_judged(here))
		return;
	note_frame(ctx, here);
	here->came_from = BH_NONE;
	if (judged->front.answered) {
		parse_xdp(ctx, here);
		take_counts(judged, here);
	}
	read_payload(ctx, here);
	if (judge_shadow(ctx, judged, here, BH_HOOK_XDP))
		tell(ctx, judged, here, lease->generation);
}

static __always_inline int shadow(struct xdp_md *ctx)
{
	struct bh_scratch *judged = this_cpu_scratch();

	if (!judged)
		return XDP_DROP;
	ask_shadow(ctx, judged);
	if (!settings.simulates)
		judged->tries = 0;
	return XDP_DROP;
}

SEC("xdp.frags")
int shadow_xdp(struct xdp_md *ctx)
{
	return shadow(ctx);
}

SEC("xdp")
int shadow_xdp_generic(struct xdp_md *ctx)
{
	return shadow(ctx);
}

char _license[] SEC("license") = "GPL";
