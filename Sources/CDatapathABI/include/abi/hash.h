/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * SipHash with one round per word and three at the end, as Linux uses it for its own tables. Without the key nobody can
 * tell which packets share a place in a table, nor work out others from those that do.
 */
#ifndef BULKHEAD_ABI_HASH_H
#define BULKHEAD_ABI_HASH_H

#include <linux/types.h>

struct bh_sip {
	__u64 v0;
	__u64 v1;
	__u64 v2;
	__u64 v3;
};

static inline __attribute__((always_inline)) __u64 bh_rotate(__u64 word, __u32 bits)
{
	return word << bits | word >> (64 - bits);
}

static inline __attribute__((always_inline)) void bh_sip_round(struct bh_sip *sip)
{
	sip->v0 += sip->v1;
	sip->v1 = bh_rotate(sip->v1, 13) ^ sip->v0;
	sip->v0 = bh_rotate(sip->v0, 32);
	sip->v2 += sip->v3;
	sip->v3 = bh_rotate(sip->v3, 16) ^ sip->v2;
	sip->v0 += sip->v3;
	sip->v3 = bh_rotate(sip->v3, 21) ^ sip->v0;
	sip->v2 += sip->v1;
	sip->v1 = bh_rotate(sip->v1, 17) ^ sip->v2;
	sip->v2 = bh_rotate(sip->v2, 32);
}

static inline __attribute__((always_inline)) struct bh_sip bh_sip_start(__u64 first_key, __u64 second_key)
{
	struct bh_sip sip = {
		.v0 = first_key ^ 0x736f6d6570736575ull,
		.v1 = second_key ^ 0x646f72616e646f6dull,
		.v2 = first_key ^ 0x6c7967656e657261ull,
		.v3 = second_key ^ 0x7465646279746573ull,
	};

	return sip;
}

static inline __attribute__((always_inline)) void bh_sip_add(struct bh_sip *sip, __u64 word)
{
	sip->v3 ^= word;
	bh_sip_round(sip);
	sip->v0 ^= word;
}

static inline __attribute__((always_inline)) __u64 bh_sip_end(struct bh_sip *sip)
{
	sip->v2 ^= 0xff;
	bh_sip_round(sip);
	bh_sip_round(sip);
	bh_sip_round(sip);
	return sip->v0 ^ sip->v1 ^ sip->v2 ^ sip->v3;
}

#endif
