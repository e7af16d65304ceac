/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Answers to classes of packets. Rules see an address only through its class, and all else of a packet through its
 * joint class. So what they said of one packet without a flow they say of every other of the same classes. This holds a
 * flood of random sources, of which no packet comes twice. docs/decisions/front.md says what else could change a
 * verdict.
 */
#ifndef BULKHEAD_FRONT_CLASS_H
#define BULKHEAD_FRONT_CLASS_H

#include "classify.h"
#include "front.h"
#include "question.h"

/* Whether nothing at the port looks at more of a plain packet than its classes and its MAC addresses. */
static __always_inline bool judges_by_class(const struct image *image, const struct bh_port *port,
					    enum bh_direction direction)
{
	if (port->guards & (is_claiming(port, direction) ? BH_GUARD_IP : BH_GUARD_DESTINATION))
		return false;
	return image->header->place_states == 1 ||
	       !*IMAGE_ELEMENT(image, image->header->host_questions, port->scopes[direction & 1], __u8);
}

/* Writes the classes of the packet's addresses. */
static __always_inline void find_address_classes(const struct image *image, struct bh_scratch *here)
{
	__u32 source, destination;

	if (here->packet.flags & BH_PACKET_IPV4)
		v4_classes(image, &here->packet, &source, &destination);
	else
		v6_classes(image, &here->packet, &source, &destination);
	here->class.source = source;
	here->class.destination = destination;
}

/*
 * What of port and link the answer depends on. It has the port's record in place of the device, because all devices of
 * a record judge alike; and the tag, because the port may not admit all VLANs that rules take for one, or the MAC
 * address, if a guard asks for it. There is room for one of them; 0: both are asked for, or there is no room.
 */
static __always_inline __u64 class_link(const struct bh_front_key *key, const struct found_port *found,
					enum bh_direction direction)
{
	__u64 kind = key->link >> LINK_SHIFT & ((1 << SHAPE_BITS) - 1);
	const struct bh_port *port = found->port;

	if (found->record >= 1 << (64 - LINK_SHIFT - SHAPE_BITS))
		return 0;
	kind = (kind | found->record << SHAPE_BITS) << LINK_SHIFT;
	if (!(port->guards & (is_claiming(port, direction) ? BH_GUARD_MAC : BH_GUARD_PROMISCUOUS)))
		return kind | key->tag;
	return key->tag ? 0 : kind | (key->link & ((1ull << LINK_SHIFT) - 1));
}

/*
 * Whether no connection is adopted any more at the packet's device by the policy in the image. Until then, what the
 * rules deny may be asked again as an answer.
 */
static __always_inline bool is_settled(const struct image *image, const struct bh_scratch *here)
{
	return !image->header->adopt || (!seconds_attached(image, here) && !seconds_untracked(image, here));
}

/*
 * Finds the packet's classes; returns false where they alone do not tell the verdict, because of the port or a flow. A
 * global function: verified once.
 */
__noinline int name_class(struct bh_scratch *here, __u32 hook)
{
	struct bh_front_class *class = &here->class;
	struct found_port found;
	enum bh_direction direction;
	struct image image;
	__u64 hash;

	if (!here)
		return false;
	class->hash = 0;
	if (!image_open_in_force(&image, here) || !find_port(&image, here, &found) || found.is_quarantined)
		return false;
	/* It is what is asked about adopting. Another device of the record may be settled before this one is. */
	here->judgement.generation = image.header->generation;
	if (!is_plain_syn(&here->front) && !is_settled(&image, here))
		return false;
	JOIN_PATHS();
	direction = direction_of(hook, found.port->protects);
	class->link = class_link(&here->front, &found, direction);
	if (!class->link || !judges_by_class(&image, found.port, direction))
		return false;
	write_addresses(here);
	if (!is_plain_syn(&here->front)) {
		here->scope = found.port->flow_scope ? found.port->flow_scope : here->device;
		make_key(here, &here->packet, direction);
		if (may_have_flow(here->hash))
			return false;
	}
	JOIN_PATHS();
	find_address_classes(&image, here);
	JOIN_PATHS();
	class->joint = joint_class(&image, &here->packet, found.port->scopes[direction & 1], here);
	/* The numbers mean something in this image only. Had another come since, the stamp would have moved on. */
	if ((__u32)stamp_now(here) != here->front.version)
		return false;
	hash = fold(settings.flow_secret[1] ^ class->link, (__u64) class->source << 32 | class->joint);
	hash = fold(hash, (__u64)hook << 32 | class->destination);
	class->hash = (__u32)hash ? hash : 1;
	return true;
}

static __always_inline __u64 class_pair(const struct bh_front_class *class)
{
	return (__u64) class->destination << 32 | class->source;
}

/* The answer for the packet's class in a line; NULL where there is none. */
static __always_inline struct answer *find_class_in_line(struct answer_line *line, const struct bh_scratch *here,
							 __u32 mark)
{
	const struct bh_front_class *class = &here->class;

	return one_of_two(line, here, class->link, class_pair(class), class->joint, mark | RESULT_CLASS);
}

/* The answer for the packet's class; NULL where there is none. */
static __always_inline struct answer *find_class_answer(const struct bh_scratch *here, __u32 mark)
{
	struct answer_block *block = class_block_of(here->class.hash);
	struct answer *answer;

	if (!block)
		return NULL;
	answer = find_class_in_line(home_line(block, here->class.hash), here, mark);
	return answer ? answer : find_class_in_line(other_line(block, here->class.hash), here, mark);
}

/* Keeps an answer for the packet's class, if that was named. */
static __always_inline void keep_class_answer(const struct bh_scratch *here, __u32 result)
{
	const struct bh_front_class *class = &here->class;
	struct answer_block *block;
	struct answer_line *line;
	struct answer *old;

	block = class->hash ? class_block_of(class->hash) : NULL;
	if (!block)
		return;
	old = find_class_answer(here, result & RESULT_XDP);
	if (old) {
		old->result = result | RESULT_CLASS;
		return;
	}
	JOIN_PATHS();
	line = line_with_room(here, block, class->hash, false);
	make_place(line);
	write_answer(&line->first, here, class->link, class_pair(class), class->joint, result | RESULT_CLASS);
}

/*
 * Judges a packet that the front has read, and has no answer for, by the answer to its class; returns enum front_end. A
 * global function: verified once.
 */
__noinline int front_by_class(struct bh_scratch *here, __u32 hook)
{
	__u32 mark = hook == BH_HOOK_XDP ? RESULT_XDP : 0, result;
	enum front_end end = FRONT_NONE;
	const struct answer *answer;

	if (!here)
		return FRONT_NONE;
	/* What is a flow's says nothing about how well classes are known. */
	if (!name_class(here, hook))
		return FRONT_NONE;
	answer = find_class_answer(here, mark);
	JOIN_PATHS();
	if (answer) {
		result = answer->result;
		end = front_said(here, result, mark);
		JOIN_PATHS();
		front_conclude(here, result, mark, end);
		here->front.answered *= 1 + BH_ANSWER_CLASS;
		/* The very packet has its answer at once, in case it comes again. */
		if (end != FRONT_NONE && here->front.kinds & 1 << BH_ANSWER_EXACT)
			keep_answer(here, result & ~RESULT_CLASS);
	}
	if (answer)
		note_use(score_of(here, mark, BH_ANSWER_CLASS), end != FRONT_NONE);
	else
		note_new(here, mark, BH_ANSWER_CLASS,
			 is_crowded(here, class_block_of(here->class.hash), here->class.hash, false));
	return end;
}

/* Whether the packet's class is worth asking about. */
static __always_inline bool asks_class(const struct bh_scratch *here)
{
	return here->front.link && here->front.kinds & 1 << BH_ANSWER_CLASS;
}

#endif
