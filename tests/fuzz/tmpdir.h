/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder for code under test that makes, renames and cuts files of its own:
 * in memory where the machine has that, and gone when the harness ends. A
 * harness that ends by a signal leaves it behind.
 */
#ifndef CD_TESTS_FUZZ_TMPDIR_H
#define CD_TESTS_FUZZ_TMPDIR_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/str.h"

/* dir, and the one file in it that the harness is about. */
static char tmpdir[64], tmpfile_path[96];

static void tmpdir_clear(void)
{
	char made[104];

	snprintf(made, sizeof(made), "%s.new", tmpfile_path);
	unlink(made);
	unlink(tmpfile_path);
	rmdir(tmpdir);
}

/* Makes it at the first call. */
static inline void tmpdir_need(const char *name)
{
	if (*tmpdir)
		return;
	snprintf(tmpdir, sizeof(tmpdir), "%s/cordon-fuzz-XXXXXX",
		 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	cd_assert(mkdtemp(tmpdir));
	snprintf(tmpfile_path, sizeof(tmpfile_path), "%s/%s", tmpdir, name);
	atexit(tmpdir_clear);
}

static inline void tmpfile_set(struct cd_str s)
{
	int fd = open(tmpfile_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
		      0600);

	cd_assert(fd >= 0 && write(fd, s.ptr, s.len) == (ssize_t)s.len);
	close(fd);
}

#endif
