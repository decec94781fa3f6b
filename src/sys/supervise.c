// SPDX-License-Identifier: Apache-2.0
/*
 * The supervisor's loop. Everything happens in step(): it sleeps until a
 * process ends, a signal comes, a delayed start is due or a service that is
 * coming up wants to be asked again. Orphans of our children come to us
 * (PR_SET_CHILD_SUBREAPER) and are reaped here, so that stop() can tell when
 * nothing is left.
 */
#include "sys/supervise.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ASK_AGAIN_MS 20 /* while a service is coming up */
#define TICK_MS 1000
#define EARLY_DEATHS_MAX 4 /* ends before the first readiness, then give up */
#define LEFTOVER_MS 3000

struct slot {
	struct cd_service service;
	struct cd_process process;
	struct cd_backoff backoff;
	int64_t since; /* of this process */
	int64_t due; /* start again at; 0: not waiting */
	bool ready; /* this process has come up */
	bool was_ready; /* one of this service's processes has */
	unsigned int early_deaths;
};

struct cd_supervisor {
	struct slot slots[CD_SERVICES_MAX];
	size_t n;
	int signals; /* signalfd */
	int signal; /* the first that asked to stop */
	unsigned int asked; /* how often */
	bool stopping;
	cd_supervise_fn *notify;
	void *ctx;
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

unsigned int cd_backoff_next(struct cd_backoff *b, int64_t ran_ms)
{
	if (b->delay_ms == 0 || ran_ms >= CD_BACKOFF_STABLE_MS)
		b->delay_ms = CD_BACKOFF_FIRST_MS;
	else
		b->delay_ms = CD_MIN(b->delay_ms * 2, CD_BACKOFF_LAST_MS);
	return b->delay_ms;
}

int cd_supervisor_new(cd_supervise_fn *notify, void *ctx,
		      struct cd_supervisor **ret)
{
	struct cd_supervisor *s = calloc(1, sizeof(*s));
	sigset_t mask;

	if (!s)
		return -ENOMEM;
	s->notify = notify;
	s->ctx = ctx;
	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGHUP);
	sigaddset(&mask, SIGCHLD);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0 ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		goto fail;
	s->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signals < 0)
		goto fail;
	*ret = s;
	return 0;
fail:
	free(s);
	return -errno;
}

void cd_supervisor_free(struct cd_supervisor **supervisor)
{
	if (!*supervisor)
		return;
	cd_supervisor_stop(*supervisor);
	close((*supervisor)->signals);
	free(*supervisor);
	*supervisor = NULL;
}

int cd_supervisor_signal(const struct cd_supervisor *s)
{
	return s->signal;
}

static void tell(struct cd_supervisor *s, enum cd_supervise_event event,
		 const struct slot *slot, int status)
{
	if (s->notify)
		s->notify(s->ctx, event, &slot->service, slot->process.pid,
			  slot->process.start, status);
}

static void read_signals(struct cd_supervisor *s)
{
	struct signalfd_siginfo info;

	while (read(s->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			continue;
		if (!s->signal)
			s->signal = (int)info.ssi_signo;
		s->asked++;
	}
}

static int launch(struct cd_supervisor *s, struct slot *slot)
{
	int err = cd_process_spawn(&slot->service.spawn, &slot->process);

	slot->since = now_ms();
	slot->due = 0;
	slot->ready = false;
	if (err) {
		slot->due = slot->since + cd_backoff_next(&slot->backoff, 0);
		return err;
	}
	tell(s, CD_SERVICE_STARTED, slot, 0);
	return 0;
}

static void ended(struct cd_supervisor *s, struct slot *slot, int status)
{
	int64_t now = now_ms();

	if (!slot->was_ready)
		slot->early_deaths++;
	slot->ready = false;
	if (s->stopping) {
		slot->due = 0;
		tell(s, CD_SERVICE_STOPPED, slot, status);
		return;
	}
	slot->due = now + cd_backoff_next(&slot->backoff, now - slot->since);
	tell(s, CD_SERVICE_ENDED, slot, status);
}

static struct slot *find(struct cd_supervisor *s, pid_t pid)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->slots[i].process.pid == pid)
			return &s->slots[i];
	}
	return NULL;
}

/* Reaps services and inherited orphans. True while any child is left. */
static bool reap(struct cd_supervisor *s)
{
	for (;;) {
		siginfo_t info = {.si_pid = 0};
		struct slot *slot;
		int status = 0;

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
			return false;
		if (info.si_pid == 0)
			return true;
		slot = find(s, info.si_pid);
		if (!slot)
			waitpid(info.si_pid, NULL, 0);
		else if (cd_process_reap(&slot->process, &status))
			ended(s, slot, status);
	}
}

/* Starts what is due and asks what is coming up. Returns how long step() may
 * sleep, at most `most`. */
static int64_t tend(struct cd_supervisor *s, int64_t most)
{
	int64_t now = now_ms();

	for (size_t i = 0; i < s->n; i++) {
		struct slot *slot = &s->slots[i];

		if (slot->due && !s->stopping && now >= slot->due)
			launch(s, slot);
		if (slot->due)
			most = CD_MIN(most, CD_MAX(slot->due - now, 1));
		if (slot->process.pid <= 0 || slot->ready)
			continue;
		if (!slot->service.ready ||
		    slot->service.ready(slot->service.ctx)) {
			slot->ready = slot->was_ready = true;
			tell(s, CD_SERVICE_READY, slot, 0);
		} else {
			most = CD_MIN(most, ASK_AGAIN_MS);
		}
	}
	return most;
}

static void step(struct cd_supervisor *s, int64_t most)
{
	struct pollfd fds[CD_SERVICES_MAX + 1];
	nfds_t n = 0;

	fds[n++] = (struct pollfd){.fd = s->signals, .events = POLLIN};
	for (size_t i = 0; i < s->n; i++) {
		if (s->slots[i].process.pid > 0)
			fds[n++] = (struct pollfd){
				.fd = s->slots[i].process.pidfd,
				.events = POLLIN,
			};
	}
	poll(fds, n, (int)most);
	read_signals(s);
	reap(s);
}

int cd_supervisor_start(struct cd_supervisor *s,
			const struct cd_service *service)
{
	struct slot *slot;
	int64_t limit;
	int err;

	if (s->n == CD_SERVICES_MAX)
		return CD_E_LIMIT;
	slot = &s->slots[s->n];
	*slot = (struct slot){.service = *service, .process = CD_PROCESS_NONE};
	err = launch(s, slot);
	if (err)
		return err;
	s->n++;
	limit = now_ms() + service->ready_ms;
	for (;;) {
		int64_t sleep = tend(s, ASK_AGAIN_MS);

		if (s->signal)
			return -ECANCELED;
		if (slot->was_ready)
			return 0;
		if (slot->early_deaths > EARLY_DEATHS_MAX)
			return -ECHILD;
		if (now_ms() >= limit)
			return -ETIMEDOUT;
		step(s, sleep);
	}
}

int cd_supervisor_wait(struct cd_supervisor *s, bool (*ready)(void *ctx),
		       void *ctx, int64_t timeout_ms)
{
	int64_t limit = now_ms() + timeout_ms;

	for (;;) {
		int64_t sleep = tend(s, ASK_AGAIN_MS);

		if (s->signal)
			return -ECANCELED;
		if (ready && ready(ctx))
			return 0;
		if (now_ms() >= limit)
			return -ETIMEDOUT;
		step(s, sleep);
	}
}

int cd_supervisor_run(struct cd_supervisor *s, void (*tick)(void *), void *ctx)
{
	int64_t next = now_ms() + TICK_MS;

	while (!s->signal) {
		step(s, tend(s, TICK_MS));
		if (now_ms() >= next) {
			next = now_ms() + TICK_MS;
			if (tick)
				tick(ctx);
		}
	}
	return s->signal;
}

static void stop_one(struct cd_supervisor *s, struct slot *slot)
{
	int64_t limit = now_ms() + slot->service.stop_ms;

	if (slot->process.pid <= 0)
		return;
	cd_process_signal(&slot->process, SIGTERM);
	while (slot->process.pid > 0) {
		/* A second Ctrl-C means: now. */
		if (now_ms() >= limit || s->asked > 1)
			cd_process_signal(&slot->process, SIGKILL);
		step(s, ASK_AGAIN_MS);
	}
}

/* Orphans that left their group (a daemon's daemon) are our children now. */
static void kill_children(void)
{
	char path[64], text[4096], *p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children",
		 (int)getpid());
	f = fopen(path, "re");
	if (!f)
		return;
	p = fgets(text, sizeof(text), f);
	while (p) {
		pid_t pid = (pid_t)strtol(p, &p, 10);

		if (pid <= 1)
			break;
		kill(pid, SIGKILL);
	}
	fclose(f);
}

void cd_supervisor_stop(struct cd_supervisor *s)
{
	int64_t limit;

	s->stopping = true;
	for (size_t i = s->n; i > 0; i--)
		stop_one(s, &s->slots[i - 1]);
	limit = now_ms() + LEFTOVER_MS;
	while (reap(s) && now_ms() < limit) {
		kill_children();
		step(s, ASK_AGAIN_MS);
	}
}

bool cd_socket_answers(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	bool ok;
	int fd;

	if (strlen(path) >= sizeof(sa.sun_path))
		return false;
	memcpy(sa.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	ok = connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0;
	close(fd);
	return ok;
}
