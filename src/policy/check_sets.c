// SPDX-License-Identifier: Apache-2.0
/*
 * Definitions among themselves: names that are taken, circles, segments that
 * overlap, apps at one url.
 */
#include "policy/checker.h"

#include <stdlib.h>

#include "base/addr.h"

/* ---- names that are taken ---------------------------------------------- */
static void check_twice(struct cd_checker *c, const struct cd_ast *s)
{
	const struct cd_ast *first;
	uint32_t n;

	if (s->name.s.len == 0)
		return;
	first = cd_ast_find(c->policy, s->kind, s->name.s);
	if (first != s)
		cd_check_error(
			c, s->name.span, "%s '%.*s' is already at %.*s:%u",
			cd_ast_kind_word(s->kind), CD_STR_FMT(s->name.s),
			CD_STR_FMT(c->policy->files[first->span.file].name),
			first->span.line);
	if (s->kind == CD_AST_SERVICE && cd_ast_builtin_service(s->name.s, &n))
		cd_check_error(c, s->name.span, "service '%.*s' is built in",
			       CD_STR_FMT(s->name.s));
}

/* ---- circles ----------------------------------------------------------- */
/* The height of what s refers to within its kind, s included: 1 when it
 * refers to nothing. -1 after an error. depth: how far down s is, which
 * bounds the recursion; heights are kept in `visited` as 2 + height, so that
 * nothing is walked twice and a deep chain is found from either end. */
static int height_of(struct cd_checker *c, const struct cd_ast *s, int depth);

static int too_deep(struct cd_checker *c, struct cd_ast_span span)
{
	cd_check_error(c, span, "more than %u levels of nesting",
		       CD_MAX_NESTING);
	return -1;
}

static int height_of_name(struct cd_checker *c, enum cd_ast_kind kind,
			  const struct cd_ast_name *name, int depth)
{
	const struct cd_ast *s = cd_ast_find(c->policy, kind, name->s);
	int height;

	if (!s)
		return 0;
	if (c->visited[s->number] == 1) {
		cd_check_error(c, name->span, "%s '%.*s' contains itself",
			       cd_ast_kind_word(kind), CD_STR_FMT(name->s));
		return -1;
	}
	if (c->visited[s->number])
		height = c->visited[s->number] - 2;
	else
		height = height_of(c, s, depth + 1);
	if (height > 0 && depth + height > CD_MAX_NESTING)
		return too_deep(c, name->span);
	return height;
}

static int height_of_cond(struct cd_checker *c, const struct cd_ast_cond *cond,
			  int depth)
{
	int highest = 0;

	if (cond->kind == CD_COND_POSTURE)
		return height_of_name(c, CD_AST_POSTURE, &cond->name, depth);
	for (uint32_t i = 0; i < cond->n_kids && highest >= 0; i++) {
		int height = height_of_cond(c, cond->kids[i], depth);

		highest = height < 0 ? -1 : CD_MAX(highest, height);
	}
	return highest;
}

static int height_of_members(struct cd_checker *c, const struct cd_ast_group *g,
			     int depth)
{
	int highest = 0;

	for (uint32_t i = 0; i < g->n_members && highest >= 0; i++) {
		int height = 0;

		if (g->members[i].is_group)
			height = height_of_name(c, CD_AST_GROUP,
						&g->members[i].name, depth);
		highest = height < 0 ? -1 : CD_MAX(highest, height);
	}
	return highest;
}

static int height_of(struct cd_checker *c, const struct cd_ast *s, int depth)
{
	const struct cd_ast_segment *segment = (const void *)s;
	const struct cd_ast_posture *posture = (const void *)s;
	int height = 0;

	if (depth > CD_MAX_NESTING)
		return too_deep(c, s->span);
	c->visited[s->number] = 1;
	if (s->kind == CD_AST_GROUP)
		height = height_of_members(c, (const void *)s, depth);
	else if (s->kind == CD_AST_POSTURE)
		height = height_of_cond(c, posture->cond, depth);
	else if (segment->parent.s.ptr)
		height = height_of_name(c, CD_AST_SEGMENT, &segment->parent,
					depth);
	c->visited[s->number] = (unsigned char)(height < 0 ? 2 : height + 3);
	return height < 0 ? -1 : height + 1;
}

/* True when nothing of the kind contains itself or is too deep. */
static bool check_circles(struct cd_checker *c, enum cd_ast_kind kind)
{
	bool ok = true;

	memset(c->visited, 0, c->policy->n_of_kind[kind]);
	for (uint32_t i = 0; i < c->policy->n_of_kind[kind]; i++)
		if (!c->visited[i])
			ok &= height_of(c, c->policy->of_kind[kind][i], 1) >= 0;
	return ok;
}

/* ---- postures written out ---------------------------------------------- */
static uint32_t atoms_of(struct cd_checker *c, const struct cd_ast_cond *cond);

/* Postures that name others twice grow with two to the power of their
 * height, so what a reader walks is bounded here. */
static uint32_t atoms_of_posture(struct cd_checker *c,
				 const struct cd_ast_posture *posture)
{
	uint32_t *atoms = &c->atoms[posture->head.number];

	if (*atoms)
		return *atoms;
	*atoms = atoms_of(c, posture->cond);
	if (*atoms <= CD_MAX_ATOMS)
		return *atoms;
	cd_check_error(
		c, posture->head.span,
		"posture '%.*s' has more than %u parts with those of its postures",
		CD_STR_FMT(posture->head.name.s), CD_MAX_ATOMS);
	c->circular = true;
	/* Said once; those that name it are not to blame. */
	return *atoms = 1;
}

static uint32_t atoms_of(struct cd_checker *c, const struct cd_ast_cond *cond)
{
	const struct cd_ast_posture *posture;
	uint32_t n = 0;

	if (cond->kind == CD_COND_POSTURE) {
		posture = (void *)cd_ast_find(c->policy, CD_AST_POSTURE,
					      cond->name.s);
		return posture ? atoms_of_posture(c, posture) : 1;
	}
	for (uint32_t i = 0; i < cond->n_kids; i++)
		n += atoms_of(c, cond->kids[i]);
	return cond->n_kids ? n : 1;
}

static void check_postures(struct cd_checker *c)
{
	c->circular = !check_circles(c, CD_AST_POSTURE);
	if (c->circular)
		return;
	for (uint32_t i = 0; i < c->policy->n_of_kind[CD_AST_POSTURE]; i++)
		atoms_of_posture(c, cd_ast_posture(c->policy, i));
}

/* ---- segments ---------------------------------------------------------- */
struct range {
	const struct cd_ast_segment *segment;
	const struct cd_ast_prefix *prefix;
	uint32_t depth; /* of the segment */
};

static const struct cd_ast_segment *parent_of(const struct cd_policy *p,
					      const struct cd_ast_segment *s)
{
	if (!s->parent.s.ptr)
		return NULL;
	return (void *)cd_ast_find(p, CD_AST_SEGMENT, s->parent.s);
}

static bool is_ancestor(const struct cd_policy *p,
			const struct cd_ast_segment *ancestor,
			const struct cd_ast_segment *s)
{
	for (s = parent_of(p, s); s; s = parent_of(p, s))
		if (s == ancestor)
			return true;
	return false;
}

static bool covers(const struct cd_ast_prefix *outer,
		   const struct cd_ast_prefix *inner)
{
	struct cd_prefix p = {outer->addr, outer->bits};

	return outer->addr.family == inner->addr.family &&
	       outer->bits <= inner->bits && cd_prefix_has(&p, &inner->addr);
}

/* Wider before narrower, a segment before what is declared in it. */
static int compare_ranges(const void *a, const void *b)
{
	const struct range *x = a, *y = b;
	int d = cd_addr_compare(&x->prefix->addr, &y->prefix->addr);

	if (d)
		return d;
	if (x->prefix->bits != y->prefix->bits)
		return x->prefix->bits < y->prefix->bits ? -1 : 1;
	if (x->depth != y->depth)
		return x->depth < y->depth ? -1 : 1;
	return (x->prefix > y->prefix) - (x->prefix < y->prefix);
}

static void check_inside(struct cd_checker *c, const struct range *r)
{
	const struct cd_ast_segment *parent = parent_of(c->policy, r->segment);

	if (!parent)
		return;
	for (uint32_t i = 0; i < parent->n_prefixes; i++)
		if (covers(&parent->prefixes[i], r->prefix))
			return;
	cd_check_error(
		c, r->prefix->span,
		"segment '%.*s' is declared in '%.*s' and this prefix lies outside of it",
		CD_STR_FMT(r->segment->head.name.s),
		CD_STR_FMT(parent->head.name.s));
}

static void check_overlap(struct cd_checker *c, const struct range *outer,
			  const struct range *r)
{
	if (outer->segment == r->segment)
		cd_check_error(c, r->prefix->span,
			       "segment '%.*s' has this prefix already",
			       CD_STR_FMT(r->segment->head.name.s));
	else if (!is_ancestor(c->policy, outer->segment, r->segment))
		cd_check_error(
			c, r->prefix->span,
			"segments '%.*s' and '%.*s' overlap: declare one in the other",
			CD_STR_FMT(outer->segment->head.name.s),
			CD_STR_FMT(r->segment->head.name.s));
}

/* Sorted, a prefix stands behind those that cover it: a stack of the open
 * ones has the innermost on top. At most 129 can be open in one family, and
 * of equal prefixes the last counts. */
static void sweep(struct cd_checker *c, const struct range *ranges, size_t n)
{
	const struct range *open[130];
	size_t depth = 0;

	for (size_t i = 0; i < n; i++) {
		const struct range *r = &ranges[i];

		while (depth && !covers(open[depth - 1]->prefix, r->prefix))
			depth--;
		if (depth)
			check_overlap(c, open[depth - 1], r);
		if (depth && open[depth - 1]->prefix->bits == r->prefix->bits)
			depth--;
		open[depth++] = r;
		check_inside(c, r);
	}
}

static uint32_t depth_of(const struct cd_policy *p,
			 const struct cd_ast_segment *s)
{
	uint32_t depth = 0;

	for (s = parent_of(p, s); s; s = parent_of(p, s))
		depth++;
	return depth;
}

static int check_segments(struct cd_checker *c)
{
	const struct cd_policy *p = c->policy;
	struct range *ranges;
	size_t n = 0, at = 0;

	for (uint32_t i = 0; i < p->n_of_kind[CD_AST_SEGMENT]; i++)
		n += cd_ast_segment(p, i)->n_prefixes;
	ranges = cd_calloc(n, sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	for (uint32_t i = 0; i < p->n_of_kind[CD_AST_SEGMENT]; i++) {
		const struct cd_ast_segment *s = cd_ast_segment(p, i);

		for (uint32_t k = 0; k < s->n_prefixes; k++)
			ranges[at++] = (struct range){s, &s->prefixes[k],
						      depth_of(p, s)};
	}
	qsort(ranges, n, sizeof(*ranges), compare_ranges);
	sweep(c, ranges, n);
	free(ranges);
	return 0;
}

/* ---- apps -------------------------------------------------------------- */
static int compare_urls(const void *a, const void *b)
{
	const struct cd_ast_app *const *x = a, *const *y = b;
	int d = cd_str_compare((*x)->url_host, (*y)->url_host);

	return d ? d :
		   ((*x)->head.number > (*y)->head.number) -
			       ((*x)->head.number < (*y)->head.number);
}

/* Two apps may not have one host name: the gateway finds the app by it, and
 * a browser's cookies do not tell ports apart. */
static int check_urls(struct cd_checker *c)
{
	const struct cd_policy *p = c->policy;
	uint32_t n = p->n_of_kind[CD_AST_APP], with_url = 0;
	const struct cd_ast_app **apps = cd_calloc(n, sizeof(*apps));

	if (!apps)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		if (cd_ast_app(p, i)->url.len)
			apps[with_url++] = cd_ast_app(p, i);
	qsort(apps, with_url, sizeof(*apps), compare_urls);
	for (uint32_t i = 1; i < with_url; i++)
		if (cd_str_equal(apps[i - 1]->url_host, apps[i]->url_host))
			cd_check_error(c, apps[i]->url_span,
				       "app '%.*s' has this host name already",
				       CD_STR_FMT(apps[i - 1]->head.name.s));
	free(apps);
	return 0;
}

/* Plain http is for a server on this machine alone: who can change a list on
 * its way changes the policy. */
static bool is_feed_url(struct cd_str s)
{
	return cd_str_has_prefix(s, CD_STR("https://")) ||
	       cd_str_has_prefix(s, CD_STR("http://127.")) ||
	       cd_str_has_prefix(s, CD_STR("http://[::1]"));
}

static void check_feeds(struct cd_checker *c)
{
	const struct cd_policy *p = c->policy;

	for (uint32_t i = 0; i < p->n_of_kind[CD_AST_FEED]; i++) {
		const struct cd_ast_feed *f =
			(const void *)p->of_kind[CD_AST_FEED][i];

		if (f->is_url && !is_feed_url(f->location.s))
			cd_check_error(
				c, f->location.span,
				"the url of a feed begins with https://");
		if (!f->is_url && f->location.s.ptr[0] != '/')
			cd_check_error(c, f->location.span,
				       "the file of a feed begins with /");
	}
}

int cd_check_sets(struct cd_checker *c)
{
	const struct cd_policy *p = c->policy;
	bool no_circle;
	int err = 0;

	for (int k = 0; k < CD_AST_KINDS; k++)
		for (uint32_t i = 0; i < p->n_of_kind[k]; i++)
			check_twice(c, p->of_kind[k][i]);
	check_feeds(c);
	check_circles(c, CD_AST_GROUP);
	check_postures(c);
	no_circle = check_circles(c, CD_AST_SEGMENT);
	/* Walking up a circle would not end. */
	if (no_circle)
		err = check_segments(c);
	return err ? err : check_urls(c);
}
