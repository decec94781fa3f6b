// SPDX-License-Identifier: Apache-2.0
/*
 * The helper itself: every allocation is refused once and only once, and a
 * leak on an error path is seen.
 */
#include "oom.h"

/* Keeps the compiler from deciding what malloc returns. */
static void *volatile keep;

TEST(each_allocation_fails_once)
{
	unsigned runs = 0, first = 0, second = 0;

	OOM_EACH(n) {
		void *a = malloc(10);
		char *b = strdup("text");

		keep = a;
		runs++;
		first += !a;
		second += !b;
		ok_true(oom_failed() == (!a || !b));
		ok_eq_uint(n, runs - 1);
		free(a);
		free(b);
	}
	ok_eq_int(runs, 3);
	ok_eq_int(first, 1);
	ok_eq_int(second, 1);
}

TEST(realloc_keeps_what_it_cannot_grow)
{
	OOM_EACH(n) {
		void *a = calloc(2, 8);
		void *b = a ? reallocarray(a, 4, 8) : NULL;

		keep = b;
		ok_true(oom_failed() == (n < 2));
		free(b ? b : a);
	}
}

TEST(a_leak_on_the_error_path_is_seen)
{
	unsigned before = tap_fails;
	void *lost = NULL;
	unsigned found;

	OOM_EACH(n) {
		void *a = malloc(10);
		void *b = malloc(20);

		keep = a;
		if (b)
			free(a);
		else
			lost = a; /* what a forgotten free looks like */
		free(b);
		/* A refused first allocation loses nothing. */
		if (n == 0)
			ok_eq_uint(oom.live, 0);
	}
	found = tap_fails - before;
	tap_fails = before;
	ok_eq_int(found, 1);
	free(lost);
}
