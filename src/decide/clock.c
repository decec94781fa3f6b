/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weekly windows in local time. The offsets of a zone are in the image, so
 * the machine's zone files play no part. A window's next turn is found by
 * walking the few instants at which it can turn: its two edges and midnight
 * of each local day, and the zone's own transitions.
 */
#include "decide/ctx.h"

#include "base/time.h"

/* Steps of the walk: three a day, eight days, and some transitions. When the
 * window did not turn by then, the last step is told: early, never late. */
#define STEPS 32

/* Index of the turn in force at t (seconds). */
static uint32_t find_turn(const struct cd_snap_turn *turns, uint32_t n,
			  int64_t t)
{
	uint32_t lo = 0, hi = n;

	while (lo + 1 < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (turns[mid].at <= t)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

static bool has_day(const struct cd_snap_window *w, int64_t day)
{
	return w->days >> cd_weekday(day) & 1;
}

/* Is local time (seconds) inside. */
static bool holds(const struct cd_snap_window *w, int64_t local)
{
	int64_t day = cd_div_floor(local, CD_S_PER_DAY);
	int64_t second = local - day * CD_S_PER_DAY;
	int64_t from = w->from * 60, to = w->to * 60;

	if (from < to)
		return has_day(w, day) && second >= from && second < to;
	return (has_day(w, day) && second >= from) ||
	       (has_day(w, day - 1) && second < to);
}

/* The next edge or midnight after a local time, in local time. */
static int64_t next_edge(const struct cd_snap_window *w, int64_t local)
{
	int64_t day = cd_div_floor(local, CD_S_PER_DAY) * CD_S_PER_DAY;
	int64_t next = day + CD_S_PER_DAY;

	if (day + w->from * 60 > local)
		next = CD_MIN(next, day + w->from * 60);
	if (day + w->to * 60 > local)
		next = CD_MIN(next, day + w->to * 60);
	return next;
}

bool cd_window_has(const struct cd_snapshot *s, const struct cd_snap_window *w,
		   int64_t now, int64_t *ret_turn)
{
	const struct cd_snap_zone *z = &cd_snap_ZONES(s)[w->zone];
	const struct cd_snap_turn *turns = cd_snap_TURNS(s) + z->turn_first;
	int64_t t = cd_div_floor(now, CD_NS_PER_S);
	uint32_t at = find_turn(turns, z->turn_n, t);
	bool in = holds(w, t + turns[at].offset);

	for (int step = 0; step < STEPS; step++) {
		int64_t next =
			next_edge(w, t + turns[at].offset) - turns[at].offset;

		if (at + 1 < z->turn_n && turns[at + 1].at <= next &&
		    turns[at + 1].at > t)
			next = turns[++at].at;
		t = next;
		if (holds(w, t + turns[at].offset) != in)
			break;
	}
	*ret_turn = t > INT64_MAX / CD_NS_PER_S ? INT64_MAX : t * CD_NS_PER_S;
	return in;
}
