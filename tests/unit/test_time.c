// SPDX-License-Identifier: Apache-2.0
#include "base/time.h"

#include "tap.h"

static int64_t parse(const char *s)
{
	int64_t ns = INT64_MIN;

	return cd_rfc3339_parse(cd_str_from(s), &ns) < 0 ? INT64_MIN : ns;
}

TEST(durations)
{
	static const struct {
		const char *text, *back;
		int64_t seconds;
	} good[] = {
		{"30s", "30s", 30},
		{"15m", "15m", 900},
		{"12h", "12h", 43200},
		{"7d", "7d", 604800},
		{"0s", "0s", 0},
		{"90m", "90m", 5400},
		{"24h", "1d", 86400},
		{"3601s", "3601s", 3601},
		{"36525d", "36525d", CD_DURATION_MAX},
	};
	static const char *const bad[] = {
		"",	"s",	  "5",
		"5x",	"-5s",	  "5 s",
		"1h5m", "36526d", "99999999999999999999s"};
	char out[CD_DURATION_SIZE];
	int64_t s;

	for (size_t i = 0; i < CD_ARRAY_SIZE(good); i++) {
		s = -1;
		ok_eq_int(cd_duration_parse(cd_str_from(good[i].text), &s), 0);
		ok_eq_int(s, good[i].seconds);
		ok_eq_uint(cd_duration_format(s, out, sizeof(out)),
			   strlen(good[i].back));
		ok_eq_str(out, good[i].back);
	}
	for (size_t i = 0; i < CD_ARRAY_SIZE(bad); i++) {
		s = -7;
		ok_true(cd_duration_parse(cd_str_from(bad[i]), &s) < 0);
		ok_eq_int(s, -7);
	}
}

TEST(civil_dates_round_trip_for_a_thousand_years)
{
	int64_t first = cd_civil_days(1600, 1, 1);
	int64_t days = first;

	ok_eq_int(cd_civil_days(1970, 1, 1), 0);
	ok_eq_int(cd_civil_days(2000, 3, 1), 11017);
	for (int32_t y = 1600; y < 2600; y++) {
		for (unsigned int m = 1; m <= 12; m++) {
			for (unsigned int d = 1; d <= cd_month_days(y, m);
			     d++) {
				struct cd_civil c =
					cd_civil_make(days * CD_S_PER_DAY + 1);

				if (cd_civil_days(y, m, d) != days ||
				    c.year != y || c.month != m || c.day != d ||
				    c.second != 1)
					fail("%d-%u-%u", y, m, d);
				days++;
			}
		}
	}
	ok_eq_int(days - first, 365242 + 1);
}

TEST(weekdays)
{
	ok_eq_uint(cd_weekday(0), 3); /* Thursday */
	ok_eq_uint(cd_weekday(-1), 2);
	ok_eq_uint(cd_weekday(-4), 6);
	ok_eq_uint(cd_weekday(cd_civil_days(2026, 11, 23)), 0); /* Monday */
}

TEST(instants)
{
	ok_eq_int(parse("1970-01-01T00:00:00Z"), 0);
	ok_eq_int(parse("2026-11-23T18:56:29.5Z"),
		  INT64_C(1795460189500000000));
	ok_eq_int(parse("2026-11-23T20:56:29+02:00"),
		  parse("2026-11-23 18:56:29z"));
	ok_eq_int(parse("2016-12-31T23:59:60Z"), parse("2017-01-01T00:00:00Z"));
	ok_eq_int(parse("1969-12-31T23:59:59.999999999Z"), -1);
	ok_eq_int(parse("1970-01-01T00:00:00.0000000019Z"), 1);
	ok_true(parse("1678-01-01T00:01:00+00:01") ==
		parse("1678-01-01T00:00:00Z"));
	ok_true(parse("1678-01-01T00:00:00Z") != INT64_MIN);
	ok_true(parse("2261-12-31T23:59:59.999999999Z") != INT64_MIN);
}

TEST(instants_refused)
{
	static const char *const bad[] = {
		"",
		"2026-11-23",
		"2026-11-23T18:56:29",
		"2026-02-29T00:00:00Z",
		"2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z",
		"2026-01-00T00:00:00Z",
		"2026-01-01T24:00:00Z",
		"2026-01-01T00:60:00Z",
		"2026-01-01T00:00:61Z",
		"2026-01-01T00:00:00.Z",
		"2026-01-01T00:00:00+2:00",
		"2026-01-01T00:00:00+24:00",
		"2026-01-01T00:00:00Zx",
		"1677-01-01T00:00:00Z",
		"2262-01-01T00:00:00Z",
		"2261-12-31T23:59:59-00:01",
		"2261-12-31T23:59:60Z",
		"1678-01-01T00:00:00+00:01",
		"+026-01-01T00:00:00Z",
	};

	for (size_t i = 0; i < CD_ARRAY_SIZE(bad); i++)
		if (parse(bad[i]) != INT64_MIN)
			fail("accepted %s", bad[i]);
}

TEST(instants_format)
{
	char out[CD_RFC3339_SIZE], tiny[5];

	cd_rfc3339_format(parse("2026-11-23T18:56:29Z"), out, sizeof(out));
	ok_eq_str(out, "2026-11-23T18:56:29Z");
	cd_rfc3339_format(-1, out, sizeof(out));
	ok_eq_str(out, "1969-12-31T23:59:59.999999999Z");
	ok_eq_uint(cd_rfc3339_format(0, tiny, sizeof(tiny)), 4);
	ok_eq_str(tiny, "1970");
	ok_eq_int(parse("2262-01-01T00:00:00Z"), INT64_MIN);
	cd_rfc3339_format(INT64_MAX, out, sizeof(out));
	ok_eq_str(out, "2262-04-11T23:47:16.854775807Z");
	cd_rfc3339_format(INT64_MIN, out, sizeof(out));
	ok_eq_str(out, "1677-09-21T00:12:43.145224192Z");
}
