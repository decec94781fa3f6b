// SPDX-License-Identifier: Apache-2.0
/*
 * A hash table of numbers; see the header. Grown, and rid of removed entries,
 * by filling a new array when three quarters are used.
 */
#include "shm/table_names.h"

#include <stdlib.h>

#define FIRST_CAP 64u

int names_init(struct names *n,
	       struct cd_str (*name)(const void *owner, uint32_t number),
	       const void *owner)
{
	*n = (struct names){.name = name, .owner = owner, .cap = FIRST_CAP};
	n->v = cd_calloc(n->cap, sizeof(*n->v));
	return n->v ? 0 : -ENOMEM;
}

void names_done(struct names *n)
{
	free(n->v);
	n->v = NULL;
}

uint32_t names_find(const struct names *n, struct cd_str name)
{
	uint32_t mask = n->cap - 1, i = (uint32_t)cd_str_hash(name) & mask;

	for (; n->v[i]; i = (i + 1) & mask)
		if (n->v[i] > 1 &&
		    cd_str_equal(n->name(n->owner, n->v[i] - 2), name))
			return n->v[i] - 2;
	return NAMES_NONE;
}

static void insert(struct names *n, uint32_t entry)
{
	struct cd_str name = n->name(n->owner, entry - 2);
	uint32_t mask = n->cap - 1, i = (uint32_t)cd_str_hash(name) & mask;

	while (n->v[i])
		i = (i + 1) & mask;
	n->v[i] = entry;
	n->used++;
}

static int refill(struct names *n)
{
	struct names old = *n;
	uint32_t live = 0;

	for (uint32_t i = 0; i < n->cap; i++)
		live += n->v[i] > 1;
	while (n->cap / 2 <= live)
		n->cap *= 2;
	n->used = 0;
	n->v = cd_calloc(n->cap, sizeof(*n->v));
	if (!n->v) {
		*n = old;
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < old.cap; i++)
		if (old.v[i] > 1)
			insert(n, old.v[i]);
	free(old.v);
	return 0;
}

int names_add(struct names *n, uint32_t number)
{
	if (n->used + 1 > n->cap / 4 * 3) {
		int err = refill(n);

		if (err)
			return err;
	}
	insert(n, number + 2);
	return 0;
}

void names_remove(struct names *n, uint32_t number)
{
	struct cd_str name = n->name(n->owner, number);
	uint32_t mask = n->cap - 1, i = (uint32_t)cd_str_hash(name) & mask;

	for (; n->v[i]; i = (i + 1) & mask)
		if (n->v[i] == number + 2) {
			n->v[i] = 1;
			return;
		}
}
