// SPDX-License-Identifier: Apache-2.0
/*
 * An event ring that a worker wrote which somebody took over: the agent's
 * reader trusts no length, no counter and no header. The first byte chooses:
 * the file as it is; a good header with counters and bytes of the input, moved
 * again while the reader is in it; or records put by the producer's code,
 * which come out as they went in.
 *
 * The reader ends, gives no record longer than it may be and no more bytes
 * than the ring has.
 */
#include "memfile.h"
#include "shm/ring.h"
#include "tmpdir.h"

#include <stddef.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RING CD_RING_SIZE_MIN
#define PUTS_MAX 64
#define FILE_SIZE (CD_RING_HEADER_SIZE + RING)

static struct memfile file = MEMFILE_INIT;

/* All that the ring has now: how many bytes came out. */
static size_t drain(struct cd_ring_reader *r)
{
	struct cd_str record;
	size_t bytes = 0;
	unsigned int damaged = 0;
	int e;

	while ((e = cd_ring_next(r, &record)) != 0) {
		if (e < 0) {
			/* what was skipped is not looked at twice */
			cd_assert(e == CD_E_CORRUPT && ++damaged < 2);
			continue;
		}
		cd_assert(e == 1 && record.len <= CD_RING_RECORD_MAX);
		bytes += record.len + 8;
		cd_assert(bytes <= RING);
	}
	cd_assert(cd_ring_commit(r) == 0);
	return bytes;
}

static void put_word(size_t at, uint64_t v)
{
	memfile_put(&file, at, &v, sizeof(v));
}

static void put_bytes(uint64_t at, struct cd_str s)
{
	size_t off = (size_t)(at & (RING - 1));
	size_t first = CD_MIN(s.len, RING - off);

	memfile_put(&file, CD_RING_HEADER_SIZE + off, s.ptr, first);
	if (s.len > first)
		memfile_put(&file, CD_RING_HEADER_SIZE, s.ptr + first,
			    s.len - first);
}

static void empty(void)
{
	static const char zeros[FILE_SIZE];
	const struct cd_ring_header h = {.magic = CD_RING_MAGIC,
					 .version = CD_RING_VERSION,
					 .size = RING};

	memfile_set(&file, zeros, sizeof(zeros));
	memfile_put(&file, 0, &h, sizeof(h));
}

static void raw(struct cd_str s)
{
	struct cd_ring_reader *r = NULL;
	struct cd_ring_stats stats;

	empty();
	memfile_put(&file, 0, s.ptr, CD_MIN(s.len, (size_t)FILE_SIZE));
	if (cd_ring_reader_new(file.path, &r) == 0) {
		drain(r);
		cd_assert(cd_ring_reader_stats(r, &stats) == 0);
	}
	cd_ring_reader_free(&r);
}

/* tail u64, head - tail u16, head - head of the second look u16, bytes */
static void counters(struct cd_str s)
{
	struct cd_ring_reader *r = NULL;
	uint64_t tail;
	uint16_t more[2];

	if (s.len < sizeof(tail) + sizeof(more))
		return;
	memcpy(&tail, s.ptr, sizeof(tail));
	memcpy(more, s.ptr + sizeof(tail), sizeof(more));
	s = cd_str_make(s.ptr + 12, CD_MIN(s.len - 12, (size_t)RING));
	empty();
	put_bytes(tail, s);
	put_word(offsetof(struct cd_ring_header, tail), tail);
	put_word(offsetof(struct cd_ring_header, head), tail + more[0]);
	cd_assert(cd_ring_reader_new(file.path, &r) == 0);
	drain(r);
	put_word(offsetof(struct cd_ring_header, head),
		 tail + more[0] + more[1]);
	drain(r);
	/* the file itself is the producer's to cut */
	cd_assert(ftruncate(file.fd, CD_RING_HEADER_SIZE) == 0);
	put_word(offsetof(struct cd_ring_header, head), tail);
	drain(r);
	cd_ring_reader_free(&r);
}

/* What was put and not yet taken. */
struct pending {
	struct cd_str records[PUTS_MAX];
	unsigned int first, n;
};

static void take_all(struct cd_ring_reader *r, struct pending *p)
{
	struct cd_str got;

	while (p->first < p->n) {
		cd_assert(cd_ring_next(r, &got) == 1);
		cd_assert(cd_str_equal(got, p->records[p->first++]));
	}
	cd_assert(cd_ring_next(r, &got) == 0);
	cd_assert(cd_ring_commit(r) == 0);
}

/* A ring of the producer's, claimed from its folder: whatever lies there
 * before, what is claimed is a ring, and nobody else's. */
static struct cd_ring *claim(struct cd_str before)
{
	struct cd_ring *ring = NULL, *other = NULL;

	tmpdir_need("0");
	tmpfile_set(before);
	cd_assert(cd_ring_create(tmpfile_path, 5000, 0600) == -EINVAL);
	cd_assert(cd_ring_create(tmpfile_path, RING, 0600) == 0);
	cd_assert(cd_ring_create(tmpfile_path, RING, 0600) == 0);
	cd_assert(cd_ring_claim(tmpdir, (unsigned int)before.len, &ring) == 0);
	cd_assert(cd_ring_slot(ring) == 0);
	cd_assert(cd_ring_claim("/nonexistent", 0, &other) == -ENOENT);
	return ring;
}

/* Records of the lengths that the input says come out as they went in, and
 * those that found no room are counted. */
static void round_trip(struct cd_str s)
{
	struct pending p = {.n = 0};
	struct cd_ring *ring = claim(cd_str_make(s.ptr, CD_MIN(s.len, 64)));
	struct cd_ring_reader *r = NULL;
	struct cd_ring_stats stats;
	uint64_t drops = 0;

	cd_assert(cd_ring_reader_new(tmpfile_path, &r) == 0);
	for (unsigned int i = 0; i < PUTS_MAX && s.len > 0; i++) {
		unsigned int op = (unsigned char)s.ptr[0];
		size_t len = CD_MIN(op * 4u, s.len - 1);
		struct cd_str record = cd_str_make(s.ptr + 1, len);

		s = cd_str_make(record.ptr + len, s.len - 1 - len);
		if (cd_ring_put(ring, record.ptr, len))
			p.records[p.n++] = record;
		else
			drops++;
		if (op & 1)
			take_all(r, &p);
	}
	take_all(r, &p);
	cd_assert(cd_ring_put_drops(ring) == drops);
	cd_assert(cd_ring_reader_stats(r, &stats) == 0);
	cd_assert(!stats.corrupt && !stats.waiting && stats.drops == drops);
	cd_ring_reader_free(&r);
	cd_ring_close(&ring);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cd_str s;

	if (size < 1)
		return 0;
	s = cd_str_make(data + 1, size - 1);
	switch (data[0] % 3) {
	case 0:
		raw(s);
		break;
	case 1:
		counters(s);
		break;
	default:
		round_trip(s);
	}
	return 0;
}
