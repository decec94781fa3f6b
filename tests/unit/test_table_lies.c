// SPDX-License-Identifier: Apache-2.0
/*
 * The session table of a writer that died, or lies, and files that are no
 * table: the reader refuses, and stays in its map.
 */
#include "table.h"

/* Sets the sequence counters of all sessions odd, as a writer would leave one
 * that died inside. */
static void die_inside(void)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct table_header h;
	uint32_t odd = 7;

	if (pread(fd, &h, sizeof(h), 0) != sizeof(h))
		abort();
	for (uint32_t i = 0; i < h.sessions; i++)
		if (pwrite(fd, &odd, 4,
			   (off_t)(h.at_sessions +
				   i * sizeof(struct session_slot))) != 4)
			abort();
	close(fd);
}

TEST(a_writer_that_died_refuses_and_does_not_wedge)
{
	struct cd_table *t = table(4, 2, 2), *again;
	struct cd_table_limits l = {4, 2, 2};
	struct cd_table_map *m = reader();
	struct cd_subject_row alice = subject("alice", NULL, 0);
	struct cd_session_row s = session(1, "alice");
	struct cd_session_view v;

	cd_table_subject_put(t, &alice);
	cd_table_session_put(t, &s);
	ok_eq_int(cd_session_lookup(m, s.key, &v), 0);
	die_inside();
	ok_eq_int(cd_session_lookup(m, s.key, &v), CD_E_NOTFOUND);
	ok_eq_uint(cd_session_epoch(m, s.key), 0);
	/* the next agent builds a new file; the old map stays readable */
	ok_eq_int(cd_table_create(path, &l, 0600, &again), 0);
	cd_table_subject_put(again, &alice);
	cd_table_session_put(again, &s);
	ok_eq_int(cd_table_publish(again), 0);
	ok_eq_int(cd_session_lookup(m, s.key, &v), CD_E_NOTFOUND);
	cd_table_unmap(&m);
	m = reader();
	ok_eq_int(cd_session_lookup(m, s.key, &v), 0);
	cd_table_unmap(&m);
	cd_table_free(&t);
	cd_table_free(&again);
	scratch_gone();
}

static int map_with(size_t at, uint64_t value, size_t len)
{
	struct cd_table_map *m = NULL;
	uint64_t before;
	int fd = open(path, O_RDWR | O_CLOEXEC), err;

	if (pread(fd, &before, len, (off_t)at) != (ssize_t)len ||
	    pwrite(fd, &value, len, (off_t)at) != (ssize_t)len)
		abort();
	err = cd_table_map(path, &m);
	cd_table_unmap(&m);
	if (pwrite(fd, &before, len, (off_t)at) != (ssize_t)len)
		abort();
	close(fd);
	return err;
}

#define WITH(field, value)                                    \
	map_with(offsetof(struct table_header, field), value, \
		 sizeof(((struct table_header *)0)->field))

TEST(files_that_are_no_table_are_refused)
{
	struct cd_table *t = table(4, 2, 2);
	struct cd_table_map *m = NULL;

	ok_eq_int(WITH(magic, 1), CD_E_CORRUPT);
	ok_eq_int(WITH(version, 1), CD_E_VERSION);
	ok_eq_int(WITH(version, 3), CD_E_VERSION);
	ok_eq_int(WITH(file_size, 1), CD_E_CORRUPT);
	ok_eq_int(WITH(sessions, 1u << 30), CD_E_CORRUPT);
	ok_eq_int(WITH(buckets, 0), CD_E_CORRUPT);
	ok_eq_int(WITH(buckets, 1u << 31), CD_E_CORRUPT);
	ok_eq_int(WITH(at_subjects, UINT64_MAX - 7), CD_E_CORRUPT);
	ok_eq_int(WITH(subjects, 1u << 30), CD_E_CORRUPT);
	ok_eq_int(WITH(devices, 1u << 30), CD_E_CORRUPT);
	ok_eq_int(WITH(at_sessions, UINT64_MAX - 7), CD_E_CORRUPT);
	ok_eq_int(WITH(slot_bits, 40), CD_E_CORRUPT);
	ok_eq_int(WITH(records_size, UINT64_MAX), CD_E_CORRUPT);
	cd_table_free(&t);
	ok_eq_int(truncate(path, 100), 0);
	ok_eq_int(cd_table_map(path, &m), CD_E_CORRUPT);
	scratch_gone();
}

/* Bytes of the file, under the reader's map. */
static void poke(uint64_t at, uint64_t value, size_t len)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (pwrite(fd, &value, len, (off_t)at) != (ssize_t)len)
		abort();
	close(fd);
}

static struct table_header header(void)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct table_header h;

	if (pread(fd, &h, sizeof(h), 0) != sizeof(h))
		abort();
	close(fd);
	return h;
}

/* Where the fields of a slot and of the record at its home are. */
static uint64_t body_at(uint64_t slot, size_t field)
{
	return slot + offsetof(struct entity_slot, body) + field;
}

static uint64_t home_at(uint64_t slot, size_t field)
{
	return slot + sizeof(struct entity_slot) + field;
}

#define BODY(slot, field) body_at(slot, offsetof(struct entity_body, field))
#define HOME(slot, field) home_at(slot, offsetof(struct subject_record, field))

static int lookup(const struct cd_table_map *m, struct cd_session_view *v)
{
	uint8_t key[CD_SESSION_KEY_LEN];

	key_of(1, key);
	return cd_session_lookup(m, key, v);
}

/*
 * The key broker reads what the agent's front writes, so a front that somebody
 * took over must not get further than its table: counts and lengths of a
 * record that do not fit its bytes refuse.
 */
TEST(records_that_lie_about_their_size_refuse)
{
	struct cd_table *t = table(4, 2, 2);
	struct cd_table_map *m = reader();
	struct cd_str groups[] = {CD_STR("finance")};
	struct cd_subject_row alice = subject("alice", groups, 1);
	struct cd_device_row laptop = {.name = CD_STR("laptop")};
	struct cd_session_row s = session(1, "alice");
	struct table_header h = header();
	uint64_t at = h.at_subjects;
	struct cd_session_view v;

	s.device = laptop.name;
	ok_eq_int(cd_table_subject_put(t, &alice), 0);
	ok_eq_int(cd_table_device_put(t, &laptop), 0);
	ok_eq_int(cd_table_session_put(t, &s), 0);
	ok_eq_int(lookup(m, &v), 0);
	ok_true(v.has_device);
	poke(HOME(at, n_groups), UINT16_MAX, 2);
	ok_eq_int(lookup(m, &v), CD_E_NOTFOUND);
	poke(HOME(at, n_groups), CD_TABLE_GROUPS_MAX, 2);
	ok_eq_int(lookup(m, &v), CD_E_NOTFOUND);
	poke(HOME(at, n_groups), 1, 2);
	poke(HOME(at, name_len), 255, 1);
	ok_eq_int(lookup(m, &v), CD_E_NOTFOUND);
	poke(HOME(at, name_len), 5, 1);
	ok_eq_int(lookup(m, &v), 0);
	poke(BODY(at, len), 21, 4);
	ok_eq_int(lookup(m, &v), CD_E_NOTFOUND);
	/* what lies behind the home is the next one's */
	poke(BODY(at, len), SUBJECT_STRIDE, 4);
	ok_eq_int(lookup(m, &v), CD_E_NOTFOUND);
	poke(BODY(at, len), 24, 4);
	ok_eq_int(lookup(m, &v), 0);
	poke(BODY(h.at_devices, len), 8, 4);
	ok_eq_int(lookup(m, &v), 0);
	ok_true(!v.has_device);
	poke(BODY(h.at_devices, len), DEVICE_STRIDE, 4);
	ok_eq_int(lookup(m, &v), 0);
	ok_true(!v.has_device);
	cd_table_unmap(&m);
	cd_table_free(&t);
	scratch_gone();
}

/* More groups than there is room for behind a slot. */
TEST(records_that_are_not_in_their_area_are_not_read)
{
	struct cd_table *t = table(4, 2, 2);
	struct cd_table_map *m = reader();
	struct cd_str groups[100];
	struct cd_subject_row alice = subject("alice", groups, 100);
	struct cd_session_row s = session(1, "alice");
	struct table_header h = header();
	uint64_t off = BODY(h.at_subjects, off);
	struct cd_session_view v;

	for (int i = 0; i < 100; i++)
		groups[i] = i & 1 ? CD_STR("finance") : CD_STR("staff");
	ok_eq_int(cd_table_subject_put(t, &alice), 0);
	ok_eq_int(cd_table_session_put(t, &s), 0);
	ok_eq_int(lookup(m, &v), 0);
	ok_eq_uint(v.n_groups, 100);
	ok_true(cd_str_equal(v.groups[99].s, CD_STR("finance")));
	poke(off, UINT64_MAX - 7, 8);
	ok_eq_int(lookup(m, &v), CD_E_NOTFOUND);
	poke(off, h.records_size, 8);
	ok_eq_int(lookup(m, &v), CD_E_NOTFOUND);
	poke(off, 4, 8);
	ok_eq_int(lookup(m, &v), CD_E_NOTFOUND);
	poke(off, RECORD_HOME, 8);
	ok_eq_int(lookup(m, &v), CD_E_NOTFOUND);
	poke(off, 0, 8);
	ok_eq_int(lookup(m, &v), 0);
	/* a shorter one goes home, and the room it had is given to others */
	alice.n_groups = 2;
	ok_eq_int(cd_table_subject_put(t, &alice), 0);
	poke(h.at_records, UINT64_MAX, 8);
	ok_eq_int(lookup(m, &v), 0);
	ok_eq_uint(v.n_groups, 2);
	cd_table_unmap(&m);
	cd_table_free(&t);
	scratch_gone();
}

/* A bucket's notes on person and device only say what to fetch. */
TEST(what_a_bucket_says_of_a_session_is_not_believed)
{
	struct cd_table *t = table(4, 2, 2);
	struct cd_table_map *m = reader();
	struct cd_subject_row alice = subject("alice", NULL, 0);
	struct cd_subject_row bob = subject("bob", NULL, 0);
	struct cd_session_row s = session(1, "bob");
	struct table_header h = header();
	const uint32_t lies[] = {0, 1, 2, UINT32_MAX};
	struct cd_session_view v;

	ok_eq_int(cd_table_subject_put(t, &alice), 0);
	ok_eq_int(cd_table_subject_put(t, &bob), 0);
	ok_eq_int(cd_table_session_put(t, &s), 0);
	for (size_t l = 0; l < CD_ARRAY_SIZE(lies); l++) {
		for (uint32_t b = 0; b < h.buckets; b++)
			for (int i = 0; i < 2 * BUCKET_ENTRIES; i++)
				poke(h.at_index +
					     b * sizeof(struct index_bucket) +
					     offsetof(struct index_bucket,
						      subjects) +
					     (size_t)i * 4,
				     lies[l], 4);
		ok_eq_int(lookup(m, &v), 0);
		ok_eq_str(v.user_text, "bob");
		ok_true(!v.has_device);
	}
	cd_table_unmap(&m);
	cd_table_free(&t);
	scratch_gone();
}

/* What was checked at the map is not read again from a page that may move. */
TEST(a_layout_that_changes_under_the_map_is_not_followed)
{
	struct cd_table *t = table(4, 2, 2);
	struct cd_table_map *m = reader();
	struct cd_subject_row alice = subject("alice", NULL, 0);
	struct cd_session_row s = session(1, "alice");
	struct cd_session_view v;

	ok_eq_int(cd_table_subject_put(t, &alice), 0);
	ok_eq_int(cd_table_session_put(t, &s), 0);
	poke(offsetof(struct table_header, at_sessions), UINT64_MAX / 2, 8);
	poke(offsetof(struct table_header, at_records), UINT64_MAX / 2, 8);
	poke(offsetof(struct table_header, records_size), UINT64_MAX, 8);
	poke(offsetof(struct table_header, at_words), UINT64_MAX / 2, 8);
	poke(offsetof(struct table_header, at_index), UINT64_MAX / 2, 8);
	poke(offsetof(struct table_header, at_subjects), UINT64_MAX / 2, 8);
	poke(offsetof(struct table_header, buckets), 1u << 31, 4);
	ok_eq_int(cd_session_lookup(m, s.key, &v), 0);
	ok_true(cd_str_equal(v.app, CD_STR("payroll")));
	ok_eq_uint(cd_table_map_sessions(m), 4);
	cd_table_unmap(&m);
	cd_table_free(&t);
	scratch_gone();
}
