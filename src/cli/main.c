// SPDX-License-Identifier: Apache-2.0
/*
 * cordon: the administrator's command.
 */
#include "cli/cli.h"

int main(int argc, char **argv)
{
	return cd_cli_main(argc, argv);
}
