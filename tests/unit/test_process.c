// SPDX-License-Identifier: Apache-2.0
/*
 * Children as src/sys/process starts them: who they are, what they inherit,
 * how they are watched and ended. /bin/sh plays the child.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/process.h"
#include "tap.h"

#define NOBODY 64731

/* Runs a shell text to its end and gives what it printed. */
static int run_sh(const char *text, struct cd_spawn *s, char *out, size_t size)
{
	const char *argv[] = {"/bin/sh", "-c", text, NULL};
	int pipefd[2], status;
	ssize_t n;

	if (pipe2(pipefd, O_CLOEXEC) < 0)
		abort();
	s->argv = argv;
	s->output = pipefd[1];
	status = cd_process_run(s, 5000);
	close(pipefd[1]);
	n = read(pipefd[0], out, size - 1);
	out[n > 0 ? n : 0] = '\0';
	close(pipefd[0]);
	return status;
}

static void wait_end(struct cd_process *p, int *status)
{
	struct pollfd pfd = {.fd = p->pidfd, .events = POLLIN};

	for (int i = 0; i < 100 && !cd_process_reap(p, status); i++)
		poll(&pfd, 1, 100);
}

TEST(exit_status_comes_back)
{
	struct cd_spawn s = {.as_root = true};
	char out[64];

	ok_eq_int(run_sh("echo hello; exit 7", &s, out, sizeof(out)), 7);
	ok_eq_str(out, "hello\n");
	ok_eq_int(run_sh("kill -KILL $$", &s, out, sizeof(out)), 128 + 9);
}

TEST(a_file_that_is_not_there_is_an_error_of_spawn)
{
	const char *argv[] = {"/nonexistent/program", NULL};
	struct cd_spawn s = {.argv = argv, .as_root = true, .output = -1};
	struct cd_process p = CD_PROCESS_NONE;

	ok_eq_int(cd_process_spawn(&s, &p), -ENOENT);
	ok_eq_int(p.pid, 0);
	ok_eq_int(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
}

TEST(a_timeout_kills)
{
	const char *argv[] = {"/bin/sleep", "60", NULL};
	struct cd_spawn s = {.argv = argv, .as_root = true, .output = -1};

	ok_eq_int(cd_process_run(&s, 50), -ETIMEDOUT);
	ok_eq_int(waitpid(-1, NULL, WNOHANG), -1);
}

TEST(only_named_descriptors_arrive_in_order)
{
	struct cd_spawn s = {.as_root = true};
	int a = open("/dev/null", O_RDONLY); /* not close-on-exec */
	int b = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	int c = open("/etc/group", O_RDONLY | O_CLOEXEC);
	char out[256];

	s.fds[0] = c;
	s.fds[1] = b;
	s.n_fds = 2;
	ok_eq_int(
		run_sh("readlink /proc/$$/fd/3 /proc/$$/fd/4;"
		       "for f in /proc/$$/fd/*; do printf '%s ' ${f##*/}; done",
		       &s, out, sizeof(out)),
		0);
	ok_true(!strncmp(out, "/etc/group\n/etc/passwd\n0 1 2 3 4 ", 33));
	close(a);
	close(b);
	close(c);
}

TEST(child_is_another_user_without_privileges)
{
	struct cd_spawn s = {
		.uid = NOBODY,
		.gid = NOBODY,
		.groups = {NOBODY + 3},
		.n_groups = 1,
	};
	char out[512];

	if (geteuid() != 0) {
		skip("needs root");
		return;
	}
	ok_eq_int(run_sh("id -u; id -G; grep -E '^(CapEff|CapPrm|NoNewPrivs)' "
			 "/proc/$$/status",
			 &s, out, sizeof(out)),
		  0);
	ok_eq_str(out, "64731\n64731 64734\nCapPrm:\t0000000000000000\n"
		       "CapEff:\t0000000000000000\nNoNewPrivs:\t1\n");
}

TEST(environment_is_small)
{
	const char *env[] = {"CORDON_X=1", NULL};
	struct cd_spawn s = {.as_root = true, .env = env};
	char out[512];

	setenv("LEAK", "secret", 1);
	ok_eq_int(run_sh("tr '\\0' '\\n' </proc/$$/environ | cut -d= -f1", &s,
			 out, sizeof(out)),
		  0);
	ok_eq_str(out, "PATH\nLANG\nCORDON_X\n");
}

/* The middle process dies by SIGKILL; its child must not live on. */
TEST(child_dies_with_its_parent)
{
	int pipefd[2];
	char c;
	pid_t middle;

	if (pipe2(pipefd, O_CLOEXEC) < 0)
		abort();
	middle = fork();
	if (middle == 0) {
		const char *argv[] = {"/bin/sleep", "60", NULL};
		struct cd_spawn s = {.argv = argv, .as_root = true};
		struct cd_process p;

		s.output = pipefd[1]; /* held open by the child alone */
		if (cd_process_spawn(&s, &p))
			_exit(1);
		close(pipefd[1]);
		kill(getpid(), SIGKILL);
	}
	close(pipefd[1]);
	waitpid(middle, NULL, 0);
	{
		struct pollfd pfd = {.fd = pipefd[0], .events = POLLIN};

		ok_eq_int(poll(&pfd, 1, 5000), 1);
		ok_eq_int(read(pipefd[0], &c, 1), 0); /* end of file */
	}
	close(pipefd[0]);
}

TEST(reap_takes_the_rest_of_the_group_along)
{
	const char *argv[] = {"/bin/sh", "-c", "sleep 60 & exit 3", NULL};
	int pipefd[2], status = 0;
	struct cd_spawn s = {.argv = argv, .as_root = true};
	struct cd_process p;
	char c;

	if (pipe2(pipefd, O_CLOEXEC) < 0)
		abort();
	s.output = pipefd[1];
	ok_eq_int(cd_process_spawn(&s, &p), 0);
	close(pipefd[1]);
	wait_end(&p, &status);
	ok_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
	ok_eq_int(p.pid, 0);
	{
		struct pollfd pfd = {.fd = pipefd[0], .events = POLLIN};

		ok_eq_int(poll(&pfd, 1, 5000), 1);
		ok_eq_int(read(pipefd[0], &c, 1), 0);
	}
	close(pipefd[0]);
}

TEST(kill_group_asks_for_number_and_directory)
{
	const char *argv[] = {"/bin/sleep", "60", NULL};
	struct cd_spawn s = {
		.argv = argv, .as_root = true, .dir = "/usr", .output = -1};
	struct cd_process p;
	int status = 0;

	ok_eq_int(cd_process_spawn(&s, &p), 0);
	ok_eq_int((int)cd_process_kill_group(p.pid, "/tmp"), 0);
	ok_eq_int((int)cd_process_kill_group(p.pid + 1, "/usr"), 0);
	ok_true(!cd_process_reap(&p, &status));
	ok_eq_int((int)cd_process_kill_group(p.pid, "/usr"), 1);
	wait_end(&p, &status);
	ok_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

TEST(start_time_tells_processes_apart)
{
	uint64_t mine = 0, init = 0, none = 42;

	ok_eq_int(cd_process_start_time(getpid(), &mine), 0);
	ok_eq_int(cd_process_start_time(1, &init), 0);
	ok_true(mine > init);
	ok_eq_int(cd_process_start_time(1 << 23, &none), -ESRCH);
	ok_eq_int((int)none, 42);
}

TEST(status_has_words)
{
	char out[64];

	ok_eq_str(cd_process_status_text(3 << 8, out, sizeof(out)),
		  "ended with 3");
	ok_eq_str(cd_process_status_text(11, out, sizeof(out)),
		  "killed by SIGSEGV");
}
