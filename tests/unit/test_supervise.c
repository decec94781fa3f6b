// SPDX-License-Identifier: Apache-2.0
/*
 * The supervisor with shell scripts as services: order, restarts and their
 * delays, giving up, stopping, and that nothing is left.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/supervise.h"
#include "tap.h"

static char dir[64];

struct log {
	char text[1024];
	unsigned int ends;
	pid_t last;
};

static void notify(void *ctx, enum cd_supervise_event event,
		   const struct cd_service *service, pid_t pid, uint64_t start,
		   int status)
{
	static const char letters[] = "srex"; /* started ready ended stopped */
	struct log *log = ctx;
	size_t n = strlen(log->text);

	(void)start;
	(void)status;
	snprintf(log->text + n, sizeof(log->text) - n, "%s%c ", service->name,
		 letters[event]);
	log->ends += event == CD_SERVICE_ENDED;
	if (event == CD_SERVICE_STARTED)
		log->last = pid;
}

static bool exists(void *path)
{
	return access(path, F_OK) == 0;
}

static bool three_ends(void *ctx)
{
	return ((struct log *)ctx)->ends >= 3;
}

static struct cd_service sh(const char *name, const char *argv[4],
			    const char *text)
{
	argv[0] = "/bin/sh";
	argv[1] = "-c";
	argv[2] = text;
	argv[3] = NULL;
	return (struct cd_service){
		.name = name,
		.spawn = {.argv = argv,
			  .as_root = true,
			  .output = -1,
			  .dir = dir},
		.ready_ms = 5000,
		.stop_ms = 2000,
	};
}

static void fresh_dir(void)
{
	strcpy(dir, "/tmp/cordon-supervise-XXXXXX");
	if (!mkdtemp(dir))
		abort();
}

static void remove_dir(const char *file)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	unlink(path);
	ok_eq_int(rmdir(dir), 0);
}

static void no_children(void)
{
	ok_eq_int(waitpid(-1, NULL, WNOHANG), -1);
	ok_eq_int(errno, ECHILD);
}

TEST(delays_double_up_to_a_limit_and_begin_anew_after_a_stable_run)
{
	struct cd_backoff b = {0};
	unsigned int want = CD_BACKOFF_FIRST_MS;

	for (int i = 0; i < 12; i++) {
		ok_eq_int((int)cd_backoff_next(&b, 50), (int)want);
		want = CD_MIN(want * 2, CD_BACKOFF_LAST_MS);
	}
	ok_eq_int((int)want, CD_BACKOFF_LAST_MS);
	ok_eq_int((int)cd_backoff_next(&b, CD_BACKOFF_STABLE_MS - 1),
		  CD_BACKOFF_LAST_MS);
	ok_eq_int((int)cd_backoff_next(&b, CD_BACKOFF_STABLE_MS),
		  CD_BACKOFF_FIRST_MS);
}

TEST(starts_in_order_and_stops_in_reverse)
{
	struct log log = {.text = ""};
	struct cd_supervisor *s = NULL;
	const char *a[4], *b[4];
	char mark[128];
	struct cd_service sa, sb;

	fresh_dir();
	snprintf(mark, sizeof(mark), "%s/mark", dir);
	sa = sh("a", a, "sleep 0.1; : >mark; exec sleep 60");
	sa.ready = exists;
	sa.ctx = mark;
	sb = sh("b", b, "test -e mark && exec sleep 60");
	ok_eq_int(cd_supervisor_new(notify, &log, &s), 0);
	ok_eq_int(cd_supervisor_start(s, &sa), 0);
	ok_eq_int(cd_supervisor_start(s, &sb), 0);
	cd_supervisor_free(&s);
	ok_eq_str(log.text, "as ar bs br bx ax ");
	no_children();
	remove_dir("mark");
}

TEST(what_ends_is_started_again)
{
	struct log log = {.text = ""};
	struct cd_supervisor *s = NULL;
	const char *a[4];
	struct cd_service sa;

	fresh_dir();
	sa = sh("a", a, "sleep 0.01");
	ok_eq_int(cd_supervisor_new(notify, &log, &s), 0);
	ok_eq_int(cd_supervisor_start(s, &sa), 0);
	ok_eq_int(cd_supervisor_wait(s, three_ends, &log, 5000), 0);
	cd_supervisor_free(&s);
	ok_true(!strncmp(log.text, "as ar ae as ar ae as ar ae ", 27));
	no_children();
	remove_dir("mark");
}

TEST(gives_up_on_what_never_comes_up)
{
	struct log log = {.text = ""};
	struct cd_supervisor *s = NULL;
	const char *a[4], *b[4];
	char mark[128];
	struct cd_service dies, hangs;

	fresh_dir();
	snprintf(mark, sizeof(mark), "%s/mark", dir);
	dies = sh("a", a, "exit 1");
	dies.ready = exists;
	dies.ctx = mark;
	hangs = sh("b", b, "exec sleep 60");
	hangs.ready = exists;
	hangs.ctx = mark;
	hangs.ready_ms = 100;
	ok_eq_int(cd_supervisor_new(notify, &log, &s), 0);
	ok_eq_int(cd_supervisor_start(s, &dies), -ECHILD);
	ok_eq_int((int)log.ends, 5);
	ok_eq_int(cd_supervisor_start(s, &hangs), -ETIMEDOUT);
	cd_supervisor_free(&s);
	no_children();
	remove_dir("mark");
}

TEST(a_signal_ends_waiting_and_running)
{
	struct log log = {.text = ""};
	struct cd_supervisor *s = NULL;
	const char *a[4];
	char mark[128];
	struct cd_service sa;

	fresh_dir();
	snprintf(mark, sizeof(mark), "%s/never", dir);
	sa = sh("a", a, "kill -HUP $PPID; exec sleep 60");
	sa.ready = exists;
	sa.ctx = mark;
	ok_eq_int(cd_supervisor_new(notify, &log, &s), 0);
	ok_eq_int(cd_supervisor_start(s, &sa), -ECANCELED);
	ok_eq_int(cd_supervisor_signal(s), SIGHUP);
	ok_eq_int(cd_supervisor_run(s, NULL, NULL), SIGHUP);
	cd_supervisor_free(&s);
	no_children();
	remove_dir("mark");
}

TEST(what_ignores_sigterm_is_killed)
{
	struct log log = {.text = ""};
	struct cd_supervisor *s = NULL;
	const char *a[4];
	char mark[128];
	struct cd_service sa;

	fresh_dir();
	snprintf(mark, sizeof(mark), "%s/mark", dir);
	sa = sh("a", a, "trap '' TERM; : >mark; while :; do sleep 1; done");
	sa.ready = exists;
	sa.ctx = mark;
	sa.stop_ms = 100;
	ok_eq_int(cd_supervisor_new(notify, &log, &s), 0);
	ok_eq_int(cd_supervisor_start(s, &sa), 0);
	cd_supervisor_free(&s);
	ok_eq_str(log.text, "as ar ax ");
	no_children();
	remove_dir("mark");
}

/* A daemon's daemon: own session, own group, parent gone. */
TEST(orphans_that_left_their_group_are_ended_too)
{
	struct log log = {.text = ""};
	struct cd_supervisor *s = NULL;
	const char *a[4];
	char mark[128];
	struct cd_service sa;

	fresh_dir();
	snprintf(mark, sizeof(mark), "%s/mark", dir);
	sa = sh("a", a,
		"(setsid sh -c ': >mark; exec sleep 60' &) ; exec sleep 60");
	sa.ready = exists;
	sa.ctx = mark;
	ok_eq_int(cd_supervisor_new(notify, &log, &s), 0);
	ok_eq_int(cd_supervisor_start(s, &sa), 0);
	cd_supervisor_free(&s);
	no_children();
	remove_dir("mark");
}
