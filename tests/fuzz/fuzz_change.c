/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Change records and their batches. What decodes as version 1 encodes to the
 * same bytes; records are also put behind a header with the right hash, so
 * that the checks behind the hash are reached.
 */
#include <stdint.h>

#include "token/change.h"

static struct cd_change change;

static void records(struct cd_str s)
{
	struct cd_reader r = cd_reader_make(s.ptr, s.len);
	struct cd_buf b;

	while (cd_reader_left(&r) > 0) {
		const unsigned char *from = r.p;

		if (cd_change_decode(&r, &change) < 0)
			return;
		cd_buf_init(&b, CD_CHANGE_RECORD_MAX);
		if (change.version == 1 && cd_change_encode(&change, &b) == 0)
			cd_assert(b.len == (size_t)(r.p - from) &&
				  !memcmp(b.data, from, b.len));
		cd_buf_done(&b);
	}
}

static void behind_a_header(struct cd_str s)
{
	uint8_t head[CD_CHANGE_HEADER] = {0};
	struct cd_changes c;
	struct cd_buf b;
	size_t used;
	uint8_t count, range;

	if (s.len < 2)
		return;
	count = (uint8_t)s.ptr[0];
	range = (uint8_t)s.ptr[1];
	s = cd_str_make(s.ptr + 2, s.len - 2);
	if (cd_changes_header(1, 1u + range, CD_STR("*"), s, count, head) < 0)
		return;
	cd_buf_init(&b, CD_CHANGE_BATCH_MAX + CD_CHANGE_HEADER);
	cd_buf_put(&b, head, sizeof(head));
	cd_buf_str(&b, s);
	if (cd_changes_decode(cd_buf_get(&b), &c, &used) == 0) {
		cd_assert(used == b.len && c.count == count);
		cd_assert(c.first == 1 && c.last == 1u + range);
		records(c.records);
	}
	cd_buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A sound key, the first of RFC 8032 section 7.1. */
	static const struct cd_public_key key = {
		{0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7,
		 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
		 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25,
		 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a}};
	struct cd_changes c;
	size_t used;
	struct cd_str s;

	if (size == 0)
		return 0;
	s = cd_str_make(data + 1, size - 1);
	switch (data[0] % 3) {
	case 0:
		records(s);
		break;
	case 1:
		behind_a_header(s);
		break;
	default:
		if (cd_changes_decode(s, &c, &used) == 0)
			cd_assert(used <= s.len);
		cd_assert(cd_changes_verify(s, &key, CD_STR("gw1"), &c, &used) <
			  0);
	}
	return 0;
}
