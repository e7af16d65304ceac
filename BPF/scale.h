/* SPDX-License-Identifier: GPL-2.0-only */
/* The window scale that a SYN offers, among its options (RFC 7323). */
#ifndef BULKHEAD_SCALE_H
#define BULKHEAD_SCALE_H

#include "flow.h"

static __always_inline bool is_syn(const struct bh_packet *packet)
{
	return packet->protocol == IPPROTO_TCP && packet->flags & BH_PACKET_L4 && packet->tcp_flags & TCP_SYN;
}

/* Loads the options into here->header and returns how many bytes there are; 0 where there are none. */
static __always_inline __u32 load_options(void *ctx, struct bh_scratch *here)
{
	const struct bh_packet *packet = &here->packet;
	__u32 start = packet->l4_offset + TCP_HEADER;
	__u64 size = packet->end - packet->payload - start;

	if (!size || size > TCP_OPTIONS_MAX)
		return 0;
	/* From 1 to 64 in a form that the verifier of Linux 6.1 follows. */
	asm volatile("" : "+r"(size));
	size = ((size - 1) & (sizeof(here->header) - 1)) + 1;
	return frame_load(ctx, start, here->header, size) ? 0 : size;
}

/* Reads the option at here->option and goes past it. Returns whether there may be another. */
static __always_inline bool read_scale_option(struct bh_scratch *here, __u32 size)
{
	__u32 at = here->option, next;
	__u8 kind = here->header[at & 63], length = here->header[(at + 1) & 63], scale = here->header[(at + 2) & 63];

	next = at + (kind == TCP_OPTION_NONE ? 1 : length);
	if (kind == TCP_OPTION_END || next > size)
		return false;
	here->option = next;
	if (kind == TCP_OPTION_NONE)
		return true;
	if (kind == TCP_OPTION_SCALE && length == TCP_OPTION_SCALE_SIZE) {
		here->scale = scale > BH_SCALE_MAX ? BH_SCALE_MAX : scale;
		return false;
	}
	return length >= 2;
}

/*
 * Reads the scale into here->scale. Which option comes next lives in memory, not in a register, so the verifier sees
 * forty equal steps and checks one.
 */
static __always_inline void read_scale(void *ctx, struct bh_scratch *here)
{
	__u32 size = load_options(ctx, here);

	here->scale = BH_SCALE_NONE;
	here->option = 0;
	for (int i = 0; i < TCP_OPTIONS_MAX; i++) {
		JOIN_PATHS();
		if (here->option >= size || !read_scale_option(here, size))
			return;
	}
}

#endif
