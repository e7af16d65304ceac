/* SPDX-License-Identifier: GPL-2.0-only */
/* The lines in which the front keeps its answers: how they are found and replaced. */
#ifndef BULKHEAD_FRONT_LINES_H
#define BULKHEAD_FRONT_LINES_H

#include "maps.h"
#include "settings.h"

static __always_inline __u64 fold(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 32;
}

/* A hash of the key, by which answers are placed. Keys are compared whole, so it need not be hard to foresee. */
static __always_inline __u32 hash_front_key(const struct bh_front_key *key)
{
	__u64 hash = fold(settings.flow_secret[0] ^ key->link >> LINK_SHIFT, key->addresses[0]);

	if (key->link >> LINK_SHIFT & SHAPE_IPV6) {
		hash = fold(hash, key->addresses[1]);
		hash = fold(hash, key->addresses[2]);
		hash = fold(hash, key->addresses[3]);
	}
	return fold(hash ^ settings.flow_secret[1], key->ports);
}

static __always_inline struct answer_line *answer_line_of(__u32 hash)
{
	__u32 index = hash / ANSWER_LINES & (settings.answer_blocks - 1);
	struct answer_block *block = bpf_map_lookup_elem(&verdicts, &index);

	return block ? &block->lines[hash % ANSWER_LINES] : NULL;
}

/* `marks`: what of RESULT_XDP and RESULT_CLASS the answer must have. */
static __always_inline bool is_answer_for(const struct answer *answer, const struct bh_scratch *here, __u64 link,
					  __u64 addresses, __u32 ports, __u32 marks)
{
	return answer->addresses == addresses && answer->link == link && answer->ports == ports &&
	       answer->version == here->front.version && answer->result &&
	       (answer->result & (RESULT_XDP | RESULT_CLASS)) == marks;
}

/* The answer for the packet; NULL where there is none. `hook`: RESULT_XDP or 0. */
static __always_inline const struct answer *find_answer(const struct bh_scratch *here, __u32 hook)
{
	const struct bh_front_key *key = &here->front;
	const struct answer_line *line = answer_line_of(key->hash);

	if (!line)
		return NULL;
	if (key->link >> LINK_SHIFT & SHAPE_IPV6) {
		if (!is_answer_for(&line->first, here, key->link, key->addresses[0], key->ports, hook) ||
		    line->rest[0] != key->addresses[1] || line->rest[1] != key->addresses[2] ||
		    line->rest[2] != key->addresses[3])
			return NULL;
		return &line->first;
	}
	if (is_answer_for(&line->first, here, key->link, key->addresses[0], key->ports, hook))
		return &line->first;
	return is_answer_for(&line->second, here, key->link, key->addresses[0], key->ports, hook) ? &line->second :
												    NULL;
}

/* Whether an answer takes its whole line. */
static __always_inline bool is_wide(const struct answer *answer)
{
	return answer->link >> LINK_SHIFT & SHAPE_IPV6 && !(answer->result & RESULT_CLASS);
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
}

/* Keeps an answer under the key that the front computed for this packet, and no other. */
static __always_inline void keep_answer(const struct bh_scratch *here, __u32 result)
{
	const struct bh_front_key *key = &here->front;
	struct answer_line *line = answer_line_of(key->hash);

	if (!line)
		return;
	if (key->link >> LINK_SHIFT & SHAPE_IPV6) {
		line->rest[0] = key->addresses[1];
		line->rest[1] = key->addresses[2];
		line->rest[2] = key->addresses[3];
		line->rest[3] = 0;
	} else {
		make_place(line);
	}
	write_answer(&line->first, here, key->link, key->addresses[0], key->ports, result);
	line->first.flow = here->hash;
}

#endif
