// SPDX-License-Identifier: GPL-2.0-only
/*
 * The NIC's early path. It drops what tc under the same image would surely drop, before an skb exists, and leaves the
 * rest to tc, which judges it afresh. It creates nothing and counts only its own drops.
 */
/* Flows are found whatever their VLAN, because a flow that tc would find must not be missed. */
#define TAGS_MAY_BE_HIDDEN
/* Limits count what tc judges. */
#define TAKES_BUDGETS 0
/* The frame that struct bh_scratch names is a struct xdp_buff. */
#define FRAME_IS_XDP
/* Only tc asks the previous policy. */
#define ASKS_BEFORE 0

#include "packet.h"
#include "judge.h"
#include "event.h"
#include "front_learn.h"
#include "shadow_call.h"

/*
 * An Ethernet frame with two tags. Longer frames may be super-packets in generic mode, whose segments XDP cannot count.
 */
#define FRAME_MAX 1522

/* What takes over behind these programs, see shadow_call.h; they cannot share it, see generic_programs. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} shadow_call SEC(".maps"), generic_shadow_call SEC(".maps");

static __always_inline long frame_load(void *ctx, __u32 offset, void *to, __u32 size)
{
	return bpf_xdp_load_bytes(ctx, offset, to, size);
}

/* Reads the frame into `here->packet`. A global function: verified once. */
__noinline int parse_xdp(struct xdp_md *ctx, struct bh_scratch *here)
{
	struct metadata none = {};

	if (!here)
		return 0;
	parse_frame(ctx, ctx->data, ctx->data_end, &none, here);
	here->packet.segments = 1;
	here->packet.wire_bytes = here->frame_length;
	return 0;
}

/*
 * Whether tc would surely drop it too. A tag may be hidden in metadata, and an answer's mark always is: what depends on
 * one is not sure.
 */
static __always_inline bool is_sure(const struct bh_scratch *here)
{
	const struct bh_packet *packet = &here->packet;

	if (here->judgement.verdict != BH_DROP || here->unsure || packet->vlan_tags || packet->length > FRAME_MAX)
		return false;
	switch (here->judgement.reason) {
	case BH_REASON_MALFORMED:
	case BH_REASON_EXTENSION_HEADER:
		return true;
	case BH_REASON_NOT_ADMITTED:
	case BH_REASON_QUARANTINE:
	case BH_REASON_GUARD_MAC:
	case BH_REASON_GUARD_IP:
	case BH_REASON_GUARD_DHCP:
	case BH_REASON_GUARD_RA:
		return !here->hidden_matters;
	case BH_REASON_RULE:
	case BH_REASON_DEFAULT:
		return !here->hidden_matters && !(packet->flags & BH_PACKET_FRAGMENT_FIRST) && !is_error(packet);
	default:
		return false;
	}
}

/*
 * Whether the frame may be the host's own multicast on its way back to the host. Generic XDP sees that too, with the IP
 * header where a link header should be, and cannot see what kind of packet it is. tc can, and judges what only looks
 * like it.
 */
static __always_inline bool may_be_looped_back(struct xdp_md *ctx, const struct bh_scratch *here)
{
	__be16 half[3];

	if (frame_load(ctx, 0, half, sizeof(half)))
		return false;
	switch (bpf_ntohs(half[0]) >> 12) {
	case 4:
		return bpf_ntohs(half[1]) == here->frame_length;
	case 6:
		return bpf_ntohs(half[2]) + sizeof(struct ipv6hdr) == here->frame_length;
	default:
		return false;
	}
}

/* Judges the packet by what is known of packets alike; returns enum front_end. A global function: verified once. */
__noinline int front(struct xdp_md *ctx, struct bh_scratch *here)
{
	const __u8 *data = (const __u8 *)(long)ctx->data, *end = (const __u8 *)(long)ctx->data_end;

	if (!here)
		return FRONT_NONE;
	if (!choose_kinds(here, RESULT_XDP) || here->frame_length > FRAME_MAX || !read_plain(data, end, 0, false, here))
		return FRONT_NONE;
	/* So that what XDP and tc are to do with a packet is on two lines. */
	here->front.hash = ~here->front.hash;
	return front_judge(here, RESULT_XDP);
}

/* Keeps what was decided, for packets alike. A global function: verified once. */
__noinline int learn(struct bh_scratch *here, __u32 sure)
{
	if (here && here->front.link)
		learn_result(here, RESULT_XDP, result_at_xdp(here, sure));
	return 0;
}

/* Lets a shadow see a packet that is dropped, if there is one. What is passed on it sees at tc. */
static __always_inline int drop(struct xdp_md *ctx, bool generic)
{
	if (has_shadow()) {
		if (generic)
			bpf_tail_call_static(ctx, &generic_shadow_call, 0);
		else
			bpf_tail_call_static(ctx, &shadow_call, 0);
		end_shadow();
	}
	return XDP_DROP;
}

static __always_inline int filter(struct xdp_md *ctx, bool generic)
{
	struct bh_scratch *here = this_cpu_scratch();
	bool sure;

	if (!here || (generic && may_be_looped_back(ctx, here)))
		return XDP_PASS;
	if (settings.answer_blocks) {
		int end = front(ctx, here);

		if (end == FRONT_NONE && asks_class(here))
			end = front_by_class(here, BH_HOOK_XDP);
		if (end != FRONT_NONE)
			return end == FRONT_DROP ? drop(ctx, generic) : XDP_PASS;
	}
	note_frame(ctx, here);
	parse_xdp(ctx, here);
	/* The host sends nothing at this hook. */
	here->came_from = BH_NONE;
	judge_packet(ctx, here, BH_HOOK_XDP);
	sure = is_sure(here);
	if (settings.answer_blocks && here->judgement.generation)
		learn(here, sure);
	if (!here->judgement.generation || !sure) {
		/* It is not for this hook to say. */
		here->judgement.verdict = BH_ACCEPT;
		here->judgement.reason = BH_REASON_NONE;
		return XDP_PASS;
	}
	count_packet(here);
	report(ctx, here);
	return drop(ctx, generic);
}

SEC("xdp.frags")
int bulkhead_xdp(struct xdp_md *ctx)
{
	return filter(ctx, false);
}

SEC("xdp")
int bulkhead_xdp_generic(struct xdp_md *ctx)
{
	return filter(ctx, true);
}

char _license[] SEC("license") = "GPL";
