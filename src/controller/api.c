/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routing is a walk over the rows: a few dozen string compares, nothing
 * beside the system calls around them. What the walk decides is 404 (no row
 * has the path) or 405 (rows have it, none with the method).
 */
#include "controller/api.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/time.h"
#include "controller/device.h"
#include "controller/people.h"
#include "controller/schema_check.h"

struct cd_endpoint {
	enum cd_socket socket;
	const char *method, *path;
	cd_call_handler handler;
	const char *request;
};

static const struct cd_endpoint endpoints[] = {
#define CD_ENDPOINT(socket, method, path, handler, request, response, summary) \
	{CD_SOCKET_##socket, #method, path, answer_##handler, #request},
#include "api/endpoints.def"
#undef CD_ENDPOINT
};

/* ---- routing ---- */

bool cd_route_match(const char *pattern, const char *path,
		    struct cd_str param[CD_PARAM_MAX])
{
	struct cd_str p = cd_str_from(pattern), s = cd_str_from(path), a, b;
	size_t n = 0;

	while (p.ptr && s.ptr) {
		a = cd_str_split(p, '/', &p);
		b = cd_str_split(s, '/', &s);
		if (a.len && a.ptr[0] == '{') {
			if (!b.len || n == CD_PARAM_MAX)
				return false;
			param[n++] = b;
		} else if (!cd_str_equal(a, b)) {
			return false;
		}
	}
	return !p.ptr && !s.ptr;
}

static bool is_method(const struct cd_endpoint *e, const char *method)
{
	return !strcmp(e->method, method) ||
	       (!strcmp(e->method, "GET") && !strcmp(method, "HEAD"));
}

static const struct cd_endpoint *route(enum cd_socket socket,
				       const struct cd_http_req *req,
				       struct cd_str param[CD_PARAM_MAX],
				       bool *ret_path_known)
{
	size_t i;

	*ret_path_known = false;
	for (i = 0; i < CD_ARRAY_SIZE(endpoints); i++) {
		const struct cd_endpoint *e = &endpoints[i];

		if (e->socket != socket ||
		    !cd_route_match(e->path, cd_http_path(req), param))
			continue;
		*ret_path_known = true;
		if (is_method(e, cd_http_method(req)))
			return e;
	}
	return NULL;
}

static void call_free(void *user)
{
	struct cd_call *call = user;

	json_decref(call->body);
	free(call);
}

static struct cd_call *call_new(struct cd_ctl *ctl, struct cd_http_req *req)
{
	struct cd_call *call = calloc(1, sizeof(*call));
	uid_t uid = cd_http_peer_uid(req);

	if (!call)
		return NULL;
	call->ctl = ctl;
	call->req = req;
	if (uid == 0)
		snprintf(call->who, sizeof(call->who), "root");
	else
		snprintf(call->who, sizeof(call->who), "uid %u", uid);
	cd_http_set_user(req, call, call_free);
	return call;
}

/* The body as an object that fits its schema, or an answer was given. */
static bool read_body(struct cd_call *call)
{
	const char *schema = call->endpoint->request;
	struct cd_str body = cd_http_body(call->req);
	char why[200];
	json_error_t e;

	if (!strcmp(schema, "none") || !strcmp(schema, "raw"))
		return true;
	call->body = json_loadb(body.len ? body.ptr : "{}",
				body.len ? body.len : 2, JSON_REJECT_DUPLICATES,
				&e);
	if (!call->body) {
		cd_call_error(call, 400, "BAD_REQUEST",
			      "the body is not JSON: line %d: %s", e.line,
			      e.text);
		return false;
	}
	if (!cd_schema_check(schema, call->body, why, sizeof(why))) {
		cd_call_error(call, 400, "BAD_REQUEST", "%s", why);
		return false;
	}
	return true;
}

static void dispatch(struct cd_ctl *ctl, struct cd_http_req *req,
		     enum cd_socket socket)
{
	struct cd_call *call = call_new(ctl, req);
	bool known;

	if (!call) {
		cd_http_send(req, NULL);
		return;
	}
	call->endpoint = route(socket, req, call->param, &known);
	if (!call->endpoint)
		cd_call_error(call, known ? 405 : 404,
			      known ? "METHOD" : "NOT_FOUND",
			      known ? "not with this method" :
				      "there is no such address");
	else if (read_body(call))
		call->endpoint->handler(call);
}

/* Root and cordond's own user; mode 0600 says the same, this holds when the
 * mode was changed by hand. */
void cd_api_admin(void *ctx, struct cd_http_req *req)
{
	uid_t uid = cd_http_peer_uid(req);

	if (uid != 0 && uid != geteuid()) {
		cd_http_reply(req, 403, "application/json",
			      CD_STR("{\"error\":{\"code\":\"DENIED\","
				     "\"message\":\"root only\"}}\n"));
		return;
	}
	dispatch(ctx, req, CD_SOCKET_ADMIN);
}

void cd_api_agent(void *ctx, struct cd_http_req *req)
{
	dispatch(ctx, req, CD_SOCKET_AGENT);
}

static bool is_remote(const struct cd_http_req *req)
{
	static const char *const paths[] = {"/v1/stream", "/v1/bundle/{hash}"};
	struct cd_str param[CD_PARAM_MAX];
	size_t i;

	for (i = 0; i < CD_ARRAY_SIZE(paths); i++)
		if (cd_route_match(paths[i], cd_http_path(req), param))
			return true;
	return false;
}

/* The query's name is what the handlers read: it must be the certificate's. */
static bool is_own_name(const struct cd_ctl *ctl, const struct cd_http_req *req)
{
	struct cd_str name = cd_str_from(cd_http_header(req, "X-Cordon-Agent"));
	const char *asked = cd_http_query(req, "agent");

	return cd_name_is_valid(name) &&
	       !cd_str_equal(name, cd_str_from(ctl->opt.gateway_agent)) &&
	       (!asked || cd_str_equal(name, cd_str_from(asked)));
}

void cd_api_remote(void *ctx, struct cd_http_req *req)
{
	if (!is_own_name(ctx, req) || cd_http_header(req, "Origin") ||
	    cd_http_header(req, "Sec-Fetch-Site"))
		cd_http_reply(req, 403, "application/json",
			      CD_STR("{\"error\":{\"code\":\"DENIED\","
				     "\"message\":\"not this agent\"}}\n"));
	else if (!is_remote(req))
		cd_http_reply(req, 404, "application/json",
			      CD_STR("{\"error\":{\"code\":\"NOT_FOUND\","
				     "\"message\":\"not from afar\"}}\n"));
	else
		dispatch(ctx, req, CD_SOCKET_AGENT);
}

void cd_api_public(void *ctx, struct cd_http_req *req)
{
	dispatch(ctx, req, CD_SOCKET_PUBLIC);
}

/* ---- answers ---- */

void cd_call_bytes(struct cd_call *call, const char *type, struct cd_str bytes)
{
	cd_http_reply(call->req, 200, type, bytes);
}

void cd_call_empty(struct cd_call *call)
{
	cd_http_reply(call->req, 204, NULL, CD_STR_NULL);
}

void cd_call_json(struct cd_call *call, unsigned int status, json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	struct cd_buf out;

	json_decref(json);
	if (!text) {
		cd_http_send(call->req, NULL);
		return;
	}
	cd_buf_init(&out, SIZE_MAX / 2);
	cd_buf_puts(&out, text);
	cd_buf_char(&out, '\n');
	free(text);
	cd_http_reply(call->req, status, "application/json", cd_buf_get(&out));
	cd_buf_wipe(&out); /* may hold a link's token */
}

static json_t *error_json(const char *code, const char *message,
			  json_t *details)
{
	return json_pack("{s:{s:s, s:s, s:o*}}", "error", "code", code,
			 "message", message, "details", details);
}

void cd_call_error(struct cd_call *call, unsigned int status, const char *code,
		   const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	cd_call_json(call, status, error_json(code, text, NULL));
}

void cd_call_diag(struct cd_call *call, unsigned int status, const char *code,
		  const char *message, const struct cd_diag *diag)
{
	cd_call_json(call, status,
		     error_json(code, message, cd_json_diag(diag, CD_NOTE)));
}

static const struct {
	int err;
	unsigned int status;
	const char *code, *text;
} failures[] = {
	{-ENOSPC, 507, "NO_SPACE", "the disk is full; nothing was changed"},
	{-EDQUOT, 507, "NO_SPACE", "the disk is full; nothing was changed"},
	{-EBUSY, 503, "UNAVAILABLE", "the state is locked by another program"},
	{-EAGAIN, 503, "UNAVAILABLE", "too much to do just now; try again"},
	{-ENOTCONN, 503, "UNAVAILABLE", "the key broker does not answer"},
	{-ETIMEDOUT, 503, "UNAVAILABLE", "the key broker does not answer"},
	{-ECONNREFUSED, 503, "UNAVAILABLE", "the key broker does not answer"},
	{-ENOENT, 404, "NOT_FOUND", "there is no such thing"},
	{CD_E_NOTFOUND, 404, "NOT_FOUND", "there is no such thing"},
	{-EEXIST, 409, "CONFLICT", "it exists already"},
	{-EINVAL, 400, "BAD_REQUEST", "a value is out of range"},
	{CD_E_LIMIT, 413, "TOO_LARGE", "a limit was exceeded"},
	{CD_E_DENIED, 403, "DENIED", "not permitted"},
	{CD_E_EXPIRED, 410, "GONE", "it is past its time"},
};

void cd_call_fail(struct cd_call *call, int err)
{
	size_t i;

	for (i = 0; i < CD_ARRAY_SIZE(failures); i++)
		if (failures[i].err == err) {
			cd_call_error(call, failures[i].status,
				      failures[i].code, "%s", failures[i].text);
			return;
		}
	cd_call_error(call, 500, "INTERNAL", "%s", cd_strerror(err));
}

/* What a name that does not fit was meant to be, or nothing. */
static const char *lower_name(const char *name, char out[CD_NAME_MAX + 1])
{
	size_t n = strlen(name);

	if (n > CD_NAME_MAX)
		return NULL;
	for (size_t i = 0; i <= n; i++)
		out[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ?
					name[i] - 'A' + 'a' :
					name[i]);
	return cd_name_is_valid(cd_str_make(out, n)) ? out : NULL;
}

bool cd_call_name_fits(struct cd_call *call, const char *what, const char *name)
{
	char quoted[160], lower[CD_NAME_MAX + 1];
	const char *meant;

	if (cd_name_is_valid(cd_str_from(name)))
		return true;
	meant = name ? lower_name(name, lower) : NULL;
	cd_call_error(call, 400, "BAD_REQUEST",
		      "%s cannot be the name of a %s: at most %d of a-z 0-9 . "
		      "_ @ + -, beginning with a letter or digit%s%s%s",
		      cd_quote(cd_str_from(name), quoted, sizeof(quoted)), what,
		      CD_NAME_MAX, meant ? "; did you mean '" : "",
		      meant ? meant : "", meant ? "'?" : "");
	return false;
}

bool cd_call_names_fit(struct cd_call *call, const char *what, const char *key)
{
	json_t *list = json_object_get(call->body, key), *name;
	size_t i;

	json_array_foreach(list, i, name)
	{
		if (!cd_call_name_fits(call, what, json_string_value(name)))
			return false;
	}
	return true;
}

bool cd_call_text_fits(struct cd_call *call, const char *key)
{
	const char *text = cd_body_text(call, key);

	if (!text || strlen(text) <= CD_TEXT_MAX)
		return true;
	cd_call_error(call, 400, "BAD_REQUEST", "%s is longer than %d bytes",
		      key, CD_TEXT_MAX);
	return false;
}

/* An error told: 1; r otherwise. */
static int told(struct cd_call *call, int r, const char *what, const char *name)
{
	char quoted[200];

	if (r == CD_E_NOTFOUND)
		cd_call_error(call, 404, "NOT_FOUND", "there is no %s %s", what,
			      cd_quote(cd_str_from(name), quoted,
				       sizeof(quoted)));
	return r == CD_E_NOTFOUND ? 1 : r;
}

int cd_call_person(struct cd_call *call, const char *name,
		   struct cd_person *ret)
{
	return told(call, cd_person_get(call->ctl, cd_str_from(name), ret),
		    "person", name);
}

int cd_call_device(struct cd_call *call, const char *name,
		   struct cd_device *ret)
{
	return told(call, cd_device_get(call->ctl, cd_str_from(name), ret),
		    "device", name);
}

/* ---- JSON ---- */

const char *cd_body_text(const struct cd_call *call, const char *name)
{
	return json_string_value(json_object_get(call->body, name));
}

int64_t cd_body_int(const struct cd_call *call, const char *name, int64_t def)
{
	json_t *v = json_object_get(call->body, name);

	return v ? json_integer_value(v) : def;
}

bool cd_body_bool(const struct cd_call *call, const char *name, bool def)
{
	json_t *v = json_object_get(call->body, name);

	return v ? json_is_true(v) : def;
}

json_t *cd_json_str(struct cd_str s)
{
	return json_stringn(s.ptr ? s.ptr : "", s.len);
}

json_t *cd_json_time(int64_t seconds)
{
	char text[CD_RFC3339_SIZE];

	if (seconds <= 0 || seconds > INT64_MAX / CD_NS_PER_S)
		return NULL;
	cd_rfc3339_format(seconds * CD_NS_PER_S, text, sizeof(text));
	return json_string(text);
}

json_t *cd_json_items(json_t *list)
{
	return json_pack("{s:o}", "items", list);
}

static json_t *message_json(const struct cd_message *m)
{
	static const char *const names[] = {"note", "warning", "error"};

	return json_pack("{s:s, s:s*, s:i, s:i, s:s, s:s*}", "severity",
			 names[m->severity], "file", m->file, "line",
			 (int)m->line, "column", (int)m->column, "text",
			 m->text, "hint", m->hint);
}

json_t *cd_json_diag(const struct cd_diag *diag, enum cd_severity least)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; diag && i < cd_diag_count(diag); i++)
		if (cd_diag_get(diag, i)->severity >= least)
			json_array_append_new(
				list, message_json(cd_diag_get(diag, i)));
	return list;
}
