/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single-use links: one redemption of many in parallel wins, each with a
 * connection of its own to the same database; expiry, replacement, kinds.
 */
#include "tap.h"

#include <pthread.h>
#include <unistd.h>

#include "controller/link.h"
#include "controller/schema.h"

enum { RACERS = 100, NOW = 1000000 };

static char dir[64], path[96];

static struct cd_store *fresh(void)
{
	struct cd_store *store = NULL;

	snprintf(dir, sizeof(dir), "/tmp/cordon-link.XXXXXX");
	cd_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/state.db", dir);
	cd_assert(!cd_store_open(path, cd_schema_steps, cd_schema_steps_count,
				 NULL, &store));
	cd_store_run(store,
		     "INSERT INTO person(id, name, created)"
		     " VALUES(7, 'alice', 1), (8, 'bob', 1)",
		     "");
	cd_store_run(store,
		     "INSERT INTO device(id, name, created)"
		     " VALUES(7, 'laptop', 1)",
		     "");
	return store;
}

static void gone(void)
{
	static const char *const names[] = {"", "-wal", "-shm"};
	char file[128];
	size_t i;

	for (i = 0; i < CD_ARRAY_SIZE(names); i++) {
		snprintf(file, sizeof(file), "%s%s", path, names[i]);
		unlink(file);
	}
	rmdir(dir);
}

static int make(struct cd_store *store, enum cd_link_kind kind, int64_t target,
		int64_t life, struct cd_secret **token)
{
	struct cd_link link = {kind, target, NOW + life};
	int r = cd_store_begin(store);

	if (!r)
		r = cd_link_create(store, &link, NOW, token);
	if (!r)
		return cd_store_commit(store);
	cd_store_rollback(store);
	return r;
}

static int redeem(struct cd_store *store, enum cd_link_kind kind,
		  struct cd_str token, int64_t now, int64_t *target)
{
	int r = cd_store_begin(store);

	if (!r)
		r = cd_link_redeem(store, kind, token, now, target);
	if (!r)
		return cd_store_commit(store);
	cd_store_rollback(store);
	return r;
}

TEST(works_once)
{
	struct cd_store *store cd_auto(cd_store_close) = fresh();
	struct cd_secret *token cd_auto(cd_secret_free) = NULL;
	int64_t target = 0;
	struct cd_str t;

	ok_eq_int(make(store, CD_LINK_SETUP, 7, 60, &token), 0);
	t = cd_secret_reveal(token);
	ok_eq_int(cd_link_peek(store, CD_LINK_SETUP, t, NOW, &target), 0);
	ok_eq_int(target, 7);
	ok_eq_int(cd_link_peek(store, CD_LINK_SETUP, t, NOW, &target), 0);
	ok_eq_int(redeem(store, CD_LINK_SETUP, t, NOW, &target), 0);
	ok_eq_int(target, 7);
	ok_eq_int(redeem(store, CD_LINK_SETUP, t, NOW, &target), CD_E_NOTFOUND);
	ok_eq_int(cd_link_peek(store, CD_LINK_SETUP, t, NOW, &target),
		  CD_E_NOTFOUND);
	gone();
}

TEST(a_rolled_back_redemption_can_be_repeated)
{
	struct cd_store *store cd_auto(cd_store_close) = fresh();
	struct cd_secret *token cd_auto(cd_secret_free) = NULL;
	int64_t target = 0;
	struct cd_str t;

	ok_eq_int(make(store, CD_LINK_SETUP, 7, 60, &token), 0);
	t = cd_secret_reveal(token);
	ok_eq_int(cd_store_begin(store), 0);
	ok_eq_int(cd_link_redeem(store, CD_LINK_SETUP, t, NOW, &target), 0);
	cd_store_rollback(store);
	ok_eq_int(redeem(store, CD_LINK_SETUP, t, NOW, &target), 0);
	gone();
}

TEST(ends_on_time)
{
	struct cd_store *store cd_auto(cd_store_close) = fresh();
	struct cd_secret *token cd_auto(cd_secret_free) = NULL;
	int64_t target = 0;
	struct cd_str t;

	ok_eq_int(make(store, CD_LINK_SETUP, 7, 0, &token), -EINVAL);
	ok_eq_int(make(store, CD_LINK_SETUP, 7, CD_LINK_LIFE_MAX + 1, &token),
		  -EINVAL);
	ok_eq_int(make(store, CD_LINK_SETUP, 7, 60, &token), 0);
	t = cd_secret_reveal(token);
	ok_eq_int(redeem(store, CD_LINK_SETUP, t, NOW + 60, &target),
		  CD_E_NOTFOUND);
	ok_eq_int(redeem(store, CD_LINK_SETUP, t, NOW + 59, &target), 0);
	gone();
}

TEST(a_new_link_replaces_the_old)
{
	struct cd_store *store cd_auto(cd_store_close) = fresh();
	struct cd_secret *a cd_auto(cd_secret_free) = NULL;
	struct cd_secret *b cd_auto(cd_secret_free) = NULL;
	struct cd_secret *other cd_auto(cd_secret_free) = NULL;
	struct cd_secret *device cd_auto(cd_secret_free) = NULL;
	int64_t target = 0;

	ok_eq_int(make(store, CD_LINK_SETUP, 8, 60, &other), 0);
	ok_eq_int(make(store, CD_LINK_DEVICE, 7, 60, &device), 0);
	ok_eq_int(make(store, CD_LINK_SETUP, 7, 60, &a), 0);
	ok_eq_int(make(store, CD_LINK_SETUP, 7, 60, &b), 0);
	ok_eq_int(redeem(store, CD_LINK_SETUP, cd_secret_reveal(a), NOW,
			 &target),
		  CD_E_NOTFOUND);
	ok_eq_int(redeem(store, CD_LINK_SETUP, cd_secret_reveal(b), NOW,
			 &target),
		  0);
	/* Those of others, and of a device with the same number, stay. */
	ok_eq_int(redeem(store, CD_LINK_SETUP, cd_secret_reveal(other), NOW,
			 &target),
		  0);
	ok_eq_int(target, 8);
	ok_eq_int(redeem(store, CD_LINK_SETUP, cd_secret_reveal(device), NOW,
			 &target),
		  CD_E_NOTFOUND);
	ok_eq_int(redeem(store, CD_LINK_DEVICE, cd_secret_reveal(device), NOW,
			 &target),
		  0);
	gone();
}

TEST(the_token_is_not_in_the_database)
{
	struct cd_store *store = fresh();
	struct cd_secret *token cd_auto(cd_secret_free) = NULL;
	char command[256];
	struct cd_str t;
	char *bytes cd_auto(cd_freep) = calloc(1, 1 << 20);
	size_t n;
	FILE *f;

	ok_eq_int(make(store, CD_LINK_SETUP, 7, 60, &token), 0);
	t = cd_secret_reveal(token);
	cd_store_close(&store); /* the WAL is in the file now */
	snprintf(command, sizeof(command), "%s", path);
	f = fopen(command, "r");
	n = fread(bytes, 1, 1 << 20, f);
	fclose(f);
	ok_true(n > 4096);
	ok_true(memmem(bytes, n, "alice", 5) != NULL);
	ok_true(memmem(bytes, n, t.ptr, t.len) == NULL);
	gone();
}

TEST(garbage_is_refused)
{
	struct cd_store *store cd_auto(cd_store_close) = fresh();
	int64_t target = 0;

	ok_eq_int(redeem(store, CD_LINK_SETUP, CD_STR(""), NOW, &target),
		  CD_E_NOTFOUND);
	ok_eq_int(redeem(store, CD_LINK_SETUP, CD_STR("' OR 1=1 --"), NOW,
			 &target),
		  CD_E_NOTFOUND);
	ok_eq_int(redeem(store, CD_LINK_SETUP, CD_STR_NULL, NOW, &target),
		  CD_E_NOTFOUND);
	gone();
}

struct racer {
	pthread_t thread;
	struct cd_str token;
	pthread_barrier_t *line;
	int result;
};

static void *race(void *arg)
{
	struct racer *me = arg;
	struct cd_store *store cd_auto(cd_store_close) = NULL;
	int64_t target = 0;

	do
		me->result = cd_store_open(path, cd_schema_steps,
					   cd_schema_steps_count, NULL, &store);
	while (me->result == -EBUSY);
	pthread_barrier_wait(me->line);
	if (me->result < 0)
		return NULL;
	do
		me->result =
			redeem(store, CD_LINK_SETUP, me->token, NOW, &target);
	while (me->result == -EBUSY);
	return NULL;
}

TEST(of_a_hundred_one_wins)
{
	struct cd_store *store = fresh();
	struct cd_secret *token cd_auto(cd_secret_free) = NULL;
	struct racer racers[RACERS];
	pthread_barrier_t line;
	int i, won = 0, lost = 0;

	ok_eq_int(make(store, CD_LINK_SETUP, 7, 60, &token), 0);
	cd_store_close(&store);
	pthread_barrier_init(&line, NULL, RACERS);
	for (i = 0; i < RACERS; i++) {
		racers[i].token = cd_secret_reveal(token);
		racers[i].line = &line;
		cd_assert(!pthread_create(&racers[i].thread, NULL, race,
					  &racers[i]));
	}
	for (i = 0; i < RACERS; i++) {
		pthread_join(racers[i].thread, NULL);
		won += racers[i].result == 0;
		lost += racers[i].result == CD_E_NOTFOUND;
	}
	ok_eq_int(won, 1);
	ok_eq_int(lost, RACERS - 1);
	pthread_barrier_destroy(&line);
	gone();
}
