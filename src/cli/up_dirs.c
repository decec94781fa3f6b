// SPDX-License-Identifier: Apache-2.0
/*
 * What a run owns on this machine: its lock, its folders with their owners,
 * a copy of programs that others could not read, and a record of all that
 * must go when it ends. The record (state/up.state) is what makes clearing
 * up after kill -9 safe: nothing is removed or killed that it does not name,
 * and a process only when its start time is the recorded one.
 *
 *	boot ID			of the kernel the numbers below belong to
 *	up PID			who made it, and holds a lock on it
 *	child PID START NAME
 *	netns NAME
 *	dir PATH		made by us, removed at the end
 */
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cli/up.h"

#define COPY_CHUNK (1 << 16)

int up_fail(const char *fmt, ...)
{
	va_list ap;

	fputs("cordon up: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return -1;
}

const char *up_path(char *out, const char *dir, const char *fmt, ...)
{
	size_t n = (size_t)snprintf(out, PATH_MAX, "%s/", dir);
	va_list ap;

	cd_assert(n < PATH_MAX);
	va_start(ap, fmt);
	n += (size_t)vsnprintf(out + n, PATH_MAX - n, fmt, ap);
	va_end(ap);
	cd_assert(n < PATH_MAX);
	return out;
}

int up_users_find(struct up *up)
{
	static const struct {
		const char *name;
		uid_t number;
	} users[UP_USERS] = {
		[UP_CORDON] = {"cordon", 64731},
		[UP_KEYS] = {"cordon-keys", 64732},
		[UP_AGENT] = {"cordon-agent", 64733},
		[UP_GW] = {"cordon-gw", 64734},
		[UP_DEMO] = {"cordon-demo", 64735},
	};

	for (size_t i = 0; i < UP_USERS; i++) {
		const struct passwd *pw = getpwnam(users[i].name);

		up->ids[i].uid = pw ? pw->pw_uid : users[i].number;
		up->ids[i].gid = pw ? pw->pw_gid : users[i].number;
		if (up->ids[i].uid == 0)
			return up_fail("user %s must not be root",
				       users[i].name);
	}
	return 0;
}

/* mkdir -p: parents as root's, 0755. */
static int make_parents(const char *path)
{
	char part[PATH_MAX];

	snprintf(part, sizeof(part), "%s", path);
	for (char *p = strchr(part + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return 0;
}

static int make_dir(const char *path, uid_t uid, gid_t gid, mode_t mode)
{
	struct stat st;
	int fd;

	if (make_parents(path) < 0 ||
	    (mkdir(path, 0700) < 0 && errno != EEXIST))
		return up_fail("cannot make %s: %s", path, strerror(errno));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || fchown(fd, uid, gid) < 0 ||
	    fchmod(fd, mode) < 0) {
		int err = errno;

		if (fd >= 0)
			close(fd);
		return up_fail("cannot use %s: %s", path, strerror(err));
	}
	close(fd);
	return 0;
}

static void read_pid(int fd, char *out, size_t size)
{
	ssize_t n = pread(fd, out, size - 1, 0);

	out[n > 0 ? n : 0] = '\0';
	out[strspn(out, "0123456789")] = '\0';
	if (!*out)
		snprintf(out, size, "unknown");
}

/* The file may be removed by its last holder between open and lock. */
static bool same_file(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat(path, &b) == 0 &&
	       a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

static bool is_empty(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d)))
		n++;
	if (d)
		closedir(d);
	return n <= 2;
}

/* Owners are changed and a demo's folders removed: only in folders that were
 * new or empty once. */
static int check_ours(const char *dir, const char *mark)
{
	char path[PATH_MAX];

	up_path(path, dir, "%s", mark);
	if (access(path, F_OK) == 0 || is_empty(dir))
		return 0;
	return up_fail("%s is not empty and was not made by cordon up", dir);
}

int up_lock_take(struct up *up)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[PATH_MAX], pid[32];

	if (check_ours(up->opt.run, "up.pid"))
		return -1;
	for (;;) {
		if (make_dir(up->opt.run, 0, up->ids[UP_CORDON].gid, 01775))
			return -1;
		up_path(path, up->opt.run, "up.pid");
		up->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
				0644);
		if (up->lock < 0 && errno == ENOENT)
			continue;
		if (up->lock < 0)
			return up_fail("cannot open %s: %s", path,
				       strerror(errno));
		/* Of the open file: children that inherit nothing do not hold
		 * it, and it goes with us however we end. */
		if (fcntl(up->lock, F_OFD_SETLK, &whole) < 0) {
			read_pid(up->lock, pid, sizeof(pid));
			close(up->lock);
			up->lock = -1;
			return up_fail("already running, pid %s", pid);
		}
		if (same_file(up->lock, path))
			break;
		close(up->lock);
	}
	if (ftruncate(up->lock, 0) < 0 ||
	    dprintf(up->lock, "%d\n", (int)getpid()) < 0)
		return up_fail("cannot write %s: %s", path, strerror(errno));
	return 0;
}

static void read_boot_id(char *out, size_t size)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!f || !fgets(out, (int)size, f))
		snprintf(out, size, "unknown");
	out[strcspn(out, "\n")] = '\0';
	if (f)
		fclose(f);
}

void up_record(struct up *up, const char *fmt, ...)
{
	va_list ap;

	if (up->record < 0)
		return;
	va_start(ap, fmt);
	vdprintf(up->record, fmt, ap);
	va_end(ap);
}

static void kill_recorded(const struct up *up, pid_t pid, uint64_t start)
{
	uint64_t now;

	if (pid <= 1)
		return;
	if (cd_process_start_time(pid, &now) == 0 && now != start)
		return; /* somebody else by now */
	cd_process_kill_group(pid, up->opt.run);
}

static void clear_line(struct up *up, const char *line, bool same_boot)
{
	char text[PATH_MAX];
	unsigned long long start;
	int pid;

	if (sscanf(line, "child %d %llu", &pid, &start) == 2 && same_boot)
		kill_recorded(up, pid, start);
	else if (sscanf(line, "netns %63s", text) == 1)
		up_net_remove(text);
}

/* Removes a folder of the demo, or all in it but `keep`. The mark that says
 * whose it is goes last, so that a removal can be interrupted. */
static int remove_dir(const char *dir, const char *keep)
{
	static const char *const names[] = {
		"policy", "shm", "tls",	  "gw",	    "demo", "cordond",
		"keys",	  "bin", "agent", "broker", "log",
	};
	char path[PATH_MAX];
	int err = 0;

	for (size_t i = 0; !err && i < CD_ARRAY_SIZE(names); i++) {
		up_path(path, dir, "%s", names[i]);
		err = up_tree_remove(path);
	}
	if (!err && !keep)
		err = up_tree_remove(dir);
	return err;
}

static int remove_demo_dirs(struct up *up)
{
	int err = remove_dir(up->opt.state, NULL);

	/* An old bundle or certificate would be taken for this start's. */
	if (!err)
		err = remove_dir(up->opt.run, "up.pid");
	return err ? up_fail("cannot clear what an earlier demo left: %s",
			     strerror(-err)) :
		     0;
}

/* Whose record is it? A run with another run folder, and so another up.pid,
 * may have our state folder: what it lives on is no leftover. */
static int lock_record(struct up *up, int fd)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char text[256] = "", *who;
	ssize_t n;
	int pid = 0;

	if (fcntl(fd, F_OFD_SETLK, &whole) == 0)
		return 0;
	if (errno != EAGAIN && errno != EACCES)
		return up_fail("cannot lock %s/up.state: %s", up->opt.state,
			       strerror(errno));
	n = pread(fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	who = strstr(text, "\nup ");
	if (who)
		sscanf(who, "\nup %d", &pid);
	return up_fail("%s is in use by the cordon up with pid %d; another "
		       "one: --state DIR",
		       up->opt.state, pid);
}

/* In an installation the last bundle and the state stay; a demo's go. */
int up_leftovers_clear(struct up *up)
{
	char path[PATH_MAX], line[PATH_MAX], boot[64], was[64] = "";
	FILE *f;

	up_path(path, up->opt.state, "up.state");
	f = fopen(path, "r+e");
	if (!f)
		return 0;
	if (lock_record(up, fileno(f))) {
		fclose(f);
		return -1;
	}
	read_boot_id(boot, sizeof(boot));
	while (fgets(line, sizeof(line), f)) {
		sscanf(line, "boot %63s", was);
		clear_line(up, line, !strcmp(boot, was));
	}
	fclose(f);
	if (up->opt.demo)
		return remove_demo_dirs(up);
	unlink(path);
	return 0;
}

static int open_record(struct up *up)
{
	char path[PATH_MAX], boot[64];
	int fd;

	up_path(path, up->opt.state, "up.state");
	fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
		  0600);

	if (fd < 0)
		return up_fail("cannot write %s: %s", path, strerror(errno));
	if (lock_record(up, fd)) {
		close(fd);
		return -1;
	}
	up->record = fd;
	if (ftruncate(fd, 0) < 0)
		return up_fail("cannot write %s: %s", path, strerror(errno));
	read_boot_id(boot, sizeof(boot));
	up_record(up, "boot %s\nup %d\n", boot, (int)getpid());
	return 0;
}

int up_dirs_make(struct up *up)
{
	const struct up_ids *id = up->ids;
	const struct {
		const char *base, *name;
		uid_t uid;
		gid_t gid;
		mode_t mode;
	} dirs[] = {
		{up->opt.run, "policy", 0, 0, 0755},
		{up->opt.run, "shm", id[UP_AGENT].uid, id[UP_GW].gid, 0755},
		{up->opt.run, "tls", id[UP_AGENT].uid, id[UP_GW].gid, 0750},
		{up->opt.run, "keys", id[UP_KEYS].uid, id[UP_KEYS].gid, 0755},
		{up->opt.run, "gw", id[UP_GW].uid, id[UP_GW].gid, 0700},
		{up->opt.state, "cordond", id[UP_CORDON].uid, id[UP_CORDON].gid,
		 0700},
		{up->opt.state, "keys", id[UP_KEYS].uid, id[UP_KEYS].gid, 0700},
		{up->opt.state, "agent", id[UP_AGENT].uid, id[UP_AGENT].gid,
		 0700},
		{up->opt.state, "broker", 0, 0, 0700},
		{up->opt.state, "log", 0, 0, 0750},
	};
	char path[PATH_MAX];

	if ((up->opt.demo && check_ours(up->opt.state, "up.state")) ||
	    make_dir(up->opt.state, 0, 0, 0755) || open_record(up))
		return -1;
	if (up->opt.demo) {
		up_record(up, "dir %s\ndir %s\n", up->opt.state, up->opt.run);
		if (make_dir(up->opt.ca, 0, 0, 0755))
			return -1;
	}
	for (size_t i = 0; i < CD_ARRAY_SIZE(dirs); i++) {
		up_path(path, dirs[i].base, "%s", dirs[i].name);
		if (make_dir(path, dirs[i].uid, dirs[i].gid, dirs[i].mode))
			return -1;
	}
	return 0;
}

static int remove_below(int dir)
{
	DIR *d = fdopendir(dir);
	struct dirent *e;
	int err = 0;

	if (!d) {
		close(dir);
		return -ENOMEM;
	}
	while ((e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (unlinkat(dir, e->d_name, 0) == 0)
			continue;
		if (errno == EISDIR || errno == EPERM) {
			int sub = openat(dir, e->d_name,
					 O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
						 O_CLOEXEC);

			err = sub < 0 ? -errno : remove_below(sub);
			if (!err && unlinkat(dir, e->d_name, AT_REMOVEDIR) < 0)
				err = -errno;
		} else if (errno != ENOENT) {
			err = -errno;
		}
	}
	closedir(d);
	return err;
}

int up_tree_remove(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int err;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	err = remove_below(fd);
	if (!err && rmdir(path) < 0)
		err = -errno;
	return err;
}

void up_dirs_remove(struct up *up)
{
	char path[PATH_MAX];

	if (up->lock < 0)
		return;
	if (up->record >= 0) {
		close(up->record);
		up->record = -1;
		up_path(path, up->opt.state, "up.state");
		if (up->opt.demo)
			remove_dir(up->opt.state, NULL);
		else
			unlink(path);
	}
	/* The lock's file goes last, or stays to say whose folder it is. */
	if (up->opt.demo)
		remove_dir(up->opt.run, NULL);
	close(up->lock);
	up->lock = -1;
}

static int copy_bytes(int in, int out)
{
	char chunk[COPY_CHUNK];
	ssize_t n;

	while ((n = read(in, chunk, sizeof(chunk))) > 0) {
		for (ssize_t done = 0; done < n;) {
			ssize_t w =
				write(out, chunk + done, (size_t)(n - done));

			if (w < 0)
				return -errno;
			done += w;
		}
	}
	return n < 0 ? -errno : 0;
}

int up_file_new(const char *path)
{
	if (unlink(path) < 0 && errno != ENOENT)
		return -1;
	return open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    0600);
}

int up_file_copy(const char *from, const char *to, const struct up_ids *owner,
		 mode_t mode)
{
	int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), out, err;

	if (in < 0)
		return -errno;
	out = up_file_new(to);
	if (out < 0) {
		err = -errno;
		close(in);
		return err;
	}
	err = copy_bytes(in, out);
	if (!err && ((owner && fchown(out, owner->uid, owner->gid) < 0) ||
		     fchmod(out, mode) < 0))
		err = -errno;
	close(in);
	if (close(out) < 0 && !err)
		err = -errno;
	return err;
}

int up_tree_copy(const char *from, const char *to, const struct up_ids *owner,
		 mode_t dir_mode, mode_t file_mode)
{
	char a[PATH_MAX], b[PATH_MAX];
	DIR *d = opendir(from);
	struct dirent *e;
	struct stat st;
	int err = 0;

	if (!d)
		return -errno;
	if (make_dir(to, owner ? owner->uid : 0, owner ? owner->gid : 0,
		     dir_mode))
		err = -EACCES;
	while (!err && (e = readdir(d))) {
		up_path(a, from, "%s", e->d_name);
		up_path(b, to, "%s", e->d_name);
		if (lstat(a, &st) == 0 && S_ISREG(st.st_mode))
			err = up_file_copy(a, b, owner, file_mode);
	}
	closedir(d);
	return err;
}

/* May users other than the owner read and start it? */
static bool others_may_use(const char *file)
{
	char part[PATH_MAX];
	struct stat st;

	if (stat(file, &st) < 0 || (st.st_mode & 0005) != 0005)
		return false;
	snprintf(part, sizeof(part), "%s", file);
	for (char *p = strrchr(part, '/'); p && p != part;
	     p = strrchr(part, '/')) {
		*p = '\0';
		if (stat(part, &st) < 0 || !(st.st_mode & 0001))
			return false;
	}
	return true;
}

/* The first of some folders that holds `file`. */
static int find_dir(const struct up *up, const char *file,
		    const char *const *dirs, size_t n, char *ret)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < n; i++) {
		const char *dir = *dirs[i] ? dirs[i] : up->self;

		up_path(path, dir, "%s", file);
		if (access(path, R_OK) == 0) {
			snprintf(ret, PATH_MAX, "%s", dir);
			return 0;
		}
	}
	return up_fail("%s is not installed beside this program", file);
}

static int stage(struct up *up, const char *from_dir, const char *name,
		 mode_t mode)
{
	char from[PATH_MAX], to[PATH_MAX];
	int err;

	up_path(from, from_dir, "%s", name);
	up_path(to, up->opt.state, "bin/%s", name);
	err = up_file_copy(from, to, NULL, mode);
	return err ? up_fail("cannot copy %s to %s: %s", from, to,
			     strerror(-err)) :
		     0;
}

/* A build folder is copied even when it is readable: a rebuild must not
 * change, nor be refused by, what runs. */
int up_programs_stage(struct up *up)
{
	static const char *const bins[] = {"", "/usr/sbin", "/usr/local/sbin"};
	static const char *const mods[] = {"", "/usr/lib/nginx/modules",
					   "/usr/local/lib/nginx/modules"};
	char probe[PATH_MAX], bin[PATH_MAX];
	struct statvfs fs;

	if (find_dir(up, "cordond", bins, 3, up->bin) ||
	    find_dir(up, "ngx_http_cordon_module.so", mods, 3, up->modules))
		return -1;
	up_path(probe, up->bin, "cordond");
	if (!up->from_build && others_may_use(probe))
		return 0;
	up_path(bin, up->opt.state, "bin");
	if (make_dir(bin, 0, 0, 0755))
		return -1;
	if (statvfs(bin, &fs) == 0 && (fs.f_flag & ST_NOEXEC))
		return up_fail("%s is mounted noexec and programs must run "
			       "from it; use --state",
			       up->opt.state);
	if (stage(up, up->bin, "cordond", 0755) ||
	    stage(up, up->bin, "cordon-agent", 0755) ||
	    stage(up, up->modules, "ngx_http_cordon_module.so", 0644) ||
	    stage(up, up->modules, "ngx_stream_cordon_module.so", 0644))
		return -1;
	snprintf(up->bin, sizeof(up->bin), "%s", bin);
	snprintf(up->modules, sizeof(up->modules), "%s", bin);
	return 0;
}
