/* SPDX-License-Identifier: GPL-2.0-only */
/* Times of day and days of the week, by the clocks of a time zone. */
#ifndef BULKHEAD_TIMES_H
#define BULKHEAD_TIMES_H

#include "members.h"

enum { MINUTES_OF_DAY = 1440, SECONDS_OF_DAY = 86400 };

/* The place of the last change that is not after a minute since 1970. */
static __always_inline __u32 last_change(const struct bh_zone *zone, __u32 minute)
{
	__u32 low = 0;

#pragma unroll
	for (__u32 step = BH_ZONE_CHANGES / 2; step; step /= 2) {
		if (zone->changes[(low + step) & (BH_ZONE_CHANGES - 1)].minute <= minute)
			low += step;
		JOIN_PATHS();
	}
	return low & (BH_ZONE_CHANGES - 1);
}

/*
 * Whether a zone's clocks show one of a condition's times at `now`, in seconds since 1970. What it says holds until the
 * next of the day's edges, or the next change of the clocks. A global function: verified once.
 */
__noinline int is_in_times(struct bh_scratch *here, const struct bh_condition *condition, const struct bh_zone *zone,
			   __u64 now)
{
	__u32 place, day, second, minute, next, left = SECONDS_OF_DAY;
	__u64 local;
	bool over;

	if (!here || !condition || !zone)
		return 0;
	place = last_change(zone, now / 60);
	local = now + zone->changes[place].offset;
	/* The first of January 1970 was a Thursday. */
	day = (local / SECONDS_OF_DAY + 3) % 7;
	second = local % SECONDS_OF_DAY;
	minute = second / 60;
	next = minute < condition->from ? condition->from : MINUTES_OF_DAY;
	if (minute < condition->to && condition->to < next)
		next = condition->to;
	left = next * 60 - second;
	next = zone->changes[(place + 1) & (BH_ZONE_CHANGES - 1)].minute;
	if (next > now / 60 && next * 60ull - now < left)
		left = next * 60ull - now;
	note_lapse(here, left * 1000000000ull);
	over = condition->to <= condition->from;
	if (minute >= condition->from && (over || minute < condition->to))
		return condition->days >> (day & 7) & 1;
	return over && minute < condition->to && condition->days >> ((day + 6) % 7 & 7) & 1;
}

#endif
