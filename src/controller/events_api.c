/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET and POST /v1/events.
 *
 * A query looks at a few megabytes, then lets the loop go on, so that a search
 * through the whole journal holds up nobody. The newest N are found by looking
 * at ever longer stretches before the end; from an offset on it goes forward.
 */
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/time.h"
#include "controller/api.h"
#include "controller/event_filter.h"
#include "controller/journal.h"
#include "controller/servers.h"

enum {
	LIMIT_DEFAULT = 100,
	LIMIT_MAX = 10000,
	WAIT_DEFAULT_S = 25,
	WAIT_MAX_S = 55,
	STEP_BYTES = 2 << 20, /* between turns of the loop */
	WINDOW_FIRST = 4 << 20,
	ANSWER_MAX = 256 << 20,
};

/* One query, from the request to its answer. Freed with the request. */
struct query {
	struct cd_call *call;
	struct event *turn;
	struct cd_journal_cursor *cursor;
	struct cd_journal_wait *wait;
	struct cd_event_filter filter;
	size_t limit;
	bool forward, follow;
	int64_t deadline; /* monotonic ns, of follow */
	uint64_t window; /* bytes before `end` that are looked at */
	uint64_t begin, end;
	int64_t earliest; /* ts met in the window */
	char **items; /* a ring of `cap` */
	size_t first, n, cap;
};

static int64_t monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * CD_NS_PER_S + ts.tv_nsec;
}

static void items_clear(struct query *q)
{
	for (size_t i = 0; i < q->n; i++)
		free(q->items[(q->first + i) % q->cap]);
	q->first = q->n = 0;
}

static void query_free(void *user)
{
	struct query *q = user;

	cd_journal_wait_free(&q->wait);
	cd_journal_cursor_free(&q->cursor);
	if (q->turn)
		event_free(q->turn);
	if (q->items)
		items_clear(q);
	free(q->items);
	json_decref(q->call->body);
	free(q->call);
	free(q);
}

/* ---- answering ----------------------------------------------------------*/

static void answer(struct query *q)
{
	struct cd_buf b;

	cd_buf_init(&b, ANSWER_MAX);
	cd_buf_puts(&b, "{\"items\":[");
	for (size_t i = 0; i < q->n; i++) {
		if (i)
			cd_buf_char(&b, ',');
		cd_buf_puts(&b, q->items[(q->first + i) % q->cap]);
	}
	cd_buf_printf(&b, "],\"next\":\"%" PRIu64 "\"}\n",
		      cd_journal_cursor_offset(q->cursor));
	if (b.err)
		cd_call_fail(q->call, b.err);
	else
		cd_call_bytes(q->call, "application/json", cd_buf_get(&b));
	cd_buf_done(&b);
}

static void go_on(struct query *q)
{
	struct timeval tv = {0, 0};

	event_add(q->turn, &tv);
}

static void on_news(void *ctx)
{
	struct query *q = ctx;

	cd_journal_wait_free(&q->wait);
	go_on(q);
}

/* All that is there was looked at. */
static void at_end(struct query *q)
{
	struct cd_journal *j = q->call->ctl->journal;
	int64_t left = q->deadline - monotonic();
	int r;

	if (!q->follow || q->n > 0 || left <= 0) {
		answer(q);
		return;
	}
	q->forward = true;
	q->end = UINT64_MAX;
	r = cd_journal_wait_new(j, cd_journal_cursor_offset(q->cursor),
				(unsigned int)(left / 1000000) + 1, on_news, q,
				&q->wait);
	if (r)
		cd_call_fail(q->call, r);
}

/* ---- looking ------------------------------------------------------------*/

/* The newest `limit` stay. Going forward a batch is finished even when it
 * brings more: the next query begins behind it. */
static void keep(struct query *q, char *item)
{
	size_t most = q->forward ? q->cap : q->limit;

	if (q->n == most) {
		free(q->items[q->first]);
		q->first = (q->first + 1) % q->cap;
		q->n--;
	}
	q->items[(q->first + q->n++) % q->cap] = item;
}

static int look_at(struct query *q, const struct cd_batch *batch)
{
	struct cd_str rest = batch->records;
	struct cd_event event;

	while (rest.len > 0 && cd_event_decode(rest, &event, &rest) == 0) {
		struct cd_buf b;
		char *item;

		q->earliest = CD_MIN(q->earliest, event.ts);
		if (!cd_event_filter_match(&q->filter, &event, batch->node))
			continue;
		cd_buf_init(&b, 1 << 20);
		cd_event_json(&event, batch->node, &b);
		item = cd_buf_take(&b);
		if (!item)
			return -ENOMEM;
		keep(q, item);
	}
	return 0;
}

static int enter_window(struct query *q)
{
	struct cd_journal_stats s;
	uint64_t kept;

	cd_journal_stats(q->call->ctl->journal, &s);
	q->end = q->end ? q->end : s.durable;
	kept = q->end - CD_MIN(s.begin, q->end);
	q->begin = q->end - CD_MIN(q->window, kept);
	cd_journal_cursor_free(&q->cursor);
	items_clear(q);
	return cd_journal_cursor_new(q->call->ctl->journal, q->begin,
				     &q->cursor);
}

/* Would a longer stretch before the end bring more? */
static bool wants_more(const struct query *q)
{
	struct cd_journal_stats s;
	const int64_t late = 3600 * CD_NS_PER_S; /* spooled, or a wrong clock */

	cd_journal_stats(q->call->ctl->journal, &s);
	return !q->forward && q->n < q->limit && q->begin > s.begin &&
	       (q->filter.since == INT64_MIN ||
		q->earliest > q->filter.since - late);
}

/* A stretch of the journal. 1: go on; 0: at the end; negative: error. */
static int step(struct query *q)
{
	uint64_t from = cd_journal_cursor_offset(q->cursor);
	struct cd_batch batch;
	int r;

	for (;;) {
		uint64_t at = cd_journal_cursor_offset(q->cursor);

		if (at >= q->end || (q->forward && q->n >= q->limit))
			return 0;
		if (at - from > STEP_BYTES)
			return 1;
		r = cd_journal_next(q->cursor, &batch);
		if (r == CD_E_CORRUPT)
			continue;
		if (r <= 0)
			return r;
		r = look_at(q, &batch);
		if (r)
			return r;
	}
}

static void on_turn(evutil_socket_t fd, short what, void *ctx)
{
	struct query *q = ctx;
	int r = step(q);

	(void)fd;
	(void)what;
	if (r == 0 && wants_more(q)) {
		q->window *= 8;
		r = enter_window(q);
		r = r ? r : 1;
	}
	if (r < 0)
		cd_call_fail(q->call, r);
	else if (r)
		go_on(q);
	else
		at_end(q);
}

/* ---- asking -------------------------------------------------------------*/

struct reading {
	struct query *q;
	int64_t now;
	int err;
	char name[80];
};

static void read_term(void *ctx, const char *name)
{
	struct reading *rd = ctx;
	const char *value = cd_http_query(rd->q->call->req, name);
	int r;

	if (!value || rd->err)
		return;
	r = cd_event_filter_add(&rd->q->filter, name, value, rd->now);
	if (r) {
		rd->err = r;
		snprintf(rd->name, sizeof(rd->name), "%s", name);
	}
}

static bool number(struct cd_call *call, const char *name, uint64_t def,
		   uint64_t max, uint64_t *ret)
{
	const char *text = cd_http_query(call->req, name);

	*ret = def;
	if (!text)
		return true;
	if (cd_str_parse_u64(cd_str_from(text), ret) || *ret > max) {
		cd_call_error(call, 400, "BAD_REQUEST",
			      "%s is not a number up to %" PRIu64, name, max);
		return false;
	}
	return true;
}

/* Fills the query; false: it was answered. */
static bool read_query(struct query *q)
{
	struct cd_call *call = q->call;
	const char *follow = cd_http_query(call->req, "follow");
	uint64_t limit, wait, after;
	struct reading rd = {.q = q};
	struct timespec ts;

	if (!number(call, "limit", LIMIT_DEFAULT, LIMIT_MAX, &limit) ||
	    !number(call, "wait", WAIT_DEFAULT_S, WAIT_MAX_S, &wait) ||
	    !number(call, "after", 0, UINT64_MAX, &after))
		return false;
	clock_gettime(CLOCK_REALTIME, &ts);
	rd.now = (int64_t)ts.tv_sec * CD_NS_PER_S + ts.tv_nsec;
	cd_event_filter_init(&q->filter);
	cd_event_filter_names(read_term, &rd);
	if (rd.err) {
		cd_call_error(call, 400, "BAD_REQUEST",
			      "%s: the value makes no sense", rd.name);
		return false;
	}
	q->limit = (size_t)CD_MAX(limit, UINT64_C(1));
	q->follow = follow && strcmp(follow, "0");
	q->deadline = monotonic() + (int64_t)wait * CD_NS_PER_S;
	q->forward = cd_http_query(call->req, "after") != NULL;
	q->begin = after;
	return true;
}

static int start(struct query *q)
{
	struct cd_ctl *ctl = q->call->ctl;

	q->cap = q->limit + CD_BATCH_MAX / CD_EVENT_HEADER_SIZE;
	q->items = cd_calloc(q->cap, sizeof(*q->items));
	q->turn = event_new(ctl->base, -1, 0, on_turn, q);
	if (!q->items || !q->turn)
		return -ENOMEM;
	q->window = WINDOW_FIRST;
	q->earliest = INT64_MAX;
	if (!q->forward)
		return enter_window(q);
	q->end = UINT64_MAX;
	return cd_journal_cursor_new(ctl->journal, q->begin, &q->cursor);
}

void answer_events_list(struct cd_call *call)
{
	struct query *q = cd_calloc(1, sizeof(*q));
	int r;

	if (!q) {
		cd_call_fail(call, -ENOMEM);
		return;
	}
	q->call = call;
	cd_http_set_user(call->req, q, query_free);
	if (!read_query(q))
		return;
	r = start(q);
	if (r)
		cd_call_fail(call, r);
	else
		go_on(q);
}

/* ---- batches of agents --------------------------------------------------*/

static void on_durable(void *ctx, int err, uint32_t accepted)
{
	struct cd_call *call = ctx;
	struct cd_batch batch;

	if (err) {
		cd_call_fail(call, err);
		return;
	}
	if (!cd_batch_decode_header(cd_http_body(call->req), &batch))
		cd_servers_take(call->ctl, &batch);
	cd_call_json(call, 200,
		     json_pack("{s:I}", "accepted", (json_int_t)accepted));
}

void answer_events_post(struct cd_call *call)
{
	const char *agent = cd_http_query(call->req, "agent");
	int r;

	if (!agent) {
		cd_call_error(call, 400, "BAD_REQUEST", "agent is missing");
		return;
	}
	r = cd_journal_append(call->ctl->journal, cd_str_from(agent),
			      cd_http_body(call->req), on_durable, call);
	if (r == CD_E_CORRUPT || r == CD_E_VERSION)
		cd_call_error(call, 400, "BAD_REQUEST", "%s", cd_strerror(r));
	else if (r)
		cd_call_fail(call, r);
}
