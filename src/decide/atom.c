/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conditions: the tree walk and one function for each kind of atom. A value
 * that is there is compared; one that is not gives the truth that says why
 * (unknown, absent, curable).
 */
#include "decide/ctx.h"

#include "base/time.h"

#define CD_FACTOR_MAX 3 /* webauthn */

static enum cd_truth truth(bool b)
{
	return b ? CD_T : CD_F;
}

/* Ages that a fresh sign-in makes zero, the factor it makes the best. */
static bool is_cured(const struct cd_eval *e, unsigned int attr,
		     int64_t *ret_value, enum cd_truth *ret_truth)
{
	if (e->look == CD_LOOK_NOW || e->look == CD_LOOK_ATTESTED || e->deny ||
	    e->c->subject == CD_SUBJECT_HOST ||
	    e->c->there[attr] == CD_IS_ABSENT)
		return false;
	*ret_truth = CD_T;
	*ret_value = 0;
	if (attr == CD_ATTR_MFA_AGE || attr == CD_ATTR_SESSION_AGE)
		return true;
	if (attr != CD_ATTR_MFA_KIND)
		return false;
	*ret_value = e->c->r->best_factor;
	if (e->c->subject == CD_SUBJECT_ANONYMOUS || *ret_value < 0)
		*ret_truth = CD_W;
	return true;
}

/* The number of an attribute: CD_T and *ret_value, or why there is none. */
static enum cd_truth get_int(const struct cd_eval *e, unsigned int attr,
			     int64_t *ret_value)
{
	enum cd_truth t;

	if (is_cured(e, attr, ret_value, &t))
		return t;
	if (attr == CD_ATTR_PROTO && e->c->there[attr] == CD_IS_KNOWN) {
		*ret_value = e->c->proto;
		return CD_T;
	}
	if (e->c->there[attr] != CD_IS_KNOWN)
		return cd_there_truth(e->c->there[attr], e->deny, e->look);
	*ret_value = e->c->r->v[attr].u.i;
	return CD_T;
}

static bool order_holds(const struct cd_snap_node *n, int64_t v)
{
	switch (n->cmp) {
	case CD_CMP_LT:
		return v < n->i;
	case CD_CMP_LE:
		return v <= n->i;
	case CD_CMP_GT:
		return v > n->i;
	default:
		return v >= n->i;
	}
}

static bool ints_hold(const struct cd_snapshot *s, const struct cd_snap_node *n,
		      int64_t v)
{
	const struct cd_snap_span8 *p = cd_snap_SPANS8(s) + n->a;

	for (uint32_t i = 0; i < n->n; i++)
		if (p[i].lo <= v && v <= p[i].hi)
			return true;
	return false;
}

static bool int_holds(const struct cd_eval *e, const struct cd_snap_node *n,
		      int64_t v)
{
	return n->op == CD_NODE_ORDER ? order_holds(n, v) :
					ints_hold(e->c->s, n, v);
}

/* A factor that signing in may prove: curable unless every one, or none, would
 * do. */
static enum cd_truth any_factor(const struct cd_eval *e,
				const struct cd_snap_node *n)
{
	bool all = true, some = false;

	for (int64_t v = 0; v <= CD_FACTOR_MAX; v++) {
		bool holds = int_holds(e, n, v);

		all = all && holds;
		some = some || holds;
	}
	return all ? CD_T : some ? CD_W : CD_F;
}

/* The value grows by one a second: notes when it reaches the bound. */
static void recheck_at_bound(const struct cd_eval *e, int64_t v, int64_t bound)
{
	int64_t left, at;

	if (__builtin_sub_overflow(bound, v, &left) || left <= 0 ||
	    left > CD_DURATION_MAX ||
	    __builtin_add_overflow(e->c->now, left * CD_NS_PER_S, &at))
		return;
	cd_ctx_recheck(e->c, at);
}

/* A duration of a device grows with the clock past the atom's bounds. */
static void recheck_growth(const struct cd_eval *e,
			   const struct cd_snap_node *n, int64_t v)
{
	const struct cd_snap_span8 *p = cd_snap_SPANS8(e->c->s) + n->a;

	if (n->op == CD_NODE_ORDER) {
		bool past = n->cmp == CD_CMP_LE || n->cmp == CD_CMP_GT;

		if (n->i < INT64_MAX)
			recheck_at_bound(e, v, n->i + past);
		return;
	}
	for (uint32_t i = 0; i < n->n; i++) {
		recheck_at_bound(e, v, p[i].lo);
		if (p[i].hi < INT64_MAX)
			recheck_at_bound(e, v, p[i].hi + 1);
	}
}

/* A fresh value that will be stale. */
static void recheck_age(const struct cd_eval *e, unsigned int attr)
{
	const struct cd_attr_row *row = &cd_attr_rows[attr];
	const struct cd_value *v = &e->c->r->v[attr];

	if (row->max_age && e->c->there[attr] == CD_IS_KNOWN)
		recheck_at_bound(e, v->age, (int64_t)row->max_age + 1);
}

/* One answer for all destinations, or unknown. */
static enum cd_truth merge(enum cd_truth a, enum cd_truth b, bool first)
{
	return first || a == b ? b : CD_U;
}

static enum cd_truth eval_port(const struct cd_eval *e,
			       const struct cd_snap_node *n)
{
	enum cd_truth t = CD_U;

	for (uint32_t i = 0; i < e->c->n_dest; i++) {
		const struct cd_dest *d = &e->c->dest[i];

		t = merge(t,
			  d->port_there == CD_IS_KNOWN ?
				  truth(int_holds(e, n, d->port)) :
				  cd_there_truth((uint8_t)d->port_there,
						 e->deny, e->look),
			  i == 0);
	}
	return t;
}

static enum cd_truth eval_time_value(const struct cd_eval *e,
				     const struct cd_snap_node *n)
{
	const struct cd_snap_span8 *p = cd_snap_SPANS8(e->c->s) + n->a;
	uint32_t bounds = n->op == CD_NODE_ORDER ? 1 : n->n;

	if (e->c->there[CD_ATTR_TIME] != CD_IS_KNOWN)
		return CD_U;
	for (uint32_t i = 0; i < bounds; i++) {
		int64_t lo = n->op == CD_NODE_ORDER ? n->i : p[i].lo;
		int64_t hi = n->op == CD_NODE_ORDER ? n->i : p[i].hi;

		if (e->c->now < lo)
			cd_ctx_recheck(e->c, lo);
		if (e->c->now <= hi && hi < INT64_MAX)
			cd_ctx_recheck(e->c, hi + 1);
	}
	return truth(int_holds(e, n, e->c->now));
}

static enum cd_truth eval_int(const struct cd_eval *e,
			      const struct cd_snap_node *n)
{
	int64_t v;
	enum cd_truth t;

	if (n->attr == CD_ATTR_DST_PORT)
		return eval_port(e, n);
	if (n->attr == CD_ATTR_TIME)
		return eval_time_value(e, n);
	if (n->attr == CD_ATTR_SUBJECT)
		return e->c->subject ? truth(int_holds(e, n, e->c->subject)) :
				       CD_U;
	t = get_int(e, n->attr, &v);
	if (t == CD_W && n->attr == CD_ATTR_MFA_KIND && !e->deny)
		return any_factor(e, n);
	if (t != CD_T)
		return t;
	if (n->attr == CD_ATTR_DEVICE_OS_AGE && e->c->now)
		recheck_growth(e, n, v);
	return truth(int_holds(e, n, v));
}

static enum cd_truth eval_bool(const struct cd_eval *e,
			       const struct cd_snap_node *n)
{
	uint8_t there = e->c->there[n->attr];

	if (there != CD_IS_KNOWN)
		return cd_there_truth(there, e->deny, e->look);
	return truth(e->c->r->v[n->attr].u.b == (n->i != 0));
}

static bool words_have(const struct cd_snapshot *s,
		       const struct cd_snap_node *n, uint32_t str)
{
	const uint32_t *w = cd_snap_WORDS(s) + n->a;
	uint32_t lo = 0, hi = n->n;

	while (hi - lo > CD_SNAP_SORTED) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (w[mid] <= str)
			lo = mid;
		else
			hi = mid;
	}
	for (; lo < hi; lo++)
		if (w[lo] == str)
			return true;
	return false;
}

static bool like_any(const struct cd_snapshot *s, const struct cd_snap_node *n,
		     struct cd_str text)
{
	const uint32_t *w = cd_snap_WORDS(s) + n->a;

	for (uint32_t i = 0; i < n->n; i++)
		if (cd_glob_match(cd_snap_text(s, w[i]), text))
			return true;
	return false;
}

static bool element_holds(const struct cd_eval *e, const struct cd_snap_node *n,
			  const struct cd_name *name)
{
	if (n->op == CD_NODE_LIKE)
		return like_any(e->c->s, n, name->s);
	return words_have(e->c->s, n, cd_ctx_str(e->c, name));
}

static enum cd_truth eval_str(const struct cd_eval *e,
			      const struct cd_snap_node *n)
{
	const struct cd_value *v = &e->c->r->v[n->attr];
	enum cd_type type = cd_attr_rows[n->attr].type;
	uint8_t there = e->c->there[n->attr];

	if (there != CD_IS_KNOWN)
		return cd_there_truth(there, e->deny, e->look);
	/* Paths are long and few rules compare them whole: looked up here. */
	if (type == CD_T_PATH && n->op == CD_NODE_STRS)
		return truth(element_holds(e, n, &v->u.s));
	if (type == CD_T_SET || type == CD_T_APPROVERS) {
		for (uint32_t i = 0; i < v->n; i++)
			if (element_holds(e, n, &v->u.set[i]))
				return CD_T;
		return CD_F;
	}
	if (n->op == CD_NODE_LIKE)
		return truth(like_any(e->c->s, n, v->u.s.s));
	return truth(e->c->str[n->attr] != CD_NIL &&
		     words_have(e->c->s, n, e->c->str[n->attr]));
}

static bool addr_holds(const struct cd_eval *e, const struct cd_snap_node *n,
		       const struct cd_addr *a)
{
	const struct cd_snapshot *s = e->c->s;

	return cd_spans_have(s,
			     n->op == CD_NODE_FEED ?
				     &cd_snap_FEEDS(s)[n->a].spans :
				     &cd_snap_LISTS(s)[n->a],
			     a);
}

static enum cd_truth addr_truth(const struct cd_eval *e,
				const struct cd_snap_node *n)
{
	enum cd_truth t = CD_U;

	if (n->attr != CD_ATTR_DST_IP) {
		if (e->c->there[n->attr] != CD_IS_KNOWN)
			return cd_there_truth(e->c->there[n->attr], e->deny,
					      e->look);
		return truth(addr_holds(e, n, &e->c->r->v[n->attr].u.addr));
	}
	for (uint32_t i = 0; i < e->c->n_dest; i++) {
		const struct cd_dest *d = &e->c->dest[i];

		t = merge(t,
			  d->addr_there == CD_IS_KNOWN ?
				  truth(addr_holds(e, n, &d->addr)) :
				  cd_there_truth((uint8_t)d->addr_there,
						 e->deny, e->look),
			  i == 0);
	}
	return t;
}

/* Feeds are large and asked by many rules: the answer is kept, for the
 * looks at an allow and for denies alike since it is no curable value. */
static enum cd_truth eval_feed(const struct cd_eval *e,
			       const struct cd_snap_node *n)
{
	bool dst = n->attr != CD_ATTR_SRC_IP;
	uint8_t *memo = NULL;
	enum cd_truth t;

	if (n->attr == CD_ATTR_DST_NAME) {
		if (e->c->there[CD_ATTR_DST_NAME] != CD_IS_KNOWN)
			return cd_there_truth(e->c->there[CD_ATTR_DST_NAME],
					      e->deny, e->look);
		return truth(cd_ctx_name_in(
			e->c, cd_snap_FEEDS(e->c->s)[n->a].names));
	}
	if (n->a < CD_CTX_MEMO)
		memo = &e->c->feed_memo[dst][n->a];
	if (memo && *memo)
		return (enum cd_truth)(*memo - 1);
	t = addr_truth(e, n);
	if (memo)
		*memo = (uint8_t)(1 + t);
	return t;
}

static enum cd_truth eval_label(const struct cd_eval *e,
				const struct cd_snap_node *n, unsigned int side)
{
	const struct cd_side_labels *l = cd_ctx_labels(e->c, side);

	if (l->there != CD_IS_KNOWN)
		return cd_there_truth((uint8_t)l->there, e->deny, e->look);
	for (uint32_t i = 0; i < l->n; i++)
		if (l->key[i] == n->a && l->value[i] == n->n)
			return CD_T;
	return CD_F;
}

static enum cd_truth eval_window(const struct cd_eval *e,
				 const struct cd_snap_node *n)
{
	int64_t turn;
	bool in;

	if (e->c->there[CD_ATTR_TIME] != CD_IS_KNOWN)
		return CD_U;
	in = cd_window_has(e->c->s, &cd_snap_WINDOWS(e->c->s)[n->a], e->c->now,
			   &turn);
	cd_ctx_recheck(e->c, turn);
	return truth(in);
}

static bool name_equal(const struct cd_name *a, const struct cd_name *b)
{
	return cd_str_equal(a->s, b->s);
}

/* Names beyond what the atom can ask for are not looked at. */
#define APPROVERS_MAX 64

static enum cd_truth eval_approval(const struct cd_eval *e,
				   const struct cd_snap_node *n)
{
	const struct cd_snap_group *g = &cd_snap_GROUPS(e->c->s)[n->a];
	const struct cd_value *v = &e->c->r->v[CD_ATTR_APPROVAL];
	const struct cd_value *user = &e->c->r->v[CD_ATTR_USER_NAME];
	bool users_only = g->by_users && !g->by_groups;
	uint32_t count = 0, max = CD_MIN(v->n, APPROVERS_MAX);

	if (e->c->there[CD_ATTR_APPROVAL] == CD_IS_ABSENT)
		return CD_N;
	if (e->look == CD_LOOK_APPROVED)
		return CD_T;
	if (e->c->there[CD_ATTR_APPROVAL] != CD_IS_KNOWN ||
	    e->c->there[CD_ATTR_USER_NAME] != CD_IS_KNOWN)
		return CD_U;
	for (uint32_t i = 0; i < max; i++) {
		const struct cd_name *a = &v->u.set[i];
		bool counts = !name_equal(a, &user->u.s);

		for (uint32_t j = 0; j < i && counts; j++)
			counts = !name_equal(a, &v->u.set[j]);
		if (counts && users_only)
			counts = cd_group_has_user(e->c->s, n->a,
						   cd_snap_find(e->c->s, a->s,
								a->hash));
		count += counts;
	}
	return truth(count >= n->n);
}

static enum cd_truth eval_plain(const struct cd_eval *e,
				const struct cd_snap_node *n)
{
	switch (n->op) {
	case CD_NODE_BOOL:
		return eval_bool(e, n);
	case CD_NODE_ORDER:
	case CD_NODE_INTS:
		return eval_int(e, n);
	case CD_NODE_STRS:
	case CD_NODE_LIKE:
		return eval_str(e, n);
	case CD_NODE_ADDRS:
		return addr_truth(e, n);
	case CD_NODE_FEED:
		return eval_feed(e, n);
	case CD_NODE_LABEL:
		return eval_label(e, n, n->attr == CD_ATTR_DST_LABELS);
	case CD_NODE_TIME:
		return eval_window(e, n);
	default:
		return eval_approval(e, n);
	}
}

static enum cd_truth ask_atom(const struct cd_eval *e,
			      const struct cd_snap_node *n)
{
	enum cd_truth t = eval_plain(e, n);

	recheck_age(e, n->attr);
	return n->flags & CD_NODE_NEGATED ? cd_not(t) : t;
}

/* Rules repeat each other's atoms: each is asked once in a decision. */
enum cd_truth cd_eval_atom(const struct cd_eval *e,
			   const struct cd_snap_node *n)
{
	unsigned int column = e->deny ? 3 : (unsigned int)e->look;
	uint32_t slot = n->same & (CD_CTX_ATOMS - 1);
	enum cd_truth t;

	if (e->look == CD_LOOK_ATTESTED) /* asked once a challenge, if at all */
		return ask_atom(e, n);
	if (e->c->memo[slot].node == n->same + 1) {
		if (e->c->memo[slot].truth[column])
			return (enum cd_truth)(e->c->memo[slot].truth[column] -
					       1);
	} else {
		e->c->memo[slot].node = n->same + 1;
		memset(e->c->memo[slot].truth, 0, 4);
	}
	t = ask_atom(e, n);
	e->c->memo[slot].truth[column] = (uint8_t)(1 + t);
	return t;
}

static enum cd_truth eval_kids(const struct cd_eval *e, uint32_t root,
			       int side);

/* side: -1 a condition, else a selector over that side's labels. */
static enum cd_truth eval_node(const struct cd_eval *e, uint32_t at, int side)
{
	const struct cd_snap_node *n = &cd_snap_NODES(e->c->s)[at];

	if (n->op == CD_NODE_NOT) {
		struct cd_eval inner = *e;

		inner.negated = !e->negated;
		return cd_not(eval_node(&inner, at + 1, side));
	}
	if (n->op < CD_NODE_NOT)
		return eval_kids(e, at, side);
	if (side >= 0)
		return eval_label(e, n, (unsigned int)side);
	return cd_eval_atom(e, n);
}

static enum cd_truth eval_kids(const struct cd_eval *e, uint32_t root, int side)
{
	const struct cd_snap_node *nodes = cd_snap_NODES(e->c->s);
	bool is_and = nodes[root].op == CD_NODE_AND;
	enum cd_truth t = is_and ? CD_T : CD_F, stop = is_and ? CD_F : CD_T;

	for (uint32_t i = root + 1; i < nodes[root].end && t != stop;
	     i = nodes[i].end) {
		enum cd_truth kid = eval_node(e, i, side);

		t = is_and ? cd_and(e, t, kid) : cd_or(e, t, kid);
	}
	return t;
}

enum cd_truth cd_eval_tree(const struct cd_eval *e, uint32_t root)
{
	return eval_node(e, root, -1);
}

enum cd_truth cd_eval_selector(const struct cd_eval *e, uint32_t root,
			       unsigned int side)
{
	return eval_node(e, root, (int)side);
}
