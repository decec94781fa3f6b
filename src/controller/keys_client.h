/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cordond's way to the key broker: one blocking connection, made when first
 * needed and again after an error, guarded by a mutex, so that any thread may
 * call. A call takes at most CD_KEYS_TIMEOUT_MS.
 *
 * Results: 0; CD_E_DENIED (not this process's verb, or the broker said no);
 * -EINVAL (a field is out of range); -EAGAIN (rate limit); -ENOTCONN,
 * -ETIMEDOUT (no broker); -EPERM (who listens there is not the broker, see
 * shm/peer.h; nothing was sent); CD_E_CORRUPT (an answer that is none).
 */
#ifndef CD_CONTROLLER_KEYS_CLIENT_H
#define CD_CONTROLLER_KEYS_CLIENT_H

#include "base/buf.h"
#include "token/broker_proto.h"
#include "token/bundle.h"
#include "token/change.h"
#include "token/secret.h"

#define CD_KEYS_TIMEOUT_MS 3000

struct cd_keys;

int cd_keys_new(const char *socket_path, struct cd_keys **ret_keys);
void cd_keys_free(struct cd_keys **keys);

int cd_keys_public(struct cd_keys *keys, enum cd_public_what what,
		   struct cd_buf *out);
/* Signs the first CD_BUNDLE_SIGNED bytes and writes the signature behind. */
int cd_keys_sign_bundle(struct cd_keys *keys, uint8_t header[CD_BUNDLE_HEADER]);
/* Appends a whole batch (header, signature, records) to out. */
int cd_keys_sign_batch(struct cd_keys *keys, uint64_t first, uint64_t last,
		       struct cd_str audience, struct cd_str records,
		       uint32_t count, struct cd_buf *out);
/* life 0: the broker's default, 30 days. Appends a PEM chain. */
int cd_keys_issue_leaf(struct cd_keys *keys, const struct cd_str *names,
		       size_t n_names, uint32_t life, struct cd_str csr,
		       struct cd_buf *out);
/* life 0: the default, 8 hours. ret_key: the session row's key. */
int cd_keys_issue_client(struct cd_keys *keys, struct cd_str user,
			 uint64_t session, uint32_t life, struct cd_str csr,
			 struct cd_buf *out, uint8_t ret_key[CD_SHA256_SIZE]);
/* Secrets at rest; context ties a sealed value to its row ("user:17"). */
int cd_keys_seal(struct cd_keys *keys, struct cd_str purpose,
		 struct cd_str context, struct cd_str plain,
		 struct cd_buf *out);
int cd_keys_unseal(struct cd_keys *keys, struct cd_str purpose,
		   struct cd_str context, struct cd_str sealed,
		   struct cd_secret **ret_plain);
/* A new second factor: sealed goes into the database, base32 and URI are
 * shown to the person once. */
int cd_keys_totp_new(struct cd_keys *keys, struct cd_str context,
		     struct cd_str issuer, struct cd_str account,
		     struct cd_buf *sealed, struct cd_secret **ret_base32,
		     struct cd_secret **ret_uri);
/* 0 and the step to store as `last`; CD_E_DENIED: wrong or used. */
int cd_keys_totp_verify(struct cd_keys *keys, struct cd_str context,
			struct cd_str sealed, struct cd_str code, uint64_t last,
			uint64_t *ret_step);

#endif
