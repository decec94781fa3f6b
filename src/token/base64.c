/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both alphabets by one pair of loops over `bits` bits a character.
 */
#include "token/base64.h"

static const char url_alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char b32_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static void encode(struct cd_buf *out, const uint8_t *p, size_t len,
		   const char *alphabet, unsigned int bits)
{
	uint32_t acc = 0;
	unsigned int have = 0, mask = (1u << bits) - 1;

	for (size_t i = 0; i < len; i++) {
		acc = acc << 8 | p[i];
		for (have += 8; have >= bits; have -= bits)
			cd_buf_char(out, alphabet[acc >> (have - bits) & mask]);
		acc &= (1u << have) - 1;
	}
	if (have > 0)
		cd_buf_char(out, alphabet[acc << (bits - have) & mask]);
	cd_wipe(&acc, sizeof(acc));
}

void cd_base64url_text(const void *p, size_t len, char *ret_text)
{
	const uint8_t *in = p;
	uint32_t acc = 0;
	unsigned int have = 0;

	for (size_t i = 0; i < len; i++) {
		acc = acc << 8 | in[i];
		for (have += 8; have >= 6; have -= 6)
			*ret_text++ = url_alphabet[acc >> (have - 6) & 63];
		acc &= (1u << have) - 1;
	}
	if (have > 0)
		*ret_text++ = url_alphabet[acc << (6 - have) & 63];
	*ret_text = 0;
	cd_wipe(&acc, sizeof(acc));
}

static int digit(char c, const char *alphabet)
{
	const char *at = c ? strchr(alphabet, c) : NULL;

	return at ? (int)(at - alphabet) : -1;
}

static int decode(struct cd_str text, struct cd_buf *out, const char *alphabet,
		  unsigned int bits)
{
	uint32_t acc = 0;
	unsigned int have = 0;

	for (size_t i = 0; i < text.len; i++) {
		int d = digit(text.ptr[i], alphabet);

		if (d < 0)
			return -EINVAL;
		acc = acc << bits | (uint32_t)d;
		have += bits;
		if (have < 8)
			continue;
		have -= 8;
		cd_buf_u8(out, (uint8_t)(acc >> have));
		acc &= (1u << have) - 1;
	}
	/* A whole unused character, or bits that no encoder sets. */
	if (have >= bits || acc != 0)
		return -EINVAL;
	return out->err;
}

void cd_base64url_put(struct cd_buf *out, const void *p, size_t len)
{
	encode(out, p, len, url_alphabet, 6);
}

int cd_base64url_decode(struct cd_str text, struct cd_buf *out)
{
	return decode(text, out, url_alphabet, 6);
}

int cd_base64url_decode_fixed(struct cd_str text, void *ret_bytes, size_t len)
{
	struct cd_buf b;
	int r;

	cd_buf_init(&b, len);
	r = cd_base64url_decode(text, &b);
	if (r == 0 && b.len != len)
		r = -EINVAL;
	if (r == 0 && len)
		memcpy(ret_bytes, b.data, len);
	cd_buf_wipe(&b);
	return r < 0 ? -EINVAL : 0;
}

void cd_base32_put(struct cd_buf *out, const void *p, size_t len)
{
	encode(out, p, len, b32_alphabet, 5);
}

int cd_base32_decode(struct cd_str text, struct cd_buf *out)
{
	return decode(text, out, b32_alphabet, 5);
}
