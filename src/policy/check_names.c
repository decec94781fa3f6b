// SPDX-License-Identifier: Apache-2.0
/*
 * References. Groups and people live in the directory, which a checker
 * cannot see; everything else a rule names has to be defined in the policy.
 */
#include "policy/checker.h"

#define SUGGESTIONS_MAX CD_DIAG_MAX

/* The nearest name of a kind, or how to give one. Costs a pass over all of them, therefore only
 * for as many messages as are kept. */
static void suggest(struct cd_checker *c, enum cd_ast_kind kind,
		    struct cd_str name)
{
	const struct cd_policy *policy = c->policy;
	unsigned int best = name.len < 4 ? 2 : 3;
	const struct cd_ast *nearest = NULL;

	if (c->suggestions++ >= SUGGESTIONS_MAX)
		return;
	for (uint32_t i = 0; i < policy->n_of_kind[kind]; i++) {
		const struct cd_ast *s = policy->of_kind[kind][i];
		unsigned int d = cd_str_distance(name, s->name.s, best);

		if (d < best) {
			best = d;
			nearest = s;
		}
	}
	if (nearest && best < name.len)
		cd_diag_hint(c->diag, "did you mean '%.*s'?",
			     CD_STR_FMT(nearest->name.s));
	else if (kind != CD_AST_RULE)
		cd_diag_hint(c->diag,
			     "a statement that begins '%s %.*s' defines it",
			     cd_ast_kind_word(kind), CD_STR_FMT(name));
}

struct cd_ast *cd_check_ref(struct cd_checker *c, enum cd_ast_kind kind,
			    const struct cd_ast_name *name)
{
	struct cd_ast *s = cd_ast_find(c->policy, kind, name->s);
	char quoted[CD_MAX_NAME];

	if (s) {
		c->used[kind][s->number] = 1;
		return s;
	}
	cd_check_error(c, name->span, "there is no %s %s",
		       cd_ast_kind_word(kind),
		       cd_quote(name->s, quoted, sizeof(quoted)));
	suggest(c, kind, name->s);
	return NULL;
}

/* A group that the policy defines; others are the directory's. */
static void use_group(struct cd_checker *c, struct cd_str name)
{
	const struct cd_ast *s = cd_ast_find(c->policy, CD_AST_GROUP, name);

	if (s)
		c->used[CD_AST_GROUP][s->number] = 1;
}

/* ---- conditions -------------------------------------------------------- */
static void check_approval(struct cd_checker *c, const struct cd_ast_cond *cond)
{
	const struct cd_ast_group *g =
		(void *)cd_ast_find(c->policy, CD_AST_GROUP, cond->name.s);

	use_group(c, cond->name.s);
	if (!g || g->n_members >= cond->count)
		return;
	for (uint32_t i = 0; i < g->n_members; i++)
		if (g->members[i].is_group)
			return;
	cd_check_warning(
		c, cond->span,
		"this can never hold: group '%.*s' has %u members, %u have to approve",
		CD_STR_FMT(cond->name.s), g->n_members, cond->count);
}

static void check_app_values(struct cd_checker *c,
			     const struct cd_ast_value *values, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct cd_ast_name name = {values[i].s, values[i].span};

		cd_check_ref(c, CD_AST_APP, &name);
	}
}

static void check_cond_names(struct cd_checker *c,
			     const struct cd_ast_cond *cond)
{
	for (uint32_t i = 0; i < cond->n_kids; i++)
		check_cond_names(c, cond->kids[i]);
	switch (cond->kind) {
	case CD_COND_FEED:
		cd_check_ref(c, CD_AST_FEED, &cond->name);
		break;
	case CD_COND_POSTURE:
		cd_check_ref(c, CD_AST_POSTURE, &cond->name);
		break;
	case CD_COND_APPROVAL:
		check_approval(c, cond);
		break;
	case CD_COND_COMPARE:
		if (cond->attr == CD_ATTR_APP)
			check_app_values(c, cond->values, cond->n_values);
		else if (cond->attr == CD_ATTR_USER_GROUPS)
			use_group(c, cond->values[0].s);
		break;
	default:
		break;
	}
}

/* ---- subjects and objects ---------------------------------------------- */
static void check_subject_list(struct cd_checker *c,
			       const struct cd_ast_subject *items, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct cd_ast_subject *s = &items[i];

		if (s->kind == CD_SUBJ_GROUP)
			use_group(c, s->name.s);
		else if (s->kind == CD_SUBJ_HOSTS)
			cd_check_ref(c, CD_AST_HOSTS, &s->name);
		else if (s->kind == CD_SUBJ_SEGMENT)
			cd_check_ref(c, CD_AST_SEGMENT, &s->name);
	}
}

static void check_subjects(struct cd_checker *c,
			   const struct cd_ast_subjects *s)
{
	check_subject_list(c, s->items, s->n_items);
	check_subject_list(c, s->except, s->n_except);
	if (s->posture.s.ptr)
		cd_check_ref(c, CD_AST_POSTURE, &s->posture);
}

static void check_object_list(struct cd_checker *c,
			      const struct cd_ast_object *items, uint32_t n)
{
	static const enum cd_ast_kind kinds[CD_OBJ_KINDS] = {
		[CD_OBJ_APP] = CD_AST_APP,
		[CD_OBJ_HOSTS] = CD_AST_HOSTS,
		[CD_OBJ_SEGMENT] = CD_AST_SEGMENT,
		[CD_OBJ_DOMAINS] = CD_AST_DOMAINS,
		[CD_OBJ_CATEGORY] = CD_AST_FEED,
	};

	for (uint32_t i = 0; i < n; i++)
		if (items[i].kind >= CD_OBJ_APP)
			cd_check_ref(c, kinds[items[i].kind], &items[i].name);
}

static void check_objects(struct cd_checker *c, const struct cd_ast_objects *o)
{
	uint32_t n;

	check_object_list(c, o->items, o->n_items);
	check_object_list(c, o->except, o->n_except);
	for (uint32_t i = 0; i < o->n_services; i++)
		if (cd_ast_find(c->policy, CD_AST_SERVICE, o->services[i].s) ||
		    !cd_ast_builtin_service(o->services[i].s, &n))
			cd_check_ref(c, CD_AST_SERVICE, &o->services[i]);
}

/* ---- statements -------------------------------------------------------- */
static void check_rule_names(struct cd_checker *c,
			     const struct cd_ast_rule *rule)
{
	check_subjects(c, &rule->from);
	check_objects(c, &rule->to);
	if (rule->when)
		check_cond_names(c, rule->when);
}

static void check_given_names(struct cd_checker *c,
			      const struct cd_ast_given *g)
{
	if (g->attr == CD_ATTR_NONE)
		cd_check_ref(c, CD_AST_POSTURE, &g->posture);
	else if (g->attr == CD_ATTR_APP)
		check_app_values(c, g->values, g->n_values);
}

static void check_test_names(struct cd_checker *c, const struct cd_ast_test *t)
{
	for (uint32_t i = 0; i < t->n_given; i++)
		check_given_names(c, &t->given[i]);
	check_objects(c, &t->to);
	if (t->by.s.ptr)
		cd_check_ref(c, CD_AST_RULE, &t->by);
}

static void check_group_names(struct cd_checker *c,
			      const struct cd_ast_group *g)
{
	for (uint32_t i = 0; i < g->n_members; i++)
		if (g->members[i].is_group)
			use_group(c, g->members[i].name.s);
}

void cd_check_names(struct cd_checker *c)
{
	const struct cd_policy *p = c->policy;

	for (uint32_t i = 0; i < p->n_of_kind[CD_AST_SEGMENT]; i++)
		if (cd_ast_segment(p, i)->parent.s.ptr)
			cd_check_ref(c, CD_AST_SEGMENT,
				     &cd_ast_segment(p, i)->parent);
	for (uint32_t i = 0; i < p->n_of_kind[CD_AST_GROUP]; i++)
		check_group_names(c, cd_ast_group(p, i));
	for (uint32_t i = 0; i < p->n_of_kind[CD_AST_POSTURE]; i++)
		check_cond_names(c, cd_ast_posture(p, i)->cond);
	for (uint32_t i = 0; i < p->n_of_kind[CD_AST_RULE]; i++)
		check_rule_names(c, cd_ast_rule(p, i));
	for (uint32_t i = 0; i < p->n_of_kind[CD_AST_TEST]; i++)
		check_test_names(c, cd_ast_test(p, i));
	for (uint32_t i = 0; i < p->n_of_kind[CD_AST_ASSERT]; i++) {
		check_subjects(c, &cd_ast_assert(p, i)->from);
		check_objects(c, &cd_ast_assert(p, i)->to);
	}
}

/* Is everything allowed to somebody, so that no app goes unnamed? */
static bool allows_any(const struct cd_policy *p)
{
	for (uint32_t i = 0; i < p->n_of_kind[CD_AST_RULE]; i++) {
		const struct cd_ast_rule *r = cd_ast_rule(p, i);

		for (uint32_t k = 0; !r->deny && k < r->to.n_items; k++)
			if (r->to.items[k].kind == CD_OBJ_ANY)
				return true;
	}
	return false;
}

/* A segment says what an address is, whether a rule names it or not. */
void cd_check_unused(struct cd_checker *c)
{
	static const enum cd_ast_kind kinds[] = {
		CD_AST_HOSTS, CD_AST_GROUP,   CD_AST_SERVICE, CD_AST_DOMAINS,
		CD_AST_FEED,  CD_AST_POSTURE, CD_AST_APP,
	};
	const struct cd_policy *p = c->policy;
	bool any = allows_any(p);

	for (size_t k = 0; k < CD_ARRAY_SIZE(kinds); k++)
		for (uint32_t i = 0; i < p->n_of_kind[kinds[k]]; i++) {
			const struct cd_ast *s = p->of_kind[kinds[k]][i];

			if (c->used[kinds[k]][i] ||
			    (any && s->kind == CD_AST_APP))
				continue;
			cd_check_warning(c, s->name.span,
					 "%s '%.*s' is used nowhere",
					 cd_ast_kind_word(s->kind),
					 CD_STR_FMT(s->name.s));
		}
}
