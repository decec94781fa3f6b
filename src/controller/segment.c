/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segment files. Read by pread into one buffer of our own: a mapping would
 * turn a disk error into SIGBUS.
 */
#include "controller/segment.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sys/file.h"

#define MAGIC "CDJRNL01"
#define BUFFER_SIZE (2 * (size_t)CD_FRAME_MAX)

void cd_segment_path(const char *dir, uint64_t base, char *out, size_t size)
{
	snprintf(out, size, "%s/%020" PRIu64 ".cj", dir, base);
}

bool cd_segment_base(const char *name, uint64_t *ret_base)
{
	struct cd_str s = cd_str_from(name);

	if (s.len != 23 || !cd_str_has_suffix(s, CD_STR(".cj")))
		return false;
	return cd_str_parse_u64(cd_str_make(name, 20), ret_base) == 0;
}

static void store_le(unsigned char *p, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)(v >> (8 * i));
}

int cd_segment_create(const char *dir, uint64_t base, int64_t now, int *ret_fd)
{
	unsigned char h[CD_SEGMENT_HEADER_SIZE] = MAGIC;
	char path[4096];
	int fd, r;

	store_le(h + 8, CD_SEGMENT_VERSION, 4);
	store_le(h + 12, sizeof(h), 4);
	store_le(h + 16, base, 8);
	store_le(h + 24, (uint64_t)now, 8);
	cd_segment_path(dir, base, path, sizeof(path));
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		  0600);
	if (fd < 0)
		return -errno;
	r = cd_fd_write_all(fd, h, sizeof(h));
	if (!r && fsync(fd))
		r = -errno;
	if (!r)
		r = cd_dir_sync(dir);
	if (r) {
		close(fd);
		unlink(path);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int cd_segment_header_check(int fd, uint64_t base)
{
	unsigned char h[CD_SEGMENT_HEADER_SIZE];
	ssize_t n = pread(fd, h, sizeof(h), 0);
	struct cd_reader r = cd_reader_make(h, sizeof(h));
	uint32_t version, size;

	if (n < 0)
		return -errno;
	if (n < (ssize_t)sizeof(h) || memcmp(h, MAGIC, 8))
		return CD_E_CORRUPT;
	(void)cd_read_bytes(&r, 8);
	version = cd_read_u32(&r);
	size = cd_read_u32(&r);
	if (version > CD_SEGMENT_VERSION)
		return CD_E_VERSION;
	return size == sizeof(h) && cd_read_u64(&r) == base ? 0 : CD_E_CORRUPT;
}

int cd_segment_reader_init(struct cd_segment_reader *r, int fd, uint64_t base,
			   uint64_t from, uint64_t end)
{
	*r = (struct cd_segment_reader){
		.fd = fd,
		.base = base,
		.at = CD_MAX(from, base + CD_SEGMENT_HEADER_SIZE),
		.end = end,
	};
	r->start = r->at;
	r->data = malloc(BUFFER_SIZE);
	return r->data ? 0 : -ENOMEM;
}

void cd_segment_reader_done(struct cd_segment_reader *r)
{
	free(r->data);
	r->data = NULL;
}

/* Bytes from r->at on that are in the buffer. */
static struct cd_str ahead(const struct cd_segment_reader *r)
{
	size_t skip = (size_t)(r->at - r->start);

	return cd_str_make(r->data + skip, r->len - skip);
}

/* Moves what is ahead to the front and reads on. 1: more; 0: at the end. */
static int fill(struct cd_segment_reader *r)
{
	struct cd_str keep = ahead(r);
	uint64_t next = r->start + r->len;
	size_t want;
	ssize_t n;

	memmove(r->data, keep.ptr, keep.len);
	r->start = r->at;
	r->len = keep.len;
	want = BUFFER_SIZE - r->len;
	if (next >= r->end)
		return 0;
	want = (size_t)CD_MIN((uint64_t)want, r->end - next);
	do
		n = pread(r->fd, r->data + r->len, want,
			  (off_t)(next - r->base));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	r->len += (size_t)n;
	return n > 0;
}

int cd_segment_next(struct cd_segment_reader *r, struct cd_str *ret_payload)
{
	struct cd_str payload;
	int e, more = 1;

	while ((e = cd_frame_decode(r->at, ahead(r), &payload)) == -EAGAIN) {
		more = fill(r);
		if (more <= 0)
			break;
	}
	if (more < 0)
		return more;
	if (e == -EAGAIN)
		return ahead(r).len ? CD_E_CORRUPT : 0;
	if (e)
		return e;
	r->at += CD_FRAME_HEADER_SIZE + payload.len;
	*ret_payload = payload;
	return 1;
}

/* Payloads of ours begin with "CD": most places are ruled out by that, before
 * a checksum over what the place claims as its length. */
static bool may_be_frame(struct cd_str s)
{
	return s.len >= CD_FRAME_HEADER_SIZE + 2 && s.ptr[8] == 'C' &&
	       s.ptr[9] == 'D';
}

bool cd_segment_resync(struct cd_segment_reader *r)
{
	for (r->at++; r->at < r->end; r->at++) {
		struct cd_str payload;
		int e;

		if (ahead(r).len < CD_FRAME_HEADER_SIZE + 2 && fill(r) < 0)
			return false;
		if (!may_be_frame(ahead(r)))
			continue;
		e = cd_frame_decode(r->at, ahead(r), &payload);
		if (e == -EAGAIN && fill(r) > 0)
			e = cd_frame_decode(r->at, ahead(r), &payload);
		if (e == 0)
			return true;
	}
	return false;
}
