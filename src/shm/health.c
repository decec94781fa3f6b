// SPDX-License-Identifier: Apache-2.0
/*
 * The map of upstream health. Deleting needs no tombstones, because a reader
 * never stops at a free slot; what that costs is eight cache lines, for apps
 * with a health line only.
 */
#include "shm/health.h"

uint64_t cd_health_key(struct cd_str app, struct cd_str path, bool tls,
		       const struct cd_addr *addr, uint16_t port)
{
	const uint64_t parts[] = {
		cd_str_hash(app),
		cd_str_hash(path),
		cd_hash(addr->bytes, sizeof(addr->bytes)),
		(uint64_t)addr->family << 32 | (uint64_t)tls << 16 | port,
	};
	uint64_t key = cd_hash(parts, sizeof(parts));

	return key ? key : 1;
}

static uint32_t at(uint64_t key, uint32_t i)
{
	return ((uint32_t)key + i) & (CD_HEALTH_SLOTS - 1);
}

static uint64_t key_at(const struct cd_health_map *map, uint32_t slot)
{
	return atomic_load_explicit(&map->slots[slot].key,
				    memory_order_acquire);
}

bool cd_health_is_down(const struct cd_health_map *map, uint64_t key)
{
	for (uint32_t i = 0; i < CD_HEALTH_WINDOW; i++) {
		uint32_t slot = at(key, i);
		bool down;

		if (key_at(map, slot) != key)
			continue;
		down = atomic_load_explicit(&map->slots[slot].down,
					    memory_order_acquire);
		/* The slot may have gone to another key meanwhile. */
		return down && key_at(map, slot) == key;
	}
	return false;
}

bool cd_health_put(struct cd_health_map *map, uint64_t key, bool down)
{
	uint32_t place = CD_HEALTH_SLOTS;

	for (uint32_t i = 0; i < CD_HEALTH_WINDOW; i++) {
		uint32_t slot = at(key, i);
		uint64_t there = key_at(map, slot);

		if (there == key) {
			atomic_store_explicit(&map->slots[slot].down, down,
					      memory_order_release);
			return true;
		}
		if (there == 0 && place == CD_HEALTH_SLOTS)
			place = slot;
	}
	if (place == CD_HEALTH_SLOTS)
		return false;
	atomic_store_explicit(&map->slots[place].down, down,
			      memory_order_release);
	atomic_store_explicit(&map->slots[place].key, key,
			      memory_order_release);
	return true;
}

void cd_health_keep(struct cd_health_map *map,
		    bool (*wanted)(void *ctx, uint64_t key), void *ctx)
{
	for (uint32_t slot = 0; slot < CD_HEALTH_SLOTS; slot++) {
		uint64_t key = key_at(map, slot);

		if (key == 0 || wanted(ctx, key))
			continue;
		atomic_store_explicit(&map->slots[slot].key, 0,
				      memory_order_release);
		atomic_store_explicit(&map->slots[slot].down, 0,
				      memory_order_release);
	}
}

bool cd_health_count(struct cd_health_state *state, bool good, uint32_t fall,
		     uint32_t rise)
{
	if (good != state->down) {
		state->streak = 0;
		return false;
	}
	if (++state->streak < (good ? rise : fall))
		return false;
	state->streak = 0;
	state->down = !state->down;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "HTTP/1.x NNN" and a blank or the end of the line, RFC 9112 section 4 */
int cd_health_status(struct cd_str answer)
{
	static const char begin[] = "HTTP/1.";
	const size_t n = sizeof(begin) - 1;
	const char *p = answer.ptr;
	int status;

	if (answer.len == 0)
		return -EAGAIN;
	if (memcmp(p, begin, CD_MIN(answer.len, n)) != 0)
		return -EINVAL;
	if (answer.len < CD_HEALTH_LINE)
		return -EAGAIN;
	if (!is_digit(p[n]) || p[n + 1] != ' ' || !is_digit(p[n + 2]) ||
	    !is_digit(p[n + 3]) || !is_digit(p[n + 4]) ||
	    (p[n + 5] != ' ' && p[n + 5] != '\r' && p[n + 5] != '\n'))
		return -EINVAL;
	status = (p[n + 2] - '0') * 100 + (p[n + 3] - '0') * 10 +
		 (p[n + 4] - '0');
	return status >= 100 && status <= 599 ? status : -EINVAL;
}
