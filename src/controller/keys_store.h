/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key broker's keys: one per purpose, as files of one folder (0700, files
 * 0600, owner only), made at the first start.
 *
 *	bundle.key changes.key assertion.key	32-byte Ed25519 seeds
 *	seal.key				32 bytes, AES-256-GCM
 *	server-ca.key server-ca.pem		root for served names
 *	client-ca.key client-ca.pem		root for client certificates
 *	complete				empty: all of them were made
 *
 * A key that is missing where `complete` stands is damage, and the broker
 * refuses to start: a new key in its place would silently break the trust of
 * every agent. Without `complete` what is there is kept (the demo keeps its
 * server-ca.*) and the rest is made.
 */
#ifndef CD_CONTROLLER_KEYS_STORE_H
#define CD_CONTROLLER_KEYS_STORE_H

#include "base/buf.h"
#include "token/ed25519.h"
#include "token/trust.h"
#include "token/x509.h"

#define CD_KEYS_DOMAINS_MAX 16

struct cd_keystore {
	struct cd_sign_key *bundle, *changes, *assertion;
	struct cd_secret *seal;
	struct cd_ca *server_ca, *client_ca;
};

struct cd_keystore_options {
	/* name constraints of a new server root; none: unconstrained */
	const struct cd_str *domains;
	size_t n_domains;
	int64_t now;
};

/* -EACCES: the folder or a file may be read by others; CD_E_CORRUPT: a file
 * is damaged or missing. *ret_what (static text) names the file. */
int cd_keystore_open(const char *dir, const struct cd_keystore_options *options,
		     struct cd_keystore *ret_store, const char **ret_what);
void cd_keystore_done(struct cd_keystore *store);
void cd_keystore_trust(const struct cd_keystore *store,
		       struct cd_trust *ret_trust);

#endif
