// SPDX-License-Identifier: Apache-2.0
/*
 * The event ring: what goes in comes out, in order; a full ring counts; a
 * producer that lies cannot make the consumer read what is not there.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rng.h"
#include "shm/ring.h"
#include "tap.h"

static char dir[64];
static char path[96];

static void scratch(void)
{
	strcpy(dir, "/tmp/cordon-ring-XXXXXX");
	if (!mkdtemp(dir))
		abort();
	snprintf(path, sizeof(path), "%s/0", dir);
}

static void scratch_gone(void)
{
	char other[96];

	snprintf(other, sizeof(other), "%s/1", dir);
	unlink(other);
	unlink(path);
	rmdir(dir);
}

static void both(uint32_t size, struct cd_ring **w, struct cd_ring_reader **r)
{
	scratch();
	if (cd_ring_create(path, size, 0600) || cd_ring_open(path, w) ||
	    cd_ring_reader_new(path, r))
		abort();
}

static void done(struct cd_ring **w, struct cd_ring_reader **r)
{
	cd_ring_close(w);
	cd_ring_reader_free(r);
	scratch_gone();
}

TEST(records_come_out_as_they_went_in)
{
	struct cd_ring *w = NULL;
	struct cd_ring_reader *r = NULL;
	struct rng in = rng_init(21), out = in;
	unsigned char b[3000];
	unsigned int put = 0, got = 0;
	struct cd_str s;
	int n = 0;

	both(16384, &w, &r);
	for (int round = 0; round < 2000; round++) {
		size_t len = (size_t)rng_below(&in, sizeof(b));

		memset(b, (int)len, len);
		if (!cd_ring_put(w, b, len)) {
			fail("no room in round %d", round);
			break;
		}
		put++;
		if (round % 4 < 3)
			continue;
		while ((n = cd_ring_next(r, &s)) == 1) {
			len = (size_t)rng_below(&out, sizeof(b));
			memset(b, (int)len, len);
			if (!ok_mem(s.ptr, s.len, b, len))
				break;
			got++;
		}
		ok_eq_int(n, 0);
		ok_eq_int(cd_ring_commit(r), 0);
	}
	ok_eq_uint(got, put);
	ok_eq_uint(put, 2000);
	done(&w, &r);
}

TEST(a_full_ring_drops_and_counts)
{
	struct cd_ring *w = NULL;
	struct cd_ring_reader *r = NULL;
	struct cd_ring_stats st;
	char b[92] = "x";
	struct cd_str s;
	int n = 0;

	both(4096, &w, &r);
	for (int i = 0; i < 50; i++)
		n += cd_ring_put(w, b, sizeof(b));
	ok_eq_int(n, 39); /* 4096 / (8 + 96) */
	ok_eq_uint(cd_ring_put_drops(w), 11);
	/* reading alone gives no room back: the agent may still die */
	ok_eq_int(cd_ring_next(r, &s), 1);
	ok_false(cd_ring_put(w, b, sizeof(b)));
	ok_eq_int(cd_ring_commit(r), 0);
	ok_true(cd_ring_put(w, b, sizeof(b)));
	ok_eq_int(cd_ring_reader_stats(r, &st), 0);
	ok_eq_uint(st.drops, 12);
	ok_eq_uint(st.waiting, 39 * 104);
	ok_false(cd_ring_put(w, b, CD_RING_RECORD_MAX + 1));
	done(&w, &r);
}

TEST(what_was_not_committed_is_read_again)
{
	struct cd_ring *w = NULL;
	struct cd_ring_reader *r = NULL;
	struct cd_str s;

	both(4096, &w, &r);
	cd_ring_put(w, "one", 3);
	cd_ring_put(w, "two", 3);
	ok_eq_int(cd_ring_next(r, &s), 1);
	ok_eq_int(cd_ring_commit(r), 0);
	ok_eq_int(cd_ring_next(r, &s), 1);
	cd_ring_reader_free(&r);
	ok_eq_int(cd_ring_reader_new(path, &r), 0);
	ok_eq_int(cd_ring_next(r, &s), 1);
	ok_mem(s.ptr, s.len, "two", 3);
	ok_eq_int(cd_ring_next(r, &s), 0);
	/* creating it again keeps what is in it */
	cd_ring_put(w, "three", 5);
	ok_eq_int(cd_ring_create(path, 4096, 0600), 0);
	ok_eq_int(cd_ring_next(r, &s), 1);
	done(&w, &r);
}

/* Another process claims a ring and tells by its exit which one it got. */
static int claim_elsewhere(void)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		struct cd_ring *w = NULL;
		int err = cd_ring_claim(dir, 0, &w);

		_exit(err ? 100 : (int)cd_ring_slot(w));
	}
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

TEST(a_claimed_ring_goes_to_nobody_else)
{
	struct cd_ring *w = NULL, *twin = NULL;
	char other[96];

	scratch();
	ok_eq_int(cd_ring_claim(dir, 0, &w), -ENOENT);
	cd_ring_create(path, 4096, 0600);
	ok_eq_int(cd_ring_claim(dir, 5, &w), 0);
	ok_eq_uint(cd_ring_slot(w), 0);
	ok_eq_int(claim_elsewhere(), 100);
	snprintf(other, sizeof(other), "%s/1", dir);
	cd_ring_create(other, 4096, 0600);
	ok_eq_int(claim_elsewhere(), 1);
	/* the other module of the same process shares ours */
	ok_eq_int(cd_ring_claim(dir, 0, &twin), 0);
	ok_eq_uint(cd_ring_slot(twin), 0);
	cd_ring_close(&twin);
	cd_ring_close(&w);
	ok_eq_int(claim_elsewhere(), 0);
	scratch_gone();
}

/* ---- liars ---- */

static void poke(size_t at, const void *p, size_t len)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (pwrite(fd, p, len, (off_t)at) != (ssize_t)len)
		abort();
	close(fd);
}

static void lie_about(size_t at, const void *p, size_t len, const char *what)
{
	struct cd_ring *w = NULL;
	struct cd_ring_reader *r = NULL;
	struct cd_ring_stats st;
	struct cd_str s;

	both(4096, &w, &r);
	cd_ring_put(w, "hello", 5);
	poke(at, p, len);
	if (!ok_eq_int(cd_ring_next(r, &s), CD_E_CORRUPT))
		note("%s", what);
	ok_eq_int(cd_ring_reader_stats(r, &st), 0);
	ok_eq_uint(st.corrupt, 1);
	done(&w, &r);
}

TEST(a_lying_producer_is_skipped)
{
	const uint32_t huge[2] = {0xfffffff0u, 0xfu};
	const uint32_t past[2] = {4000, ~4000u};
	const uint32_t mixed[2] = {5, 5};
	const uint64_t far = 1ull << 40, odd = 4;
	size_t head = offsetof(struct cd_ring_header, head);

	lie_about(CD_RING_HEADER_SIZE, huge, 8, "length near 4 GiB");
	lie_about(CD_RING_HEADER_SIZE, past, 8, "length past head");
	lie_about(CD_RING_HEADER_SIZE, mixed, 8, "no complement");
	lie_about(head, &far, 8, "head past the ring");
	lie_about(head, &odd, 8, "head inside a record");
}

TEST(a_truncated_ring_is_an_error_and_no_signal)
{
	struct cd_ring_reader *r = NULL;
	struct cd_ring *w = NULL;
	struct cd_str s;

	both(8192, &w, &r);
	cd_ring_put(w, "hello", 5);
	ok_eq_int(truncate(path, CD_RING_HEADER_SIZE), 0);
	ok_eq_int(cd_ring_next(r, &s), CD_E_CORRUPT);
	ok_eq_int(truncate(path, 0), 0);
	ok_eq_int(cd_ring_next(r, &s), CD_E_CORRUPT);
	cd_ring_reader_free(&r);
	ok_eq_int(cd_ring_reader_new(path, &r), CD_E_CORRUPT);
	/* the agent makes it anew */
	ok_eq_int(cd_ring_create(path, 8192, 0600), 0);
	ok_eq_int(cd_ring_reader_new(path, &r), 0);
	ok_eq_int(cd_ring_create(path, 5000, 0600), -EINVAL);
	done(&w, &r);
}

static void *produce(void *arg)
{
	struct cd_ring *w = arg;
	unsigned char b[200];

	for (uint32_t i = 0; i < 200000; i++) {
		size_t len = 4 + i % 190;

		memset(b, (int)i, sizeof(b));
		memcpy(b, &i, 4);
		while (!cd_ring_put(w, b, len))
			sched_yield();
	}
	return NULL;
}

TEST(producer_and_consumer_run_side_by_side)
{
	struct cd_ring *w = NULL;
	struct cd_ring_reader *r = NULL;
	pthread_t thread;
	struct cd_str s;
	uint32_t next = 0, nr;
	bool good = true;

	both(65536, &w, &r);
	pthread_create(&thread, NULL, produce, w);
	while (next < 200000 && good) {
		int n = cd_ring_next(r, &s);

		if (n <= 0) {
			good = n == 0;
			cd_ring_commit(r);
			sched_yield();
			continue;
		}
		memcpy(&nr, s.ptr, 4);
		good = nr == next && s.len == 4 + nr % 190 &&
		       (s.len == 4 ||
			(unsigned char)s.ptr[s.len - 1] == (nr & 0xff));
		next++;
	}
	ok_true(good);
	ok_eq_uint(next, 200000);
	if (good)
		pthread_join(thread, NULL);
	done(&w, &r);
}
