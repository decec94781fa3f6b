/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values that make a condition hold: what `posture P` in a test's `given`
 * stands for, and which labels a host of `hosts H` has.
 *
 * The condition is walked once, top down, with the wanted outcome; each atom
 * sets its attribute. That is exact for conditions that name an attribute
 * once; where two parts of one condition contradict each other's choice the
 * caller's decision says so, and the test fails with that explanation.
 */
#ifndef CD_PROVE_SOLVE_H
#define CD_PROVE_SOLVE_H

#include "policy/ast.h"

#define CD_SOLVE_LABELS 64

struct cd_solve {
	const struct cd_policy *policy;
	struct cd_arena *arena; /* strings and sets of the request live here */
	struct cd_request *request;
	enum cd_attr labels_of; /* SRC_LABELS or DST_LABELS, for selectors */
	struct cd_label labels[CD_SOLVE_LABELS];
	uint32_t n_labels;
	int err; /* sticky: -ENOMEM, CD_E_LIMIT, CD_E_NOTFOUND */
};

/* Sets attributes of s->request so that cond is `want`. */
void cd_solve_cond(struct cd_solve *s, const struct cd_ast_cond *cond,
		   bool want);
/* One value as it is. */
void cd_solve_values(struct cd_solve *s, enum cd_attr attr,
		     const struct cd_ast_value *values, uint32_t n);
/* Puts the labels that selectors collected into the request. */
void cd_solve_finish(struct cd_solve *s);

#endif
