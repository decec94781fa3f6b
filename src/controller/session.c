/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions in SQL. Each end and each change of an app or cert session appends
 * its record in the same transaction: an agent that follows the stream knows
 * the same sessions that this table does.
 */
#include "controller/session.h"

#include <stdio.h>

#include "controller/api.h"
#include "controller/note.h"
#include "controller/people.h"
#include "controller/stream.h"
#include "sys/store.h"
#include "token/random.h"

#define SESSION_COLUMNS                                                         \
	"id, key, kind, person, ifnull(parent, 0), app, device, addr, created," \
	" auth_time, mfa_time, mfa_kind, seen, idle, expires"

static void from_row(const struct cd_query *q, struct cd_session *s)
{
	struct cd_str key = cd_query_str(q, 1);

	memset(s, 0, sizeof(*s));
	s->id = cd_query_int(q, 0);
	memcpy(s->key, key.ptr, CD_MIN(key.len, sizeof(s->key)));
	s->kind = cd_query_int(q, 2);
	s->person = cd_query_int(q, 3);
	s->parent = cd_query_int(q, 4);
	cd_query_text(q, 5, s->app, sizeof(s->app));
	s->device = cd_query_int(q, 6);
	cd_query_text(q, 7, s->addr, sizeof(s->addr));
	s->created = cd_query_int(q, 8);
	s->auth_time = cd_query_int(q, 9);
	s->mfa_time = cd_query_int(q, 10);
	s->mfa_kind = cd_query_int(q, 11);
	s->seen = cd_query_int(q, 12);
	s->idle = cd_query_int(q, 13);
	s->expires = cd_query_int(q, 14);
}

static void to_record(const struct cd_session *s, struct cd_change *c)
{
	struct cd_change_session *r = &c->u.session;

	*c = (struct cd_change){.kind = CD_RECORD_SESSION, .version = 1};
	r->id = (uint64_t)s->id;
	memcpy(r->key, s->key, sizeof(r->key));
	r->subject = (uint64_t)s->person;
	r->device = (uint64_t)s->device;
	r->kind = (uint8_t)s->kind;
	r->mfa_kind = (uint8_t)s->mfa_kind;
	r->app = cd_str_from(s->app);
	r->created = s->created;
	r->auth_time = s->auth_time;
	r->mfa_time = s->mfa_time;
	r->idle = (uint32_t)s->idle;
	r->expires = s->expires;
}

static int publish(struct cd_ctl *ctl, const struct cd_session *s)
{
	struct cd_change c;

	if (s->kind == CD_SESSION_PERSON)
		return 0;
	to_record(s, &c);
	return cd_stream_append(ctl, &c);
}

static const char *kind_name(int64_t kind)
{
	return kind == CD_SESSION_APP  ? "app" :
	       kind == CD_SESSION_CERT ? "cert" :
					 "person";
}

static void note_session(struct cd_ctl *ctl, const struct cd_session *s,
			 enum cd_event_class event_class, const char *detail)
{
	struct cd_note n = {
		.event_class = event_class,
		.action = cd_str_from(kind_name(s->kind)),
		.app = cd_str_from(s->app),
		.addr = cd_str_from(s->addr),
		.detail = cd_str_from(detail),
		.session = s->id,
		.trace = s->trace,
	};
	struct cd_person p;

	if (!cd_person_by_id(ctl, s->person, &p))
		n.user = cd_str_from(p.name);
	cd_note(ctl, &n);
}

static int insert(struct cd_ctl *ctl, struct cd_session *s)
{
	int64_t n = cd_store_run(
		ctl->store,
		"INSERT INTO session(key, kind, person, parent, app, device,"
		" addr, created, auth_time, mfa_time, mfa_kind, seen, idle,"
		" expires) VALUES(?1, ?2, ?3, nullif(?4, 0), ?5, ?6, ?7, ?8,"
		" ?9, ?10, ?11, ?12, ?13, ?14)",
		"biiiziziiiiiii", cd_str_make(s->key, sizeof(s->key)), s->kind,
		s->person, s->parent, s->app, s->device, s->addr, s->created,
		s->auth_time, s->mfa_time, s->mfa_kind, s->seen, s->idle,
		s->expires);

	if (n < 0)
		return (int)n;
	s->id = cd_store_last_id(ctl->store);
	return 0;
}

int cd_session_create(struct cd_ctl *ctl, struct cd_session *s,
		      struct cd_secret **ret_token)
{
	struct cd_secret *token cd_auto(cd_secret_free) = NULL;
	int r = cd_token_new(&token, s->key);

	if (!r)
		r = insert(ctl, s);
	if (!r)
		r = publish(ctl, s);
	if (r < 0)
		return r;
	note_session(ctl, s, CD_EVENT_SESSION_BEGIN, NULL);
	*ret_token = CD_TAKE(token);
	return 0;
}

int cd_session_reserve(struct cd_ctl *ctl, struct cd_session *s)
{
	/* The key of nothing, until there is one. */
	cd_random(s->key, sizeof(s->key));
	return insert(ctl, s);
}

int cd_session_keyed(struct cd_ctl *ctl, const struct cd_session *s)
{
	int64_t n = cd_store_run(ctl->store,
				 "UPDATE session SET key = ?2 WHERE id = ?1",
				 "ib", s->id,
				 cd_str_make(s->key, sizeof(s->key)));

	if (n <= 0)
		return n < 0 ? (int)n : CD_E_NOTFOUND;
	note_session(ctl, s, CD_EVENT_SESSION_BEGIN, NULL);
	return publish(ctl, s);
}

static int one_row(struct cd_query *q, int r, struct cd_session *ret)
{
	r = cd_query_one(q, r);
	if (!r)
		from_row(q, ret);
	return r;
}

static bool is_live(const struct cd_session *s, int64_t now)
{
	return now < s->expires && (!s->idle || now < s->seen + s->idle);
}

int cd_session_by_token(struct cd_ctl *ctl, struct cd_str token,
			struct cd_session *ret)
{
	struct cd_query q cd_auto(cd_query_done) = {0};
	uint8_t key[CD_TOKEN_KEY];
	struct cd_session s;
	int r;

	if (cd_token_key(token, key) < 0)
		return CD_E_NOTFOUND;
	r = one_row(&q,
		    cd_query_start(&q, ctl->store,
				   "SELECT " SESSION_COLUMNS
				   " FROM session WHERE key = ?1",
				   "b", cd_str_make(key, sizeof(key))),
		    &s);
	if (r < 0)
		return r;
	if (!is_live(&s, cd_now()))
		return CD_E_NOTFOUND;
	*ret = s;
	return 0;
}

int cd_session_by_id(struct cd_ctl *ctl, int64_t id, struct cd_session *ret)
{
	struct cd_query q cd_auto(cd_query_done) = {0};

	return one_row(&q,
		       cd_query_start(&q, ctl->store,
				      "SELECT " SESSION_COLUMNS
				      " FROM session WHERE id = ?1",
				      "i", id),
		       ret);
}

/* ---- ending ---- */

static const char *end_name(enum cd_session_end why)
{
	static const char *const names[] = {"", "signed out", "revoked",
					    "expired", "replaced"};

	return names[why < CD_ARRAY_SIZE(names) ? why : 0];
}

static int end_one(struct cd_ctl *ctl, const struct cd_session *s,
		   enum cd_session_end why)
{
	struct cd_change c = {.kind = CD_RECORD_SESSION_END, .version = 1};
	int64_t n;
	int r;

	if (s->kind != CD_SESSION_PERSON) {
		c.u.session_end.id = (uint64_t)s->id;
		memcpy(c.u.session_end.key, s->key, sizeof(s->key));
		c.u.session_end.why = (uint8_t)why;
		r = cd_stream_append(ctl, &c);
		if (r < 0)
			return r;
	}
	note_session(ctl, s, CD_EVENT_SESSION_END, end_name(why));
	/* Children first (they have greater ids and come first): the cascade
	 * must never delete one whose end was not told. */
	n = cd_store_run(ctl->store, "DELETE FROM session WHERE id = ?1", "i",
			 s->id);
	return n < 0 ? (int)n : 0;
}

/* One text for each index; each narrows by the rest of the filter. What hangs
 * on a match goes with it, wherever the match was found. */
#define END_BY(first)                                              \
	"WITH hit(id) AS (SELECT id FROM session WHERE " first     \
	" AND (?1 = 0 OR id = ?1) AND (?2 = 0 OR person = ?2)"     \
	" AND (?3 = 0 OR device = ?3) AND (?4 = '' OR app = ?4))"  \
	" SELECT " SESSION_COLUMNS " FROM session WHERE id IN hit" \
	" OR parent IN hit ORDER BY id DESC"

static const char *filter_sql(const struct cd_session_filter *f)
{
	if (f->id)
		return END_BY("id = ?1");
	if (f->person)
		return END_BY("person = ?2");
	if (f->device)
		return END_BY("device = ?3");
	return END_BY("app = ?4");
}

int cd_sessions_end(struct cd_ctl *ctl, const struct cd_session_filter *f,
		    enum cd_session_end why, int64_t *ret_count)
{
	struct cd_query q cd_auto(cd_query_done) = {0};
	struct cd_session s;
	int64_t count = 0;
	int r;

	cd_assert(f->id || f->person || f->device || f->app.len);
	r = cd_query_start(&q, ctl->store, filter_sql(f), "iiis", f->id,
			   f->person, f->device, f->app);
	while (!r && (r = cd_query_step(&q)) > 0) {
		from_row(&q, &s);
		count++;
		r = end_one(ctl, &s, why);
	}
	if (!r && ret_count)
		*ret_count = count;
	return r;
}

enum { EXPIRE_BATCH = 500 };

int cd_sessions_expire(struct cd_ctl *ctl)
{
	struct cd_query q cd_auto(cd_query_done) = {0};
	struct cd_session_filter one = {0};
	int64_t ids[EXPIRE_BATCH];
	size_t n = 0, i;
	int r;

	r = cd_query_start(&q, ctl->store,
			   "SELECT id FROM session WHERE expires <= ?1"
			   " UNION SELECT id FROM session WHERE idle > 0"
			   " AND seen + idle <= ?1 LIMIT 500",
			   "i", cd_now());
	while (!r && n < EXPIRE_BATCH && (r = cd_query_step(&q)) > 0) {
		ids[n++] = cd_query_int(&q, 0);
		r = 0;
	}
	cd_query_done(&q);
	if (r < 0 || !n)
		return r;
	r = cd_ctl_begin(ctl);
	for (i = 0; i < n && !r; i++) {
		one.id = ids[i];
		r = cd_sessions_end(ctl, &one, CD_END_EXPIRED, NULL);
	}
	return cd_ctl_end(ctl, r);
}

/* ---- changing ---- */

static int renew(struct cd_ctl *ctl, int64_t id, struct cd_secret **ret_token)
{
	struct cd_secret *token cd_auto(cd_secret_free) = NULL;
	uint8_t key[CD_TOKEN_KEY];
	int64_t n;
	int r = cd_token_new(&token, key);

	if (r < 0)
		return r;
	n = cd_store_run(ctl->store,
			 "UPDATE session SET key = ?2 WHERE id = ?1"
			 " AND kind = 0",
			 "ib", id, cd_str_make(key, sizeof(key)));
	if (n <= 0)
		return n < 0 ? (int)n : CD_E_NOTFOUND;
	*ret_token = CD_TAKE(token);
	return 0;
}

/* Kind and time are of one proof: an older and stronger one would look as
 * fresh as this. */
static int prove(struct cd_ctl *ctl, int64_t id, int64_t now, int64_t kind)
{
	int64_t n = cd_store_run(ctl->store,
				 "UPDATE session SET mfa_time = ?2,"
				 " mfa_kind = ?3 WHERE id = ?1 OR parent = ?1",
				 "iii", id, now, kind);

	return n < 0 ? (int)n : 0;
}

int cd_session_stepped_up(struct cd_ctl *ctl, int64_t id, int64_t now,
			  int64_t kind, struct cd_secret **ret_token)
{
	struct cd_query q cd_auto(cd_query_done) = {0};
	struct cd_session s;
	int r = prove(ctl, id, now, kind);

	if (!r)
		r = renew(ctl, id, ret_token);
	if (r < 0)
		return r;
	r = cd_query_start(&q, ctl->store,
			   "SELECT " SESSION_COLUMNS
			   " FROM session WHERE parent = ?1",
			   "i", id);
	while (!r && (r = cd_query_step(&q)) > 0) {
		from_row(&q, &s);
		r = publish(ctl, &s);
	}
	return r;
}

int cd_session_seen(struct cd_ctl *ctl, int64_t id, int64_t at)
{
	int64_t n = cd_store_run(
		ctl->store,
		"UPDATE session SET seen = max(seen, ?2) WHERE id = ?1"
		" OR id = (SELECT parent FROM session WHERE id = ?1)",
		"ii", id, at);

	return n < 0 ? (int)n : 0;
}

int cd_sessions_each(struct cd_ctl *ctl,
		     int (*fn)(void *ctx, struct cd_change *record), void *ctx)
{
	struct cd_query q cd_auto(cd_query_done) = {0};
	struct cd_session s;
	struct cd_change c;
	int r = cd_query_start(&q, ctl->store,
			       "SELECT " SESSION_COLUMNS
			       " FROM session WHERE kind <> 0 AND expires > ?1",
			       "i", cd_now());

	while (!r && (r = cd_query_step(&q)) > 0) {
		from_row(&q, &s);
		to_record(&s, &c);
		r = fn(ctx, &c);
	}
	return r;
}

int cd_sessions_publish(struct cd_ctl *ctl)
{
	struct cd_query q cd_auto(cd_query_done) = {0};
	struct cd_session s;
	int r = cd_query_start(&q, ctl->store,
			       "SELECT " SESSION_COLUMNS
			       " FROM session WHERE kind <> 0",
			       "");

	while (!r && (r = cd_query_step(&q)) > 0) {
		from_row(&q, &s);
		r = publish(ctl, &s);
	}
	return r;
}

/* ---- JSON ---- */

static const char *factor_name(int64_t factor)
{
	static const char *const names[] = {"none", "password", "totp",
					    "webauthn"};

	return names[factor >= 0 && factor < 4 ? factor : 0];
}

static json_t *id_json(int64_t id)
{
	char text[24];

	if (!id)
		return NULL;
	snprintf(text, sizeof(text), "%lld", (long long)id);
	return json_string(text);
}

static json_t *text_or_none(struct cd_str s)
{
	return s.len ? json_stringn(s.ptr, s.len) : NULL;
}

static json_t *session_json(const struct cd_query *q)
{
	struct cd_str user = cd_query_str(q, 15);
	struct cd_session s;

	from_row(q, &s);
	return json_pack("{s:o, s:s%, s:s, s:o*, s:o*, s:o*, s:s, s:o, s:o,"
			 " s:o, s:s, s:o*}",
			 "id", id_json(s.id), "user", user.ptr, user.len,
			 "kind", kind_name(s.kind), "app",
			 text_or_none(cd_str_from(s.app)), "device",
			 text_or_none(cd_query_str(q, 16)), "parent",
			 id_json(s.parent), "addr", s.addr, "created",
			 cd_json_time(s.created), "seen", cd_json_time(s.seen),
			 "expires", cd_json_time(s.expires), "mfa_kind",
			 factor_name(s.mfa_kind), "mfa_at",
			 cd_json_time(s.mfa_time));
}

json_t *cd_sessions_json(struct cd_ctl *ctl, int64_t person, struct cd_str app,
			 int64_t limit)
{
	struct cd_query q cd_auto(cd_query_done) = {0};
	json_t *list = json_array();
	int r;

	r = cd_query_start(
		&q, ctl->store,
		"SELECT s.id, s.key, s.kind, s.person, ifnull(s.parent, 0),"
		" s.app, s.device, s.addr, s.created, s.auth_time, s.mfa_time,"
		" s.mfa_kind, s.seen, s.idle, s.expires, p.name,"
		" ifnull(d.name, '') FROM session s"
		" JOIN person p ON p.id = s.person"
		" LEFT JOIN device d ON d.id = s.device"
		" WHERE (?1 = 0 OR s.person = ?1) AND (?2 = '' OR s.app = ?2)"
		" AND s.expires > ?3 ORDER BY s.id DESC LIMIT ?4",
		"isii", person, app, cd_now(), limit);
	while (!r && (r = cd_query_step(&q)) > 0)
		r = json_array_append_new(list, session_json(&q)) ? -ENOMEM : 0;
	return list;
}
