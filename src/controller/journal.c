/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appending to the journal, its segments and its limits.
 */
#include "controller/journal_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "sys/file.h"

#define SEGMENT_SIZE (UINT64_C(64) << 20)
#define SEGMENT_SIZE_MIN (64 * 1024)
#define MAX_SIZE (UINT64_C(4) << 30)
#define MAX_AGE (INT64_C(400) * 86400)

int64_t cd_journal_now(const struct cd_journal *j)
{
	struct timespec ts;

	if (j->config.now)
		return j->config.now();
	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int cd_journal_add_segment(struct cd_journal *j, struct cd_segment segment)
{
	if (j->n_segments == j->cap_segments) {
		size_t cap = j->cap_segments ? j->cap_segments * 2 : 16;
		struct cd_segment *list = cd_calloc(cap, sizeof(*list));

		if (!list)
			return -ENOMEM;
		if (j->n_segments)
			memcpy(list, j->segments,
			       j->n_segments * sizeof(*list));
		free(j->segments);
		j->segments = list;
		j->cap_segments = cap;
	}
	j->segments[j->n_segments++] = segment;
	return 0;
}

static int pwrite_all(int fd, const void *data, size_t len, uint64_t at)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = pwrite(fd, p, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* Writes one frame behind the last. A part of one is cut off again. */
static int write_frame(struct cd_journal *j, struct cd_str payload)
{
	struct cd_segment *s = &j->segments[j->n_segments - 1];
	unsigned char header[CD_FRAME_HEADER_SIZE];
	uint64_t at = j->written - s->base;
	int r;

	cd_frame_header(j->written, payload, header);
	r = pwrite_all(j->fd, header, sizeof(header), at);
	if (!r)
		r = pwrite_all(j->fd, payload.ptr, payload.len,
			       at + sizeof(header));
	if (r) {
		(void)!ftruncate(j->fd, (off_t)at);
		return r;
	}
	j->written += sizeof(header) + payload.len;
	s->end = j->written;
	s->touched = cd_journal_now(j);
	return 0;
}

static int write_nodes(struct cd_journal *j)
{
	struct cd_buf b cd_auto(cd_buf_done);

	cd_buf_init(&b, CD_FRAME_PAYLOAD_MAX);
	cd_nodes_encode(&j->nodes, &b);
	return b.err ? b.err : write_frame(j, cd_buf_get(&b));
}

/* Takes the last segment away again: it could not be begun. */
static void unmake_segment(struct cd_journal *j)
{
	char path[4096];

	cd_segment_path(j->dir, j->segments[--j->n_segments].base, path,
			sizeof(path));
	close(j->fd);
	j->fd = -1;
	unlink(path);
}

int cd_journal_rotate(struct cd_journal *j)
{
	uint64_t base;
	int fd, r;

	if (j->fd >= 0) {
		r = cd_journal_sync_now(j);
		if (r)
			return r;
		close(j->fd);
		j->fd = -1;
	}
	base = j->written;
	r = cd_segment_create(j->dir, base, cd_journal_now(j), &fd);
	if (r)
		return r;
	j->fd = fd;
	r = cd_journal_add_segment(
		j, (struct cd_segment){base, base + CD_SEGMENT_HEADER_SIZE,
				       cd_journal_now(j)});
	if (r) {
		close(fd);
		j->fd = -1;
		return r;
	}
	j->written = base + CD_SEGMENT_HEADER_SIZE;
	r = write_nodes(j);
	if (!r && fdatasync(j->fd))
		r = -errno;
	if (r) {
		unmake_segment(j);
		j->written = base;
		return r;
	}
	j->durable = j->sync.synced = j->sync.want = j->written;
	return 0;
}

static int make_room(struct cd_journal *j, size_t len)
{
	const struct cd_segment *s = &j->segments[j->n_segments - 1];

	if (j->fd < 0)
		return cd_journal_rotate(j);
	if (j->written - s->base + len + CD_FRAME_HEADER_SIZE <=
	    j->config.segment_size)
		return 0;
	if (j->written - s->base <= CD_SEGMENT_HEADER_SIZE)
		return 0; /* empty: a larger one would not help */
	return cd_journal_rotate(j);
}

/* A payload with somebody to tell; w is taken when it succeeds. */
static int append(struct cd_journal *j, struct cd_str payload,
		  struct cd_journal_waiter *w)
{
	int r = make_room(j, payload.len);

	if (!r)
		r = write_frame(j, payload);
	j->stats.error = r;
	if (r)
		return r;
	w->end = j->written;
	*j->last = w;
	j->last = &w->next;
	return 0;
}

static struct cd_journal_waiter *waiter_new(cd_journal_done done, void *ctx)
{
	struct cd_journal_waiter *w = cd_calloc(1, sizeof(*w));

	if (w) {
		w->done = done;
		w->ctx = ctx;
		w->node = -1;
	}
	return w;
}

/* ---- own events ---------------------------------------------------------*/

static int append_own(struct cd_journal *j, struct cd_str record,
		      cd_journal_done done, void *ctx)
{
	struct cd_journal_waiter *w = waiter_new(done, ctx);
	struct cd_buf b cd_auto(cd_buf_done);
	struct cd_batch_writer writer;
	int r;

	cd_buf_init(&b, CD_BATCH_MAX);
	if (!w)
		return -ENOMEM;
	cd_batch_begin(&writer, &b, cd_str_from(j->node), j->epoch, j->next);
	r = cd_batch_add(&writer, record);
	if (!r)
		r = cd_batch_end(&writer, 0);
	w->accepted = 1;
	if (!r)
		r = append(j, cd_buf_get(&b), w);
	if (r) {
		free(w);
		return r;
	}
	j->next++;
	j->stats.records++;
	cd_journal_sync_kick(j);
	return 0;
}

static void begin_own(struct cd_journal *j, struct cd_event_encoder *e,
		      void *record, enum cd_event_class c)
{
	int64_t now = cd_journal_now(j);

	cd_event_begin(e, record, CD_EVENT_MAX, c,
		       cd_event_id_next(&j->ids, now), now);
	cd_event_puts(e, CD_EVENT_F_NODE, j->node);
}

struct cd_event_encoder *cd_journal_event_begin(struct cd_journal *j,
						enum cd_event_class c)
{
	begin_own(j, &j->encoder, j->record, c);
	return &j->encoder;
}

int cd_journal_event_end(struct cd_journal *j, cd_journal_done done, void *ctx)
{
	size_t len = cd_event_end(&j->encoder);

	return append_own(j, cd_str_make(j->record, len), done, ctx);
}

void cd_journal_tell_gap(struct cd_journal *j, struct cd_str node,
			 uint64_t first, uint64_t count, const char *detail)
{
	unsigned char record[CD_EVENT_MAX];
	struct cd_event_encoder e;

	begin_own(j, &e, record, CD_EVENT_JOURNAL_GAP);
	cd_event_put_str(&e, CD_EVENT_F_TARGET, node);
	cd_event_put_num(&e, CD_EVENT_F_FIRST, first);
	cd_event_put_num(&e, CD_EVENT_F_COUNT, count);
	cd_event_puts(&e, CD_EVENT_F_DETAIL, detail);
	(void)append_own(j, cd_str_make(record, cd_event_end(&e)), NULL, NULL);
}

/* ---- batches of agents --------------------------------------------------*/

/* What is left of a batch whose first `skip` records are known. */
static int without_first(const struct cd_batch *batch, uint64_t skip,
			 struct cd_buf *out)
{
	struct cd_batch_writer w;
	struct cd_str rest = batch->records;
	struct cd_event event;
	int r = 0;

	cd_batch_begin(&w, out, batch->node, batch->epoch, batch->first + skip);
	while (!r && rest.len > 0) {
		r = cd_event_decode(rest, &event, &rest);
		if (!r && skip)
			skip--;
		else if (!r)
			r = cd_batch_add(&w, event.record);
	}
	return r ? r : cd_batch_end(&w, batch->drops);
}

/* Writes the batch, or the part of it that is new. */
static int append_new(struct cd_journal *j, const struct cd_batch *batch,
		      uint64_t known, struct cd_journal_waiter *w)
{
	struct cd_buf part cd_auto(cd_buf_done);
	int r;

	cd_buf_init(&part, CD_BATCH_MAX);
	w->accepted = (uint32_t)(batch->count - known);
	if (w->accepted == 0 && batch->count > 0) {
		/* all of it is here: told when that is durable */
		w->end = j->written;
		*j->last = w;
		j->last = &w->next;
		return 0;
	}
	if (known == 0)
		return append(j, batch->bytes, w);
	r = without_first(batch, known, &part);
	return r ? r : append(j, cd_buf_get(&part), w);
}

static void note_drops(struct cd_journal *j, struct cd_node *node,
		       const struct cd_batch *batch)
{
	if (node->epoch != batch->epoch)
		node->drops = 0;
	if (batch->drops > node->drops)
		j->stats.drops += batch->drops - node->drops;
	node->drops = batch->drops;
}

static int append_batch(struct cd_journal *j, const struct cd_batch *batch,
			struct cd_journal_waiter *w)
{
	uint64_t expect, known = 0, missing = 0;
	struct cd_node *node;
	bool made;
	int r, i = cd_nodes_get(&j->nodes, batch->node, &made);

	if (i < 0)
		return i;
	node = &j->nodes.list[i];
	expect = node->epoch == batch->epoch ? node->next : 0;
	if (made)
		expect = batch->first; /* never heard of: nothing is missing */
	if (batch->first > expect)
		missing = batch->first - expect;
	else
		known = CD_MIN(expect - batch->first, (uint64_t)batch->count);
	w->node = i;
	w->old_epoch = made ? batch->epoch : node->epoch;
	w->old_next = made ? batch->first : node->next;
	r = append_new(j, batch, known, w);
	if (r) {
		node->epoch = w->old_epoch;
		node->next = w->old_next;
		return r;
	}
	note_drops(j, node, batch);
	node->epoch = batch->epoch;
	node->next = CD_MAX(expect, batch->first + batch->count);
	j->stats.records += batch->count - known;
	if (missing) {
		j->stats.gaps += missing;
		cd_journal_tell_gap(j, batch->node, expect, missing,
				    "numbers that never arrived");
	}
	return 0;
}

int cd_journal_append(struct cd_journal *j, struct cd_str node,
		      struct cd_str bytes, cd_journal_done done, void *ctx)
{
	struct cd_journal_waiter *w;
	struct cd_batch batch;
	int r = cd_batch_decode(bytes, &batch);

	if (r)
		return r;
	if (!cd_str_equal(batch.node, node) ||
	    cd_str_equal(batch.node, cd_str_from(j->node)))
		return CD_E_DENIED;
	w = waiter_new(done, ctx);
	if (!w)
		return -ENOMEM;
	r = append_batch(j, &batch, w);
	if (r) {
		free(w);
		return r;
	}
	cd_journal_sync_kick(j);
	return 0;
}

/* ---- limits -------------------------------------------------------------*/

static int drop_oldest(struct cd_journal *j, const char *why)
{
	struct cd_segment s = j->segments[0];
	unsigned char record[CD_EVENT_MAX];
	struct cd_event_encoder e;
	char path[4096];

	cd_segment_path(j->dir, s.base, path, sizeof(path));
	if (unlink(path) && errno != ENOENT)
		return -errno;
	j->n_segments--;
	memmove(j->segments, j->segments + 1,
		j->n_segments * sizeof(*j->segments));
	begin_own(j, &e, record, CD_EVENT_JOURNAL_TRIMMED);
	cd_event_put_num(&e, CD_EVENT_F_FIRST, s.base);
	cd_event_put_num(&e, CD_EVENT_F_COUNT, s.end - s.base);
	cd_event_puts(&e, CD_EVENT_F_DETAIL, why);
	/* on a full disk there is no room to tell; the next try has it */
	(void)append_own(j, cd_str_make(record, cd_event_end(&e)), NULL, NULL);
	return 0;
}

int cd_journal_trim(struct cd_journal *j)
{
	int64_t oldest = cd_journal_now(j) - j->config.max_age * 1000000000;
	int r = 0;

	while (!r && j->n_segments > 1) {
		uint64_t size = j->written - j->segments[0].base;

		if (size > j->config.max_size)
			r = drop_oldest(j, "size limit, bytes");
		else if (j->segments[0].touched < oldest)
			r = drop_oldest(j, "age limit, bytes");
		else
			break;
	}
	return r;
}

void cd_journal_stats(struct cd_journal *j, struct cd_journal_stats *ret_stats)
{
	*ret_stats = j->stats;
	ret_stats->begin = j->segments[0].base;
	ret_stats->end = j->written;
	ret_stats->durable = j->durable;
	ret_stats->bytes = j->written - j->segments[0].base;
	ret_stats->segments = j->n_segments;
}

/* ---- life ---------------------------------------------------------------*/

static void set_defaults(struct cd_journal_config *c)
{
	c->segment_size = c->segment_size ? c->segment_size : SEGMENT_SIZE;
	c->segment_size = CD_MAX(c->segment_size, (uint64_t)SEGMENT_SIZE_MIN);
	c->max_size = c->max_size ? c->max_size : MAX_SIZE;
	c->max_age = c->max_age ? c->max_age : MAX_AGE;
	c->node = c->node ? c->node : "cordond";
}

static int open_dir(struct cd_journal *j)
{
	char path[4096];
	int r = cd_dir_make(j->dir, 0700, (uid_t)-1, (gid_t)-1);

	if (r)
		return r;
	if (!cd_path_join(path, sizeof(path), j->dir, "lock"))
		return -ENAMETOOLONG;
	return cd_lock_take(path, &j->lock, NULL);
}

int cd_journal_open(struct event_base *base,
		    const struct cd_journal_config *config,
		    struct cd_journal **ret_journal)
{
	struct cd_journal *j cd_auto(cd_journal_free) =
		cd_calloc(1, sizeof(*j));
	int r;

	if (!j)
		return -ENOMEM;
	j->base = base;
	j->lock = j->fd = -1;
	j->last = &j->first;
	j->config = *config;
	set_defaults(&j->config);
	j->dir = cd_str_dup(cd_str_from(config->dir));
	j->node = cd_str_dup(cd_str_from(j->config.node));
	if (!j->dir || !j->node)
		return -ENOMEM;
	r = open_dir(j);
	if (!r)
		r = cd_journal_recover(j);
	if (!r)
		r = cd_journal_sync_start(j);
	if (r)
		return r;
	j->epoch = (uint64_t)cd_journal_now(j);
	if (j->stats.lost_bytes)
		cd_journal_tell_gap(j, cd_str_from(j->node), 0,
				    j->stats.lost_bytes,
				    "damaged bytes on disk");
	*ret_journal = CD_TAKE(j);
	return 0;
}

void cd_journal_free(struct cd_journal **journal)
{
	struct cd_journal *j = *journal;

	if (!j)
		return;
	cd_journal_sync_stop(j);
	if (j->fd >= 0)
		close(j->fd);
	cd_lock_drop(&j->lock);
	cd_nodes_done(&j->nodes);
	free(j->segments);
	free(j->dir);
	free(j->node);
	free(j);
	*journal = NULL;
}
