/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prepared statements hang in a small open table keyed by the address of
 * their text. A statement that is stepped while its twin is still open (a
 * query inside a loop over the same query) is prepared afresh.
 *
 * Rejected: an ORM-like layer of row structs (every query here reads two or
 * three columns of its own), and synchronous=NORMAL, 14 times faster and able
 * to forget an acknowledged revocation in a power cut.
 */
#include "sys/store.h"

#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CACHE_SIZE = 512 }; /* more distinct texts than that is a mistake */

struct cached {
	const char *sql;
	sqlite3_stmt *stmt;
	bool busy;
};

struct cd_store {
	sqlite3 *db;
	bool in_txn;
	size_t n_cached;
	struct cached cache[CACHE_SIZE];
};

static int error_of(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_CONSTRAINT:
		return -EEXIST;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_TOOBIG:
		return CD_E_LIMIT;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return CD_E_CORRUPT;
	case SQLITE_PERM:
	case SQLITE_CANTOPEN:
		return -EACCES;
	default:
		return -EIO;
	}
}

/* ---- statements ---- */

static struct cached *slot(struct cd_store *store, const char *sql)
{
	size_t i = ((uintptr_t)sql >> 3) * 0x9e3779b1u % CACHE_SIZE;

	while (store->cache[i].sql && store->cache[i].sql != sql)
		i = (i + 1) % CACHE_SIZE;
	return &store->cache[i];
}

static int prepare(struct cd_query *q, const char *sql)
{
	struct cd_store *store = q->store;
	struct cached *c = slot(store, sql);
	sqlite3_stmt *stmt = NULL;
	int rc;

	if (c->sql && !c->busy) {
		c->busy = true;
		q->stmt = c->stmt;
		return 0;
	}
	rc = sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT,
				&stmt, NULL);
	if (rc != SQLITE_OK)
		return error_of(rc);
	q->stmt = stmt;
	/* Half full at most, so that probing stays short. */
	q->own = c->sql || store->n_cached >= CACHE_SIZE / 2;
	if (!q->own) {
		*c = (struct cached){sql, stmt, true};
		store->n_cached++;
	}
	return 0;
}

static int bind_text(sqlite3_stmt *stmt, int at, struct cd_str s)
{
	return sqlite3_bind_text64(stmt, at, s.ptr ? s.ptr : "", s.len,
				   SQLITE_TRANSIENT, SQLITE_UTF8);
}

static int bind(sqlite3_stmt *stmt, const char *types, va_list ap)
{
	int rc = SQLITE_OK, at;
	struct cd_str s;
	const char *z;

	for (at = 1; *types && rc == SQLITE_OK; types++, at++) {
		switch (*types) {
		case 's':
			rc = bind_text(stmt, at, va_arg(ap, struct cd_str));
			break;
		case 'b':
			s = va_arg(ap, struct cd_str);
			rc = sqlite3_bind_blob64(stmt, at, s.ptr ? s.ptr : "",
						 s.len, SQLITE_TRANSIENT);
			break;
		case 'z':
			z = va_arg(ap, const char *);
			if (z)
				rc = bind_text(stmt, at, cd_str_from(z));
			break;
		case 'i':
			rc = sqlite3_bind_int64(stmt, at, va_arg(ap, int64_t));
			break;
		default:
			cd_assert(*types == 'n');
		}
	}
	return error_of(rc);
}

static int start_va(struct cd_query *q, struct cd_store *store, const char *sql,
		    const char *types, va_list ap)
{
	int r;

	*q = (struct cd_query){.store = store};
	r = prepare(q, sql);
	return r < 0 ? r : bind(q->stmt, types, ap);
}

int cd_query_start(struct cd_query *q, struct cd_store *store, const char *sql,
		   const char *types, ...)
{
	va_list ap;
	int r;

	va_start(ap, types);
	r = start_va(q, store, sql, types, ap);
	va_end(ap);
	return r;
}

int cd_query_step(struct cd_query *q)
{
	int rc = sqlite3_step(q->stmt);

	return rc == SQLITE_ROW ? 1 : error_of(rc);
}

void cd_query_done(struct cd_query *q)
{
	size_t i;

	if (!q->stmt)
		return;
	if (q->own) {
		sqlite3_finalize(q->stmt);
		q->stmt = NULL;
		return;
	}
	sqlite3_reset(q->stmt);
	sqlite3_clear_bindings(q->stmt); /* may hold hashes */
	for (i = 0; i < CACHE_SIZE; i++)
		if (q->store->cache[i].stmt == q->stmt)
			q->store->cache[i].busy = false;
	q->stmt = NULL;
}

int64_t cd_query_int(const struct cd_query *q, int column)
{
	return sqlite3_column_int64(q->stmt, column);
}

struct cd_str cd_query_str(const struct cd_query *q, int column)
{
	const void *p = sqlite3_column_blob(q->stmt, column);

	return cd_str_make(p, (size_t)sqlite3_column_bytes(q->stmt, column));
}

void cd_query_text(const struct cd_query *q, int column, char *out, size_t size)
{
	struct cd_str s = cd_query_str(q, column);
	size_t n = CD_MIN(s.len, size - 1);

	if (n)
		memcpy(out, s.ptr, n);
	out[n] = 0;
}

int cd_query_one(struct cd_query *q, int r)
{
	if (!r)
		r = cd_query_step(q);
	return r < 0 ? r : r ? 0 : CD_E_NOTFOUND;
}

bool cd_query_is_null(const struct cd_query *q, int column)
{
	return sqlite3_column_type(q->stmt, column) == SQLITE_NULL;
}

int64_t cd_store_run(struct cd_store *store, const char *sql, const char *types,
		     ...)
{
	struct cd_query q cd_auto(cd_query_done);
	va_list ap;
	int r;

	va_start(ap, types);
	r = start_va(&q, store, sql, types, ap);
	va_end(ap);
	while (!r && (r = cd_query_step(&q)) > 0)
		r = 0;
	return r < 0 ? r : sqlite3_changes64(store->db);
}

int cd_store_int(struct cd_store *store, int64_t *ret_value, const char *sql,
		 const char *types, ...)
{
	struct cd_query q cd_auto(cd_query_done);
	va_list ap;
	int r;

	va_start(ap, types);
	r = start_va(&q, store, sql, types, ap);
	va_end(ap);
	if (!r)
		r = cd_query_step(&q);
	if (r <= 0)
		return r < 0 ? r : CD_E_NOTFOUND;
	*ret_value = cd_query_int(&q, 0);
	return 0;
}

int64_t cd_store_last_id(const struct cd_store *store)
{
	return sqlite3_last_insert_rowid(store->db);
}

/* ---- transactions ---- */

static int run_plain(struct cd_store *store, const char *sql)
{
	return error_of(sqlite3_exec(store->db, sql, NULL, NULL, NULL));
}

int cd_store_begin(struct cd_store *store)
{
	int r;

	cd_assert(!store->in_txn);
	r = run_plain(store, "BEGIN IMMEDIATE");
	store->in_txn = r == 0;
	return r;
}

int cd_store_commit(struct cd_store *store)
{
	int r;

	cd_assert(store->in_txn);
	r = run_plain(store, "COMMIT");
	if (r < 0)
		cd_store_rollback(store);
	store->in_txn = false;
	return r;
}

void cd_store_rollback(struct cd_store *store)
{
	/* A full disk has rolled back by itself; then this says so. */
	if (store->in_txn)
		run_plain(store, "ROLLBACK");
	store->in_txn = false;
}

bool cd_store_in_transaction(const struct cd_store *store)
{
	return store->in_txn;
}

/* ---- opening ---- */

static int migrate(struct cd_store *store, const struct cd_migration *steps,
		   size_t n, const char *path, struct cd_diag *diag)
{
	int64_t have = 0, r;
	size_t i;

	r = cd_store_int(store, &have, "SELECT max(number) FROM migration", "");
	if (r < 0)
		return (int)r;
	if (have > (int64_t)n) {
		cd_diag_add(diag, CD_ERROR, path, 0, 0,
			    "the state was written by a newer Cordon: schema "
			    "%lld, this program knows %zu",
			    (long long)have, n);
		return CD_E_VERSION;
	}
	for (i = (size_t)have; i < n; i++) {
		cd_assert(steps[i].number == i + 1);
		r = run_plain(store, steps[i].sql);
		if (!r)
			r = cd_store_run(store,
					 "INSERT INTO migration VALUES(?1, ?2)",
					 "iz", (int64_t)steps[i].number,
					 steps[i].name);
		if (r < 0) {
			cd_diag_add(diag, CD_ERROR, path, 0, 0,
				    "schema step %u (%s): %s", steps[i].number,
				    steps[i].name, sqlite3_errmsg(store->db));
			return (int)r;
		}
	}
	return 0;
}

static int set_up(struct cd_store *store, const struct cd_migration *steps,
		  size_t n, const char *path, struct cd_diag *diag)
{
	int r;

	sqlite3_extended_result_codes(store->db, 1);
	sqlite3_busy_timeout(store->db, 2000);
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	r = run_plain(store, "PRAGMA journal_mode=WAL;"
			     "PRAGMA synchronous=FULL;"
			     "PRAGMA foreign_keys=ON;"
			     "PRAGMA trusted_schema=OFF;"
			     "PRAGMA temp_store=MEMORY;"
			     "PRAGMA secure_delete=ON;");
	if (!r)
		r = cd_store_begin(store);
	if (!r)
		r = run_plain(
			store,
			"CREATE TABLE IF NOT EXISTS migration("
			"number INTEGER PRIMARY KEY, name TEXT NOT NULL)");
	if (!r)
		r = migrate(store, steps, n, path, diag);
	if (!r)
		return cd_store_commit(store);
	cd_store_rollback(store);
	return r;
}

int cd_store_open(const char *path, const struct cd_migration *steps, size_t n,
		  struct cd_diag *diag, struct cd_store **ret_store)
{
	struct cd_store *store cd_auto(cd_store_close) =
		calloc(1, sizeof(*store));
	mode_t old;
	int rc, r;

	if (!store)
		return -ENOMEM;
	old = umask(0077);
	rc = sqlite3_open_v2(path, &store->db,
			     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
				     SQLITE_OPEN_NOMUTEX |
				     SQLITE_OPEN_EXRESCODE,
			     NULL);
	r = rc == SQLITE_OK ? set_up(store, steps, n, path, diag) :
			      error_of(rc);
	umask(old);
	if (r < 0) {
		if (!cd_diag_errors(diag))
			cd_diag_add(diag, CD_ERROR, path, 0, 0,
				    "cannot open the state: %s",
				    store->db ? sqlite3_errmsg(store->db) :
						"no memory");
		return r;
	}
	*ret_store = CD_TAKE(store);
	return 0;
}

void cd_store_close(struct cd_store **store)
{
	struct cd_store *s = CD_TAKE(*store);
	size_t i;

	if (!s)
		return;
	cd_store_rollback(s);
	for (i = 0; i < CACHE_SIZE; i++)
		sqlite3_finalize(s->cache[i].stmt);
	sqlite3_close(s->db);
	free(s);
}
