/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sign-ins that are at the provider: one row each, found by the hash of its
 * `state`, usable once, by the browser that began it, within CD_OIDC_FLOW_LIFE.
 * The table belongs to one provider, so a state can only come back as an
 * answer of the issuer it was made for.
 *
 * Rows are in memory: whoever has no session may make one, and a row on disk
 * would let strangers write there. A restart of cordond forgets them; people
 * begin again. Their number is bounded, in all and for one address.
 */
#ifndef CD_CONTROLLER_OIDC_FLOW_H
#define CD_CONTROLLER_OIDC_FLOW_H

#include "base/buf.h"
#include "token/token.h"

#define CD_OIDC_FLOW_LIFE 600 /* seconds */
#define CD_OIDC_FLOWS_MAX 8192
#define CD_OIDC_FLOWS_ADDR 64 /* of one address (IPv6: of one /64) */
#define CD_OIDC_TEXT_BYTES 2048 /* of `app` and of `to` */

struct cd_oidc_flow {
	uint8_t state[CD_TOKEN_KEY]; /* hash of `state` */
	uint8_t browser[CD_TOKEN_KEY]; /* hash of the browser's cookie */
	uint64_t addr; /* hash of where it comes from */
	int64_t begun; /* Unix seconds */
	int64_t session; /* step-up of this person session; 0: sign-in */
	int64_t person; /* whose session; 0: sign-in */
	bool fresh; /* the person must prove themselves now */
	struct cd_secret *nonce, *verifier; /* 43 characters each */
	char *app, *to; /* where to go afterwards; empty: start page */
};

struct cd_oidc_flows;

int cd_oidc_flows_new(struct cd_oidc_flows **ret_flows);
void cd_oidc_flows_free(struct cd_oidc_flows **flows);
size_t cd_oidc_flows_count(const struct cd_oidc_flows *flows);

/* What begins a flow. `browser` is the text of the cookie. */
struct cd_oidc_begin {
	struct cd_str browser, addr, app, to;
	int64_t now, session, person;
	bool fresh;
};

/* A new row; the flow is borrowed until it is taken or expires. -EAGAIN: too
 * many; -EINVAL: the cookie is not a token of ours, or a text is too long. */
int cd_oidc_flow_begin(struct cd_oidc_flows *flows,
		       const struct cd_oidc_begin *begin,
		       struct cd_secret **ret_state,
		       const struct cd_oidc_flow **ret_flow);

/* Takes the row of this state out of the table: it is used up, whatever comes
 * next. CD_E_NOTFOUND: unknown, used or expired; CD_E_DENIED: it is another
 * browser's (used up as well: who has it should not). */
int cd_oidc_flow_take(struct cd_oidc_flows *flows, struct cd_str state,
		      struct cd_str browser, int64_t now,
		      struct cd_oidc_flow **ret_flow);
void cd_oidc_flow_free(struct cd_oidc_flow **flow); /* also for cd_auto */

/* The S256 challenge: base64url of SHA-256 of the verifier (RFC 7636). */
void cd_oidc_challenge(const struct cd_oidc_flow *flow, struct cd_buf *out);

#endif
