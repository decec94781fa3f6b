// SPDX-License-Identifier: Apache-2.0
/*
 * The agent's spool: first in, first out, over restarts and torn writes.
 */
#include "tap.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/spool.h"

static char dir[64], path[128];

static void fresh(void)
{
	if (!dir[0]) {
		strcpy(dir, "/tmp/test-spool-XXXXXX");
		ok_true(mkdtemp(dir) != NULL);
		snprintf(path, sizeof(path), "%s/events.spool", dir);
	}
	unlink(path);
}

static struct cd_spool *opened(uint64_t limit)
{
	struct cd_spool *s = NULL;

	ok_eq_int(cd_spool_open(dir, limit, &s), 0);
	return s;
}

static int add(struct cd_spool *s, uint64_t first)
{
	unsigned char mem[CD_EVENT_MAX];
	struct cd_event_encoder e;
	struct cd_batch_writer w;
	struct cd_buf b;
	int r;

	cd_buf_init(&b, CD_BATCH_MAX);
	cd_batch_begin(&w, &b, CD_STR("n"), 1, first);
	cd_event_begin(&e, mem, sizeof(mem), CD_EVENT_ADMIN, first, 0);
	cd_batch_add(&w, cd_str_make(mem, cd_event_end(&e)));
	cd_batch_end(&w, 0);
	r = cd_spool_add(s, cd_buf_get(&b));
	cd_buf_done(&b);
	return r;
}

/* Number of the oldest batch, -1: none. */
static int64_t first_of(struct cd_spool *s)
{
	struct cd_batch batch;
	struct cd_str bytes;

	if (cd_spool_first(s, &bytes) != 1)
		return -1;
	return cd_batch_decode(bytes, &batch) ? -2 : (int64_t)batch.first;
}

TEST(first_in_first_out_over_restarts)
{
	struct cd_spool_stats st;
	struct cd_spool *s;

	fresh();
	s = opened(0);
	ok_eq_int(first_of(s), -1);
	ok_eq_int(cd_spool_drop_first(s), CD_E_NOTFOUND);
	for (uint64_t i = 0; i < 10; i++)
		ok_eq_int(add(s, i), 0);
	for (int64_t i = 0; i < 4; i++) {
		ok_eq_int(first_of(s), i);
		ok_eq_int(cd_spool_drop_first(s), 0);
	}
	cd_spool_free(&s);
	s = opened(0);
	cd_spool_stats(s, &st);
	ok_eq_uint(st.batches, 6);
	ok_eq_uint(st.damaged, 0);
	for (int64_t i = 4; i < 10; i++) {
		ok_eq_int(first_of(s), i);
		ok_eq_int(cd_spool_drop_first(s), 0);
	}
	ok_eq_int(first_of(s), -1);
	cd_spool_free(&s);
}

TEST(an_empty_spool_gives_the_disk_back)
{
	struct cd_spool *s;
	struct stat st;

	fresh();
	s = opened(0);
	for (uint64_t i = 0; i < 100; i++)
		add(s, i);
	while (first_of(s) >= 0)
		cd_spool_drop_first(s);
	ok_eq_int(stat(path, &st), 0);
	ok_eq_int(st.st_size, 64);
	ok_eq_int(add(s, 7), 0);
	ok_eq_int(first_of(s), 7);
	cd_spool_free(&s);
}

TEST(a_full_one_refuses_the_newest_and_counts)
{
	struct cd_spool_stats st;
	struct cd_spool *s;
	uint64_t n = 0;

	fresh();
	s = opened(2000);
	while (add(s, n) == 0)
		n++;
	ok_eq_int(add(s, n), CD_E_LIMIT);
	ok_true(n > 5 && n < 20);
	cd_spool_stats(s, &st);
	ok_eq_uint(st.dropped, 2);
	ok_eq_uint(st.batches, n);
	ok_eq_int(first_of(s), 0);
	cd_spool_drop_first(s);
	ok_eq_int(add(s, n), 0);
	cd_spool_free(&s);
}

TEST(a_cut_at_every_byte_keeps_what_is_whole)
{
	struct cd_spool *s;
	struct stat st;
	char *data;
	int fd;

	fresh();
	s = opened(0);
	for (uint64_t i = 0; i < 4; i++)
		add(s, i);
	cd_spool_free(&s);
	fd = open(path, O_RDWR);
	fstat(fd, &st);
	data = malloc((size_t)st.st_size);
	ok_eq_int(pread(fd, data, (size_t)st.st_size, 0), st.st_size);
	for (off_t cut = 0; cut <= st.st_size; cut++) {
		off_t frame = (st.st_size - 64) / 4;
		int64_t whole = cut < 64 ? 0 : (cut - 64) / frame;

		ok_eq_int(ftruncate(fd, 0), 0);
		ok_eq_int(pwrite(fd, data, (size_t)cut, 0), cut);
		s = opened(0);
		ok_eq_int(add(s, 99), 0);
		for (int64_t i = 0; i < whole; i++) {
			if (!ok_eq_int(first_of(s), i))
				break;
			cd_spool_drop_first(s);
		}
		if (!ok_eq_int(first_of(s), 99))
			fail("cut at %jd", (intmax_t)cut);
		cd_spool_free(&s);
	}
	close(fd);
	free(data);
}

TEST(damage_is_counted_and_passed)
{
	struct cd_spool_stats st;
	struct cd_spool *s;
	int fd;

	fresh();
	s = opened(0);
	add(s, 0);
	add(s, 1);
	fd = open(path, O_RDWR);
	ok_eq_int(pwrite(fd, "XX", 2, 100), 2);
	ok_eq_int(first_of(s), -1);
	cd_spool_stats(s, &st);
	ok_true(st.damaged > 200 && st.bytes == 0);
	ok_eq_int(add(s, 2), 0);
	ok_eq_int(first_of(s), 2);
	cd_spool_free(&s);
	ok_eq_int(pwrite(fd, "not a spool", 11, 0), 11);
	close(fd);
	s = opened(0);
	ok_eq_int(first_of(s), -1);
	ok_eq_int(add(s, 3), 0);
	ok_eq_int(first_of(s), 3);
	cd_spool_free(&s);
}

/* Beyond the end now, but not behind what is added next. */
TEST(an_offset_that_cannot_be_is_mended)
{
	struct cd_spool *s;
	uint64_t offset = 80;
	int fd;

	fresh();
	s = opened(0);
	cd_spool_free(&s);
	fd = open(path, O_WRONLY);
	ok_eq_int(pwrite(fd, &offset, 8, 8), 8);
	close(fd);
	s = opened(0);
	ok_eq_int(add(s, 1), 0);
	ok_eq_int(add(s, 2), 0);
	cd_spool_free(&s);
	s = opened(0);
	ok_eq_int(first_of(s), 1);
	ok_eq_int(cd_spool_drop_first(s), 0);
	ok_eq_int(first_of(s), 2);
	cd_spool_free(&s);
}

TEST(clean_up)
{
	unlink(path);
	ok_eq_int(rmdir(dir), 0);
}
