/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Globs over hostile text, in linear time: between two stars the leftmost
 * match is as good as any, so there is nothing to go back for. memmem() finds
 * it in linear time.
 */
#include "decide/ctx.h"

bool cd_glob_match(struct cd_str pattern, struct cd_str text)
{
	struct cd_str rest, part = cd_str_split(pattern, '*', &rest);

	if (!rest.ptr)
		return cd_str_equal(part, text);
	if (!cd_str_has_prefix(text, part))
		return false;
	text.ptr += part.len;
	text.len -= part.len;
	for (;;) {
		const char *at;

		part = cd_str_split(rest, '*', &rest);
		if (!rest.ptr)
			return cd_str_has_suffix(text, part);
		if (part.len == 0)
			continue;
		at = text.len ? memmem(text.ptr, text.len, part.ptr, part.len) :
				NULL;
		if (!at)
			return false;
		text.len -= (size_t)(at - text.ptr) + part.len;
		text.ptr = at + part.len;
	}
}

/* One segment of a path against one of a pattern; "*" alone needs a byte. */
static bool segment_match(struct cd_str pattern, struct cd_str segment)
{
	if (cd_str_equal(pattern, CD_STR("*")))
		return segment.len > 0;
	return cd_glob_match(pattern, segment);
}

bool cd_path_match(struct cd_str pattern, struct cd_str path)
{
	bool below = cd_str_has_suffix(pattern, CD_STR("/*"));

	if (below)
		pattern.len -= 2;
	/* Both begin with '/': the first split gives the empty part before. */
	for (;;) {
		struct cd_str prest, trest;
		struct cd_str p = cd_str_split(pattern, '/', &prest);
		struct cd_str t = cd_str_split(path, '/', &trest);

		if (!segment_match(p, t))
			return false;
		if (!prest.ptr)
			return below || !trest.ptr;
		if (!trest.ptr)
			return false;
		pattern = prest;
		path = trest;
	}
}
