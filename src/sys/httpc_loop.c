/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl's multi interface on libevent: curl says which sockets and which
 * time it waits for, we tell it when one is ready. Callbacks of callers are
 * called from one place, after curl has returned, so they may start and
 * cancel calls as they like.
 */
#include "sys/httpc_curl.h"

#include <event2/event.h>
#include <stdlib.h>

struct cd_httpc_call {
	struct cd_httpc_transfer transfer;
	struct cd_httpc *client;
	cd_httpc_done done;
	void *ctx;
	bool added;
	struct cd_httpc_call *prev, *next;
};

struct cd_httpc {
	struct event_base *base;
	CURLM *multi;
	struct event *timer;
	struct cd_httpc_call *calls;
};

/* One socket that curl watches. */
struct watch {
	struct cd_httpc *client;
	struct event *event;
};

static void unlink_call(struct cd_httpc_call *call)
{
	struct cd_httpc *c = call->client;

	if (call->prev)
		call->prev->next = call->next;
	else
		c->calls = call->next;
	if (call->next)
		call->next->prev = call->prev;
	if (call->added)
		curl_multi_remove_handle(c->multi, call->transfer.easy);
}

static void call_free(struct cd_httpc_call *call)
{
	cd_httpc_transfer_done(&call->transfer);
	free(call);
}

static void deliver(struct cd_httpc *c)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(c->multi, &left))) {
		struct cd_httpc_call *call;
		CURLcode code = msg->data.result;
		char *private = NULL;

		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &private);
		call = (struct cd_httpc_call *)(void *)private;
		cd_httpc_transfer_end(&call->transfer, code);
		unlink_call(call);
		call->done(call->ctx, &call->transfer.answer);
		call_free(call);
	}
}

static void on_ready(evutil_socket_t fd, short what, void *ctx)
{
	struct watch *w = ctx;
	struct cd_httpc *c = w->client;
	int mask = (what & EV_READ ? CURL_CSELECT_IN : 0) |
		   (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
	int running;

	curl_multi_socket_action(c->multi, fd, mask, &running);
	deliver(c);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct cd_httpc *c = ctx;
	int running;

	(void)fd;
	(void)what;
	curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	deliver(c);
}

static void watch_free(struct watch *w)
{
	if (w && w->event)
		event_free(w->event);
	free(w);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx,
		     void *socket_ctx)
{
	short events = (short)((what & CURL_POLL_IN ? EV_READ : 0) |
			       (what & CURL_POLL_OUT ? EV_WRITE : 0));
	struct cd_httpc *c = ctx;
	struct watch *w = socket_ctx;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		watch_free(w);
		curl_multi_assign(c->multi, fd, NULL);
		return 0;
	}
	if (!w) {
		w = cd_calloc(1, sizeof(*w));
		if (!w)
			return -1;
		w->client = c;
		curl_multi_assign(c->multi, fd, w);
	}
	if (w->event)
		event_free(w->event);
	w->event = event_new(c->base, fd, (short)(events | EV_PERSIST),
			     on_ready, w);
	return w->event && event_add(w->event, NULL) == 0 ? 0 : -1;
}

static int on_timeout(CURLM *multi, long ms, void *ctx)
{
	struct timeval tv = {ms / 1000, ms % 1000 * 1000};
	struct cd_httpc *c = ctx;

	(void)multi;
	if (ms < 0)
		event_del(c->timer);
	else
		event_add(c->timer, &tv);
	return 0;
}

int cd_httpc_new(struct event_base *base, struct cd_httpc **ret_client)
{
	struct cd_httpc *c cd_auto(cd_httpc_free) = cd_calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->base = base;
	c->multi = curl_multi_init();
	c->timer = event_new(base, -1, 0, on_timer, c);
	if (!c->multi || !c->timer)
		return -ENOMEM;
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
	*ret_client = CD_TAKE(c);
	return 0;
}

void cd_httpc_free(struct cd_httpc **client)
{
	struct cd_httpc *c = *client;

	if (!c)
		return;
	while (c->calls)
		cd_httpc_cancel(c->calls);
	if (c->multi)
		curl_multi_cleanup(c->multi);
	if (c->timer)
		event_free(c->timer);
	free(c);
	*client = NULL;
}

int cd_httpc_start(struct cd_httpc *client,
		   const struct cd_httpc_request *request, cd_httpc_done done,
		   void *ctx, struct cd_httpc_call **ret_call)
{
	struct cd_httpc_call *call = cd_calloc(1, sizeof(*call));
	int r;

	if (!call)
		return -ENOMEM;
	r = cd_httpc_transfer_init(&call->transfer, request);
	if (r) {
		call_free(call);
		return r;
	}
	call->client = client;
	call->done = done;
	call->ctx = ctx;
	call->next = client->calls;
	if (call->next)
		call->next->prev = call;
	client->calls = call;
	curl_easy_setopt(call->transfer.easy, CURLOPT_PRIVATE, call);
	/* only arms the timer: nothing is called back from here */
	if (curl_multi_add_handle(client->multi, call->transfer.easy)) {
		unlink_call(call);
		call_free(call);
		return -ENOMEM;
	}
	call->added = true;
	if (ret_call)
		*ret_call = call;
	return 0;
}

void cd_httpc_cancel(struct cd_httpc_call *call)
{
	unlink_call(call);
	call_free(call);
}
