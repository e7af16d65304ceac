/* SPDX-License-Identifier: GPL-2.0-only */
/* Token buckets: how many of something per second, and how many at once after a silence. */
#ifndef BULKHEAD_BUCKET_H
#define BULKHEAD_BUCKET_H

#include "maps.h"

/*
 * Moves a bucket's clock on by a cost, see struct token_bucket; false where it would pass the present. Two CPUs that
 * race here may both pass at the price of one.
 */
static __always_inline bool take_token(struct token_bucket *bucket, __u64 cost, __u64 burst)
{
	__u64 now = bpf_ktime_get_coarse_ns(), clock = bucket->clock;

	if (clock + cost * burst < now)
		clock = now - cost * burst;
	clock += cost;
	if (clock > now)
		return false;
	bucket->clock = clock;
	return true;
}

#endif
