/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fragments: a later one gets the verdict of its datagram's first. The table keeps which parts of a datagram have
 * passed, so that none passes twice and none contradicts another. So whoever reassembles the datagram gets what was
 * judged.
 */
#ifndef BULKHEAD_FRAGMENT_H
#define BULKHEAD_FRAGMENT_H

#include "flow.h"

/* Where a fragment belongs. */
enum fragment_place {
	FRAGMENT_OPENS,   /* the first of a datagram that is not known: to be judged */
	FRAGMENT_FOLLOWS, /* has its place in a datagram whose first was accepted */
	FRAGMENT_ASTRAY,  /* has none: its first was not seen, or it overlaps */
};

/* The number of the key's bucket, in the room of its scope. */
static __always_inline __u32 bucket_in_room(__u32 scope, __u32 hash)
{
	if (scope & BH_SCOPE_ENTRY)
		return BH_DEVICE_ROOMS * BH_DEVICE_ROOM + scope % BH_ENTRY_ROOMS * BH_ENTRY_ROOM + hash % BH_ENTRY_ROOM;
	return scope % BH_DEVICE_ROOMS * BH_DEVICE_ROOM + hash % BH_DEVICE_ROOM;
}

/* A keyed hash, so that nobody can aim fragments at the places of another's. */
static __always_inline __u32 datagram_hash(const struct bh_datagram_key *key)
{
	struct bh_sip sip = bh_sip_start(settings.flow_secret[0], settings.flow_secret[1]);

	bh_sip_add(&sip, (__u64)key->identification << 32 | key->outer_vlan << 16 | key->inner_vlan);
	bh_sip_add(&sip, key->source_high ^ (__u64)key->direction << 63);
	bh_sip_add(&sip, key->source_low);
	bh_sip_add(&sip, key->destination_high);
	bh_sip_add(&sip, key->destination_low);
	return bh_sip_end(&sip);
}

static __always_inline void make_datagram_key(struct bh_scratch *here)
{
	struct bh_datagram_key *key = &here->fragment.key;
	const struct bh_packet *packet = &here->packet;
	__u32 hash;

	key->source_high = packet->source_high;
	key->source_low = packet->source_low;
	key->destination_high = packet->destination_high;
	key->destination_low = packet->destination_low;
	key->identification = packet->identification;
	key->outer_vlan = packet->outer_vlan;
	key->inner_vlan = packet->inner_vlan;
	key->scope = here->scope;
	key->protocol = packet->fragment_protocol;
	key->family = packet->flags & BH_PACKET_IPV6 ? 6 : 4;
	key->direction = here->judgement.direction;
	__builtin_memset(key->pad, 0, sizeof(key->pad));
	hash = datagram_hash(key);
	here->fragment.hash = hash ? hash : 1;
	here->fragment.bucket = bucket_in_room(here->scope, here->fragment.hash);
}

static __always_inline struct bh_fragment_bucket *fragment_bucket_of(const struct bh_scratch *here)
{
	__u32 bucket = here->fragment.bucket;

	return bpf_map_lookup_elem(&fragments, &bucket);
}

static __always_inline bool is_same_datagram(const struct bh_datagram_key *left, const struct bh_datagram_key *right)
{
	const __u64 *a = (const __u64 *)left, *b = (const __u64 *)right;

	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3] && a[4] == b[4] && a[5] == b[5];
}

/*
 * Jiffies since the first fragment; BH_NONE where the datagram's time is over. Another CPU may have opened it a moment
 * after `now` was read.
 */
static __always_inline __u32 datagram_age(const struct bh_datagram *datagram, __u32 now)
{
	__u32 age = now - datagram->opened + settings.ticks_per_second;

	return age > (BH_FRAGMENT_SECONDS + 1) * settings.ticks_per_second ? BH_NONE : age;
}

/* Leaves in here->fragment.way where the datagram is; BH_FRAGMENT_WAYS where it is not. The bucket is locked. */
static __always_inline void find_datagram(const struct bh_fragment_bucket *bucket, struct bh_scratch *here, __u32 now)
{
	here->fragment.way = BH_FRAGMENT_WAYS;
	for (__u32 way = 0; way < BH_FRAGMENT_WAYS; way++) {
		const struct bh_datagram *datagram = &bucket->datagrams[way];

		if (bucket->tags[way] == here->fragment.hash && is_same_datagram(&datagram->key, &here->fragment.key) &&
		    datagram_age(datagram, now) != BH_NONE)
			here->fragment.way = way;
		JOIN_PATHS();
	}
}

/* Compares one part that was seen with the fragment, which covers the units from `start` to before `end`. */
static __always_inline void compare_range(const struct bh_range *range, struct bh_fragment_search *search, __u32 index,
					  __u32 start, __u32 end, bool last)
{
	if (!range->end) {
		search->free = index;
		return;
	}
	/* An overlap, or data behind the end. */
	if ((start < range->end && range->start < end) || (last && range->end > end))
		search->refused = 1;
	if (range->end == start)
		search->before = index;
	if (range->start == end)
		search->after = index;
}

/*
 * Adds a fragment that fits to the part in front of it, the part behind it, both, or neither. False where there are too
 * many parts.
 */
static __always_inline bool join_ranges(struct bh_datagram *datagram, const struct bh_fragment_search *search,
					__u32 start, __u32 end)
{
	struct bh_range *before = &datagram->ranges[search->before % BH_FRAGMENT_RANGES];
	struct bh_range *after = &datagram->ranges[search->after % BH_FRAGMENT_RANGES];
	struct bh_range *free = &datagram->ranges[search->free % BH_FRAGMENT_RANGES];

	if (search->before < BH_FRAGMENT_RANGES && search->after < BH_FRAGMENT_RANGES) {
		before->end = after->end;
		after->start = after->end = 0;
	} else if (search->before < BH_FRAGMENT_RANGES) {
		before->end = end;
	} else if (search->after < BH_FRAGMENT_RANGES) {
		after->start = start;
	} else if (search->free < BH_FRAGMENT_RANGES) {
		free->start = start;
		free->end = end;
	} else {
		return false;
	}
	return true;
}

/*
 * Notes that a later fragment passes; false where it must not: it overlaps, or contradicts where the datagram ends. The
 * bucket is locked.
 */
static __always_inline bool cover(struct bh_datagram *datagram, struct bh_scratch *here)
{
	struct bh_fragment_search *search = &here->fragment;
	__u32 first = here->packet.fragment_offset, behind = first + here->packet.fragment_length;
	__u32 start = first / 8, end = (behind + 7) / 8;
	bool last = !(here->packet.flags & BH_PACKET_FRAGMENT_MORE);

	if (datagram->end != BH_NONE && (last || behind > datagram->end))
		return false;
	search->before = search->after = search->free = BH_FRAGMENT_RANGES;
	search->refused = 0;
	for (__u32 index = 0; index < BH_FRAGMENT_RANGES; index++) {
		compare_range(&datagram->ranges[index], search, index, start, end, last);
		JOIN_PATHS();
	}
	if (search->refused || !join_ranges(datagram, search, start, end))
		return false;
	if (last)
		datagram->end = behind;
	return true;
}

/* Whether all parts of the datagram have passed. */
static __always_inline bool is_complete(const struct bh_datagram *datagram)
{
	return datagram->end != BH_NONE && datagram->ranges[0].end * 8 >= datagram->end;
}

/*
 * Finds a fragment's place. A later fragment takes its place: no other may have it from then on. A datagram that is
 * complete is forgotten, so that its identification may be used again. Where an earlier policy accepted the first
 * fragment, the others follow it: the verdict was for the datagram. A global function: verified once.
 */
__noinline int place_fragment(struct bh_scratch *here)
{
	__u32 now, place = FRAGMENT_ASTRAY, way;
	struct bh_fragment_bucket *bucket;

	if (!here)
		return FRAGMENT_ASTRAY;
	now = ticks_now(here);
	make_datagram_key(here);
	bucket = fragment_bucket_of(here);
	if (!bucket)
		return FRAGMENT_ASTRAY;
	bpf_spin_lock(&bucket->lock);
	find_datagram(bucket, here, now);
	way = here->fragment.way;
	asm volatile("" : "+r"(way));
	if (way >= BH_FRAGMENT_WAYS) {
		if (here->packet.flags & BH_PACKET_FRAGMENT_FIRST)
			place = FRAGMENT_OPENS;
	} else if (here->packet.flags & BH_PACKET_FRAGMENT_LATER) {
		struct bh_datagram *datagram = &bucket->datagrams[way];

		if (cover(datagram, here)) {
			/* Under another generation the slot may belong to another rule. */
			if (datagram->generation == here->judgement.generation)
				here->judgement.counter = datagram->counter;
			place = FRAGMENT_FOLLOWS;
			if (is_complete(datagram))
				bucket->tags[way] = 0;
		}
	}
	bpf_spin_unlock(&bucket->lock);
	return place;
}

/*
 * Leaves in here->fragment.way the place of a new datagram: a free one, or one whose time is over, else that of the
 * oldest datagram; of the scope's own oldest, if half the bucket is the scope's. Sets here->fragment.refused where the
 * datagram is there already. The bucket is locked.
 */
static __always_inline void choose_way(const struct bh_fragment_bucket *bucket, struct bh_scratch *here, __u32 now)
{
	struct bh_fragment_search *search = &here->fragment;

	search->age = search->own_age = 0;
	search->own = 0;
	search->refused = 0;
	search->way = search->own_way = 0;
	for (__u32 way = 0; way < BH_FRAGMENT_WAYS; way++) {
		const struct bh_datagram *datagram = &bucket->datagrams[way];
		__u32 age = bucket->tags[way] ? datagram_age(datagram, now) : BH_NONE;

		if (age != BH_NONE && datagram->key.scope == here->scope) {
			search->own++;
			if (is_same_datagram(&datagram->key, &search->key))
				search->refused = 1;
			if (age > search->own_age) {
				search->own_age = age;
				search->own_way = way;
			}
		}
		if (age > search->age) {
			search->age = age;
			search->way = way;
		}
		JOIN_PATHS();
	}
	if (search->age != BH_NONE && search->own >= BH_FRAGMENT_WAYS / 2)
		search->way = search->own_way;
}

static __always_inline void open_datagram(struct bh_datagram *datagram, const struct bh_scratch *here, __u32 now)
{
	datagram->key = here->fragment.key;
	datagram->opened = now;
	datagram->generation = here->judgement.generation;
	datagram->counter = here->judgement.counter;
	datagram->end = BH_NONE;
	__builtin_memset(datagram->ranges, 0, sizeof(datagram->ranges));
	datagram->ranges[0].end = here->packet.fragment_length / 8;
}

/*
 * Keeps a datagram whose first fragment was accepted. False where another CPU has just kept the same. A global
 * function: verified once.
 */
__noinline int keep_datagram(struct bh_scratch *here)
{
	struct bh_fragment_bucket *bucket;
	__u32 now, way;
	bool kept;

	if (!here)
		return 0;
	now = ticks_now(here);
	bucket = fragment_bucket_of(here);
	if (!bucket)
		return 0;
	bpf_spin_lock(&bucket->lock);
	choose_way(bucket, here, now);
	way = here->fragment.way;
	asm volatile("" : "+r"(way));
	kept = !here->fragment.refused && way < BH_FRAGMENT_WAYS;
	if (kept) {
		open_datagram(&bucket->datagrams[way], here, now);
		bucket->tags[way] = here->fragment.hash;
	}
	bpf_spin_unlock(&bucket->lock);
	return kept;
}

#endif
