/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mapping the session table so that large pages can serve it: a look-up among
 * a million sessions is at four places of 160 MiB, and with pages of 4 KiB
 * nearly each of them is a walk through the page tables, too.
 *
 * The kernel maps a file's large page as one only at an address that is a
 * multiple of 2 MiB, and it makes large pages of a tmpfs only where it is told
 * to. Where it cannot, everything works as before.
 */
#ifndef CD_SHM_TABLE_MAP_H
#define CD_SHM_TABLE_MAP_H

#include <stddef.h>

/* Maps the whole file, shared; prot as of mmap(). NULL: errno says why. */
void *cd_table_map_file(int fd, size_t size, int prot);
/* The writer's, once every page is there: makes large pages of them. Takes
 * about 0.1 s for 160 MiB; says nothing when it does not work. */
void cd_table_enlarge(void *base, size_t size);

#endif
