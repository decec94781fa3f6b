/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Apps with their routes and settings, the table of host names that gateways
 * look up, and the table of upstream addresses that only an allow naming the
 * app opens.
 */
#include "policy/compile.h"

#include <stdlib.h>

static const struct cd_ast_app *app(const struct cd_compile *c, uint32_t i)
{
	return (const void *)c->sorted[CD_AST_APP][i];
}

static void put_upstream(struct cd_compile *c, uint32_t number,
			 const struct cd_ast_endpoint *e)
{
	struct cd_snap_upstream u = {
		.host = cd_writer_str(&c->w, e->host),
		.port = e->port,
		.tls = e->tls,
		.family = e->addr.family,
	};
	struct cd_snap_target t = {
		.app = number, .port = e->port, .family = e->addr.family};

	memcpy(u.addr, e->addr.bytes, sizeof(u.addr));
	memcpy(t.addr, e->addr.bytes, sizeof(t.addr));
	cd_writer_add(&c->w, CD_SEC_UPSTREAMS, &u);
	if (t.family)
		cd_writer_add(&c->w, CD_SEC_TARGETS, &t);
}

/* The name a client asks for: of the url, else of a TCP app's own place. */
static struct cd_str host_of(const struct cd_ast_app *a)
{
	if (a->url_host.len)
		return a->url_host;
	if (a->kind == CD_APP_TCP && a->n_upstreams &&
	    a->upstreams[0].addr.family == 0)
		return a->upstreams[0].host;
	return CD_STR_NULL;
}

static void claim_host(struct cd_compile *c, uint32_t number, uint32_t host)
{
	struct cd_snap_str *s;

	if (host == CD_NIL)
		return;
	s = cd_writer_at(&c->w, CD_SEC_STRS, host);
	if (s->app_host == CD_NIL) {
		s->app_host = number;
		return;
	}
	/* A place may be shared; a name that people type may not. */
	if (app(c, number)->url_host.len == 0)
		return;
	cd_ast_diag(c->policy, c->diag, CD_ERROR, app(c, number)->url_span,
		    "app '%.*s' already has this host",
		    CD_STR_FMT(app(c, s->app_host)->head.name.s));
}

static struct cd_str or_null(struct cd_str s)
{
	return s.len ? s : CD_STR_NULL;
}

static int put_app(struct cd_compile *c, uint32_t i)
{
	const struct cd_ast_app *a = app(c, i);
	struct cd_snap_app out = {
		.name = cd_writer_str(&c->w, a->head.name.s),
		.url = cd_writer_str(&c->w, or_null(a->url)),
		.host = cd_writer_str(&c->w, host_of(a)),
		.upstream_first = cd_writer_count(&c->w, CD_SEC_UPSTREAMS),
		.upstream_n = a->n_upstreams,
		.setting_first = cd_writer_count(&c->w, CD_SEC_SETTINGS),
		.setting_n = a->n_settings,
		.port = a->url_port,
		.kind = (uint8_t)a->kind,
	};

	for (uint32_t k = 0; k < a->n_upstreams; k++)
		put_upstream(c, i, &a->upstreams[k]);
	for (uint32_t k = 0; k < a->n_settings; k++) {
		struct cd_snap_setting s = {
			cd_writer_str(&c->w, cd_str_from(cd_setting_word(
						     a->settings[k].id))),
			cd_writer_str(&c->w, a->settings[k].text.ptr ?
						     a->settings[k].text :
						     CD_STR("")),
		};

		cd_writer_add(&c->w, CD_SEC_SETTINGS, &s);
	}
	cd_writer_add(&c->w, CD_SEC_APPS, &out);
	if (c->w.err)
		return c->w.err;
	((struct cd_snap_str *)cd_writer_at(&c->w, CD_SEC_STRS, out.name))->app =
		i;
	claim_host(c, i, out.host);
	return 0;
}

static int by_target(const void *a, const void *b)
{
	const struct cd_snap_target *x = a, *y = b;
	int d;

	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	d = memcmp(x->addr, y->addr, sizeof(x->addr));
	if (d)
		return d;
	if (x->port != y->port)
		return x->port < y->port ? -1 : 1;
	return x->app < y->app ? -1 : x->app > y->app;
}

/* Ports of upstreams that are named and not addressed. */
static int put_named_ports(struct cd_compile *c)
{
	struct cd_words ports;
	int err;

	cd_words_init(&ports);
	for (uint32_t i = 0; i < c->policy->n_of_kind[CD_AST_APP]; i++)
		for (uint32_t k = 0; k < app(c, i)->n_upstreams; k++)
			if (app(c, i)->upstreams[k].addr.family == 0)
				cd_words_add(&ports,
					     app(c, i)->upstreams[k].port);
	cd_words_sort(&ports);
	err = cd_words_put(c, &ports, &c->w.head.named_port_first,
			   &c->w.head.named_port_n);
	cd_words_done(&ports);
	return err;
}

int cd_compile_apps(struct cd_compile *c)
{
	int err = 0;
	uint32_t n;

	for (uint32_t i = 0; i < c->policy->n_of_kind[CD_AST_APP] && !err; i++)
		err = put_app(c, i);
	if (err)
		return err;
	n = cd_writer_count(&c->w, CD_SEC_TARGETS);
	if (n > 1)
		qsort(cd_writer_at(&c->w, CD_SEC_TARGETS, 0), n,
		      sizeof(struct cd_snap_target), by_target);
	return put_named_ports(c);
}
