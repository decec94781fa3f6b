/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups that rules name: the directory's group of that name, and the members
 * that the policy adds, however deep they nest. What the image
 * keeps is the reverse: for a directory group or a user, the groups of rules
 * that it leads to, so that a decision sets bits and asks no tree.
 */
#include "policy/compile.h"

#include <stdlib.h>

struct gather {
	struct cd_compile *c;
	struct cd_words users; /* strings, of the group at hand */
	struct cd_words groups; /* strings, directory groups */
	bool open; /* the group at hand has members we cannot list */
	uint8_t *seen; /* group statements already taken */
	struct cd_buf by_user, by_group; /* struct cd_pair: string -> group */
};

static int by_str(const void *a, const void *b)
{
	return cd_str_compare(*(const struct cd_str *)a,
			      *(const struct cd_str *)b);
}

static void add_name(struct cd_buf *names, struct cd_str s)
{
	cd_buf_put(names, &s, sizeof(s));
}

static void add_subjects(struct cd_buf *names, const struct cd_ast_subject *s,
			 uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (s[i].kind == CD_SUBJ_GROUP)
			add_name(names, s[i].name.s);
}

static void add_cond(struct cd_buf *names, const struct cd_ast_cond *cond)
{
	if (!cond)
		return;
	if (cond->kind == CD_COND_APPROVAL)
		add_name(names, cond->name.s);
	for (uint32_t i = 0; i < cond->n_kids; i++)
		add_cond(names, cond->kids[i]);
}

/* Every group a rule names, sorted, each once. */
static int collect(struct cd_compile *c)
{
	struct cd_buf names cd_auto(cd_buf_done);
	uint32_t n, kept = 0;

	cd_buf_init(&names, CD_MAX_SNAPSHOT_SIZE);
	for (uint32_t i = 0; i < c->policy->n_of_kind[CD_AST_RULE]; i++) {
		const struct cd_ast_rule *r = cd_ast_rule(c->policy, i);

		add_subjects(&names, r->from.items, r->from.n_items);
		add_subjects(&names, r->from.except, r->from.n_except);
		add_cond(&names, r->when);
	}
	if (names.err)
		return names.err;
	n = (uint32_t)(names.len / sizeof(struct cd_str));
	c->groups = cd_arena_array(c->arena, n, sizeof(struct cd_str));
	if (n && !c->groups)
		return -ENOMEM;
	if (n) {
		memcpy(c->groups, names.data, names.len);
		qsort(c->groups, n, sizeof(struct cd_str), by_str);
	}
	for (uint32_t i = 0; i < n; i++)
		if (kept == 0 ||
		    !cd_str_equal(c->groups[i], c->groups[kept - 1]))
			c->groups[kept++] = c->groups[i];
	c->n_groups = kept;
	if (kept <= CD_MAX_SETS)
		return 0;
	cd_diag_add(c->diag, CD_ERROR, NULL, 0, 0,
		    "rules name more than %u groups", CD_MAX_SETS);
	return CD_E_LIMIT;
}

uint32_t cd_compile_group(const struct cd_compile *c, struct cd_str name)
{
	const struct cd_str *at = c->n_groups ?
					  bsearch(&name, c->groups, c->n_groups,
						  sizeof(name), by_str) :
					  NULL;

	return at ? (uint32_t)(at - c->groups) : CD_NIL;
}

/* Members of a group statement, nested ones first seen only. */
static void flatten(struct gather *g, struct cd_str name, unsigned int depth)
{
	uint32_t at = cd_compile_find(g->c, CD_AST_GROUP, name);
	const struct cd_ast_group *group;

	/* who the directory has in a group of this name is in it as well */
	cd_words_add(&g->groups, cd_writer_str(&g->c->w, name));
	if (at == CD_NIL) {
		g->open = true;
		return;
	}
	if (g->seen[at] || depth > CD_MAX_NESTING)
		return;
	g->seen[at] = 1;
	group = (const void *)g->c->sorted[CD_AST_GROUP][at];
	for (uint32_t i = 0; i < group->n_members; i++) {
		const struct cd_ast_member *m = &group->members[i];

		if (m->is_group)
			flatten(g, m->name.s, depth + 1);
		else
			cd_words_add(&g->users,
				     cd_writer_str(&g->c->w, m->name.s));
	}
}

static void add_pairs(struct cd_buf *out, struct cd_words *strs, uint32_t group)
{
	for (uint32_t i = 0; i < cd_words_n(strs); i++) {
		struct cd_pair p = {cd_words_get(strs)[i], group};

		cd_buf_put(out, &p, sizeof(p));
	}
}

static int one_group(struct gather *g, uint32_t number)
{
	struct cd_compile *c = g->c;
	struct cd_snap_group out = {0};
	int err;

	g->users.buf.len = g->groups.buf.len = 0;
	g->open = false;
	if (c->policy->n_of_kind[CD_AST_GROUP])
		memset(g->seen, 0, c->policy->n_of_kind[CD_AST_GROUP]);
	out.name = cd_writer_str(&c->w, c->groups[number]);
	flatten(g, c->groups[number], 0);
	cd_words_sort(&g->users);
	cd_words_sort(&g->groups);
	out.by_users = cd_words_n(&g->users) != 0;
	out.by_groups = g->open;
	add_pairs(&g->by_user, &g->users, number);
	add_pairs(&g->by_group, &g->groups, number);
	err = cd_words_put(c, &g->users, &out.user_first, &out.user_n);
	if (!err && g->groups.buf.err)
		err = g->groups.buf.err;
	cd_writer_add(&c->w, CD_SEC_GROUPS, &out);
	return err ? err : c->w.err;
}

/* Writes the pairs as slices into the strings that own them. */
static int put_slices(struct cd_compile *c, struct cd_buf *buf, bool users)
{
	struct cd_pair *p = (void *)buf->data;
	size_t n = buf->len / sizeof(*p);

	if (buf->err)
		return buf->err;
	cd_pairs_sort(p, n);
	for (size_t i = 0, k; i < n; i = k) {
		uint32_t first = cd_writer_count(&c->w, CD_SEC_WORDS);
		struct cd_snap_str *s;

		for (k = i; k < n && p[k].owner == p[i].owner; k++)
			cd_writer_add(&c->w, CD_SEC_WORDS, &p[k].number);
		if (c->w.err)
			break;
		s = cd_writer_at(&c->w, CD_SEC_STRS, p[i].owner);
		*(users ? &s->user_first : &s->group_first) = first;
		*(users ? &s->user_n : &s->group_n) = (uint32_t)(k - i);
	}
	return c->w.err;
}

int cd_compile_groups(struct cd_compile *c)
{
	struct gather g = {.c = c};
	int err = collect(c);

	if (err)
		return err;
	cd_words_init(&g.users);
	cd_words_init(&g.groups);
	cd_buf_init(&g.by_user, CD_MAX_SNAPSHOT_SIZE);
	cd_buf_init(&g.by_group, CD_MAX_SNAPSHOT_SIZE);
	g.seen = cd_arena_array(c->arena,
				c->policy->n_of_kind[CD_AST_GROUP] + 1, 1);
	if (!g.seen)
		err = -ENOMEM;
	for (uint32_t i = 0; i < c->n_groups && !err; i++)
		err = one_group(&g, i);
	if (!err)
		err = put_slices(c, &g.by_user, true);
	if (!err)
		err = put_slices(c, &g.by_group, false);
	cd_words_done(&g.users);
	cd_words_done(&g.groups);
	cd_buf_done(&g.by_user);
	cd_buf_done(&g.by_group);
	return err;
}
