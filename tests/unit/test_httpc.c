// SPDX-License-Identifier: Apache-2.0
/*
 * The HTTP client against our own server on a unix socket, in one loop.
 */
#include "tap.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/httpc.h"
#include "sys/httpd.h"

static char path[64];
static struct event_base *base;
static struct cd_httpd *server;
static struct cd_httpc *client;
static struct cd_http_req *held;

static void serve(void *ctx, struct cd_http_req *req)
{
	(void)ctx;
	if (!strcmp(cd_http_path(req), "/hold")) {
		held = req;
		return;
	}
	if (!strcmp(cd_http_path(req), "/big")) {
		static char big[100000];

		cd_http_reply(req, 200, "text/plain",
			      cd_str_make(big, sizeof(big)));
		return;
	}
	cd_http_reply(req, !strcmp(cd_http_method(req), "POST") ? 201 : 200,
		      "text/plain",
		      cd_http_body(req).len ?
			      cd_http_body(req) :
			      cd_str_from(cd_http_header(req, "X-Word")));
}

static bool started(void)
{
	struct cd_httpd_config config = {
		.path = path,
		.mode = 0600,
		.gid = (gid_t)-1,
		.body_max = 1 << 20,
		.connections_max = 100,
		.handle = serve,
	};

	if (server)
		return true;
	snprintf(path, sizeof(path), "/tmp/test-httpc-%ld.sock",
		 (long)getpid());
	base = event_base_new();
	return ok_eq_int(cd_httpd_new(base, &config, &server), 0) &&
	       ok_eq_int(cd_httpc_new(base, &client), 0);
}

static unsigned left;

struct got {
	int err;
	unsigned status;
	char body[64];
	size_t len;
};

static void on_done(void *ctx, struct cd_httpc_answer *a)
{
	struct got *got = ctx;

	got->err = a->err;
	got->status = a->status;
	got->len = a->body.len;
	snprintf(got->body, sizeof(got->body), "%.*s",
		 CD_STR_FMT(cd_buf_get(&a->body)));
	if (--left == 0)
		event_base_loopbreak(base);
}

static void run(unsigned n)
{
	struct timeval tv = {10, 0};

	left = n;
	event_base_loopexit(base, &tv);
	event_base_dispatch(base);
	ok_eq_uint(left, 0);
}

TEST(bodies_and_headers_go_both_ways)
{
	const char *const headers[] = {"X-Word: hello", NULL};
	struct cd_httpc_request get = {.unix_path = path,
				       .url = "http://cordon/x",
				       .headers = headers};
	struct cd_httpc_request post = {.unix_path = path,
					.url = "http://cordon/y",
					.content_type = "text/plain",
					.body = CD_STR("a body")};
	struct got a, b;

	if (!started())
		return;
	ok_eq_int(cd_httpc_start(client, &get, on_done, &a, NULL), 0);
	ok_eq_int(cd_httpc_start(client, &post, on_done, &b, NULL), 0);
	run(2);
	ok_eq_int(a.err, 0);
	ok_eq_uint(a.status, 200);
	ok_eq_str(a.body, "hello");
	ok_eq_int(b.err, 0);
	ok_eq_uint(b.status, 201);
	ok_eq_str(b.body, "a body");
}

TEST(an_answer_that_is_too_long_is_an_error)
{
	struct cd_httpc_request get = {.unix_path = path,
				       .url = "http://cordon/big",
				       .answer_max = 99999};
	struct got a;

	if (!started())
		return;
	ok_eq_int(cd_httpc_start(client, &get, on_done, &a, NULL), 0);
	run(1);
	ok_eq_int(a.err, CD_E_LIMIT);
	get.answer_max = 100000;
	ok_eq_int(cd_httpc_start(client, &get, on_done, &a, NULL), 0);
	run(1);
	ok_eq_int(a.err, 0);
	ok_eq_uint(a.len, 100000);
}

TEST(time_runs_out)
{
	struct cd_httpc_request get = {.unix_path = path,
				       .url = "http://cordon/hold",
				       .timeout_ms = 50};
	struct got a;

	if (!started())
		return;
	ok_eq_int(cd_httpc_start(client, &get, on_done, &a, NULL), 0);
	run(1);
	ok_eq_int(a.err, -ETIMEDOUT);
	ok_true(held != NULL);
	if (held)
		cd_http_reply(held, 200, "text/plain", CD_STR("late"));
}

TEST(a_cancelled_call_is_not_called_back)
{
	struct cd_httpc_request hold = {.unix_path = path,
					.url = "http://cordon/hold"};
	struct cd_httpc_request get = {.unix_path = path,
				       .url = "http://cordon/"};
	struct got a, b = {.err = 12345};
	struct cd_httpc_call *call = NULL;

	if (!started())
		return;
	ok_eq_int(cd_httpc_start(client, &hold, on_done, &b, &call), 0);
	cd_httpc_cancel(call);
	ok_eq_int(cd_httpc_start(client, &get, on_done, &a, NULL), 0);
	run(1);
	ok_eq_int(b.err, 12345);
}

TEST(no_server_says_which_way)
{
	struct cd_httpc_request get = {.unix_path = "/tmp/no-such-socket",
				       .url = "http://cordon/"};
	struct cd_httpc_answer a;

	ok_eq_int(cd_httpc_run(&get, &a), -ENOENT);
	ok_true(a.why[0] != 0);
	cd_httpc_answer_done(&a);
	get.unix_path = NULL;
	get.url = "file:///etc/passwd";
	ok_true(cd_httpc_run(&get, &a) < 0);
	ok_eq_uint(a.body.len, 0);
	cd_httpc_answer_done(&a);
}

TEST(the_waiting_client_gets_its_answer)
{
	struct timeval tv = {5, 0};
	pid_t pid;
	int status = -1;

	if (!started())
		return;
	pid = fork();
	if (pid == 0) {
		struct cd_httpc_request put = {.unix_path = path,
					       .url = "http://cordon/z",
					       .method = "PUT",
					       .content_type = "text/plain",
					       .body = CD_STR("zz")};
		struct cd_httpc_answer a;
		bool fine = cd_httpc_run(&put, &a) == 0 && a.status == 200 &&
			    a.body.len == 2 &&
			    !strcmp(a.content_type, "text/plain");

		_exit(!fine);
	}
	for (int i = 0; i < 5000 && !waitpid(pid, &status, WNOHANG); i++) {
		tv = (struct timeval){0, 1000};
		event_base_loopexit(base, &tv);
		event_base_dispatch(base);
	}
	ok_eq_int(status, 0);
}

TEST(freeing_with_calls_out_is_quiet)
{
	struct cd_httpc_request hold = {.unix_path = path,
					.url = "http://cordon/hold"};
	struct got a = {.err = 12345};

	if (!started())
		return;
	ok_eq_int(cd_httpc_start(client, &hold, on_done, &a, NULL), 0);
	event_base_loop(base, EVLOOP_ONCE);
	cd_httpc_free(&client);
	cd_httpd_free(&server);
	event_base_free(base);
	ok_eq_int(a.err, 12345);
}
