/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The identity assertion. Claims are in one fixed order, so that equal
 * assertions differ in jti and signature only.
 */
#include <stdio.h>

#include "token/base64.h"
#include "token/jwt_impl.h"
#include "token/random.h"

#define PAYLOAD_MAX (96 * 1024)
#define JTI 16 /* random bytes */

static void put_header(const struct cd_sign_key *key, struct cd_buf *out)
{
	struct cd_public_key public;
	char id[CD_KEY_ID + 1], text[128];
	int n;

	cd_sign_key_public(key, &public);
	cd_key_id(&public, id);
	n = snprintf(text, sizeof(text),
		     "{\"alg\":\"EdDSA\",\"kid\":\"%s\",\"typ\":\"%s\"}", id,
		     CD_ASSERTION_TYPE);
	cd_assert(n > 0 && (size_t)n < sizeof(text));
	cd_base64url_put(out, text, (size_t)n);
}

static void put_jti(struct cd_json_writer *w)
{
	uint8_t bytes[JTI];
	char text[(8 * JTI + 5) / 6 + 1];

	cd_random(bytes, sizeof(bytes));
	cd_base64url_text(bytes, sizeof(bytes), text);
	cd_json_key(w, "jti");
	cd_json_puts(w, text);
}

static void put_text(struct cd_json_writer *w, const char *key,
		     struct cd_str value)
{
	cd_json_key(w, key);
	cd_json_put_str(w, value);
}

static int put_claims(const struct cd_assertion *a, struct cd_buf *out)
{
	struct cd_buf b cd_auto(cd_buf_done);
	struct cd_json_writer w;

	cd_buf_init(&b, PAYLOAD_MAX);
	cd_json_writer_init(&w, &b, 0);
	cd_json_object(&w);
	put_text(&w, "iss", a->iss);
	put_text(&w, "sub", a->sub);
	put_text(&w, "aud", a->aud);
	cd_json_key(&w, "iat");
	cd_json_put_int(&w, a->iat);
	cd_json_key(&w, "exp");
	cd_json_put_int(&w, a->iat + CD_ASSERTION_LIFE);
	put_jti(&w);
	cd_json_key(&w, "groups");
	cd_json_array(&w);
	for (size_t i = 0; i < a->n_groups; i++)
		cd_json_put_str(&w, a->groups[i]);
	cd_json_array_end(&w);
	cd_json_object_end(&w);
	if (b.err)
		return b.err;
	cd_base64url_put(out, b.data, b.len);
	return out->err;
}

static bool claims_ok(const struct cd_assertion *a)
{
	if (a->iat < 0 || a->sub.len == 0 || a->aud.len == 0 ||
	    a->iss.len == 0 || a->n_groups > CD_ASSERTION_GROUPS_MAX ||
	    !cd_utf8_is_valid(a->iss) || !cd_utf8_is_valid(a->sub) ||
	    !cd_utf8_is_valid(a->aud))
		return false;
	for (size_t i = 0; i < a->n_groups; i++)
		if (!cd_utf8_is_valid(a->groups[i]))
			return false;
	return true;
}

int cd_assertion_sign(const struct cd_sign_key *key,
		      const struct cd_assertion *a, struct cd_buf *out)
{
	uint8_t sig[CD_ED25519_SIGNATURE];
	size_t start = out->len;
	int r;

	if (!claims_ok(a))
		return -EINVAL;
	put_header(key, out);
	cd_buf_char(out, '.');
	r = put_claims(a, out);
	if (r < 0)
		return r;
	r = cd_ed25519_sign(
		key, cd_str_make(out->data + start, out->len - start), sig);
	if (r < 0)
		return r;
	cd_buf_char(out, '.');
	cd_base64url_put(out, sig, sizeof(sig));
	return out->err;
}
