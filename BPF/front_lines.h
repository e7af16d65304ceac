/* SPDX-License-Identifier: GPL-2.0-only */
/* The lines in which the front keeps its answers: how they are found and replaced. */
#ifndef BULKHEAD_FRONT_LINES_H
#define BULKHEAD_FRONT_LINES_H

#include <bpf/bpf_endian.h>
#include "image.h"
#include "settings.h"

/* A packet's addresses, as struct bh_packet has them. */
struct ends {
	__u64 source_high, source_low, destination_high, destination_low;
};

static __always_inline struct ends front_ends(const struct bh_front_key *key)
{
	struct ends ends = {};

	if (key->link >> LINK_SHIFT & SHAPE_IPV6) {
		ends.source_high = bpf_be64_to_cpu(key->addresses[0]);
		ends.source_low = bpf_be64_to_cpu(key->addresses[1]);
		ends.destination_high = bpf_be64_to_cpu(key->addresses[2]);
		ends.destination_low = bpf_be64_to_cpu(key->addresses[3]);
	} else {
		ends.source_low = bpf_ntohl((__u32)key->addresses[0]);
		ends.destination_low = bpf_ntohl((__u32)(key->addresses[0] >> 32));
	}
	return ends;
}

static __always_inline __u16 front_vlan(const struct bh_front_key *key)
{
	return key->tag & (BH_FRONT_TAGGED - 1);
}

/* Whether the packet is a SYN that may open a connection. It is no flow's. */
static __always_inline bool is_plain_syn(const struct bh_front_key *key)
{
	return (key->link >> LINK_SHIFT & SHAPE_MASK) == SHAPE_SYN;
}

static __always_inline __u64 fold(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 32;
}

/* A hash of the key, by which answers are placed. Keys are compared whole, so it need not be hard to foresee. */
static __always_inline __u32 hash_front_key(const struct bh_front_key *key)
{
	__u64 kind = (__u64)key->tag << LINK_SHIFT / 2 | key->link >> LINK_SHIFT;
	/* Mixed in by itself: one word xored with another could be made to cancel it, whatever the secret is. */
	__u64 hash = fold(fold(settings.flow_secret[0], kind), key->addresses[0]);

	if (key->link >> LINK_SHIFT & SHAPE_IPV6) {
		hash = fold(hash, key->addresses[1]);
		hash = fold(hash, key->addresses[2]);
		hash = fold(hash, key->addresses[3]);
	}
	return fold(hash ^ settings.flow_secret[1], key->ports);
}

/*
 * Blocks of a CPU: those of answers to the very packet, then those of answers to classes. They are apart, because
 * otherwise each packet that is learnt would take two places, of which it needs one from then on.
 */
static __always_inline struct answer_block *cpu_block(__u32 number)
{
	__u32 all = settings.answer_blocks + bh_class_blocks(settings.answer_blocks);
	__u32 index = bpf_get_smp_processor_id() * all + number;

	return bpf_map_lookup_elem(&verdicts, &index);
}

/* This CPU's block in which answers to very packets of a hash are. */
static __always_inline struct answer_block *answer_block_of(__u32 hash)
{
	return cpu_block(hash / ANSWER_LINES & (settings.answer_blocks - 1));
}

/* The same for answers to classes. */
static __always_inline struct answer_block *class_block_of(__u32 hash)
{
	__u32 blocks = settings.answer_blocks;

	return cpu_block(blocks + (hash / ANSWER_LINES & (bh_class_blocks(blocks) - 1)));
}

/*
 * The line of a hash, and the other one in which its answers may be. They stand side by side, because processors tend
 * to fetch such two together.
 */
static __always_inline struct answer_line *home_line(struct answer_block *block, __u32 hash)
{
	return &block->lines[hash % ANSWER_LINES];
}

static __always_inline struct answer_line *other_line(struct answer_block *block, __u32 hash)
{
	return &block->lines[(hash ^ 1) % ANSWER_LINES];
}

enum { ANSWER_MARKS = RESULT_XDP | RESULT_CLASS | RESULT_TAGGED };

/* `marks`: what of ANSWER_MARKS the answer must have. */
static __always_inline bool is_answer_for(const struct answer *answer, const struct bh_scratch *here, __u64 link,
					  __u64 addresses, __u32 ports, __u32 marks)
{
	return answer->addresses == addresses && answer->link == link && answer->ports == ports &&
	       answer->version == here->front.version && answer->result && (answer->result & ANSWER_MARKS) == marks;
}

/* Which of a line's two answers is the one sought; NULL: neither. A whole line's second word for `result` is 0. */
static __always_inline struct answer *one_of_two(struct answer_line *line, const struct bh_scratch *here, __u64 link,
						 __u64 addresses, __u32 ports, __u32 marks)
{
	if (is_answer_for(&line->first, here, link, addresses, ports, marks))
		return &line->first;
	return is_answer_for(&line->second, here, link, addresses, ports, marks) ? &line->second : NULL;
}

/* Whether the packet's answer takes a whole line: that to IPv6, or to a packet with a tag. */
static __always_inline bool needs_line(const struct bh_front_key *key)
{
	return key->tag || key->link >> LINK_SHIFT & SHAPE_IPV6;
}

static __always_inline __u32 tag_mark(const struct bh_front_key *key)
{
	return key->tag ? RESULT_TAGGED : 0;
}

/* The line's last word. It is no answer to anything else, because its half that would be a result is 0. */
static __always_inline __u64 tag_word(const struct bh_front_key *key)
{
	return (__u64)key->tag << 32;
}

/* The answer for the packet in a line; NULL where there is none. `hook`: RESULT_XDP or 0. */
static __always_inline struct answer *find_in_line(struct answer_line *line, const struct bh_scratch *here, __u32 hook)
{
	const struct bh_front_key *key = &here->front;

	if (needs_line(key)) {
		if (!is_answer_for(&line->first, here, key->link, key->addresses[0], key->ports,
				   hook | tag_mark(key)) ||
		    line->rest[0] != key->addresses[1] || line->rest[1] != key->addresses[2] ||
		    line->rest[2] != key->addresses[3] || line->rest[3] != tag_word(key))
			return NULL;
		return &line->first;
	}
	return one_of_two(line, here, key->link, key->addresses[0], key->ports, hook);
}

/* The answer for the packet; NULL where there is none. `hook`: RESULT_XDP or 0. */
static __always_inline struct answer *find_answer(const struct bh_scratch *here, __u32 hook)
{
	struct answer_block *block = answer_block_of(here->front.hash);
	struct answer *answer;

	if (!block)
		return NULL;
	answer = find_in_line(home_line(block, here->front.hash), here, hook);
	return answer ? answer : find_in_line(other_line(block, here->front.hash), here, hook);
}

/* Whether an answer takes its whole line. */
static __always_inline bool is_wide(const struct answer *answer)
{
	return answer->result & RESULT_TAGGED ||
	       (answer->link >> LINK_SHIFT & SHAPE_IPV6 && !(answer->result & RESULT_CLASS));
}

/* Whether a line has room for an answer, because another in it is of an earlier version. */
static __always_inline bool has_room(const struct answer_line *line, __u32 version, bool whole)
{
	return (whole || is_wide(&line->first) ? line->first.version : line->second.version) != version;
}

/* Whether both lines of a hash are full of answers that hold. */
static __always_inline bool is_crowded(const struct bh_scratch *here, struct answer_block *block, __u32 hash,
				       bool whole)
{
	__u32 version = here->front.version;

	return block && !has_room(home_line(block, hash), version, whole) &&
	       !has_room(other_line(block, hash), version, whole);
}

/* The line that another answer goes to. */
static __always_inline struct answer_line *line_with_room(const struct bh_scratch *here, struct answer_block *block,
							  __u32 hash, bool whole)
{
	struct answer_line *home = home_line(block, hash), *other = other_line(block, hash);
	__u32 version = here->front.version;

	return !has_room(home, version, whole) && has_room(other, version, whole) ? other : home;
}

/* Makes place for the line's latest answer, and keeps the one before if the line has room for both. */
static __always_inline void make_place(struct answer_line *line)
{
	if (is_wide(&line->first))
		line->second.result = 0;
	else
		line->second = line->first;
}

static __always_inline void write_answer(struct answer *answer, const struct bh_scratch *here, __u64 link,
					 __u64 addresses, __u32 ports, __u32 result)
{
	answer->addresses = addresses;
	answer->link = link;
	answer->ports = ports;
	answer->version = here->front.version;
	answer->result = result;
	answer->flow = here->hash;
}

/*
 * Keeps an answer under the key that the front computed for this packet, and no other. One that the packet had already
 * is replaced, for it would be found first.
 */
static __always_inline void keep_answer(const struct bh_scratch *here, __u32 result)
{
	const struct bh_front_key *key = &here->front;
	struct answer *old = find_answer(here, result & RESULT_XDP);
	struct answer_block *block = answer_block_of(key->hash);
	struct answer_line *line;

	if (!block)
		return;
	if (old) {
		old->result = result | tag_mark(key);
		old->flow = here->hash;
		return;
	}
	JOIN_PATHS();
	line = line_with_room(here, block, key->hash, needs_line(key));
	if (needs_line(key)) {
		line->rest[0] = key->addresses[1];
		line->rest[1] = key->addresses[2];
		line->rest[2] = key->addresses[3];
		line->rest[3] = tag_word(key);
	} else {
		make_place(line);
	}
	write_answer(&line->first, here, key->link, key->addresses[0], key->ports, result | tag_mark(key));
}

#endif
