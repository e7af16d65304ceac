// SPDX-License-Identifier: GPL-2.0-only
/*
 * The programs of the benchmark itself: one makes its packets, the others are the limit that contenders are compared
 * with.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

enum { FRAMES = 8192, FRAME_SIZE = 64 };

/* What gives each frame a source of its own. */
enum forging {
	FORGE_HOSTS = 1,
	FORGE_SOURCES = 2,
};

/* What to send where; written by user space between bursts. */
struct control {
	__u32 target; /* interface to send from */
	__u32 next;   /* frame that comes next */
	__u32 forge;  /* enum forging */
	__u32 serial; /* of the next forged source */
	__u32 spread; /* interfaces from `target` on, each of which gets its own part of the trace */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct control);
} control SEC(".maps");

struct frame {
	__u64 words[FRAME_SIZE / 8];
};

/* The trace: sent in order, again and again. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FRAMES);
	__type(key, __u32);
	__type(value, struct frame);
} frames SEC(".maps");

/*
 * Gives another source to an IPv4 frame whose source ends in seventeen zero bits and whose source port is 0. The IP
 * checksum stays right.
 */
static __always_inline void forge_source(__u8 *frame, __u32 serial)
{
	__u32 low = serial & 0x1ffff, sum;
	__u16 *words = (__u16 *)frame, high_word, low_word;

	high_word = __builtin_bswap16(low >> 16);
	low_word = __builtin_bswap16(low & 0xffff);
	sum = (__u16)~words[12] + high_word + low_word;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	words[12] = ~sum;
	words[13] |= high_word;
	words[14] |= low_word;
	words[17] = __builtin_bswap16(1024 + (serial >> 17));
}

/* A source that does not follow from the last: an odd factor goes through all numbers. */
static __always_inline __u32 scatter(__u32 serial)
{
	serial *= 0x9e3779b1;
	serial ^= serial >> 15;
	serial *= 0x85ebca77;
	return serial ^ serial >> 13;
}

/*
 * Gives a frame a random source: of IPv4 all 32 bits, and the IP checksum stays right; of IPv6 the first 64 bits, of
 * which the first 16 stay.
 */
static __always_inline void scatter_source(__u8 *frame, __u32 serial)
{
	__u16 *words = (__u16 *)frame;
	__u32 number = scatter(serial), sum;

	if (words[6] == __builtin_bswap16(0x86dd)) {
		words[12] = number;
		words[13] = number >> 16;
		words[14] = serial;
		return;
	}
	sum = (__u16)~words[12] + (__u16)~words[13] + (__u16)~words[14] + (__u16)number + (number >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	words[12] = ~sum;
	words[13] = number;
	words[14] = number >> 16;
}

/* Run on blank frames: makes each the next of the trace and sends it. */
SEC("xdp")
int generate(struct xdp_md *ctx)
{
	__u8 *to = (__u8 *)(long)ctx->data, *end = (__u8 *)(long)ctx->data_end;
	struct control *settings;
	struct frame *frame;
	__u32 key = 0;

	settings = bpf_map_lookup_elem(&control, &key);
	if (!settings || to + FRAME_SIZE > end)
		return XDP_DROP;
	key = settings->next++ & (FRAMES - 1);
	frame = bpf_map_lookup_elem(&frames, &key);
	if (!frame)
		return XDP_DROP;
	__builtin_memcpy(to, frame, FRAME_SIZE);
	if (settings->forge == FORGE_SOURCES)
		scatter_source(to, settings->serial++);
	else if (settings->forge)
		forge_source(to, settings->serial++);
	return bpf_redirect(settings->target + key * settings->spread / FRAMES, 0);
}

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} dropped SEC(".maps");

static __always_inline void count(void)
{
	__u32 zero = 0;
	__u64 *value = bpf_map_lookup_elem(&dropped, &zero);

	if (value)
		++*value;
}

/* The limit: counts and drops. */
SEC("xdp")
int bare(struct xdp_md *ctx __attribute__((unused)))
{
	count();
	return XDP_DROP;
}

SEC("tc")
int bare_tc(struct __sk_buff *ctx __attribute__((unused)))
{
	count();
	return TC_ACT_SHOT;
}

/* The same for what passes. */
SEC("tc")
int bare_pass(struct __sk_buff *ctx __attribute__((unused)))
{
	count();
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
