/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets, hashes, codes, tokens, passwords, one-time codes, signatures and
 * sealing: published vectors first, then what must be refused.
 */
#include "tap.h"

#include <stdlib.h>

#include "token/base64.h"
#include "token/ed25519.h"
#include "token/password.h"
#include "token/random.h"
#include "token/seal.h"
#include "token/token.h"
#include "token/totp.h"
#include "token/trust.h"

static size_t unhex(const char *hex, uint8_t *out)
{
	size_t n = 0;
	unsigned int v;

	for (; sscanf(hex, "%2x", &v) == 1; hex += 2)
		out[n++] = (uint8_t)v;
	return n;
}

static struct cd_secret *secret(const char *z)
{
	struct cd_secret *s = NULL;

	cd_assert(cd_secret_from(cd_str_from(z), &s) == 0);
	return s;
}

TEST(sha256_vectors)
{
	uint8_t want[32], got[32];
	struct cd_sha256 h;

	/* FIPS 180-4 examples; RFC 4231 cases 1 and 6 */
	unhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
	      want);
	cd_sha256("abc", 3, got);
	ok_mem(got, 32, want, 32);
	cd_sha256_init(&h);
	cd_sha256_add(&h, "a", 1);
	cd_sha256_add(&h, NULL, 0);
	cd_sha256_add(&h, "bc", 2);
	cd_sha256_final(&h, got);
	ok_mem(got, 32, want, 32);
	unhex("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
	      want);
	cd_hmac_sha256(CD_STR("\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"
			      "\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"),
		       CD_STR("Hi There"), got);
	ok_mem(got, 32, want, 32);
	char key[131];

	memset(key, 0xaa, sizeof(key));
	unhex("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
	      want);
	cd_hmac_sha256(cd_str_make(key, sizeof(key)),
		       CD_STR("Test Using Larger Than Block-Size Key - "
			      "Hash Key First"),
		       got);
	ok_mem(got, 32, want, 32);
}

static int decode_url(const char *z)
{
	struct cd_buf b cd_auto(cd_buf_done);

	cd_buf_init(&b, 100);
	return cd_base64url_decode(cd_str_from(z), &b);
}

static int decode_32(const char *z)
{
	struct cd_buf b cd_auto(cd_buf_done);

	cd_buf_init(&b, 100);
	return cd_base32_decode(cd_str_from(z), &b);
}

TEST(base64_is_strict)
{
	ok_eq_int(decode_url(""), 0);
	ok_eq_int(decode_url("Zg"), 0);
	ok_eq_int(decode_url("Zh"), -EINVAL); /* unused bits set */
	ok_eq_int(decode_url("Z"), -EINVAL); /* half a byte */
	ok_eq_int(decode_url("Zg=="), -EINVAL); /* padding */
	ok_eq_int(decode_url("Zm9 v"), -EINVAL);
	ok_eq_int(decode_url("+/+/"), -EINVAL); /* the other alphabet */
	ok_eq_int(decode_url("-_-_"), 0);
	ok_eq_int(decode_32("MZXW6YTB"), 0);
	ok_eq_int(decode_32("mzxw6ytb"), -EINVAL);
	ok_eq_int(decode_32("MZXW6YTBO"), -EINVAL);
	ok_eq_int(decode_32("M1"), -EINVAL);
}

TEST(base64_round_trips)
{
	struct cd_buf text cd_auto(cd_buf_done), back cd_auto(cd_buf_done);
	uint8_t bytes[70];

	cd_buf_init(&text, 200);
	cd_buf_init(&back, 200);
	for (size_t len = 0; len < sizeof(bytes); len++) {
		cd_random(bytes, len);
		cd_buf_clear(&text);
		cd_buf_clear(&back);
		cd_base64url_put(&text, bytes, len);
		ok_eq_uint(text.len, (len * 8 + 5) / 6);
		ok_eq_int(cd_base64url_decode(cd_buf_get(&text), &back), 0);
		ok_mem(back.data, back.len, bytes, len);
		cd_buf_clear(&text);
		cd_buf_clear(&back);
		cd_base32_put(&text, bytes, len);
		ok_eq_int(cd_base32_decode(cd_buf_get(&text), &back), 0);
		ok_mem(back.data, back.len, bytes, len);
	}
}

TEST(token_key_is_of_the_text)
{
	struct cd_secret *a cd_auto(cd_secret_free) = NULL;
	struct cd_secret *b cd_auto(cd_secret_free) = NULL;
	uint8_t ka[32], kb[32], hash[32];
	char odd[CD_TOKEN_TEXT + 1] = {0};
	struct cd_str t;

	ok_eq_int(cd_token_new(&a, ka), 0);
	ok_eq_int(cd_token_new(&b, kb), 0);
	t = cd_secret_reveal(a);
	ok_eq_uint(t.len, CD_TOKEN_TEXT);
	cd_sha256(t.ptr, t.len, hash);
	ok_mem(ka, 32, hash, 32);
	ok_true(cd_token_is(t, ka));
	ok_false(cd_token_is(t, kb));
	ok_false(cd_token_is(cd_str_make(t.ptr, t.len - 1), ka));
	memcpy(odd, t.ptr, t.len);
	odd[42] = 'B'; /* same 32 bytes for a lax decoder, maybe */
	ok_eq_int(cd_token_key(cd_str_make(odd, 43), hash), -EINVAL);
	memcpy(odd, t.ptr, t.len);
	odd[7] = ',';
	ok_eq_int(cd_token_key(cd_str_make(odd, 43), hash), -EINVAL);
	odd[7] = 0;
	ok_eq_int(cd_token_key(cd_str_make(odd, 43), hash), -EINVAL);
	ok_eq_int(cd_token_key(CD_STR_NULL, hash), -EINVAL);
}

TEST(secret_compares_and_bounds)
{
	struct cd_secret *a cd_auto(cd_secret_free) = secret("same");
	struct cd_secret *b cd_auto(cd_secret_free) = secret("same");
	struct cd_secret *c cd_auto(cd_secret_free) = secret("samE");
	struct cd_secret *big = NULL;

	ok_true(cd_secret_equal(a, b));
	ok_false(cd_secret_equal(a, c));
	ok_false(cd_secret_equal_bytes(a, CD_STR("sam")));
	ok_eq_int(cd_secret_new(CD_SECRET_MAX + 1, &big), CD_E_LIMIT);
	ok_true(big == NULL);
}

TEST(totp_rfc6238)
{
	static const struct {
		int64_t at;
		const char *code;
	} v[] = {
		{59, "287082"},		{1111111109, "081804"},
		{1111111111, "050471"}, {1234567890, "005924"},
		{2000000000, "279037"}, {20000000000, "353130"},
	};
	struct cd_secret *s cd_auto(cd_secret_free) =
		secret("12345678901234567890");
	uint64_t step;

	for (size_t i = 0; i < CD_ARRAY_SIZE(v); i++) {
		struct cd_str code = cd_str_from(v[i].code);

		step = 0;
		ok_eq_int(cd_totp_verify(s, code, v[i].at, 0, &step), 0);
		ok_eq_uint(step, (uint64_t)v[i].at / 30);
	}
}

TEST(totp_window_and_replay)
{
	struct cd_secret *s cd_auto(cd_secret_free) =
		secret("12345678901234567890");
	struct cd_str code = CD_STR("050471"); /* step 37037037 */
	int64_t at = 1111111111;
	uint64_t step = 7;

	ok_eq_int(cd_totp_verify(s, code, at + 30, 0, &step), 0);
	ok_eq_uint(step, 37037037);
	ok_eq_int(cd_totp_verify(s, code, at - 30, 0, &step), 0);
	step = 7;
	ok_eq_int(cd_totp_verify(s, code, at + 60, 0, &step), CD_E_DENIED);
	ok_eq_int(cd_totp_verify(s, code, at - 60, 0, &step), CD_E_DENIED);
	ok_eq_int(cd_totp_verify(s, code, at, 37037037, &step), CD_E_DENIED);
	ok_eq_int(cd_totp_verify(s, code, at, 37037038, &step), CD_E_DENIED);
	ok_eq_int(cd_totp_verify(s, CD_STR("50471"), at, 0, &step),
		  CD_E_DENIED);
	ok_eq_int(cd_totp_verify(s, CD_STR("050472"), at, 0, &step),
		  CD_E_DENIED);
	ok_eq_int(cd_totp_verify(s, code, -1, 0, &step), CD_E_DENIED);
	ok_eq_uint(step, 7);
	ok_eq_int(cd_totp_verify(s, code, at, 37037036, &step), 0);
}

TEST(totp_uri_escapes)
{
	struct cd_secret *s cd_auto(cd_secret_free) =
		secret("12345678901234567890");
	struct cd_secret *uri cd_auto(cd_secret_free) = NULL;
	struct cd_secret *tiny cd_auto(cd_secret_free) = secret("short");
	char code[7];

	ok_eq_int(cd_totp_uri(s, CD_STR("A&B"), CD_STR("x y?"), &uri), 0);
	ok_eq_str(cd_secret_reveal(uri).ptr,
		  "otpauth://totp/A%26B:x%20y%3F?secret="
		  "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=A%26B"
		  "&algorithm=SHA1&digits=6&period=30");
	ok_eq_int(cd_totp_code(tiny, 1, code), -EINVAL);
}

static const struct cd_password_cost cheap = {64, 1, 1};

TEST(password_hash_and_verify)
{
	struct cd_secret *pw cd_auto(cd_secret_free) =
		secret("correct horse battery");
	struct cd_secret *bad cd_auto(cd_secret_free) =
		secret("correct horse batterz");
	struct cd_secret *tiny cd_auto(cd_secret_free) = secret("short");
	char *hash cd_auto(cd_freep) = NULL, *two cd_auto(cd_freep) = NULL;

	ok_eq_int(cd_password_hash(pw, &cheap, &hash), 0);
	ok_eq_int(cd_password_hash(pw, &cheap, &two), 0);
	ok_true(strcmp(hash, two) != 0); /* salted */
	ok_true(!strncmp(hash, "$argon2id$v=19$m=64,t=1,p=1$", 28));
	ok_eq_int(cd_password_verify(cd_str_from(hash), NULL, pw), 0);
	ok_eq_int(cd_password_verify(cd_str_from(hash), NULL, bad),
		  CD_E_DENIED);
	ok_eq_int(cd_password_hash(tiny, &cheap, &two), -EINVAL);
	ok_true(cd_password_is_outdated(cd_str_from(hash), NULL));
	ok_false(cd_password_is_outdated(cd_str_from(hash), &cheap));
	/* nobody: refused after the work of a real one */
	ok_eq_int(cd_password_verify(CD_STR_NULL, NULL, pw), CD_E_DENIED);
	ok_eq_int(cd_password_verify(CD_STR_NULL, &cheap, pw), CD_E_DENIED);
}

TEST(password_cost_has_a_floor)
{
	static const struct {
		const char *text;
		int err;
	} v[] = {
		{"m=65536,t=3,p=1", 0},
		{"m=19456,t=2,p=1", 0},
		{"m=19456,t=2,p=4", 0},
		{"m=19455,t=2,p=1", -ERANGE},
		{"m=65536,t=1,p=1", -ERANGE},
		{"m=65536,t=3,p=0", -EINVAL},
		{"m=65536,t=65,p=1", -EINVAL},
		{"m=1048577,t=3,p=1", -EINVAL},
		{"m=65536,t=3", -EINVAL},
		{"t=3,m=65536,p=1", -EINVAL},
		{"m=65536,t=3,p=1,", -EINVAL},
		{"64 MiB", -EINVAL},
		{"", -EINVAL},
	};
	struct cd_password_cost c = {1, 2, 3};

	for (size_t i = 0; i < CD_ARRAY_SIZE(v); i++)
		ok_eq_int(cd_password_cost_parse(cd_str_from(v[i].text), &c),
			  v[i].err);
	/* the last good one */
	ok_eq_uint(c.memory_kib, 19456);
	ok_eq_uint(c.passes, 2);
	ok_eq_uint(c.lanes, 4);
}

TEST(password_refuses_odd_hashes)
{
	static const char *const odd[] = {
		"$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHQ$AAAA",
		"$argon2id$v=19$m=64,t=99,p=1$c2FsdHNhbHQ$AAAA",
		"$argon2id$v=19$m=64,t=1,p=1,x=2$c2FsdHNhbHQ$AAAA",
		"$argon2id$v=19$m=64,t=1$c2FsdHNhbHQ$AAAA",
		"$argon2id$v=19$m=64,t=1,p=1$",
		"$argon2id$v=16$m=64,t=1,p=1$c2FsdHNhbHQ$AAAA",
		"password",
	};
	struct cd_secret *pw cd_auto(cd_secret_free) = secret("correct horse");

	for (size_t i = 0; i < CD_ARRAY_SIZE(odd); i++)
		ok_eq_int(cd_password_verify(cd_str_from(odd[i]), NULL, pw),
			  CD_E_CORRUPT);
}

TEST(ed25519_rfc8032)
{
	static const struct {
		const char *seed, *pub, *msg, *sig;
	} v[] = {
		{"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
		 "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
		 "",
		 "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555f"
		 "b8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
		{"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
		 "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
		 "72",
		 "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
		 "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
	};

	for (size_t i = 0; i < CD_ARRAY_SIZE(v); i++) {
		uint8_t seed[32], pub[32], msg[8], sig[64], got[64];
		struct cd_secret *s cd_auto(cd_secret_free) = NULL;
		struct cd_sign_key *k cd_auto(cd_sign_key_free) = NULL;
		struct cd_str m = cd_str_make(msg, unhex(v[i].msg, msg));
		struct cd_public_key p;

		unhex(v[i].seed, seed);
		unhex(v[i].pub, pub);
		unhex(v[i].sig, sig);
		ok_eq_int(cd_secret_from(cd_str_make(seed, 32), &s), 0);
		ok_eq_int(cd_sign_key_from_seed(s, &k), 0);
		cd_sign_key_public(k, &p);
		ok_mem(p.bytes, 32, pub, 32);
		ok_eq_int(cd_ed25519_sign(k, m, got), 0);
		ok_mem(got, 64, sig, 64);
		ok_eq_int(cd_ed25519_verify(&p, m, sig), 0);
		sig[i * 33] ^= 1;
		ok_eq_int(cd_ed25519_verify(&p, m, sig), CD_E_SIGNATURE);
	}
}

/* Every key whose point has small order, each sign of x, reduced or not. With
 * R the neutral point and S zero, "signed by" such a key holds for one message
 * in eight at least, without any private key. */
TEST(ed25519_keys_of_small_order_prove_nothing)
{
	static const char *const order_8[] = {
		"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10"
		"\x67\x0f\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77"
		"\x92\xac\x03\x7a",
		"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef"
		"\x98\xf0\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88"
		"\x6d\x53\xfc\x05",
	};
	const uint8_t sig[CD_ED25519_SIGNATURE] = {1};
	struct cd_public_key k[7];

	memset(k, 0, sizeof(k));
	k[1].bytes[0] = 1;
	for (size_t i = 2; i < 5; i++) { /* p - 1, p, p + 1 */
		memset(&k[i], 0xff, sizeof(k[i]));
		k[i].bytes[0] = (uint8_t)(0xec + i - 2);
		k[i].bytes[31] = 0x7f;
	}
	memcpy(&k[5], order_8[0], sizeof(k[5]));
	memcpy(&k[6], order_8[1], sizeof(k[6]));
	for (size_t i = 0; i < 2 * CD_ARRAY_SIZE(k); i++) {
		struct cd_public_key *key = &k[i / 2];
		unsigned int passed = 0;

		key->bytes[31] |= (uint8_t)(i % 2 << 7);
		ok_true(cd_public_key_is_weak(key));
		for (char m = 0; m < 64; m++)
			passed += cd_ed25519_verify(key, cd_str_make(&m, 1),
						    sig) == 0;
		ok_eq_uint(passed, 0);
	}
}

TEST(trust_file_round_trips_and_is_strict)
{
	struct cd_trust t, back;
	struct cd_buf b cd_auto(cd_buf_done);
	char *at;

	cd_random(&t, sizeof(t));
	cd_buf_init(&b, CD_TRUST_MAX);
	cd_trust_put(&t, &b);
	ok_eq_int(cd_trust_parse(cd_buf_get(&b), &back), 0);
	ok_mem(&back, sizeof(back), &t, sizeof(t));
	for (size_t i = 0; i < b.len; i++) {
		ok_true(cd_trust_parse(cd_str_make(b.data, i), &back) < 0);
		b.data[i] ^= 1;
		ok_true(cd_trust_parse(cd_buf_get(&b), &back) < 0);
		b.data[i] ^= 1;
	}
	at = strstr(b.data, "changes");
	if (ok_true(at))
		memcpy(at, "bundle ", 7);
	ok_true(cd_trust_parse(cd_buf_get(&b), &back) < 0);
}

TEST(seal_binds_key_purpose_and_context)
{
	struct cd_secret *k cd_auto(cd_secret_free) = NULL;
	struct cd_secret *k2 cd_auto(cd_secret_free) = NULL;
	struct cd_secret *out cd_auto(cd_secret_free) = NULL;
	struct cd_buf a cd_auto(cd_buf_done), b cd_auto(cd_buf_done);
	struct cd_str p = CD_STR("totp"), c = CD_STR("user:1");

	cd_buf_init(&a, 1000);
	cd_buf_init(&b, 1000);
	ok_eq_int(cd_secret_random(32, &k), 0);
	ok_eq_int(cd_secret_random(32, &k2), 0);
	ok_eq_int(cd_seal(k, p, c, CD_STR("hello"), &a), 0);
	ok_eq_int(cd_seal(k, p, c, CD_STR("hello"), &b), 0);
	ok_eq_uint(a.len, 5 + CD_SEAL_OVERHEAD);
	ok_true(memcmp(a.data, b.data, a.len) != 0);
	ok_true(!memmem(a.data, a.len, "hello", 5));
	ok_eq_int(cd_unseal(k, p, c, cd_buf_get(&a), &out), 0);
	ok_true(cd_secret_equal_bytes(out, CD_STR("hello")));
	cd_secret_free(&out);
	ok_true(cd_unseal(k2, p, c, cd_buf_get(&a), &out) < 0);
	ok_true(cd_unseal(k, CD_STR("tot"), CD_STR("puser:1"), cd_buf_get(&a),
			  &out) < 0);
	ok_true(cd_unseal(k, p, CD_STR("user:2"), cd_buf_get(&a), &out) < 0);
	for (size_t i = 0; i < a.len; i++) {
		a.data[i] ^= 0x40;
		ok_true(cd_unseal(k, p, c, cd_buf_get(&a), &out) < 0);
		a.data[i] ^= 0x40;
		ok_true(cd_unseal(k, p, c, cd_str_make(a.data, i), &out) < 0);
	}
	ok_true(out == NULL);
}
