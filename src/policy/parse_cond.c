// SPDX-License-Identifier: Apache-2.0
/*
 * Conditions, label selectors and posture definitions: one grammar,
 *
 *	or   = and { "or" and }
 *	and  = not { "and" not }
 *	not  = "not" not | "(" or ")" | atom
 *
 * of which `place` says what an atom may be. Nested lists of one operator are
 * flattened here, so that a tree has one text and a text one tree.
 */
#include "policy/parser.h"

#include <stdio.h>

static int parse_or(struct cd_parser *p, enum cd_cond_place place,
		    struct cd_ast_cond **ret);

static struct cd_ast_cond *new_cond(struct cd_parser *p,
				    enum cd_ast_cond_kind kind)
{
	struct cd_ast_cond *c = cd_arena_alloc(p->arena, sizeof(*c));

	if (!c) {
		p->fatal = cd_arena_is_full(p->arena) ? CD_E_LIMIT : -ENOMEM;
		return NULL;
	}
	c->kind = kind;
	c->span = cd_parse_span(p);
	c->attr = CD_ATTR_NONE;
	return c;
}

/* ---- atoms ------------------------------------------------------------- */
static const char *const attr_words[] = {
#define X(id, name, type, kinds, subjects, cure, max_age, source, doc) name,
	CD_ATTRS(X)
#undef X
		NULL,
};

int cd_parse_attr(struct cd_parser *p, enum cd_attr *ret)
{
	enum cd_attr attr = CD_ATTR_NONE;
	int err;

	if (p->tok.kind == CD_TOK_WORD)
		attr = cd_attr_find(p->tok.text);
	if (attr != CD_ATTR_NONE) {
		*ret = attr;
		return cd_parse_next(p);
	}
	if (p->tok.kind != CD_TOK_WORD || cd_word_is_reserved(p->tok.text))
		return cd_parse_expected(p, "an attribute");
	err = cd_parse_error(p, cd_parse_span(p),
			     "there is no attribute '%.*s'",
			     CD_STR_FMT(p->tok.text));
	cd_diag_hint(
		p->diag,
		memchr(p->tok.text.ptr, '.', p->tok.text.len) ?
			"cordon policy reference lists them" :
			"postures go behind 'on', groups and hosts behind 'from' and 'to'");
	cd_parse_suggest(p, p->tok.text, attr_words);
	return err;
}

/* tier=web, or "tier=web" in quotes */
static int parse_label(struct cd_parser *p, struct cd_ast_value *ret)
{
	struct cd_ast_span span = cd_parse_span(p);
	bool quoted = p->tok.kind == CD_TOK_STRING;
	const char *wanted = cd_literal_wanted(CD_T_LABELS);
	struct cd_ast_value v = {.type = CD_T_LABELS, .span = span};
	struct cd_str text;
	int err = cd_parse_text(p, wanted, &text);

	if (!err && quoted) {
		err = cd_literal_parse(p->arena, CD_T_LABELS, text, &v);
		if (err)
			err = cd_parse_literal_error(p, span, err, text,
						     wanted);
	} else if (!err) {
		v.s = text;
		if (p->tok.kind != CD_TOK_OP || p->tok.op != CD_OP_EQ)
			return cd_parse_expected(p,
						 "'=' and the label's value");
		err = cd_parse_next(p);
		if (!err)
			err = cd_parse_text(p, "the label's value", &v.s2);
		if (!err && (v.s.len > CD_MAX_NAME || v.s2.len > CD_MAX_NAME))
			return cd_parse_limit(p, "bytes in a label",
					      CD_MAX_NAME);
		if (!err && v.s2.len == 0)
			return cd_parse_error(p, span,
					      "a label's value is not empty");
	}
	if (!err)
		*ret = v;
	return err;
}

int cd_parse_value(struct cd_parser *p, enum cd_type type,
		   struct cd_ast_value *ret)
{
	struct cd_ast_value v = {.type = type, .span = cd_parse_span(p)};
	const char *wanted = cd_literal_wanted(type);
	struct cd_str text;
	int err;

	if (type == CD_T_LABELS)
		return parse_label(p, ret);
	if (p->tok.kind == CD_TOK_WORD && cd_word_is_reserved(p->tok.text))
		return cd_parse_expected(p, wanted);
	err = cd_parse_text(p, wanted, &text);
	if (err)
		return err;
	err = cd_literal_parse(p->arena, type, text, &v);
	if (err)
		return cd_parse_literal_error(p, v.span, err, text, wanted);
	*ret = v;
	return 0;
}

static int parse_glob(struct cd_parser *p, enum cd_type type,
		      struct cd_ast_value *ret)
{
	struct cd_ast_value v = {.type = type, .span = cd_parse_span(p)};
	const char *wanted = "a pattern such as \"*.example.com\"";
	struct cd_str text;
	int err = cd_parse_text(p, wanted, &text);

	if (err)
		return err;
	err = cd_literal_parse_glob(p->arena, type, text, &v);
	if (err)
		return cd_parse_literal_error(p, v.span, err, text, wanted);
	*ret = v;
	return 0;
}

static int add_value(struct cd_parser *p, struct cd_ast_cond *c)
{
	enum cd_type type = cd_attr_get(c->attr)->type;
	struct cd_ast_value v;
	int err = c->op == CD_OP_LIKE ? parse_glob(p, type, &v) :
					cd_parse_value(p, type, &v);

	return err ? err : cd_parse_push_item(p, c->values, c->n_values, v);
}

static int parse_in(struct cd_parser *p, struct cd_ast_cond *c)
{
	enum cd_type type = cd_attr_get(c->attr)->type;
	int err;

	if (cd_parse_at(p, "feed") &&
	    (type == CD_T_ADDR || type == CD_T_NAME)) {
		c->kind = CD_COND_FEED;
		err = cd_parse_next(p);
		return err ? err :
			     cd_parse_name(p, "the name of a feed", &c->name);
	}
	do {
		err = add_value(p, c);
		if (!err)
			err = cd_parse_comma(p);
	} while (err == 1);
	return err;
}

/* The operator; 1 when there is none and the attribute stands alone. */
static int parse_operator(struct cd_parser *p, enum cd_ast_op *ret)
{
	int err;

	if (p->tok.kind == CD_TOK_OP) {
		*ret = p->tok.op;
		return cd_parse_next(p);
	}
	if (cd_parse_at(p, "not")) {
		*ret = CD_OP_NOT_IN;
		err = cd_parse_next(p);
		return err ? err : cd_parse_word(p, "in");
	}
	if (cd_parse_at(p, "in"))
		*ret = CD_OP_IN;
	else if (cd_parse_at(p, "like"))
		*ret = CD_OP_LIKE;
	else if (cd_parse_at(p, "has"))
		*ret = CD_OP_HAS;
	else
		return 1;
	return cd_parse_next(p);
}

static int no_operator(struct cd_parser *p, struct cd_ast_cond *c,
		       const struct cd_attr_row *row)
{
	static const char *const words[] = {"in", "not", "like", "has", NULL};

	if (row->type == CD_T_BOOL) {
		c->kind = CD_COND_BOOL;
		return 0;
	}
	cd_parse_expected(p, "an operator (= != < <= > >= in like has)");
	if (p->tok.kind == CD_TOK_WORD)
		cd_parse_suggest(p, p->tok.text, words);
	return CD_E_SYNTAX;
}

/* A range is a set of ports: it has no order and no equal. */
static int check_ranges(struct cd_parser *p, const struct cd_ast_cond *c)
{
	if (c->n_values && c->values[0].type == CD_T_PORT &&
	    c->op != CD_OP_IN && c->op != CD_OP_NOT_IN &&
	    c->values[0].i != c->values[0].j)
		return cd_parse_error(p, c->values[0].span,
				      "a range of ports goes with 'in'");
	return 0;
}

/* An operator that the type does not have, and those that it has. */
static int not_an_operator(struct cd_parser *p, struct cd_ast_span span,
			   const struct cd_attr_row *row, enum cd_ast_op op)
{
	char list[80] = "";
	int err = cd_parse_error(p, span, "%s is a %s, which has no '%s'",
				 row->name, cd_type_name(row->type),
				 cd_ast_op_word(op));

	for (enum cd_ast_op o = CD_OP_EQ; o <= CD_OP_HAS; o++)
		if (cd_literal_has_op(row->type, o))
			snprintf(list + strlen(list),
				 sizeof(list) - strlen(list), " %s",
				 cd_ast_op_word(o));
	cd_diag_hint(p->diag, "it has:%s", list);
	return err;
}

static int parse_compare(struct cd_parser *p, struct cd_ast_cond *c)
{
	struct cd_ast_span span;
	const struct cd_attr_row *row;
	int err = cd_parse_attr(p, &c->attr);

	if (err)
		return err;
	row = cd_attr_get(c->attr);
	span = cd_parse_span(p);
	err = parse_operator(p, &c->op);
	if (err == 1)
		return no_operator(p, c, row);
	if (err)
		return err;
	if (c->attr == CD_ATTR_APPROVAL)
		return cd_parse_error(
			p, c->span,
			"approvals are asked for as: approval by group NAME N");
	if (c->attr == CD_ATTR_TIME)
		return cd_parse_error(
			p, c->span,
			"time is asked for as: time in mon-fri 07:00-19:00 Europe/Berlin");
	if (!cd_literal_has_op(row->type, c->op))
		return not_an_operator(p, span, row, c->op);
	if (c->op == CD_OP_IN || c->op == CD_OP_NOT_IN)
		return parse_in(p, c);
	err = add_value(p, c);
	return err ? err : check_ranges(p, c);
}

static int parse_days(struct cd_parser *p, struct cd_ast_cond *c)
{
	const char *wanted = "days such as mon-fri or sat,sun";
	int err;

	do {
		struct cd_ast_span span = cd_parse_span(p);
		struct cd_str text;

		err = cd_parse_text(p, wanted, &text);
		if (err)
			return err;
		err = cd_literal_days(text, &c->days);
		if (err)
			return cd_parse_literal_error(p, span, err, text,
						      wanted);
		err = cd_parse_comma(p);
	} while (err == 1);
	return err;
}

/* IANA names: Area/City, letters digits _ + - /. The loader looks them up, so
 * they must not be able to leave its folder. */
static bool is_zone(struct cd_str s)
{
	if (s.len == 0 || s.len > 64 || s.ptr[0] == '/')
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		      (c >= '0' && c <= '9') || c == '_' || c == '+' ||
		      c == '-' || c == '/'))
			return false;
	}
	return true;
}

static int parse_time(struct cd_parser *p, struct cd_ast_cond *c)
{
	const char *hours = "hours such as 07:00-19:00";
	struct cd_ast_span span;
	struct cd_str text;
	int err;

	c->kind = CD_COND_TIME;
	c->attr = CD_ATTR_TIME;
	err = cd_parse_next(p);
	if (!err)
		err = cd_parse_word(p, "in");
	if (!err)
		err = parse_days(p, c);
	span = cd_parse_span(p);
	if (!err)
		err = cd_parse_text(p, hours, &text);
	if (err)
		return err;
	err = cd_literal_hours(text, &c->from, &c->to);
	if (err)
		return cd_parse_literal_error(p, span, err, text, hours);
	c->zone.span = cd_parse_span(p);
	err = cd_parse_text(p, "a time zone such as Europe/Berlin or UTC",
			    &c->zone.s);
	if (!err && !is_zone(c->zone.s))
		err = cd_parse_literal_error(
			p, c->zone.span, -EINVAL, c->zone.s,
			"a time zone such as Europe/Berlin or UTC");
	return err;
}

/* approval by group NAME N */
static int parse_approval(struct cd_parser *p, struct cd_ast_cond *c)
{
	int err;

	c->kind = CD_COND_APPROVAL;
	c->attr = CD_ATTR_APPROVAL;
	err = cd_parse_next(p);
	if (!err)
		err = cd_parse_word(p, "by");
	if (!err)
		err = cd_parse_word(p, "group");
	if (!err)
		err = cd_parse_name(p, "the name of a group", &c->name);
	if (!err)
		err = cd_parse_uint(p, "a number of people", 1, CD_MAX_LIST,
				    &c->count);
	return err;
}

static int rule_atom(struct cd_parser *p, struct cd_ast_cond *c)
{
	if (cd_parse_at(p, "time"))
		return parse_time(p, c);
	if (cd_parse_at(p, "approval"))
		return parse_approval(p, c);
	return parse_compare(p, c);
}

static int posture_atom(struct cd_parser *p, struct cd_ast_cond *c)
{
	struct cd_str word = p->tok.text;

	if (p->tok.kind == CD_TOK_WORD && cd_attr_find(word) == CD_ATTR_NONE &&
	    cd_name_is_bare(word, true) && !memchr(word.ptr, '.', word.len)) {
		c->kind = CD_COND_POSTURE;
		return cd_parse_name(p, "the name of a posture", &c->name);
	}
	if (p->tok.kind == CD_TOK_WORD && cd_attr_find(word) != CD_ATTR_NONE &&
	    !cd_str_has_prefix(word, CD_STR("device.")))
		return cd_parse_error(
			p, cd_parse_span(p),
			"a posture is about device.* only, not %.*s",
			CD_STR_FMT(word));
	return parse_compare(p, c);
}

static int label_atom(struct cd_parser *p, struct cd_ast_cond *c)
{
	struct cd_ast_value v;
	int err;

	c->kind = CD_COND_LABEL;
	if (p->tok.kind == CD_TOK_WORD && cd_word_is_reserved(p->tok.text))
		return cd_parse_expected(p, cd_literal_wanted(CD_T_LABELS));
	err = parse_label(p, &v);
	return err ? err : cd_parse_push(p, c->values, c->n_values, v);
}

static int parse_atom(struct cd_parser *p, enum cd_cond_place place,
		      struct cd_ast_cond **ret)
{
	struct cd_ast_cond *c = new_cond(p, CD_COND_COMPARE);
	int err;

	if (!c)
		return p->fatal;
	if (++p->atoms > CD_MAX_ATOMS)
		return cd_parse_limit(p, "parts in one condition",
				      CD_MAX_ATOMS);
	if (place == CD_IN_RULE)
		err = rule_atom(p, c);
	else
		err = place == CD_IN_POSTURE ? posture_atom(p, c) :
					       label_atom(p, c);
	if (!err)
		*ret = c;
	return err;
}

/* ---- and, or, not ------------------------------------------------------ */
static int parse_parens(struct cd_parser *p, enum cd_cond_place place,
			struct cd_ast_cond **ret)
{
	int err = cd_parse_next(p);

	if (!err)
		err = parse_or(p, place, ret);
	if (!err && p->tok.kind != CD_TOK_RPAREN)
		return cd_parse_expected(p, "')', 'and' or 'or'");
	return err ? err : cd_parse_next(p);
}

static int parse_not_word(struct cd_parser *p, enum cd_cond_place place,
			  struct cd_ast_cond **ret);

static int parse_not(struct cd_parser *p, enum cd_cond_place place,
		     struct cd_ast_cond **ret)
{
	bool deeper = cd_parse_at(p, "not") || p->tok.kind == CD_TOK_LPAREN;
	int err;

	if (!deeper)
		return parse_atom(p, place, ret);
	if (p->depth >= CD_MAX_NESTING)
		return cd_parse_limit(p, "levels of nesting", CD_MAX_NESTING);
	p->depth++;
	if (p->tok.kind == CD_TOK_LPAREN)
		err = parse_parens(p, place, ret);
	else
		err = parse_not_word(p, place, ret);
	p->depth--;
	return err;
}

static int parse_not_word(struct cd_parser *p, enum cd_cond_place place,
			  struct cd_ast_cond **ret)
{
	struct cd_ast_cond *kid, *c = new_cond(p, CD_COND_NOT);
	int err;

	if (!c)
		return p->fatal;
	err = cd_parse_next(p);
	if (!err)
		err = parse_not(p, place, &kid);
	if (!err)
		err = cd_parse_push(p, c->kids, c->n_kids, kid);
	if (!err)
		*ret = c;
	return err;
}

/* Adds a kid, or its kids when it is a list of the same operator. */
static int add_kid(struct cd_parser *p, struct cd_ast_cond *list,
		   struct cd_ast_cond *kid)
{
	int err = 0;

	if (kid->kind != list->kind)
		return cd_parse_push(p, list->kids, list->n_kids, kid);
	for (uint32_t i = 0; i < kid->n_kids && !err; i++)
		err = cd_parse_push(p, list->kids, list->n_kids, kid->kids[i]);
	return err;
}

static int parse_and(struct cd_parser *p, enum cd_cond_place place,
		     struct cd_ast_cond **ret);

/* kid { word kid } */
static int parse_list(struct cd_parser *p, enum cd_cond_place place,
		      enum cd_ast_cond_kind kind, const char *word,
		      int (*parse_kid)(struct cd_parser *, enum cd_cond_place,
				       struct cd_ast_cond **),
		      struct cd_ast_cond **ret)
{
	struct cd_ast_cond *kid, *list = NULL;
	int err = parse_kid(p, place, &kid);

	if (err || !cd_parse_at(p, word)) {
		*ret = err ? NULL : kid;
		return err;
	}
	list = new_cond(p, kind);
	if (!list)
		return p->fatal;
	list->span = kid->span;
	err = add_kid(p, list, kid);
	while (!err && cd_parse_at(p, word)) {
		err = cd_parse_next(p);
		if (!err)
			err = parse_kid(p, place, &kid);
		if (!err)
			err = add_kid(p, list, kid);
	}
	*ret = list;
	return err;
}

static int parse_and(struct cd_parser *p, enum cd_cond_place place,
		     struct cd_ast_cond **ret)
{
	return parse_list(p, place, CD_COND_AND, "and", parse_not, ret);
}

static int parse_or(struct cd_parser *p, enum cd_cond_place place,
		    struct cd_ast_cond **ret)
{
	return parse_list(p, place, CD_COND_OR, "or", parse_and, ret);
}

uint32_t cd_cond_depth(const struct cd_ast_cond *cond)
{
	uint32_t deepest = 0;

	for (uint32_t i = 0; i < cond->n_kids; i++)
		deepest = CD_MAX(deepest, cd_cond_depth(cond->kids[i]));
	return deepest + 1;
}

int cd_parse_cond(struct cd_parser *p, enum cd_cond_place place,
		  struct cd_ast_cond **ret)
{
	struct cd_ast_cond *cond = NULL;
	struct cd_ast_span span = cd_parse_span(p);
	int err;

	p->depth = 0;
	p->atoms = 0;
	err = parse_or(p, place, &cond);
	if (err)
		return err;
	if (cd_cond_depth(cond) > CD_MAX_NESTING) {
		cd_parse_error(p, span, "more than %u levels of nesting",
			       CD_MAX_NESTING);
		return CD_E_LIMIT;
	}
	*ret = cond;
	return 0;
}
