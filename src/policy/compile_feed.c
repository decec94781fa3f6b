/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of names and of addresses: `domains` statements and feeds. A feed is
 * text that others publish: one entry a line, the first column counts, '#'
 * begins a comment. An entry is an address, a prefix or a DNS name; what is
 * neither is counted and told once.
 */
#include "policy/compile.h"

#include "base/addr.h"

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
/* The first column of a line, without comment. */
static struct cd_str first_column(struct cd_str line)
{
	struct cd_str rest;

	line = cd_str_trim(cd_str_split(line, '#', &rest));
	for (size_t i = 0; i < line.len; i++)
		if (line.ptr[i] == ',' || line.ptr[i] == ';' ||
		    line.ptr[i] == ' ' || line.ptr[i] == '\t')
			line.len = i;
	if (line.len >= 2 && line.ptr[0] == '"' &&
	    line.ptr[line.len - 1] == '"')
		line = cd_str_make(line.ptr + 1, line.len - 2);
	return line;
}

/* A DNS name as feeds write it, lower case into out (256 bytes): at least two
 * labels, so that a heading is not taken for one. */
static bool read_name(struct cd_str s, char out[256], struct cd_str *ret_name)
{
	size_t label = 0, dots = 0;

	if (s.len && s.ptr[s.len - 1] == '.')
		s.len--;
	if (s.len == 0 || s.len > 253)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char ch = s.ptr[i];

		if (ch >= 'A' && ch <= 'Z')
			ch = (char)(ch + 32);
		if (ch == '.' ? label == 0 :
				!((ch >= 'a' && ch <= 'z') ||
				  (ch >= '0' && ch <= '9') || ch == '-' ||
				  ch == '_'))
			return false;
		label = ch == '.' ? 0 : label + 1;
		dots += ch == '.';
		if (label > 63)
			return false;
		out[i] = ch;
	}
	*ret_name = cd_str_make(out, s.len);
	return label && dots;
}

struct feed {
	struct names *names;
	struct cd_buf spans; /* struct cd_span */
	uint32_t set;
	size_t entries, bad;
};

static void read_line(struct feed *f, struct cd_str line)
{
	struct cd_str s = first_column(line), name;
	bool wildcard = cd_str_has_prefix(s, CD_STR("*."));
	char text[256];
	struct cd_prefix p;

	if (s.len == 0)
		return;
	f->entries++;
	if (cd_prefix_parse(s, &p) == 0) {
		struct cd_span span = cd_span_of(&p.addr, p.len);

		cd_buf_put(&f->spans, &span, sizeof(span));
		return;
	}
	if (wildcard)
		s = cd_str_make(s.ptr + 2, s.len - 2);
	if (read_name(s, text, &name))
		add_name(f->names, name, wildcard, f->set);
	else
		f->bad++;
}

static int read_feed(struct feed *f, const struct cd_ast_feed *ast,
		     struct cd_str text)
{
	struct cd_compile *c = f->names->c;

	while (text.len) {
		struct cd_str rest;

		read_line(f, cd_str_split(text, '\n', &rest));
		text = rest;
		if (f->entries > CD_MAX_FEED_ENTRIES) {
			cd_ast_diag(c->policy, c->diag, CD_ERROR,
				    ast->head.span,
				    "feed '%.*s' has more than %u entries",
				    CD_STR_FMT(ast->head.name.s),
				    CD_MAX_FEED_ENTRIES);
			return CD_E_LIMIT;
		}
	}
	if (f->bad)
		cd_ast_diag(
			c->policy, c->diag, CD_WARNING, ast->head.span,
			"feed '%.*s': %zu of %zu entries are neither an address nor a name, and are passed over",
			CD_STR_FMT(ast->head.name.s), f->bad, f->entries);
	return f->spans.err;
}

static void tell_missing(struct cd_compile *c, const struct cd_ast_feed *ast,
			 int err)
{
	char quoted[300];

	cd_ast_diag(
		c->policy, c->diag, CD_WARNING, ast->head.span,
		"feed '%.*s' could not be read from %s (%s): it counts as empty",
		CD_STR_FMT(ast->head.name.s),
		cd_quote(ast->location.s, quoted, sizeof(quoted)),
		cd_strerror(err));
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
