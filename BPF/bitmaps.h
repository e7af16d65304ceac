/* SPDX-License-Identifier: GPL-2.0-only */
/* The rules whose sets of addresses overlap too much for cells: three bitmaps, of which a word is asked at a time. */
#ifndef BULKHEAD_BITMAPS_H
#define BULKHEAD_BITMAPS_H

#include "image.h"

struct bitmap_search {
	struct image image;
	struct bh_lookup *lookup;
};

/* Goes on to the next word of the source's bitmap. False at its end, and where no later word could beat the best. */
static __always_inline bool next_word(const struct image *image, struct bh_lookup *lookup)
{
	const struct bh_image_header *header = image->header;
	const struct bh_bitmap_word *found;
	__u32 word;
	__u64 bits;

	if (lookup->word & BH_BITMAP_LAST)
		return false;
	found = IMAGE_ELEMENT(image, header->source_words, lookup->next_word++, struct bh_bitmap_word);
	if (found->rank >= lookup->best)
		return false;
	bits = found->bits;
	lookup->word = found->word;
	JOIN_PATHS();
	word = lookup->word & ~BH_BITMAP_LAST;
	/* First the bitmap that is in the caches, because most packets of a flood have a class in common. */
	bits &= *IMAGE_ELEMENT(image, header->joint_words, lookup->first_joint + word, __u64);
	JOIN_PATHS();
	if (bits)
		bits &= *IMAGE_ELEMENT(image, header->destination_words, lookup->first_to + word, __u64);
	lookup->bits = bits;
	return true;
}

/* Takes one step: to a word if the last has no more bits, then to its first bit. Ranks below the floor do not count. */
static long ask_bit(__u32 step, struct bitmap_search *search)
{
	struct bh_lookup *lookup = search->lookup;
	__u64 bits;
	__u32 rank;

	(void)step;
	if (!lookup->bits && !next_word(&search->image, lookup))
		return 1;
	JOIN_PATHS();
	bits = lookup->bits;
	if (!bits)
		return 0;
	rank = *IMAGE_ELEMENT(&search->image, search->image.header->item_ranks,
			      (lookup->word & ~BH_BITMAP_LAST) * 64 + bits_set((bits & -bits) - 1), __u32);
	lookup->bits = bits & (bits - 1);
	if (rank < lookup->floor)
		return 0;
	if (rank < lookup->best)
		lookup->best = rank;
	lookup->bits = 0;
	return 0;
}

/* Lowers the best rank to that of the first item that matches, if that is lower. */
static __noinline void ask_bitmaps(const struct image *image, struct bh_lookup *lookup)
{
	struct bitmap_search search = { .image = *image, .lookup = lookup };
	__u32 width = image->header->bitmap_width;

	lookup->first_to = lookup->destination_bitmap * width;
	lookup->first_joint = *IMAGE_ELEMENT(image, image->header->joint_bitmaps, lookup->joint, __u32) * width;
	lookup->next_word = lookup->source_bitmap;
	lookup->word = 0;
	lookup->bits = 0;
	bpf_loop(BH_BITMAP_STEPS, ask_bit, &search, 0);
}

#endif
