/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A supervisor: starts services in order, each when the one before it is
 * ready; starts again what ends, with a growing delay; stops all in reverse
 * order. One thread, poll() over pidfds and a signalfd.
 *
 * It takes SIGINT, SIGTERM and SIGHUP (a closed terminal) as the wish to
 * stop, at any time, also while services are still starting. It makes itself
 * the reaper of all its descendants, and ends with none of them left.
 */
#ifndef CD_SYS_SUPERVISE_H
#define CD_SYS_SUPERVISE_H

#include "sys/process.h"

/* The delay before a service is started again: doubles from the first to the
 * last, and begins anew after a run that was stable for so long. */
#define CD_BACKOFF_FIRST_MS 100
#define CD_BACKOFF_LAST_MS 10000
#define CD_BACKOFF_STABLE_MS 30000
#define CD_SERVICES_MAX 16

struct cd_backoff {
	unsigned int delay_ms; /* the last one given; 0: none yet */
};

/* What to wait, after a run of ran_ms. */
unsigned int cd_backoff_next(struct cd_backoff *backoff, int64_t ran_ms);

struct cd_service {
	const char *name; /* for messages and the log file */
	struct cd_spawn spawn; /* all it points to outlives the supervisor */
	bool (*ready)(void *ctx); /* has it come up? NULL: at once */
	void *ctx;
	unsigned int ready_ms; /* how long that may take at the first start */
	unsigned int stop_ms; /* from SIGTERM to SIGKILL */
};

/* What happened, for the person at the terminal and the state file. */
enum cd_supervise_event {
	CD_SERVICE_STARTED, /* a process exists now */
	CD_SERVICE_READY, /* first or again */
	CD_SERVICE_ENDED, /* by itself; will be started again */
	CD_SERVICE_STOPPED, /* because we stop */
};

struct cd_supervisor;

/* notify may be NULL. status is set for ENDED and STOPPED. */
typedef void cd_supervise_fn(void *ctx, enum cd_supervise_event event,
			     const struct cd_service *service, pid_t pid,
			     uint64_t start, int status);

int cd_supervisor_new(cd_supervise_fn *notify, void *ctx,
		      struct cd_supervisor **ret);
/* Stops what runs, frees. Blocked signals stay blocked. */
void cd_supervisor_free(struct cd_supervisor **supervisor);

/* Starts one more service and waits until it is ready. -ECANCELED: a signal
 * asked to stop; -ETIMEDOUT: not ready in time; -ECHILD: it ended (too often)
 * before it was ready; other errors are those of cd_process_spawn(). */
int cd_supervisor_start(struct cd_supervisor *supervisor,
			const struct cd_service *service);

/* Waits until ready(ctx) or until timeout_ms, supervising meanwhile.
 * 0, -ETIMEDOUT, -ECANCELED. A NULL ready never comes true. */
int cd_supervisor_wait(struct cd_supervisor *supervisor,
		       bool (*ready)(void *ctx), void *ctx, int64_t timeout_ms);

/* Supervises until a signal asks to stop; returns that signal. tick is called
 * about once a second; may be NULL. */
int cd_supervisor_run(struct cd_supervisor *supervisor, void (*tick)(void *),
		      void *ctx);

/* Stops all services, the last started first, and every other descendant. */
void cd_supervisor_stop(struct cd_supervisor *supervisor);

/* The signal that asked to stop, or 0. */
int cd_supervisor_signal(const struct cd_supervisor *supervisor);

/* Does a stream socket at this path accept connections? For ready(). */
bool cd_socket_answers(const char *path);

#endif
