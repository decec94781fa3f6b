/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Long polls held on cordond's own socket: memory of the process before, while
 * they are held, and after a change was sent to all of them; and how long the
 * change takes to reach the first and the last.
 *
 *	bench-longpoll [POLLS]		default 10,000; bound 100 MiB
 *
 * Each poll is an agent of its own name on a connection of its own. cordond
 * and the key broker are the real programs, in a temporary folder. Fails when
 * the bound does not hold or a poll got something else than the change.
 */
#include <cordon/types.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"

enum { BOUND_KIB = 100 * 1024, ANSWER_MAX = 4096 };

static char dir[64];
static pid_t children[2];

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void clean(void)
{
	char command[128];
	size_t i;

	for (i = 0; i < CD_ARRAY_SIZE(children); i++)
		if (children[i] > 0) {
			kill(children[i], SIGTERM);
			waitpid(children[i], NULL, 0);
		}
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	if (system(command))
		fprintf(stderr, "left behind: %s\n", dir);
}

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "bench-longpoll: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- cordond ---- */

static pid_t start(bool keys)
{
	const char *build = getenv("CORDON_BUILD");
	char program[512], state[96], uid[16];
	pid_t pid = fork();

	if (pid)
		return pid;
	snprintf(program, sizeof(program), "%s/cordond",
		 build ? build : "build");
	snprintf(state, sizeof(state), "%s/state", dir);
	snprintf(uid, sizeof(uid), "%u", getuid());
	if (!freopen("/dev/null", "w", stderr))
		_exit(127);
	if (keys)
		execl(program, "cordond", "--keys", "--run", dir, "--state",
		      state, "--issuer", "https://localhost:8443",
		      "--uid-controller", uid, "--uid-gateway", "64734", NULL);
	else
		execl(program, "cordond", "--run", dir, "--state", state,
		      "--conf", dir, NULL);
	_exit(127);
}

static int dial(const char *name)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%.64s/%.20s", dir, name);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void await_socket(const char *name)
{
	static const struct timespec pause = {0, 20000000};
	int fd, i;

	for (i = 0; i < 500; i++) {
		fd = dial(name);
		if (fd >= 0) {
			close(fd);
			return;
		}
		nanosleep(&pause, NULL);
	}
	die(name);
}

/* A field of /proc/PID/status, in KiB. */
static long status_kib(const char *field)
{
	char path[64], line[256];
	long value = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", children[1]);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, field, strlen(field)))
			value = strtol(line + strlen(field) + 1, NULL, 10);
	if (f)
		fclose(f);
	return value;
}

/* ---- requests ---- */

static void put(int fd, const char *text)
{
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		die("write");
}

/* One request on the admin socket; its answer is borrowed until the next. */
static const char *ask(const char *method, const char *path, const char *body)
{
	static char answer[4 << 20]; /* status names every agent */
	char request[512];
	size_t len = 0;
	ssize_t n;
	int fd = dial("api.sock");

	if (fd < 0)
		die("api.sock");
	snprintf(request, sizeof(request),
		 "%s %s HTTP/1.1\r\nHost: c\r\nConnection: close\r\n"
		 "Content-Length: %zu\r\n\r\n%s",
		 method, path, strlen(body), body);
	put(fd, request);
	while (len < sizeof(answer) - 1 &&
	       (n = read(fd, answer + len, sizeof(answer) - 1 - len)) > 0)
		len += (size_t)n;
	answer[len] = 0;
	close(fd);
	return answer;
}

static long number(const char *answer, const char *name)
{
	const char *p = strstr(answer, name);

	return p ? strtol(p + strlen(name), NULL, 10) : -1;
}

static void open_polls(struct pollfd *polls, int n, long from)
{
	char request[160];
	int i;

	for (i = 0; i < n; i++) {
		polls[i].fd = dial("agent.sock");
		polls[i].events = POLLIN;
		if (polls[i].fd < 0)
			die("connect");
		snprintf(request, sizeof(request),
			 "GET /v1/stream?agent=a%d&from=%ld&wait=55 HTTP/1.1"
			 "\r\nHost: c\r\n\r\n",
			 i, from);
		put(polls[i].fd, request);
	}
}

static void await_held(int n)
{
	static const struct timespec pause = {0, 50000000};
	int i;

	for (i = 0; i < 400; i++) {
		if (number(ask("GET", "/v1/status", ""), "\"held\":") >= n)
			return;
		nanosleep(&pause, NULL);
	}
	die("polls are not held");
}

static bool is_change(int fd)
{
	char answer[ANSWER_MAX + 1];
	ssize_t n = read(fd, answer, ANSWER_MAX);

	return n > 0 && memmem(answer, (size_t)n, "200 OK", 6) &&
	       memmem(answer, (size_t)n, "CDCHANG1", 8);
}

/* Reads all answers; the times of the first and the last. */
static int read_answers(struct pollfd *polls, int n, int64_t *first,
			int64_t *last)
{
	int left = n, wrong = 0, i;

	while (left) {
		if (poll(polls, (nfds_t)n, 20000) <= 0)
			die("no answer");
		for (i = 0; i < n; i++) {
			if (polls[i].fd < 0 || !polls[i].revents)
				continue;
			*last = now_us();
			if (left == n)
				*first = *last;
			wrong += !is_change(polls[i].fd);
			/* stays open, as an agent's connection does */
			polls[i].fd = -1 - polls[i].fd;
			left--;
		}
	}
	return wrong;
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 10000, wrong;
	struct rlimit files = {(rlim_t)n + 100, (rlim_t)n + 100};
	struct pollfd *polls = cd_calloc((size_t)n, sizeof(*polls));
	int64_t begin, opened, changed, first = 0, last = 0;
	long idle, held, after;
	char state[96];

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		die("limits");
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	snprintf(dir, sizeof(dir), "/tmp/cordon-bench.XXXXXX");
	if (!polls || !mkdtemp(dir))
		die("start");
	atexit(clean);
	snprintf(state, sizeof(state), "%s/state", dir);
	mkdir(state, 0755);
	children[0] = start(true);
	await_socket("keys/keys.sock");
	children[1] = start(false);
	await_socket("api.sock");

	idle = status_kib("VmRSS");
	begin = now_us();
	open_polls(polls, n,
		   number(ask("GET", "/v1/status", ""), "\"seq\":") + 1);
	await_held(n);
	opened = now_us();
	held = status_kib("VmRSS");
	changed = now_us();
	ask("POST", "/v1/users", "{\"name\":\"alice\"}");
	wrong = read_answers(polls, n, &first, &last);
	after = status_kib("VmRSS");

	printf("polls %d, opened in %.2f s\n", n,
	       (double)(opened - begin) / 1e6);
	printf("cordond RSS: idle %.1f MiB, held %.1f MiB (%.2f KiB a poll), "
	       "after a change to all %.1f MiB, peak %.1f MiB\n",
	       (double)idle / 1024, (double)held / 1024,
	       (double)(held - idle) / n, (double)after / 1024,
	       (double)status_kib("VmHWM") / 1024);
	printf("change -> first answer %.1f ms, last %.1f ms, wrong %d\n",
	       (double)(first - changed) / 1e3, (double)(last - changed) / 1e3,
	       wrong);
	free(polls);
	return wrong || status_kib("VmHWM") > BOUND_KIB;
}
