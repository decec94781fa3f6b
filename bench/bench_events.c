// SPDX-License-Identifier: Apache-2.0
/*
 * Events from a producer through a ring, the shipper, HTTP on a unix socket
 * and the journal with its fdatasync.
 *
 * The producer is a thread that writes decisions with 12 inputs, paced at
 * 20,000 a second; then as many as it can, with a small ring, so that drops
 * are forced. Every record has a number. Counted at the end: those in the
 * journal, those that the journal says were dropped, and the rest, which must
 * be none: nothing may be lost without being told. Figures are of this one
 * run; the rate is paced, so there is nothing to compare it with.
 */
#include <event2/event.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/ship.h"
#include "base/addr.h"
#include "controller/journal.h"
#include "shm/ring.h"
#include "sys/httpc.h"
#include "sys/httpd.h"

#define RATE 20000
#define SECONDS 5
#define FLOOD 400000

static struct event_base *base;
static struct cd_journal *journal;
static volatile bool produced;
static uint64_t put_ok, put_dropped;

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static size_t record(unsigned char *mem, uint64_t id,
		     const struct cd_request *req)
{
	struct cd_event_encoder e;

	cd_event_begin(&e, mem, CD_EVENT_MAX, CD_EVENT_DECISION, id + 1,
		       now_ns());
	cd_event_puts(&e, CD_EVENT_F_PEP, "http");
	cd_event_put_num(&e, CD_EVENT_F_VERDICT, CD_ALLOW);
	cd_event_put_num(&e, CD_EVENT_F_SESSION, id);
	cd_event_put_inputs(&e, req);
	return cd_event_end(&e);
}

static void fill(struct cd_request *req)
{
	static struct cd_name groups[3];
	struct cd_addr addr;

	for (size_t i = 0; i < 3; i++)
		groups[i] = cd_name_make(CD_STR("finance"));
	cd_addr_parse(CD_STR("203.0.113.5"), &addr);
	cd_request_init(req);
	cd_request_set_int(req, CD_ATTR_SUBJECT, CD_SUBJECT_PERSON);
	cd_request_set_int(req, CD_ATTR_TIME, now_ns());
	cd_request_set_str(req, CD_ATTR_USER_NAME, CD_STR("alice"));
	cd_request_set_names(req, CD_ATTR_USER_GROUPS, groups, 3);
	cd_request_set_bool(req, CD_ATTR_DEVICE_ENCRYPTED, true);
	cd_request_set_int(req, CD_ATTR_MFA_AGE, 2400);
	cd_request_set_int(req, CD_ATTR_RISK_USER, 1);
	cd_request_set_addr(req, CD_ATTR_SRC_IP, addr);
	cd_request_set_str(req, CD_ATTR_APP, CD_STR("payroll"));
	cd_request_set_str(req, CD_ATTR_HTTP_METHOD, CD_STR("GET"));
	cd_request_set_str(req, CD_ATTR_HTTP_PATH, CD_STR("/api/v1/query"));
	cd_request_set_str(req, CD_ATTR_DST_NAME, CD_STR("payroll.localhost"));
}

struct job {
	struct cd_ring *ring;
	uint64_t n;
	bool paced;
};

static void *produce(void *ctx)
{
	const struct job *job = ctx;
	unsigned char mem[CD_EVENT_MAX];
	int64_t start = now_ns();
	struct cd_request req;

	fill(&req);
	for (uint64_t i = 0; i < job->n; i++) {
		if (job->paced && i % 20 == 0) {
			int64_t due = start + (int64_t)i * 1000000000 / RATE;
			struct timespec ts = {due / 1000000000,
					      due % 1000000000};

			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts,
					NULL);
		}
		if (cd_ring_put(job->ring, mem, record(mem, i, &req)))
			put_ok++;
		else
			put_dropped++;
	}
	produced = true;
	return NULL;
}

static void on_durable(void *ctx, int err, uint32_t accepted)
{
	(void)accepted;
	cd_http_reply(ctx, err ? 503 : 200, "application/json", CD_STR("{}"));
}

static void serve(void *ctx, struct cd_http_req *req)
{
	(void)ctx;
	if (cd_journal_append(journal, CD_STR("bench"), cd_http_body(req),
			      on_durable, req))
		cd_http_reply(req, 503, "application/json", CD_STR("{}"));
}

/* Decisions in the journal, and what drop events there count. */
static void count(uint64_t *kept, uint64_t *told)
{
	struct cd_journal_cursor *c;
	struct cd_batch batch;
	struct cd_event event;

	*kept = *told = 0;
	if (cd_journal_cursor_new(journal, 0, &c))
		return;
	while (cd_journal_next(c, &batch) == 1)
		for (struct cd_str rest = batch.records;
		     rest.len && !cd_event_decode(rest, &event, &rest);) {
			char text[24];

			*kept += event.event_class == CD_EVENT_DECISION;
			if (event.event_class != CD_EVENT_RING_DROPS)
				continue;
			cd_event_text(&event, CD_EVENT_F_COUNT, text,
				      sizeof(text), NULL);
			*told += strtoull(text, NULL, 10);
		}
	cd_journal_cursor_free(&c);
}

static bool settled(void)
{
	uint64_t kept, told;

	if (!produced)
		return false;
	count(&kept, &told);
	return kept + told >= put_ok + put_dropped;
}

static void spin(unsigned int ms)
{
	struct timeval tv = {0, (suseconds_t)ms * 1000};

	event_base_loopexit(base, &tv);
	event_base_dispatch(base);
}

static void run_loop(struct job *job)
{
	pthread_t thread;

	produced = false;
	put_ok = put_dropped = 0;
	pthread_create(&thread, NULL, produce, job);
	while (!produced)
		spin(50);
	pthread_join(thread, NULL);
	for (int i = 0; i < 200 && !settled(); i++)
		spin(100);
}

static int round_of(const char *dir, const char *name, uint32_t ring_size,
		    struct job job)
{
	char rings[200], spool[200], sock[200], file[220], logdir[200];
	struct cd_journal_config jc = {.dir = logdir};
	struct cd_httpd_config hc = {.path = sock,
				     .mode = 0600,
				     .gid = (gid_t)-1,
				     .body_max = 2 << 20,
				     .connections_max = 10,
				     .handle = serve};
	struct cd_ship_config sc = {.rings = rings,
				    .socket = sock,
				    .spool = spool,
				    .node = "bench"};
	struct cd_httpc *client;
	struct cd_httpd *server;
	struct cd_ship *ship;
	uint64_t kept, told;
	int64_t start;
	struct rusage ru;

	snprintf(rings, sizeof(rings), "%s/%s-rings", dir, name);
	snprintf(spool, sizeof(spool), "%s/%s-spool", dir, name);
	snprintf(sock, sizeof(sock), "%s/%s.sock", dir, name);
	snprintf(logdir, sizeof(logdir), "%s/%s-journal", dir, name);
	snprintf(file, sizeof(file), "%s/0", rings);
	base = event_base_new();
	if (mkdir(rings, 0700) || mkdir(spool, 0700) ||
	    cd_ring_create(file, ring_size, 0600) ||
	    cd_ring_open(file, &job.ring) ||
	    cd_journal_open(base, &jc, &journal) ||
	    cd_httpd_new(base, &hc, &server) || cd_httpc_new(base, &client) ||
	    cd_ship_new(base, client, &sc, &ship))
		return 1;
	start = now_ns();
	run_loop(&job);
	getrusage(RUSAGE_SELF, &ru);
	count(&kept, &told);
	printf("%-6s put %ju, in the journal %ju, told as dropped %ju, lost "
	       "without a word %jd; %.2f s, CPU so far %ld.%02ld s\n",
	       name, (uintmax_t)(put_ok + put_dropped), (uintmax_t)kept,
	       (uintmax_t)told,
	       (intmax_t)(put_ok + put_dropped) - (intmax_t)(kept + told),
	       (double)(now_ns() - start) / 1e9, (long)ru.ru_utime.tv_sec,
	       (long)ru.ru_utime.tv_usec / 10000);
	cd_ship_free(&ship);
	cd_httpc_free(&client);
	cd_journal_free(&journal);
	cd_httpd_free(&server);
	cd_ring_close(&job.ring);
	event_base_free(base);
	return kept + told == put_ok + put_dropped && told == put_dropped ? 0 :
									    1;
}

int main(void)
{
	char dir[] = "/tmp/bench-events-XXXXXX", command[64];
	int bad;

	if (!mkdtemp(dir))
		return 1;
	bad = round_of(dir, "paced", 0,
		       (struct job){.n = (uint64_t)RATE * SECONDS,
				    .paced = true});
	if (put_dropped)
		bad = 1; /* at this rate none may be */
	bad |= round_of(dir, "flood", 1u << 20, (struct job){.n = FLOOD});
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command) || bad;
}
