/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The word that says which policy judges. A trial ends by it: the first packet that comes at its time, or later, puts
 * the base in force again, whether anything in user space lives or not. docs/trial.md says how.
 */
#ifndef BULKHEAD_STAMP_H
#define BULKHEAD_STAMP_H

#include <stdbool.h>
#include "maps.h"
#include "settings.h"

static __always_inline struct bh_stamp *this_stamp(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&stamp, &zero);
}

/* The stamp's word as it stands; 0 before the first policy. */
static __always_inline __u64 stamp_word(void)
{
	const struct bh_stamp *found = this_stamp();

	return found ? *(volatile const __u64 *)&found->word : 0;
}

/* Whether a word says that a trial is in force, if its time has not come. */
static __always_inline bool is_on_trial(__u64 word)
{
	return (word >> 32 & (BH_STAMP_TRIAL | BH_STAMP_EXPIRED)) == BH_STAMP_TRIAL;
}

/* The word after the end of a trial: the other slot is in force, and nothing that was learnt before is used. */
static __always_inline __u64 expired_word(__u64 word)
{
	return ((word >> 32 ^ BH_STAMP_ODD) | BH_STAMP_EXPIRED) << 32 | (__u32)(word + 1);
}

/*
 * Ends the trial if its time has come, and returns the word. Where the word changes meanwhile, by another CPU that ends
 * the trial or by a command that confirms it, only one of them succeeds. A global function: verified once.
 */
__noinline __u64 stamp_on_trial(const struct bh_scratch *here)
{
	struct bh_stamp *found = this_stamp();
	__u64 word, now, seen;

	if (!here || !found)
		return 0;
	word = *(volatile __u64 *)&found->word;
	now = settings.simulates ? here->now : bpf_ktime_get_boot_ns();
	/* The word also changes when readers come and go; not so often that a fourth attempt fails. */
	for (int i = 0; i < 4; i++) {
		if (!is_on_trial(word) || now < *(volatile __u64 *)&found->until)
			return word;
		seen = __sync_val_compare_and_swap(&found->word, word, expired_word(word));
		if (seen == word)
			return expired_word(word);
		word = seen;
	}
	return word;
}

/* The stamp's word at this moment. Without a trial it costs one load. */
static __always_inline __u64 stamp_now(const struct bh_scratch *here)
{
	__u64 word = stamp_word();

	return is_on_trial(word) ? stamp_on_trial(here) : word;
}

/* The slot of the policy in force. */
static __always_inline __u32 slot_in_force(const struct bh_scratch *here)
{
	return stamp_now(here) >> 32 & BH_STAMP_ODD ? BH_SLOT_ODD : BH_SLOT_EVEN;
}

/* The stamp, if a trial has ended, and its base is this generation; else NULL. */
static __always_inline const struct bh_stamp *ended_trial(__u32 base)
{
	const struct bh_stamp *found = this_stamp();

	if (!found || !(*(volatile const __u64 *)&found->word >> 32 & BH_STAMP_EXPIRED))
		return NULL;
	return *(volatile const __u32 *)&found->base == base ? found : NULL;
}

/*
 * Whether a trial judged the packet, and may yet give way to its base, or just has. A packet that the trial judged and
 * that is settled after its end must not end what the base goes on with.
 */
static __always_inline bool is_tried(const struct bh_scratch *here)
{
	const struct bh_stamp *found = this_stamp();

	return found && *(volatile const __u64 *)&found->word >> 32 & BH_STAMP_TRIAL &&
	       *(volatile const __u32 *)&found->trial == here->judgement.generation;
}

#endif
