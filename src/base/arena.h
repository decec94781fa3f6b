/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An arena: many small allocations, one free, a hard limit on the sum. Used
 * for what lives as long as one parse, one compile or one request.
 */
#ifndef CD_BASE_ARENA_H
#define CD_BASE_ARENA_H

#include "base/str.h"

struct cd_arena;

/* limit: bytes in all that the arena may hand out. */
int cd_arena_new(size_t limit, struct cd_arena **ret_arena);
void cd_arena_free(struct cd_arena **arena);

/* Zeroed memory aligned for any type, or NULL (no memory, or the limit:
 * cd_arena_is_full() tells which). Lives until cd_arena_free(). */
void *cd_arena_alloc(struct cd_arena *arena, size_t size);
void *cd_arena_array(struct cd_arena *arena, size_t n, size_t size);
/* Copy with a terminating NUL behind it. */
int cd_arena_str(struct cd_arena *arena, struct cd_str s,
		 struct cd_str *ret_copy);
bool cd_arena_is_full(const struct cd_arena *arena);
size_t cd_arena_used(const struct cd_arena *arena);

#endif
