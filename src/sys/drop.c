/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups first, then gid, then uid: each step needs the privilege that the
 * last one takes away. A change of ids clears the parent-death signal, so it
 * is set again, and the race with a parent that died meanwhile is closed by
 * looking at the parent afterwards.
 */
#include "sys/drop.h"

#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define NAME_MAX_LEN 64

static int parse_id(struct cd_str s, bool group, uint32_t *ret)
{
	char name[NAME_MAX_LEN];
	uint64_t n;

	if (cd_str_parse_u64(s, &n) == 0) {
		*ret = (uint32_t)n;
		return n > 0 && n < UINT32_MAX ? 0 : -EINVAL;
	}
	if (s.len == 0 || s.len >= sizeof(name))
		return -EINVAL;
	memcpy(name, s.ptr, s.len);
	name[s.len] = 0;
	if (group) {
		const struct group *g = getgrnam(name);

		n = g ? g->gr_gid : 0;
	} else {
		const struct passwd *p = getpwnam(name);

		n = p ? p->pw_uid : 0;
	}
	*ret = (uint32_t)n;
	return n ? 0 : CD_E_NOTFOUND;
}

int cd_ids_parse(struct cd_str text, struct cd_ids *ret)
{
	struct cd_str rest, first = cd_str_split(text, ':', &rest);
	struct cd_ids ids = {0};
	int r = parse_id(first, false, &ids.uid);

	if (r == 0)
		r = parse_id(cd_str_split(rest, ',', &rest), true, &ids.gid);
	for (; r == 0 && rest.ptr; ids.n_groups++) {
		if (ids.n_groups == CD_IDS_GROUPS_MAX)
			return -EINVAL;
		r = parse_id(cd_str_split(rest, ',', &rest), true,
			     &ids.groups[ids.n_groups]);
	}
	if (r == 0)
		*ret = ids;
	return r;
}

int cd_process_harden(void)
{
	struct rlimit none = {0, 0};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    setrlimit(RLIMIT_CORE, &none) < 0)
		return -errno;
	return 0;
}

int cd_ids_drop(const struct cd_ids *ids)
{
	pid_t parent = getppid();
	int death_signal = 0;

	if (ids->uid == 0 || ids->gid == 0)
		return -EINVAL;
	prctl(PR_GET_PDEATHSIG, &death_signal, 0, 0, 0);
	if (setgroups(ids->n_groups, ids->groups) < 0 ||
	    setresgid(ids->gid, ids->gid, ids->gid) < 0 ||
	    setresuid(ids->uid, ids->uid, ids->uid) < 0)
		return -errno;
	if (setuid(0) == 0 || setgid(0) == 0)
		return -EPERM;
	if (death_signal) {
		prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0);
		if (getppid() != parent)
			raise(death_signal);
	}
	return cd_process_harden();
}
