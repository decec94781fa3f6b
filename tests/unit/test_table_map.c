// SPDX-License-Identifier: Apache-2.0
/*
 * Mapping a file where large pages fit: sizes around one large page, what the
 * file holds up to its last byte, and a descriptor that is none.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/table_map.h"
#include "tap.h"

enum { LARGE = 2 << 20 };

static void maps(size_t size)
{
	char name[] = "/tmp/cordon-map-XXXXXX", *p;
	int fd = mkstemp(name);

	unlink(name);
	if (!ok_eq_int(pwrite(fd, "end", 3, (off_t)size - 3), 3))
		return;
	p = cd_table_map_file(fd, size, PROT_READ | PROT_WRITE);
	if (ok_true(p)) {
		ok_true(size < LARGE || (uintptr_t)p % LARGE == 0);
		cd_table_enlarge(p, size);
		ok_true(!memcmp(p + size - 3, "end", 3));
		p[0] = 'x';
		ok_eq_int(munmap(p, size), 0);
	}
	close(fd);
	ok_true(!cd_table_map_file(fd, size, PROT_READ));
}

TEST(files_are_mapped_where_large_pages_fit)
{
	maps(100);
	maps(LARGE - 1);
	maps(LARGE);
	maps(5 * LARGE + 100);
}
