/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The few macros every file uses: assertions that stay on in release, scoped
 * ownership, checked arithmetic. Hostile input must never reach an assertion.
 */
#ifndef CD_BASE_BASE_H
#define CD_BASE_BASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cordon/types.h>

#define CD_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
/* Each side is evaluated once: one that calls itself would otherwise be walked
 * twice a level. Not for constant expressions. */
#define CD_MIN(a, b)                                            \
	({                                                      \
		__typeof__((a) + (b)) cd_a_ = (a), cd_b_ = (b); \
		cd_a_ < cd_b_ ? cd_a_ : cd_b_;                  \
	})
#define CD_MAX(a, b)                                            \
	({                                                      \
		__typeof__((a) + (b)) cd_c_ = (a), cd_d_ = (b); \
		cd_c_ > cd_d_ ? cd_c_ : cd_d_;                  \
	})
#define cd_unused __attribute__((unused))
#define cd_printf(f, a) __attribute__((format(printf, f, a)))

/* Scoped ownership: `struct cd_x *x cd_auto(cd_x_free) = NULL;` frees x when
 * it leaves scope. Hand over with CD_TAKE(x). */
#define cd_auto(fn) __attribute__((cleanup(fn)))
#define CD_TAKE(p)                             \
	({                                     \
		__typeof__(p) cd_taken_ = (p); \
		(p) = NULL;                    \
		cd_taken_;                     \
	})

/* Ends the process with the place of a broken invariant. */
_Noreturn void cd_assert_fail(const char *expr, const char *file, int line);
#define cd_assert(expr) \
	((expr) ? (void)0 : cd_assert_fail(#expr, __FILE__, __LINE__))

/* Checked size arithmetic: false when the result does not fit. */
static inline bool cd_size_add(size_t a, size_t b, size_t *ret)
{
	return !__builtin_add_overflow(a, b, ret);
}

static inline bool cd_size_mul(size_t a, size_t b, size_t *ret)
{
	return !__builtin_mul_overflow(a, b, ret);
}

/* free() for cd_auto(cd_freep) on any heap pointer variable. */
void cd_freep(void *pointer_to_pointer);

/* Zeroed array of n elements of size bytes; NULL on overflow or no memory. */
void *cd_calloc(size_t n, size_t size);

/* Wipes memory in a way the compiler keeps. */
void cd_wipe(void *p, size_t len);

/* Equality in time that depends on len only. */
bool cd_equal_ct(const void *a, const void *b, size_t len);

#endif
