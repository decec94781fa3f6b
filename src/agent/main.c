// SPDX-License-Identifier: Apache-2.0
/*
 * cordon-agent: one per host; takes bundles and publishes snapshots.
 */
#include <cordon/version.h>

#include <stdio.h>
#include <string.h>

static const char usage[] = "usage: cordon-agent --version | --help\n";

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--version")) {
		printf("cordon-agent %s\n", cd_version());
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "--help")) {
		fputs(usage, stdout);
		return 0;
	}
	fputs(usage, stderr);
	return 2;
}
