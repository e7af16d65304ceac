/* SPDX-License-Identifier: GPL-2.0-only */
/* From a packet to the first rule that matches it, through the image. */
#ifndef BULKHEAD_CLASSIFY_H
#define BULKHEAD_CLASSIFY_H

#include <linux/in.h>
#include "bitmaps.h"
#include "local.h"
#include "service.h"
#include "via.h"

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

/* Takes a step of a walk that has not come to its end. */
static __always_inline void walk_on(const struct image *image, struct walk *walk)
{
	if (walk->value & BH_TRIE_NODE)
		walk->value = trie_step(image, walk->value, &walk->high, &walk->low);
	JOIN_PATHS();
}

/* The class that a trie gives to an address, or whatever is looked up in one, left-aligned. */
static __noinline __u32 trie_class(const struct image *image, __u32 value, __u64 high, __u64 low)
{
	struct walks *walks = this_cpu_walks();
	struct walk *walk;

	if (!walks)
		return 0;
	walk = &walks->source;
	*walk = (struct walk){ .high = high, .low = low, .value = value };
	JOIN_PATHS();
	for (int depth = 0; depth < BH_TRIE_DEPTH && walk->value & BH_TRIE_NODE; depth++)
		walk_on(image, walk);
	return walk->value;
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
	__u32 root = image->header->v6_root;
	struct walks *walks = this_cpu_walks();

	*source = *destination = 0;
	if (!walks)
		return;
	walks->source = (struct walk){ .high = packet->source_high, .low = packet->source_low, .value = root };
	walks->destination =
		(struct walk){ .high = packet->destination_high, .low = packet->destination_low, .value = root };
	JOIN_PATHS();
	for (int depth = 0; depth < BH_TRIE_DEPTH; depth++) {
		if (!((walks->source.value | walks->destination.value) & BH_TRIE_NODE))
			break;
		walk_on(image, &walks->source);
		walk_on(image, &walks->destination);
	}
	*source = walks->source.value;
	*destination = walks->destination.value;
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

/* What a scope's rules ask besides: whether the ends are the host's own, and where the packet came from. */
static __always_inline __u32 place_state(const struct image *image, const struct bh_packet *packet, __u32 scope,
					 struct bh_scratch *here)
{
	__u32 asked = *IMAGE_ELEMENT(image, image->header->host_questions, scope, __u8);
	__u32 state = host_state(packet, asked & (BH_HOST_SOURCE | BH_HOST_DESTINATION), here);

	JOIN_PATHS();
	return state * image->header->via_count + (asked & BH_HOST_VIA ? via_class(image, here) : 0);
}

/* One class for service, headers before it, port, direction, VLAN, whose the ends are, and where it came from. */
static __noinline __u32 joint_class(const struct image *image, const struct bh_packet *packet, __u32 scope,
				    struct bh_scratch *here)
{
	const struct bh_image_header *header = image->header;
	__u32 service = service_class(image, packet), context = 0, vlan = 0, place;

	if (header->vlan_count > 1)
		vlan = *IMAGE_ELEMENT(image, header->vlan_classes, packet->outer_vlan, __u16);
	place = scope * header->vlan_count + vlan;
	if (header->place_states > 1)
		place = place * header->place_states + place_state(image, packet, scope, here);
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

struct partition_search {
	struct image image;
	const struct bh_packet *packet;
	struct bh_lookup *lookup;
	__u32 left; /* partitions to be asked, a bit each */
	__u32 pad;
};

/*
 * Asks the first of the partitions that are left, and lowers the best rank to that of its pair of classes. Returns
 * whether it was the last.
 */
static long ask_partition(__u32 step, struct partition_search *search)
{
	struct bh_lookup *lookup = search->lookup;
	__u32 index = bits_set((search->left & -search->left) - 1) & 15;
	__u32 from_level = index / BH_LEVEL_MAX, to_level = index % BH_LEVEL_MAX, list, rank;

	(void)step;
	search->left &= search->left - 1;
	/* Keeps the masks: the compiler knows that both are small, but the verifier does not. */
	asm volatile("" : "+r"(from_level), "+r"(to_level));
	list = find_list(&search->image, &search->image.header->partitions[index], lookup->from[from_level & 3],
			 lookup->to[to_level & 3], lookup->best);
	JOIN_PATHS();
	if (!list)
		return !search->left;
	rank = match_list(&search->image, list, search->packet, lookup);
	if (rank < lookup->best)
		lookup->best = rank;
	return !search->left;
}

/*
 * Asks each of the partitions that are set, as bh_lookup has them. In a loop of bpf_loop(), which the verifier follows
 * a few times, and not once for each partition.
 */
static __always_inline void ask_partitions(const struct image *image, const struct bh_packet *packet,
					   struct bh_lookup *lookup)
{
	struct partition_search search = { .image = *image, .packet = packet, .lookup = lookup };

	search.left = lookup->partitions & ((1 << BH_PARTITIONS) - 1);
	if (search.left)
		bpf_loop(BH_PARTITIONS, ask_partition, &search, 0);
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

	if (!lookup->floor)
		find_classes(image, packet, scope, here);
	lookup->best = BH_NONE;
	JOIN_PATHS();
	if (lookup->partitions >> BH_PARTITIONS & 1)
		ask_bitmaps(image, lookup);
	JOIN_PATHS();
	ask_partitions(image, packet, lookup);
	return lookup->best;
}

#endif
