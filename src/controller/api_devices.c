/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admin endpoints about devices, sessions and links.
 */
#include <stdio.h>

#include "controller/api.h"
#include "controller/audit.h"
#include "controller/device.h"
#include "controller/link_api.h"
#include "controller/session.h"
#include "sys/store.h"

enum { LIST_MAX = 10000 };

int cd_link_json(struct cd_ctl *ctl, enum cd_link_kind kind, int64_t target,
		 int64_t life, json_t **ret_json)
{
	struct cd_secret *token cd_auto(cd_secret_free) = NULL;
	struct cd_link link = {kind, target, cd_now() + life};
	struct cd_buf url;
	struct cd_str t;
	int r = cd_link_create(ctl->store, &link, cd_now(), &token);

	if (r < 0)
		return r;
	t = cd_secret_reveal(token);
	cd_buf_init(&url, 4096);
	cd_buf_printf(&url, "%s/.cordon/%s?token=%.*s", ctl->opt.auth_url,
		      cd_link_kind_name(kind), CD_STR_FMT(t));
	*ret_json = json_pack("{s:s, s:s%, s:s, s:o}", "url",
			      url.data ? url.data : "", "token", t.ptr, t.len,
			      "kind", cd_link_kind_name(kind), "expires",
			      cd_json_time(link.expires));
	cd_buf_wipe(&url);
	return *ret_json ? 0 : -ENOMEM;
}

/* ---- devices ---- */

static void send_device(struct cd_call *call, unsigned int status, int64_t id)
{
	struct cd_device d;
	int r = cd_device_by_id(call->ctl, id, &d);

	if (r < 0)
		cd_call_fail(call, r);
	else
		cd_call_json(call, status, cd_device_json(call->ctl, &d));
}

void answer_devices_list(struct cd_call *call)
{
	struct cd_query q cd_auto(cd_query_done) = {0};
	json_t *list = json_array();
	struct cd_device d;
	int r = cd_query_start(&q, call->ctl->store,
			       "SELECT id FROM device ORDER BY name", "");

	while (!r && (r = cd_query_step(&q)) > 0) {
		r = cd_device_by_id(call->ctl, cd_query_int(&q, 0), &d);
		if (!r)
			json_array_append_new(list,
					      cd_device_json(call->ctl, &d));
	}
	cd_call_json(call, 200, cd_json_items(list));
}

void answer_devices_get(struct cd_call *call)
{
	struct cd_device d;
	int r = cd_device_get(call->ctl, call->param[0], &d);

	if (r < 0)
		cd_call_fail(call, r);
	else
		cd_call_json(call, 200, cd_device_json(call->ctl, &d));
}

/* The state of a device with its audit entry, or why not. */
static void finish_device(struct cd_call *call, const char *action, int64_t id,
			  struct cd_str name, struct cd_diag *diag, int r)
{
	struct cd_device d;
	json_t *after = NULL;
	bool created = !strcmp(action, "device.create");

	if (!r && !cd_device_by_id(call->ctl, id, &d))
		after = cd_device_json(call->ctl, &d);
	if (!r)
		r = cd_audit(call->ctl, call->who, action, name, NULL, after);
	json_decref(after);
	r = cd_ctl_end(call->ctl, r);
	if (r < 0 && cd_diag_errors(diag))
		cd_call_error(call, 400, "BAD_REQUEST", "%s",
			      cd_diag_get(diag, 0)->text);
	else if (r < 0)
		cd_call_fail(call, r);
	else
		send_device(call, created ? 201 : 200, id);
}

/* 1: there is no such person, which was answered. */
static int owner_id(struct cd_call *call, int64_t *ret_id)
{
	const char *owner = cd_body_text(call, "owner");
	struct cd_person p;
	int r;

	*ret_id = 0;
	if (!owner)
		return 0;
	r = cd_call_person(call, owner, &p);
	if (!r)
		*ret_id = p.id;
	return r;
}

void answer_devices_create(struct cd_call *call)
{
	struct cd_diag *diag cd_auto(cd_diag_free) = NULL;
	struct cd_str name = cd_str_from(cd_body_text(call, "name"));
	json_t *attrs = json_object_get(call->body, "attributes");
	int64_t id = 0, owner;
	int r;

	if (!cd_call_name_fits(call, "device", name.ptr))
		return;
	r = owner_id(call, &owner);
	if (r > 0)
		return; /* told */
	if (!r)
		r = cd_diag_new(&diag);
	if (!r)
		r = cd_ctl_begin(call->ctl);
	if (r < 0) {
		cd_call_fail(call, r);
		return;
	}
	r = cd_device_create(call->ctl, name, owner, &id);
	if (!r && attrs)
		r = cd_device_set(call->ctl, id, attrs, diag);
	if (!r)
		r = cd_device_publish(call->ctl, id);
	finish_device(call, "device.create", id, name, diag, r);
}

void answer_devices_attributes(struct cd_call *call)
{
	struct cd_diag *diag cd_auto(cd_diag_free) = NULL;
	struct cd_device d;
	int r = cd_diag_new(&diag);

	if (!r)
		r = cd_device_get(call->ctl, call->param[0], &d);
	if (!r)
		r = cd_ctl_begin(call->ctl);
	if (r < 0) {
		cd_call_fail(call, r);
		return;
	}
	r = cd_device_set(call->ctl, d.id, call->body, diag);
	if (!r)
		r = cd_device_publish(call->ctl, d.id);
	finish_device(call, "device.attributes", d.id, call->param[0], diag, r);
}

void answer_devices_delete(struct cd_call *call)
{
	struct cd_device d;
	int r = cd_device_get(call->ctl, call->param[0], &d);

	if (!r)
		r = cd_ctl_begin(call->ctl);
	if (!r) {
		r = cd_device_delete(call->ctl, d.id);
		if (!r)
			r = cd_audit(call->ctl, call->who, "device.delete",
				     call->param[0], NULL, NULL);
		r = cd_ctl_end(call->ctl, r);
	}
	if (r < 0)
		cd_call_fail(call, r);
	else
		cd_call_empty(call);
}

void cd_call_link(struct cd_call *call, int found, enum cd_link_kind kind,
		  int64_t target, const char *action, struct cd_str name)
{
	int64_t ttl = cd_body_int(call, "ttl", call->ctl->opt.link_life);
	json_t *link = NULL;
	int r = found < 0 ? found : cd_ctl_begin(call->ctl);

	if (!r) {
		r = cd_link_json(call->ctl, kind, target, ttl, &link);
		if (!r)
			r = cd_audit(call->ctl, call->who, action, name, NULL,
				     NULL);
		r = cd_ctl_end(call->ctl, r);
	}
	if (r < 0) {
		json_decref(link);
		cd_call_fail(call, r);
	} else {
		cd_call_json(call, 200, link);
	}
}

void answer_devices_link(struct cd_call *call)
{
	struct cd_device d = {.id = 0};
	int r = cd_device_get(call->ctl, call->param[0], &d);

	cd_call_link(call, r, CD_LINK_DEVICE, d.id, "device.link",
		     call->param[0]);
}

/* ---- sessions ---- */

void answer_sessions_list(struct cd_call *call)
{
	const char *user = cd_http_query(call->req, "user");
	struct cd_person p = {0};
	int r = 0;

	if (user)
		r = cd_person_get(call->ctl, cd_str_from(user), &p);
	if (r < 0)
		cd_call_fail(call, r);
	else
		cd_call_json(
			call, 200,
			cd_json_items(cd_sessions_json(
				call->ctl, p.id,
				cd_str_from(cd_http_query(call->req, "app")),
				LIST_MAX)));
}

static int revoke(struct cd_call *call, const struct cd_session_filter *f,
		  struct cd_str target, int64_t *ret_count)
{
	int r = cd_ctl_begin(call->ctl);

	if (r < 0)
		return r;
	r = cd_sessions_end(call->ctl, f, CD_END_REVOKED, ret_count);
	if (!r && *ret_count)
		r = cd_audit(call->ctl, call->who, "session.revoke", target,
			     NULL, call->body);
	return cd_ctl_end(call->ctl, r);
}

void answer_sessions_delete(struct cd_call *call)
{
	struct cd_session_filter f = {0};
	int64_t count = 0;
	uint64_t id = 0;
	int r = 0;

	if (cd_str_parse_u64(call->param[0], &id) || !id || id > INT64_MAX)
		r = CD_E_NOTFOUND;
	f.id = (int64_t)id;
	if (!r)
		r = revoke(call, &f, call->param[0], &count);
	if (!r && !count)
		r = CD_E_NOTFOUND;
	if (r < 0)
		cd_call_fail(call, r);
	else
		cd_call_empty(call);
}

/* 1: an answer was given. */
static int filter_of(struct cd_call *call, struct cd_session_filter *f)
{
	const char *user = cd_body_text(call, "user");
	const char *device = cd_body_text(call, "device");
	struct cd_person p;
	struct cd_device d;
	int r = 0;

	f->app = cd_str_from(cd_body_text(call, "app"));
	if (user)
		r = cd_call_person(call, user, &p);
	if (user && !r)
		f->person = p.id;
	if (!r && device)
		r = cd_call_device(call, device, &d);
	if (device && !r)
		f->device = d.id;
	if (!r && !f->person && !f->device && !f->app.len)
		r = -EINVAL;
	return r;
}

/* Whose sessions, for the audit: "user alice app wiki". */
static void put_target(const struct cd_call *call, char *out, size_t size)
{
	static const char *const names[] = {"user", "app", "device"};
	size_t i, n = 0;

	out[0] = '\0';
	for (i = 0; i < CD_ARRAY_SIZE(names) && n < size; i++) {
		const char *value = cd_body_text(call, names[i]);

		if (value && *value)
			n += (size_t)snprintf(out + n, size - n, "%s%s %s",
					      n ? " " : "", names[i], value);
	}
}

void answer_sessions_revoke(struct cd_call *call)
{
	struct cd_session_filter f = {0};
	int64_t count = 0;
	char target[512];
	int r = filter_of(call, &f);

	if (!r) {
		put_target(call, target, sizeof(target));
		r = revoke(call, &f, cd_str_from(target), &count);
	}
	if (r < 0)
		cd_call_fail(call, r);
	else if (!r)
		cd_call_json(call, 200,
			     json_pack("{s:I}", "revoked", (json_int_t)count));
}
