// SPDX-License-Identifier: Apache-2.0
/* The control page: outlives its writer, and nothing else passes for one. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shm/control.h"
#include "tap.h"

TEST(readers_see_what_the_writer_counts)
{
	char path[] = "/tmp/cordon-control-XXXXXX";
	const struct cd_control *r = NULL;
	struct cd_control *w = NULL, *again = NULL;
	struct stat st;
	uint32_t version = 99;
	int fd = mkstemp(path);

	close(fd);
	ok_eq_int(cd_control_map(path, &r), CD_E_CORRUPT);
	unlink(path);
	ok_eq_int(cd_control_map(path, &r), -ENOENT);
	ok_eq_int(cd_control_create(path, 0644, &w), 0);
	ok_eq_int(stat(path, &st), 0);
	ok_eq_uint(st.st_mode & 07777, 0644);
	ok_eq_int(cd_control_map(path, &r), 0);
	cd_control_bump(&w->policy_gen);
	cd_control_bump(&w->change_gen);
	cd_control_bump(&w->change_gen);
	ok_eq_uint(cd_control_read(&r->policy_gen), 1);
	ok_eq_uint(cd_control_read(&r->change_gen), 2);
	/* the next agent goes on counting on the same page */
	cd_control_unmap(&w);
	ok_eq_int(cd_control_create(path, 0644, &again), 0);
	cd_control_bump(&again->change_gen);
	ok_eq_uint(cd_control_read(&r->change_gen), 3);
	cd_control_unmap_const(&r);
	again->version = version;
	ok_eq_int(cd_control_map(path, &r), CD_E_VERSION);
	cd_control_unmap(&again);
	unlink(path);
}
