// SPDX-License-Identifier: Apache-2.0
/*
 * The lines of an app that gateways act on, as numbers. An image carries them
 * as the canonical text of src/policy/settings.c, so that a gateway that does
 * not know a line passes over it; what is read here is that text and nothing
 * else, and anything else is as if the line were not there.
 */
#include "base/str.h"
#include "base/time.h"
#include "snapshot/layout.h"

/* The next word of a canonical line: words are one blank apart. */
static struct cd_str word(struct cd_str *rest)
{
	return cd_str_split(*rest, ' ', rest);
}

static bool read_seconds(struct cd_str text, uint32_t *ret)
{
	int64_t s;

	if (cd_duration_parse(text, &s) || s <= 0 || s > UINT32_MAX)
		return false;
	*ret = (uint32_t)s;
	return true;
}

static bool read_number(struct cd_str text, uint32_t *ret)
{
	uint64_t n;

	if (cd_str_parse_u64(text, &n) || n == 0 || n > UINT32_MAX)
		return false;
	*ret = (uint32_t)n;
	return true;
}

bool cd_snapshot_app_health(const struct cd_snapshot *snapshot, uint32_t app,
			    struct cd_health *ret_health)
{
	struct cd_health h = {.every = CD_HEALTH_EVERY,
			      .fall = CD_HEALTH_FALL,
			      .rise = CD_HEALTH_RISE};
	struct cd_str rest;
	bool good = true;

	if (!cd_snapshot_app_setting(snapshot, app, CD_STR("health"), &rest))
		return false;
	h.path = word(&rest);
	if (cd_str_equal(h.path, CD_STR("tcp")))
		h.path.len = 0;
	else if (h.path.len == 0 || h.path.ptr[0] != '/')
		return false;
	while (good && rest.len) {
		struct cd_str key = word(&rest), value = word(&rest);

		if (cd_str_equal(key, CD_STR("every")))
			good = read_seconds(value, &h.every);
		else if (cd_str_equal(key, CD_STR("fall")))
			good = read_number(value, &h.fall);
		else if (cd_str_equal(key, CD_STR("rise")))
			good = read_number(value, &h.rise);
		else
			good = false;
	}
	if (good)
		*ret_health = h;
	return good;
}

bool cd_snapshot_app_timeout(const struct cd_snapshot *snapshot, uint32_t app,
			     uint32_t *ret_seconds)
{
	struct cd_str text;

	return cd_snapshot_app_setting(snapshot, app, CD_STR("timeout"),
				       &text) &&
	       read_seconds(text, ret_seconds);
}

bool cd_snapshot_app_body(const struct cd_snapshot *snapshot, uint32_t app,
			  uint64_t *ret_bytes)
{
	static const char units[] = "kmg";
	unsigned int shift = 0;
	const char *unit;
	struct cd_str text;
	uint32_t n;

	if (!cd_snapshot_app_setting(snapshot, app, CD_STR("body"), &text) ||
	    text.len == 0)
		return false;
	unit = memchr(units, text.ptr[text.len - 1], 3);
	if (unit) {
		text.len--;
		shift = 10 * (unsigned int)(unit - units + 1);
	}
	if (!read_number(text, &n))
		return false;
	*ret_bytes = (uint64_t)n << shift;
	return true;
}

bool cd_snapshot_app_limit(const struct cd_snapshot *snapshot, uint32_t app,
			   struct cd_limit *ret_limit)
{
	struct cd_str text, rate, period;
	struct cd_limit l;

	if (!cd_snapshot_app_setting(snapshot, app, CD_STR("limit"), &text))
		return false;
	rate = cd_str_split(word(&text), '/', &period);
	if (!read_number(rate, &l.count) || !read_seconds(period, &l.period))
		return false;
	l.burst = l.count;
	if (text.len && (!cd_str_equal(word(&text), CD_STR("burst")) ||
			 !read_number(text, &l.burst)))
		return false;
	*ret_limit = l;
	return true;
}

/* Length of the text up to a quote that no backslash stands before. */
static size_t quoted(struct cd_str s)
{
	size_t i = 0;

	while (i < s.len && s.ptr[i] != '"')
		i += s.ptr[i] == '\\' ? 2 : 1;
	return i;
}

bool cd_header_next(struct cd_str *rest, struct cd_header *ret_header)
{
	struct cd_header h = {.value = CD_STR_NULL};
	struct cd_str s = *rest;
	size_t n;

	h.name = word(&s);
	if (h.name.len == 0 || s.len == 0)
		return false;
	if (s.ptr[0] == '"') {
		s = cd_str_make(s.ptr + 1, s.len - 1);
		n = quoted(s);
		if (n >= s.len)
			return false;
		h.value = cd_str_make(s.ptr, n);
		s = cd_str_make(s.ptr + n + 1, s.len - n - 1);
	} else {
		h.remove = true;
		if (!cd_str_has_prefix(s, CD_STR("off")))
			return false;
		s = cd_str_make(s.ptr + 3, s.len - 3);
	}
	if (s.len && !cd_str_has_prefix(s, CD_STR(", ")))
		return false;
	*rest = s.len ? cd_str_make(s.ptr + 2, s.len - 2) : s;
	*ret_header = h;
	return true;
}

size_t cd_header_value(const struct cd_header *header, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < header->value.len; i++) {
		i += header->value.ptr[i] == '\\' && i + 1 < header->value.len;
		out[n++] = header->value.ptr[i];
	}
	return n;
}
