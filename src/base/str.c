/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings by value. Kept free of <ctype.h> and friends, whose answers depend
 * on the locale.
 */
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>

static unsigned char lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
}

bool cd_str_equal_nocase(struct cd_str a, struct cd_str b)
{
	if (a.len != b.len)
		return false;
	if (cd_str_equal(a, b))
		return true;
	for (size_t i = 0; i < a.len; i++)
		if (lower((unsigned char)a.ptr[i]) !=
		    lower((unsigned char)b.ptr[i]))
			return false;
	return true;
}

int cd_str_compare(struct cd_str a, struct cd_str b)
{
	size_t n = CD_MIN(a.len, b.len);
	int d = n ? memcmp(a.ptr, b.ptr, n) : 0;

	if (d)
		return d;
	return a.len < b.len ? -1 : a.len > b.len;
}

bool cd_str_has_prefix(struct cd_str s, struct cd_str prefix)
{
	return s.len >= prefix.len &&
	       cd_str_equal(cd_str_make(s.ptr, prefix.len), prefix);
}

bool cd_str_has_suffix(struct cd_str s, struct cd_str suffix)
{
	if (s.len < suffix.len)
		return false;
	return suffix.len == 0 || memcmp(s.ptr + (s.len - suffix.len),
					 suffix.ptr, suffix.len) == 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct cd_str cd_str_trim(struct cd_str s)
{
	while (s.len && is_blank(s.ptr[0])) {
		s.ptr++;
		s.len--;
	}
	while (s.len && is_blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

struct cd_str cd_str_split(struct cd_str s, char sep, struct cd_str *rest)
{
	const char *at = s.len ? memchr(s.ptr, sep, s.len) : NULL;
	size_t n;

	if (!at) {
		*rest = CD_STR_NULL;
		return s;
	}
	n = (size_t)(at - s.ptr);
	*rest = cd_str_make(at + 1, s.len - n - 1);
	return cd_str_make(s.ptr, n);
}

char *cd_str_dup(struct cd_str s)
{
	char *p;

	if (s.len == SIZE_MAX)
		return NULL;
	p = malloc(s.len + 1);
	if (!p)
		return NULL;
	if (s.len)
		memcpy(p, s.ptr, s.len);
	p[s.len] = 0;
	return p;
}

uint64_t cd_hash(const void *p, size_t len)
{
	const unsigned char *b = p;
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ b[i]) * 0x100000001b3u;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93u;
	h ^= h >> 32;
	return h;
}

int cd_str_parse_u64(struct cd_str s, uint64_t *ret_n)
{
	uint64_t n = 0;

	if (s.len == 0)
		return -EINVAL;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(n, 10u, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(s.ptr[i] - '0'), &n))
			return -ERANGE;
	}
	*ret_n = n;
	return 0;
}

#define DISTANCE_MAX 64

/* Are the last two bytes of a and b each other's, exchanged? */
static bool is_swap(const char *a, const char *b)
{
	return a[0] == b[-1] && a[-1] == b[0];
}

unsigned int cd_str_distance(struct cd_str a, struct cd_str b, unsigned int max)
{
	unsigned int rows[3][DISTANCE_MAX + 1];

	if (a.len > DISTANCE_MAX || b.len > DISTANCE_MAX)
		return max + 1;
	for (unsigned int j = 0; j <= b.len; j++)
		rows[0][j] = j;
	for (unsigned int i = 1; i <= a.len; i++) {
		unsigned int *row = rows[i % 3], *up = rows[(i + 2) % 3];
		const unsigned int *above = rows[(i + 1) % 3];
		const char *p = a.ptr + i - 1;

		row[0] = i;
		for (unsigned int j = 1; j <= b.len; j++) {
			const char *q = b.ptr + j - 1;
			unsigned int best = up[j - 1] + (*p != *q);

			best = CD_MIN(best, up[j] + 1);
			best = CD_MIN(best, row[j - 1] + 1);
			if (i > 1 && j > 1 && is_swap(p, q))
				best = CD_MIN(best, above[j - 2] + 1);
			row[j] = best;
		}
	}
	return rows[a.len % 3][b.len];
}

/* Length of the well-formed sequence at p, or 0. RFC 3629 section 4. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
	static const struct {
		unsigned char lo, hi, lo2, hi2, n;
	} forms[] = {
		{0x01, 0x7f, 0, 0, 1},	     {0xc2, 0xdf, 0x80, 0xbf, 2},
		{0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	for (size_t i = 0; i < CD_ARRAY_SIZE(forms); i++) {
		if (p[0] < forms[i].lo || p[0] > forms[i].hi)
			continue;
		if (forms[i].n > left)
			return 0;
		if (forms[i].n > 1 &&
		    (p[1] < forms[i].lo2 || p[1] > forms[i].hi2))
			return 0;
		for (size_t k = 2; k < forms[i].n; k++)
			if (p[k] < 0x80 || p[k] > 0xbf)
				return 0;
		return forms[i].n;
	}
	return 0;
}

bool cd_utf8_is_valid(struct cd_str s)
{
	size_t i = 0;

	while (i < s.len) {
		size_t n = utf8_sequence((const unsigned char *)s.ptr + i,
					 s.len - i);

		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

const char *cd_quote(struct cd_str s, char *out, size_t out_size)
{
	size_t n = 0;

	cd_assert(out_size >= 16);
	out[n++] = '\'';
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (n + 10 > out_size) {
			memcpy(out + n, "...", 3);
			n += 3;
			break;
		}
		if (c >= 0x20 && c < 0x7f && c != '\'' && c != '\\')
			out[n++] = (char)c;
		else
			n += (size_t)snprintf(out + n, 5, "\\x%02x", c);
	}
	out[n++] = '\'';
	out[n] = 0;
	return out;
}
