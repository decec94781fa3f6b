/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The test harness: one header, one test program per C file.
 *
 *	TEST(adds_up)
 *	{
 *		ok_eq_int(1 + 1, 2);
 *	}
 *
 * A TEST registers itself; main() is provided here and prints TAP, one point
 * per TEST. A failed check is told on standard error with file and line, marks
 * the test failed and goes on, so that one run shows everything that is wrong;
 * checks return whether they held, for when going on makes no sense:
 *
 *		if (!ok_true(p))
 *			return;
 *
 * Options: --only PATTERN (shell pattern on names, may be repeated), --list.
 * Every macro evaluates its arguments once.
 */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

#include <fnmatch.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Failures of one test that are printed; the rest is counted. */
#define TAP_SHOWN 20

struct tap_test {
	const char *name;
	void (*run)(void);
	struct tap_test *next;
};

static struct tap_test *tap_first;
static struct tap_test **tap_last = &tap_first;
static const char *tap_name = ""; /* of the running test */
static unsigned tap_fails; /* failed checks of the running test */
static char tap_skip_why[200]; /* not empty: the running test was skipped */

#define TEST(name_)                                                        \
	static void test_##name_(void);                                    \
	static struct tap_test tap_##name_ = {#name_, test_##name_, NULL}; \
	__attribute__((constructor)) static void tap_add_##name_(void)     \
	{                                                                  \
		*tap_last = &tap_##name_;                                  \
		tap_last = &tap_##name_.next;                              \
	}                                                                  \
	static void test_##name_(void)

/* Prints a line of its own that TAP readers ignore and people read. */
__attribute__((format(printf, 1, 2), unused)) static void note(const char *fmt,
							       ...)
{
	va_list ap;

	fputs("# ", stdout);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

/* Marks the running test skipped; the test returns by itself. */
__attribute__((format(printf, 1, 2), unused)) static void skip(const char *fmt,
							       ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(tap_skip_why, sizeof(tap_skip_why), fmt, ap);
	va_end(ap);
}

__attribute__((format(printf, 3, 4), unused)) static bool
tap_fail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	if (++tap_fails > TAP_SHOWN)
		return false;
	fprintf(stderr, "# %s:%d: %s: ", file, line, tap_name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return false;
}

__attribute__((unused)) static bool tap_true(const char *file, int line,
					     const char *expr, bool held)
{
	return held || tap_fail(file, line, "not true: %s", expr);
}

__attribute__((unused)) static bool tap_int(const char *file, int line,
					    const char *expr, intmax_t got,
					    intmax_t want)
{
	return got == want ||
	       tap_fail(file, line, "%s: got %" PRIdMAX ", want %" PRIdMAX,
			expr, got, want);
}

__attribute__((unused)) static bool tap_uint(const char *file, int line,
					     const char *expr, uintmax_t got,
					     uintmax_t want)
{
	return got == want ||
	       tap_fail(file, line, "%s: got %" PRIuMAX ", want %" PRIuMAX,
			expr, got, want);
}

__attribute__((unused)) static bool tap_str(const char *file, int line,
					    const char *expr, const char *got,
					    const char *want)
{
	if (got == want || (got && want && !strcmp(got, want)))
		return true;
	return tap_fail(file, line, "%s: got %s%s%s, want %s%s%s", expr,
			got ? "\"" : "", got ? got : "NULL", got ? "\"" : "",
			want ? "\"" : "", want ? want : "NULL",
			want ? "\"" : "");
}

/* The first bytes of what the failure just told about. */
__attribute__((unused)) static void tap_hex(const char *what,
					    const unsigned char *p, size_t len)
{
	size_t i;

	if (tap_fails > TAP_SHOWN)
		return;
	fprintf(stderr, "#   %s", what);
	for (i = 0; i < len && i < 16; i++)
		fprintf(stderr, " %02x", p[i]);
	fputc('\n', stderr);
}

/* Says where two stretches of memory part, with the bytes from there on. */
__attribute__((unused)) static bool tap_mem(const char *file, int line,
					    const char *expr, const void *got,
					    size_t got_len, const void *want,
					    size_t want_len)
{
	const unsigned char *g = (const unsigned char *)got;
	const unsigned char *w = (const unsigned char *)want;
	size_t at = 0;

	while (at < got_len && at < want_len && g[at] == w[at])
		at++;
	if (at == got_len && at == want_len)
		return true;
	tap_fail(file, line, "%s: got %zu bytes, want %zu, differ at %zu", expr,
		 got_len, want_len, at);
	tap_hex("got ", g + at, got_len - at);
	tap_hex("want", w + at, want_len - at);
	return false;
}

#define ok_true(expr) tap_true(__FILE__, __LINE__, #expr, !!(expr))
#define ok_false(expr) tap_true(__FILE__, __LINE__, "!(" #expr ")", !(expr))
#define ok_eq_int(got, want) \
	tap_int(__FILE__, __LINE__, #got, (intmax_t)(got), (intmax_t)(want))
#define ok_eq_uint(got, want) \
	tap_uint(__FILE__, __LINE__, #got, (uintmax_t)(got), (uintmax_t)(want))
#define ok_eq_str(got, want) tap_str(__FILE__, __LINE__, #got, (got), (want))
#define ok_mem(got, got_len, want, want_len) \
	tap_mem(__FILE__, __LINE__, #got, (got), (got_len), (want), (want_len))
/* fail("why %d", n): a check that has already been found not to hold. */
#define fail(...) tap_fail(__FILE__, __LINE__, __VA_ARGS__)

static bool tap_wanted(const char *name, int argc, char **argv)
{
	bool any = false;
	int i;

	for (i = 1; i + 1 < argc; i++) {
		if (strcmp(argv[i], "--only"))
			continue;
		any = true;
		if (!fnmatch(argv[++i], name, 0))
			return true;
	}
	return !any;
}

static bool tap_run(const struct tap_test *t, unsigned nr)
{
	tap_fails = 0;
	tap_name = t->name;
	tap_skip_why[0] = '\0';
	t->run();
	if (tap_fails > TAP_SHOWN)
		fprintf(stderr, "# %s: %u more\n", t->name,
			tap_fails - TAP_SHOWN);
	printf("%s %u - %s", tap_fails ? "not ok" : "ok", nr, t->name);
	if (tap_skip_why[0])
		printf(" # SKIP %s", tap_skip_why);
	putchar('\n');
	return !tap_fails;
}

/* Not static: a second main in the same program is a mistake to be told. */
int main(int argc, char **argv)
{
	bool list = argc == 2 && !strcmp(argv[1], "--list");
	unsigned nr = 0, failed = 0;
	const struct tap_test *t;

	/* Lines survive a crash: what was printed last says where. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (t = tap_first; t; t = t->next) {
		if (list)
			printf("%s\n", t->name);
		else if (tap_wanted(t->name, argc, argv))
			failed += !tap_run(t, ++nr);
	}
	if (!list)
		printf("1..%u\n", nr);
	return failed || (!nr && !list);
}

#endif
