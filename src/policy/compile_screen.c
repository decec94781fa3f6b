/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Screens: for an app with many rules, each atom that stands in the outermost
 * `and` of some of them, and which of the app's candidates these are. A
 * decision asks the atom once and passes over all of them when it fails,
 * instead of meeting it in every rule. A screen never decides: rules that
 * pass all of theirs are judged as ever.
 */
#include "policy/compile.h"

struct screens {
	struct cd_compile *c;
	struct cd_words seen; /* node of each screen of the app at hand */
	uint32_t *number; /* node -> screen of the app at hand, or CD_NIL */
	uint32_t n_nodes;
};

static int mark(struct screens *s, uint32_t node, uint32_t ordinal)
{
	struct cd_writer *w = &s->c->w;
	struct cd_snap_screen *screen;

	if (s->number[node] == CD_NIL) {
		struct cd_snap_screen fresh = {.node = node};

		s->number[node] = cd_writer_add(w, CD_SEC_SCREENS, &fresh);
		cd_words_add(&s->seen, node);
		if (w->err)
			return w->err;
	}
	screen = cd_writer_at(w, CD_SEC_SCREENS, s->number[node]);
	screen->mask[ordinal / 64] |= UINT64_C(1) << (ordinal % 64);
	return 0;
}

/* The atoms of the outermost `and`, nested ones flattened. Trees are in
 * prefix order, so a walk that steps into `and` and over the rest sees them. */
static int mark_tree(struct screens *s, uint32_t root, uint32_t ordinal)
{
	struct cd_writer *w = &s->c->w;
	const struct cd_snap_node *n;
	uint32_t end;
	int err = 0;

	if (root == CD_NIL)
		return 0;
	n = cd_writer_at(w, CD_SEC_NODES, root);
	end = n->end;
	for (uint32_t i = root; i < end && !err;) {
		n = cd_writer_at(w, CD_SEC_NODES, i);
		if (n->op > CD_NODE_NOT)
			err = mark(s, n->same, ordinal);
		i = n->op == CD_NODE_AND ? i + 1 : n->end;
	}
	return err;
}

static int put_app(struct screens *s, uint32_t app)
{
	struct cd_writer *w = &s->c->w;
	struct cd_snap_app *a = cd_writer_at(w, CD_SEC_APPS, app);
	uint32_t first = a->cand_first, n = a->cand_n;
	int err = 0;

	a->screen_first = cd_writer_count(w, CD_SEC_SCREENS);
	if (n < CD_SNAP_SCREENED || n > CD_MAX_CANDIDATES)
		return 0;
	for (uint32_t i = 0; i < n && !err; i++) {
		const struct cd_snap_cand *cand =
			cd_writer_at(w, CD_SEC_CANDS, first + i);
		const struct cd_snap_rule *r =
			cd_writer_at(w, CD_SEC_RULES, cand->rule);

		err = mark_tree(s, r->when, i);
		if (!err)
			err = mark_tree(s, r->posture, i);
	}
	a = cd_writer_at(w, CD_SEC_APPS, app);
	a->screen_n = cd_writer_count(w, CD_SEC_SCREENS) - a->screen_first;
	for (uint32_t i = 0; i < cd_words_n(&s->seen); i++)
		s->number[cd_words_get(&s->seen)[i]] = CD_NIL;
	s->seen.buf.len = 0;
	return err ? err : s->seen.buf.err;
}

int cd_compile_screens(struct cd_compile *c)
{
	struct screens s = {.c = c};
	uint32_t apps = cd_writer_count(&c->w, CD_SEC_APPS);
	int err = 0;

	s.n_nodes = cd_writer_count(&c->w, CD_SEC_NODES);
	s.number = cd_arena_array(c->arena, CD_MAX(s.n_nodes, 1u),
				  sizeof(*s.number));
	if (!s.number)
		return -ENOMEM;
	for (uint32_t i = 0; i < s.n_nodes; i++)
		s.number[i] = CD_NIL;
	cd_words_init(&s.seen);
	for (uint32_t i = 0; i < apps && !err; i++)
		err = put_app(&s, i);
	cd_words_done(&s.seen);
	return err;
}
