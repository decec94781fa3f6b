/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Apps of the policy in force with the health of their servers, and
 * certificates.
 */
#include "cli/cli.h"

/* "ok", "not known yet", or what the first unhealthy server suffers from. */
static void put_health(struct cd_cli_table *t, const json_t *servers)
{
	size_t i, down = 0, known = 0;
	const json_t *server, *worst = NULL;
	char text[600], name[320];

	json_array_foreach(servers, i, server)
	{
		const json_t *healthy = json_object_get(server, "healthy");

		known += healthy != NULL;
		down += json_is_false(healthy);
		if (json_is_false(healthy) && !worst)
			worst = server;
	}
	if (worst)
		snprintf(text, sizeof(text), "%zu of %zu down: %s, %s", down,
			 json_array_size(servers),
			 cd_cli_server(worst, name, sizeof(name)),
			 cd_cli_text(worst, "detail"));
	else
		snprintf(text, sizeof(text), "%s",
			 !json_array_size(servers) ? "" :
			 known			   ? "ok" :
						     "not known yet");
	cd_cli_cell(t, text);
}

static void put_app(struct cd_cli_table *t, const json_t *app)
{
	static const char *const keys[] = {"name", "kind", "url", "upstreams"};

	for (size_t i = 0; i < CD_ARRAY_SIZE(keys); i++)
		cd_cli_cell_json(t, json_object_get(app, keys[i]));
	put_health(t, json_object_get(app, "servers"));
}

int cd_cmd_app_list(struct cd_cli *cli, int argc, char **argv)
{
	static const char *const titles[] = {"NAME",	 "KIND",   "URL",
					     "UPSTREAM", "HEALTH", NULL};
	json_t *answer cd_auto(cd_cli_json_done) = NULL;
	struct cd_cli_table t;
	json_t *app;
	size_t i;
	int r = cd_cli_parse(cli, argc, argv, NULL, 0, 0, &argc);

	if (r >= 0)
		return r;
	r = cd_cli_call(cli, "GET", "/v1/apps", NULL, &answer);
	if (r)
		return r;
	if (cli->json) {
		cd_cli_print_json(answer);
		return CD_EXIT_DONE;
	}
	cd_cli_table_init(&t, titles);
	json_array_foreach(json_object_get(answer, "items"), i, app)
		put_app(&t, app);
	cd_cli_table_print(&t, "the policy in force has no apps");
	cd_cli_table_done(&t);
	return CD_EXIT_DONE;
}

int cd_cmd_cert_list(struct cd_cli *cli, int argc, char **argv)
{
	static const char *const titles[] = {"NAME", "ISSUED", "FOR", NULL};
	static const char *const keys[] = {"name", "issued", "agent", NULL};

	return cd_cli_list_all(cli, argc, argv, "/v1/certs", titles, keys,
			       "none yet");
}

int cd_cmd_cert_ca(struct cd_cli *cli, int argc, char **argv)
{
	struct cd_buf pem = {.max = 0};
	int r = cd_cli_parse(cli, argc, argv, NULL, 0, 0, &argc);

	if (r >= 0)
		return r;
	r = cd_cli_fetch(cli, "/v1/certs/ca.pem", 0, &pem);
	if (r)
		return r;
	if (cli->json) {
		json_t *json =
			json_pack("{s:s#}", "pem", pem.data, (int)pem.len);

		cd_cli_print_json(json);
		json_decref(json);
	} else {
		fwrite(pem.data, 1, pem.len, stdout);
	}
	cd_buf_done(&pem);
	return CD_EXIT_DONE;
}
