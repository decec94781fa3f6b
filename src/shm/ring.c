// SPDX-License-Identifier: Apache-2.0
/*
 * The event ring: producer by mapping, consumer by pread(). head and tail
 * count bytes and never wrap in practice (2^64), so full and empty need no
 * spare byte.
 */
#include "shm/ring.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORD_HEAD 8u

struct cd_ring {
	struct cd_ring_header *h;
	unsigned char *bytes;
	uint32_t size; /* checked once: the file's copy is the producer's own */
	unsigned int slot;
	int fd;
};

static bool size_is_valid(uint32_t size)
{
	return size >= CD_RING_SIZE_MIN && size <= CD_RING_SIZE_MAX &&
	       !(size & (size - 1));
}

/* How many bytes a record takes in the ring. */
static uint32_t record_room(size_t len)
{
	return RECORD_HEAD + (((uint32_t)len + 7u) & ~7u);
}

/* ---- making ---- */

static int header_check(int fd, uint32_t *ret_size)
{
	struct cd_ring_header h;
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (pread(fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h))
		return CD_E_CORRUPT;
	if (h.magic != CD_RING_MAGIC || h.version != CD_RING_VERSION ||
	    !size_is_valid(h.size) ||
	    st.st_size != (off_t)h.size + CD_RING_HEADER_SIZE)
		return CD_E_CORRUPT;
	*ret_size = h.size;
	return 0;
}

static int make_ring(const char *path, uint32_t size, unsigned int mode)
{
	const struct cd_ring_header first = {.magic = CD_RING_MAGIC,
					     .version = CD_RING_VERSION,
					     .size = size};
	char tmp[4096];
	int fd, err = 0;

	if (snprintf(tmp, sizeof(tmp), "%s.new", path) >= (int)sizeof(tmp))
		return -ENAMETOOLONG;
	fd = open(tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, (mode_t)mode) ||
	    ftruncate(fd, (off_t)size + CD_RING_HEADER_SIZE))
		err = -errno;
	else if (pwrite(fd, &first, sizeof(first), 0) != (ssize_t)sizeof(first))
		err = -EIO;
	close(fd);
	if (!err && rename(tmp, path))
		err = -errno;
	if (err)
		unlink(tmp);
	return err;
}

int cd_ring_create(const char *path, uint32_t size, unsigned int mode)
{
	uint32_t have = 0;
	int fd, err;

	if (!size)
		size = CD_RING_SIZE_DEFAULT;
	if (!size_is_valid(size))
		return -EINVAL;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		err = header_check(fd, &have);
		close(fd);
		if (!err && have == size)
			return 0;
	}
	return make_ring(path, size, mode);
}

/* ---- producer ---- */

/* A POSIX lock: held by the process, gone with it. */
static int claim_fd(int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (!fcntl(fd, F_SETLK, &lock))
		return 0;
	return errno == EACCES || errno == EAGAIN ? -EBUSY : -errno;
}

static int map_ring(struct cd_ring *ring)
{
	void *p;
	int err = header_check(ring->fd, &ring->size);

	if (!err)
		err = claim_fd(ring->fd);
	/* all of it now: a page that a full disk has no room for later would
	 * kill this process in the middle of a request */
	if (!err)
		err = -posix_fallocate(ring->fd, 0,
				       (off_t)ring->size + CD_RING_HEADER_SIZE);
	if (err)
		return err;
	p = mmap(NULL, CD_RING_HEADER_SIZE + (size_t)ring->size,
		 PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	ring->h = p;
	ring->bytes = (unsigned char *)p + CD_RING_HEADER_SIZE;
	atomic_store_explicit(&ring->h->producer_pid, (uint32_t)getpid(),
			      memory_order_relaxed);
	return 0;
}

int cd_ring_open(const char *path, struct cd_ring **ret_ring)
{
	struct cd_ring *ring = cd_calloc(1, sizeof(*ring));
	int err;

	if (!ring)
		return -ENOMEM;
	ring->fd = open(path, O_RDWR | O_CLOEXEC);
	err = ring->fd < 0 ? -errno : map_ring(ring);
	if (err) {
		cd_ring_close(&ring);
		return err;
	}
	*ret_ring = ring;
	return 0;
}

int cd_ring_claim(const char *dir, unsigned int preferred,
		  struct cd_ring **ret_ring)
{
	char path[4096];
	int err, result = -ENOENT;

	for (unsigned int i = 0; i < CD_RING_SLOTS; i++) {
		unsigned int slot = (preferred + i) % CD_RING_SLOTS;

		if (snprintf(path, sizeof(path), "%s/%u", dir, slot) >=
		    (int)sizeof(path))
			return -ENAMETOOLONG;
		err = cd_ring_open(path, ret_ring);
		if (!err) {
			(*ret_ring)->slot = slot;
			return 0;
		}
		if (err != -ENOENT)
			result = err;
	}
	return result;
}

void cd_ring_close(struct cd_ring **ring)
{
	if (!*ring)
		return;
	if ((*ring)->h)
		munmap((*ring)->h, CD_RING_HEADER_SIZE + (size_t)(*ring)->size);
	if ((*ring)->fd >= 0)
		close((*ring)->fd);
	cd_freep(ring);
}

unsigned int cd_ring_slot(const struct cd_ring *ring)
{
	return ring->slot;
}

uint64_t cd_ring_put_drops(const struct cd_ring *ring)
{
	return atomic_load_explicit(&ring->h->drops, memory_order_relaxed);
}

static void copy_in(struct cd_ring *ring, uint64_t at, const void *p,
		    size_t len)
{
	size_t off = (size_t)(at & (ring->size - 1));
	size_t first = CD_MIN(len, ring->size - off);

	memcpy(ring->bytes + off, p, first);
	if (len > first)
		memcpy(ring->bytes, (const char *)p + first, len - first);
}

bool cd_ring_put(struct cd_ring *ring, const void *record, size_t len)
{
	struct cd_ring_header *h = ring->h;
	uint64_t head = atomic_load_explicit(&h->head, memory_order_relaxed);
	uint64_t tail = atomic_load_explicit(&h->tail, memory_order_acquire);
	uint32_t prefix[2] = {(uint32_t)len, ~(uint32_t)len};

	if (len > CD_RING_RECORD_MAX || head - tail > ring->size ||
	    ring->size - (head - tail) < record_room(len)) {
		atomic_fetch_add_explicit(&h->drops, 1, memory_order_relaxed);
		return false;
	}
	copy_in(ring, head, prefix, sizeof(prefix));
	copy_in(ring, head + RECORD_HEAD, record, len);
	atomic_fetch_add_explicit(&h->records, 1, memory_order_relaxed);
	atomic_store_explicit(&h->head, head + record_room(len),
			      memory_order_release);
	return true;
}

/* ---- consumer ---- */

#define CHUNK (256u << 10)

struct cd_ring_reader {
	int fd;
	uint32_t size;
	uint64_t pos; /* next byte to look at */
	uint64_t head; /* as last read from the file */
	uint64_t corrupt;
	uint64_t chunk_at; /* what of the ring is in chunk */
	size_t chunk_len;
	unsigned char chunk[CHUNK];
	unsigned char record[CD_RING_RECORD_MAX];
};

static int read_word(int fd, size_t at, uint64_t *ret)
{
	ssize_t n = pread(fd, ret, sizeof(*ret), (off_t)at);

	if (n < 0)
		return -errno;
	return n == (ssize_t)sizeof(*ret) ? 0 : CD_E_CORRUPT;
}

int cd_ring_reader_new(const char *path, struct cd_ring_reader **ret_reader)
{
	struct cd_ring_reader *r = cd_calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->fd = open(path, O_RDWR | O_CLOEXEC);
	err = r->fd < 0 ? -errno : header_check(r->fd, &r->size);
	if (!err)
		err = read_word(r->fd, offsetof(struct cd_ring_header, tail),
				&r->pos);
	if (err) {
		cd_ring_reader_free(&r);
		return err;
	}
	r->head = r->pos;
	*ret_reader = r;
	return 0;
}

void cd_ring_reader_free(struct cd_ring_reader **reader)
{
	if (!*reader)
		return;
	if ((*reader)->fd >= 0)
		close((*reader)->fd);
	cd_freep(reader);
}

/* Reads from the ring as far as head, the end of the ring or the chunk. */
static int fill(struct cd_ring_reader *r, uint64_t at)
{
	uint64_t off = at & (r->size - 1);
	uint64_t len = CD_MIN(r->head - at, (uint64_t)r->size - off);
	ssize_t n;

	len = CD_MIN(len, (uint64_t)CHUNK);
	n = pread(r->fd, r->chunk, (size_t)len,
		  (off_t)(CD_RING_HEADER_SIZE + off));
	if (n < 0)
		return -errno;
	if ((uint64_t)n != len)
		return CD_E_CORRUPT;
	r->chunk_at = at;
	r->chunk_len = (size_t)n;
	return 0;
}

/* Copies len bytes at `at`, which lie before head. */
static int copy_out(struct cd_ring_reader *r, uint64_t at, void *out,
		    size_t len)
{
	unsigned char *p = out;

	while (len) {
		size_t skip, n;

		if (at < r->chunk_at || at >= r->chunk_at + r->chunk_len) {
			int err = fill(r, at);

			if (err)
				return err;
		}
		skip = (size_t)(at - r->chunk_at);
		n = CD_MIN(len, r->chunk_len - skip);
		memcpy(p, r->chunk + skip, n);
		p += n;
		at += n;
		len -= n;
	}
	return 0;
}

/* Everything up to head is given up. */
static int skip_all(struct cd_ring_reader *r)
{
	r->corrupt++;
	r->pos = r->head;
	r->chunk_len = 0;
	(void)cd_ring_commit(r);
	return CD_E_CORRUPT;
}

/* Looks for new records once those known are read. */
static int look(struct cd_ring_reader *r)
{
	int err = read_word(r->fd, offsetof(struct cd_ring_header, head),
			    &r->head);

	if (err) {
		r->head = r->pos;
		return err;
	}
	atomic_thread_fence(memory_order_acquire);
	r->chunk_len = 0;
	return r->head - r->pos > r->size ? skip_all(r) : 0;
}

static int take(struct cd_ring_reader *r, struct cd_str *ret_record)
{
	uint64_t left = r->head - r->pos;
	uint32_t prefix[2];
	int err;

	if (left < RECORD_HEAD)
		return skip_all(r);
	err = copy_out(r, r->pos, prefix, sizeof(prefix));
	if (err == CD_E_CORRUPT)
		return skip_all(r);
	if (err)
		return err;
	if (prefix[0] != ~prefix[1] || prefix[0] > CD_RING_RECORD_MAX ||
	    record_room(prefix[0]) > left)
		return skip_all(r);
	err = copy_out(r, r->pos + RECORD_HEAD, r->record, prefix[0]);
	if (err == CD_E_CORRUPT)
		return skip_all(r);
	if (err)
		return err;
	r->pos += record_room(prefix[0]);
	*ret_record = cd_str_make(r->record, prefix[0]);
	return 1;
}

int cd_ring_next(struct cd_ring_reader *r, struct cd_str *ret_record)
{
	if (r->pos == r->head) {
		int err = look(r);

		if (err || r->pos == r->head)
			return err;
	}
	return take(r, ret_record);
}

int cd_ring_commit(struct cd_ring_reader *r)
{
	ssize_t n;

	atomic_thread_fence(memory_order_seq_cst);
	n = pwrite(r->fd, &r->pos, sizeof(r->pos),
		   (off_t)offsetof(struct cd_ring_header, tail));
	if (n < 0)
		return -errno;
	return n == (ssize_t)sizeof(r->pos) ? 0 : -EIO;
}

int cd_ring_reader_stats(struct cd_ring_reader *r,
			 struct cd_ring_stats *ret_stats)
{
	struct cd_ring_stats s = {.corrupt = r->corrupt};
	uint64_t head;
	int err;

	err = read_word(r->fd, offsetof(struct cd_ring_header, drops),
			&s.drops);
	if (!err)
		err = read_word(r->fd, offsetof(struct cd_ring_header, head),
				&head);
	if (err)
		return err;
	s.waiting = head - r->pos;
	*ret_stats = s;
	return 0;
}
