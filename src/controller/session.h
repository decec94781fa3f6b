/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions as objects: a person session on the sign-in host, and below it one
 * session for each app, whose cookie is good for that app alone. Ending one
 * ends what hangs on it. A session that ended is gone from the table; its
 * number is never used again.
 *
 * Limits: `idle` since last use, `expires` absolutely, and re-authentication
 * by rules on mfa.age and session.age. Functions that change something run
 * inside a transaction of the caller.
 */
#ifndef CD_CONTROLLER_SESSION_H
#define CD_CONTROLLER_SESSION_H

#include <jansson.h>

#include "controller/ctl.h"
#include "token/change.h"
#include "token/token.h"

#define CD_SESSION_PERSON 0 /* the others: enum cd_session_kind */
#define CD_APP_NAME_MAX 128
#define CD_ADDR_TEXT 64

struct cd_session {
	int64_t id;
	uint8_t key[CD_TOKEN_KEY];
	int64_t kind;
	int64_t person;
	int64_t parent; /* 0: none */
	char app[CD_APP_NAME_MAX + 1];
	int64_t device; /* 0: not known */
	char addr[CD_ADDR_TEXT];
	int64_t created, auth_time, mfa_time, mfa_kind;
	int64_t seen, idle, expires;
	/* Of the request that makes it, for the event alone; borrowed. */
	struct cd_str trace;
};

/* Fills id and key, inserts; app and cert sessions go into the change stream.
 * The token is for the cookie alone. */
int cd_session_create(struct cd_ctl *ctl, struct cd_session *s,
		      struct cd_secret **ret_token);
/* The same in two steps, for a session whose key is known only after its
 * number: a row that opens nothing, then its key, told to agents. */
int cd_session_reserve(struct cd_ctl *ctl, struct cd_session *s);
int cd_session_keyed(struct cd_ctl *ctl, const struct cd_session *s);
/* A live session by its token: 0, CD_E_NOTFOUND, or an error. */
int cd_session_by_token(struct cd_ctl *ctl, struct cd_str token,
			struct cd_session *ret);
int cd_session_by_id(struct cd_ctl *ctl, int64_t id, struct cd_session *ret);

/* Which sessions; 0 and empty: any. id also takes what hangs on it. At least
 * one must be given. */
struct cd_session_filter {
	int64_t id, person, device;
	struct cd_str app;
};

int cd_sessions_end(struct cd_ctl *ctl, const struct cd_session_filter *filter,
		    enum cd_session_end why, int64_t *ret_count);
/* Ends those past their limits; own transaction. */
int cd_sessions_expire(struct cd_ctl *ctl);
/* The second factor was proved again, by this kind: of the session and of what
 * hangs on it. The person session gets another token: who has the old one did
 * not prove anything. */
int cd_session_stepped_up(struct cd_ctl *ctl, int64_t id, int64_t now,
			  int64_t kind, struct cd_secret **ret_token);
/* Last use, as gateways report it; also of the parent. Never goes back. */
int cd_session_seen(struct cd_ctl *ctl, int64_t id, int64_t at);

/* Records of all live app and cert sessions, for a resync. */
int cd_sessions_each(struct cd_ctl *ctl,
		     int (*fn)(void *ctx, struct cd_change *record), void *ctx);
/* Appends those records: something in each of them moved. */
int cd_sessions_publish(struct cd_ctl *ctl);
/* Schema Session of those that fit, newest first; person 0 and app empty:
 * all. At most limit. */
json_t *cd_sessions_json(struct cd_ctl *ctl, int64_t person, struct cd_str app,
			 int64_t limit);

#endif
