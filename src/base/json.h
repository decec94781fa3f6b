/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON (RFC 8259) without allocation: a bounded pull reader over borrowed
 * bytes, and a writer over struct cd_buf.
 *
 * The reader gives one event per call. It checks UTF-8, escapes (a lone
 * surrogate and \u0000 are errors), numbers, depth and that nothing but
 * blanks follows the value. Keys that occur twice are the caller's to refuse.
 * After an error every further call gives CD_JSON_ERROR.
 *
 *	struct cd_json j;
 *	cd_json_init(&j, text);
 *	if (cd_json_next(&j) == CD_JSON_OBJECT)
 *		while (cd_json_next(&j) == CD_JSON_KEY) {
 *			key = j.raw ...; cd_json_next(&j); value...
 *		}
 */
#ifndef CD_BASE_JSON_H
#define CD_BASE_JSON_H

#include "base/buf.h"

#define CD_JSON_DEPTH_MAX 96 /* nested arrays and objects */

enum cd_json_event {
	CD_JSON_ERROR, /* see cd_json.error, line, column */
	CD_JSON_END, /* the whole value was read */
	CD_JSON_OBJECT, /* '{' */
	CD_JSON_OBJECT_END, /* '}' */
	CD_JSON_ARRAY,
	CD_JSON_ARRAY_END,
	CD_JSON_KEY, /* raw: between the quotes, escapes undecoded */
	CD_JSON_STRING, /* raw likewise */
	CD_JSON_NUMBER, /* raw: as written */
	CD_JSON_TRUE,
	CD_JSON_FALSE,
	CD_JSON_NULL,
};

struct cd_json {
	/* of the last event */
	enum cd_json_event event;
	struct cd_str raw;
	bool escaped; /* raw holds escapes */
	uint32_t line, column; /* where the event begins, from 1, in bytes */
	unsigned int depth;
	const char *error; /* static text, after CD_JSON_ERROR */
	/* private */
	struct cd_str text;
	size_t at, line_start;
	uint32_t line_now;
	uint8_t state;
	unsigned char stack[CD_JSON_DEPTH_MAX];
};

/* Borrows text for the reader's life. */
void cd_json_init(struct cd_json *j, struct cd_str text);
enum cd_json_event cd_json_next(struct cd_json *j);
/* Right after an event that begins a value: passes over all of it. After
 * CD_JSON_KEY: over its value. False on an error. */
bool cd_json_skip(struct cd_json *j);

/* The decoded text of the last KEY or STRING: borrowed from the input when it
 * has no escapes, else written into store (any size up to raw.len is enough).
 * -E2BIG when store is too small. */
int cd_json_text(const struct cd_json *j, char *store, size_t size,
		 struct cd_str *ret_text);
/* Is the last KEY or STRING exactly this text? Escapes are decoded. */
bool cd_json_is(const struct cd_json *j, const char *text);
/* The last NUMBER as an integer: -EINVAL with a fraction or an exponent,
 * -ERANGE when it does not fit. */
int cd_json_int(const struct cd_json *j, int64_t *ret_n);

/* ---- writer -----------------------------------------------------------
 * Puts commas and quotes by itself; misuse of the nesting is the caller's
 * bug and an assertion. Errors stick in the buffer. `indent` 0 writes one
 * line, else that many blanks a level. Bytes that are not UTF-8 are written
 * as U+FFFD, so that the output is always JSON. */
struct cd_json_writer {
	struct cd_buf *out;
	unsigned int indent, depth;
	bool comma; /* a value precedes on this level */
	bool after_key; /* the next value belongs to a key */
};

void cd_json_writer_init(struct cd_json_writer *w, struct cd_buf *out,
			 unsigned int indent);
void cd_json_object(struct cd_json_writer *w);
void cd_json_object_end(struct cd_json_writer *w);
void cd_json_array(struct cd_json_writer *w);
void cd_json_array_end(struct cd_json_writer *w);
void cd_json_key(struct cd_json_writer *w, const char *key);
void cd_json_key_str(struct cd_json_writer *w, struct cd_str key);
void cd_json_put_str(struct cd_json_writer *w, struct cd_str s);
void cd_json_puts(struct cd_json_writer *w, const char *z); /* NULL: null */
void cd_json_put_int(struct cd_json_writer *w, int64_t n);
void cd_json_put_bool(struct cd_json_writer *w, bool b);
void cd_json_put_null(struct cd_json_writer *w);
/* Only the escaped text between quotes, for other writers. */
void cd_json_escape(struct cd_buf *out, struct cd_str s);

#endif
