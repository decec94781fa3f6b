/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The little of HTTP/2 (RFC 9113) and HPACK (RFC 7541) that clients of these
 * tests need: blocks of fields, frames, and the status of an answer.
 */
#ifndef TESTS_NGINX_GW_FRAMES_H
#define TESTS_NGINX_GW_FRAMES_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_HEAD 9
#define BLOCK_MAX 16000 /* below the smallest frame that peers take */

enum { DATA, HEADERS, RESET = 3, SETTINGS, GOAWAY = 7, WINDOW, CONT };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8 };

struct block {
	uint8_t p[BLOCK_MAX];
	size_t len;
};

/* "NAME: VALUE", with escapes: \r \n \xNN. A program that tries to add
 * what has no such form, or too much, ends with status 2. */
void block_add(struct block *b, const char *field);
/* Into out, of FRAME_HEAD + len bytes; returns how many. */
size_t frame_make(uint8_t *out, uint8_t type, uint8_t flags, uint32_t stream,
		  const void *p, size_t len);
uint32_t frame_u32(const uint8_t *p);
/* Of the block of an answer; 0: not told in a way that this understands. */
int frame_status(const uint8_t *p, size_t len);

#endif
