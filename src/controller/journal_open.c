/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening: which segments are there, where the last one really ends, and
 * which number each node has reached.
 *
 * What can be wrong with the last segment: a torn tail (the process or the
 * machine died while it was written; nothing of it was acknowledged, so it is
 * cut), or damage before intact frames (a disk's fault; cutting there would
 * lose what was acknowledged, so it stays and readers step over it).
 */
#include "controller/journal_impl.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int by_base(const void *a, const void *b)
{
	const struct cd_segment *x = a, *y = b;

	return x->base < y->base ? -1 : x->base > y->base;
}

static int stat_segment(struct cd_journal *j, struct cd_segment *s)
{
	char path[4096];
	struct stat st;

	cd_segment_path(j->dir, s->base, path, sizeof(path));
	if (stat(path, &st))
		return -errno;
	s->end = s->base + (uint64_t)st.st_size;
	s->touched =
		(int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	return 0;
}

static int list_segments(struct cd_journal *j)
{
	DIR *dir = opendir(j->dir);
	struct cd_segment s;
	struct dirent *e;
	int r = 0;

	if (!dir)
		return -errno;
	while (!r && (e = readdir(dir))) {
		if (!cd_segment_base(e->d_name, &s.base))
			continue;
		r = stat_segment(j, &s);
		if (!r)
			r = cd_journal_add_segment(j, s);
	}
	closedir(dir);
	if (r || j->n_segments == 0)
		return r;
	qsort(j->segments, j->n_segments, sizeof(*j->segments), by_base);
	/* what a failed sync could not cut off does not count */
	for (size_t i = 0; i + 1 < j->n_segments; i++)
		j->segments[i].end =
			CD_MIN(j->segments[i].end, j->segments[i + 1].base);
	return 0;
}

static int open_segment(struct cd_journal *j, const struct cd_segment *s,
			int *ret_fd)
{
	char path[4096];
	int fd, r;

	cd_segment_path(j->dir, s->base, path, sizeof(path));
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	r = cd_segment_header_check(fd, s->base);
	if (r) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int cd_journal_note_batch(struct cd_journal *j, const struct cd_batch *batch)
{
	bool made;
	int i = cd_nodes_get(&j->nodes, batch->node, &made);

	if (i < 0)
		return i;
	j->nodes.list[i].epoch = batch->epoch;
	j->nodes.list[i].next = batch->first + batch->count;
	return 0;
}

static int note_payload(struct cd_journal *j, struct cd_str payload)
{
	struct cd_batch batch;

	if (cd_nodes_is(payload))
		return cd_nodes_decode(&j->nodes, payload);
	if (cd_batch_decode_header(payload, &batch))
		return 0; /* of a newer program: kept, not understood */
	return cd_journal_note_batch(j, &batch);
}

/* Reads a whole segment. *ret_end is behind its last intact frame; *ret_head
 * tells whether it begins with a table of nodes. */
static int learn(struct cd_journal *j, int fd, const struct cd_segment *s,
		 uint64_t *ret_end, bool *ret_head)
{
	struct cd_segment_reader rd;
	struct cd_str payload;
	bool first = true;
	int r = cd_segment_reader_init(&rd, fd, s->base, 0, s->end);

	if (r)
		return r;
	*ret_end = s->base + CD_SEGMENT_HEADER_SIZE;
	*ret_head = false;
	while ((r = cd_segment_next(&rd, &payload)) != 0) {
		if (r == CD_E_CORRUPT) {
			if (!cd_segment_resync(&rd)) {
				r = 0;
				break;
			}
			j->stats.lost_bytes += rd.at - *ret_end;
			first = false;
			continue;
		}
		if (r < 0)
			break;
		if (first)
			*ret_head = cd_nodes_is(payload);
		first = false;
		r = note_payload(j, payload);
		if (r)
			break;
		*ret_end = rd.at;
	}
	cd_segment_reader_done(&rd);
	return r;
}

/* The numbers of the nodes, from the newest segment that begins with a table
 * of them, and everything after it. */
static int learn_nodes(struct cd_journal *j)
{
	size_t from = j->n_segments;
	uint64_t end;
	bool head = false;
	int fd, r = 0;

	while (from-- > 0 && !head) {
		uint64_t lost = j->stats.lost_bytes;

		if (open_segment(j, &j->segments[from], &fd))
			continue;
		r = learn(j, fd, &j->segments[from], &end, &head);
		close(fd);
		j->stats.lost_bytes = lost;
		if (r)
			return r;
	}
	cd_nodes_done(&j->nodes);
	for (size_t i = from + 1; i < j->n_segments; i++) {
		if (open_segment(j, &j->segments[i], &fd))
			continue;
		r = learn(j, fd, &j->segments[i], &end, &head);
		close(fd);
		if (r)
			return r;
		if (i + 1 == j->n_segments)
			j->segments[i].end = end;
	}
	return 0;
}

/* Takes up the last segment where it ends. */
static int resume(struct cd_journal *j)
{
	struct cd_segment *s = &j->segments[j->n_segments - 1];
	uint64_t size = s->end - s->base;
	int r = open_segment(j, s, &j->fd);

	if (r)
		return r;
	if (ftruncate(j->fd, (off_t)size) || fsync(j->fd))
		return -errno;
	j->written = j->durable = s->end;
	return 0;
}

int cd_journal_recover(struct cd_journal *j)
{
	struct cd_segment *last;
	int fd, r = list_segments(j);

	if (r)
		return r;
	if (j->n_segments == 0)
		return cd_journal_rotate(j);
	last = &j->segments[j->n_segments - 1];
	r = open_segment(j, last, &fd);
	if (r == CD_E_VERSION)
		return r;
	if (r == CD_E_CORRUPT &&
	    last->end - last->base <= CD_SEGMENT_HEADER_SIZE) {
		/* died while it was made: nothing was in it */
		j->n_segments--;
		j->written = j->durable = last->base;
		r = learn_nodes(j);
		return r ? r : cd_journal_rotate(j);
	}
	if (r == 0)
		close(fd);
	else if (r != CD_E_CORRUPT)
		return r;
	if (r == CD_E_CORRUPT) {
		/* a damaged header: the file stays, and a new one follows */
		j->stats.lost_bytes += last->end - last->base;
		j->written = j->durable = last->end;
		r = learn_nodes(j);
		return r ? r : cd_journal_rotate(j);
	}
	r = learn_nodes(j);
	return r ? r : resume(j);
}
