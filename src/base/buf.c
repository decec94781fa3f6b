/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growth doubles up to the maximum. The first failure sticks; later writes
 * are ignored, so a half-written buffer is never mistaken for a whole one.
 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void cd_buf_init(struct cd_buf *b, size_t max)
{
	*b = (struct cd_buf){.max = max};
}

void cd_buf_done(struct cd_buf *b)
{
	free(b->data);
	*b = (struct cd_buf){.max = b->max};
}

void cd_buf_clear(struct cd_buf *b)
{
	b->len = 0;
	b->err = 0;
	if (b->data)
		b->data[0] = 0;
}

void cd_buf_wipe(struct cd_buf *b)
{
	if (b->data)
		cd_wipe(b->data, b->cap);
	cd_buf_done(b);
}

static bool grow(struct cd_buf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : 256;
	char *p;

	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	p = realloc(b->data, cap);
	if (!p) {
		b->err = -ENOMEM;
		return false;
	}
	b->data = p;
	b->cap = cap;
	return true;
}

static bool reserve(struct cd_buf *b, size_t len)
{
	if (b->err)
		return false;
	if (len > b->max - b->len || b->len + len == SIZE_MAX) {
		b->err = CD_E_LIMIT;
		return false;
	}
	return b->len + len + 1 <= b->cap || grow(b, b->len + len + 1);
}

void cd_buf_put(struct cd_buf *b, const void *p, size_t len)
{
	if (!reserve(b, len))
		return;
	if (len)
		memcpy(b->data + b->len, p, len);
	b->len += len;
	b->data[b->len] = 0;
}

void *cd_buf_extend(struct cd_buf *b, size_t len)
{
	void *p;

	if (!reserve(b, len))
		return NULL;
	p = b->data + b->len;
	memset(p, 0, len + 1);
	b->len += len;
	return p;
}

void cd_buf_str(struct cd_buf *b, struct cd_str s)
{
	cd_buf_put(b, s.ptr, s.len);
}

void cd_buf_puts(struct cd_buf *b, const char *z)
{
	cd_buf_put(b, z, strlen(z));
}

void cd_buf_char(struct cd_buf *b, char c)
{
	cd_buf_put(b, &c, 1);
}

void cd_buf_printf(struct cd_buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0) {
		b->err = b->err ? b->err : -EINVAL;
		return;
	}
	if (!reserve(b, (size_t)n))
		return;
	va_start(ap, fmt);
	vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

static void put_le(struct cd_buf *b, uint64_t v, size_t n)
{
	unsigned char le[8];

	for (size_t i = 0; i < n; i++)
		le[i] = (unsigned char)(v >> (8 * i));
	cd_buf_put(b, le, n);
}

void cd_buf_u8(struct cd_buf *b, uint8_t v)
{
	put_le(b, v, 1);
}

void cd_buf_u16(struct cd_buf *b, uint16_t v)
{
	put_le(b, v, 2);
}

void cd_buf_u32(struct cd_buf *b, uint32_t v)
{
	put_le(b, v, 4);
}

void cd_buf_u64(struct cd_buf *b, uint64_t v)
{
	put_le(b, v, 8);
}

char *cd_buf_take(struct cd_buf *b)
{
	char *p;

	if (!b->err && !b->data)
		(void)reserve(b, 0);
	if (b->err)
		return NULL;
	b->data[b->len] = 0;
	p = b->data;
	*b = (struct cd_buf){.max = b->max};
	return p;
}

struct cd_str cd_read_bytes(struct cd_reader *r, size_t len)
{
	struct cd_str s;

	if (r->err || len > (size_t)(r->end - r->p)) {
		r->err = true;
		return CD_STR_NULL;
	}
	s = cd_str_make(r->p, len);
	r->p += len;
	return s;
}

static uint64_t get_le(struct cd_reader *r, size_t n)
{
	struct cd_str s = cd_read_bytes(r, n);
	uint64_t v = 0;

	for (size_t i = s.len; i > 0; i--)
		v = v << 8 | (unsigned char)s.ptr[i - 1];
	return v;
}

uint8_t cd_read_u8(struct cd_reader *r)
{
	return (uint8_t)get_le(r, 1);
}

uint16_t cd_read_u16(struct cd_reader *r)
{
	return (uint16_t)get_le(r, 2);
}

uint32_t cd_read_u32(struct cd_reader *r)
{
	return (uint32_t)get_le(r, 4);
}

uint64_t cd_read_u64(struct cd_reader *r)
{
	return get_le(r, 8);
}
