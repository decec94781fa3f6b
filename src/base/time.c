/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calendar arithmetic after the usual era method: a year that starts in March
 * makes leap days the last of their year, so that one linear formula gives
 * the day of the year. libc's timegm() was not used because it accepts
 * impossible dates and, with gmtime(), carries hidden state.
 */
#include "base/time.h"

#include <stdio.h>

static const struct {
	char unit;
	int64_t seconds;
} units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};

int cd_duration_parse(struct cd_str s, int64_t *ret_seconds)
{
	uint64_t n;
	int r;

	if (s.len < 2)
		return -EINVAL;
	r = cd_str_parse_u64(cd_str_make(s.ptr, s.len - 1), &n);
	if (r < 0)
		return r;
	for (size_t i = 0; i < CD_ARRAY_SIZE(units); i++) {
		if (units[i].unit != s.ptr[s.len - 1])
			continue;
		if (n > (uint64_t)(CD_DURATION_MAX / units[i].seconds))
			return -ERANGE;
		*ret_seconds = (int64_t)n * units[i].seconds;
		return 0;
	}
	return -EINVAL;
}

size_t cd_duration_format(int64_t seconds, char *out, size_t size)
{
	size_t i = 0;
	int n;

	if (seconds == 0)
		i = CD_ARRAY_SIZE(units) - 1;
	while (seconds % units[i].seconds)
		i++;
	n = snprintf(out, size, "%lld%c",
		     (long long)(seconds / units[i].seconds), units[i].unit);
	return CD_MIN((size_t)n, size ? size - 1 : 0);
}

int64_t cd_div_floor(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static bool is_leap(int32_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

unsigned int cd_month_days(int32_t year, unsigned int month)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30,
				       31, 31, 30, 31, 30, 31};

	cd_assert(month >= 1 && month <= 12);
	return days[month - 1] + (month == 2 && is_leap(year) ? 1u : 0u);
}

int64_t cd_civil_days(int32_t year, unsigned int month, unsigned int day)
{
	int64_t y = (int64_t)year - (month <= 2);
	int64_t era = cd_div_floor(y, 400);
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year =
		(153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 +
		(int64_t)day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 -
			     year_of_era / 100 + day_of_year;

	return era * 146097 + day_of_era - 719468;
}

struct cd_civil cd_civil_make(int64_t seconds)
{
	int64_t z = cd_div_floor(seconds, CD_S_PER_DAY);
	int64_t rest = seconds - z * CD_S_PER_DAY;
	int64_t era, doe, yoe, doy, mp, month;

	z += 719468;
	era = cd_div_floor(z, 146097);
	doe = z - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	month = mp < 10 ? mp + 3 : mp - 9;
	return (struct cd_civil){
		.year = (int32_t)(yoe + era * 400 + (month <= 2)),
		.month = (uint8_t)month,
		.day = (uint8_t)(doy - (153 * mp + 2) / 5 + 1),
		.hour = (uint8_t)(rest / 3600),
		.minute = (uint8_t)(rest % 3600 / 60),
		.second = (uint8_t)(rest % 60),
	};
}

unsigned int cd_weekday(int64_t days)
{
	/* 1970-01-01 was a Thursday. */
	return (unsigned int)(days + 3 - cd_div_floor(days + 3, 7) * 7);
}

/* Exactly n digits at s->ptr, taken off s. */
static bool take_digits(struct cd_str *s, size_t n, unsigned int *ret)
{
	uint64_t v;

	if (s->len < n || cd_str_parse_u64(cd_str_make(s->ptr, n), &v) < 0)
		return false;
	s->ptr += n;
	s->len -= n;
	*ret = (unsigned int)v;
	return true;
}

static bool take_char(struct cd_str *s, char c)
{
	if (s->len == 0 || s->ptr[0] != c)
		return false;
	s->ptr++;
	s->len--;
	return true;
}

/* Every instant of the year fits nanoseconds in 64 bits. */
static bool is_year(int64_t year)
{
	return year >= 1678 && year <= 2261;
}

static bool take_date(struct cd_str *s, int64_t *ret_days)
{
	unsigned int y, m, d;

	if (!take_digits(s, 4, &y) || !take_char(s, '-') ||
	    !take_digits(s, 2, &m) || !take_char(s, '-') ||
	    !take_digits(s, 2, &d))
		return false;
	if (!is_year(y) || m < 1 || m > 12 || d < 1 ||
	    d > cd_month_days((int32_t)y, m))
		return false;
	*ret_days = cd_civil_days((int32_t)y, m, d);
	return true;
}

int cd_date_parse(struct cd_str s, int64_t *ret_days)
{
	int64_t days;

	if (!take_date(&s, &days) || s.len)
		return -EINVAL;
	*ret_days = days;
	return 0;
}

static bool take_fraction(struct cd_str *s, int64_t *ret_ns)
{
	int64_t ns = 0, weight = CD_NS_PER_S / 10;
	size_t n = 0;

	if (!take_char(s, '.')) {
		*ret_ns = 0;
		return true;
	}
	while (s->len && s->ptr[0] >= '0' && s->ptr[0] <= '9') {
		ns += (s->ptr[0] - '0') * weight;
		weight /= 10;
		s->ptr++;
		s->len--;
		n++;
	}
	*ret_ns = ns;
	return n > 0;
}

static bool take_offset(struct cd_str *s, int64_t *ret_seconds)
{
	unsigned int h, m;
	bool minus;

	if (take_char(s, 'Z') || take_char(s, 'z')) {
		*ret_seconds = 0;
		return true;
	}
	minus = take_char(s, '-');
	if (!minus && !take_char(s, '+'))
		return false;
	if (!take_digits(s, 2, &h) || !take_char(s, ':') ||
	    !take_digits(s, 2, &m) || h > 23 || m > 59)
		return false;
	*ret_seconds = (int64_t)(h * 3600 + m * 60) * (minus ? -1 : 1);
	return true;
}

int cd_rfc3339_parse(struct cd_str s, int64_t *ret_ns)
{
	int64_t days, fraction, offset, seconds;
	unsigned int h, m, sec;

	if (!take_date(&s, &days) ||
	    (!take_char(&s, 'T') && !take_char(&s, 't') && !take_char(&s, ' ')))
		return -EINVAL;
	if (!take_digits(&s, 2, &h) || !take_char(&s, ':') ||
	    !take_digits(&s, 2, &m) || !take_char(&s, ':') ||
	    !take_digits(&s, 2, &sec) || h > 23 || m > 59 || sec > 60)
		return -EINVAL;
	if (!take_fraction(&s, &fraction) || !take_offset(&s, &offset) || s.len)
		return -EINVAL;
	seconds = days * CD_S_PER_DAY + (int64_t)(h * 3600 + m * 60 + sec) -
		  offset;
	/* an offset may lead into a year that is not read again */
	if (!is_year(cd_civil_make(seconds).year))
		return -EINVAL;
	*ret_ns = seconds * CD_NS_PER_S + fraction;
	return 0;
}

size_t cd_rfc3339_format(int64_t ns, char *out, size_t size)
{
	int64_t seconds = cd_div_floor(ns, CD_NS_PER_S);
	struct cd_civil c = cd_civil_make(seconds);
	int64_t below = ns % CD_NS_PER_S;
	char fraction[16] = "";
	int n;

	if (below)
		snprintf(fraction, sizeof(fraction), ".%09lld",
			 (long long)(below < 0 ? below + CD_NS_PER_S : below));
	n = snprintf(out, size, "%04d-%02u-%02uT%02u:%02u:%02u%sZ", c.year,
		     c.month, c.day, c.hour, c.minute, c.second, fraction);
	return CD_MIN((size_t)n, size ? size - 1 : 0);
}
