/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a policy refers to on this machine, for cd_policy_check() and
 * cd_policy_compile(): feed files, and time zones from the system's tzdata.
 * A feed given by url is looked up in a folder where a fetcher keeps copies.
 */
#ifndef CD_SYS_LOADER_H
#define CD_SYS_LOADER_H

#include <cordon/policy.h>

struct cd_file_loader {
	struct cd_loader loader; /* hand &this.loader to the compiler */
	const char *feeds; /* folder of fetched feeds, or NULL */
};

/* feeds: borrowed while the loader is used. */
void cd_file_loader_init(struct cd_file_loader *l, const char *feeds);

#endif
