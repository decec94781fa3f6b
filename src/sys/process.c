// SPDX-License-Identifier: Apache-2.0
/*
 * fork and execve by hand instead of posix_spawn: user, groups, no_new_privs,
 * parent-death signal and network namespace have no attribute there. The
 * order in the child matters: the namespace needs privilege, the parent-death
 * signal is forgotten when the user changes, and only execve itself may come
 * after no_new_privs.
 */
#include "sys/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ENV_MAX 32
/* Where descriptors wait while 3, 4, 5... are filled. */
#define PARKED_FD 100

static int enter_netns(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	err = setns(fd, CLONE_NEWNET) < 0 ? -errno : 0;
	close(fd);
	return err;
}

static int become(const struct cd_spawn *s)
{
	if (s->as_root)
		return 0;
	if (setgroups(s->n_groups, s->groups) < 0 ||
	    setresgid(s->gid, s->gid, s->gid) < 0 ||
	    setresuid(s->uid, s->uid, s->uid) < 0)
		return -errno;
	return 0;
}

static void raise_nofile(uint64_t want)
{
	struct rlimit lim;

	if (want == 0 || getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return;
	if (lim.rlim_max < want) {
		struct rlimit more = {want, want};

		if (setrlimit(RLIMIT_NOFILE, &more) == 0)
			return;
	}
	lim.rlim_cur = CD_MIN((rlim_t)want, lim.rlim_max);
	setrlimit(RLIMIT_NOFILE, &lim);
}

/* Sets up 0 to 2 and the inherited ones; everything else closes at execve. */
static int arrange_fds(const struct cd_spawn *s)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int parked[CD_SPAWN_FDS_MAX], out;

	if (null < 0)
		return -errno;
	out = fcntl(s->output >= 0 ? s->output : null, F_DUPFD_CLOEXEC,
		    PARKED_FD);
	if (out < 0)
		return -errno;
	for (size_t i = 0; i < s->n_fds; i++) {
		parked[i] = fcntl(s->fds[i], F_DUPFD_CLOEXEC, PARKED_FD);
		if (parked[i] < 0)
			return -errno;
	}
	if (dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		return -errno;
	if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return -errno;
	for (size_t i = 0; i < s->n_fds; i++) {
		if (dup2(parked[i], 3 + (int)i) < 0)
			return -errno;
	}
	return 0;
}

static void reset_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* What is in its memory (passwords, keys) must not end in a file. */
static void forbid_core(void)
{
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
}

static int prepare(const struct cd_spawn *s, pid_t parent)
{
	int err;

	setpgid(0, 0);
	reset_signals();
	raise_nofile(s->nofile);
	forbid_core();
	umask(022);
	if (s->netns) {
		err = enter_netns(s->netns);
		if (err)
			return err;
	}
	err = arrange_fds(s);
	if (!err)
		err = become(s);
	if (err)
		return err;
	if (chdir(s->dir ? s->dir : "/") < 0)
		return -errno;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	/* It may have died before it could be asked to tell. */
	return getppid() == parent ? 0 : -ESRCH;
}

_Noreturn static void child(const struct cd_spawn *s, pid_t parent, int report)
{
	const char *env[ENV_MAX + 3] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"LANG=C.UTF-8",
	};
	size_t n = 2;
	int err;

	for (size_t i = 0; s->env && s->env[i] && n < ENV_MAX; i++)
		env[n++] = s->env[i];
	/* Out of the way of 3, 4, 5... */
	report = fcntl(report, F_DUPFD_CLOEXEC,
		       PARKED_FD + CD_SPAWN_FDS_MAX * 2);
	err = report < 0 ? -errno : prepare(s, parent);
	if (!err) {
		execve(s->argv[0], (char *const *)(uintptr_t)s->argv,
		       (char *const *)(uintptr_t)env);
		err = -errno;
	}
	if (report >= 0 && write(report, &err, sizeof(err)) < 0)
		_exit(126);
	_exit(127);
}

/* What the child wrote before execve, or 0 when execve closed the pipe. */
static int read_report(int fd)
{
	int err = 0;
	ssize_t n;

	do
		n = read(fd, &err, sizeof(err));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(err) ? err : 0;
}

int cd_process_spawn(const struct cd_spawn *spawn, struct cd_process *ret)
{
	struct cd_process p = CD_PROCESS_NONE;
	pid_t parent = getpid();
	int report[2], err;

	cd_assert(spawn->n_fds <= CD_SPAWN_FDS_MAX &&
		  spawn->n_groups <= CD_SPAWN_GROUPS_MAX);
	if (pipe2(report, O_CLOEXEC) < 0)
		return -errno;
	p.pid = fork();
	if (p.pid < 0) {
		err = -errno;
		close(report[0]);
		close(report[1]);
		return err;
	}
	if (p.pid == 0)
		child(spawn, parent, report[1]);
	close(report[1]);
	setpgid(p.pid, p.pid);
	err = read_report(report[0]);
	close(report[0]);
	if (!err) {
		p.pidfd = pidfd_open(p.pid, 0);
		err = p.pidfd < 0 ? -errno : 0;
	}
	if (!err)
		err = cd_process_start_time(p.pid, &p.start);
	if (err) {
		kill(p.pid, SIGKILL);
		waitpid(p.pid, NULL, 0);
		if (p.pidfd >= 0)
			close(p.pidfd);
		return err;
	}
	fcntl(p.pidfd, F_SETFD, FD_CLOEXEC);
	*ret = p;
	return 0;
}

int cd_process_run(const struct cd_spawn *spawn, unsigned int timeout_ms)
{
	struct cd_process p = CD_PROCESS_NONE;
	struct pollfd pfd = {.events = POLLIN};
	int status = 0, n;
	int err = cd_process_spawn(spawn, &p);

	if (err)
		return err;
	pfd.fd = p.pidfd;
	do
		n = poll(&pfd, 1, (int)timeout_ms);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		cd_process_signal(&p, SIGKILL);
	while (!cd_process_reap(&p, &status))
		poll(&pfd, 1, 100);
	if (n <= 0)
		return -ETIMEDOUT;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool cd_process_reap(struct cd_process *process, int *ret_status)
{
	siginfo_t info = {.si_pid = 0};

	if (process->pid <= 0)
		return false;
	if (waitid(P_PIDFD, (id_t)process->pidfd, &info,
		   WEXITED | WNOHANG | WNOWAIT) < 0 ||
	    info.si_pid == 0)
		return false;
	kill(-process->pid, SIGKILL);
	waitpid(process->pid, ret_status, 0);
	close(process->pidfd);
	*process = CD_PROCESS_NONE;
	return true;
}

void cd_process_signal(const struct cd_process *process, int signal)
{
	/* Until it is reaped, the number of its group is its own. */
	if (process->pid > 0)
		kill(-process->pid, signal);
}

/* Field number `field` (from 3) of /proc/PID/stat: what stands after the
 * command's closing parenthesis, which may itself hold anything. */
static int stat_field(pid_t pid, unsigned int field, uint64_t *ret)
{
	char path[64], text[1024], *p;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -ESRCH;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return -ESRCH;
	text[n] = '\0';
	p = strrchr(text, ')');
	for (unsigned int i = 2; p && i < field; i++)
		p = strchr(p + 1, ' ');
	if (!p)
		return -ESRCH;
	*ret = strtoull(p + 1, NULL, 10);
	return 0;
}

int cd_process_start_time(pid_t pid, uint64_t *ret_start)
{
	return stat_field(pid, 22, ret_start);
}

static bool works_in(pid_t pid, const char *dir)
{
	char path[64], cwd[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/cwd", (int)pid);
	n = readlink(path, cwd, sizeof(cwd) - 1);
	if (n <= 0)
		return false;
	cwd[n] = '\0';
	return !strcmp(cwd, dir);
}

static bool kill_member(pid_t pid, pid_t pgid, const char *dir)
{
	uint64_t group;
	bool killed = false;
	int fd = pidfd_open(pid, 0);

	if (fd < 0)
		return false;
	/* Asked after the pidfd is held: what is asked is what is killed. */
	if (stat_field(pid, 5, &group) == 0 && (pid_t)group == pgid &&
	    works_in(pid, dir))
		killed = pidfd_send_signal(fd, SIGKILL, NULL, 0) == 0;
	if (killed) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		poll(&p, 1, 2000);
	}
	close(fd);
	return killed;
}

unsigned int cd_process_kill_group(pid_t pgid, const char *dir)
{
	DIR *proc = opendir("/proc");
	unsigned int n = 0;
	struct dirent *e;

	if (!proc)
		return 0;
	while ((e = readdir(proc))) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);

		if (pid > 1 && kill_member(pid, pgid, dir))
			n++;
	}
	closedir(proc);
	return n;
}

const char *cd_process_status_text(int status, char *out, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(out, size, "killed by SIG%s",
			 sigabbrev_np(WTERMSIG(status)));
	else
		snprintf(out, size, "ended with %d", WEXITSTATUS(status));
	return out;
}
