/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bundles: a BUNDLE record names one, it is fetched by its hash, checked to be
 * that, and handed to the root half, which alone decides. Only the newest is
 * wanted: a record that arrives meanwhile replaces what waits.
 */
#include <stdio.h>
#include <unistd.h>

#include "agent/front_impl.h"
#include "sys/log.h"

static void fetch_now(struct cd_front *f);

static void on_retry(evutil_socket_t fd cd_unused, short what cd_unused,
		     void *ctx)
{
	fetch_now(ctx);
}

void cd_front_bundle(void *ctx, const struct cd_change_bundle *bundle)
{
	struct cd_front *f = ctx;

	if (bundle->serial <= f->wanted.serial ||
	    (f->knows_serial && bundle->serial <= f->serial))
		return;
	f->wanted = *bundle;
	cd_retry_ok(&f->fetch);
	cd_retry_now(&f->fetch);
}

static void refused(struct cd_front *f, int err, const char *why)
{
	CD_LOG_WARN("BUNDLE_REFUSED",
		    cd_log_num("serial", (int64_t)f->wanted.serial),
		    cd_log_z("why", why), cd_log_err(err));
	cd_front_event(f, CD_EVENT_BUNDLE_REFUSED, f->wanted.serial, NULL,
		       cd_str_from(why));
}

static int hand_over(struct cd_front *f, struct cd_str bundle)
{
	uint8_t hash[CD_SHA256_SIZE];
	int r;

	cd_sha256(bundle.ptr, bundle.len, hash);
	if (!cd_equal_ct(hash, f->wanted.hash, sizeof(hash))) {
		refused(f, CD_E_CORRUPT,
			"bundle refused: it is not the one "
			"that was announced");
		return CD_E_CORRUPT;
	}
	r = cd_agent_broker_ask(f->sock, bundle);
	if (r < 0)
		CD_LOG_ERROR("BUNDLE_NOT_HANDED_OVER", cd_log_err(r));
	f->asking = r == 0;
	return r;
}

static void on_answer(void *ctx, struct cd_httpc_answer *a)
{
	struct cd_front *f = ctx;
	int r = a->err;

	f->fetching = false;
	if (r == 0 && a->status != 200)
		r = CD_E_NOTFOUND;
	if (r == 0)
		r = hand_over(f, cd_buf_get(&a->body));
	if (r < 0)
		cd_retry_later(&f->fetch);
}

static void fetch_now(struct cd_front *f)
{
	struct cd_httpc_request q;
	char url[CD_FRONT_URL];
	size_t n;

	if (!f->wanted.serial || f->fetching || f->asking || !f->knows_serial)
		return;
	if (f->wanted.serial <= f->serial) {
		f->wanted.serial = 0;
		return;
	}
	n = (size_t)snprintf(url, sizeof(url), "http://cordon/v1/bundle/");
	for (size_t i = 0; i < CD_SHA256_SIZE; i++)
		n += (size_t)snprintf(url + n, sizeof(url) - n, "%02x",
				      f->wanted.hash[i]);
	snprintf(url + n, sizeof(url) - n, "?agent=%s", f->name);
	q = cd_front_request(f, url);
	q.answer_max = (size_t)CD_BUNDLE_HEADER + CD_BUNDLE_IMAGE_MAX;
	f->fetching = cd_httpc_start(f->http, &q, on_answer, f, NULL) == 0;
	if (!f->fetching)
		cd_retry_later(&f->fetch);
}

/* It was not the bundle's fault, and may go another time. */
static bool may_pass(int err)
{
	return err == -ENOSPC || err == -EDQUOT || err == -ENOMEM ||
	       err == -EIO || err == -ENFILE || err == -EMFILE;
}

/* A refusal is final for that bundle: the same bytes would be refused again.
 * What was wanted meanwhile is fetched next. When the root half could not
 * write it, it is asked again until it can, and that is told once. */
static void on_result(struct cd_front *f,
		      const struct cd_agent_broker_result *r)
{
	f->asking = false;
	f->serial = r->serial;
	if (r->result == 0) {
		cd_control_bump(&f->control->policy_gen);
		cd_front_event(f, CD_EVENT_BUNDLE_ACCEPTED, r->serial, r->hash,
			       CD_STR_NULL);
		cd_front_certs_look(f);
	} else if (may_pass(r->result)) {
		if (f->told != f->wanted.serial)
			refused(f, r->result, r->text);
		f->told = f->wanted.serial;
		cd_retry_later(&f->fetch);
		return;
	} else {
		refused(f, r->result, r->text);
		f->wanted.serial = 0;
	}
	cd_retry_ok(&f->fetch);
	cd_retry_now(&f->fetch);
}

/* An older bundle is in force again; the last serial is what it was. */
static void on_trial_end(struct cd_front *f,
			 const struct cd_agent_broker_result *r)
{
	cd_control_bump(&f->control->policy_gen);
	cd_front_event(f, CD_EVENT_BUNDLE_RETURNED, r->serial, r->hash,
		       CD_STR("not confirmed in time"));
	cd_front_certs_look(f);
}

static void on_broker(evutil_socket_t fd, short what cd_unused, void *ctx)
{
	struct cd_front *f = ctx;
	struct cd_agent_broker_result res;
	char kind;
	int r = cd_agent_broker_read(fd, &res, &kind);

	if (r == -EAGAIN)
		return;
	if (r < 0) {
		/* without the root half there is nobody to start us again */
		CD_LOG_ERROR("BROKER_GONE", cd_log_err(r));
		event_base_loopbreak(f->base);
		return;
	}
	if (kind == 'R') {
		on_result(f, &res);
		return;
	}
	if (kind == 'T') {
		on_trial_end(f, &res);
		return;
	}
	f->serial = res.serial;
	f->knows_serial = true;
	/* the file may be newer than what workers saw before we were here */
	cd_control_bump(&f->control->policy_gen);
	cd_retry_now(&f->fetch);
}

int cd_front_fetch_start(struct cd_front *f)
{
	int r = cd_retry_init(&f->fetch, f->base, on_retry, f);

	if (r < 0)
		return r;
	f->from_broker =
		event_new(f->base, f->sock, EV_READ | EV_PERSIST, on_broker, f);
	if (!f->from_broker || event_add(f->from_broker, NULL) < 0)
		return -ENOMEM;
	return 0;
}

void cd_front_fetch_stop(struct cd_front *f)
{
	cd_retry_done(&f->fetch);
	if (f->from_broker)
		event_free(f->from_broker);
	f->from_broker = NULL;
}
