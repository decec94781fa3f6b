/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading of what a stranger sends: http.h says what is accepted. It stands
 * here and not beside nginx so that tests and fuzzers meet the same bytes
 * without one.
 */
#include "base/http.h"

/* One lower-case hexadecimal digit, or -1. */
static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* 2 * len digits at p. */
static bool hex_bytes(const char *p, uint8_t *out, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		int high = hex_digit(p[2 * i]), low = hex_digit(p[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static bool all_zero(const uint8_t *p, size_t len)
{
	uint8_t sum = 0;

	while (len--)
		sum |= p[len];
	return sum == 0;
}

bool cd_traceparent_parse(struct cd_str text, struct cd_traceparent *ret)
{
	struct cd_traceparent t;
	uint8_t version, flags;
	const char *p = text.ptr;

	/* "00-" trace "-" span "-" flags */
	if (text.len < 55 || p[2] != '-' || p[35] != '-' || p[52] != '-')
		return false;
	if (!hex_bytes(p, &version, 1) ||
	    !hex_bytes(p + 3, t.trace, sizeof(t.trace)) ||
	    !hex_bytes(p + 36, t.span, sizeof(t.span)) ||
	    !hex_bytes(p + 53, &flags, 1))
		return false;
	if (version == 0xff || all_zero(t.trace, sizeof(t.trace)) ||
	    all_zero(t.span, sizeof(t.span)))
		return false;
	if (text.len > 55 && (version == 0 || p[55] != '-'))
		return false;
	t.sampled = flags & 1;
	*ret = t;
	return true;
}
