/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Durations, RFC 3339 instants and civil dates. Pure arithmetic on the
 * proleptic Gregorian calendar in UTC: no clock, no time zone of the machine,
 * no libc call that looks at TZ.
 */
#ifndef CD_BASE_TIME_H
#define CD_BASE_TIME_H

#include "base/str.h"

#define CD_NS_PER_S INT64_C(1000000000)
#define CD_S_PER_DAY INT64_C(86400)

/* The longest duration that can be written: a hundred years. */
#define CD_DURATION_MAX (INT64_C(36525) * CD_S_PER_DAY)
/* Room for the text of any duration or instant with its NUL. */
#define CD_DURATION_SIZE 24
#define CD_RFC3339_SIZE 40

/* "30s" "15m" "12h" "7d": one whole number and one unit. Seconds; -EINVAL,
 * or -ERANGE above CD_DURATION_MAX. */
int cd_duration_parse(struct cd_str s, int64_t *ret_seconds);
/* The largest unit that is exact ("90m", "2d", "47001s"). Returns the
 * length. seconds >= 0. */
size_t cd_duration_format(int64_t seconds, char *out, size_t size);

struct cd_civil {
	int32_t year;
	uint8_t month, day; /* from 1 */
	uint8_t hour, minute, second; /* from 0 */
};

/* Days since 1970-01-01 of a date; any year within +-100,000. */
int64_t cd_civil_days(int32_t year, unsigned int month, unsigned int day);
/* The civil time of seconds since 1970 UTC. */
struct cd_civil cd_civil_make(int64_t seconds);
unsigned int cd_month_days(int32_t year, unsigned int month);
/* 0 Monday ... 6 Sunday, of days since 1970-01-01. */
unsigned int cd_weekday(int64_t days);
/* Quotient towards minus infinity; b > 0. */
int64_t cd_div_floor(int64_t a, int64_t b);

/* "2027-01-31" -> days since 1970-01-01. -EINVAL. Years 1678 to 2261, so
 * that every instant of the day fits nanoseconds in 64 bits. */
int cd_date_parse(struct cd_str s, int64_t *ret_days);

/* RFC 3339 date-time with any offset and up to nine fraction digits (further
 * ones are cut). A leap second is the first instant of the next minute.
 * Nanoseconds since 1970 UTC; -EINVAL. In UTC as well the year is 1678 to
 * 2261, so that what was read can be written and read again. */
int cd_rfc3339_parse(struct cd_str s, int64_t *ret_ns);
/* "2026-11-23T18:56:29Z", with nine fraction digits when there is a
 * fraction. Returns the length. */
size_t cd_rfc3339_format(int64_t ns, char *out, size_t size);

#endif
