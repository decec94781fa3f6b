/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The context of a running cordond: what its parts share. One thread owns it;
 * the only other threads are those of work.h, which never see it.
 */
#ifndef CD_CONTROLLER_CTL_H
#define CD_CONTROLLER_CTL_H

#include "base/buf.h"
#include "controller/options.h"
#include "sys/conf.h"
#include "token/password.h"

struct event;
struct event_base;
struct cd_feeds;
struct cd_httpd;
struct cd_journal;
struct cd_keys;
struct cd_logins;
struct cd_oidc;
struct cd_policy_state;
struct cd_store;
struct cd_stream;
struct cd_throttle;
struct cd_work;

struct cd_ctl {
	struct cd_options opt;
	struct cd_conf conf; /* CONF/cordon.conf */
	struct cd_password_cost password_cost; /* of new hashes */
	struct event_base *base;
	struct event *tick; /* once a second */
	struct event *term[2]; /* SIGTERM, SIGINT */
	struct cd_store *store;
	struct cd_keys *keys;
	struct cd_httpd *admin, *pages, *agents;
	struct cd_httpd *remote; /* NULL: no agents of other machines */
	struct cd_journal *journal;
	struct cd_work *work;
	struct cd_stream *stream;
	struct cd_policy_state *policy;
	struct cd_feeds *feeds;
	struct cd_throttle *throttle;
	struct cd_logins *logins;
	struct cd_oidc *oidc; /* NULL: no provider is configured */
	struct cd_buf notes; /* see note.h */
	size_t n_notes;
	char page_key[32]; /* of CSRF tokens; made at each start */
	struct cd_buf jwks; /* what the key broker said last, and when */
	int64_t jwks_at; /* Unix seconds */
	int64_t started; /* Unix seconds */
	/* see clock.h: wall clock before CLOCK_BOOTTIME in ns, at the last
	 * look; steady seconds at which the time was noted */
	int64_t clock_ahead, clock_noted;
	unsigned int ticks; /* seconds served */
};

/* Opens state and sockets. Everything that refuses says so in diag. */
int cd_ctl_new(const struct cd_options *opt, struct cd_diag *diag,
	       struct cd_ctl **ret_ctl);
/* Serves until SIGTERM or SIGINT. */
int cd_ctl_run(struct cd_ctl *ctl);
/* Held requests are answered first. */
void cd_ctl_free(struct cd_ctl **ctl);

/* Unix seconds. */
int64_t cd_now(void);

/* A write transaction whose changes reach agents: commit wakes those that
 * wait. After an error: cd_ctl_rollback(). */
int cd_ctl_begin(struct cd_ctl *ctl);
int cd_ctl_commit(struct cd_ctl *ctl);
void cd_ctl_rollback(struct cd_ctl *ctl);
/* Commits when r is not negative, else rolls back; the first error. */
int cd_ctl_end(struct cd_ctl *ctl, int r);

#endif
