/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file for parsers that take a path: it lies in memory and is reached by its
 * descriptor, so that nothing is left behind when a harness ends by a signal.
 * One of it lives for ever; each input writes it anew.
 */
#ifndef CD_TESTS_FUZZ_MEMFILE_H
#define CD_TESTS_FUZZ_MEMFILE_H

#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/base.h"

struct memfile {
	int fd; /* -1 before the first write */
	char path[64];
};

#define MEMFILE_INIT     \
	{                \
		.fd = -1 \
	}

static inline void memfile_put(struct memfile *f, uint64_t at, const void *p,
			       size_t len)
{
	cd_assert(pwrite(f->fd, p, len, (off_t)at) == (ssize_t)len);
}

/* The file holds these bytes and no others. */
static inline void memfile_set(struct memfile *f, const void *p, size_t len)
{
	if (f->fd < 0) {
		f->fd = memfd_create("fuzz", MFD_CLOEXEC);
		cd_assert(f->fd >= 0);
		snprintf(f->path, sizeof(f->path), "/proc/self/fd/%d", f->fd);
	}
	cd_assert(ftruncate(f->fd, 0) == 0);
	if (len)
		memfile_put(f, 0, p, len);
}

#endif
