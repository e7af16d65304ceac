// SPDX-License-Identifier: GPL-2.0-only
/* The tc hooks: every packet of every port, both directions. Entered from the device's entry program. */
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>
#include "packet.h"
#include "quote.h"
#include "scale.h"
#include "skb.h"
#include "judge.h"
#include "judge_settle.h"
#include "offload.h"
#include "event.h"
#include "finish.h"
#include "front_learn.h"
#include "shadow_call.h"
#include "spared.h"

/* What takes over behind this program, see shadow_call.h. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} shadow_call SEC(".maps");

/* How much of the packet is judged: its headers, or all of it where its payload counts too. */
static __always_inline __u32 judged_length(struct __sk_buff *ctx, const struct bh_scratch *here, __u32 headers)
{
	if (is_error(&here->packet) || makes_claim(&here->packet) || headers > ctx->len)
		return ctx->len;
	return headers;
}

/*
 * Reads the frame. Beyond the packet's linear part there may be memory that its sender still writes to (PACKET_TX_RING,
 * a guest's pages). What is judged must not lie there, or something else could be delivered. So it is copied, and read
 * from the copy.
 */
static __always_inline void read_frame(struct __sk_buff *ctx, struct bh_scratch *here)
{
	__u32 judged = judged_length(ctx, here, parse_skb(ctx, here));

	if (judged > ctx->data_end - ctx->data) {
		if (bpf_skb_pull_data(ctx, judged) ||
		    judged_length(ctx, here, parse_skb(ctx, here)) > ctx->data_end - ctx->data)
			here->packet.refusal = BH_REASON_MALFORMED;
	}
}

/* Reads what an ICMP error quotes. A global function: verified once. */
__noinline int parse_skb_quote(struct __sk_buff *ctx, struct bh_scratch *here)
{
	if (here)
		parse_quote(ctx, here);
	return 0;
}

/* Reads what ARP or neighbour discovery claims. A global function: verified once. */
__noinline int read_skb_claim(struct __sk_buff *ctx, struct bh_scratch *here)
{
	if (here)
		read_claim(ctx, here);
	return 0;
}

/* Reads the scale that a SYN offers for its window. A global function: verified once. */
__noinline int read_skb_scale(struct __sk_buff *ctx, struct bh_scratch *here)
{
	if (here)
		read_scale(ctx, here);
	return 0;
}

/*
 * Whether this is the host's own multicast or broadcast on its way back to the host. It was judged on its way out, and
 * comes without a link header. Nobody else can send such a packet, because only the host's IP layer gives it this type.
 * A packet from a device has another type, which the device's driver works out of the link header, and neither tc nor
 * BPF can change a packet to this one.
 */
static __always_inline bool is_looped_back(const struct __sk_buff *ctx, enum bh_hook hook)
{
	return hook == BH_HOOK_TC_INGRESS && ctx->pkt_type == PACKET_LOOPBACK;
}

/*
 * Judges the packet by what is known of packets alike; returns enum front_end. What is beyond the packet's linear part
 * is left to read_frame(). A global function: verified once.
 */
__noinline int front(struct __sk_buff *ctx, struct bh_scratch *here, __u32 hook)
{
	const __u8 *data = (const __u8 *)(long)ctx->data, *end = (const __u8 *)(long)ctx->data_end;
	__u32 tag = ctx->vlan_present ? BH_FRONT_TAGGED | (ctx->vlan_tci & (BH_FRONT_TAGGED - 1)) : 0;

	if (!here)
		return FRONT_NONE;
	if (!choose_kinds(here, 0) || !read_plain(data, end, tag, hook == BH_HOOK_TC_EGRESS, here))
		return FRONT_NONE;
	if (has_partial_checksum(ctx) || ctx->gso_size) {
		count_segments(ctx, &here->packet, here->packet.end - here->packet.payload);
		check_offload(ctx, here, hook);
		if (here->packet.refusal) {
			here->front.link = 0;
			return FRONT_NONE;
		}
	}
	return front_judge(here, 0);
}

/* Keeps what was decided, for packets alike. A global function: verified once. */
__noinline int learn(struct bh_scratch *here)
{
	if (here && here->front.link)
		learn_result(here, 0, result_at_tc(here));
	return 0;
}

/* Lets a shadow see the packet, if there is one, and does what was decided. */
static __always_inline int end(struct __sk_buff *ctx, struct bh_scratch *here, enum bh_hook hook)
{
	if (has_shadow()) {
		bpf_tail_call_static(ctx, &shadow_call, 0);
		end_shadow();
	}
	return finish(ctx, here, hook);
}

static __always_inline int filter(struct __sk_buff *ctx, enum bh_hook hook)
{
	struct bh_scratch *here = this_cpu_scratch();

	if (is_looped_back(ctx, hook))
		return TC_ACT_UNSPEC;
	if (!here || is_answer(ctx, hook))
		return TC_ACT_UNSPEC;
	if (settings.answer_blocks) {
		int known = front(ctx, here, hook);

		if (known == FRONT_NONE && asks_class(here))
			known = front_by_class(here, hook);
		if (known != FRONT_NONE)
			return end(ctx, here, hook);
	}
	note_frame(ctx, here);
	read_frame(ctx, here);
	note_route(ctx, here, hook);
	if (is_error(&here->packet))
		parse_skb_quote(ctx, here);
	else if (makes_claim(&here->packet))
		read_skb_claim(ctx, here);
	else if (is_syn(&here->packet))
		read_skb_scale(ctx, here);
	if (has_partial_checksum(ctx) || ctx->gso_size)
		check_offload(ctx, here, hook);
	judge_packet(ctx, here, hook);
	if (!here->judgement.generation && !is_cut_off_by_base(here, hook)) {
		settle_connection(here);
		count_unjudged(here);
		return TC_ACT_UNSPEC;
	}
	settle_flow(here);
	settle_connection(here);
	settle_fragment(here);
	settle_additions(here);
	if (settings.answer_blocks)
		learn(here);
	count_packet(here);
	report(ctx, here);
	return end(ctx, here, hook);
}

SEC("tc")
int bulkhead_tc_ingress(struct __sk_buff *ctx)
{
	return filter(ctx, BH_HOOK_TC_INGRESS);
}

SEC("tc")
int bulkhead_tc_egress(struct __sk_buff *ctx)
{
	return filter(ctx, BH_HOOK_TC_EGRESS);
}

char _license[] SEC("license") = "GPL";
