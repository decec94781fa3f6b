// SPDX-License-Identifier: Apache-2.0
/*
 * From rings to a receiver that remembers: everything arrives once and in
 * order while the receiver comes and goes, and what is lost is told.
 */
#include "tap.h"

#include <event2/event.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/ship.h"
#include "event/batch.h"
#include "shm/ring.h"
#include "sys/httpc.h"
#include "sys/httpd.h"

#define RINGS 3

static char dir[64], rings[96], spool[96], path[96];
static struct event_base *base;
static struct cd_httpd *server;
static struct cd_httpc *client;
static struct cd_ring *producers[RINGS];
static uint64_t put[RINGS], got[RINGS]; /* next number of each ring */
static uint64_t epoch, expect; /* of the batches */
static uint64_t own, drops, seen, wrong;
static unsigned answer_with = 200;
static bool swallow; /* takes the batch and loses its answer */

static void take_record(const struct cd_event *event)
{
	char text[32];

	if (event->event_class == CD_EVENT_RING_DROPS) {
		cd_event_text(event, CD_EVENT_F_COUNT, text, sizeof(text),
			      NULL);
		drops += strtoull(text, NULL, 10);
	} else if (event->event_class == CD_EVENT_AGENT_UP) {
		own++;
	} else {
		uint64_t ring = event->id >> 32, n = event->id & 0xffffffff;

		if (ring >= RINGS || n < got[ring])
			wrong++;
		else
			got[ring] = n + 1;
	}
}

static void take_batch(const struct cd_batch *batch)
{
	struct cd_str rest = batch->records;
	struct cd_event event;
	uint64_t n = batch->first;

	if (batch->epoch != epoch) {
		epoch = batch->epoch;
		expect = 0;
	}
	wrong += n > expect; /* a gap */
	for (; rest.len > 0; n++) {
		wrong += cd_event_decode(rest, &event, &rest) != 0;
		if (n >= expect)
			take_record(&event);
	}
	expect = CD_MAX(expect, n);
}

static void serve(void *ctx, struct cd_http_req *req)
{
	struct cd_batch batch;

	(void)ctx;
	if (answer_with == 200 || swallow) {
		if (cd_batch_decode(cd_http_body(req), &batch))
			wrong++;
		else
			take_batch(&batch);
	}
	cd_http_reply(req, answer_with, "application/json", CD_STR("{}"));
}

static void serve_start(void)
{
	struct cd_httpd_config config = {.path = path,
					 .mode = 0600,
					 .gid = (gid_t)-1,
					 .body_max = 2 << 20,
					 .connections_max = 10,
					 .handle = serve};

	ok_eq_int(cd_httpd_new(base, &config, &server), 0);
}

static void on_seen(void *ctx, uint64_t session, int64_t ts)
{
	(void)ctx;
	(void)ts;
	seen += session;
}

static struct cd_ship *ship_start(void)
{
	struct cd_ship_config config = {.rings = rings,
					.socket = path,
					.spool = spool,
					.node = "n1",
					.every_ms = 2,
					.seen = on_seen};
	struct cd_ship *ship = NULL;

	ok_eq_int(cd_ship_new(base, client, &config, &ship), 0);
	return ship;
}

static bool set_up(void)
{
	char file[128];

	if (base)
		return true;
	strcpy(dir, "/tmp/test-ship-XXXXXX");
	if (!ok_true(mkdtemp(dir) != NULL))
		return false;
	snprintf(rings, sizeof(rings), "%s/rings", dir);
	snprintf(spool, sizeof(spool), "%s/spool", dir);
	snprintf(path, sizeof(path), "%s/sock", dir);
	mkdir(rings, 0700);
	mkdir(spool, 0700);
	base = event_base_new();
	ok_eq_int(cd_httpc_new(base, &client), 0);
	for (unsigned i = 0; i < RINGS; i++) {
		snprintf(file, sizeof(file), "%s/%u", rings, i);
		ok_eq_int(cd_ring_create(file, 65536, 0600), 0);
		ok_eq_int(cd_ring_open(file, &producers[i]), 0);
	}
	serve_start();
	return true;
}

static bool produce(unsigned ring, enum cd_event_class class)
{
	unsigned char mem[CD_EVENT_MAX];
	struct cd_event_encoder e;

	cd_event_begin(&e, mem, sizeof(mem), class,
		       (uint64_t)ring << 32 | put[ring], 0);
	cd_event_put_num(&e, CD_EVENT_F_SESSION, 1);
	cd_event_puts(&e, CD_EVENT_F_PATH, "/a/path/of/some/length");
	if (class == CD_EVENT_DECISION)
		put[ring]++;
	return cd_ring_put(producers[ring], mem, cd_event_end(&e));
}

static void spin(unsigned ms)
{
	struct timeval tv = {ms / 1000, (suseconds_t)(ms % 1000) * 1000};

	event_base_loopexit(base, &tv);
	event_base_dispatch(base);
}

static bool all_there(void)
{
	for (unsigned i = 0; i < RINGS; i++)
		if (got[i] != put[i])
			return false;
	return true;
}

/* Until everything arrived, at most 20 s. */
static bool wait_all(void)
{
	for (unsigned i = 0; i < 4000 && !all_there(); i++)
		spin(5);
	for (unsigned i = 0; i < RINGS; i++)
		ok_eq_uint(got[i], put[i]);
	return ok_eq_uint(wrong, 0);
}

TEST(everything_arrives_once_and_in_order)
{
	struct cd_ship_stats st;
	struct cd_ship *ship;

	if (!set_up())
		return;
	ship = ship_start();
	cd_ship_event_begin(ship, CD_EVENT_AGENT_UP);
	cd_ship_event_end(ship);
	for (unsigned i = 0; i < 2000; i++) {
		ok_true(produce(i % RINGS, CD_EVENT_DECISION));
		if (i % 10 == 0)
			produce(0, CD_EVENT_SEEN);
		if (i % 100 == 0)
			spin(3);
	}
	wait_all();
	ok_eq_uint(own, 1);
	ok_eq_uint(seen, 200);
	cd_ship_stats(ship, &st);
	ok_eq_uint(st.sent, 2001);
	ok_eq_uint(st.dropped, 0);
	cd_ship_free(&ship);
}

TEST(while_nobody_answers_it_is_spooled)
{
	struct cd_ship_stats st;
	struct cd_ship *ship;

	if (!set_up())
		return;
	cd_httpd_free(&server);
	ship = ship_start();
	for (unsigned i = 0; i < 3000; i++) {
		ok_true(produce(i % RINGS, CD_EVENT_DECISION));
		if (i % 100 == 0)
			spin(10);
	}
	spin(1500);
	cd_ship_stats(ship, &st);
	ok_true(st.away && st.spooled > 0 && st.dropped == 0);
	cd_ship_free(&ship);
	/* another one takes over the spool; and the receiver comes back */
	ship = ship_start();
	for (unsigned i = 0; i < 300; i++)
		ok_true(produce(i % RINGS, CD_EVENT_DECISION));
	spin(100);
	serve_start();
	wait_all();
	spin(50);
	cd_ship_stats(ship, &st);
	ok_true(!st.away && st.spooled == 0);
	cd_ship_free(&ship);
}

TEST(a_lost_answer_makes_no_second_copy)
{
	struct cd_ship *ship;

	if (!set_up())
		return;
	ship = ship_start();
	swallow = true;
	answer_with = 503;
	for (unsigned i = 0; i < 100; i++)
		ok_true(produce(0, CD_EVENT_DECISION));
	spin(100);
	swallow = false;
	answer_with = 200;
	for (unsigned i = 0; i < 100; i++)
		ok_true(produce(1, CD_EVENT_DECISION));
	wait_all();
	cd_ship_free(&ship);
}

TEST(drops_are_counted_and_told)
{
	uint64_t refused = 0;
	struct cd_ship_stats st;
	struct cd_ship *ship;

	if (!set_up())
		return;
	/* nobody drains */
	for (unsigned i = 0; i < 3000; i++)
		refused += !produce(2, CD_EVENT_DECISION);
	ok_true(refused > 1000);
	drops = 0;
	ship = ship_start();
	for (unsigned i = 0; i < 1000 && drops < refused; i++)
		spin(5);
	ok_eq_uint(drops, refused);
	cd_ship_stats(ship, &st);
	ok_eq_uint(st.dropped, refused);
	cd_ship_free(&ship);
	/* told once: not again by the next agent */
	ship = ship_start();
	spin(100);
	ok_eq_uint(drops, refused);
	got[2] = put[2];
	cd_ship_free(&ship);
}

TEST(garbage_in_a_ring_is_lost_and_told)
{
	struct cd_ship *ship;

	if (!set_up())
		return;
	drops = 0;
	cd_ring_put(producers[0], "garbage", 7);
	ok_true(produce(0, CD_EVENT_DECISION));
	ship = ship_start();
	wait_all();
	for (unsigned i = 0; i < 1000 && drops == 0; i++)
		spin(5);
	ok_eq_uint(drops, 1);
	cd_ship_free(&ship);
}

TEST(clean_up)
{
	char command[128];

	for (unsigned i = 0; i < RINGS; i++)
		cd_ring_close(&producers[i]);
	cd_httpc_free(&client);
	cd_httpd_free(&server);
	event_base_free(base);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	ok_eq_int(system(command), 0);
}
