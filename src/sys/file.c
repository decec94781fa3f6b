/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that are whole or not there.
 */
#include "sys/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 4096

bool cd_path_join(char *out, size_t size, const char *dir, const char *name)
{
	int n = snprintf(out, size, "%s/%s", dir, name);

	return n >= 0 && (size_t)n < size;
}

int cd_fd_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int cd_dir_sync(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (fsync(fd))
		r = -errno;
	close(fd);
	return r;
}

static int parent_sync(const char *path)
{
	char dir[PATH_SIZE];
	char *slash;

	if (strlen(path) >= sizeof(dir))
		return -ENAMETOOLONG;
	memcpy(dir, path, strlen(path) + 1);
	slash = strrchr(dir, '/');
	if (!slash)
		return cd_dir_sync(".");
	slash[slash == dir] = 0;
	return cd_dir_sync(dir);
}

static int fill(int fd, struct cd_str data, mode_t mode, uid_t uid, gid_t gid)
{
	int r = cd_fd_write_all(fd, data.ptr, data.len);

	if (r)
		return r;
	/* owner before mode: chown takes set-id bits away */
	if ((uid != (uid_t)-1 || gid != (gid_t)-1) && fchown(fd, uid, gid))
		return -errno;
	if (fchmod(fd, mode) || fsync(fd))
		return -errno;
	return 0;
}

int cd_file_write(const char *path, struct cd_str data, mode_t mode, uid_t uid,
		  gid_t gid)
{
	char temp[PATH_SIZE];
	int fd, r;

	if (snprintf(temp, sizeof(temp), "%s.new.%ld", path, (long)getpid()) >=
	    (int)sizeof(temp))
		return -ENAMETOOLONG;
	/* a left-over of an earlier process with our number */
	if (unlink(temp) && errno != ENOENT)
		return -errno;
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		  0600);
	if (fd < 0)
		return -errno;
	r = fill(fd, data, mode, uid, gid);
	if (close(fd) && !r)
		r = -errno;
	if (!r && rename(temp, path))
		r = -errno;
	if (r) {
		unlink(temp);
		return r;
	}
	return parent_sync(path);
}

int cd_fd_read(int fd, size_t max, char **ret_data, size_t *ret_len)
{
	struct cd_buf b cd_auto(cd_buf_done);
	char chunk[16384];
	ssize_t n;

	cd_buf_init(&b, max);
	while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		cd_buf_put(&b, chunk, (size_t)n);
		if (b.err)
			return b.err;
	}
	*ret_len = b.len;
	*ret_data = cd_buf_take(&b);
	return *ret_data ? 0 : -ENOMEM;
}

int cd_file_read(const char *path, size_t max, char **ret_data, size_t *ret_len)
{
	/* not blocking: open() of a pipe would wait for a writer */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	int r;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		r = -errno;
	else if (S_ISDIR(st.st_mode))
		r = -EISDIR;
	else if (!S_ISREG(st.st_mode))
		r = -EINVAL;
	else if ((uint64_t)st.st_size > max)
		r = CD_E_LIMIT;
	else
		r = cd_fd_read(fd, max, ret_data, ret_len);
	close(fd);
	return r;
}

int cd_dir_make(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	int fd, r = 0;

	if (mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ELOOP ? -ENOTDIR : -errno;
	if ((uid != (uid_t)-1 || gid != (gid_t)-1) && fchown(fd, uid, gid))
		r = -errno;
	if (!r && fchmod(fd, mode))
		r = -errno;
	close(fd);
	return r;
}

/* ---- locks --------------------------------------------------------------*/

static pid_t holder_of(int fd)
{
	char text[24] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	uint64_t pid = 0;

	if (n <= 0 ||
	    cd_str_parse_u64(cd_str_trim(cd_str_make(text, (size_t)n)), &pid) ||
	    pid > INT32_MAX)
		return 0;
	return (pid_t)pid;
}

static int write_pid(int fd)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

	if (ftruncate(fd, 0) || pwrite(fd, text, (size_t)n, 0) != n)
		return errno ? -errno : -EIO;
	return 0;
}

int cd_lock_take(const char *path, int *ret_fd, pid_t *ret_holder)
{
	/* of the open file, not of the process: closing another descriptor
	 * of the same file must not give it up */
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	int r;

	if (fd < 0)
		return -errno;
	if (fcntl(fd, F_OFD_SETLK, &lock)) {
		r = errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
		if (ret_holder)
			*ret_holder = holder_of(fd);
	} else {
		r = write_pid(fd);
	}
	if (r) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

void cd_lock_drop(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}
