/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bundle headers and trust files: what decodes encodes to the same bytes; no
 * bundle is accepted under a key that signed nothing.
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
	switch (data[0] % 3) {
	case 0:
		header(s);
		break;
	case 1:
		padded(s);
		break;
	default:
		trust(s);
	}
	return 0;
}
