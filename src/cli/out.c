/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Printing: tables for people, JSON for programs, and never a byte of a
 * stranger that a terminal would obey.
 */
#include "cli/cli.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"

void cd_cli_print_json(const json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII |
					      JSON_ENCODE_ANY);

	/* DEL is ASCII and not escaped by jansson; it is no harm in JSON, but
	 * some terminals act on it */
	for (char *p = text; p && *p; p++)
		if (*p == 0x7f)
			*p = '?';
	puts(text ? text : "null");
	free(text);
}

static bool wants_color(FILE *stream)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fileno(stream)) && !(no && no[0]) && term &&
	       strcmp(term, "dumb");
}

const char *cd_cli_color(FILE *stream, enum cd_cli_color color)
{
	static const char *const codes[] = {"\x1b[0m",	"\x1b[32m", "\x1b[33m",
					    "\x1b[31m", "\x1b[2m",  "\x1b[1m"};

	return wants_color(stream) ? codes[color] : "";
}

/* Length of a well-formed sequence at the start; 0: none. */
static size_t sequence(struct cd_str s)
{
	for (size_t n = 1; n <= 4 && n <= s.len; n++)
		if (cd_utf8_is_valid(cd_str_make(s.ptr, n)))
			return n;
	return 0;
}

/* Characters that move, hide or turn what stands around them. */
static bool is_unsafe(const char *p, size_t n)
{
	const unsigned char *c = (const unsigned char *)p;

	if (n == 1)
		return c[0] < 0x20 || c[0] == 0x7f;
	if (n == 2)
		return c[0] == 0xc2 && c[1] < 0xa0; /* C1 controls */
	if (n == 3 && c[0] == 0xe2)
		return (c[1] == 0x80 && ((c[2] >= 0x8b && c[2] <= 0x8f) ||
					 (c[2] >= 0xa8 && c[2] <= 0xae))) ||
		       (c[1] == 0x81 && c[2] >= 0xa0);
	return n == 3 && c[0] == 0xef && c[1] == 0xbb && c[2] == 0xbf;
}

void cd_cli_put_safe(struct cd_buf *out, struct cd_str s)
{
	for (size_t i = 0; i < s.len;) {
		size_t n = sequence(cd_str_make(s.ptr + i, s.len - i));

		if (n && !is_unsafe(s.ptr + i, n)) {
			cd_buf_put(out, s.ptr + i, n);
			i += n;
			continue;
		}
		n = n ? n : 1;
		for (size_t k = 0; k < n; k++)
			cd_buf_printf(out, "\\x%02x",
				      (unsigned char)s.ptr[i + k]);
		i += n;
	}
}

/* ---- tables -------------------------------------------------------------*/

void cd_cli_table_init(struct cd_cli_table *t, const char *const *titles)
{
	*t = (struct cd_cli_table){.columns = 0};
	cd_buf_init(&t->cells, 256 << 20);
	while (titles[t->columns])
		t->columns++;
	for (size_t i = 0; i < t->columns; i++)
		cd_cli_cell(t, titles[i]);
}

void cd_cli_table_done(struct cd_cli_table *t)
{
	cd_buf_done(&t->cells);
}

void cd_cli_cell(struct cd_cli_table *t, const char *text)
{
	cd_cli_put_safe(&t->cells, cd_str_from(text && text[0] ? text : "-"));
	cd_buf_char(&t->cells, 0);
	t->rows++;
}

static void join(struct cd_buf *b, const json_t *value)
{
	size_t i;
	json_t *one;

	if (json_is_string(value)) {
		cd_buf_puts(b, json_string_value(value));
	} else if (json_is_integer(value)) {
		cd_buf_printf(b, "%lld", (long long)json_integer_value(value));
	} else if (json_is_boolean(value)) {
		cd_buf_puts(b, json_is_true(value) ? "yes" : "no");
	} else if (json_is_array(value)) {
		json_array_foreach(value, i, one)
		{
			if (i)
				cd_buf_puts(b, ", ");
			join(b, one);
		}
	}
}

void cd_cli_cell_json(struct cd_cli_table *t, const json_t *value)
{
	struct cd_buf b;

	cd_buf_init(&b, 1 << 20);
	join(&b, value);
	cd_cli_cell(t, b.data);
	cd_buf_done(&b);
}

const char *cd_cli_text(const json_t *object, const char *key)
{
	static char text[8][1024];
	static unsigned int n;
	char *out = text[n++ % 8];
	struct cd_buf b;

	cd_buf_init(&b, 1 << 20);
	join(&b, json_object_get(object, key));
	snprintf(out, sizeof(text[0]), "%s", b.data ? b.data : "");
	cd_buf_done(&b);
	return out;
}

/* Columns a text takes on a terminal, near enough: one a character. */
static size_t width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void print_rows(const struct cd_cli_table *t, const size_t *widths)
{
	const char *cell = t->cells.data;

	for (size_t i = 0; i < t->rows; i++) {
		size_t column = i % t->columns;
		bool last = column + 1 == t->columns;

		if (i == 0)
			fputs(cd_cli_color(stdout, CD_COLOR_BOLD), stdout);
		fputs(cell, stdout);
		if (!last)
			printf("%*s", (int)(widths[column] - width(cell) + 2),
			       "");
		if (last && i + 1 == t->columns)
			fputs(cd_cli_plain(stdout), stdout);
		if (last)
			putchar('\n');
		cell += strlen(cell) + 1;
	}
}

void cd_cli_table_print(const struct cd_cli_table *t, const char *none)
{
	size_t widths[16] = {0};
	const char *cell = t->cells.data;

	if (t->cells.err || t->columns > CD_ARRAY_SIZE(widths)) {
		fprintf(stderr, "cordon: out of memory\n");
		return;
	}
	if (t->rows <= t->columns) {
		puts(none);
		return;
	}
	for (size_t i = 0; i < t->rows; i++) {
		widths[i % t->columns] =
			CD_MAX(widths[i % t->columns], width(cell));
		cell += strlen(cell) + 1;
	}
	print_rows(t, widths);
}

void cd_cli_ago(const char *rfc3339, char *out, size_t size)
{
	static const struct {
		int64_t s;
		char unit;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	struct timespec ts;
	int64_t ns, s;

	out[0] = 0;
	if (!rfc3339 || cd_rfc3339_parse(cd_str_from(rfc3339), &ns))
		return;
	clock_gettime(CLOCK_REALTIME, &ts);
	s = (int64_t)ts.tv_sec - ns / CD_NS_PER_S;
	for (size_t i = 0; i < CD_ARRAY_SIZE(units); i++) {
		int64_t n = (s < 0 ? -s : s) / units[i].s;

		if (n == 0)
			continue;
		snprintf(out, size, s < 0 ? "in %lld%c" : "%lld%c ago",
			 (long long)n, units[i].unit);
		return;
	}
	snprintf(out, size, "now");
}

const char *cd_cli_server(const json_t *server, char *out, size_t size)
{
	const char *address = cd_cli_text(server, "address");
	bool named = address[0] != '\0';

	snprintf(out, size, "%s%s%s%s", cd_cli_text(server, "server"),
		 named ? " (" : "", address, named ? ")" : "");
	return out;
}
