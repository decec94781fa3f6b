/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two lists under one mutex, and an eventfd that wakes the loop.
 */
#include "controller/work.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/base.h"

enum { THREADS_MAX = 8 };

struct job {
	struct job *next;
	void (*run)(void *arg);
	void (*done)(void *arg);
	void *arg;
};

struct cd_work {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct job *todo, **todo_end;
	struct job *finished;
	unsigned int queued, queue_max;
	bool stop;
	pthread_t threads[THREADS_MAX];
	unsigned int n_threads;
	int fd;
	struct event *event;
};

/* Blocks until there is a job; NULL: stop. */
static struct job *take(struct cd_work *w)
{
	struct job *job;

	pthread_mutex_lock(&w->lock);
	while (!w->todo && !w->stop)
		pthread_cond_wait(&w->wake, &w->lock);
	job = w->stop ? NULL : w->todo;
	if (job) {
		w->todo = job->next;
		if (!w->todo)
			w->todo_end = &w->todo;
	}
	pthread_mutex_unlock(&w->lock);
	return job;
}

static void *worker(void *arg)
{
	static const uint64_t one = 1;
	struct cd_work *w = arg;
	struct job *job;

	while ((job = take(w))) {
		job->run(job->arg);
		pthread_mutex_lock(&w->lock);
		job->next = w->finished;
		w->finished = job;
		pthread_mutex_unlock(&w->lock);
		/* Full only after 2^64 - 1 unread: cannot fail. */
		if (write(w->fd, &one, sizeof(one)) < 0)
			cd_assert(errno == EAGAIN);
	}
	return NULL;
}

static void finish_all(struct cd_work *w, struct job *job)
{
	struct job *next;

	for (; job; job = next) {
		next = job->next;
		w->queued--;
		job->done(job->arg);
		free(job);
	}
}

static void on_finished(evutil_socket_t fd, short what, void *arg)
{
	struct cd_work *w = arg;
	struct job *job;
	uint64_t n;

	(void)what;
	if (read(fd, &n, sizeof(n)) < 0)
		return;
	pthread_mutex_lock(&w->lock);
	job = CD_TAKE(w->finished);
	pthread_mutex_unlock(&w->lock);
	finish_all(w, job);
}

int cd_work_submit(struct cd_work *work, void (*run)(void *arg),
		   void (*done)(void *arg), void *arg)
{
	struct job *job;

	if (work->queued >= work->queue_max)
		return -EAGAIN;
	job = calloc(1, sizeof(*job));
	if (!job)
		return -ENOMEM;
	*job = (struct job){NULL, run, done, arg};
	work->queued++; /* of the loop's thread alone */
	pthread_mutex_lock(&work->lock);
	*work->todo_end = job;
	work->todo_end = &job->next;
	pthread_cond_signal(&work->wake);
	pthread_mutex_unlock(&work->lock);
	return 0;
}

static int start(struct cd_work *w, struct event_base *base,
		 unsigned int threads)
{
	w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->fd < 0)
		return -errno;
	w->event = event_new(base, w->fd, EV_READ | EV_PERSIST, on_finished, w);
	if (!w->event || event_add(w->event, NULL) < 0)
		return -ENOMEM;
	while (w->n_threads < CD_MIN(threads, THREADS_MAX)) {
		int r = pthread_create(&w->threads[w->n_threads], NULL, worker,
				       w);

		if (r)
			return -r;
		w->n_threads++;
	}
	return 0;
}

int cd_work_new(struct event_base *base, unsigned int threads,
		unsigned int queue_max, struct cd_work **ret_work)
{
	struct cd_work *w cd_auto(cd_work_free) = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->fd = -1;
	w->queue_max = queue_max;
	w->todo_end = &w->todo;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	r = start(w, base, threads);
	if (!r)
		*ret_work = CD_TAKE(w);
	return r;
}

void cd_work_free(struct cd_work **work)
{
	struct cd_work *w = CD_TAKE(*work);
	unsigned int i;

	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_broadcast(&w->wake);
	pthread_mutex_unlock(&w->lock);
	for (i = 0; i < w->n_threads; i++)
		pthread_join(w->threads[i], NULL);
	finish_all(w, w->finished);
	finish_all(w, w->todo);
	if (w->event)
		event_free(w->event);
	if (w->fd >= 0)
		close(w->fd);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
