/* SPDX-License-Identifier: GPL-2.0-only */
/* From a packet to the first rule that matches it, through the image. */
#ifndef BULKHEAD_CLASSIFY_H
#define BULKHEAD_CLASSIFY_H

#include <linux/in.h>
#include "bitmaps.h"
#include "local.h"
#include "service.h"

/*
 * Takes one step in the address trie: goes past the node's run, then takes eight bits. `high` and `low` are what is
 * left of the address.
 */
static __always_inline __u32 trie_step(const struct image *image, __u32 value, __u64 *high, __u64 *low)
{
	__u32 at = image->header->nodes + (value & ~BH_TRIE_NODE) * (__u32)sizeof(struct bh_node);
	const struct bh_node *node = image_find(image, at, sizeof(*node));
	__u32 word, index, base;
	const __u32 *found;
	__u8 run;
	__u64 changes;

	if (!node)
		return 0;
	base = node->base;
	run = node->path_bits & 63;
	if ((*high ^ node->path) & node->path_mask)
		return node->otherwise;
	/* In two steps, because a shift by 64 does nothing. */
	*high = *high << run | *low >> 1 >> (63 - run);
	*low <<= run;
	word = *high >> 62;
	changes = node->changes[word];
	index = base + node->before[word] + bits_through(changes, *high >> 56) - 1;
	*high = *high << 8 | *low >> 56;
	*low <<= 8;
	found = image_find(image, image->header->values + index * 4, 4);
	return found ? *found : 0;
}

/* The class that a trie gives to an address, or whatever is looked up in one, left-aligned. */
static __noinline __u32 trie_class(const struct image *image, __u32 value, __u64 high, __u64 low)
{
	for (int depth = 0; depth < BH_TRIE_DEPTH; depth++) {
		if (!(value & BH_TRIE_NODE))
			break;
		value = trie_step(image, value, &high, &low);
	}
	return value;
}

/* The trie value of an IPv4 address's first sixteen bits; leaves the others, left-aligned, in `high`. */
static __always_inline __u32 v4_value(const struct image *image, __u64 low, __u64 *high)
{
	*high = low << 48;
	return *IMAGE_ELEMENT(image, image->header->v4_root, low >> 16 & 0xffff, __u32);
}

/* The classes of both IPv4 addresses, step by step side by side, so that neither waits for the other's memory. */
static __always_inline void v4_classes(const struct image *image, const struct bh_packet *packet, __u32 *source,
				       __u32 *destination)
{
	__u64 from, to, rest = 0;
	__u32 source_value = v4_value(image, packet->source_low, &from);
	__u32 destination_value = v4_value(image, packet->destination_low, &to);

#pragma unroll
	for (int depth = 0; depth < 2; depth++) {
		if (source_value & BH_TRIE_NODE)
			source_value = trie_step(image, source_value, &from, &rest);
		JOIN_PATHS();
		if (destination_value & BH_TRIE_NODE)
			destination_value = trie_step(image, destination_value, &to, &rest);
		JOIN_PATHS();
	}
	*source = source_value;
	*destination = destination_value;
}

/* The classes of both IPv6 addresses, side by side as well. */
static __always_inline void v6_classes(const struct image *image, const struct bh_packet *packet, __u32 *source,
				       __u32 *destination)
{
	__u64 source_high = packet->source_high, source_low = packet->source_low;
	__u64 destination_high = packet->destination_high, destination_low = packet->destination_low;
	__u32 source_value = image->header->v6_root, destination_value = source_value;

	for (int depth = 0; depth < BH_TRIE_DEPTH; depth++) {
		if (!((source_value | destination_value) & BH_TRIE_NODE))
			break;
		if (source_value & BH_TRIE_NODE)
			source_value = trie_step(image, source_value, &source_high, &source_low);
		JOIN_PATHS();
		if (destination_value & BH_TRIE_NODE)
			destination_value = trie_step(image, destination_value, &destination_high, &destination_low);
		JOIN_PATHS();
	}
	*source = source_value;
	*destination = destination_value;
}

/* Reads a two-level table: 256 offsets of blocks of 256 classes. */
static __always_inline __u32 key_class(const struct image *image, __u32 directory, __u16 key)
{
	__u32 block = *IMAGE_ELEMENT(image, directory, key >> 8, __u32);

	return *IMAGE_ELEMENT(image, block, key & 255, __u16);
}

static __always_inline __u32 service_class(const struct image *image, const struct bh_packet *packet)
{
	__u32 index, first, second = 0;
	const struct bh_protocol *protocol;
	__u16 key;

	index = service_key(packet, &key);
	protocol = IMAGE_ELEMENT(image, image->header->protocols, index, struct bh_protocol);
	if (protocol->first_directory == BH_NONE)
		return protocol->service;
	first = key_class(image, protocol->first_directory, key);
	if (protocol->second_directory != BH_NONE)
		second = key_class(image, protocol->second_directory, packet->source_port);
	return *IMAGE_ELEMENT(image, protocol->services, first * protocol->stride + second, __u32);
}

/* One class for service, headers before it, port, direction, VLAN, and whether the ends are the host's own. */
static __noinline __u32 joint_class(const struct image *image, const struct bh_packet *packet, __u32 scope,
				    struct bh_scratch *here)
{
	const struct bh_image_header *header = image->header;
	__u32 service = service_class(image, packet), context = 0, vlan = 0, place;

	if (header->vlan_count > 1)
		vlan = *IMAGE_ELEMENT(image, header->vlan_classes, packet->outer_vlan, __u16);
	place = scope * header->vlan_count + vlan;
	if (header->host_states > 1)
		place = place * BH_HOST_STATES + host_state(image, packet, scope, here);
	if (header->context_count > 1)
		context = *IMAGE_ELEMENT(image, header->contexts, place, __u32);
	if (packet->flags & BH_PACKET_HEADERS)
		context += header->context_count *
			   header->header_classes[packet->flags >> BH_PACKET_HEADERS_SHIFT & (BH_HEADER_SETS - 1)];
	return *IMAGE_ELEMENT(image, header->joints, context * header->service_count + service, __u32);
}

/* The first rank of a chain from the floor on. */
static __noinline __u32 follow_chain(const struct image *image, __u32 chain, __u32 floor)
{
	/* Unrolled for the reason in match_list(). */
#pragma unroll
	for (__u32 i = 0; i <= BH_TRIES_MAX; i++) {
		__u32 rank = *IMAGE_ELEMENT(image, image->header->chains, chain + i, __u32);

		if (rank >= floor)
			return rank;
	}
	return BH_NONE;
}

/* The first match of a long list, from the floor on. */
static __always_inline __u32 match_run(const struct image *image, __u32 index, const struct bh_lookup *lookup)
{
	const struct bh_image_header *header = image->header;
	__u32 joint = lookup->joint, number = joint >> 6, page, value;
	const struct bh_run *run;

	page = *IMAGE_ELEMENT(image, header->run_pages, index + (number >> BH_RUN_PAGE_BITS), __u32);
	run = IMAGE_ELEMENT(image, header->runs, page + (number & (BH_RUN_PAGE - 1)), struct bh_run);
	value = *IMAGE_ELEMENT(image, header->run_values, run->base + bits_through(run->changes, joint) - 1, __u32);
	if (value < BH_CHAIN || value == BH_NONE)
		return value;
	return follow_chain(image, value & ~BH_CHAIN, lookup->floor);
}

/* Whether the packet is what an entry asks for. */
static __always_inline bool matches(const struct image *image, const struct bh_list_entry *entry,
				    const struct bh_packet *packet, __u32 joint)
{
	const struct bh_image_header *header = image->header;
	__u32 index = entry->match & BH_MATCH_INDEX;

	if (entry->match & BH_MATCH_PORTS)
		return packet->flags & (BH_PACKET_IPV4 | BH_PACKET_IPV6) &&
		       (index == BH_ANY_PROTOCOL || index == packet->protocol) &&
		       (__u16)(packet->destination_port - entry->destination) <= entry->destination_span &&
		       (__u16)(packet->source_port - entry->source) <= entry->source_span;
	index = index * header->match_words + (joint >> 6);
	return *IMAGE_ELEMENT(image, header->matches, index, __u64) >> (joint & 63) & 1;
}

/* The first rule of a list that matches, from the floor on and lower than the best; BH_NONE where there is none. */
static __always_inline __u32 match_list(const struct image *image, __u32 list, const struct bh_packet *packet,
					const struct bh_lookup *lookup)
{
	/*
	 * Unrolled, because clang may lay the loop out so that it is re-entered by falling through, which Linux 6.1
	 * takes for an endless loop.
	 */
#pragma unroll
	for (__u32 i = 0; i < BH_LIST_SHORT; i++) {
		const struct bh_list_entry *entry =
			IMAGE_ELEMENT(image, image->header->lists, list + i, struct bh_list_entry);
		__u32 rank = entry->rank, match = entry->match;

		if (rank >= lookup->best)
			break;
		if (match & BH_MATCH_RUNS)
			return match_run(image, match & BH_MATCH_INDEX, lookup);
		if (rank >= lookup->floor && matches(image, entry, packet, lookup->joint))
			return rank;
		JOIN_PATHS();
		if (match & BH_MATCH_LAST)
			break;
	}
	return BH_NONE;
}

/* The list of a pair of classes, 0 where no rule names the pair or none could beat the best. */
static __always_inline __u32 find_list(const struct image *image, const struct bh_partition *partition, __u32 from,
				       __u32 to, __u32 best)
{
	__u32 buckets = partition->buckets, count = partition->count;
	__u64 hash = bh_cell_hash(from, to);

	for (int choice = 0; choice < 2; choice++) {
		__u32 number = bh_bucket_number(hash, count);
		const struct bh_bucket *bucket = IMAGE_ELEMENT(image, buckets, number, struct bh_bucket);

		for (int i = 0; i < 4; i++) {
			const struct bh_cell *cell = &bucket->cells[i];

			if (cell->from == from && cell->to == to && cell->list)
				return (cell->rank & ~BH_BUCKET_FULL) < best ? cell->list : 0;
		}
		if (!(bucket->cells[0].rank & BH_BUCKET_FULL))
			break;
		hash >>= 32;
	}
	return 0;
}

/* The lower of the best rank so far and that of one partition's pair of classes, the source's in the high half. */
static __noinline __u32 ask_partition(const struct image *image, __u32 index, __u64 pair,
				      const struct bh_packet *packet, const struct bh_lookup *lookup)
{
	__u32 list, rank;

	if (index >= BH_PARTITIONS)
		return BH_NONE;
	list = find_list(image, &image->header->partitions[index], pair >> 32, pair, lookup->best);
	if (!list)
		return lookup->best;
	rank = match_list(image, list, packet, lookup);
	return rank < lookup->best ? rank : lookup->best;
}

/*
 * Writes the classes of both ends and their bitmaps, and the partitions in which both have a cell. Returns whether a
 * list there may need the joint class.
 */
static __always_inline bool class_addresses(const struct image *image, const struct bh_packet *packet,
					    struct bh_lookup *lookup)
{
	const struct bh_address_class *class;
	__u32 source, destination, partitions, joint;

	if (packet->flags & BH_PACKET_IPV4)
		v4_classes(image, packet, &source, &destination);
	else
		v6_classes(image, packet, &source, &destination);
	class = IMAGE_ELEMENT(image, image->header->classes, source, struct bh_address_class);
	lookup->from[BH_LEVEL_COARSE] = class->from_coarse;
	lookup->from[BH_LEVEL_FINE] = class->from_fine;
	partitions = class->from_partitions;
	joint = class->from_joint;
	lookup->source_bitmap = class->source_bitmap;
	class = IMAGE_ELEMENT(image, image->header->classes, destination, struct bh_address_class);
	lookup->to[BH_LEVEL_COARSE] = class->to_coarse;
	lookup->to[BH_LEVEL_FINE] = class->to_fine;
	lookup->partitions = partitions & class->to_partitions;
	lookup->destination_bitmap = class->destination_bitmap;
	return joint & class->to_joint;
}

/* Finds what stays the same from one question about a packet to the next. */
static __always_inline void find_classes(const struct image *image, const struct bh_packet *packet, __u32 scope,
					 struct bh_scratch *here)
{
	struct bh_lookup *lookup = &here->lookup;
	bool needs_joint = true;

	lookup->partitions = 1; /* any to any */
	lookup->from[BH_LEVEL_ANY] = lookup->to[BH_LEVEL_ANY] = 0;
	if (packet->flags & (BH_PACKET_IPV4 | BH_PACKET_IPV6))
		needs_joint = class_addresses(image, packet, lookup);
	JOIN_PATHS();
	if (needs_joint)
		lookup->joint = joint_class(image, packet, scope, here);
}

/*
 * The rank of the first rule from the floor on that matches, whatever its conditions; BH_NONE if none does. Where the
 * floor is above 0, the packet's classes are known from the last call.
 */
static __noinline __u32 classify(const struct image *image, const struct bh_packet *packet, __u32 scope,
				 struct bh_scratch *here)
{
	struct bh_lookup *lookup = &here->lookup;
	__u32 partitions;

	if (!lookup->floor)
		find_classes(image, packet, scope, here);
	lookup->best = BH_NONE;
	JOIN_PATHS();
	partitions = lookup->partitions;
	if (partitions >> BH_PARTITIONS & 1)
		ask_bitmaps(image, lookup);
	JOIN_PATHS();
#pragma unroll
	for (__u32 i = 0; i < BH_PARTITIONS; i++) {
		if (partitions >> i & 1) {
			__u64 from = lookup->from[i / BH_LEVEL_MAX];

			lookup->best =
				ask_partition(image, i, from << 32 | lookup->to[i % BH_LEVEL_MAX], packet, lookup);
			JOIN_PATHS();
		}
	}
	return lookup->best;
}

#endif
