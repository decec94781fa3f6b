/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ed25519 by libcrypto's one-shot EVP calls.
 */
#include "token/ed25519.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "token/base64.h"
#include "token/sha256.h"

struct cd_sign_key {
	EVP_PKEY *pkey;
	struct cd_public_key public;
};

void cd_sign_key_free(struct cd_sign_key **key)
{
	if (!*key)
		return;
	EVP_PKEY_free((*key)->pkey);
	free(*key);
	*key = NULL;
}

int cd_sign_key_from_seed(const struct cd_secret *seed,
			  struct cd_sign_key **ret_key)
{
	struct cd_str s = cd_secret_reveal(seed);
	struct cd_sign_key *k cd_auto(cd_sign_key_free) = NULL;
	size_t len = CD_ED25519_PUBLIC;

	if (s.len != CD_ED25519_SEED)
		return -EINVAL;
	k = cd_calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	k->pkey = EVP_PKEY_new_raw_private_key(
		EVP_PKEY_ED25519, NULL, (const unsigned char *)s.ptr, s.len);
	if (!k->pkey ||
	    EVP_PKEY_get_raw_public_key(k->pkey, k->public.bytes, &len) != 1)
		return -ENOMEM;
	*ret_key = CD_TAKE(k);
	return 0;
}

int cd_sign_key_new(struct cd_sign_key **ret_key)
{
	struct cd_secret *seed cd_auto(cd_secret_free) = NULL;
	int r = cd_secret_random(CD_ED25519_SEED, &seed);

	return r < 0 ? r : cd_sign_key_from_seed(seed, ret_key);
}

int cd_sign_key_seed(const struct cd_sign_key *key, struct cd_secret **ret_seed)
{
	struct cd_secret *seed cd_auto(cd_secret_free) = NULL;
	size_t len = CD_ED25519_SEED;
	int r = cd_secret_new(len, &seed);

	if (r < 0)
		return r;
	if (EVP_PKEY_get_raw_private_key(key->pkey, cd_secret_bytes(seed),
					 &len) != 1)
		return -EINVAL;
	*ret_seed = CD_TAKE(seed);
	return 0;
}

void cd_sign_key_public(const struct cd_sign_key *key,
			struct cd_public_key *ret_public)
{
	*ret_public = key->public;
}

int cd_ed25519_sign(const struct cd_sign_key *key, struct cd_str message,
		    uint8_t ret_signature[CD_ED25519_SIGNATURE])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t len = CD_ED25519_SIGNATURE;
	bool ok;

	if (!ctx)
		return -ENOMEM;
	ok = EVP_DigestSignInit(ctx, NULL, NULL, NULL, key->pkey) == 1 &&
	     EVP_DigestSign(ctx, ret_signature, &len,
			    (const unsigned char *)message.ptr,
			    message.len) == 1;
	EVP_MD_CTX_free(ctx);
	return ok ? 0 : -ENOMEM;
}

bool cd_public_key_is_weak(const struct cd_public_key *key)
{
	/* y of each, and the two that are not reduced; the top bit is the
	 * sign of x. */
	static const struct cd_public_key weak[] = {
		{{0x00}},
		{{0x01}},
		{{0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f,
		  0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
		  0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6,
		  0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a}},
		{{0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0,
		  0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
		  0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39,
		  0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05}},
	};
	struct cd_public_key k = *key;
	uint8_t middle = 0xff;

	k.bytes[31] &= 0x7f;
	for (size_t i = 0; i < CD_ARRAY_SIZE(weak); i++)
		if (memcmp(&k, &weak[i], sizeof(k)) == 0)
			return true;
	for (size_t i = 1; i < 31; i++)
		middle &= k.bytes[i];
	/* p - 1, p and p + 1, where p = 2^255 - 19. */
	return middle == 0xff && k.bytes[31] == 0x7f && k.bytes[0] >= 0xec &&
	       k.bytes[0] <= 0xee;
}

int cd_ed25519_verify(const struct cd_public_key *key, struct cd_str message,
		      const uint8_t signature[CD_ED25519_SIGNATURE])
{
	EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(
		EVP_PKEY_ED25519, NULL, key->bytes, sizeof(key->bytes));
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = pkey && ctx && !cd_public_key_is_weak(key) &&
		  EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
		  EVP_DigestVerify(ctx, signature, CD_ED25519_SIGNATURE,
				   (const unsigned char *)message.ptr,
				   message.len) == 1;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	return ok ? 0 : CD_E_SIGNATURE;
}

void cd_key_id(const struct cd_public_key *key, char ret_id[CD_KEY_ID + 1])
{
	uint8_t hash[CD_SHA256_SIZE];

	cd_sha256(key->bytes, sizeof(key->bytes), hash);
	cd_base64url_text(hash, 16, ret_id);
}
