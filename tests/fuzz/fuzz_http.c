/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the gateway reads of a request by itself: paths, cookies, traceparent.
 * The first byte chooses. What was accepted is held against what it promises,
 * and nothing is written beyond its memory: blocks have their exact size.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/http.h"

static bool is_ascii(struct cd_str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] >= 0x80)
			return false;
	return true;
}

/* A path that was accepted has one meaning: read again it is itself. */
static void fuzz_path(struct cd_str raw)
{
	char *out = malloc(4 * raw.len + 1), *again;
	struct cd_str path, encoded, path2, encoded2;

	cd_assert(out);
	if (!cd_path_normalize(raw, out, &path, &encoded)) {
		again = malloc(4 * encoded.len + 1);
		cd_assert(again && path.len && path.ptr[0] == '/');
		cd_assert(!memchr(path.ptr, ';', path.len) &&
			  !memchr(path.ptr, '\\', path.len) &&
			  !memchr(path.ptr, '\0', path.len));
		for (size_t i = 0; i < encoded.len; i++)
			cd_assert(encoded.ptr[i] > ' ' && encoded.ptr[i] < 127);
		cd_assert(
			!cd_path_normalize(encoded, again, &path2, &encoded2));
		cd_assert(cd_str_equal(path, path2));
		cd_assert(cd_path_is_normal(path));
		cd_assert(cd_str_equal(encoded, encoded2));
		free(again);
	}
	/* and the other way round: what has no escapes is its own path */
	if (cd_path_is_normal(raw) && !memchr(raw.ptr, '%', raw.len) &&
	    !memchr(raw.ptr, '#', raw.len) && !memchr(raw.ptr, ' ', raw.len) &&
	    is_ascii(raw)) {
		cd_assert(!cd_path_normalize(raw, out, &path, &encoded));
		cd_assert(cd_str_equal(path, raw));
	}
	free(out);
}

/* Ours are gone, and all others are there, in their order. */
static void fuzz_cookies(struct cd_str header)
{
	const struct cd_str name = CD_STR("__Host-cordon");
	struct cd_str value = CD_STR_NULL;
	char *copy = malloc(header.len + 1);
	unsigned int n;
	size_t len;

	cd_assert(copy);
	memcpy(copy, header.ptr, header.len);
	copy[header.len] = '\x5a';
	n = cd_cookie_count(header, name, &value);
	cd_assert(n <= 2);
	cd_assert(!n || (value.ptr > header.ptr &&
			 value.ptr + value.len <= header.ptr + header.len &&
			 !memchr(value.ptr, ';', value.len)));
	len = cd_cookie_strip(copy, header.len, name);
	cd_assert(len <= header.len && copy[header.len] == '\x5a');
	cd_assert(!cd_cookie_count(cd_str_make(copy, len), name, &value));
	cd_assert(cd_cookie_strip(copy, len, name) == len);
	/* bytes that are no separators are kept when nothing was ours */
	if (!n && header.len < name.len) {
		size_t kept = 0, sent = 0;

		for (size_t i = 0; i < len; i++)
			kept += !strchr("; \t", copy[i]) || !copy[i];
		for (size_t i = 0; i < header.len; i++)
			sent += !strchr("; \t", header.ptr[i]) ||
				!header.ptr[i];
		cd_assert(kept == sent);
	}
	free(copy);
}

static void fuzz_trace(struct cd_str s)
{
	struct cd_traceparent t;
	uint8_t sum = 0;

	if (!cd_traceparent_parse(s, &t))
		return;
	for (size_t i = 0; i < sizeof(t.trace); i++)
		sum |= t.trace[i];
	cd_assert(sum && s.len >= 55);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parts[])(
		struct cd_str s) = {fuzz_path, fuzz_cookies, fuzz_trace};
	char *exact;

	if (size < 1 || size > 16384)
		return 0;
	exact = malloc(size);
	cd_assert(exact);
	memcpy(exact, data + 1, size - 1);
	parts[data[0] % 3](cd_str_make(exact, size - 1));
	free(exact);
	return 0;
}
