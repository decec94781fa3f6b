/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's state: change records in, what a worker sees in the mapped table
 * out. And its map of numbers against a slow obvious one.
 */
#include "tap.h"

#include <sys/stat.h>
#include <unistd.h>

#include "agent/idmap.h"
#include "agent/state.h"
#include "rng.h"
#include "shm/session_table.h"

#define NOW 1800000000u

static char dir[] = "/tmp/cordon-state-XXXXXX";
static char table_path[64];
static struct cd_control *control;
static uint64_t bundle_serial;

static void on_bundle(void *ctx cd_unused, const struct cd_change_bundle *b)
{
	bundle_serial = b->serial;
}

static struct cd_agent_state *make(void)
{
	struct cd_agent_state_config c = {.table_path = table_path,
					  .bundle = on_bundle,
					  .sessions_min = 8};
	struct cd_agent_state *st = NULL;
	char path[64];

	if (!table_path[0]) {
		cd_assert(mkdtemp(dir));
		snprintf(table_path, sizeof(table_path), "%s/sessions", dir);
	}
	if (!control) {
		snprintf(path, sizeof(path), "%s/control", dir);
		ok_eq_int(cd_control_create(path, 0600, &control), 0);
	}
	c.control = control;
	ok_eq_int(cd_agent_state_new(&c, &st), 0);
	return st;
}

/* ---- records ---- */

static struct cd_buf records;
static uint32_t n_records;

static void put(uint64_t seq, struct cd_change *c)
{
	c->seq = seq;
	ok_eq_int(cd_change_encode(c, &records), 0);
	n_records++;
}

static void begin(void)
{
	cd_buf_done(&records);
	cd_buf_init(&records, CD_CHANGE_BATCH_MAX);
	n_records = 0;
}

static void put_kind(uint64_t seq, uint16_t kind, uint64_t value)
{
	static struct cd_change c;

	memset(&c, 0, sizeof(c));
	c.kind = kind;
	c.u.gone = value;
	put(seq, &c);
}

static void put_subject(uint64_t seq, uint64_t id, const char *name,
			const char *group, bool disabled)
{
	static struct cd_change c;

	memset(&c, 0, sizeof(c));
	c.kind = CD_RECORD_SUBJECT;
	c.u.subject.id = id;
	c.u.subject.name = cd_str_from(name);
	c.u.subject.best_factor = 2;
	c.u.subject.risk = 1;
	c.u.subject.flags = disabled;
	c.u.subject.n_groups = group != NULL;
	c.u.subject.groups[0] = cd_str_from(group);
	put(seq, &c);
}

static void session_key(uint64_t id, uint8_t key[32])
{
	memset(key, 0, 32);
	memcpy(key, &id, sizeof(id));
	key[31] = 7;
}

static void put_session(uint64_t seq, uint64_t id, uint64_t subject,
			uint64_t device)
{
	static struct cd_change c;

	memset(&c, 0, sizeof(c));
	c.kind = CD_RECORD_SESSION;
	c.u.session = (struct cd_change_session){
		.id = id,
		.subject = subject,
		.device = device,
		.kind = CD_SESSION_APP,
		.mfa_kind = 2,
		.app = CD_STR("payroll"),
		.created = NOW - 50,
		.auth_time = NOW - 100,
		.mfa_time = NOW - 90,
		.idle = 600,
		.expires = NOW + 3600,
	};
	session_key(id, c.u.session.key);
	put(seq, &c);
}

static void put_end(uint64_t seq, uint64_t id)
{
	static struct cd_change c;

	memset(&c, 0, sizeof(c));
	c.kind = CD_RECORD_SESSION_END;
	c.u.session_end.id = id;
	c.u.session_end.why = CD_END_REVOKED;
	session_key(id, c.u.session_end.key);
	put(seq, &c);
}

static void put_device(uint64_t seq, uint64_t id, const char *name,
		       bool encrypted)
{
	static struct cd_change c;

	memset(&c, 0, sizeof(c));
	c.kind = CD_RECORD_DEVICE;
	c.u.device.id = id;
	c.u.device.name = cd_str_from(name);
	c.u.device.n_attrs = 2;
	c.u.device.attrs[0] =
		(struct cd_change_attr){.attr = CD_ATTR_DEVICE_ENCRYPTED,
					.i = encrypted,
					.vouched_at = NOW - 5};
	c.u.device.attrs[1] = (struct cd_change_attr){.attr = CD_ATTR_DEVICE_OS,
						      .is_string = true,
						      .s = CD_STR("linux"),
						      .vouched_at = NOW - 6};
	put(seq, &c);
}

static int apply(struct cd_agent_state *st, uint64_t first, uint64_t last)
{
	struct cd_changes b = {.first = first,
			       .last = last,
			       .count = n_records,
			       .records = cd_buf_get(&records)};

	return cd_agent_state_apply(st, &b, NOW);
}

/* BEGIN, alice in finance with session 1 on laptop-7, END; at seq. */
static int resync(struct cd_agent_state *st, uint64_t seq)
{
	begin();
	put_kind(seq, CD_RECORD_RESYNC_BEGIN, 0);
	put_subject(seq, 11, "alice", "finance", false);
	put_device(seq, 21, "laptop-7", true);
	put_session(seq, 1, 11, 21);
	put_kind(seq, CD_RECORD_RESYNC_END, 3);
	return apply(st, seq, seq);
}

/* What a worker that maps the table now sees; the view borrows from the map
 * until the next look. */
static struct cd_table_map *map;

static int look(uint64_t id, struct cd_session_view *v)
{
	uint8_t key[32];
	int r;

	cd_table_unmap(&map);
	r = cd_table_map(table_path, &map);
	session_key(id, key);
	return r < 0 ? r : cd_session_lookup(map, key, v);
}

/* ---- tests ---- */

TEST(idmap_agrees_with_a_slow_one)
{
	struct rng rng = rng_init(0x1d);
	static uint32_t slow[512]; /* value by key, 0: absent */
	struct cd_idmap m;
	unsigned int had = 0, n = 0;
	uint64_t key;
	size_t pos = 0;
	void *v;

	cd_idmap_init(&m, sizeof(uint32_t));
	for (int i = 0; i < 200000; i++) {
		/* keys that fall together: multiples of a large power */
		size_t k = 1 + rng_u64(&rng) % 511;
		uint64_t id = (uint64_t)k << (k % 3 * 16);
		uint32_t *p = cd_idmap_get(&m, id);

		if (!ok_true(p ? *p == slow[k] : slow[k] == 0))
			return;
		had += p != NULL;
		if (rng_u64(&rng) % 2) {
			p = cd_idmap_put(&m, id);
			slow[k] = *p = (uint32_t)i + 1;
		} else {
			cd_idmap_remove(&m, id);
			slow[k] = 0;
		}
	}
	ok_true(had > 50000 && had < 150000);
	for (size_t k = 1; k < 512; k++)
		n += slow[k] != 0;
	ok_eq_uint(m.n, n);
	while ((v = cd_idmap_next(&m, &pos, &key)))
		n--;
	ok_eq_uint(n, 0);
	cd_idmap_done(&m);
}

TEST(resync_makes_the_state)
{
	struct cd_agent_state *st = make();
	static struct cd_session_view v;
	uint64_t tables = cd_control_read(&control->table_gen);
	uint64_t changes = cd_control_read(&control->change_gen);

	ok_eq_uint(cd_agent_state_from(st), 0);
	ok_eq_int(look(1, &v), CD_E_NOTFOUND);
	ok_eq_int(resync(st, 10), 0);
	ok_eq_uint(cd_agent_state_from(st), 11);
	ok_eq_int(look(1, &v), 0);
	ok_eq_uint(v.id, 1);
	ok_true(cd_str_equal(v.user, CD_STR("alice")));
	ok_true(cd_str_equal(v.app, CD_STR("payroll")));
	ok_eq_uint(v.n_groups, 1);
	ok_eq_uint(v.created, NOW - 100); /* session.age counts from sign-in */
	ok_eq_uint(v.auth_time, NOW - 90); /* mfa.age from the factor */
	ok_eq_uint(v.last_seen, NOW - 50);
	ok_eq_uint(v.mfa_kind, 2);
	ok_true(v.has_device);
	ok_true(v.attrs[CD_DEVICE_ENCRYPTED].known);
	ok_eq_uint(v.attrs[CD_DEVICE_ENCRYPTED].value, 1);
	ok_true(cd_str_equal(v.attrs[CD_DEVICE_OS].text, CD_STR("linux")));
	ok_false(v.attrs[CD_DEVICE_MANAGED].known);
	ok_true(cd_control_read(&control->table_gen) > tables);
	ok_true(cd_control_read(&control->change_gen) > changes);
	cd_agent_state_free(&st);
}

TEST(changes_follow_without_gaps)
{
	struct cd_agent_state *st = make();
	static struct cd_session_view v;
	uint64_t changes, epoch;

	ok_eq_int(resync(st, 10), 0);
	ok_eq_int(look(1, &v), 0);
	epoch = v.epoch;
	changes = cd_control_read(&control->change_gen);
	begin();
	put_subject(11, 11, "alice", "vendors", false);
	put_device(12, 21, "laptop-7", false);
	ok_eq_int(apply(st, 11, 12), 0);
	ok_eq_int(look(1, &v), 0);
	ok_true(cd_str_equal(v.groups[0].s, CD_STR("vendors")));
	ok_eq_uint(v.attrs[CD_DEVICE_ENCRYPTED].value, 0);
	ok_true(v.epoch > epoch);
	ok_true(cd_control_read(&control->change_gen) > changes);
	/* numbers that concern others are left out; the range counts */
	begin();
	put_end(15, 1);
	ok_eq_int(apply(st, 13, 20), 0);
	ok_eq_uint(cd_agent_state_from(st), 21);
	ok_eq_int(look(1, &v), CD_E_NOTFOUND);
	/* ending it twice, and somebody unknown, is no error */
	begin();
	put_end(21, 1);
	put_kind(22, CD_RECORD_SUBJECT_GONE, 999);
	put_kind(23, CD_RECORD_DEVICE_GONE, 999);
	ok_eq_int(apply(st, 21, 23), 0);
	cd_agent_state_free(&st);
}

TEST(a_gap_asks_for_everything)
{
	struct cd_agent_state *st = make();
	static struct cd_session_view v;

	ok_eq_int(resync(st, 10), 0);
	begin();
	put_end(12, 1);
	ok_eq_int(apply(st, 12, 12), -ESTALE); /* 11 is missing */
	ok_eq_uint(cd_agent_state_from(st), 0);
	ok_eq_int(look(1, &v), 0); /* and nothing of it was applied */
	ok_eq_int(apply(st, 11, 12), -ESTALE); /* lost is lost */
	ok_eq_int(resync(st, 30), 0);
	ok_eq_uint(cd_agent_state_from(st), 31);
	/* the same numbers again: not ours to apply twice */
	begin();
	put_end(30, 1);
	ok_eq_int(apply(st, 30, 30), -ESTALE);
	ok_eq_int(look(1, &v), 0);
	cd_agent_state_free(&st);
}

TEST(people_and_devices_that_go)
{
	struct cd_agent_state *st = make();
	static struct cd_session_view v;

	ok_eq_int(resync(st, 10), 0);
	begin();
	put_kind(11, CD_RECORD_DEVICE_GONE, 21);
	ok_eq_int(apply(st, 11, 11), 0);
	ok_eq_int(look(1, &v), 0);
	ok_false(v.has_device);
	begin();
	put_subject(12, 11, "alice", NULL, true);
	ok_eq_int(apply(st, 12, 12), 0);
	ok_eq_int(look(1, &v), 0);
	ok_true(v.disabled);
	ok_eq_int(cd_session_check(&v, 0, NOW), CD_SESSION_IS_REVOKED);
	begin();
	put_kind(13, CD_RECORD_SUBJECT_GONE, 11);
	ok_eq_int(apply(st, 13, 13), 0);
	ok_eq_int(look(1, &v), CD_E_NOTFOUND);
	/* a number that got another name is not untangled */
	begin();
	put_subject(14, 12, "bob", NULL, false);
	put_subject(15, 12, "robert", NULL, false);
	ok_eq_int(apply(st, 14, 15), -ESTALE);
	cd_agent_state_free(&st);
}

TEST(a_resync_spans_batches_and_replaces_all)
{
	struct cd_agent_state *st = make();
	static struct cd_session_view v;

	ok_eq_int(resync(st, 10), 0);
	begin();
	put_kind(40, CD_RECORD_RESYNC_BEGIN, 0);
	put_subject(40, 12, "bob", NULL, false);
	ok_eq_int(apply(st, 40, 40), 0);
	ok_eq_int(look(1, &v), 0); /* the old state until the end */
	begin();
	put_session(40, 2, 12, 0);
	put_session(40, 3, 777, 0); /* of somebody it does not know: left out */
	put_kind(40, CD_RECORD_RESYNC_END, 3);
	ok_eq_int(apply(st, 40, 40), 0);
	ok_eq_int(look(1, &v), CD_E_NOTFOUND);
	ok_eq_int(look(2, &v), 0);
	ok_eq_int(look(3, &v), CD_E_NOTFOUND);
	struct cd_agent_state_stats s;

	cd_agent_state_stats(st, &s);
	ok_eq_uint(s.skipped, 1);
	ok_eq_uint(s.sessions, 1);
	/* a wrong count is no whole state */
	begin();
	put_kind(50, CD_RECORD_RESYNC_BEGIN, 0);
	put_kind(50, CD_RECORD_RESYNC_END, 5);
	ok_eq_int(apply(st, 50, 50), CD_E_CORRUPT);
	ok_eq_int(look(2, &v), 0);
	ok_eq_uint(cd_agent_state_from(st), 0);
	/* another number in the middle */
	begin();
	put_kind(60, CD_RECORD_RESYNC_BEGIN, 0);
	ok_eq_int(apply(st, 60, 60), 0);
	begin();
	put_kind(61, CD_RECORD_RESYNC_END, 0);
	ok_eq_int(apply(st, 61, 61), CD_E_CORRUPT);
	ok_eq_int(look(2, &v), 0);
	cd_agent_state_free(&st);
}

TEST(a_resync_answers_one_poll)
{
	struct cd_agent_state *st = make();
	static struct cd_session_view v;

	cd_agent_state_ask(st, 77);
	begin();
	put_kind(10, CD_RECORD_RESYNC_BEGIN, 77);
	put_subject(10, 11, "alice", "finance", false);
	put_session(10, 1, 11, 0);
	put_kind(10, CD_RECORD_RESYNC_END, 2);
	ok_eq_int(apply(st, 10, 10), 0);
	begin();
	put_end(11, 1);
	ok_eq_int(apply(st, 11, 11), 0);
	ok_eq_int(look(1, &v), CD_E_NOTFOUND);
	/* the state in which the session lived, sent again */
	cd_agent_state_ask(st, 78);
	begin();
	put_kind(10, CD_RECORD_RESYNC_BEGIN, 77);
	put_subject(10, 11, "alice", "finance", false);
	put_session(10, 1, 11, 0);
	put_kind(10, CD_RECORD_RESYNC_END, 2);
	ok_eq_int(apply(st, 10, 10), CD_E_DENIED);
	ok_eq_int(look(1, &v), CD_E_NOTFOUND);
	ok_eq_uint(cd_agent_state_from(st), 0);
	/* an older state of a database that was restored is asked for */
	cd_agent_state_ask(st, 79);
	begin();
	put_kind(5, CD_RECORD_RESYNC_BEGIN, 79);
	put_kind(5, CD_RECORD_RESYNC_END, 0);
	ok_eq_int(apply(st, 5, 5), 0);
	ok_eq_uint(cd_agent_state_from(st), 6);
	cd_agent_state_free(&st);
}

TEST(a_full_table_is_answered_by_a_resync)
{
	struct cd_agent_state *st = make();
	static struct cd_session_view v;
	int r = 0;
	uint64_t id;

	ok_eq_int(resync(st, 10), 0);
	for (id = 2; r == 0 && id < 1000; id++) {
		begin();
		put_session(9 + id, id, 11, 0);
		r = apply(st, 9 + id, 9 + id);
	}
	note("full at session %u", (unsigned int)id - 1);
	ok_eq_int(r, -ESTALE);
	ok_true(id - 1 >= 8);
	ok_eq_int(look(1, &v), 0); /* who is in stays in */
	begin();
	put_kind(2000, CD_RECORD_RESYNC_BEGIN, 0);
	put_subject(2000, 11, "alice", "finance", false);
	for (uint64_t i = 1; i <= 300; i++)
		put_session(2000, i, 11, 0);
	put_kind(2000, CD_RECORD_RESYNC_END, 301);
	ok_eq_int(apply(st, 2000, 2000), 0);
	ok_eq_int(look(300, &v), 0);
	cd_agent_state_free(&st);
}

TEST(last_use_survives)
{
	struct cd_agent_state *st = make();
	static struct cd_session_view v;
	struct cd_seen seen[4];
	uint64_t epoch;

	ok_eq_int(resync(st, 10), 0);
	ok_eq_int(look(1, &v), 0);
	epoch = v.epoch;
	cd_agent_state_seen(st, 1, NOW + 5);
	cd_agent_state_seen(st, 1, NOW + 3); /* never back */
	cd_agent_state_seen(st, 99, NOW); /* nobody */
	ok_eq_int(look(1, &v), 0);
	ok_eq_uint(v.last_seen, NOW + 5);
	ok_eq_uint(v.epoch, epoch);
	ok_eq_uint(cd_agent_state_take_seen(st, seen, 4), 1);
	ok_eq_uint(seen[0].session, 1);
	ok_eq_uint(seen[0].when, NOW + 5);
	ok_eq_uint(cd_agent_state_take_seen(st, seen, 4), 0);
	ok_eq_int(resync(st, 11), 0);
	ok_eq_int(look(1, &v), 0);
	ok_eq_uint(v.last_seen, NOW + 5);
	/* the clock was set back: the record that comes then puts it right */
	cd_agent_state_seen(st, 1, NOW + 86400);
	ok_eq_int(resync(st, 11), 0);
	ok_eq_int(look(1, &v), 0);
	ok_eq_uint(v.last_seen, NOW);
	cd_agent_state_seen(st, 1, NOW + 5);
	cd_agent_state_free(&st);
	/* another agent: its table stays in force until the resync ends */
	st = make();
	ok_eq_int(look(1, &v), 0);
	ok_eq_int(resync(st, 12), 0);
	ok_eq_int(look(1, &v), 0);
	ok_eq_uint(v.last_seen, NOW + 5);
	cd_agent_state_tick(st, NOW + 4000);
	ok_eq_int(look(1, &v), CD_E_NOTFOUND);
	cd_agent_state_free(&st);
}

TEST(bundles_are_told)
{
	struct cd_agent_state *st = make();
	static struct cd_change c;

	ok_eq_int(resync(st, 10), 0);
	begin();
	memset(&c, 0, sizeof(c));
	c.kind = CD_RECORD_BUNDLE;
	c.u.bundle.serial = 5;
	c.u.bundle.size = 4097;
	put(11, &c);
	ok_eq_int(apply(st, 11, 11), 0);
	ok_eq_uint(bundle_serial, 5);
	cd_agent_state_free(&st);
}

__attribute__((destructor)) static void clean(void)
{
	char path[80];

	cd_buf_done(&records);
	cd_control_unmap(&control);
	cd_table_unmap(&map);
	if (!table_path[0])
		return;
	unlink(table_path);
	snprintf(path, sizeof(path), "%s.new", table_path);
	unlink(path);
	snprintf(path, sizeof(path), "%s/control", dir);
	unlink(path);
	rmdir(dir);
}
