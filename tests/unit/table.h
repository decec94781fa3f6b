/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the session table: a table in a folder of its own, and rows
 * that a test changes where it means something else.
 */
#ifndef TESTS_TABLE_H
#define TESTS_TABLE_H

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rng.h"
#include "shm/session_table.h"
#include "shm/table_layout.h"
#include "tap.h"

static char dir[64];
static char path[96];

static void scratch(void)
{
	strcpy(dir, "/tmp/cordon-table-XXXXXX");
	if (!mkdtemp(dir))
		abort();
	snprintf(path, sizeof(path), "%s/sessions", dir);
}

static void scratch_gone(void)
{
	char tmp[128];

	snprintf(tmp, sizeof(tmp), "%s.new", path);
	unlink(tmp);
	unlink(path);
	rmdir(dir);
}

static struct cd_table *table(uint32_t sessions, uint32_t subjects,
			      uint32_t devices)
{
	struct cd_table_limits l = {sessions, subjects, devices};
	struct cd_table *t = NULL;

	scratch();
	if (cd_table_create(path, &l, 0600, &t) || cd_table_publish(t))
		abort();
	return t;
}

static struct cd_table_map *reader(void)
{
	struct cd_table_map *m = NULL;

	if (cd_table_map(path, &m))
		abort();
	return m;
}

static void key_of(uint32_t n, uint8_t key[CD_SESSION_KEY_LEN])
{
	struct rng r = {n + 1};

	for (int i = 0; i < CD_SESSION_KEY_LEN; i += 8) {
		uint64_t v = rng_u64(&r);

		memcpy(key + i, &v, 8);
	}
}

static struct cd_subject_row subject(const char *name,
				     const struct cd_str *groups, uint32_t n)
{
	return (struct cd_subject_row){.name = cd_str_from(name),
				       .groups = groups,
				       .n_groups = n,
				       .risk = 1,
				       .best_factor = 2};
}

static struct cd_session_row session(uint32_t key, const char *user)
{
	struct cd_session_row row = {.id = key,
				     .subject = cd_str_from(user),
				     .app = CD_STR("payroll"),
				     .created = 1000,
				     .auth_time = 1000,
				     .expires = 5000,
				     .idle_limit = 600,
				     .last_seen = 1000,
				     .mfa_kind = 2,
				     .state = CD_SESSION_LIVE};

	key_of(key, row.key);
	return row;
}

#endif
