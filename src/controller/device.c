/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices in SQL. Attributes are stored by their registry number, with the
 * instant at which their source last said so: age decides whether a value
 * still counts.
 */
#include "controller/device.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/time.h"
#include "controller/api.h"
#include "controller/session.h"
#include "controller/stream.h"
#include "sys/store.h"

enum { VOUCH_S = 12 * 3600 }; /* half of the shortest max_age */

/* ---- values ---- */

static int parse_bool(struct cd_str s, int64_t *ret)
{
	if (cd_str_equal(s, CD_STR("yes")) || cd_str_equal(s, CD_STR("true")))
		*ret = 1;
	else if (cd_str_equal(s, CD_STR("no")) ||
		 cd_str_equal(s, CD_STR("false")))
		*ret = 0;
	else
		return -EINVAL;
	return 0;
}

static int parse_factor(const char *s, int64_t *ret)
{
	static const char *const names[] = {"none", "password", "totp",
					    "webauthn"};
	int64_t i;

	for (i = 0; i < 4; i++)
		if (!strcmp(names[i], s)) {
			*ret = i;
			return 0;
		}
	return -EINVAL;
}

static int parse_text(enum cd_type type, const char *z, int64_t *ret_int,
		      struct cd_str *ret_text)
{
	struct cd_str s = cd_str_from(z);
	uint64_t n = 0;
	int r;

	switch (type) {
	case CD_T_BOOL:
		return parse_bool(s, ret_int);
	case CD_T_DURATION:
		return cd_duration_parse(s, ret_int);
	case CD_T_RISK:
		*ret_int = cd_risk_parse(z);
		return *ret_int ? 0 : -EINVAL;
	case CD_T_FACTOR:
		return parse_factor(z, ret_int);
	case CD_T_INT:
	case CD_T_PORT:
		r = cd_str_parse_u64(s, &n);
		*ret_int = (int64_t)n;
		return r < 0 || n > INT32_MAX ? -EINVAL : 0;
	default:
		*ret_text = s;
		return s.len && s.len <= CD_TEXT_MAX && cd_utf8_is_valid(s) ?
			       0 :
			       -EINVAL;
	}
}

int cd_attr_value(enum cd_attr attr, json_t *value, int64_t *ret_int,
		  struct cd_str *ret_text)
{
	enum cd_type type = cd_attr_get(attr)->type;

	if (json_is_string(value))
		return parse_text(type, json_string_value(value), ret_int,
				  ret_text);
	if (json_is_boolean(value) && type == CD_T_BOOL) {
		*ret_int = json_is_true(value);
		return 0;
	}
	if (json_is_integer(value) && json_integer_value(value) >= 0 &&
	    (type == CD_T_INT || type == CD_T_PORT || type == CD_T_DURATION)) {
		*ret_int = json_integer_value(value);
		return 0;
	}
	return -EINVAL;
}

static bool is_text(enum cd_attr attr)
{
	return cd_attr_get(attr)->type == CD_T_STRING;
}

/* ---- rows ---- */

#define DEVICE_ROWS                                                     \
	"SELECT d.id, d.name, ifnull(p.name, ''), d.epoch, d.enrolled," \
	" d.created FROM device d LEFT JOIN person p ON p.id = d.owner "

static void from_row(const struct cd_query *q, struct cd_device *d)
{
	d->id = cd_query_int(q, 0);
	cd_query_text(q, 1, d->name, sizeof(d->name));
	cd_query_text(q, 2, d->owner, sizeof(d->owner));
	d->epoch = cd_query_int(q, 3);
	d->enrolled = cd_query_int(q, 4);
	d->created = cd_query_int(q, 5);
}

static int one_row(struct cd_query *q, int r, struct cd_device *ret)
{
	r = cd_query_one(q, r);
	if (!r)
		from_row(q, ret);
	return r;
}

int cd_device_get(struct cd_ctl *ctl, struct cd_str name, struct cd_device *ret)
{
	struct cd_query q cd_auto(cd_query_done) = {0};

	return one_row(&q,
		       cd_query_start(&q, ctl->store,
				      DEVICE_ROWS "WHERE d.name = ?1", "s",
				      name),
		       ret);
}

int cd_device_by_id(struct cd_ctl *ctl, int64_t id, struct cd_device *ret)
{
	struct cd_query q cd_auto(cd_query_done) = {0};

	return one_row(&q,
		       cd_query_start(&q, ctl->store,
				      DEVICE_ROWS "WHERE d.id = ?1", "i", id),
		       ret);
}

int cd_device_by_token(struct cd_ctl *ctl, struct cd_str token, int64_t *ret_id)
{
	uint8_t key[CD_TOKEN_KEY];

	if (cd_token_key(token, key) < 0)
		return CD_E_NOTFOUND;
	return cd_store_int(ctl->store, ret_id,
			    "SELECT id FROM device WHERE key = ?1", "b",
			    cd_str_make(key, sizeof(key)));
}

int cd_device_create(struct cd_ctl *ctl, struct cd_str name, int64_t owner,
		     int64_t *ret_id)
{
	int64_t n;

	if (!cd_name_is_valid(name))
		return -EINVAL;
	n = cd_store_run(ctl->store,
			 "INSERT INTO device(name, owner, created)"
			 " VALUES(?1, nullif(?2, 0), ?3)",
			 "sii", name, owner, cd_now());
	if (n < 0)
		return (int)n;
	*ret_id = cd_store_last_id(ctl->store);
	return 0;
}

int cd_device_enrol(struct cd_ctl *ctl, int64_t id, struct cd_str key)
{
	int64_t n = cd_store_run(ctl->store,
				 "UPDATE device SET key = ?2, enrolled = ?3"
				 " WHERE id = ?1",
				 "ibi", id, key, cd_now());

	return n < 0 ? (int)n : n ? 0 : CD_E_NOTFOUND;
}

int cd_device_delete(struct cd_ctl *ctl, int64_t id)
{
	struct cd_change c = {.kind = CD_RECORD_DEVICE_GONE};
	struct cd_session_filter all = {.device = id};
	int64_t n;
	int r;

	c.u.gone = (uint64_t)id;
	r = cd_sessions_end(ctl, &all, CD_END_REVOKED, NULL);
	if (!r)
		r = cd_stream_append(ctl, &c);
	if (r < 0)
		return r;
	n = cd_store_run(ctl->store, "DELETE FROM device WHERE id = ?1", "i",
			 id);
	return n < 0 ? (int)n : 0;
}

static int set_one(struct cd_ctl *ctl, int64_t id, const char *name,
		   json_t *value, struct cd_diag *diag)
{
	char full[CD_NAME_MAX + 16];
	struct cd_str text = CD_STR_NULL;
	enum cd_attr attr;
	int64_t i = 0, n;

	snprintf(full, sizeof(full), "device.%.60s", name);
	attr = cd_attr_find(cd_str_from(full));
	if (attr == CD_ATTR_NONE || attr == CD_ATTR_DEVICE_NAME) {
		cd_diag_add(diag, CD_ERROR, NULL, 0, 0,
			    "there is no attribute %s", full);
		return -EINVAL;
	}
	if (json_is_null(value))
		n = cd_store_run(ctl->store,
				 "DELETE FROM device_attr WHERE device = ?1"
				 " AND attr = ?2",
				 "ii", id, (int64_t)attr);
	else if (cd_attr_value(attr, value, &i, &text) < 0)
		n = -EINVAL;
	else if (is_text(attr))
		n = cd_store_run(ctl->store,
				 "INSERT OR REPLACE INTO device_attr"
				 " VALUES(?1, ?2, ?3, ?4)",
				 "iisi", id, (int64_t)attr, text, cd_now());
	else
		n = cd_store_run(ctl->store,
				 "INSERT OR REPLACE INTO device_attr"
				 " VALUES(?1, ?2, ?3, ?4)",
				 "iiii", id, (int64_t)attr, i, cd_now());
	if (n == -EINVAL)
		cd_diag_add(diag, CD_ERROR, NULL, 0, 0, "%s must be a %s", full,
			    cd_type_name(cd_attr_get(attr)->type));
	return n < 0 ? (int)n : 0;
}

int cd_device_set(struct cd_ctl *ctl, int64_t id, json_t *attributes,
		  struct cd_diag *diag)
{
	const char *name;
	json_t *value;
	int r = 0;

	json_object_foreach(attributes, name, value) if (!r)
		r = set_one(ctl, id, name, value, diag);
	return r;
}

/* ---- records ---- */

/* Texts of the record: they outlive the rows they were read from. */
struct texts {
	char bytes[CD_CHANGE_ATTRS_MAX][CD_TEXT_MAX + 1];
};

static int fill_attrs(struct cd_ctl *ctl, int64_t id, struct texts *texts,
		      struct cd_change_device *d)
{
	struct cd_query q cd_auto(cd_query_done) = {0};
	struct cd_change_attr *a;
	int r = cd_query_start(&q, ctl->store,
			       "SELECT attr, value, at FROM device_attr"
			       " WHERE device = ?1 ORDER BY attr",
			       "i", id);

	while (!r && d->n_attrs < CD_CHANGE_ATTRS_MAX &&
	       (r = cd_query_step(&q)) > 0) {
		r = 0;
		if (cd_query_int(&q, 0) >= CD_ATTR_COUNT)
			continue;
		a = &d->attrs[d->n_attrs];
		a->attr = (uint16_t)cd_query_int(&q, 0);
		a->is_string = is_text(a->attr);
		a->vouched_at = cd_query_int(&q, 2);
		if (a->is_string) {
			cd_query_text(&q, 1, texts->bytes[d->n_attrs],
				      CD_TEXT_MAX + 1);
			a->s = cd_str_from(texts->bytes[d->n_attrs]);
		} else {
			a->i = cd_query_int(&q, 1);
		}
		d->n_attrs++;
	}
	return r;
}

static int with_record(struct cd_ctl *ctl, const struct cd_device *d,
		       int (*fn)(void *ctx, struct cd_change *record),
		       void *ctx)
{
	struct cd_change c = {.kind = CD_RECORD_DEVICE, .version = 1};
	struct texts *texts cd_auto(cd_freep) = calloc(1, sizeof(*texts));
	int r;

	if (!texts)
		return -ENOMEM;
	c.u.device.id = (uint64_t)d->id;
	c.u.device.epoch = (uint64_t)d->epoch;
	c.u.device.name = cd_str_from(d->name);
	r = fill_attrs(ctl, d->id, texts, &c.u.device);
	return r < 0 ? r : fn(ctx, &c);
}

int cd_device_record(struct cd_ctl *ctl, int64_t id,
		     int (*fn)(void *ctx, struct cd_change *record), void *ctx)
{
	struct cd_device d;
	int r = cd_device_by_id(ctl, id, &d);

	return r < 0 ? r : with_record(ctl, &d, fn, ctx);
}

static int append(void *ctx, struct cd_change *record)
{
	return cd_stream_append(ctx, record);
}

int cd_device_publish(struct cd_ctl *ctl, int64_t id)
{
	int64_t n = cd_store_run(
		ctl->store, "UPDATE device SET epoch = epoch + 1 WHERE id = ?1",
		"i", id);

	if (n <= 0)
		return n < 0 ? (int)n : CD_E_NOTFOUND;
	return cd_device_record(ctl, id, append, ctl);
}

int cd_devices_each(struct cd_ctl *ctl,
		    int (*fn)(void *ctx, struct cd_change *record), void *ctx)
{
	struct cd_query q cd_auto(cd_query_done) = {0};
	struct cd_device d;
	int r = cd_query_start(&q, ctl->store, DEVICE_ROWS, "");

	while (!r && (r = cd_query_step(&q)) > 0) {
		from_row(&q, &d);
		r = with_record(ctl, &d, fn, ctx);
	}
	return r;
}

/* device.managed is the inventory's own word; all else has other sources. */
int cd_devices_vouch(struct cd_ctl *ctl)
{
	struct cd_query q cd_auto(cd_query_done) = {0};
	int64_t due = cd_now() - VOUCH_S, n = 0;
	int r = cd_store_int(ctl->store, &n,
			     "SELECT count(*) FROM device_attr"
			     " WHERE attr = ?1 AND at < ?2",
			     "ii", (int64_t)CD_ATTR_DEVICE_MANAGED, due);

	if (r < 0 || !n)
		return r;
	r = cd_ctl_begin(ctl);
	if (r < 0)
		return r;
	r = cd_query_start(&q, ctl->store,
			   "UPDATE device_attr SET at = ?3 WHERE attr = ?1"
			   " AND at < ?2 RETURNING device",
			   "iii", (int64_t)CD_ATTR_DEVICE_MANAGED, due,
			   cd_now());
	while (!r && (r = cd_query_step(&q)) > 0)
		r = cd_device_publish(ctl, cd_query_int(&q, 0));
	cd_query_done(&q);
	return cd_ctl_end(ctl, r);
}

int cd_devices_publish(struct cd_ctl *ctl)
{
	struct cd_query q cd_auto(cd_query_done) = {0};
	int r = cd_query_start(&q, ctl->store,
			       "SELECT DISTINCT device FROM device_attr", "");

	while (!r && (r = cd_query_step(&q)) > 0)
		r = cd_device_publish(ctl, cd_query_int(&q, 0));
	return r;
}

/* ---- JSON ---- */

static json_t *value_json(const struct cd_change_attr *a)
{
	if (a->is_string)
		return json_stringn(a->s.ptr, a->s.len);
	if (cd_attr_get(a->attr)->type == CD_T_BOOL)
		return json_boolean(a->i);
	return json_integer(a->i);
}

static int put_attrs(void *ctx, struct cd_change *record)
{
	const struct cd_change_device *d = &record->u.device;
	size_t i;

	for (i = 0; i < d->n_attrs; i++) {
		const char *name = cd_attr_get(d->attrs[i].attr)->name;

		json_object_set_new(
			ctx, name + strlen("device."),
			json_pack("{s:o, s:o}", "value",
				  value_json(&d->attrs[i]), "at",
				  cd_json_time(d->attrs[i].vouched_at)));
	}
	return 0;
}

json_t *cd_device_json(struct cd_ctl *ctl, const struct cd_device *d)
{
	json_t *attrs = json_object();

	with_record(ctl, d, put_attrs, attrs);
	return json_pack("{s:s, s:s*, s:o*, s:o, s:o}", "name", d->name,
			 "owner", d->owner[0] ? d->owner : NULL, "enrolled",
			 cd_json_time(d->enrolled), "attributes", attrs,
			 "created", cd_json_time(d->created));
}
