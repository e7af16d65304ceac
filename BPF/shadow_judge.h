/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Judging a packet by a shadow's policy as if that had come into force right now: a flow is asked about by the packet
 * that opened it, and what the policy in force passes without a flow was passed by the policy before. It writes nothing
 * but the shadow's own room.
 */
#ifndef BULKHEAD_SHADOW_JUDGE_H
#define BULKHEAD_SHADOW_JUDGE_H

#include "shadow_maps.h"
#include "judge_before_rules.h"
#include "judge_by_flow.h"
#include "judge_by_rules.h"
#include "judge_conclude.h"
#include "judge_start.h"
#include "local.h"
#include "port.h"
#include "read_fields.h"

enum shadow_step {
	SHADOW_JUDGED,
	SHADOW_ASKS,
	SHADOW_SAME, /* what becomes of the packet does not depend on the policy, or cannot be known */
};

static __always_inline bool open_shadow(struct image *image)
{
	__u32 zero = 0;

	image->pages = bpf_map_lookup_elem(&shadow_slots, &zero);
	if (!image->pages)
		return false;
	image->header = bpf_map_lookup_elem(image->pages, &zero);
	return image->header != NULL;
}

static __always_inline bool was_accepted_for(const struct bh_scratch *judged, enum bh_reason reason)
{
	return judged->judgement.verdict == BH_ACCEPT && judged->judgement.reason == reason;
}

/* Whether the packet is one of a flow in the policy in force, which has taken note of it. */
static __always_inline bool was_of_flow(const struct bh_scratch *judged)
{
	return was_accepted_for(judged, BH_REASON_ESTABLISHED) || was_accepted_for(judged, BH_REASON_ADOPTED);
}

static __always_inline bool was_opening(const struct bh_scratch *judged)
{
	return judged->judgement.verdict == BH_ACCEPT && !judged->front.answered && judged->opens;
}

/*
 * Whether the policy in force passed the packet without a flow because it wants none. What the front passes is of a
 * flow, or of this kind: it knows no packet that opens a flow, and no echo reply, which opens none whatever accepts it.
 */
static __always_inline bool passed_untracked(const struct bh_scratch *judged)
{
	return (judged->front.answered || judged->stateless) && !was_opening(judged) &&
	       (was_accepted_for(judged, BH_REASON_RULE) || was_accepted_for(judged, BH_REASON_DEFAULT));
}

/*
 * Whether the policy in force judged this packet, and what it says comes of that policy: not of quarantine, of a full
 * table of flows, or of fragments that are out of place. Notes what else is to be known of it. A global function:
 * verified once.
 */
__noinline int note_judged(struct bh_scratch *here)
{
	const struct bh_scratch *judged = this_cpu_scratch();
	const struct bh_shadow_lease *lease = lease_of_shadow();
	struct found_port found;
	struct image image;
	__u32 reason;

	if (!here || !judged || !lease || !image_open_in_force(&image, judged) ||
	    image.header->generation != lease->generation)
		return false;
	if (judged->front.answered ? judged->front.version != (__u32)stamp_word() :
				     judged->judgement.generation != lease->generation)
		return false;
	reason = judged->judgement.reason;
	if (!find_port(&image, judged, &found) || found.is_quarantined || reason == BH_REASON_QUARANTINE ||
	    reason == BH_REASON_FLOW_TABLE_FULL)
		return false;
	if (reason == BH_REASON_FRAGMENT && judged->judgement.verdict != BH_ACCEPT)
		return false;
	here->other_scope = found.port->flow_scope ? found.port->flow_scope : judged->device;
	here->passed_before = passed_untracked(judged);
	here->denial.port = found.record;
	return true;
}

/* The stages before flows, without a look at the datagrams that are known. Returns false where nothing can be said. */
static __always_inline bool shadow_before_rules(const struct image *image, const struct bh_port *port,
						struct bh_scratch *here)
{
	struct bh_judgement *judgement = &here->judgement;
	const struct bh_packet *packet = &here->packet;
	enum bh_reason refusal = packet->refusal, essential;

	if (!refusal)
		refusal = port_refusal(image, port, false, here);
	JOIN_PATHS();
	if (refusal) {
		decide(judgement, BH_DROP, refusal);
		return true;
	}
	/* A later fragment follows its first. */
	if (packet->flags & BH_PACKET_FRAGMENT_LATER)
		return false;
	essential = essential_reason(image, port, packet, judgement->direction);
	JOIN_PATHS();
	if (essential)
		decide(judgement, BH_ACCEPT, essential);
	return true;
}

/*
 * What the packet's flow says, as it is now: a packet that was taken note of is not placed in its flow again. Returns
 * false where nothing can be said.
 */
static __always_inline bool shadow_by_flow(const struct bh_port *port, const struct bh_scratch *judged,
					   struct bh_scratch *here)
{
	struct bh_flow *flow;

	if (was_opening(judged) && judged->judgement.reason != BH_REASON_ADOPTED) {
		make_key(here, &here->packet, here->judgement.direction);
		return true;
	}
	if (!was_of_flow(judged) || here->scope != here->other_scope) {
		judge_by_flow(port, here);
		return true;
	}
	flow = covering_flow(here, false);
	JOIN_PATHS();
	if (!flow)
		return false;
	if (here->packet.protocol == IPPROTO_TCP && !judged->front.answered && segment_refusal(port, judged->segment)) {
		decide(&here->judgement, BH_DROP, BH_REASON_INVALID_STATE);
		return true;
	}
	ask_about_opening(here, flow, false);
	return true;
}

/* The stages before the rules. */
static __always_inline int begin_shadow(const struct image *image, const struct found_port *found,
					const struct bh_scratch *judged, struct bh_scratch *here, enum bh_hook hook)
{
	struct bh_judgement *judgement = &here->judgement;

	clear_judgement(judgement);
	judgement->generation = image->header->generation;
	judgement->port = found->record;
	judgement->direction = direction_of(hook, found->port->protects);
	start_packet(image, found->port, here);
	/*
	 * XDP does not see a tag in metadata. What was adopted has a flow by now, which another policy might not have
	 * made.
	 */
	here->unsure = (hook == BH_HOOK_XDP &&
			(image->header->flags & BH_IMAGE_VLAN_SENSITIVE || found->port->vlan_mode != BH_VLAN_ANY)) ||
		       judged->judgement.reason == BH_REASON_ADOPTED;
	if (!image->header->adopt)
		here->passed_before = 0;
	if (!shadow_before_rules(image, found->port, here))
		return SHADOW_SAME;
	JOIN_PATHS();
	if (judgement->reason != BH_REASON_NONE)
		return SHADOW_JUDGED;
	if (!shadow_by_flow(found->port, judged, here))
		return SHADOW_SAME;
	here->asks = judgement->reason == BH_REASON_NONE;
	return here->asks ? SHADOW_ASKS : SHADOW_JUDGED;
}

/*
 * Judges the packet in `here`, up to one question to the rules: while it returns SHADOW_ASKS it is to be called again.
 * A global function: verified once.
 */
__noinline int judge_as_shadow(struct bh_scratch *here, __u32 hook)
{
	const struct bh_scratch *judged = this_cpu_scratch();
	struct found_port found;
	struct image image;

	if (!here || !judged || !open_shadow(&image))
		return SHADOW_SAME;
	if (!find_port(&image, here, &found)) {
		clear_judgement(&here->judgement);
		return SHADOW_JUDGED;
	}
	if (!here->asks)
		return begin_shadow(&image, &found, judged, here, hook);
	JOIN_PATHS();
	here->asks = ask_rules(&image, found.port, here);
	return here->asks ? SHADOW_ASKS : SHADOW_JUDGED;
}

/* Finds out what the rules want to know before they are asked again, and does nothing else that they ask for. */
static __always_inline void serve_shadow(void *ctx, struct bh_scratch *here)
{
	if (here->wanted & BH_WANTED_FIELDS)
		read_fields(ctx, here);
	if (here->wanted & (BH_HOST_SOURCE | BH_HOST_DESTINATION))
		find_own(here);
	here->wanted = 0;
}

/*
 * Whether the packet was dropped because its flow has used up a limit of bytes. Under a rule that has such a limit too,
 * nobody knows whether it would be.
 */
static __always_inline bool is_over_bytes(const struct bh_scratch *judged, const struct bh_scratch *here)
{
	return judged->metered && judged->judgement.verdict == BH_DROP && here->metered;
}

/* Judges the packet in `here`; returns whether there is something to say. */
static __always_inline bool judge_shadow(void *ctx, const struct bh_scratch *judged, struct bh_scratch *here,
					 enum bh_hook hook)
{
	int step = SHADOW_ASKS;

	here->asks = 0;
#pragma unroll
	for (int i = 0; i < 2 * (BH_TRIES_MAX + 1) + 5; i++) {
		step = judge_as_shadow(here, hook);
		if (step != SHADOW_ASKS)
			break;
		serve_shadow(ctx, here);
	}
	return step == SHADOW_JUDGED && !is_over_bytes(judged, here);
}

#endif
