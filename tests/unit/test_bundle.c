/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bundles: every single flipped bit of the header and of the image is
 * refused, and so is every expectation that is not met.
 */
#include "tap.h"

#include <stdlib.h>

#include "token/bundle.h"
#include "token/random.h"

#define IMAGE 512

struct bundle {
	struct cd_sign_key *key;
	struct cd_bundle_expect expect;
	uint8_t bytes[CD_BUNDLE_HEADER + IMAGE];
};

static void sign(struct bundle *b)
{
	ok_eq_int(cd_ed25519_sign(b->key,
				  cd_str_make(b->bytes, CD_BUNDLE_SIGNED),
				  b->bytes + CD_BUNDLE_AT_SIGNATURE),
		  0);
}

static void make(struct bundle *b, const char *audience)
{
	struct cd_bundle_header h = {
		.serial = 7,
		.not_before = 1000,
		.not_after = 2000,
		.snapshot_size = IMAGE,
	};

	memcpy(h.audience, audience, strlen(audience));
	cd_random(b->bytes + CD_BUNDLE_HEADER, IMAGE);
	cd_sha256(b->bytes + CD_BUNDLE_HEADER, IMAGE, h.hash);
	ok_eq_int(cd_bundle_encode(&h, b->bytes), 0);
	if (!b->key)
		ok_eq_int(cd_sign_key_new(&b->key), 0);
	cd_sign_key_public(b->key, &b->expect.key);
	b->expect.audience = CD_STR("gw1");
	b->expect.last_serial = 6;
	b->expect.now = 1500;
	sign(b);
}

static int verify(const struct bundle *b, struct cd_bundle_header *ret)
{
	return cd_bundle_verify(cd_str_make(b->bytes, sizeof(b->bytes)),
				&b->expect, NULL, ret);
}

TEST(bundle_is_accepted_as_made)
{
	struct bundle b = {0};
	struct cd_bundle_header h;

	make(&b, "gw1");
	ok_eq_int(verify(&b, &h), 0);
	ok_eq_uint(h.serial, 7);
	ok_eq_str(h.audience, "gw1");
	ok_eq_int(h.not_after, 2000);
	ok_mem(b.bytes, 8, CD_BUNDLE_MAGIC, 8);
	ok_eq_uint(b.bytes[CD_BUNDLE_AT_SERIAL], 7);
	ok_eq_uint(b.bytes[CD_BUNDLE_AT_AUDIENCE], 'g');
	make(&b, "*");
	ok_eq_int(verify(&b, &h), 0);
	cd_sign_key_free(&b.key);
}

TEST(bundle_expectations)
{
	struct bundle b = {0};
	struct cd_bundle_header h;
	struct cd_public_key good;

	make(&b, "gw2");
	ok_eq_int(verify(&b, &h), CD_E_SIGNATURE);
	make(&b, "gw1x");
	ok_eq_int(verify(&b, &h), CD_E_SIGNATURE);
	make(&b, "gw1");
	b.expect.last_serial = 7;
	ok_eq_int(verify(&b, &h), CD_E_SIGNATURE);
	b.expect.last_serial = 6;
	b.expect.now = 2000;
	ok_eq_int(verify(&b, &h), CD_E_EXPIRED);
	b.expect.now = 1; /* a clock that is behind */
	ok_eq_int(verify(&b, &h), 0);
	good = b.expect.key;
	b.expect.key.bytes[3] ^= 4;
	ok_eq_int(verify(&b, &h), CD_E_SIGNATURE);
	b.expect.key = good;
	ok_eq_int(cd_bundle_verify(cd_str_make(b.bytes, sizeof(b.bytes) - 1),
				   &b.expect, NULL, &h),
		  CD_E_CORRUPT);
	b.bytes[CD_BUNDLE_AT_VERSION] = 2;
	sign(&b);
	ok_eq_int(verify(&b, &h), CD_E_VERSION);
	cd_sign_key_free(&b.key);
}

TEST(bundle_any_flipped_bit_is_refused)
{
	struct bundle b = {0};
	struct cd_bundle_header h;
	unsigned int accepted = 0;

	make(&b, "gw1");
	for (size_t i = 0; i < sizeof(b.bytes); i++)
		for (unsigned int bit = 0; bit < 8;
		     bit += i < CD_BUNDLE_AT_PADDING ? 1 : 5) {
			b.bytes[i] ^= (uint8_t)(1u << bit);
			accepted += verify(&b, &h) == 0;
			b.bytes[i] ^= (uint8_t)(1u << bit);
		}
	ok_eq_uint(accepted, 0);
	ok_eq_int(verify(&b, &h), 0);
	cd_sign_key_free(&b.key);
}

TEST(bundle_header_ranges)
{
	struct cd_bundle_header h = {.serial = 1,
				     .not_after = 1,
				     .snapshot_size = 1,
				     .audience = "a b"};
	uint8_t out[CD_BUNDLE_HEADER];

	ok_eq_int(cd_bundle_encode(&h, out), -EINVAL);
	strcpy(h.audience, "a,b");
	ok_eq_int(cd_bundle_encode(&h, out), -EINVAL);
	strcpy(h.audience, "a");
	ok_eq_int(cd_bundle_encode(&h, out), 0);
	h.serial = 0;
	ok_eq_int(cd_bundle_encode(&h, out), -EINVAL);
	h.serial = 1;
	h.snapshot_size = (uint64_t)CD_BUNDLE_IMAGE_MAX + 1;
	ok_eq_int(cd_bundle_encode(&h, out), -EINVAL);
}
