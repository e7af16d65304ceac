// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is attached to a device: it notes which device this is and goes on with the program that all devices share. It
 * is loaded once per device, so that the large programs are verified and kept once, however many ports there are.
 */
#include <linux/pkt_cls.h>
#include "maps.h"

/* The device's id, set before loading. */
const volatile __u32 entry_device = 0;

static __always_inline void enter(__u32 frame_length)
{
	struct bh_scratch *here = this_cpu_scratch();

	if (here) {
		here->device = entry_device;
		here->frame_length = frame_length;
	}
}

SEC("tc")
int entry_tc_ingress(struct __sk_buff *ctx)
{
	enter(ctx->len);
	bpf_tail_call_static(ctx, &tc_programs, BH_HOOK_TC_INGRESS);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int entry_tc_egress(struct __sk_buff *ctx)
{
	enter(ctx->len);
	bpf_tail_call_static(ctx, &tc_programs, BH_HOOK_TC_EGRESS);
	return TC_ACT_UNSPEC;
}

SEC("xdp.frags")
int entry_xdp(struct xdp_md *ctx)
{
	enter(bpf_xdp_get_buff_len(ctx));
	bpf_tail_call_static(ctx, &xdp_programs, BH_HOOK_XDP);
	return XDP_PASS;
}

/*
 * Generic XDP takes whole frames. For a program that takes frames in parts, Linux 6.9 and later make another buffer of
 * the frame and lose the length of its Ethernet header. Programs at tc, ours and others', would then take the IP header
 * for it.
 */
SEC("xdp")
int entry_xdp_generic(struct xdp_md *ctx)
{
	enter(ctx->data_end - ctx->data);
	bpf_tail_call_static(ctx, &generic_programs, 0);
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
