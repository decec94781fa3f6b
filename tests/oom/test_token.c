/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens, records, bundles and JWTs when memory runs out: an error, no leak,
 * and never something half made that looks whole.
 */
#include "oom.h"

#include "base/arena.h"
#include "token/bundle.h"
#include "token/change.h"
#include "token/jwt.h"
#include "token/password.h"
#include "token/seal.h"
#include "token/token.h"
#include "token/totp.h"
#include "token/trust.h"

/* Made before allocations fail, of a fixed seed. */
static struct cd_sign_key *key;
static struct cd_public_key pub;
static struct cd_jwks *set;

static void setup(void)
{
	struct cd_secret *seed cd_auto(cd_secret_free) = NULL;

	if (key)
		return;
	cd_assert(cd_secret_new(32, &seed) == 0);
	cd_assert(cd_sign_key_from_seed(seed, &key) == 0);
	cd_sign_key_public(key, &pub);
	cd_assert(cd_jwks_from_public(&pub, &set) == 0);
}

static int want(void)
{
	return oom_failed() ? -ENOMEM : 0;
}

TEST(secrets_and_tokens)
{
	setup();
	OOM_EACH(n) {
		struct cd_secret *s = NULL;
		uint8_t k[CD_TOKEN_KEY];
		int r = cd_token_new(&s, k);

		ok_eq_int(r, want());
		ok_true((r == 0) == (s != NULL));
		cd_secret_free(&s);
	}
}

TEST(one_time_codes)
{
	OOM_EACH(n) {
		struct cd_secret *s = NULL, *uri = NULL;
		int r = cd_totp_new(&s);

		if (r == 0)
			r = cd_totp_uri(s, CD_STR("Cordon"), CD_STR("alice"),
					&uri);
		ok_eq_int(r, want());
		cd_secret_free(&s);
		cd_secret_free(&uri);
	}
}

TEST(records_and_batches)
{
	static struct cd_change c;
	static uint8_t head[CD_CHANGE_HEADER];

	c.kind = CD_RECORD_SUBJECT_GONE;
	c.u.gone = 1;
	OOM_EACH(n) {
		struct cd_buf b;
		int r;

		cd_buf_init(&b, 4096);
		r = cd_change_encode(&c, &b);
		if (r == 0)
			r = cd_changes_header(1, 1, CD_STR("*"), cd_buf_get(&b),
					      1, head);
		ok_eq_int(r, want());
		cd_buf_done(&b);
	}
}

TEST(bundles)
{
	static uint8_t bytes[CD_BUNDLE_HEADER];

	OOM_EACH(n) {
		struct cd_bundle_header h = {.serial = 1,
					     .not_after = 1,
					     .snapshot_size = 1,
					     .audience = "*"};
		int r = cd_bundle_encode(&h, bytes);

		ok_eq_int(r, want());
	}
}

TEST(assertions_are_whole_or_not_made)
{
	struct cd_str group = CD_STR("finance");
	struct cd_assertion a = {.iss = CD_STR("i"),
				 .sub = CD_STR("s"),
				 .aud = CD_STR("a"),
				 .groups = &group,
				 .n_groups = 1,
				 .iat = 1000};
	struct cd_jwt_expect e = {.typ = CD_STR(CD_ASSERTION_TYPE),
				  .iss = CD_STR("i"),
				  .aud = CD_STR("a"),
				  .now = 1000};

	setup();
	OOM_EACH(n) {
		struct cd_jwt *jwt = NULL;
		struct cd_buf b;
		int r;

		cd_buf_init(&b, CD_JWT_MAX);
		r = cd_assertion_sign(key, &a, &b);
		if (r == 0)
			r = cd_jwt_verify(cd_buf_get(&b), set, &e, &jwt);
		/* no memory may also show as text that does not decode */
		if (oom_failed())
			ok_true(r < 0);
		else
			ok_eq_int(r, 0);
		ok_true((r == 0) == (jwt != NULL));
		cd_jwt_free(&jwt);
		cd_buf_done(&b);
	}
}

TEST(key_sets)
{
	static const char text[] =
		"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"
		"\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";

	OOM_EACH(n) {
		struct cd_jwks *s = NULL;
		int r = cd_jwks_parse(cd_str_from(text), &s);

		if (oom_failed())
			ok_true(r < 0);
		else
			ok_eq_int(r, 0);
		ok_true((r == 0) == (s != NULL));
		cd_jwks_free(&s);
	}
}

TEST(sealing)
{
	static struct cd_secret *k;

	if (!k)
		cd_assert(cd_secret_new(CD_SEAL_KEY, &k) == 0);
	OOM_EACH(n) {
		struct cd_secret *plain = NULL;
		struct cd_buf b;
		int r;

		cd_buf_init(&b, 256);
		r = cd_seal(k, CD_STR("p"), CD_STR("c"), CD_STR("x"), &b);
		if (r == 0)
			r = cd_unseal(k, CD_STR("p"), CD_STR("c"),
				      cd_buf_get(&b), &plain);
		if (oom_failed())
			ok_true(r < 0);
		else
			ok_eq_int(r, 0);
		ok_true((r == 0) == (plain != NULL));
		cd_secret_free(&plain);
		cd_buf_done(&b);
	}
	cd_secret_free(&k);
}

TEST(passwords)
{
	static const struct cd_password_cost cheap = {64, 1, 1};
	static struct cd_secret *pw;

	if (!pw)
		cd_assert(cd_secret_from(CD_STR("correct horse"), &pw) == 0);
	OOM_EACH(n) {
		char *hash = NULL;
		int r = cd_password_hash(pw, &cheap, &hash);

		ok_eq_int(r, want());
		free(hash);
	}
	cd_secret_free(&pw);
	cd_sign_key_free(&key);
	cd_jwks_free(&set);
}
