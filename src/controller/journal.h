/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event journal: an append-only log of batches in segment files, from
 * which everything else about events can be rebuilt.
 *
 * A segment is NNNNNNNNNNNNNNNNNNNN.cj, the number being the journal offset of
 * its first byte; a 64-byte header, then frames: u32 length, u32 CRC32C (of
 * offset, length and payload), payload (one batch of event/batch.h). A frame
 * is only valid at its own offset, so what an older file left on the disk
 * never counts.
 *
 * Durability. append() writes; fdatasync runs in a thread of its own, one at
 * a time for all that was written meanwhile (group commit); only then `done`
 * is called, from the loop. After a kill at any byte everything acknowledged
 * is there: a torn tail is cut at the next open, damage before intact frames
 * is kept, stepped over and told (JOURNAL_GAP).
 *
 * A full disk: append says -ENOSPC, nothing acknowledged is lost, the next
 * append tries again. Limits by size and age delete whole segments, oldest
 * first; that is an event itself (JOURNAL_TRIMMED).
 */
#ifndef CD_CONTROLLER_JOURNAL_H
#define CD_CONTROLLER_JOURNAL_H

#include "event/batch.h"

struct event_base;
struct cd_journal;

struct cd_journal_config {
	const char *dir; /* made when it is not there, 0700 */
	uint64_t segment_size; /* 0: 64 MiB */
	uint64_t max_size; /* of all segments; 0: 4 GiB */
	int64_t max_age; /* seconds; 0: 400 days */
	const char *node; /* name of own events, "cordond" */
	/* Instant, ns since 1970; NULL: the machine's clock. */
	int64_t (*now)(void);
};

/* Repairs the tail. base may be NULL (tests, tools): then appends are synced
 * at once and `done` is called from inside append. */
int cd_journal_open(struct event_base *base,
		    const struct cd_journal_config *config,
		    struct cd_journal **ret_journal);
/* Syncs what is written and calls what waits. */
void cd_journal_free(struct cd_journal **journal);

/* err 0: durable. Else it is not in the journal: -ENOSPC, -EIO. accepted:
 * how many records were new (what a node sent again is not kept twice). */
typedef void (*cd_journal_done)(void *ctx, int err, uint32_t accepted);

/* One batch as it came from an agent; `node` must be who sent it. A number
 * that is missing becomes a JOURNAL_GAP event. Returns an error when it was
 * refused (CD_E_CORRUPT, CD_E_DENIED another node's name, -ENOSPC): `done` is
 * not called then. done may be NULL. */
int cd_journal_append(struct cd_journal *journal, struct cd_str node,
		      struct cd_str batch, cd_journal_done done, void *ctx);

/* An event of cordond itself. begin gives an encoder with id, time and node;
 * put fields; end appends. One at a time. done may be NULL. */
struct cd_event_encoder *cd_journal_event_begin(struct cd_journal *journal,
						enum cd_event_class c);
int cd_journal_event_end(struct cd_journal *journal, cd_journal_done done,
			 void *ctx);

/* Deletes segments beyond the limits; call it now and then (a minute). */
int cd_journal_trim(struct cd_journal *journal);

struct cd_journal_stats {
	uint64_t begin, end; /* offsets kept: [begin, end) */
	uint64_t durable; /* end of what is synced */
	uint64_t bytes;
	uint64_t segments;
	uint64_t records; /* appended since open */
	uint64_t gaps; /* records proven missing since open */
	uint64_t drops; /* records that rings reported as dropped */
	uint64_t lost_bytes; /* damaged bytes stepped over at open */
	int error; /* of the last append or sync; 0: fine */
};
void cd_journal_stats(struct cd_journal *journal,
		      struct cd_journal_stats *ret_stats);

/* ---- reading -----------------------------------------------------------*/

/* Batches from an offset on (0: the oldest kept; an offset inside a frame
 * goes on at the next one). Only what is durable. */
struct cd_journal_cursor;
int cd_journal_cursor_new(struct cd_journal *journal, uint64_t from,
			  struct cd_journal_cursor **ret_cursor);
void cd_journal_cursor_free(struct cd_journal_cursor **cursor);
/* 1 and a batch (borrowed until the next call); 0: no more for now;
 * CD_E_CORRUPT: damaged bytes were stepped over, go on; other: I/O error. */
int cd_journal_next(struct cd_journal_cursor *cursor,
		    struct cd_batch *ret_batch);
/* Offset behind the last batch that was given. */
uint64_t cd_journal_cursor_offset(const struct cd_journal_cursor *cursor);

/* Calls fn from the loop once something becomes durable past `after`, or
 * when timeout_ms has passed. For long polls. */
struct cd_journal_wait;
int cd_journal_wait_new(struct cd_journal *journal, uint64_t after,
			unsigned int timeout_ms, void (*fn)(void *ctx),
			void *ctx, struct cd_journal_wait **ret_wait);
void cd_journal_wait_free(struct cd_journal_wait **wait);

#endif
