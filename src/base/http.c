/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading of what a stranger sends: http.h says what is accepted. It stands
 * here and not beside nginx so that tests and fuzzers meet the same bytes
 * without one.
 */
#include <errno.h>

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

bool cd_hex_parse(struct cd_str text, uint8_t *out, size_t len)
{
	if (text.len != 2 * len)
		return false;
	for (size_t i = 0; i < len; i++) {
		int high = hex_digit(text.ptr[2 * i]);
		int low = hex_digit(text.ptr[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* 2 * len digits at p. */
static bool hex_bytes(const char *p, uint8_t *out, size_t len)
{
	return cd_hex_parse(cd_str_make(p, 2 * len), out, len);
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

/* ---- paths ---- */

/* Bytes that stand for themselves: RFC 3986 pchar without ";", and the slash. */
static bool is_plain(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || (c && strchr("-._~!$&'()*+,=:@/", c));
}

static int any_hex_digit(char c)
{
	return hex_digit(c >= 'A' && c <= 'F' ? (char)(c | 0x20) : c);
}

/* One byte of the path, decoded. -1: it must not be in a path. */
static int unescape(const char **pos, const char *end)
{
	const char *p = *pos;
	int high, low, c = (unsigned char)*p;

	if (c != '%') {
		*pos = p + 1;
		return c <= 0x20 || c >= 0x7f || strchr("\\;#", c) ? -1 : c;
	}
	if (end - p < 3)
		return -1;
	high = any_hex_digit(p[1]);
	low = any_hex_digit(p[2]);
	if (high < 0 || low < 0)
		return -1;
	*pos = p + 3;
	c = high * 16 + low;
	return c < 0x20 || c == 0x7f || strchr("/\\;.", c) ? -1 : c;
}

/* Decoded, no bytes may be left that could be decoded once more. */
static bool is_final(const char *p, const char *end)
{
	while ((p = memchr(p, '%', (size_t)(end - p)))) {
		p++;
		if (end - p >= 2 && any_hex_digit(p[0]) >= 0 &&
		    any_hex_digit(p[1]) >= 0)
			return false;
	}
	return true;
}

/* No empty, "." or ".." segment; an empty last one is a final slash. */
static bool segments_are_plain(const char *p, const char *end)
{
	while (p < end) {
		const char *slash;
		size_t len;

		p++; /* the slash before it */
		slash = memchr(p, '/', (size_t)(end - p));
		len = (size_t)((slash ? slash : end) - p);
		if ((len == 0 && slash) || (len == 1 && p[0] == '.') ||
		    (len == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += len;
	}
	return true;
}

static char *escape(char *out, struct cd_str path)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < path.len; i++) {
		unsigned char c = (unsigned char)path.ptr[i];

		if (is_plain(c)) {
			*out++ = (char)c;
			continue;
		}
		*out++ = '%';
		*out++ = hex[c >> 4];
		*out++ = hex[c & 0xf];
	}
	return out;
}

int cd_path_normalize(struct cd_str raw, char *out, struct cd_str *ret_path,
		      struct cd_str *ret_encoded)
{
	const char *p = raw.ptr, *end = p + raw.len;
	struct cd_str path = {out, 0};
	char *last = out;

	if (raw.len == 0 || *p != '/')
		return -EINVAL;
	while (p < end) {
		int c = unescape(&p, end);

		if (c < 0)
			return -EINVAL;
		*last++ = (char)c;
	}
	path.len = (size_t)(last - out);
	if (!segments_are_plain(out, last) || !is_final(out, last) ||
	    !cd_utf8_is_valid(path))
		return -EINVAL;
	*ret_path = path;
	*ret_encoded = cd_str_make(last, (size_t)(escape(last, path) - last));
	return 0;
}

bool cd_path_is_normal(struct cd_str path)
{
	if (path.len == 0 || path.ptr[0] != '/')
		return false;
	for (size_t i = 0; i < path.len; i++) {
		unsigned char c = (unsigned char)path.ptr[i];

		if (c < 0x20 || c == 0x7f || c == '\\' || c == ';')
			return false;
	}
	return segments_are_plain(path.ptr, path.ptr + path.len) &&
	       is_final(path.ptr, path.ptr + path.len) &&
	       cd_utf8_is_valid(path);
}

/* ---- cookies ---- */

/* The next "name=value" from *pos on, without blanks around it. */
static bool cookie_next(const char **pos, const char *end, struct cd_str *ret)
{
	const char *p = *pos, *last;

	while (p < end && (*p == ' ' || *p == '\t' || *p == ';'))
		p++;
	if (p == end)
		return false;
	last = memchr(p, ';', (size_t)(end - p));
	if (!last)
		last = end;
	*pos = last;
	while (last > p && (last[-1] == ' ' || last[-1] == '\t'))
		last--;
	*ret = cd_str_make(p, (size_t)(last - p));
	return true;
}

unsigned int cd_cookie_count(struct cd_str header, struct cd_str name,
			     struct cd_str *ret_value)
{
	const char *p = header.ptr, *end = p + header.len;
	struct cd_str cookie;
	unsigned int n = 0;

	while (cookie_next(&p, end, &cookie)) {
		if (cookie.len <= name.len || cookie.ptr[name.len] != '=' ||
		    !cd_str_has_prefix(cookie, name))
			continue;
		n += n < 2;
		*ret_value = cd_str_make(cookie.ptr + name.len + 1,
					 cookie.len - name.len - 1);
	}
	return n;
}

size_t cd_cookie_strip(char *header, size_t len, struct cd_str prefix)
{
	const char *p = header, *end = header + len;
	struct cd_str cookie;
	char *out = header;

	while (cookie_next(&p, end, &cookie)) {
		if (cookie.len >= prefix.len &&
		    cd_str_equal_nocase(cd_str_make(cookie.ptr, prefix.len),
					prefix))
			continue;
		if (out != header) {
			/* between two there was a ";" at least */
			*out++ = ';';
			if (out < cookie.ptr)
				*out++ = ' ';
		}
		memmove(out, cookie.ptr, cookie.len);
		out += cookie.len;
	}
	return (size_t)(out - header);
}
