/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State on disk: one SQLite database in WAL mode, written by one process.
 * What a commit answered 0 for survives a kill and a power cut
 * (synchronous=FULL); what it did not is not there at all.
 *
 * Statements are written where they are used, as string literals, and
 * prepared once each: the address of the literal is the key.
 *
 * Errors: -ENOSPC full disk, -EBUSY locked by another process, -EEXIST a
 * constraint, -EROFS, -EIO, -ENOMEM, CD_E_CORRUPT.
 */
#ifndef CD_SYS_STORE_H
#define CD_SYS_STORE_H

#include "base/str.h"

struct cd_store;

/* One step of the schema. Numbers count from 1 without gaps; a step that was
 * released never changes. */
struct cd_migration {
	unsigned int number;
	const char *name;
	const char *sql;
};

/* Opens or creates, and brings the schema up to the last step, all steps in
 * one transaction. CD_E_VERSION when the database is of a newer program;
 * every refusal has its line in diag. The file is private (0600). */
int cd_store_open(const char *path, const struct cd_migration *steps, size_t n,
		  struct cd_diag *diag, struct cd_store **ret_store);
void cd_store_close(struct cd_store **store);

/* A write transaction; they do not nest. After an error of any statement the
 * caller rolls back. A commit that fails has rolled back. */
int cd_store_begin(struct cd_store *store);
int cd_store_commit(struct cd_store *store);
/* Harmless outside a transaction. */
void cd_store_rollback(struct cd_store *store);
bool cd_store_in_transaction(const struct cd_store *store);

/* One statement. `types` says what follows: s struct cd_str text, b struct
 * cd_str blob, z const char * text or NULL, i int64_t, n nothing (NULL).
 *
 *	struct cd_query q cd_auto(cd_query_done);
 *
 *	r = cd_query_start(&q, store, "SELECT id FROM people WHERE name = ?1",
 *			   "s", name);
 *	while (!r && (r = cd_query_step(&q)) > 0) ...
 */
struct cd_query {
	struct cd_store *store;
	void *stmt;
	bool own; /* not from the cache: the cached one is in use */
};

int cd_query_start(struct cd_query *q, struct cd_store *store, const char *sql,
		   const char *types, ...);
/* 1: a row is there; 0: no more; negative: error. */
int cd_query_step(struct cd_query *q);
/* To the one row that there should be; r is what cd_query_start() gave. 0,
 * CD_E_NOTFOUND or an error. */
int cd_query_one(struct cd_query *q, int r);
void cd_query_done(struct cd_query *q);
/* Columns of the row, from 0; borrowed until the next step. */
int64_t cd_query_int(const struct cd_query *q, int column);
struct cd_str cd_query_str(const struct cd_query *q, int column);
/* Terminated, and cut to what fits. */
void cd_query_text(const struct cd_query *q, int column, char *out,
		   size_t size);
bool cd_query_is_null(const struct cd_query *q, int column);

/* Runs a statement that gives no rows: number of rows changed, or an error. */
int64_t cd_store_run(struct cd_store *store, const char *sql, const char *types,
		     ...);
/* First column of the first row as an integer: 0, CD_E_NOTFOUND, an error. */
int cd_store_int(struct cd_store *store, int64_t *ret_value, const char *sql,
		 const char *types, ...);
int64_t cd_store_last_id(const struct cd_store *store);

#endif
