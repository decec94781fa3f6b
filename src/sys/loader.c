/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files behind the names of a policy. Zone names come from policy text, so
 * they are checked to be plain relative names before they meet the file
 * system.
 */
#include "sys/loader.h"

#include <stdio.h>

#include "sys/file.h"

#define FEED_MAX ((size_t)256 << 20)
#define ZONE_MAX ((size_t)1 << 20)
#define ZONE_DIR "/usr/share/zoneinfo/"

static int load_feed(void *ctx, struct cd_str location, char **ret, size_t *len)
{
	char path[4096];
	int n;

	(void)ctx;
	if (memchr(location.ptr, 0, location.len))
		return -EINVAL;
	if (!location.len || location.ptr[0] != '/')
		return CD_E_UNSUPPORTED;
	n = snprintf(path, sizeof(path), "%.*s", CD_STR_FMT(location));
	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	return cd_file_read(path, FEED_MAX, ret, len);
}

/* Letters, digits, '_', '+', '-' in parts between single slashes. */
static bool is_zone_name(struct cd_str zone)
{
	char before = '/';

	for (size_t i = 0; i < zone.len; i++) {
		char c = zone.ptr[i];
		bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    (c >= '0' && c <= '9') || c == '_' || c == '+' ||
			    c == '-';

		if (!word && !(c == '/' && before != '/'))
			return false;
		before = c;
	}
	return zone.len > 0 && zone.len < 64 && before != '/';
}

static int load_zone(void *ctx, struct cd_str zone, char **ret, size_t *len)
{
	char path[sizeof(ZONE_DIR) + 64];

	(void)ctx;
	if (!is_zone_name(zone))
		return -ENOENT;
	snprintf(path, sizeof(path), ZONE_DIR "%.*s", CD_STR_FMT(zone));
	return cd_file_read(path, ZONE_MAX, ret, len);
}

void cd_file_loader_init(struct cd_loader *ret_loader)
{
	*ret_loader = (struct cd_loader){.feed = load_feed, .zone = load_zone};
}
