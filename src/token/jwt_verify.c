/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verification in one order: size, form of the header, algorithm from the
 * allow list, key by kid and algorithm, signature, and only then the claims.
 */
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <stdlib.h>

#include "base/arena.h"
#include "token/base64.h"
#include "token/jwt_impl.h"

#define HEADER_MAX 1024 /* decoded bytes */
#define SIGNATURE_MAX 1024
#define AUDIENCES_MAX 16

struct parts {
	struct cd_str signed_text; /* header '.' payload */
	struct cd_str header, payload, signature;
};

struct jwt {
	struct cd_jwt public;
	struct cd_arena *arena;
};

static int split(struct cd_str token, struct parts *p)
{
	struct cd_str rest;

	if (token.len > CD_JWT_MAX)
		return CD_E_CORRUPT;
	p->header = cd_str_split(token, '.', &rest);
	p->payload = cd_str_split(rest, '.', &rest);
	p->signature = rest;
	if (!rest.ptr || !p->header.len || !p->payload.len || !rest.len ||
	    memchr(rest.ptr, '.', rest.len))
		return CD_E_CORRUPT;
	p->signed_text =
		cd_str_make(token.ptr, p->header.len + 1 + p->payload.len);
	return 0;
}

/* base64url into the arena. */
static int decode(struct cd_str text, size_t max, struct cd_arena *arena,
		  struct cd_str *ret)
{
	struct cd_buf b cd_auto(cd_buf_done);

	cd_buf_init(&b, max);
	if (cd_base64url_decode(text, &b) < 0)
		return CD_E_CORRUPT;
	return cd_arena_str(arena, cd_buf_get(&b), ret);
}

/* ---- header ---- */

struct header {
	enum cd_jwt_alg alg;
	struct cd_str typ, kid;
};

enum { ALG, TYP, KID, MEMBERS };

/* Members that would let the token say how it is to be verified. */
static const char *const refused[] = {"crit", "jwk", "jku", "x5u", "x5c",
				      "cty",  "zip", "enc", "b64"};

static int refuse_members(struct cd_str json)
{
	struct cd_json j;

	cd_json_init(&j, json);
	if (cd_json_next(&j) != CD_JSON_OBJECT)
		return CD_E_CORRUPT;
	while (cd_json_next(&j) == CD_JSON_KEY) {
		for (size_t i = 0; i < CD_ARRAY_SIZE(refused); i++)
			if (cd_json_is(&j, refused[i]))
				return CD_E_UNSUPPORTED;
		if (!cd_json_skip(&j))
			return CD_E_CORRUPT;
	}
	return j.event == CD_JSON_OBJECT_END &&
			       cd_json_next(&j) == CD_JSON_END ?
		       0 :
		       CD_E_CORRUPT;
}

static int algorithm(struct cd_str name, enum cd_jwt_alg *ret)
{
	static const struct cd_str names[] = {
		[CD_JWT_EDDSA] = CD_STR_INIT("EdDSA"),
		[CD_JWT_RS256] = CD_STR_INIT("RS256"),
		[CD_JWT_ES256] = CD_STR_INIT("ES256"),
	};

	for (size_t i = 0; i < CD_ARRAY_SIZE(names); i++)
		if (cd_str_equal(name, names[i])) {
			*ret = (enum cd_jwt_alg)i;
			return 0;
		}
	return CD_E_UNSUPPORTED;
}

static int read_header(struct cd_str text, struct cd_arena *arena,
		       struct header *h)
{
	struct cd_member m[MEMBERS] = {[ALG] = {.name = "alg"},
				       [TYP] = {.name = "typ"},
				       [KID] = {.name = "kid"}};
	struct cd_json j;
	struct cd_str json;
	int r = decode(text, HEADER_MAX, arena, &json);

	if (r == 0)
		r = refuse_members(json);
	if (r < 0)
		return r;
	cd_json_init(&j, json);
	cd_json_next(&j);
	r = cd_members_read(&j, m, MEMBERS, arena);
	if (r < 0)
		return r;
	h->typ = m[TYP].text;
	h->kid = m[KID].text;
	/* an empty kid names nothing: not the same as none */
	if (m[KID].seen && !h->kid.len)
		return CD_E_CORRUPT;
	return algorithm(m[ALG].text, &h->alg);
}

/* ---- signature ---- */

/* JOSE writes r and s side by side, OpenSSL wants them in DER. */
static int ecdsa_der(struct cd_str raw, unsigned char **ret)
{
	const unsigned char *p = (const unsigned char *)raw.ptr;
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r, *s;
	int len = -1;

	if (!sig || raw.len != 64) {
		ECDSA_SIG_free(sig);
		return -1;
	}
	r = BN_bin2bn(p, 32, NULL);
	s = BN_bin2bn(p + 32, 32, NULL);
	if (r && s && ECDSA_SIG_set0(sig, r, s) == 1) {
		len = i2d_ECDSA_SIG(sig, ret);
	} else {
		BN_free(r);
		BN_free(s);
	}
	ECDSA_SIG_free(sig);
	return len;
}

static bool verify_bytes(const struct cd_jwk *k, struct cd_str text,
			 const unsigned char *sig, size_t len)
{
	const EVP_MD *md = k->alg == CD_JWT_EDDSA ? NULL : EVP_sha256();
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok =
		ctx && EVP_DigestVerifyInit(ctx, NULL, md, NULL, k->key) == 1 &&
		EVP_DigestVerify(ctx, sig, len, (const unsigned char *)text.ptr,
				 text.len) == 1;

	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return ok;
}

static bool signature_ok(const struct cd_jwk *k, struct cd_str text,
			 struct cd_str sig)
{
	unsigned char *der = NULL;
	bool ok;
	int len;

	if (k->alg != CD_JWT_ES256)
		return verify_bytes(k, text, (const unsigned char *)sig.ptr,
				    sig.len);
	len = ecdsa_der(sig, &der);
	ok = len > 0 && verify_bytes(k, text, der, (size_t)len);
	OPENSSL_free(der);
	return ok;
}

/* ---- claims ---- */

struct claims {
	struct cd_str iss;
	struct cd_str aud[AUDIENCES_MAX];
	int64_t nbf;
	unsigned int seen; /* bit of each row of the table below */
};

static int claim_text(struct cd_json *j, struct cd_arena *arena,
		      struct cd_str *ret)
{
	char *room;

	if (j->event != CD_JSON_STRING)
		return CD_E_CORRUPT;
	room = cd_arena_alloc(arena, j->raw.len + 1);
	if (!room)
		return -ENOMEM;
	return cd_json_text(j, room, j->raw.len, ret) < 0 ? CD_E_CORRUPT : 0;
}

static int claim_audience(struct cd_json *j, struct jwt *t, struct claims *c)
{
	int r = 0;

	if (j->event == CD_JSON_STRING) {
		t->public.n_aud = 1;
		return claim_text(j, t->arena, &c->aud[0]);
	}
	if (j->event != CD_JSON_ARRAY)
		return CD_E_CORRUPT;
	while (r == 0 && cd_json_next(j) != CD_JSON_ARRAY_END) {
		if (t->public.n_aud == AUDIENCES_MAX)
			return CD_E_CORRUPT;
		r = claim_text(j, t->arena, &c->aud[t->public.n_aud++]);
	}
	return r;
}

static int claim_time(struct cd_json *j, int64_t *ret)
{
	return cd_json_int(j, ret) == 0 && *ret >= 0 ? 0 : CD_E_CORRUPT;
}

/* The value of one claim that we know, by its row. */
static int claim(struct cd_json *j, size_t row, struct jwt *t, struct claims *c)
{
	struct cd_str *const texts[] = {&c->iss, &t->public.sub, &t->public.azp,
					&t->public.nonce, &t->public.jti};
	int64_t *const times[] = {&t->public.iat, &t->public.exp, &c->nbf,
				  &t->public.auth_time};

	cd_json_next(j);
	if (row < CD_ARRAY_SIZE(texts))
		return claim_text(j, t->arena, texts[row]);
	row -= CD_ARRAY_SIZE(texts);
	if (row < CD_ARRAY_SIZE(times))
		return claim_time(j, times[row]);
	return claim_audience(j, t, c);
}

static int read_claims(struct cd_str json, struct jwt *t, struct claims *c)
{
	static const char *const names[] = {"iss",	 "sub", "azp", "nonce",
					    "jti",	 "iat", "exp", "nbf",
					    "auth_time", "aud"};
	struct cd_json j;
	int r = 0;

	cd_json_init(&j, json);
	if (cd_json_next(&j) != CD_JSON_OBJECT)
		return CD_E_CORRUPT;
	while (r == 0 && cd_json_next(&j) == CD_JSON_KEY) {
		size_t row = 0;

		while (row < CD_ARRAY_SIZE(names) &&
		       !cd_json_is(&j, names[row]))
			row++;
		if (row == CD_ARRAY_SIZE(names))
			r = cd_json_skip(&j) ? 0 : CD_E_CORRUPT;
		else if (c->seen & 1u << row)
			r = CD_E_CORRUPT;
		else
			r = claim(&j, row, t, c);
		c->seen |= 1u << (row & 31);
	}
	if (r < 0)
		return r;
	return j.event == CD_JSON_OBJECT_END &&
			       cd_json_next(&j) == CD_JSON_END ?
		       0 :
		       CD_E_CORRUPT;
}

static bool has_audience(const struct jwt *t, const struct claims *c,
			 struct cd_str want)
{
	for (size_t i = 0; i < t->public.n_aud; i++)
		if (cd_str_equal(c->aud[i], want))
			return true;
	return t->public.n_aud == 0 && want.len == 0;
}

static int check_claims(const struct jwt *t, const struct claims *c,
			const struct cd_jwt_expect *e)
{
	const struct cd_jwt *j = &t->public;

	if (!cd_str_equal(c->iss, e->iss) || !has_audience(t, c, e->aud))
		return CD_E_SIGNATURE;
	if (j->sub.len == 0 || j->exp == 0)
		return CD_E_CORRUPT;
	if (j->exp <= e->now - e->leeway || c->nbf > e->now + e->leeway ||
	    j->iat > e->now + e->leeway)
		return CD_E_EXPIRED;
	return 0;
}

static bool typ_ok(struct cd_str typ, struct cd_str want)
{
	if (want.len)
		return cd_str_equal_nocase(typ, want);
	return typ.len == 0 || cd_str_equal_nocase(typ, CD_STR("JWT"));
}

static int verify(struct jwt *t, struct cd_str token, const struct cd_jwks *set,
		  const struct cd_jwt_expect *e)
{
	struct claims c = {0};
	const struct cd_jwk *key;
	struct cd_str signature;
	struct header h;
	struct parts p;
	int r = split(token, &p);

	if (r == 0)
		r = read_header(p.header, t->arena, &h);
	if (r == 0)
		r = decode(p.signature, SIGNATURE_MAX, t->arena, &signature);
	if (r < 0)
		return r;
	key = cd_jwks_find(set, h.alg, h.kid);
	if (!key)
		return CD_E_NOTFOUND;
	if (!signature_ok(key, p.signed_text, signature) ||
	    !typ_ok(h.typ, e->typ))
		return CD_E_SIGNATURE;
	t->public.alg = h.alg;
	r = decode(p.payload, CD_JWT_MAX, t->arena, &t->public.payload);
	if (r == 0)
		r = read_claims(t->public.payload, t, &c);
	return r < 0 ? r : check_claims(t, &c, e);
}

int cd_jwt_verify(struct cd_str token, const struct cd_jwks *set,
		  const struct cd_jwt_expect *expect, struct cd_jwt **ret_jwt)
{
	struct cd_jwt *jwt cd_auto(cd_jwt_free) = NULL;
	struct jwt *t = cd_calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	jwt = &t->public;
	r = cd_arena_new(8 * CD_JWT_MAX, &t->arena);
	if (r == 0)
		r = verify(t, token, set, expect);
	if (r == 0)
		*ret_jwt = CD_TAKE(jwt);
	return r;
}

void cd_jwt_free(struct cd_jwt **jwt)
{
	struct jwt *t = (struct jwt *)(void *)*jwt;

	if (!t)
		return;
	cd_arena_free(&t->arena);
	free(t);
	*jwt = NULL;
}
