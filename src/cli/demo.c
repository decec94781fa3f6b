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

#include "cli/up.h"
#include "token/base64.h"
#include "token/totp.h"

#define LINE_MAX_BYTES 512

static int usage(FILE *to)
{
	fputs("usage: cordon demo code NAME [--run DIR]\n"
	      "       cordon demo password NAME [--run DIR]\n",
	      to);
	return to == stdout ? 0 : 2;
}

static int print_code(const char *base32)
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
	puts(code);
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

int cd_cli_demo(int argc, char **argv)
{
	const char *run = "/run/cordon-demo", *words[2] = {NULL, NULL};
	char password[65], base32[65];
	size_t n = 0;
	int err;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help"))
			return usage(stdout);
		if (!strcmp(argv[i], "--run") && i + 1 < argc)
			run = argv[++i];
		else if (n < 2 && argv[i][0] != '-')
			words[n++] = argv[i];
		else
			return usage(stderr);
	}
	if (n != 2 || strlen(run) > 200 ||
	    (strcmp(words[0], "code") && strcmp(words[0], "password")))
		return usage(stderr);
	err = look_up(run, words[1], password, base32);
	if (!err && !strcmp(words[0], "code"))
		err = print_code(base32);
	else if (!err)
		puts(password);
	cd_wipe(base32, sizeof(base32));
	cd_wipe(password, sizeof(password));
	return err;
}
