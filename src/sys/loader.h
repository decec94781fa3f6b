/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a policy refers to on this machine, for cd_policy_check() and
 * cd_policy_compile(): feed files, and time zones from the system's tzdata.
 * Feeds given by url are not here (CD_E_UNSUPPORTED): cordond fetches them.
 */
#ifndef CD_SYS_LOADER_H
#define CD_SYS_LOADER_H

#include <cordon/policy.h>

void cd_file_loader_init(struct cd_loader *ret_loader);

#endif
