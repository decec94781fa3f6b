/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Back-off of guesses: who guesses waits, the owner elsewhere does not.
 */
#include "tap.h"

#include "controller/throttle.h"

#define ALICE CD_STR("alice")
#define HERE CD_STR("203.0.113.5")
#define THERE CD_STR("198.51.100.7")

enum { T0 = 1000000 };

TEST(a_few_guesses_are_free_then_each_doubles_the_wait)
{
	struct cd_throttle *t cd_auto(cd_throttle_free) = NULL;
	int64_t now = T0, wait, before = 0;
	int i;

	ok_eq_int(cd_throttle_new(&t), 0);
	for (i = 0; i < CD_THROTTLE_FREE; i++)
		ok_eq_int(cd_throttle_try(t, ALICE, HERE, now), 0);
	for (i = 0; i < 20; i++) {
		wait = cd_throttle_try(t, ALICE, HERE, now);
		ok_true(wait > 0 && wait <= CD_THROTTLE_MAX_S);
		ok_true(wait >= before);
		before = wait;
		now += wait - 1;
		ok_eq_int(cd_throttle_try(t, ALICE, HERE, now), 1);
		now += 1;
		ok_eq_int(cd_throttle_try(t, ALICE, HERE, now), 0);
	}
	ok_eq_int(before, CD_THROTTLE_MAX_S);
}

TEST(the_owner_elsewhere_is_not_locked_out)
{
	struct cd_throttle *t cd_auto(cd_throttle_free) = NULL;
	int i;

	ok_eq_int(cd_throttle_new(&t), 0);
	for (i = 0; i < 1000; i++)
		cd_throttle_try(t, ALICE, HERE, T0 + i);
	ok_true(cd_throttle_try(t, ALICE, HERE, T0 + i) > 0);
	ok_eq_int(cd_throttle_try(t, ALICE, THERE, T0 + i), 0);
}

TEST(success_forgives)
{
	struct cd_throttle *t cd_auto(cd_throttle_free) = NULL;
	int i;

	ok_eq_int(cd_throttle_new(&t), 0);
	for (i = 0; i < 500; i++) {
		ok_eq_int(cd_throttle_try(t, ALICE, HERE, T0), 0);
		cd_throttle_forgive(t, ALICE, HERE);
	}
}

TEST(many_accounts_from_one_address)
{
	struct cd_throttle *t cd_auto(cd_throttle_free) = NULL;
	char name[24];
	int i, passed = 0;

	ok_eq_int(cd_throttle_new(&t), 0);
	for (i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "user%d", i);
		passed += !cd_throttle_try(t, cd_str_from(name), HERE, T0);
	}
	ok_eq_int(passed, CD_THROTTLE_FREE_ADDR);
}

TEST(one_ipv6_customer_is_one_address)
{
	struct cd_throttle *t cd_auto(cd_throttle_free) = NULL;
	char addr[64];
	int i, passed = 0;

	ok_eq_int(cd_throttle_new(&t), 0);
	for (i = 0; i < 100; i++) {
		snprintf(addr, sizeof(addr), "2001:db8:1:2::%x", i);
		passed += !cd_throttle_try(t, ALICE, cd_str_from(addr), T0);
	}
	ok_eq_int(passed, CD_THROTTLE_FREE);
	ok_eq_int(cd_throttle_try(t, ALICE, CD_STR("2001:db8:1:3::1"), T0), 0);
}

TEST(time_forgives_and_a_clock_set_back_does_not_lock)
{
	struct cd_throttle *t cd_auto(cd_throttle_free) = NULL;
	int i;

	ok_eq_int(cd_throttle_new(&t), 0);
	for (i = 0; i < 100; i++)
		cd_throttle_try(t, ALICE, HERE, T0);
	ok_true(cd_throttle_try(t, ALICE, HERE, T0) > 0);
	ok_eq_int(cd_throttle_try(t, ALICE, HERE, T0 - 86400), 0);
	ok_eq_int(cd_throttle_try(t, ALICE, HERE, T0 + 86400), 0);
}

TEST(memory_is_bounded_under_a_flood)
{
	struct cd_throttle *t cd_auto(cd_throttle_free) = NULL;
	char addr[32];
	int i;

	ok_eq_int(cd_throttle_new(&t), 0);
	for (i = 0; i < 100000; i++) {
		snprintf(addr, sizeof(addr), "10.%d.%d.%d", i >> 16 & 255,
			 i >> 8 & 255, i & 255);
		cd_throttle_try(t, ALICE, cd_str_from(addr), T0 + i / 1000);
	}
	ok_eq_int(cd_throttle_try(t, CD_STR("bob"), THERE, T0 + 100), 0);
}

/* Codes are few: addresses, which are cheap, must not buy more of them. */
TEST(codes_of_one_person_are_few_from_everywhere_together)
{
	struct cd_throttle *t cd_auto(cd_throttle_free) = NULL;
	int64_t now = T0, wait;
	int i, tried = 0;

	ok_eq_int(cd_throttle_new(&t), 0);
	for (i = 0; i < CD_THROTTLE_CODES; i++)
		ok_eq_int(cd_throttle_code(t, ALICE, now), 0);
	ok_true(cd_throttle_code(t, ALICE, now) > 0);
	ok_eq_int(cd_throttle_code(t, CD_STR("bob"), now), 0);
	/* a day of asking as often as it is let */
	while (now < T0 + 86400) {
		wait = cd_throttle_code(t, ALICE, now);
		tried += !wait;
		now += wait ? wait : 1;
	}
	ok_true(tried > 90 && tried < 120);
	/* waiting in silence for the longest wait buys no fresh allowance */
	now += CD_THROTTLE_MAX_S + 1;
	ok_eq_int(cd_throttle_code(t, ALICE, now), 0);
	ok_true(cd_throttle_code(t, ALICE, now) > 0);
	cd_throttle_code_forgive(t, ALICE);
	ok_eq_int(cd_throttle_code(t, ALICE, now), 0);
	ok_eq_int(cd_throttle_code(t, ALICE, now), 0);
}

TEST(strangers_do_not_make_room_for_more_codes)
{
	struct cd_throttle *t cd_auto(cd_throttle_free) = NULL;
	char name[32];
	int i;

	ok_eq_int(cd_throttle_new(&t), 0);
	for (i = 0; i < CD_THROTTLE_CODES; i++)
		ok_eq_int(cd_throttle_code(t, ALICE, T0), 0);
	for (i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "%d", i);
		cd_throttle_try(t, cd_str_from(name), HERE, T0 + i);
	}
	ok_true(cd_throttle_code(t, ALICE, T0) > 0);
}
