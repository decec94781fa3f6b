/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fails chosen allocations of the code under test, and finds its leaks.
 *
 *	OOM_EACH(n) {
 *		struct cd_x *x = NULL;
 *		int ret = cd_x_new(&x);
 *
 *		ok_eq_int(ret, oom_failed() ? -ENOMEM : 0);
 *		cd_x_free(&x);
 *	}
 *
 * The block runs with the first allocation failing (n = 0), then the second, and so on
 * until a run in which none had to; the allocations before it succeed, and so
 * do those after it, which is where forgotten checks hide. After each run
 * everything that the block allocated must be free again. At most OOM_RUNS
 * runs: a block that allocates more is too big to be tested this way.
 *
 * Programs of tests/oom are linked with --wrap for the functions below. That
 * sees calls made by our code and by libcordon, not those inside libc or
 * other shared libraries.
 */
#ifndef TESTS_OOM_H
#define TESTS_OOM_H

#include "tap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OOM_RUNS 20000u
#define OOM_LIVE 16384u /* live allocations tracked, a power of two */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);
void __wrap_free(void *p);

static struct {
	bool armed;
	bool more; /* this run is not the last */
	unsigned run; /* which allocation fails in this run */
	unsigned seen; /* allocations so far in this run */
	bool failed;
	size_t live;
	void *slot[OOM_LIVE]; /* open addressing; deleted: OOM_GONE */
} oom;

#define OOM_GONE ((void *)oom.slot)

static size_t oom_hash(const void *p)
{
	return ((uintptr_t)p >> 4) * 0x9e3779b97f4a7c15u >> 20;
}

static void *oom_add(void *p)
{
	size_t i, at;

	for (i = 0; oom.armed && p && i < OOM_LIVE; i++) {
		at = (oom_hash(p) + i) % OOM_LIVE;
		if (oom.slot[at] && oom.slot[at] != OOM_GONE)
			continue;
		oom.slot[at] = p;
		oom.live++;
		break;
	}
	return p;
}

static void oom_del(const void *p)
{
	size_t i, at;

	for (i = 0; oom.armed && p && i < OOM_LIVE; i++) {
		at = (oom_hash(p) + i) % OOM_LIVE;
		if (!oom.slot[at])
			return;
		if (oom.slot[at] != p)
			continue;
		oom.slot[at] = OOM_GONE;
		oom.live--;
		return;
	}
}

static bool oom_refuse(void)
{
	if (!oom.armed || oom.seen++ != oom.run)
		return false;
	oom.failed = true;
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return oom_refuse() ? NULL : oom_add(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
	return oom_refuse() ? NULL : oom_add(__real_calloc(n, size));
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	return oom_refuse() ? NULL : oom_add(__real_aligned_alloc(align, size));
}

void *__wrap_realloc(void *p, size_t size)
{
	void *q;

	if (oom_refuse())
		return NULL;
	oom_del(p);
	q = __real_realloc(p, size);
	return oom_add(q);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
	size_t all;

	if (__builtin_mul_overflow(n, size, &all)) {
		errno = ENOMEM;
		return NULL;
	}
	return __wrap_realloc(p, all);
}

char *__wrap_strndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *copy = (char *)__wrap_malloc(len + 1);

	if (!copy)
		return NULL;
	memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

char *__wrap_strdup(const char *s)
{
	return __wrap_strndup(s, SIZE_MAX);
}

void __wrap_free(void *p)
{
	oom_del(p);
	__real_free(p);
}

/* Whether an allocation was refused in this run of the block. */
static inline bool oom_failed(void)
{
	return oom.failed;
}

static inline unsigned oom_arm(unsigned run)
{
	memset(&oom, 0, sizeof(oom));
	oom.run = run;
	oom.more = true;
	oom.armed = true;
	return run;
}

/* Judges the run that ends; the number of the next, if there is to be one. */
static inline unsigned oom_next(const char *file, int line)
{
	oom.armed = false;
	oom.more = false;
	if (oom.live)
		tap_fail(file, line, "allocation %u refused: %zu leaked",
			 oom.run, oom.live);
	if (!oom.failed)
		note("%u allocations, each refused once", oom.seen);
	else if (oom.run + 1 == OOM_RUNS)
		tap_fail(file, line, "over %u allocations", OOM_RUNS);
	else
		return oom_arm(oom.run + 1);
	return oom.run;
}

#define OOM_EACH(n_)                                                     \
	for (unsigned n_ __attribute__((unused)) = oom_arm(0); oom.more; \
	     n_ = oom_next(__FILE__, __LINE__))

#endif
