/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Only the 64-bit block is used; the 32-bit one before it is skipped by its
 * counts. Behind the last transition of the file the footer's POSIX rule says
 * what holds: it is unrolled year by year to 2100, so that a decision needs
 * no calendar rule. A leap-second file ("right/") is refused: its instants
 * are not POSIX time.
 */
#include "policy/tzif.h"

#include "base/time.h"

#define ALWAYS (-(INT64_C(1) << 59))
#define LAST_YEAR 2100
#define OFFSET_MAX 93599 /* RFC 8536: -25 to 26 hours */

struct header {
	uint8_t version;
	uint32_t isut, isstd, leap, time, type, chars;
};

static uint32_t be32(struct cd_reader *r)
{
	return __builtin_bswap32(cd_read_u32(r));
}

static bool read_header(struct cd_reader *r, struct header *h)
{
	struct cd_str magic = cd_read_bytes(r, 4);

	h->version = cd_read_u8(r);
	cd_read_bytes(r, 15);
	h->isut = be32(r);
	h->isstd = be32(r);
	h->leap = be32(r);
	h->time = be32(r);
	h->type = be32(r);
	h->chars = be32(r);
	return !r->err && cd_str_equal(magic, CD_STR("TZif")) &&
	       h->time <= CD_TZIF_MAX && h->type >= 1 && h->type <= 256 &&
	       h->chars <= 4096 && h->isut <= 256 && h->isstd <= 256 &&
	       h->leap <= 1024;
}

static void skip_block(struct cd_reader *r, const struct header *h, size_t word)
{
	cd_read_bytes(r, h->time * word + h->time + h->type * 6 + h->chars +
				 h->leap * (word + 4) + h->isstd + h->isut);
}

static void put(struct cd_buf *out, int64_t at, int64_t offset)
{
	struct cd_snap_turn t = {.at = at, .offset = (int32_t)offset};

	cd_buf_put(out, &t, sizeof(t));
}

static bool good_offset(int64_t offset)
{
	return offset >= -OFFSET_MAX && offset <= OFFSET_MAX;
}

/* The 64-bit block: turns into out; *ret_last is the last one's instant. */
static bool read_block(struct cd_reader *r, const struct header *h,
		       struct cd_buf *out, int64_t *ret_last)
{
	struct cd_str times = cd_read_bytes(r, h->time * (size_t)8);
	struct cd_str index = cd_read_bytes(r, h->time);
	struct cd_str types = cd_read_bytes(r, h->type * (size_t)6);
	struct cd_reader t = cd_reader_make(times.ptr, times.len);
	int64_t last = ALWAYS, offsets[256];

	cd_read_bytes(r, h->chars + (size_t)h->leap * 12 + h->isstd + h->isut);
	if (r->err || h->leap)
		return false;
	for (uint32_t i = 0; i < h->type; i++) {
		struct cd_reader one = cd_reader_make(types.ptr + i * 6, 4);

		offsets[i] = (int32_t)be32(&one);
		if (!good_offset(offsets[i]))
			return false;
	}
	if (h->time == 0)
		put(out, ALWAYS, offsets[0]);
	for (uint32_t i = 0; i < h->time; i++) {
		int64_t at = (int64_t)__builtin_bswap64(cd_read_u64(&t));
		uint8_t type = (uint8_t)index.ptr[i];

		/* Some files begin with a "big bang" at -2^59: the first turn. */
		if (type >= h->type || at < ALWAYS || at > -ALWAYS ||
		    (i && at <= last))
			return false;
		/* Nothing holds before a big bang. */
		if (i == 0 && at > ALWAYS)
			put(out, ALWAYS, offsets[0]);
		last = at;
		put(out, at, offsets[type]);
	}
	*ret_last = last;
	return true;
}

/* ---- the footer: std offset [dst [offset] , start [/time] , end [/time]] ---- */
struct rule_date {
	char form; /* 'M', 'J', or 'n' */
	int64_t month, week, day, time;
};

struct footer {
	int64_t std, dst; /* seconds east */
	bool has_dst;
	struct rule_date start, end;
};

static bool take(struct cd_str *s, char c)
{
	if (s->len == 0 || s->ptr[0] != c)
		return false;
	s->ptr++;
	s->len--;
	return true;
}

static bool take_number(struct cd_str *s, int64_t max, int64_t *ret)
{
	int64_t n = 0;
	size_t digits = 0;

	while (s->len && s->ptr[0] >= '0' && s->ptr[0] <= '9') {
		n = n * 10 + (s->ptr[0] - '0');
		if (n > max)
			return false;
		s->ptr++;
		s->len--;
		digits++;
	}
	*ret = n;
	return digits > 0;
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(struct cd_str *s, int64_t *ret)
{
	int64_t h, m = 0, sec = 0;
	bool minus = take(s, '-');

	if (!minus)
		take(s, '+');
	if (!take_number(s, 167, &h))
		return false;
	if (take(s, ':') && (!take_number(s, 59, &m) ||
			     (take(s, ':') && !take_number(s, 59, &sec))))
		return false;
	*ret = (h * 3600 + m * 60 + sec) * (minus ? -1 : 1);
	return true;
}

static bool take_name(struct cd_str *s)
{
	size_t n = 0;
	bool quoted = take(s, '<');

	while (s->len) {
		char c = s->ptr[0];
		bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');

		if (!letter && !(quoted && ((c >= '0' && c <= '9') ||
					    c == '+' || c == '-')))
			break;
		s->ptr++;
		s->len--;
		n++;
	}
	return n >= 3 && (!quoted || take(s, '>'));
}

static bool take_date(struct cd_str *s, struct rule_date *d)
{
	d->time = 7200;
	d->form = 'n';
	if (take(s, 'M')) {
		d->form = 'M';
		if (!take_number(s, 12, &d->month) || d->month < 1 ||
		    !take(s, '.') || !take_number(s, 5, &d->week) ||
		    d->week < 1 || !take(s, '.') || !take_number(s, 6, &d->day))
			return false;
	} else if (take(s, 'J')) {
		d->form = 'J';
		if (!take_number(s, 365, &d->day) || d->day < 1)
			return false;
	} else if (!take_number(s, 365, &d->day)) {
		return false;
	}
	return !take(s, '/') || take_time(s, &d->time);
}

static bool read_footer(struct cd_str s, struct footer *f)
{
	if (!take_name(&s) || !take_time(&s, &f->std))
		return false;
	/* POSIX counts hours west. */
	f->std = -f->std;
	f->dst = f->std + 3600;
	f->has_dst = s.len > 0;
	if (!f->has_dst)
		return good_offset(f->std);
	if (!take_name(&s))
		return false;
	if (s.len && s.ptr[0] != ',') {
		if (!take_time(&s, &f->dst))
			return false;
		f->dst = -f->dst;
	}
	return take(&s, ',') && take_date(&s, &f->start) && take(&s, ',') &&
	       take_date(&s, &f->end) && s.len == 0 && good_offset(f->std) &&
	       good_offset(f->dst);
}

/* Local seconds since 1970 of a rule's instant in a year. */
static int64_t date_in(const struct rule_date *d, int32_t year)
{
	int64_t first = cd_civil_days(year, 1, 1), day = first;
	bool leap = cd_month_days(year, 2) == 29;
	unsigned int month = (unsigned int)d->month;

	switch (d->form) {
	case 'M': {
		int64_t start = cd_civil_days(year, month, 1);
		/* POSIX: 0 is Sunday; ours: 6. */
		int64_t wanted = (d->day + 6) % 7;
		int64_t in = (wanted - cd_weekday(start) + 7) % 7;

		in += (d->week - 1) * 7;
		while (in >= cd_month_days(year, month))
			in -= 7;
		day = start + in;
		break;
	}
	case 'J':
		day = first + d->day - 1 + (leap && d->day >= 60);
		break;
	default:
		day = first + d->day;
	}
	return day * CD_S_PER_DAY + d->time;
}

static void unroll(const struct footer *f, int64_t last, struct cd_buf *out)
{
	struct cd_civil from;

	/* Without summer time the last transition holds for ever; behind the
	 * last year nothing is unrolled. */
	if (!f->has_dst ||
	    last >= cd_civil_days(LAST_YEAR + 1, 1, 1) * CD_S_PER_DAY)
		return;
	from = cd_civil_make(CD_MAX(last, INT64_C(0)));
	for (int32_t y = from.year; y <= LAST_YEAR; y++) {
		int64_t on = date_in(&f->start, y) - f->std;
		int64_t off = date_in(&f->end, y) - f->dst;
		bool north = on < off;
		int64_t a = north ? on : off, b = north ? off : on;

		if (a > last) {
			put(out, a, north ? f->dst : f->std);
			last = a;
		}
		if (b > last) {
			put(out, b, north ? f->std : f->dst);
			last = b;
		}
	}
}

int cd_tzif_parse(struct cd_str bytes, struct cd_buf *out)
{
	struct cd_reader r = cd_reader_make(bytes.ptr, bytes.len);
	struct header h;
	struct footer f;
	struct cd_str rule, rest;
	int64_t last;

	if (!read_header(&r, &h) || h.version < '2')
		return CD_E_CORRUPT;
	skip_block(&r, &h, 4);
	if (!read_header(&r, &h) || !read_block(&r, &h, out, &last) ||
	    cd_read_u8(&r) != '\n')
		return CD_E_CORRUPT;
	rule = cd_read_bytes(&r, cd_reader_left(&r));
	rule = cd_str_split(rule, '\n', &rest);
	if (r.err || !rest.ptr)
		return CD_E_CORRUPT;
	if (rule.len) {
		if (!read_footer(rule, &f))
			return CD_E_CORRUPT;
		unroll(&f, last, out);
	}
	return out->err;
}
