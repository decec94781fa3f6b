/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the journal: what journal.c (files, appending), journal_open.c
 * (repair), journal_sync.c (group commit) and journal_read.c share. One thread
 * owns everything but `sync`, which has a lock.
 */
#ifndef CD_CONTROLLER_JOURNAL_IMPL_H
#define CD_CONTROLLER_JOURNAL_IMPL_H

#include <pthread.h>

#include "controller/journal.h"
#include "controller/journal_nodes.h"
#include "controller/segment.h"

struct event;

/* Somebody who is told when `end` is durable. */
struct cd_journal_waiter {
	uint64_t end;
	cd_journal_done done; /* or NULL */
	void *ctx;
	uint32_t accepted;
	/* to take back when it never becomes durable */
	int node; /* -1: nothing */
	uint64_t old_epoch, old_next;
	struct cd_journal_waiter *next;
};

/* What the syncing thread and the owner hand each other. */
struct cd_journal_sync {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool running, stop;
	bool busy; /* a sync is under way */
	int fd; /* of the current segment */
	uint64_t want; /* end of what is written */
	uint64_t synced; /* end of what is durable */
	int err; /* of a sync that failed */
	int eventfd;
	struct event *event;
};

struct cd_journal {
	struct event_base *base;
	struct cd_journal_config config;
	char *dir;
	char *node; /* of own events */
	int lock;
	struct cd_segment *segments; /* oldest first; the last is written */
	size_t n_segments, cap_segments;
	int fd; /* of the last one */
	uint64_t written, durable;
	struct cd_nodes nodes;
	struct cd_journal_waiter *first, **last;
	struct cd_journal_wait *waits;
	struct cd_journal_sync sync;
	struct cd_journal_stats stats;
	/* own events */
	struct cd_event_ids ids;
	uint64_t epoch, next;
	struct cd_event_encoder encoder;
	unsigned char record[CD_EVENT_MAX];
};

int64_t cd_journal_now(const struct cd_journal *j);

/* journal_open.c: finds segments, repairs the last, learns the nodes. */
int cd_journal_recover(struct cd_journal *j);
/* Notes that a batch is in the journal. */
int cd_journal_note_batch(struct cd_journal *j, const struct cd_batch *batch);

/* journal.c */
int cd_journal_add_segment(struct cd_journal *j, struct cd_segment segment);
/* A new last segment at `written`, with the table of nodes. */
int cd_journal_rotate(struct cd_journal *j);
/* Tells of records that are missing, and of bytes that were damaged. */
void cd_journal_tell_gap(struct cd_journal *j, struct cd_str node,
			 uint64_t first, uint64_t count, const char *detail);

/* journal_sync.c */
int cd_journal_sync_start(struct cd_journal *j);
/* Waits for the thread's end and syncs what is left. */
void cd_journal_sync_stop(struct cd_journal *j);
/* More was written: sync it, at once (no loop) or in the thread. */
void cd_journal_sync_kick(struct cd_journal *j);
/* Makes all that is written durable, now. */
int cd_journal_sync_now(struct cd_journal *j);

/* journal_read.c */
void cd_journal_wake_waits(struct cd_journal *j);

#endif
