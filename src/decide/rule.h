/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One rule against one request: its truth, and the walk over its parts that
 * explains it. Both go over the same clauses in the same order.
 */
#ifndef CD_DECIDE_RULE_H
#define CD_DECIDE_RULE_H

#include "decide/ctx.h"

enum cd_clause {
	CD_CLAUSE_TREE, /* posture and when: a node is told, not the clause */
	CD_CLAUSE_SUBJECT,
	CD_CLAUSE_SUBJECT_EXCEPT,
	CD_CLAUSE_OBJECT,
	CD_CLAUSE_OBJECT_EXCEPT,
	CD_CLAUSE_PORTS,
	CD_CLAUSE_LIFE, /* until */
	CD_CLAUSE_OBLIGATIONS,
};

/* struct cd_failure.atom: clause in the highest bits, then whether the
 * opposite is needed, then the number of a node or a rule. */
#define CD_ATOM_CLAUSE(atom) ((enum cd_clause)((atom) >> 29))
#define CD_ATOM_NEGATED (UINT32_C(1) << 28)
#define CD_ATOM_INDEX(atom) ((atom) & (CD_ATOM_NEGATED - 1))

/* A part of the rule that no cure changes: subjects, objects, ports, until,
 * obligations. clause is not CD_CLAUSE_TREE. */
enum cd_truth cd_rule_clause(const struct cd_eval *e,
			     const struct cd_snap_rule *r,
			     enum cd_clause clause);
/* The `and` of all of them. */
enum cd_truth cd_rule_base(const struct cd_eval *e,
			   const struct cd_snap_rule *r);
/* The `and` of base, posture and when. */
enum cd_truth cd_rule_truth(const struct cd_eval *e,
			    const struct cd_snap_rule *r, enum cd_truth base);
/* Does an allow whose truth is N match, because a point follows? */
bool cd_ctx_is_followed(const struct cd_ctx *c);

/* What an explanation lists. */
enum cd_walk_mode {
	CD_WALK_FAILING, /* what an allow lacks */
	CD_WALK_WITNESS, /* what makes a deny true */
	CD_WALK_SAME, /* the parts whose truth is `truth` */
};

struct cd_walk {
	struct cd_eval e;
	const struct cd_snap_rule *rule;
	enum cd_walk_mode mode;
	enum cd_truth truth;
	struct cd_decision *d; /* takes the failures, or NULL: count only */
	bool followed; /* a later point decides what is absent here */
	enum cd_look cure; /* tell only ways that this look makes good */
	uint32_t limit; /* counting stops above it */
};

/* Number of parts listed (may stop above w->limit). */
uint32_t cd_walk_rule(struct cd_walk *w);

#endif
