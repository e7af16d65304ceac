/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules that put an end of a packet into a dynamic group. The group's trie has an entry that counts the members that
 * were put there, besides the controller's. Places of a ring remember them, so that those that have expired are taken
 * out when there is no room, with nobody alive. For the tc hooks.
 */
#ifndef BULKHEAD_ADDITION_H
#define BULKHEAD_ADDITION_H

#include "judgement.h"
#include "members.h"

enum { SWEEP = 64 /* places of the ring that one look for room covers */ };

static const struct bh_member_key controllers_count = { .prefix_length = 32, .family = BH_MEMBERS_CONTROLLER };
static const struct bh_member_key programs_count = { .prefix_length = 32, .family = BH_MEMBERS_PROGRAMS };

static __always_inline struct bh_member *member_entry(void *group, const struct bh_member_key *key)
{
	struct bh_member *found = bpf_map_lookup_elem(group, key);

	return found && found->prefix_length == key->prefix_length ? found : NULL;
}

/* The entry that counts what the programs have put into a group. */
static __always_inline struct bh_member *additions_of(void *group)
{
	struct bh_member_key key = programs_count;
	struct bh_member none = { .prefix_length = 32 };
	struct bh_member *count = member_entry(group, &key);

	if (count)
		return count;
	bpf_map_update_elem(group, &key, &none, BPF_NOEXIST);
	return member_entry(group, &key);
}

/* Takes a member out that has expired, and frees its place of the ring. */
static __always_inline void reclaim(struct added *place, __u64 now)
{
	struct bh_member_key key = place->key;
	__u32 slot = place->slot - 1;
	struct bh_member *member;
	void *group;

	if (!place->slot)
		return;
	group = bpf_map_lookup_elem(&groups, &slot);
	if (!group)
		return;
	member = member_entry(group, &key);
	if (member && member->own > now)
		return;
	place->slot = 0;
	if (!member || bpf_map_delete_elem(group, &key))
		return;
	member = additions_of(group);
	if (member)
		__sync_fetch_and_add(&member->own, -1);
}

struct sweep {
	struct added_state *state;
	__u64 now;
};

static long sweep_place(__u32 step, struct sweep *sweep)
{
	__u32 used = sweep->state->head < BH_ADDED ? sweep->state->head : BH_ADDED;
	__u32 index = __sync_fetch_and_add(&sweep->state->hand, 1);
	struct added *place;

	(void)step;
	/* Places that never held a member are not looked at, so a short ring is soon through. */
	index = used ? index % used : 0;
	place = bpf_map_lookup_elem(&added, &index);
	if (place)
		reclaim(place, sweep->now);
	return 0;
}

/* Looks for members that have expired, once in a tick. */
static __always_inline void make_room(struct bh_scratch *here, struct added_state *state, __u64 now)
{
	struct sweep sweep = { .state = state, .now = now };

	if (state->swept == ticks_now(here))
		return;
	state->swept = ticks_now(here);
	bpf_loop(SWEEP, sweep_place, &sweep, 0);
}

/* Counts one more member; false where the group is full. */
static __always_inline bool take_room(void *group, __u32 maximum)
{
	struct bh_member_key key = controllers_count;
	struct bh_member *count = additions_of(group), *others = member_entry(group, &key);
	__u64 members;

	if (!count)
		return false;
	members = __sync_fetch_and_add(&count->own, 1);
	if (others)
		members += others->own - others->deadline;
	if (members < maximum)
		return true;
	__sync_fetch_and_add(&count->own, -1);
	return false;
}

/* Remembers a new member. What the place held before is taken out if it has expired. */
static __always_inline void remember_member(struct added_state *state, const struct bh_member_key *key, __u32 slot,
					    __u64 now)
{
	__u32 index = __sync_fetch_and_add(&state->head, 1) & (BH_ADDED - 1);
	struct added *place = bpf_map_lookup_elem(&added, &index);

	if (!place)
		return;
	reclaim(place, now);
	place->key = *key;
	place->slot = slot + 1;
}

/* Makes an address a member until a time. Returns whether it was none. A global function: verified once. */
__noinline int put_member(struct bh_scratch *here, const struct bh_member_key *address, const struct bh_group *asked,
			  __u64 now, __u64 until)
{
	struct bh_member value = { .own = until };
	struct bh_member_key key;
	struct added_state *state;
	struct bh_member *found;
	__u64 covered, was;
	__u32 zero = 0, slot;
	bool fresh;
	void *group;

	if (!here || !address || !asked)
		return 0;
	key = *address;
	slot = asked->slot;
	group = bpf_map_lookup_elem(&groups, &slot);
	state = bpf_map_lookup_elem(&added_state, &zero);
	if (!group || !state)
		return 0;
	found = bpf_map_lookup_elem(group, &key);
	was = found ? found->deadline : 0;
	fresh = !found || found->prefix_length != key.prefix_length;
	/* A packet each second is enough to stay. */
	if (!fresh && found->own >= until - 1000000000ull)
		return 0;
	if (fresh && !take_room(group, asked->maximum)) {
		make_room(here, state, now);
		if (!take_room(group, asked->maximum))
			return 0;
	}
	value.prefix_length = key.prefix_length;
	value.deadline = was > until ? was : until;
	if (bpf_map_update_elem(group, &key, &value, BPF_ANY)) {
		found = fresh ? additions_of(group) : NULL;
		if (found)
			__sync_fetch_and_add(&found->own, -1);
		return 0;
	}
	if (fresh)
		remember_member(state, &key, slot, now);
	/* The controller may have added a prefix that covers it, and not have seen it. */
	key.prefix_length--;
	found = bpf_map_lookup_elem(group, &key);
	covered = found ? found->deadline : 0;
	key.prefix_length++;
	if (covered > value.deadline) {
		value.deadline = covered;
		bpf_map_update_elem(group, &key, &value, BPF_EXIST);
	}
	return was <= now;
}

/*
 * Puts an end of the packet into a group, as the addition of that number has it, counted from 1. Flows that depend on
 * groups are judged anew then. A global function: verified once.
 */
__noinline int add_member(struct bh_scratch *here, __u32 number)
{
	struct bh_member_key key = { .family = 6, .prefix_length = 32 + 128 };
	const struct bh_addition *addition;
	const struct bh_group *group;
	struct image image;
	__u64 high, low, now, until = BH_FOREVER;

	if (!here)
		return 0;
	if (!(here->packet.flags & (BH_PACKET_IPV4 | BH_PACKET_IPV6)) || !image_open_in_force(&image, here) ||
	    image.header->generation != here->judgement.generation)
		return 0;
	addition = IMAGE_ELEMENT(&image, image.header->additions, (number - 1) & 255, struct bh_addition);
	group = IMAGE_ELEMENT(&image, image.header->groups, addition->group & (BH_GROUPS_MAX - 1), struct bh_group);
	high = addition->destination ? here->packet.destination_high : here->packet.source_high;
	low = addition->destination ? here->packet.destination_low : here->packet.source_low;
	if (here->packet.flags & BH_PACKET_IPV4) {
		key.prefix_length = 32 + 32;
		key.family = 4;
		high = low << 32;
		low = 0;
	}
	write_address(key.address, high, low);
	now = boot_now(here, image.header->boot_offset);
	if (addition->seconds)
		until = now + addition->seconds * 1000000000ull;
	else if (group->timeout)
		until = now + group->timeout;
	if (!put_member(here, &key, group, now, until))
		return 0;
	__sync_fetch_and_add((__u32 *)&image.header->epoch, 1);
	/* While a trial is not settled its base has the same members, and may judge again. */
	if (image_open_other(&image, here))
		__sync_fetch_and_add((__u32 *)&image.header->epoch, 1);
	return 0;
}

/*
 * Does what rules on the packet's way ask for, and the one that decided, unless something else decided in the end. A
 * global function: verified once.
 */
__noinline int add_members(struct bh_scratch *here)
{
	__u32 count;

	if (!here)
		return 0;
	count = here->adds;
	if (here->add_decides && here->judgement.reason != BH_REASON_RULE)
		count--;
	for (__u32 i = 0; i < BH_TRIES_MAX; i++) {
		if (i >= count)
			break;
		add_member(here, here->additions[i]);
	}
	return 0;
}

/* The same. Packets of other rules go past it. */
static __always_inline void settle_additions(struct bh_scratch *here)
{
	if (here->adds)
		add_members(here);
}

#endif
