/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passwords: Argon2id (RFC 9106), stored in the PHC string form
 * "$argon2id$v=19$m=65536,t=3,p=1$SALT$HASH", so that the parameters of each
 * hash stand beside it and can be raised later. The defaults are RFC 9106's
 * second recommendation with one lane: 64 MiB, three passes. An admin may
 * choose others, down to a floor: the least that OWASP's password storage
 * cheat sheet names for Argon2id.
 *
 * Verifying a password costs 64 MiB for about 0.1 s of CPU time: callers
 * bound how many run at once.
 */
#ifndef CD_TOKEN_PASSWORD_H
#define CD_TOKEN_PASSWORD_H

#include "token/secret.h"

#define CD_PASSWORD_MIN 12 /* bytes; the shortest that may be set */
#define CD_PASSWORD_MAX 1024 /* bytes; longer input is refused unread */
#define CD_PASSWORD_HASH_MAX 256

struct cd_password_cost {
	uint32_t memory_kib; /* 8..1048576 */
	uint32_t passes; /* 1..64 */
	uint32_t lanes; /* 1..16 */
};

extern const struct cd_password_cost cd_password_cost_default;
/* 19 MiB, two passes, one lane. */
extern const struct cd_password_cost cd_password_cost_floor;

/* "m=65536,t=3,p=1", as in a hash. -EINVAL: it does not parse or is out of
 * range; -ERANGE: memory or passes are below the floor. */
int cd_password_cost_parse(struct cd_str text, struct cd_password_cost *ret);

/* Hash text of a new password with a random salt; free() it. cost NULL: the
 * default. -EINVAL: length or cost out of range. */
int cd_password_hash(const struct cd_secret *password,
		     const struct cd_password_cost *cost, char **ret_hash);

/* 0: it is the password; CD_E_DENIED: it is not; CD_E_CORRUPT: the hash text
 * is malformed or its costs are out of range. hash empty (an unknown user, or
 * one without a password): does the work of `cost`, what new hashes get (NULL:
 * the default), and says CD_E_DENIED, so that the time does not tell whether
 * the user exists. */
int cd_password_verify(struct cd_str hash, const struct cd_password_cost *cost,
		       const struct cd_secret *password);

/* The costs differ from `cost` (NULL: the default), so hash again at the next
 * sign-in. */
bool cd_password_is_outdated(struct cd_str hash,
			     const struct cd_password_cost *cost);

#endif
