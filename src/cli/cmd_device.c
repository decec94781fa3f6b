/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inventory of devices. Attributes are named as in a policy, with or
 * without "device.".
 */
#include "cli/cli.h"

/* ATTR=VALUE words as an object; "ATTR=" is null. NULL: told. */
static json_t *attributes(const struct cd_cli *cli, int n, char **words)
{
	json_t *into = json_object();

	for (int i = 0; i < n; i++) {
		struct cd_str value,
			key = cd_str_split(cd_str_from(words[i]), '=', &value);
		const char *name = words[i];

		if (!value.ptr || key.len == 0) {
			cd_cli_usage(cli, "'%s' is not ATTR=VALUE", words[i]);
			json_decref(into);
			return NULL;
		}
		words[i][key.len] = 0;
		if (!strncmp(name, "device.", 7))
			name += 7;
		if (json_object_get(into, name)) {
			cd_cli_usage(cli, "%s is given twice", name);
			json_decref(into);
			return NULL;
		}
		json_object_set_new(into, name,
				    value.len ? json_string(value.ptr) :
						json_null());
	}
	return into;
}

int cd_cmd_device_list(struct cd_cli *cli, int argc, char **argv)
{
	static const char *const titles[] = {"NAME", "OWNER", "ENROLLED",
					     "CREATED", NULL};
	static const char *const keys[] = {"name", "owner", "enrolled",
					   "created", NULL};

	return cd_cli_list_all(cli, argc, argv, "/v1/devices", titles, keys,
			       "none yet: cordon device add NAME");
}

int cd_cmd_device_show(struct cd_cli *cli, int argc, char **argv)
{
	return cd_cli_show(cli, argc, argv, "/v1/devices");
}

int cd_cmd_device_add(struct cd_cli *cli, int argc, char **argv)
{
	json_t *answer cd_auto(cd_cli_json_done) = NULL;
	const char *owner = NULL;
	const struct cd_cli_option options[] = {{"owner", "PERSON", &owner,
						 NULL, "whose it is"},
						{NULL, NULL, NULL, NULL, NULL}};
	json_t *attrs;
	int r = cd_cli_parse(cli, argc, argv, options, 1, 64, &argc);

	if (r >= 0)
		return r;
	attrs = attributes(cli, argc - 1, argv + 2);
	if (!attrs)
		return CD_EXIT_USAGE;
	r = cd_cli_call(cli, "POST", "/v1/devices",
			json_pack("{s:s, s:s*, s:o}", "name", argv[1], "owner",
				  owner, "attributes", attrs),
			&answer);
	return r ? r :
		   cd_cli_done(cli, answer,
			       "%s: added. Bind a browser to it: cordon device "
			       "enrol %s",
			       argv[1], argv[1]);
}

int cd_cmd_device_set(struct cd_cli *cli, int argc, char **argv)
{
	json_t *answer cd_auto(cd_cli_json_done) = NULL;
	json_t *attrs;
	int r = cd_cli_parse(cli, argc, argv, NULL, 2, 64, &argc);

	if (r >= 0)
		return r;
	attrs = attributes(cli, argc - 1, argv + 2);
	if (!attrs)
		return CD_EXIT_USAGE;
	r = cd_cli_call(cli, "PATCH",
			cd_cli_path("/v1/devices/%s/attributes", argv[1]).text,
			attrs, &answer);
	return r ? r :
		   cd_cli_done(cli, answer,
			       "%s: set; its live sessions are decided again",
			       argv[1]);
}

int cd_cmd_device_enrol(struct cd_cli *cli, int argc, char **argv)
{
	json_t *answer cd_auto(cd_cli_json_done) = NULL;
	int r = cd_cli_parse(cli, argc, argv, NULL, 1, 1, &argc);

	if (r >= 0)
		return r;
	r = cd_cli_call(cli, "POST",
			cd_cli_path("/v1/devices/%s/link", argv[1]).text,
			json_object(), &answer);
	if (r)
		return r;
	if (!cli->json)
		fprintf(stderr, "Open this once in the browser of %s:\n",
			argv[1]);
	return cd_cli_done(cli, answer, "%s", cd_cli_text(answer, "url"));
}

int cd_cmd_device_delete(struct cd_cli *cli, int argc, char **argv)
{
	return cd_cli_act(cli, argc, argv, "DELETE", "/v1/devices/", "",
			  "deleted");
}
