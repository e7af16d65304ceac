/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the rules said of recent packets, so that the next one of the same connection need not be looked up. Each CPU
 * has its own cache. An answer names its generation, so a new policy needs no flush. What depends on more than the
 * packet, such as a rule with a condition, is not kept.
 */
#ifndef BULKHEAD_VERDICT_CACHE_H
#define BULKHEAD_VERDICT_CACHE_H

#include "flow.h"

/*
 * Whether the cache may know the packet. Its hash was made for its flow. ICMP, and packets with headers before the
 * transport header, are not kept, because the rules see more of them than an answer names.
 */
static __always_inline bool is_cacheable(const struct bh_scratch *here)
{
	const struct bh_packet *packet = &here->packet;

	return here->question == ASK_PACKET && packet->flags & (BH_PACKET_IPV4 | BH_PACKET_IPV6) &&
	       !(packet->flags & BH_PACKET_HEADERS) && !is_icmp(packet);
}

/* Writes the packet's name in answers, without its addresses. */
static __always_inline void name_packet(const struct bh_scratch *here, struct answer *name)
{
	const struct bh_judgement *judgement = &here->judgement;
	const struct bh_packet *packet = &here->packet;

	name->service = (__u64)packet->source_port << 48 | (__u64)packet->destination_port << 32 |
			(__u32)packet->outer_vlan << 16 | packet->inner_vlan;
	name->place = (__u64)judgement->generation << 32 | judgement->port << 17 | (judgement->direction & 1) << 16 |
		      packet->protocol << 8;
}

static __always_inline bool has_name(const struct answer *answer, const struct answer *name)
{
	return !((answer->service ^ name->service) | ((answer->place ^ name->place) & ~(__u64)ANSWER_BITS));
}

static __always_inline __u64 addresses_v4(const struct bh_packet *packet)
{
	return packet->source_low << 32 | packet->destination_low;
}

static __always_inline bool has_addresses(const struct answer_v6 *way, const struct bh_packet *packet)
{
	return !((way->source_high ^ packet->source_high) | (way->source_low ^ packet->source_low) |
		 (way->destination_high ^ packet->destination_high) | (way->destination_low ^ packet->destination_low));
}

/*
 * The set of the packet's answers, of `size` bytes each, in one of the two maps; NULL where there is none. Both ways of
 * a connection have the same hash.
 */
static __always_inline void *answer_set(void *verdicts, const struct bh_scratch *here, __u32 size)
{
	__u32 number = here->hash >> 8 ^ here->forward, index = number / ANSWER_SETS % ANSWER_BLOCKS;
	__u8 *block = bpf_map_lookup_elem(verdicts, &index);

	return block ? block + number % ANSWER_SETS * ANSWER_WAYS * size : NULL;
}

static __always_inline const struct answer *find_v4(const struct bh_scratch *here, const struct answer *name)
{
	const struct answer_v4 *set = answer_set(&verdicts_v4, here, sizeof(*set));
	__u64 addresses = addresses_v4(&here->packet);

	for (int way = 0; set && way < ANSWER_WAYS; way++) {
		if (set[way].addresses == addresses && has_name(&set[way].answer, name))
			return &set[way].answer;
	}
	return NULL;
}

static __always_inline const struct answer *find_v6(const struct bh_scratch *here, const struct answer *name)
{
	const struct answer_v6 *set = answer_set(&verdicts_v6, here, sizeof(*set));

	for (int way = 0; set && way < ANSWER_WAYS; way++) {
		if (has_addresses(&set[way], &here->packet) && has_name(&set[way].answer, name))
			return &set[way].answer;
	}
	return NULL;
}

/* Judges the packet as an earlier one like it; false where none is remembered. */
static __always_inline bool recall(struct bh_scratch *here)
{
	struct bh_judgement *judgement = &here->judgement;
	const struct answer *answer;
	struct answer name;

	name_packet(here, &name);
	answer = here->packet.flags & BH_PACKET_IPV4 ? find_v4(here, &name) : find_v6(here, &name);
	here->recalled = answer != NULL;
	if (!answer)
		return false;
	judgement->verdict = answer->place & ANSWER_VERDICT;
	judgement->reason = answer->rule == BH_NONE ? BH_REASON_DEFAULT : BH_REASON_RULE;
	judgement->rule = answer->rule;
	judgement->counter = answer->counter;
	judgement->log = !!(answer->place & ANSWER_LOG);
	here->stateless = !!(answer->place & ANSWER_STATELESS);
	return true;
}

/* Writes what the rules said. */
static __always_inline void note_answer(const struct bh_scratch *here, struct answer *answer)
{
	const struct bh_judgement *judgement = &here->judgement;

	name_packet(here, answer);
	answer->place |= (judgement->verdict & ANSWER_VERDICT) | (judgement->log ? ANSWER_LOG : 0) |
			 (here->stateless ? ANSWER_STATELESS : 0);
	answer->rule = judgement->rule;
	answer->counter = judgement->counter;
}

static __always_inline void remember_v4(const struct bh_scratch *here)
{
	struct answer_v4 *set = answer_set(&verdicts_v4, here, sizeof(*set));

	if (!set)
		return;
#pragma unroll
	for (int way = ANSWER_WAYS - 1; way > 0; way--)
		set[way] = set[way - 1];
	set->addresses = addresses_v4(&here->packet);
	note_answer(here, &set->answer);
}

static __always_inline void remember_v6(const struct bh_scratch *here)
{
	const struct bh_packet *packet = &here->packet;
	struct answer_v6 *set = answer_set(&verdicts_v6, here, sizeof(*set));

	if (!set)
		return;
#pragma unroll
	for (int way = ANSWER_WAYS - 1; way > 0; way--)
		set[way] = set[way - 1];
	set->source_high = packet->source_high;
	set->source_low = packet->source_low;
	set->destination_high = packet->destination_high;
	set->destination_low = packet->destination_low;
	note_answer(here, &set->answer);
}

/*
 * Keeps the judgement for packets like this one, in place of the oldest in its set. A global function: verified once.
 */
__noinline int remember(const struct bh_scratch *here)
{
	if (!here)
		return 0;
	if (here->packet.flags & BH_PACKET_IPV4)
		remember_v4(here);
	else
		remember_v6(here);
	return 0;
}

#endif
