/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON: what RFC 8259 allows is read, everything else is an error at a place,
 * and what the writer writes the reader reads.
 */
#include "tap.h"

#include "base/json.h"
#include "base/obligations.h"

/* The events of a text as letters: {}[]ksntfz and E or !. */
static const char *events(const char *text)
{
	static const char letters[] = "!E{}[]ksntfz";
	static char out[256];
	struct cd_json j;
	size_t n = 0;
	enum cd_json_event e;

	cd_json_init(&j, cd_str_from(text));
	do {
		e = cd_json_next(&j);
		out[n++] = letters[e];
	} while (e != CD_JSON_END && e != CD_JSON_ERROR && n < sizeof(out) - 1);
	out[n] = 0;
	return out;
}

TEST(structures)
{
	ok_eq_str(events("{}"), "{}E");
	ok_eq_str(events(" [ ] "), "[]E");
	ok_eq_str(events("{\"a\":[1,-2.5e3,true],\"b\":{\"c\":null}}"),
		  "{k[nnt]k{kz}}E");
	ok_eq_str(events("\"x\""), "sE");
	ok_eq_str(events("0"), "nE");
	ok_eq_str(events("[false\n,\r\n\t\"\"]"), "[fs]E");
}

TEST(refused)
{
	static const char *const bad[] = {
		"",
		" ",
		"{",
		"[",
		"[1",
		"[1,]",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}",
		"{1:2}",
		"[1 2]",
		"01",
		"+1",
		"1.",
		".5",
		"1e",
		"-",
		"nul",
		"True",
		"'a'",
		"\"a",
		"\"\\x\"",
		"\"\\u12\"",
		"\"\\ud800\"",
		"\"\\udc00\"",
		"\"\\ud800\\u0041\"",
		"\"\\u0000\"",
		"\"\n\"",
		"\"\xff\"",
		"\"\xc3\"",
		"1 1",
		"{} x",
		"]",
		"}",
		"[}",
		"{]",
		"nullx",
		"\"\\",
		"\"\\u00",
		"[\"a\":1]",
		"1true",
	};

	for (size_t i = 0; i < CD_ARRAY_SIZE(bad); i++) {
		const char *e = events(bad[i]);

		if (e[strlen(e) - 1] != '!')
			fail("read: %s as %s", bad[i], e);
	}
}

TEST(errors_have_a_place_and_stay)
{
	struct cd_json j;

	cd_json_init(&j, CD_STR("{\n  \"a\": tru\n}"));
	ok_eq_int(cd_json_next(&j), CD_JSON_OBJECT);
	ok_eq_int(cd_json_next(&j), CD_JSON_KEY);
	ok_eq_uint(j.line, 2);
	ok_eq_uint(j.column, 3);
	ok_eq_int(cd_json_next(&j), CD_JSON_ERROR);
	ok_eq_uint(j.line, 2);
	ok_eq_uint(j.column, 8);
	ok_eq_str(j.error, "not a value");
	ok_eq_int(cd_json_next(&j), CD_JSON_ERROR);
	ok_eq_uint(j.column, 8);
}

TEST(depth_is_bounded)
{
	char text[2 * CD_JSON_DEPTH_MAX + 3];
	struct cd_json j;
	enum cd_json_event e;

	memset(text, '[', CD_JSON_DEPTH_MAX);
	memset(text + CD_JSON_DEPTH_MAX, ']', CD_JSON_DEPTH_MAX);
	cd_json_init(&j, cd_str_make(text, 2 * CD_JSON_DEPTH_MAX));
	while ((e = cd_json_next(&j)) > CD_JSON_END)
		;
	ok_eq_int(e, CD_JSON_END);
	memset(text, '[', CD_JSON_DEPTH_MAX + 1);
	cd_json_init(&j, cd_str_make(text, CD_JSON_DEPTH_MAX + 1));
	while ((e = cd_json_next(&j)) > CD_JSON_END)
		;
	ok_eq_str(j.error, "nested too deeply");
}

TEST(texts)
{
	struct cd_json j;
	struct cd_str t;
	char store[32];

	cd_json_init(&j, CD_STR("\"a\\n\\u00e9\\ud83d\\ude00\\/\""));
	ok_eq_int(cd_json_next(&j), CD_JSON_STRING);
	ok_true(j.escaped);
	ok_eq_int(cd_json_text(&j, store, sizeof(store), &t), 0);
	ok_mem(t.ptr, t.len, "a\n\xc3\xa9\xf0\x9f\x98\x80/", 9);
	ok_true(cd_json_is(&j, "a\n\xc3\xa9\xf0\x9f\x98\x80/"));
	ok_false(cd_json_is(&j, "a\n\xc3\xa9\xf0\x9f\x98\x80/ "));
	ok_false(cd_json_is(&j, "a\n"));
	ok_eq_int(cd_json_text(&j, store, 8, &t), -E2BIG);
	ok_eq_int(cd_json_text(&j, store, 9, &t), 0);
	cd_json_init(&j, CD_STR("{\"\\u0061lg\":1}"));
	cd_json_next(&j);
	cd_json_next(&j);
	ok_true(cd_json_is(&j, "alg"));
}

static int integer(const char *text, int64_t *n)
{
	struct cd_json j;

	cd_json_init(&j, cd_str_from(text));
	cd_json_next(&j);
	return cd_json_int(&j, n);
}

TEST(integers)
{
	int64_t n = 0;

	ok_eq_int(integer("-9223372036854775808", &n), 0);
	ok_true(n == INT64_MIN);
	ok_eq_int(integer("9223372036854775807", &n), 0);
	ok_true(n == INT64_MAX);
	ok_eq_int(integer("9223372036854775808", &n), -ERANGE);
	ok_eq_int(integer("-9223372036854775809", &n), -ERANGE);
	ok_eq_int(integer("99999999999999999999", &n), -ERANGE);
	ok_eq_int(integer("1.0", &n), -EINVAL);
	ok_eq_int(integer("1e3", &n), -EINVAL);
	ok_eq_int(integer("\"1\"", &n), -EINVAL);
}

TEST(skips)
{
	struct cd_json j;

	cd_json_init(&j, CD_STR("{\"a\":{\"x\":[1,{}]},\"b\":2,\"c\":[[]]}"));
	cd_json_next(&j);
	cd_json_next(&j);
	ok_true(cd_json_skip(&j));
	ok_eq_int(cd_json_next(&j), CD_JSON_KEY);
	ok_true(cd_json_is(&j, "b"));
	ok_true(cd_json_skip(&j));
	ok_eq_int(cd_json_next(&j), CD_JSON_KEY);
	cd_json_next(&j);
	ok_true(cd_json_skip(&j));
	ok_eq_int(cd_json_next(&j), CD_JSON_OBJECT_END);
	ok_eq_int(cd_json_next(&j), CD_JSON_END);
	cd_json_init(&j, CD_STR("[[1,"));
	cd_json_next(&j);
	ok_false(cd_json_skip(&j));
}

static void sample(struct cd_json_writer *w)
{
	cd_json_object(w);
	cd_json_key(w, "a");
	cd_json_array(w);
	cd_json_put_int(w, -1);
	cd_json_puts(w, NULL);
	cd_json_put_bool(w, true);
	cd_json_array_end(w);
	cd_json_key(w, "q\"");
	cd_json_put_str(w, CD_STR("x\\\n\x01\x7f\xc3\xa9\xff."));
	cd_json_key(w, "e");
	cd_json_object(w);
	cd_json_object_end(w);
	cd_json_object_end(w);
}

TEST(writer)
{
	struct cd_buf b cd_auto(cd_buf_done);
	struct cd_json_writer w;

	cd_buf_init(&b, 1000);
	cd_json_writer_init(&w, &b, 0);
	sample(&w);
	ok_eq_str(b.data, "{\"a\":[-1,null,true],\"q\\\"\":"
			  "\"x\\\\\\n\\u0001\x7f\xc3\xa9\xef\xbf\xbd.\","
			  "\"e\":{}}");
	ok_eq_str(events(b.data), "{k[nzt]ksk{}}E");
	cd_buf_clear(&b);
	cd_json_writer_init(&w, &b, 2);
	sample(&w);
	ok_true(!strncmp(b.data, "{\n  \"a\": [\n    -1,\n", 19));
	ok_eq_str(events(b.data), "{k[nzt]ksk{}}E");
}

static const char *obligations_of(struct cd_obligations o)
{
	static char text[200];
	struct cd_buf b cd_auto(cd_buf_done);
	struct cd_json_writer w;

	cd_buf_init(&b, 1000);
	cd_json_writer_init(&w, &b, 0);
	cd_obligations_put(&w, &o);
	snprintf(text, sizeof(text), "%s", b.err ? "no room" : b.data);
	return text;
}

TEST(obligations)
{
	struct cd_obligations o = {.max = 0};

	ok_eq_str(obligations_of(o), "{}");
	o.max = 4 * 3600;
	ok_eq_str(obligations_of(o), "{\"max\":\"4h\"}");
	o.record = true;
	ok_eq_str(obligations_of(o),
		  "{\"record\":\"if possible\",\"max\":\"4h\"}");
	o = (struct cd_obligations){
		.record_required = true,
		.no_clipboard = true,
		.no_upload = true,
		.no_download = true,
		.rate_count = UINT32_MAX,
		.rate_period = UINT32_MAX,
	};
	ok_eq_str(obligations_of(o),
		  "{\"record\":\"required\","
		  "\"rate\":\"4294967295/4294967295s\",\"no_clipboard\":true,"
		  "\"no_upload\":true,\"no_download\":true}");
}
