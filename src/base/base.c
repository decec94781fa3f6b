/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Assertions, wiping and the error table. Everything here is independent of
 * locale and of global state.
 */
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void cd_assert_fail(const char *expr, const char *file, int line)
{
	fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, expr);
	abort();
}

void cd_freep(void *pointer_to_pointer)
{
	void **p = pointer_to_pointer;

	free(*p);
	*p = NULL;
}

void *cd_calloc(size_t n, size_t size)
{
	size_t total;

	if (!cd_size_mul(n, size, &total))
		return NULL;
	return calloc(1, total ? total : 1);
}

void cd_wipe(void *p, size_t len)
{
	if (len == 0)
		return;
	memset(p, 0, len);
	__asm__ volatile("" : : "r"(p) : "memory");
}

bool cd_equal_ct(const void *a, const void *b, size_t len)
{
	const volatile unsigned char *x = a, *y = b;
	unsigned char diff = 0;

	for (size_t i = 0; i < len; i++)
		diff = (unsigned char)(diff | (x[i] ^ y[i]));
	return diff == 0;
}

static const struct {
	int err;
	const char *text;
} error_texts[] = {
	{CD_E_SYNTAX, "syntax error"},
	{CD_E_CHECK, "policy does not check"},
	{CD_E_LIMIT, "limit exceeded"},
	{CD_E_CORRUPT, "corrupt data"},
	{CD_E_VERSION, "newer version than this program understands"},
	{CD_E_SIGNATURE, "signature, audience or serial refused"},
	{CD_E_NOTFOUND, "not found"},
	{CD_E_EXPIRED, "expired"},
	{CD_E_DENIED, "not permitted"},
	{CD_E_UNSUPPORTED, "not supported here"},
};

const char *cd_strerror(int err)
{
	if (err > -1000)
		return strerror(-err);
	for (size_t i = 0; i < CD_ARRAY_SIZE(error_texts); i++)
		if (error_texts[i].err == err)
			return error_texts[i].text;
	return "unknown error";
}
