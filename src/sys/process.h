/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting a program as somebody else and never losing sight of it.
 *
 * A child gets: its own user, group and supplementary groups; no new
 * privileges; its own process group; no descriptor but the ones named; a
 * small environment; /dev/null as input; SIGKILL when the thread that started
 * it dies (so start from one thread that lives as long as the program). It is
 * watched through a pidfd: numbers of processes are reused, pidfds are not.
 */
#ifndef CD_SYS_PROCESS_H
#define CD_SYS_PROCESS_H

#include <sys/types.h>

#include "base/base.h"

#define CD_SPAWN_FDS_MAX 16
#define CD_SPAWN_GROUPS_MAX 8

struct cd_spawn {
	const char *const *argv; /* NULL ended; argv[0] is the file, absolute */
	const char *const *env; /* NULL ended, added to PATH and LANG; or NULL */
	const char *dir; /* working directory; NULL: / */
	const char *netns; /* file of a network namespace to enter, or NULL */
	bool as_root; /* keep the caller's ids; else the four below */
	uid_t uid;
	gid_t gid;
	gid_t groups[CD_SPAWN_GROUPS_MAX];
	size_t n_groups;
	int fds[CD_SPAWN_FDS_MAX]; /* become 3, 4, 5... in the child */
	size_t n_fds;
	int output; /* standard output and error; -1: /dev/null */
	uint64_t nofile; /* wanted RLIMIT_NOFILE, lowered to the hard limit; 0: as is */
};

struct cd_process {
	pid_t pid; /* 0: none */
	int pidfd; /* -1: none */
	uint64_t start; /* field 22 of /proc/PID/stat: with pid, a name for ever */
};

#define CD_PROCESS_NONE ((struct cd_process){.pid = 0, .pidfd = -1})

/* Starts it. What fails in the child up to and including execve comes back as
 * this function's error, and no child is left. */
int cd_process_spawn(const struct cd_spawn *spawn, struct cd_process *ret);

/* Runs it to its end. Returns its exit status (128 + signal when killed by
 * one), or a negative error. At most timeout_ms, then it is killed and
 * -ETIMEDOUT. */
int cd_process_run(const struct cd_spawn *spawn, unsigned int timeout_ms);

/* Has it ended? Then what is left of its group is killed (while its number
 * still cannot be anybody else's), it is reaped, *ret_status is as waitpid()
 * gives it and the descriptor is closed. */
bool cd_process_reap(struct cd_process *process, int *ret_status);

/* Sends a signal to the process and to its whole group. A process that is
 * already gone is no error. */
void cd_process_signal(const struct cd_process *process, int signal);

/* Start time of a process in clock ticks since boot; -ESRCH. */
int cd_process_start_time(pid_t pid, uint64_t *ret_start);

/* Kills whatever is left of the group `pgid` (recorded by a supervisor that
 * died) whose working directory is `dir`: the number alone may belong to
 * somebody else by now. Returns how many were killed. */
unsigned int cd_process_kill_group(pid_t pgid, const char *dir);

/* "exited with 3", "killed by SIGSEGV": for messages. Returns out. */
const char *cd_process_status_text(int status, char *out, size_t size);

#endif
