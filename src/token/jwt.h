/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON Web Tokens (RFC 7519, 7515, 7518, 8037), both directions:
 *  - the identity assertion that a gateway adds for an upstream: EdDSA,
 *    header {"alg":"EdDSA","kid":…,"typ":"cordon-assertion+jwt"};
 *  - verification of tokens of others (OIDC) and of our own.
 *
 * Verification takes the algorithm from an allow list of asymmetric ones
 * (EdDSA with Ed25519, RS256, ES256) and the key's own type, never from the
 * token alone; "none" and HMAC do not exist here (RFC 8725 section 3.1). A
 * header with "crit", a nested token ("cty":"JWT"), compression or an
 * embedded key ("jwk", "jku", "x5u", "x5c") is refused. Every expectation
 * (issuer, audience, type) is stated by the caller; there is no way to skip
 * one but to name it as empty, which then matches absence only.
 */
#ifndef CD_TOKEN_JWT_H
#define CD_TOKEN_JWT_H

#include "base/buf.h"
#include "token/ed25519.h"

#define CD_JWT_MAX (16 * 1024) /* characters of a token */
#define CD_JWKS_MAX (64 * 1024) /* bytes of a key set */
#define CD_JWKS_KEYS_MAX 32
#define CD_JWT_LEEWAY 60 /* s of clock difference with other issuers */

#define CD_ASSERTION_TYPE "cordon-assertion+jwt"
#define CD_ASSERTION_LIFE 60 /* s */
#define CD_ASSERTION_GROUPS_MAX 256

struct cd_assertion {
	struct cd_str iss; /* URL of the sign-in host */
	struct cd_str sub; /* sign-in name */
	struct cd_str aud; /* name of the app */
	const struct cd_str *groups;
	size_t n_groups;
	int64_t iat; /* Unix seconds; exp = iat + CD_ASSERTION_LIFE */
};

/* Appends the compact form to out; `jti` is 16 random bytes. -EINVAL when a
 * string is not UTF-8. */
int cd_assertion_sign(const struct cd_sign_key *key,
		      const struct cd_assertion *a, struct cd_buf *out);

enum cd_jwt_alg { CD_JWT_EDDSA, CD_JWT_RS256, CD_JWT_ES256 };

/* A key set (RFC 7517). Keys of other kinds, other uses ("use":"enc") and
 * weak RSA keys (below 2048 or above 8192 bits) are left out; an empty result
 * is CD_E_NOTFOUND, malformed text CD_E_CORRUPT. */
struct cd_jwks;
int cd_jwks_parse(struct cd_str json, struct cd_jwks **ret_set);
int cd_jwks_from_public(const struct cd_public_key *key,
			struct cd_jwks **ret_set);
void cd_jwks_free(struct cd_jwks **set);
size_t cd_jwks_count(const struct cd_jwks *set);
/* Appends {"keys":[…]} with the one key, for upstreams to verify with. */
void cd_jwks_put_public(const struct cd_public_key *key, struct cd_buf *out);

struct cd_jwt_expect {
	struct cd_str typ; /* header typ, without case; empty: "JWT" or none */
	struct cd_str iss; /* exact */
	struct cd_str aud; /* must be the aud, or one of a list */
	int64_t now; /* Unix seconds */
	int64_t leeway; /* s, 0..300 */
};

/* What verification vouches for. Strings live in the token. */
struct cd_jwt {
	enum cd_jwt_alg alg;
	struct cd_str sub; /* never empty */
	struct cd_str azp; /* empty: absent; the caller compares it */
	struct cd_str nonce; /* empty: absent */
	struct cd_str jti;
	int64_t iat, exp; /* exp is required, iat is not: 0 absent */
	int64_t auth_time; /* 0: absent */
	size_t n_aud;
	struct cd_str payload; /* the claims as JSON, for further claims */
};

/* 0 and the claims; CD_E_CORRUPT (form, size, limits), CD_E_UNSUPPORTED
 * (algorithm, critical header), CD_E_NOTFOUND (no key has its kid: fetch the
 * key set again, once), CD_E_SIGNATURE (signature, type, issuer, audience),
 * CD_E_EXPIRED (exp, nbf, iat). */
int cd_jwt_verify(struct cd_str token, const struct cd_jwks *set,
		  const struct cd_jwt_expect *expect, struct cd_jwt **ret_jwt);
void cd_jwt_free(struct cd_jwt **jwt);

#endif
