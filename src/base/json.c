/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON writer. The comma before a value belongs to the value: whoever
 * writes one asks `comma` first, and every container starts without.
 */
#include "base/json.h"

#include <inttypes.h>

void cd_json_writer_init(struct cd_json_writer *w, struct cd_buf *out,
			 unsigned int indent)
{
	*w = (struct cd_json_writer){.out = out, .indent = indent};
}

static void new_line(struct cd_json_writer *w)
{
	if (!w->indent)
		return;
	cd_buf_char(w->out, '\n');
	for (unsigned int i = 0; i < w->depth * w->indent; i++)
		cd_buf_char(w->out, ' ');
}

static void before_value(struct cd_json_writer *w)
{
	if (w->after_key) {
		w->after_key = false;
		return;
	}
	if (w->comma)
		cd_buf_char(w->out, ',');
	if (w->depth)
		new_line(w);
}

static void begin(struct cd_json_writer *w, char c)
{
	before_value(w);
	cd_buf_char(w->out, c);
	w->depth++;
	w->comma = false;
}

static void end(struct cd_json_writer *w, char c)
{
	cd_assert(w->depth > 0 && !w->after_key);
	w->depth--;
	if (w->comma)
		new_line(w);
	cd_buf_char(w->out, c);
	w->comma = true;
}

void cd_json_object(struct cd_json_writer *w)
{
	begin(w, '{');
}

void cd_json_object_end(struct cd_json_writer *w)
{
	end(w, '}');
}

void cd_json_array(struct cd_json_writer *w)
{
	begin(w, '[');
}

void cd_json_array_end(struct cd_json_writer *w)
{
	end(w, ']');
}

/* Bytes of the well-formed UTF-8 character at the front of s, 0 for none. */
static size_t utf8_length(struct cd_str s)
{
	for (size_t n = 1; n <= 4 && n <= s.len; n++)
		if (cd_utf8_is_valid(cd_str_make(s.ptr, n)))
			return n;
	return 0;
}

static void escape_control(struct cd_buf *out, unsigned char c)
{
	static const char *const names[0x20] = {
		['\b'] = "\\b", ['\f'] = "\\f", ['\n'] = "\\n",
		['\r'] = "\\r", ['\t'] = "\\t",
	};

	if (names[c])
		cd_buf_puts(out, names[c]);
	else
		cd_buf_printf(out, "\\u%04x", c);
}

/* One character that is not plain ASCII; returns what it took. */
static size_t escape_one(struct cd_buf *out, struct cd_str s)
{
	unsigned char c = (unsigned char)s.ptr[0];
	size_t n;

	if (c < 0x20) {
		escape_control(out, c);
		return 1;
	}
	if (c == '"' || c == '\\') {
		cd_buf_char(out, '\\');
		cd_buf_char(out, (char)c);
		return 1;
	}
	n = utf8_length(s);
	if (n == 0) {
		cd_buf_puts(out, "\xef\xbf\xbd");
		return 1;
	}
	cd_buf_put(out, s.ptr, n);
	return n;
}

void cd_json_escape(struct cd_buf *out, struct cd_str s)
{
	size_t at = 0;

	while (at < s.len) {
		size_t from = at;

		while (at < s.len && s.ptr[at] >= 0x20 && s.ptr[at] != 0x7f &&
		       s.ptr[at] != '"' && s.ptr[at] != '\\')
			at++;
		cd_buf_put(out, s.ptr + from, at - from);
		if (at < s.len)
			at += escape_one(out,
					 cd_str_make(s.ptr + at, s.len - at));
	}
}

static void put_string(struct cd_json_writer *w, struct cd_str s)
{
	cd_buf_char(w->out, '"');
	cd_json_escape(w->out, s);
	cd_buf_char(w->out, '"');
}

void cd_json_key_str(struct cd_json_writer *w, struct cd_str key)
{
	cd_assert(w->depth > 0 && !w->after_key);
	before_value(w);
	put_string(w, key);
	cd_buf_puts(w->out, w->indent ? ": " : ":");
	w->after_key = true;
}

void cd_json_key(struct cd_json_writer *w, const char *key)
{
	cd_json_key_str(w, cd_str_from(key));
}

void cd_json_put_str(struct cd_json_writer *w, struct cd_str s)
{
	before_value(w);
	put_string(w, s);
	w->comma = true;
}

static void put_plain(struct cd_json_writer *w, const char *z)
{
	before_value(w);
	cd_buf_puts(w->out, z);
	w->comma = true;
}

void cd_json_puts(struct cd_json_writer *w, const char *z)
{
	if (z)
		cd_json_put_str(w, cd_str_from(z));
	else
		cd_json_put_null(w);
}

void cd_json_put_int(struct cd_json_writer *w, int64_t n)
{
	before_value(w);
	cd_buf_printf(w->out, "%" PRId64, n);
	w->comma = true;
}

void cd_json_put_bool(struct cd_json_writer *w, bool b)
{
	put_plain(w, b ? "true" : "false");
}

void cd_json_put_null(struct cd_json_writer *w)
{
	put_plain(w, "null");
}
