/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admin endpoints about people and groups. Each act is one transaction: the
 * rows, the records for enforcement points, the audit entry.
 */
#include <stdio.h>
#include <stdlib.h>

#include "controller/api.h"
#include "controller/audit.h"
#include "controller/keys_client.h"
#include "controller/link_api.h"
#include "controller/oidc.h"
#include "controller/people.h"
#include "controller/session.h"
#include "controller/work.h"
#include "sys/store.h"
#include "token/base64.h"

/* ---- one person, changed ---- */

/* What an act does between the transaction's ends. */
typedef int (*user_act)(struct cd_call *call, struct cd_person *p);

static void send_user(struct cd_call *call, unsigned int status, int64_t id)
{
	struct cd_person p;
	int r = cd_person_by_id(call->ctl, id, &p);

	if (r < 0)
		cd_call_fail(call, r);
	else
		cd_call_json(call, status, cd_person_json(call->ctl, &p));
}

static int audit_user(struct cd_call *call, const char *action,
		      struct cd_str name, json_t *before)
{
	struct cd_person p;
	json_t *after = NULL;
	int r;

	if (!cd_person_get(call->ctl, name, &p))
		after = cd_person_json(call->ctl, &p);
	r = cd_audit(call->ctl, call->who, action, name, before, after);
	json_decref(after);
	return r;
}

static int in_transaction(struct cd_call *call, const char *action,
			  user_act act, struct cd_person *p)
{
	json_t *before = cd_person_json(call->ctl, p);
	int r = cd_ctl_begin(call->ctl);

	if (!r) {
		r = act(call, p);
		if (!r)
			r = cd_person_publish(call->ctl, p->id);
		if (!r)
			r = audit_user(call, action, cd_str_from(p->name),
				       before);
		r = cd_ctl_end(call->ctl, r);
	}
	json_decref(before);
	return r;
}

static void change(struct cd_call *call, const char *action, user_act act)
{
	struct cd_person p;
	int r = cd_person_get(call->ctl, call->param[0], &p);

	if (!r)
		r = in_transaction(call, action, act, &p);
	if (r < 0)
		cd_call_fail(call, r);
	else
		send_user(call, 200, p.id);
}

static int set_disabled(struct cd_ctl *ctl, const struct cd_person *p,
			bool disabled)
{
	struct cd_session_filter all = {.person = p->id};
	int64_t n;

	n = cd_store_run(ctl->store,
			 "UPDATE person SET disabled = ?2 WHERE id = ?1", "ii",
			 p->id, (int64_t)disabled);
	if (n < 0)
		return (int)n;
	return disabled ? cd_sessions_end(ctl, &all, CD_END_REVOKED, NULL) : 0;
}

static int act_disable(struct cd_call *call, struct cd_person *p)
{
	return set_disabled(call->ctl, p, true);
}

static int act_enable(struct cd_call *call, struct cd_person *p)
{
	return set_disabled(call->ctl, p, false);
}

static int act_groups(struct cd_call *call, struct cd_person *p)
{
	return cd_person_set_groups(call->ctl, p->id,
				    json_object_get(call->body, "groups"));
}

/* Texts may be changed to at most CD_TEXT_MAX bytes. */
static int set_text(struct cd_ctl *ctl, int64_t id, const char *sql,
		    const char *text)
{
	int64_t n;

	if (!text)
		return 0;
	if (strlen(text) > CD_TEXT_MAX)
		return -EINVAL;
	n = cd_store_run(ctl->store, sql, "iz", id, text);
	return n < 0 ? (int)n : 0;
}

static int set_texts(struct cd_call *call, int64_t id)
{
	int r = set_text(call->ctl, id,
			 "UPDATE person SET display = ?2 WHERE id = ?1",
			 cd_body_text(call, "display"));

	if (!r)
		r = set_text(call->ctl, id,
			     "UPDATE person SET email = ?2 WHERE id = ?1",
			     cd_body_text(call, "email"));
	return r;
}

/* false: an answer was given. */
static bool is_risk_good(struct cd_call *call)
{
	const char *name = cd_body_text(call, "risk");

	if (!name || cd_risk_parse(name))
		return true;
	cd_call_error(call, 400, "BAD_REQUEST",
		      "risk is low, medium or high, not '%s'", name);
	return false;
}

static int set_risk(struct cd_call *call, int64_t id)
{
	const char *name = cd_body_text(call, "risk");
	int64_t risk = cd_risk_parse(name), n;

	if (!name)
		return 0;
	if (!risk)
		return -EINVAL;
	n = cd_store_run(call->ctl->store,
			 "UPDATE person SET risk = ?2 WHERE id = ?1", "ii", id,
			 risk);
	return n < 0 ? (int)n : 0;
}

/* A subject means nothing where no provider is configured. */
static bool is_subject_refused(struct cd_call *call)
{
	if (!cd_body_text(call, "oidc_subject") || call->ctl->oidc)
		return false;
	cd_call_error(
		call, 409, "NO_PROVIDER",
		"no identity provider is configured: oidc_issuer in cordon.conf");
	return true;
}

/* false: an answer was given. */
static bool is_body_good(struct cd_call *call)
{
	return cd_call_text_fits(call, "display") &&
	       cd_call_text_fits(call, "email") &&
	       cd_call_names_fit(call, "group", "groups") &&
	       is_risk_good(call) && !is_subject_refused(call);
}

static int set_subject(struct cd_call *call, int64_t id)
{
	const char *subject = cd_body_text(call, "oidc_subject");

	if (!subject)
		return 0;
	return cd_oidc_person_link(
		call->ctl, id, cd_str_from(call->ctl->oidc->conf.oidc_issuer),
		cd_str_from(subject));
}

static int act_change(struct cd_call *call, struct cd_person *p)
{
	int r = set_texts(call, p->id);

	if (!r)
		r = set_risk(call, p->id);
	if (!r)
		r = set_subject(call, p->id);
	if (!r && json_object_get(call->body, "groups"))
		r = act_groups(call, p);
	if (!r && json_object_get(call->body, "disabled"))
		r = set_disabled(call->ctl, p,
				 cd_body_bool(call, "disabled", false));
	return r;
}

void answer_users_change(struct cd_call *call)
{
	if (is_body_good(call))
		change(call, "user.change", act_change);
}

void answer_users_disable(struct cd_call *call)
{
	change(call, "user.disable", act_disable);
}

void answer_users_enable(struct cd_call *call)
{
	change(call, "user.enable", act_enable);
}

void answer_users_groups(struct cd_call *call)
{
	if (is_body_good(call))
		change(call, "user.groups", act_groups);
}

void answer_users_delete(struct cd_call *call)
{
	struct cd_person p;
	json_t *before;
	int r = cd_person_get(call->ctl, call->param[0], &p);

	if (r < 0) {
		cd_call_fail(call, r);
		return;
	}
	before = cd_person_json(call->ctl, &p);
	r = cd_ctl_begin(call->ctl);
	if (!r) {
		r = cd_person_delete(call->ctl, p.id);
		if (!r)
			r = audit_user(call, "user.delete", cd_str_from(p.name),
				       before);
		r = cd_ctl_end(call->ctl, r);
	}
	json_decref(before);
	if (r < 0)
		cd_call_fail(call, r);
	else
		cd_call_empty(call);
}

/* ---- reading ---- */

void answer_users_get(struct cd_call *call)
{
	struct cd_person p;
	int r = cd_person_get(call->ctl, call->param[0], &p);

	if (r < 0)
		cd_call_fail(call, r);
	else
		cd_call_json(call, 200, cd_person_json(call->ctl, &p));
}

void answer_users_list(struct cd_call *call)
{
	struct cd_query q cd_auto(cd_query_done) = {0};
	const char *group = cd_http_query(call->req, "group");
	json_t *list = json_array();
	struct cd_person p;
	int r;

	r = cd_query_start(&q, call->ctl->store,
			   "SELECT name FROM person WHERE ?1 IS NULL OR id IN"
			   " (SELECT person FROM membership WHERE grp = ?1)"
			   " ORDER BY name",
			   "z", group);
	while (!r && (r = cd_query_step(&q)) > 0) {
		r = cd_person_get(call->ctl, cd_query_str(&q, 0), &p);
		if (!r)
			json_array_append_new(list,
					      cd_person_json(call->ctl, &p));
	}
	if (r < 0) {
		json_decref(list);
		cd_call_fail(call, r);
	} else {
		cd_call_json(call, 200, cd_json_items(list));
	}
}

/* ---- creating ---- */

/* A creation waits for its password's hash. */
struct creation {
	struct cd_call *call;
	struct cd_secret *password; /* NULL: none */
	struct cd_password_cost cost;
	char *hash;
	int err;
};

static void creation_free(struct creation *c)
{
	cd_secret_free(&c->password);
	free(c->hash);
	free(c);
}

/* base32 as authenticator apps show it -> sealed by the key broker. */
static int seal_totp(struct cd_call *call, int64_t id, struct cd_buf *sealed)
{
	const char *text = cd_body_text(call, "totp");
	struct cd_buf plain;
	char context[32];
	int r;

	if (!text)
		return 0;
	cd_buf_init(&plain, 64);
	r = cd_base32_decode(cd_str_from(text), &plain);
	if (!r)
		r = cd_keys_seal(call->ctl->keys, CD_STR("totp"),
				 cd_person_context(id, context),
				 cd_buf_get(&plain), sealed);
	cd_buf_wipe(&plain);
	return r;
}

static int fill_person(struct creation *c, int64_t id)
{
	struct cd_call *call = c->call;
	struct cd_buf sealed cd_auto(cd_buf_done);
	json_t *groups = json_object_get(call->body, "groups");
	int r;

	cd_buf_init(&sealed, 512);
	r = set_texts(call, id);
	if (!r && groups)
		r = cd_person_set_groups(call->ctl, id, groups);
	if (!r)
		r = seal_totp(call, id, &sealed);
	if (!r)
		r = cd_person_set_credentials(call->ctl, id,
					      cd_str_from(c->hash),
					      cd_buf_get(&sealed));
	return r < 0 ? r : cd_person_publish(call->ctl, id);
}

static int create(struct creation *c, int64_t *ret_id, json_t **ret_link)
{
	struct cd_call *call = c->call;
	struct cd_str name = cd_str_from(cd_body_text(call, "name"));
	bool link = cd_body_bool(call, "link",
				 !c->password &&
					 !cd_body_text(call, "oidc_subject"));
	int64_t id = 0;
	int r = cd_ctl_begin(call->ctl);

	if (r < 0)
		return r;
	r = cd_person_create(call->ctl, name, &id);
	if (!r)
		r = fill_person(c, id);
	if (!r)
		r = set_subject(call, id);
	if (!r && link)
		r = cd_link_json(call->ctl, CD_LINK_SETUP, id,
				 call->ctl->opt.link_life, ret_link);
	if (!r)
		r = audit_user(call, "user.create", name, NULL);
	*ret_id = id;
	return cd_ctl_end(call->ctl, r);
}

static void finish_creation(void *arg)
{
	struct creation *c = arg;
	struct cd_call *call = c->call;
	struct cd_person p;
	json_t *link = NULL, *user;
	int64_t id = 0;
	int r = c->err;

	if (!r)
		r = create(c, &id, &link);
	if (!r)
		r = cd_person_by_id(call->ctl, id, &p);
	creation_free(c);
	if (r < 0) {
		json_decref(link);
		cd_call_fail(call, r);
		return;
	}
	user = cd_person_json(call->ctl, &p);
	if (link)
		json_object_set_new(user, "link", link);
	cd_call_json(call, 201, user);
}

static void hash_password(void *arg)
{
	struct creation *c = arg;

	c->err = cd_password_hash(c->password, &c->cost, &c->hash);
}

void answer_users_create(struct cd_call *call)
{
	const char *password = cd_body_text(call, "password");
	struct creation *c;
	int r;

	if (!cd_call_name_fits(call, "person", cd_body_text(call, "name")) ||
	    !is_body_good(call))
		return;
	c = calloc(1, sizeof(*c));
	if (!c) {
		cd_call_fail(call, -ENOMEM);
		return;
	}
	c->call = call;
	c->cost = call->ctl->password_cost;
	if (!password) {
		finish_creation(c);
		return;
	}
	c->err = -EAGAIN; /* unless the hash was made */
	r = cd_secret_from(cd_str_from(password), &c->password);
	if (!r)
		r = cd_work_submit(call->ctl->work, hash_password,
				   finish_creation, c);
	if (r < 0) {
		creation_free(c);
		cd_call_fail(call, r);
	}
}

/* ---- links ---- */

void answer_users_link(struct cd_call *call)
{
	struct cd_person p = {.id = 0};
	int r = cd_person_get(call->ctl, call->param[0], &p);

	cd_call_link(call, r, CD_LINK_SETUP, p.id, "user.link", call->param[0]);
}

static int make_admin(struct cd_call *call, struct cd_str name, int64_t *ret_id)
{
	json_t *groups = json_pack("[s]", CD_ADMIN_GROUP);
	int r = cd_ctl_begin(call->ctl);

	if (!r) {
		r = cd_person_create(call->ctl, name, ret_id);
		if (!r)
			r = cd_person_set_groups(call->ctl, *ret_id, groups);
		if (!r)
			r = cd_person_publish(call->ctl, *ret_id);
		if (!r)
			r = audit_user(call, "user.create", name, NULL);
		r = cd_ctl_end(call->ctl, r);
	}
	json_decref(groups);
	return r;
}

void answer_setup_admin(struct cd_call *call)
{
	const char *asked = cd_body_text(call, "name");
	struct cd_str name = cd_str_from(asked ? asked : "admin");
	struct cd_person p = {.id = 0};
	int64_t n = 0, id;
	int r;

	r = cd_store_int(call->ctl->store, &n,
			 "SELECT count(*) FROM person p JOIN membership m"
			 " ON m.person = p.id WHERE m.grp = ?1"
			 " AND p.password <> '' AND NOT p.disabled",
			 "z", CD_ADMIN_GROUP);
	if (!r && n) {
		cd_call_error(call, 409, "CONFLICT",
			      "there is an admin already");
		return;
	}
	if (!r)
		r = cd_person_get(call->ctl, name, &p);
	id = p.id;
	if (r == CD_E_NOTFOUND)
		r = make_admin(call, name, &id);
	cd_call_link(call, r, CD_LINK_SETUP, id, "setup.link", name);
}

/* ---- groups ---- */

static bool group_exists(struct cd_ctl *ctl, struct cd_str name)
{
	int64_t n = 0;

	return !cd_store_int(ctl->store, &n,
			     "SELECT 1 FROM grp WHERE name = ?1", "s", name);
}

void answer_groups_list(struct cd_call *call)
{
	struct cd_query q cd_auto(cd_query_done) = {0};
	json_t *list = json_array();
	int r = cd_query_start(&q, call->ctl->store,
			       "SELECT name FROM grp ORDER BY name", "");

	while (!r && (r = cd_query_step(&q)) > 0)
		r = json_array_append_new(
			list, cd_group_json(call->ctl, cd_query_str(&q, 0)));
	cd_call_json(call, 200, cd_json_items(list));
}

void answer_groups_get(struct cd_call *call)
{
	if (group_exists(call->ctl, call->param[0]))
		cd_call_json(call, 200,
			     cd_group_json(call->ctl, call->param[0]));
	else
		cd_call_fail(call, CD_E_NOTFOUND);
}

/* Adds or removes one person and tells enforcement points. */
static int change_member(struct cd_ctl *ctl, struct cd_str group, json_t *name,
			 bool add)
{
	struct cd_person p;
	int64_t n;
	int r = cd_person_get(ctl, cd_str_from(json_string_value(name)), &p);

	if (r < 0)
		return r;
	if (add)
		n = cd_store_run(ctl->store,
				 "INSERT OR IGNORE INTO membership"
				 " VALUES(?1, ?2)",
				 "is", p.id, group);
	else
		n = cd_store_run(ctl->store,
				 "DELETE FROM membership WHERE person = ?1"
				 " AND grp = ?2",
				 "is", p.id, group);
	if (n <= 0)
		return (int)n; /* nothing changed: nothing to tell */
	return cd_person_publish(ctl, p.id);
}

static int change_members(struct cd_ctl *ctl, struct cd_str group,
			  json_t *names, bool add)
{
	json_t *name;
	size_t i;
	int r = 0;

	json_array_foreach(names, i, name) if (!r)
		r = change_member(ctl, group, name, add);
	return r;
}

static void finish_group(struct cd_call *call, struct cd_str name,
			 const char *action, unsigned int status, int r)
{
	if (!r)
		r = cd_audit(call->ctl, call->who, action, name, NULL,
			     call->body);
	r = cd_ctl_end(call->ctl, r);
	if (r < 0)
		cd_call_fail(call, r);
	else if (status == 204)
		cd_call_empty(call);
	else
		cd_call_json(call, status, cd_group_json(call->ctl, name));
}

/* False: told who is not there. */
static bool all_exist(struct cd_call *call, const char *key)
{
	json_t *list = json_object_get(call->body, key), *name;
	struct cd_person p;
	char quoted[160];
	size_t i;

	json_array_foreach(list, i, name)
	{
		struct cd_str s = cd_str_from(json_string_value(name));

		if (cd_person_get(call->ctl, s, &p) != CD_E_NOTFOUND)
			continue;
		cd_call_error(call, 404, "NO_PERSON", "there is no person %s",
			      cd_quote(s, quoted, sizeof(quoted)));
		return false;
	}
	return true;
}

void answer_groups_create(struct cd_call *call)
{
	struct cd_str name = cd_str_from(cd_body_text(call, "name"));
	int64_t n;
	int r;

	if (!cd_call_name_fits(call, "group", name.ptr) ||
	    !all_exist(call, "members"))
		return;
	r = cd_ctl_begin(call->ctl);
	if (r < 0) {
		cd_call_fail(call, r);
		return;
	}
	n = cd_store_run(call->ctl->store, "INSERT INTO grp VALUES(?1, ?2)",
			 "si", name, cd_now());
	r = n < 0 ? (int)n :
		    change_members(call->ctl, name,
				   json_object_get(call->body, "members"),
				   true);
	finish_group(call, name, "group.create", 201, r);
}

void answer_groups_change(struct cd_call *call)
{
	struct cd_str name = call->param[0];
	int r;

	if (!group_exists(call->ctl, name)) {
		cd_call_fail(call, CD_E_NOTFOUND);
		return;
	}
	if (!all_exist(call, "add") || !all_exist(call, "remove"))
		return;
	r = cd_ctl_begin(call->ctl);
	if (r < 0) {
		cd_call_fail(call, r);
		return;
	}
	r = change_members(call->ctl, name, json_object_get(call->body, "add"),
			   true);
	if (!r)
		r = change_members(call->ctl, name,
				   json_object_get(call->body, "remove"),
				   false);
	finish_group(call, name, "group.change", 200, r);
}

void answer_groups_delete(struct cd_call *call)
{
	struct cd_str name = call->param[0];
	json_t *before, *members;
	int64_t n;
	int r = group_exists(call->ctl, name) ? cd_ctl_begin(call->ctl) :
						CD_E_NOTFOUND;

	if (r < 0) {
		cd_call_fail(call, r);
		return;
	}
	before = cd_group_json(call->ctl, name);
	members = json_object_get(before, "members");
	r = change_members(call->ctl, name, members, false);
	n = cd_store_run(call->ctl->store, "DELETE FROM grp WHERE name = ?1",
			 "s", name);
	json_decref(before);
	finish_group(call, name, "group.delete", 204,
		     r < 0 ? r :
		     n < 0 ? (int)n :
			     0);
}
