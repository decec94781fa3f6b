/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's secret comes from a file and goes into a struct cd_secret; no
 * buffer in between outlives this function unwiped.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/oidc_provider.h"

#define SECRET_MIN 8
#define SECRET_MAX 4096

static int refuse(struct cd_diag *diag, const char *path, const char *why,
		  int r)
{
	cd_diag_add(diag, CD_ERROR, NULL, 0, 0, "%s: %s", path, why);
	return r;
}

static bool is_visible(struct cd_str s)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		if (s.ptr[i] <= ' ' || s.ptr[i] >= 0x7f)
			return false;
	return s.len >= SECRET_MIN && s.len <= SECRET_MAX;
}

static int read_secret(int fd, const char *path, struct cd_diag *diag,
		       struct cd_secret **ret_secret)
{
	char text[SECRET_MAX + 3];
	struct stat st;
	struct cd_str s;
	ssize_t n;
	int r;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return refuse(diag, path, "is not a file", -EINVAL);
	if (st.st_mode & 0007)
		return refuse(diag, path,
			      "others may read it: chmod o= that file", -EPERM);
	n = read(fd, text, sizeof(text));
	if (n < 0)
		return refuse(diag, path, strerror(errno), -errno);
	s = cd_str_trim(cd_str_make(text, (size_t)n));
	r = is_visible(s) ? cd_secret_from(s, ret_secret) :
			    refuse(diag, path,
				   "does not hold one line of 8 to 4096 "
				   "visible characters",
				   -EINVAL);
	cd_wipe(text, sizeof(text));
	return r;
}

int cd_oidc_secret_read(const char *path, struct cd_diag *diag,
			struct cd_secret **ret_secret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int r;

	if (fd < 0)
		return refuse(diag, path, strerror(errno), -errno);
	r = read_secret(fd, path, diag, ret_secret);
	close(fd);
	return r;
}
