/* SPDX-License-Identifier: GPL-2.0-only */
/* Dynamic groups: whether an end of a packet is a member now. */
#ifndef BULKHEAD_MEMBERS_H
#define BULKHEAD_MEMBERS_H

#include "clock.h"

/* Notes that what the rules say holds for so many nanoseconds at most. */
static __always_inline void note_lapse(struct bh_scratch *here, __u64 left)
{
	__u32 ticks = BH_LAPSE_SECONDS * settings.ticks_per_second;

	if (left < BH_LAPSE_SECONDS * 1000000000ull)
		ticks = left * settings.ticks_per_second / 1000000000 + 1;
	if (!here->lapse || ticks < here->lapse)
		here->lapse = ticks;
}

static __always_inline void write_address(__u8 *bytes, __u64 high, __u64 low)
{
	*(__u64 *)bytes = __builtin_bswap64(high);
	*(__u64 *)(bytes + 8) = __builtin_bswap64(low);
}

/*
 * Whether an end of the packet is a member of the group in a slot. Where the membership ends some day, what the rules
 * say holds only until then, whether they ask for a member or for none. `boot_offset` is the image's. A global
 * function: verified once.
 */
__noinline int is_member(struct bh_scratch *here, const struct bh_packet *packet, __u32 slot, __u32 destination,
			 __u64 boot_offset)
{
	struct bh_member_key key = { .prefix_length = 32 + 128, .family = 6 };
	const struct bh_member *member;
	__u64 high, low, now;
	void *group;

	if (!here || !packet)
		return 0;
	high = destination ? packet->destination_high : packet->source_high;
	low = destination ? packet->destination_low : packet->source_low;
	if (packet->flags & BH_PACKET_IPV4) {
		key.prefix_length = 32 + 32;
		key.family = 4;
		high = low << 32;
		low = 0;
	}
	write_address(key.address, high, low);
	group = bpf_map_lookup_elem(&groups, &slot);
	if (!group)
		return 0;
	member = bpf_map_lookup_elem(group, &key);
	if (!member)
		return 0;
	if (member->deadline == BH_FOREVER)
		return 1;
	now = boot_now(here, boot_offset);
	if (now >= member->deadline)
		return 0;
	note_lapse(here, member->deadline - now);
	return 1;
}

/* Whether both ends of a packet are in the groups that a condition asks for, and in none of the others. */
static __noinline bool members_hold(const struct image *image, const struct bh_condition *condition,
				    const struct bh_packet *packet, struct bh_scratch *here)
{
	here->asked_members = 1;
	/* A frame without addresses matches no rule that names addresses. */
	if (!(packet->flags & (BH_PACKET_IPV4 | BH_PACKET_IPV6)))
		return false;
#pragma unroll
	for (__u32 i = 0; i < BH_LITERALS_MAX; i++) {
		__u32 literal = condition->literals[i];
		const struct bh_group *group;
		bool outside;

		if (!literal)
			break;
		group = IMAGE_ELEMENT(image, image->header->groups, literal & BH_LITERAL_GROUP, struct bh_group);
		outside = !is_member(here, packet, group->slot, literal & BH_LITERAL_DESTINATION,
				     image->header->boot_offset);
		if (outside != !!(literal & BH_LITERAL_OUTSIDE))
			return false;
		JOIN_PATHS();
	}
	return true;
}

#endif
