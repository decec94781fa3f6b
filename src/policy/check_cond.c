// SPDX-License-Identifier: Apache-2.0
/*
 * Conditions that can never, or always, hold: a warning, because the rule is
 * not what its author thinks.
 *
 * One question answers both. Parts of an `and` that ask about one attribute
 * contradict each other when no value satisfies all of them; parts of an `or`
 * cover everything when no value fails all of them. Whether such a value
 * exists is found by trying: sets here are unions of intervals (or of single
 * names), so if any value does, then one of these does: the least of the
 * type, a bound that is written, the value behind one, or a name that is not
 * written anywhere. Atoms of different attributes are taken as independent.
 *
 * The number of tries is bounded (TRIES_MAX); longer lists are not looked at.
 * Windows of time are compared minute by minute of a week, zone by zone.
 */
#include "policy/checker.h"

#include "base/addr.h"

#define TRIES_MAX (1u << 17)

/* Atoms about one attribute, that are to hold all (or, negated, none). */
struct group {
	enum cd_attr attr;
	enum cd_type type;
	bool negated;
	const struct cd_ast_cond *atoms[CD_MAX_ATOMS];
	bool inverted[CD_MAX_ATOMS]; /* it stands behind a `not` */
	uint32_t n;
	uint32_t values;
};

/* One value tried. For names: s; fresh: a name that is written nowhere. */
struct candidate {
	int64_t i;
	struct cd_str s;
	struct cd_addr addr;
	bool fresh;
};

/* ---- does a value satisfy an atom? ------------------------------------- */
static bool glob(struct cd_str pattern, struct cd_str s)
{
	size_t p = 0, i = 0, star = SIZE_MAX, from = 0;

	while (i < s.len) {
		if (p < pattern.len && pattern.ptr[p] == '*') {
			star = p++;
			from = i;
		} else if (p < pattern.len && pattern.ptr[p] == s.ptr[i]) {
			p++;
			i++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			i = ++from;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.ptr[p] == '*')
		p++;
	return p == pattern.len;
}

static bool is_number(enum cd_type type)
{
	return type == CD_T_BOOL || type == CD_T_DURATION || type == CD_T_INT ||
	       type == CD_T_RISK || type == CD_T_FACTOR || type == CD_T_PORT ||
	       type == CD_T_PROTO || type == CD_T_SUBJECT;
}

static bool is_member(enum cd_type type, const struct cd_ast_value *v,
		      const struct candidate *x)
{
	if (type == CD_T_PORT)
		return x->i >= v->i && x->i <= v->j;
	if (type == CD_T_ADDR) {
		struct cd_prefix p = {v->addr, v->bits};

		return v->addr.family == x->addr.family &&
		       cd_prefix_has(&p, &x->addr);
	}
	if (is_number(type))
		return x->i == v->i;
	return !x->fresh && cd_str_equal(v->s, x->s);
}

static bool is_in(const struct cd_ast_cond *a, enum cd_type type,
		  const struct candidate *x)
{
	for (uint32_t i = 0; i < a->n_values; i++)
		if (is_member(type, &a->values[i], x))
			return true;
	return false;
}

static bool satisfies(const struct cd_ast_cond *a, enum cd_type type,
		      const struct candidate *x)
{
	if (a->kind == CD_COND_BOOL)
		return x->i == 1;
	switch (a->op) {
	case CD_OP_EQ:
	case CD_OP_IN:
		return is_in(a, type, x);
	case CD_OP_NE:
	case CD_OP_NOT_IN:
		return !is_in(a, type, x);
	case CD_OP_LT:
		return x->i < a->values[0].i;
	case CD_OP_LE:
		return x->i <= a->values[0].i;
	case CD_OP_GT:
		return x->i > a->values[0].i;
	case CD_OP_GE:
		return x->i >= a->values[0].i;
	case CD_OP_LIKE:
		return glob(a->values[0].s, x->s);
	default:
		return true;
	}
}

/* Does the value satisfy the whole group? A name that is written nowhere may
 * or may not be `like` something: then it counts as satisfying. */
static bool fits(const struct group *g, const struct candidate *x)
{
	for (uint32_t i = 0; i < g->n; i++) {
		const struct cd_ast_cond *a = g->atoms[i];
		bool want = g->inverted[i] == g->negated;

		if (x->fresh && a->kind == CD_COND_COMPARE &&
		    a->op == CD_OP_LIKE)
			continue;
		if (satisfies(a, g->type, x) != want)
			return false;
	}
	return true;
}

/* ---- values to try ----------------------------------------------------- */
static void domain(enum cd_type type, int64_t *lo, int64_t *hi)
{
	*lo = 0;
	*hi = INT64_MAX;
	if (type == CD_T_RISK || type == CD_T_SUBJECT)
		*lo = 1;
	if (type == CD_T_BOOL)
		*hi = 1;
	else if (type == CD_T_RISK || type == CD_T_FACTOR)
		*hi = 3;
	else if (type == CD_T_SUBJECT)
		*hi = 4;
	else if (type == CD_T_PROTO)
		*hi = 255;
	else if (type == CD_T_PORT)
		*hi = 65535;
}

static bool try_number(const struct group *g, int64_t i)
{
	struct candidate x = {.i = i};
	int64_t lo, hi;

	domain(g->type, &lo, &hi);
	if (i < lo || i > hi || (g->type == CD_T_SUBJECT && i == 3))
		return false;
	return fits(g, &x);
}

static bool try_addr(const struct group *g, const struct cd_ast_value *v)
{
	struct cd_prefix p = {v->addr, v->bits};
	struct candidate x = {.addr = v->addr}, next = {.i = 0};
	struct cd_addr last = cd_prefix_last(&p);

	return fits(g, &x) ||
	       (cd_addr_next(&last, &next.addr) && fits(g, &next));
}

/* The value itself, and where an interval that begins or ends here leads. */
static bool try_value(const struct group *g, const struct cd_ast_value *v)
{
	struct candidate x = {.s = v->s};

	if (g->type == CD_T_ADDR)
		return try_addr(g, v);
	if (!is_number(g->type))
		return fits(g, &x);
	if (g->type == CD_T_PORT)
		return try_number(g, v->i) || try_number(g, v->j + 1);
	/* Of the subjects 1, 2 and 4, what follows 2 is 4. */
	if (g->type == CD_T_SUBJECT)
		return try_number(g, v->i) || try_number(g, v->i * 2);
	return try_number(g, v->i) ||
	       (v->i < INT64_MAX && try_number(g, v->i + 1));
}

static bool try_least(const struct group *g)
{
	struct candidate v4 = {.addr = {.family = 4}};
	struct candidate v6 = {.addr = {.family = 6}};
	struct candidate fresh = {.fresh = true};
	int64_t lo, hi;

	if (g->type == CD_T_ADDR)
		return fits(g, &v4) || fits(g, &v6);
	if (!is_number(g->type))
		return fits(g, &fresh);
	domain(g->type, &lo, &hi);
	return try_number(g, lo) || (g->type == CD_T_BOOL && try_number(g, 1));
}

/* Is there a value that fits? */
static bool is_possible(const struct group *g)
{
	if ((uint64_t)g->values * g->values > TRIES_MAX || try_least(g))
		return true;
	for (uint32_t i = 0; i < g->n; i++)
		for (uint32_t k = 0; k < g->atoms[i]->n_values; k++)
			if (try_value(g, &g->atoms[i]->values[k]))
				return true;
	return false;
}

/* `has x and not has x`: the only way in which sets contradict. */
static bool has_both(const struct group *g)
{
	for (uint32_t i = 0; i < g->n; i++)
		for (uint32_t k = 0; k < i; k++) {
			const struct cd_ast_value *a = g->atoms[i]->values;
			const struct cd_ast_value *b = g->atoms[k]->values;

			if (g->inverted[i] != g->inverted[k] &&
			    cd_str_equal(a->s, b->s) &&
			    cd_str_equal(a->s2, b->s2))
				return true;
		}
	return false;
}

/* ---- parts of one `and` or `or` ----------------------------------------- */
/* Its atoms, with those of nested ones of the same kind and of postures; a
 * `not` turns `and` into `or`. */
struct parts {
	const struct cd_ast_cond *atom[2 * CD_MAX_ATOMS];
	bool inverted[2 * CD_MAX_ATOMS];
	uint32_t n;
	uint32_t first; /* how many belong to the first of two conditions */
	bool is_or; /* what the atoms are parts of, every `not` pushed down */
	bool says_or; /* and as it is written, perhaps behind a `not` */
};

static void gather(const struct cd_policy *p, struct parts *out,
		   const struct cd_ast_cond *cond, bool is_or, bool inverted)
{
	const struct cd_ast_posture *posture;

	switch (cond->kind) {
	case CD_COND_NOT:
		gather(p, out, cond->kids[0], is_or, !inverted);
		return;
	case CD_COND_AND:
	case CD_COND_OR:
		if (((cond->kind == CD_COND_OR) != inverted) != is_or)
			return;
		for (uint32_t i = 0; i < cond->n_kids; i++)
			gather(p, out, cond->kids[i], is_or, inverted);
		return;
	case CD_COND_POSTURE:
		posture = (void *)cd_ast_find(p, CD_AST_POSTURE, cond->name.s);
		if (posture)
			gather(p, out, posture->cond, is_or, inverted);
		return;
	default:
		break;
	}
	if (out->n == CD_ARRAY_SIZE(out->atom))
		return;
	out->atom[out->n] = cond;
	out->inverted[out->n++] = inverted;
}

static bool is_compared(const struct cd_ast_cond *a)
{
	return a->kind == CD_COND_COMPARE || a->kind == CD_COND_BOOL;
}

static void collect(struct group *g, const struct parts *parts,
		    enum cd_attr attr)
{
	g->attr = attr;
	g->type = cd_attr_get(attr)->type;
	g->n = 0;
	g->values = 0;
	for (uint32_t i = 0; i < parts->n && g->n < CD_MAX_ATOMS; i++) {
		const struct cd_ast_cond *a = parts->atom[i];

		if (!is_compared(a) || a->attr != attr)
			continue;
		g->atoms[g->n] = a;
		g->inverted[g->n++] = parts->inverted[i];
		g->values += a->n_values;
	}
}

static bool is_contradiction(const struct group *g)
{
	if (g->type == CD_T_SET || g->type == CD_T_LABELS)
		return has_both(g);
	return !is_possible(g);
}

static void say(struct cd_checker *c, const struct parts *parts,
		const struct cd_ast_cond *at, const char *what)
{
	cd_check_warning(c, at->span, "what is asked of %s here %s", what,
			 parts->says_or ? "always holds" : "can never hold");
}

/* Is it asked about in the first condition, and in the second. */
static bool spans_both(const struct parts *parts, enum cd_attr attr)
{
	bool in[2] = {false, false};

	for (uint32_t i = 0; i < parts->n; i++)
		if (is_compared(parts->atom[i]) && parts->atom[i]->attr == attr)
			in[i >= parts->first] = true;
	return in[0] && in[1];
}

/* Says so once for each attribute. A single atom is looked at by itself. */
static void check_values(struct cd_checker *c, const struct parts *parts)
{
	struct group g = {.negated = parts->is_or};
	bool seen[CD_ATTR_COUNT] = {false};

	for (uint32_t i = 0; i < parts->n; i++) {
		const struct cd_ast_cond *a = parts->atom[i];

		if (!is_compared(a) || seen[a->attr])
			continue;
		seen[a->attr] = true;
		collect(&g, parts, a->attr);
		if ((parts->n > 1 && g.n < 2) ||
		    (parts->first && !spans_both(parts, a->attr)))
			continue;
		if (is_contradiction(&g))
			say(c, parts, a, cd_attr_get(a->attr)->name);
	}
}

/* The same feed, in and not in it. */
static void check_feeds(struct cd_checker *c, const struct parts *parts)
{
	for (uint32_t i = 0; i < parts->n; i++)
		for (uint32_t k = 0; k < i; k++) {
			const struct cd_ast_cond *a = parts->atom[i];
			const struct cd_ast_cond *b = parts->atom[k];
			bool in_a = (a->op == CD_OP_IN) != parts->inverted[i];
			bool in_b = (b->op == CD_OP_IN) != parts->inverted[k];

			if (a->kind != CD_COND_FEED ||
			    b->kind != CD_COND_FEED || a->attr != b->attr ||
			    in_a == in_b || !cd_str_equal(a->name.s, b->name.s))
				continue;
			say(c, parts, b, cd_attr_get(a->attr)->name);
			return;
		}
}

/* ---- windows of time ---------------------------------------------------- */
#define DAY 1440
#define WEEK (7 * DAY) /* minutes */

static bool window_has(const struct cd_ast_cond *w, unsigned int minute)
{
	unsigned int day = minute / DAY, at = minute % DAY;
	unsigned int before = (day + 6) % 7;

	if (w->from < w->to)
		return w->days >> day & 1 && at >= w->from && at < w->to;
	return (w->days >> day & 1 && at >= w->from) ||
	       (w->days >> before & 1 && at < w->to);
}

/* Do all windows of one zone miss (or, of an `or`, together fill) the week. */
static bool windows_clash(const struct parts *parts, struct cd_str zone)
{
	for (unsigned int m = 0; m < WEEK; m++) {
		bool decided = false;

		for (uint32_t i = 0; i < parts->n && !decided; i++) {
			const struct cd_ast_cond *w = parts->atom[i];

			if (w->kind == CD_COND_TIME &&
			    cd_str_equal(w->zone.s, zone))
				decided = (window_has(w, m) !=
					   parts->inverted[i]) == parts->is_or;
		}
		if (!decided)
			return false;
	}
	return true;
}

static void check_windows(struct cd_checker *c, const struct parts *parts)
{
	const struct cd_ast_cond *first = NULL;

	for (uint32_t i = 0; i < parts->n; i++) {
		const struct cd_ast_cond *w = parts->atom[i];

		if (w->kind != CD_COND_TIME)
			continue;
		if (first && cd_str_equal(first->zone.s, w->zone.s)) {
			if (windows_clash(parts, w->zone.s))
				say(c, parts, first, "time");
			return;
		}
		first = first ? first : w;
	}
}

/* ---- whole conditions --------------------------------------------------- */
static void check_atom(struct cd_checker *c, const struct cd_ast_cond *cond)
{
	struct parts self = {.atom = {cond}, .n = 1};

	check_values(c, &self);
	self.is_or = self.says_or = true;
	check_values(c, &self);
	if (cond->kind == CD_COND_TIME && cond->days == 0x7f &&
	    cond->from == 0 && cond->to == DAY)
		cd_check_warning(c, cond->span, "this time is always");
}

/* An `and` or `or`, with what it contains of the same kind. */
static void check_parts(struct cd_checker *c, const struct cd_ast_cond *cond,
			bool inverted)
{
	struct parts parts = {.says_or = cond->kind == CD_COND_OR};

	parts.is_or = parts.says_or != inverted;
	gather(c->policy, &parts, cond, parts.is_or, inverted);
	check_values(c, &parts);
	check_feeds(c, &parts);
	check_windows(c, &parts);
}

/* What stands around a node: nothing yet, an `and`, an `or`. */
enum around { NOTHING, AN_AND, AN_OR };

static void check_node(struct cd_checker *c, const struct cd_ast_cond *cond,
		       enum around around, bool inverted)
{
	bool is_or = (cond->kind == CD_COND_OR) != inverted;

	if (cond->kind == CD_COND_NOT) {
		check_node(c, cond->kids[0], around, !inverted);
		return;
	}
	if (cond->n_kids == 0) {
		check_atom(c, cond);
		return;
	}
	if (around != (is_or ? AN_OR : AN_AND))
		check_parts(c, cond, inverted);
	for (uint32_t i = 0; i < cond->n_kids; i++)
		check_node(c, cond->kids[i], is_or ? AN_OR : AN_AND, inverted);
}

void cd_check_cond(struct cd_checker *c, const struct cd_ast_cond *cond)
{
	check_node(c, cond, NOTHING, false);
}

void cd_check_conds(struct cd_checker *c, const struct cd_ast_cond *posture,
		    const struct cd_ast_cond *when)
{
	struct parts parts = {.n = 0};

	gather(c->policy, &parts, when, false, false);
	parts.first = parts.n;
	gather(c->policy, &parts, posture, false, false);
	if (parts.first)
		check_values(c, &parts);
}
