// SPDX-License-Identifier: Apache-2.0
/*
 * The agent's spool file. The first byte chooses: the file as it is, or
 * batches of the input that are framed here, of which one byte may be another.
 * Whatever it holds, opening ends, gives only what was put, in order and once,
 * and a batch that is added then is there after the next open.
 */
#include <stdint.h>

#include "agent/spool.h"
#include "event/frame.h"
#include "tmpdir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADER 64
#define BATCHES_MAX 16
#define LIMIT (1u << 21)

/* Takes all: how many. Each is among the batches that were put, behind the one
 * before it. */
static unsigned int take_all(struct cd_spool *s, const struct cd_str *put,
			     unsigned int n)
{
	struct cd_spool_stats stats;
	struct cd_str batch;
	unsigned int taken = 0, at = 0;

	while (cd_spool_first(s, &batch) == 1) {
		while (put && at < n && !cd_str_equal(batch, put[at]))
			at++;
		cd_assert(!put || at++ < n);
		cd_assert(batch.len > 0 && batch.len <= CD_FRAME_PAYLOAD_MAX);
		cd_assert(cd_spool_drop_first(s) == 0);
		taken++;
	}
	cd_spool_stats(s, &stats);
	cd_assert(stats.bytes == 0 && stats.batches == 0);
	return taken;
}

/* What is added behind anything is there after the next open. */
static void add_and_open(void)
{
	static const struct cd_str mine = CD_STR_INIT("a batch of ours");
	struct cd_spool *s = NULL;
	struct cd_str batch;

	cd_assert(cd_spool_open(tmpdir, LIMIT, &s) == 0);
	while (cd_spool_first(s, &batch) == 1)
		cd_assert(cd_spool_drop_first(s) == 0);
	cd_assert(cd_spool_drop_first(s) == CD_E_NOTFOUND);
	cd_assert(cd_spool_add(s, mine) == 0);
	cd_assert(cd_spool_add(s, CD_STR_NULL) == CD_E_LIMIT);
	cd_spool_free(&s);
	cd_assert(cd_spool_open(tmpdir, LIMIT, &s) == 0);
	cd_assert(take_all(s, &mine, 1) == 1);
	cd_spool_free(&s);
}

static void raw(struct cd_str bytes)
{
	struct cd_spool_stats stats;
	struct cd_spool *s = NULL;

	tmpfile_set(bytes);
	cd_assert(cd_spool_open(tmpdir, LIMIT, &s) == 0);
	cd_spool_stats(s, &stats);
	cd_assert(stats.bytes + stats.damaged <= CD_MAX(bytes.len, HEADER));
	take_all(s, NULL, 0);
	cd_spool_free(&s);
	tmpfile_set(bytes);
	add_and_open();
}

/* The disk changes under an open spool: what is not whole is not given. */
static void damage_open(const struct cd_str *put, unsigned int n, uint8_t at)
{
	struct cd_spool *s = NULL;
	int fd;

	cd_assert(cd_spool_open(tmpdir, LIMIT, &s) == 0);
	fd = open(tmpfile_path, O_WRONLY | O_CLOEXEC);
	cd_assert(fd >= 0 && pwrite(fd, "\xff", 1, HEADER + at) == 1);
	close(fd);
	take_all(s, put, n);
	cd_spool_free(&s);
}

/* u16 place of the byte that changes, u8 what to, u8 head's batch; then
 * batches: u8 length, bytes. */
static void framed(struct cd_str in)
{
	struct cd_reader r = cd_reader_make(in.ptr, in.len);
	uint16_t place = cd_read_u16(&r);
	uint8_t flip = cd_read_u8(&r), head = cd_read_u8(&r);
	unsigned char header[CD_FRAME_HEADER_SIZE];
	struct cd_str put[BATCHES_MAX];
	struct cd_spool *s = NULL;
	unsigned int n = 0, taken;
	uint64_t first = HEADER;
	struct cd_buf b;

	cd_buf_init(&b, 1u << 20);
	cd_buf_puts(&b, "CDSPOOL1");
	cd_assert(cd_buf_extend(&b, HEADER - 8) != NULL);
	while (n < BATCHES_MAX) {
		struct cd_str batch = cd_read_bytes(&r, cd_read_u8(&r));

		if (r.err || batch.len == 0)
			break;
		cd_frame_header(b.len, batch, header);
		cd_buf_put(&b, header, sizeof(header));
		cd_buf_str(&b, batch);
		put[n++] = batch;
		first = n == head ? b.len : first;
	}
	for (unsigned int i = 0; i < 8; i++)
		b.data[8 + i] = (char)(first >> (8 * i));
	b.data[place % b.len] ^= (char)flip;
	tmpfile_set(cd_buf_get(&b));
	cd_assert(cd_spool_open(tmpdir, LIMIT, &s) == 0);
	taken = take_all(s, put, n);
	if (!flip)
		cd_assert(taken == (first > HEADER ? n - head : n));
	cd_spool_free(&s);
	tmpfile_set(cd_buf_get(&b));
	damage_open(put, n, head);
	tmpfile_set(cd_buf_get(&b));
	add_and_open();
	cd_buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	tmpdir_need("events.spool");
	if (size < 5)
		return 0;
	if (data[0] & 1)
		framed(cd_str_make(data + 1, size - 1));
	else
		raw(cd_str_make(data + 1, size - 1));
	return 0;
}
