/* SPDX-License-Identifier: GPL-2.0-only */
/* Conditions of rules on a packet's own fields: what `match`, `fromMac` and `toMac` ask. */
#ifndef BULKHEAD_FIELDS_H
#define BULKHEAD_FIELDS_H

#include "guard.h"
#include "limit.h"

/* What of a condition on fields is known to hold. */
enum fields {
	FIELDS_FAIL,
	FIELDS_HOLD,
	FIELDS_WANTED, /* dscp and pcp are to be read first */
};

static __always_inline bool is_in_range(__u32 value, __u32 least, __u32 most)
{
	return value >= least && value <= most;
}

/* Those that every packet's parse has, MAC addresses left out. */
static __always_inline bool parsed_fields_hold(const struct bh_condition *condition, const struct bh_packet *packet)
{
	__u32 asked = condition->fields, ip = packet->flags & (BH_PACKET_IPV4 | BH_PACKET_IPV6);

	if (asked & BH_FIELD_TCP_FLAGS && (!ip || packet->protocol != IPPROTO_TCP || !(packet->flags & BH_PACKET_L4) ||
					   (packet->tcp_flags & condition->tcp_mask) != condition->tcp_flags))
		return false;
	if (asked & BH_FIELD_HOP_LIMIT &&
	    (!ip || !is_in_range(packet->hop_limit, condition->least_hops, condition->most_hops)))
		return false;
	if (asked & BH_FIELD_LENGTH &&
	    (!ip || !is_in_range(packet->end - packet->l3_offset, condition->shortest, condition->longest)))
		return false;
	if (asked & (BH_FIELD_FRAGMENT | BH_FIELD_WHOLE) &&
	    (!ip || !(packet->flags & BH_PACKET_FRAGMENT_FIRST) != !(asked & BH_FIELD_FRAGMENT)))
		return false;
	return true;
}

/* Whether the packet itself has the fields that a condition asks for. dscp and pcp are not in every packet's parse. */
static __noinline enum fields fields_hold(const struct image *image, const struct bh_condition *condition,
					  struct bh_scratch *here)
{
	const struct bh_packet *packet = &here->packet;
	__u32 asked = condition->fields;

	if (!parsed_fields_hold(condition, packet))
		return FIELDS_FAIL;
	JOIN_PATHS();
	if (asked & BH_FIELD_FROM_MAC && !is_own_mac(image, condition->from_macs, mac_number(packet->source_mac)))
		return FIELDS_FAIL;
	JOIN_PATHS();
	if (asked & BH_FIELD_TO_MAC && !is_own_mac(image, condition->to_macs, mac_number(packet->destination_mac)))
		return FIELDS_FAIL;
	JOIN_PATHS();
	if (!(asked & (BH_FIELD_DSCP | BH_FIELD_PCP)))
		return FIELDS_HOLD;
	/* tc alone knows a tag in metadata. */
	here->unsure |= IS_LEFT_TO_TC;
	if (IS_LEFT_TO_TC)
		return FIELDS_HOLD;
	if (!(here->host_found & BH_FOUND_FIELDS))
		return FIELDS_WANTED;
	if (asked & BH_FIELD_DSCP && !(packet->flags & (BH_PACKET_IPV4 | BH_PACKET_IPV6)))
		return FIELDS_FAIL;
	if (asked & BH_FIELD_DSCP && !(condition->dscps >> (here->dscp & 63) & 1))
		return FIELDS_FAIL;
	if (asked & BH_FIELD_PCP && !(condition->pcps >> (here->pcp & 15) & 1))
		return FIELDS_FAIL;
	return FIELDS_HOLD;
}

#endif
