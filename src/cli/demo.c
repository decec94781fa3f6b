// SPDX-License-Identifier: Apache-2.0
/*
 * `cordon demo code NAME`: the second factor of a demo account, right now.
 * Reads what the running demo left for root in run/demo/accounts; there is
 * no such file in an installation.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/up.h"
#include "token/base64.h"
#include "token/totp.h"

#define LINE_MAX_BYTES 512

static void print_value(const struct cd_cli *cli, const char *name,
			const char *value)
{
	json_t *json;

	if (!cli->json) {
		puts(value);
		return;
	}
	json = json_pack("{s:s}", name, value);
	cd_cli_print_json(json);
	json_decref(json);
}

static int print_code(const struct cd_cli *cli, const char *base32)
{
	struct cd_buf key cd_auto(cd_buf_done);
	struct cd_secret *secret cd_auto(cd_secret_free) = NULL;
	char code[CD_TOTP_DIGITS + 1];
	time_t now = time(NULL);

	cd_buf_init(&key, 64);
	if (cd_base32_decode(cd_str_from(base32), &key) < 0 ||
	    cd_secret_from(cd_buf_get(&key), &secret) < 0 ||
	    cd_totp_code(secret, (uint64_t)now / CD_TOTP_STEP, code) < 0) {
		fputs("cordon demo: the account's secret does not parse\n",
		      stderr);
		return 1;
	}
	print_value(cli, "code", code);
	if (isatty(2))
		fprintf(stderr, "the next one in %d s\n",
			CD_TOTP_STEP - (int)(now % CD_TOTP_STEP));
	return 0;
}

/* Finds the line of `name`: "alice PASSWORD BASE32". */
static int look_up(const char *run, const char *name, char *password,
		   char *base32)
{
	char path[PATH_MAX], line[LINE_MAX_BYTES], who[65];
	bool found = false;
	FILE *f;

	up_path(path, run, "demo/accounts");
	f = fopen(path, "re");
	if (!f) {
		fprintf(stderr, errno == EACCES ?
					"cordon demo: needs root\n" :
					"cordon demo: no demo runs here\n");
		return errno == EACCES ? 1 : 3;
	}
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%64s %64s %64s", who, password, base32) ==
				3 &&
			!strcmp(who, name);
	fclose(f);
	cd_wipe(line, sizeof(line));
	if (!found)
		fprintf(stderr, "cordon demo: no demo account '%s'\n", name);
	return found ? 0 : 1;
}

int cd_cmd_demo(struct cd_cli *cli, int argc, char **argv)
{
	char password[65], base32[65];
	const char *run;
	bool code;
	int r = cd_cli_parse(cli, argc, argv, NULL, 2, 2, &argc);

	if (r >= 0)
		return r;
	code = !strcmp(argv[1], "code");
	run = cli->run ? cli->run : "/run/cordon-demo";
	if (strlen(run) > 200 || (!code && strcmp(argv[1], "password") != 0))
		return cd_cli_usage(cli, "code or password?");
	r = look_up(run, argv[2], password, base32);
	if (!r && code)
		r = print_code(cli, base32);
	else if (!r)
		print_value(cli, "password", password);
	cd_wipe(base32, sizeof(base32));
	cd_wipe(password, sizeof(password));
	return r;
}
