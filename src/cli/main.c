// SPDX-License-Identifier: Apache-2.0
/*
 * cordon: the administrator's command.
 */
#include <cordon/version.h>

#include <stdio.h>
#include <string.h>

#include "cli/up.h"

static const char usage[] = "usage: cordon --version | --help\n"
			    "       cordon up [--demo] [OPTION...]\n"
			    "       cordon demo code NAME\n";

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--version")) {
		printf("cordon %s\n", cd_version());
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "--help")) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc >= 2 && !strcmp(argv[1], "up"))
		return cd_cli_up(argc - 1, argv + 1);
	if (argc >= 2 && !strcmp(argv[1], "demo"))
		return cd_cli_demo(argc - 1, argv + 1);
	fputs(usage, stderr);
	return 2;
}
