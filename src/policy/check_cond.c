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

/* ---- groups of atoms --------------------------------------------------- */
static const struct cd_ast_cond *atom_of(const struct cd_ast_cond *kid,
					 bool *ret_inverted)
{
	*ret_inverted = false;
	while (kid->kind == CD_COND_NOT) {
		*ret_inverted = !*ret_inverted;
		kid = kid->kids[0];
	}
	return kid->kind == CD_COND_COMPARE || kid->kind == CD_COND_BOOL ? kid :
									   NULL;
}

static void collect(struct group *g, const struct cd_ast_cond *const *kids,
		    uint32_t n, enum cd_attr attr)
{
	g->attr = attr;
	g->type = cd_attr_get(attr)->type;
	g->n = 0;
	g->values = 0;
	for (uint32_t i = 0; i < n && g->n < CD_MAX_ATOMS; i++) {
		bool inverted;
		const struct cd_ast_cond *a = atom_of(kids[i], &inverted);

		if (!a || a->attr != attr)
			continue;
		g->atoms[g->n] = a;
		g->inverted[g->n++] = inverted;
		g->values += a->n_values;
	}
}

static bool is_contradiction(const struct group *g)
{
	if (g->type == CD_T_SET || g->type == CD_T_LABELS)
		return has_both(g);
	return !is_possible(g);
}

/* The kids of one `and` or `or`, or a single atom (which is both). Says so
 * once for each attribute. */
static void check_kids(struct cd_checker *c,
		       const struct cd_ast_cond *const *kids, uint32_t n,
		       bool is_or)
{
	struct group g = {.negated = is_or};
	bool seen[CD_ATTR_COUNT] = {false};

	for (uint32_t i = 0; i < n; i++) {
		bool inverted;
		const struct cd_ast_cond *a = atom_of(kids[i], &inverted);

		if (!a || seen[a->attr])
			continue;
		seen[a->attr] = true;
		collect(&g, kids, n, a->attr);
		if (is_contradiction(&g))
			cd_check_warning(
				c, a->span, "what is asked of %s here %s",
				cd_attr_get(a->attr)->name,
				is_or ? "always holds" : "can never hold");
	}
}

static void check_time(struct cd_checker *c, const struct cd_ast_cond *cond)
{
	if (cond->days == 0x7f && cond->from == 0 && cond->to == 1440)
		cd_check_warning(c, cond->span, "this time is always");
}

void cd_check_cond(struct cd_checker *c, const struct cd_ast_cond *cond)
{
	const struct cd_ast_cond *self[] = {cond};

	switch (cond->kind) {
	case CD_COND_AND:
	case CD_COND_OR:
		check_kids(c, (const struct cd_ast_cond *const *)cond->kids,
			   cond->n_kids, cond->kind == CD_COND_OR);
		break;
	case CD_COND_COMPARE:
	case CD_COND_BOOL:
		check_kids(c, self, 1, false);
		check_kids(c, self, 1, true);
		return;
	case CD_COND_TIME:
		check_time(c, cond);
		return;
	default:
		break;
	}
	for (uint32_t i = 0; i < cond->n_kids; i++)
		cd_check_cond(c, cond->kids[i]);
}
