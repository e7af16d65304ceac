/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading a frame from its start to its end, each step within its bounds. The program that includes this file defines
 * frame_load(), which loads bytes that are not in the linear part.
 */
#ifndef BULKHEAD_CURSOR_H
#define BULKHEAD_CURSOR_H

#include <stdbool.h>
#include "image.h"

/* Copies `size` bytes at `offset` of the frame; nonzero if they are not all there. */
static __always_inline long frame_load(void *ctx, __u32 offset, void *to, __u32 size);

/* A place in a frame, and where the part that may be read ends. */
struct cursor {
	void *ctx;
	const __u8 *data;
	const __u8 *data_end;
	__u32 offset;
	__u32 end;
	__u8 *header; /* of bh_scratch: where what is read is put */
};

/* No header starts behind this: it holds the largest chain of extension headers that is accepted. */
#define OFFSET_MAX 0x7fff

/*
 * Copies by words, wherever they lie, as x86-64 and arm64 can. The compiler does not know that. It would copy byte by
 * byte, and a later read of a whole word would wait for all of its bytes.
 */
static __always_inline void copy_bytes(__u8 *to, const __u8 *from, __u32 size)
{
	for (; size >= 8; size -= 8, to += 8, from += 8)
		*(__u64 *)to = *(const __u64 *)from;
	if (size & 4) {
		*(__u32 *)to = *(const __u32 *)from;
		to += 4;
		from += 4;
	}
	if (size & 2)
		*(__u16 *)to = *(const __u16 *)from;
}

/*
 * Puts the next `size` bytes, an even number, into cursor->header without going past them; false where the frame or
 * datagram ends before that.
 */
static __always_inline bool cursor_peek(const struct cursor *cursor, __u32 size)
{
	__u64 offset = cursor->offset;
	const __u8 *from;

	/*
	 * The verifier must see bounds on the very register that is added, not on another that the compiler knows to be
	 * equal.
	 */
	asm volatile("" : "+r"(offset));
	if (offset > OFFSET_MAX || offset + size > cursor->end)
		return false;
	from = cursor->data + offset;
	if (from + size <= cursor->data_end)
		copy_bytes(cursor->header, from, size);
	else if (frame_load(cursor->ctx, offset, cursor->header, size))
		return false;
	JOIN_PATHS();
	return true;
}

/* Peeks, and goes past what was read. */
static __always_inline bool cursor_read(struct cursor *cursor, __u32 size)
{
	if (!cursor_peek(cursor, size))
		return false;
	cursor->offset += size;
	return true;
}

#endif
