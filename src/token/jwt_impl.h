/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of jwt.h share. Not for other folders.
 */
#ifndef CD_TOKEN_JWT_IMPL_H
#define CD_TOKEN_JWT_IMPL_H

#include <openssl/evp.h>

#include "base/arena.h"
#include "base/json.h"
#include "token/jwt.h"

#define CD_JWK_KID_MAX 256

struct cd_jwk {
	enum cd_jwt_alg alg; /* the one algorithm this key is good for */
	char kid[CD_JWK_KID_MAX];
	size_t kid_len; /* 0: it has none */
	EVP_PKEY *key;
};

struct cd_jwks {
	size_t n;
	struct cd_jwk keys[CD_JWKS_KEYS_MAX];
};

/* The key for a token: by kid, or, when the token names none, the only key
 * of that algorithm. NULL: not there, or not clear which. */
const struct cd_jwk *cd_jwks_find(const struct cd_jwks *set,
				  enum cd_jwt_alg alg, struct cd_str kid);

/* One member of a JSON object that we look for: a text, at most once. */
struct cd_member {
	const char *name;
	bool seen;
	struct cd_str text; /* decoded; in the input or in `store` */
};

/* Reads the rest of an object whose '{' was the last event. Members that are
 * not listed are passed over; a listed one that is no text or occurs twice is
 * CD_E_CORRUPT. */
int cd_members_read(struct cd_json *j, struct cd_member *members, size_t n,
		    struct cd_arena *store);

#endif
