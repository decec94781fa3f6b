// SPDX-License-Identifier: Apache-2.0
/* See gw_lines.h. */
#include "gw_lines.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>

const char *const how_names[HOWS] = {"keep-alive", "event stream", "WebSocket",
				     "HTTP/2 stream", "TCP"};
struct line lines[LINES];
struct conn conns[CONNS];

int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- bytes out ---------------------------------------------------------- */
bool line_put(struct line *l, const void *p, size_t len)
{
	ERR_clear_error();
	if (l->ssl)
		return SSL_write(l->ssl, p, (int)len) == (int)len;
	return send(l->fd, p, len, MSG_NOSIGNAL) == (ssize_t)len;
}

bool line_frame(struct line *l, uint8_t type, uint8_t flags, uint32_t stream,
		const void *p, size_t len)
{
	static uint8_t out[FRAME_HEAD + BLOCK_MAX];

	return line_put(l, out, frame_make(out, type, flags, stream, p, len));
}

/* ---- a line ------------------------------------------------------------- */
void line_hang_up(struct line *l)
{
	for (int i = 0; i < CONNS; i++)
		if (conns[i].line == l)
			conns[i].there = false;
	SSL_free(l->ssl);
	if (l->fd >= 0)
		close(l->fd);
	l->ssl = NULL;
	l->fd = -1;
}

bool line_tls(struct line *l, SSL_CTX *ctx, const char *name)
{
	l->ssl = SSL_new(ctx);
	return l->ssl && SSL_set_fd(l->ssl, l->fd) &&
	       SSL_set_tlsext_host_name(l->ssl, (char *)(uintptr_t)name) &&
	       SSL_connect(l->ssl) == 1;
}

bool line_dial(struct line *l, const uint8_t src[4], const char *port)
{
	struct sockaddr_in from = {.sin_family = AF_INET},
			   to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)atoi(port)),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval tv = {.tv_sec = PATIENCE / 1000};

	memcpy(&from.sin_addr, src, 4);
	l->ended = false;
	l->len = 0;
	l->last_stream = 0;
	l->ssl = NULL;
	l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(l->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	return !bind(l->fd, (struct sockaddr *)&from, sizeof(from)) &&
	       !connect(l->fd, (struct sockaddr *)&to, sizeof(to));
}

/* Windows as large as can be: nobody here counts them. */
bool line_h2(struct line *l)
{
	static const uint8_t window[6] = {0, 4, 0x7f, 0xff, 0xff, 0xff};
	static const uint8_t more[4] = {0x7f, 0, 0, 0};

	return line_put(l, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24) &&
	       line_frame(l, SETTINGS, 0, 0, window, sizeof(window)) &&
	       line_frame(l, WINDOW, 0, 0, more, sizeof(more));
}

void line_ready(struct line *l)
{
	fcntl(l->fd, F_SETFL, O_NONBLOCK);
}

/* ---- bytes in ----------------------------------------------------------- */
static struct conn *on_line(const struct line *l, uint32_t stream)
{
	for (int i = 0; i < CONNS; i++)
		if (conns[i].there && conns[i].line == l &&
		    conns[i].stream == stream)
			return &conns[i];
	return NULL;
}

static void take_frame(struct line *l, uint8_t type, uint8_t flags,
		       uint32_t stream, const uint8_t *p, size_t len)
{
	struct conn *c = stream ? on_line(l, stream) : NULL;

	if (type == SETTINGS && !(flags & ACK))
		line_frame(l, SETTINGS, ACK, 0, "", 0);
	if (!c)
		return;
	if (type == HEADERS && !c->status)
		c->status = frame_status(p, len);
	if (type == DATA)
		c->bytes += len;
	if ((type == DATA || type == HEADERS) && flags & END_STREAM)
		c->over = true;
	if (type == RESET)
		c->ended = true;
}

static void take_frames(struct line *l)
{
	const uint8_t *p = (const uint8_t *)l->buf;
	size_t at = 0, len;

	while (l->len - at >= FRAME_HEAD) {
		len = (size_t)p[at] << 16 | (size_t)p[at + 1] << 8 | p[at + 2];
		if (l->len - at - FRAME_HEAD < len)
			break;
		take_frame(l, p[at + 3], p[at + 4],
			   frame_u32(p + at + 5) & 0x7fffffff,
			   p + at + FRAME_HEAD, len);
		at += FRAME_HEAD + len;
	}
	memmove(l->buf, l->buf + at, l->len - at);
	l->len -= at;
}

/* What came before the end of the head, or all, is an answer. */
static void take_head(struct line *l, struct conn *c)
{
	char *end, *length;

	l->buf[l->len] = '\0';
	end = strstr(l->buf, "\r\n\r\n");
	if (!end || sscanf(l->buf, "HTTP/1.1 %d", &c->status) != 1)
		return;
	length = strcasestr(l->buf, "\r\nContent-Length:");
	if (c->how != ONCE || !length || length > end) {
		c->bytes = l->len;
		c->over = c->how == ONCE;
		l->len = 0;
	} else if (strlen(end + 4) < strtoul(length + 17, NULL, 10)) {
		c->status = 0; /* the rest of it is to come */
	} else {
		c->bytes = l->len;
		c->over = true;
		l->len = 0;
	}
}

static void take_bytes(struct line *l)
{
	struct conn *c = on_line(l, 0);

	if (c && c->how != TCP && !c->status) {
		take_head(l, c);
		return;
	}
	if (c) {
		c->bytes += l->len;
		c->status = 200;
	}
	l->len = 0;
}

ssize_t line_get(struct line *l)
{
	size_t room = BUF - l->len;
	int n;

	if (!l->ssl) {
		ssize_t got = recv(l->fd, l->buf + l->len, room, 0);

		return got < 0 && errno == EAGAIN ? -EAGAIN : got;
	}
	ERR_clear_error();
	n = SSL_read(l->ssl, l->buf + l->len, (int)room);
	if (n > 0)
		return n;
	return SSL_get_error(l->ssl, n) == SSL_ERROR_WANT_READ ? -EAGAIN : 0;
}

static void drain(struct line *l)
{
	while (l->fd >= 0 && !l->ended) {
		ssize_t n = l->len < BUF ? line_get(l) : 0;

		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			l->ended = true;
			return;
		}
		l->len += (size_t)n;
		if (l->f.kind == F_HTTP2)
			take_frames(l);
		else
			take_bytes(l);
	}
}

void pump(int ms)
{
	struct pollfd p[LINES];

	for (int i = 0; i < LINES; i++)
		p[i] = (struct pollfd){.fd = lines[i].ended ? -1 : lines[i].fd,
				       .events = POLLIN};
	poll(p, LINES, ms);
	for (int i = 0; i < LINES; i++)
		drain(&lines[i]);
}

bool until(bool (*good)(void *), void *what)
{
	int64_t end = now_ms() + PATIENCE;

	pump(0);
	while (!good(what)) {
		if (now_ms() > end)
			return false;
		pump(5);
	}
	return true;
}
