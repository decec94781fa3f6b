// SPDX-License-Identifier: Apache-2.0
/*
 * Small texts that come from policies, forms, queries and headers: addresses
 * and prefixes, durations, dates and instants, base64url, base32, UTF-8, names
 * to be quoted and compared. The first byte chooses. What is read is written down and read
 * again as the same.
 */
#include <inttypes.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/time.h"
#include "token/base64.h"
#include "token/token.h"
#include "token/totp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_addr(struct cd_str s)
{
	char text[CD_ADDR_SIZE];
	struct cd_addr a, b;
	size_t n;

	if (cd_addr_parse(s, &a))
		return;
	cd_assert(a.family == 4 || a.family == 6);
	n = cd_addr_format(&a, text, sizeof(text));
	cd_assert(cd_addr_parse(cd_str_make(text, n), &b) == 0);
	cd_assert(cd_addr_compare(&a, &b) == 0);
	if (cd_addr_next(&a, &b))
		cd_assert(cd_addr_compare(&a, &b) < 0);
	(void)cd_addr_is_global(&a);
	a = cd_addr_make(s.ptr, s.len);
	cd_assert(a.family == (s.len == 4 ? 4 : s.len == 16 ? 6 : 0));
}

static void fuzz_prefix(struct cd_str s)
{
	struct cd_addr first, last;
	struct cd_prefix p;

	if (cd_prefix_parse(s, &p))
		return;
	cd_assert(p.len <= (p.addr.family == 4 ? 32 : 128));
	first = cd_prefix_first(&p);
	last = cd_prefix_last(&p);
	cd_assert(cd_addr_compare(&first, &last) <= 0);
	cd_assert(cd_prefix_has(&p, &first) && cd_prefix_has(&p, &last) &&
		  cd_prefix_has(&p, &p.addr));
	cd_assert(cd_prefix_is_exact(&p) ==
		  (cd_addr_compare(&p.addr, &first) == 0));
	if (cd_addr_next(&last, &last))
		cd_assert(!cd_prefix_has(&p, &last));
}

static void fuzz_duration(struct cd_str s)
{
	char text[CD_DURATION_SIZE];
	int64_t a, b;
	size_t n;

	if (cd_duration_parse(s, &a))
		return;
	cd_assert(a >= 0 && a <= CD_DURATION_MAX);
	n = cd_duration_format(a, text, sizeof(text));
	cd_assert(cd_duration_parse(cd_str_make(text, n), &b) == 0 && a == b);
}

static void fuzz_instant(struct cd_str s)
{
	char text[CD_RFC3339_SIZE];
	int64_t a, b;
	size_t n;

	if (cd_rfc3339_parse(s, &a) == 0) {
		n = cd_rfc3339_format(a, text, sizeof(text));
		cd_assert(cd_rfc3339_parse(cd_str_make(text, n), &b) == 0);
		cd_assert(a == b);
	}
	if (cd_date_parse(s, &a) == 0) {
		struct cd_civil c = cd_civil_make(a * CD_S_PER_DAY);

		cd_assert(cd_civil_days(c.year, c.month, c.day) == a);
		cd_assert(c.day <= cd_month_days(c.year, c.month));
		cd_assert(cd_weekday(a + 7) == cd_weekday(a));
	}
}

/* The same into memory of a fixed size. */
static void fixed_base64(struct cd_str s)
{
	char text[64];
	uint8_t bytes[32];

	s.len = CD_MIN(s.len, sizeof(bytes));
	cd_base64url_text(s.ptr, s.len, text);
	cd_assert(cd_base64url_decode_fixed(cd_str_from(text), bytes, s.len) ==
		  0);
	cd_assert(!s.len || !memcmp(bytes, s.ptr, s.len));
	cd_assert(cd_base64url_decode_fixed(cd_str_from(text), bytes,
					    s.len ? s.len - 1 : 1) != 0);
}

/* One text for one value, and every value has one. */
static void fuzz_base64(struct cd_str s)
{
	uint8_t key[CD_TOKEN_KEY];
	struct cd_buf b, c;

	cd_buf_init(&b, 1u << 20);
	cd_buf_init(&c, 1u << 20);
	if (cd_base64url_decode(s, &b) == 0) {
		cd_base64url_put(&c, b.data, b.len);
		cd_assert(cd_str_equal(cd_buf_get(&c), s));
	}
	cd_assert((cd_token_key(s, key) == 0) ==
		  (!c.err && c.len == CD_TOKEN_TEXT && b.len == 32));
	cd_buf_clear(&b);
	cd_buf_clear(&c);
	cd_base64url_put(&b, s.ptr, s.len);
	cd_assert(cd_base64url_decode(cd_buf_get(&b), &c) == 0);
	cd_assert(cd_str_equal(cd_buf_get(&c), s));
	cd_buf_done(&b);
	cd_buf_done(&c);
	fixed_base64(s);
}

static void fuzz_base32(struct cd_str s)
{
	struct cd_buf b, c;

	cd_buf_init(&b, 1u << 20);
	cd_buf_init(&c, 1u << 20);
	if (cd_base32_decode(s, &b) == 0) {
		cd_base32_put(&c, b.data, b.len);
		cd_assert(cd_str_equal(cd_buf_get(&c), s));
	}
	cd_buf_clear(&b);
	cd_buf_clear(&c);
	cd_base32_put(&b, s.ptr, s.len);
	cd_assert(cd_base32_decode(cd_buf_get(&b), &c) == 0);
	cd_assert(cd_str_equal(cd_buf_get(&c), s));
	cd_buf_done(&b);
	cd_buf_done(&c);
}

/* A second factor's URI names issuer and account without a character that
 * ends its part; a code is six digits or nothing. */
static void fuzz_totp(struct cd_str s)
{
	struct cd_secret *secret = NULL, *uri = NULL;
	struct cd_str name = cd_str_make(s.ptr, s.len / 2), text;
	char code[CD_TOTP_DIGITS + 1];
	uint64_t step = 0;

	cd_assert(cd_secret_new(CD_TOTP_SECRET, &secret) == 0);
	cd_assert(cd_totp_code(secret, 60000000, code) == 0);
	cd_assert(cd_totp_verify(secret, cd_str_from(code), 1800000000, 0,
				 &step) == 0 &&
		  step == 60000000);
	cd_assert(cd_totp_base32(secret, &uri) == 0);
	cd_secret_free(&uri);
	if (cd_totp_verify(secret, s, 1800000000, 0, &step) == 0)
		cd_assert(s.len == CD_TOTP_DIGITS && step > 0);
	if (cd_totp_uri(secret, name,
			cd_str_make(s.ptr + name.len, s.len - name.len),
			&uri) == 0) {
		text = cd_secret_reveal(uri);
		cd_assert(cd_str_has_prefix(text, CD_STR("otpauth://totp/")));
		for (size_t i = 0; i < text.len; i++)
			cd_assert(text.ptr[i] > ' ' && text.ptr[i] < 0x7f);
		cd_assert(memchr(text.ptr, '?', text.len) ==
			  memrchr(text.ptr, '?', text.len));
	}
	cd_secret_free(&uri);
	cd_secret_free(&secret);
}

static void fuzz_quote(struct cd_str s)
{
	char out[80];
	uint64_t n;

	(void)cd_quote(s, out, sizeof(out));
	cd_assert(strnlen(out, sizeof(out)) < sizeof(out));
	for (const char *p = out; *p; p++)
		cd_assert((unsigned char)*p >= ' ' && *p != 0x7f);
	if (cd_str_parse_u64(s, &n) == 0)
		cd_assert(s.len > 0 && (s.len <= 20 || s.ptr[0] == '0'));
	(void)cd_utf8_is_valid(s);
}

/* Two texts, at the first line end. */
static void fuzz_pair(struct cd_str s)
{
	struct cd_str b, a = cd_str_split(s, '\n', &b), t = cd_str_trim(a);
	unsigned int d = cd_str_distance(a, b, 8);
	char *copy = cd_str_dup(a);
	int order = cd_str_compare(a, b);

	cd_assert((order == 0) == cd_str_equal(a, b));
	cd_assert(order == 0 || (order < 0) == (cd_str_compare(b, a) > 0));
	cd_assert(d == cd_str_distance(b, a, 8));
	if (a.len <= 64 && b.len <= 64)
		cd_assert((d == 0) == (order == 0));
	if (order == 0)
		cd_assert(cd_str_equal_nocase(a, b) &&
			  cd_str_hash(a) == cd_str_hash(b));
	if (cd_str_has_suffix(a, b) && cd_str_has_prefix(a, b))
		cd_assert(a.len >= b.len);
	cd_assert(t.len <= a.len && cd_str_equal(cd_str_trim(t), t));
	cd_assert(copy && !copy[a.len]);
	cd_assert(!a.len || !memcmp(copy, a.ptr, a.len));
	cd_freep(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parts[])(struct cd_str s) = {
		fuzz_addr,    fuzz_prefix, fuzz_duration,
		fuzz_instant, fuzz_base64, fuzz_base32,
		fuzz_totp,    fuzz_quote,  fuzz_pair,
	};

	if (size < 1 || size > 65536)
		return 0;
	parts[data[0] % CD_ARRAY_SIZE(parts)](cd_str_make(data + 1, size - 1));
	return 0;
}
