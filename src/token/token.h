/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opaque tokens: session cookies, one-time codes and links. A token is 32
 * random bytes; what travels is their base64url form without padding, 43
 * characters. What is stored is the *key*: SHA-256 of those 43 ASCII
 * characters, exactly as they stand in the cookie (not of the decoded
 * bytes). A thief of the store has no token, and a lookup by key leaks
 * nothing by its timing that helps to guess one.
 */
#ifndef CD_TOKEN_TOKEN_H
#define CD_TOKEN_TOKEN_H

#include "token/secret.h"
#include "token/sha256.h"

#define CD_TOKEN_TEXT 43 /* characters, without a NUL */
#define CD_TOKEN_KEY CD_SHA256_SIZE

/* A new token's text (43 characters) and its key. */
int cd_token_new(struct cd_secret **ret_text, uint8_t ret_key[CD_TOKEN_KEY]);
/* The key of a token met in a cookie, header or link. -EINVAL when it is not
 * 43 characters of canonical base64url: such a text was never issued. */
int cd_token_key(struct cd_str text, uint8_t ret_key[CD_TOKEN_KEY]);
/* Is this the token of that key? Constant time; false for malformed text. */
bool cd_token_is(struct cd_str text, const uint8_t key[CD_TOKEN_KEY]);

#endif
