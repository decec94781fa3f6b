/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Apps of the policy in force, and certificates.
 */
#include "cli/cli.h"

int cd_cmd_app_list(struct cd_cli *cli, int argc, char **argv)
{
	static const char *const titles[] = {"NAME", "KIND", "URL", "UPSTREAM",
					     NULL};
	static const char *const keys[] = {"name", "kind", "url", "upstreams",
					   NULL};

	return cd_cli_list_all(cli, argc, argv, "/v1/apps", titles, keys,
			       "the policy in force has no apps");
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
