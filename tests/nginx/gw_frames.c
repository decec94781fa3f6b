// SPDX-License-Identifier: Apache-2.0
/* See gw_frames.h. */
#include "gw_frames.h"

#include <stdlib.h>
#include <string.h>

static void add(struct block *b, uint8_t byte)
{
	if (b->len == BLOCK_MAX)
		exit(2);
	b->p[b->len++] = byte;
}

/* An integer of RFC 7541, 5.1, with a prefix of seven bits; no Huffman. */
static void add_string(struct block *b, const uint8_t *p, size_t len)
{
	size_t rest = len;

	if (rest < 127) {
		add(b, (uint8_t)rest);
	} else {
		add(b, 127);
		for (rest -= 127; rest > 127; rest >>= 7)
			add(b, (uint8_t)(rest | 128));
		add(b, (uint8_t)rest);
	}
	while (len--)
		add(b, *p++);
}

/* Up to `end`, with its escapes. */
static void add_text(struct block *b, const char *p, const char *end)
{
	static uint8_t out[BLOCK_MAX];
	size_t n = 0;

	while (p < end && n < sizeof(out)) {
		char hex[3] = {0};

		if (*p != '\\' || end - p < 2) {
			out[n++] = (uint8_t)*p++;
		} else if (p[1] == 'x' && end - p >= 4) {
			memcpy(hex, p + 2, 2);
			out[n++] = (uint8_t)strtoul(hex, NULL, 16);
			p += 4;
		} else {
			out[n++] = p[1] == 'r' ? '\r' :
				   p[1] == 'n' ? '\n' :
						 '\\';
			p += 2;
		}
	}
	add_string(b, out, n);
}

void block_add(struct block *b, const char *field)
{
	/* a pseudo-header begins with a colon */
	const char *colon = *field ? strstr(field + 1, ": ") : NULL;

	if (!colon)
		exit(2);
	add(b, 0); /* literal, never seen before, not kept */
	add_text(b, field, colon);
	add_text(b, colon + 2, colon + strlen(colon));
}

size_t frame_make(uint8_t *out, uint8_t type, uint8_t flags, uint32_t stream,
		  const void *p, size_t len)
{
	const uint8_t head[FRAME_HEAD] = {(uint8_t)(len >> 16),
					  (uint8_t)(len >> 8),
					  (uint8_t)len,
					  type,
					  flags,
					  0,
					  0,
					  (uint8_t)(stream >> 8),
					  (uint8_t)stream};

	memcpy(out, head, sizeof(head));
	memcpy(out + sizeof(head), p, len);
	return sizeof(head) + len;
}

/* The status is the first field; before it the size of a table may stand. */
int frame_status(const uint8_t *p, size_t len)
{
	static const int indexed[] = {200, 204, 206, 304, 400, 404, 500};

	while (len && (*p & 0xe0) == 0x20)
		p++, len--;
	if (len && *p >= 0x88 && *p <= 0x8e)
		return indexed[*p - 0x88];
	/* a literal whose name is that of the eighth entry */
	if (len >= 5 && (*p & 0x0f) == 8 && p[1] == 3)
		return (p[2] - '0') * 100 + (p[3] - '0') * 10 + p[4] - '0';
	return 0;
}

uint32_t frame_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}
