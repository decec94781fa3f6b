/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of names and of addresses: `domains` statements and feeds (feed.c reads
 * their text). A feed with a bad line fails the policy: who keeps a good copy
 * hands that to the compiler instead.
 */
#include "policy/compile.h"
#include "policy/feed.h"

struct names {
	struct cd_compile *c;
	struct cd_buf exact, below; /* struct cd_pair: domain -> domain set */
};

static void add_name(struct names *n, struct cd_str name, bool wildcard,
		     uint32_t set)
{
	struct cd_pair p = {cd_writer_domain(&n->c->w, name), set};

	cd_buf_put(wildcard ? &n->below : &n->exact, &p, sizeof(p));
}

static void add_set(struct cd_compile *c, struct cd_str name)
{
	struct cd_snap_domset set = {.name = cd_writer_str(&c->w, name)};

	cd_writer_add(&c->w, CD_SEC_DOMSETS, &set);
}

static void put_domains(struct names *n)
{
	struct cd_compile *c = n->c;

	c->n_domains = c->policy->n_of_kind[CD_AST_DOMAINS];
	for (uint32_t i = 0; i < c->n_domains; i++) {
		const struct cd_ast_domains *d =
			(const void *)c->sorted[CD_AST_DOMAINS][i];

		add_set(c, d->head.name.s);
		for (uint32_t k = 0; k < d->n_names; k++)
			add_name(n, d->names[k].name, d->names[k].wildcard, i);
	}
}

/* ---- feeds ------------------------------------------------------------------ */
struct feed {
	struct names *names;
	struct cd_buf spans; /* struct cd_span */
	uint32_t set;
};

static void take_entry(void *ctx, const struct cd_feed_entry *e)
{
	struct feed *f = ctx;
	struct cd_span span;

	if (e->name.len) {
		add_name(f->names, e->name, e->wildcard, f->set);
		return;
	}
	span = cd_span_of(&e->prefix.addr, e->prefix.len);
	cd_buf_put(&f->spans, &span, sizeof(span));
}

static int read_feed(struct feed *f, const struct cd_ast_feed *ast,
		     struct cd_str text)
{
	struct cd_compile *c = f->names->c;
	struct cd_feed_found found;
	char why[CD_FEED_WHY];
	int err = cd_feed_read(text, take_entry, f, &found);

	if (err) {
		cd_feed_why(ast->location.s, &found, why, sizeof(why));
		cd_ast_diag(c->policy, c->diag, CD_ERROR, ast->head.span,
			    "feed '%.*s': %s", CD_STR_FMT(ast->head.name.s),
			    why);
		return err == CD_E_LIMIT ? err : CD_E_CHECK;
	}
	return f->spans.err;
}

static void tell_missing(struct cd_compile *c, const struct cd_ast_feed *ast,
			 int err)
{
	char quoted[300];
	const char *what = ast->is_url && err == CD_E_UNSUPPORTED ?
				   "is fetched by cordond, not here" :
			   ast->is_url && err == -ENOENT ?
				   "was not fetched yet" :
				   cd_strerror(err);

	cd_ast_diag(c->policy, c->diag, CD_WARNING, ast->head.span,
		    "feed '%.*s': %s: %s: it counts as empty",
		    CD_STR_FMT(ast->head.name.s),
		    cd_quote(ast->location.s, quoted, sizeof(quoted)), what);
}

static int load(struct cd_compile *c, const struct cd_ast_feed *ast,
		char **ret_text, size_t *ret_len)
{
	int err = -ENOENT;

	if (c->loader && c->loader->feed)
		err = c->loader->feed(c->loader->ctx, ast->location.s, ret_text,
				      ret_len);
	if (err)
		tell_missing(c, ast, err);
	return err;
}

/* One row of FEEDS, and the domain set of its number. */
static int put_row(struct names *n, const struct cd_ast_feed *ast, bool full,
		   uint32_t watch)
{
	struct cd_compile *c = n->c;
	struct cd_snap_feed out = {
		.name = cd_writer_str(&c->w, ast->head.name.s),
		.names = cd_writer_count(&c->w, CD_SEC_DOMSETS),
		.watch = watch,
	};
	struct feed f = {.names = n, .set = out.names};
	char *text cd_auto(cd_freep) = NULL;
	size_t len = 0;
	int err = 0;

	cd_buf_init(&f.spans, (size_t)1 << 30);
	add_set(c, ast->head.name.s);
	if (full && load(c, ast, &text, &len) == 0)
		err = read_feed(&f, ast, cd_str_make(text, len));
	if (!err)
		err = cd_compile_spans(c, (void *)f.spans.data,
				       f.spans.len / sizeof(struct cd_span),
				       &out.spans);
	cd_buf_done(&f.spans);
	cd_writer_add(&c->w, CD_SEC_FEEDS, &out);
	return err ? err : c->w.err;
}

/* `mode report`: rules see an empty list, and the full one is watched. */
static int put_feeds(struct names *n)
{
	struct cd_compile *c = n->c;
	uint32_t count = c->policy->n_of_kind[CD_AST_FEED];
	int err = 0;

	c->asked = cd_arena_array(c->arena, CD_MAX(count, 1u), 1);
	if (!c->asked)
		return -ENOMEM;
	memset(c->asked, 0, CD_MAX(count, 1u));
	for (uint32_t i = 0; i < count && !err; i++) {
		const struct cd_ast_feed *ast =
			(const void *)c->sorted[CD_AST_FEED][i];

		err = put_row(n, ast, !ast->report, 0);
	}
	for (uint32_t i = 0; i < count && !err; i++) {
		const struct cd_ast_feed *ast =
			(const void *)c->sorted[CD_AST_FEED][i];

		if (ast->report)
			err = put_row(n, ast, true, CD_WATCH);
	}
	return err;
}

void cd_compile_ask_feed(struct cd_compile *c, uint32_t feed,
			 enum cd_snap_watch what)
{
	if (feed != CD_NIL)
		c->asked[feed] = (uint8_t)(c->asked[feed] | what);
}

int cd_compile_watches(struct cd_compile *c)
{
	uint32_t count = c->policy->n_of_kind[CD_AST_FEED], at = count;

	for (uint32_t i = 0; i < count; i++) {
		const struct cd_ast_feed *ast =
			(const void *)c->sorted[CD_AST_FEED][i];
		struct cd_snap_feed *row;

		if (!ast->report)
			continue;
		row = cd_writer_at(&c->w, CD_SEC_FEEDS, at++);
		row->watch |= c->asked[i];
	}
	return c->w.err;
}

/* ---- layout ----------------------------------------------------------------- */
static int put_slices(struct cd_compile *c, struct cd_buf *buf, bool below)
{
	struct cd_pair *p = (void *)buf->data;
	size_t n = buf->len / sizeof(*p);

	if (buf->err)
		return buf->err;
	cd_pairs_sort(p, n);
	for (size_t i = 0, k; i < n && !c->w.err; i = k) {
		uint32_t first = cd_writer_count(&c->w, CD_SEC_WORDS);
		uint32_t count = 0;
		struct cd_snap_domain *d;

		for (k = i; k < n && p[k].owner == p[i].owner; k++) {
			if (k > i && p[k].number == p[k - 1].number)
				continue;
			cd_writer_add(&c->w, CD_SEC_WORDS, &p[k].number);
			count++;
		}
		if (c->w.err)
			break;
		d = cd_writer_at(&c->w, CD_SEC_DOMAINS, p[i].owner);
		*(below ? &d->below_first : &d->exact_first) = first;
		*(below ? &d->below_n : &d->exact_n) = count;
	}
	return c->w.err;
}

int cd_compile_feeds(struct cd_compile *c)
{
	struct names n = {.c = c};
	int err;

	cd_buf_init(&n.exact, CD_MAX_SNAPSHOT_SIZE);
	cd_buf_init(&n.below, CD_MAX_SNAPSHOT_SIZE);
	put_domains(&n);
	err = c->w.err;
	if (!err)
		err = put_feeds(&n);
	if (!err)
		err = put_slices(c, &n.exact, false);
	if (!err)
		err = put_slices(c, &n.below, true);
	cd_buf_done(&n.exact);
	cd_buf_done(&n.below);
	return err;
}
