/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcrypto's low-level SHA-256. It is marked deprecated in favour of EVP,
 * but EVP allocates, can fail, and looks its provider up at every call (about
 * 0.5 us, more than hashing a cookie costs), and a fetched EVP_MD would be
 * global state in a library that has none.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "token/sha256.h"

#include <openssl/sha.h>

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct cd_sha256),
	       "state is large enough");

void cd_sha256_init(struct cd_sha256 *h)
{
	SHA256_Init((SHA256_CTX *)(void *)h->state);
}

void cd_sha256_add(struct cd_sha256 *h, const void *p, size_t len)
{
	if (len)
		SHA256_Update((SHA256_CTX *)(void *)h->state, p, len);
}

void cd_sha256_final(struct cd_sha256 *h, uint8_t ret_hash[CD_SHA256_SIZE])
{
	SHA256_Final(ret_hash, (SHA256_CTX *)(void *)h->state);
	cd_wipe(h, sizeof(*h));
}

void cd_sha256(const void *p, size_t len, uint8_t ret_hash[CD_SHA256_SIZE])
{
	struct cd_sha256 h;

	cd_sha256_init(&h);
	cd_sha256_add(&h, p, len);
	cd_sha256_final(&h, ret_hash);
}

/* One half of RFC 2104: hash of (key xor pad) and a message. */
static void keyed(const uint8_t key[64], uint8_t pad, struct cd_str message,
		  uint8_t ret[CD_SHA256_SIZE])
{
	struct cd_sha256 h;
	uint8_t block[64];

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = key[i] ^ pad;
	cd_sha256_init(&h);
	cd_sha256_add(&h, block, sizeof(block));
	cd_sha256_add(&h, message.ptr, message.len);
	cd_sha256_final(&h, ret);
	cd_wipe(block, sizeof(block));
}

void cd_hmac_sha256(struct cd_str key, struct cd_str message,
		    uint8_t ret_mac[CD_SHA256_SIZE])
{
	uint8_t k[64] = {0}, inner[CD_SHA256_SIZE];

	if (key.len > sizeof(k))
		cd_sha256(key.ptr, key.len, k);
	else if (key.len)
		memcpy(k, key.ptr, key.len);
	keyed(k, 0x36, message, inner);
	keyed(k, 0x5c, cd_str_make(inner, sizeof(inner)), ret_mac);
	cd_wipe(k, sizeof(k));
	cd_wipe(inner, sizeof(inner));
}
