/* SPDX-License-Identifier: Apache-2.0 */
#include "event/frame.h"

#include "base/buf.h"
#include "base/crc32c.h"

static void store_le(unsigned char *p, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)(v >> (8 * i));
}

static uint32_t checksum(uint64_t offset, struct cd_str payload)
{
	unsigned char place[12];

	store_le(place, offset, 8);
	store_le(place + 8, payload.len, 4);
	return cd_crc32c(cd_crc32c(0, place, sizeof(place)), payload.ptr,
			 payload.len);
}

void cd_frame_header(uint64_t offset, struct cd_str payload,
		     unsigned char ret_header[CD_FRAME_HEADER_SIZE])
{
	cd_assert(payload.len > 0 && payload.len <= CD_FRAME_PAYLOAD_MAX);
	store_le(ret_header, payload.len, 4);
	store_le(ret_header + 4, checksum(offset, payload), 4);
}

int cd_frame_decode(uint64_t offset, struct cd_str bytes,
		    struct cd_str *ret_payload)
{
	struct cd_reader r = cd_reader_make(bytes.ptr, bytes.len);
	uint32_t len = cd_read_u32(&r), crc = cd_read_u32(&r);
	struct cd_str payload;

	if (r.err)
		return -EAGAIN;
	if (len == 0 || len > CD_FRAME_PAYLOAD_MAX)
		return CD_E_CORRUPT;
	payload = cd_read_bytes(&r, len);
	if (r.err)
		return -EAGAIN;
	if (checksum(offset, payload) != crc)
		return CD_E_CORRUPT;
	*ret_payload = payload;
	return 0;
}
