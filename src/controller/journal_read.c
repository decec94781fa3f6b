/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the journal, and waiting for more of it.
 */
#include "controller/journal_impl.h"

#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct cd_journal_cursor {
	struct cd_journal *journal;
	struct cd_segment_reader reader;
	bool open;
	bool damaged; /* at bytes that are no frame */
	int fd;
	uint64_t at; /* behind the last batch, or where to begin */
};

int cd_journal_cursor_new(struct cd_journal *journal, uint64_t from,
			  struct cd_journal_cursor **ret_cursor)
{
	struct cd_journal_cursor *c = cd_calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->journal = journal;
	c->at = from;
	c->fd = -1;
	*ret_cursor = c;
	return 0;
}

static void leave(struct cd_journal_cursor *c)
{
	if (c->open)
		cd_segment_reader_done(&c->reader);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->open = false;
	c->damaged = false;
}

void cd_journal_cursor_free(struct cd_journal_cursor **cursor)
{
	if (!*cursor)
		return;
	leave(*cursor);
	free(*cursor);
	*cursor = NULL;
}

uint64_t cd_journal_cursor_offset(const struct cd_journal_cursor *cursor)
{
	return cursor->at;
}

/* The segment with bytes at or behind `at`, or NULL. */
static const struct cd_segment *segment_at(const struct cd_journal *j,
					   uint64_t at)
{
	for (size_t i = 0; i < j->n_segments; i++)
		if (j->segments[i].end > at)
			return &j->segments[i];
	return NULL;
}

/* Opens the segment where the cursor stands. 1, 0: nothing there, error. */
static int enter(struct cd_journal_cursor *c)
{
	const struct cd_segment *s = segment_at(c->journal, c->at);
	char path[4096];
	int r;

	if (!s || s->base >= c->journal->durable)
		return 0;
	cd_segment_path(c->journal->dir, s->base, path, sizeof(path));
	c->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (c->fd < 0)
		return -errno;
	r = cd_segment_reader_init(&c->reader, c->fd, s->base, c->at,
				   CD_MIN(s->end, c->journal->durable));
	c->open = r == 0;
	return r ? r : 1;
}

/* The reader's segment may have grown, or become durable, since. */
static void look_again(struct cd_journal_cursor *c)
{
	const struct cd_journal *j = c->journal;

	for (size_t i = 0; i < j->n_segments; i++)
		if (j->segments[i].base == c->reader.base)
			c->reader.end = CD_MIN(j->segments[i].end, j->durable);
}

/* Is there a segment behind this one, so that nothing more comes here? */
static bool is_finished(const struct cd_journal_cursor *c)
{
	const struct cd_journal *j = c->journal;

	return j->segments[j->n_segments - 1].base > c->reader.base;
}

/* A frame of the open segment: 1, 0, CD_E_CORRUPT or an error. */
static int next_frame(struct cd_journal_cursor *c, struct cd_str *ret)
{
	int r;

	look_again(c);
	if (c->damaged) {
		c->damaged = false;
		if (!cd_segment_resync(&c->reader)) {
			c->reader.at = c->reader.end;
			return 0;
		}
	}
	r = cd_segment_next(&c->reader, ret);
	if (r == CD_E_CORRUPT)
		c->damaged = true;
	return r;
}

int cd_journal_next(struct cd_journal_cursor *c, struct cd_batch *ret_batch)
{
	struct cd_str payload;
	int r;

	for (;;) {
		if (!c->open) {
			r = enter(c);
			if (r <= 0) {
				leave(c);
				return r;
			}
		}
		r = next_frame(c, &payload);
		if (r == 0 && !is_finished(c))
			return 0;
		if (r == 0) {
			c->at = CD_MAX(c->at, c->reader.end);
			leave(c);
			continue;
		}
		if (r < 0)
			return r;
		c->at = c->reader.at;
		if (cd_batch_decode_header(payload, ret_batch) == 0)
			return 1;
	}
}

/* ---- waiting ------------------------------------------------------------*/

struct cd_journal_wait {
	struct cd_journal *journal;
	uint64_t after;
	void (*fn)(void *ctx);
	void *ctx;
	struct event *timer;
	struct cd_journal_wait **link, *next;
};

static void detach(struct cd_journal_wait *w)
{
	if (!w->link)
		return;
	*w->link = w->next;
	if (w->next)
		w->next->link = w->link;
	w->link = NULL;
}

static void fire(evutil_socket_t fd, short what, void *ctx)
{
	struct cd_journal_wait *w = ctx;

	(void)fd;
	(void)what;
	detach(w);
	w->fn(w->ctx); /* may free w */
}

int cd_journal_wait_new(struct cd_journal *journal, uint64_t after,
			unsigned int timeout_ms, void (*fn)(void *ctx),
			void *ctx, struct cd_journal_wait **ret_wait)
{
	struct cd_journal_wait *w = cd_calloc(1, sizeof(*w));
	struct timeval tv = {timeout_ms / 1000,
			     (suseconds_t)(timeout_ms % 1000) * 1000};

	if (!w)
		return -ENOMEM;
	w->journal = journal;
	w->after = after;
	w->fn = fn;
	w->ctx = ctx;
	w->timer = event_new(journal->base, -1, 0, fire, w);
	if (journal->durable > after)
		tv = (struct timeval){0, 0};
	if (!w->timer || event_add(w->timer, &tv)) {
		if (w->timer)
			event_free(w->timer);
		free(w);
		return -ENOMEM;
	}
	w->next = journal->waits;
	w->link = &journal->waits;
	if (w->next)
		w->next->link = &w->next;
	journal->waits = w;
	*ret_wait = w;
	return 0;
}

void cd_journal_wait_free(struct cd_journal_wait **wait)
{
	struct cd_journal_wait *w = *wait;

	if (!w)
		return;
	detach(w);
	event_free(w->timer);
	free(w);
	*wait = NULL;
}

void cd_journal_wake_waits(struct cd_journal *j)
{
	/* through the loop: what is called may do as it likes to the list */
	for (struct cd_journal_wait *w = j->waits; w; w = w->next)
		if (j->durable > w->after)
			event_active(w->timer, EV_TIMEOUT, 0);
}
