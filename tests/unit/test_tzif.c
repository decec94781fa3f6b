// SPDX-License-Identifier: Apache-2.0
#include "decide/ctx.h"
#include "policy/tzif.h"

#include "base/time.h"

#include "snap.h"

/* A version 2 file of one type, with this footer. */
static struct cd_str zone(int32_t offset, const char *footer)
{
	static char bytes[512];
	size_t n = sizeof(snap_berlin) - 1 -
		   strlen("CET-1CEST,M3.5.0,M10.5.0/3\n");

	memcpy(bytes, snap_berlin, n);
	/* the type stands six bytes, the name four, the newline one before */
	for (int i = 0; i < 4; i++)
		bytes[n - 11 + (size_t)i] =
			(char)((uint32_t)offset >> (24 - 8 * i));
	n += (size_t)snprintf(bytes + n, sizeof(bytes) - n, "%s\n", footer);
	return cd_str_make(bytes, n);
}

/* Seconds east at an instant; INT32_MIN: the file is refused. */
static int32_t offset_at(struct cd_str bytes, const char *when)
{
	struct cd_buf out;
	const struct cd_snap_turn *t;
	int32_t offset = INT32_MIN;
	int64_t ns = 0;

	cd_buf_init(&out, 1 << 20);
	cd_rfc3339_parse(cd_str_from(when), &ns);
	if (cd_tzif_parse(bytes, &out) == 0) {
		t = (const void *)out.data;
		for (size_t i = 0; i < out.len / sizeof(*t); i++)
			if (t[i].at <= ns / CD_NS_PER_S)
				offset = t[i].offset;
	}
	cd_buf_done(&out);
	return offset;
}

TEST(central_europe)
{
	struct cd_str b = zone(3600, "CET-1CEST,M3.5.0,M10.5.0/3");

	ok_eq_int(offset_at(b, "2026-03-29T00:59:59Z"), 3600);
	ok_eq_int(offset_at(b, "2026-03-29T01:00:00Z"), 7200);
	ok_eq_int(offset_at(b, "2026-10-25T00:59:59Z"), 7200);
	ok_eq_int(offset_at(b, "2026-10-25T01:00:00Z"), 3600);
	ok_eq_int(offset_at(b, "2100-07-01T00:00:00Z"), 7200);
	ok_eq_int(offset_at(b, "2100-12-01T00:00:00Z"), 3600);
}

TEST(other_rules)
{
	struct cd_str b = zone(36000, "AEST-10AEDT,M10.1.0,M4.1.0/3");

	ok_eq_int(offset_at(b, "2026-01-15T00:00:00Z"), 39600);
	ok_eq_int(offset_at(b, "2026-07-15T00:00:00Z"), 36000);
	b = zone(-10800, "<-03>3");
	ok_eq_int(offset_at(b, "2050-01-15T00:00:00Z"), -10800);
	/* Day 60 without leap days is 1 March in every year. */
	b = zone(0, "AAA0BBB,J60/0,J300/0");
	ok_eq_int(offset_at(b, "2028-02-29T23:59:59Z"), 0);
	ok_eq_int(offset_at(b, "2028-03-01T00:00:00Z"), 3600);
	/* Day 59 from 0 is 29 February in a leap year. */
	b = zone(0, "AAA0BBB,59/0,300/0");
	ok_eq_int(offset_at(b, "2028-02-28T23:59:59Z"), 0);
	ok_eq_int(offset_at(b, "2028-02-29T00:00:00Z"), 3600);
	b = zone(0, "");
	ok_eq_int(offset_at(b, "2026-01-01T00:00:00Z"), 0);
}

TEST(refused)
{
	static const char *const bad[] = {
		"CE-1",
		"CET",
		"CET-1CEST",
		"CET-1CEST,M3.5.0",
		"CET-1CEST,M13.5.0,M10.5.0",
		"CET-1CEST,M3.6.0,M10.5.0",
		"CET-1CEST,M3.5.7,M10.5.0",
		"CET-1CEST,J0,J300",
		"CET-1CEST,366,1",
		"CET-1CEST,M3.5.0,M10.5.0x",
		"CET-200",
		"<+03-3",
	};

	for (size_t i = 0; i < CD_ARRAY_SIZE(bad); i++)
		if (offset_at(zone(3600, bad[i]), "2026-01-01T00:00:00Z") !=
		    INT32_MIN)
			fail("accepted %s", bad[i]);
	ok_eq_int(offset_at(CD_STR(""), "2026-01-01T00:00:00Z"), INT32_MIN);
	ok_eq_int(offset_at(zone(200000, "CET-1"), "2026-01-01T00:00:00Z"),
		  INT32_MIN);
}

/* Older compilers of zone files begin each with a transition at -2^59, which
 * is where what holds "since always" begins: one turn, not two. */
TEST(a_big_bang_is_the_first_turn)
{
	static const char bytes[] =
		"TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" /* version 1: */
		"\0\0\0\0\0\0\0\0\0\0\0\0" /* none of the first three, */
		"\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0" /* a type */
		"TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
		"\0\0\0\0\0\0\0\0\0\0\0\0"
		"\0\0\0\1\0\0\0\2\0\0\0\4" /* a turn, two types, a name */
		"\xf8\0\0\0\0\0\0\0\1"
		"\0\0\0\0\0\0\0\0\x0e\x10\0\0CET\0\n\n";
	const struct cd_snap_turn *t;
	struct cd_buf out;

	cd_buf_init(&out, 1 << 20);
	ok_eq_int(cd_tzif_parse(cd_str_make(bytes, sizeof(bytes) - 1), &out),
		  0);
	if (ok_eq_int(out.len / sizeof(*t), 1)) {
		t = (const void *)out.data;
		ok_eq_int(t->at, -(INT64_C(1) << 59));
		ok_eq_int(t->offset, 3600);
	}
	cd_buf_done(&out);
}

TEST(no_cut_file_is_read)
{
	struct cd_str b = zone(3600, "CET-1CEST,M3.5.0,M10.5.0/3");

	for (size_t n = 0; n < b.len; n++)
		if (offset_at(cd_str_make(b.ptr, n), "2026-01-01T00:00:00Z") !=
		    INT32_MIN)
			fail("accepted %zu of %zu bytes", n, b.len);
}

/* ---- windows ------------------------------------------------------------- */
static void window(const char *when, bool want, const char *turn)
{
	static struct snap s;
	char text[CD_RFC3339_SIZE];
	int64_t ns = 0, next = 0;

	if (!s.image &&
	    !snap_make(
		    &s,
		    "version 1\napp a\n  tcp a.internal:1\n"
		    "allow \"x\" from any to app a when time in fri,sat 22:00-02:00 Europe/Berlin\n"))
		return;
	cd_rfc3339_parse(cd_str_from(when), &ns);
	if (cd_window_has(s.s, &cd_snap_WINDOWS(s.s)[0], ns, &next) != want)
		fail("%s: not %d", when, want);
	cd_rfc3339_format(next, text, sizeof(text));
	ok_eq_str(text, turn);
}

TEST(a_window_past_midnight_belongs_to_its_starting_day)
{
	window("2026-11-27T20:59:59Z", false, "2026-11-27T21:00:00Z");
	window("2026-11-27T21:00:00Z", true, "2026-11-28T01:00:00Z");
	window("2026-11-28T00:59:59Z", true, "2026-11-28T01:00:00Z");
	window("2026-11-28T01:00:00Z", false, "2026-11-28T21:00:00Z");
	window("2026-11-29T00:30:00Z", true, "2026-11-29T01:00:00Z");
	window("2026-11-29T01:00:00Z", false, "2026-12-04T21:00:00Z");
}

TEST(a_window_over_the_change_of_summer_time)
{
	/* Saturday 24 October 22:00 to Sunday 02:00, still summer time. */
	window("2026-10-24T19:59:59Z", false, "2026-10-24T20:00:00Z");
	window("2026-10-24T20:00:00Z", true, "2026-10-25T00:00:00Z");
	/* At 03:00 it is 02:00 again, which is past the end. */
	window("2026-10-25T01:00:00Z", false, "2026-10-30T21:00:00Z");
}
