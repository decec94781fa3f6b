/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What browsers do with a Location decides what is safe here: they strip tabs
 * and line ends, read a backslash as a slash, and take two slashes at the
 * start as a host, and take dot segments away, "%2e" ones too.
 */
#include "controller/redirect.h"

#include <strings.h>

/* "." or ".." between slashes, a dot written in either way. */
static bool has_dot_segment(struct cd_str path)
{
	while (path.len) {
		struct cd_str segment = cd_str_split(path, '/', &path);
		size_t i = 0, dots = 0;

		for (; i < segment.len; i++, dots++) {
			if (segment.ptr[i] == '.')
				continue;
			if (segment.len - i < 3 ||
			    strncasecmp(segment.ptr + i, "%2e", 3) != 0)
				break;
			i += 2;
		}
		if (i == segment.len && (dots == 1 || dots == 2))
			return true;
	}
	return false;
}

bool cd_target_is_safe(struct cd_str target)
{
	size_t i;

	if (!target.len || target.len > CD_TARGET_MAX || target.ptr[0] != '/')
		return false;
	if (target.len > 1 && target.ptr[1] == '/')
		return false;
	for (i = 0; i < target.len; i++) {
		unsigned char c = (unsigned char)target.ptr[i];

		if (c <= 0x20 || c >= 0x7f || c == '\\')
			return false;
	}
	for (i = 0; i < target.len && !strchr("?#", target.ptr[i]); i++)
		;
	return !has_dot_segment(cd_str_make(target.ptr, i)) &&
	       !cd_str_has_prefix(target, CD_STR("/.cordon"));
}

struct cd_str cd_target_or_root(struct cd_str target)
{
	return cd_target_is_safe(target) ? target : CD_STR("/");
}

bool cd_host_of(struct cd_str authority, char *out, size_t size)
{
	struct cd_str host, port;
	size_t i;

	host = cd_str_split(authority, ':', &port);
	if (!host.len || host.len >= size)
		return false;
	for (i = 0; i < host.len; i++) {
		char c = host.ptr[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c | 0x20);
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		      c == '.' || c == '-'))
			return false;
		out[i] = c;
	}
	out[i] = 0;
	return true;
}

bool cd_url_host(struct cd_str url, char *out, size_t size)
{
	static const struct cd_str scheme = CD_STR_INIT("https://");
	struct cd_str rest;

	if (!cd_str_has_prefix(url, scheme))
		return false;
	url = cd_str_make(url.ptr + scheme.len, url.len - scheme.len);
	return cd_host_of(cd_str_split(url, '/', &rest), out, size);
}

void cd_buf_url(struct cd_buf *out, struct cd_str s)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t i;

	for (i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || (c && strchr("-._~/", c))) {
			cd_buf_char(out, (char)c);
		} else {
			cd_buf_char(out, '%');
			cd_buf_char(out, digits[c >> 4]);
			cd_buf_char(out, digits[c & 15]);
		}
	}
}
