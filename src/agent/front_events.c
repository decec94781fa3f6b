/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events through the shipper: those of the workers' rings, our own, and the
 * last use of sessions, which goes back to cordond a few seconds later.
 */
#include <stdio.h>
#include <stdlib.h>

#include "agent/front_impl.h"
#include "base/json.h"

#define SEEN_MAX 2000

/* ---- our own ---- */

void cd_front_event(struct cd_front *f, enum cd_event_class c, uint64_t serial,
		    const uint8_t *hash, struct cd_str detail)
{
	struct cd_event_encoder *e = cd_ship_event_begin(f->ship, c);

	if (!e)
		return;
	cd_event_puts(e, CD_EVENT_F_PEP, "agent");
	if (serial)
		cd_event_put_num(e, CD_EVENT_F_POLICY_SERIAL, serial);
	if (hash)
		cd_event_put_bytes(e, CD_EVENT_F_POLICY_HASH, hash,
				   CD_SHA256_SIZE);
	if (detail.len)
		cd_event_put_str(e, CD_EVENT_F_DETAIL, detail);
	cd_ship_event_end(f->ship);
}

/* ---- last use of sessions ---- */

static void on_seen(void *ctx, uint64_t session, int64_t ts_ns)
{
	struct cd_front *f = ctx;
	int64_t s = CD_MAX(ts_ns / 1000000000, 0);

	/* a worker's clock is ours: what lies ahead is not believed */
	cd_agent_state_seen(f->state, session,
			    (uint32_t)CD_MIN(s, (int64_t)cd_front_now()));
}

static void on_seen_answer(void *ctx cd_unused,
			   struct cd_httpc_answer *a cd_unused)
{
	/* lost times are told again at the next use */
}

static void put_seen(const struct cd_seen *seen, size_t n, struct cd_buf *out)
{
	struct cd_json_writer w;

	cd_json_writer_init(&w, out, 0);
	cd_json_object(&w);
	cd_json_key(&w, "seen");
	cd_json_array(&w);
	for (size_t i = 0; i < n; i++) {
		char id[24];

		snprintf(id, sizeof(id), "%llu",
			 (unsigned long long)seen[i].session);
		cd_json_array(&w);
		cd_json_puts(&w, id);
		cd_json_put_int(&w, seen[i].when);
		cd_json_array_end(&w);
	}
	cd_json_array_end(&w);
	cd_json_object_end(&w);
}

void cd_front_report_seen(struct cd_front *f)
{
	static const size_t room = (size_t)SEEN_MAX * 40 + 64;
	struct cd_seen *seen = cd_calloc(SEEN_MAX, sizeof(*seen));
	struct cd_buf body cd_auto(cd_buf_done);
	struct cd_httpc_request q;
	char url[CD_FRONT_URL];
	size_t n;

	cd_buf_init(&body, room);
	n = seen && !f->away ?
		    cd_agent_state_take_seen(f->state, seen, SEEN_MAX) :
		    0;
	if (n > 0) {
		put_seen(seen, n, &body);
		snprintf(url, sizeof(url), "http://cordon/v1/seen?agent=%s",
			 f->name);
		q = cd_front_request(f, url);
		q.method = "POST";
		q.content_type = "application/json";
		q.body = cd_buf_get(&body);
		cd_httpc_start(f->http, &q, on_seen_answer, f, NULL);
	}
	free(seen);
}

/* ---- life ---- */

int cd_front_events_start(struct cd_front *f)
{
	struct cd_ship_config c = {
		.rings = f->rings,
		.socket = f->socket,
		.spool = f->spool,
		.node = f->name,
		.seen = on_seen,
		.ctx = f,
	};

	snprintf(f->rings, sizeof(f->rings), "%s/shm/rings", f->config->run);
	snprintf(f->spool, sizeof(f->spool), "%s/agent", f->config->state);
	return cd_ship_new(f->base, f->http, &c, &f->ship);
}
