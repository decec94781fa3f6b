/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Group commit. fdatasync takes milliseconds, and all that is written while it
 * runs is covered by the next one: so one thread does nothing else, and the
 * owner is told through an eventfd. Without an event loop it is done at once.
 *
 * A sync that fails leaves it open what the disk holds: everything behind the
 * last good sync is cut off, its senders are told, and a new file is begun.
 */
#include "controller/journal_impl.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Calls everybody up to `end`. */
static void deliver(struct cd_journal *j, uint64_t end, int err)
{
	while (j->first && j->first->end <= end) {
		struct cd_journal_waiter *w = j->first;

		j->first = w->next;
		if (!j->first)
			j->last = &j->first;
		if (w->done)
			w->done(w->ctx, err, err ? 0 : w->accepted);
		free(w);
	}
}

static void reverse(struct cd_journal *j)
{
	struct cd_journal_waiter *w = j->first, *head = NULL;

	j->last = w ? &w->next : &j->first;
	while (w) {
		struct cd_journal_waiter *next = w->next;

		w->next = head;
		head = w;
		w = next;
	}
	j->first = head;
}

/* The nodes' numbers as they were before what is now lost. */
static void take_back(struct cd_journal *j)
{
	reverse(j);
	for (struct cd_journal_waiter *w = j->first; w; w = w->next) {
		if (w->node < 0)
			continue;
		j->nodes.list[w->node].epoch = w->old_epoch;
		j->nodes.list[w->node].next = w->old_next;
	}
	reverse(j);
}

static void sync_failed(struct cd_journal *j, int err)
{
	struct cd_segment *s = &j->segments[j->n_segments - 1];

	j->stats.error = err;
	take_back(j);
	if (j->fd >= 0) {
		/* best effort: a reader stops at the next segment's base */
		(void)!ftruncate(j->fd, (off_t)(j->durable - s->base));
		close(j->fd);
		j->fd = -1;
	}
	s->end = j->durable;
	j->written = j->durable;
	deliver(j, UINT64_MAX, err);
}

static void sync_succeeded(struct cd_journal *j)
{
	deliver(j, j->durable, 0);
	cd_journal_wake_waits(j);
}

static void on_synced(evutil_socket_t fd, short what, void *ctx)
{
	struct cd_journal *j = ctx;
	struct cd_journal_sync *s = &j->sync;
	uint64_t n;
	int err;

	(void)what;
	(void)!read(fd, &n, sizeof(n));
	pthread_mutex_lock(&s->lock);
	j->durable = CD_MAX(j->durable, s->synced);
	err = s->err;
	s->err = 0;
	if (err)
		s->want = s->synced;
	pthread_mutex_unlock(&s->lock);
	sync_succeeded(j);
	if (err)
		sync_failed(j, err);
}

static void tell(struct cd_journal_sync *s)
{
	uint64_t one = 1;

	(void)!write(s->eventfd, &one, sizeof(one));
}

static void *sync_thread(void *ctx)
{
	struct cd_journal_sync *s = ctx;

	pthread_mutex_lock(&s->lock);
	while (!s->stop) {
		uint64_t end = s->want;
		int fd = s->fd, err;

		if (s->err || end <= s->synced) {
			pthread_cond_wait(&s->wake, &s->lock);
			continue;
		}
		s->busy = true;
		pthread_mutex_unlock(&s->lock);
		err = fdatasync(fd) ? -errno : 0;
		pthread_mutex_lock(&s->lock);
		s->busy = false;
		if (err)
			s->err = err;
		else
			s->synced = end;
		pthread_cond_broadcast(&s->wake);
		tell(s);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

int cd_journal_sync_start(struct cd_journal *j)
{
	struct cd_journal_sync *s = &j->sync;

	s->synced = s->want = j->durable;
	if (!j->base)
		return 0;
	s->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->eventfd < 0)
		return -errno;
	s->event = event_new(j->base, s->eventfd, EV_READ | EV_PERSIST,
			     on_synced, j);
	if (!s->event || event_add(s->event, NULL))
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wake, NULL);
	s->running = pthread_create(&s->thread, NULL, sync_thread, s) == 0;
	return s->running ? 0 : -EAGAIN;
}

/* Syncs here. Nobody is called: that is for the loop, because what is called
 * may append, and we may be in the middle of that. */
static int sync_beside_thread(struct cd_journal *j)
{
	struct cd_journal_sync *s = &j->sync;

	pthread_mutex_lock(&s->lock);
	while (s->busy)
		pthread_cond_wait(&s->wake, &s->lock);
	if (!s->err && fdatasync(j->fd))
		s->err = -errno;
	if (!s->err)
		j->durable = s->synced = s->want = j->written;
	tell(s);
	pthread_mutex_unlock(&s->lock);
	return s->err;
}

int cd_journal_sync_now(struct cd_journal *j)
{
	if (j->sync.running)
		return sync_beside_thread(j);
	if (j->written > j->durable && fdatasync(j->fd)) {
		int err = -errno;

		sync_failed(j, err);
		return err;
	}
	j->durable = j->written;
	sync_succeeded(j);
	return 0;
}

void cd_journal_sync_kick(struct cd_journal *j)
{
	struct cd_journal_sync *s = &j->sync;

	if (!s->running) {
		cd_journal_sync_now(j);
		return;
	}
	pthread_mutex_lock(&s->lock);
	s->fd = j->fd;
	s->want = j->written;
	if (s->want <= s->synced)
		tell(s); /* nothing to sync, but somebody waits to be told */
	pthread_cond_broadcast(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

void cd_journal_sync_stop(struct cd_journal *j)
{
	struct cd_journal_sync *s = &j->sync;

	if (s->running) {
		pthread_mutex_lock(&s->lock);
		s->stop = true;
		pthread_cond_broadcast(&s->wake);
		pthread_mutex_unlock(&s->lock);
		pthread_join(s->thread, NULL);
		s->running = false;
		if (s->err) {
			sync_failed(j, s->err);
			s->err = 0;
		}
	}
	if (j->fd >= 0)
		cd_journal_sync_now(j);
	if (s->event) {
		event_free(s->event);
		close(s->eventfd);
		s->event = NULL;
	}
}
