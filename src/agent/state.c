/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table names people and devices by name, records by number; the maps
 * between are all that is kept beside the table. A full table is not grown in
 * place: the answer to it is a resync, which makes a larger one.
 */
#include "agent/state.h"

#include <stdlib.h>

#include "agent/idmap.h"
#include "shm/session_table.h"

#define SESSIONS_MIN 65536
#define PEOPLE_MIN 4096
#define TABLE_MODE 0640
#define RESYNC_MAX (1u << 30) /* bytes of records of one resync */
#define EXPIRE_LOOK 20000
#define SEEN_AHEAD 60 /* s that a use may be ahead of our clock */

struct session_ref {
	uint8_t key[CD_SESSION_KEY_LEN];
	uint32_t seen;
	bool dirty;
};

/* One table with its maps. */
struct image {
	struct cd_table *table;
	struct cd_idmap subjects, devices; /* -> char * name */
	struct cd_idmap sessions; /* -> struct session_ref */
	uint32_t clock; /* when records were last applied */
};

struct cd_agent_state {
	struct cd_agent_state_config config;
	struct image now;
	uint64_t seq;
	bool lost; /* no place in the stream: ask for everything */
	uint64_t nonce; /* of the poll that is being answered */
	/* a resync on its way */
	bool collecting;
	uint64_t resync_seq;
	uint64_t collected; /* records */
	struct cd_buf records;
	/* sessions used since they were last reported */
	uint64_t *dirty;
	size_t n_dirty, cap_dirty;
	uint64_t resyncs, unknown_kinds, skipped;
};

/* ---- images ---- */

static void free_names(struct cd_idmap *m)
{
	size_t pos = 0;
	uint64_t key;
	char **name;

	while ((name = cd_idmap_next(m, &pos, &key)))
		free(*name);
	cd_idmap_done(m);
}

static void image_done(struct image *im)
{
	free_names(&im->subjects);
	free_names(&im->devices);
	cd_idmap_done(&im->sessions);
	cd_table_free(&im->table);
}

static void image_init(struct image *im)
{
	im->table = NULL;
	cd_idmap_init(&im->subjects, sizeof(char *));
	cd_idmap_init(&im->devices, sizeof(char *));
	cd_idmap_init(&im->sessions, sizeof(struct session_ref));
}

static struct cd_str name_of(const struct cd_idmap *m, uint64_t id)
{
	char *const *name = cd_idmap_get(m, id);

	return name ? cd_str_from(*name) : CD_STR_NULL;
}

/* Remembers id -> name. -ESTALE when the name of an id changed: what hangs on
 * the old name is not worth untangling. */
static int remember(struct cd_idmap *m, uint64_t id, struct cd_str name)
{
	struct cd_str old = name_of(m, id);
	char **slot;
	char *copy;

	if (old.ptr)
		return cd_str_equal(old, name) ? 0 : -ESTALE;
	copy = cd_str_dup(name);
	slot = copy ? cd_idmap_put(m, id) : NULL;
	if (!slot) {
		free(copy);
		return -ENOMEM;
	}
	*slot = copy;
	return 0;
}

static void forget(struct cd_idmap *m, uint64_t id)
{
	char **name = cd_idmap_get(m, id);

	if (!name)
		return;
	free(*name);
	cd_idmap_remove(m, id);
}

/* ---- records ---- */

static int put_subject(struct image *im, const struct cd_change_subject *s)
{
	struct cd_subject_row row = {
		.name = s->name,
		.groups = s->groups,
		.n_groups = s->n_groups,
		.risk = s->risk,
		.best_factor = s->best_factor,
		.disabled = s->flags & CD_CHANGE_SUBJECT_DISABLED,
	};
	int r = remember(&im->subjects, s->id, s->name);

	return r < 0 ? r : cd_table_subject_put(im->table, &row);
}

static int remove_subject(struct image *im, uint64_t id)
{
	struct cd_str name = name_of(&im->subjects, id);
	int r = name.ptr ? cd_table_subject_remove(im->table, name) : 0;

	forget(&im->subjects, id);
	return r == CD_E_NOTFOUND ? 0 : r;
}

static int device_slot(uint16_t attr)
{
	switch (attr) {
	case CD_ATTR_DEVICE_MANAGED:
		return CD_DEVICE_MANAGED;
	case CD_ATTR_DEVICE_ENCRYPTED:
		return CD_DEVICE_ENCRYPTED;
	case CD_ATTR_DEVICE_OS:
		return CD_DEVICE_OS;
	case CD_ATTR_DEVICE_OS_AGE:
		return CD_DEVICE_OS_AGE;
	case CD_ATTR_DEVICE_FIREWALL:
		return CD_DEVICE_FIREWALL;
	case CD_ATTR_DEVICE_SCREEN_LOCK:
		return CD_DEVICE_SCREEN_LOCK;
	default:
		return -1;
	}
}

static uint32_t clamp(int64_t v)
{
	return (uint32_t)CD_MIN(CD_MAX(v, 0), (int64_t)UINT32_MAX);
}

/* An attribute of the wrong form is left unknown, which no rule rewards. */
static void put_attr(struct cd_device_row *row, const struct cd_change_attr *a)
{
	int i = device_slot(a->attr);

	if (i < 0 || a->is_string != (i == CD_DEVICE_OS))
		return;
	row->attrs[i].known = true;
	row->attrs[i].value = clamp(a->i);
	row->attrs[i].text = a->s;
	row->attrs[i].vouched_at = clamp(a->vouched_at);
}

static int put_device(struct image *im, const struct cd_change_device *d)
{
	struct cd_device_row row = {.name = d->name};
	int r = remember(&im->devices, d->id, d->name);

	for (size_t i = 0; i < d->n_attrs; i++)
		put_attr(&row, &d->attrs[i]);
	return r < 0 ? r : cd_table_device_put(im->table, &row);
}

static int remove_device(struct image *im, uint64_t id)
{
	struct cd_str name = name_of(&im->devices, id);
	int r = name.ptr ? cd_table_device_remove(im->table, name) : 0;

	forget(&im->devices, id);
	return r == CD_E_NOTFOUND ? 0 : r;
}

/* The later of when it began and when it was last seen here. */
static uint32_t last_use(const struct cd_table_map *old,
			 const struct cd_change_session *s)
{
	struct cd_session_view v;
	uint32_t created = clamp(s->created);

	if (!old || cd_session_lookup(old, s->key, &v) < 0)
		return created;
	return CD_MAX(v.last_seen, created);
}

/* The table's `created` is what session.age counts from (the sign-in), its
 * `auth_time` what mfa.age counts from. */
static int put_session(struct image *im, const struct cd_table_map *old,
		       const struct cd_change_session *s)
{
	struct session_ref *ref = cd_idmap_put(&im->sessions, s->id);
	struct cd_session_row row = {
		.id = s->id,
		.subject = name_of(&im->subjects, s->subject),
		.device = name_of(&im->devices, s->device),
		.app = s->app,
		.created = clamp(s->auth_time),
		.auth_time = clamp(s->mfa_time),
		.expires = clamp(s->expires),
		.idle_limit = s->idle,
		.mfa_kind = s->mfa_kind,
		.state = CD_SESSION_LIVE,
		.flags = s->kind,
	};

	if (!ref)
		return -ENOMEM;
	/* an unknown device stays none: all it could vouch for is unknown */
	if (!row.subject.ptr)
		return CD_E_NOTFOUND;
	if (!ref->seen)
		ref->seen = last_use(old, s);
	/* not ahead of a clock that was set back: it would not idle */
	if (ref->seen > im->clock + SEEN_AHEAD)
		ref->seen = CD_MAX(im->clock, clamp(s->created));
	memcpy(ref->key, s->key, sizeof(ref->key));
	memcpy(row.key, s->key, sizeof(row.key));
	row.last_seen = ref->seen;
	return cd_table_session_put(im->table, &row);
}

static int remove_session(struct image *im,
			  const struct cd_change_session_end *e)
{
	int r = cd_table_session_remove(im->table, e->key);

	cd_idmap_remove(&im->sessions, e->id);
	return r == CD_E_NOTFOUND ? 0 : r;
}

static int apply_record(struct cd_agent_state *st, struct image *im,
			const struct cd_table_map *old,
			const struct cd_change *c)
{
	switch (c->kind) {
	case CD_RECORD_SUBJECT:
		return put_subject(im, &c->u.subject);
	case CD_RECORD_SUBJECT_GONE:
		return remove_subject(im, c->u.gone);
	case CD_RECORD_SESSION:
		return put_session(im, old, &c->u.session);
	case CD_RECORD_SESSION_END:
		return remove_session(im, &c->u.session_end);
	case CD_RECORD_DEVICE:
		return put_device(im, &c->u.device);
	case CD_RECORD_DEVICE_GONE:
		return remove_device(im, c->u.gone);
	case CD_RECORD_BUNDLE:
		if (st->config.bundle)
			st->config.bundle(st->config.ctx, &c->u.bundle);
		return 0;
	case CD_RECORD_RESYNC_BEGIN:
	case CD_RECORD_RESYNC_END:
		return 0;
	default:
		st->unknown_kinds++;
		return 0;
	}
}

/* In a resync a row that cannot be is left out, which refuses its person;
 * failing would ask for the same rows for ever. */
static bool may_skip(int err)
{
	return err != -ENOMEM && err != CD_E_LIMIT && err != CD_E_CORRUPT;
}

/* All records of these bytes, which were verified, into an image. */
static int apply_bytes(struct cd_agent_state *st, struct image *im,
		       const struct cd_table_map *old, struct cd_str bytes)
{
	struct cd_reader r = cd_reader_make(bytes.ptr, bytes.len);
	struct cd_change *c = cd_calloc(1, sizeof(*c));
	int err = c ? 0 : -ENOMEM;

	while (err == 0 && cd_reader_left(&r) > 0) {
		err = cd_change_decode(&r, c);
		if (err < 0)
			break;
		err = apply_record(st, im, old, c);
		if (err < 0 && im != &st->now && may_skip(err)) {
			st->skipped++;
			err = 0;
		}
	}
	free(c);
	return err;
}

/* ---- resync ---- */

static uint32_t room(uint64_t n, uint32_t min)
{
	return (uint32_t)CD_MIN(CD_MAX(2 * n, min), CD_TABLE_SESSIONS_MAX);
}

/* How many of each kind are in the collected records. */
static int count_rows(struct cd_str bytes, struct cd_table_limits *ret)
{
	struct cd_reader r = cd_reader_make(bytes.ptr, bytes.len);
	struct cd_change *c = cd_calloc(1, sizeof(*c));
	int err = c ? 0 : -ENOMEM;

	*ret = (struct cd_table_limits){0};
	while (err == 0 && cd_reader_left(&r) > 0) {
		err = cd_change_decode(&r, c);
		ret->sessions += c->kind == CD_RECORD_SESSION;
		ret->subjects += c->kind == CD_RECORD_SUBJECT;
		ret->devices += c->kind == CD_RECORD_DEVICE;
	}
	free(c);
	return err;
}

static int make_table(const struct cd_agent_state *st, struct cd_table_limits n,
		      struct cd_table **ret)
{
	uint32_t min = st->config.sessions_min ? st->config.sessions_min :
						 SESSIONS_MIN;

	n.sessions = room(n.sessions, min);
	n.subjects = room(n.subjects, PEOPLE_MIN);
	n.devices = room(n.devices, PEOPLE_MIN);
	return cd_table_create(st->config.table_path, &n, TABLE_MODE, ret);
}

static void bump(struct cd_agent_state *st)
{
	if (st->config.control)
		cd_control_bump(&st->config.control->change_gen);
}

static int publish(struct cd_agent_state *st, struct image *im)
{
	int r = cd_table_publish(im->table);

	if (r < 0)
		return r;
	image_done(&st->now);
	st->now = *im;
	image_init(im);
	if (st->config.control)
		cd_control_bump(&st->config.control->table_gen);
	bump(st);
	return 0;
}

/* The collected records become the state. */
static int finish_resync(struct cd_agent_state *st)
{
	struct cd_str bytes = cd_buf_get(&st->records);
	struct cd_table_map *old = NULL;
	struct cd_table_limits n;
	struct image im;
	int r = count_rows(bytes, &n);

	image_init(&im);
	im.clock = st->now.clock;
	if (r == 0)
		r = make_table(st, n, &im.table);
	if (r == 0) {
		if (cd_table_map(st->config.table_path, &old) < 0)
			old = NULL;
		r = apply_bytes(st, &im, old, bytes);
	}
	if (r == 0)
		r = publish(st, &im);
	cd_table_unmap(&old);
	image_done(&im);
	if (r == 0) {
		st->seq = st->resync_seq;
		st->lost = false;
		st->resyncs++;
	}
	return r;
}

static void stop_collecting(struct cd_agent_state *st)
{
	st->collecting = false;
	cd_buf_done(&st->records);
}

static int collect(struct cd_agent_state *st, const struct cd_changes *b,
		   const struct cd_change *begin, const struct cd_change *last)
{
	if (begin) {
		/* signed, and once true: revoked sessions would live again */
		if (begin->u.nonce != st->nonce)
			return CD_E_DENIED;
		stop_collecting(st);
		st->collecting = true;
		st->resync_seq = b->first;
		st->collected = 0;
	}
	if (b->first != st->resync_seq || b->last != st->resync_seq)
		return CD_E_CORRUPT;
	cd_buf_str(&st->records, b->records);
	st->collected += b->count;
	if (st->records.err)
		return st->records.err;
	if (last->kind != CD_RECORD_RESYNC_END)
		return 0;
	/* all between the two marks */
	if (last->u.count != st->collected - 2)
		return CD_E_CORRUPT;
	return finish_resync(st);
}

/* ---- batches ---- */

/* The first and the last record of a batch. */
static int ends_of(const struct cd_changes *b, struct cd_change *first,
		   struct cd_change *last)
{
	struct cd_reader r = cd_reader_make(b->records.ptr, b->records.len);
	int err = 0;

	memset(first, 0, sizeof(*first));
	memset(last, 0, sizeof(*last));
	while (err == 0 && cd_reader_left(&r) > 0) {
		err = cd_change_decode(&r, last);
		if (err == 0 && !first->kind)
			*first = *last;
	}
	return err;
}

static int apply_normal(struct cd_agent_state *st, const struct cd_changes *b)
{
	int r;

	if (st->lost || b->first != st->seq + 1)
		return -ESTALE;
	r = apply_bytes(st, &st->now, NULL, b->records);
	bump(st);
	if (r == 0)
		st->seq = b->last;
	/* half applied is no state: start over from a whole one */
	return r == 0 ? 0 : -ESTALE;
}

static int apply(struct cd_agent_state *st, const struct cd_changes *b,
		 struct cd_change *ends)
{
	int r = ends_of(b, &ends[0], &ends[1]);
	bool begins = ends[0].kind == CD_RECORD_RESYNC_BEGIN;

	if (r < 0)
		return r;
	if (!begins && !st->collecting)
		return apply_normal(st, b);
	r = collect(st, b, begins ? &ends[0] : NULL, &ends[1]);
	if (r < 0 || ends[1].kind == CD_RECORD_RESYNC_END)
		stop_collecting(st);
	return r;
}

int cd_agent_state_apply(struct cd_agent_state *st, const struct cd_changes *b,
			 uint32_t now)
{
	struct cd_change *ends = cd_calloc(2, sizeof(*ends));
	int r;

	st->now.clock = now;
	r = ends ? apply(st, b, ends) : -ENOMEM;
	free(ends);
	if (r < 0)
		st->lost = true;
	return r;
}

void cd_agent_state_ask(struct cd_agent_state *st, uint64_t nonce)
{
	st->nonce = nonce;
}

uint64_t cd_agent_state_from(const struct cd_agent_state *st)
{
	return st->lost ? 0 : st->seq + 1;
}

void cd_agent_state_lose(struct cd_agent_state *st)
{
	st->lost = true;
	stop_collecting(st);
}

/* ---- last use ---- */

static void mark_dirty(struct cd_agent_state *st, struct session_ref *ref,
		       uint64_t id)
{
	if (ref->dirty)
		return;
	if (st->n_dirty == st->cap_dirty) {
		size_t cap = st->cap_dirty ? 2 * st->cap_dirty : 256;
		uint64_t *p = reallocarray(st->dirty, cap, sizeof(*st->dirty));

		if (!p)
			return;
		st->dirty = p;
		st->cap_dirty = cap;
	}
	st->dirty[st->n_dirty++] = id;
	ref->dirty = true;
}

void cd_agent_state_seen(struct cd_agent_state *st, uint64_t session,
			 uint32_t when)
{
	struct session_ref *ref = cd_idmap_get(&st->now.sessions, session);

	if (!ref || when <= ref->seen)
		return;
	ref->seen = when;
	cd_table_session_seen(st->now.table, ref->key, when);
	mark_dirty(st, ref, session);
}

size_t cd_agent_state_take_seen(struct cd_agent_state *st, struct cd_seen *out,
				size_t max)
{
	size_t n = 0;

	while (st->n_dirty > 0 && n < max) {
		uint64_t id = st->dirty[--st->n_dirty];
		struct session_ref *ref = cd_idmap_get(&st->now.sessions, id);

		if (!ref)
			continue;
		ref->dirty = false;
		out[n++] = (struct cd_seen){id, ref->seen};
	}
	return n;
}

void cd_agent_state_tick(struct cd_agent_state *st, uint32_t now)
{
	if (st->now.table && cd_table_expire(st->now.table, now, EXPIRE_LOOK))
		bump(st);
}

/* ---- life ---- */

/* Is there a table that a worker could map? */
static bool has_table(const char *path)
{
	struct cd_table_map *map = NULL;
	bool has = cd_table_map(path, &map) == 0;

	cd_table_unmap(&map);
	return has;
}

static int first_table(struct cd_agent_state *st)
{
	struct image im;
	int r;

	if (has_table(st->config.table_path))
		return 0;
	image_init(&im);
	r = make_table(st, (struct cd_table_limits){0}, &im.table);
	if (r == 0)
		r = publish(st, &im);
	image_done(&im);
	return r;
}

int cd_agent_state_new(const struct cd_agent_state_config *config,
		       struct cd_agent_state **ret_state)
{
	struct cd_agent_state *st cd_auto(cd_agent_state_free) =
		cd_calloc(1, sizeof(*st));
	int r;

	if (!st)
		return -ENOMEM;
	st->config = *config;
	st->lost = true;
	image_init(&st->now);
	cd_buf_init(&st->records, RESYNC_MAX);
	r = first_table(st);
	if (r == 0)
		*ret_state = CD_TAKE(st);
	return r;
}

void cd_agent_state_free(struct cd_agent_state **state)
{
	struct cd_agent_state *st = *state;

	if (!st)
		return;
	image_done(&st->now);
	cd_buf_done(&st->records);
	free(st->dirty);
	free(st);
	*state = NULL;
}

void cd_agent_state_stats(const struct cd_agent_state *st,
			  struct cd_agent_state_stats *ret)
{
	struct cd_table_stats t = {0};

	if (st->now.table)
		cd_table_stats(st->now.table, &t);
	*ret = (struct cd_agent_state_stats){
		.sessions = t.sessions,
		.subjects = t.subjects,
		.devices = t.devices,
		.seq = st->seq,
		.resyncs = st->resyncs,
		.unknown_kinds = st->unknown_kinds,
		.skipped = st->skipped,
	};
}
