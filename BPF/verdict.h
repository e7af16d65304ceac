/* The order of judgement at a port, and its outcome in struct bh_judgement. */
#ifndef BULKHEAD_VERDICT_H
#define BULKHEAD_VERDICT_H

#include <linux/if_ether.h>
#include <stdbool.h>
#include "classify.h"
#include "packet.h"

static __always_inline void decide(struct bh_judgement *judgement, enum bh_verdict verdict, enum bh_reason reason)
{
	judgement->verdict = verdict;
	judgement->reason = reason;
	judgement->log = verdict != BH_ACCEPT;
}

/* Ingress of a host's device is `in`; ingress of a workload's device is what the guest sends, `out`. */
static __always_inline enum bh_direction direction_of(enum bh_hook hook, __u8 protects)
{
	bool egress = hook == BH_HOOK_TC_EGRESS;

	return egress == (protects == BH_WORKLOAD) ? BH_IN : BH_OUT;
}

static __always_inline bool admits_vlan(const struct image *image, const struct bh_port *port,
					const struct bh_packet *packet)
{
	__u16 outer = packet->outer_vlan & (BH_VLANS - 1);

	if (port->vlan_mode == BH_VLAN_ANY)
		return true;
	if (packet->vlan_tags > 1)
		return false;
	if (port->vlan_mode == BH_VLAN_NONE)
		return outer == 0;
	return *IMAGE_ELEMENT(image, port->vlans, outer >> 6, __u64) >> (outer & 63) & 1;
}

static __always_inline bool is_dhcp(const struct bh_packet *packet)
{
	__u16 from = packet->source_port, to = packet->destination_port;

	if (packet->protocol != IPPROTO_UDP)
		return false;
	if (packet->flags & BH_PACKET_IPV4)
		return (from == 68 && to == 67) || (from == 67 && to == 68);
	return (from == 546 && to == 547) || (from == 547 && to == 546);
}

/* Neighbour discovery that did not cross a router, and multicast listener reports that will not. */
static __always_inline bool is_neighbour_message(const struct bh_packet *packet)
{
	if (packet->protocol != IPPROTO_ICMPV6 || !(packet->flags & BH_PACKET_IPV6) ||
	    packet->flags & BH_PACKET_FRAGMENT_FIRST)
		return false;
	if (packet->type >= 133 && packet->type <= 137)
		return packet->hop_limit == 255;
	return ((packet->type >= 130 && packet->type <= 132) || packet->type == 143) && packet->hop_limit == 1;
}

/* Frames to 01:80:c2:00:00:00-0f: spanning tree, link aggregation, link discovery. */
static __always_inline bool is_control(const struct bh_packet *packet)
{
	const __u8 *to = packet->destination_mac;

	return to[0] == 0x01 && to[1] == 0x80 && to[2] == 0xc2 && to[3] == 0 && to[4] == 0 && to[5] < 16;
}

/* What a network cannot do without, as a reason to accept; BH_REASON_NONE for anything else. */
static __always_inline enum bh_reason essential_reason(const struct bh_port *port, const struct bh_packet *packet)
{
	if (!(port->flags & BH_PORT_ESSENTIALS))
		return BH_REASON_NONE;
	if (port->protects == BH_HOST && is_control(packet))
		return BH_REASON_CONTROL;
	if (packet->flags & BH_PACKET_ARP)
		return BH_REASON_ESSENTIAL;
	if (packet->flags & BH_PACKET_IPV4 && packet->protocol == IPPROTO_IGMP)
		return BH_REASON_ESSENTIAL;
	if (packet->flags & BH_PACKET_L4 && (is_dhcp(packet) || is_neighbour_message(packet)))
		return BH_REASON_ESSENTIAL;
	return BH_REASON_NONE;
}

/* Rules, then the default. */
static __always_inline void judge_by_rules(const struct image *image, const struct bh_port *port,
					   struct bh_scratch *here)
{
	struct bh_judgement *judgement = &here->judgement;
	const struct bh_packet *packet = &here->packet;
	__u32 direction = judgement->direction & 1;
	__u32 rank = BH_NONE, ip = packet->flags & (BH_PACKET_IPV4 | BH_PACKET_IPV6);

	if (!(packet->flags & BH_PACKET_ARP))
		rank = classify(image, packet, port->scopes[direction], &here->lookup);
	if (rank != BH_NONE) {
		const struct bh_rule *rule = IMAGE_ELEMENT(image, image->header->rules, rank, struct bh_rule);

		decide(judgement, rule->verdict, BH_REASON_RULE);
		judgement->rule = rank;
		judgement->counter = rule->counter;
		judgement->log = rule->flags & BH_RULE_LOG;
	} else if (ip) {
		decide(judgement, port->defaults[direction], BH_REASON_DEFAULT);
	} else {
		decide(judgement, BH_DROP, BH_REASON_NON_IP);
	}
}

/* What is decided before the rules are asked; the reason stays BH_REASON_NONE where they must be. */
static __always_inline void judge_before_rules(const struct image *image, const struct bh_port *port,
					       const struct bh_packet *packet, struct bh_judgement *judgement)
{
	enum bh_reason essential;

	if (packet->refusal)
		return decide(judgement, BH_DROP, packet->refusal);
	if (port->flags & BH_PORT_UNKNOWN_DROP)
		return decide(judgement, BH_DROP, BH_REASON_DEFAULT);
	if (!admits_vlan(image, port, packet))
		return decide(judgement, BH_DROP, BH_REASON_VLAN);
	if (packet->flags & BH_PACKET_FRAGMENT_LATER)
		return decide(judgement, BH_DROP, BH_REASON_FRAGMENT);
	essential = essential_reason(port, packet);
	if (essential)
		decide(judgement, BH_ACCEPT, essential);
}

/*
 * Judges the packet in `here` by the policy in force. The slot is read once: one packet, one generation. Returns whether the verdict
 * could depend on a VLAN tag that XDP does not see. A global function: verified once, whatever its callers are.
 */
__noinline int judge(struct bh_scratch *here, __u32 hook)
{
	struct bh_judgement *judgement;
	const struct bh_port *port;
	struct image image;
	__u16 record;

	if (!here)
		return 0;
	judgement = &here->judgement;
	__builtin_memset(judgement, 0, sizeof(*judgement));
	judgement->rule = BH_NONE;
	judgement->counter = BH_NONE;
	decide(judgement, BH_ACCEPT, BH_REASON_NONE);
	if (!image_open(&image, 0))
		return 0;
	record = *IMAGE_ELEMENT(&image, image.header->device_ports, here->device & (BH_DEVICES_MAX - 1), __u16);
	if (!record)
		return 0;
	port = IMAGE_ELEMENT(&image, image.header->ports, record - 1, struct bh_port);
	judgement->generation = image.header->generation;
	judgement->port = record - 1;
	judgement->direction = direction_of(hook, port->protects);
	judge_before_rules(&image, port, &here->packet, judgement);
	JOIN_PATHS();
	if (judgement->reason == BH_REASON_NONE)
		judge_by_rules(&image, port, here);
	return image.header->flags & BH_IMAGE_VLAN_SENSITIVE || port->vlan_mode != BH_VLAN_ANY;
}

#endif
