/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent knows of people, devices and sessions: change records in, the
 * shared session table out. Verified batches only (token/change.h).
 *
 * A resync is collected until its end, then made into a new table beside the
 * old one and renamed into place: workers see the old state or the new one
 * whole. Times of last use survive from the old table.
 */
#ifndef CD_AGENT_STATE_H
#define CD_AGENT_STATE_H

#include "shm/control.h"
#include "token/change.h"

struct cd_agent_state;

struct cd_agent_state_config {
	const char *table_path; /* borrowed */
	struct cd_control *control; /* borrowed; its counters are moved */
	uint32_t sessions_min; /* room of a table at least; 0: 65536 */
	/* a BUNDLE record was met; may be NULL */
	void (*bundle)(void *ctx, const struct cd_change_bundle *bundle);
	void *ctx;
};

/* Publishes an empty table only when there is none yet: that of an agent
 * before us stays in force until the first resync ends. */
int cd_agent_state_new(const struct cd_agent_state_config *config,
		       struct cd_agent_state **ret_state);
void cd_agent_state_free(struct cd_agent_state **state);

/* Applies one batch. 0; -ESTALE: a gap, or a table that is full, or a record
 * about somebody unknown: ask for a resync (from = 0), nothing of the batch
 * counts as acknowledged. CD_E_CORRUPT: no resync can be like this.
 * CD_E_DENIED: a resync that answers another poll than the last. */
int cd_agent_state_apply(struct cd_agent_state *state,
			 const struct cd_changes *batch, uint32_t now);

/* A poll goes out with this number: a resync must repeat it. */
void cd_agent_state_ask(struct cd_agent_state *state, uint64_t nonce);

/* Number to ask from: last applied + 1, or 0 when a resync is needed. */
uint64_t cd_agent_state_from(const struct cd_agent_state *state);
/* Forgets its place: the next poll asks for everything. */
void cd_agent_state_lose(struct cd_agent_state *state);

/* A worker used this session; kept for the idle limit and for cordond. */
void cd_agent_state_seen(struct cd_agent_state *state, uint64_t session,
			 uint32_t when);
/* Up to max sessions that were used since the last call: number and time. */
struct cd_seen {
	uint64_t session;
	uint32_t when;
};
size_t cd_agent_state_take_seen(struct cd_agent_state *state,
				struct cd_seen *out, size_t max);

/* Once a second: expired sessions leave the table. */
void cd_agent_state_tick(struct cd_agent_state *state, uint32_t now);

struct cd_agent_state_stats {
	uint32_t sessions, subjects, devices;
	uint64_t seq, resyncs, unknown_kinds;
	uint64_t skipped; /* rows that resyncs left out */
};
void cd_agent_state_stats(const struct cd_agent_state *state,
			  struct cd_agent_state_stats *ret);

#endif
