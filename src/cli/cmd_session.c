/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions: who is in, and how to put them out.
 */
#include "cli/cli.h"

int cd_cmd_session_list(struct cd_cli *cli, int argc, char **argv)
{
	static const char *const titles[] = {"ID",   "USER",	"KIND",
					     "APP",  "DEVICE",	"ADDRESS",
					     "SEEN", "CREATED", "EXPIRES",
					     "2ND",  NULL};
	static const char *const keys[] = {"id",       "user",	  "kind",
					   "app",      "device",  "addr",
					   "seen",     "created", "expires",
					   "mfa_kind", NULL};
	const char *user = NULL, *app = NULL;
	const struct cd_cli_option options[] = {
		{"user", "NAME", &user, NULL, "only of this person"},
		{"app", "NAME", &app, NULL, "only to this app"},
		{NULL, NULL, NULL, NULL, NULL}};
	struct cd_cli_path path = cd_cli_path("/v1/sessions");
	int r = cd_cli_parse(cli, argc, argv, options, 0, 0, &argc);

	if (r >= 0)
		return r;
	if (user && app)
		path = cd_cli_path("/v1/sessions?user=%s&app=%s", user, app);
	else if (user)
		path = cd_cli_path("/v1/sessions?user=%s", user);
	else if (app)
		path = cd_cli_path("/v1/sessions?app=%s", app);
	return cd_cli_list(cli, path.text, titles, keys, "nobody is signed in");
}

static int revoke_ids(struct cd_cli *cli, int n, char **ids)
{
	for (int i = 0; i < n; i++) {
		int r = cd_cli_call(cli, "DELETE",
				    cd_cli_path("/v1/sessions/%s", ids[i]).text,
				    NULL, NULL);

		if (r)
			return r;
	}
	return cd_cli_done(cli, NULL, "%d revoked", n);
}

int cd_cmd_session_revoke(struct cd_cli *cli, int argc, char **argv)
{
	json_t *answer cd_auto(cd_cli_json_done) = NULL;
	const char *user = NULL, *app = NULL, *device = NULL;
	const struct cd_cli_option options[] = {
		{"user", "NAME", &user, NULL, "all of this person"},
		{"app", "NAME", &app, NULL, "all to this app"},
		{"device", "NAME", &device, NULL, "all of this device"},
		{NULL, NULL, NULL, NULL, NULL}};
	int r = cd_cli_parse(cli, argc, argv, options, 0, 1000, &argc);

	if (r >= 0)
		return r;
	if ((argc > 0) == (user || app || device))
		return cd_cli_usage(cli, "say which: by ID (cordon session "
					 "list), or --user, --app, --device");
	if (argc > 0)
		return revoke_ids(cli, argc, argv + 1);
	r = cd_cli_call(cli, "POST", "/v1/sessions/revoke",
			json_pack("{s:s*, s:s*, s:s*}", "user", user, "app",
				  app, "device", device),
			&answer);
	return r ? r :
		   cd_cli_done(cli, answer, "%s revoked",
			       cd_cli_text(answer, "revoked"));
}
