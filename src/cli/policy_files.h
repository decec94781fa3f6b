/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policy files of the command line: read, named in messages, shown with the
 * line they are about.
 */
#ifndef CD_CLI_POLICY_FILES_H
#define CD_CLI_POLICY_FILES_H

#include <cordon/policy.h>

#include "cli/cli.h"

struct cd_policy_files {
	struct cd_source *sources; /* names and texts are owned */
	size_t n;
};

/* Reads what paths name: files, "-" for standard input, or folders, of which
 * every *.cordon by name. n 0: /etc/cordon/policy. An exit code, 0 when all
 * was read; the message was told. */
int cd_policy_files_read(struct cd_cli *cli, char **paths, size_t n,
			 struct cd_policy_files *ret);
void cd_policy_files_done(struct cd_policy_files *f);

/* Every message in the order of files and lines, on standard error:
 * file:line:col: error: text, the line, and a caret below the place. */
void cd_policy_files_show(const struct cd_policy_files *f,
			  const struct cd_diag *diag);
/* The same as a JSON array. */
json_t *cd_policy_files_json(const struct cd_policy_files *f,
			     const struct cd_diag *diag);

#endif
