/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the shipper: all rings of a folder as one source, and what they
 * lost. How many drops were told is kept in a file, so that what workers drop
 * while no agent runs is told by the next one.
 */
#ifndef CD_AGENT_SHIP_RINGS_H
#define CD_AGENT_SHIP_RINGS_H

#include "base/buf.h"

struct cd_ship_rings;

int cd_ship_rings_new(const char *dir, const char *state_dir,
		      struct cd_ship_rings **ret_rings);
void cd_ship_rings_free(struct cd_ship_rings **rings);
/* Opens rings that have appeared; at most once a second. */
void cd_ship_rings_look(struct cd_ship_rings *rings);
/* 1 and a record, valid until the next call; 0: all are empty; negative: one
 * was damaged, go on. Rings take turns. */
int cd_ship_rings_next(struct cd_ship_rings *rings, struct cd_str *ret_record);
/* The last record was none: counts as lost. */
void cd_ship_rings_bad(struct cd_ship_rings *rings);
/* All records given so far are safe elsewhere. */
int cd_ship_rings_commit(struct cd_ship_rings *rings);

struct cd_ship_loss {
	unsigned int slot;
	uint64_t records;
	bool damaged;
};
/* Losses that were not told yet, one ring a call, each ring at most once a
 * second: false when there are none. Being given is being told. */
bool cd_ship_rings_loss(struct cd_ship_rings *rings,
			struct cd_ship_loss *ret_loss);

#endif
