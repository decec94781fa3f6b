/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which rules a decision visits. A request to a known app has one prepared
 * list; a packet, a name or an egress connection gets the union of the lists
 * of what its destination is; when the object is not known every rule is
 * visited. A rule that is left out has a false object clause for certain.
 */
#ifndef CD_DECIDE_CANDIDATES_H
#define CD_DECIDE_CANDIDATES_H

#include "decide/ctx.h"

struct cd_candidates {
	const struct cd_snapshot *s;
	const struct cd_snap_cand *list; /* or NULL: bits */
	uint32_t n; /* of list, at most CD_MAX_CANDIDATES */
	const struct cd_snap_screen *screens; /* over list */
	uint32_t n_screens;
	uint32_t words; /* of bits */
	uint64_t bits[CD_MAX_RULES / 64];
};

void cd_candidates_find(struct cd_candidates *k, struct cd_ctx *c);

/* In order of rule numbers: *at starts at 0; false at the end. */
static inline bool cd_candidates_next(const struct cd_candidates *k,
				      uint32_t *at, struct cd_snap_cand *ret)
{
	if (k->list) {
		if (*at >= k->n)
			return false;
		*ret = k->list[(*at)++];
		return true;
	}
	for (uint32_t w = *at / 64; w < k->words; w++) {
		uint64_t rest = k->bits[w];

		if (w == *at / 64)
			rest &= ~UINT64_C(0) << (*at % 64);
		if (!rest)
			continue;
		ret->rule = w * 64 + (uint32_t)__builtin_ctzll(rest);
		ret->group = cd_snap_RULES(k->s)[ret->rule].group;
		ret->deny = cd_snap_RULES(k->s)[ret->rule].deny;
		ret->mode = cd_snap_RULES(k->s)[ret->rule].mode;
		*at = ret->rule + 1;
		return true;
	}
	*at = k->words * 64;
	return false;
}

#endif
