/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens and key sets of others. In the second form the input is a header, a
 * NUL and a payload, which the harness signs, so that everything behind the
 * signature is reached; what is accepted must be what was expected. The set
 * also holds the keys of RFC 7515's examples, so that signatures of the other
 * kinds are looked at; nobody who knows their private halves is heard here.
 */
#include <stdint.h>

#include "token/base64.h"
#include "token/jwt.h"

static struct cd_sign_key *key;
static struct cd_jwks *set;

static const struct cd_jwt_expect expect = {.iss = CD_STR_INIT("i"),
					    .aud = CD_STR_INIT("a"),
					    .now = 1000};

/* RFC 7515, A.3 and A.2. */
static const char others[] =
	",{\"kty\":\"EC\",\"crv\":\"P-256\","
	"\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
	"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},"
	"{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\""
	"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-"
	"Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6"
	"b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-"
	"KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I"
	"5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb"
	"54h4FRWyuXpoQ\"}]}";

/* A fixed key, so that a crash can be run again. */
static void setup(void)
{
	struct cd_secret *seed = NULL;
	struct cd_public_key pub;
	struct cd_buf b;
	size_t tail;

	if (set)
		return;
	cd_assert(cd_secret_new(CD_ED25519_SEED, &seed) == 0);
	cd_assert(cd_sign_key_from_seed(seed, &key) == 0);
	cd_secret_free(&seed);
	cd_sign_key_public(key, &pub);
	cd_buf_init(&b, 8192);
	cd_jwks_put_public(&pub, &b);
	/* the list goes on where it ended */
	for (tail = b.len; b.data[tail - 1] != ']'; tail--)
		;
	b.len = tail - 1;
	cd_buf_puts(&b, others);
	cd_assert(cd_jwks_parse(cd_buf_get(&b), &set) == 0);
	cd_assert(cd_jwks_count(set) == 3);
	cd_buf_done(&b);
}

static void verify(struct cd_str token)
{
	struct cd_jwt *jwt = NULL;

	if (cd_jwt_verify(token, set, &expect, &jwt) < 0) {
		cd_assert(!jwt);
		return;
	}
	cd_assert(jwt->alg == CD_JWT_EDDSA && jwt->sub.len > 0);
	cd_assert(jwt->exp > expect.now && jwt->n_aud > 0);
	cd_jwt_free(&jwt);
}

static void signed_parts(struct cd_str s)
{
	struct cd_str payload, header = cd_str_split(s, 0, &payload);
	uint8_t sig[CD_ED25519_SIGNATURE];
	struct cd_buf b;

	cd_buf_init(&b, 1 << 20);
	cd_base64url_put(&b, header.ptr, header.len);
	cd_buf_char(&b, '.');
	cd_base64url_put(&b, payload.ptr, payload.len);
	cd_assert(cd_ed25519_sign(key, cd_buf_get(&b), sig) == 0);
	cd_buf_char(&b, '.');
	cd_base64url_put(&b, sig, sizeof(sig));
	verify(cd_buf_get(&b));
	cd_buf_done(&b);
}

static void key_set(struct cd_str s)
{
	struct cd_jwks *other = NULL;

	if (cd_jwks_parse(s, &other) == 0)
		cd_assert(cd_jwks_count(other) > 0 &&
			  cd_jwks_count(other) <= CD_JWKS_KEYS_MAX);
	cd_jwks_free(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cd_str s;

	setup();
	if (size == 0)
		return 0;
	s = cd_str_make(data + 1, size - 1);
	switch (data[0] % 3) {
	case 0:
		verify(s);
		break;
	case 1:
		signed_parts(s);
		break;
	default:
		key_set(s);
	}
	return 0;
}
