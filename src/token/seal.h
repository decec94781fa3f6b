/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets at rest: AES-256-GCM under a key that only the key broker holds.
 * Sealed form: u8 1, 12 random bytes of nonce, ciphertext, 16 bytes of tag.
 * Purpose and context (say "totp" and the user's id) are authenticated with
 * it, so a sealed value cannot be moved to another row or put to another use.
 *
 * Random nonces: at most 2^32 values under one key (NIST SP 800-38D, 8.3).
 */
#ifndef CD_TOKEN_SEAL_H
#define CD_TOKEN_SEAL_H

#include "base/buf.h"
#include "token/secret.h"

#define CD_SEAL_KEY 32
#define CD_SEAL_OVERHEAD (1 + 12 + 16)
#define CD_SEAL_MAX 4096 /* bytes of plain text */

int cd_seal(const struct cd_secret *key, struct cd_str purpose,
	    struct cd_str context, struct cd_str plain, struct cd_buf *out);
/* CD_E_SIGNATURE: another key, purpose or context, or changed bytes. */
int cd_unseal(const struct cd_secret *key, struct cd_str purpose,
	      struct cd_str context, struct cd_str sealed,
	      struct cd_secret **ret_plain);

#endif
