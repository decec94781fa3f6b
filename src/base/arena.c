/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chunks of growing size in a list; an allocation bigger than a chunk gets
 * one of its own. Nothing is ever returned to a chunk.
 */
#include "base/arena.h"

#include <stdlib.h>

#define CHUNK_MIN 4096
#define CHUNK_MAX ((size_t)1 << 20)
#define ALIGN 16

struct chunk {
	struct chunk *next;
	size_t size, used;
	_Alignas(ALIGN) unsigned char data[];
};

struct cd_arena {
	struct chunk *chunks;
	size_t limit, used, next_size;
	bool full;
};

int cd_arena_new(size_t limit, struct cd_arena **ret_arena)
{
	struct cd_arena *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->limit = limit;
	a->next_size = CHUNK_MIN;
	*ret_arena = a;
	return 0;
}

void cd_arena_free(struct cd_arena **arena)
{
	struct chunk *next;

	if (!*arena)
		return;
	for (struct chunk *c = (*arena)->chunks; c; c = next) {
		next = c->next;
		free(c);
	}
	free(*arena);
	*arena = NULL;
}

static struct chunk *add_chunk(struct cd_arena *a, size_t need)
{
	size_t size = CD_MAX(need, a->next_size);
	struct chunk *c;

	if (size > SIZE_MAX - sizeof(*c))
		return NULL;
	c = malloc(sizeof(*c) + size);
	if (!c)
		return NULL;
	c->size = size;
	c->used = 0;
	c->next = a->chunks;
	a->chunks = c;
	a->next_size = CD_MIN(a->next_size * 2, CHUNK_MAX);
	return c;
}

void *cd_arena_alloc(struct cd_arena *arena, size_t size)
{
	struct chunk *c = arena->chunks;
	void *p;

	if (size > arena->limit - arena->used ||
	    size > SIZE_MAX - (ALIGN - 1)) {
		arena->full = true;
		return NULL;
	}
	size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (!c || size > c->size - c->used)
		c = add_chunk(arena, size);
	if (!c)
		return NULL;
	p = c->data + c->used;
	c->used += size;
	arena->used = CD_MIN(arena->used + size, arena->limit);
	memset(p, 0, size);
	return p;
}

void *cd_arena_array(struct cd_arena *arena, size_t n, size_t size)
{
	size_t total;

	if (!cd_size_mul(n, size, &total)) {
		arena->full = true;
		return NULL;
	}
	return cd_arena_alloc(arena, total);
}

int cd_arena_str(struct cd_arena *arena, struct cd_str s,
		 struct cd_str *ret_copy)
{
	char *p;

	if (s.len == SIZE_MAX)
		return -ENOMEM;
	p = cd_arena_alloc(arena, s.len + 1);
	if (!p)
		return arena->full ? CD_E_LIMIT : -ENOMEM;
	if (s.len)
		memcpy(p, s.ptr, s.len);
	*ret_copy = cd_str_make(p, s.len);
	return 0;
}

bool cd_arena_is_full(const struct cd_arena *arena)
{
	return arena->full;
}

size_t cd_arena_used(const struct cd_arena *arena)
{
	return arena->used;
}
