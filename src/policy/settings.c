// SPDX-License-Identifier: Apache-2.0
/*
 * The lines of an app block. Each row of settings.def has its own small
 * parser here, which checks its line, stores what the compiler needs typed,
 * and writes the canonical text that snapshots carry. A line ends with its
 * line; a comma at its end continues it.
 */
#include "policy/parser.h"

#include "base/addr.h"
#include "policy/suggest.h"

/* What one line's parser works on. The canonical text grows in `out`. */
struct line {
	struct cd_parser *p;
	struct cd_ast_app *app;
	struct cd_buf *out;
	uint32_t number; /* where the line ends: the last token's line */
};

/* Is there another token on this line? */
static bool more(const struct line *l)
{
	return l->p->tok.kind != CD_TOK_END && l->p->tok.line == l->number;
}

static bool at(const struct line *l, const char *word)
{
	return more(l) && cd_parse_at(l->p, word);
}

/* A comma: the list goes on, here or on the next line. */
static int accept_comma(struct line *l)
{
	int err = more(l) ? cd_parse_comma(l->p) : 0;

	if (err != 1)
		return err;
	l->number = l->p->tok.line;
	cd_buf_puts(l->out, ", ");
	return 1;
}

/* A word or string of this line, not yet written out. */
static int text(struct line *l, const char *what, struct cd_ast_name *ret)
{
	ret->span = cd_parse_span(l->p);
	if (!more(l))
		return cd_parse_error(l->p, l->p->end,
				      "expected %s before the end of the line",
				      what);
	return cd_parse_text(l->p, what, &ret->s);
}

/* Takes a word that stands here and writes it. */
static int word(struct line *l, const char *before, const char *w)
{
	cd_buf_puts(l->out, before);
	cd_buf_puts(l->out, w);
	return cd_parse_next(l->p);
}

static int wrong(struct line *l, const struct cd_ast_name *got,
		 const char *wanted)
{
	return cd_parse_literal_error(l->p, got->span, -EINVAL, got->s, wanted);
}

static int choice(struct line *l, const char *const *words, const char *what)
{
	int i;

	if (!more(l)) {
		struct cd_ast_name none;

		return text(l, what, &none);
	}
	i = cd_parse_choice(l->p, words, what);
	if (i >= 0)
		cd_buf_puts(l->out, words[i]);
	return i;
}

static int number(struct line *l, const char *what, uint32_t min, uint32_t max,
		  uint32_t *ret)
{
	struct cd_ast_name none;
	int err = more(l) ? cd_parse_uint(l->p, what, min, max, ret) :
			    text(l, what, &none);

	if (!err)
		cd_buf_printf(l->out, "%u", *ret);
	return err;
}

static int duration(struct line *l)
{
	struct cd_ast_name none;
	uint32_t seconds;
	int err = more(l) ? cd_parse_duration(l->p, &seconds) :
			    text(l, cd_literal_wanted(CD_T_DURATION), &none);

	if (!err)
		cd_literal_print_duration(l->out, seconds);
	return err;
}

/* [every D] and the like */
static int optional_duration(struct line *l, const char *w)
{
	int err;

	if (!at(l, w))
		return 0;
	err = word(l, " ", w);
	cd_buf_char(l->out, ' ');
	return err ? err : duration(l);
}

static int optional_number(struct line *l, const char *w, uint32_t max)
{
	uint32_t n;
	int err;

	if (!at(l, w))
		return 0;
	err = word(l, " ", w);
	cd_buf_char(l->out, ' ');
	return err ? err : number(l, "a number", 1, max, &n);
}

/* ---- endpoints --------------------------------------------------------- */
static int read_port(struct cd_str s, uint16_t *ret)
{
	uint64_t n;

	if (cd_str_parse_u64(s, &n) || n == 0 || n > UINT16_MAX)
		return -EINVAL;
	*ret = (uint16_t)n;
	return 0;
}

/* HOST, HOST:PORT, ADDR:PORT, [ADDR6] or [ADDR6]:PORT. port stays as it is
 * when none is written. */
static int read_endpoint(struct cd_arena *arena, struct cd_str s,
			 struct cd_ast_endpoint *e)
{
	struct cd_str host, port = CD_STR_NULL;
	const char *end;

	if (s.len && s.ptr[0] == '[') {
		end = memchr(s.ptr, ']', s.len);
		if (!end)
			return -EINVAL;
		host = cd_str_make(s.ptr + 1, (size_t)(end - s.ptr) - 1);
		s = cd_str_make(end + 1, s.len - host.len - 2);
		if (s.len && s.ptr[0] != ':')
			return -EINVAL;
		if (s.len)
			port = cd_str_make(s.ptr + 1, s.len - 1);
		if (cd_addr_parse(host, &e->addr) || e->addr.family != 6)
			return -EINVAL;
	} else {
		host = cd_str_split(s, ':', &port);
		if (cd_addr_parse(host, &e->addr)) {
			e->addr.family = 0;
			if (cd_literal_dns(arena, host, &host))
				return -EINVAL;
		}
	}
	e->host = host;
	return port.ptr ? read_port(port, &e->port) : 0;
}

static void print_endpoint(struct cd_buf *out, const struct cd_ast_endpoint *e,
			   uint16_t default_port)
{
	bool brackets = e->addr.family == 6;

	cd_buf_printf(out, "%s%.*s%s", brackets ? "[" : "", CD_STR_FMT(e->host),
		      brackets ? "]" : "");
	if (e->port != default_port)
		cd_buf_printf(out, ":%u", e->port);
}

/* This machine's own name needs no name server, which may well say something
 * else of it (RFC 6761 section 6.3). */
static bool is_localhost(struct cd_str host)
{
	return cd_str_equal(host, CD_STR("localhost")) ||
	       cd_str_has_suffix(host, CD_STR(".localhost"));
}

static int add_endpoint(struct line *l, const struct cd_ast_endpoint *e)
{
	struct cd_ast_endpoint own = *e;

	if (is_localhost(own.host))
		own.addr = (struct cd_addr){4, {127, 0, 0, 1}};
	return cd_parse_push_item(l->p, l->app->upstreams, l->app->n_upstreams,
				  own);
}

/* Splits "scheme://rest[/]"; schemes ends with NULL. The index, or -1. */
static int read_scheme(struct cd_str *s, const char *const *schemes)
{
	for (int i = 0; schemes[i]; i++) {
		struct cd_str scheme = cd_str_from(schemes[i]);

		if (!cd_str_has_prefix(*s, scheme))
			continue;
		s->ptr += scheme.len;
		s->len -= scheme.len;
		if (s->len && s->ptr[s->len - 1] == '/')
			s->len--;
		return i;
	}
	return -1;
}

static int setting_url(struct line *l)
{
	static const char *const schemes[] = {"https://", "tls://", NULL};
	const char *wanted =
		"https://HOST[:PORT], or tls://HOST[:PORT] for a tcp app";
	struct cd_ast_endpoint e = {0};
	struct cd_ast_name url;
	struct cd_str rest;
	int scheme, err = text(l, wanted, &url);

	if (err)
		return err;
	rest = url.s;
	scheme = read_scheme(&rest, schemes);
	if (scheme < 0 || read_endpoint(l->p->arena, rest, &e) ||
	    (scheme == 1 && e.addr.family)) {
		err = wrong(l, &url, wanted);
		if (cd_str_has_prefix(url.s, CD_STR("http://")))
			cd_diag_hint(
				l->p->diag,
				"people reach apps by https:// only; http:// is redirected there");
		return err;
	}
	cd_buf_puts(l->out, schemes[scheme]);
	print_endpoint(l->out, &e, 0);
	l->app->url_host = e.host;
	l->app->url_port = e.port;
	l->app->url_span = url.span;
	return 0;
}

static int setting_upstream(struct line *l)
{
	static const char *const schemes[] = {"http://", "https://", NULL};
	const char *wanted = "http://HOST[:PORT] or https://HOST[:PORT]";
	int err;

	do {
		struct cd_ast_endpoint e = {0};
		struct cd_ast_name url;
		struct cd_str rest;
		int scheme;

		err = text(l, wanted, &url);
		if (err)
			return err;
		rest = url.s;
		scheme = read_scheme(&rest, schemes);
		e.span = url.span;
		if (scheme < 0 || read_endpoint(l->p->arena, rest, &e))
			return wrong(l, &url, wanted);
		e.tls = scheme == 1;
		if (!e.port)
			e.port = e.tls ? 443 : 80;
		if (l->app->n_upstreams && l->app->upstreams[0].tls != e.tls)
			return cd_parse_error(
				l->p, url.span,
				"the upstreams of an app are all http or all https");
		cd_buf_puts(l->out, schemes[scheme]);
		print_endpoint(l->out, &e, e.tls ? 443 : 80);
		err = add_endpoint(l, &e);
		if (!err)
			err = accept_comma(l);
	} while (err == 1);
	return err;
}

static int setting_via(struct line *l);

static int optional_via(struct line *l)
{
	int err;

	if (!at(l, "via"))
		return 0;
	err = word(l, " ", "via ");
	return err ? err : setting_via(l);
}

static int host_port(struct line *l, uint16_t default_port)
{
	const char *wanted = default_port ? "HOST[:PORT]" : "HOST:PORT";
	struct cd_ast_endpoint e = {.port = default_port};
	struct cd_ast_name where;
	int err = text(l, wanted, &where);

	if (err)
		return err;
	e.span = where.span;
	if (read_endpoint(l->p->arena, where.s, &e) || !e.port)
		return wrong(l, &where, wanted);
	print_endpoint(l->out, &e, default_port);
	return add_endpoint(l, &e);
}

static int setting_tcp(struct line *l)
{
	int err;

	do {
		err = host_port(l, 0);
		if (!err)
			err = accept_comma(l);
	} while (err == 1);
	return err ? err : optional_via(l);
}

static int setting_udp(struct line *l)
{
	int err = host_port(l, 0);

	return err ? err : optional_via(l);
}

static int name(struct line *l, const char *what, struct cd_str *ret)
{
	struct cd_ast_name n;
	int err = text(l, what, &n);

	if (err)
		return err;
	if (!cd_name_is_bare(n.s, false) || n.s.len > CD_MAX_NAME)
		return wrong(l, &n, what);
	cd_buf_str(l->out, n.s);
	*ret = n.s;
	return 0;
}

static int shell(struct line *l, uint16_t port)
{
	int err = host_port(l, port);

	if (!err && at(l, "as")) {
		err = word(l, " ", "as ");
		if (!err)
			err = name(l, "an account's name", &l->app->user);
	}
	return err ? err : optional_via(l);
}

static int setting_ssh(struct line *l)
{
	return shell(l, 22);
}

static int setting_rdp(struct line *l)
{
	return shell(l, 3389);
}

static int setting_via(struct line *l)
{
	if (l->app->via.len)
		return cd_parse_error(l->p, cd_parse_span(l->p),
				      "'via' is given twice");
	return name(l, "the name of a connector", &l->app->via);
}

/* ---- the other lines --------------------------------------------------- */
static int setting_waf(struct line *l)
{
	static const char *const words[] = {"off", "report", "block", NULL};
	int err = choice(l, words, "off, report or block");

	return err < 0 ? err : optional_number(l, "paranoia", 4);
}

static int setting_data(struct line *l)
{
	static const char *const words[] = {"public", "internal",
					    "confidential", "secret", NULL};
	int i = choice(l, words, "public, internal, confidential or secret");

	return i < 0 ? i : 0;
}

static int setting_limit(struct line *l)
{
	const char *wanted = "a rate such as 100/1m";
	struct cd_ast_name rate;
	uint32_t n, period;
	int err = text(l, wanted, &rate);

	if (err)
		return err;
	err = cd_literal_rate(rate.s, &n, &period);
	if (err)
		return cd_parse_literal_error(l->p, rate.span, err, rate.s,
					      wanted);
	cd_buf_printf(l->out, "%u/", n);
	cd_literal_print_duration(l->out, period);
	return optional_number(l, "burst", 1000000);
}

/* Bytes, with k, m or g for powers of 1024. */
static int setting_body(struct line *l)
{
	static const char units[] = "kmg";
	const char *unit, *wanted = "a size such as 512k, 10m or 1g";
	struct cd_ast_name size;
	struct cd_str digits;
	uint64_t n;
	int err = text(l, wanted, &size);

	if (err)
		return err;
	digits = size.s;
	unit = digits.len ? memchr(units, digits.ptr[digits.len - 1], 3) : NULL;
	digits.len -= unit != NULL;
	if (cd_str_parse_u64(digits, &n) || n == 0 || n > UINT32_MAX)
		return wrong(l, &size, wanted);
	cd_buf_printf(l->out, "%llu%.*s", (unsigned long long)n, unit ? 1 : 0,
		      unit ? unit : "");
	return 0;
}

/* RFC 9110 5.6.2 token */
static bool is_header_name(struct cd_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		      (c >= '0' && c <= '9') || c == '-' || c == '_'))
			return false;
	}
	return s.len > 0 && s.len <= 64;
}

/* What frames a message or belongs to one connection (RFC 9110 section 7.6.1,
 * RFC 9112 section 6): a gateway that let it be set would lie about where an
 * answer ends. */
static bool is_framing(struct cd_str name)
{
	static const char *const names[] = {
		"connection", "content-length",	   "keep-alive", "te",
		"trailer",    "transfer-encoding", "upgrade",
	};

	for (size_t i = 0; i < CD_ARRAY_SIZE(names); i++)
		if (cd_str_equal_nocase(name, cd_str_from(names[i])))
			return true;
	return false;
}

static void quoted(struct cd_buf *out, struct cd_str s)
{
	cd_buf_char(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '"' || s.ptr[i] == '\\')
			cd_buf_char(out, '\\');
		cd_buf_char(out, s.ptr[i]);
	}
	cd_buf_char(out, '"');
}

static int setting_headers(struct line *l)
{
	struct cd_ast_name header, value;
	bool is_string;
	int err;

	do {
		err = text(l, "a header's name", &header);
		if (!err && !is_header_name(header.s))
			err = wrong(l, &header, "a header's name");
		is_string = l->p->tok.kind == CD_TOK_STRING;
		if (!err)
			err = text(l, "a value in quotes, or off", &value);
		if (!err && !is_string && !cd_str_equal(value.s, CD_STR("off")))
			err = wrong(l, &value, "a value in quotes, or off");
		if (!err && is_framing(header.s))
			err = cd_parse_error(
				l->p, header.span,
				"'%.*s' belongs to the connection: it cannot be set or removed",
				CD_STR_FMT(header.s));
		if (err)
			return err;
		cd_buf_str(l->out, header.s);
		cd_buf_char(l->out, ' ');
		if (is_string)
			quoted(l->out, value.s);
		else
			cd_buf_puts(l->out, "off");
		err = accept_comma(l);
	} while (err == 1);
	return err;
}

static int setting_health(struct line *l)
{
	const char *wanted = "a path such as /health, or tcp";
	struct cd_ast_name path;
	int err = text(l, wanted, &path);

	if (!err && !cd_str_equal(path.s, CD_STR("tcp")) &&
	    (cd_literal_path_problem(path.s) ||
	     memchr(path.s.ptr, '*', path.s.len)))
		err = wrong(l, &path, wanted);
	for (size_t i = 0; !err && i < path.s.len; i++)
		if (!cd_lex_is_word((unsigned char)path.s.ptr[i]))
			err = wrong(l, &path, wanted);
	if (err)
		return err;
	cd_buf_str(l->out, path.s);
	err = optional_duration(l, "every");
	if (!err)
		err = optional_number(l, "fall", 100);
	return err ? err : optional_number(l, "rise", 100);
}

static int setting_timeout(struct line *l)
{
	return duration(l);
}

/* ---- the block --------------------------------------------------------- */
static const struct row {
	const char *word;
	int (*parse)(struct line *l);
	unsigned int kinds;
	const char *form;
} rows[] = {
#define CD_SETTING(id, word, parse, kinds, form, doc) \
	[CD_SETTING_##id] = {word, setting_##parse, kinds, form},
#include "policy/settings.def"
#undef CD_SETTING
};

static const char *const row_words[] = {
#define CD_SETTING(id, word, parse, kinds, form, doc) word,
#include "policy/settings.def"
#undef CD_SETTING
	NULL,
};

const char *cd_setting_word(enum cd_setting id)
{
	return rows[id].word;
}

static int keep_text(struct line *l, struct cd_ast_setting *s)
{
	struct cd_parser *p = l->p;
	int err = l->out->err;

	if (!err)
		err = cd_arena_str(p->arena, cd_buf_get(l->out), &s->text);
	if (err)
		return p->fatal = err;
	if (s->text.len > CD_MAX_STRING * 4)
		return cd_parse_limit(p, "bytes in a line of an app",
				      CD_MAX_STRING * 4);
	if (s->id == CD_SETTING_URL)
		l->app->url = s->text;
	return cd_parse_push(p, l->app->settings, l->app->n_settings, *s);
}

static int check_once(struct cd_parser *p, const struct cd_ast_app *app,
		      const struct cd_ast_setting *s)
{
	for (uint32_t i = 0; i < app->n_settings; i++)
		if (app->settings[i].id == s->id)
			return cd_parse_error(p, s->span, "'%s' is given twice",
					      cd_setting_word(s->id));
	return 0;
}

/* No line begins so: which do. */
static int no_setting(struct cd_parser *p)
{
	int err = cd_parse_expected(p, "a line of an app");

	if (p->tok.kind == CD_TOK_WORD)
		cd_suggest_word(p->diag, p->tok.text, row_words);
	return err;
}

static int find_setting(struct cd_parser *p)
{
	for (int i = 0; row_words[i]; i++)
		if (cd_parse_at(p, row_words[i])) {
			int err = cd_parse_next(p);

			return err ? err : i;
		}
	return no_setting(p);
}

static int parse_setting(struct cd_parser *p, struct cd_ast_app *app)
{
	struct cd_buf out cd_auto(cd_buf_done);
	struct line l = {p, app, &out, p->tok.line};
	struct cd_ast_setting s = {.span = cd_parse_span(p)};
	int err = find_setting(p);

	cd_buf_init(&out, (size_t)1 << 20);
	if (err < 0)
		return err;
	s.id = (enum cd_setting)err;
	err = check_once(p, app, &s);
	if (!err)
		err = rows[s.id].parse(&l);
	if (!err && more(&l)) {
		err = cd_parse_expected(p, "the end of the line");
		cd_diag_hint(p->diag, "%s %s", rows[s.id].word,
			     rows[s.id].form);
	}
	return err ? err : keep_text(&l, &s);
}

/* The line that says where the app runs makes its kind. */
static int find_kind(struct cd_parser *p, struct cd_ast_app *app)
{
	static const enum cd_setting homes[] = {
		[CD_APP_HTTP] = CD_SETTING_UPSTREAM,
		[CD_APP_TCP] = CD_SETTING_TCP,
		[CD_APP_UDP] = CD_SETTING_UDP,
		[CD_APP_SSH] = CD_SETTING_SSH,
		[CD_APP_RDP] = CD_SETTING_RDP,
	};
	bool found = false;

	for (uint32_t i = 0; i < app->n_settings; i++)
		for (size_t k = 0; k < CD_ARRAY_SIZE(homes); k++) {
			if (app->settings[i].id != homes[k])
				continue;
			if (found)
				return cd_parse_error(
					p, app->settings[i].span,
					"an app runs at one place: upstream, tcp, udp, ssh or rdp");
			found = true;
			app->kind = (enum cd_app_kind)k;
		}
	if (!found)
		return cd_parse_error(
			p, app->head.name.span,
			"app '%.*s' needs a line that says where it runs: upstream, tcp, udp, ssh or rdp",
			CD_STR_FMT(app->head.name.s));
	return 0;
}

static int check_kinds(struct cd_parser *p, const struct cd_ast_app *app)
{
	bool tls = cd_str_has_prefix(app->url, CD_STR("tls://"));

	for (uint32_t i = 0; i < app->n_settings; i++) {
		const struct cd_ast_setting *s = &app->settings[i];

		if (!(rows[s->id].kinds & 1u << app->kind))
			return cd_parse_error(
				p, s->span, "'%s' is not for this kind of app",
				cd_setting_word(s->id));
		if (s->id == CD_SETTING_HEALTH && app->kind == CD_APP_TCP &&
		    s->text.ptr[0] == '/')
			return cd_parse_error(
				p, s->span,
				"a tcp app is checked by 'health tcp'");
	}
	if (app->url.len && tls != (app->kind == CD_APP_TCP))
		return cd_parse_error(
			p, app->url_span,
			"a web app has an https:// url, a tcp app a tls:// one");
	if (app->kind == CD_APP_HTTP && !app->url.len)
		return cd_parse_error(
			p, app->head.name.span,
			"app '%.*s' needs a url line: what people type",
			CD_STR_FMT(app->head.name.s));
	return 0;
}

int cd_parse_app(struct cd_parser *p, struct cd_ast *head)
{
	struct cd_ast_app *app = (void *)head;
	int err = cd_parse_new_name(p, &head->name);

	while (!err && p->tok.kind != CD_TOK_END) {
		p->clause = app->n_settings + 1;
		err = parse_setting(p, app);
	}
	if (!err)
		err = find_kind(p, app);
	return err ? err : check_kinds(p, app);
}
