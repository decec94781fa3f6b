// SPDX-License-Identifier: Apache-2.0
/*
 * cordond: the control plane.
 */
#include <cordon/version.h>

#include <stdio.h>
#include <string.h>

#include "controller/keys_main.h"

static const char usage[] = "usage: cordond --version | --help\n";

int main(int argc, char **argv)
{
	if (cd_keys_is_wanted(argc, argv))
		return cd_keys_main(argc, argv);
	if (argc == 2 && !strcmp(argv[1], "--version")) {
		printf("cordond %s\n", cd_version());
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "--help")) {
		fputs(usage, stdout);
		return 0;
	}
	fputs(usage, stderr);
	return 2;
}
