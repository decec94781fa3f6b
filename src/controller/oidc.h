/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sign-in with an OpenID Connect provider (authorization code flow with
 * PKCE), beside the embedded identities:
 *
 *	/.cordon/oidc/start	makes a flow, sends the browser to the provider
 *	/.cordon/oidc/callback	takes the flow, redeems the code, checks the
 *				id_token, finds the person, makes the session
 *
 * A session made here is a person session like any other: apps get theirs
 * through /.cordon/start, and the gateway's acknowledgement is awaited there.
 */
#ifndef CD_CONTROLLER_OIDC_H
#define CD_CONTROLLER_OIDC_H

#include "controller/ctl.h"
#include "controller/oidc_flow.h"
#include "controller/oidc_person.h"
#include "controller/oidc_provider.h"

#define CD_COOKIE_OIDC "__Host-cordon-oidc"

struct cd_oidc {
	struct cd_conf conf; /* the texts are the context's */
	struct cd_oidc_provider *provider;
	struct cd_oidc_flows *flows;
};

/* 0 and NULL when no provider is configured. */
int cd_oidc_new(struct cd_ctl *ctl, struct cd_diag *diag,
		struct cd_oidc **ret_oidc);
/* Requests that are held for the provider are answered first. */
void cd_oidc_free(struct cd_oidc **oidc);

/* What the sign-in page calls it; NULL: there is none. */
const char *cd_oidc_title(const struct cd_ctl *ctl);
/* Can this person prove themselves at the provider? */
bool cd_oidc_has_person(struct cd_ctl *ctl, int64_t person);

#endif
