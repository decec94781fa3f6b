/* SPDX-License-Identifier: Apache-2.0 */
#include "base/http.h"

#include "tap.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"

TEST(a_trace_goes_on)
{
	static const char *const good[] = {
		"00-" TRACE "-" SPAN "-01",	  "00-" TRACE "-" SPAN "-00",
		"00-" TRACE "-" SPAN "-ff",	  "01-" TRACE "-" SPAN "-01",
		"fe-" TRACE "-" SPAN "-01-later", "01-" TRACE "-" SPAN "-01-",
	};
	static const uint8_t trace[CD_TRACE_LEN] = {0x4b, 0xf9, 0x2f, 0x35,
						    0x77, 0xb3, 0x4d, 0xa6,
						    0xa3, 0xce, 0x92, 0x9d,
						    0x0e, 0x0e, 0x47, 0x36};
	static const uint8_t span[CD_SPAN_LEN] = {0x00, 0xf0, 0x67, 0xaa,
						  0x0b, 0xa9, 0x02, 0xb7};

	for (size_t i = 0; i < CD_ARRAY_SIZE(good); i++) {
		struct cd_traceparent t = {0};

		ok_true(cd_traceparent_parse(cd_str_from(good[i]), &t));
		ok_true(!memcmp(t.trace, trace, sizeof(trace)));
		ok_true(!memcmp(t.span, span, sizeof(span)));
		ok_eq_int(t.sampled, i != 1);
	}
}

TEST(what_is_no_traceparent_changes_nothing)
{
	static const char zero[] = "00-00000000000000000000000000000000-" SPAN
				   "-01";
	static const char *const bad[] = {
		"",
		"00",
		"00-" TRACE "-" SPAN "-0",
		"00-" TRACE "-" SPAN "-01-", /* version 00 ends there */
		"00-" TRACE "-" SPAN "-01 ",
		" 00-" TRACE "-" SPAN "-01",
		"01-" TRACE "-" SPAN "-01later",
		"ff-" TRACE "-" SPAN "-01",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01",
		"00-" TRACE "-00F067AA0BA902B7-01",
		zero,
		"00-" TRACE "-0000000000000000-01",
		"0g-" TRACE "-" SPAN "-01",
		"00-4bf92f3577b34da6a3ce929d0e0e473g-" SPAN "-01",
		"00-" TRACE "-00f067aa0ba902b -01",
		"00-" TRACE "-" SPAN "-0x",
		"00_" TRACE "-" SPAN "-01",
		"00-" TRACE "_" SPAN "-01",
		"00-" TRACE "-" SPAN "_01",
		"00-" TRACE "-" SPAN "-01,00-" TRACE "-" SPAN "-01",
	};

	for (size_t i = 0; i < CD_ARRAY_SIZE(bad); i++) {
		struct cd_traceparent t, before;

		memset(&t, 0x5a, sizeof(t));
		before = t;
		ok_true(!cd_traceparent_parse(cd_str_from(bad[i]), &t));
		ok_true(!memcmp(&t, &before, sizeof(t)));
	}
}

static const char *normal(const char *raw)
{
	static char out[1024];
	struct cd_str path, encoded;

	if (cd_path_normalize(cd_str_from(raw), out, &path, &encoded))
		return "-";
	ok_true(cd_path_is_normal(path));
	out[path.len + encoded.len] = '\0';
	return out + path.len;
}

TEST(a_path_has_one_form_or_none)
{
	static const char *const rows[][2] = {
		{"/a", "/a"},
		{"/%61%2D%7E", "/a-~"},
		{"/%3C%3e%22", "/%3C%3E%22"},
		{"/%c3%bc/", "/%C3%BC/"},
		{"/100%25", "/100%25"},
		{"/...", "/..."},
		{"", "-"},
		{"a", "-"},
		{"/a//b", "-"},
		{"/./a", "-"},
		{"/a/..", "-"},
		{"/%2e%2e/a", "-"},
		{"/a%2fb", "-"},
		{"/a%5cb", "-"},
		{"/a;b", "-"},
		{"/a%3Bb", "-"},
		{"/%252e", "-"},
		{"/%ff", "-"},
		{"/%", "-"},
		{"/%zz", "-"},
		{"/a b", "-"},
		{"/%00", "-"},
	};

	for (size_t i = 0; i < CD_ARRAY_SIZE(rows); i++)
		ok_eq_str(normal(rows[i][0]), rows[i][1]);
}

TEST(no_other_path_is_normal)
{
	static const char *const bad[] = {
		"",    "a",	"/a//b",  "//",	   "/./a",    "/a/..", "/..",
		"/a;", "/a\\b", "/%2e/a", "/\xff", "/\x7f/a", "/\n",
	};

	for (size_t i = 0; i < CD_ARRAY_SIZE(bad); i++)
		if (!ok_false(cd_path_is_normal(cd_str_from(bad[i]))))
			note("%s", bad[i]);
	ok_false(cd_path_is_normal(CD_STR("/a\0b")));
}

TEST(our_cookies_are_taken_out_in_place)
{
	static const struct {
		const char *sent, *left;
		unsigned int count;
	} rows[] = {
		{"a=1; __Host-cordon=tok; b=2", "a=1; b=2", 1},
		{"a=1;b=2;__Host-cordon=tok", "a=1;b=2", 1},
		{"a;b;c;d", "a;b;c;d", 0},
		{"__Host-cordon=a;__Host-cordon=b;c", "c", 2},
		{"__host-CORDON-x=1", "", 0},
		{"x__Host-cordon=1", "x__Host-cordon=1", 0},
		{" ;;\t a=1 ;; b", "a=1; b", 0},
		{"", "", 0},
	};

	for (size_t i = 0; i < CD_ARRAY_SIZE(rows); i++) {
		struct cd_str value;
		char text[64] = {0};
		size_t len = strlen(rows[i].sent);

		memcpy(text, rows[i].sent, len);
		ok_eq_uint(cd_cookie_count(cd_str_make(text, len),
					   CD_STR("__Host-cordon"), &value),
			   rows[i].count);
		len = cd_cookie_strip(text, len, CD_STR("__Host-cordon"));
		text[len] = '\0';
		ok_eq_str(text, rows[i].left);
	}
}

TEST(hexadecimal_digits_are_lower_case_and_exactly_as_many)
{
	uint8_t out[2];

	ok_true(cd_hex_parse(CD_STR("0a9f"), out, 2));
	ok_eq_uint(out[0], 0x0a);
	ok_eq_uint(out[1], 0x9f);
	ok_true(!cd_hex_parse(CD_STR("0a9"), out, 2));
	ok_true(!cd_hex_parse(CD_STR("0a9f0"), out, 2));
	ok_true(!cd_hex_parse(CD_STR("0A9f"), out, 2));
	ok_true(!cd_hex_parse(CD_STR("0a9g"), out, 2));
	ok_true(!cd_hex_parse(CD_STR("g09f"), out, 2));
	ok_true(cd_hex_parse(CD_STR(""), out, 0));
}
