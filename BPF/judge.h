/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The driver: takes a packet through the stages of judgement, and asks the rules as often as it takes. The stages, in
 * the order of docs/policy.md: judge_before_rules.h, judge_by_flow.h, judge_by_rules.h, judge_conclude.h. What is done
 * about the judgement is judge_settle.h.
 */
#ifndef BULKHEAD_JUDGE_H
#define BULKHEAD_JUDGE_H

#include "judge_before_rules.h"
#include "judge_by_flow.h"
#include "judge_by_rules.h"
#include "judge_conclude.h"
#include "judge_start.h"
#if TAKES_BUDGETS
#include "addition.h"
#include "connections.h"
#include "log.h"
#include "read_fields.h"
#endif
#include "port.h"

static __always_inline bool is_reset(const struct bh_packet *packet)
{
	return packet->protocol == IPPROTO_TCP && packet->tcp_flags & TCP_RST;
}

/* The stages before the rules. Leaves in here->asks whether the rules are to be asked. */
static __always_inline void begin(const struct image *image, const struct found_port *found, struct bh_scratch *here,
				  enum bh_hook hook)
{
	const struct bh_port *port = found->port;
	struct bh_judgement *judgement = &here->judgement;

	clear_judgement(judgement);
	judgement->generation = image->header->generation;
	judgement->port = found->record;
	judgement->direction = direction_of(hook, port->protects);
	here->hidden_matters = image->header->flags & BH_IMAGE_VLAN_SENSITIVE || port->vlan_mode != BH_VLAN_ANY ||
			       (image->header->flags & BH_IMAGE_REJECTS && is_reset(&here->packet));
	start_packet(image, port, here);
	judge_before_rules(image, port, found->is_quarantined, here, hook);
	JOIN_PATHS();
	/* XDP does not read what an ICMP error quotes, and leaves all of them to tc. */
	if (judgement->reason != BH_REASON_NONE || (hook == BH_HOOK_XDP && is_error(&here->packet)))
		return;
	JOIN_PATHS();
	judge_by_flow(port, here);
#if TAKES_BUDGETS
	JOIN_PATHS();
	if (here->metered)
		meter_flow(image, here);
#endif
	here->asks = judgement->reason == BH_REASON_NONE;
}

/* What is to be done next. */
enum step {
	JUDGED,
	ASK_AGAIN,
	ASK_POLICY_BEFORE,
};

/* No image or no port record: the packet passes, and its generation is 0. */
static __always_inline int pass_unjudged(struct bh_scratch *here)
{
	clear_judgement(&here->judgement);
	here->flow = 0;
	here->opens = 0;
	return JUDGED;
}

/*
 * Judges the packet in `here` by the policy in force, up to one question to the rules: while it returns ASK_AGAIN it is
 * to be called again. It reads the slot at each call; where another generation has come into force meanwhile, it starts
 * anew: one packet, one generation. A global function: verified once, whatever its callers are.
 */
__noinline int judge(struct bh_scratch *here, __u32 hook)
{
	struct found_port found;
	struct image image;

	if (!here)
		return JUDGED;
	if (!image_open_in_force(&image, here))
		return pass_unjudged(here);
	if (!find_port(&image, here, &found))
		return pass_unjudged(here);
	if (!here->asks || here->judgement.generation != image.header->generation) {
		begin(&image, &found, here, hook);
		/*
		 * The rules are asked at the next call: so the verifier follows the look-up once, and not for each way
		 * that leads to it.
		 */
		return here->asks ? ASK_AGAIN : JUDGED;
	}
	JOIN_PATHS();
	here->asks = ask_rules(&image, found.port, here);
	if (!here->asks) {
#if TAKES_BUDGETS
		JOIN_PATHS();
		/* The packet of a flow that was judged anew. */
		if (here->metered && here->judgement.reason == BH_REASON_ESTABLISHED)
			meter_flow(&image, here);
#endif
		return JUDGED;
	}
	return here->question == ASK_BEFORE ? ASK_POLICY_BEFORE : ASK_AGAIN;
}

/*
 * Asks the previous policy about the packet. Where it is not there, did not know the port, or dropped the packet before
 * it asked its rules, it passed nothing. Returns whether it has answered. A global function: verified once. It is not
 * called from judge(), whose stack is deep as it is.
 */
__noinline int ask_policy_before(struct bh_scratch *here)
{
	struct found_port found;
	enum bh_reason refusal;
	struct image image;
	__u32 generation;

	if (!here)
		return 1;
	here->judgement.verdict = BH_DROP;
	if (!image_open_in_force(&image, here))
		return 1;
	generation = generation_before(&image, here);
	if (!image_open_before(&image, generation, here))
		return 1;
	JOIN_PATHS();
	if (!find_port(&image, here, &found) || found.is_quarantined)
		return 1;
	refusal = port_refusal(&image, found.port, false, here);
	JOIN_PATHS();
	if (refusal)
		return 1;
	return judge_by_rules(&image, found.port, &here->subject, here);
}

/*
 * Does what the rules want before they are asked again: here, where the stack is shallow and the frame at hand. A rule
 * that logs has its match counted and streamed; XDP leaves that to tc.
 */
static __always_inline void serve(void *ctx, struct bh_scratch *here)
{
	(void)ctx;
	if (!here->wanted)
		return;
#if TAKES_BUDGETS
	if (here->wanted & BH_WANTED_LOG)
		log_match(ctx, here);
	if (here->wanted & BH_WANTED_FIELDS)
		read_fields(ctx, here);
	if (here->wanted & BH_WANTED_ROOM)
		ask_room(here);
#endif
	if (here->wanted & (BH_HOST_SOURCE | BH_HOST_DESTINATION))
		find_own(here);
	here->wanted = 0;
}

static __always_inline void ask_before_until_answered(void *ctx, struct bh_scratch *here)
{
#pragma unroll
	for (int i = 0; i <= BH_TRIES_MAX + 1; i++) {
		if (ask_policy_before(here))
			return;
		serve(ctx, here);
	}
}

/*
 * Judges on until there is nothing more to ask of the policy in force. The rules are asked two questions at most: about
 * what a packet quotes and itself, about it and what opened its connection, or about a flow's opening and its other
 * way. Each question may need to know of the host, and one of them more of the packet's fields, and for each rule with
 * a condition whether it has room for another flow.
 */
static __always_inline int judge_on(void *ctx, struct bh_scratch *here, enum bh_hook hook)
{
	int step = ASK_AGAIN;

#pragma unroll
	for (int i = 0; i < 3 * (BH_TRIES_MAX + 1) + 5; i++) {
		step = judge(here, hook);
		if (step != ASK_AGAIN)
			break;
		serve(ctx, here);
	}
	return step;
}

/* Judges the packet in `here`. */
static __always_inline void judge_packet(void *ctx, struct bh_scratch *here, enum bh_hook hook)
{
	int step;

	here->asks = 0;
	step = judge_on(ctx, here, hook);
	if (ASKS_BEFORE && step == ASK_POLICY_BEFORE) {
		ask_before_until_answered(ctx, here);
		step = judge_on(ctx, here, hook);
	}
	/* Not reached: the compiler of the policy refuses what would take more. */
	if (step != JUDGED)
		decide(&here->judgement, BH_DROP, BH_REASON_DEFAULT);
}

#endif
