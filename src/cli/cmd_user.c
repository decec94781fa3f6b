/* SPDX-License-Identifier: Apache-2.0 */
/*
 * People and groups.
 */
#include "cli/cli.h"

static void print_link(const struct cd_cli *cli, const json_t *link)
{
	char left[32];

	if (!link || cli->json)
		return;
	cd_cli_ago(cd_cli_text(link, "expires"), left, sizeof(left));
	printf("%s\n", cd_cli_text(link, "url"));
	fprintf(stderr,
		"Give this link to them, and to nobody else: it works "
		"once and ends %s.\n",
		left);
}

int cd_cmd_user_list(struct cd_cli *cli, int argc, char **argv)
{
	static const char *const titles[] = {"NAME",	 "DISPLAY",  "GROUPS",
					     "DISABLED", "RISK",     "PASSWORD",
					     "2ND",	 "SESSIONS", NULL};
	static const char *const keys[] = {
		"name",		"display",  "groups",	"disabled", "risk",
		"has_password", "has_totp", "sessions", NULL};
	const char *group = NULL;
	const struct cd_cli_option options[] = {{"group", "NAME", &group, NULL,
						 "only its members"},
						{NULL, NULL, NULL, NULL, NULL}};
	int r = cd_cli_parse(cli, argc, argv, options, 0, 0, &argc);

	if (r >= 0)
		return r;
	return cd_cli_list(
		cli,
		group ? cd_cli_path("/v1/users?group=%s", group).text :
			"/v1/users",
		titles, keys, "nobody yet: cordon user add NAME");
}

int cd_cmd_user_show(struct cd_cli *cli, int argc, char **argv)
{
	return cd_cli_show(cli, argc, argv, "/v1/users");
}

int cd_cmd_user_add(struct cd_cli *cli, int argc, char **argv)
{
	json_t *answer cd_auto(cd_cli_json_done) = NULL;
	const char *display = NULL, *email = NULL, *groups = NULL;
	const char *subject = NULL;
	const struct cd_cli_option options[] = {
		{"display", "TEXT", &display, NULL, "name for people"},
		{"email", "ADDRESS", &email, NULL, "address"},
		{"groups", "A,B", &groups, NULL, "groups; made when new"},
		{"oidc-subject", "SUB", &subject, NULL,
		 "who it is at the identity provider; no link is made"},
		{NULL, NULL, NULL, NULL, NULL}};
	int r = cd_cli_parse(cli, argc, argv, options, 1, 1, &argc);

	if (r >= 0)
		return r;
	r = cd_cli_call(cli, "POST", "/v1/users",
			json_pack("{s:s, s:s*, s:s*, s:o, s:s*, s:b}", "name",
				  argv[1], "display", display, "email", email,
				  "groups", cd_cli_names(groups),
				  "oidc_subject", subject, "link", !subject),
			&answer);
	if (r)
		return r;
	r = cd_cli_done(cli, answer, "%s: added", argv[1]);
	print_link(cli, json_object_get(answer, "link"));
	return r;
}

/* NAME=VALUE words into an object. False: told. */
static bool changes(const struct cd_cli *cli, int n, char **words, json_t *into)
{
	static const char *const names[] = {"display", "email", "risk",
					    "oidc_subject"};
	const char *near = NULL;

	for (int i = 0; i < n; i++) {
		struct cd_str value,
			key = cd_str_split(cd_str_from(words[i]), '=', &value);
		unsigned int best = 4;
		bool known = false;

		for (size_t k = 0; k < CD_ARRAY_SIZE(names); k++) {
			struct cd_str name = cd_str_from(names[k]);
			unsigned int d = cd_str_distance(key, name, best);

			near = d < best ? names[k] : near;
			best = CD_MIN(best, d);
			known |= cd_str_equal(key, name);
		}
		if (!value.ptr || !known) {
			cd_cli_usage(cli, "'%s' is no change%s%s%s", words[i],
				     near ? "; did you mean '" : "",
				     near ? near : "", near ? "=...'?" : "");
			return false;
		}
		words[i][key.len] = 0;
		if (json_object_get(into, words[i])) {
			cd_cli_usage(cli, "%s is given twice", words[i]);
			return false;
		}
		json_object_set_new(into, words[i], json_string(value.ptr));
	}
	return true;
}

int cd_cmd_user_set(struct cd_cli *cli, int argc, char **argv)
{
	json_t *answer cd_auto(cd_cli_json_done) = NULL;
	json_t *body;
	int r = cd_cli_parse(cli, argc, argv, NULL, 2, 64, &argc);

	if (r >= 0)
		return r;
	body = json_object();
	if (!changes(cli, argc - 1, argv + 2, body)) {
		json_decref(body);
		return CD_EXIT_USAGE;
	}
	r = cd_cli_call(cli, "PATCH", cd_cli_path("/v1/users/%s", argv[1]).text,
			body, &answer);
	return r ? r : cd_cli_done(cli, answer, "%s: changed", argv[1]);
}

int cd_cmd_user_groups(struct cd_cli *cli, int argc, char **argv)
{
	json_t *answer cd_auto(cd_cli_json_done) = NULL;
	int r = cd_cli_parse(cli, argc, argv, NULL, 2, 2, &argc);

	if (r >= 0)
		return r;
	r = cd_cli_call(cli, "PUT",
			cd_cli_path("/v1/users/%s/groups", argv[1]).text,
			json_pack("{s:o}", "groups", cd_cli_names(argv[2])),
			&answer);
	return r ? r :
		   cd_cli_done(cli, answer, "%s: in %s", argv[1],
			       argv[2][0] ? cd_cli_text(answer, "groups") :
					    "no group");
}

int cd_cmd_user_disable(struct cd_cli *cli, int argc, char **argv)
{
	return cd_cli_act(cli, argc, argv, "POST", "/v1/users/", "/disable",
			  "disabled, all sessions end");
}

int cd_cmd_user_enable(struct cd_cli *cli, int argc, char **argv)
{
	return cd_cli_act(cli, argc, argv, "POST", "/v1/users/", "/enable",
			  "enabled");
}

int cd_cmd_user_delete(struct cd_cli *cli, int argc, char **argv)
{
	return cd_cli_act(cli, argc, argv, "DELETE", "/v1/users/", "",
			  "deleted");
}

int cd_cmd_user_link(struct cd_cli *cli, int argc, char **argv)
{
	json_t *answer cd_auto(cd_cli_json_done) = NULL;
	int r = cd_cli_parse(cli, argc, argv, NULL, 1, 1, &argc);

	if (r >= 0)
		return r;
	r = cd_cli_call(cli, "POST",
			cd_cli_path("/v1/users/%s/link", argv[1]).text,
			json_object(), &answer);
	if (r)
		return r;
	if (cli->json)
		cd_cli_print_json(answer);
	print_link(cli, answer);
	return CD_EXIT_DONE;
}

/* ---- groups -------------------------------------------------------------*/

int cd_cmd_group_list(struct cd_cli *cli, int argc, char **argv)
{
	static const char *const titles[] = {"NAME", "MEMBERS", NULL};
	static const char *const keys[] = {"name", "members", NULL};

	return cd_cli_list_all(cli, argc, argv, "/v1/groups", titles, keys,
			       "none yet: cordon group add NAME");
}

int cd_cmd_group_add(struct cd_cli *cli, int argc, char **argv)
{
	json_t *answer cd_auto(cd_cli_json_done) = NULL;
	json_t *members;
	int r = cd_cli_parse(cli, argc, argv, NULL, 1, 1000, &argc);

	if (r >= 0)
		return r;
	members = json_array();
	for (int i = 2; i <= argc; i++)
		json_array_append_new(members, json_string(argv[i]));
	r = cd_cli_call(cli, "POST", "/v1/groups",
			json_pack("{s:s, s:o}", "name", argv[1], "members",
				  members),
			&answer);
	return r ? r : cd_cli_done(cli, answer, "%s: added", argv[1]);
}

/* "-bob" is a member to remove and no option. */
int cd_cmd_group_set(struct cd_cli *cli, int argc, char **argv)
{
	json_t *answer cd_auto(cd_cli_json_done) = NULL;
	json_t *add = json_array(), *remove = json_array();
	int kept = 1, r;

	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '+' && argv[i][1])
			json_array_append_new(add, json_string(argv[i] + 1));
		else if (argv[i][0] == '-' && argv[i][1] && argv[i][1] != '-')
			json_array_append_new(remove, json_string(argv[i] + 1));
		else
			argv[kept++] = argv[i];
	}
	r = cd_cli_parse(cli, kept, argv, NULL, 1, 1, &argc);
	if (r < 0 && json_array_size(add) + json_array_size(remove) == 0)
		r = cd_cli_usage(cli, "whom? +PERSON adds, -PERSON removes");
	if (r >= 0) {
		json_decref(add);
		json_decref(remove);
		return r;
	}
	r = cd_cli_call(cli, "PATCH",
			cd_cli_path("/v1/groups/%s", argv[1]).text,
			json_pack("{s:o, s:o}", "add", add, "remove", remove),
			&answer);
	return r ? r :
		   cd_cli_done(cli, answer, "%s: %s", argv[1],
			       cd_cli_text(answer, "members"));
}

int cd_cmd_group_delete(struct cd_cli *cli, int argc, char **argv)
{
	return cd_cli_act(cli, argc, argv, "DELETE", "/v1/groups/", "",
			  "deleted");
}
