/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libmicrohttpd in its external epoll mode: its epoll descriptor is one event
 * of the caller's loop, and one timer carries what MHD_get_timeout() says.
 *
 * MHD calls the access handler again whenever it has more of a request, and
 * once more after a resume; `state` says where we are. A connection that is
 * suspended is not watched by MHD, so a client that goes away is noticed only
 * when it is resumed: holders answer within a bounded time.
 *
 * Rejected: a thread inside MHD (handlers would need locks around all state),
 * and evhttp (accept of 10,000 connections took 9 s where MHD took 0.3).
 */
#include "sys/httpd.h"

#include <event2/event.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Of MHD's per-connection pool: request line, headers and answer headers. The
 * default of 32 KiB would cost 330 MB with 10,000 held polls. */
enum { POOL_SIZE = 6144 };

enum req_state { REQ_READING, REQ_HANDLED, REQ_ANSWERED, REQ_SENT };

struct cd_httpd {
	struct MHD_Daemon *daemon;
	struct event *readable;
	struct event *timer;
	struct cd_http_req *reqs; /* all that live */
	size_t held;
	char *path;
	size_t body_max;
	cd_http_handler handle;
	void *ctx;
	bool stopping;
};

struct cd_http_req {
	struct cd_httpd *httpd;
	struct MHD_Connection *conn;
	struct cd_http_req *next, **link;
	struct cd_http_answer *answer;
	void *user;
	void (*user_done)(void *user);
	const char *path; /* MHD's, lives with the request */
	const char *method;
	struct cd_buf body;
	enum req_state state;
	bool suspended;
};

struct cd_http_answer {
	struct MHD_Response *response;
	unsigned int refs;
	unsigned int status;
};

/* ---- answers ---- */

struct cd_http_answer *cd_http_answer_new(unsigned int status,
					  const char *content_type,
					  struct cd_str body)
{
	struct cd_http_answer *a = calloc(1, sizeof(*a));
	char *copy;

	if (!a)
		return NULL;
	copy = cd_str_dup(body);
	a->response = copy ? MHD_create_response_from_buffer(
				     body.len, copy, MHD_RESPMEM_MUST_FREE) :
			     NULL;
	if (!a->response) {
		free(copy);
		free(a);
		return NULL;
	}
	a->refs = 1;
	a->status = status;
	if (content_type)
		MHD_add_response_header(a->response, "Content-Type",
					content_type);
	return a;
}

int cd_http_answer_header(struct cd_http_answer *answer, const char *name,
			  const char *value)
{
	const unsigned char *p;

	if (!answer)
		return -ENOMEM;
	for (p = (const unsigned char *)value; *p; p++)
		if (*p < 0x20 || *p == 0x7f)
			return -EINVAL;
	if (MHD_add_response_header(answer->response, name, value) != MHD_YES)
		return -ENOMEM;
	return 0;
}

struct cd_http_answer *cd_http_answer_ref(struct cd_http_answer *answer)
{
	if (answer)
		answer->refs++;
	return answer;
}

void cd_http_answer_unref(struct cd_http_answer **answer)
{
	struct cd_http_answer *a = CD_TAKE(*answer);

	if (!a || --a->refs)
		return;
	MHD_destroy_response(a->response);
	free(a);
}

/* ---- requests ---- */

const char *cd_http_method(const struct cd_http_req *req)
{
	return req->method;
}

const char *cd_http_path(const struct cd_http_req *req)
{
	return req->path;
}

const char *cd_http_query(const struct cd_http_req *req, const char *name)
{
	return MHD_lookup_connection_value(req->conn, MHD_GET_ARGUMENT_KIND,
					   name);
}

const char *cd_http_header(const struct cd_http_req *req, const char *name)
{
	return MHD_lookup_connection_value(req->conn, MHD_HEADER_KIND, name);
}

bool cd_cookie_find(struct cd_str header, struct cd_str name,
		    struct cd_str *ret_value)
{
	struct cd_str part, value;

	while (header.ptr) {
		part = cd_str_split(header, ';', &header);
		part = cd_str_split(cd_str_trim(part), '=', &value);
		if (value.ptr && cd_str_equal(part, name)) {
			*ret_value = value;
			return true;
		}
	}
	return false;
}

bool cd_http_cookie(const struct cd_http_req *req, const char *name,
		    struct cd_str *ret_value)
{
	const char *header = cd_http_header(req, "Cookie");

	return header && cd_cookie_find(cd_str_from(header), cd_str_from(name),
					ret_value);
}

struct cd_str cd_http_body(const struct cd_http_req *req)
{
	return cd_buf_get(&req->body);
}

uid_t cd_http_peer_uid(const struct cd_http_req *req)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		req->conn, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (!info || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED,
				&cred, &len) < 0)
		return (uid_t)-1;
	return cred.uid;
}

void cd_http_set_user(struct cd_http_req *req, void *user,
		      void (*done)(void *user))
{
	req->user = user;
	req->user_done = done;
}

void *cd_http_user(const struct cd_http_req *req)
{
	return req->user;
}

static void req_free(struct cd_http_req *req)
{
	if (req->user_done)
		req->user_done(req->user);
	*req->link = req->next;
	if (req->next)
		req->next->link = req->link;
	cd_http_answer_unref(&req->answer);
	cd_buf_wipe(&req->body); /* may hold a password */
	free(req);
}

/* MHD runs again soon, from the loop and not from inside a handler. */
static void run_soon(struct cd_httpd *h)
{
	static const struct timeval now = {0, 0};

	evtimer_add(h->timer, &now);
}

void cd_http_send(struct cd_http_req *req, struct cd_http_answer *answer)
{
	cd_assert(req->state == REQ_HANDLED);
	req->answer = cd_http_answer_ref(answer);
	req->state = REQ_ANSWERED;
	if (!req->suspended)
		return;
	req->suspended = false;
	req->httpd->held--;
	MHD_resume_connection(req->conn);
	run_soon(req->httpd);
}

void cd_http_reply(struct cd_http_req *req, unsigned int status,
		   const char *content_type, struct cd_str body)
{
	struct cd_http_answer *a cd_auto(cd_http_answer_unref) =
		cd_http_answer_new(status, content_type, body);

	cd_http_send(req, a);
}

/* ---- MHD's side ---- */

static enum MHD_Result queue(struct cd_http_req *req)
{
	struct cd_http_answer *a = req->answer;

	req->state = REQ_SENT;
	if (!a) /* no memory for an answer: the connection closes */
		return MHD_NO;
	return MHD_queue_response(req->conn, a->status, a->response);
}

static struct cd_http_req *req_new(struct cd_httpd *h,
				   struct MHD_Connection *conn,
				   const char *path, const char *method)
{
	struct cd_http_req *req = calloc(1, sizeof(*req));

	if (!req)
		return NULL;
	req->httpd = h;
	req->conn = conn;
	req->path = path;
	req->method = method;
	cd_buf_init(&req->body, h->body_max);
	req->next = h->reqs;
	if (req->next)
		req->next->link = &req->next;
	req->link = &h->reqs;
	h->reqs = req;
	return req;
}

/* The headers are there: a body that says it is too long is not read. */
static enum MHD_Result on_headers(struct cd_http_req *req)
{
	const char *length = cd_http_header(req, "Content-Length");
	uint64_t n = 0;

	if (!length || (!cd_str_parse_u64(cd_str_from(length), &n) &&
			n <= req->httpd->body_max))
		return MHD_YES;
	req->answer = cd_http_answer_new(
		MHD_HTTP_CONTENT_TOO_LARGE, "application/json",
		CD_STR("{\"error\":{\"code\":\"TOO_LARGE\","
		       "\"message\":\"the body is too long\"}}\n"));
	return queue(req);
}

static enum MHD_Result on_complete(struct cd_http_req *req)
{
	struct cd_httpd *h = req->httpd;

	if (h->stopping) /* what handlers need may be gone */
		return MHD_NO;
	req->state = REQ_HANDLED;
	h->handle(h->ctx, req);
	if (req->state == REQ_ANSWERED)
		return queue(req);
	req->suspended = true;
	h->held++;
	MHD_suspend_connection(req->conn);
	return MHD_YES;
}

static enum MHD_Result access_handler(void *cls, struct MHD_Connection *conn,
				      const char *url, const char *method,
				      const char *version, const char *data,
				      size_t *data_size, void **con_cls)
{
	struct cd_http_req *req = *con_cls;

	(void)version;
	if (!req) {
		req = req_new(cls, conn, url, method);
		if (!req)
			return MHD_NO;
		*con_cls = req;
		return on_headers(req);
	}
	if (*data_size) {
		cd_buf_put(&req->body, data, *data_size);
		*data_size = 0;
		return req->body.err ? MHD_NO : MHD_YES;
	}
	switch (req->state) {
	case REQ_READING:
		return on_complete(req);
	case REQ_ANSWERED:
		return queue(req);
	case REQ_HANDLED:
	case REQ_SENT:
		break;
	}
	return MHD_YES;
}

static void completed(void *cls, struct MHD_Connection *conn, void **con_cls,
		      enum MHD_RequestTerminationCode why)
{
	struct cd_http_req *req = *con_cls;

	(void)cls;
	(void)conn;
	(void)why;
	*con_cls = NULL;
	if (!req)
		return;
	if (req->suspended)
		req->httpd->held--;
	req_free(req);
}

static void run(struct cd_httpd *h)
{
	MHD_UNSIGNED_LONG_LONG ms;
	struct timeval tv;

	MHD_run(h->daemon);
	if (MHD_get_timeout(h->daemon, &ms) != MHD_YES) {
		evtimer_del(h->timer);
		return;
	}
	tv.tv_sec = (time_t)(ms / 1000);
	tv.tv_usec = (suseconds_t)(ms % 1000 * 1000);
	evtimer_add(h->timer, &tv);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	run(arg);
}

/* ---- the server ---- */

static int listen_unix(const struct cd_httpd_config *config, int *ret_fd)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	size_t len = strlen(config->path);
	int fd, r = 0;

	if (len >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	memcpy(sun.sun_path, config->path, len);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* Nobody connects between bind and chmod: nothing listens yet. */
	if ((unlink(config->path) < 0 && errno != ENOENT) ||
	    bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 ||
	    (config->gid != (gid_t)-1 &&
	     chown(config->path, (uid_t)-1, config->gid) < 0) ||
	    chmod(config->path, config->mode) < 0 || listen(fd, 4096) < 0)
		r = -errno;
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

static int start(struct cd_httpd *h, struct event_base *base,
		 const struct cd_httpd_config *config, int fd)
{
	const union MHD_DaemonInfo *info;

	h->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
		access_handler, h, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_SIZE,
		MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (size_t)1024,
		MHD_OPTION_CONNECTION_LIMIT, config->connections_max,
		MHD_OPTION_CONNECTION_TIMEOUT, config->timeout_s,
		MHD_OPTION_NOTIFY_COMPLETED, completed, NULL,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
	if (!h->daemon) {
		close(fd);
		return -ENOMEM;
	}
	info = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return -EIO;
	h->readable = event_new(base, info->epoll_fd, EV_READ | EV_PERSIST,
				on_event, h);
	h->timer = evtimer_new(base, on_event, h);
	if (!h->readable || !h->timer || event_add(h->readable, NULL) < 0)
		return -ENOMEM;
	run_soon(h);
	return 0;
}

int cd_httpd_new(struct event_base *base, const struct cd_httpd_config *config,
		 struct cd_httpd **ret_httpd)
{
	struct cd_httpd *h cd_auto(cd_httpd_free) = calloc(1, sizeof(*h));
	int fd = -1, r;

	if (!h)
		return -ENOMEM;
	h->body_max = config->body_max;
	h->handle = config->handle;
	h->ctx = config->ctx;
	r = listen_unix(config, &fd);
	if (r < 0)
		return r;
	h->path = cd_str_dup(cd_str_from(config->path));
	r = start(h, base, config, fd);
	if (r < 0)
		return r;
	*ret_httpd = CD_TAKE(h);
	return 0;
}

/* MHD may not be stopped while a connection is suspended. */
static void answer_held(struct cd_httpd *h)
{
	struct cd_http_answer *bye cd_auto(cd_http_answer_unref) =
		cd_http_answer_new(
			MHD_HTTP_SERVICE_UNAVAILABLE, "application/json",
			CD_STR("{\"error\":{\"code\":\"UNAVAILABLE\","
			       "\"message\":\"stopping\"}}\n"));
	struct cd_http_req *req, *next;

	h->stopping = true;
	for (req = h->reqs; req; req = next) {
		next = req->next;
		if (req->state == REQ_HANDLED && req->suspended)
			cd_http_send(req, bye);
	}
	MHD_run(h->daemon);
	MHD_run(h->daemon);
}

void cd_httpd_free(struct cd_httpd **httpd)
{
	struct cd_httpd *h = CD_TAKE(*httpd);

	if (!h)
		return;
	if (h->daemon) {
		if (h->timer)
			answer_held(h);
		MHD_stop_daemon(h->daemon);
	}
	if (h->readable)
		event_free(h->readable);
	if (h->timer)
		event_free(h->timer);
	if (h->path)
		unlink(h->path);
	free(h->path);
	free(h);
}

size_t cd_httpd_held(const struct cd_httpd *httpd)
{
	return httpd->held;
}
