/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bundle headers and trust files: what decodes encodes to the same bytes; no
 * bundle is accepted under a key that signed nothing; of what the pinned key
 * signed just that is accepted which is for this agent, newer, in time, and
 * whole.
 */
#include <stdint.h>

#include "token/bundle.h"
#include "token/trust.h"

static void header(struct cd_str s)
{
	uint8_t again[CD_BUNDLE_HEADER];
	struct cd_bundle_header h;

	if (cd_bundle_decode(s, &h) < 0)
		return;
	cd_assert(cd_bundle_encode(&h, again) == 0);
	cd_assert(!memcmp(again, s.ptr, sizeof(again)));
}

/* The inputs need not hold 3888 zero bytes: padding is put behind. */
static void padded(struct cd_str s)
{
	struct cd_bundle_expect e = {.audience = CD_STR("gw1")};
	struct cd_bundle_header h;
	uint8_t bytes[CD_BUNDLE_HEADER + 64] = {0};

	if (s.len > CD_BUNDLE_AT_PADDING)
		return;
	memcpy(bytes, s.ptr, s.len);
	header(cd_str_make(bytes, CD_BUNDLE_HEADER));
	cd_assert(cd_bundle_verify(cd_str_make(bytes, sizeof(bytes)), &e, NULL,
				   &h) < 0);
}

#define FLAG_SIZE 1 /* of the first byte: keep the size that is written */
#define FLAG_HASH 2 /* keep the hash */
#define FLAG_SIGNATURE 4 /* one bit of the signature is another */
#define LAST_SERIAL 5
#define NOW 1700000001

static struct cd_sign_key *key(void)
{
	static struct cd_sign_key *k;
	struct cd_secret *seed = NULL;

	if (k)
		return k;
	cd_assert(cd_secret_new(CD_ED25519_SEED, &seed) == 0);
	cd_assert(cd_sign_key_from_seed(seed, &k) == 0);
	cd_secret_free(&seed);
	return k;
}

static bool is_for_us(const struct cd_bundle_header *h)
{
	return (!strcmp(h->audience, "gw1") || !strcmp(h->audience, "*")) &&
	       h->serial > LAST_SERIAL && h->not_after > NOW &&
	       (!h->confirm_by || h->confirm_by > NOW);
}

static void put_u64(uint8_t *at, uint64_t v)
{
	for (unsigned int i = 0; i < 8; i++)
		at[i] = (uint8_t)(v >> (8 * i));
}

/* A header and an image, signed by the key that the agent has pinned. */
static void signed_by_us(struct cd_str s)
{
	struct cd_bundle_expect e = {.audience = CD_STR("gw1"),
				     .last_serial = LAST_SERIAL,
				     .now = NOW};
	uint8_t bytes[CD_BUNDLE_HEADER + 512] = {0}, hash[CD_SHA256_SIZE];
	struct cd_bundle_header h, got;
	struct cd_str image, all;
	uint8_t flags;
	bool good;

	if (s.len < 1 + CD_BUNDLE_SIGNED || s.len > 1 + CD_BUNDLE_SIGNED + 512)
		return;
	flags = (uint8_t)s.ptr[0];
	image = cd_str_make(s.ptr + 1 + CD_BUNDLE_SIGNED,
			    s.len - 1 - CD_BUNDLE_SIGNED);
	memcpy(bytes, s.ptr + 1, CD_BUNDLE_SIGNED);
	memcpy(bytes + CD_BUNDLE_HEADER, image.ptr, image.len);
	cd_sha256(image.ptr, image.len, hash);
	if (!(flags & FLAG_SIZE))
		put_u64(bytes + CD_BUNDLE_AT_SNAPSHOT_SIZE, image.len);
	if (!(flags & FLAG_HASH))
		memcpy(bytes + CD_BUNDLE_AT_HASH, hash, sizeof(hash));
	cd_assert(cd_ed25519_sign(key(), cd_str_make(bytes, CD_BUNDLE_SIGNED),
				  bytes + CD_BUNDLE_AT_SIGNATURE) == 0);
	if (flags & FLAG_SIGNATURE)
		bytes[CD_BUNDLE_AT_SIGNATURE + (flags >> 3)] ^= 1;
	cd_sign_key_public(key(), &e.key);
	all = cd_str_make(bytes, CD_BUNDLE_HEADER + image.len);
	good = cd_bundle_decode(all, &h) == 0 && !(flags & FLAG_SIGNATURE) &&
	       is_for_us(&h) && h.snapshot_size == image.len &&
	       !memcmp(h.hash, hash, sizeof(hash));
	cd_assert((cd_bundle_verify(all, &e, NULL, &got) == 0) == good);
}

/* Lines may come in any order: what was read is held, not its bytes. */
static void trust(struct cd_str s)
{
	struct cd_trust t, again;
	struct cd_buf b;

	if (cd_trust_parse(s, &t) < 0)
		return;
	cd_buf_init(&b, CD_TRUST_MAX);
	cd_trust_put(&t, &b);
	cd_assert(cd_trust_parse(cd_buf_get(&b), &again) == 0);
	cd_assert(!memcmp(&t, &again, sizeof(t)));
	cd_buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cd_str s;

	if (size == 0)
		return 0;
	s = cd_str_make(data + 1, size - 1);
	switch (data[0] % 4) {
	case 0:
		header(s);
		break;
	case 1:
		padded(s);
		break;
	case 3:
		signed_by_us(s);
		break;
	default:
		trust(s);
	}
	return 0;
}
