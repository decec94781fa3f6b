/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linear probing: one cache line holds eight keys.
 */
#include "agent/idmap.h"

#include <stdlib.h>
#include <string.h>

#define CAP_MIN 64

void cd_idmap_init(struct cd_idmap *m, size_t value_size)
{
	*m = (struct cd_idmap){.value_size = value_size};
}

void cd_idmap_done(struct cd_idmap *m)
{
	free(m->keys);
	free(m->values);
	cd_idmap_init(m, m->value_size);
}

static size_t home(const struct cd_idmap *m, uint64_t key)
{
	key *= 0x9e3779b97f4a7c15u;
	return (size_t)(key ^ key >> 32) & (m->cap - 1);
}

static void *at(const struct cd_idmap *m, size_t i)
{
	return m->values + i * m->value_size;
}

/* Where the key is, or where it would go. */
static size_t slot(const struct cd_idmap *m, uint64_t key)
{
	size_t i = home(m, key);

	while (m->keys[i] && m->keys[i] != key)
		i = (i + 1) & (m->cap - 1);
	return i;
}

static bool grow(struct cd_idmap *m)
{
	struct cd_idmap big = {.value_size = m->value_size,
			       .cap = m->cap ? 2 * m->cap : CAP_MIN,
			       .n = m->n};

	big.keys = cd_calloc(big.cap, sizeof(*big.keys));
	big.values = cd_calloc(big.cap, big.value_size);
	if (!big.keys || !big.values) {
		cd_idmap_done(&big);
		return false;
	}
	for (size_t i = 0; i < m->cap; i++) {
		size_t to;

		if (!m->keys[i])
			continue;
		to = slot(&big, m->keys[i]);
		big.keys[to] = m->keys[i];
		memcpy(at(&big, to), at(m, i), m->value_size);
	}
	free(m->keys);
	free(m->values);
	*m = big;
	return true;
}

void *cd_idmap_get(const struct cd_idmap *m, uint64_t key)
{
	size_t i;

	if (!m->n || !key)
		return NULL;
	i = slot(m, key);
	return m->keys[i] ? at(m, i) : NULL;
}

void *cd_idmap_put(struct cd_idmap *m, uint64_t key)
{
	size_t i;

	cd_assert(key);
	if (4 * (m->n + 1) > 3 * m->cap && !grow(m))
		return NULL;
	i = slot(m, key);
	if (!m->keys[i]) {
		m->keys[i] = key;
		memset(at(m, i), 0, m->value_size);
		m->n++;
	}
	return at(m, i);
}

void cd_idmap_remove(struct cd_idmap *m, uint64_t key)
{
	size_t mask = m->cap - 1, hole, i;

	if (!cd_idmap_get(m, key))
		return;
	hole = slot(m, key);
	m->n--;
	for (i = (hole + 1) & mask; m->keys[i]; i = (i + 1) & mask) {
		/* may it move back to the hole without passing its home? */
		if (((i - home(m, m->keys[i])) & mask) < ((i - hole) & mask))
			continue;
		m->keys[hole] = m->keys[i];
		memcpy(at(m, hole), at(m, i), m->value_size);
		hole = i;
	}
	m->keys[hole] = 0;
}

void *cd_idmap_next(const struct cd_idmap *m, size_t *pos, uint64_t *ret_key)
{
	while (*pos < m->cap) {
		size_t i = (*pos)++;

		if (m->keys[i]) {
			*ret_key = m->keys[i];
			return at(m, i);
		}
	}
	return NULL;
}
