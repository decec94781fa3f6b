// SPDX-License-Identifier: Apache-2.0
/*
 * Apps that are open to visitors who did not sign in, and denies that make
 * them sign in all the same (POLICY rule 4): a deny that cannot tell without
 * knowing who asks, or from which device, holds an anonymous visitor at a
 * challenge, whatever an allow says. That is seldom meant.
 *
 * First each app gets the rule that opens it; then each deny is asked whether
 * it needs to know a person, and which open app it touches first. What a deny
 * says of the rest (addresses, time) is not looked at: it can hold.
 */
#include "policy/checker.h"

/* What a condition can be for an anonymous visitor, as a set: nothing is known
 * of what only a person has, everything else can be either way. `and` takes the
 * least of its parts, `or` the greatest. */
enum { FALSE = 1 << 0, PERSONAL = 1 << 1, TRUE = 1 << 2 };

static unsigned int turned(unsigned int set)
{
	return (set & PERSONAL) | (set & FALSE ? TRUE : 0) |
	       (set & TRUE ? FALSE : 0);
}

static unsigned int least(unsigned int a, unsigned int b)
{
	unsigned int set = 0;

	for (unsigned int x = FALSE; x <= TRUE; x <<= 1)
		for (unsigned int y = FALSE; y <= TRUE; y <<= 1)
			if (a & x && b & y)
				set |= CD_MIN(x, y);
	return set;
}

/* `subject = ...` alone is known. */
static unsigned int subject_set(const struct cd_ast_cond *cond)
{
	bool negated = cond->op == CD_OP_NE || cond->op == CD_OP_NOT_IN;
	bool in = false;

	for (uint32_t i = 0; i < cond->n_values; i++)
		in |= cond->values[i].i == CD_SUBJECT_ANONYMOUS;
	return in != negated ? TRUE : FALSE;
}

static unsigned int atom_set(const struct cd_ast_cond *cond)
{
	if (cond->kind == CD_COND_APPROVAL)
		return PERSONAL;
	if (cond->attr == CD_ATTR_SUBJECT)
		return subject_set(cond);
	if (cond->attr != CD_ATTR_NONE &&
	    cd_attr_get(cond->attr)->cure != CD_CURE_NONE)
		return PERSONAL;
	return FALSE | TRUE;
}

static unsigned int cond_set(const struct cd_policy *p,
			     const struct cd_ast_cond *cond);

static unsigned int posture_set(const struct cd_policy *p, struct cd_str name)
{
	const struct cd_ast_posture *posture =
		(void *)cd_ast_find(p, CD_AST_POSTURE, name);

	return posture ? cond_set(p, posture->cond) : TRUE;
}

static unsigned int cond_set(const struct cd_policy *p,
			     const struct cd_ast_cond *cond)
{
	unsigned int set, kid;

	if (cond->kind == CD_COND_POSTURE)
		return posture_set(p, cond->name.s);
	if (cond->kind == CD_COND_NOT)
		return turned(cond_set(p, cond->kids[0]));
	if (cond->n_kids == 0)
		return atom_set(cond);
	set = cond_set(p, cond->kids[0]);
	for (uint32_t i = 1; i < cond->n_kids; i++) {
		kid = cond_set(p, cond->kids[i]);
		set = cond->kind == CD_COND_AND ?
			      least(set, kid) :
			      turned(least(turned(set), turned(kid)));
	}
	return set;
}

/* Posture and condition of a rule. */
static unsigned int rule_set(const struct cd_policy *p,
			     const struct cd_ast_rule *r)
{
	unsigned int set = TRUE;

	if (r->when)
		set = cond_set(p, r->when);
	if (r->from.posture.s.ptr)
		set = least(set, posture_set(p, r->from.posture.s));
	return set;
}

/* ---- subjects ---------------------------------------------------------- */
static unsigned int subject_kind_set(enum cd_ast_subject_kind kind)
{
	switch (kind) {
	case CD_SUBJ_ANY:
	case CD_SUBJ_ANONYMOUS:
		return TRUE;
	case CD_SUBJ_PEOPLE:
	case CD_SUBJ_SERVICE_ACCOUNT:
		return FALSE;
	case CD_SUBJ_USER:
	case CD_SUBJ_GROUP:
		return PERSONAL;
	default:
		return FALSE | TRUE;
	}
}

static unsigned int list_set(const struct cd_ast_subject *items, uint32_t n)
{
	unsigned int none = TRUE;

	for (uint32_t i = 0; i < n; i++)
		none = least(none, turned(subject_kind_set(items[i].kind)));
	return turned(none);
}

/* All that a rule asks but its object. */
static unsigned int visitor_set(const struct cd_policy *p,
				const struct cd_ast_rule *r)
{
	unsigned int who = list_set(r->from.items, r->from.n_items);
	unsigned int except = list_set(r->from.except, r->from.n_except);

	return least(least(who, turned(except)), rule_set(p, r));
}

static bool counts(const struct cd_checker *c, const struct cd_ast_rule *r)
{
	return r->mode != CD_MODE_REPORT && !cd_check_is_over(c, r);
}

/* ---- objects ----------------------------------------------------------- */
static bool is_whole_app(const struct cd_ast_object *o, struct cd_str app)
{
	return o->kind == CD_OBJ_APP && !o->n_methods && !o->path.s.ptr &&
	       cd_str_equal(o->name.s, app);
}

static bool is_spared(const struct cd_ast_objects *to, struct cd_str app)
{
	for (uint32_t i = 0; i < to->n_except; i++)
		if (to->except[i].kind == CD_OBJ_ANY ||
		    is_whole_app(&to->except[i], app))
			return true;
	return false;
}

struct opened {
	const struct cd_ast_rule *any; /* opens every app it does not spare */
	const struct cd_ast_rule **app; /* by number */
};

/* The rule that opens an app, or NULL. */
static const struct cd_ast_rule *opened_by(const struct opened *o,
					   const struct cd_ast *app)
{
	if (o->app[app->number])
		return o->app[app->number];
	return o->any && !is_spared(&o->any->to, app->name.s) ? o->any : NULL;
}

/* Takes an allow that can let in who did not sign in. */
static bool note_opened(const struct cd_checker *c, struct opened *o,
			const struct cd_ast_rule *r)
{
	const struct cd_policy *p = c->policy;

	if (r->deny || !counts(c, r) || !(visitor_set(p, r) & TRUE))
		return false;
	for (uint32_t i = 0; i < r->to.n_items; i++) {
		const struct cd_ast_object *to = &r->to.items[i];
		const struct cd_ast *app;

		if (to->kind == CD_OBJ_ANY && !o->any)
			o->any = r;
		if (to->kind != CD_OBJ_APP || is_spared(&r->to, to->name.s))
			continue;
		app = cd_ast_find(p, CD_AST_APP, to->name.s);
		if (app && !o->app[app->number])
			o->app[app->number] = r;
	}
	return true;
}

/* Could the object be an app by its upstream. */
static bool is_place(const struct cd_ast_object *o)
{
	return o->kind == CD_OBJ_ANY || o->kind == CD_OBJ_HOSTS ||
	       o->kind == CD_OBJ_SEGMENT || o->kind == CD_OBJ_INTERNET;
}

/* The first open app that a deny touches, or NULL. */
static const struct cd_ast *touched(const struct cd_policy *p,
				    const struct opened *o,
				    const struct cd_ast_rule *deny)
{
	for (uint32_t i = 0; i < deny->to.n_items; i++) {
		const struct cd_ast_object *to = &deny->to.items[i];
		const struct cd_ast *app;

		if (to->kind != CD_OBJ_APP)
			continue;
		app = cd_ast_find(p, CD_AST_APP, to->name.s);
		if (app && opened_by(o, app) &&
		    !is_spared(&deny->to, app->name.s))
			return app;
	}
	for (uint32_t i = 0; i < deny->to.n_items; i++)
		for (uint32_t k = 0; is_place(&deny->to.items[i]) &&
				     k < p->n_of_kind[CD_AST_APP];
		     k++) {
			const struct cd_ast *app = p->of_kind[CD_AST_APP][k];

			if (opened_by(o, app) &&
			    !is_spared(&deny->to, app->name.s))
				return app;
		}
	return NULL;
}

static void check_deny(struct cd_checker *c, const struct opened *o,
		       const struct cd_ast_rule *deny)
{
	const struct cd_ast *app;

	if (!deny->deny || !counts(c, deny) ||
	    !(visitor_set(c->policy, deny) & PERSONAL))
		return;
	app = touched(c->policy, o, deny);
	if (app)
		cd_check_warning(
			c, deny->head.span,
			"because of this deny anonymous visitors of app '%.*s' have to sign in, though '%.*s' opens it to them",
			CD_STR_FMT(app->name.s),
			CD_STR_FMT(opened_by(o, app)->head.name.s));
}

void cd_check_open(struct cd_checker *c)
{
	const struct cd_policy *p = c->policy;
	struct opened o = {.app = c->opened};
	bool any = false;

	for (uint32_t i = 0; i < p->n_of_kind[CD_AST_RULE]; i++)
		any |= note_opened(c, &o, cd_ast_rule(p, i));
	for (uint32_t i = 0; any && i < p->n_of_kind[CD_AST_RULE]; i++)
		check_deny(c, &o, cd_ast_rule(p, i));
}
