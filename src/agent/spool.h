/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an agent keeps while cordond is away: whole batches (event/batch.h) in
 * one file, in order, each framed with length and CRC32C like the journal.
 * Survives a kill at any byte: a torn tail is cut at the next open.
 *
 * When it is full the newest are refused and counted, so that a flood
 * cannot push out the evidence of how it began.
 */
#ifndef CD_AGENT_SPOOL_H
#define CD_AGENT_SPOOL_H

#include "event/batch.h"

struct cd_spool;

/* dir must exist. limit: bytes of the file; 0: 256 MiB. */
int cd_spool_open(const char *dir, uint64_t limit, struct cd_spool **ret_spool);
void cd_spool_free(struct cd_spool **spool);

/* Appends one batch and syncs. CD_E_LIMIT or -ENOSPC: refused, its records
 * are counted as dropped. */
int cd_spool_add(struct cd_spool *spool, struct cd_str batch);
/* The oldest batch: 1 (borrowed until the next call), 0 when empty. Damage is
 * stepped over and counted. */
int cd_spool_first(struct cd_spool *spool, struct cd_str *ret_batch);
/* It was acknowledged: forget it. An empty spool gives its disk back. */
int cd_spool_drop_first(struct cd_spool *spool);

struct cd_spool_stats {
	uint64_t bytes, batches;
	uint64_t dropped; /* records refused since open */
	uint64_t damaged; /* bytes stepped over since open */
};
void cd_spool_stats(const struct cd_spool *spool,
		    struct cd_spool_stats *ret_stats);

#endif
