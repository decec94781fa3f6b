/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conditions and host selectors as trees of NODES, in prefix order; postures
 * are put in where they are named. Comparison operators become few: numbers
 * are in ranges, strings in sets, and != is the negation of =.
 */
#include "policy/compile.h"

#include "policy/tzif.h"

#include <stdlib.h>

struct tree {
	struct cd_compile *c;
	uint32_t root;
	uint32_t flags;
	struct cd_ast_span span; /* of the whole */
	int err;
};

static int emit(struct tree *t, const struct cd_ast_cond *cond,
		unsigned int depth);

/* ---- zones ------------------------------------------------------------------ */
static int read_zone(struct cd_compile *c, const struct cd_ast_name *name,
		     struct cd_buf *turns)
{
	struct cd_snap_turn utc = {.at = -(INT64_C(1) << 59)};
	char *bytes cd_auto(cd_freep) = NULL;
	char quoted[200];
	size_t len = 0;
	int err = -ENOENT;

	if (cd_str_equal(name->s, CD_STR("UTC"))) {
		cd_buf_put(turns, &utc, sizeof(utc));
		return turns->err;
	}
	if (c->loader && c->loader->zone)
		err = c->loader->zone(c->loader->ctx, name->s, &bytes, &len);
	if (!err)
		err = cd_tzif_parse(cd_str_make(bytes, len), turns);
	if (err)
		cd_ast_diag(c->policy, c->diag, CD_ERROR, name->span,
			    "time zone %s cannot be read: %s",
			    cd_quote(name->s, quoted, sizeof(quoted)),
			    cd_strerror(err));
	return err ? CD_E_CHECK : 0;
}

int cd_compile_zone(struct cd_compile *c, const struct cd_ast_name *name,
		    uint32_t *ret_zone)
{
	uint32_t str = cd_writer_str(&c->w, name->s);
	uint32_t n = cd_writer_count(&c->w, CD_SEC_ZONES);
	struct cd_snap_zone z = {.name = str};
	struct cd_buf turns cd_auto(cd_buf_done);
	int err;

	cd_buf_init(&turns,
		    (size_t)CD_TZIF_MAX * 4 * sizeof(struct cd_snap_turn));
	for (uint32_t i = 0; i < n; i++) {
		const struct cd_snap_zone *have =
			cd_writer_at(&c->w, CD_SEC_ZONES, i);

		if (have->name == str) {
			*ret_zone = i;
			return 0;
		}
	}
	err = read_zone(c, name, &turns);
	if (err)
		return err;
	z.turn_first = cd_writer_count(&c->w, CD_SEC_TURNS);
	z.turn_n = (uint32_t)(turns.len / sizeof(struct cd_snap_turn));
	for (uint32_t i = 0; i < z.turn_n; i++)
		cd_writer_add(&c->w, CD_SEC_TURNS,
			      turns.data + i * sizeof(struct cd_snap_turn));
	*ret_zone = cd_writer_add(&c->w, CD_SEC_ZONES, &z);
	return c->w.err;
}

/* ---- values ----------------------------------------------------------------- */
static int put_ints(struct tree *t, const struct cd_ast_cond *cond,
		    struct cd_snap_node *n)
{
	n->op = CD_NODE_INTS;
	n->a = cd_writer_count(&t->c->w, CD_SEC_SPANS8);
	n->n = cond->n_values;
	for (uint32_t i = 0; i < cond->n_values; i++) {
		const struct cd_ast_value *v = &cond->values[i];
		struct cd_snap_span8 s = {v->i,
					  v->type == CD_T_PORT ? v->j : v->i};

		cd_writer_add(&t->c->w, CD_SEC_SPANS8, &s);
	}
	return t->c->w.err;
}

static int put_order(const struct cd_ast_cond *cond, struct cd_snap_node *n)
{
	static const uint8_t cmp[] = {
		[CD_OP_LT] = CD_CMP_LT,
		[CD_OP_LE] = CD_CMP_LE,
		[CD_OP_GT] = CD_CMP_GT,
		[CD_OP_GE] = CD_CMP_GE,
	};

	n->op = CD_NODE_ORDER;
	n->cmp = cmp[cond->op];
	n->i = cond->values[0].i;
	return 0;
}

static int put_strs(struct tree *t, const struct cd_ast_cond *cond,
		    struct cd_snap_node *n)
{
	struct cd_words w;
	int err;

	n->op = cond->op == CD_OP_LIKE ? CD_NODE_LIKE : CD_NODE_STRS;
	cd_words_init(&w);
	for (uint32_t i = 0; i < cond->n_values; i++)
		cd_words_add(&w, cd_writer_str(&t->c->w, cond->values[i].s));
	/* Long sets are searched by halves; short ones keep their order. */
	if (cond->n_values > CD_SNAP_SORTED)
		cd_words_sort(&w);
	err = cd_words_put(t->c, &w, &n->a, &n->n);
	cd_words_done(&w);
	return err;
}

static int put_addrs(struct tree *t, const struct cd_ast_cond *cond,
		     struct cd_snap_node *n)
{
	struct cd_span *spans =
		cd_arena_array(t->c->arena, cond->n_values, sizeof(*spans));
	struct cd_snap_spans list;
	int err;

	if (!spans)
		return -ENOMEM;
	for (uint32_t i = 0; i < cond->n_values; i++)
		spans[i] =
			cd_span_of(&cond->values[i].addr, cond->values[i].bits);
	err = cd_compile_spans(t->c, spans, cond->n_values, &list);
	n->op = CD_NODE_ADDRS;
	n->a = cd_writer_add(&t->c->w, CD_SEC_LISTS, &list);
	return err ? err : t->c->w.err;
}

static int put_label(struct tree *t, const struct cd_ast_value *v,
		     struct cd_snap_node *n)
{
	n->op = CD_NODE_LABEL;
	n->a = cd_writer_str(&t->c->w, v->s);
	n->n = cd_writer_str(&t->c->w, v->s2);
	return t->c->w.err;
}

static int put_compare(struct tree *t, const struct cd_ast_cond *cond,
		       struct cd_snap_node *n)
{
	if (cond->op == CD_OP_NE || cond->op == CD_OP_NOT_IN)
		n->flags |= CD_NODE_NEGATED;
	if (cond->op == CD_OP_IN || cond->op == CD_OP_NOT_IN)
		n->flags |= CD_NODE_LISTED;
	if (cond->op >= CD_OP_LT && cond->op <= CD_OP_GE)
		return put_order(cond, n);
	switch (cd_attr_get(cond->attr)->type) {
	case CD_T_BOOL:
		n->op = CD_NODE_BOOL;
		n->i = cond->values[0].i;
		return 0;
	case CD_T_ADDR:
		return put_addrs(t, cond, n);
	case CD_T_LABELS:
		return put_label(t, &cond->values[0], n);
	case CD_T_STRING:
	case CD_T_COUNTRY:
	case CD_T_SET:
	case CD_T_NAME:
	case CD_T_PATH:
	case CD_T_METHOD:
	case CD_T_APP:
	case CD_T_APPROVERS:
		return put_strs(t, cond, n);
	default:
		return put_ints(t, cond, n);
	}
}

static int put_window(struct tree *t, const struct cd_ast_cond *cond,
		      struct cd_snap_node *n)
{
	struct cd_snap_window w = {
		.from = cond->from, .to = cond->to, .days = cond->days};
	int err = cd_compile_zone(t->c, &cond->zone, &w.zone);

	if (err)
		return err;
	n->op = CD_NODE_TIME;
	n->attr = CD_ATTR_TIME;
	n->a = cd_writer_add(&t->c->w, CD_SEC_WINDOWS, &w);
	return t->c->w.err;
}

static int put_atom(struct tree *t, const struct cd_ast_cond *cond,
		    struct cd_snap_node *n)
{
	n->attr = (uint8_t)cond->attr;
	switch (cond->kind) {
	case CD_COND_COMPARE:
		return put_compare(t, cond, n);
	case CD_COND_BOOL:
		n->op = CD_NODE_BOOL;
		n->i = 1;
		return 0;
	case CD_COND_FEED:
		n->op = CD_NODE_FEED;
		n->a = cd_compile_find(t->c, CD_AST_FEED, cond->name.s);
		if (cond->op == CD_OP_NOT_IN)
			n->flags |= CD_NODE_NEGATED;
		cd_compile_ask_feed(
			t->c, n->a,
			cond->attr == CD_ATTR_SRC_IP ? CD_WATCH_SRC :
			cond->attr == CD_ATTR_DST_IP ? CD_WATCH_DST :
						       CD_WATCH_NAME);
		return n->a == CD_NIL ? CD_E_CHECK : 0;
	case CD_COND_TIME:
		return put_window(t, cond, n);
	case CD_COND_APPROVAL:
		n->op = CD_NODE_APPROVAL;
		n->attr = CD_ATTR_APPROVAL;
		n->a = cd_compile_group(t->c, cond->name.s);
		n->n = cond->count;
		return n->a == CD_NIL ? CD_E_CHECK : 0;
	default:
		n->attr = CD_ATTR_SRC_LABELS;
		return put_label(t, &cond->values[0], n);
	}
}

/* ---- trees ------------------------------------------------------------------ */
static uint32_t flags_of(const struct cd_snap_node *n)
{
	uint32_t flags = 0;

	if (n->op == CD_NODE_APPROVAL)
		flags |= CD_RULE_APPROVAL;
	if (n->attr == CD_ATTR_RISK_USER)
		flags |= CD_RULE_RISK;
	if (cd_attr_get((enum cd_attr)n->attr)->cure == CD_CURE_SIGN_IN ||
	    cd_attr_get((enum cd_attr)n->attr)->cure == CD_CURE_DEVICE)
		flags |= CD_RULE_CURABLE;
	return flags;
}

static int too_large(struct tree *t)
{
	cd_ast_diag(
		t->c->policy, t->c->diag, CD_ERROR, t->span,
		"with its postures this condition is larger than %u parts or deeper than %u",
		CD_SNAP_NODES, CD_SNAP_DEPTH);
	return CD_E_LIMIT;
}

static int emit_kids(struct tree *t, const struct cd_ast_cond *cond,
		     unsigned int depth)
{
	struct cd_snap_node n = {
		.op = cond->kind == CD_COND_AND ? CD_NODE_AND :
		      cond->kind == CD_COND_OR	? CD_NODE_OR :
						  CD_NODE_NOT,
	};
	uint32_t at = cd_writer_add(&t->c->w, CD_SEC_NODES, &n);
	struct cd_snap_node *out;
	int err = t->c->w.err;

	for (uint32_t i = 0; i < cond->n_kids && !err; i++)
		err = emit(t, cond->kids[i], depth + 1);
	if (err)
		return err;
	out = cd_writer_at(&t->c->w, CD_SEC_NODES, at);
	out->end = cd_writer_count(&t->c->w, CD_SEC_NODES);
	return 0;
}

static int emit_posture(struct tree *t, const struct cd_ast_cond *cond,
			unsigned int depth)
{
	uint32_t at = cd_compile_find(t->c, CD_AST_POSTURE, cond->name.s);
	const struct cd_ast_posture *p;

	if (at == CD_NIL)
		return CD_E_CHECK;
	p = (const void *)t->c->sorted[CD_AST_POSTURE][at];
	return emit(t, p->cond, depth + 1);
}

/* ---- atoms that ask the same ------------------------------------------------ */
static struct cd_atom_slot *find_slot(struct cd_atom_slot *slots, uint32_t size,
				      struct cd_str text)
{
	uint64_t i = cd_str_hash(text);

	while (slots[i & (size - 1)].text.ptr &&
	       !cd_str_equal(slots[i & (size - 1)].text, text))
		i++;
	return &slots[i & (size - 1)];
}

/* Twice as large when it is half full; the old table stays in the arena. */
static int grow_atoms(struct cd_compile *c)
{
	uint32_t size = c->atoms_size ? c->atoms_size * 2 : 256;
	struct cd_atom_slot *slots;

	if (c->n_atoms * 2 < c->atoms_size)
		return 0;
	slots = cd_arena_array(c->arena, size, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (uint32_t i = 0; i < c->atoms_size; i++)
		if (c->atoms[i].text.ptr)
			*find_slot(slots, size, c->atoms[i].text) = c->atoms[i];
	c->atoms = slots;
	c->atoms_size = size;
	return 0;
}

/* The slot of an atom by its canonical text; a free one has its text put in,
 * and the caller puts the node. *ret_new tells. */
static int atom_slot(struct cd_compile *c, const struct cd_ast_cond *cond,
		     struct cd_atom_slot **ret_slot, bool *ret_new)
{
	struct cd_buf text cd_auto(cd_buf_done);
	struct cd_atom_slot *slot;
	int err = grow_atoms(c);

	cd_buf_init(&text, CD_MAX_FILE_SIZE);
	cd_ast_print_cond(&text, cond);
	err = err ? err : text.err;
	if (err)
		return err;
	slot = find_slot(c->atoms, c->atoms_size, cd_buf_get(&text));
	*ret_new = !slot->text.ptr;
	if (*ret_new) {
		err = cd_arena_str(c->arena, cd_buf_get(&text), &slot->text);
		c->n_atoms++;
	}
	*ret_slot = slot;
	return err;
}

static int emit_atom(struct tree *t, const struct cd_ast_cond *cond,
		     uint32_t at)
{
	struct cd_snap_node n = {0};
	struct cd_atom_slot *slot;
	bool is_new;
	int err = atom_slot(t->c, cond, &slot, &is_new);

	if (err)
		return err;
	if (is_new) {
		err = put_atom(t, cond, &n);
		slot->node = at;
	} else {
		n = *(struct cd_snap_node *)cd_writer_at(&t->c->w, CD_SEC_NODES,
							 slot->node);
	}
	if (err)
		return err;
	n.same = slot->node;
	n.end = at + 1;
	t->flags |= flags_of(&n);
	cd_writer_add(&t->c->w, CD_SEC_NODES, &n);
	return t->c->w.err;
}

static int emit(struct tree *t, const struct cd_ast_cond *cond,
		unsigned int depth)
{
	uint32_t at = cd_writer_count(&t->c->w, CD_SEC_NODES);

	if (depth + 1 >= CD_SNAP_DEPTH || at - t->root + 1 > CD_SNAP_NODES)
		return too_large(t);
	if (cond->kind <= CD_COND_NOT)
		return emit_kids(t, cond, depth);
	if (cond->kind == CD_COND_POSTURE)
		return emit_posture(t, cond, depth);
	return emit_atom(t, cond, at);
}

int cd_compile_cond(struct cd_compile *c, const struct cd_ast_cond *cond,
		    uint32_t *flags, uint32_t *ret_root)
{
	struct tree t = {.c = c};
	int err;

	*ret_root = CD_NIL;
	if (!cond)
		return 0;
	t.root = cd_writer_count(&c->w, CD_SEC_NODES);
	t.span = cond->span;
	err = emit(&t, cond, 0);
	*flags |= t.flags;
	*ret_root = t.root;
	return err;
}

int cd_compile_hosts(struct cd_compile *c)
{
	int err = 0;

	for (uint32_t i = 0; i < c->policy->n_of_kind[CD_AST_HOSTS] && !err;
	     i++) {
		const struct cd_ast_hosts *h =
			(const void *)c->sorted[CD_AST_HOSTS][i];
		struct cd_snap_hosts out;
		uint32_t flags = 0;

		out.name = cd_writer_str(&c->w, h->head.name.s);
		err = cd_compile_cond(c, h->where, &flags, &out.root);
		cd_writer_add(&c->w, CD_SEC_HOSTS, &out);
		if (!err)
			err = c->w.err;
	}
	return err;
}
