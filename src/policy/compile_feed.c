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

static int put_feed(struct names *n, uint32_t i)
{
	struct cd_compile *c = n->c;
	const struct cd_ast_feed *ast = (const void *)c->sorted[CD_AST_FEED][i];
	struct cd_snap_feed out = {.names = c->n_domains + i};
	struct feed f = {.names = n, .set = out.names};
	char *text cd_auto(cd_freep) = NULL;
	size_t len = 0;
	int err = -ENOENT;

	cd_buf_init(&f.spans, (size_t)1 << 30);
	out.name = cd_writer_str(&c->w, ast->head.name.s);
	add_set(c, ast->head.name.s);
	if (c->loader && c->loader->feed)
		err = c->loader->feed(c->loader->ctx, ast->location.s, &text,
				      &len);
	if (err)
		tell_missing(c, ast, err);
	/* `mode report`: a match decides nothing, as if the list were empty. */
	err = err || ast->report ? 0 :
				   read_feed(&f, ast, cd_str_make(text, len));
	if (!err)
		err = cd_compile_spans(c, (void *)f.spans.data,
				       f.spans.len / sizeof(struct cd_span),
				       &out.spans);
	cd_buf_done(&f.spans);
	cd_writer_add(&c->w, CD_SEC_FEEDS, &out);
	return err ? err : c->w.err;
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
	for (uint32_t i = 0; i < c->policy->n_of_kind[CD_AST_FEED] && !err; i++)
		err = put_feed(&n, i);
	if (!err)
		err = put_slices(c, &n.exact, false);
	if (!err)
		err = put_slices(c, &n.below, true);
	cd_buf_done(&n.exact);
	cd_buf_done(&n.below);
	return err;
}
