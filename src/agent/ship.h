/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events from the rings to cordond: drains every ring of run/shm/rings, makes
 * numbered batches, sends them one at a time to POST /v1/events on
 * run/agent.sock, and spools them while that does not answer. Ring space is
 * given back only when a batch was acknowledged or spooled.
 *
 * Records of class SEEN (last use of sessions) are not sent: they go to the
 * `seen` function.
 */
#ifndef CD_AGENT_SHIP_H
#define CD_AGENT_SHIP_H

#include "event/event.h"

struct event_base;
struct cd_httpc;
struct cd_ship;

struct cd_ship_config {
	const char *rings; /* folder of the rings */
	const char *socket; /* of cordond */
	const char *spool; /* folder, the agent's own */
	const char *node; /* name of this agent */
	uint64_t spool_limit; /* bytes; 0: default */
	unsigned int every_ms; /* how often rings are looked at; 0: 20 */
	/* A session was used; may be NULL. */
	void (*seen)(void *ctx, uint64_t session, int64_t ts_ns);
	void *ctx;
};

int cd_ship_new(struct event_base *base, struct cd_httpc *client,
		const struct cd_ship_config *config, struct cd_ship **ret_ship);
/* What is in the rings stays there, what was read is spooled. */
void cd_ship_free(struct cd_ship **ship);

/* An event of the agent itself: begin gives an encoder with id, time and
 * node; end queues the record. One at a time. */
struct cd_event_encoder *cd_ship_event_begin(struct cd_ship *ship,
					     enum cd_event_class c);
void cd_ship_event_end(struct cd_ship *ship);

struct cd_ship_stats {
	uint64_t sent; /* records acknowledged */
	uint64_t spooled; /* records now in the spool */
	uint64_t dropped; /* by rings, by a full spool; all of them reported */
	bool away; /* cordond does not answer */
};
void cd_ship_stats(const struct cd_ship *ship, struct cd_ship_stats *ret_stats);

#endif
