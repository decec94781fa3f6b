/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Held polls hang in one list. Those who ask from the same number get the
 * same answer, made and signed once and shared: waking 10,000 costs one
 * signature. A resync is built from the tables and holds every person,
 * device, session and the bundle at one sequence number.
 *
 * Rejected: signing each record when it is appended (a transaction would wait
 * for the key broker), and keeping batches (they differ by where each agent
 * stands).
 */
#include "controller/stream.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "controller/api.h"
#include "controller/device.h"
#include "controller/keys_client.h"
#include "controller/people.h"
#include "controller/policy.h"
#include "controller/session.h"
#include "sys/store.h"

enum {
	WAIT_DEFAULT_S = 25,
	WAIT_MAX_S = 55,
	LIVE_MS = 5000, /* an agent that polled this recently is live */
	AGENTS_MAX = 20000,
	POLLS_MAX = 8, /* held for one agent; it needs one */
	BUCKETS = 1024,
	SHARED = 4, /* recent answers kept for others who ask the same */
	/* What of a resync goes into one batch: below CD_CHANGE_BATCH_MAX by
	 * more than the longest record. */
	RESYNC_BATCH = CD_CHANGE_BATCH_MAX - CD_CHANGE_RECORD_MAX,
};

struct agent {
	struct agent *next;
	uint64_t ack;
	int64_t seen; /* Unix seconds */
	int64_t seen_ms; /* monotonic */
	unsigned int held;
	char name[CD_CHANGE_AUDIENCE];
};

/* A held poll. */
struct waiter {
	struct waiter *next, **link;
	struct cd_call *call;
	struct agent *agent;
	uint64_t from;
	int64_t deadline_ms;
};

/* Somebody who waits for an acknowledgement. */
struct await {
	struct await *next;
	struct event *timer;
	struct cd_stream *stream;
	uint64_t seq;
	void (*fn)(void *arg, bool acknowledged);
	void *arg;
};

struct cd_stream {
	struct cd_ctl *ctl;
	uint64_t last; /* committed */
	uint64_t oldest; /* first that is kept */
	struct agent *agents[BUCKETS];
	size_t n_agents;
	struct waiter *waiters;
	struct await *awaits;
	struct {
		uint64_t from, last;
		struct cd_http_answer *answer;
	} shared[SHARED];
	unsigned int next_shared;
};

static int64_t mono_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- appending ---- */

int cd_stream_append(struct cd_ctl *ctl, struct cd_change *record)
{
	struct cd_buf bytes cd_auto(cd_buf_done);
	int64_t seq = 0, n;
	int r;

	cd_assert(cd_store_in_transaction(ctl->store));
	cd_buf_init(&bytes, CD_CHANGE_RECORD_MAX);
	r = cd_store_int(ctl->store, &seq,
			 "UPDATE setting SET value = value + 1"
			 " WHERE name = 'seq' RETURNING value",
			 "");
	if (r < 0)
		return r;
	record->seq = (uint64_t)seq;
	record->version = 1;
	r = cd_change_encode(record, &bytes);
	if (r < 0)
		return r;
	n = cd_store_run(ctl->store, "INSERT INTO change VALUES(?1, ?2, ?3)",
			 "iib", seq, cd_now(), cd_buf_get(&bytes));
	return n < 0 ? (int)n : 0;
}

uint64_t cd_stream_last(const struct cd_ctl *ctl)
{
	return ctl->stream->last;
}

static int read_numbers(struct cd_stream *s)
{
	struct cd_store *store = s->ctl->store;
	int64_t last = 0, oldest = 0;
	int r;

	r = cd_store_int(store, &last,
			 "SELECT value FROM setting WHERE name = 'seq'", "");
	if (!r)
		r = cd_store_int(store, &oldest,
				 "SELECT ifnull(min(seq), 0) FROM change", "");
	if (r < 0)
		return r;
	s->last = (uint64_t)last;
	s->oldest = oldest ? (uint64_t)oldest : s->last + 1;
	return 0;
}

/* ---- answers ---- */

static struct cd_http_answer *answer_of(struct cd_str bytes, uint64_t last)
{
	struct cd_http_answer *a =
		cd_http_answer_new(200, "application/octet-stream", bytes);
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)last);
	if (a && cd_http_answer_header(a, "X-Cordon-Last", text) < 0)
		cd_http_answer_unref(&a);
	return a;
}

/* Records from `from` on, as many as fit one batch. */
static int read_records(struct cd_stream *s, uint64_t from, struct cd_buf *out,
			uint32_t *ret_count)
{
	struct cd_query q cd_auto(cd_query_done) = {0};
	struct cd_str record;
	uint32_t count = 0;
	int r = cd_query_start(&q, s->ctl->store,
			       "SELECT record FROM change WHERE seq >= ?1"
			       " ORDER BY seq",
			       "i", (int64_t)from);

	while (!r && (r = cd_query_step(&q)) > 0) {
		record = cd_query_str(&q, 0);
		if (out->len + record.len > CD_CHANGE_BATCH_MAX)
			break;
		cd_buf_str(out, record);
		count++;
		r = out->err;
	}
	if (r < 0)
		return r;
	*ret_count = count;
	return 0;
}

static int make_batch(struct cd_stream *s, uint64_t from,
		      struct cd_http_answer **ret_answer)
{
	struct cd_buf records cd_auto(cd_buf_done), out cd_auto(cd_buf_done);
	uint32_t count = 0;
	int r;

	cd_buf_init(&records, CD_CHANGE_BATCH_MAX);
	cd_buf_init(&out, CD_CHANGE_BATCH_MAX + CD_CHANGE_HEADER);
	r = read_records(s, from, &records, &count);
	if (r < 0)
		return r;
	r = cd_keys_sign_batch(s->ctl->keys, from, from + count - 1,
			       CD_STR("*"), cd_buf_get(&records), count, &out);
	if (r < 0)
		return r;
	*ret_answer = answer_of(cd_buf_get(&out), from + count - 1);
	return *ret_answer ? 0 : -ENOMEM;
}

static void share(struct cd_stream *s, uint64_t from,
		  struct cd_http_answer *answer)
{
	unsigned int i = s->next_shared++ % SHARED;

	cd_http_answer_unref(&s->shared[i].answer);
	s->shared[i].from = from;
	s->shared[i].last = s->last;
	s->shared[i].answer = cd_http_answer_ref(answer);
}

static void send_from(struct cd_stream *s, struct cd_call *call, uint64_t from)
{
	struct cd_http_answer *a cd_auto(cd_http_answer_unref) = NULL;
	int i, r;

	for (i = 0; i < SHARED; i++)
		if (s->shared[i].answer && s->shared[i].from == from &&
		    s->shared[i].last == s->last) {
			cd_http_send(call->req, s->shared[i].answer);
			return;
		}
	r = make_batch(s, from, &a);
	if (r < 0) {
		cd_call_fail(call, r);
		return;
	}
	share(s, from, a);
	cd_http_send(call->req, a);
}

/* ---- the whole state ---- */

struct resync {
	struct cd_stream *stream;
	struct cd_buf records, out;
	uint32_t count; /* in records */
	uint64_t total;
};

static int flush(struct resync *y)
{
	int r = cd_keys_sign_batch(y->stream->ctl->keys, y->stream->last,
				   y->stream->last, CD_STR("*"),
				   cd_buf_get(&y->records), y->count, &y->out);

	cd_buf_clear(&y->records);
	y->count = 0;
	return r;
}

static int put(void *ctx, struct cd_change *record)
{
	struct resync *y = ctx;
	int r;

	if (y->records.len > RESYNC_BATCH) {
		r = flush(y);
		if (r < 0)
			return r;
	}
	record->seq = y->stream->last;
	record->version = 1;
	y->count++;
	y->total++;
	return cd_change_encode(record, &y->records);
}

static int fill_resync(struct resync *y, uint64_t nonce)
{
	struct cd_change c = {.kind = CD_RECORD_RESYNC_BEGIN};
	struct cd_ctl *ctl = y->stream->ctl;
	int r;

	c.u.nonce = nonce;
	r = put(y, &c);
	y->total = 0;
	if (!r)
		r = cd_people_each(ctl, put, y);
	if (!r)
		r = cd_devices_each(ctl, put, y);
	if (!r)
		r = cd_sessions_each(ctl, put, y);
	if (!r && cd_policy_bundle_record(ctl, &c))
		r = put(y, &c);
	if (r < 0)
		return r;
	c = (struct cd_change){.kind = CD_RECORD_RESYNC_END};
	c.u.count = y->total;
	r = put(y, &c);
	return r < 0 ? r : flush(y);
}

static void send_resync(struct cd_stream *s, struct cd_call *call,
			uint64_t nonce)
{
	struct cd_http_answer *a cd_auto(cd_http_answer_unref) = NULL;
	struct resync y = {.stream = s};
	int r;

	cd_buf_init(&y.records, CD_CHANGE_BATCH_MAX);
	cd_buf_init(&y.out, 1u << 30);
	r = fill_resync(&y, nonce);
	if (!r)
		a = answer_of(cd_buf_get(&y.out), s->last);
	cd_buf_done(&y.records);
	cd_buf_done(&y.out);
	if (r < 0)
		cd_call_fail(call, r);
	else
		cd_http_send(call->req, a);
}

/* ---- acknowledgements ---- */

static struct agent *agent_find(const struct cd_stream *s, struct cd_str name)
{
	struct agent *a = s->agents[cd_str_hash(name) % BUCKETS];

	while (a && !cd_str_equal(cd_str_from(a->name), name))
		a = a->next;
	return a;
}

static struct agent *agent_get(struct cd_stream *s, struct cd_str name)
{
	struct agent *a = agent_find(s, name), **bucket;

	if (a || s->n_agents >= AGENTS_MAX)
		return a;
	a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	memcpy(a->name, name.ptr, name.len);
	bucket = &s->agents[cd_str_hash(name) % BUCKETS];
	a->next = *bucket;
	*bucket = a;
	s->n_agents++;
	return a;
}

static bool is_live(const struct agent *a)
{
	return a->held || mono_ms() - a->seen_ms < LIVE_MS;
}

static uint64_t gateway_ack(const struct cd_stream *s)
{
	struct agent *a = agent_find(s, cd_str_from(s->ctl->opt.gateway_agent));

	return a ? a->ack : 0;
}

static void await_end(struct await *w, bool acknowledged)
{
	struct await **p = &w->stream->awaits;

	while (*p != w)
		p = &(*p)->next;
	*p = w->next;
	event_free(w->timer);
	w->fn(w->arg, acknowledged);
	free(w);
}

static void await_late(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	await_end(arg, false);
}

static void check_awaits(struct cd_stream *s)
{
	uint64_t ack = gateway_ack(s);
	struct await *w, *next;

	for (w = s->awaits; w; w = next) {
		next = w->next;
		if (w->seq <= ack)
			await_end(w, true);
	}
}

void cd_stream_await(struct cd_ctl *ctl, uint64_t seq,
		     void (*fn)(void *arg, bool acknowledged), void *arg)
{
	static const struct timeval late = {CD_STREAM_AWAIT_MS / 1000,
					    CD_STREAM_AWAIT_MS % 1000 * 1000};
	struct cd_stream *s = ctl->stream;
	struct await *w;

	if (seq <= gateway_ack(s)) {
		fn(arg, true);
		return;
	}
	w = calloc(1, sizeof(*w));
	if (w)
		w->timer = evtimer_new(ctl->base, await_late, w);
	if (!w || !w->timer || evtimer_add(w->timer, &late) < 0) {
		if (w && w->timer)
			event_free(w->timer);
		free(w);
		fn(arg, false);
		return;
	}
	*w = (struct await){s->awaits, w->timer, s, seq, fn, arg};
	s->awaits = w;
}

/* ---- long polls ---- */

static void waiter_done(struct waiter *w)
{
	*w->link = w->next;
	if (w->next)
		w->next->link = w->link;
	w->agent->held--;
	w->agent->seen_ms = mono_ms();
	free(w);
}

/* A new poll puts an end to the agent's oldest: one host that holds many takes
 * no other's place, and one whose connections broke unseen still gets in. */
static void end_oldest(struct cd_stream *s, const struct agent *a)
{
	struct waiter *oldest = NULL;
	struct cd_call *call;

	for (struct waiter *w = s->waiters; w; w = w->next)
		if (w->agent == a)
			oldest = w; /* the newest come first */
	call = oldest->call;
	waiter_done(oldest);
	cd_call_empty(call);
}

static void hold(struct cd_stream *s, struct cd_call *call, struct agent *a,
		 uint64_t from, int64_t wait_s)
{
	struct waiter *w = calloc(1, sizeof(*w));

	if (!w) {
		cd_call_fail(call, -ENOMEM);
		return;
	}
	*w = (struct waiter){s->waiters, &s->waiters,
			     call,	 a,
			     from,	 mono_ms() + wait_s * 1000};
	if (w->next)
		w->next->link = &w->next;
	s->waiters = w;
	a->held++;
	if (a->held > POLLS_MAX)
		end_oldest(s, a);
}

void cd_stream_wake(struct cd_ctl *ctl)
{
	struct cd_stream *s = ctl->stream;
	struct waiter *w, *next;
	struct cd_call *call;
	uint64_t from;

	if (!s || read_numbers(s) < 0)
		return;
	for (w = s->waiters; w; w = next) {
		next = w->next;
		if (w->from > s->last)
			continue;
		call = w->call;
		from = w->from;
		waiter_done(w);
		send_from(s, call, from);
	}
}

static void end_old_polls(struct cd_stream *s)
{
	int64_t now = mono_ms();
	struct waiter *w, *next;
	struct cd_call *call;

	for (w = s->waiters; w; w = next) {
		next = w->next;
		if (now < w->deadline_ms)
			continue;
		call = w->call;
		waiter_done(w);
		cd_call_empty(call);
	}
}

void cd_stream_tick(struct cd_ctl *ctl)
{
	struct cd_stream *s = ctl->stream;

	end_old_polls(s);
	if (ctl->ticks % 60)
		return;
	cd_store_run(ctl->store,
		     "DELETE FROM change WHERE at < ?1 AND seq < ?2", "ii",
		     cd_now() - ctl->opt.keep_changes, (int64_t)s->last);
	read_numbers(s);
}

static uint64_t query_number(const struct cd_call *call, const char *name,
			     uint64_t def)
{
	const char *text = cd_http_query(call->req, name);
	uint64_t n;

	return text && !cd_str_parse_u64(cd_str_from(text), &n) ? n : def;
}

void answer_agent_stream(struct cd_call *call)
{
	struct cd_str name = cd_str_from(cd_http_query(call->req, "agent"));
	struct cd_stream *s = call->ctl->stream;
	uint64_t from = query_number(call, "from", 0);
	uint64_t wait = query_number(call, "wait", WAIT_DEFAULT_S);
	struct agent *a;

	if (!cd_name_is_valid(name) || name.len >= CD_CHANGE_AUDIENCE) {
		cd_call_fail(call, -EINVAL);
		return;
	}
	a = agent_get(s, name);
	if (!a) {
		cd_call_fail(call, CD_E_LIMIT);
		return;
	}
	a->seen = cd_now();
	a->seen_ms = mono_ms();
	if (!from || from > s->last + 1 || from < s->oldest) {
		a->ack = 0;
		send_resync(s, call, query_number(call, "nonce", 0));
		return;
	}
	a->ack = from - 1;
	if (from > s->last)
		hold(s, call, a, from, (int64_t)CD_MIN(wait, WAIT_MAX_S));
	else
		send_from(s, call, from);
	check_awaits(s);
}

json_t *cd_stream_agents(const struct cd_ctl *ctl)
{
	json_t *list = json_array();
	struct agent *a;
	size_t i;

	for (i = 0; i < BUCKETS; i++)
		for (a = ctl->stream->agents[i]; a; a = a->next)
			json_array_append_new(
				list,
				json_pack("{s:s, s:I, s:o*, s:b}", "name",
					  a->name, "ack", (json_int_t)a->ack,
					  "seen", cd_json_time(a->seen), "live",
					  is_live(a)));
	return list;
}

int cd_stream_new(struct cd_ctl *ctl, struct cd_stream **ret_stream)
{
	struct cd_stream *s cd_auto(cd_stream_free) = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->ctl = ctl;
	r = read_numbers(s);
	if (!r)
		*ret_stream = CD_TAKE(s);
	return r;
}

void cd_stream_free(struct cd_stream **stream)
{
	struct cd_stream *s = CD_TAKE(*stream);
	struct agent *a, *next;
	size_t i;

	if (!s)
		return;
	while (s->awaits)
		await_end(s->awaits, false);
	while (s->waiters) {
		struct cd_call *call = s->waiters->call;

		waiter_done(s->waiters);
		cd_call_empty(call);
	}
	for (i = 0; i < SHARED; i++)
		cd_http_answer_unref(&s->shared[i].answer);
	for (i = 0; i < BUCKETS; i++)
		for (a = s->agents[i]; a; a = next) {
			next = a->next;
			free(a);
		}
	free(s);
}
