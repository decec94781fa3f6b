/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A map from the numbers that cordond gives (people, devices, sessions; never
 * 0, never reused) to a value of ours. Open addressing with backward shift,
 * at most three quarters full. Keys come from signed records, so no defence
 * against chosen keys beyond mixing is needed.
 */
#ifndef CD_AGENT_IDMAP_H
#define CD_AGENT_IDMAP_H

#include "base/base.h"

struct cd_idmap {
	uint64_t *keys; /* 0: free */
	unsigned char *values;
	size_t cap, n, value_size;
};

void cd_idmap_init(struct cd_idmap *m, size_t value_size);
void cd_idmap_done(struct cd_idmap *m);
/* The value, or NULL; valid until the next _put or _remove. */
void *cd_idmap_get(const struct cd_idmap *m, uint64_t key);
/* The value, made of zeros when the key is new; NULL: no memory. */
void *cd_idmap_put(struct cd_idmap *m, uint64_t key);
void cd_idmap_remove(struct cd_idmap *m, uint64_t key);
/* The next value at or after *at (begin with 0), its key, and *at moved on;
 * NULL at the end. The map must not change meanwhile. */
void *cd_idmap_next(const struct cd_idmap *m, size_t *at, uint64_t *ret_key);

#endif
