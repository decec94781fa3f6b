/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The few pieces of an HTTP request that the gateway reads by itself. All of
 * them are a stranger's bytes: nothing here allocates, every read is bounded,
 * time is linear, and what is not exactly right is refused, never repaired.
 */
#ifndef CD_BASE_HTTP_H
#define CD_BASE_HTTP_H

#include "base/str.h"

#define CD_TRACE_LEN 16 /* bytes of a trace id */
#define CD_SPAN_LEN 8 /* ... of a parent id */

struct cd_traceparent {
	uint8_t trace[CD_TRACE_LEN];
	uint8_t span[CD_SPAN_LEN];
	bool sampled;
};

/*
 * The header `traceparent`, W3C Trace Context (Recommendation 2021, section
 * 3.2). True when it is well-formed: lower-case hexadecimal, neither id all
 * zero, exactly 55 bytes in version 00; a version above may add what begins
 * with "-", which is not read; version ff does not exist. *ret is untouched
 * otherwise, and the caller begins a trace of its own.
 */
bool cd_traceparent_parse(struct cd_str text, struct cd_traceparent *ret);

/*
 * The path of a request (up to "?"), decoded once, and encoded again in the one
 * form that is decided and forwarded. out: 4 * raw.len bytes, which both
 * results lie in. -EINVAL for what has two readings: encoded "/", "\\", "." or
 * control bytes, ";" in either form, empty, "." and ".." segments, a "%" that
 * stays before two hexadecimal digits, bytes that are not UTF-8, "#".
 */
int cd_path_normalize(struct cd_str raw, char *out, struct cd_str *ret_path,
		      struct cd_str *ret_encoded);

/* Exactly 2 * len lower-case hexadecimal digits. */
bool cd_hex_parse(struct cd_str text, uint8_t *out, size_t len);

/* Is this a decoded path that cd_path_normalize() can give? Nothing else is
 * decided, so that nothing else is worth an answer. */
bool cd_path_is_normal(struct cd_str path);

/* How many cookies of a Cookie header have this very name, at most 2 are
 * told apart; *ret_value is of the last one. */
unsigned int cd_cookie_count(struct cd_str header, struct cd_str name,
			     struct cd_str *ret_value);

/* Takes the cookies whose names begin with `prefix`, in any case, out of a
 * Cookie header, in place. Returns its new length, never above len. */
size_t cd_cookie_strip(char *header, size_t len, struct cd_str prefix);

#endif
