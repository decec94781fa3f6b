/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Status, apps, certificates, and what agents report and ask beside the
 * change stream.
 */
#include <cordon/snapshot.h>
#include <cordon/version.h>

#include <stdio.h>

#include "controller/api.h"
#include "controller/feed.h"
#include "controller/journal.h"
#include "controller/keys_client.h"
#include "controller/note.h"
#include "controller/people.h"
#include "controller/policy.h"
#include "controller/redirect.h"
#include "controller/servers.h"
#include "controller/session.h"
#include "controller/stream.h"
#include "sys/log.h"
#include "sys/store.h"

enum {
	JWKS_MAX = 64 * 1024,
	JWKS_LIFE = 60, /* seconds */
};

static int64_t number(struct cd_ctl *ctl, const char *sql, int64_t arg)
{
	int64_t n = 0;

	cd_store_int(ctl->store, &n, sql, "i", arg);
	return n;
}

static json_t *journal_json(struct cd_ctl *ctl)
{
	struct cd_journal_stats st;

	cd_journal_stats(ctl->journal, &st);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:b}", "bytes",
			 (json_int_t)st.bytes, "segments",
			 (json_int_t)st.segments, "records",
			 (json_int_t)st.records, "gaps", (json_int_t)st.gaps,
			 "drops", (json_int_t)st.drops, "ok", st.error == 0);
}

static size_t held(const struct cd_ctl *ctl)
{
	return cd_httpd_held(ctl->agents) +
	       (ctl->remote ? cd_httpd_held(ctl->remote) : 0);
}

void answer_status(struct cd_call *call)
{
	struct cd_ctl *ctl = call->ctl;
	struct cd_buf trust cd_auto(cd_buf_done);
	bool keys;

	cd_buf_init(&trust, 64 * 1024);
	keys = !cd_keys_public(ctl->keys, CD_PUBLIC_TRUST, &trust);
	cd_call_json(
		call, 200,
		json_pack(
			"{s:s, s:o, s:s, s:I, s:o*, s:o, s:I, s:I, s:b, s:I, s:o, s:o, s:o}",
			"version", cd_version(), "started",
			cd_json_time(ctl->started), "auth_url",
			ctl->opt.auth_url, "seq",
			(json_int_t)cd_stream_last(ctl), "policy",
			cd_policy_state_json(ctl), "agents",
			cd_stream_agents(ctl), "users",
			(json_int_t)number(ctl,
					   "SELECT count(*) FROM person"
					   " WHERE id > ?1",
					   0),
			"sessions",
			(json_int_t)number(ctl,
					   "SELECT count(*) FROM session"
					   " WHERE expires > ?1",
					   cd_now()),
			"keys", keys, "held", (json_int_t)held(ctl), "journal",
			journal_json(ctl), "feeds", cd_feeds_json(ctl),
			"servers", cd_servers_down(ctl)));
}

/* ---- apps ---- */

static json_t *upstreams_json(const struct cd_snapshot *snapshot,
			      const struct cd_app *app)
{
	json_t *list = json_array();
	struct cd_upstream up;
	char text[300];
	uint32_t i;

	for (i = 0; i < app->n_upstreams; i++) {
		if (!cd_snapshot_upstream(snapshot, app->index, i, &up))
			continue;
		snprintf(text, sizeof(text), "%.*s:%u", CD_STR_FMT(up.host),
			 up.port);
		json_array_append_new(list, json_string(text));
	}
	return list;
}

void answer_apps_list(struct cd_call *call)
{
	static const char *const kinds[] = {"http", "tcp", "udp", "ssh", "rdp"};
	const struct cd_snapshot *snapshot = cd_policy_snapshot(call->ctl);
	uint32_t n = snapshot ? cd_snapshot_app_count(snapshot) : 0, i;
	json_t *list = json_array();
	struct cd_app app;

	for (i = 0; i < n; i++) {
		if (!cd_snapshot_app(snapshot, i, &app) ||
		    app.kind >= CD_ARRAY_SIZE(kinds))
			continue;
		json_array_append_new(
			list,
			json_pack("{s:o, s:s, s:o, s:o, s:o}", "name",
				  cd_json_str(app.name), "kind",
				  kinds[app.kind], "url", cd_json_str(app.url),
				  "upstreams", upstreams_json(snapshot, &app),
				  "servers", cd_servers_of(call->ctl, &app)));
	}
	cd_call_json(call, 200, cd_json_items(list));
}

/* ---- certificates ---- */

void answer_certs_ca(struct cd_call *call)
{
	struct cd_buf pem cd_auto(cd_buf_done);
	int r;

	cd_buf_init(&pem, 64 * 1024);
	r = cd_keys_public(call->ctl->keys, CD_PUBLIC_SERVER_CA, &pem);
	if (r < 0)
		cd_call_fail(call, r);
	else
		cd_call_bytes(call, "application/x-pem-file", cd_buf_get(&pem));
}

/* Anybody may ask, so the broker is not asked each time; while it is away the
 * old answer stands. */
static void refresh_jwks(struct cd_ctl *ctl, int64_t now)
{
	struct cd_buf fresh cd_auto(cd_buf_done);

	cd_buf_init(&fresh, JWKS_MAX);
	if (ctl->jwks.len && now >= ctl->jwks_at &&
	    now - ctl->jwks_at < JWKS_LIFE)
		return;
	if (cd_keys_public(ctl->keys, CD_PUBLIC_JWKS, &fresh) < 0)
		return;
	cd_buf_done(&ctl->jwks);
	cd_buf_init(&ctl->jwks, JWKS_MAX);
	cd_buf_str(&ctl->jwks, cd_buf_get(&fresh));
	ctl->jwks_at = now;
}

void answer_jwks(struct cd_call *call)
{
	struct cd_ctl *ctl = call->ctl;

	refresh_jwks(ctl, cd_now());
	if (ctl->jwks.len)
		cd_call_bytes(call, "application/jwk-set+json",
			      cd_buf_get(&ctl->jwks));
	else
		cd_call_fail(call, -EAGAIN); /* the broker is away */
}

void answer_certs_list(struct cd_call *call)
{
	struct cd_query q cd_auto(cd_query_done) = {0};
	json_t *list = json_array();
	int r = cd_query_start(&q, call->ctl->store,
			       "SELECT name, agent, issued FROM cert"
			       " ORDER BY id DESC LIMIT 1000",
			       "");

	while (!r && (r = cd_query_step(&q)) > 0)
		r = json_array_append_new(
			list,
			json_pack("{s:o, s:o, s:o}", "name",
				  cd_json_str(cd_query_str(&q, 0)), "agent",
				  cd_json_str(cd_query_str(&q, 1)), "issued",
				  cd_json_time(cd_query_int(&q, 2))));
	cd_call_json(call, 200, cd_json_items(list));
}

/* The sign-in host and every app that has a host: each once. */
static json_t *served_names(struct cd_ctl *ctl)
{
	const struct cd_snapshot *snapshot = cd_policy_snapshot(ctl);
	uint32_t n = snapshot ? cd_snapshot_app_count(snapshot) : 0, i;
	json_t *set = json_object(), *list = json_array();
	struct cd_app app;
	const char *name;
	char host[256], agents[256 + 8];
	json_t *v;

	if (cd_url_host(cd_str_from(ctl->opt.auth_url), host, sizeof(host))) {
		json_object_set_new(set, host, json_true());
		snprintf(agents, sizeof(agents), "agents.%s", host);
		if (ctl->opt.remote_group >= 0)
			json_object_set_new(set, agents, json_true());
	}
	for (i = 0; i < n; i++) {
		if (!cd_snapshot_app(snapshot, i, &app) || !app.host.len ||
		    app.host.len >= sizeof(host))
			continue;
		snprintf(host, sizeof(host), "%.*s", CD_STR_FMT(app.host));
		json_object_set_new(set, host, json_true());
	}
	json_object_foreach(set, name, v)
		json_array_append_new(list, json_string(name));
	json_decref(set);
	return list;
}

void answer_agent_tls_names(struct cd_call *call)
{
	cd_call_json(call, 200, cd_json_items(served_names(call->ctl)));
}

static bool is_served(struct cd_ctl *ctl, const char *name)
{
	json_t *names = served_names(ctl), *item;
	bool found = false;
	size_t i;

	json_array_foreach(names, i, item)
		found |= !strcmp(json_string_value(item), name);
	json_decref(names);
	return found;
}

static int note_cert(struct cd_ctl *ctl, const char *name, const char *agent)
{
	int64_t n = cd_store_run(ctl->store,
				 "INSERT INTO cert(name, agent, issued)"
				 " VALUES(?1, ?2, ?3)",
				 "zzi", name, agent, cd_now());

	return n < 0 ? (int)n : 0;
}

static void note_issue(struct cd_ctl *ctl, const char *name, const char *agent,
		       int err)
{
	struct cd_note n = {
		.event_class = CD_EVENT_CERTIFICATE,
		.actor = cd_str_from(agent),
		.target = cd_str_from(name),
		.failed = err < 0,
	};

	cd_note(ctl, &n);
}

void answer_agent_tls_csr(struct cd_call *call)
{
	const char *name = cd_http_query(call->req, "name");
	const char *agent = cd_http_query(call->req, "agent");
	struct cd_str names[1] = {cd_str_from(name)};
	struct cd_buf chain cd_auto(cd_buf_done);
	int r = 0;

	cd_buf_init(&chain, 64 * 1024);
	if (!name || !cd_name_is_valid(cd_str_from(agent)))
		r = -EINVAL;
	else if (!is_served(call->ctl, name))
		r = CD_E_DENIED;
	if (!r)
		r = cd_keys_issue_leaf(call->ctl->keys, names, 1, 0,
				       cd_http_body(call->req), &chain);
	if (!r)
		r = note_cert(call->ctl, name, agent);
	note_issue(call->ctl, name, agent, r);
	if (r < 0)
		cd_call_fail(call, r);
	else
		cd_call_bytes(call, "application/x-pem-file",
			      cd_buf_get(&chain));
}

/* ---- last use ---- */

static int note_seen(struct cd_ctl *ctl, json_t *pair, int64_t now)
{
	json_t *id = json_array_get(pair, 0), *at = json_array_get(pair, 1);
	uint64_t n;

	if (json_array_size(pair) != 2 || !json_is_string(id) ||
	    !json_is_integer(at) ||
	    cd_str_parse_u64(cd_str_from(json_string_value(id)), &n) < 0 ||
	    n > INT64_MAX)
		return -EINVAL;
	/* A clock ahead of ours must not make a session last for ever. */
	return cd_session_seen(ctl, (int64_t)n,
			       CD_MIN(json_integer_value(at), now));
}

void answer_agent_seen(struct cd_call *call)
{
	json_t *list = json_object_get(call->body, "seen"), *pair;
	int64_t now = cd_now();
	size_t i;
	int r = cd_ctl_begin(call->ctl);

	if (!r) {
		json_array_foreach(list, i, pair) if (!r)
			r = note_seen(call->ctl, pair, now);
		r = cd_ctl_end(call->ctl, r);
	}
	if (r < 0)
		cd_call_fail(call, r);
	else
		cd_call_empty(call);
}
