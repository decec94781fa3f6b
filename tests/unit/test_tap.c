// SPDX-License-Identifier: Apache-2.0
/*
 * The harness tests itself: a check that cannot fail proves nothing, so each
 * kind is made to fail here, its count and output taken back.
 */
#include "tap.h"

/* Runs one check that must fail, and forgets that it did. */
#define FAILS(check)                                      \
	do {                                              \
		unsigned before_ = tap_fails;             \
		bool held_ = (check);                     \
		bool counted_ = tap_fails == before_ + 1; \
		tap_fails = before_;                      \
		ok_true(!held_);                          \
		ok_true(counted_);                        \
	} while (0)

TEST(checks_hold)
{
	ok_true(ok_true(1));
	ok_true(ok_false(0));
	ok_true(ok_eq_int(-3, -3));
	ok_true(ok_eq_uint(UINTMAX_MAX, UINTMAX_MAX));
	ok_true(ok_eq_str("a", "a"));
	ok_true(ok_eq_str(NULL, NULL));
	ok_true(ok_mem("ab", 2, "ab", 2));
	ok_true(ok_mem(NULL, 0, "", 0));
}

TEST(checks_fail)
{
	note("the complaints below are wanted");
	FAILS(ok_true(0));
	FAILS(ok_false(1));
	FAILS(ok_eq_int(-3, 3));
	FAILS(ok_eq_uint(0, UINTMAX_MAX));
	FAILS(ok_eq_str("a", "b"));
	FAILS(ok_eq_str("a", NULL));
	FAILS(ok_eq_str(NULL, "a"));
	FAILS(ok_mem("ab", 2, "ac", 2));
	FAILS(ok_mem("ab", 2, "ab", 1));
	FAILS(fail("%s", "said so"));
}

TEST(arguments_are_evaluated_once)
{
	int n = 0;

	ok_eq_int(++n, 1);
	ok_true(++n == 2);
	ok_eq_int(n, 2);
}

static int order;

TEST(order_is_that_of_the_file_1)
{
	ok_eq_int(order++, 0);
}

TEST(order_is_that_of_the_file_2)
{
	ok_eq_int(order++, 1);
}

TEST(only_takes_patterns)
{
	char prog[] = "t", only[] = "--only", pat[] = "ab*";
	char *argv[] = {prog, only, pat, NULL};

	ok_true(tap_wanted("abc", 3, argv));
	ok_false(tap_wanted("xabc", 3, argv));
	ok_true(tap_wanted("xabc", 1, argv));
}
