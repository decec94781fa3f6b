/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the words on the command line to a row of commands.def.
 */
#include "cli/cli.h"

#include <cordon/version.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "cli/up.h"

static const struct cd_command commands[] = {
#define CD_COMMAND(name, function, needs, usage, help) \
	{name, function, CD_NEEDS_##needs, usage, help},
#include "cli/commands.def"
#undef CD_COMMAND
};

const struct cd_command *cd_command_at(size_t index)
{
	return index < CD_ARRAY_SIZE(commands) ? &commands[index] : NULL;
}

static size_t words_of(const char *name)
{
	return strchr(name, ' ') ? 2 : 1;
}

/* Do the first words say this name? */
static bool is_named(const struct cd_command *c, int argc, char **argv)
{
	struct cd_str rest,
		first = cd_str_split(cd_str_from(c->name), ' ', &rest);

	if (argc < 1 || !cd_str_equal(first, cd_str_from(argv[0])))
		return false;
	return !rest.ptr ||
	       (argc > 1 && cd_str_equal(rest, cd_str_from(argv[1])));
}

static const struct cd_command *find(int argc, char **argv)
{
	const struct cd_command *best = NULL;

	for (size_t i = 0; i < CD_ARRAY_SIZE(commands); i++) {
		const struct cd_command *c = &commands[i];

		if (is_named(c, argc, argv) &&
		    (!best || words_of(c->name) > words_of(best->name)))
			best = c;
	}
	return best;
}

static bool begins_with_word(const struct cd_command *c, const char *word)
{
	struct cd_str rest;

	return cd_str_equal(cd_str_split(cd_str_from(c->name), ' ', &rest),
			    cd_str_from(word));
}

static void print_row(FILE *out, const struct cd_command *c)
{
	char head[100];

	snprintf(head, sizeof(head), "%s %s", c->name, c->usage);
	if (strlen(head) > 30)
		fprintf(out, "  %s\n  %-30s  %s\n", head, "", c->help);
	else
		fprintf(out, "  %-30s  %s\n", head, c->help);
}

static void print_all(FILE *out)
{
	fputs("usage: cordon VERB [ARGUMENT...] [--json] [--run DIR]\n\n", out);
	for (size_t i = 0; i < CD_ARRAY_SIZE(commands); i++)
		print_row(out, &commands[i]);
	fputs("\nExit codes: 0 done, 1 refused or false, 2 usage, "
	      "3 cordond is not reachable.\n"
	      "More: man cordon, cordon VERB --help\n",
	      out);
}

/* All rows whose first word this is: "cordon user". False: none. */
static bool print_family(FILE *out, const char *word)
{
	bool any = false;

	for (size_t i = 0; i < CD_ARRAY_SIZE(commands); i++) {
		if (!begins_with_word(&commands[i], word))
			continue;
		if (!any)
			fprintf(out, "usage: cordon ...\n");
		print_row(out, &commands[i]);
		any = true;
	}
	return any;
}

/* The row whose name, or first word when no family is given, is nearest. */
static const struct cd_command *nearest(const char *typed, const char *family)
{
	unsigned int best = 4;
	const struct cd_command *near = NULL;

	for (size_t i = 0; i < CD_ARRAY_SIZE(commands); i++) {
		struct cd_str second,
			word = cd_str_split(cd_str_from(commands[i].name), ' ',
					    &second);
		unsigned int d;

		if (family && !begins_with_word(&commands[i], family))
			continue;
		d = cd_str_distance(cd_str_from(typed), family ? second : word,
				    4);
		if (d < best && d < strlen(typed)) {
			best = d;
			near = &commands[i];
		}
	}
	return near;
}

static int unknown(int argc, char **argv)
{
	bool family = print_family(stderr, argv[0]);
	const char *typed = argv[family ? argc > 1 : 0];
	const struct cd_command *near;
	char quoted[160];

	if (family && argc < 2)
		return CD_EXIT_USAGE;
	near = nearest(typed, family ? argv[0] : NULL);
	fprintf(stderr, "cordon%s%s: no verb %s", family ? " " : "",
		family ? argv[0] : "",
		cd_quote(cd_str_from(typed), quoted, sizeof(quoted)));
	if (near)
		fprintf(stderr, "; did you mean '%.*s'?",
			(int)(family ? strlen(near->name) :
				       strcspn(near->name, " ")),
			near->name);
	fprintf(stderr, "\n%s", family ? "" : "All verbs: cordon help\n");
	return CD_EXIT_USAGE;
}

/* All rows, or those of a family; false: there are none. */
static bool print_json(const char *word)
{
	json_t *list = json_array();
	size_t n;

	for (size_t i = 0; i < CD_ARRAY_SIZE(commands); i++)
		if (!word || begins_with_word(&commands[i], word))
			json_array_append_new(
				list, json_pack("{s:s, s:s, s:s}", "name",
						commands[i].name, "usage",
						commands[i].usage, "help",
						commands[i].help));
	n = json_array_size(list);
	list = json_pack("{s:o}", "items", list);
	if (n)
		cd_cli_print_json(list);
	json_decref(list);
	return n > 0;
}

int cd_cmd_help(struct cd_cli *cli, int argc, char **argv)
{
	int r = cd_cli_parse(cli, argc, argv, NULL, 0, 2, &argc);

	if (r >= 0)
		return r;
	if (argc == 0 && !cli->json)
		print_all(stdout);
	else if (!(cli->json ? print_json(argc ? argv[1] : NULL) :
			       print_family(stdout, argv[1])))
		return unknown(argc, argv + 1);
	return CD_EXIT_DONE;
}

int cd_cmd_version(struct cd_cli *cli, int argc, char **argv)
{
	int r = cd_cli_parse(cli, argc, argv, NULL, 0, 0, &argc);

	if (r >= 0)
		return r;
	if (cli->json) {
		json_t *json = json_pack("{s:s}", "version", cd_version());

		cd_cli_print_json(json);
		json_decref(json);
	} else {
		printf("cordon %s\n", cd_version());
	}
	return CD_EXIT_DONE;
}

int cd_cmd_completion(struct cd_cli *cli, int argc, char **argv)
{
	int r = cd_cli_parse(cli, argc, argv, NULL, 1, 1, &argc);

	if (r >= 0)
		return r;
	if (strcmp(argv[1], "bash"))
		return cd_cli_usage(cli, "only for bash");
	puts("_cordon() {\n"
	     "\tlocal words=\"${COMP_WORDS[*]:1:COMP_CWORD-1}\" all=(");
	for (size_t i = 0; i < CD_ARRAY_SIZE(commands); i++)
		printf("\t\t'%s'\n", commands[i].name);
	puts("\t)\n"
	     "\tlocal p=\"${words:+$words }${COMP_WORDS[COMP_CWORD]}\" c w\n"
	     "\tCOMPREPLY=()\n"
	     "\tfor c in \"${all[@]}\"; do\n"
	     "\t\t[[ $c == \"$p\"* ]] || continue\n"
	     "\t\tw=${c#\"${words:+$words }\"}\n"
	     "\t\tCOMPREPLY+=(\"${w%% *}\")\n"
	     "\tdone\n"
	     "}\n"
	     "complete -o default -F _cordon cordon");
	return CD_EXIT_DONE;
}

int cd_cmd_up(struct cd_cli *cli, int argc, char **argv)
{
	(void)cli;
	return cd_cli_up(argc, argv);
}

/* --run, --json before the verb are fine too: they move behind it. */
static int leading_options(struct cd_cli *cli, int argc, char **argv)
{
	int i = 1;

	while (i < argc) {
		if (!strcmp(argv[i], "--json")) {
			cli->json = true;
			i++;
		} else if (!strcmp(argv[i], "--run") && i + 1 < argc) {
			cli->run = argv[i + 1];
			i += 2;
		} else {
			break;
		}
	}
	return i;
}

static bool is_help(const char *word)
{
	return !strcmp(word, "--help") || !strcmp(word, "-h");
}

static int run(int argc, char **argv)
{
	struct cd_cli cli = {.verb = ""};
	int at = leading_options(&cli, argc, argv);
	const struct cd_command *c;
	int skip;

	signal(SIGPIPE, SIG_DFL);
	if (at >= argc) {
		print_all(stderr);
		return CD_EXIT_USAGE;
	}
	if (!strcmp(argv[at], "--version"))
		return cd_cmd_version(&cli, 1, argv + at);
	if (is_help(argv[at]))
		return cd_cmd_help(&cli, 1, argv + at);
	c = find(argc - at, argv + at);
	if (!c && at + 2 == argc && is_help(argv[at + 1]) &&
	    print_family(stdout, argv[at]))
		return CD_EXIT_DONE;
	if (!c)
		return unknown(argc - at, argv + at);
	cli.verb = c->name;
	skip = at + (int)words_of(c->name) - 1;
	return c->run(&cli, argc - skip, argv + skip);
}

/* Half an answer in a file on a full disk must not look like a whole one.
 * Who closed the output wants none. */
int cd_cli_main(int argc, char **argv)
{
	int code = run(argc, argv);
	bool lost = ferror(stdout);

	errno = 0;
	if (fflush(stdout) != 0)
		lost = lost || errno != EBADF;
	if (!lost)
		return code;
	fprintf(stderr, "cordon: cannot write the output%s%s\n",
		errno ? ": " : "", errno ? strerror(errno) : "");
	return code == CD_EXIT_DONE ? CD_EXIT_REFUSED : code;
}
