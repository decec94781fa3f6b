/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the front half share.
 */
#ifndef CD_AGENT_FRONT_IMPL_H
#define CD_AGENT_FRONT_IMPL_H

#include <event2/event.h>

#include "agent/broker.h"
#include "agent/front.h"
#include "agent/ship.h"
#include "agent/state.h"
#include "sys/httpc.h"

#define CD_FRONT_PATH 512
#define CD_FRONT_URL 1024

/* Delay before the next try: doubles from 50 ms to 2 s. */
struct cd_retry {
	struct event *timer;
	unsigned int ms;
};

struct cd_front {
	const struct cd_agent_config *config;
	struct event_base *base;
	struct cd_httpc *http;
	struct cd_control *control;
	struct cd_agent_state *state;
	struct cd_ship *ship;
	struct event *tick;
	unsigned int ticks; /* seconds that it runs */
	char socket[CD_FRONT_PATH]; /* RUN/agent.sock */
	char table[CD_FRONT_PATH]; /* RUN/shm/sessions */
	char rings[CD_FRONT_PATH], spool[CD_FRONT_PATH];
	char name[CD_BUNDLE_AUDIENCE + 1];

	/* stream.c */
	struct cd_retry poll;
	bool away; /* cordond did not answer the last poll */

	/* fetch.c */
	int sock; /* to the root half */
	struct event *from_broker;
	struct cd_retry fetch;
	uint64_t serial; /* in force */
	bool knows_serial; /* the root half has said it */
	struct cd_change_bundle wanted; /* serial 0: none */
	uint64_t told; /* serial that could not be written, and was told */
	bool fetching, asking;

	/* certs.c */
	struct event *certs_timer;
	struct cd_certs *certs;

	/* cert_files.c */
	struct cd_cert_files *cert_files; /* NULL: none is watched */
};

/* Every delay but the first is longer; _ok() starts anew. */
int cd_retry_init(struct cd_retry *r, struct event_base *base,
		  event_callback_fn fn, void *ctx);
void cd_retry_done(struct cd_retry *r);
void cd_retry_later(struct cd_retry *r);
void cd_retry_now(struct cd_retry *r);
void cd_retry_ok(struct cd_retry *r);

uint32_t cd_front_now(void);

/* A request to cordond: fills what is always the same. */
struct cd_httpc_request cd_front_request(const struct cd_front *f,
					 const char *url);

int cd_front_stream_start(struct cd_front *f);
void cd_front_stream_stop(struct cd_front *f);

int cd_front_fetch_start(struct cd_front *f);
void cd_front_fetch_stop(struct cd_front *f);
/* For cd_agent_state_config.bundle. */
void cd_front_bundle(void *ctx, const struct cd_change_bundle *bundle);

/* Key and chain of a served name, into RUN/tls. */
int cd_front_pem_store(const struct cd_front *f, struct cd_str name,
		       struct cd_str pem);
/* Files of the administrator's own. Does one serve this name? */
int cd_cert_files_start(struct cd_front *f);
void cd_cert_files_stop(struct cd_front *f);
bool cd_cert_files_cover(const struct cd_front *f, struct cd_str name);
int cd_front_certs_start(struct cd_front *f);
void cd_front_certs_stop(struct cd_front *f);
/* Soon: a new policy may name new hosts. */
void cd_front_certs_look(struct cd_front *f);

int cd_front_events_start(struct cd_front *f);
/* An event of the agent itself; serial 0, hash NULL, detail empty: none. */
void cd_front_event(struct cd_front *f, enum cd_event_class c, uint64_t serial,
		    const uint8_t *hash, struct cd_str detail);
/* Tells cordond which sessions were used since the last time. */
void cd_front_report_seen(struct cd_front *f);

#endif
