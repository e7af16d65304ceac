/* The tc hooks: every packet of every port, both directions. Entered from the device's entry program. */
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>
#include "packet.h"
#include "quote.h"
#include "scale.h"
#include "verdict.h"
#include "offload.h"
#include "reject.h"
#include "event.h"

static __always_inline long frame_load(void *ctx, __u32 offset, void *to, __u32 size)
{
	return bpf_skb_load_bytes(ctx, offset, to, size);
}

/* Wire packets and bytes of a super-packet: each segment repeats the headers, which end at `headers`. */
static __always_inline void count_segments(struct __sk_buff *ctx, struct bh_packet *packet, __u32 headers)
{
	__u32 size = ctx->gso_size, segments = ctx->gso_segs;

	packet->segments = 1;
	packet->wire_bytes = packet->length;
	if (!size || packet->length <= headers)
		return;
	/* What a guest hands over comes without a count. */
	if (!segments)
		segments = (packet->length - headers + size - 1) / size;
	packet->segments = segments;
	packet->wire_bytes += (segments - 1) * headers;
}

/* Reads the frame into `here->packet`. Returns where the headers end. A global function: verified once. */
__noinline int parse_skb(struct __sk_buff *ctx, struct bh_scratch *here)
{
	struct bh_packet *packet;
	struct cursor cursor;

	if (!here)
		return 0;
	cursor = start_frame(ctx, ctx->data, ctx->data_end, here);
	packet = &here->packet;
	if (ctx->vlan_present)
		add_tag(packet, ctx->vlan_tci);
	packet->refusal = parse_frame(&cursor, packet, ctx->gso_size > 0);
	count_segments(ctx, packet, cursor.offset);
	return cursor.offset;
}

/* How much of the packet is judged: its headers, and all of it where what it says in its payload counts too. */
static __always_inline __u32 judged_length(struct __sk_buff *ctx, const struct bh_scratch *here, __u32 headers)
{
	if (is_error(&here->packet) || makes_claim(&here->packet) || headers > ctx->len)
		return ctx->len;
	return headers;
}

/*
 * Reads the frame. Beyond the packet's linear part there may be memory that its sender still writes to (PACKET_TX_RING, a guest's pages):
 * what is judged must not lie there, or something else could be delivered. It is copied, and read from the copy.
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

/* Sends the answer back where the packet came from, out of the device or into it; else drops the packet. */
static __always_inline int reject(struct __sk_buff *ctx, struct bh_scratch *here, enum bh_hook hook)
{
	if (make_answer(ctx, here, hook))
		return bpf_redirect(ctx->ifindex, hook == BH_HOOK_TC_EGRESS ? BPF_F_INGRESS : 0);
	count_unanswered(here);
	return TC_ACT_SHOT;
}

/*
 * The host's own multicast and broadcast on its way back to the host: it was judged on its way out, and comes
 * without a link header. Nobody else can send such a packet, for only the host's IP layer gives it this type: what
 * comes from a device has another, which the device's own code works out of the link header, and neither tc nor
 * BPF can change a packet to it.
 */
static __always_inline bool is_looped_back(const struct __sk_buff *ctx, enum bh_hook hook)
{
	return hook == BH_HOOK_TC_INGRESS && ctx->pkt_type == PACKET_LOOPBACK;
}

static __always_inline int filter(struct __sk_buff *ctx, enum bh_hook hook)
{
	struct bh_scratch *here = scratch_here();

	if (is_looped_back(ctx, hook))
		return TC_ACT_UNSPEC;
	if (!here || is_answer(ctx, hook))
		return TC_ACT_UNSPEC;
	note_frame(ctx, here);
	read_frame(ctx, here);
	if (is_error(&here->packet))
		parse_skb_quote(ctx, here);
	else if (makes_claim(&here->packet))
		read_skb_claim(ctx, here);
	else if (is_syn(&here->packet))
		read_skb_scale(ctx, here);
	if (has_partial_checksum(ctx) || ctx->gso_size)
		check_offload(ctx, here);
	judge_packet(here, hook);
	if (!here->judgement.generation) {
		count_unjudged(here);
		return TC_ACT_UNSPEC;
	}
	settle_flow(here);
	settle_fragment(here);
	count_packet(here);
	report(ctx, here);
	if (here->judgement.verdict == BH_REJECT)
		return reject(ctx, here, hook);
	return here->judgement.verdict == BH_ACCEPT ? TC_ACT_UNSPEC : TC_ACT_SHOT;
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

static long clear_bucket(__u32 index, __u32 *scope)
{
	struct flow_bucket *bucket = bucket_at(index);

	if (!bucket)
		return 1;
	for (__u32 way = 0; way < BH_FLOW_WAYS; way++) {
		__u32 tag = bucket->tags[way];

		if (tag && bucket->scopes[way] == *scope)
			end_flow(bucket, index, way, tag, END_ANY, 0);
	}
	return 0;
}

/* Attached nowhere: the controller runs it to take out all flows of a scope, the mark, that passes on to another device. */
SEC("tc")
int bulkhead_clear_flows(struct __sk_buff *ctx)
{
	__u32 scope = ctx->mark;

	bpf_loop(BH_FLOW_PLACES, clear_bucket, &scope, 0);
	return 0;
}

/* Forgets a scope's datagrams in one bucket of its room. */
static long forget_datagrams(__u32 index, __u32 *scope)
{
	__u32 number = bucket_in_room(*scope, index);
	struct fragment_bucket *bucket = bpf_map_lookup_elem(&fragments, &number);

	if (!bucket)
		return 1;
	bpf_spin_lock(&bucket->lock);
	for (__u32 way = 0; way < BH_FRAGMENT_WAYS; way++) {
		if (bucket->datagrams[way].key.scope == *scope)
			bucket->tags[way] = 0;
	}
	bpf_spin_unlock(&bucket->lock);
	return 0;
}

/* Attached nowhere: likewise for the datagrams of a scope. */
SEC("tc")
int bulkhead_clear_datagrams(struct __sk_buff *ctx)
{
	__u32 scope = ctx->mark;

	bpf_loop(scope & BH_SCOPE_ENTRY ? BH_ENTRY_ROOM : BH_DEVICE_ROOM, forget_datagrams, &scope, 0);
	return 0;
}

/* Attached nowhere: tells the time that flows are aged by. */
SEC("tc")
int bulkhead_clock(struct __sk_buff *ctx __attribute__((unused)))
{
	return bpf_jiffies64();
}

char _license[] SEC("license") = "GPL";
