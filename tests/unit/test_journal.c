// SPDX-License-Identifier: Apache-2.0
/*
 * The journal: what it acknowledged is there after anything, and what is
 * missing is told. Without an event loop an append that returned 0 is
 * acknowledged.
 */
#include "tap.h"

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "controller/journal.h"
#include "rng.h"

#define NODE CD_STR("gw1")

static char dir[64];
static int64_t clock_now = INT64_C(1795460400000000000);

static int64_t fake_now(void)
{
	return clock_now;
}

static void fresh(void)
{
	char command[128];

	if (dir[0]) {
		snprintf(command, sizeof(command), "rm -rf '%s'", dir);
		ok_eq_int(system(command), 0);
	}
	strcpy(dir, "/tmp/test-journal-XXXXXX");
	ok_true(mkdtemp(dir) != NULL);
}

static struct cd_journal *opened(struct event_base *base)
{
	struct cd_journal_config config = {.dir = dir, .now = fake_now};
	struct cd_journal *j = NULL;

	ok_eq_int(cd_journal_open(base, &config, &j), 0);
	return j;
}

/* A batch of n records whose ids are their numbers, with `pad` bytes each. */
static struct cd_buf batch_of(uint64_t epoch, uint64_t first, unsigned n,
			      size_t pad)
{
	static char text[CD_EVENT_TEXT_MAX];
	unsigned char mem[CD_EVENT_MAX];
	struct cd_batch_writer w;
	struct cd_buf b;

	memset(text, 'x', sizeof(text));
	cd_buf_init(&b, CD_BATCH_MAX);
	cd_batch_begin(&w, &b, NODE, epoch, first);
	for (unsigned i = 0; i < n; i++) {
		struct cd_event_encoder e;

		cd_event_begin(&e, mem, sizeof(mem), CD_EVENT_DECISION,
			       epoch << 32 | (first + i), clock_now);
		cd_event_put_str(&e, CD_EVENT_F_DETAIL, cd_str_make(text, pad));
		cd_batch_add(&w, cd_str_make(mem, cd_event_end(&e)));
	}
	cd_batch_end(&w, 0);
	return b;
}

static int put(struct cd_journal *j, uint64_t epoch, uint64_t first, unsigned n,
	       size_t pad)
{
	struct cd_buf b = batch_of(epoch, first, n, pad);
	int r = cd_journal_append(j, NODE, cd_buf_get(&b), NULL, NULL);

	cd_buf_done(&b);
	return r;
}

/* Ids of all records of NODE in the journal, and how often a gap is told. */
static size_t replay(struct cd_journal *j, uint64_t *ids, size_t max,
		     unsigned *gaps)
{
	struct cd_journal_cursor *c = NULL;
	struct cd_batch batch;
	struct cd_event event;
	size_t n = 0;
	int r;

	*gaps = 0;
	ok_eq_int(cd_journal_cursor_new(j, 0, &c), 0);
	while ((r = cd_journal_next(c, &batch)) != 0) {
		if (r == CD_E_CORRUPT)
			continue;
		if (!ok_eq_int(r, 1))
			break;
		for (struct cd_str rest = batch.records; rest.len;) {
			if (!ok_eq_int(cd_event_decode(rest, &event, &rest), 0))
				break;
			*gaps += event.event_class == CD_EVENT_JOURNAL_GAP;
			if (cd_str_equal(batch.node, NODE) && n < max)
				ids[n++] = event.id;
		}
	}
	cd_journal_cursor_free(&c);
	return n;
}

static bool holds(struct cd_journal *j, uint64_t epoch, uint64_t n)
{
	static uint64_t ids[100000];
	unsigned gaps;
	size_t got = replay(j, ids, 100000, &gaps);

	if (!ok_eq_uint(got, n))
		return false;
	for (uint64_t i = 0; i < n; i++)
		if (!ok_eq_uint(ids[i], epoch << 32 | i))
			return false;
	return true;
}

TEST(crc32c_is_the_known_one)
{
	unsigned char zeros[32] = {0};

	/* RFC 3720 B.4, and the check value of the parameters */
	ok_eq_uint(cd_crc32c(0, zeros, 32), 0x8a9136aa);
	ok_eq_uint(cd_crc32c(0, "123456789", 9), 0xe3069283);
	for (size_t cut = 0; cut <= 9; cut++)
		ok_eq_uint(cd_crc32c(cd_crc32c(0, "123456789", cut),
				     &"123456789"[cut], 9 - cut),
			   0xe3069283);
	for (size_t n = 0; n <= 32; n++)
		ok_eq_uint(cd_crc32c_portable(7, zeros, n),
			   cd_crc32c(7, zeros, n));
	ok_eq_uint(cd_crc32c_portable(0, "123456789", 9), 0xe3069283);
}

TEST(what_is_appended_is_replayed)
{
	struct cd_journal *j;

	fresh();
	j = opened(NULL);
	for (unsigned i = 0; i < 20; i++)
		ok_eq_int(put(j, 1, i * 10, 10, i * 50), 0);
	holds(j, 1, 200);
	cd_journal_free(&j);
	j = opened(NULL);
	holds(j, 1, 200);
	ok_eq_int(put(j, 1, 200, 1, 0), 0);
	holds(j, 1, 201);
	cd_journal_free(&j);
}

TEST(what_comes_twice_is_kept_once)
{
	struct cd_journal_stats s;
	struct cd_journal *j;

	fresh();
	j = opened(NULL);
	ok_eq_int(put(j, 1, 0, 10, 5), 0);
	ok_eq_int(put(j, 1, 0, 10, 5), 0);
	ok_eq_int(put(j, 1, 5, 10, 5), 0); /* half of it is new */
	cd_journal_free(&j);
	j = opened(NULL);
	ok_eq_int(put(j, 1, 0, 15, 5), 0);
	holds(j, 1, 15);
	cd_journal_stats(j, &s);
	ok_eq_uint(s.gaps, 0);
	cd_journal_free(&j);
}

TEST(what_is_missing_is_told)
{
	struct cd_journal_stats s;
	struct cd_journal *j;
	uint64_t ids[100];
	unsigned gaps;

	fresh();
	j = opened(NULL);
	ok_eq_int(put(j, 1, 7, 3, 5), 0); /* unknown node: no gap */
	ok_eq_int(put(j, 1, 15, 1, 5), 0); /* 10..14 */
	ok_eq_int(put(j, 2, 2, 1, 5), 0); /* new epoch, 0..1 */
	ok_eq_int(put(j, 3, 0, 1, 5), 0);
	ok_eq_uint(replay(j, ids, 100, &gaps), 6);
	ok_eq_uint(gaps, 2);
	cd_journal_stats(j, &s);
	ok_eq_uint(s.gaps, 7);
	cd_journal_free(&j);
}

TEST(lies_are_refused)
{
	struct cd_buf b = batch_of(1, 0, 3, 10);
	struct cd_journal *j;

	fresh();
	j = opened(NULL);
	ok_eq_int(cd_journal_append(j, CD_STR("gw2"), cd_buf_get(&b), NULL,
				    NULL),
		  CD_E_DENIED);
	b.data[CD_BATCH_HEADER_SIZE]++; /* length of the first record */
	ok_eq_int(cd_journal_append(j, NODE, cd_buf_get(&b), NULL, NULL),
		  CD_E_CORRUPT);
	holds(j, 1, 0);
	cd_buf_done(&b);
	cd_journal_free(&j);
}

static char *only_segment(size_t *ret_len)
{
	static char path[128];
	struct dirent *e;
	struct stat st;
	DIR *d = opendir(dir);

	while ((e = readdir(d)))
		if (strstr(e->d_name, ".cj"))
			snprintf(path, sizeof(path), "%s/%.40s", dir,
				 e->d_name);
	closedir(d);
	stat(path, &st);
	*ret_len = (size_t)st.st_size;
	return path;
}

static char *slurp(const char *path, size_t len)
{
	char *data = malloc(len);
	int fd = open(path, O_RDONLY);

	ok_eq_int(read(fd, data, len), (ssize_t)len);
	close(fd);
	return data;
}

static void spill(const char *path, const char *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CREAT, 0600);

	ok_eq_int(write(fd, data, len), (ssize_t)len);
	close(fd);
}

#define SMALL 5 /* batches of 2 */

/* The end of each batch in the file. */
static char *small_journal(size_t ends[SMALL + 1], size_t *ret_len, char **path)
{
	struct cd_journal_stats s;
	struct cd_journal *j;

	fresh();
	j = opened(NULL);
	cd_journal_stats(j, &s);
	ends[0] = s.durable;
	for (unsigned i = 0; i < SMALL; i++) {
		ok_eq_int(put(j, 1, i * 2, 2, 7), 0);
		cd_journal_stats(j, &s);
		ends[i + 1] = s.durable;
	}
	cd_journal_free(&j);
	*path = only_segment(ret_len);
	return slurp(*path, *ret_len);
}

/* A kill at any byte of a write: everything before it is there, nothing after
 * it, and the journal goes on. */
TEST(a_cut_at_every_byte_loses_nothing_before_it)
{
	size_t ends[SMALL + 1], len;
	char *path, *data = small_journal(ends, &len, &path);

	ok_eq_uint(ends[SMALL], len);
	for (size_t cut = 0; cut <= len; cut++) {
		unsigned whole = 0;
		struct cd_journal *j;

		while (whole < SMALL && ends[whole + 1] <= cut)
			whole++;
		spill(path, data, cut);
		j = opened(NULL);
		if (!j || !holds(j, 1, whole * 2) ||
		    !ok_eq_int(put(j, 1, whole * 2, 1, 3), 0) ||
		    !holds(j, 1, whole * 2 + 1))
			fail("cut at byte %zu", cut);
		cd_journal_free(&j);
	}
	free(data);
}

/* A damaged byte costs the batch it lies in, and no other. */
TEST(damage_at_every_byte_costs_one_batch)
{
	size_t ends[SMALL + 1], len, told = 0;
	char *path, *data = small_journal(ends, &len, &path);

	for (size_t at = 64; at < len; at++) {
		uint64_t ids[100];
		unsigned gaps, hit = 0;
		struct cd_journal *j;
		size_t n;

		while (hit <= SMALL && ends[hit] <= at)
			hit++; /* 0: the table of nodes */
		data[at] = (char)(data[at] ^ 0x41);
		spill(path, data, len);
		data[at] = (char)(data[at] ^ 0x41);
		j = opened(NULL);
		n = replay(j, ids, 100, &gaps);
		if (hit == 0)
			ok_eq_uint(n, SMALL * 2);
		else if (!ok_eq_uint(n, SMALL * 2 - 2))
			fail("damage at byte %zu", at);
		for (size_t i = 0; i < n; i++) {
			uint64_t id = ids[i] & 0xffffffff;

			if (hit && id / 2 == hit - 1)
				fail("byte %zu: record of a damaged batch", at);
		}
		told += gaps;
		cd_journal_free(&j);
	}
	/* damage before intact frames is told; a torn tail is not damage */
	ok_true(told > (ends[SMALL - 1] - ends[0]) / 2);
	free(data);
}

TEST(a_flood_rotates_and_limits_delete_the_oldest)
{
	struct cd_journal_config config = {.dir = dir,
					   .now = fake_now,
					   .segment_size = 64 * 1024,
					   .max_size = 300 * 1024};
	static uint64_t ids[100000];
	struct cd_journal_stats s;
	struct cd_journal *j = NULL;
	unsigned gaps;
	size_t n;

	fresh();
	ok_eq_int(cd_journal_open(NULL, &config, &j), 0);
	for (unsigned i = 0; i < 300; i++) {
		ok_eq_int(put(j, 1, i * 10, 10, 200), 0);
		ok_eq_int(cd_journal_trim(j), 0);
	}
	cd_journal_stats(j, &s);
	ok_true(s.bytes <= 300 * 1024 + 64 * 1024);
	ok_true(s.segments >= 4 && s.segments <= 7);
	n = replay(j, ids, 100000, &gaps);
	ok_true(n > 500 && n < 3000);
	ok_eq_uint(gaps, 0);
	for (size_t i = 0; i < n; i++)
		ok_eq_uint(ids[i] & 0xffffffff, 3000 - n + i);
	cd_journal_free(&j);
	/* the numbers are known although their segments are gone */
	ok_eq_int(cd_journal_open(NULL, &config, &j), 0);
	ok_eq_int(put(j, 1, 2990, 10, 200), 0);
	ok_eq_int(put(j, 1, 3000, 1, 200), 0);
	cd_journal_stats(j, &s);
	ok_eq_uint(s.gaps, 0);
	ok_eq_uint(s.records, 1);
	cd_journal_free(&j);
}

TEST(age_deletes_too)
{
	struct cd_journal_config config = {.dir = dir,
					   .now = fake_now,
					   .segment_size = 64 * 1024,
					   .max_age = 3600};
	struct cd_journal_stats s;
	struct cd_journal *j = NULL;

	fresh();
	ok_eq_int(cd_journal_open(NULL, &config, &j), 0);
	for (unsigned i = 0; i < 100; i++)
		ok_eq_int(put(j, 1, i * 10, 10, 200), 0);
	ok_eq_int(cd_journal_trim(j), 0);
	cd_journal_stats(j, &s);
	ok_true(s.segments > 2);
	clock_now += INT64_C(7200) * 1000000000;
	ok_eq_int(cd_journal_trim(j), 0);
	cd_journal_stats(j, &s);
	ok_true(s.segments <= 2);
	ok_eq_int(put(j, 1, 1000, 1, 0), 0);
	cd_journal_free(&j);
}

TEST(two_writers_are_one_too_many)
{
	struct cd_journal_config config = {.dir = dir};
	struct cd_journal *j, *k = NULL;

	fresh();
	j = opened(NULL);
	ok_eq_int(cd_journal_open(NULL, &config, &k), -EBUSY);
	cd_journal_free(&j);
}

/* A file system of 400 KiB in a namespace of this process's own. */
static bool small_disk(void)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("tmpfs", dir, "tmpfs", 0, "size=400k") == 0;
}

static int fill_disk(void)
{
	struct cd_journal *j = opened(NULL);
	unsigned n = 0;
	int r;

	while (!(r = put(j, 1, n, 1, 1000)) && n < 10000)
		n++;
	note("%u records fit", n);
	if (r != -ENOSPC || n < 100 || !holds(j, 1, n))
		return 1;
	if (put(j, 1, n, 1, 1000) != -ENOSPC || !holds(j, 1, n))
		return 2;
	cd_journal_free(&j);
	/* closed and opened while full; then room, and it goes on */
	j = opened(NULL);
	if (!j || !holds(j, 1, n) || put(j, 1, n, 1, 1000) != -ENOSPC)
		return 3;
	if (mount(NULL, dir, NULL, MS_REMOUNT, "size=800k"))
		return 4;
	if (put(j, 1, n, 1, 1000) || !holds(j, 1, n + 1))
		return 5;
	cd_journal_free(&j);
	return 0;
}

TEST(a_full_disk_refuses_and_loses_nothing)
{
	int status = -1;
	pid_t pid;

	fresh();
	pid = fork();
	if (pid == 0)
		_exit(small_disk() ? fill_disk() : 77);
	waitpid(pid, &status, 0);
	if (WEXITSTATUS(status) == 77)
		skip("needs root for a small tmpfs");
	else
		ok_eq_int(status, 0);
}

/* ---- group commit -------------------------------------------------------*/

static unsigned acked;
static struct event_base *base;

static void on_ack(void *ctx, int err, uint32_t accepted)
{
	unsigned *want = ctx;

	ok_eq_int(err, 0);
	ok_eq_uint(accepted, 2);
	if (++acked == *want)
		event_base_loopbreak(base);
}

static void on_ack_again(void *ctx, int err, uint32_t accepted)
{
	unsigned *want = ctx;

	ok_eq_int(err, 0);
	ok_eq_uint(accepted, 0);
	if (++acked == *want)
		event_base_loopbreak(base);
}

static void again(struct cd_journal *j, unsigned *want)
{
	struct cd_buf b = batch_of(1, 0, 2, 100);

	ok_eq_int(cd_journal_append(j, NODE, cd_buf_get(&b), on_ack_again,
				    want),
		  0);
	cd_buf_done(&b);
}

TEST(a_group_is_committed_and_then_told)
{
	unsigned want = 500;
	struct cd_journal_stats s;
	struct cd_journal *j;
	struct timeval tv = {20, 0};

	fresh();
	base = event_base_new();
	j = opened(base);
	for (unsigned i = 0; i < want; i++) {
		struct cd_buf b = batch_of(1, i * 2, 2, 100);

		ok_eq_int(cd_journal_append(j, NODE, cd_buf_get(&b), on_ack,
					    &want),
			  0);
		cd_buf_done(&b);
	}
	ok_eq_uint(acked, 0); /* never from inside append */
	event_base_loopexit(base, &tv);
	event_base_dispatch(base);
	ok_eq_uint(acked, want);
	cd_journal_stats(j, &s);
	ok_eq_uint(s.durable, s.end);
	holds(j, 1, 1000);
	/* a batch that is there already is acknowledged too */
	acked = want - 1;
	again(j, &want);
	event_base_loopexit(base, &tv);
	event_base_dispatch(base);
	ok_eq_uint(acked, want);
	cd_journal_free(&j);
	event_base_free(base);
}

static unsigned woken;

static void on_wake(void *ctx)
{
	(void)ctx;
	woken++;
	event_base_loopbreak(base);
}

TEST(waiting_ends_with_news_or_with_time)
{
	struct cd_journal_wait *w = NULL;
	struct cd_journal_stats s;
	struct cd_journal *j;

	fresh();
	base = event_base_new();
	j = opened(base);
	cd_journal_stats(j, &s);
	ok_eq_int(cd_journal_wait_new(j, s.durable, 20, on_wake, NULL, &w), 0);
	event_base_dispatch(base);
	ok_eq_uint(woken, 1);
	cd_journal_wait_free(&w);
	ok_eq_int(cd_journal_wait_new(j, s.durable, 20000, on_wake, NULL, &w),
		  0);
	cd_journal_event_begin(j, CD_EVENT_AGENT_UP);
	ok_eq_int(cd_journal_event_end(j, NULL, NULL), 0);
	event_base_dispatch(base);
	ok_eq_uint(woken, 2);
	cd_journal_wait_free(&w);
	ok_eq_int(cd_journal_wait_new(j, 0, 20000, on_wake, NULL, &w), 0);
	event_base_dispatch(base); /* there is something already */
	ok_eq_uint(woken, 3);
	cd_journal_wait_free(&w);
	cd_journal_free(&j);
	event_base_free(base);
}

/* ---- the model: a list of what was acknowledged, and a kill -------------*/

struct ack {
	uint64_t first;
	uint32_t n;
};

static int acks[2];

static void tell_ack(void *ctx, int err, uint32_t accepted)
{
	struct ack a = {(uint64_t)(uintptr_t)ctx, accepted};

	if (!err)
		(void)!write(acks[1], &a, sizeof(a));
}

/* Appends for ever, telling the parent what was acknowledged. */
static void writer(uint64_t first, uint64_t seed)
{
	struct rng rng = {seed};
	struct cd_journal *j;

	base = event_base_new();
	j = opened(base);
	for (;;) {
		unsigned n = 1 + (unsigned)rng_below(&rng, 20);
		struct cd_buf b = batch_of(1, first, n, rng_below(&rng, 900));

		if (cd_journal_append(j, NODE, cd_buf_get(&b), tell_ack,
				      (void *)(uintptr_t)first))
			_exit(1);
		cd_buf_done(&b);
		first += n;
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
}

TEST(killed_anywhere_it_has_all_it_acknowledged)
{
	struct rng rng = rng_init(0x6a6f75726e616c);
	uint64_t promised = 0, have = 0;
	unsigned kept_more = 0;

	fresh();
	for (int round = 0; round < 12; round++) {
		static uint64_t ids[2000000];
		struct cd_journal *j;
		struct ack a;
		unsigned gaps, patience = (unsigned)rng_below(&rng, 60) + 1;
		pid_t pid;
		size_t n;

		ok_eq_int(pipe(acks), 0);
		pid = fork();
		if (pid == 0)
			writer(have, rng_u64(&rng));
		close(acks[1]);
		/* a number of acknowledgements, then the kill */
		while (patience-- && read(acks[0], &a, sizeof(a)) == sizeof(a))
			promised = a.first + a.n;
		kill(pid, SIGKILL);
		while (read(acks[0], &a, sizeof(a)) == sizeof(a))
			promised = a.first + a.n;
		waitpid(pid, NULL, 0);
		close(acks[0]);
		j = opened(NULL);
		n = replay(j, ids, 2000000, &gaps);
		ok_eq_uint(gaps, 0);
		if (!ok_true(n >= promised))
			fail("%zu records, %ju were promised", n,
			     (uintmax_t)promised);
		for (size_t i = 0; i < n; i++)
			if (!ok_eq_uint(ids[i], UINT64_C(1) << 32 | i))
				break;
		kept_more += n > promised;
		have = n;
		cd_journal_free(&j);
	}
	note("%ju records kept; %u times more than was promised",
	     (uintmax_t)have, kept_more);
	ok_true(have > 500);
}

TEST(clean_up)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	ok_eq_int(system(command), 0);
}
