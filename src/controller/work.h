/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A few threads for what takes long and touches nothing shared: hashing
 * passwords. The queue is bounded: who floods the sign-in form is told to
 * come back, and everything else goes on.
 */
#ifndef CD_CONTROLLER_WORK_H
#define CD_CONTROLLER_WORK_H

struct event_base;
struct cd_work;

int cd_work_new(struct event_base *base, unsigned int threads,
		unsigned int queue_max, struct cd_work **ret_work);
/* Waits for what runs; everything else submitted is finished unrun. */
void cd_work_free(struct cd_work **work);

/* run(arg) in a thread, then done(arg) in the loop's; -EAGAIN when the queue
 * is full. done is always called, run not when the process stops first. */
int cd_work_submit(struct cd_work *work, void (*run)(void *arg),
		   void (*done)(void *arg), void *arg);

#endif
