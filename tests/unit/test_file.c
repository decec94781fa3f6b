// SPDX-License-Identifier: Apache-2.0
/*
 * Files that are whole or not there.
 */
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/file.h"

static char dir[64];
static char path[128];

static const char *at(const char *name)
{
	if (!dir[0]) {
		strcpy(dir, "/tmp/test-file-XXXXXX");
		ok_true(mkdtemp(dir) != NULL);
	}
	cd_path_join(path, sizeof(path), dir, name);
	return path;
}

static bool holds(const char *name, const char *want)
{
	char *data = NULL;
	size_t len;
	bool same;

	if (!ok_eq_int(cd_file_read(at(name), 1000, &data, &len), 0))
		return false;
	same = ok_mem(data, len, want, strlen(want)) && data[len] == 0;
	free(data);
	return same;
}

TEST(write_replaces_whole)
{
	struct stat st;

	ok_eq_int(cd_file_write(at("a"), CD_STR("one"), 0640, (uid_t)-1,
				(gid_t)-1),
		  0);
	ok_true(holds("a", "one"));
	ok_eq_int(stat(at("a"), &st), 0);
	ok_eq_uint(st.st_mode & 07777, 0640);
	ok_eq_int(cd_file_write(at("a"), CD_STR("three"), 0600, (uid_t)-1,
				(gid_t)-1),
		  0);
	ok_true(holds("a", "three"));
	ok_eq_int(cd_file_write(at("none/a"), CD_STR("x"), 0600, (uid_t)-1,
				(gid_t)-1),
		  -ENOENT);
}

TEST(a_failed_write_leaves_the_old)
{
	void (*old)(int) = signal(SIGXFSZ, SIG_IGN);
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		/* a "disk" of 8 bytes for this child */
		char big[4096];
		struct rlimit limit = {8, 8};

		memset(big, 'x', sizeof(big));
		if (setrlimit(RLIMIT_FSIZE, &limit))
			_exit(3);
		_exit(cd_file_write(at("a"), cd_str_make(big, sizeof(big)),
				    0600, (uid_t)-1, (gid_t)-1) == -EFBIG ?
			      0 :
			      1);
	}
	waitpid(pid, &status, 0);
	signal(SIGXFSZ, old);
	ok_eq_int(status, 0);
	ok_true(holds("a", "three"));
}

TEST(read_is_bounded_and_never_waits)
{
	char *data = NULL;
	size_t len;

	ok_eq_int(cd_file_read(at("a"), 4, &data, &len), CD_E_LIMIT);
	ok_eq_int(cd_file_read(at("none"), 4, &data, &len), -ENOENT);
	ok_eq_int(cd_file_read(dir, 4, &data, &len), -EISDIR);
	ok_eq_int(cd_file_read("/dev/zero", 100, &data, &len), -EINVAL);
	ok_eq_int(mkfifo(at("pipe"), 0600), 0);
	ok_eq_int(cd_file_read(at("pipe"), 100, &data, &len), -EINVAL);
	ok_true(data == NULL);
}

TEST(folders_get_their_mode_and_links_are_refused)
{
	struct stat st;

	ok_eq_int(cd_dir_make(at("d"), 0750, (uid_t)-1, (gid_t)-1), 0);
	ok_eq_int(cd_dir_make(at("d"), 0700, (uid_t)-1, (gid_t)-1), 0);
	ok_eq_int(stat(at("d"), &st), 0);
	ok_eq_uint(st.st_mode & 07777, 0700);
	ok_eq_int(symlink("/tmp", at("link")), 0);
	ok_eq_int(cd_dir_make(at("link"), 0700, (uid_t)-1, (gid_t)-1),
		  -ENOTDIR);
	ok_eq_int(cd_dir_make(at("a"), 0700, (uid_t)-1, (gid_t)-1), -ENOTDIR);
}

TEST(a_lock_names_its_holder_and_dies_with_it)
{
	int ready[2], fd = -1, status;
	pid_t holder = 0, pid;
	char c;

	ok_eq_int(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		if (cd_lock_take(at("lock"), &fd, NULL) == 0)
			c = 'y';
		else
			c = 'n';
		(void)!write(ready[1], &c, 1);
		pause();
		_exit(0);
	}
	ok_eq_int(read(ready[0], &c, 1), 1);
	ok_eq_int(c, 'y');
	ok_eq_int(cd_lock_take(at("lock"), &fd, &holder), -EBUSY);
	ok_eq_int(holder, pid);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	ok_eq_int(cd_lock_take(at("lock"), &fd, &holder), 0);
	cd_lock_drop(&fd);
	ok_eq_int(fd, -1);
	close(ready[0]);
	close(ready[1]);
}

TEST(clean_up)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	ok_eq_int(system(command), 0);
}
