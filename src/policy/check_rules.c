// SPDX-License-Identifier: Apache-2.0
/*
 * Rules as a whole: can any point on a path decide this, does it do what its
 * author meant; and tests and assertions.
 *
 * A rule is decided at a point when everything it needs is there: an atom
 * about an attribute that the kind of request or the subject never has is
 * absent, an `and` with an absent part is absent, an `or` needs one part that
 * is not (docs/policy-semantics.md). So each kind of request that an object
 * brings is tried with each kind of subject.
 */
#include "policy/checker.h"

#include "base/time.h"

/* ---- what can be decided where ----------------------------------------- */
static bool is_there(enum cd_attr attr, unsigned int kind, unsigned int subject)
{
	const struct cd_attr_row *row = cd_attr_get(attr);

	return row->kinds & kind && row->subjects & subject;
}

static bool can_decide(const struct cd_policy *p,
		       const struct cd_ast_cond *cond, unsigned int kind,
		       unsigned int subject)
{
	const struct cd_ast_posture *posture;
	uint32_t n = 0;

	switch (cond->kind) {
	case CD_COND_AND:
	case CD_COND_OR:
	case CD_COND_NOT:
		for (uint32_t i = 0; i < cond->n_kids; i++)
			n += can_decide(p, cond->kids[i], kind, subject);
		return cond->kind == CD_COND_OR ? n > 0 : n == cond->n_kids;
	case CD_COND_POSTURE:
		posture = (void *)cd_ast_find(p, CD_AST_POSTURE, cond->name.s);
		return !posture || can_decide(p, posture->cond, kind, subject);
	case CD_COND_LABEL:
		return true;
	default:
		return is_there(cond->attr, kind, subject);
	}
}

static unsigned int app_kinds(const struct cd_ast_app *app)
{
	switch (app->kind) {
	case CD_APP_HTTP:
		return CD_KIND_HTTP;
	case CD_APP_TCP:
		return CD_KIND_TLS;
	case CD_APP_UDP:
		return CD_KIND_PACKET;
	default:
		return CD_KIND_SHELL;
	}
}

/* The kinds of request in which an object can be asked for. A deny looks at
 * the upstream of an app too. */
static unsigned int object_kinds(const struct cd_policy *p,
				 const struct cd_ast_object *o, bool deny)
{
	const struct cd_ast_app *app;

	switch (o->kind) {
	case CD_OBJ_ANY:
		return CD_KIND_ALL;
	case CD_OBJ_APP:
		app = (void *)cd_ast_find(p, CD_AST_APP, o->name.s);
		return app ? app_kinds(app) : CD_KIND_ALL;
	case CD_OBJ_DOMAINS:
	case CD_OBJ_CATEGORY:
		return CD_KIND_NAME | CD_KIND_PACKET | CD_KIND_TLS |
		       CD_KIND_HTTP;
	case CD_OBJ_INTERNET:
		return CD_KIND_PACKET | CD_KIND_TLS | (deny ? CD_K_APP : 0u);
	default:
		return CD_KIND_PACKET | (deny ? CD_K_APP : 0u);
	}
}

static unsigned int subject_bits(enum cd_ast_subject_kind kind)
{
	switch (kind) {
	case CD_SUBJ_PEOPLE:
	case CD_SUBJ_USER:
	case CD_SUBJ_GROUP:
		return CD_SUBJECT_PERSON;
	case CD_SUBJ_ANONYMOUS:
		return CD_SUBJECT_ANONYMOUS;
	case CD_SUBJ_SERVICE_ACCOUNT:
		return CD_SUBJECT_HOST;
	default:
		return CD_SUBJECT_ALL;
	}
}

static bool rule_fits(const struct cd_policy *p, const struct cd_ast_rule *r,
		      unsigned int kind, unsigned int subject)
{
	const struct cd_ast_posture *posture = NULL;

	if (r->from.posture.s.ptr)
		posture = (void *)cd_ast_find(p, CD_AST_POSTURE,
					      r->from.posture.s);
	if (posture && !can_decide(p, posture->cond, kind, subject))
		return false;
	if ((r->to.n_ports || r->to.n_services) &&
	    !is_there(CD_ATTR_DST_PORT, kind, subject))
		return false;
	return !r->when || can_decide(p, r->when, kind, subject);
}

/* For each kind of request (a bit), whether the rule can be decided there for
 * some of these subjects. */
static unsigned int fitting_kinds(const struct cd_policy *p,
				  const struct cd_ast_rule *r,
				  unsigned int subjects)
{
	unsigned int kinds = 0;

	for (unsigned int k = 1; k < CD_KIND_ALL; k <<= 1)
		for (unsigned int s = 1; s < CD_SUBJECT_ALL; s <<= 1)
			if (s & subjects && rule_fits(p, r, k, s))
				kinds |= k;
	return kinds;
}

/* The first part of a condition that keeps the rule from being decided. */
static const struct cd_ast_cond *find_obstacle(const struct cd_policy *p,
					       const struct cd_ast_cond *cond,
					       unsigned int kinds,
					       unsigned int subjects)
{
	if (cond->n_kids == 0) {
		for (unsigned int k = 1; k < CD_KIND_ALL; k <<= 1)
			for (unsigned int s = 1; s < CD_SUBJECT_ALL; s <<= 1)
				if (k & kinds && s & subjects &&
				    can_decide(p, cond, k, s))
					return NULL;
		return cond;
	}
	for (uint32_t i = 0; i < cond->n_kids; i++) {
		const struct cd_ast_cond *found =
			find_obstacle(p, cond->kids[i], kinds, subjects);

		if (found)
			return found;
	}
	return NULL;
}

static void no_point(struct cd_checker *c, const struct cd_ast_rule *r,
		     unsigned int kinds, unsigned int subjects)
{
	const struct cd_ast_cond *obstacle = NULL;

	if (r->when)
		obstacle = find_obstacle(c->policy, r->when, kinds, subjects);
	if (obstacle && obstacle->attr != CD_ATTR_NONE)
		cd_check_error(
			c, obstacle->span,
			"no point on a path can decide this rule: what it is about never has %s",
			cd_attr_get(obstacle->attr)->name);
	else
		cd_check_error(
			c, r->head.span,
			"no point on a path can decide this rule: its parts are never known at one place");
}

static void check_points(struct cd_checker *c, const struct cd_ast_rule *r)
{
	unsigned int subjects = 0, all = 0, fitting;

	for (uint32_t i = 0; i < r->from.n_items; i++)
		subjects |= subject_bits(r->from.items[i].kind);
	fitting = fitting_kinds(c->policy, r, subjects);
	for (uint32_t i = 0; i < r->to.n_items; i++)
		all |= object_kinds(c->policy, &r->to.items[i], r->deny);
	if (!(fitting & all)) {
		no_point(c, r, all, subjects);
		return;
	}
	for (uint32_t i = 0; i < r->to.n_items; i++)
		if (!(fitting &
		      object_kinds(c->policy, &r->to.items[i], r->deny)))
			cd_check_warning(
				c, r->to.items[i].span,
				"no point can decide this rule for this object");
}

/* ---- objects ----------------------------------------------------------- */
static void check_object(struct cd_checker *c, const struct cd_ast_object *o)
{
	const struct cd_ast_app *app;

	if (o->kind != CD_OBJ_APP || (!o->n_methods && !o->path.s.ptr))
		return;
	app = (void *)cd_ast_find(c->policy, CD_AST_APP, o->name.s);
	if (app && app->kind != CD_APP_HTTP)
		cd_check_error(
			c, o->span,
			"app '%.*s' is no web app: it has no methods and paths",
			CD_STR_FMT(o->name.s));
}

static void check_object_list(struct cd_checker *c,
			      const struct cd_ast_objects *o)
{
	for (uint32_t i = 0; i < o->n_items; i++)
		check_object(c, &o->items[i]);
	for (uint32_t i = 0; i < o->n_except; i++)
		check_object(c, &o->except[i]);
}

/* ---- rules, postures, tests, assertions -------------------------------- */
static void check_mode(struct cd_checker *c, const struct cd_ast_rule *r)
{
	if (r->mode != CD_MODE_CANARY)
		return;
	if (r->canary == 0)
		cd_check_warning(c, r->mode_span, "canary 0%% never counts");
	else if (r->canary == 100)
		cd_check_warning(c, r->mode_span,
				 "canary 100%% is the same as enforce");
}

bool cd_check_is_over(const struct cd_checker *c, const struct cd_ast_rule *r)
{
	return r->until_given && c->now && c->now / CD_NS_PER_S >= r->until;
}

static void check_rule(struct cd_checker *c, const struct cd_ast_rule *r)
{
	const struct cd_ast_posture *posture;

	check_object_list(c, &r->to);
	check_points(c, r);
	check_mode(c, r);
	if (cd_check_is_over(c, r))
		cd_check_warning(c, r->until_span,
				 "this date is past: the rule counts no more");
	if (r->when)
		cd_check_cond(c, r->when);
	posture = (void *)cd_ast_find(c->policy, CD_AST_POSTURE,
				      r->from.posture.s);
	if (r->when && posture)
		cd_check_conds(c, posture->cond, r->when);
}

static void check_test(struct cd_checker *c, const struct cd_ast_test *t)
{
	bool seen[CD_ATTR_COUNT] = {false};

	check_object_list(c, &t->to);
	if (t->to.items[0].kind == CD_OBJ_ANY)
		cd_check_error(c, t->to.items[0].span,
			       "a test asks for one thing, not for any");
	for (uint32_t i = 0; i < t->n_given; i++) {
		const struct cd_ast_given *g = &t->given[i];

		if (g->attr == CD_ATTR_NONE)
			continue;
		if (seen[g->attr])
			cd_check_error(c, g->span, "%s is given twice",
				       cd_attr_get(g->attr)->name);
		seen[g->attr] = true;
	}
}

void cd_check_rules(struct cd_checker *c)
{
	const struct cd_policy *p = c->policy;

	for (uint32_t i = 0; i < p->n_of_kind[CD_AST_POSTURE]; i++)
		cd_check_cond(c, cd_ast_posture(p, i)->cond);
	for (uint32_t i = 0; i < p->n_of_kind[CD_AST_RULE]; i++)
		check_rule(c, cd_ast_rule(p, i));
	cd_check_open(c);
	for (uint32_t i = 0; i < p->n_of_kind[CD_AST_TEST]; i++)
		check_test(c, cd_ast_test(p, i));
	for (uint32_t i = 0; i < p->n_of_kind[CD_AST_ASSERT]; i++)
		(c->unproved ? cd_check_warning : cd_check_error)(
			c, cd_ast_assert(p, i)->head.span,
			"assert is not available in this version: nothing would prove it");
}
