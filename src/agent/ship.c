/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the rings to cordond. One batch is out at a time, and it leaves in the
 * order of its numbers: directly while cordond answers and nothing is spooled,
 * else through the spool. Rings are drained into the spool even while it is
 * being sent, so that catching up does not overflow them.
 */
#include "agent/ship.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "agent/ship_rings.h"
#include "agent/spool.h"
#include "event/batch.h"
#include "sys/httpc.h"
#include "sys/log.h"

#define EVERY_MS 20
#define BATCH_BYTES (512u << 10) /* enough for one sync of the journal */
#define SPOOL_BYTES (64u << 10) /* small batches wait a second to be spooled */
#define RETRY_NS INT64_C(1000000000)
#define SEND_TIMEOUT_MS 5000
#define OWN_MAX (256u << 10)

struct cd_ship {
	struct event_base *base;
	struct cd_httpc *client;
	struct cd_ship_config config;
	char *socket, *node;
	struct event *timer;
	struct cd_spool *spool;
	struct cd_ship_rings *rings;
	struct cd_httpc_call *call; /* a batch is out */
	bool call_spooled; /* it is the first of the spool */
	uint64_t epoch, next;
	struct cd_batch_writer writer;
	struct cd_buf batch; /* being made, or out */
	bool open; /* being made */
	struct cd_buf own; /* records of our own */
	struct cd_event_ids ids;
	struct cd_event_encoder encoder;
	unsigned char record[CD_EVENT_MAX];
	int64_t retry_at, spooled_at;
	struct cd_ship_stats stats;
};

static int64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void tick(struct cd_ship *s);

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	tick(ctx);
}

/* ---- own events ---------------------------------------------------------*/

struct cd_event_encoder *cd_ship_event_begin(struct cd_ship *s,
					     enum cd_event_class c)
{
	int64_t now = clock_ns(CLOCK_REALTIME);

	cd_event_begin(&s->encoder, s->record, sizeof(s->record), c,
		       cd_event_id_next(&s->ids, now), now);
	cd_event_puts(&s->encoder, CD_EVENT_F_PEP, "agent");
	return &s->encoder;
}

void cd_ship_event_end(struct cd_ship *s)
{
	size_t len = cd_event_end(&s->encoder);

	if (s->own.len + len > OWN_MAX)
		s->stats.dropped++;
	else
		cd_buf_put(&s->own, s->record, len);
}

static void tell_drops(struct cd_ship *s)
{
	struct cd_ship_loss loss;

	while (cd_ship_rings_loss(s->rings, &loss)) {
		struct cd_event_encoder *e =
			cd_ship_event_begin(s, CD_EVENT_RING_DROPS);
		char target[32];

		snprintf(target, sizeof(target), "ring %u", loss.slot);
		cd_event_puts(e, CD_EVENT_F_TARGET, target);
		cd_event_put_num(e, CD_EVENT_F_COUNT, loss.records);
		if (loss.damaged)
			cd_event_puts(e, CD_EVENT_F_DETAIL,
				      "the ring was damaged; everything in it "
				      "was skipped");
		cd_ship_event_end(s);
		s->stats.dropped += loss.records;
		CD_LOG_WARN("EVENTS_DROPPED", cd_log_num("ring", loss.slot),
			    cd_log_num("records", (int64_t)loss.records));
	}
}

/* ---- making a batch -----------------------------------------------------*/

static void begin(struct cd_ship *s)
{
	if (s->open)
		return;
	cd_buf_clear(&s->batch);
	cd_batch_begin(&s->writer, &s->batch, cd_str_from(s->node), s->epoch,
		       s->next);
	s->open = true;
}

static bool is_full(const struct cd_ship *s)
{
	return s->batch.len + CD_EVENT_MAX > BATCH_BYTES;
}

static bool is_seen(struct cd_ship *s, struct cd_str record)
{
	char text[24];
	uint64_t session;
	struct cd_event event;
	size_t n;

	if (cd_event_decode(record, &event, NULL) ||
	    event.event_class != CD_EVENT_SEEN)
		return false;
	n = cd_event_text(&event, CD_EVENT_F_SESSION, text, sizeof(text), NULL);
	if (s->config.seen &&
	    cd_str_parse_u64(cd_str_make(text, n), &session) == 0)
		s->config.seen(s->config.ctx, session, event.ts);
	return true;
}

static void take_own(struct cd_ship *s)
{
	struct cd_str rest = cd_buf_get(&s->own);
	struct cd_event event;

	while (rest.len > 0 && !is_full(s) &&
	       cd_event_decode(rest, &event, &rest) == 0)
		(void)cd_batch_add(&s->writer, event.record);
	/* what is left moves to the front */
	memmove(s->own.data, rest.ptr, rest.len);
	s->own.len = rest.len;
}

/* Fills the open batch from our own events and the rings. */
static void collect(struct cd_ship *s)
{
	struct cd_str record;
	int r;

	begin(s);
	if (s->own.len)
		take_own(s);
	while (!is_full(s) && (r = cd_ship_rings_next(s->rings, &record))) {
		if (r < 0 || is_seen(s, record))
			continue;
		if (cd_batch_add(&s->writer, record))
			cd_ship_rings_bad(s->rings);
	}
	if (s->batch.err) {
		CD_LOG_ERROR("EVENTS_NO_MEMORY", cd_log_err(s->batch.err));
		s->open = false;
	}
}

static void close_batch(struct cd_ship *s)
{
	s->next += s->writer.count;
	(void)cd_batch_end(&s->writer, s->stats.dropped);
	s->open = false;
}

/* ---- sending ------------------------------------------------------------*/

static void spool_batch(struct cd_ship *s)
{
	int r = cd_spool_add(s->spool, cd_buf_get(&s->batch));

	if (r) {
		s->stats.dropped += s->writer.count;
		CD_LOG_ERROR("EVENTS_NOT_SPOOLED", cd_log_err(r),
			     cd_log_num("records", s->writer.count));
	}
	s->spooled_at = clock_ns(CLOCK_MONOTONIC);
	(void)cd_ship_rings_commit(s->rings);
}

static uint32_t count_of(struct cd_str bytes)
{
	struct cd_batch batch;

	return cd_batch_decode_header(bytes, &batch) ? 0 : batch.count;
}

static void sent_well(struct cd_ship *s, struct cd_str batch)
{
	s->stats.sent += count_of(batch);
	if (s->stats.away)
		CD_LOG_INFO("EVENTS_SENT_AGAIN");
	s->stats.away = false;
	if (s->call_spooled)
		(void)cd_spool_drop_first(s->spool);
	else
		(void)cd_ship_rings_commit(s->rings);
}

/* It will never be taken: keeping it would hold up all that follows. */
static void refused(struct cd_ship *s, unsigned int status)
{
	struct cd_str batch = cd_buf_get(&s->batch);

	CD_LOG_ERROR("EVENTS_REFUSED", cd_log_num("status", status));
	if (s->call_spooled && cd_spool_first(s->spool, &batch) != 1)
		return;
	s->stats.dropped += count_of(batch);
	if (s->call_spooled)
		(void)cd_spool_drop_first(s->spool);
	else
		(void)cd_ship_rings_commit(s->rings);
}

static void went_away(struct cd_ship *s, const struct cd_httpc_answer *a)
{
	if (!s->stats.away)
		CD_LOG_WARN("EVENTS_HELD_BACK", cd_log_num("status", a->status),
			    cd_log_z("why", a->why));
	s->stats.away = true;
	s->retry_at = clock_ns(CLOCK_MONOTONIC) + RETRY_NS;
	if (!s->call_spooled)
		spool_batch(s);
}

static void on_answer(void *ctx, struct cd_httpc_answer *a)
{
	struct cd_ship *s = ctx;
	struct cd_str batch = cd_buf_get(&s->batch);

	s->call = NULL;
	if (a->err || a->status >= 500 || a->status == 408 || a->status == 429)
		went_away(s, a);
	else if (a->status != 200)
		refused(s, a->status);
	else if (!s->call_spooled || cd_spool_first(s->spool, &batch) == 1)
		sent_well(s, batch);
	event_active(s->timer, EV_TIMEOUT, 0);
}

static void post(struct cd_ship *s, struct cd_str batch, bool spooled)
{
	char url[200];
	struct cd_httpc_request q = {
		.unix_path = s->socket,
		.url = url,
		.content_type = "application/octet-stream",
		.body = batch,
		.answer_max = 65536,
		.timeout_ms = SEND_TIMEOUT_MS,
	};
	struct cd_httpc_answer failed = {.why = "no memory"};

	snprintf(url, sizeof(url), "http://cordon/v1/events?agent=%s", s->node);
	s->call_spooled = spooled;
	failed.err = cd_httpc_start(s->client, &q, on_answer, s, &s->call);
	if (failed.err)
		went_away(s, &failed);
}

static uint64_t spooled(const struct cd_ship *s)
{
	struct cd_spool_stats stats;

	cd_spool_stats(s->spool, &stats);
	return stats.batches;
}

static void send_spooled(struct cd_ship *s)
{
	struct cd_str batch;

	if (s->call || clock_ns(CLOCK_MONOTONIC) < s->retry_at)
		return;
	if (cd_spool_first(s->spool, &batch) == 1)
		post(s, batch, true);
}

static void tick(struct cd_ship *s)
{
	unsigned int ms = s->config.every_ms;
	struct timeval tv = {ms / 1000, (suseconds_t)(ms % 1000) * 1000};
	bool direct_out = s->call && !s->call_spooled;

	event_add(s->timer, &tv);
	cd_ship_rings_look(s->rings);
	tell_drops(s);
	if (direct_out)
		return; /* its memory and its place in the rings are taken */
	collect(s);
	if (s->open && s->writer.count > 0) {
		bool hold = s->stats.away || s->call || spooled(s) > 0;
		bool worth = s->batch.len >= SPOOL_BYTES ||
			     clock_ns(CLOCK_MONOTONIC) - s->spooled_at >
				     RETRY_NS;

		if (!hold || worth)
			close_batch(s);
		if (!hold)
			post(s, cd_buf_get(&s->batch), false);
		else if (worth)
			spool_batch(s);
	} else {
		/* only SEEN records, or nothing */
		(void)cd_ship_rings_commit(s->rings);
	}
	send_spooled(s);
}

/* ---- life ---------------------------------------------------------------*/

int cd_ship_new(struct event_base *base, struct cd_httpc *client,
		const struct cd_ship_config *config, struct cd_ship **ret_ship)
{
	struct cd_ship *s cd_auto(cd_ship_free) = cd_calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->base = base;
	s->client = client;
	s->config = *config;
	s->config.every_ms = config->every_ms ? config->every_ms : EVERY_MS;
	s->epoch = (uint64_t)clock_ns(CLOCK_REALTIME);
	s->ids.slot = 1023; /* rings have theirs from 0 */
	cd_buf_init(&s->batch, CD_BATCH_MAX);
	cd_buf_init(&s->own, OWN_MAX);
	s->socket = cd_str_dup(cd_str_from(config->socket));
	s->node = cd_str_dup(cd_str_from(config->node));
	if (!s->socket || !s->node)
		return -ENOMEM;
	r = cd_spool_open(config->spool, config->spool_limit, &s->spool);
	if (r)
		return r;
	r = cd_ship_rings_new(config->rings, config->spool, &s->rings);
	if (r)
		return r;
	s->timer = event_new(base, -1, 0, on_tick, s);
	if (!s->timer)
		return -ENOMEM;
	event_active(s->timer, EV_TIMEOUT, 0);
	*ret_ship = CD_TAKE(s);
	return 0;
}

/* What was taken from the rings goes to the spool. The answer to a batch that
 * is out will not be known: it is sent again, and known by its numbers. */
static void save_all(struct cd_ship *s)
{
	bool direct_out = s->call && !s->call_spooled;

	if (s->call)
		cd_httpc_cancel(s->call);
	if (!direct_out) {
		collect(s);
		if (!s->open || s->writer.count == 0)
			return;
		close_batch(s);
	}
	spool_batch(s);
}

void cd_ship_free(struct cd_ship **ship)
{
	struct cd_ship *s = *ship;

	if (!s)
		return;
	if (s->timer)
		save_all(s);
	if (s->timer)
		event_free(s->timer);
	cd_ship_rings_free(&s->rings);
	cd_spool_free(&s->spool);
	cd_buf_done(&s->batch);
	cd_buf_done(&s->own);
	free(s->socket);
	free(s->node);
	free(s);
	*ship = NULL;
}

void cd_ship_stats(const struct cd_ship *ship, struct cd_ship_stats *ret_stats)
{
	*ret_stats = ship->stats;
	ret_stats->spooled = spooled(ship);
}
