/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving up root for good: for programs that bind a socket or make a folder
 * first and then need no privilege any more.
 */
#ifndef CD_SYS_DROP_H
#define CD_SYS_DROP_H

#include <sys/types.h>

#include "base/str.h"

#define CD_IDS_GROUPS_MAX 8

struct cd_ids {
	uid_t uid;
	gid_t gid;
	gid_t groups[CD_IDS_GROUPS_MAX];
	size_t n_groups;
};

/* "UID:GID" or "UID:GID,GID...": numbers, or names of users and groups; root
 * is refused. -EINVAL, CD_E_NOTFOUND (a name that the system lacks). */
int cd_ids_parse(struct cd_str text, struct cd_ids *ret);

/* Real, effective and saved ids, exactly these groups, no capabilities, no
 * new privileges, no core dump, not traceable by the new user. Keeps the
 * parent-death signal that a supervisor set. Verifies that there is no way
 * back; any failure is an error and the process should end. */
int cd_ids_drop(const struct cd_ids *ids);
/* The same restrictions without a change of user. */
int cd_process_harden(void);

#endif
