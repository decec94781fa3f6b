/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ed25519 signatures (RFC 8032, pure). A signing key belongs to one purpose;
 * what is signed begins with a magic of its own, so no signature means
 * anything in another place.
 *
 * A key id is the base64url form of the first 16 bytes of SHA-256 of the raw
 * public key: 22 characters, stable, and of no use to anyone.
 */
#ifndef CD_TOKEN_ED25519_H
#define CD_TOKEN_ED25519_H

#include "token/secret.h"

#define CD_ED25519_PUBLIC 32
#define CD_ED25519_SEED 32
#define CD_ED25519_SIGNATURE 64
#define CD_KEY_ID 22 /* characters, without a NUL */

struct cd_public_key {
	uint8_t bytes[CD_ED25519_PUBLIC];
};

struct cd_sign_key; /* opaque: holds the private half */

int cd_sign_key_new(struct cd_sign_key **ret_key);
/* From a 32-byte seed (RFC 8032 section 5.1.5). */
int cd_sign_key_from_seed(const struct cd_secret *seed,
			  struct cd_sign_key **ret_key);
int cd_sign_key_seed(const struct cd_sign_key *key,
		     struct cd_secret **ret_seed);
void cd_sign_key_free(struct cd_sign_key **key);

void cd_sign_key_public(const struct cd_sign_key *key,
			struct cd_public_key *ret_public);
int cd_ed25519_sign(const struct cd_sign_key *key, struct cd_str message,
		    uint8_t ret_signature[CD_ED25519_SIGNATURE]);

/* True for the encodings of the eight points of small order (RFC 8032 section
 * 5.1.3 decodes them; RFC 7748 section 6 says why they are no keys). Under such
 * a key, of which all zeros is one, anybody can sign. */
bool cd_public_key_is_weak(const struct cd_public_key *key);

/* 0, or CD_E_SIGNATURE; always the latter under a weak key, so that a key
 * nobody filled in proves nothing. */
int cd_ed25519_verify(const struct cd_public_key *key, struct cd_str message,
		      const uint8_t signature[CD_ED25519_SIGNATURE]);

void cd_key_id(const struct cd_public_key *key, char ret_id[CD_KEY_ID + 1]);

#endif
