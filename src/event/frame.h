/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of the journal and the spool: u32 length, u32 CRC32C, payload. The
 * checksum covers the frame's offset and length too, so a frame counts at its
 * own place only: neither bytes that an older file left on the disk nor a
 * payload that looks like a frame is taken for one.
 */
#ifndef CD_EVENT_FRAME_H
#define CD_EVENT_FRAME_H

#include "base/str.h"

#define CD_FRAME_HEADER_SIZE 8
#define CD_FRAME_PAYLOAD_MAX (1u << 20)
#define CD_FRAME_MAX (CD_FRAME_HEADER_SIZE + CD_FRAME_PAYLOAD_MAX)

/* The header of a frame at `offset`. payload.len is 1..CD_FRAME_PAYLOAD_MAX. */
void cd_frame_header(uint64_t offset, struct cd_str payload,
		     unsigned char ret_header[CD_FRAME_HEADER_SIZE]);

/* Is there a frame at the start of bytes, which lie at `offset`? 0 and its
 * payload; -EAGAIN: its end is not among the bytes; CD_E_CORRUPT. */
int cd_frame_decode(uint64_t offset, struct cd_str bytes,
		    struct cd_str *ret_payload);

#endif
