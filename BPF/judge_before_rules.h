/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The first stage: what is settled before flows and rules. Parsing, VLANs, quarantine, guards, fragments, essentials.
 */
#ifndef BULKHEAD_JUDGE_BEFORE_RULES_H
#define BULKHEAD_JUDGE_BEFORE_RULES_H

#include "essential.h"
#include "fragment.h"
#include "guard.h"
#include "judgement.h"

static __always_inline bool admits_vlan(const struct image *image, const struct bh_port *port,
					const struct bh_packet *packet)
{
	__u16 outer = packet->outer_vlan & (BH_VLANS - 1);

	if (port->vlan_mode == BH_VLAN_ANY)
		return true;
	if (packet->flags & BH_PACKET_INNER_TAG)
		return false;
	if (port->vlan_mode == BH_VLAN_NONE)
		return outer == 0;
	return *IMAGE_ELEMENT(image, port->vlans, outer >> 6, __u64) >> (outer & 63) & 1;
}

/* Why a port refuses a packet whatever its rules say; BH_REASON_NONE where it does not. */
static __always_inline enum bh_reason port_refusal(const struct image *image, const struct bh_port *port,
						   bool is_quarantined, const struct bh_scratch *here)
{
	if (port->flags & BH_PORT_NOT_ADMITTED)
		return BH_REASON_NOT_ADMITTED;
	if (!admits_vlan(image, port, &here->packet))
		return BH_REASON_VLAN;
	if (is_quarantined)
		return BH_REASON_QUARANTINE;
	return port->guards ? guard_reason(image, port, here) : BH_REASON_NONE;
}

/*
 * Decides on a fragment by itself: a later one follows its first, and one that has no place is dropped. XDP leaves all
 * of them to tc.
 */
static __always_inline void judge_fragment(struct bh_scratch *here, enum bh_hook hook)
{
	enum fragment_place place = hook == BH_HOOK_XDP ? FRAGMENT_ASTRAY : place_fragment(here);

	if (place != FRAGMENT_OPENS)
		decide(&here->judgement, place == FRAGMENT_FOLLOWS ? BH_ACCEPT : BH_DROP, BH_REASON_FRAGMENT);
}

/* The stage. The reason stays BH_REASON_NONE where nothing is settled. */
static __always_inline void judge_before_rules(const struct image *image, const struct bh_port *port,
					       bool is_quarantined, struct bh_scratch *here, enum bh_hook hook)
{
	struct bh_judgement *judgement = &here->judgement;
	const struct bh_packet *packet = &here->packet;
	enum bh_reason refusal, essential;

	if (packet->refusal)
		return decide(judgement, BH_DROP, packet->refusal);
	refusal = port_refusal(image, port, is_quarantined, here);
	JOIN_PATHS();
	if (refusal)
		return decide(judgement, BH_DROP, refusal);
	if (packet->flags & (BH_PACKET_FRAGMENT_FIRST | BH_PACKET_FRAGMENT_LATER)) {
		judge_fragment(here, hook);
		if (judgement->reason != BH_REASON_NONE)
			return;
	}
	JOIN_PATHS();
	essential = essential_reason(image, port, packet, judgement->direction);
	JOIN_PATHS();
	if (essential)
		decide(judgement, BH_ACCEPT, essential);
}

#endif
