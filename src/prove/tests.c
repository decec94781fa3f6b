/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The `test` statements of a policy, asked of its own snapshot through the
 * same cd_decide() as everything else. What a test does not give is unknown;
 * the kind of the request follows from the object the test names.
 */
#include <cordon/policy.h>

#include "base/str.h"
#include "prove/solve.h"

#define ARENA_MAX ((size_t)4 << 20) /* one test's values */

static const uint8_t kind_of_app[] = {
	[CD_APP_HTTP] = CD_KIND_HTTP, [CD_APP_TCP] = CD_KIND_TLS,
	[CD_APP_UDP] = CD_KIND_TLS,   [CD_APP_SSH] = CD_KIND_SHELL,
	[CD_APP_RDP] = CD_KIND_SHELL,
};

/* ---- what the test gives ----------------------------------------------- */
static void give(struct cd_solve *s, const struct cd_ast_given *g)
{
	const struct cd_ast *p;

	if (g->attr != CD_ATTR_NONE) {
		cd_solve_values(s, g->attr, g->values, g->n_values);
		return;
	}
	p = cd_ast_find(s->policy, CD_AST_POSTURE, g->posture.s);
	if (p)
		cd_solve_cond(
			s,
			((const struct cd_ast_posture *)(const void *)p)->cond,
			true);
	else
		s->err = CD_E_NOTFOUND;
}

/* ---- what the test asks for -------------------------------------------- */
static void to_app(struct cd_solve *s, const struct cd_ast_object *o)
{
	struct cd_request *r = s->request;
	const struct cd_ast *a = cd_ast_find(s->policy, CD_AST_APP, o->name.s);

	if (!a) {
		s->err = CD_E_NOTFOUND;
		return;
	}
	r->kind =
		kind_of_app[((const struct cd_ast_app *)(const void *)a)->kind];
	cd_request_set_str(r, CD_ATTR_APP, o->name.s);
	if (o->n_methods)
		cd_request_set_str(r, CD_ATTR_HTTP_METHOD, o->methods[0].s);
	if (o->path.s.ptr)
		cd_request_set_str(r, CD_ATTR_HTTP_PATH, o->path.s);
}

static void to_hosts(struct cd_solve *s, const struct cd_ast_object *o)
{
	const struct cd_ast *h =
		cd_ast_find(s->policy, CD_AST_HOSTS, o->name.s);

	s->request->kind = CD_KIND_PACKET;
	if (!h) {
		s->err = CD_E_NOTFOUND;
		return;
	}
	if (s->request->v[CD_ATTR_DST_LABELS].state == CD_KNOWN)
		return;
	cd_solve_cond(s, ((const struct cd_ast_hosts *)(const void *)h)->where,
		      true);
	cd_solve_finish(s);
	if (s->n_labels == 0) /* `not tier=web` alone: a host without labels */
		cd_request_set_labels(s->request, CD_ATTR_DST_LABELS, NULL, 0);
}

static void to_segment(struct cd_solve *s, const struct cd_ast_object *o)
{
	const struct cd_ast *g =
		cd_ast_find(s->policy, CD_AST_SEGMENT, o->name.s);
	const struct cd_ast_segment *seg = (const void *)g;

	s->request->kind = CD_KIND_PACKET;
	if (!g)
		s->err = CD_E_NOTFOUND;
	else if (s->request->v[CD_ATTR_DST_IP].state != CD_KNOWN)
		cd_request_set_addr(s->request, CD_ATTR_DST_IP,
				    seg->prefixes[0].addr);
}

static void to_domains(struct cd_solve *s, const struct cd_ast_object *o)
{
	const struct cd_ast *d =
		cd_ast_find(s->policy, CD_AST_DOMAINS, o->name.s);
	const struct cd_ast_domains *list = (const void *)d;
	const struct cd_ast_domain *first;
	struct cd_str name;
	char *p;

	s->request->kind = CD_KIND_NAME;
	if (!d || s->request->v[CD_ATTR_DST_NAME].state == CD_KNOWN)
		return;
	first = &list->names[0];
	name = first->name;
	if (first->wildcard) {
		p = cd_arena_alloc(s->arena, name.len + 3);
		if (!p) {
			s->err = -ENOMEM;
			return;
		}
		memcpy(p, "x.", 2);
		memcpy(p + 2, name.ptr, name.len);
		name = cd_str_make(p, name.len + 2);
	}
	cd_request_set_str(s->request, CD_ATTR_DST_NAME, name);
}

/* 1.1.1.1: an address that no documentation or private range holds. */
static void to_internet(struct cd_solve *s)
{
	struct cd_addr a = {.family = 4, .bytes = {1, 1, 1, 1}};

	s->request->kind = CD_KIND_PACKET;
	if (s->request->v[CD_ATTR_DST_IP].state != CD_KNOWN)
		cd_request_set_addr(s->request, CD_ATTR_DST_IP, a);
}

static void to_ports(struct cd_solve *s, const struct cd_ast_objects *to)
{
	const struct cd_ast_port *p = to->ports;
	uint32_t n = to->n_ports;

	if (!n && to->n_services)
		p = cd_ast_service_ports(s->policy, to->services[0].s, &n);
	if (!p || !n || p->proto == 0)
		return;
	cd_request_set_int(s->request, CD_ATTR_PROTO, p->proto);
	if (p->proto == 6 || p->proto == 17)
		cd_request_set_int(s->request, CD_ATTR_DST_PORT, p->lo);
}

static void ask_for(struct cd_solve *s, const struct cd_ast_objects *to)
{
	const struct cd_ast_object *o = &to->items[0];

	switch (o->kind) {
	case CD_OBJ_APP:
		to_app(s, o);
		break;
	case CD_OBJ_HOSTS:
		to_hosts(s, o);
		break;
	case CD_OBJ_SEGMENT:
		to_segment(s, o);
		break;
	case CD_OBJ_DOMAINS:
		to_domains(s, o);
		break;
	case CD_OBJ_INTERNET:
		to_internet(s);
		break;
	default: /* any: nothing is said about the destination */
		break;
	}
	to_ports(s, to);
}

/* ---- the outcome ------------------------------------------------------- */
static bool is_expected(const struct cd_ast_test *t,
			const struct cd_snapshot *snapshot,
			const struct cd_decision *d)
{
	if (d->verdict != (uint8_t)t->expect)
		return false;
	return !t->by.s.ptr ||
	       cd_str_equal(t->by.s, cd_rule_name(snapshot, d->rule));
}

static void explain(const struct cd_policy *policy, const struct cd_ast_test *t,
		    const struct cd_snapshot *snapshot,
		    const struct cd_request *r, const struct cd_decision *d,
		    struct cd_diag *diag)
{
	struct cd_str rule = cd_rule_name(snapshot, d->rule);
	char need[200], have[200];

	cd_ast_diag(policy, diag, CD_ERROR, t->head.span,
		    "test \"%.*s\" expects %s%s%.*s%s and gets %s%s%.*s%s: %s",
		    CD_STR_FMT(t->head.name.s), cd_verdict_name(t->expect),
		    t->by.s.ptr ? " by \"" : "", CD_STR_FMT(t->by.s),
		    t->by.s.ptr ? "\"" : "",
		    cd_verdict_name((enum cd_verdict)d->verdict),
		    rule.len ? " by \"" : "", CD_STR_FMT(rule),
		    rule.len ? "\"" : "",
		    cd_reason_text((enum cd_reason)d->reason));
	if (d->n_failed == 0 || d->failed[0].attr >= CD_ATTR_COUNT)
		return;
	cd_failure_need(snapshot, &d->failed[0], CD_FOR_ADMIN, need,
			sizeof(need));
	cd_failure_have(snapshot, r, &d->failed[0], CD_FOR_ADMIN, have,
			sizeof(have));
	cd_diag_hint(diag, "%s: needs %s, has %s",
		     cd_attr_get((enum cd_attr)d->failed[0].attr)->name, need,
		     have);
}

static int run_one(const struct cd_policy *policy,
		   const struct cd_snapshot *snapshot, int64_t now,
		   const struct cd_ast_test *t, struct cd_diag *diag,
		   struct cd_test_result *result)
{
	struct cd_arena *arena cd_auto(cd_arena_free) = NULL;
	struct cd_request r;
	struct cd_solve s = {.policy = policy,
			     .request = &r,
			     .labels_of = CD_ATTR_DST_LABELS};
	struct cd_decision d;
	int err = cd_arena_new(ARENA_MAX, &arena);

	if (err)
		return err;
	s.arena = arena;
	cd_request_init(&r);
	cd_request_set_int(&r, CD_ATTR_TIME, t->at_given ? t->at : now);
	for (uint32_t i = 0; i < t->n_given; i++)
		give(&s, &t->given[i]);
	ask_for(&s, &t->to);
	if (s.err)
		return s.err;
	d = cd_decide(snapshot, &r);
	if (is_expected(t, snapshot, &d)) {
		result->passed++;
	} else {
		result->failed++;
		explain(policy, t, snapshot, &r, &d, diag);
	}
	return 0;
}

int cd_policy_run_tests(const struct cd_policy *policy,
			const struct cd_snapshot *snapshot, int64_t now,
			struct cd_diag *diag, struct cd_test_result *ret)
{
	struct cd_test_result result = {0};
	int err = 0;

	for (uint32_t i = 0; !err && i < policy->n_of_kind[CD_AST_TEST]; i++)
		err = run_one(policy, snapshot, now, cd_ast_test(policy, i),
			      diag, &result);
	if (err)
		return err;
	*ret = result;
	return result.failed ? CD_E_CHECK : 0;
}
