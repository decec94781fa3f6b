// SPDX-License-Identifier: Apache-2.0
/*
 * The lines of an app as gateways read them: from policy text through the
 * compiled image to numbers.
 */
#include "snap.h"

#define ok_str(got, want) ok_mem((got).ptr, (got).len, want, strlen(want))

/* Compiles an app with this line and gives its number. */
static bool app_with(struct snap *s, const char *line, uint32_t *ret)
{
	char text[1024];
	struct cd_app app;

	snprintf(text, sizeof(text),
		 "version 1\napp a\n  url https://a.example.com\n"
		 "  upstream http://10.0.0.1\n  %s\n"
		 "allow \"x\" from any to app a\n",
		 line);
	*s = (struct snap){.feed = NULL};
	if (!snap_make(s, text) ||
	    !ok_true(cd_snapshot_app_by_name(s->s, CD_STR("a"), &app)))
		return false;
	*ret = app.index;
	return true;
}

static void health_is(const char *line, const char *path, uint32_t every,
		      uint32_t fall, uint32_t rise)
{
	struct cd_health h = {.every = 0};
	struct snap s;
	uint32_t app;

	if (!app_with(&s, line, &app))
		return;
	note("%s", line);
	ok_true(cd_snapshot_app_health(s.s, app, &h));
	ok_str(h.path, path);
	ok_eq_uint(h.every, every);
	ok_eq_uint(h.fall, fall);
	ok_eq_uint(h.rise, rise);
	snap_done(&s);
}

TEST(health)
{
	health_is("health /", "/", CD_HEALTH_EVERY, CD_HEALTH_FALL,
		  CD_HEALTH_RISE);
	health_is("health tcp", "", CD_HEALTH_EVERY, CD_HEALTH_FALL,
		  CD_HEALTH_RISE);
	health_is("health /a/b every 2m", "/a/b", 120, CD_HEALTH_FALL,
		  CD_HEALTH_RISE);
	health_is("health /tcp every 1s fall 1 rise 100", "/tcp", 1, 1, 100);
	health_is("health tcp rise 7", "", CD_HEALTH_EVERY, CD_HEALTH_FALL, 7);
}

static void body_is(const char *line, uint64_t bytes)
{
	struct snap s;
	uint32_t app;
	uint64_t n = 0;

	if (!app_with(&s, line, &app))
		return;
	note("%s", line);
	ok_true(cd_snapshot_app_body(s.s, app, &n));
	ok_eq_uint(n, bytes);
	snap_done(&s);
}

TEST(body)
{
	body_is("body 1", 1);
	body_is("body 1023", 1023);
	body_is("body 512k", 512 << 10);
	body_is("body 10m", 10 << 20);
	body_is("body 4294967295g", (uint64_t)4294967295u << 30);
}

static void limit_is(const char *line, uint32_t count, uint32_t period,
		     uint32_t burst)
{
	struct cd_limit l = {.count = 0};
	struct snap s;
	uint32_t app;

	if (!app_with(&s, line, &app))
		return;
	note("%s", line);
	ok_true(cd_snapshot_app_limit(s.s, app, &l));
	ok_eq_uint(l.count, count);
	ok_eq_uint(l.period, period);
	ok_eq_uint(l.burst, burst);
	snap_done(&s);
}

TEST(limit)
{
	limit_is("limit 100/1m", 100, 60, 100);
	limit_is("limit 1/1h burst 5", 1, 3600, 5);
}

TEST(timeout)
{
	struct snap s;
	uint32_t app, seconds = 0;

	if (!app_with(&s, "timeout 90s", &app))
		return;
	ok_true(cd_snapshot_app_timeout(s.s, app, &seconds));
	ok_eq_uint(seconds, 90);
	snap_done(&s);
}

TEST(headers)
{
	struct cd_header h;
	struct cd_str rest;
	struct snap s;
	char value[64];
	uint32_t app;

	if (!app_with(&s,
		      "headers X-One \"a, b\", Server off,\n"
		      "    X-Two \"c \\\"d\\\" \\\\\", X-Empty \"\"",
		      &app))
		return;
	ok_true(cd_snapshot_app_setting(s.s, app, CD_STR("headers"), &rest));
	ok_true(cd_header_next(&rest, &h));
	ok_str(h.name, "X-One");
	ok_str(h.value, "a, b");
	ok_true(!h.remove);
	ok_true(cd_header_next(&rest, &h));
	ok_str(h.name, "Server");
	ok_true(h.remove);
	ok_true(cd_header_next(&rest, &h));
	ok_str(h.name, "X-Two");
	ok_str(cd_str_make(value, cd_header_value(&h, value)), "c \"d\" \\");
	ok_true(cd_header_next(&rest, &h));
	ok_str(h.name, "X-Empty");
	ok_eq_uint(h.value.len, 0);
	ok_true(!h.remove);
	ok_true(!cd_header_next(&rest, &h));
	snap_done(&s);
}

TEST(an_app_without_the_line_has_none)
{
	struct cd_health h;
	struct cd_limit l;
	struct snap s;
	uint32_t app, seconds;
	uint64_t bytes;

	if (!app_with(&s, "data public", &app))
		return;
	ok_true(!cd_snapshot_app_health(s.s, app, &h));
	ok_true(!cd_snapshot_app_limit(s.s, app, &l));
	ok_true(!cd_snapshot_app_timeout(s.s, app, &seconds));
	ok_true(!cd_snapshot_app_body(s.s, app, &bytes));
	ok_true(!cd_snapshot_app_health(s.s, app + 1, &h));
	snap_done(&s);
}

/* Text that our compiler does not write: no item, and never past its end. */
TEST(odd_texts_of_headers_end)
{
	static const char *const odd[] = {
		"",	     "X",	"X ",	    "X on",    "X \"",
		"X \"a\\\"", "X \"a\\", "X \"a\"b", "X off,Y", "X offside",
	};

	for (size_t i = 0; i < CD_ARRAY_SIZE(odd); i++) {
		struct cd_str rest = cd_str_from(odd[i]);
		struct cd_header h;

		if (!ok_true(!cd_header_next(&rest, &h)))
			note("%s", odd[i]);
	}
}
