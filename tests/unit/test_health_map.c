// SPDX-License-Identifier: Apache-2.0
/*
 * The map of upstream health beside a plain array that says the same, and the
 * parts of a check that need no socket.
 */
#include "rng.h"
#include "shm/health.h"
#include "tap.h"

#define KEYS CD_HEALTH_MAX

struct twin {
	uint64_t key;
	bool there, down;
};

static struct twin twins[KEYS];
static struct cd_health_map map;

static bool is_there(void *ctx, uint64_t key)
{
	(void)ctx;
	for (size_t i = 0; i < KEYS; i++)
		if (twins[i].key == key)
			return twins[i].there;
	return false;
}

static size_t differences(void)
{
	size_t n = 0;

	for (size_t i = 0; i < KEYS; i++)
		n += cd_health_is_down(&map, twins[i].key) !=
		     (twins[i].there && twins[i].down);
	return n;
}

TEST(the_map_says_what_was_put)
{
	struct rng rng = rng_init(1);
	size_t full = 0;

	memset(&map, 0, sizeof(map));
	for (size_t i = 0; i < KEYS; i++)
		twins[i] = (struct twin){.key = rng_u64(&rng) | 1};
	ok_eq_uint(differences(), 0);
	for (int round = 0; round < 4; round++) {
		for (size_t i = 0; i < KEYS; i++) {
			struct twin *t = &twins[i];

			t->down = rng_u64(&rng) % 2;
			t->there = cd_health_put(&map, t->key, t->down);
			full += !t->there;
		}
		ok_eq_uint(differences(), 0);
		for (size_t i = 0; i < KEYS; i++)
			twins[i].there &= rng_u64(&rng) % 3 != 0;
		cd_health_keep(&map, is_there, NULL);
		ok_eq_uint(differences(), 0);
	}
	/* a quarter of the slots in use: windows are practically never full */
	ok_eq_uint(full, 0);
}

TEST(a_full_window_refuses_and_keeps_nobody_out)
{
	uint64_t stranger = (uint64_t)99 << 32 | 5;

	memset(&map, 0, sizeof(map));
	for (uint64_t i = 1; i <= CD_HEALTH_WINDOW; i++)
		ok_true(cd_health_put(&map, i << 32 | 5, true));
	ok_false(cd_health_put(&map, stranger, true));
	ok_false(cd_health_is_down(&map, stranger));
	ok_true(cd_health_is_down(&map, (uint64_t)CD_HEALTH_WINDOW << 32 | 5));
	ok_true(cd_health_put(&map, (uint64_t)7 << 32 | 5, false));
	ok_false(cd_health_is_down(&map, (uint64_t)7 << 32 | 5));
}

TEST(a_key_tells_apart_what_is_checked)
{
	const struct cd_addr a = {.family = 4, .bytes = {10, 0, 0, 1}};
	const struct cd_addr b = {.family = 4, .bytes = {10, 0, 0, 2}};
	const struct cd_addr c = {.family = 6, .bytes = {10, 0, 0, 1}};
	const struct cd_str x = CD_STR("x"), y = CD_STR("/y");
	uint64_t keys[] = {
		cd_health_key(x, y, false, &a, 80),
		cd_health_key(y, x, false, &a, 80),
		cd_health_key(x, CD_STR_NULL, false, &a, 80),
		cd_health_key(x, y, true, &a, 80),
		cd_health_key(x, y, false, &b, 80),
		cd_health_key(x, y, false, &c, 80),
		cd_health_key(x, y, false, &a, 81),
	};

	ok_true(keys[0] == cd_health_key(x, y, false, &a, 80));
	for (size_t i = 0; i < CD_ARRAY_SIZE(keys); i++)
		for (size_t k = 0; k < i; k++)
			ok_true(keys[i] != keys[k]);
}

/* Outcomes as letters, '+' and '-'; where the state changed, as '!'. */
static void counts(const char *outcomes, const char *changes, uint32_t fall,
		   uint32_t rise)
{
	struct cd_health_state s = {.down = false};
	char got[64] = "";

	for (size_t i = 0; outcomes[i]; i++)
		got[i] = cd_health_count(&s, outcomes[i] == '+', fall, rise) ?
				 '!' :
				 '.';
	ok_eq_str(got, changes);
}

TEST(fall_and_rise_count_in_a_row)
{
	counts("+++", "...", 1, 1);
	counts("-+-+", "!!!!", 1, 1);
	counts("--+---++-++",
	       "....."
	       "!.!...",
	       3, 2);
	counts("--+---+-++", ".....!...!", 3, 2);
}

static void status_is(const char *answer, int status)
{
	ok_eq_int(cd_health_status(cd_str_from(answer)), status);
}

TEST(status_lines)
{
	status_is("HTTP/1.1 200 OK\r\n", 200);
	status_is("HTTP/1.0 302\r\n", 302);
	status_is("HTTP/1.1 599\n", 599);
	status_is("", -EAGAIN);
	status_is("H", -EAGAIN);
	status_is("HTTP/1.1 200", -EAGAIN);
	status_is("SSH-2.0-x", -EINVAL);
	status_is("HTTP/2.0 200 OK", -EINVAL);
	status_is("HTTP/1.1 2000 OK", -EINVAL);
	status_is("HTTP/1.1 20a OK", -EINVAL);
	status_is("HTTP/1.1  20 OK", -EINVAL);
	status_is("HTTP/1.1 099 No", -EINVAL);
	status_is("HTTP/1.1 600 No", -EINVAL);
}
