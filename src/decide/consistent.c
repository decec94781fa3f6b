/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that contradict themselves: a host with a user.name, an app at
 * another address than its own. Of such a pair one key makes the other count
 * for nothing; without the first, the second would count, and a refusal could
 * turn into an allow by leaving something out. So they are no requests.
 */
#include "decide/input.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/addr.h"
#include "snapshot/layout.h"

struct check {
	const struct cd_snapshot *s;
	const struct cd_request *r;
	char *error;
};

cd_printf(2, 3) static int refuse(const struct check *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->error, CD_INPUT_ERROR_MAX, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static const struct cd_value *known(const struct check *c, enum cd_attr a)
{
	return c->r->v[a].state == CD_KNOWN ? &c->r->v[a] : NULL;
}

/* What the kind or the subject never has must not be given. */
static int check_presence(const struct check *c)
{
	const struct cd_value *v = known(c, CD_ATTR_SUBJECT);
	uint8_t subject = v ? (uint8_t)v->u.i : 0;

	for (unsigned int a = 0; a < CD_ATTR_COUNT; a++) {
		const struct cd_attr_row *row = &cd_attr_rows[a];

		if (!known(c, (enum cd_attr)a))
			continue;
		if (c->r->kind && !(row->kinds & c->r->kind))
			return refuse(c, "%s: this kind of request has none",
				      row->name);
		if (subject && !(row->subjects & subject))
			return refuse(c, "%s: a host has none", row->name);
		if (subject == CD_SUBJECT_ANONYMOUS &&
		    (row->cure == CD_CURE_SIGN_IN ||
		     row->cure == CD_CURE_PERSON))
			return refuse(c, "%s: an anonymous visitor has none",
				      row->name);
	}
	return 0;
}

/* A path as it is forwarded: rules are matched on nothing else. */
static int check_path(const struct check *c)
{
	const struct cd_value *v = known(c, CD_ATTR_HTTP_PATH);
	struct cd_str rest, part;

	if (!v)
		return 0;
	rest = v->u.s.s;
	if (rest.len == 0 || rest.ptr[0] != '/')
		return refuse(c, "http.path: a path begins with '/'");
	rest = cd_str_make(rest.ptr + 1, rest.len - 1);
	while (rest.len) {
		part = cd_str_split(rest, '/', &rest);
		if (part.len == 0 || cd_str_equal(part, CD_STR(".")) ||
		    cd_str_equal(part, CD_STR("..")))
			return refuse(c, "http.path: is not normalised");
	}
	return 0;
}

static const uint8_t kind_of_app[] = {
	[CD_APP_HTTP] = CD_KIND_HTTP, [CD_APP_TCP] = CD_KIND_TLS,
	[CD_APP_UDP] = CD_KIND_TLS,   [CD_APP_SSH] = CD_KIND_SHELL,
	[CD_APP_RDP] = CD_KIND_SHELL,
};

/* dst.ip and dst.port of a request to an app are one of its upstreams'. */
static int check_upstream(const struct check *c, const struct cd_app *app)
{
	const struct cd_value *ip = known(c, CD_ATTR_DST_IP);
	const struct cd_value *port = known(c, CD_ATTR_DST_PORT);
	struct cd_upstream u;

	if (app->n_upstreams == 0 || (!ip && !port))
		return 0;
	for (uint32_t i = 0; i < app->n_upstreams; i++) {
		if (!cd_snapshot_upstream(c->s, app->index, i, &u))
			break;
		if (ip && u.addr.family &&
		    cd_addr_compare(&u.addr, &ip->u.addr) != 0)
			continue;
		if (!port || port->u.i == u.port)
			return 0;
	}
	return refuse(c, "dst.ip, dst.port: the app is not there");
}

static int check_app(const struct check *c, const struct cd_app *app)
{
	uint8_t kind = kind_of_app[app->kind];
	const struct cd_value *proto = known(c, CD_ATTR_PROTO);
	const struct cd_value *name = known(c, CD_ATTR_DST_NAME);

	/* A web app is reached by its TLS hello as well. */
	if (c->r->kind && c->r->kind != kind &&
	    !(app->kind == CD_APP_HTTP && c->r->kind == CD_KIND_TLS))
		return refuse(c, "kind: the app is not reached by this kind");
	if (proto && proto->u.i != (app->kind == CD_APP_UDP ? 17 : 6))
		return refuse(c, "proto: the app is reached by another");
	if (name && !cd_str_equal(name->u.s.s, app->host))
		return refuse(c, "dst.name: the app has another host");
	return check_upstream(c, app);
}

/* What no app of the policy is, can be nowhere. */
static int check_no_app(const struct check *c)
{
	static const uint8_t places[] = {CD_ATTR_DST_IP, CD_ATTR_DST_PORT,
					 CD_ATTR_PROTO, CD_ATTR_DST_NAME,
					 CD_ATTR_DST_LABELS};

	for (size_t i = 0; i < CD_ARRAY_SIZE(places); i++)
		if (known(c, (enum cd_attr)places[i]))
			return refuse(
				c,
				"app: the policy has no such app, so it has no %s",
				cd_attr_rows[places[i]].name);
	return 0;
}

/* A kind that asks for an app, and no word about the app. */
static int check_kind(const struct check *c)
{
	if (!(c->r->kind & (CD_KIND_TLS | CD_KIND_HTTP | CD_KIND_SHELL)) ||
	    c->r->v[CD_ATTR_APP].state != CD_UNKNOWN)
		return 0;
	return refuse(c, "kind: needs \"app\": its name, or null for none");
}

int cd_input_check(const struct cd_snapshot *snapshot,
		   const struct cd_request *request,
		   char error[CD_INPUT_ERROR_MAX])
{
	struct check c = {snapshot, request, error};
	const struct cd_value *app = known(&c, CD_ATTR_APP);
	struct cd_app found;
	int err = check_path(&c);

	if (!err)
		err = check_presence(&c);
	if (!err)
		err = check_kind(&c);
	if (err || !app)
		return err;
	return cd_snapshot_app_by_name(snapshot, app->u.s.s, &found) ?
		       check_app(&c, &found) :
		       check_no_app(&c);
}
