/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch of event records: what an agent sends, spools, and what the journal
 * keeps, the same bytes everywhere.
 *
 * Records of a node are numbered without gaps from 0 within an epoch (the
 * start of the sender, ns since 1970). A receiver that remembers the next
 * number of each node drops what it has already and can prove what is
 * missing.
 *
 * Layout: CD_BATCH_MAGIC u32, version u16, flags u16, epoch u64, first u64
 * (number of the first record), count u32, bytes u32 (of the records), drops
 * u64 (records that the node's rings have dropped since the epoch began), node
 * 64 bytes padded with NUL; then the records.
 */
#ifndef CD_EVENT_BATCH_H
#define CD_EVENT_BATCH_H

#include "event/event.h"

#define CD_BATCH_MAGIC 0x42454443u /* "CDEB" */
#define CD_BATCH_VERSION 1
#define CD_BATCH_HEADER_SIZE 104
#define CD_BATCH_NODE_SIZE 64
#define CD_BATCH_MAX (1u << 20) /* bytes of a whole batch */

/* Header and offsets of everything, checked. */
struct cd_batch {
	uint64_t epoch, first, drops;
	uint32_t count;
	struct cd_str node; /* not empty: letters digits . - _ */
	struct cd_str records; /* each one decodes */
	struct cd_str bytes; /* the whole batch */
};

/* CD_E_CORRUPT, CD_E_VERSION. Looks at every record. */
int cd_batch_decode(struct cd_str bytes, struct cd_batch *ret_batch);
/* The header alone, of a batch that was checked before (the journal's). */
int cd_batch_decode_header(struct cd_str bytes, struct cd_batch *ret_batch);

/* Building: begin, add ..., end. b may hold something before it. */
struct cd_batch_writer {
	struct cd_buf *out;
	size_t start;
	uint32_t count;
};

void cd_batch_begin(struct cd_batch_writer *w, struct cd_buf *out,
		    struct cd_str node, uint64_t epoch, uint64_t first);
/* CD_E_LIMIT: it would be longer than CD_BATCH_MAX; end this one first.
 * CD_E_CORRUPT: not one whole record. */
int cd_batch_add(struct cd_batch_writer *w, struct cd_str record);
/* 0, or the buffer's error. */
int cd_batch_end(struct cd_batch_writer *w, uint64_t drops);

#endif
