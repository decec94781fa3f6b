/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashing the text, not the bytes it stands for: one text has one key, and a
 * worker need not decode what it only looks up. The form is checked all the
 * same, so that a cookie of a megabyte is refused before it is hashed.
 */
#include "token/token.h"

#include "token/base64.h"
#include "token/random.h"

#define TOKEN_BYTES 32

static bool url_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* 43 characters hold 258 bits; the last two are zero in the one text that
 * encodes 32 bytes: A, E, I, M … 8. */
static bool well_formed(struct cd_str text)
{
	if (text.len != CD_TOKEN_TEXT)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (!url_char(text.ptr[i]))
			return false;
	return text.ptr[text.len - 1] != '\0' &&
	       strchr("AEIMQUYcgkosw048", text.ptr[text.len - 1]) != NULL;
}

int cd_token_new(struct cd_secret **ret_text, uint8_t ret_key[CD_TOKEN_KEY])
{
	struct cd_secret *text cd_auto(cd_secret_free) = NULL;
	uint8_t bytes[TOKEN_BYTES];
	int r = cd_secret_new(CD_TOKEN_TEXT, &text);

	if (r < 0)
		return r;
	cd_random(bytes, sizeof(bytes));
	/* a secret has room for the NUL behind it */
	cd_base64url_text(bytes, sizeof(bytes), (char *)cd_secret_bytes(text));
	cd_wipe(bytes, sizeof(bytes));
	r = cd_token_key(cd_secret_reveal(text), ret_key);
	cd_assert(r == 0);
	*ret_text = CD_TAKE(text);
	return 0;
}

int cd_token_key(struct cd_str text, uint8_t ret_key[CD_TOKEN_KEY])
{
	if (!well_formed(text))
		return -EINVAL;
	cd_sha256(text.ptr, text.len, ret_key);
	return 0;
}

bool cd_token_is(struct cd_str text, const uint8_t key[CD_TOKEN_KEY])
{
	uint8_t have[CD_TOKEN_KEY];

	return cd_token_key(text, have) == 0 &&
	       cd_equal_ct(have, key, sizeof(have));
}
