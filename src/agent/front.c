/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front's life: make the shared files, start the parts, run the loop.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "agent/front_impl.h"
#include "shm/ring.h"
#include "sys/file.h"
#include "sys/log.h"

#define RETRY_MIN_MS 50
#define RETRY_MAX_MS 2000
#define SEEN_EVERY 5 /* ticks */
#define RING_MODE 0660
#define CONTROL_MODE 0644

/* ---- small parts the others share ---- */

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

uint32_t cd_front_now(void)
{
	return (uint32_t)(now_ns() / 1000000000);
}

int cd_retry_init(struct cd_retry *r, struct event_base *base,
		  event_callback_fn fn, void *ctx)
{
	r->ms = 0;
	r->timer = evtimer_new(base, fn, ctx);
	return r->timer ? 0 : -ENOMEM;
}

void cd_retry_done(struct cd_retry *r)
{
	if (r->timer)
		event_free(r->timer);
	r->timer = NULL;
}

void cd_retry_later(struct cd_retry *r)
{
	struct timeval tv;

	r->ms = r->ms ? CD_MIN(2 * r->ms, RETRY_MAX_MS) : RETRY_MIN_MS;
	tv = (struct timeval){r->ms / 1000, (r->ms % 1000) * 1000};
	event_add(r->timer, &tv);
}

void cd_retry_now(struct cd_retry *r)
{
	event_active(r->timer, EV_TIMEOUT, 0);
}

void cd_retry_ok(struct cd_retry *r)
{
	r->ms = 0;
	event_del(r->timer);
}

struct cd_httpc_request cd_front_request(const struct cd_front *f,
					 const char *url)
{
	return (struct cd_httpc_request){.unix_path = f->socket, .url = url};
}

/* ---- once a second ---- */

static void on_tick(evutil_socket_t fd cd_unused, short what cd_unused,
		    void *ctx)
{
	struct cd_front *f = ctx;
	uint32_t now = cd_front_now();

	atomic_store(&f->control->heartbeat, now_ns());
	cd_agent_state_tick(f->state, now);
	if (++f->ticks % SEEN_EVERY == 0)
		cd_front_report_seen(f);
}

/* ---- life ---- */

static int make_rings(struct cd_front *f)
{
	const struct cd_agent_config *c = f->config;
	char path[CD_FRONT_PATH];

	for (unsigned int i = 0; i < c->slots; i++) {
		int r;

		snprintf(path, sizeof(path), "%s/shm/rings/%u", c->run, i);
		r = cd_ring_create(path, 0, RING_MODE);
		if (r < 0)
			return r;
	}
	return 0;
}

static int start_control(struct cd_front *f)
{
	char path[CD_FRONT_PATH];
	int r;

	snprintf(path, sizeof(path), "%s/shm/control", f->config->run);
	r = cd_control_create(path, CONTROL_MODE, &f->control);
	if (r < 0)
		return r;
	atomic_store(&f->control->agent_pid, (uint32_t)getpid());
	atomic_store(&f->control->heartbeat, now_ns());
	return 0;
}

static int start_state(struct cd_front *f)
{
	struct cd_agent_state_config c = {
		.table_path = f->table,
		.control = f->control,
		.sessions_min = f->config->sessions_min,
		.bundle = cd_front_bundle,
		.ctx = f,
	};

	return cd_agent_state_new(&c, &f->state);
}

static int start_tick(struct cd_front *f)
{
	struct timeval second = {1, 0};

	f->tick = event_new(f->base, -1, EV_PERSIST, on_tick, f);
	return f->tick && event_add(f->tick, &second) == 0 ? 0 : -ENOMEM;
}

static int start_http(struct cd_front *f)
{
	return cd_httpc_new(f->base, &f->http);
}

/* In the order in which the parts lean on each other. */
static const struct {
	const char *name;
	int (*start)(struct cd_front *f);
} parts[] = {
	{"rings", make_rings},
	{"control page", start_control},
	{"HTTP client", start_http},
	{"session table", start_state},
	{"event shipper", cd_front_events_start},
	{"clock", start_tick},
	{"bundles", cd_front_fetch_start},
	{"certificate files", cd_cert_files_start},
	{"certificates", cd_front_certs_start},
	{"change stream", cd_front_stream_start},
};

static int start(struct cd_front *f)
{
	for (size_t i = 0; i < CD_ARRAY_SIZE(parts); i++) {
		int r = parts[i].start(f);

		if (r < 0) {
			CD_LOG_ERROR("AGENT_FAILED",
				     cd_log_z("at", parts[i].name),
				     cd_log_err(r));
			return r;
		}
	}
	return 0;
}

static void stop(struct cd_front *f)
{
	cd_front_stream_stop(f);
	cd_front_certs_stop(f);
	cd_cert_files_stop(f);
	cd_front_fetch_stop(f);
	if (f->tick)
		event_free(f->tick);
	cd_ship_free(&f->ship);
	cd_agent_state_free(&f->state);
	cd_httpc_free(&f->http);
	cd_control_unmap(&f->control);
}

static void on_signal(evutil_socket_t sig cd_unused, short what cd_unused,
		      void *ctx)
{
	event_base_loopbreak(ctx);
}

static int run(struct cd_front *f)
{
	struct event *term = evsignal_new(f->base, SIGTERM, on_signal, f->base);
	struct event *intr = evsignal_new(f->base, SIGINT, on_signal, f->base);
	int r = start(f);

	if (r == 0 && term && intr && evsignal_add(term, NULL) == 0 &&
	    evsignal_add(intr, NULL) == 0) {
		CD_LOG_INFO("AGENT_UP", cd_log_str("name", f->config->name));
		cd_front_event(f, CD_EVENT_AGENT_UP, 0, NULL, CD_STR_NULL);
		r = event_base_dispatch(f->base) < 0 ? -EIO : 0;
	}
	stop(f);
	if (term)
		event_free(term);
	if (intr)
		event_free(intr);
	return r;
}

int cd_agent_front_run(const struct cd_agent_config *config, int sock)
{
	struct cd_front f = {.config = config, .sock = sock};
	int r;

	memcpy(f.name, config->name.ptr, config->name.len);
	if (!cd_path_join(f.socket, sizeof(f.socket), config->run,
			  "agent.sock") ||
	    !cd_path_join(f.table, sizeof(f.table), config->run,
			  "shm/sessions"))
		return 1;
	f.base = event_base_new();
	if (!f.base)
		return 1;
	r = run(&f);
	event_base_free(f.base);
	return r < 0 ? 1 : 0;
}
