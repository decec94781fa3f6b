/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The three shapes of local messages; see the header. The server stands on
 * libevent's buffers, whose high watermark is the bound on input; the bound on
 * output is that a peer which does not read its answers is not read from.
 */
#include "sys/ipc.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct cd_ipc_peer {
	struct cd_ipc_server *server;
	struct cd_ipc_peer *next, **link;
	struct bufferevent *bev;
	struct ucred cred;
};

struct cd_ipc_server {
	struct event_base *base;
	struct evconnlistener *listener;
	struct cd_ipc_peer *peers;
	unsigned int n_peers;
	struct cd_ipc_ops ops;
	void *ctx;
};

/* ---- addresses ---- */

static int make_address(const char *path, struct sockaddr_un *sun)
{
	size_t len = strlen(path);

	*sun = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (len == 0 || len >= sizeof(sun->sun_path))
		return -ENAMETOOLONG;
	memcpy(sun->sun_path, path, len + 1);
	return 0;
}

static int new_socket(int flags)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	return fd < 0 ? -errno : fd;
}

/* Does someone still listen there? A socket nobody does is removed. */
static int clear_stale(const struct sockaddr_un *sun)
{
	struct stat st;
	int fd, r;

	if (lstat(sun->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = new_socket(SOCK_NONBLOCK);
	if (fd < 0)
		return fd;
	r = connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) < 0 ?
		    -errno :
		    0;
	close(fd);
	if (r != -ECONNREFUSED)
		return -EADDRINUSE;
	return unlink(sun->sun_path) < 0 ? -errno : 0;
}

static int bind_at(const char *path, mode_t mode)
{
	struct sockaddr_un sun;
	int r = make_address(path, &sun), fd;

	if (r < 0)
		return r;
	r = clear_stale(&sun);
	if (r < 0)
		return r;
	fd = new_socket(SOCK_NONBLOCK);
	if (fd < 0)
		return fd;
	/* the mode before the name: nobody connects in between */
	if (fchmod(fd, mode) < 0 ||
	    bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 ||
	    chmod(path, mode) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

/* ---- server ---- */

static void drop(struct cd_ipc_peer *p)
{
	if (p->next)
		p->next->link = p->link;
	*p->link = p->next;
	p->server->n_peers--;
	bufferevent_free(p->bev);
	free(p);
}

static bool backed_up(const struct cd_ipc_peer *p)
{
	return evbuffer_get_length(bufferevent_get_output(p->bev)) >
	       p->server->ops.output_max / 2;
}

/* Hands input over while it is used; the peer may be gone afterwards. */
static void feed(struct cd_ipc_peer *p)
{
	struct evbuffer *in = bufferevent_get_input(p->bev);
	const struct cd_ipc_ops *ops = &p->server->ops;
	size_t len;

	while ((len = evbuffer_get_length(in)) > 0 && !backed_up(p)) {
		struct cd_str bytes = cd_str_make(evbuffer_pullup(in, -1), len);
		ssize_t n = bytes.ptr ? ops->input(p, bytes, p->server->ctx) :
					-ENOMEM;

		if (n < 0 || (size_t)n > len ||
		    (n == 0 && len >= ops->input_max)) {
			drop(p);
			return;
		}
		if (n == 0)
			break;
		evbuffer_drain(in, (size_t)n);
	}
	if (backed_up(p))
		bufferevent_disable(p->bev, EV_READ);
	else
		bufferevent_enable(p->bev, EV_READ);
}

static void on_read(struct bufferevent *bev cd_unused, void *ctx)
{
	feed(ctx);
}

static void on_drained(struct bufferevent *bev cd_unused, void *ctx)
{
	feed(ctx);
}

static void on_event(struct bufferevent *bev cd_unused, short what cd_unused,
		     void *ctx)
{
	drop(ctx);
}

/* No user may take every place from the others. */
static bool has_room(const struct cd_ipc_server *s, uid_t uid)
{
	unsigned int n = 0;

	if (s->n_peers >= s->ops.peers_max)
		return false;
	if (!s->ops.peers_per_uid)
		return true;
	for (const struct cd_ipc_peer *p = s->peers; p; p = p->next)
		n += p->cred.uid == uid;
	return n < s->ops.peers_per_uid;
}

static struct cd_ipc_peer *new_peer(struct cd_ipc_server *s, int fd)
{
	struct cd_ipc_peer *p = cd_calloc(1, sizeof(*p));
	socklen_t len = sizeof(p->cred);

	if (!p)
		return NULL;
	p->server = s;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &p->cred, &len) == 0 &&
	    has_room(s, p->cred.uid))
		p->bev = bufferevent_socket_new(s->base, fd,
						BEV_OPT_CLOSE_ON_FREE);
	if (!p->bev) {
		free(p);
		return NULL;
	}
	p->next = s->peers;
	p->link = &s->peers;
	if (s->peers)
		s->peers->link = &p->next;
	s->peers = p;
	s->n_peers++;
	return p;
}

static void on_accept(struct evconnlistener *listener cd_unused, int fd,
		      struct sockaddr *sa cd_unused, int len cd_unused,
		      void *ctx)
{
	struct cd_ipc_server *s = ctx;
	struct cd_ipc_peer *p = new_peer(s, fd);

	if (!p) {
		close(fd);
		return;
	}
	bufferevent_setcb(p->bev, on_read, on_drained, on_event, p);
	bufferevent_setwatermark(p->bev, EV_READ, 0, s->ops.input_max);
	if (s->ops.idle_s) {
		struct timeval tv = {(time_t)s->ops.idle_s, 0};

		bufferevent_set_timeouts(p->bev, &tv, &tv);
	}
	bufferevent_enable(p->bev, EV_READ | EV_WRITE);
}

/* Out of descriptors: breathe, instead of spinning on a readable listener. */
static void on_accept_error(struct evconnlistener *listener cd_unused,
			    void *ctx cd_unused)
{
	struct timespec ts = {0, 10000000};

	nanosleep(&ts, NULL);
}

int cd_ipc_listen(struct event_base *base, const char *path, mode_t mode,
		  const struct cd_ipc_ops *ops, void *ctx,
		  struct cd_ipc_server **ret_server)
{
	struct cd_ipc_server *s cd_auto(cd_ipc_server_free) =
		cd_calloc(1, sizeof(*s));
	int fd;

	if (!s)
		return -ENOMEM;
	s->base = base;
	s->ops = *ops;
	s->ctx = ctx;
	fd = bind_at(path, mode);
	if (fd < 0)
		return fd;
	s->listener = evconnlistener_new(
		base, on_accept, s,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 512, fd);
	if (!s->listener) {
		close(fd);
		return -ENOMEM;
	}
	evconnlistener_set_error_cb(s->listener, on_accept_error);
	*ret_server = CD_TAKE(s);
	return 0;
}

void cd_ipc_server_free(struct cd_ipc_server **server)
{
	struct cd_ipc_server *s = *server;

	if (!s)
		return;
	while (s->peers)
		drop(s->peers);
	if (s->listener)
		evconnlistener_free(s->listener);
	free(s);
	*server = NULL;
}

uid_t cd_ipc_peer_uid(const struct cd_ipc_peer *peer)
{
	return peer->cred.uid;
}

pid_t cd_ipc_peer_pid(const struct cd_ipc_peer *peer)
{
	return peer->cred.pid;
}

void cd_ipc_reply(struct cd_ipc_peer *peer, struct cd_str bytes)
{
	bufferevent_write(peer->bev, bytes.ptr, bytes.len);
}

/* ---- blocking client ---- */

int64_t cd_ipc_deadline(int timeout_ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000 + timeout_ms;
}

static int wait_for(int fd, short events, int64_t deadline)
{
	struct pollfd p = {.fd = fd, .events = events};

	for (;;) {
		int64_t left = deadline - cd_ipc_deadline(0);
		int r = poll(&p, 1, (int)CD_MAX(left, 0));

		if (r > 0)
			return 0;
		if (r == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

int cd_ipc_connect(const char *path, int timeout_ms)
{
	int64_t deadline = cd_ipc_deadline(timeout_ms);
	struct timespec pause = {0, 5000000};
	struct sockaddr_un sun;
	int r = make_address(path, &sun), fd;

	if (r < 0)
		return r;
	fd = new_socket(SOCK_NONBLOCK);
	if (fd < 0)
		return fd;
	/* EAGAIN: the listener's backlog is full; there is nothing to poll */
	while ((r = connect(fd, (struct sockaddr *)&sun, sizeof(sun))) < 0 &&
	       (errno == EAGAIN || errno == EINTR) &&
	       cd_ipc_deadline(0) < deadline)
		nanosleep(&pause, NULL);
	if (r < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

int cd_ipc_write(int fd, struct cd_str bytes, int64_t deadline)
{
	while (bytes.len > 0) {
		ssize_t n = send(fd, bytes.ptr, bytes.len,
				 MSG_NOSIGNAL | MSG_DONTWAIT);
		int r = 0;

		if (n >= 0)
			bytes = cd_str_make(bytes.ptr + n,
					    bytes.len - (size_t)n);
		else if (errno == EAGAIN)
			r = wait_for(fd, POLLOUT, deadline);
		else if (errno != EINTR)
			r = -errno;
		if (r < 0)
			return r;
	}
	return 0;
}

int cd_ipc_read(int fd, void *p, size_t len, int64_t deadline)
{
	char *at = p;

	while (len > 0) {
		ssize_t n = recv(fd, at, len, MSG_DONTWAIT);
		int r = 0;

		if (n > 0) {
			at += n;
			len -= (size_t)n;
		} else if (n == 0) {
			r = -ECONNRESET;
		} else if (errno == EAGAIN) {
			r = wait_for(fd, POLLIN, deadline);
		} else if (errno != EINTR) {
			r = -errno;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- messages with a descriptor ---- */

int cd_ipc_send(int fd, struct cd_str message, int pass_fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec iov = {(void *)(uintptr_t)message.ptr, message.len};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (pass_fd >= 0) {
		struct cmsghdr *c;

		m.msg_control = control.bytes;
		m.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &pass_fd, sizeof(int));
	}
	do
		n = sendmsg(fd, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* The one descriptor that may come, or -1. Alignment leaves room for a second
 * one in the control buffer: both are closed then, and it is an error. */
static int take_fd(struct msghdr *m, int *ret_fd)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	int fds[2];
	size_t n;

	*ret_fd = -1;
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return 0;
	n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	cd_assert(n <= CD_ARRAY_SIZE(fds));
	memcpy(fds, CMSG_DATA(c), n * sizeof(int));
	if (n == 1) {
		*ret_fd = fds[0];
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
	return CD_E_LIMIT;
}

ssize_t cd_ipc_recv(int fd, void *p, size_t max, int *ret_fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec iov = {p, max};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof(control.bytes)};
	ssize_t n;
	int got, r;

	do
		n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	r = take_fd(&m, &got);
	if (r < 0 || m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		if (got >= 0)
			close(got);
		return CD_E_LIMIT;
	}
	*ret_fd = got;
	return n;
}
