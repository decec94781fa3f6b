/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an identity provider says of itself: its discovery document (OpenID
 * Connect Discovery 1.0 section 3, RFC 8414), and the addresses built from it.
 *
 * The document counts only when its `issuer` is, byte for byte, the one that
 * the administrator configured: everything else in it is believed on that
 * word. Addresses in it are https; plain http to a loopback number only when
 * the configured issuer itself is one.
 */
#ifndef CD_CONTROLLER_OIDC_META_H
#define CD_CONTROLLER_OIDC_META_H

#include "base/buf.h"

#define CD_OIDC_META_MAX (64 * 1024) /* bytes of the document */
#define CD_OIDC_URL_MAX 2048 /* bytes of an address in it */
#define CD_OIDC_ANSWER_MAX (64 * 1024) /* bytes of a token answer */

struct cd_oidc_meta {
	char *authorization_endpoint;
	char *token_endpoint;
	char *jwks_uri;
	bool iss_parameter; /* RFC 9207: every answer carries `iss` */
	bool secret_in_body; /* client_secret_post, and no basic */
};

/* CD_E_CORRUPT (form, size), CD_E_SIGNATURE (another issuer),
 * CD_E_UNSUPPORTED (no code flow, no PKCE with S256, no algorithm of ours);
 * *ret_why, a static text, says which. */
int cd_oidc_meta_parse(struct cd_str json, struct cd_str issuer,
		       const char **ret_why, struct cd_oidc_meta *ret_meta);
void cd_oidc_meta_done(struct cd_oidc_meta *meta); /* also for cd_auto */

/* ISSUER/.well-known/openid-configuration, one slash between. */
void cd_oidc_discovery_url(struct cd_str issuer, struct cd_buf *out);

/* application/x-www-form-urlencoded: "&name=value" with the bytes that need
 * it escaped; without the ampersand when it comes first. */
void cd_oidc_form_put(struct cd_buf *out, const char *name,
		      struct cd_str value);
/* Only the escaped bytes. */
void cd_oidc_escape(struct cd_buf *out, struct cd_str value);

/* The id_token of a token endpoint's answer (RFC 6749 section 5.1), which
 * replaces what ret_token held. Access and refresh tokens are not wanted and
 * not kept. CD_E_CORRUPT. */
int cd_oidc_token_answer(struct cd_str json, struct cd_buf *ret_token);

#endif
