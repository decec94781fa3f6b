/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The explanation: a second visit to the clauses of one rule, with the same
 * evaluation, that lists the parts the verdict rests on. Where one of several
 * branches would do, the one with the fewest parts is told.
 */
#include "decide/rule.h"

/* ---- which attribute a clause is about ---------------------------------- */
static enum cd_attr subject_attr(const struct cd_snap_item *item)
{
	static const uint8_t attrs[CD_FROM_KINDS] = {
		[CD_FROM_ANY] = CD_ATTR_SUBJECT,
		[CD_FROM_PEOPLE] = CD_ATTR_SUBJECT,
		[CD_FROM_ANONYMOUS] = CD_ATTR_SUBJECT,
		[CD_FROM_INTERNET] = CD_ATTR_SRC_IP,
		[CD_FROM_USER] = CD_ATTR_USER_NAME,
		[CD_FROM_GROUP] = CD_ATTR_USER_GROUPS,
		[CD_FROM_HOSTS] = CD_ATTR_SRC_LABELS,
		[CD_FROM_SEGMENT] = CD_ATTR_SRC_IP,
		[CD_FROM_SERVICE_ACCOUNT] = CD_ATTR_SUBJECT,
	};

	return (enum cd_attr)attrs[item->kind];
}

static enum cd_attr target_attr(const struct cd_snap_item *item)
{
	static const uint8_t attrs[CD_TO_KINDS] = {
		[CD_TO_ANY] = CD_ATTR_DST_IP,
		[CD_TO_INTERNET] = CD_ATTR_DST_IP,
		[CD_TO_APP] = CD_ATTR_APP,
		[CD_TO_HOSTS] = CD_ATTR_DST_LABELS,
		[CD_TO_SEGMENT] = CD_ATTR_DST_IP,
		[CD_TO_DOMAINS] = CD_ATTR_DST_NAME,
	};

	return (enum cd_attr)attrs[item->kind];
}

/* An app that is the right one fails by its method or path. */
static enum cd_attr object_attr(const struct cd_eval *e,
				const struct cd_snap_item *item)
{
	if (item->kind != CD_TO_APP || cd_eval_target(e, item) == CD_F)
		return target_attr(item);
	/* Of an allow the part that lacks; of a deny the part that is said. */
	if (e->deny ? item->method_n != 0 : cd_eval_method(e, item) != CD_T)
		return CD_ATTR_HTTP_METHOD;
	if (e->deny ? item->path != CD_NIL : cd_eval_path(e, item) != CD_T)
		return CD_ATTR_HTTP_PATH;
	return CD_ATTR_APP;
}

/* Of a list: that of its first item that is about this object at all. */
static enum cd_attr list_attr(const struct cd_eval *e, uint32_t first,
			      uint32_t n, bool object)
{
	const struct cd_snap_item *items = cd_snap_ITEMS(e->c->s) + first;

	if (!object)
		return n ? subject_attr(&items[0]) : CD_ATTR_SUBJECT;
	for (uint32_t i = 0; i < n; i++)
		if (cd_eval_target(e, &items[i]) != CD_F)
			return object_attr(e, &items[i]);
	return n ? target_attr(&items[0]) : CD_ATTR_APP;
}

static enum cd_attr clause_attr(const struct cd_walk *w, enum cd_clause clause)
{
	const struct cd_snap_rule *r = w->rule;

	switch (clause) {
	case CD_CLAUSE_SUBJECT:
		return list_attr(&w->e, r->from_first, r->from_n, false);
	case CD_CLAUSE_SUBJECT_EXCEPT:
		return list_attr(&w->e, r->from_except_first, r->from_except_n,
				 false);
	case CD_CLAUSE_OBJECT:
		return list_attr(&w->e, r->to_first, r->to_n, true);
	case CD_CLAUSE_OBJECT_EXCEPT:
		return list_attr(&w->e, r->to_except_first, r->to_except_n,
				 true);
	case CD_CLAUSE_PORTS:
		return CD_ATTR_DST_PORT;
	case CD_CLAUSE_LIFE:
		return CD_ATTR_TIME;
	default:
		return CD_ATTR_NONE;
	}
}

/* ---- putting a part on the list ----------------------------------------- */
static uint8_t state_of(const struct cd_ctx *c, unsigned int attr)
{
	if (attr >= CD_ATTR_COUNT)
		return CD_KNOWN;
	switch (c->there[attr]) {
	case CD_IS_KNOWN:
		return CD_KNOWN;
	case CD_IS_ABSENT:
		return CD_ABSENT;
	default:
		return CD_UNKNOWN;
	}
}

static void put(struct cd_walk *w, unsigned int attr, uint32_t atom,
		bool curable, bool approval)
{
	struct cd_failure *f;
	uint8_t cure = CD_CURE_NONE;

	if (curable && !approval && attr < CD_ATTR_COUNT)
		cure = (uint8_t)cd_attr_get((enum cd_attr)attr)->cure;
	if (curable && attr == CD_ATTR_SUBJECT)
		cure = CD_CURE_PERSON;
	if (w->d->n_failed == CD_FAILED_MAX)
		return;
	f = &w->d->failed[w->d->n_failed++];
	*f = (struct cd_failure){
		.attr = (uint8_t)attr,
		.cure = cure,
		.state = state_of(w->e.c, attr),
		.approval = approval,
		.atom = atom,
	};
}

/* Is the part listed, given its truth and whether the rule wants it true. */
static bool listed(const struct cd_walk *w, enum cd_truth t, bool want)
{
	switch (w->mode) {
	case CD_WALK_FAILING:
		return t != (want ? CD_T : CD_F) && !(t == CD_N && w->followed);
	case CD_WALK_WITNESS:
		return true;
	default:
		return t == w->truth;
	}
}

static uint32_t walk_atom(struct cd_walk *w, uint32_t at, bool want, bool emit)
{
	const struct cd_snap_node *n = &cd_snap_NODES(w->e.c->s)[at];
	enum cd_truth t = cd_eval_atom(&w->e, n);
	struct cd_eval cured = w->e;
	bool curable;

	if (!listed(w, t, want))
		return 0;
	if (!emit)
		return 1;
	cured.look = CD_LOOK_CURED;
	cured.deny = false;
	t = cd_eval_atom(&cured, n);
	curable = t == CD_W || t == (want ? CD_T : CD_F);
	/* What is needed of a deny is that its part does not hold. */
	put(w, n->attr, at | (want == w->e.deny ? CD_ATOM_NEGATED : 0), curable,
	    n->op == CD_NODE_APPROVAL);
	return 1;
}

static uint32_t walk_node(struct cd_walk *w, uint32_t at, bool want, bool emit);

/* A part of a tree, at a look: where the opposite is wanted it stands inside a
 * `not`. */
static enum cd_truth part_truth(const struct cd_walk *w, uint32_t at, bool want,
				enum cd_look look)
{
	struct cd_eval e = w->e;

	e.negated = !want;
	e.look = look;
	return cd_eval_tree(&e, at);
}

/* Can the person take this way: does it hold once what can be cured is. */
static bool helps(const struct cd_walk *w, uint32_t at, bool want)
{
	enum cd_truth t = part_truth(w, at, want, w->cure);

	return t == CD_W || t == (want ? CD_T : CD_F);
}

/* Is a kid one of the ways that may be told. */
static bool is_way(const struct cd_walk *w, uint32_t at, bool want, bool all)
{
	if (w->mode == CD_WALK_SAME)
		return part_truth(w, at, want, w->e.look) == w->truth;
	if (w->mode == CD_WALK_WITNESS && !all)
		return part_truth(w, at, want, w->e.look) ==
		       (want ? CD_T : CD_F);
	return true;
}

static uint32_t walk_all(struct cd_walk *w, uint32_t root, bool want, bool emit)
{
	const struct cd_snap_node *nodes = cd_snap_NODES(w->e.c->s);
	uint32_t sum = 0;

	for (uint32_t i = root + 1; i < nodes[root].end; i = nodes[i].end) {
		if (is_way(w, i, want, true))
			sum += walk_node(w, i, want, emit);
		if (!emit && sum > w->limit)
			break;
	}
	return sum;
}

/* Is there something to tell of a choice: not when it holds, though a way of
 * it may have no part that fails and still not make it hold (absent here, and
 * another way unknown). */
static bool fails(const struct cd_walk *w, uint32_t root, bool want)
{
	return w->mode != CD_WALK_FAILING ||
	       listed(w, part_truth(w, root, want, w->e.look), want);
}

/* Of several ways the one with the fewest parts; for a challenge or request
 * one that the person can take, if there is. */
static uint32_t walk_one(struct cd_walk *w, uint32_t root, bool want, bool emit)
{
	const struct cd_snap_node *nodes = cd_snap_NODES(w->e.c->s);
	uint32_t best[2] = {CD_NIL, CD_NIL}, at[2] = {CD_NIL, CD_NIL};
	unsigned int k;

	if (!fails(w, root, want))
		return 0;

	for (uint32_t i = root + 1; i < nodes[root].end; i = nodes[i].end) {
		uint32_t n;

		if (!is_way(w, i, want, false))
			continue;
		n = walk_node(w, i, want, false);
		if (w->mode == CD_WALK_FAILING && n == 0)
			continue;
		k = w->cure != CD_LOOK_NOW && helps(w, i, want);
		if (n < best[k]) {
			best[k] = n;
			at[k] = i;
		}
	}
	k = at[1] != CD_NIL;
	if (emit && at[k] != CD_NIL)
		walk_node(w, at[k], want, true);
	return at[k] == CD_NIL ? 0 : best[k];
}

/* All kids count, or one of several ways. */
static uint32_t walk_kids(struct cd_walk *w, uint32_t root, bool want,
			  bool emit)
{
	const struct cd_snap_node *nodes = cd_snap_NODES(w->e.c->s);

	if (w->mode == CD_WALK_SAME || (nodes[root].op == CD_NODE_AND) == want)
		return walk_all(w, root, want, emit);
	return walk_one(w, root, want, emit);
}

static uint32_t walk_node(struct cd_walk *w, uint32_t at, bool want, bool emit)
{
	const struct cd_snap_node *n = &cd_snap_NODES(w->e.c->s)[at];

	if (n->op == CD_NODE_NOT)
		return walk_node(w, at + 1, !want, emit);
	if (n->op < CD_NODE_NOT)
		return walk_kids(w, at, want, emit);
	return walk_atom(w, at, want, emit);
}

static bool is_any(const struct cd_snapshot *s, uint32_t first, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (cd_snap_ITEMS(s)[first + i].kind == CD_FROM_ANY)
			return true;
	return false;
}

/* Clauses that say nothing cannot be what a deny rests on. */
static bool says_nothing(const struct cd_walk *w, enum cd_clause clause)
{
	const struct cd_snapshot *s = w->e.c->s;
	const struct cd_snap_rule *r = w->rule;

	switch (clause) {
	case CD_CLAUSE_SUBJECT:
		return is_any(s, r->from_first, r->from_n);
	case CD_CLAUSE_SUBJECT_EXCEPT:
		return r->from_except_n == 0;
	case CD_CLAUSE_OBJECT:
		return w->e.deny && is_any(s, r->to_first, r->to_n);
	case CD_CLAUSE_OBJECT_EXCEPT:
		return r->to_except_n == 0;
	case CD_CLAUSE_PORTS:
		return r->port_n == 0;
	case CD_CLAUSE_LIFE:
		return r->until == INT64_MAX;
	default:
		return w->e.deny;
	}
}

static uint32_t walk_clause(struct cd_walk *w, enum cd_clause clause)
{
	uint32_t rule = (uint32_t)(w->rule - cd_snap_RULES(w->e.c->s));
	enum cd_truth t;

	if (says_nothing(w, clause))
		return 0;
	t = cd_rule_clause(&w->e, w->rule, clause);
	if (!listed(w, t, true))
		return 0;
	if (w->d)
		put(w, clause_attr(w, clause),
		    (uint32_t)clause << 29 | rule |
			    (w->e.deny ? CD_ATOM_NEGATED : 0),
		    t == CD_W, false);
	return 1;
}

static uint32_t walk_tree(struct cd_walk *w, uint32_t root)
{
	if (root == CD_NIL)
		return 0;
	if (w->mode == CD_WALK_SAME && cd_eval_tree(&w->e, root) != w->truth)
		return 0;
	return walk_node(w, root, true, w->d != NULL);
}

uint32_t cd_walk_rule(struct cd_walk *w)
{
	static const uint8_t clauses[] = {
		CD_CLAUSE_SUBJECT,     CD_CLAUSE_SUBJECT_EXCEPT,
		CD_CLAUSE_OBJECT,      CD_CLAUSE_OBJECT_EXCEPT,
		CD_CLAUSE_PORTS,       CD_CLAUSE_LIFE,
		CD_CLAUSE_OBLIGATIONS,
	};
	int64_t recheck = w->e.c->recheck;
	uint32_t n = 0;

	w->followed = cd_ctx_is_followed(w->e.c);
	for (size_t i = 0; i < CD_ARRAY_SIZE(clauses) && n <= w->limit; i++)
		n += walk_clause(w, (enum cd_clause)clauses[i]);
	if (n <= w->limit)
		n += walk_tree(w, w->rule->posture);
	if (n <= w->limit)
		n += walk_tree(w, w->rule->when);
	/* Explaining asks more than deciding; the decision's next look is
	 * that of the decision. */
	w->e.c->recheck = recheck;
	return n;
}
