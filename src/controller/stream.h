/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The change stream: one append-only sequence without gaps, written in the
 * transaction of its cause and followed by agents with long polls.
 *
 * GET /v1/stream?agent=NAME&from=N acknowledges everything below N and gets
 * what has N and above as one signed batch, at once or as soon as there is
 * something; or the whole state (a resync) when `from` is 0, older than what
 * is kept or newer than what is there.
 */
#ifndef CD_CONTROLLER_STREAM_H
#define CD_CONTROLLER_STREAM_H

#include <jansson.h>

#include "controller/ctl.h"
#include "token/change.h"

int cd_stream_new(struct cd_ctl *ctl, struct cd_stream **ret_stream);
void cd_stream_free(struct cd_stream **stream);

/* Numbers the record and appends it. Inside a transaction. */
int cd_stream_append(struct cd_ctl *ctl, struct cd_change *record);
/* Number of the last committed change. */
uint64_t cd_stream_last(const struct cd_ctl *ctl);
/* After a commit: answers those who wait. After a rollback: harmless. */
void cd_stream_wake(struct cd_ctl *ctl);
/* Once a second: polls that waited long enough, old changes. */
void cd_stream_tick(struct cd_ctl *ctl);

/* Calls fn once: true as soon as the gateway's agent has acknowledged seq,
 * false after CD_STREAM_AWAIT_MS. May call at once. */
#define CD_STREAM_AWAIT_MS 2000
void cd_stream_await(struct cd_ctl *ctl, uint64_t seq,
		     void (*fn)(void *arg, bool acknowledged), void *arg);

/* Schema AgentState of each. */
json_t *cd_stream_agents(const struct cd_ctl *ctl);

#endif
