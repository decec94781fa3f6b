/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key sets. A key that we do not use is passed over, because a provider may
 * publish what it likes; a key that claims to be one of ours and is not is an
 * error.
 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <stdlib.h>

#include "base/arena.h"
#include "token/base64.h"
#include "token/jwt_impl.h"

enum { KTY, USE, ALG, KID, CRV, X, Y, N, E, MEMBERS };

int cd_members_read(struct cd_json *j, struct cd_member *members, size_t n,
		    struct cd_arena *store)
{
	while (cd_json_next(j) == CD_JSON_KEY) {
		struct cd_member *m = NULL;
		char *room;

		for (size_t i = 0; i < n && !m; i++)
			if (cd_json_is(j, members[i].name))
				m = &members[i];
		if (!m) {
			if (!cd_json_skip(j))
				return CD_E_CORRUPT;
			continue;
		}
		if (m->seen || cd_json_next(j) != CD_JSON_STRING)
			return CD_E_CORRUPT;
		room = cd_arena_alloc(store, j->raw.len + 1);
		if (!room)
			return -ENOMEM;
		m->seen = true;
		if (cd_json_text(j, room, j->raw.len, &m->text) < 0)
			return CD_E_CORRUPT;
	}
	return j->event == CD_JSON_OBJECT_END ? 0 : CD_E_CORRUPT;
}

void cd_jwks_free(struct cd_jwks **set)
{
	if (!*set)
		return;
	for (size_t i = 0; i < (*set)->n; i++)
		EVP_PKEY_free((*set)->keys[i].key);
	free(*set);
	*set = NULL;
}

size_t cd_jwks_count(const struct cd_jwks *set)
{
	return set->n;
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *bld)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *key = NULL;

	if (params && ctx && EVP_PKEY_fromdata_init(ctx) == 1)
		EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params);
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	return key;
}

static BIGNUM *number(struct cd_str text)
{
	struct cd_buf b cd_auto(cd_buf_done);

	cd_buf_init(&b, 1024 + 1);
	if (text.len == 0 || cd_base64url_decode(text, &b) < 0)
		return NULL;
	return BN_bin2bn((unsigned char *)b.data, (int)b.len, NULL);
}

static EVP_PKEY *rsa_key(const struct cd_member *m)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	BIGNUM *n = number(m[N].text), *e = number(m[E].text);
	EVP_PKEY *key = NULL;

	if (bld && n && e && BN_num_bits(e) <= 64 && BN_is_odd(e) &&
	    !BN_is_one(e) && BN_is_odd(n) && BN_num_bits(n) >= 2048 &&
	    BN_num_bits(n) <= 8192 &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) == 1)
		key = from_params("RSA", bld);
	OSSL_PARAM_BLD_free(bld);
	BN_free(n);
	BN_free(e);
	return key;
}

static EVP_PKEY *ec_key(const struct cd_member *m)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	unsigned char point[65] = {0x04}; /* uncompressed */
	EVP_PKEY *key = NULL;

	if (bld && cd_base64url_decode_fixed(m[X].text, point + 1, 32) == 0 &&
	    cd_base64url_decode_fixed(m[Y].text, point + 33, 32) == 0 &&
	    OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME,
					    "prime256v1", 0) == 1 &&
	    OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY,
					     point, sizeof(point)) == 1)
		key = from_params("EC", bld);
	OSSL_PARAM_BLD_free(bld);
	return key;
}

static EVP_PKEY *ed_key(const struct cd_member *m)
{
	struct cd_public_key x;

	if (cd_base64url_decode_fixed(m[X].text, x.bytes, sizeof(x.bytes)) <
		    0 ||
	    cd_public_key_is_weak(&x))
		return NULL;
	return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x.bytes,
					   sizeof(x.bytes));
}

static const struct kind {
	struct cd_str kty, crv, alg;
	enum cd_jwt_alg is;
	EVP_PKEY *(*make)(const struct cd_member *m);
} kinds[] = {
	{CD_STR_INIT("RSA"), CD_STR_INIT(""), CD_STR_INIT("RS256"),
	 CD_JWT_RS256, rsa_key},
	{CD_STR_INIT("EC"), CD_STR_INIT("P-256"), CD_STR_INIT("ES256"),
	 CD_JWT_ES256, ec_key},
	{CD_STR_INIT("OKP"), CD_STR_INIT("Ed25519"), CD_STR_INIT("EdDSA"),
	 CD_JWT_EDDSA, ed_key},
};

static const struct kind *kind_of(const struct cd_member *m)
{
	if (m[USE].seen && !cd_str_equal(m[USE].text, CD_STR("sig")))
		return NULL;
	for (size_t i = 0; i < CD_ARRAY_SIZE(kinds); i++) {
		const struct kind *k = &kinds[i];

		if (cd_str_equal(m[KTY].text, k->kty) &&
		    cd_str_equal(m[CRV].text, k->crv) &&
		    (!m[ALG].seen || cd_str_equal(m[ALG].text, k->alg)))
			return k;
	}
	return NULL;
}

static int add_key(struct cd_jwks *set, const struct cd_member *m)
{
	const struct kind *k = kind_of(m);
	struct cd_jwk *jwk = &set->keys[set->n];

	if (!k)
		return 0;
	if (set->n == CD_JWKS_KEYS_MAX || m[KID].text.len > CD_JWK_KID_MAX)
		return CD_E_CORRUPT;
	jwk->key = k->make(m);
	if (!jwk->key) {
		ERR_clear_error();
		/* too weak or too long is not ours to use; wrong is wrong */
		return k->is == CD_JWT_RS256 ? 0 : CD_E_CORRUPT;
	}
	jwk->alg = k->is;
	jwk->kid_len = m[KID].text.len;
	if (jwk->kid_len)
		memcpy(jwk->kid, m[KID].text.ptr, jwk->kid_len);
	set->n++;
	return 0;
}

static int read_keys(struct cd_json *j, struct cd_jwks *set,
		     struct cd_arena *store)
{
	int r = 0;

	if (cd_json_next(j) != CD_JSON_ARRAY)
		return CD_E_CORRUPT;
	while (r == 0 && cd_json_next(j) == CD_JSON_OBJECT) {
		struct cd_member m[MEMBERS] = {
			[KTY] = {.name = "kty"}, [USE] = {.name = "use"},
			[ALG] = {.name = "alg"}, [KID] = {.name = "kid"},
			[CRV] = {.name = "crv"}, [X] = {.name = "x"},
			[Y] = {.name = "y"},	 [N] = {.name = "n"},
			[E] = {.name = "e"},
		};

		r = cd_members_read(j, m, MEMBERS, store);
		if (r == 0)
			r = add_key(set, m);
	}
	if (r == 0 && j->event != CD_JSON_ARRAY_END)
		r = CD_E_CORRUPT;
	return r;
}

static int read_set(struct cd_json *j, struct cd_jwks *set,
		    struct cd_arena *store)
{
	bool seen = false;
	int r = 0;

	if (cd_json_next(j) != CD_JSON_OBJECT)
		return CD_E_CORRUPT;
	while (r == 0 && cd_json_next(j) == CD_JSON_KEY) {
		if (!cd_json_is(j, "keys")) {
			r = cd_json_skip(j) ? 0 : CD_E_CORRUPT;
		} else {
			r = seen ? CD_E_CORRUPT : read_keys(j, set, store);
			seen = true;
		}
	}
	if (r < 0)
		return r;
	if (j->event != CD_JSON_OBJECT_END || !seen ||
	    cd_json_next(j) != CD_JSON_END)
		return CD_E_CORRUPT;
	return set->n ? 0 : CD_E_NOTFOUND;
}

int cd_jwks_parse(struct cd_str json, struct cd_jwks **ret_set)
{
	struct cd_arena *store cd_auto(cd_arena_free) = NULL;
	struct cd_jwks *set cd_auto(cd_jwks_free) = NULL;
	struct cd_json j;
	int r;

	if (json.len > CD_JWKS_MAX)
		return CD_E_CORRUPT;
	r = cd_arena_new(4 * CD_JWKS_MAX, &store);
	if (r < 0)
		return r;
	set = cd_calloc(1, sizeof(*set));
	if (!set)
		return -ENOMEM;
	cd_json_init(&j, json);
	r = read_set(&j, set, store);
	if (r == 0)
		*ret_set = CD_TAKE(set);
	return r;
}

int cd_jwks_from_public(const struct cd_public_key *key,
			struct cd_jwks **ret_set)
{
	struct cd_jwks *set cd_auto(cd_jwks_free) = cd_calloc(1, sizeof(*set));
	char id[CD_KEY_ID + 1];

	if (!set)
		return -ENOMEM;
	cd_key_id(key, id);
	set->keys[0].alg = CD_JWT_EDDSA;
	memcpy(set->keys[0].kid, id, CD_KEY_ID);
	set->keys[0].kid_len = CD_KEY_ID;
	set->keys[0].key = EVP_PKEY_new_raw_public_key(
		EVP_PKEY_ED25519, NULL, key->bytes, sizeof(key->bytes));
	if (!set->keys[0].key)
		return -ENOMEM;
	set->n = 1;
	*ret_set = CD_TAKE(set);
	return 0;
}

void cd_jwks_put_public(const struct cd_public_key *key, struct cd_buf *out)
{
	char id[CD_KEY_ID + 1];

	cd_key_id(key, id);
	cd_buf_puts(out, "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
			 "\"use\":\"sig\",\"alg\":\"EdDSA\",\"kid\":\"");
	cd_buf_puts(out, id);
	cd_buf_puts(out, "\",\"x\":\"");
	cd_base64url_put(out, key->bytes, sizeof(key->bytes));
	cd_buf_puts(out, "\"}]}");
}

const struct cd_jwk *cd_jwks_find(const struct cd_jwks *set,
				  enum cd_jwt_alg alg, struct cd_str kid)
{
	const struct cd_jwk *found = NULL;

	for (size_t i = 0; i < set->n; i++) {
		const struct cd_jwk *k = &set->keys[i];

		if (k->alg != alg ||
		    (kid.len &&
		     !cd_str_equal(kid, cd_str_make(k->kid, k->kid_len))))
			continue;
		if (found)
			return NULL;
		found = k;
	}
	return found;
}
