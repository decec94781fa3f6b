/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feeds of the policy in force.
 */
#include "cli/cli.h"

static const char *const titles[] = {"NAME",	"STATE",   "ENTRIES",
				     "CHECKED", "CHANGED", "LOCATION",
				     "ERROR",	NULL};
static const char *const keys[] = {"name",    "state",	  "entries", "checked",
				   "changed", "location", "error",   NULL};

int cd_cmd_feed_list(struct cd_cli *cli, int argc, char **argv)
{
	return cd_cli_list_all(cli, argc, argv, "/v1/feeds", titles, keys,
			       "the policy in force has no feeds");
}

int cd_cmd_feed_refresh(struct cd_cli *cli, int argc, char **argv)
{
	json_t *answer cd_auto(cd_cli_json_done) = NULL;
	int r = cd_cli_parse(cli, argc, argv, NULL, 0, 1, &argc);

	if (r >= 0)
		return r;
	r = cd_cli_call(cli, "POST", "/v1/feeds/refresh",
			json_pack("{s:s*}", "name", argc ? argv[1] : NULL),
			&answer);
	return r ? r :
		   cd_cli_done(cli, answer, "asked for; see: cordon feed list");
}
