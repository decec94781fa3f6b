/* SPDX-License-Identifier: Apache-2.0 */
/*
 * People and groups in SQL. A record in the change stream is always built
 * from the rows as the transaction sees them, whole: there is no second list
 * of "what changed" that could disagree with the state.
 */
#include "controller/people.h"

#include <stdio.h>

#include "controller/api.h"
#include "controller/session.h"
#include "controller/stream.h"
#include "sys/store.h"

/* ---- reading ---- */

#define PERSON_COLUMNS                                               \
	"id, name, display, email, disabled, risk, epoch, password," \
	" totp IS NOT NULL, totp_step, created"

static void from_row(const struct cd_query *q, struct cd_person *p)
{
	p->id = cd_query_int(q, 0);
	cd_query_text(q, 1, p->name, sizeof(p->name));
	cd_query_text(q, 2, p->display, sizeof(p->display));
	cd_query_text(q, 3, p->email, sizeof(p->email));
	p->disabled = cd_query_int(q, 4);
	p->risk = cd_query_int(q, 5);
	p->epoch = cd_query_int(q, 6);
	cd_query_text(q, 7, p->password, sizeof(p->password));
	p->has_totp = cd_query_int(q, 8);
	p->totp_step = cd_query_int(q, 9);
	p->created = cd_query_int(q, 10);
}

static int one_row(struct cd_query *q, int r, struct cd_person *ret)
{
	r = cd_query_one(q, r);
	if (!r)
		from_row(q, ret);
	return r;
}

int cd_person_get(struct cd_ctl *ctl, struct cd_str name, struct cd_person *ret)
{
	struct cd_query q cd_auto(cd_query_done) = {0};

	return one_row(&q,
		       cd_query_start(&q, ctl->store,
				      "SELECT " PERSON_COLUMNS
				      " FROM person WHERE name = ?1",
				      "s", name),
		       ret);
}

int cd_person_by_id(struct cd_ctl *ctl, int64_t id, struct cd_person *ret)
{
	struct cd_query q cd_auto(cd_query_done) = {0};

	return one_row(&q,
		       cd_query_start(&q, ctl->store,
				      "SELECT " PERSON_COLUMNS
				      " FROM person WHERE id = ?1",
				      "i", id),
		       ret);
}

int cd_person_totp(struct cd_ctl *ctl, int64_t id, struct cd_buf *out)
{
	struct cd_query q cd_auto(cd_query_done) = {0};
	int r = cd_query_start(&q, ctl->store,
			       "SELECT totp FROM person WHERE id = ?1", "i",
			       id);

	if (!r)
		r = cd_query_step(&q);
	if (r < 0)
		return r;
	if (!r || cd_query_is_null(&q, 0))
		return CD_E_NOTFOUND;
	cd_buf_str(out, cd_query_str(&q, 0));
	return out->err;
}

struct cd_str cd_person_context(int64_t id, char out[32])
{
	snprintf(out, 32, "user:%lld", (long long)id);
	return cd_str_from(out);
}

/* ---- changing ---- */

int cd_person_create(struct cd_ctl *ctl, struct cd_str name, int64_t *ret_id)
{
	int64_t n;

	if (!cd_name_is_valid(name))
		return -EINVAL;
	n = cd_store_run(ctl->store,
			 "INSERT INTO person(name, created) VALUES(?1, ?2)",
			 "si", name, cd_now());
	if (n < 0)
		return (int)n;
	*ret_id = cd_store_last_id(ctl->store);
	return 0;
}

static int join(struct cd_ctl *ctl, int64_t id, struct cd_str group)
{
	int64_t n;

	if (!cd_name_is_valid(group))
		return -EINVAL;
	n = cd_store_run(ctl->store, "INSERT OR IGNORE INTO grp VALUES(?1, ?2)",
			 "si", group, cd_now());
	if (n >= 0)
		n = cd_store_run(ctl->store,
				 "INSERT OR IGNORE INTO membership"
				 " VALUES(?1, ?2)",
				 "is", id, group);
	return n < 0 ? (int)n : 0;
}

int cd_person_set_groups(struct cd_ctl *ctl, int64_t id, json_t *names)
{
	json_t *item;
	size_t i;
	int64_t n;
	int r = 0;

	if (json_array_size(names) > CD_CHANGE_GROUPS_MAX)
		return CD_E_LIMIT;
	n = cd_store_run(ctl->store, "DELETE FROM membership WHERE person = ?1",
			 "i", id);
	if (n < 0)
		return (int)n;
	json_array_foreach(names, i, item) if (!r)
		r = join(ctl, id, cd_str_from(json_string_value(item)));
	return r;
}

int cd_person_set_credentials(struct cd_ctl *ctl, int64_t id,
			      struct cd_str hash, struct cd_str totp)
{
	int64_t n = 0;

	if (hash.len)
		n = cd_store_run(ctl->store,
				 "UPDATE person SET password = ?2"
				 " WHERE id = ?1",
				 "is", id, hash);
	if (n >= 0 && totp.len)
		n = cd_store_run(ctl->store,
				 "UPDATE person SET totp = ?2, totp_step = 0"
				 " WHERE id = ?1",
				 "ib", id, totp);
	return n < 0 ? (int)n : 0;
}

int cd_person_delete(struct cd_ctl *ctl, int64_t id)
{
	struct cd_change c = {.kind = CD_RECORD_SUBJECT_GONE, .version = 1};
	struct cd_session_filter all = {.person = id};
	int64_t n;
	int r;

	c.u.gone = (uint64_t)id;
	r = cd_sessions_end(ctl, &all, CD_END_REVOKED, NULL);
	if (!r)
		r = cd_stream_append(ctl, &c);
	if (r < 0)
		return r;
	n = cd_store_run(ctl->store, "DELETE FROM person WHERE id = ?1", "i",
			 id);
	return n < 0 ? (int)n : 0;
}

/* ---- records ---- */

/* Borrowed from the arena of names that outlives the record. */
static int fill_groups(struct cd_ctl *ctl, int64_t id, json_t **ret_names,
		       struct cd_change_subject *s)
{
	json_t *names = cd_person_groups(ctl, id), *item;
	size_t i;

	if (!names)
		return -ENOMEM;
	*ret_names = names;
	if (json_array_size(names) > CD_CHANGE_GROUPS_MAX)
		return CD_E_LIMIT;
	json_array_foreach(names, i, item)
		s->groups[i] = cd_str_from(json_string_value(item));
	s->n_groups = (uint16_t)json_array_size(names);
	return 0;
}

static int with_record(struct cd_ctl *ctl, const struct cd_person *p,
		       int (*fn)(void *ctx, struct cd_change *record),
		       void *ctx)
{
	struct cd_change c = {.kind = CD_RECORD_SUBJECT, .version = 1};
	struct cd_change_subject *s = &c.u.subject;
	json_t *names = NULL;
	int r;

	s->id = (uint64_t)p->id;
	s->epoch = (uint64_t)p->epoch;
	s->name = cd_str_from(p->name);
	s->risk = (uint8_t)p->risk;
	/* CD_T_FACTOR: none < password < totp */
	s->best_factor = p->has_totp ? 2 : p->password[0] ? 1 : -1;
	s->flags = p->disabled ? CD_CHANGE_SUBJECT_DISABLED : 0;
	r = fill_groups(ctl, p->id, &names, s);
	if (!r)
		r = fn(ctx, &c);
	json_decref(names);
	return r;
}

static int append(void *ctx, struct cd_change *record)
{
	return cd_stream_append(ctx, record);
}

int cd_person_publish(struct cd_ctl *ctl, int64_t id)
{
	struct cd_person p;
	int64_t n;
	int r;

	n = cd_store_run(ctl->store,
			 "UPDATE person SET epoch = epoch + 1 WHERE id = ?1",
			 "i", id);
	if (n <= 0)
		return n < 0 ? (int)n : CD_E_NOTFOUND;
	r = cd_person_by_id(ctl, id, &p);
	return r < 0 ? r : with_record(ctl, &p, append, ctl);
}

int cd_group_publish(struct cd_ctl *ctl, struct cd_str group)
{
	struct cd_query q cd_auto(cd_query_done) = {0};
	int r = cd_query_start(&q, ctl->store,
			       "SELECT person FROM membership WHERE grp = ?1",
			       "s", group);

	while (!r && (r = cd_query_step(&q)) > 0)
		r = cd_person_publish(ctl, cd_query_int(&q, 0));
	return r;
}

int cd_people_each(struct cd_ctl *ctl,
		   int (*fn)(void *ctx, struct cd_change *record), void *ctx)
{
	struct cd_query q cd_auto(cd_query_done) = {0};
	struct cd_person p;
	int r = cd_query_start(&q, ctl->store,
			       "SELECT " PERSON_COLUMNS " FROM person", "");

	while (!r && (r = cd_query_step(&q)) > 0) {
		from_row(&q, &p);
		r = with_record(ctl, &p, fn, ctx);
	}
	return r;
}

/* ---- JSON ---- */

static json_t *names_json(struct cd_query *q, int r)
{
	json_t *list = json_array();

	while (!r && (r = cd_query_step(q)) > 0) {
		struct cd_str s = cd_query_str(q, 0);

		r = json_array_append_new(list, json_stringn(s.ptr, s.len)) ?
			    -ENOMEM :
			    0;
	}
	if (r < 0) {
		json_decref(list);
		return NULL;
	}
	return list;
}

json_t *cd_person_groups(struct cd_ctl *ctl, int64_t id)
{
	struct cd_query q cd_auto(cd_query_done) = {0};

	return names_json(&q, cd_query_start(&q, ctl->store,
					     "SELECT grp FROM membership"
					     " WHERE person = ?1 ORDER BY grp",
					     "i", id));
}

json_t *cd_group_json(struct cd_ctl *ctl, struct cd_str name)
{
	struct cd_query q cd_auto(cd_query_done) = {0};
	json_t *members;

	members = names_json(&q,
			     cd_query_start(&q, ctl->store,
					    "SELECT p.name FROM membership m"
					    " JOIN person p ON p.id = m.person"
					    " WHERE m.grp = ?1 ORDER BY p.name",
					    "s", name));
	return json_pack("{s:s%, s:o}", "name", name.ptr, name.len, "members",
			 members);
}

/* NULL: not linked to an identity provider. */
static json_t *subject_json(struct cd_ctl *ctl, int64_t id)
{
	struct cd_query q cd_auto(cd_query_done) = {0};

	if (cd_query_start(&q, ctl->store,
			   "SELECT subject FROM person WHERE id = ?1"
			   " AND issuer <> ''",
			   "i", id) < 0 ||
	    cd_query_step(&q) <= 0)
		return NULL;
	return cd_json_str(cd_query_str(&q, 0));
}

json_t *cd_person_json(struct cd_ctl *ctl, const struct cd_person *p)
{
	int64_t sessions = 0;

	cd_store_int(ctl->store, &sessions,
		     "SELECT count(*) FROM session WHERE person = ?1"
		     " AND expires > ?2",
		     "ii", p->id, cd_now());
	return json_pack(
		"{s:s, s:s, s:s, s:o, s:b, s:s, s:b, s:b, s:I, s:o, s:o*}",
		"name", p->name, "display", p->display, "email", p->email,
		"groups", cd_person_groups(ctl, p->id), "disabled", p->disabled,
		"risk", cd_risk_name(p->risk), "has_password",
		p->password[0] != 0, "has_totp", p->has_totp, "sessions",
		(json_int_t)sessions, "created", cd_json_time(p->created),
		"oidc_subject", subject_json(ctl, p->id));
}

static const char *const risks[] = {"unknown", "low", "medium", "high"};

const char *cd_risk_name(int64_t risk)
{
	return risks[risk >= 0 && risk < 4 ? risk : 0];
}

int64_t cd_risk_parse(const char *name)
{
	int64_t i;

	for (i = 1; name && i < 4; i++)
		if (!strcmp(risks[i], name))
			return i;
	return 0;
}
