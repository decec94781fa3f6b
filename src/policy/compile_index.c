/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The candidate index: for each object the rules that can say something about
 * it, so that a decision visits no other, and the bound on their number.
 *
 * What counts for an object x, whatever the subject (an anonymous visitor may
 * turn out to be anybody):
 *  - app: rules that name it or `any`, and the denies on hosts, segments and
 *    the internet that its upstreams may lie in;
 *  - segment: rules that name it, one it lies in, or `any`;
 *  - hosts, domains, category, internet: rules that name it or `any`.
 * More than CD_MAX_CANDIDATES of them is an error. An address in several sets
 * costs the sum of theirs.
 */
#include "policy/compile.h"

#include <stdlib.h>

/* Rules by what they name: pairs sorted by the object's number. */
struct index {
	struct cd_compile *c;
	uint32_t n_rules;
	struct cd_words any, internet, hosts_deny;
	struct cd_buf apps, segments, domsets, hosts; /* struct cd_pair */
};

static const struct cd_snap_rule *rule_at(struct index *x, uint32_t i)
{
	return cd_writer_at(&x->c->w, CD_SEC_RULES, i);
}

static void add(struct cd_buf *pairs, uint32_t object, uint32_t rule)
{
	struct cd_pair p = {object, rule};

	cd_buf_put(pairs, &p, sizeof(p));
}

static void add_item(struct index *x, const struct cd_snap_item *item,
		     uint32_t rule)
{
	switch (item->kind) {
	case CD_TO_ANY:
		cd_words_add(&x->any, rule);
		break;
	case CD_TO_INTERNET:
		cd_words_add(&x->internet, rule);
		break;
	case CD_TO_APP:
		add(&x->apps, item->id, rule);
		break;
	case CD_TO_HOSTS:
		add(&x->hosts, item->id, rule);
		if (rule_at(x, rule)->deny)
			cd_words_add(&x->hosts_deny, rule);
		break;
	case CD_TO_SEGMENT:
		add(&x->segments, item->id, rule);
		break;
	default:
		add(&x->domsets, item->id, rule);
	}
}

static void sort(struct cd_buf *pairs)
{
	cd_pairs_sort((void *)pairs->data, pairs->len / sizeof(struct cd_pair));
}

static void read_rules(struct index *x)
{
	for (uint32_t i = 0; i < x->n_rules; i++) {
		const struct cd_snap_rule *r = rule_at(x, i);

		for (uint32_t k = 0; k < r->to_n; k++)
			add_item(x,
				 cd_writer_at(&x->c->w, CD_SEC_ITEMS,
					      r->to_first + k),
				 i);
	}
	cd_words_sort(&x->any);
	cd_words_sort(&x->internet);
	cd_words_sort(&x->hosts_deny);
	sort(&x->apps);
	sort(&x->segments);
	sort(&x->domsets);
	sort(&x->hosts);
}

/* Appends the rules paired with an object to a list; denies: those alone. */
static void take(struct index *x, const struct cd_buf *pairs, uint32_t object,
		 bool denies, struct cd_words *out)
{
	const struct cd_pair *p = (const void *)pairs->data;
	size_t lo = 0, n = pairs->len / sizeof(*p), hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (p[mid].owner < object)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < n && p[lo].owner == object; lo++)
		if (!denies || rule_at(x, p[lo].number)->deny)
			cd_words_add(out, p[lo].number);
}

static void take_words(struct index *x, struct cd_words *from, bool denies,
		       struct cd_words *out)
{
	for (uint32_t i = 0; i < cd_words_n(from); i++) {
		uint32_t rule = cd_words_get(from)[i];

		if (!denies || rule_at(x, rule)->deny)
			cd_words_add(out, rule);
	}
}

/* ---- the bound --------------------------------------------------------------- */
static int too_many(struct index *x, const char *kind, struct cd_str name,
		    struct cd_words *list)
{
	struct cd_buf text cd_auto(cd_buf_done);
	uint32_t n = cd_words_n(list);

	cd_buf_init(&text, 300);
	for (uint32_t i = 0; i < n && text.len < 180; i++) {
		const struct cd_snap_rule *r =
			rule_at(x, cd_words_get(list)[i]);
		const struct cd_snap_str *s =
			cd_writer_at(&x->c->w, CD_SEC_STRS, r->name);
		const char *chars =
			cd_writer_at(&x->c->w, CD_SEC_CHARS, s->off);

		cd_buf_printf(&text, "%s\"%.*s\"", i ? ", " : "",
			      (int)CD_MIN(s->len, 60u), chars);
	}
	cd_diag_add(x->c->diag, CD_ERROR, NULL, 0, 0,
		    "%u rules can decide about %s%s%.*s, more than %u: %.*s...",
		    n, kind, name.len ? " " : "", CD_STR_FMT(name),
		    CD_MAX_CANDIDATES, (int)text.len, text.data);
	cd_diag_hint(x->c->diag, "join rules that differ in their groups only");
	return CD_E_LIMIT;
}

/* Sorts a list, adds `any` to it for the count alone, and checks it. */
static int check_count(struct index *x, const char *kind, struct cd_str name,
		       struct cd_words *list)
{
	struct cd_words all;
	int err = 0;

	cd_words_sort(list);
	if (cd_words_n(list) + cd_words_n(&x->any) <= CD_MAX_CANDIDATES)
		return 0;
	cd_words_init(&all);
	take_words(x, list, false, &all);
	take_words(x, &x->any, false, &all);
	cd_words_sort(&all);
	if (cd_words_n(&all) > CD_MAX_CANDIDATES)
		err = too_many(x, kind, name, &all);
	cd_words_done(&all);
	return err;
}

static int put_list(struct index *x, struct cd_words *list, uint32_t *ret_first,
		    uint32_t *ret_n)
{
	if (list->buf.err)
		return list->buf.err;
	*ret_first = cd_writer_count(&x->c->w, CD_SEC_CANDS);
	*ret_n = cd_words_n(list);
	for (uint32_t i = 0; i < *ret_n; i++) {
		uint32_t rule = cd_words_get(list)[i];
		const struct cd_snap_rule *r = rule_at(x, rule);
		struct cd_snap_cand cand = {.rule = rule,
					    .group = r->group,
					    .deny = r->deny,
					    .mode = r->mode};

		cd_writer_add(&x->c->w, CD_SEC_CANDS, &cand);
	}
	return x->c->w.err;
}

/* ---- apps ---------------------------------------------------------------------- */
/* The innermost segment of an upstream's address, or CD_NIL. */
static uint32_t place(struct cd_writer *w, const struct cd_snap_upstream *u)
{
	enum cd_snap_section sec = u->family == 4 ? CD_SEC_RANGES4 :
						    CD_SEC_RANGES6;
	struct cd_addr a = {.family = u->family};
	uint32_t lo = 0, hi = cd_writer_count(w, sec);
	struct cd_span at;

	memcpy(a.bytes, u->addr, sizeof(a.bytes));
	at = cd_span_of(&a, u->family == 4 ? 32 : 128);
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		const void *r = cd_writer_at(w, sec, mid);
		struct cd_span s;

		if (u->family == 4) {
			s.lo = ((const struct cd_snap_range4 *)r)->lo;
			s.hi = ((const struct cd_snap_range4 *)r)->hi;
		} else {
			const struct cd_snap_range6 *six = r;
			struct cd_addr edge = {.family = 6};

			memcpy(edge.bytes, six->lo, 16);
			s.lo = cd_span_of(&edge, 128).lo;
			memcpy(edge.bytes, six->hi, 16);
			s.hi = cd_span_of(&edge, 128).lo;
		}
		if (s.lo <= at.lo && at.lo <= s.hi)
			return u->family == 4 ?
				       ((const struct cd_snap_range4 *)r)
					       ->segment :
				       ((const struct cd_snap_range6 *)r)
					       ->segment;
		if (s.hi < at.lo)
			lo = mid + 1;
		else
			hi = mid;
	}
	return CD_NIL;
}

/* Denies on segments that an upstream lies in; on all of them when the
 * policy does not say where it is. */
static void take_place(struct index *x, const struct cd_snap_upstream *u,
		       struct cd_words *out)
{
	const struct cd_pair *p = (const void *)x->segments.data;
	struct cd_writer *w = &x->c->w;
	uint32_t leaf = u->family ? place(w, u) : CD_NIL;

	for (size_t i = 0; i < x->segments.len / sizeof(*p); i++) {
		const struct cd_snap_segment *s =
			cd_writer_at(w, CD_SEC_SEGMENTS, p[i].owner);

		if (rule_at(x, p[i].number)->deny &&
		    (u->family == 0 ||
		     (leaf != CD_NIL && p[i].owner <= leaf && leaf <= s->last)))
			cd_words_add(out, p[i].number);
	}
}

static int put_app(struct index *x, uint32_t app, struct cd_words *list)
{
	struct cd_compile *c = x->c;
	struct cd_snap_app *a = cd_writer_at(&c->w, CD_SEC_APPS, app);
	uint32_t first, n;
	int err;

	list->buf.len = 0;
	take(x, &x->apps, app, false, list);
	take_words(x, &x->any, false, list);
	take_words(x, &x->hosts_deny, true, list);
	take_words(x, &x->internet, true, list);
	for (uint32_t i = 0; i < a->upstream_n; i++)
		take_place(x,
			   cd_writer_at(&c->w, CD_SEC_UPSTREAMS,
					a->upstream_first + i),
			   list);
	err = check_count(x, "app", c->sorted[CD_AST_APP][app]->name.s, list);
	if (!err)
		err = put_list(x, list, &first, &n);
	if (err)
		return err;
	a = cd_writer_at(&c->w, CD_SEC_APPS, app);
	a->cand_first = first;
	a->cand_n = n;
	return 0;
}

/* ---- addresses and names ----------------------------------------------------- */
static int put_segment(struct index *x, uint32_t segment, struct cd_words *list)
{
	struct cd_writer *w = &x->c->w;
	struct cd_snap_segment *s = cd_writer_at(w, CD_SEC_SEGMENTS, segment);
	const struct cd_snap_str *name = cd_writer_at(w, CD_SEC_STRS, s->name);
	uint32_t up = segment, first, n;
	int err;

	list->buf.len = 0;
	while (up != CD_NIL) {
		take(x, &x->segments, up, false, list);
		up = ((struct cd_snap_segment *)cd_writer_at(w, CD_SEC_SEGMENTS,
							     up))
			     ->parent;
	}
	err = check_count(x, "segment",
			  cd_str_make(cd_writer_at(w, CD_SEC_CHARS, name->off),
				      name->len),
			  list);
	if (!err)
		err = put_list(x, list, &first, &n);
	if (err)
		return err;
	s = cd_writer_at(w, CD_SEC_SEGMENTS, segment);
	s->cand_first = first;
	s->cand_n = n;
	return 0;
}

static int put_domset(struct index *x, uint32_t set, struct cd_words *list)
{
	struct cd_compile *c = x->c;
	bool feed = set >= c->n_domains;
	const struct cd_ast *ast =
		feed ? c->sorted[CD_AST_FEED][set - c->n_domains] :
		       c->sorted[CD_AST_DOMAINS][set];
	struct cd_snap_domset *s;
	uint32_t first, n;
	int err;

	list->buf.len = 0;
	take(x, &x->domsets, set, false, list);
	err = check_count(x, feed ? "category" : "domains", ast->name.s, list);
	if (!err)
		err = put_list(x, list, &first, &n);
	if (err)
		return err;
	s = cd_writer_at(&c->w, CD_SEC_DOMSETS, set);
	s->cand_first = first;
	s->cand_n = n;
	return 0;
}

/* ---- hosts: by a label that their selector needs ------------------------------ */
/* The labels of which one must be there for a tree not to be false: their
 * nodes, in out. false: there is no such set. */
static bool needed(struct index *x, uint32_t at, struct cd_words *out)
{
	struct cd_writer *w = &x->c->w;
	const struct cd_snap_node *n = cd_writer_at(w, CD_SEC_NODES, at);
	uint32_t before = cd_words_n(out), end = n->end;

	if (n->op == CD_NODE_LABEL) {
		cd_words_add(out, at);
		return true;
	}
	if (n->op == CD_NODE_NOT)
		return false;
	for (uint32_t i = at + 1; i < end;) {
		bool has = needed(x, i, out);

		/* Of an `and`, any part's labels will do: the first's. */
		if (has && n->op == CD_NODE_AND)
			return true;
		if (!has)
			out->buf.len = before * sizeof(uint32_t);
		if (!has && n->op == CD_NODE_OR)
			return false;
		i = ((struct cd_snap_node *)cd_writer_at(w, CD_SEC_NODES, i))
			    ->end;
	}
	return n->op == CD_NODE_OR;
}

struct labelled {
	uint32_t key, value, rule;
};

static int by_label(const void *a, const void *b)
{
	const struct labelled *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	if (x->value != y->value)
		return x->value < y->value ? -1 : 1;
	return x->rule < y->rule ? -1 : x->rule > y->rule;
}

static int put_labels(struct index *x, struct cd_buf *buf,
		      struct cd_words *list)
{
	struct labelled *l = (void *)buf->data;
	size_t n = buf->len / sizeof(*l);
	int err = buf->err;

	if (n > 1)
		qsort(l, n, sizeof(*l), by_label);
	for (size_t i = 0, k; i < n && !err; i = k) {
		struct cd_snap_label out = {.key = l[i].key,
					    .value = l[i].value};

		list->buf.len = 0;
		for (k = i;
		     k < n && l[k].key == l[i].key && l[k].value == l[i].value;
		     k++)
			cd_words_add(list, l[k].rule);
		cd_words_sort(list);
		err = put_list(x, list, &out.cand_first, &out.cand_n);
		cd_writer_add(&x->c->w, CD_SEC_LABELS, &out);
	}
	return err;
}

/* Rules on hosts set `set` go under its labels, or to the unkeyed. */
static int spread(struct index *x, uint32_t set, struct cd_words *list,
		  struct cd_words *unkeyed, struct cd_buf *labelled)
{
	struct cd_compile *c = x->c;
	const struct cd_snap_hosts *h = cd_writer_at(&c->w, CD_SEC_HOSTS, set);
	struct cd_words nodes;
	int err;

	list->buf.len = 0;
	take(x, &x->hosts, set, false, list);
	err = check_count(x, "hosts", c->sorted[CD_AST_HOSTS][set]->name.s,
			  list);
	cd_words_init(&nodes);
	if (!err && !needed(x, h->root, &nodes))
		take_words(x, list, false, unkeyed);
	for (uint32_t i = 0; !err && i < cd_words_n(&nodes); i++) {
		const struct cd_snap_node *n = cd_writer_at(
			&c->w, CD_SEC_NODES, cd_words_get(&nodes)[i]);

		for (uint32_t k = 0; k < cd_words_n(list); k++) {
			struct labelled l = {n->a, n->n, cd_words_get(list)[k]};

			cd_buf_put(labelled, &l, sizeof(l));
		}
	}
	cd_words_done(&nodes);
	return err;
}

static int put_hosts(struct index *x, struct cd_words *list)
{
	struct cd_buf labelled cd_auto(cd_buf_done);
	struct cd_snapshot *head = &x->c->w.head;
	struct cd_words unkeyed;
	int err = 0;

	cd_buf_init(&labelled, CD_MAX_SNAPSHOT_SIZE);
	cd_words_init(&unkeyed);
	for (uint32_t i = 0; i < x->c->policy->n_of_kind[CD_AST_HOSTS] && !err;
	     i++)
		err = spread(x, i, list, &unkeyed, &labelled);
	cd_words_sort(&unkeyed);
	if (!err)
		err = put_list(x, &unkeyed, &head->unkeyed_first,
			       &head->unkeyed_n);
	cd_words_done(&unkeyed);
	return err ? err : put_labels(x, &labelled, list);
}

static int put_all(struct index *x, struct cd_words *list)
{
	struct cd_writer *w = &x->c->w;
	int err = check_count(x, "any", CD_STR(""), &x->any);

	if (!err)
		err = check_count(x, "internet", CD_STR(""), &x->internet);
	if (!err)
		err = put_list(x, &x->any, &w->head.any_first, &w->head.any_n);
	if (!err)
		err = put_list(x, &x->internet, &w->head.internet_first,
			       &w->head.internet_n);
	for (uint32_t i = 0; i < cd_writer_count(w, CD_SEC_APPS) && !err; i++)
		err = put_app(x, i, list);
	for (uint32_t i = 0; i < cd_writer_count(w, CD_SEC_SEGMENTS) && !err;
	     i++)
		err = put_segment(x, i, list);
	/* Domain sets behind those of feeds are watched, and no rule's. */
	for (uint32_t i = 0;
	     i < x->c->n_domains + x->c->policy->n_of_kind[CD_AST_FEED] && !err;
	     i++)
		err = put_domset(x, i, list);
	return err ? err : put_hosts(x, list);
}

int cd_compile_index(struct cd_compile *c)
{
	struct index x = {.c = c};
	struct cd_buf *bufs[] = {&x.apps, &x.segments, &x.domsets, &x.hosts};
	struct cd_words *words[] = {&x.any, &x.internet, &x.hosts_deny};
	struct cd_words list;
	int err = 0;

	for (size_t i = 0; i < CD_ARRAY_SIZE(bufs); i++)
		cd_buf_init(bufs[i], CD_MAX_SNAPSHOT_SIZE);
	for (size_t i = 0; i < CD_ARRAY_SIZE(words); i++)
		cd_words_init(words[i]);
	cd_words_init(&list);
	x.n_rules = cd_writer_count(&c->w, CD_SEC_RULES);
	read_rules(&x);
	for (size_t i = 0; i < CD_ARRAY_SIZE(bufs) && !err; i++)
		err = bufs[i]->err;
	if (!err)
		err = put_all(&x, &list);
	for (size_t i = 0; i < CD_ARRAY_SIZE(bufs); i++)
		cd_buf_done(bufs[i]);
	for (size_t i = 0; i < CD_ARRAY_SIZE(words); i++)
		cd_words_done(words[i]);
	cd_words_done(&list);
	return err;
}
