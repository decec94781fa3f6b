/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Following the change stream: one long poll at a time. The number asked from
 * is the acknowledgement, so the next poll goes out as soon as a batch is in
 * the table.
 */
#include <stdio.h>

#include "agent/front_impl.h"
#include "sys/log.h"
#include "token/random.h"

#define WAIT_S 25
#define ANSWER_MAX ((size_t)1 << 30)

static void poll_now(struct cd_front *f);

static void on_retry(evutil_socket_t fd cd_unused, short what cd_unused,
		     void *ctx)
{
	poll_now(ctx);
}

static void failed(struct cd_front *f, const char *why, int err)
{
	if (!f->away)
		CD_LOG_WARN("STREAM_LOST", cd_log_z("why", why),
			    cd_log_err(err));
	f->away = true;
	cd_retry_later(&f->poll);
}

/* Batches one after another. What was applied before a bad one stays. */
static int apply_all(struct cd_front *f, struct cd_str bytes)
{
	while (bytes.len > 0) {
		struct cd_changes batch;
		size_t used = 0;
		int r = cd_changes_verify(bytes, &f->config->changes_key,
					  f->config->name, &batch, &used);

		if (r == 0)
			r = cd_agent_state_apply(f->state, &batch,
						 cd_front_now());
		if (r < 0)
			return r;
		bytes = cd_str_make(bytes.ptr + used, bytes.len - used);
	}
	return 0;
}

static void on_batches(struct cd_front *f, struct cd_str bytes)
{
	bool was_lost = cd_agent_state_from(f->state) == 0;
	int r = apply_all(f, bytes);

	if (r == -ESTALE && !was_lost) {
		/* a gap: the very next poll asks for everything */
		CD_LOG_INFO("RESYNC_ASKED");
		cd_agent_state_lose(f->state);
		cd_retry_ok(&f->poll);
		cd_retry_now(&f->poll);
		return;
	}
	if (r < 0) {
		CD_LOG_ERROR("BATCH_REFUSED", cd_log_err(r));
		cd_agent_state_lose(f->state);
		failed(f, "a batch was refused", r);
		return;
	}
	cd_retry_ok(&f->poll);
	cd_retry_now(&f->poll);
}

static void came_back(struct cd_front *f)
{
	if (f->away)
		CD_LOG_INFO("STREAM_FOUND");
	f->away = false;
}

static void on_answer(void *ctx, struct cd_httpc_answer *a)
{
	struct cd_front *f = ctx;

	if (a->err < 0) {
		failed(f, a->why, a->err);
		return;
	}
	if (a->status == 200) {
		came_back(f);
		on_batches(f, cd_buf_get(&a->body));
	} else if (a->status == 204) {
		came_back(f);
		cd_retry_ok(&f->poll);
		cd_retry_now(&f->poll);
	} else {
		failed(f, "cordond refuses the stream", -(int)a->status);
	}
}

static void poll_now(struct cd_front *f)
{
	uint64_t nonce = cd_random_u64();
	struct cd_httpc_request q;
	char url[CD_FRONT_URL];
	int r;

	cd_agent_state_ask(f->state, nonce);
	snprintf(url, sizeof(url),
		 "http://cordon/v1/stream?agent=%s&from=%llu&wait=%d"
		 "&nonce=%llu",
		 f->name, (unsigned long long)cd_agent_state_from(f->state),
		 WAIT_S, (unsigned long long)nonce);
	q = cd_front_request(f, url);
	q.answer_max = ANSWER_MAX;
	q.timeout_ms = (WAIT_S + 20) * 1000;
	r = cd_httpc_start(f->http, &q, on_answer, f, NULL);
	if (r < 0)
		failed(f, "cannot ask", r);
}

int cd_front_stream_start(struct cd_front *f)
{
	int r = cd_retry_init(&f->poll, f->base, on_retry, f);

	if (r == 0)
		cd_retry_now(&f->poll);
	return r;
}

void cd_front_stream_stop(struct cd_front *f)
{
	cd_retry_done(&f->poll);
}
