/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading stays close to the registry: one reader for each form that a type
 * has in JSON, the text forms shared with the policy language. What a line
 * leaves open is never filled in; only the kind is, and only from what is
 * there, so that removing a key can make a request less known and nothing
 * else.
 */
#include "prove/request.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/addr.h"
#include "base/json.h"
#include "base/time.h"
#include "policy/literal.h"

struct reader {
	const struct cd_snapshot *s;
	struct cd_arena *arena;
	struct cd_json j;
	struct cd_request *r;
	uint64_t seen; /* bit of each attribute; KIND_SEEN */
	char *error;
	size_t error_size;
};

#define KIND_SEEN (UINT64_C(1) << 63)
#define LIST_MAX 4096

static const struct {
	const char *name;
	uint8_t kind;
} kinds[] = {
	{"packet", CD_KIND_PACKET}, {"name", CD_KIND_NAME},
	{"tls", CD_KIND_TLS},	    {"http", CD_KIND_HTTP},
	{"shell", CD_KIND_SHELL},   {"login", CD_KIND_LOGIN},
};

const char *cd_kind_name(unsigned int kind)
{
	for (size_t i = 0; i < CD_ARRAY_SIZE(kinds); i++)
		if (kinds[i].kind == kind)
			return kinds[i].name;
	return NULL;
}

cd_printf(2, 3) static int refuse(struct reader *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->error, p->error_size, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int refuse_json(struct reader *p)
{
	return refuse(p, "not JSON: column %u: %s", p->j.column,
		      p->j.error ? p->j.error : "something else is expected");
}

static int wants(struct reader *p, enum cd_attr a, const char *what)
{
	return refuse(p, "%s: %s is expected", cd_attr_get(a)->name, what);
}

/* The current string, decoded. */
static int get_text(struct reader *p, struct cd_str *ret)
{
	size_t size = p->j.raw.len + 1;
	char *store = NULL;

	if (p->j.escaped) {
		store = cd_arena_alloc(p->arena, size);
		if (!store)
			return -ENOMEM;
	}
	return cd_json_text(&p->j, store, store ? size : 0, ret);
}

/* ---- values ------------------------------------------------------------------ */
/* A path as it would be forwarded: rules are matched on nothing else. */
static bool is_normal_path(struct cd_str path)
{
	struct cd_str rest = path, part;

	if (path.len == 0 || path.ptr[0] != '/')
		return false;
	rest = cd_str_make(path.ptr + 1, path.len - 1);
	while (rest.len) {
		part = cd_str_split(rest, '/', &rest);
		if (part.len == 0 || cd_str_equal(part, CD_STR(".")) ||
		    cd_str_equal(part, CD_STR("..")) ||
		    memchr(part.ptr, 0, part.len))
			return false;
	}
	return true;
}

static int set_literal(struct reader *p, enum cd_attr a, struct cd_str text)
{
	enum cd_type type = cd_attr_get(a)->type;
	struct cd_ast_value v = {.type = type};
	struct cd_prefix full;

	/* DNS puts a dot behind a whole name. */
	if (type == CD_T_NAME && text.len > 1 && text.ptr[text.len - 1] == '.')
		text.len--;
	if (cd_literal_parse(p->arena, type, text, &v))
		return wants(p, a, cd_literal_wanted(type));
	switch (type) {
	case CD_T_BOOL:
		cd_request_set_bool(p->r, a, v.i != 0);
		return 0;
	case CD_T_ADDR:
		if (cd_prefix_parse(text, &full) ||
		    memchr(text.ptr, '/', text.len))
			return wants(p, a, "an address");
		cd_request_set_addr(p->r, a, full.addr);
		return 0;
	case CD_T_PORT:
		if (v.i != v.j)
			return wants(p, a, "one port");
		cd_request_set_int(p->r, a, v.i);
		return 0;
	case CD_T_NAME:
		cd_request_set_str(p->r, a, v.s);
		return 0;
	default:
		cd_request_set_int(p->r, a, v.i);
		return 0;
	}
}

static int set_text(struct reader *p, enum cd_attr a)
{
	enum cd_type type = cd_attr_get(a)->type;
	struct cd_str text;
	int err = get_text(p, &text);

	if (err)
		return err;
	switch (type) {
	case CD_T_PATH:
		if (!is_normal_path(text))
			return wants(p, a, "a normalised path such as /api/x");
		break;
	case CD_T_STRING:
	case CD_T_METHOD:
	case CD_T_APP:
		if (text.len == 0)
			return wants(p, a, "text");
		break;
	case CD_T_COUNTRY:
		if (text.len != 2)
			return wants(p, a, cd_literal_wanted(type));
		break;
	case CD_T_SET:
	case CD_T_APPROVERS:
		return wants(p, a, "an array of names");
	case CD_T_LABELS:
		return wants(p, a, "an object of labels");
	default:
		return set_literal(p, a, text);
	}
	cd_request_set_str(p->r, a, text);
	return 0;
}

static int set_number(struct reader *p, enum cd_attr a)
{
	enum cd_type type = cd_attr_get(a)->type;
	int64_t n, max = INT64_MAX;

	if (cd_json_int(&p->j, &n))
		return wants(p, a, "a whole number");
	switch (type) {
	case CD_T_DURATION:
		max = CD_DURATION_MAX;
		break;
	case CD_T_PORT:
		max = UINT16_MAX;
		break;
	case CD_T_PROTO:
		max = UINT8_MAX;
		break;
	case CD_T_INT:
		break;
	default:
		return wants(p, a, cd_literal_wanted(type));
	}
	if (n < 0 || n > max)
		return wants(p, a, cd_literal_wanted(type));
	cd_request_set_int(p->r, a, n);
	return 0;
}

static int set_bool(struct reader *p, enum cd_attr a, bool value)
{
	if (cd_attr_get(a)->type != CD_T_BOOL)
		return wants(p, a, cd_literal_wanted(cd_attr_get(a)->type));
	cd_request_set_bool(p->r, a, value);
	return 0;
}

/* Strings of an array into arena memory that doubles. */
static int set_names(struct reader *p, enum cd_attr a)
{
	enum cd_type type = cd_attr_get(a)->type;
	struct cd_name *names = NULL, *more;
	uint32_t n = 0, room = 0;
	struct cd_str text;
	int err;

	if (type != CD_T_SET && type != CD_T_APPROVERS)
		return wants(p, a, cd_literal_wanted(type));
	while (cd_json_next(&p->j) == CD_JSON_STRING) {
		if (n == LIST_MAX)
			return refuse(p, "%s: more than %u names",
				      cd_attr_get(a)->name, LIST_MAX);
		if (n == room) {
			room = room ? room * 2 : 16;
			more = cd_arena_array(p->arena, room, sizeof(*more));
			if (!more)
				return -ENOMEM;
			if (n)
				memcpy(more, names, n * sizeof(*names));
			names = more;
		}
		err = get_text(p, &text);
		if (err)
			return err;
		names[n++] = cd_name_make(text);
	}
	if (p->j.event != CD_JSON_ARRAY_END)
		return wants(p, a, "an array of names");
	cd_request_set_names(p->r, a, names, n);
	return 0;
}

/* One key and its value. */
static int get_label(struct reader *p, enum cd_attr a, struct cd_label *ret)
{
	struct cd_str key, value;
	int err = get_text(p, &key);

	if (err)
		return err;
	if (cd_json_next(&p->j) != CD_JSON_STRING)
		return wants(p, a, "text for every label");
	err = get_text(p, &value);
	if (err)
		return err;
	ret->key = cd_name_make(key);
	ret->value = cd_name_make(value);
	return 0;
}

/* After '{', with the first key already read when there is one. */
static int set_labels(struct reader *p, enum cd_attr a)
{
	struct cd_label *labels =
		cd_arena_array(p->arena, CD_REQUEST_LABELS, sizeof(*labels));
	uint32_t n = 0;
	int err;

	if (!labels)
		return -ENOMEM;
	for (; p->j.event == CD_JSON_KEY; cd_json_next(&p->j)) {
		if (n == CD_REQUEST_LABELS)
			return refuse(p, "%s: more than %u labels",
				      cd_attr_get(a)->name, CD_REQUEST_LABELS);
		err = get_label(p, a, &labels[n++]);
		if (err)
			return err;
	}
	if (p->j.event != CD_JSON_OBJECT_END)
		return wants(p, a, "an object of labels");
	cd_request_set_labels(p->r, a, labels, n);
	return 0;
}

static int set_value(struct reader *p, enum cd_attr a);

/* {"value": V, "age": A}; the event is the first key. */
static int set_aged(struct reader *p, enum cd_attr a)
{
	bool value = false, age = false;
	int64_t seconds = 0;
	struct cd_str text;
	int err = 0;

	for (; p->j.event == CD_JSON_KEY && !err; cd_json_next(&p->j)) {
		if (cd_json_is(&p->j, "value") && !value) {
			value = true;
			cd_json_next(&p->j);
			err = set_value(p, a);
		} else if (cd_json_is(&p->j, "age") && !age) {
			age = true;
			if (cd_json_next(&p->j) == CD_JSON_NUMBER)
				err = cd_json_int(&p->j, &seconds);
			else if (p->j.event != CD_JSON_STRING ||
				 get_text(p, &text) ||
				 cd_duration_parse(text, &seconds))
				err = -EINVAL;
			if (err || seconds < 0 || seconds > CD_DURATION_MAX)
				return wants(p, a, "an age such as 2h");
		} else {
			return wants(p, a, "\"value\" and \"age\"");
		}
	}
	if (err)
		return err;
	if (p->j.event != CD_JSON_OBJECT_END || !value)
		return wants(p, a, "\"value\" and \"age\"");
	p->r->v[a].age = (uint32_t)seconds;
	return 0;
}

static int set_object(struct reader *p, enum cd_attr a)
{
	bool labels = cd_attr_get(a)->type == CD_T_LABELS;

	cd_json_next(&p->j);
	return labels ? set_labels(p, a) : set_aged(p, a);
}

static int set_value(struct reader *p, enum cd_attr a)
{
	switch (p->j.event) {
	case CD_JSON_NULL:
		p->r->v[a].state = CD_ABSENT;
		return 0;
	case CD_JSON_TRUE:
	case CD_JSON_FALSE:
		return set_bool(p, a, p->j.event == CD_JSON_TRUE);
	case CD_JSON_NUMBER:
		return set_number(p, a);
	case CD_JSON_STRING:
		return set_text(p, a);
	case CD_JSON_ARRAY:
		return set_names(p, a);
	case CD_JSON_OBJECT:
		return set_object(p, a);
	default:
		return refuse_json(p);
	}
}

/* ---- keys ---------------------------------------------------------------------- */
static int set_kind(struct reader *p)
{
	if (p->seen & KIND_SEEN)
		return refuse(p, "kind: given twice");
	p->seen |= KIND_SEEN;
	if (cd_json_next(&p->j) == CD_JSON_STRING)
		for (size_t i = 0; i < CD_ARRAY_SIZE(kinds); i++)
			if (cd_json_is(&p->j, kinds[i].name)) {
				p->r->kind = kinds[i].kind;
				return 0;
			}
	return refuse(
		p, "kind: packet, name, tls, http, shell or login is expected");
}

static int no_such_key(struct reader *p, struct cd_str key)
{
	enum cd_attr near = cd_attr_nearest(key);
	char quoted[100];

	cd_quote(key, quoted, sizeof(quoted));
	if (near == CD_ATTR_NONE)
		return refuse(p, "there is no attribute %s", quoted);
	return refuse(p, "there is no attribute %s; did you mean '%s'?", quoted,
		      cd_attr_get(near)->name);
}

static int read_key(struct reader *p)
{
	struct cd_str key;
	enum cd_attr a;
	int err = get_text(p, &key);

	if (err)
		return err;
	if (cd_str_equal(key, CD_STR("kind")))
		return set_kind(p);
	a = cd_attr_find(key);
	if (a == CD_ATTR_NONE)
		return no_such_key(p, key);
	if (p->seen >> a & 1)
		return refuse(p, "%s: given twice", cd_attr_get(a)->name);
	p->seen |= UINT64_C(1) << a;
	cd_json_next(&p->j);
	return set_value(p, a);
}

static int read_object(struct reader *p)
{
	int err = 0;

	if (cd_json_next(&p->j) != CD_JSON_OBJECT)
		return p->j.event == CD_JSON_ERROR ?
			       refuse_json(p) :
			       refuse(p, "an object is expected");
	while (!err && cd_json_next(&p->j) == CD_JSON_KEY)
		err = read_key(p);
	if (err == -EINVAL && p->error[0])
		return err;
	if (err)
		return err == -ENOMEM ? err : refuse_json(p);
	if (p->j.event != CD_JSON_OBJECT_END ||
	    cd_json_next(&p->j) != CD_JSON_END)
		return refuse_json(p);
	return 0;
}

/* ---- kind and contradictions ----------------------------------------------------- */
static bool is_known(const struct reader *p, enum cd_attr a)
{
	return p->r->v[a].state == CD_KNOWN;
}

static const uint8_t kind_of_app[] = {
	[CD_APP_HTTP] = CD_KIND_HTTP, [CD_APP_TCP] = CD_KIND_TLS,
	[CD_APP_UDP] = CD_KIND_TLS,   [CD_APP_SSH] = CD_KIND_SHELL,
	[CD_APP_RDP] = CD_KIND_SHELL,
};

/* An app is reached by its own kind; a web app by a TLS hello as well. */
static int settle_kind(struct reader *p, const struct cd_app *app)
{
	uint8_t kind;

	if (!app) {
		if (!p->r->kind && (is_known(p, CD_ATTR_HTTP_METHOD) ||
				    is_known(p, CD_ATTR_HTTP_PATH)))
			p->r->kind = CD_KIND_HTTP;
		return 0;
	}
	kind = kind_of_app[app->kind];
	if (!p->r->kind)
		p->r->kind = kind;
	if (p->r->kind == kind ||
	    (app->kind == CD_APP_HTTP && p->r->kind == CD_KIND_TLS))
		return 0;
	return refuse(p, "kind: app '%.*s' is not reached by %s",
		      CD_STR_FMT(app->name), cd_kind_name(p->r->kind));
}

static int check_presence(struct reader *p)
{
	uint8_t subject = 0;

	if (is_known(p, CD_ATTR_SUBJECT))
		subject = (uint8_t)p->r->v[CD_ATTR_SUBJECT].u.i;
	for (unsigned int a = 0; a < CD_ATTR_COUNT; a++) {
		const struct cd_attr_row *row = cd_attr_get((enum cd_attr)a);

		if (!is_known(p, (enum cd_attr)a))
			continue;
		if (p->r->kind && !(row->kinds & p->r->kind))
			return refuse(p, "%s: a %s request has none", row->name,
				      cd_kind_name(p->r->kind));
		if (subject && !(row->subjects & subject))
			return refuse(p, "%s: a host has none", row->name);
		if (subject == CD_SUBJECT_ANONYMOUS &&
		    (row->cure == CD_CURE_SIGN_IN ||
		     row->cure == CD_CURE_PERSON))
			return refuse(p, "%s: an anonymous visitor has none",
				      row->name);
	}
	return 0;
}

/* dst.ip and dst.port of a request to an app are its upstream's. */
static int check_upstream(struct reader *p, const struct cd_app *app)
{
	const struct cd_value *ip = &p->r->v[CD_ATTR_DST_IP];
	const struct cd_value *port = &p->r->v[CD_ATTR_DST_PORT];
	bool has_ip = is_known(p, CD_ATTR_DST_IP);
	bool has_port = is_known(p, CD_ATTR_DST_PORT);

	if (app->n_upstreams == 0 || (!has_ip && !has_port))
		return 0;
	for (uint32_t i = 0; i < app->n_upstreams; i++) {
		struct cd_upstream u;

		if (!cd_snapshot_upstream(p->s, app->index, i, &u))
			break;
		if (has_ip && u.addr.family &&
		    cd_addr_compare(&u.addr, &ip->u.addr) != 0)
			continue;
		if (!has_port || port->u.i == u.port)
			return 0;
	}
	return refuse(p, "dst.ip, dst.port: app '%.*s' is not there",
		      CD_STR_FMT(app->name));
}

static int check_app(struct reader *p, const struct cd_app *app)
{
	int64_t proto = app->kind == CD_APP_UDP ? 17 : 6;

	if (is_known(p, CD_ATTR_PROTO) && p->r->v[CD_ATTR_PROTO].u.i != proto)
		return refuse(p, "proto: app '%.*s' is reached by another",
			      CD_STR_FMT(app->name));
	if (is_known(p, CD_ATTR_DST_NAME) &&
	    !cd_str_equal(p->r->v[CD_ATTR_DST_NAME].u.s.s, app->host))
		return refuse(p, "dst.name: app '%.*s' has another host",
			      CD_STR_FMT(app->name));
	return check_upstream(p, app);
}

int cd_request_parse(const struct cd_snapshot *snapshot, struct cd_str text,
		     struct cd_arena *arena, struct cd_request *ret_request,
		     char *error, size_t error_size)
{
	struct cd_request r;
	struct reader p = {.s = snapshot,
			   .arena = arena,
			   .r = &r,
			   .error = error,
			   .error_size = error_size};
	struct cd_app app;
	bool has_app;
	int err;

	cd_assert(error_size > 0);
	error[0] = 0;
	cd_request_init(&r);
	if (text.len > CD_REQUEST_TEXT_MAX)
		return refuse(&p, "longer than %u bytes", CD_REQUEST_TEXT_MAX);
	cd_json_init(&p.j, text);
	err = read_object(&p);
	if (err)
		return err;
	has_app =
		is_known(&p, CD_ATTR_APP) &&
		cd_snapshot_app_by_name(snapshot, r.v[CD_ATTR_APP].u.s.s, &app);
	err = settle_kind(&p, has_app ? &app : NULL);
	if (!err)
		err = check_presence(&p);
	if (!err && has_app)
		err = check_app(&p, &app);
	if (!err)
		*ret_request = r;
	return err;
}
