/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is believed of an id_token, and under which conditions (OpenID Connect
 * Core 1.0 sections 2 and 3.1.3.7, RFC 8725). The signature, algorithm,
 * issuer, audience and expiry are cd_jwt_verify()'s; this adds what belongs to
 * one sign-in: nonce, authorized party, freshness, and the claims.
 */
#ifndef CD_CONTROLLER_OIDC_TOKEN_H
#define CD_CONTROLLER_OIDC_TOKEN_H

#include <jansson.h>

#include "token/jwt.h"

#define CD_OIDC_SUB_MAX 255 /* Core section 2 */
#define CD_OIDC_TEXT_MAX 200
#define CD_OIDC_GROUPS_MAX 256 /* more are refused, never cut off */
#define CD_OIDC_AMR_MAX 16

/* Which claims carry what; groups empty: not taken from the provider. */
struct cd_oidc_names {
	struct cd_str name, groups;
};

struct cd_oidc_claims {
	char sub[CD_OIDC_SUB_MAX + 1];
	char name[CD_OIDC_TEXT_MAX + 1]; /* as claimed; may fit nothing */
	char display[CD_OIDC_TEXT_MAX + 1];
	char email[CD_OIDC_TEXT_MAX + 1]; /* for show, never for identity */
	int64_t auth_time; /* 0: absent */
	int64_t factor; /* CD_T_FACTOR, the strongest that amr names */
	json_t *groups; /* distinct valid names, or NULL: not asked for */
	size_t ignored; /* groups whose names no policy could write */
};

/* The claims of a verified payload. CD_E_CORRUPT for a claim of the wrong
 * kind or size, CD_E_LIMIT for too many groups, CD_E_UNSUPPORTED when the
 * groups are kept elsewhere (a distributed claim). */
int cd_oidc_claims_parse(struct cd_str payload,
			 const struct cd_oidc_names *names,
			 struct cd_oidc_claims *ret_claims);
void cd_oidc_claims_done(struct cd_oidc_claims *claims); /* also cd_auto */

/* The strongest factor of an `amr` list (RFC 8176): a key in hardware is 3,
 * another second factor 2, a password 1, nothing known 0. */
int64_t cd_oidc_amr_factor(const json_t *amr);

/* One sign-in's expectations. */
struct cd_oidc_expect {
	struct cd_str issuer, client_id, nonce;
	int64_t now;
	int64_t begun; /* when this sign-in left for the provider */
	int64_t max_age; /* seconds; 0: authentication after `begun` */
};

/* Why a token was refused; 0 is fine. */
enum cd_oidc_verdict {
	CD_OIDC_FINE,
	CD_OIDC_UNKNOWN_KEY, /* fetch the key set again, once */
	CD_OIDC_BAD_TOKEN, /* form, signature, algorithm, issuer, audience */
	CD_OIDC_EXPIRED,
	CD_OIDC_BAD_NONCE,
	CD_OIDC_BAD_PARTY, /* azp */
	CD_OIDC_BAD_CLAIMS,
	CD_OIDC_TOO_OLD, /* auth_time is absent or beyond max_age */
};

const char *cd_oidc_verdict_name(enum cd_oidc_verdict v);

/* All of it. claims are filled when the verdict is CD_OIDC_FINE. */
enum cd_oidc_verdict cd_oidc_token_check(struct cd_str token,
					 const struct cd_jwks *keys,
					 const struct cd_oidc_expect *expect,
					 const struct cd_oidc_names *names,
					 struct cd_oidc_claims *ret_claims);

#endif
