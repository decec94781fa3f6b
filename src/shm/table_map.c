// SPDX-License-Identifier: Apache-2.0
/*
 * The address is chosen by reserving 2 MiB more than is needed and giving back
 * what is left on both sides.
 */
#include "shm/table_map.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

#define LARGE ((size_t)2 << 20)

static void *at_large(char *room, size_t len, int fd, size_t size, int prot)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t skip = -(uintptr_t)room & (LARGE - 1);
	size_t used = skip + ((size + page - 1) & ~(page - 1));
	void *p = mmap(room + skip, size, prot, MAP_SHARED | MAP_FIXED, fd, 0);

	if (p == MAP_FAILED) {
		munmap(room, len);
		return NULL;
	}
	if (skip)
		munmap(room, skip);
	if (used < len)
		munmap(room + used, len - used);
	return p;
}

void *cd_table_map_file(int fd, size_t size, int prot)
{
	size_t len = size + 2 * LARGE;
	void *p;

	if (size < LARGE) {
		p = mmap(NULL, size, prot, MAP_SHARED, fd, 0);
		return p == MAP_FAILED ? NULL : p;
	}
	p = mmap(NULL, len, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return p == MAP_FAILED ? NULL : at_large(p, len, fd, size, prot);
}

void cd_table_enlarge(void *base, size_t size)
{
	if (size >= LARGE)
		(void)madvise(base, size, MADV_COLLAPSE);
}
