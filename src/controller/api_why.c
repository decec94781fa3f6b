/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `why`: decides with the real state of a person and a device and whatever
 * the asker wants to assume, and tells the whole explanation (the asker is
 * root; pages for people tell less).
 */
#include <stdio.h>

#include "base/addr.h"
#include "base/arena.h"
#include "base/http.h"
#include "base/obligations.h"
#include "base/time.h"
#include "controller/api.h"
#include "controller/judge.h"
#include "controller/policy.h"
#include "sys/store.h"

/* ---- inputs ---- */

/* The newest person session: what the gateway would see of them. None: as
 * after a fresh sign-in with the best factor, which curing can always give. */
static int add_session(struct cd_call *call, struct cd_case *c,
		       const struct cd_person *p)
{
	struct cd_session s;
	int64_t id = 0;
	int r = cd_store_int(call->ctl->store, &id,
			     "SELECT id FROM session WHERE person = ?1"
			     " AND kind = 0 AND expires > ?2"
			     " ORDER BY id DESC LIMIT 1",
			     "ii", p->id, cd_now());

	if (!r)
		r = cd_session_by_id(call->ctl, id, &s);
	return r == CD_E_NOTFOUND ? 0 :
	       r < 0		  ? r :
				    cd_case_session(call->ctl, c, &s);
}

/* 1: an answer was given; so below. */
static int add_people(struct cd_call *call, struct cd_case *c)
{
	const char *user = cd_body_text(call, "user");
	const char *device = cd_body_text(call, "device");
	struct cd_person p;
	struct cd_device d;
	int r = 0;

	if (user) {
		r = cd_call_person(call, user, &p);
		if (!r)
			r = cd_case_person(call->ctl, c, &p);
		if (!r)
			r = add_session(call, c, &p);
	}
	if (!r && device) {
		r = cd_call_device(call, device, &d);
		if (!r)
			r = cd_case_device(call->ctl, c, d.id);
	}
	return r;
}

static int is_no(struct cd_call *call, const char *text, const char *what)
{
	char quoted[200];

	cd_call_error(call, 400, "BAD_REQUEST", "%s is no %s",
		      cd_quote(cd_str_from(text), quoted, sizeof(quoted)),
		      what);
	return 1;
}

static int add_path(struct cd_call *call, struct cd_case *c)
{
	const char *text = cd_body_text(call, "path");

	if (!text)
		return 0;
	if (!cd_path_is_normal(cd_str_from(text)))
		return is_no(
			call, text,
			"path that is forwarded: decoded, without .., // and ;"
			" (the gateway answers others with 400)");
	cd_request_set_str(&c->request, CD_ATTR_HTTP_PATH, cd_str_from(text));
	return 0;
}

static int add_network(struct cd_call *call, struct cd_case *c)
{
	const char *text = cd_body_text(call, "method");
	struct cd_addr addr;
	int64_t ns;

	if (text)
		cd_request_set_str(&c->request, CD_ATTR_HTTP_METHOD,
				   cd_str_from(text));
	text = cd_body_text(call, "src_ip");
	if (text) {
		if (cd_addr_parse(cd_str_from(text), &addr) < 0)
			return is_no(call, text, "address");
		cd_request_set_addr(&c->request, CD_ATTR_SRC_IP, addr);
	}
	text = cd_body_text(call, "time");
	if (text) {
		if (cd_rfc3339_parse(cd_str_from(text), &ns) < 0)
			return is_no(call, text,
				     "instant such as 2026-11-23T18:00:00Z");
		cd_request_set_int(&c->request, CD_ATTR_TIME, ns);
	}
	return add_path(call, c);
}

static int assume_groups(struct cd_case *c, json_t *list)
{
	size_t n = json_array_size(list), i;
	struct cd_name *names;
	json_t *item;

	if (!json_is_array(list) || n > CD_CHANGE_GROUPS_MAX)
		return -EINVAL;
	names = cd_arena_array(c->arena, n ? n : 1, sizeof(*names));
	if (!names)
		return -ENOMEM;
	json_array_foreach(list, i, item)
	{
		if (!json_is_string(item))
			return -EINVAL;
		names[i] = cd_name_make(cd_str_from(json_string_value(item)));
	}
	cd_request_set_names(&c->request, CD_ATTR_USER_GROUPS, names,
			     (uint32_t)n);
	return 0;
}

static int assume(struct cd_case *c, enum cd_attr attr, json_t *value)
{
	enum cd_type type = cd_attr_get(attr)->type;
	struct cd_str text = CD_STR_NULL;
	int64_t n = 0;
	int r;

	if (type == CD_T_SET)
		return assume_groups(c, value);
	if (type == CD_T_LABELS || type == CD_T_APPROVERS ||
	    type == CD_T_SUBJECT || type == CD_T_ADDR || type == CD_T_TIME ||
	    type == CD_T_PROTO || type == CD_T_APP)
		return CD_E_UNSUPPORTED;
	r = cd_attr_value(attr, value, &n, &text);
	if (!r && type == CD_T_PATH && !cd_path_is_normal(text))
		r = -EINVAL;
	if (r < 0)
		return r;
	if (text.ptr)
		cd_request_set_str(&c->request, attr, text);
	else if (type == CD_T_BOOL)
		cd_request_set_bool(&c->request, attr, n);
	else
		cd_request_set_int(&c->request, attr, n);
	return 0;
}

/* Says why it cannot be assumed. */
static void cannot_assume(struct cd_call *call, const char *name,
			  enum cd_attr attr, int err)
{
	enum cd_attr near = cd_attr_nearest(cd_str_from(name));
	char quoted[200];

	cd_quote(cd_str_from(name), quoted, sizeof(quoted));
	if (err == CD_E_UNSUPPORTED)
		cd_call_error(call, 400, "BAD_REQUEST",
			      "with %s: cannot be assumed", quoted);
	else if (attr != CD_ATTR_NONE)
		cd_call_error(call, 400, "BAD_REQUEST",
			      "with %s: the value is no %s", quoted,
			      cd_type_name(cd_attr_get(attr)->type));
	else if (near != CD_ATTR_NONE)
		cd_call_error(call, 400, "BAD_REQUEST",
			      "there is no attribute %s (did you mean '%s'?)",
			      quoted, cd_attr_get(near)->name);
	else
		cd_call_error(call, 400, "BAD_REQUEST",
			      "there is no attribute %s", quoted);
}

/* {"risk.user": "medium", "mfa.age": "13h"}; false: an answer was given. */
static bool assume_all(struct cd_call *call, struct cd_case *c)
{
	const char *name;
	json_t *value;

	json_object_foreach(json_object_get(call->body, "with"), name, value)
	{
		enum cd_attr attr = cd_attr_find(cd_str_from(name));
		int r = attr == CD_ATTR_NONE ? -ENOENT : assume(c, attr, value);

		if (!r)
			continue;
		cannot_assume(call, name, attr, r);
		return false;
	}
	return true;
}

/* ---- the answer ---- */

static json_t *value_json(enum cd_attr attr, const struct cd_value *v)
{
	char text[80];
	json_t *list;
	uint32_t i;

	switch (cd_attr_get(attr)->type) {
	case CD_T_BOOL:
		return json_boolean(v->u.b);
	case CD_T_SET:
		list = json_array();
		for (i = 0; i < v->n; i++)
			json_array_append_new(list, cd_json_str(v->u.set[i].s));
		return list;
	case CD_T_ADDR:
		cd_addr_format(&v->u.addr, text, sizeof(text));
		return json_string(text);
	case CD_T_TIME:
		cd_rfc3339_format(v->u.i, text, sizeof(text));
		return json_string(text);
	case CD_T_DURATION:
		cd_duration_format(CD_MAX(v->u.i, 0), text, sizeof(text));
		return json_string(text);
	case CD_T_RISK:
		return json_string(cd_risk_name(v->u.i));
	case CD_T_SUBJECT:
		return json_string(v->u.i == CD_SUBJECT_PERSON ? "person" :
								 "anonymous");
	case CD_T_INT:
	case CD_T_PORT:
	case CD_T_PROTO:
	case CD_T_FACTOR:
		return json_integer(v->u.i);
	case CD_T_LABELS:
	case CD_T_APPROVERS:
		return json_integer(v->n);
	default:
		return cd_json_str(v->u.s.s);
	}
}

static json_t *inputs_json(const struct cd_request *q)
{
	json_t *out = json_object();
	unsigned int attr;

	for (attr = 0; attr < CD_ATTR_COUNT; attr++)
		if (q->v[attr].state == CD_KNOWN)
			json_object_set_new(out, cd_attr_get(attr)->name,
					    value_json(attr, &q->v[attr]));
	return out;
}

static json_t *failed_json(const struct cd_snapshot *snapshot,
			   const struct cd_request *q,
			   const struct cd_decision *d)
{
	json_t *list = json_array();
	char need[256], have[256];
	unsigned int i;

	for (i = 0; i < d->n_failed; i++) {
		const struct cd_failure *f = &d->failed[i];

		cd_failure_need(snapshot, f, CD_FOR_ADMIN, need, sizeof(need));
		cd_failure_have(snapshot, q, f, CD_FOR_ADMIN, have,
				sizeof(have));
		json_array_append_new(
			list,
			json_pack("{s:s, s:s, s:s}", "attr",
				  f->approval ? "approval" :
				  f->attr < CD_ATTR_COUNT ?
						cd_attr_get(f->attr)->name :
						"obligations",
				  "need", need, "have", have));
	}
	return list;
}

/* NULL: no memory. */
static json_t *obligations_json(const struct cd_obligations *o)
{
	struct cd_buf text cd_auto(cd_buf_done);
	struct cd_json_writer w;

	cd_buf_init(&text, 4096);
	cd_json_writer_init(&w, &text, 0);
	cd_obligations_put(&w, o);
	return text.err ? NULL : json_loadb(text.data, text.len, 0, NULL);
}

static json_t *watched_json(const struct cd_snapshot *snapshot,
			    const struct cd_decision *d)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < d->n_watched; i++)
		json_array_append_new(list, cd_json_str(cd_feed_name(
						    snapshot, d->watched[i])));
	return list;
}

static json_t *rule_json(const struct cd_snapshot *snapshot, uint32_t rule)
{
	struct cd_str name = cd_rule_name(snapshot, rule);

	return name.len ? json_stringn(name.ptr, name.len) : NULL;
}

static json_t *decision_json(const struct cd_snapshot *snapshot,
			     const struct cd_request *q, int64_t serial)
{
	struct cd_decision d = cd_decide(snapshot, q);
	json_t *recheck = d.recheck_at == INT64_MAX ?
				  NULL :
				  cd_json_time(d.recheck_at / CD_NS_PER_S);

	return json_pack("{s:s, s:o*, s:o*, s:s, s:s, s:o, s:o, s:o*, s:I,"
			 " s:o, s:o}",
			 "verdict", cd_verdict_name(d.verdict), "rule",
			 rule_json(snapshot, d.rule), "explained",
			 rule_json(snapshot, d.explained), "reason",
			 cd_reason_name(d.reason), "text",
			 cd_reason_text(d.reason), "failed",
			 failed_json(snapshot, q, &d), "obligations",
			 obligations_json(&d.obligations), "recheck_at",
			 recheck, "policy", (json_int_t)serial, "watched",
			 watched_json(snapshot, &d), "inputs", inputs_json(q));
}

void answer_why(struct cd_call *call)
{
	const struct cd_snapshot *snapshot = cd_policy_snapshot(call->ctl);
	struct cd_case *c cd_auto(cd_case_free) = NULL;
	const char *app = cd_body_text(call, "app");
	char quoted[200];
	int r;

	if (!snapshot) {
		cd_call_error(call, 404, "NOT_FOUND",
			      "no policy was applied yet");
		return;
	}
	r = cd_case_new(snapshot, cd_str_from(app), &c);
	if (r == CD_E_NOTFOUND) {
		cd_call_error(
			call, 404, "NOT_FOUND", "the policy has no app %s",
			cd_quote(cd_str_from(app), quoted, sizeof(quoted)));
		return;
	}
	if (!r)
		r = add_people(call, c);
	if (!r)
		r = add_network(call, c);
	if (r < 0)
		cd_call_fail(call, r);
	else if (!r && assume_all(call, c))
		cd_call_json(call, 200,
			     decision_json(snapshot, &c->request,
					   cd_policy_serial(call->ctl)));
}
