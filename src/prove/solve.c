/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Choosing values. Each operator has one obvious choice on either side of its
 * bound; what the language cannot express needs no choice.
 */
#include "prove/solve.h"

#include "base/str.h"

#define POSTURE_DEPTH 32

static bool is_string(enum cd_type type)
{
	return type == CD_T_STRING || type == CD_T_COUNTRY ||
	       type == CD_T_NAME || type == CD_T_PATH || type == CD_T_METHOD ||
	       type == CD_T_APP;
}

static void set_names(struct cd_solve *s, enum cd_attr attr,
		      const struct cd_ast_value *values, uint32_t n)
{
	struct cd_name *names =
		cd_arena_array(s->arena, CD_MAX(n, 1u), sizeof(*names));

	if (!names) {
		s->err = -ENOMEM;
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		names[i] = cd_name_make(values[i].s);
	cd_request_set_names(s->request, attr, names, n);
}

static void add_label(struct cd_solve *s, struct cd_str key,
		      struct cd_str value)
{
	uint32_t i = 0;

	while (i < s->n_labels && !cd_str_equal(s->labels[i].key.s, key))
		i++;
	if (i == CD_SOLVE_LABELS) {
		s->err = CD_E_LIMIT;
		return;
	}
	s->labels[i].key = cd_name_make(key);
	s->labels[i].value = cd_name_make(value);
	s->n_labels = CD_MAX(s->n_labels, i + 1);
}

static void set_labels(struct cd_solve *s, enum cd_attr attr,
		       const struct cd_ast_value *values, uint32_t n)
{
	struct cd_label *l =
		cd_arena_array(s->arena, CD_MAX(n, 1u), sizeof(*l));

	if (!l) {
		s->err = -ENOMEM;
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		l[i].key = cd_name_make(values[i].s);
		l[i].value = cd_name_make(values[i].s2);
	}
	cd_request_set_labels(s->request, attr, l, n);
}

void cd_solve_values(struct cd_solve *s, enum cd_attr attr,
		     const struct cd_ast_value *values, uint32_t n)
{
	enum cd_type type = cd_attr_get(attr)->type;

	if (type == CD_T_SET || type == CD_T_APPROVERS)
		set_names(s, attr, values, n);
	else if (type == CD_T_LABELS)
		set_labels(s, attr, values, n);
	else if (type == CD_T_ADDR)
		cd_request_set_addr(s->request, attr, values[0].addr);
	else if (is_string(type))
		cd_request_set_str(s->request, attr, values[0].s);
	else if (type == CD_T_BOOL)
		cd_request_set_bool(s->request, attr, values[0].i != 0);
	else
		cd_request_set_int(s->request, attr, values[0].i);
}

/* A value other than this one, of the same type. */
static struct cd_ast_value other_value(const struct cd_ast_value *v)
{
	struct cd_ast_value o = *v;

	if (is_string(v->type) || v->type == CD_T_SET)
		o.s = cd_str_equal(v->s, CD_STR("-")) ? CD_STR("--") :
							CD_STR("-");
	else if (v->type == CD_T_ADDR)
		o.addr.bytes[0] ^= 0x80;
	else
		o.i = v->i > 0 ? v->i - 1 : v->i + 1;
	return o;
}

/* `like`: the pattern with each '*' standing for nothing. */
static struct cd_ast_value like_value(struct cd_solve *s,
				      const struct cd_ast_value *v)
{
	struct cd_ast_value o = *v;
	char *p = cd_arena_alloc(s->arena, v->s.len + 1);
	size_t n = 0;

	if (!p) {
		s->err = -ENOMEM;
		return o;
	}
	for (size_t i = 0; i < v->s.len; i++)
		if (v->s.ptr[i] != '*')
			p[n++] = v->s.ptr[i];
	o.s = cd_str_make(p, n);
	return o;
}

static enum cd_ast_op negate(enum cd_ast_op op)
{
	switch (op) {
	case CD_OP_EQ:
		return CD_OP_NE;
	case CD_OP_NE:
		return CD_OP_EQ;
	case CD_OP_LT:
		return CD_OP_GE;
	case CD_OP_GE:
		return CD_OP_LT;
	case CD_OP_GT:
		return CD_OP_LE;
	case CD_OP_LE:
		return CD_OP_GT;
	case CD_OP_IN:
		return CD_OP_NOT_IN;
	case CD_OP_NOT_IN:
		return CD_OP_IN;
	default:
		return op;
	}
}

/* Ages count from 0 upwards: the best age below a bound is none at all. */
static struct cd_ast_value ordered(const struct cd_ast_value *v,
				   enum cd_ast_op op)
{
	struct cd_ast_value o = *v;

	if (op == CD_OP_LT)
		o.i = v->type == CD_T_DURATION ? 0 : v->i - 1;
	else if (op == CD_OP_LE && v->type == CD_T_DURATION)
		o.i = 0;
	else if (op == CD_OP_GT)
		o.i = v->i + 1;
	return o;
}

static void solve_compare(struct cd_solve *s, const struct cd_ast_cond *c,
			  bool want)
{
	const struct cd_ast_value *v = &c->values[0];
	enum cd_ast_op op = want ? c->op : negate(c->op);
	struct cd_ast_value o;

	switch (op) {
	case CD_OP_EQ:
	case CD_OP_IN:
		o = *v;
		break;
	case CD_OP_NE:
	case CD_OP_NOT_IN:
		o = other_value(v);
		break;
	case CD_OP_LIKE:
		o = want ? like_value(s, v) : other_value(v);
		break;
	case CD_OP_HAS:
		cd_solve_values(s, c->attr, v, want ? c->n_values : 0);
		return;
	default:
		o = ordered(v, op);
	}
	cd_solve_values(s, c->attr, &o, 1);
}

static void solve_label(struct cd_solve *s, const struct cd_ast_cond *c,
			bool want)
{
	const struct cd_ast_value *v = &c->values[0];

	/* a label that is not there is as good as one with another value */
	if (want)
		add_label(s, v->s, v->s2);
}

static void solve(struct cd_solve *s, const struct cd_ast_cond *c, bool want,
		  unsigned int depth);

static void solve_kids(struct cd_solve *s, const struct cd_ast_cond *c,
		       bool want, unsigned int depth)
{
	/* `and` wants all true; to fail it one false part is enough */
	bool all = (c->kind == CD_COND_AND) == want;
	uint32_t n = all ? c->n_kids : 1;

	for (uint32_t i = 0; i < n; i++)
		solve(s, c->kids[i], want, depth + 1);
}

static void solve_posture(struct cd_solve *s, const struct cd_ast_cond *c,
			  bool want, unsigned int depth)
{
	const struct cd_ast *p =
		cd_ast_find(s->policy, CD_AST_POSTURE, c->name.s);

	if (!p || depth > POSTURE_DEPTH)
		s->err = p ? CD_E_LIMIT : CD_E_NOTFOUND;
	else
		solve(s, ((const struct cd_ast_posture *)(const void *)p)->cond,
		      want, depth + 1);
}

static void solve(struct cd_solve *s, const struct cd_ast_cond *c, bool want,
		  unsigned int depth)
{
	switch (c->kind) {
	case CD_COND_AND:
	case CD_COND_OR:
		solve_kids(s, c, want, depth);
		break;
	case CD_COND_NOT:
		solve(s, c->kids[0], !want, depth + 1);
		break;
	case CD_COND_COMPARE:
		solve_compare(s, c, want);
		break;
	case CD_COND_BOOL:
		cd_request_set_bool(s->request, c->attr, want);
		break;
	case CD_COND_POSTURE:
		solve_posture(s, c, want, depth);
		break;
	case CD_COND_LABEL:
		solve_label(s, c, want);
		break;
	default: /* feeds, time, approvals: neither in postures nor in hosts */
		break;
	}
}

void cd_solve_cond(struct cd_solve *s, const struct cd_ast_cond *cond,
		   bool want)
{
	solve(s, cond, want, 0);
}

void cd_solve_finish(struct cd_solve *s)
{
	struct cd_label *l;

	if (s->n_labels == 0)
		return;
	l = cd_arena_array(s->arena, s->n_labels, sizeof(*l));
	if (!l) {
		s->err = -ENOMEM;
		return;
	}
	memcpy(l, s->labels, s->n_labels * sizeof(*l));
	cd_request_set_labels(s->request, s->labels_of, l, s->n_labels);
}
