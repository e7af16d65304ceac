// SPDX-License-Identifier: GPL-2.0-only
/* What the hash of a flow's key costs. Each key holds the hash of the one before, so that none can be spared. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include "abi/hash.h"

enum { HASHES = 256 };

/* The hash of a key of so many words. */
static __always_inline __u64 hash_of(__u64 first, __u32 words)
{
	struct bh_sip sip = bh_sip_start(0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull);

#pragma unroll
	for (__u32 word = 0; word < words; word++)
		bh_sip_add(&sip, first + word);
	return bh_sip_end(&sip);
}

/* The key of IPv4: ports, scope and protocol, and two addresses. */
SEC("tc")
int hash_v4(struct __sk_buff *ctx)
{
	__u64 hash = ctx->len;

	for (int count = 0; count < HASHES; count++)
		hash = hash_of(hash, 2);
	return hash & 1;
}

/* The key of IPv6, whose addresses are two words each. */
SEC("tc")
int hash_v6(struct __sk_buff *ctx)
{
	__u64 hash = ctx->len;

	for (int count = 0; count < HASHES; count++)
		hash = hash_of(hash, 5);
	return hash & 1;
}

/* As many multiplications: what the loop itself costs at most. */
SEC("tc")
int hash_none(struct __sk_buff *ctx)
{
	__u64 hash = ctx->len;

	for (int count = 0; count < HASHES; count++)
		hash = (hash ^ hash >> 29) * 0x9e3779b97f4a7c15ull;
	return hash & 1;
}

char _license[] SEC("license") = "GPL";
