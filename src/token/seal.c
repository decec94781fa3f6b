/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one place that makes a nonce: no caller can hand a static one in.
 */
#include "token/seal.h"

#include <openssl/evp.h>

#include "token/random.h"

#define VERSION 1
#define NONCE 12
#define TAG 16

/* What is authenticated beside the text; lengths keep the parts apart. */
static int put_aad(struct cd_str purpose, struct cd_str context,
		   struct cd_buf *aad)
{
	cd_buf_init(aad, 2048);
	cd_buf_u8(aad, VERSION);
	cd_buf_u32(aad, (uint32_t)CD_MIN(purpose.len, UINT32_MAX));
	cd_buf_str(aad, purpose);
	cd_buf_u32(aad, (uint32_t)CD_MIN(context.len, UINT32_MAX));
	cd_buf_str(aad, context);
	return aad->err;
}

static bool gcm_begin(EVP_CIPHER_CTX *ctx, const struct cd_secret *key,
		      const uint8_t *nonce, struct cd_str aad, int encrypt)
{
	struct cd_str k = cd_secret_reveal(key);
	int n;

	return ctx && k.len == CD_SEAL_KEY &&
	       EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL,
				 (const unsigned char *)k.ptr, nonce,
				 encrypt) == 1 &&
	       EVP_CipherUpdate(ctx, NULL, &n, (const unsigned char *)aad.ptr,
				(int)aad.len) == 1;
}

static bool gcm_seal(EVP_CIPHER_CTX *ctx, struct cd_str plain, uint8_t *out)
{
	int n = 0, m = 0;

	return EVP_CipherUpdate(ctx, out, &n, (const unsigned char *)plain.ptr,
				(int)plain.len) == 1 &&
	       EVP_CipherFinal_ex(ctx, out + n, &m) == 1 &&
	       (size_t)(n + m) == plain.len &&
	       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG,
				   out + plain.len) == 1;
}

int cd_seal(const struct cd_secret *key, struct cd_str purpose,
	    struct cd_str context, struct cd_str plain, struct cd_buf *out)
{
	uint8_t box[CD_SEAL_OVERHEAD + CD_SEAL_MAX];
	struct cd_buf aad;
	EVP_CIPHER_CTX *ctx;
	bool ok;

	if (plain.len > CD_SEAL_MAX || cd_secret_len(key) != CD_SEAL_KEY)
		return -EINVAL;
	if (put_aad(purpose, context, &aad) < 0) {
		cd_buf_done(&aad);
		return -EINVAL;
	}
	box[0] = VERSION;
	cd_random(box + 1, NONCE);
	ctx = EVP_CIPHER_CTX_new();
	ok = gcm_begin(ctx, key, box + 1, cd_buf_get(&aad), 1) &&
	     gcm_seal(ctx, plain, box + 1 + NONCE);
	EVP_CIPHER_CTX_free(ctx);
	cd_buf_done(&aad);
	if (!ok)
		return -ENOMEM;
	cd_buf_put(out, box, CD_SEAL_OVERHEAD + plain.len);
	return out->err;
}

static bool gcm_unseal(EVP_CIPHER_CTX *ctx, const uint8_t *box, size_t len,
		       uint8_t *out)
{
	uint8_t tag[TAG];
	int n = 0, m = 0;

	memcpy(tag, box + len, TAG);
	return EVP_CipherUpdate(ctx, out, &n, box, (int)len) == 1 &&
	       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG, tag) == 1 &&
	       EVP_CipherFinal_ex(ctx, out + n, &m) == 1;
}

int cd_unseal(const struct cd_secret *key, struct cd_str purpose,
	      struct cd_str context, struct cd_str sealed,
	      struct cd_secret **ret_plain)
{
	const uint8_t *box = (const uint8_t *)sealed.ptr;
	struct cd_secret *plain cd_auto(cd_secret_free) = NULL;
	struct cd_buf aad;
	EVP_CIPHER_CTX *ctx;
	bool ok;
	int r;

	if (sealed.len < CD_SEAL_OVERHEAD || box[0] != VERSION ||
	    sealed.len > CD_SEAL_OVERHEAD + CD_SEAL_MAX)
		return CD_E_SIGNATURE;
	r = cd_secret_new(sealed.len - CD_SEAL_OVERHEAD, &plain);
	if (r < 0)
		return r;
	if (put_aad(purpose, context, &aad) < 0) {
		cd_buf_done(&aad);
		return CD_E_SIGNATURE;
	}
	ctx = EVP_CIPHER_CTX_new();
	ok = gcm_begin(ctx, key, box + 1, cd_buf_get(&aad), 0) &&
	     gcm_unseal(ctx, box + 1 + NONCE, cd_secret_len(plain),
			cd_secret_bytes(plain));
	EVP_CIPHER_CTX_free(ctx);
	cd_buf_done(&aad);
	if (!ok)
		return CD_E_SIGNATURE;
	*ret_plain = CD_TAKE(plain);
	return 0;
}
