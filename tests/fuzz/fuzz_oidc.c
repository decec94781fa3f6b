/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that an identity provider, or who speaks for it, sends us. The first
 * byte says what the rest is: a discovery document, a key set, a token
 * answer, claims, a token, or claims that the harness signs, so that what
 * lies behind the signature check is reached too.
 */
#include <stdlib.h>

#include "controller/oidc_meta.h"
#include "controller/oidc_token.h"
#include "token/base64.h"

#define ISS "https://id.example.com"
#define LOCAL "http://127.0.0.1:9"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct cd_sign_key *key;
static struct cd_jwks *keys;

static const struct cd_oidc_names names = {CD_STR_INIT("name"),
					   CD_STR_INIT("groups")};

static void make_keys(void)
{
	static const char seed[32] = "a seed that everybody may know.";
	struct cd_secret *s cd_auto(cd_secret_free) = NULL;
	struct cd_public_key public;

	if (key)
		return;
	cd_assert(!cd_secret_from(cd_str_make(seed, sizeof(seed)), &s));
	cd_assert(!cd_sign_key_from_seed(s, &key));
	cd_sign_key_public(key, &public);
	cd_assert(!cd_jwks_from_public(&public, &keys));
}

static void try_meta(struct cd_str text, const char *issuer)
{
	struct cd_oidc_meta m cd_auto(cd_oidc_meta_done) = {0};
	struct cd_buf b cd_auto(cd_buf_done);
	const char *why = NULL;

	cd_buf_init(&b, 1024);
	cd_oidc_discovery_url(cd_str_from(issuer), &b);
	if (cd_oidc_meta_parse(text, cd_str_from(issuer), &why, &m))
		cd_assert(why);
	else
		cd_assert(m.authorization_endpoint && m.token_endpoint &&
			  m.jwks_uri);
}

static void try_keys(struct cd_str text)
{
	struct cd_jwks *set cd_auto(cd_jwks_free) = NULL;

	if (!cd_jwks_parse(text, &set))
		cd_assert(cd_jwks_count(set) > 0 &&
			  cd_jwks_count(set) <= CD_JWKS_KEYS_MAX);
}

static void try_answer(struct cd_str text)
{
	struct cd_buf b cd_auto(cd_buf_done);

	cd_buf_init(&b, CD_JWT_MAX);
	if (!cd_oidc_token_answer(text, &b))
		cd_assert(b.len && b.len <= CD_JWT_MAX);
	cd_buf_clear(&b);
	cd_oidc_form_put(&b, "a", text);
	cd_oidc_form_put(&b, "b", text);
}

static void check_claims(const struct cd_oidc_claims *c)
{
	const json_t *g;
	size_t i;

	cd_assert(c->sub[0] && c->factor >= 0 && c->factor <= 3);
	cd_assert(json_array_size(c->groups) <= CD_OIDC_GROUPS_MAX);
	json_array_foreach(c->groups, i, g)
		cd_assert(json_string_length(g) > 0);
}

static void try_claims(struct cd_str text)
{
	struct cd_oidc_claims c cd_auto(cd_oidc_claims_done) = {0};

	if (!cd_oidc_claims_parse(text, &names, &c))
		check_claims(&c);
}

static void try_token(struct cd_str token)
{
	static const struct cd_oidc_expect e = {.issuer = CD_STR_INIT(ISS),
						.client_id = CD_STR_INIT("c"),
						.nonce = CD_STR_INIT("n"),
						.now = 1795000000,
						.begun = 1795000000};
	struct cd_oidc_claims c cd_auto(cd_oidc_claims_done) = {0};
	enum cd_oidc_verdict v;

	v = cd_oidc_token_check(token, keys, &e, &names, &c);
	cd_assert(cd_oidc_verdict_name(v));
	if (v == CD_OIDC_FINE)
		check_claims(&c);
}

static void try_signed(struct cd_str payload)
{
	static const char header[] = "{\"alg\":\"EdDSA\"}";
	uint8_t sig[CD_ED25519_SIGNATURE];
	struct cd_buf t cd_auto(cd_buf_done);

	cd_buf_init(&t, 4 * CD_JWT_MAX);
	cd_base64url_put(&t, header, sizeof(header) - 1);
	cd_buf_char(&t, '.');
	cd_base64url_put(&t, payload.ptr, payload.len);
	if (t.err || cd_ed25519_sign(key, cd_buf_get(&t), sig))
		return;
	cd_buf_char(&t, '.');
	cd_base64url_put(&t, sig, sizeof(sig));
	if (!t.err)
		try_token(cd_buf_get(&t));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cd_str rest;

	if (!size)
		return 0;
	make_keys();
	rest = cd_str_make(data + 1, size - 1);
	switch (data[0]) {
	case 'm':
		try_meta(rest, ISS);
		break;
	case 'l':
		try_meta(rest, LOCAL);
		break;
	case 'k':
		try_keys(rest);
		break;
	case 'a':
		try_answer(rest);
		break;
	case 'c':
		try_claims(rest);
		break;
	case 't':
		try_token(rest);
		break;
	default:
		try_signed(rest);
		break;
	}
	return 0;
}
