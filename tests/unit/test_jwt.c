/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON Web Tokens: published vectors, what we sign, and the classical ways to
 * talk a verifier into accepting something else.
 */
#include "tap.h"

#include <stdlib.h>

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "token/base64.h"
#include "token/jwt.h"

#define NOW INT64_C(1800000000)

/* ---- RFC 7515 A.2 (RS256), A.3 (ES256); RFC 8037 A (Ed25519) ---- */

static const char rsa_set[] =
	"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd"
	"_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT"
	"-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63"
	"kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY"
	"4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q"
	"2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"}]}";
static const char rsa_token[] =
	"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQog"
	"Imh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80"
	"EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp"
	"5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK"
	"5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwus"
	"C-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98"
	"rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
static const char ec_set[] =
	"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":"
	"\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":"
	"\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";
static const char ec_token[] =
	"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQog"
	"Imh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAq"
	"OyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

static int check(const char *set_text, const char *token,
		 const struct cd_jwt_expect *e)
{
	struct cd_jwks *set cd_auto(cd_jwks_free) = NULL;
	struct cd_jwt *jwt cd_auto(cd_jwt_free) = NULL;

	ok_eq_int(cd_jwks_parse(cd_str_from(set_text), &set), 0);
	return set ? cd_jwt_verify(cd_str_from(token), set, e, &jwt) : -1;
}

TEST(rfc7515_signatures)
{
	struct cd_jwt_expect e = {.iss = CD_STR("joe"), .now = 1300819370};
	struct cd_jwt_expect other = {.iss = CD_STR("jim"), .now = 1300819370};
	char broken[sizeof(rsa_token)];

	/* good signatures of claims that lack what we require (sub) */
	ok_eq_int(check(rsa_set, rsa_token, &e), CD_E_CORRUPT);
	ok_eq_int(check(ec_set, ec_token, &e), CD_E_CORRUPT);
	ok_eq_int(check(rsa_set, rsa_token, &other), CD_E_SIGNATURE);
	memcpy(broken, rsa_token, sizeof(broken));
	broken[sizeof(broken) - 20] ^= 1;
	ok_eq_int(check(rsa_set, broken, &e), CD_E_SIGNATURE);
	memcpy(broken, ec_token, sizeof(ec_token));
	broken[sizeof(ec_token) - 20] ^= 1;
	ok_eq_int(check(ec_set, broken, &e), CD_E_SIGNATURE);
	/* a key of another kind is not even tried */
	ok_eq_int(check(ec_set, rsa_token, &e), CD_E_NOTFOUND);
}

TEST(rfc8037_key_and_signature)
{
	static const char set_text[] =
		"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"
		"\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";
	/* payload "Example of Ed25519 signing": signature good, no claims */
	static const char token[] =
		"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
		"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylG"
		"jg5BhVsPt9g7sVvpAr_MuM0KAg";
	struct cd_jwt_expect e = {.now = NOW};

	ok_eq_int(check(set_text, token, &e), CD_E_CORRUPT);
	ok_eq_int(check(set_text,
			"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25p"
			"bmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhij"
			"cNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KBg",
			&e),
		  CD_E_SIGNATURE);
}

/* ---- tokens of our own making ---- */

struct made {
	struct cd_sign_key *key;
	struct cd_public_key pub;
	struct cd_jwks *set;
	char kid[CD_KEY_ID + 1];
};

static void make(struct made *m)
{
	ok_eq_int(cd_sign_key_new(&m->key), 0);
	cd_sign_key_public(m->key, &m->pub);
	ok_eq_int(cd_jwks_from_public(&m->pub, &m->set), 0);
	cd_key_id(&m->pub, m->kid);
}

static void unmake(struct made *m)
{
	cd_sign_key_free(&m->key);
	cd_jwks_free(&m->set);
}

/* Signs any header and payload; %KID% in the header becomes the kid. */
static void put_token(const struct made *m, const char *header,
		      const char *payload, struct cd_buf *out)
{
	struct cd_buf h cd_auto(cd_buf_done);
	const char *at = strstr(header, "%KID%");
	uint8_t sig[64];

	cd_buf_init(&h, 4096);
	if (at) {
		cd_buf_put(&h, header, (size_t)(at - header));
		cd_buf_puts(&h, m->kid);
		cd_buf_puts(&h, at + 5);
	} else {
		cd_buf_puts(&h, header);
	}
	cd_buf_init(out, 1u << 20);
	cd_base64url_put(out, h.data, h.len);
	cd_buf_char(out, '.');
	cd_base64url_put(out, payload, strlen(payload));
	ok_eq_int(cd_ed25519_sign(m->key, cd_buf_get(out), sig), 0);
	cd_buf_char(out, '.');
	cd_base64url_put(out, sig, sizeof(sig));
}

static const char good_header[] =
	"{\"alg\":\"EdDSA\",\"kid\":\"%KID%\",\"typ\":\"JWT\"}";
#define CLAIMS "\"iss\":\"i\",\"sub\":\"s\",\"aud\":\"a\",\"exp\":1800000060"

static const struct cd_jwt_expect expect = {.iss = CD_STR_INIT("i"),
					    .aud = CD_STR_INIT("a"),
					    .now = NOW};

static int try_token(const struct made *m, const char *header,
		     const char *payload)
{
	struct cd_jwt *jwt cd_auto(cd_jwt_free) = NULL;
	struct cd_buf b cd_auto(cd_buf_done);

	put_token(m, header, payload, &b);
	return cd_jwt_verify(cd_buf_get(&b), m->set, &expect, &jwt);
}

TEST(assertion_round_trip)
{
	struct cd_str groups[] = {CD_STR_INIT("finance"),
				  CD_STR_INIT("a \"quoted\" one")};
	struct cd_assertion a = {.iss = CD_STR("https://auth.example.com"),
				 .sub = CD_STR("alice"),
				 .aud = CD_STR("payroll"),
				 .groups = groups,
				 .n_groups = 2,
				 .iat = NOW};
	struct cd_jwt_expect e = {.typ = CD_STR(CD_ASSERTION_TYPE),
				  .iss = a.iss,
				  .aud = a.aud,
				  .now = NOW + 59};
	struct cd_buf b cd_auto(cd_buf_done);
	struct cd_jwt *jwt = NULL;
	struct made m;

	make(&m);
	cd_buf_init(&b, CD_JWT_MAX);
	ok_eq_int(cd_assertion_sign(m.key, &a, &b), 0);
	ok_eq_int(cd_jwt_verify(cd_buf_get(&b), m.set, &e, &jwt), 0);
	if (jwt) {
		ok_true(cd_str_equal(jwt->sub, CD_STR("alice")));
		ok_eq_int(jwt->exp - jwt->iat, 60);
		ok_eq_uint(jwt->jti.len, 22);
		ok_true(memmem(jwt->payload.ptr, jwt->payload.len,
			       "[\"finance\",\"a \\\"quoted\\\" one\"]",
			       30) != NULL);
	}
	cd_jwt_free(&jwt);
	e.now = NOW + 60;
	ok_eq_int(cd_jwt_verify(cd_buf_get(&b), m.set, &e, &jwt), CD_E_EXPIRED);
	e.now = NOW;
	e.aud = CD_STR("files");
	ok_eq_int(cd_jwt_verify(cd_buf_get(&b), m.set, &e, &jwt),
		  CD_E_SIGNATURE);
	e.aud = a.aud;
	e.typ = CD_STR_NULL; /* an assertion is no ID token */
	ok_eq_int(cd_jwt_verify(cd_buf_get(&b), m.set, &e, &jwt),
		  CD_E_SIGNATURE);
	a.sub = CD_STR("al\xff");
	ok_eq_int(cd_assertion_sign(m.key, &a, &b), -EINVAL);
	unmake(&m);
}

TEST(every_changed_character_is_refused)
{
	struct cd_buf b cd_auto(cd_buf_done);
	struct made m;

	make(&m);
	put_token(&m, good_header, "{" CLAIMS "}", &b);
	for (size_t i = 0; i < b.len; i++)
		for (int bit = 0; bit < 7; bit++) {
			struct cd_jwt *jwt = NULL;

			b.data[i] ^= (char)(1 << bit);
			if (cd_jwt_verify(cd_buf_get(&b), m.set, &expect,
					  &jwt) == 0)
				fail("accepted with byte %zu changed", i);
			cd_jwt_free(&jwt);
			b.data[i] ^= (char)(1 << bit);
		}
	ok_eq_int(try_token(&m, good_header, "{" CLAIMS "}"), 0);
	unmake(&m);
}

TEST(algorithms_that_do_not_exist_here)
{
	static const char *const headers[] = {
		"{\"alg\":\"none\"}",
		"{\"alg\":\"None\",\"kid\":\"%KID%\"}",
		"{\"alg\":\"HS256\",\"kid\":\"%KID%\"}",
		"{\"alg\":\"RS512\",\"kid\":\"%KID%\"}",
		"{\"alg\":\"eddsa\",\"kid\":\"%KID%\"}",
		"{\"kid\":\"%KID%\"}",
		"{\"alg\":\"EdDSA\",\"kid\":\"%KID%\",\"crit\":[\"b64\"]}",
		"{\"alg\":\"EdDSA\",\"kid\":\"%KID%\",\"cty\":\"JWT\"}",
		"{\"alg\":\"EdDSA\",\"jwk\":{\"kty\":\"OKP\"}}",
		"{\"alg\":\"EdDSA\",\"jku\":\"https://evil.example\"}",
		"{\"alg\":\"EdDSA\",\"\\u006aku\":\"https://evil.example\"}",
		"{\"alg\":\"EdDSA\",\"x5c\":[]}",
		"{\"alg\":\"EdDSA\",\"zip\":\"DEF\"}",
	};
	struct made m;

	make(&m);
	for (size_t i = 0; i < CD_ARRAY_SIZE(headers); i++)
		ok_eq_int(try_token(&m, headers[i], "{" CLAIMS "}"),
			  CD_E_UNSUPPORTED);
	/* key confusion: HMAC with the public key as its secret */
	struct cd_buf b cd_auto(cd_buf_done);
	struct cd_jwt *jwt = NULL;
	unsigned char mac[32];
	unsigned int len;

	put_token(&m, "{\"alg\":\"HS256\",\"kid\":\"%KID%\"}", "{" CLAIMS "}",
		  &b);
	b.len = (size_t)(strrchr(b.data, '.') - b.data);
	HMAC(EVP_sha256(), m.pub.bytes, 32, (unsigned char *)b.data, b.len, mac,
	     &len);
	cd_buf_char(&b, '.');
	cd_base64url_put(&b, mac, 32);
	ok_eq_int(cd_jwt_verify(cd_buf_get(&b), m.set, &expect, &jwt),
		  CD_E_UNSUPPORTED);
	unmake(&m);
}

TEST(headers_and_claims_that_are_refused)
{
	static const struct {
		const char *header, *payload;
		int want;
	} t[] = {
		{"{\"alg\":\"EdDSA\",\"alg\":\"EdDSA\"}", "{" CLAIMS "}",
		 CD_E_CORRUPT},
		{"{\"alg\":\"EdDSA\",\"kid\":\"other\"}", "{" CLAIMS "}",
		 CD_E_NOTFOUND},
		{"{\"alg\":\"EdDSA\",\"kid\":\"\"}", "{" CLAIMS "}",
		 CD_E_CORRUPT},
		{"{\"alg\":\"EdDSA\"} x", "{" CLAIMS "}", CD_E_CORRUPT},
		{"[]", "{" CLAIMS "}", CD_E_CORRUPT},
		{"{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\"}", "{" CLAIMS "}",
		 CD_E_SIGNATURE},
		{good_header, "{" CLAIMS ",\"sub\":\"t\"}", CD_E_CORRUPT},
		{good_header, "{" CLAIMS ",\"aud\":\"b\"}", CD_E_CORRUPT},
		{good_header, "{" CLAIMS ",\"nbf\":1800000100}", CD_E_EXPIRED},
		{good_header, "{" CLAIMS ",\"iat\":1800000100}", CD_E_EXPIRED},
		{good_header, "{" CLAIMS ",\"iat\":1.5}", CD_E_CORRUPT},
		{good_header, "{" CLAIMS ",\"nbf\":-1}", CD_E_CORRUPT},
		{good_header, "{" CLAIMS "} ", 0},
		{good_header, "{" CLAIMS "} {}", CD_E_CORRUPT},
		{good_header, "not json", CD_E_CORRUPT},
		{good_header, "{\"iss\":\"i\",\"sub\":\"s\",\"aud\":\"a\"}",
		 CD_E_CORRUPT},
		{good_header,
		 "{\"iss\":\"i\",\"aud\":\"a\",\"exp\":1800000060}",
		 CD_E_CORRUPT},
		{good_header,
		 "{\"iss\":\"i\",\"sub\":\"s\",\"exp\":1800000060}",
		 CD_E_SIGNATURE},
		{good_header,
		 "{\"iss\":\"i\",\"sub\":\"s\",\"aud\":[\"x\",\"a\"],"
		 "\"exp\":1800000060}",
		 0},
		{good_header,
		 "{\"iss\":\"i\",\"sub\":\"s\",\"aud\":[\"x\",1],"
		 "\"exp\":1800000060}",
		 CD_E_CORRUPT},
		{good_header,
		 "{\"iss\":\"i/\",\"sub\":\"s\",\"aud\":\"a\","
		 "\"exp\":1800000060}",
		 CD_E_SIGNATURE},
	};
	struct made m;

	make(&m);
	for (size_t i = 0; i < CD_ARRAY_SIZE(t); i++)
		if (!ok_eq_int(try_token(&m, t[i].header, t[i].payload),
			       t[i].want))
			note("case %zu: %s . %s", i, t[i].header, t[i].payload);
	unmake(&m);
}

TEST(forms_that_are_refused)
{
	static const char *const forms[] = {
		"",	    ".",
		"..",	    "a.b",
		"a.b.c.d",  "...",
		"e30.e30.", ".e30.e30",
		"e30..e30", "e30.e30.e30.e30.e30",
	};
	struct cd_buf big cd_auto(cd_buf_done);
	struct cd_jwt *jwt = NULL;
	struct made m;

	make(&m);
	for (size_t i = 0; i < CD_ARRAY_SIZE(forms); i++)
		ok_true(cd_jwt_verify(cd_str_from(forms[i]), m.set, &expect,
				      &jwt) < 0);
	cd_buf_init(&big, 1u << 20);
	cd_buf_puts(&big, "{" CLAIMS ",\"x\":\"");
	memset(cd_buf_extend(&big, CD_JWT_MAX), 'x', CD_JWT_MAX);
	cd_buf_puts(&big, "\"}");
	ok_eq_int(try_token(&m, good_header, big.data), CD_E_CORRUPT);
	unmake(&m);
}

TEST(key_sets)
{
	static const struct {
		const char *text;
		int want;
	} t[] = {
		{"{\"keys\":[]}", CD_E_NOTFOUND},
		{"{}", CD_E_CORRUPT},
		{"[]", CD_E_CORRUPT},
		{"{\"keys\":[],\"keys\":[]}", CD_E_CORRUPT},
		{"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}",
		 CD_E_NOTFOUND},
		{"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}]}",
		 CD_E_CORRUPT},
		{"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":"
		 "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}",
		 CD_E_NOTFOUND},
		{"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"use\":"
		 "\"enc\",\"x\":"
		 "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}",
		 CD_E_NOTFOUND},
		/* a point that is not on the curve */
		{"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":"
		 "\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":"
		 "\"y_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}",
		 CD_E_CORRUPT},
		/* RSA of 512 bits */
		{"{\"keys\":[{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":"
		 "\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPd"
		 "dxHmfHQp-Vaw-4qPCJrcS2mJPMEzPw\"}]}",
		 CD_E_NOTFOUND},
		/* Ed25519 keys under which anybody signs */
		{"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"
		 "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}]}",
		 CD_E_CORRUPT},
		{"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"
		 "\"xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA_o\"}]}",
		 CD_E_CORRUPT},
		{"{\"keys\":[{\"kty\":\"OKP\",\"kty\":\"OKP\"}]}",
		 CD_E_CORRUPT},
	};
	struct cd_buf b cd_auto(cd_buf_done);
	struct cd_jwks *set = NULL;
	struct made m;

	for (size_t i = 0; i < CD_ARRAY_SIZE(t); i++)
		if (!ok_eq_int(cd_jwks_parse(cd_str_from(t[i].text), &set),
			       t[i].want))
			note("case %zu", i);
	make(&m);
	cd_buf_init(&b, 1024);
	cd_jwks_put_public(&m.pub, &b);
	ok_eq_int(cd_jwks_parse(cd_buf_get(&b), &set), 0);
	ok_eq_uint(cd_jwks_count(set), 1);
	cd_jwks_free(&set);
	unmake(&m);
}

/* Two keys of one algorithm: a token must say which. */
TEST(no_kid_needs_one_key)
{
	struct cd_buf b cd_auto(cd_buf_done), one cd_auto(cd_buf_done);
	struct cd_jwks *both = NULL;
	struct made m, n;
	struct cd_jwt *jwt = NULL;
	size_t cut;

	make(&m);
	make(&n);
	cd_buf_init(&b, 4096);
	cd_buf_init(&one, 4096);
	cd_jwks_put_public(&m.pub, &b);
	b.len -= 2;
	cd_buf_char(&b, ',');
	cut = strlen("{\"keys\":[");
	cd_jwks_put_public(&n.pub, &one);
	cd_buf_put(&b, one.data + cut, one.len - cut);
	ok_eq_int(cd_jwks_parse(cd_buf_get(&b), &both), 0);
	if (!both)
		return;
	ok_eq_uint(cd_jwks_count(both), 2);
	cd_buf_done(&one);
	put_token(&m, "{\"alg\":\"EdDSA\"}", "{" CLAIMS "}", &one);
	ok_eq_int(cd_jwt_verify(cd_buf_get(&one), both, &expect, &jwt),
		  CD_E_NOTFOUND);
	ok_eq_int(cd_jwt_verify(cd_buf_get(&one), m.set, &expect, &jwt), 0);
	cd_jwt_free(&jwt);
	cd_buf_done(&one);
	put_token(&m, good_header, "{" CLAIMS "}", &one);
	ok_eq_int(cd_jwt_verify(cd_buf_get(&one), both, &expect, &jwt), 0);
	cd_jwt_free(&jwt);
	cd_jwks_free(&both);
	unmake(&m);
	unmake(&n);
}
