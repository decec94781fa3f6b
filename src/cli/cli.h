/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the verbs of `cordon` share: the table of them, options, talking to
 * cordond, and printing for people and programs.
 *
 * A verb returns its exit code. It prints results on standard output and
 * everything else on standard error. A message says what failed, why, and the
 * command that mends it, for somebody who is tired.
 */
#ifndef CD_CLI_CLI_H
#define CD_CLI_CLI_H

#include <jansson.h>
#include <stdio.h>

#include "base/buf.h"

enum cd_exit {
	CD_EXIT_DONE = 0,
	CD_EXIT_REFUSED = 1, /* refused, false, failed */
	CD_EXIT_USAGE = 2,
	CD_EXIT_UNREACHABLE = 3,
};

struct cd_cli {
	const char *verb; /* "user add": for messages */
	const char *run; /* --run, or NULL: see cd_cli_run_dir() */
	bool json; /* --json */
	bool quiet_demo; /* it was said that the demo is meant */
};

enum cd_cli_needs { CD_NEEDS_NOTHING, CD_NEEDS_API, CD_NEEDS_ROOT };

struct cd_command {
	const char *name;
	int (*run)(struct cd_cli *cli, int argc, char **argv);
	enum cd_cli_needs needs;
	const char *usage;
	const char *help;
};

const struct cd_command *cd_command_at(size_t index); /* NULL: no more */

/* Every row's function. */
#define CD_COMMAND(name, function, needs, usage, help) \
	int function(struct cd_cli *cli, int argc, char **argv);
#include "cli/commands.def"
#undef CD_COMMAND

/* The whole program but main(). */
int cd_cli_main(int argc, char **argv);

/* ---- arguments ---------------------------------------------------------*/

/* An option of one verb. With `value` it takes one (--name V, --name=V) and
 * is described as "--name VALUE_NAME"; else it sets `flag`. A second value is
 * refused: of two, one would be left out in silence. A VALUE_NAME that ends in
 * "..." may come as often as wanted, and each value is one of the words. */
struct cd_cli_option {
	const char *name; /* without -- */
	const char *value_name;
	const char **value;
	bool *flag;
	const char *help;
};

/*
 * Takes the options out of argv, in any place; "--" ends them. --run DIR,
 * --json and --help are understood always. What is left moves to the front of
 * argv; *ret_argc is its number, without argv[0] (argv[1] is the first).
 * Returns -1 to go on; else the exit code: help was printed, or the mistake
 * was told. options ends with a NULL name; NULL: none.
 */
int cd_cli_parse(struct cd_cli *cli, int argc, char **argv,
		 const struct cd_cli_option *options, int least, int most,
		 int *ret_argc);

/* "cordon user add: ..." on standard error; returns CD_EXIT_USAGE. */
int cd_cli_usage(const struct cd_cli *cli, const char *fmt, ...)
	cd_printf(2, 3);
/* The same; returns CD_EXIT_REFUSED. */
int cd_cli_fail(const struct cd_cli *cli, const char *fmt, ...) cd_printf(2, 3);

/* The instance that is meant: --run; else /run/cordon; else, when only that
 * one is there, /run/cordon-demo, which is said once. */
const char *cd_cli_run_dir(struct cd_cli *cli);

/* ---- cordond -----------------------------------------------------------*/

/* A path below /v1 from a format whose strings are percent-encoded: the only
 * conversion is %s. */
struct cd_cli_path {
	char text[2048];
};
struct cd_cli_path cd_cli_path(const char *fmt, ...) cd_printf(1, 2);

/*
 * Calls the admin API. body may be NULL, else it is taken. Returns 0 and the
 * answer (NULL when there is no body), or the exit code after saying what is
 * wrong. ret_json may be NULL.
 */
int cd_cli_call(struct cd_cli *cli, const char *method, const char *path,
		json_t *body, json_t **ret_json);
/* The same, the answer as bytes. timeout_ms 0: the default. */
int cd_cli_fetch(struct cd_cli *cli, const char *path, unsigned int timeout_ms,
		 struct cd_buf *ret_body);

/* The messages of a policy check, file:line:column each, on standard error. */
void cd_cli_details(const json_t *details);

static inline void cd_cli_json_done(json_t **json)
{
	json_decref(*json);
}

/* ---- printing ----------------------------------------------------------*/

/* JSON on one line, ASCII only: nothing in it can move a terminal's cursor. */
void cd_cli_print_json(const json_t *json);

enum cd_cli_color {
	CD_COLOR_NONE,
	CD_COLOR_GOOD,
	CD_COLOR_WARN,
	CD_COLOR_BAD,
	CD_COLOR_DIM,
	CD_COLOR_BOLD,
};

/* Escape sequences to begin and end a colour on that stream: empty unless it
 * is a terminal, NO_COLOR is unset or empty and TERM is not dumb. */
const char *cd_cli_color(FILE *stream, enum cd_cli_color color);
#define cd_cli_plain(stream) cd_cli_color(stream, CD_COLOR_NONE)

/* Text of others, safe to print: control characters, bidirectional marks and
 * bytes that are no UTF-8 are escaped. */
void cd_cli_put_safe(struct cd_buf *out, struct cd_str s);

/* A table: header, rows, columns as wide as their longest cell. */
struct cd_cli_table {
	size_t columns, rows;
	struct cd_buf cells; /* NUL-terminated, one after another */
};
/* titles ends with NULL. Nothing of it fails; a table that ran out of memory
 * prints that. */
void cd_cli_table_init(struct cd_cli_table *t, const char *const *titles);
void cd_cli_table_done(struct cd_cli_table *t);
/* The next cell; NULL and "" print as "-". */
void cd_cli_cell(struct cd_cli_table *t, const char *text);
void cd_cli_cell_json(struct cd_cli_table *t, const json_t *value);
/* Prints, or `none` when there are no rows. */
void cd_cli_table_print(const struct cd_cli_table *t, const char *none);

/* The list at a path of the API as a table: one column a key; "seen" and other
 * instants are shown as how long ago. keys and titles end with NULL. With
 * --json the answer as it is. */
int cd_cli_list(struct cd_cli *cli, const char *path, const char *const *titles,
		const char *const *keys, const char *none);
/* A whole verb without words or options: cd_cli_list() of path. */
int cd_cli_list_all(struct cd_cli *cli, int argc, char **argv, const char *path,
		    const char *const *titles, const char *const *keys,
		    const char *none);
/* A whole verb with one word: the object at before/WORD. */
int cd_cli_show(struct cd_cli *cli, int argc, char **argv, const char *before);
/* A whole verb with one word: method, without a body, at `before` WORD `after`,
 * as they stand. It says "WORD: done"; with --json the answer, if any. */
int cd_cli_act(struct cd_cli *cli, int argc, char **argv, const char *method,
	       const char *before, const char *after, const char *done);
/* One object, key by key; with --json as it is. */
int cd_cli_print_object(const struct cd_cli *cli, const json_t *object);
/* "a,b" as a JSON list; "" is an empty one. */
json_t *cd_cli_names(const char *text);
/* After an act: "done" for people, the answer (may be NULL) for programs. */
int cd_cli_done(const struct cd_cli *cli, const json_t *answer, const char *fmt,
		...) cd_printf(3, 4);

/* "3m ago" or "in 2h" of an RFC 3339 text; "" when it is none. */
void cd_cli_ago(const char *rfc3339, char *out, size_t size);
/* A value of an object as text, "" when it has none; arrays joined by ", ". */
const char *cd_cli_text(const json_t *object, const char *key);
/* Which one an item of schema Server is about; returns out. */
const char *cd_cli_server(const json_t *server, char *out, size_t size);

#endif
