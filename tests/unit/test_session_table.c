// SPDX-License-Identifier: Apache-2.0
/*
 * The session table against a twin that is an array and a loop; readers in
 * threads that look for torn records while the writer rewrites them.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "table.h"

TEST(a_session_is_found_with_its_person_and_device)
{
	struct cd_table *t = table(8, 8, 8);
	struct cd_table_map *m = reader();
	struct cd_str groups[] = {CD_STR("finance"), CD_STR("staff")};
	struct cd_subject_row alice = subject("alice", groups, 2);
	struct cd_device_row laptop = {.name = CD_STR("laptop-7")};
	struct cd_session_row s = session(1, "alice");
	struct cd_session_view v;

	laptop.attrs[CD_DEVICE_OS].known = true;
	laptop.attrs[CD_DEVICE_OS].text = CD_STR("linux");
	laptop.attrs[CD_DEVICE_OS].vouched_at = 900;
	s.device = CD_STR("laptop-7");
	ok_eq_int(cd_table_subject_put(t, &alice), 0);
	ok_eq_int(cd_table_device_put(t, &laptop), 0);
	ok_eq_int(cd_table_session_put(t, &s), 0);

	ok_eq_int(cd_session_lookup(m, s.key, &v), 0);
	ok_eq_str(v.user_text, "alice");
	ok_eq_uint(v.n_groups, 2);
	ok_mem(v.groups[0].s.ptr, v.groups[0].s.len, "finance", 7);
	ok_eq_uint(v.groups[1].hash, cd_str_hash(CD_STR("staff")));
	ok_mem(v.app.ptr, v.app.len, "payroll", 7);
	ok_true(v.has_device && v.attrs[CD_DEVICE_OS].known);
	ok_false(v.attrs[CD_DEVICE_MANAGED].known);
	ok_mem(v.attrs[CD_DEVICE_OS].text.ptr, v.attrs[CD_DEVICE_OS].text.len,
	       "linux", 5);
	ok_eq_str(v.device_text, "laptop-7");
	key_of(2, s.key);
	ok_eq_int(cd_session_lookup(m, s.key, &v), CD_E_NOTFOUND);
	cd_table_unmap(&m);
	cd_table_free(&t);
	scratch_gone();
}

TEST(the_epoch_moves_with_session_person_and_device_only)
{
	struct cd_table *t = table(8, 8, 8);
	struct cd_table_map *m = reader();
	struct cd_subject_row alice = subject("alice", NULL, 0);
	struct cd_subject_row bob = subject("bob", NULL, 0);
	struct cd_device_row laptop = {.name = CD_STR("laptop")};
	struct cd_session_row s = session(1, "alice");
	uint64_t e, f;

	s.device = CD_STR("laptop");
	cd_table_subject_put(t, &alice);
	cd_table_subject_put(t, &bob);
	cd_table_session_put(t, &s);
	e = cd_session_epoch(m, s.key);
	ok_true(e != 0);

	cd_table_subject_put(t, &alice); /* the same again */
	cd_table_session_put(t, &s);
	bob.risk = 3;
	cd_table_subject_put(t, &bob);
	cd_table_session_seen(t, s.key, 2000);
	ok_eq_uint(cd_session_epoch(m, s.key), e);

	alice.disabled = true;
	cd_table_subject_put(t, &alice);
	f = cd_session_epoch(m, s.key);
	ok_true(f > e);
	laptop.attrs[CD_DEVICE_ENCRYPTED].known = true;
	cd_table_device_put(t, &laptop);
	e = cd_session_epoch(m, s.key);
	ok_true(e > f);
	cd_table_device_remove(t, laptop.name);
	f = cd_session_epoch(m, s.key);
	ok_true(f > e);
	s.state = CD_SESSION_REVOKED;
	cd_table_session_put(t, &s);
	ok_true(cd_session_epoch(m, s.key) > f);
	cd_table_session_remove(t, s.key);
	ok_eq_uint(cd_session_epoch(m, s.key), 0);
	cd_table_unmap(&m);
	cd_table_free(&t);
	scratch_gone();
}

TEST(sessions_do_not_follow_a_name_to_another_person)
{
	struct cd_table *t = table(8, 1, 1);
	struct cd_table_map *m = reader();
	struct cd_subject_row alice = subject("alice", NULL, 0);
	struct cd_subject_row bob = subject("bob", NULL, 0);
	struct cd_session_row s = session(1, "alice");
	struct cd_session_view v;

	s.device = CD_STR("phone");
	cd_table_subject_put(t, &alice);
	ok_eq_int(cd_table_session_put(t, &s), 0);
	ok_eq_int(cd_table_subject_put(t, &bob), CD_E_LIMIT);
	ok_eq_int(cd_table_subject_remove(t, CD_STR("alice")), 0);
	ok_eq_int(cd_session_lookup(m, s.key, &v), CD_E_NOTFOUND);
	/* bob gets alice's slot, and not her session */
	ok_eq_int(cd_table_subject_put(t, &bob), 0);
	ok_eq_int(cd_session_lookup(m, s.key, &v), CD_E_NOTFOUND);
	s.subject = CD_STR("alice");
	ok_eq_int(cd_table_session_put(t, &s), CD_E_NOTFOUND);
	s.subject = CD_STR("bob");
	ok_eq_int(cd_table_session_put(t, &s), 0);
	ok_eq_int(cd_session_lookup(m, s.key, &v), 0);
	ok_true(v.has_device);
	/* another device in the slot of a removed one */
	ok_eq_int(cd_table_device_remove(t, CD_STR("phone")), 0);
	ok_eq_int(cd_table_device_put(
			  t, &(struct cd_device_row){.name = CD_STR("tablet")}),
		  0);
	ok_eq_int(cd_session_lookup(m, s.key, &v), 0);
	ok_false(v.has_device);
	cd_table_unmap(&m);
	cd_table_free(&t);
	scratch_gone();
}

TEST(limits_hold)
{
	struct cd_table_limits l = {0, 1, 1};
	struct cd_str groups[CD_TABLE_GROUPS_MAX + 1];
	char longest[CD_TABLE_NAME_MAX + 2], names[257][8];
	struct cd_table *t = NULL;
	struct cd_subject_row row;
	struct cd_session_row s;
	struct cd_session_view v;
	struct cd_table_map *m;

	scratch();
	ok_eq_int(cd_table_create(path, &l, 0600, &t), -EINVAL);
	l.sessions = CD_TABLE_SESSIONS_MAX + 1;
	ok_eq_int(cd_table_create(path, &l, 0600, &t), -EINVAL);
	ok_eq_int(cd_table_map(path, &m), -ENOENT);
	scratch_gone();

	t = table(2, 2, 2);
	m = reader();
	for (int i = 0; i <= CD_TABLE_GROUPS_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "g%d", i);
		groups[i] = cd_str_from(names[i]);
	}
	memset(longest, 'x', sizeof(longest));
	row = subject("", groups, CD_TABLE_GROUPS_MAX);
	ok_eq_int(cd_table_subject_put(t, &row), -EINVAL);
	row.name = cd_str_make(longest, CD_TABLE_NAME_MAX + 1);
	ok_eq_int(cd_table_subject_put(t, &row), -EINVAL);
	row.name.len = CD_TABLE_NAME_MAX;
	row.n_groups = CD_TABLE_GROUPS_MAX + 1;
	ok_eq_int(cd_table_subject_put(t, &row), -EINVAL);
	row.n_groups = CD_TABLE_GROUPS_MAX;
	ok_eq_int(cd_table_subject_put(t, &row), 0);
	groups[0] = cd_str_make(longest, CD_TABLE_WORD_MAX + 1);
	ok_eq_int(cd_table_subject_put(t, &row), -EINVAL);
	for (uint32_t i = 0; i < 3; i++) {
		s = session(i, "");
		s.subject = row.name;
		ok_eq_int(cd_table_session_put(t, &s), i < 2 ? 0 : CD_E_LIMIT);
	}
	key_of(0, s.key);
	ok_eq_int(cd_session_lookup(m, s.key, &v), 0);
	ok_eq_uint(v.n_groups, CD_TABLE_GROUPS_MAX);
	ok_eq_uint(v.user.len, CD_TABLE_NAME_MAX);
	ok_mem(v.groups[255].s.ptr, v.groups[255].s.len, "g255", 4);
	s.state = 7;
	ok_eq_int(cd_table_session_put(t, &s), -EINVAL);
	cd_table_unmap(&m);
	cd_table_free(&t);
	scratch_gone();
}

TEST(sessions_end_by_idle_absolute_limit_and_revocation)
{
	struct cd_session_view v = {.state = CD_SESSION_LIVE,
				    .created = 1000,
				    .expires = 5000,
				    .idle_limit = 600,
				    .last_seen = 2000};

	ok_eq_int(cd_session_check(&v, 0, 2600), CD_SESSION_OK);
	ok_eq_int(cd_session_check(&v, 0, 2601), CD_SESSION_IS_EXPIRED);
	ok_eq_int(cd_session_check(&v, 2500, 3100), CD_SESSION_OK);
	ok_eq_int(cd_session_check(&v, 4900, 5000), CD_SESSION_IS_EXPIRED);
	/* a clock that was set back a little ends nothing */
	ok_eq_int(cd_session_check(&v, 0, 10), CD_SESSION_OK);
	/* one that was set back by more would lengthen every limit */
	v.created = 90000;
	v.expires = v.last_seen = 95000;
	ok_eq_int(cd_session_check(&v, 0, 90000 - CD_SESSION_AHEAD),
		  CD_SESSION_OK);
	ok_eq_int(cd_session_check(&v, 0, 90000 - CD_SESSION_AHEAD - 1),
		  CD_SESSION_IS_EXPIRED);
	v.created = 1000;
	v.expires = 5000;
	v.last_seen = 2000;
	v.disabled = true;
	ok_eq_int(cd_session_check(&v, 0, 2100), CD_SESSION_IS_REVOKED);
	v.disabled = false;
	v.state = CD_SESSION_REVOKED;
	ok_eq_int(cd_session_check(&v, 0, 2100), CD_SESSION_IS_REVOKED);
	v.state = CD_SESSION_LIVE;
	v.idle_limit = 0;
	v.expires = 0;
	ok_eq_int(cd_session_check(&v, 0, 4000000000u), CD_SESSION_OK);
}

/* At each instant that is named the check says something else, and nowhere
 * before. */
TEST(when_the_clock_ends_a_session_is_known_before)
{
	struct cd_session_view v = {.state = CD_SESSION_LIVE,
				    .created = 1000,
				    .expires = 5000,
				    .idle_limit = 600,
				    .last_seen = 2000};

	ok_eq_int(cd_session_turns_at(&v, 0, 2100), 2601);
	ok_eq_int(cd_session_turns_at(&v, 2050, 2100), 2651);
	ok_eq_int(cd_session_turns_at(&v, 4900, 4950), 5000);
	ok_eq_int(cd_session_turns_at(&v, 0, 2601), 5000); /* ended before */
	ok_eq_int(cd_session_turns_at(&v, 0, 5000), INT64_MAX);
	v.idle_limit = v.expires = 0;
	ok_eq_int(cd_session_turns_at(&v, 0, 2100), INT64_MAX);
	v.created = 90000;
	ok_eq_int(cd_session_turns_at(&v, 0, 2100), 90000 - CD_SESSION_AHEAD);
	v.created = 1000;
	v.attrs[CD_DEVICE_OS_AGE].known = true;
	v.attrs[CD_DEVICE_OS_AGE].vouched_at = 80000;
	ok_eq_int(cd_session_turns_at(&v, 0, 2100), INT64_MAX);
	v.has_device = true;
	ok_eq_int(cd_session_turns_at(&v, 0, 2100), 80000 - CD_SESSION_AHEAD);
	/* the greatest numbers there are */
	v.has_device = false;
	v.last_seen = v.idle_limit = UINT32_MAX;
	ok_eq_int(cd_session_turns_at(&v, 0, UINT32_MAX),
		  2 * INT64_C(4294967295) + 1);
}

TEST(expired_sessions_leave_the_table)
{
	struct cd_table *t = table(100, 2, 2);
	struct cd_subject_row alice = subject("alice", NULL, 0);
	struct cd_table_stats st;
	uint32_t gone = 0;

	cd_table_subject_put(t, &alice);
	for (uint32_t i = 0; i < 100; i++) {
		struct cd_session_row s = session(i, "alice");

		s.expires = i % 4 ? 0 : 2000 + i;
		ok_eq_int(cd_table_session_put(t, &s), 0);
	}
	for (int i = 0; i < 10; i++)
		gone += cd_table_expire(t, 2040, 10);
	ok_eq_uint(gone, 11); /* 0, 4 ... 40 */
	cd_table_stats(t, &st);
	ok_eq_uint(st.sessions, 89);
	cd_table_free(&t);
	scratch_gone();
}

/* ---- buckets that are full ---- */

#define CROWD 60

/* All of them want the same bucket, the last one of the index. */
static void crowd_key(uint32_t n, uint8_t key[CD_SESSION_KEY_LEN])
{
	key_of(n, key);
	memset(key, 0xff, 4);
}

static uint32_t passed_in_all(void)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct table_header h;
	uint32_t sum = 0, one;

	if (pread(fd, &h, sizeof(h), 0) != sizeof(h))
		abort();
	for (uint32_t b = 0; b < h.buckets; b++) {
		if (pread(fd, &one, 4,
			  (off_t)(h.at_index +
				  b * sizeof(struct index_bucket))) != 4)
			abort();
		sum += one;
	}
	close(fd);
	return sum;
}

static bool crowd_is(const struct cd_table_map *m, const bool *there)
{
	uint8_t key[CD_SESSION_KEY_LEN];
	struct cd_session_view v;

	for (uint32_t i = 0; i < CROWD; i++) {
		crowd_key(i, key);
		if ((cd_session_lookup(m, key, &v) == 0) != there[i])
			return false;
		if (there[i] && v.id != i)
			return false;
	}
	return true;
}

static void crowd_turn(struct cd_table *t, uint32_t i, bool *there)
{
	struct cd_session_row s = session(i, "alice");

	crowd_key(i, s.key);
	if (there[i])
		ok_eq_int(cd_table_session_remove(t, s.key), 0);
	else
		ok_eq_int(cd_table_session_put(t, &s), 0);
	there[i] = !there[i];
}

TEST(sessions_that_want_the_same_bucket_are_all_found)
{
	struct cd_table *t = table(CROWD, 2, 2);
	struct cd_subject_row alice = subject("alice", NULL, 0);
	struct cd_table_map *m = reader();
	struct rng r = rng_init(13);
	bool there[CROWD] = {false};
	uint32_t others = 0;

	ok_eq_int(cd_table_subject_put(t, &alice), 0);
	for (uint32_t i = 0; i < CROWD; i++)
		crowd_turn(t, i, there);
	ok_true(crowd_is(m, there));
	/* 55 pass the first bucket, 50 the second... */
	ok_eq_uint(passed_in_all(), 330);
	for (int i = 0; i < 2000; i++) {
		crowd_turn(t, (uint32_t)rng_below(&r, CROWD), there);
		if (!ok_true(crowd_is(m, there)))
			break;
	}
	for (uint32_t i = 0; i < CROWD; i++)
		if (there[i])
			crowd_turn(t, i, there);
	/* they leave no trace that would lengthen the way of others */
	ok_eq_uint(passed_in_all(), 0);
	for (uint32_t i = 0; i < CROWD; i++) {
		struct cd_session_row s = session(i, "alice");

		others += cd_table_session_put(t, &s) == 0;
	}
	ok_eq_uint(others, CROWD);
	cd_table_unmap(&m);
	cd_table_free(&t);
	scratch_gone();
}

/* ---- the twin ---- */

#define TWIN_USERS 40
#define TWIN_SESSIONS 120
#define TWIN_GROUPS 60

struct twin_user {
	bool there;
	char name[40];
	uint32_t n;
	uint8_t groups[TWIN_GROUPS];
	uint8_t risk;
};

struct twin_session {
	bool there;
	uint32_t user;
	uint32_t user_life; /* which life of the user it was made in */
	uint64_t id;
	uint8_t state;
};

static struct twin_user users[TWIN_USERS];
static uint32_t lives[TWIN_USERS];
static struct twin_session sessions[TWIN_SESSIONS];

static int twin_put_user(struct cd_table *t, struct rng *r, uint32_t u)
{
	static char text[TWIN_GROUPS][16];
	struct cd_str groups[TWIN_GROUPS];
	struct twin_user *w = users + u;
	struct cd_subject_row row;

	snprintf(w->name, sizeof(w->name), "user-%u-%.*s", u, (int)(u % 17),
		 "abcdefghijklmnopq");
	if (!w->there)
		lives[u]++;
	w->there = true;
	w->risk = (uint8_t)rng_below(r, 4);
	w->n = (uint32_t)rng_below(r, TWIN_GROUPS);
	for (uint32_t i = 0; i < w->n; i++) {
		w->groups[i] = (uint8_t)rng_below(r, TWIN_GROUPS);
		snprintf(text[i], sizeof(text[i]), "group-%u", w->groups[i]);
		groups[i] = cd_str_from(text[i]);
	}
	row = subject(w->name, groups, w->n);
	row.risk = w->risk;
	return cd_table_subject_put(t, &row);
}

static int twin_put_session(struct cd_table *t, struct rng *r, uint32_t n)
{
	struct twin_session *w = sessions + n;
	uint32_t u = (uint32_t)rng_below(r, TWIN_USERS);
	struct cd_session_row row = session(n, users[u].name);
	int err;

	row.id = rng_u64(r);
	row.state = rng_chance(r, 1, 4) ? CD_SESSION_REVOKED : CD_SESSION_LIVE;
	err = cd_table_session_put(t, &row);
	if (!users[u].there)
		return err == CD_E_NOTFOUND ? 0 : -EPROTO;
	*w = (struct twin_session){true, u, lives[u], row.id, row.state};
	return err;
}

static bool twin_same(const struct twin_user *u, const struct twin_session *w,
		      const struct cd_session_view *v)
{
	char name[16];

	if (v->id != w->id || v->state != w->state || v->risk != u->risk ||
	    v->n_groups != u->n || strcmp(v->user_text, u->name) != 0)
		return false;
	for (uint32_t i = 0; i < u->n; i++) {
		snprintf(name, sizeof(name), "group-%u", u->groups[i]);
		if (!cd_str_equal(v->groups[i].s, cd_str_from(name)) ||
		    v->groups[i].hash != cd_str_hash(cd_str_from(name)))
			return false;
	}
	return true;
}

static bool twin_check(const struct cd_table_map *m, uint32_t n, int *found)
{
	const struct twin_session *w = sessions + n;
	uint8_t key[CD_SESSION_KEY_LEN];
	struct cd_session_view v;
	bool want = w->there && users[w->user].there &&
		    w->user_life == lives[w->user];
	int err;

	key_of(n, key);
	err = cd_session_lookup(m, key, &v);
	*found += !err;
	if (err)
		return !want && cd_session_epoch(m, key) == 0;
	return want && twin_same(users + w->user, w, &v) &&
	       cd_session_epoch(m, key) == v.epoch;
}

TEST(it_answers_like_its_twin)
{
	struct cd_table *t = table(TWIN_SESSIONS, TWIN_USERS, 4);
	uint64_t n = 2000000 / rng_env("CORDON_PART", 100);
	struct rng r = rng_init(11);
	struct cd_table_map *m = reader();
	uint8_t key[CD_SESSION_KEY_LEN];
	int found = 0;

	memset(users, 0, sizeof(users));
	memset(sessions, 0, sizeof(sessions));
	memset(lives, 0, sizeof(lives));
	for (uint64_t i = 0; i < n; i++) {
		uint32_t u = (uint32_t)rng_below(&r, TWIN_USERS);
		uint32_t s = (uint32_t)rng_below(&r, TWIN_SESSIONS);
		int err = 0;

		switch (rng_below(&r, 8)) {
		case 0:
		case 1:
			err = twin_put_user(t, &r, u);
			break;
		case 2:
			err = cd_table_subject_remove(
				t, cd_str_from(users[u].name));
			err = users[u].there ? err : err - CD_E_NOTFOUND;
			users[u].there = false;
			break;
		case 3:
		case 4:
		case 5:
			err = twin_put_session(t, &r, s);
			break;
		case 6:
			key_of(s, key);
			err = cd_table_session_remove(t, key);
			err = sessions[s].there ? err : err - CD_E_NOTFOUND;
			sessions[s].there = false;
			break;
		default:
			break;
		}
		if (!ok_eq_int(err, 0) || !ok_true(twin_check(m, s, &found)))
			break;
	}
	note("%llu operations, %d found", (unsigned long long)n, found);
	ok_true(found > (int)(n / 10));
	cd_table_unmap(&m);
	cd_table_free(&t);
	scratch_gone();
}

/* ---- torn reads ---- */

/* The writer gives every record a number that shows in each of its parts. */
static _Atomic bool stop;
static _Atomic uint64_t reads, misses;

static bool is_whole(const struct cd_session_view *v)
{
	char name[16];

	if (v->created != (uint32_t)v->id || v->auth_time != v->created ||
	    v->expires != v->created)
		return false;
	snprintf(name, sizeof(name), "g%u", v->n_groups);
	for (uint32_t i = 0; i < v->n_groups; i++)
		if (!cd_str_equal(v->groups[i].s, cd_str_from(name)))
			return false;
	return true;
}

static void *read_on(void *arg)
{
	struct cd_session_view *v = malloc(sizeof(*v));
	struct cd_table_map *m = arg;
	uint8_t key[CD_SESSION_KEY_LEN];
	uint64_t n = 0, missed = 0;

	while (!atomic_load(&stop)) {
		key_of((uint32_t)(n % 4), key);
		if (cd_session_lookup(m, key, v))
			missed++;
		else if (!is_whole(v))
			atomic_store(&stop, true);
		n++;
	}
	atomic_fetch_add(&reads, n);
	atomic_fetch_add(&misses, missed);
	free(v);
	return NULL;
}

static void write_once(struct cd_table *t, struct rng *r, uint32_t i)
{
	char name[16];
	struct cd_str groups[CD_TABLE_GROUPS_MAX];
	uint32_t n = (uint32_t)rng_below(r, 64), k = i % 4;
	struct cd_subject_row u;
	struct cd_session_row s;

	snprintf(name, sizeof(name), "g%u", n);
	for (uint32_t j = 0; j < n; j++)
		groups[j] = cd_str_from(name);
	u = subject(k & 1 ? "alice" : "bob", groups, n);
	cd_table_subject_put(t, &u);
	s = session(k, k & 1 ? "alice" : "bob");
	s.id = rng_u64(r);
	s.created = s.auth_time = s.expires = (uint32_t)s.id;
	cd_table_session_put(t, &s);
	/* others come and go, so that the index is rebuilt under the readers */
	s = session(1000 + i, "bob");
	cd_table_session_put(t, &s);
	cd_table_session_remove(t, s.key);
}

TEST(readers_never_see_a_torn_record)
{
	struct cd_table *t = table(16, 2, 2);
	struct cd_table_map *m = reader();
	struct rng r = rng_init(12);
	uint64_t n = 20000000 / rng_env("CORDON_PART", 100);
	pthread_t threads[2];

	for (uint32_t i = 0; i < 4; i++)
		write_once(t, &r, i);
	atomic_store(&stop, false);
	for (int i = 0; i < 2; i++)
		pthread_create(threads + i, NULL, read_on, m);
	for (uint32_t i = 0; i < n && !atomic_load(&stop); i++)
		write_once(t, &r, i);
	ok_false(atomic_load(&stop)); /* a reader saw a torn one */
	atomic_store(&stop, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	note("%llu reads, %llu not found", (unsigned long long)reads,
	     (unsigned long long)misses);
	ok_true(reads > 1000);
	/* bounded retries may refuse, and must not do so often */
	ok_true(misses * 1000 < reads);
	cd_table_unmap(&m);
	cd_table_free(&t);
	scratch_gone();
}

TEST(a_million_sessions_fit_into_160_mib)
{
	struct cd_table_limits l = {1000000, 100000, 100000};
	struct cd_table *t = NULL;
	struct cd_table_stats st;

	scratch();
	if (!ok_eq_int(cd_table_create(path, &l, 0600, &t), 0))
		return;
	cd_table_stats(t, &st);
	note("%zu bytes for %u sessions, %u people, %u devices", st.file_size,
	     l.sessions, l.subjects, l.devices);
	ok_true(st.file_size <= 160u << 20);
	cd_table_free(&t);
	scratch_gone();
}
