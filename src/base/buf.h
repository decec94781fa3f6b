/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing buffer with a maximum and a sticky error: writers append without
 * looking, and ask once at the end. Always followed by a NUL byte that does
 * not count, so that data can be handed to C string functions.
 */
#ifndef CD_BASE_BUF_H
#define CD_BASE_BUF_H

#include "base/str.h"

struct cd_buf {
	char *data;
	size_t len, cap, max;
	int err; /* 0, -ENOMEM or CD_E_LIMIT; sticky */
};

/* max: the most bytes it may hold. */
void cd_buf_init(struct cd_buf *b, size_t max);
void cd_buf_done(struct cd_buf *b); /* also for cd_auto */
void cd_buf_clear(struct cd_buf *b); /* keeps memory, forgets the error */
void cd_buf_wipe(struct cd_buf *b); /* zeroes content, then done */

void cd_buf_put(struct cd_buf *b, const void *p, size_t len);
void cd_buf_str(struct cd_buf *b, struct cd_str s);
void cd_buf_puts(struct cd_buf *b, const char *z);
void cd_buf_char(struct cd_buf *b, char c);
void cd_buf_printf(struct cd_buf *b, const char *fmt, ...) cd_printf(2, 3);
/* Integers little endian. */
void cd_buf_u8(struct cd_buf *b, uint8_t v);
void cd_buf_u16(struct cd_buf *b, uint16_t v);
void cd_buf_u32(struct cd_buf *b, uint32_t v);
void cd_buf_u64(struct cd_buf *b, uint64_t v);
/* Room for len more bytes, counted as written, contents zero; NULL on error. */
void *cd_buf_extend(struct cd_buf *b, size_t len);

static inline struct cd_str cd_buf_get(const struct cd_buf *b)
{
	return cd_str_make(b->data, b->len);
}

/* Gives the heap memory (NUL terminated) away; NULL when b->err. */
char *cd_buf_take(struct cd_buf *b);

/* A bounded reader over borrowed bytes, little endian; sticky error. */
struct cd_reader {
	const unsigned char *p, *end;
	bool err;
};

static inline struct cd_reader cd_reader_make(const void *p, size_t len)
{
	const unsigned char *b = p; /* NULL when len is 0: no arithmetic */

	return (struct cd_reader){b, len ? b + len : b, false};
}

uint8_t cd_read_u8(struct cd_reader *r);
uint16_t cd_read_u16(struct cd_reader *r);
uint32_t cd_read_u32(struct cd_reader *r);
uint64_t cd_read_u64(struct cd_reader *r);
/* Borrowed bytes, or empty and r->err. */
struct cd_str cd_read_bytes(struct cd_reader *r, size_t len);
static inline size_t cd_reader_left(const struct cd_reader *r)
{
	return r->err ? 0 : (size_t)(r->end - r->p);
}

#endif
