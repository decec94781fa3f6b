/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The redeeming UPDATE names everything that makes a link good; the row count
 * is the answer. A look before it, in another transaction, would be the race
 * that lets one link be used twice.
 */
#include "controller/link.h"

static const char *const kinds[] = {"setup", "device"};

const char *cd_link_kind_name(enum cd_link_kind kind)
{
	return kinds[kind];
}

int cd_link_create(struct cd_store *store, const struct cd_link *link,
		   int64_t now, struct cd_secret **ret_token)
{
	struct cd_secret *token cd_auto(cd_secret_free) = NULL;
	bool person = link->kind == CD_LINK_SETUP;
	uint8_t key[CD_TOKEN_KEY];
	int64_t n;
	int r;

	if (link->expires <= now || link->expires - now > CD_LINK_LIFE_MAX)
		return -EINVAL;
	r = cd_token_new(&token, key);
	if (r < 0)
		return r;
	n = cd_store_run(store,
			 "DELETE FROM link WHERE kind = ?1"
			 " AND (person = ?2 OR device = ?2)",
			 "zi", kinds[link->kind], link->target);
	if (n >= 0)
		n = cd_store_run(store,
				 "INSERT INTO link VALUES(?1, ?2,"
				 " nullif(?3, 0), nullif(?4, 0), ?5, ?6, 0)",
				 "bziiii", cd_str_make(key, sizeof(key)),
				 kinds[link->kind], person ? link->target : 0,
				 person ? (int64_t)0 : link->target, now,
				 link->expires);
	if (n < 0)
		return (int)n;
	*ret_token = CD_TAKE(token);
	return 0;
}

int cd_link_peek(struct cd_store *store, enum cd_link_kind kind,
		 struct cd_str token, int64_t now, int64_t *ret_target)
{
	uint8_t key[CD_TOKEN_KEY];

	if (cd_token_key(token, key) < 0)
		return CD_E_NOTFOUND;
	return cd_store_int(store, ret_target,
			    "SELECT ifnull(person, device) FROM link"
			    " WHERE key = ?1 AND kind = ?2 AND used = 0"
			    " AND expires > ?3",
			    "bzi", cd_str_make(key, sizeof(key)), kinds[kind],
			    now);
}

int cd_link_redeem(struct cd_store *store, enum cd_link_kind kind,
		   struct cd_str token, int64_t now, int64_t *ret_target)
{
	uint8_t key[CD_TOKEN_KEY];

	cd_assert(cd_store_in_transaction(store));
	if (cd_token_key(token, key) < 0)
		return CD_E_NOTFOUND;
	return cd_store_int(store, ret_target,
			    "UPDATE link SET used = ?3 WHERE key = ?1"
			    " AND kind = ?2 AND used = 0 AND expires > ?3"
			    " RETURNING ifnull(person, device)",
			    "bzi", cd_str_make(key, sizeof(key)), kinds[kind],
			    now);
}

int cd_links_sweep(struct cd_store *store, int64_t now)
{
	int64_t n = cd_store_run(store, "DELETE FROM link WHERE expires < ?1",
				 "i", now - 86400);

	return n < 0 ? (int)n : 0;
}
