/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of the health of upstream servers, shared by the workers of
 * one gateway: one of them checks, all of them ask. Only what differs from
 * "healthy" matters, so a server that is not in the map is healthy: a map
 * that is full, empty or just made keeps nobody out.
 *
 * The map is a fixed array in memory that is zero when it is made. A key sits
 * somewhere in the window of slots that begins at its hash; whoever asks
 * reads the whole window and takes no lock. There is one writer at a time,
 * which the caller sees to.
 *
 * Beside it, the parts of a check that need no socket.
 */
#ifndef CD_SHM_HEALTH_H
#define CD_SHM_HEALTH_H

#include <stdatomic.h>

#include <cordon/decide.h>

#include "base/str.h"

#define CD_HEALTH_SLOTS 8192u /* a power of two */
#define CD_HEALTH_WINDOW 32u
/* Servers that one gateway checks; a quarter of the slots, so that windows
 * have room: linear probing then needs about 15 of the 32. */
#define CD_HEALTH_MAX (CD_HEALTH_SLOTS / 4)

struct cd_health_map {
	struct {
		_Atomic uint64_t key; /* 0: free */
		_Atomic uint64_t down; /* 0 or 1 */
	} slots[CD_HEALTH_SLOTS];
};

/* What is checked: the same server may be healthy for one app and not for
 * another, or for one path and not for another. Never 0. */
uint64_t cd_health_key(struct cd_str app, struct cd_str path, bool tls,
		       const struct cd_addr *addr, uint16_t port);
bool cd_health_is_down(const struct cd_health_map *map, uint64_t key);

/* Writer: false when the key's window is full; it then counts as healthy. */
bool cd_health_put(struct cd_health_map *map, uint64_t key, bool down);
/* Writer: forgets every key that wanted() does not know. */
void cd_health_keep(struct cd_health_map *map,
		    bool (*wanted)(void *ctx, uint64_t key), void *ctx);

/* A server's outcomes; begins as it is found in the map. */
struct cd_health_state {
	bool down;
	uint32_t streak; /* outcomes in a row that say otherwise */
};

/* Counts an outcome; true when the server changed between healthy and not. */
bool cd_health_count(struct cd_health_state *state, bool good, uint32_t fall,
		     uint32_t rise);

/* Bytes of a status line that cd_health_status() looks at. */
#define CD_HEALTH_LINE 13u

/* The status of an answer of HTTP/1.x by its first bytes: 100 to 599, -EAGAIN
 * when there are too few so far, -EINVAL when it is none. */
int cd_health_status(struct cd_str answer);

#endif
