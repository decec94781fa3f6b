/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 6238 on RFC 4226's truncation.
 */
#include "token/totp.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#include "token/base64.h"

#define WINDOW 1 /* steps before and after that count too */

int cd_totp_new(struct cd_secret **ret_secret)
{
	return cd_secret_random(CD_TOTP_SECRET, ret_secret);
}

int cd_totp_code(const struct cd_secret *secret, uint64_t step,
		 char ret_code[CD_TOTP_DIGITS + 1])
{
	struct cd_str key = cd_secret_reveal(secret);
	uint8_t counter[8], mac[EVP_MAX_MD_SIZE];
	unsigned int mac_len = 0, at;
	uint32_t n;

	if (key.len < CD_TOTP_SECRET_MIN || key.len > CD_TOTP_SECRET_MAX)
		return -EINVAL;
	for (unsigned int i = 0; i < 8; i++)
		counter[i] = (uint8_t)(step >> (56 - 8 * i));
	if (!HMAC(EVP_sha1(), key.ptr, (int)key.len, counter, sizeof(counter),
		  mac, &mac_len) ||
	    mac_len != 20)
		return -ENOMEM;
	at = mac[19] & 0xf;
	n = (uint32_t)(mac[at] & 0x7f) << 24 | (uint32_t)mac[at + 1] << 16 |
	    (uint32_t)mac[at + 2] << 8 | mac[at + 3];
	snprintf(ret_code, CD_TOTP_DIGITS + 1, "%06u", n % 1000000);
	cd_wipe(mac, sizeof(mac));
	return 0;
}

/* Looks at every step of the window whatever matched, so that time tells
 * nothing; the newest match wins. */
static int match(const struct cd_secret *secret, struct cd_str code,
		 uint64_t now, uint64_t *ret_step)
{
	char want[CD_TOTP_DIGITS + 1];
	int found = CD_E_DENIED;

	for (uint64_t s = now > WINDOW ? now - WINDOW : 0; s <= now + WINDOW;
	     s++) {
		int r = cd_totp_code(secret, s, want);

		if (r < 0)
			return r;
		if (!cd_equal_ct(want, code.ptr, CD_TOTP_DIGITS))
			continue;
		*ret_step = s;
		found = 0;
	}
	cd_wipe(want, sizeof(want));
	return found;
}

int cd_totp_verify(const struct cd_secret *secret, struct cd_str code,
		   int64_t now, uint64_t last, uint64_t *ret_step)
{
	uint64_t step = 0;
	int r;

	if (code.len != CD_TOTP_DIGITS || now < 0)
		return CD_E_DENIED;
	r = match(secret, code, (uint64_t)now / CD_TOTP_STEP, &step);
	if (r < 0)
		return r;
	if (step <= last)
		return CD_E_DENIED;
	*ret_step = step;
	return 0;
}

/* Moves what a buffer of secret text holds into a secret. */
static int take_secret(struct cd_buf *b, struct cd_secret **ret)
{
	int r = b->err ? b->err : cd_secret_from(cd_buf_get(b), ret);

	cd_buf_wipe(b);
	return r;
}

int cd_totp_base32(const struct cd_secret *secret, struct cd_secret **ret_text)
{
	struct cd_str key = cd_secret_reveal(secret);
	struct cd_buf b;

	if (key.len > CD_TOTP_SECRET_MAX)
		return -EINVAL;
	cd_buf_init(&b, 2 * CD_TOTP_SECRET_MAX);
	cd_base32_put(&b, key.ptr, key.len);
	return take_secret(&b, ret_text);
}

/* RFC 3986: everything but unreserved characters is escaped. */
static void put_percent(struct cd_buf *out, struct cd_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		    (c >= '0' && c <= '9') || (c && strchr("-._~", c)))
			cd_buf_char(out, (char)c);
		else
			cd_buf_printf(out, "%%%02X", c);
	}
}

int cd_totp_uri(const struct cd_secret *secret, struct cd_str issuer,
		struct cd_str account, struct cd_secret **ret_uri)
{
	struct cd_str key = cd_secret_reveal(secret);
	struct cd_buf b;

	if (key.len > CD_TOTP_SECRET_MAX)
		return -EINVAL;
	cd_buf_init(&b, 4096);
	cd_buf_puts(&b, "otpauth://totp/");
	put_percent(&b, issuer);
	cd_buf_char(&b, ':');
	put_percent(&b, account);
	cd_buf_puts(&b, "?secret=");
	cd_base32_put(&b, key.ptr, key.len);
	cd_buf_puts(&b, "&issuer=");
	put_percent(&b, issuer);
	cd_buf_puts(&b, "&algorithm=SHA1&digits=6&period=30");
	return take_secret(&b, ret_uri);
}
