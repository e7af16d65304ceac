/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The image's rules, and the cells and lists by which a packet finds them. */
#ifndef BULKHEAD_ABI_RULES_H
#define BULKHEAD_ABI_RULES_H

#include <linux/types.h>
#include "words.h"

/* One pair of classes that some rule of the partition names. `list` 0 marks a free slot. */
struct bh_cell {
	__u32 from;
	__u32 to;
	__u32 list; /* index in `lists`; never 0 */
	__u32 rank; /* lowest rank in the list; with BH_BUCKET_FULL, see bh_bucket */
};

_Static_assert(sizeof(struct bh_cell) == 16, "bh_cell");

/*
 * A line of four cells. A pair's first bucket comes from the low half of its hash, its second bucket from the high half
 * (bh_cell_hash, bh_bucket_number). The pair stands in the second only if the first was full; cells[0].rank of the
 * first then has BH_BUCKET_FULL set.
 */
#define BH_BUCKET_FULL 0x80000000u
struct bh_bucket {
	struct bh_cell cells[4];
};

_Static_assert(sizeof(struct bh_bucket) == 64, "bh_bucket");

static inline __attribute__((always_inline)) __u64 bh_cell_hash(__u32 from, __u32 to)
{
	__u64 hash = ((__u64)from << 32 | to) * 0x9e3779b97f4a7c15ull;

	hash ^= hash >> 29;
	hash *= 0xbf58476d1ce4e5b9ull;
	return hash ^ hash >> 32;
}

/* The number of a bucket below `count`, which need not be a power of two. */
static inline __attribute__((always_inline)) __u32 bh_bucket_number(__u32 half, __u32 count)
{
	return (__u64)half * count >> 32;
}

/*
 * A rule list is its entries one after another, in order of rank; the last is marked. Index 0 of the table is unused.
 * Where a rule asks for a protocol and ranges of ports and nothing else besides addresses, its entry says so; a rule of
 * several protocols may have an entry for each. Else the entry names a row of bits over joint classes. A long list is
 * one entry, which names a row of runs.
 */
struct bh_list_entry {
	__u32 rank;             /* of a long list the lowest */
	__u32 match;            /* enum bh_match, and in the low bits what it says */
	__u16 destination;      /* first port; ports that a packet does not have are 0 */
	__u16 destination_span; /* last port less first */
	__u16 source;
	__u16 source_span;
};

_Static_assert(sizeof(struct bh_list_entry) == 16, "bh_list_entry");

enum bh_match {
	/* neither flag: an index in `matches` of a row of bits */
	BH_MATCH_PORTS = 1 << 28, /* an IP protocol, or BH_ANY_PROTOCOL; of IP packets only */
	BH_MATCH_RUNS = 1 << 29,  /* an index in `run_pages`, of a long list's first page */
	BH_MATCH_LAST = 1 << 30,
	BH_MATCH_INDEX = BH_MATCH_PORTS - 1,
};
enum { BH_ANY_PROTOCOL = 256 };

/*
 * The row of a long list has a run for each 64 joint classes. It is cut into pages of BH_RUN_PAGE runs, and lists share
 * equal pages: a list whose rules name a few services is the same everywhere else.
 */
enum { BH_RUN_PAGE_BITS = 4, BH_RUN_PAGE = 1 << BH_RUN_PAGE_BITS };

/*
 * Sixty-four joint classes of a long list. The first matching rank of class j is
 * run_values[base + (changes set in bits 0..j & 63) - 1], BH_NONE where no rule matches; bit 0 is always set.
 *
 * Where the first match is a conditional rule, the value is BH_CHAIN and an index in `chains`. There stand, ascending,
 * that rule, the later conditional rules that match too, and the first unconditional one or BH_NONE: BH_TRIES_MAX + 1
 * ranks at most.
 */
#define BH_CHAIN 0x80000000u
struct bh_run {
	__u64 changes;
	__u32 base; /* index in `run_values` */
	__u32 pad;
};

_Static_assert(sizeof(struct bh_run) == 16, "bh_run");

/*
 * An item is a rule at one pair of address sets that would need too many cells. Bitmaps have a bit per item. A packet
 * matches the items whose bits are set in three bitmaps: its source's, its destination's and its joint class's. In each
 * word the ranks of the items ascend.
 *
 * A source's bitmap has only its words that are not 0, in the order of their lowest rank. The last is marked.
 */
#define BH_BITMAP_LAST 0x80000000u
struct bh_bitmap_word {
	__u64 bits;
	__u32 word; /* which word it is; perhaps with BH_BITMAP_LAST */
	__u32 rank; /* the lowest of its items */
};

_Static_assert(sizeof(struct bh_bitmap_word) == 16, "bh_bitmap_word");

enum bh_rule_flag {
	BH_RULE_LOG = 1, /* a match is streamed */
	BH_RULE_STATELESS = 2,
	BH_RULE_CONDITIONAL = 4, /* it may not decide: its condition says when, see struct bh_condition */
};

/*
 * A rule, or a term of one. A rule of the policy whose ends name dynamic groups becomes a term for each combination of
 * groups that it asks for. The terms stand one after another and share the rule's name and counter.
 */
struct bh_rule {
	__u8 verdict;       /* enum bh_verdict */
	__u8 flags;         /* enum bh_rule_flag */
	__u16 file;         /* index in `files` */
	__u32 line;         /* from 1 */
	__u32 name;         /* offset in `strings` */
	__u32 counter;      /* the host's part: slot of its counter */
	__u32 condition;    /* index in `conditions`, of a conditional rule */
	__u32 number;       /* of the policy's rule, from 0 */
	__u16 term;         /* which of its terms this is, from 0 */
	__u16 terms_behind; /* how many terms follow */
	__u32 notes;        /* index of its first note in `notes`; BH_NONE where it has none */
};

_Static_assert(sizeof(struct bh_rule) == 32, "bh_rule");

/* Keys of notes that are no offsets. */
#define BH_NOTE_COMMENT BH_NONE
#define BH_NOTE_TAG (BH_NONE - 1)

/*
 * What people wrote at a rule: its comment, its tag, or a value of its `meta`. The notes of a rule stand one after
 * another, and the last is marked. The programs do not read them.
 */
struct bh_note {
	__u32 key;   /* offset in `strings`, BH_NOTE_COMMENT or BH_NOTE_TAG */
	__u32 value; /* offset in `strings` */
	__u32 is_last;
	__u32 pad;
};

_Static_assert(sizeof(struct bh_note) == 16, "bh_note");

/* A layer of rules: ranks from `first` to the next layer's. The programs do not read them. */
struct bh_layer {
	__u32 first; /* rank */
	__u32 name;  /* offset in `strings` */
};

_Static_assert(sizeof(struct bh_layer) == 8, "bh_layer");

#endif
