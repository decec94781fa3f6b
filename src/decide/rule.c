/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rule is the `and` of its clauses. The clauses that no cure changes come
 * first and are evaluated once for all looks; most rules end there.
 */
#include "decide/rule.h"

#include "base/time.h"

static enum cd_truth life(const struct cd_eval *e, const struct cd_snap_rule *r)
{
	int64_t end;

	if (r->until == INT64_MAX)
		return CD_T;
	if (e->c->there[CD_ATTR_TIME] != CD_IS_KNOWN)
		return CD_U;
	end = r->until * CD_NS_PER_S;
	if (e->c->now >= end)
		return CD_F;
	cd_ctx_recheck(e->c, end);
	return CD_T;
}

static enum cd_truth except(const struct cd_eval *e, uint32_t first, uint32_t n,
			    bool object)
{
	struct cd_eval inner = *e;

	if (n == 0)
		return CD_T;
	inner.except = true;
	inner.negated = !e->negated;
	return cd_not(cd_eval_list(&inner, first, n, object));
}

enum cd_truth cd_rule_clause(const struct cd_eval *e,
			     const struct cd_snap_rule *r,
			     enum cd_clause clause)
{
	switch (clause) {
	case CD_CLAUSE_SUBJECT:
		return cd_eval_list(e, r->from_first, r->from_n, false);
	case CD_CLAUSE_SUBJECT_EXCEPT:
		return except(e, r->from_except_first, r->from_except_n, false);
	case CD_CLAUSE_OBJECT:
		return cd_eval_list(e, r->to_first, r->to_n, true);
	case CD_CLAUSE_OBJECT_EXCEPT:
		return except(e, r->to_except_first, r->to_except_n, true);
	case CD_CLAUSE_PORTS:
		return r->port_n ? cd_eval_ports(e, r->port_first, r->port_n) :
				   CD_T;
	case CD_CLAUSE_LIFE:
		return life(e, r);
	default:
		return r->capabilities & ~e->c->r->capabilities ? CD_F : CD_T;
	}
}

/* Most rules have one subject and one object and no other such clause. */
static enum cd_truth plain_base(const struct cd_eval *e,
				const struct cd_snap_rule *r)
{
	const struct cd_snap_item *items = cd_snap_ITEMS(e->c->s);
	enum cd_truth t = cd_eval_subject(e, &items[r->from_first]);

	if (t == CD_F)
		return t;
	return cd_and(e, t, cd_eval_object(e, &items[r->to_first]));
}

enum cd_truth cd_rule_base(const struct cd_eval *e,
			   const struct cd_snap_rule *r)
{
	enum cd_truth t = CD_T;

	if (r->flags & CD_RULE_PLAIN)
		return plain_base(e, r);
	for (int i = CD_CLAUSE_SUBJECT; i <= CD_CLAUSE_OBLIGATIONS; i++) {
		t = cd_and(e, t, cd_rule_clause(e, r, (enum cd_clause)i));
		if (t == CD_F)
			break;
	}
	return t;
}

enum cd_truth cd_rule_truth(const struct cd_eval *e,
			    const struct cd_snap_rule *r, enum cd_truth base)
{
	enum cd_truth t = base;

	if (t != CD_F && r->when != CD_NIL)
		t = cd_and(e, t, cd_eval_tree(e, r->when));
	if (t != CD_F && r->posture != CD_NIL)
		t = cd_and(e, t, cd_eval_tree(e, r->posture));
	return t;
}

bool cd_ctx_is_followed(const struct cd_ctx *c)
{
	if (c->kind == CD_KIND_NAME)
		return true;
	return c->kind == CD_KIND_TLS && c->app_there == CD_IS_KNOWN &&
	       c->app != CD_NIL &&
	       cd_snap_APPS(c->s)[c->app].kind == CD_APP_HTTP;
}
