/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The identity provider as cordond talks to it: its discovery document and
 * key set, fetched when first needed and kept, and the exchange of a code for
 * an id_token. All of it in the event loop; nothing waits.
 *
 * Answers are bounded in size and time; so is how many people may wait for
 * them. A key set is fetched again after FRESH_S, and when a token names a
 * key that is not in it: once for that token, and not more often than the
 * budget allows, so that forged tokens cannot make us hammer the provider.
 * When fetching fails, what was known serves on for KEEP_S.
 */
#ifndef CD_CONTROLLER_OIDC_PROVIDER_H
#define CD_CONTROLLER_OIDC_PROVIDER_H

#include "controller/oidc_meta.h"
#include "sys/conf.h"
#include "token/jwt.h"
#include "token/secret.h"

#define CD_OIDC_FRESH_S 600
#define CD_OIDC_KEEP_S 86400
#define CD_OIDC_RETRY_S 2 /* after a failure nothing is asked for so long */
#define CD_OIDC_REFETCH_BURST 3 /* for unknown keys; one more each... */
#define CD_OIDC_REFETCH_S 30
#define CD_OIDC_WAITERS_MAX 256
#define CD_OIDC_EXCHANGES_MAX 256
#define CD_OIDC_TIMEOUT_MS 8000 /* of one request to the provider */

struct event_base;
struct cd_oidc_provider;

/* conf is borrowed. The secret is read from its file now: a file that others
 * may read is refused, in diag. redirect_uri is copied. */
int cd_oidc_provider_new(struct event_base *base, const struct cd_conf *conf,
			 struct cd_str redirect_uri, struct cd_diag *diag,
			 struct cd_oidc_provider **ret_provider);
/* Whoever waits is called with a failure first. */
void cd_oidc_provider_free(struct cd_oidc_provider **provider);

/* Calls fn once, at once or later: with 0 when document and keys are there,
 * else with an error. `newer`: keys of a fetch that is out or begins now, or
 * -EAGAIN when the budget is used up. */
void cd_oidc_provider_ready(struct cd_oidc_provider *provider, bool newer,
			    void (*fn)(void *arg, int err), void *arg);

/* After _ready() gave 0; valid until the loop runs again. */
const struct cd_oidc_meta *
cd_oidc_provider_meta(const struct cd_oidc_provider *provider);
const struct cd_jwks *
cd_oidc_provider_keys(const struct cd_oidc_provider *provider);

/* Redeems a code (RFC 6749 section 4.1.3, RFC 7636 section 4.5). Calls fn
 * once, at once (-EAGAIN, -ENOMEM) or later: 0 and the id_token, borrowed for
 * the call; CD_E_DENIED when the provider refuses the code. */
void cd_oidc_provider_redeem(
	struct cd_oidc_provider *provider, struct cd_str code,
	const struct cd_secret *verifier,
	void (*fn)(void *arg, int err, struct cd_str id_token), void *arg);

/* Reads a secret: one line, 8 to 4096 bytes, from a regular file that is not
 * open to others. Exported for tests. */
int cd_oidc_secret_read(const char *path, struct cd_diag *diag,
			struct cd_secret **ret_secret);

#endif
