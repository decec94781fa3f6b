/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the checker's files share. Checks put messages into the diag and go
 * on; cd_check_error() counts, and the count is the result.
 */
#ifndef CD_POLICY_CHECKER_H
#define CD_POLICY_CHECKER_H

#include "policy/ast.h"

struct cd_checker {
	const struct cd_policy *policy;
	struct cd_diag *diag;
	int64_t now; /* ns since 1970; 0: not told */
	bool unproved; /* assertions are a warning */
	size_t errors;
	unsigned int suggestions; /* each costs a pass over all names */
	/* By kind and number: something refers to it. */
	unsigned char *used[CD_AST_KINDS];
	/* By number, for one kind at a time: 0 new, 1 open, 2 done. */
	unsigned char *visited;
	/* By number of a posture: atoms when its postures are written out. */
	uint32_t *atoms;
	/* By number of an app: the rule that opens it to who did not sign in. */
	const struct cd_ast_rule **opened;
	bool circular; /* a posture contains itself: do not walk them */
};

void cd_check_error(struct cd_checker *c, struct cd_ast_span span,
		    const char *fmt, ...) cd_printf(3, 4);
void cd_check_warning(struct cd_checker *c, struct cd_ast_span span,
		      const char *fmt, ...) cd_printf(3, 4);

/* The statement that is referred to, marked as used; NULL after an error with
 * a hint at the nearest name. */
struct cd_ast *cd_check_ref(struct cd_checker *c, enum cd_ast_kind kind,
			    const struct cd_ast_name *name);

/* check_names.c: every reference, and what nothing refers to */
void cd_check_names(struct cd_checker *c);
void cd_check_unused(struct cd_checker *c);
/* check_sets.c: duplicates, circles, segments, urls. -ENOMEM */
int cd_check_sets(struct cd_checker *c);
/* check_cond.c: conditions that never or always hold */
void cd_check_cond(struct cd_checker *c, const struct cd_ast_cond *cond);
/* The posture of a rule and its condition, which are to hold both. */
void cd_check_conds(struct cd_checker *c, const struct cd_ast_cond *posture,
		    const struct cd_ast_cond *when);
/* check_rules.c: what no point can decide, modes, tests, assertions */
void cd_check_rules(struct cd_checker *c);
/* check_enforced.c: what no enforcement point of this version does */
void cd_check_enforced(struct cd_checker *c);
/* Is the rule past its `until`, as far as the checker was told the time. */
bool cd_check_is_over(const struct cd_checker *c, const struct cd_ast_rule *r);
/* check_open.c: denies that make visitors of open apps sign in */
void cd_check_open(struct cd_checker *c);

#endif
