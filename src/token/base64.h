/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base64url without padding (RFC 4648 section 5, as JOSE uses it) and base32
 * (section 6, as authenticator apps use it). Decoders are strict: one text
 * for one value, so unused bits must be zero and no blank, padding or other
 * character is skipped.
 */
#ifndef CD_TOKEN_BASE64_H
#define CD_TOKEN_BASE64_H

#include "base/buf.h"

void cd_base64url_put(struct cd_buf *out, const void *p, size_t len);
/* The same into memory of (8 * len + 5) / 6 characters and a NUL. */
void cd_base64url_text(const void *p, size_t len, char *ret_text);
/* Appends the decoded bytes to out; -EINVAL when the text is not canonical,
 * then out holds a part. */
int cd_base64url_decode(struct cd_str text, struct cd_buf *out);
/* Into exactly len bytes; -EINVAL when it is another length. */
int cd_base64url_decode_fixed(struct cd_str text, void *ret_bytes, size_t len);

void cd_base32_put(struct cd_buf *out, const void *p, size_t len);
/* Upper case, no padding. */
int cd_base32_decode(struct cd_str text, struct cd_buf *out);

#endif
