/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON reader: a machine with one state a call and a stack of one byte a
 * level, so that neither depth nor length of hostile text costs memory, and
 * every byte is looked at a bounded number of times.
 */
#include "base/json.h"

enum state {
	S_VALUE, /* a value must come */
	S_FIRST_VALUE, /* a value or ']' */
	S_FIRST_KEY, /* a key or '}' */
	S_KEY, /* a key must come */
	S_COLON,
	S_AFTER, /* after a value: ',' or the end of what it is in */
	S_DONE,
	S_FAILED,
};

void cd_json_init(struct cd_json *j, struct cd_str text)
{
	*j = (struct cd_json){.text = text, .line_now = 1, .state = S_VALUE};
}

static enum cd_json_event fail(struct cd_json *j, const char *why)
{
	j->state = S_FAILED;
	j->error = why;
	j->event = CD_JSON_ERROR;
	return CD_JSON_ERROR;
}

static int peek(const struct cd_json *j)
{
	return j->at < j->text.len ? (unsigned char)j->text.ptr[j->at] : -1;
}

static void skip_blanks(struct cd_json *j)
{
	int c;

	while ((c = peek(j)) == ' ' || c == '\t' || c == '\n' || c == '\r') {
		j->at++;
		if (c == '\n') {
			j->line_now++;
			j->line_start = j->at;
		}
	}
}

/* ---- strings ---- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Four hex digits at s, or -1. */
static int32_t hex4(struct cd_str s)
{
	int32_t v = 0;

	if (s.len < 4)
		return -1;
	for (size_t i = 0; i < 4; i++) {
		int d = hex_digit(s.ptr[i]);

		if (d < 0)
			return -1;
		v = v << 4 | d;
	}
	return v;
}

static struct cd_str tail(struct cd_str s, size_t n)
{
	return cd_str_make(s.ptr + n, s.len - n);
}

/* The escape at the front of s ("\\n", "\\u00e9", a pair of surrogates): its
 * character and length, or -1 for what is none. */
static int32_t escape_at(struct cd_str s, size_t *ret_len)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;
	int32_t c, low;

	if (s.len < 2)
		return -1;
	*ret_len = 2;
	at = s.ptr[1] ? strchr(from, s.ptr[1]) : NULL;
	if (at)
		return (unsigned char)to[at - from];
	c = s.ptr[1] == 'u' ? hex4(tail(s, 2)) : -1;
	*ret_len = 6;
	if (c < 0xd800 || c > 0xdfff)
		return c > 0 ? c : -1;
	if (c > 0xdbff || s.len < 12 || s.ptr[6] != '\\' || s.ptr[7] != 'u')
		return -1;
	low = hex4(tail(s, 8));
	*ret_len = 12;
	if (low < 0xdc00 || low > 0xdfff)
		return -1;
	return 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
}

/* After the opening quote; leaves `at` behind the closing one. */
static const char *scan_string(struct cd_json *j)
{
	size_t from = j->at, len;
	int c;

	j->escaped = false;
	while ((c = peek(j)) != '"') {
		if (c < 0)
			return "text without an end";
		if (c < 0x20)
			return "control character in a text";
		len = 1;
		if (c == '\\') {
			j->escaped = true;
			if (escape_at(tail(j->text, j->at), &len) < 0)
				return "wrong escape";
		}
		j->at += len;
	}
	j->raw = cd_str_make(j->text.ptr + from, j->at - from);
	j->at++;
	return cd_utf8_is_valid(j->raw) ? NULL : "text is not UTF-8";
}

/* ---- numbers and words ---- */

static size_t digits(struct cd_json *j)
{
	size_t n = 0;

	for (; peek(j) >= '0' && peek(j) <= '9'; n++)
		j->at++;
	return n;
}

static const char *scan_number(struct cd_json *j)
{
	size_t from = j->at;

	if (peek(j) == '-')
		j->at++;
	if (peek(j) == '0')
		j->at++;
	else if (digits(j) == 0)
		return "wrong number";
	if (peek(j) == '.') {
		j->at++;
		if (digits(j) == 0)
			return "wrong number";
	}
	if (peek(j) == 'e' || peek(j) == 'E') {
		j->at++;
		if (peek(j) == '+' || peek(j) == '-')
			j->at++;
		if (digits(j) == 0)
			return "wrong number";
	}
	j->raw = cd_str_make(j->text.ptr + from, j->at - from);
	return NULL;
}

static enum cd_json_event word(struct cd_json *j)
{
	static const struct {
		struct cd_str text;
		enum cd_json_event event;
	} words[] = {
		{CD_STR_INIT("true"), CD_JSON_TRUE},
		{CD_STR_INIT("false"), CD_JSON_FALSE},
		{CD_STR_INIT("null"), CD_JSON_NULL},
	};

	for (size_t i = 0; i < CD_ARRAY_SIZE(words); i++)
		if (cd_str_has_prefix(tail(j->text, j->at), words[i].text)) {
			j->raw = cd_str_make(j->text.ptr + j->at,
					     words[i].text.len);
			j->at += words[i].text.len;
			return words[i].event;
		}
	return CD_JSON_ERROR;
}

/* ---- structure ---- */

/* What follows a value that just ended. */
static void after(struct cd_json *j)
{
	j->state = j->depth ? S_AFTER : S_DONE;
}

static enum cd_json_event give(struct cd_json *j, enum cd_json_event e)
{
	j->event = e;
	return e;
}

static enum cd_json_event open_level(struct cd_json *j, bool object)
{
	if (j->depth == CD_JSON_DEPTH_MAX)
		return fail(j, "nested too deeply");
	j->at++;
	j->stack[j->depth++] = object;
	j->state = object ? S_FIRST_KEY : S_FIRST_VALUE;
	return give(j, object ? CD_JSON_OBJECT : CD_JSON_ARRAY);
}

static enum cd_json_event close_level(struct cd_json *j)
{
	bool object = j->stack[--j->depth];

	j->at++;
	after(j);
	return give(j, object ? CD_JSON_OBJECT_END : CD_JSON_ARRAY_END);
}

static enum cd_json_event value(struct cd_json *j)
{
	const char *why = NULL;
	enum cd_json_event e;
	int c = peek(j);

	if (c == '{' || c == '[')
		return open_level(j, c == '{');
	if (c == '"') {
		j->at++;
		why = scan_string(j);
		e = CD_JSON_STRING;
	} else if (c == '-' || (c >= '0' && c <= '9')) {
		why = scan_number(j);
		e = CD_JSON_NUMBER;
	} else {
		e = word(j);
		if (e == CD_JSON_ERROR)
			why = c < 0 ? "a value is missing" : "not a value";
	}
	if (why)
		return fail(j, why);
	after(j);
	return give(j, e);
}

static enum cd_json_event key(struct cd_json *j)
{
	const char *why;

	if (peek(j) != '"')
		return fail(j, "a key is missing");
	j->at++;
	why = scan_string(j);
	if (why)
		return fail(j, why);
	j->state = S_COLON;
	return give(j, CD_JSON_KEY);
}

/* ',' or the closing bracket of the level. */
static enum cd_json_event next_or_close(struct cd_json *j)
{
	bool object = j->stack[j->depth - 1];

	if (peek(j) == (object ? '}' : ']'))
		return close_level(j);
	if (peek(j) != ',')
		return fail(j, object ? "expected ',' or '}'" :
					"expected ',' or ']'");
	j->at++;
	j->state = object ? S_KEY : S_VALUE;
	return cd_json_next(j);
}

enum cd_json_event cd_json_next(struct cd_json *j)
{
	skip_blanks(j);
	if (j->state != S_FAILED) {
		j->line = j->line_now;
		j->column = (uint32_t)(j->at - j->line_start) + 1;
	}
	switch (j->state) {
	case S_FIRST_VALUE:
		return peek(j) == ']' ? close_level(j) : value(j);
	case S_VALUE:
		return value(j);
	case S_FIRST_KEY:
		return peek(j) == '}' ? close_level(j) : key(j);
	case S_KEY:
		return key(j);
	case S_COLON:
		if (peek(j) != ':')
			return fail(j, "expected ':'");
		j->at++;
		j->state = S_VALUE;
		return cd_json_next(j);
	case S_AFTER:
		return next_or_close(j);
	case S_DONE:
		return peek(j) < 0 ? give(j, CD_JSON_END) :
				     fail(j, "something follows the value");
	default:
		return give(j, CD_JSON_ERROR);
	}
}

bool cd_json_skip(struct cd_json *j)
{
	unsigned int depth;

	if (j->event == CD_JSON_KEY)
		cd_json_next(j);
	if (j->event != CD_JSON_OBJECT && j->event != CD_JSON_ARRAY)
		return j->event != CD_JSON_ERROR;
	depth = j->depth;
	while (j->depth >= depth)
		if (cd_json_next(j) == CD_JSON_ERROR)
			return false;
	return true;
}

/* ---- values ---- */

static size_t put_utf8(int32_t c, char out[4])
{
	uint32_t u = (uint32_t)c;

	if (u < 0x80) {
		out[0] = (char)u;
		return 1;
	}
	if (u < 0x800) {
		out[0] = (char)(0xc0 | u >> 6);
		out[1] = (char)(0x80 | (u & 0x3f));
		return 2;
	}
	if (u < 0x10000) {
		out[0] = (char)(0xe0 | u >> 12);
		out[1] = (char)(0x80 | (u >> 6 & 0x3f));
		out[2] = (char)(0x80 | (u & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | u >> 18);
	out[1] = (char)(0x80 | (u >> 12 & 0x3f));
	out[2] = (char)(0x80 | (u >> 6 & 0x3f));
	out[3] = (char)(0x80 | (u & 0x3f));
	return 4;
}

/* The next character of escaped text as UTF-8; raw shrinks by what it was. */
static size_t decode_one(struct cd_str *raw, char out[4])
{
	size_t len;
	int32_t c;

	if (raw->ptr[0] != '\\') {
		out[0] = raw->ptr[0];
		*raw = tail(*raw, 1);
		return 1;
	}
	c = escape_at(*raw, &len);
	cd_assert(c >= 0); /* the scanner has seen it */
	*raw = tail(*raw, len);
	return put_utf8(c, out);
}

int cd_json_text(const struct cd_json *j, char *store, size_t size,
		 struct cd_str *ret_text)
{
	struct cd_str raw = j->raw;
	size_t n = 0;

	if (!j->escaped) {
		*ret_text = raw;
		return 0;
	}
	while (raw.len) {
		char c[4];
		size_t len = decode_one(&raw, c);

		if (len > size - n)
			return -E2BIG;
		memcpy(store + n, c, len);
		n += len;
	}
	*ret_text = cd_str_make(store, n);
	return 0;
}

bool cd_json_is(const struct cd_json *j, const char *text)
{
	struct cd_str want = cd_str_from(text), raw = j->raw;

	if (!j->escaped)
		return cd_str_equal(raw, want);
	while (raw.len) {
		char c[4];
		size_t len = decode_one(&raw, c);

		if (!cd_str_has_prefix(want, cd_str_make(c, len)))
			return false;
		want = tail(want, len);
	}
	return want.len == 0;
}

int cd_json_int(const struct cd_json *j, int64_t *ret_n)
{
	bool negative = j->raw.len && j->raw.ptr[0] == '-';
	struct cd_str s = negative ? tail(j->raw, 1) : j->raw;
	uint64_t n;
	int r;

	if (j->event != CD_JSON_NUMBER)
		return -EINVAL;
	r = cd_str_parse_u64(s, &n);
	if (r < 0)
		return r;
	if (n > (uint64_t)INT64_MAX + negative)
		return -ERANGE;
	*ret_n = negative ? (int64_t)(0 - n) : (int64_t)n;
	return 0;
}
