/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row for each node, app and server that a check told of. A gateway says
 * how it found a server the first time, and then every change, so a row never
 * outlives what it says by more than one check. An address of a name is told
 * when it leaves the name, too, and all are as the gateway begins to look.
 *
 * Rejected: reading the newest health events from the journal at each question
 * (they may be gigabytes back), and memory alone (a server that is down says so
 * once, perhaps before this cordond began).
 */
#include "controller/servers.h"

#include <stdio.h>
#include <time.h>

#include "base/addr.h"
#include "base/time.h"
#include "controller/api.h"
#include "controller/policy.h"
#include "sys/log.h"
#include "sys/store.h"

#define ADDR_TEXT 64
#define DETAIL_TEXT 256

/* ---- taking ---- */

/* A clock that is ahead must not have the last word for ever. */
static int64_t at_most_now(int64_t ts)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return CD_MIN(ts, (int64_t)now.tv_sec * CD_NS_PER_S + now.tv_nsec);
}

/* Found by a check: events of requests that failed have no detail. */
static bool is_check(const struct cd_event *e)
{
	bool has = false;
	char text[8];

	if (e->event_class != CD_EVENT_UPSTREAM_HEALTH)
		return false;
	cd_event_text(e, CD_EVENT_F_DETAIL, text, sizeof(text), &has);
	return has;
}

/* What an event says of a server; empty: nothing. */
struct word {
	char app[CD_EVENT_TEXT_MAX + 1], name[CD_EVENT_TEXT_MAX + 1];
	char addr[ADDR_TEXT], port[8], outcome[16], detail[DETAIL_TEXT];
	int64_t at;
};

static void word_of(const struct cd_event *e, struct word *w)
{
	cd_event_text(e, CD_EVENT_F_APP, w->app, sizeof(w->app), NULL);
	cd_event_text(e, CD_EVENT_F_HOST, w->name, sizeof(w->name), NULL);
	cd_event_text(e, CD_EVENT_F_DST_IP, w->addr, sizeof(w->addr), NULL);
	cd_event_text(e, CD_EVENT_F_DST_PORT, w->port, sizeof(w->port), NULL);
	cd_event_text(e, CD_EVENT_F_OUTCOME, w->outcome, sizeof(w->outcome),
		      NULL);
	cd_event_text(e, CD_EVENT_F_DETAIL, w->detail, sizeof(w->detail), NULL);
	w->at = at_most_now(e->ts);
}

static int64_t keep(struct cd_ctl *ctl, struct cd_str node,
		    const struct word *w)
{
	return cd_store_run(
		ctl->store,
		"INSERT INTO server(app, addr, port, node, down, at, detail,"
		" name) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
		" ON CONFLICT(app, addr, port, node) DO UPDATE SET"
		" down = excluded.down, at = excluded.at, name = excluded.name,"
		" detail = excluded.detail WHERE excluded.at >= at",
		"zzzsiizz", w->app, w->addr, w->port, node,
		(int64_t)!strcmp(w->outcome, "failure"), w->at, w->detail,
		w->name);
}

/* One address of a name, or all of them. */
static int64_t forget(struct cd_ctl *ctl, struct cd_str node,
		      const struct word *w)
{
	return cd_store_run(ctl->store,
			    "DELETE FROM server WHERE app = ?1 AND name = ?2"
			    " AND (?3 = '' OR addr = ?3) AND port = ?4"
			    " AND node = ?5 AND at <= ?6 AND name <> ''",
			    "zzzzsi", w->app, w->name, w->addr, w->port, node,
			    w->at);
}

static int take(struct cd_ctl *ctl, struct cd_str node,
		const struct cd_event *e)
{
	struct word w;
	int64_t n;

	word_of(e, &w);
	n = w.outcome[0] ? keep(ctl, node, &w) : forget(ctl, node, &w);
	return n < 0 ? (int)n : 0;
}

static int take_all(struct cd_ctl *ctl, const struct cd_batch *batch)
{
	struct cd_str rest = batch->records;
	struct cd_event e;
	int64_t n;
	int r = 0;

	while (!r && rest.len && !cd_event_decode(rest, &e, &rest))
		if (is_check(&e))
			r = take(ctl, batch->node, &e);
	if (r < 0)
		return r;
	n = cd_store_run(ctl->store,
			 "DELETE FROM server WHERE at <= (SELECT at FROM server"
			 " ORDER BY at DESC LIMIT 1 OFFSET ?1)",
			 "i", (int64_t)CD_SERVERS_MAX);
	return n < 0 ? (int)n : 0;
}

void cd_servers_take(struct cd_ctl *ctl, const struct cd_batch *batch)
{
	struct cd_str rest = batch->records;
	struct cd_event e;
	bool any = false;
	int r;

	while (!any && rest.len && !cd_event_decode(rest, &e, &rest))
		any = is_check(&e);
	if (!any)
		return;
	r = cd_ctl_begin(ctl);
	if (!r)
		r = cd_ctl_end(ctl, take_all(ctl, batch));
	if (r < 0)
		CD_LOG_WARN("HEALTH_NOT_KEPT", cd_log_err(r));
}

/* ---- telling ---- */

static json_t *server_json(struct cd_str app, const struct cd_upstream *up)
{
	char text[300];
	bool six = up->addr.family == 6;

	snprintf(text, sizeof(text), "%s%.*s%s:%u", six ? "[" : "",
		 CD_STR_FMT(up->host), six ? "]" : "", up->port);
	return json_pack("{s:o, s:s}", "app", cd_json_str(app), "server", text);
}

/* Columns node, down, at, detail, addr from `column` on. */
static void add_row(json_t *server, const struct cd_query *q, int column,
		    const struct cd_upstream *up)
{
	bool down = cd_query_int(q, column + 1) != 0;

	json_object_set_new(server, "healthy", json_boolean(!down));
	json_object_set_new(server, "node",
			    cd_json_str(cd_query_str(q, column)));
	json_object_set_new(
		server, "since",
		cd_json_time(cd_query_int(q, column + 2) / CD_NS_PER_S));
	json_object_set_new(server, "detail",
			    cd_json_str(cd_query_str(q, column + 3)));
	if (!up->addr.family)
		json_object_set_new(server, "address",
				    cd_json_str(cd_query_str(q, column + 4)));
}

/* What each gateway says of one server, of a name: of each address; one item
 * without a word of any. */
static void list_server(struct cd_ctl *ctl, const struct cd_app *app,
			const struct cd_upstream *up, json_t *list)
{
	struct cd_query q cd_auto(cd_query_done) = {0};
	struct cd_str name = up->addr.family ? CD_STR_NULL : up->host;
	char addr[ADDR_TEXT] = "";
	json_t *server;
	bool any = false;
	int r;

	if (up->addr.family)
		cd_addr_format(&up->addr, addr, sizeof(addr));
	r = cd_query_start(&q, ctl->store,
			   "SELECT node, down, at, detail, addr FROM server"
			   " WHERE app = ?1 AND port = ?3"
			   " AND (addr = ?2 OR (?4 <> '' AND name = ?4))",
			   "szis", app->name, addr, (int64_t)up->port, name);
	while (!r && cd_query_step(&q) > 0) {
		server = server_json(app->name, up);
		add_row(server, &q, 0, up);
		json_array_append_new(list, server);
		any = true;
	}
	if (!any)
		json_array_append_new(list, server_json(app->name, up));
}

json_t *cd_servers_of(struct cd_ctl *ctl, const struct cd_app *app)
{
	const struct cd_snapshot *snapshot = cd_policy_snapshot(ctl);
	json_t *list = json_array();
	struct cd_health health;
	struct cd_upstream up;

	if (!cd_snapshot_app_health(snapshot, app->index, &health))
		return list;
	for (uint32_t i = 0; i < app->n_upstreams; i++)
		if (cd_snapshot_upstream(snapshot, app->index, i, &up))
			list_server(ctl, app, &up, list);
	return list;
}

/* The server that a row is about: addr, or an address of its name. */
static bool is_about(const struct cd_upstream *up, const struct cd_addr *addr,
		     struct cd_str name)
{
	return up->addr.family ? !cd_addr_compare(&up->addr, addr) :
				 cd_str_equal(up->host, name);
}

/* Does the policy in force check this server? */
static bool is_checked(const struct cd_snapshot *snapshot,
		       const struct cd_query *q, struct cd_upstream *ret_up)
{
	struct cd_str name = cd_query_str(q, 0);
	struct cd_health health;
	struct cd_addr addr;
	struct cd_app app;

	if (!snapshot || cd_addr_parse(cd_query_str(q, 1), &addr) ||
	    !cd_snapshot_app_by_name(snapshot, name, &app) ||
	    !cd_snapshot_app_health(snapshot, app.index, &health))
		return false;
	for (uint32_t i = 0; i < app.n_upstreams; i++)
		if (cd_snapshot_upstream(snapshot, app.index, i, ret_up) &&
		    ret_up->port == cd_query_int(q, 2) &&
		    is_about(ret_up, &addr, cd_query_str(q, 3)))
			return true;
	return false;
}

json_t *cd_servers_down(struct cd_ctl *ctl)
{
	const struct cd_snapshot *snapshot = cd_policy_snapshot(ctl);
	struct cd_query q cd_auto(cd_query_done) = {0};
	json_t *list = json_array(), *server;
	struct cd_upstream up;
	int r = cd_query_start(&q, ctl->store,
			       "SELECT app, addr, port, name, node, down, at,"
			       " detail, addr FROM server WHERE down = 1",
			       "");

	while (!r && cd_query_step(&q) > 0) {
		if (!is_checked(snapshot, &q, &up))
			continue;
		server = server_json(cd_query_str(&q, 0), &up);
		add_row(server, &q, 4, &up);
		json_array_append_new(list, server);
	}
	return list;
}
