/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address text and arithmetic. inet_pton() was not used because it needs a
 * terminated string and reads octal-looking parts differently across libcs.
 */
#include "base/addr.h"

#include <stdio.h>

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static int parse_v4(struct cd_str s, uint8_t out[4])
{
	for (int i = 0; i < 4; i++) {
		struct cd_str rest, part = cd_str_split(s, '.', &rest);
		uint64_t n;

		if ((i < 3) != (rest.ptr != NULL))
			return -EINVAL;
		if (part.len > 3 || (part.len > 1 && part.ptr[0] == '0') ||
		    cd_str_parse_u64(part, &n) < 0 || n > 255)
			return -EINVAL;
		out[i] = (uint8_t)n;
		s = rest;
	}
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_group(struct cd_str part, uint8_t out[2])
{
	unsigned int v = 0;

	if (part.len < 1 || part.len > 4)
		return false;
	for (size_t i = 0; i < part.len; i++) {
		int d = hex_digit(part.ptr[i]);

		if (d < 0)
			return false;
		v = v << 4 | (unsigned int)d;
	}
	out[0] = (uint8_t)(v >> 8);
	out[1] = (uint8_t)v;
	return true;
}

/* Groups of one side of "::" into out; the number of bytes, or -1. */
static int parse_groups(struct cd_str s, uint8_t out[16], bool may_end_v4)
{
	int n = 0;

	while (s.len) {
		struct cd_str rest, part = cd_str_split(s, ':', &rest);

		if (rest.ptr && rest.len == 0)
			return -1;
		if (!rest.ptr && may_end_v4 && n <= 12 && part.len &&
		    memchr(part.ptr, '.', part.len))
			return parse_v4(part, out + n) < 0 ? -1 : n + 4;
		if (n > 14 || !parse_group(part, out + n))
			return -1;
		n += 2;
		s = rest;
	}
	return n;
}

static int parse_v6(struct cd_str s, uint8_t out[16])
{
	uint8_t head[16], tail[16];
	const char *gap = s.len > 1 ? memmem(s.ptr, s.len, "::", 2) : NULL;
	int n, m;

	if (!gap) {
		n = parse_groups(s, head, true);
		if (n != 16)
			return -EINVAL;
		memcpy(out, head, 16);
		return 0;
	}
	n = parse_groups(cd_str_make(s.ptr, (size_t)(gap - s.ptr)), head,
			 false);
	m = parse_groups(cd_str_make(gap + 2,
				     s.len - (size_t)(gap - s.ptr) - 2),
			 tail, true);
	/* "::" stands for at least one group. */
	if (n < 0 || m < 0 || n + m > 14)
		return -EINVAL;
	memset(out, 0, 16);
	memcpy(out, head, (size_t)n);
	memcpy(out + 16 - m, tail, (size_t)m);
	return 0;
}

struct cd_addr cd_addr_make(const void *bytes, size_t len)
{
	struct cd_addr a = {0};

	if (len == 16 && memcmp(bytes, mapped, 12) == 0) {
		bytes = (const uint8_t *)bytes + 12;
		len = 4;
	}
	if (len != 4 && len != 16)
		return a;
	a.family = len == 4 ? 4 : 6;
	memcpy(a.bytes, bytes, len);
	return a;
}

int cd_addr_parse(struct cd_str s, struct cd_addr *ret_addr)
{
	uint8_t b[16];
	bool v6 = s.len && memchr(s.ptr, ':', s.len);
	int r = v6 ? parse_v6(s, b) : parse_v4(s, b);

	if (r < 0)
		return r;
	*ret_addr = cd_addr_make(b, v6 ? 16 : 4);
	return 0;
}

/* The longest run of two or more zero groups (RFC 5952 section 4.2). */
static int zero_run(const uint8_t *b, int *ret_len)
{
	int best = -1, best_len = 1;

	for (int i = 0; i < 8; i++) {
		int n = 0;

		while (i + n < 8 && !b[2 * (i + n)] && !b[2 * (i + n) + 1])
			n++;
		if (n > best_len) {
			best = i;
			best_len = n;
		}
		i += n;
	}
	*ret_len = best_len;
	return best;
}

size_t cd_addr_format(const struct cd_addr *a, char *out, size_t size)
{
	const uint8_t *b = a->bytes;
	char text[CD_ADDR_SIZE] = "";
	size_t n = 0;
	int run, run_len;

	if (a->family == 4) {
		n = (size_t)snprintf(text, sizeof(text), "%u.%u.%u.%u", b[0],
				     b[1], b[2], b[3]);
	} else if (a->family == 6) {
		run = zero_run(b, &run_len);
		for (int i = 0; i < 8; i++) {
			if (i == run) {
				memcpy(text + n, "::", 3);
				n += 2;
				i += run_len - 1;
				continue;
			}
			n += (size_t)snprintf(
				text + n, sizeof(text) - n, "%s%x",
				n && text[n - 1] != ':' ? ":" : "",
				(unsigned int)(b[2 * i] << 8 | b[2 * i + 1]));
		}
	}
	if (size) {
		n = CD_MIN(n, size - 1);
		memcpy(out, text, n);
		out[n] = 0;
	}
	return n;
}

static size_t width(const struct cd_addr *a)
{
	return a->family == 4 ? 4 : 16;
}

int cd_addr_compare(const struct cd_addr *a, const struct cd_addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, width(a));
}

bool cd_addr_next(const struct cd_addr *a, struct cd_addr *ret_next)
{
	struct cd_addr next = *a;

	for (size_t i = width(a); i-- > 0;) {
		if (++next.bytes[i]) {
			*ret_next = next;
			return true;
		}
	}
	return false;
}

bool cd_addr_is_global(const struct cd_addr *a)
{
	static const struct cd_prefix not_global[] = {
		{{4, {0}}, 8},		{{4, {10}}, 8},
		{{4, {100, 64}}, 10},	{{4, {127}}, 8},
		{{4, {169, 254}}, 16},	{{4, {172, 16}}, 12},
		{{4, {192, 0, 0}}, 24}, {{4, {192, 168}}, 16},
		{{4, {198, 18}}, 15},	{{4, {224}}, 4},
		{{4, {240}}, 4},
	};

	if (a->family == 6)
		return (a->bytes[0] & 0xe0) == 0x20;
	if (a->family != 4)
		return false;
	for (size_t i = 0; i < CD_ARRAY_SIZE(not_global); i++)
		if (cd_prefix_has(&not_global[i], a))
			return false;
	return true;
}

int cd_prefix_parse(struct cd_str s, struct cd_prefix *ret_prefix)
{
	struct cd_str rest, text = cd_str_split(s, '/', &rest);
	bool v6 = text.len && memchr(text.ptr, ':', text.len);
	struct cd_prefix p;
	uint64_t len = v6 ? 128 : 32;
	int r;

	r = cd_addr_parse(text, &p.addr);
	if (r < 0)
		return r;
	if (rest.ptr && (rest.len > 3 || cd_str_parse_u64(rest, &len) < 0 ||
			 (rest.len > 1 && rest.ptr[0] == '0')))
		return -EINVAL;
	if (len > (v6 ? 128u : 32u))
		return -EINVAL;
	if (v6 && p.addr.family == 4) {
		/* A mapped prefix shorter than the mapping is no prefix of
		 * either family. */
		if (len < 96)
			return -EINVAL;
		len -= 96;
	}
	p.len = (uint8_t)len;
	*ret_prefix = p;
	return 0;
}

/* The bits of byte i that lie behind the prefix. */
static uint8_t tail_mask(const struct cd_prefix *p, size_t i)
{
	size_t bits = i * 8;

	if (p->len >= bits + 8)
		return 0;
	return (uint8_t)(p->len <= bits ? 0xff : 0xff >> (p->len - bits));
}

bool cd_prefix_is_exact(const struct cd_prefix *p)
{
	for (size_t i = 0; i < width(&p->addr); i++)
		if (p->addr.bytes[i] & tail_mask(p, i))
			return false;
	return true;
}

struct cd_addr cd_prefix_first(const struct cd_prefix *p)
{
	struct cd_addr a = p->addr;

	for (size_t i = 0; i < width(&a); i++)
		a.bytes[i] &= (uint8_t)~tail_mask(p, i);
	return a;
}

struct cd_addr cd_prefix_last(const struct cd_prefix *p)
{
	struct cd_addr a = p->addr;

	for (size_t i = 0; i < width(&a); i++)
		a.bytes[i] |= tail_mask(p, i);
	return a;
}

bool cd_prefix_has(const struct cd_prefix *p, const struct cd_addr *a)
{
	if (a->family != p->addr.family)
		return false;
	for (size_t i = 0; i < width(a); i++)
		if ((a->bytes[i] ^ p->addr.bytes[i]) & ~tail_mask(p, i))
			return false;
	return true;
}
