/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading the policy image: masked loads in large pages, without a call where the image fits in one. */
#ifndef BULKHEAD_IMAGE_H
#define BULKHEAD_IMAGE_H

#include <stdbool.h>
#include "stamp.h"

/*
 * Makes the compiler read again from memory. The verifier knows nothing of what is in map memory, so from here on it
 * takes paths that differ only in such values for one. Without this, the branches of the parser and of the look-up
 * multiply.
 */
#define JOIN_PATHS() asm volatile("" ::: "memory")

struct image {
	const struct bh_image_header *header; /* start of the first page */
	void *pages;                          /* the generation's map */
};

/* The image in a slot; false where there is none. */
static __always_inline bool image_open(struct image *image, __u32 slot)
{
	__u32 first = 0;

	image->pages = bpf_map_lookup_elem(&slots, &slot);
	if (!image->pages)
		return false;
	image->header = bpf_map_lookup_elem(image->pages, &first);
	return image->header != NULL;
}

/*
 * The image in force; false where there is none. A slot is emptied after another is in force: a packet that finds it
 * empty has read the stamp before that, and reads it again.
 */
static __always_inline bool image_open_in_force(struct image *image, const struct bh_scratch *here)
{
	return image_open(image, slot_in_force(here)) || image_open(image, slot_in_force(here));
}

/* The other image of a trial and its base; false where no trial is to be settled. */
static __always_inline bool image_open_other(struct image *image, const struct bh_scratch *here)
{
	return image_open(image, slot_in_force(here) ^ BH_SLOT_ODD);
}

/*
 * The image of the policy that was in force before, by its generation; false where it is gone. While a trial is not
 * settled, it is in the slot that is not in force: the base of a trial, or the trial that its base has followed.
 */
static __always_inline bool image_open_before(struct image *image, __u32 generation, const struct bh_scratch *here)
{
	if (image_open(image, BH_SLOT_BEFORE) && image->header->generation == generation)
		return true;
	return image_open_other(image, here) && image->header->generation == generation;
}

/*
 * The element of `size` bytes, a power of two, at `offset`. The mask keeps the load inside the page, which is all that
 * the verifier asks. The loader promises that the offset means something: it refuses an image that points outside
 * itself.
 */
static __always_inline const void *image_at(const struct image *image, __u32 offset, __u32 size)
{
	const __u8 *page = (const __u8 *)image->header;
	__u32 index = offset >> BH_PAGE_BITS;

	if (index) {
		const __u8 *other = bpf_map_lookup_elem(image->pages, &index);

		if (other)
			page = other;
	}
	return page + (offset & (BH_PAGE_SIZE - size));
}

/* The same as image_at(), but NULL where the image has no such page. */
static __always_inline const void *image_find(const struct image *image, __u32 offset, __u32 size)
{
	const __u8 *page = (const __u8 *)image->header;
	__u32 index = offset >> BH_PAGE_BITS;

	if (index) {
		page = bpf_map_lookup_elem(image->pages, &index);
		if (!page)
			return 0;
	}
	return page + (offset & (BH_PAGE_SIZE - size));
}

#define IMAGE_ELEMENT(image, table, index, type) \
	((const type *)image_at(image, (table) + (__u32)(index) * (__u32)sizeof(type), sizeof(type)))

/* Bits set. BPF has no instruction for it. */
static __always_inline __u32 bits_set(__u64 bits)
{
	bits -= bits >> 1 & 0x5555555555555555ull;
	bits = (bits & 0x3333333333333333ull) + (bits >> 2 & 0x3333333333333333ull);
	bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0full;
	return bits * 0x0101010101010101ull >> 56;
}

/* How many of bits 0 to `last` are set. */
static __always_inline __u32 bits_through(__u64 bits, __u32 last)
{
	return bits_set(bits & ((2ull << (last & 63)) - 1));
}

#endif
