/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mapped bundle: run/policy/current as a snapshot that decisions run on.
 * Counted references: whoever decides on it holds one; the file may be
 * replaced meanwhile, and the old map goes with its last holder. One thread
 * only, as in an nginx worker.
 */
#ifndef CD_SHM_SNAPMAP_H
#define CD_SHM_SNAPMAP_H

#include <cordon/snapshot.h>

#include "base/str.h"
#include "base/bundle_layout.h"

#define CD_SNAPMAP_HASH_LEN 32 /* SHA-256 of the snapshot */

struct cd_snapmap {
	const struct cd_snapshot *snapshot;
	uint64_t serial;
	int64_t not_before, not_after; /* Unix seconds */
	uint8_t hash[CD_SNAPMAP_HASH_LEN];
	uint32_t refs;
	void *map;
	size_t map_size;
};

/* Fills ret with the SHA-256 of data: this folder links no crypto library. */
typedef void (*cd_snapmap_hash_fn)(const void *data, size_t len,
				   uint8_t ret[CD_SNAPMAP_HASH_LEN]);

/*
 * Maps a bundle and gives one reference. With `hash` the image must have the
 * hash that its header says. -ENOENT..., CD_E_CORRUPT, CD_E_VERSION (header
 * or snapshot newer than this program): the caller keeps what it has.
 */
int cd_snapmap_open(const char *path, cd_snapmap_hash_fn hash,
		    struct cd_snapmap **ret_map);
struct cd_snapmap *cd_snapmap_ref(struct cd_snapmap *map);
void cd_snapmap_unref(struct cd_snapmap **map);

/* Past its not-after (or before its not-before): deny everything with
 * CD_REASON_SNAPSHOT_EXPIRED. now: Unix seconds. */
static inline bool cd_snapmap_is_expired(const struct cd_snapmap *map,
					 int64_t now)
{
	return now >= map->not_after;
}

#endif
