/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apply, confirm, rollback: the policy in force and its history.
 */
#include "base/time.h"
#include "cli/policy_files.h"

/* Not a word but blanks and comments. */
static bool is_silent(struct cd_str text)
{
	while (text.ptr) {
		struct cd_str line = cd_str_split(text, '\n', &text);
		size_t i = 0;

		while (i < line.len && strchr(" \t\r", line.ptr[i]))
			i++;
		if (i < line.len && line.ptr[i] != '#')
			return false;
	}
	return true;
}

/* What makes the text failed, and left nothing: in force it would cut
 * everybody. Who means that says so. */
static bool says_something(struct cd_cli *cli,
			   const struct cd_policy_files *files)
{
	for (size_t i = 0; i < files->n; i++)
		if (!is_silent(files->sources[i].text))
			return true;
	cd_cli_fail(cli,
		    "%s says nothing; a policy that lets nobody anywhere says "
		    "'version 1'",
		    files->n == 1 ? files->sources[0].name : "the policy");
	return false;
}

/* The named files as the API takes them; NULL: told. */
static json_t *read_files(struct cd_cli *cli, int n, char **paths)
{
	struct cd_policy_files files = {NULL, 0};
	json_t *list = NULL;

	if (cd_policy_files_read(cli, paths, (size_t)n, &files) == 0 &&
	    says_something(cli, &files)) {
		list = json_array();
		for (size_t i = 0; i < files.n; i++)
			json_array_append_new(
				list,
				json_pack("{s:s, s:s#}", "name",
					  files.sources[i].name, "text",
					  files.sources[i].text.ptr,
					  (int)files.sources[i].text.len));
		if (json_array_size(list) != files.n) {
			cd_cli_fail(cli, "a file is not UTF-8");
			json_decref(list);
			list = NULL;
		}
	}
	cd_policy_files_done(&files);
	return list;
}

static int tell(const struct cd_cli *cli, const json_t *answer,
		const char *what)
{
	const json_t *tests = json_object_get(answer, "tests");
	char left[32];

	cd_cli_details(json_object_get(answer, "warnings"));
	cd_cli_done(cli, answer, "%s (%.12s)%s%s%s%s", what,
		    cd_cli_text(answer, "hash"), tests ? ", tests: " : "",
		    tests ? cd_cli_text(tests, "passed") : "",
		    tests ? " passed, rules: " : "",
		    tests ? cd_cli_text(answer, "rules") : "");
	if (json_object_get(answer, "confirm_by") && !cli->json) {
		cd_cli_ago(cd_cli_text(answer, "confirm_by"), left,
			   sizeof(left));
		printf("On trial: the policy before it returns %s, unless: "
		       "cordon confirm\n",
		       left);
	}
	return CD_EXIT_DONE;
}

int cd_cmd_apply(struct cd_cli *cli, int argc, char **argv)
{
	json_t *answer cd_auto(cd_cli_json_done) = NULL;
	json_t *files cd_auto(cd_cli_json_done) = NULL;
	const char *confirm = NULL, *note = NULL;
	bool dry = false;
	const struct cd_cli_option options[] = {
		{"confirm", "DURATION", &confirm, NULL,
		 "return to the policy before unless confirmed in time"},
		{"note", "TEXT", &note, NULL, "why, kept with the version"},
		{"dry-run", NULL, NULL, &dry, "check only"},
		{NULL, NULL, NULL, NULL, NULL}};
	int64_t seconds = 0;
	json_t *body;
	char what[64];
	int r = cd_cli_parse(cli, argc, argv, options, 0, 1000, &argc);

	if (r >= 0)
		return r;
	if (confirm &&
	    (cd_duration_parse(cd_str_from(confirm), &seconds) || !seconds))
		return cd_cli_usage(cli, "--confirm %s: say 90s, 5m or 1h",
				    confirm);
	files = read_files(cli, argc, argv + 1);
	if (!files)
		return CD_EXIT_REFUSED;
	body = json_pack("{s:O, s:s*, s:b}", "files", files, "note", note,
			 "dry_run", dry);
	if (confirm)
		json_object_set_new(body, "confirm", json_integer(seconds));
	r = cd_cli_call(cli, "POST", "/v1/policy", body, &answer);
	if (r)
		return r;
	snprintf(what, sizeof(what),
		 dry ? "would be fine%.0s" : "version %s is in force",
		 cd_cli_text(answer, "serial"));
	return tell(cli, answer, what);
}

int cd_cmd_confirm(struct cd_cli *cli, int argc, char **argv)
{
	json_t *answer cd_auto(cd_cli_json_done) = NULL;
	int r = cd_cli_parse(cli, argc, argv, NULL, 0, 0, &argc);

	if (r >= 0)
		return r;
	r = cd_cli_call(cli, "POST", "/v1/policy/confirm", json_object(),
			&answer);
	return r ? r :
		   cd_cli_done(cli, answer, "version %s stays",
			       cd_cli_text(answer, "serial"));
}

int cd_cmd_rollback(struct cd_cli *cli, int argc, char **argv)
{
	json_t *answer cd_auto(cd_cli_json_done) = NULL;
	json_t *body;
	uint64_t serial = 0;
	char what[64];
	int r = cd_cli_parse(cli, argc, argv, NULL, 0, 1, &argc);

	if (r >= 0)
		return r;
	if (argc > 0 && (cd_str_parse_u64(cd_str_from(argv[1]), &serial) ||
			 serial > INT64_MAX))
		return cd_cli_usage(cli,
				    "'%s' is no version (cordon policy "
				    "versions)",
				    argv[1]);
	body = json_object();
	if (argc > 0)
		json_object_set_new(body, "serial",
				    json_integer((json_int_t)serial));
	r = cd_cli_call(cli, "POST", "/v1/policy/rollback", body, &answer);
	if (r)
		return r;
	snprintf(what, sizeof(what), "back, as version %s",
		 cd_cli_text(answer, "serial"));
	return tell(cli, answer, what);
}

int cd_cmd_versions(struct cd_cli *cli, int argc, char **argv)
{
	static const char *const titles[] = {"VERSION", "STATE", "APPLIED",
					     "BY",	"NOTE",	 NULL};
	static const char *const keys[] = {"serial", "state", "applied",
					   "by",     "note",  NULL};

	return cd_cli_list_all(cli, argc, argv, "/v1/policy/versions", titles,
			       keys, "none yet: cordon apply FILE...");
}

int cd_cmd_policy_show(struct cd_cli *cli, int argc, char **argv)
{
	json_t *answer cd_auto(cd_cli_json_done) = NULL;
	json_t *file;
	size_t i;
	int r = cd_cli_parse(cli, argc, argv, NULL, 0, 0, &argc);

	if (r >= 0)
		return r;
	r = cd_cli_call(cli, "GET", "/v1/policy", NULL, &answer);
	if (r)
		return r;
	if (cli->json) {
		cd_cli_print_json(answer);
		return CD_EXIT_DONE;
	}
	json_array_foreach(json_object_get(answer, "files"), i, file)
	{
		const char *text =
			json_string_value(json_object_get(file, "text"));

		printf("# %s\n%s\n", cd_cli_text(file, "name"),
		       text ? text : "");
	}
	return CD_EXIT_DONE;
}
