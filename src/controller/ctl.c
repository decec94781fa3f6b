/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start, run and stop of cordond. The order of the start is the order in
 * which a failure is easiest to name: state, then policy, then sockets; the
 * key broker is asked when it is first needed, because it may start later.
 */
#include "controller/ctl.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "controller/api.h"
#include "controller/clock.h"
#include "controller/device.h"
#include "controller/feed.h"
#include "controller/journal.h"
#include "controller/keys_client.h"
#include "controller/link.h"
#include "controller/note.h"
#include "controller/oidc.h"
#include "controller/page_login.h"
#include "controller/policy.h"
#include "controller/schema.h"
#include "controller/session.h"
#include "controller/stream.h"
#include "controller/throttle.h"
#include "controller/work.h"
#include "sys/log.h"
#include "sys/store.h"
#include "token/random.h"

enum {
	HASH_THREADS = 2,
	HASH_QUEUE = 64,
	ADMIN_CONNECTIONS = 256,
	PAGE_CONNECTIONS = 4096,
	AGENT_CONNECTIONS = 16384,
};

int64_t cd_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec;
}

/* ---- transactions ---- */

int cd_ctl_begin(struct cd_ctl *ctl)
{
	return cd_store_begin(ctl->store);
}

int cd_ctl_commit(struct cd_ctl *ctl)
{
	int r = cd_store_commit(ctl->store);

	if (r < 0) {
		cd_notes_drop(ctl);
		CD_LOG_ERROR("COMMIT_FAILED", cd_log_err(r));
		return r;
	}
	cd_stream_wake(ctl);
	cd_notes_write(ctl);
	return 0;
}

void cd_ctl_rollback(struct cd_ctl *ctl)
{
	cd_store_rollback(ctl->store);
	cd_notes_drop(ctl);
}

int cd_ctl_end(struct cd_ctl *ctl, int r)
{
	if (!r)
		return cd_ctl_commit(ctl);
	cd_ctl_rollback(ctl);
	return r;
}

/* ---- housekeeping ---- */

static void note_failure(const char *what, int r)
{
	if (r < 0)
		CD_LOG_WARN("HOUSEKEEPING_FAILED", cd_log_z("what", what),
			    cd_log_err(r));
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct cd_ctl *ctl = arg;
	int64_t now = cd_now();

	(void)fd;
	(void)what;
	/* before anything else is compared with the clock */
	note_failure("clock", cd_clock_tick(ctl));
	cd_stream_tick(ctl);
	cd_policy_tick(ctl);
	cd_feeds_tick(ctl);
	note_failure("sessions", cd_sessions_expire(ctl));
	if (++ctl->ticks % 60)
		return;
	note_failure("links", cd_links_sweep(ctl->store, now));
	note_failure("devices", cd_devices_vouch(ctl));
	cd_store_run(ctl->store, "DELETE FROM code WHERE expires < ?1", "i",
		     now);
	note_failure("journal", cd_journal_trim(ctl->journal));
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	event_base_loopbreak(arg);
}

/* ---- start ---- */

static int say(struct cd_diag *diag, const char *what, int r)
{
	if (r < 0 && !cd_diag_errors(diag))
		cd_diag_add(diag, CD_ERROR, NULL, 0, 0, "%s: %s", what,
			    cd_strerror(r));
	return r;
}

static int read_conf(struct cd_ctl *ctl, struct cd_diag *diag)
{
	const struct cd_password_cost *floor = &cd_password_cost_floor;
	char path[4096];
	int r;

	snprintf(path, sizeof(path), "%s/cordon.conf", ctl->opt.conf);
	r = cd_conf_load(path, diag, &ctl->conf);
	if (r < 0)
		return r;
	r = cd_password_cost_parse(cd_str_from(ctl->conf.password_cost),
				   &ctl->password_cost);
	if (r < 0)
		cd_diag_add(diag, CD_ERROR, NULL, 0, 0,
			    "password_cost: needs m=KIB,t=PASSES,p=LANES, at "
			    "least m=%u,t=%u,p=%u",
			    floor->memory_kib, floor->passes, floor->lanes);
	return r;
}

static int open_state(struct cd_ctl *ctl, struct cd_diag *diag)
{
	char path[4096];
	int n;

	n = snprintf(path, sizeof(path), "%s/cordond", ctl->opt.state);
	if (n < 0 || (size_t)n + 16 > sizeof(path))
		return -ENAMETOOLONG;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return say(diag, path, -errno);
	memcpy(path + n, "/state.db", sizeof("/state.db"));
	return cd_store_open(path, cd_schema_steps, cd_schema_steps_count, diag,
			     &ctl->store);
}

static int open_journal(struct cd_ctl *ctl, struct cd_diag *diag)
{
	struct cd_journal_config config = {.node = "cordond"};
	char path[4096];

	snprintf(path, sizeof(path), "%s/cordond/journal", ctl->opt.state);
	config.dir = path;
	return say(diag, path,
		   cd_journal_open(ctl->base, &config, &ctl->journal));
}

static int open_socket(struct cd_ctl *ctl, struct cd_httpd_config *config,
		       const char *name, struct cd_diag *diag,
		       struct cd_httpd **ret)
{
	char path[128];
	int n = snprintf(path, sizeof(path), "%s/%s", ctl->opt.run, name);

	if (n < 0 || (size_t)n >= sizeof(path))
		return say(diag, ctl->opt.run, -ENAMETOOLONG);
	config->path = path;
	config->ctx = ctl;
	return say(diag, path, cd_httpd_new(ctl->base, config, ret));
}

static int open_sockets(struct cd_ctl *ctl, struct cd_diag *diag)
{
	struct cd_httpd_config admin = {
		.mode = 0600,
		.gid = (gid_t)-1,
		.body_max = CD_ADMIN_BODY_MAX,
		.connections_max = ADMIN_CONNECTIONS,
		.timeout_s = 120,
		.handle = cd_api_admin,
	};
	struct cd_httpd_config pages = {
		.mode = 0660,
		.gid = (gid_t)ctl->opt.gateway_group,
		.body_max = CD_PAGE_BODY_MAX,
		.connections_max = PAGE_CONNECTIONS,
		.timeout_s = 120,
		.handle = cd_api_public,
	};
	struct cd_httpd_config agents = {
		.mode = 0660,
		.gid = (gid_t)ctl->opt.agent_group,
		.body_max = CD_AGENT_BODY_MAX,
		.connections_max = AGENT_CONNECTIONS,
		.timeout_s = 0,
		.handle = cd_api_agent,
	};
	struct cd_httpd_config remote = agents;
	int r;

	remote.gid = (gid_t)ctl->opt.remote_group;
	remote.body_max = CD_PAGE_BODY_MAX;
	remote.handle = cd_api_remote;
	r = open_socket(ctl, &agents, "agent.sock", diag, &ctl->agents);
	if (!r && ctl->opt.remote_group >= 0)
		r = open_socket(ctl, &remote, "remote.sock", diag,
				&ctl->remote);
	if (!r)
		r = open_socket(ctl, &pages, "public.sock", diag, &ctl->pages);
	if (!r)
		r = open_socket(ctl, &admin, "api.sock", diag, &ctl->admin);
	return r;
}

static int open_loop(struct cd_ctl *ctl)
{
	static const struct timeval second = {1, 0};
	static const int signals[] = {SIGTERM, SIGINT};
	size_t i;

	ctl->base = event_base_new();
	if (!ctl->base)
		return -ENOMEM;
	ctl->tick = event_new(ctl->base, -1, EV_PERSIST, on_tick, ctl);
	if (!ctl->tick || event_add(ctl->tick, &second) < 0)
		return -ENOMEM;
	for (i = 0; i < CD_ARRAY_SIZE(signals); i++) {
		ctl->term[i] = evsignal_new(ctl->base, signals[i], on_signal,
					    ctl->base);
		if (!ctl->term[i] || event_add(ctl->term[i], NULL) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int open_parts(struct cd_ctl *ctl)
{
	char path[4096];
	int r;

	snprintf(path, sizeof(path), "%s/" CD_BROKER_SOCKET, ctl->opt.run);
	r = cd_keys_new(path, &ctl->keys);
	if (!r)
		r = cd_work_new(ctl->base, HASH_THREADS, HASH_QUEUE,
				&ctl->work);
	if (!r)
		r = cd_throttle_new(&ctl->throttle);
	if (!r)
		r = cd_logins_new(&ctl->logins);
	if (!r)
		r = cd_stream_new(ctl, &ctl->stream);
	return r;
}

int cd_ctl_new(const struct cd_options *opt, struct cd_diag *diag,
	       struct cd_ctl **ret_ctl)
{
	struct cd_ctl *ctl cd_auto(cd_ctl_free) = calloc(1, sizeof(*ctl));
	int r;

	if (!ctl)
		return -ENOMEM;
	ctl->opt = *opt;
	ctl->started = cd_now();
	cd_random(ctl->page_key, sizeof(ctl->page_key));
	cd_buf_init(&ctl->notes, 16u << 20);
	/* A peer that went away is an error of write, not our end. */
	signal(SIGPIPE, SIG_IGN);
	r = read_conf(ctl, diag);
	if (!r)
		r = say(diag, "event loop", open_loop(ctl));
	if (!r)
		r = open_state(ctl, diag);
	if (!r)
		r = open_journal(ctl, diag);
	if (!r)
		r = say(diag, "start", open_parts(ctl));
	if (!r)
		r = say(diag, "clock", cd_clock_start(ctl));
	if (!r)
		r = say(diag, "feeds", cd_feeds_new(ctl, diag, &ctl->feeds));
	if (!r)
		r = say(diag, "policy in force",
			cd_policy_state_new(ctl, diag, &ctl->policy));
	if (!r)
		r = say(diag, "identity provider",
			cd_oidc_new(ctl, diag, &ctl->oidc));
	if (!r)
		r = open_sockets(ctl, diag);
	if (!r)
		*ret_ctl = CD_TAKE(ctl);
	return r;
}

int cd_ctl_run(struct cd_ctl *ctl)
{
	CD_LOG_INFO("STARTED", cd_log_z("run", ctl->opt.run),
		    cd_log_z("auth_url", ctl->opt.auth_url),
		    cd_log_num("seq", (int64_t)cd_stream_last(ctl)));
	if (event_base_dispatch(ctl->base) < 0)
		return -EIO;
	CD_LOG_INFO("STOPPING");
	return 0;
}

void cd_ctl_free(struct cd_ctl **ctl)
{
	struct cd_ctl *c = CD_TAKE(*ctl);
	size_t i;

	if (!c)
		return;
	/* Whoever holds a request answers it before its server goes. */
	cd_work_free(&c->work);
	cd_feeds_free(&c->feeds);
	cd_oidc_free(&c->oidc);
	cd_journal_free(&c->journal);
	cd_stream_free(&c->stream);
	cd_httpd_free(&c->admin);
	cd_httpd_free(&c->pages);
	cd_httpd_free(&c->agents);
	cd_httpd_free(&c->remote);
	cd_policy_state_free(&c->policy);
	cd_throttle_free(&c->throttle);
	cd_logins_free(&c->logins);
	cd_keys_free(&c->keys);
	cd_store_close(&c->store);
	cd_conf_done(&c->conf);
	cd_buf_done(&c->notes);
	cd_buf_done(&c->jwks);
	for (i = 0; i < CD_ARRAY_SIZE(c->term); i++)
		if (c->term[i])
			event_free(c->term[i]);
	if (c->tick)
		event_free(c->tick);
	if (c->base)
		event_base_free(c->base);
	cd_wipe(c->page_key, sizeof(c->page_key));
	free(c);
}
