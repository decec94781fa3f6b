/* SPDX-License-Identifier: Apache-2.0 */
/* Strings, buffers, arenas and the diagnostics list. */
#include "base/arena.h"
#include "base/buf.h"
#include "tap.h"

static int64_t distance(const char *a, const char *b)
{
	return cd_str_distance(cd_str_from(a), cd_str_from(b), 8);
}

TEST(strings_compare_bytewise_and_shorter_first)
{
	ok_true(cd_str_equal(CD_STR_NULL, CD_STR("")));
	ok_false(cd_str_equal(CD_STR("a"), CD_STR("A")));
	ok_true(cd_str_equal_nocase(CD_STR("Abc-1"), CD_STR("aBC-1")));
	ok_false(cd_str_equal_nocase(CD_STR("[a"), CD_STR("{a")));
	ok_true(cd_str_compare(CD_STR("ab"), CD_STR("abc")) < 0);
	ok_true(cd_str_compare(CD_STR("b"), CD_STR("abc")) > 0);
	ok_true(cd_str_compare(CD_STR("\xff"), CD_STR("a")) > 0);
	ok_true(cd_str_has_prefix(CD_STR("policy"), CD_STR("pol")));
	ok_false(cd_str_has_prefix(CD_STR("po"), CD_STR("pol")));
	ok_true(cd_str_has_suffix(CD_STR("a.cordon"), CD_STR(".cordon")));
	ok_false(cd_str_has_suffix(CD_STR("don"), CD_STR(".cordon")));
}

TEST(split_returns_the_whole_without_a_separator)
{
	struct cd_str rest, first = cd_str_split(CD_STR("a,b,c"), ',', &rest);

	ok_true(cd_str_equal(first, CD_STR("a")));
	ok_true(cd_str_equal(rest, CD_STR("b,c")));
	first = cd_str_split(CD_STR("abc"), ',', &rest);
	ok_true(cd_str_equal(first, CD_STR("abc")));
	ok_true(rest.ptr == NULL && rest.len == 0);
	first = cd_str_split(CD_STR("a,"), ',', &rest);
	ok_true(rest.ptr != NULL && rest.len == 0);
	ok_true(cd_str_equal(cd_str_trim(CD_STR(" \t x y\r\n")),
			     CD_STR("x y")));
}

TEST(numbers_refuse_signs_blanks_and_overflow)
{
	uint64_t n = 7;

	ok_eq_int(cd_str_parse_u64(CD_STR("18446744073709551615"), &n), 0);
	ok_true(n == UINT64_MAX);
	ok_eq_int(cd_str_parse_u64(CD_STR("18446744073709551616"), &n),
		  -ERANGE);
	ok_eq_int(cd_str_parse_u64(CD_STR(""), &n), -EINVAL);
	ok_eq_int(cd_str_parse_u64(CD_STR("-1"), &n), -EINVAL);
	ok_eq_int(cd_str_parse_u64(CD_STR(" 1"), &n), -EINVAL);
	ok_true(n == UINT64_MAX);
}

/* Snapshots store these: a changed value means a new layout version. */
TEST(hash_is_stable)
{
	ok_true(cd_hash("", 0) != 0);
	ok_true(cd_hash("a", 1) == cd_str_hash(CD_STR("a")));
	ok_true(cd_hash("a", 1) != cd_hash("b", 1));
	ok_true(cd_hash("finance", 7) == 0x8bd9b959170209a0u);
}

TEST(distance_counts_edits)
{
	ok_eq_int(distance("mfa.agee", "mfa.age"), 1);
	ok_eq_int(distance("kitten", "sitting"), 3);
	ok_eq_int(distance("", "abc"), 3);
	ok_eq_int(distance("same", "same"), 0);
	ok_eq_int(distance("ulr", "url"), 1);
	ok_eq_int(distance("form", "from"), 1);
	ok_eq_int(distance("ab", "ba"), 1);
	ok_eq_int(distance("ca", "abc"), 3);
	ok_eq_int(distance("abc", ""), 3);
}

TEST(utf8_refuses_overlong_surrogate_and_nul)
{
	static const struct {
		const char *bytes;
		size_t len;
		bool valid;
	} rows[] = {
		{"plain", 5, true},
		{"\xc3\xa4", 2, true},
		{"\xf0\x9f\x94\x92", 4, true},
		{"\xc0\xaf", 2, false}, /* overlong / */
		{"\xe0\x80\xaf", 3, false},
		{"\xed\xa0\x80", 3, false}, /* surrogate */
		{"\xf4\x90\x80\x80", 4, false}, /* above U+10FFFF */
		{"\xc3", 1, false},
		{"a\0b", 3, false},
		{"\x80", 1, false},
	};

	for (size_t i = 0; i < CD_ARRAY_SIZE(rows); i++)
		if (!ok_true(cd_utf8_is_valid(
				     cd_str_make(rows[i].bytes, rows[i].len)) ==
			     rows[i].valid))
			note("row %zu", i);
}

TEST(quote_is_printable_and_bounded)
{
	char out[24];

	ok_eq_str(cd_quote(CD_STR("a'b\n"), out, sizeof(out)),
		  "'a\\x27b\\x0a'");
	cd_quote(CD_STR("\x1b[31mxxxxxxxxxxxxxxxxxxxxxxxxxx"), out,
		 sizeof(out));
	ok_true(strlen(out) < sizeof(out));
	ok_true(strchr(out, 0x1b) == NULL);
	ok_true(strstr(out, "...'") != NULL);
}

TEST(constant_time_equality)
{
	ok_true(cd_equal_ct("abc", "abc", 3));
	ok_false(cd_equal_ct("abc", "abd", 3));
	ok_true(cd_equal_ct("a", "b", 0));
}

TEST(buffer_error_sticks_and_keeps_what_was_written)
{
	struct cd_buf b cd_auto(cd_buf_done);

	cd_buf_init(&b, 6);
	cd_buf_puts(&b, "abcd");
	cd_buf_puts(&b, "efg");
	ok_eq_int(b.err, CD_E_LIMIT);
	cd_buf_char(&b, 'x');
	ok_mem(b.data, b.len, "abcd", 4);
	ok_true(cd_buf_take(&b) == NULL);
	cd_buf_clear(&b);
	cd_buf_printf(&b, "%d-%s", 12, "xyz");
	ok_eq_int(b.err, 0);
	ok_mem(b.data, b.len, "12-xyz", 6);
}

TEST(empty_buffer_is_taken_as_an_empty_string)
{
	struct cd_buf b;
	char *p;

	cd_buf_init(&b, 0);
	p = cd_buf_take(&b);
	ok_true(p && p[0] == 0);
	free(p);
}

TEST(integers_round_trip_and_reader_stops_at_the_end)
{
	struct cd_buf b cd_auto(cd_buf_done);
	struct cd_reader r;

	cd_buf_init(&b, 100);
	cd_buf_u8(&b, 0xfe);
	cd_buf_u16(&b, 0x1234);
	cd_buf_u32(&b, 0xdeadbeef);
	cd_buf_u64(&b, 0x0123456789abcdefu);
	r = cd_reader_make(b.data, b.len);
	ok_eq_uint(cd_read_u8(&r), 0xfe);
	ok_eq_uint(cd_read_u16(&r), 0x1234);
	ok_eq_uint(cd_read_u32(&r), 0xdeadbeef);
	ok_true(cd_read_u64(&r) == 0x0123456789abcdefu);
	ok_false(r.err);
	ok_eq_uint(cd_read_u8(&r), 0);
	ok_true(r.err);
	ok_eq_uint(cd_reader_left(&r), 0);
	r = cd_reader_make("abc", 3);
	ok_true(cd_read_bytes(&r, SIZE_MAX).ptr == NULL);
	ok_true(r.err);
	ok_true(cd_read_bytes(&r, 1).ptr == NULL);
}

TEST(arena_holds_its_limit)
{
	struct cd_arena *a cd_auto(cd_arena_free) = NULL;
	struct cd_str s = CD_STR_NULL;
	char *p;

	ok_eq_int(cd_arena_new(10000, &a), 0);
	p = cd_arena_alloc(a, 9000);
	ok_true(p && p[0] == 0 && p[8999] == 0);
	ok_true(((uintptr_t)p & 15) == 0);
	ok_eq_int(cd_arena_str(a, CD_STR("hello"), &s), 0);
	ok_eq_str(s.ptr, "hello");
	ok_true(cd_arena_alloc(a, 2000) == NULL);
	ok_true(cd_arena_is_full(a));
	ok_true(cd_arena_array(a, SIZE_MAX / 2, 4) == NULL);
	ok_eq_int(cd_arena_str(a, cd_str_make(p, 5000), &s), CD_E_LIMIT);
	ok_eq_str(s.ptr, "hello");
}

TEST(diag_counts_what_it_cannot_keep)
{
	struct cd_diag *d cd_auto(cd_diag_free) = NULL;

	ok_eq_int(cd_diag_new(&d), 0);
	cd_diag_add(d, CD_WARNING, "p", 1, 2, "first %d", 1);
	cd_diag_hint(d, "did you mean '%s'?", "x");
	for (int i = 0; i < CD_DIAG_MAX + 5; i++)
		cd_diag_add(d, CD_ERROR, "p", 3, 4, "more");
	cd_diag_hint(d, "goes to a message that was not kept");
	ok_eq_uint(cd_diag_count(d), CD_DIAG_MAX);
	ok_eq_uint(cd_diag_errors(d), CD_DIAG_MAX + 5);
	ok_eq_uint(cd_diag_warnings(d), 1);
	ok_eq_str(cd_diag_get(d, 0)->text, "first 1");
	ok_eq_str(cd_diag_get(d, 0)->hint, "did you mean 'x'?");
	ok_true(cd_diag_get(d, CD_DIAG_MAX - 1)->hint == NULL);
	ok_true(cd_diag_get(d, CD_DIAG_MAX) == NULL);
	cd_diag_add(NULL, CD_ERROR, NULL, 0, 0, "nobody listens");
}

TEST(every_error_has_a_text_of_its_own)
{
	for (int e = CD_E_SYNTAX; e >= CD_E_UNSUPPORTED; e--)
		ok_true(strcmp(cd_strerror(e), "unknown error") != 0);
	ok_eq_str(cd_strerror(-2000), "unknown error");
	ok_eq_str(cd_strerror(-ENOENT), "No such file or directory");
}
