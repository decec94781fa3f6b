/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of a verb: a table of its own and the three that every verb has.
 */
#include "cli/cli.h"

#include <stdarg.h>

cd_printf(2, 0) static void complain(const struct cd_cli *cli, const char *fmt,
				     va_list ap)
{
	fprintf(stderr, "cordon%s%s: ", cli->verb[0] ? " " : "", cli->verb);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

int cd_cli_fail(const struct cd_cli *cli, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(cli, fmt, ap);
	va_end(ap);
	return CD_EXIT_REFUSED;
}

static const struct cd_command *row_of(const struct cd_cli *cli)
{
	const struct cd_command *c;

	for (size_t i = 0; (c = cd_command_at(i)); i++)
		if (!strcmp(c->name, cli->verb))
			return c;
	return NULL;
}

int cd_cli_usage(const struct cd_cli *cli, const char *fmt, ...)
{
	const struct cd_command *c = row_of(cli);
	va_list ap;

	va_start(ap, fmt);
	complain(cli, fmt, ap);
	va_end(ap);
	if (c)
		fprintf(stderr, "usage: cordon %s %s\n", c->name, c->usage);
	return CD_EXIT_USAGE;
}

static const struct cd_cli_option common[] = {
	{"run", "DIR", NULL, NULL, "the instance (default /run/cordon)"},
	{"json", NULL, NULL, NULL, "output for programs"},
	{"help", NULL, NULL, NULL, "this"},
	{NULL, NULL, NULL, NULL, NULL},
};

static void print_options(const struct cd_cli_option *o)
{
	char head[64];

	for (; o && o->name; o++) {
		snprintf(head, sizeof(head), "--%s%s%s", o->name,
			 o->value_name ? " " : "",
			 o->value_name ? o->value_name : "");
		printf("  %-22s  %s\n", head, o->help);
	}
}

static int print_help(const struct cd_cli *cli,
		      const struct cd_cli_option *options)
{
	const struct cd_command *c = row_of(cli);

	if (c)
		printf("usage: cordon %s %s\n%s\n\n", c->name, c->usage,
		       c->help);
	print_options(options);
	print_options(common);
	return CD_EXIT_DONE;
}

static const struct cd_cli_option *find_option(const struct cd_cli_option *o,
					       struct cd_str name)
{
	for (; o && o->name; o++)
		if (cd_str_equal(name, cd_str_from(o->name)))
			return o;
	return NULL;
}

static const char *nearest(const struct cd_cli_option *o, struct cd_str name,
			   unsigned int *best)
{
	const char *near = NULL;

	for (; o && o->name; o++) {
		unsigned int d =
			cd_str_distance(name, cd_str_from(o->name), *best);

		if (d < *best) {
			*best = d;
			near = o->name;
		}
	}
	return near;
}

static int unknown_option(const struct cd_cli *cli, const char *arg,
			  const struct cd_cli_option *options)
{
	struct cd_str rest,
		name = cd_str_split(cd_str_from(arg + strspn(arg, "-")), '=',
				    &rest);
	unsigned int best = 4;
	const char *near = nearest(options, name, &best);
	const char *other = nearest(common, name, &best);
	char quoted[160];

	near = other ? other : near;
	cd_quote(cd_str_from(arg), quoted, sizeof(quoted));
	if (near)
		return cd_cli_usage(cli,
				    "unknown option %s; did you mean '--%s'?",
				    quoted, near);
	return cd_cli_usage(cli, "unknown option %s", quoted);
}

/* Is the value of this option one of the words? */
static bool is_word(const struct cd_cli_option *o)
{
	return o->value_name &&
	       cd_str_has_suffix(cd_str_from(o->value_name), CD_STR("..."));
}

/* Where an option's value goes; NULL: it has none. */
static const char **place_of(struct cd_cli *cli, const struct cd_cli_option *o)
{
	return !o->value_name ? NULL : o == &common[0] ? &cli->run : o->value;
}

/* What the words of a verb are being sorted into. */
struct words {
	char **argv;
	int argc; /* words found, without argv[0] */
	const char **taken[16]; /* places of values that were given */
	size_t n_taken;
};

/* False: given before, which was told. */
static bool take_once(const struct cd_cli *cli, struct words *w,
		      const struct cd_cli_option *o, const char **place)
{
	for (size_t i = 0; i < w->n_taken; i++)
		if (w->taken[i] == place) {
			cd_cli_usage(cli, "--%s is given twice", o->name);
			return false;
		}
	cd_assert(w->n_taken < CD_ARRAY_SIZE(w->taken));
	w->taken[w->n_taken++] = place;
	return true;
}

/* Sets what an option sets; false after a mistake was told. */
static bool set(struct cd_cli *cli, struct words *w,
		const struct cd_cli_option *o, char *value)
{
	const char **place = place_of(cli, o);

	if (o == &common[1])
		cli->json = true;
	else if (!place)
		*o->flag = true;
	else if (!is_word(o) && !take_once(cli, w, o, place))
		return false;
	else
		*place = value;
	if (is_word(o))
		w->argv[++w->argc] = value;
	return true;
}

/* One option at argv[0]: words it took, or 0 after a mistake was told. */
static int take(struct cd_cli *cli, int argc, char **argv,
		const struct cd_cli_option *options, struct words *w)
{
	char *value = strchr(argv[0], '=');
	struct cd_str rest,
		name = cd_str_split(cd_str_from(argv[0] + 2), '=', &rest);
	const struct cd_cli_option *o = find_option(options, name);
	int n = value || argc < 2 ? 1 : 2;

	if (!o)
		o = find_option(common, name);
	if (!o) {
		unknown_option(cli, argv[0], options);
		return 0;
	}
	if (!o->value_name && value) {
		cd_cli_usage(cli, "--%s takes no value", o->name);
		return 0;
	}
	if (o->value_name && !value && argc < 2) {
		cd_cli_usage(cli, "--%s needs a value: --%s %s", o->name,
			     o->name, o->value_name);
		return 0;
	}
	if (!set(cli, w, o, value ? value + 1 : argc > 1 ? argv[1] : NULL))
		return 0;
	return o->value_name ? n : 1;
}

static int check_count(const struct cd_cli *cli, int n, int least, int most,
		       char **argv)
{
	char quoted[160];

	if (n < least)
		return cd_cli_usage(cli, n ? "more words are needed" : "what?");
	if (n > most)
		return cd_cli_usage(cli, "too many words: %s",
				    cd_quote(cd_str_from(argv[most + 1]),
					     quoted, sizeof(quoted)));
	return -1;
}

int cd_cli_parse(struct cd_cli *cli, int argc, char **argv,
		 const struct cd_cli_option *options, int least, int most,
		 int *ret_argc)
{
	struct words w = {.argv = argv};
	bool ended = false;

	for (int i = 1; i < argc;) {
		int took;

		if (!ended && !strcmp(argv[i], "--")) {
			ended = true;
			i++;
			continue;
		}
		/* "->" is an arrow of `why`, "-" standard input */
		if (ended || argv[i][0] != '-' || !argv[i][1] ||
		    argv[i][1] == '>') {
			argv[++w.argc] = argv[i++];
			continue;
		}
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return print_help(cli, options);
		if (argv[i][1] != '-')
			return unknown_option(cli, argv[i], options);
		took = take(cli, argc - i, argv + i, options, &w);
		if (!took)
			return CD_EXIT_USAGE;
		i += took;
	}
	*ret_argc = w.argc;
	return check_count(cli, w.argc, least, most, argv);
}
