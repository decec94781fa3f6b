/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One file: a header with the offset of the oldest batch, then frames. What
 * was acknowledged is punched out of the file; when nothing is left it is cut
 * to its header. The header is on the disk before the bytes that it leaves
 * behind are given back: after a power cut some batches may be sent twice,
 * which the receiver knows by their numbers, and none is looked for in a hole.
 */
#include "agent/spool.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "event/frame.h"
#include "sys/file.h"

#define MAGIC "CDSPOOL1"
#define HEADER 64u
#define LIMIT (UINT64_C(256) << 20)

struct cd_spool {
	int fd;
	uint64_t limit;
	uint64_t head, end; /* offsets of the oldest frame, behind the last */
	uint64_t first_size; /* of the frame that _first() gave; 0: none */
	struct cd_spool_stats stats;
	char *buffer; /* CD_FRAME_MAX */
};

static int write_at(struct cd_spool *s, const void *p, size_t len, uint64_t at)
{
	ssize_t n;

	do
		n = pwrite(s->fd, p, len, (off_t)at);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -ENOSPC;
}

static int write_header(struct cd_spool *s)
{
	unsigned char h[HEADER] = MAGIC;

	for (unsigned int i = 0; i < 8; i++)
		h[8 + i] = (unsigned char)(s->head >> (8 * i));
	return write_at(s, h, sizeof(h), 0);
}

/* A frame into the buffer: 1 and its payload, 0 at the end, CD_E_CORRUPT. */
static int read_frame(struct cd_spool *s, uint64_t at, uint64_t end,
		      struct cd_str *ret)
{
	size_t want = (size_t)CD_MIN(end - at, (uint64_t)CD_FRAME_MAX);
	ssize_t n;
	int r;

	if (at >= end)
		return 0;
	do
		n = pread(s->fd, s->buffer, want, (off_t)at);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	r = cd_frame_decode(at, cd_str_make(s->buffer, (size_t)n), ret);
	return r == 0 ? 1 : CD_E_CORRUPT;
}

/* The header, and no way back from it. */
static int sync_header(struct cd_spool *s)
{
	int r = write_header(s);

	return !r && fdatasync(s->fd) ? -errno : r;
}

/* Where the header says that the oldest frame is. An offset that cannot be is
 * mended on the disk as well: behind what is added next it could be one. */
static int find_head(struct cd_spool *s, uint64_t at, uint64_t size)
{
	s->head = s->end = HEADER;
	if (at < HEADER || at > size)
		return sync_header(s);
	s->head = s->end = at;
	return 0;
}

/* Counts what is there and cuts what is not whole. */
static int recover(struct cd_spool *s, uint64_t size)
{
	unsigned char h[HEADER];
	struct cd_reader r = cd_reader_make(h, sizeof(h));
	struct cd_str payload;
	int e;

	s->head = s->end = HEADER;
	if (size < HEADER || pread(s->fd, h, HEADER, 0) != HEADER ||
	    memcmp(h, MAGIC, 8)) {
		s->stats.damaged = size;
		return ftruncate(s->fd, 0) ? -errno : write_header(s);
	}
	(void)cd_read_bytes(&r, 8);
	e = find_head(s, cd_read_u64(&r), size);
	if (e)
		return e;
	while ((e = read_frame(s, s->end, size, &payload)) == 1) {
		s->end += CD_FRAME_HEADER_SIZE + payload.len;
		s->stats.batches++;
	}
	if (e < 0 && e != CD_E_CORRUPT)
		return e;
	s->stats.damaged = size - s->end;
	return ftruncate(s->fd, (off_t)s->end) ? -errno : 0;
}

int cd_spool_open(const char *dir, uint64_t limit, struct cd_spool **ret_spool)
{
	struct cd_spool *s cd_auto(cd_spool_free) = cd_calloc(1, sizeof(*s));
	char path[4096];
	struct stat st;
	int r;

	if (!s)
		return -ENOMEM;
	s->fd = -1;
	s->limit = limit ? limit : LIMIT;
	s->buffer = malloc(CD_FRAME_MAX);
	if (!s->buffer)
		return -ENOMEM;
	if (!cd_path_join(path, sizeof(path), dir, "events.spool"))
		return -ENAMETOOLONG;
	s->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->fd < 0 || fstat(s->fd, &st))
		return -errno;
	r = recover(s, (uint64_t)st.st_size);
	if (r)
		return r;
	*ret_spool = CD_TAKE(s);
	return 0;
}

void cd_spool_free(struct cd_spool **spool)
{
	struct cd_spool *s = *spool;

	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	free(s->buffer);
	free(s);
	*spool = NULL;
}

static void count_dropped(struct cd_spool *s, struct cd_str bytes)
{
	struct cd_batch batch;

	if (cd_batch_decode_header(bytes, &batch) == 0)
		s->stats.dropped += batch.count;
}

int cd_spool_add(struct cd_spool *s, struct cd_str batch)
{
	unsigned char header[CD_FRAME_HEADER_SIZE];
	int r = 0;

	if (batch.len == 0 || batch.len > CD_FRAME_PAYLOAD_MAX ||
	    s->end - s->head + batch.len + sizeof(header) > s->limit)
		r = CD_E_LIMIT;
	if (!r) {
		cd_frame_header(s->end, batch, header);
		r = write_at(s, header, sizeof(header), s->end);
	}
	if (!r)
		r = write_at(s, batch.ptr, batch.len, s->end + sizeof(header));
	if (!r && fdatasync(s->fd))
		r = -errno;
	if (r) {
		if (r != CD_E_LIMIT)
			(void)!ftruncate(s->fd, (off_t)s->end);
		count_dropped(s, batch);
		return r;
	}
	s->end += sizeof(header) + batch.len;
	s->stats.batches++;
	return 0;
}

int cd_spool_first(struct cd_spool *s, struct cd_str *ret_batch)
{
	int r = read_frame(s, s->head, s->end, ret_batch);

	s->first_size = r == 1 ? CD_FRAME_HEADER_SIZE + ret_batch->len : 0;
	if (r != CD_E_CORRUPT)
		return r;
	/* the disk changed under us: nothing behind this place can be found */
	s->stats.damaged += s->end - s->head;
	s->first_size = s->end - s->head;
	(void)cd_spool_drop_first(s);
	s->stats.batches = 0;
	return 0;
}

int cd_spool_drop_first(struct cd_spool *s)
{
	uint64_t old = s->head;
	bool empty;
	int r;

	if (s->first_size == 0)
		return CD_E_NOTFOUND;
	s->head += s->first_size;
	s->first_size = 0;
	if (s->stats.batches)
		s->stats.batches--;
	empty = s->head >= s->end;
	if (empty)
		s->head = s->end = HEADER;
	r = sync_header(s);
	if (r)
		return r;
	if (empty)
		return ftruncate(s->fd, HEADER) ? -errno : 0;
	/* not every file system can; the limit holds anyway */
	(void)!fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 (off_t)old, (off_t)(s->head - old));
	return 0;
}

void cd_spool_stats(const struct cd_spool *spool,
		    struct cd_spool_stats *ret_stats)
{
	*ret_stats = spool->stats;
	ret_stats->bytes = spool->end - spool->head;
}
