/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single-use links: to set up a person's password and second factor, or to
 * bind a browser to a device. The database holds the hash of the token; a
 * link expires, a new one for the same person or device replaces the old, and
 * redeeming is one UPDATE inside the write transaction of what it permits: of
 * any number of parallel redemptions one wins.
 */
#ifndef CD_CONTROLLER_LINK_H
#define CD_CONTROLLER_LINK_H

#include "sys/store.h"
#include "token/token.h"

enum cd_link_kind { CD_LINK_SETUP, CD_LINK_DEVICE };

struct cd_link {
	enum cd_link_kind kind;
	int64_t target; /* id of the person or device */
	int64_t expires;
};

#define CD_LINK_LIFE_MAX (30 * 86400)

/* Inside a transaction. life: seconds, 1..CD_LINK_LIFE_MAX, else -EINVAL. */
int cd_link_create(struct cd_store *store, const struct cd_link *link,
		   int64_t now, struct cd_secret **ret_token);
/* Looks without using it: CD_E_NOTFOUND for unknown, used and expired. */
int cd_link_peek(struct cd_store *store, enum cd_link_kind kind,
		 struct cd_str token, int64_t now, int64_t *ret_target);
/* Uses it up, inside the write transaction that does what it permits. */
int cd_link_redeem(struct cd_store *store, enum cd_link_kind kind,
		   struct cd_str token, int64_t now, int64_t *ret_target);
/* Forgets those long past. */
int cd_links_sweep(struct cd_store *store, int64_t now);

const char *cd_link_kind_name(enum cd_link_kind kind);

#endif
