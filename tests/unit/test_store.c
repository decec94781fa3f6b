/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store: statements, transactions, schema steps, and what it says when
 * the disk is full or the database is somebody else's.
 */
#include "tap.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/store.h"

static const struct cd_migration steps[] = {
	{1, "first", "CREATE TABLE t(k TEXT PRIMARY KEY, v BLOB);"},
	{2, "second", "CREATE TABLE u(n INTEGER);"},
	{3, "broken", "CREATE TABLE u(n INTEGER);"},
};

static char dir[64];

static const char *fresh(void)
{
	static char path[96];

	snprintf(dir, sizeof(dir), "/tmp/cordon-store.XXXXXX");
	cd_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/state.db", dir);
	return path;
}

static void gone(void)
{
	static const char *const names[] = {"", "-wal", "-shm", "-journal"};
	char path[128];
	size_t i;

	for (i = 0; i < CD_ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/state.db%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

TEST(values_come_back)
{
	struct cd_store *store cd_auto(cd_store_close) = NULL;
	struct cd_query q cd_auto(cd_query_done) = {0};
	static const char bytes[] = "a\0b";
	struct stat st;
	const char *path = fresh();

	ok_eq_int(cd_store_open(path, steps, 2, NULL, &store), 0);
	ok_eq_int(cd_store_run(store, "INSERT INTO t VALUES(?1, ?2)", "sb",
			       CD_STR("key"), cd_str_make(bytes, 3)),
		  1);
	ok_eq_int(cd_store_run(store, "INSERT INTO t VALUES(?1, ?2)", "sn",
			       CD_STR("none")),
		  1);
	ok_eq_int(cd_query_start(&q, store, "SELECT v FROM t WHERE k = ?1", "z",
				 "key"),
		  0);
	ok_eq_int(cd_query_step(&q), 1);
	ok_mem(cd_query_str(&q, 0).ptr, cd_query_str(&q, 0).len, bytes, 3);
	ok_eq_int(cd_query_step(&q), 0);
	ok_eq_int(stat(path, &st), 0);
	ok_eq_uint(st.st_mode & 0777, 0600);
	gone();
}

TEST(one_text_open_twice)
{
	struct cd_store *store cd_auto(cd_store_close) = NULL;
	static const char sql[] = "SELECT n FROM u ORDER BY n";
	int i, seen = 0;

	ok_eq_int(cd_store_open(fresh(), steps, 2, NULL, &store), 0);
	for (i = 0; i < 4; i++)
		cd_store_run(store, "INSERT INTO u VALUES(?1)", "i",
			     (int64_t)i);
	for (i = 0; i < 2; i++) { /* the second round finds it cached */
		struct cd_query a cd_auto(cd_query_done) = {0};

		ok_eq_int(cd_query_start(&a, store, sql, ""), 0);
		while (cd_query_step(&a) == 1) {
			struct cd_query b cd_auto(cd_query_done) = {0};

			ok_eq_int(cd_query_start(&b, store, sql, ""), 0);
			while (cd_query_step(&b) == 1)
				seen++;
		}
	}
	ok_eq_int(seen, 32);
	gone();
}

TEST(transactions)
{
	struct cd_store *store cd_auto(cd_store_close) = NULL;
	int64_t n = -1;

	ok_eq_int(cd_store_open(fresh(), steps, 2, NULL, &store), 0);
	ok_eq_int(cd_store_begin(store), 0);
	ok_true(cd_store_in_transaction(store));
	cd_store_run(store, "INSERT INTO u VALUES(1)", "");
	cd_store_rollback(store);
	cd_store_rollback(store);
	ok_eq_int(cd_store_int(store, &n, "SELECT count(*) FROM u", ""), 0);
	ok_eq_int(n, 0);
	ok_eq_int(cd_store_begin(store), 0);
	cd_store_run(store, "INSERT INTO u VALUES(1)", "");
	ok_eq_int(cd_store_commit(store), 0);
	ok_eq_int(cd_store_int(store, &n, "SELECT count(*) FROM u", ""), 0);
	ok_eq_int(n, 1);
	ok_eq_int(cd_store_int(store, &n, "SELECT n FROM u WHERE n = 9", ""),
		  CD_E_NOTFOUND);
	gone();
}

TEST(constraint)
{
	struct cd_store *store cd_auto(cd_store_close) = NULL;
	static const char sql[] = "INSERT INTO t VALUES(?1, NULL)";

	ok_eq_int(cd_store_open(fresh(), steps, 1, NULL, &store), 0);
	ok_eq_int(cd_store_run(store, sql, "z", "a"), 1);
	ok_eq_int(cd_store_run(store, sql, "z", "a"), -EEXIST);
	ok_eq_int(cd_store_run(store, sql, "z", "b"), 1);
	gone();
}

TEST(steps_run_once_and_in_order)
{
	struct cd_store *store = NULL;
	const char *path = fresh();
	int64_t n = 0;

	ok_eq_int(cd_store_open(path, steps, 1, NULL, &store), 0);
	cd_store_run(store, "INSERT INTO t VALUES('kept', NULL)", "");
	cd_store_close(&store);
	ok_eq_int(cd_store_open(path, steps, 2, NULL, &store), 0);
	ok_eq_int(cd_store_int(store, &n, "SELECT max(number) FROM migration",
			       ""),
		  0);
	ok_eq_int(n, 2);
	ok_eq_int(cd_store_int(store, &n, "SELECT count(*) FROM t", ""), 0);
	ok_eq_int(n, 1);
	cd_store_close(&store);
	gone();
}

TEST(a_broken_step_changes_nothing)
{
	struct cd_diag *diag cd_auto(cd_diag_free) = NULL;
	struct cd_store *store = NULL;
	const char *path = fresh();
	int64_t n = 0;

	ok_eq_int(cd_diag_new(&diag), 0);
	ok_eq_int(cd_store_open(path, steps, 1, NULL, &store), 0);
	cd_store_close(&store);
	ok_true(cd_store_open(path, steps, 3, diag, &store) < 0);
	ok_eq_uint(cd_diag_errors(diag), 1);
	ok_true(strstr(cd_diag_get(diag, 0)->text, "step 3 (broken)"));
	ok_eq_int(cd_store_open(path, steps, 1, NULL, &store), 0);
	ok_eq_int(cd_store_int(store, &n, "SELECT max(number) FROM migration",
			       ""),
		  0);
	ok_eq_int(n, 1);
	cd_store_close(&store);
	gone();
}

TEST(a_newer_database_is_refused)
{
	struct cd_diag *diag cd_auto(cd_diag_free) = NULL;
	struct cd_store *store = NULL;
	const char *path = fresh();

	ok_eq_int(cd_diag_new(&diag), 0);
	ok_eq_int(cd_store_open(path, steps, 2, NULL, &store), 0);
	cd_store_close(&store);
	ok_eq_int(cd_store_open(path, steps, 1, diag, &store), CD_E_VERSION);
	ok_true(strstr(cd_diag_get(diag, 0)->text,
		       "newer Cordon: schema 2, this program knows 1"));
	gone();
}

TEST(not_a_database)
{
	struct cd_diag *diag cd_auto(cd_diag_free) = NULL;
	struct cd_store *store = NULL;
	const char *path = fresh();
	FILE *f = fopen(path, "w");

	ok_eq_int(cd_diag_new(&diag), 0);
	fputs("this is a file of text and nothing that SQLite wrote\n", f);
	fclose(f);
	ok_eq_int(cd_store_open(path, steps, 2, diag, &store), CD_E_CORRUPT);
	ok_eq_uint(cd_diag_errors(diag), 1);
	gone();
}

/* Fills a 512 KiB file system; what was committed before stays readable, and
 * writing goes on once there is room. */
TEST(full_disk)
{
	struct cd_store *store cd_auto(cd_store_close) = NULL;
	char *big cd_auto(cd_freep) = calloc(1, 65536);
	int64_t acknowledged = 0, n = 0, r = 0;
	const char *path = fresh();

	if (mount("none", dir, "tmpfs", 0, "size=512k") < 0) {
		skip("no permission to mount a tmpfs");
		gone();
		return;
	}
	ok_eq_int(cd_store_open(path, steps, 2, NULL, &store), 0);
	while (r >= 0 && acknowledged < 1000) {
		r = cd_store_begin(store);
		if (!r)
			r = cd_store_run(store, "INSERT INTO t VALUES(?1, ?2)",
					 "ib", acknowledged,
					 cd_str_make(big, 65536));
		if (r < 0)
			cd_store_rollback(store);
		else if (!(r = cd_store_commit(store)))
			acknowledged++;
	}
	note("%d rows fitted, then: %d", (int)acknowledged, (int)r);
	ok_eq_int(r, -ENOSPC);
	ok_true(acknowledged > 0);
	ok_false(cd_store_in_transaction(store));
	ok_eq_int(cd_store_int(store, &n, "SELECT count(*) FROM t", ""), 0);
	ok_eq_int(n, acknowledged);
	ok_eq_int(mount("none", dir, "tmpfs", MS_REMOUNT, "size=2m"), 0);
	ok_eq_int(cd_store_run(store, "INSERT INTO t VALUES('after', NULL)",
			       ""),
		  1);
	cd_store_close(&store);
	ok_eq_int(umount(dir), 0);
	gone();
}

/* A writer is killed without warning; every commit it reported is there. */
TEST(kill_keeps_what_was_acknowledged)
{
	struct cd_store *store cd_auto(cd_store_close) = NULL;
	const char *path = fresh();
	int64_t last = -1, n = 0, i;
	int fd[2], status;
	pid_t pid;

	ok_eq_int(pipe(fd), 0);
	pid = fork();
	if (!pid) {
		cd_store_open(path, steps, 2, NULL, &store);
		for (i = 0;; i++) {
			if (cd_store_run(store, "INSERT INTO u VALUES(?1)", "i",
					 i) != 1 ||
			    write(fd[1], &i, sizeof(i)) != sizeof(i))
				_exit(1);
		}
	}
	close(fd[1]);
	while (last < 50 && read(fd[0], &last, sizeof(last)) == sizeof(last))
		;
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	ok_true(WIFSIGNALED(status));
	while (read(fd[0], &n, sizeof(n)) == sizeof(n))
		last = n;
	close(fd[0]);
	ok_true(last >= 50);
	ok_eq_int(cd_store_open(path, steps, 2, NULL, &store), 0);
	ok_eq_int(cd_store_int(store, &n,
			       "SELECT count(*) FROM u WHERE n <= ?1", "i",
			       last),
		  0);
	ok_eq_int(n, last + 1);
	gone();
}
