// SPDX-License-Identifier: Apache-2.0
/*
 * cordon policy reference: what the language's tables hold, as Markdown.
 * Printed from the tables themselves, so that it cannot be out of date.
 */
#include "cli/cli.h"

#include <cordon/attrs.h>

#include "policy/ast.h"
#include "policy/literal.h"

struct bit_name {
	unsigned int bit;
	const char *name;
};

static const struct bit_name kinds[] = {
	{CD_KIND_PACKET, "packet"}, {CD_KIND_NAME, "name"},
	{CD_KIND_TLS, "tls"},	    {CD_KIND_HTTP, "http"},
	{CD_KIND_SHELL, "shell"},   {CD_KIND_LOGIN, "login"},
};

static const struct bit_name subjects[] = {
	{CD_SUBJECT_PERSON, "person"},
	{CD_SUBJECT_ANONYMOUS, "anonymous"},
	{CD_SUBJECT_HOST, "host"},
};

static const struct bit_name apps[] = {
	{1 << CD_APP_HTTP, "web"}, {1 << CD_APP_TCP, "tcp"},
	{1 << CD_APP_UDP, "udp"},  {1 << CD_APP_SSH, "ssh"},
	{1 << CD_APP_RDP, "rdp"},
};

static void print_bits(const struct bit_name *names, size_t n,
		       unsigned int bits)
{
	const char *blank = "";

	for (size_t i = 0; i < n; i++)
		if (bits & names[i].bit) {
			printf("%s%s", blank, names[i].name);
			blank = " ";
		}
	printf(" | ");
}

/* Text in a table: a bar would end the cell. */
static void print_cell(const char *text)
{
	for (; *text; text++) {
		if (*text == '|')
			putchar('\\');
		putchar(*text);
	}
	printf(" | ");
}

static void print_operators(enum cd_type type)
{
	const char *blank = "";

	for (int op = CD_OP_EQ; op <= CD_OP_HAS; op++)
		if (cd_literal_has_op(type, (enum cd_ast_op)op)) {
			printf("%s`%s`", blank,
			       cd_ast_op_word((enum cd_ast_op)op));
			blank = " ";
		}
	printf(" | ");
}

static void print_attributes(void)
{
	puts("## Attributes\n\n"
	     "| attribute | type | operators | requests that have it | "
	     "subjects | stale after | source | meaning |\n"
	     "|---|---|---|---|---|---|---|---|");
	for (int a = 0; a < CD_ATTR_COUNT; a++) {
		const struct cd_attr_row *row = cd_attr_get((enum cd_attr)a);
		struct cd_buf age;

		cd_buf_init(&age, 64);
		if (row->max_age)
			cd_literal_print_duration(&age, row->max_age);
		printf("| `%s` | %s | ", row->name, cd_type_name(row->type));
		print_operators(row->type);
		print_bits(kinds, CD_ARRAY_SIZE(kinds), row->kinds);
		print_bits(subjects, CD_ARRAY_SIZE(subjects), row->subjects);
		print_cell(age.len ? age.data : "");
		print_cell(row->source);
		print_cell(row->doc);
		putchar('\n');
		cd_buf_done(&age);
	}
}

static void print_settings(void)
{
	static const struct {
		const char *word, *form, *doc;
		unsigned int kinds;
	} rows[] = {
#define CD_SETTING(id, word, parse, kinds, form, doc) {word, form, doc, kinds},
#include "policy/settings.def"
#undef CD_SETTING
	};

	puts("\n## Lines of an app\n\n| line | form | apps | meaning |\n"
	     "|---|---|---|---|");
	for (size_t i = 0; i < CD_ARRAY_SIZE(rows); i++) {
		printf("| `%s` | ", rows[i].word);
		print_cell(rows[i].form);
		print_bits(apps, CD_ARRAY_SIZE(apps), rows[i].kinds);
		print_cell(rows[i].doc);
		putchar('\n');
	}
}

static void print_obligations(void)
{
	puts("\n## Obligations (`with`, of an allow)\n\n"
	     "| obligation | meaning | several rules |\n|---|---|---|\n"
	     "| `record` | record the session where that is possible | "
	     "any |\n"
	     "| `record required` | no recording, no session | any |\n"
	     "| `max DURATION` | the session ends after this | the least |\n"
	     "| `rate N/DURATION` | requests in that time | the least |\n"
	     "| `no clipboard`, `no upload`, `no download` | forbidden in a "
	     "session | any |");
}

static void print_limits(void)
{
	static const struct {
		unsigned int max;
		const char *what;
	} limits[] = {
		{CD_MAX_FILE_SIZE, "bytes of one file"},
		{CD_MAX_FILES, "files"},
		{CD_MAX_RULES, "rules, tests and assertions"},
		{CD_MAX_SETS, "definitions"},
		{CD_MAX_APPS, "apps"},
		{CD_MAX_NESTING,
		 "levels of parentheses, segments, groups, postures"},
		{CD_MAX_LIST, "elements of one list"},
		{CD_MAX_NAME, "bytes of a name"},
		{CD_MAX_STRING, "bytes of a word or quoted string"},
		{CD_MAX_ATOMS, "parts of one condition"},
		{CD_MAX_CANDIDATES, "rules for one subject and object"},
		{CD_MAX_FEED_ENTRIES, "entries of a feed"},
	};

	puts("\n## Limits\n\n| at most | of |\n|---|---|");
	for (size_t i = 0; i < CD_ARRAY_SIZE(limits); i++)
		printf("| %u | %s |\n", limits[i].max, limits[i].what);
}

int cd_cmd_policy_reference(struct cd_cli *cli, int argc, char **argv)
{
	int r = cd_cli_parse(cli, argc, argv, NULL, 0, 0, &argc);

	if (r >= 0)
		return r;
	puts("# The policy language: reference\n");
	print_attributes();
	print_settings();
	print_obligations();
	print_limits();
	return CD_EXIT_DONE;
}
