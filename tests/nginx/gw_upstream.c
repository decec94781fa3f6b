// SPDX-License-Identifier: Apache-2.0
/*
 * An upstream for the gateway's tests: tells exactly which bytes arrived.
 *
 *	gw-upstream PORT|ADDRESS:PORT|[::1]:PORT|unix:PATH [NAME]
 *
 *	anything        200, the body is the head of the request as received,
 *	                byte for byte, after a line "NAME"
 *	.../sse, ?sse   text/event-stream that never ends: one event, then one
 *	                more every 100 ms
 *	.../ws, ?ws     a WebSocket that sends back what it is sent, frame bytes
 *	                unmasked
 *	.../switch      101, whether asked for or not, and then a line
 *	.../slow        200 after 300 ms
 *	.../never       nothing, and the connection stays
 *	.../fail        closes without an answer
 *	.../accel       200 with a header that asks nginx to go elsewhere
 *	.../only/NAME   200 when that is its NAME, else 500
 *	bytes that are no HTTP ("TCP" first): sends back what comes
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/sha.h>

#define HEAD_MAX 65536
#define FDS_MAX 20000

enum mode { HEAD, BODY, SSE, WEBSOCKET, SLOW, ECHO_BYTES };

struct client {
	enum mode mode;
	bool chunked;
	size_t len; /* of what was read */
	size_t body; /* bytes of a body still to come */
	int ticks;
	char *head;
};

static struct client *clients[FDS_MAX];
static const char *name = "up";
static int ep;

static void drop(int fd)
{
	free(clients[fd]->head);
	free(clients[fd]);
	clients[fd] = NULL;
	close(fd);
}

static void say(int fd, const char *p, size_t len)
{
	while (len) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n <= 0) /* a peer that does not read is not tested here */
			return;
		p += n;
		len -= (size_t)n;
	}
}

static void says(int fd, const char *text)
{
	say(fd, text, strlen(text));
}

static const char *header(const char *head, const char *wanted)
{
	size_t len = strlen(wanted);

	for (const char *p = strstr(head, "\r\n"); p; p = strstr(p + 2, "\r\n"))
		if (!strncasecmp(p + 2, wanted, len) && p[2 + len] == ':')
			return p + 3 + len + strspn(p + 3 + len, " ");
	return NULL;
}

static void answer_ws(int fd, struct client *c)
{
	const char *key = header(c->head, "Sec-WebSocket-Key");
	unsigned char hash[SHA_DIGEST_LENGTH];
	char text[128], accept[64], out[256];
	int n = key ? (int)strcspn(key, "\r") : 0;

	snprintf(text, sizeof(text), "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
		 n < 40 ? n : 40, key ? key : "");
	SHA1((unsigned char *)text, strlen(text), hash);
	EVP_EncodeBlock((unsigned char *)accept, hash, sizeof(hash));
	snprintf(out, sizeof(out),
		 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
		 "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		 accept);
	c->mode = WEBSOCKET;
	says(fd, out);
}

/* In one piece: two small ones would wait for an acknowledgement. */
static void answer_echo(int fd, const char *head, size_t len)
{
	static char out[HEAD_MAX + 256];
	int n = snprintf(out, 256,
			 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
			 "Content-Length: %zu\r\n\r\n%s\n",
			 len + strlen(name) + 1, name);

	memcpy(out + n, head, len);
	say(fd, out, (size_t)n + len);
}

static bool path_ends(const char *head, const char *tail)
{
	const char *path = strchr(head, ' ');
	size_t len = path ? strcspn(path + 1, " ?\r") : 0, n = strlen(tail);

	return path && len >= n && !strncmp(path + 1 + len - n, tail, n);
}

/* By the end of its path, or by all of its query. */
static bool wants(const char *head, const char *tail)
{
	const char *query = strchr(head, '?');
	size_t n = strlen(tail) - 1;

	return path_ends(head, tail) ||
	       (query && query < strchr(head, '\r') &&
		!strncmp(query + 1, tail + 1, n) && query[1 + n] == ' ');
}

static void answer_only(int fd, const char *head)
{
	char tail[64];

	snprintf(tail, sizeof(tail), "/only/%s", name);
	if (path_ends(head, tail))
		answer_echo(fd, "", 0);
	else
		says(fd, "HTTP/1.1 500 Not me\r\nContent-Length: 0\r\n\r\n");
}

/* A whole head is there. */
static bool answer(int fd, struct client *c, size_t head_len)
{
	char after = c->head[head_len];
	bool keep = true;

	c->head[head_len] = '\0';
	if (wants(c->head, "/ws") && header(c->head, "Upgrade")) {
		answer_ws(fd, c);
	} else if (path_ends(c->head, "/switch")) {
		c->mode = ECHO_BYTES;
		says(fd, "HTTP/1.1 101 Switching Protocols\r\n"
			 "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
			 "switched\n");
	} else if (wants(c->head, "/sse")) {
		c->mode = SSE;
		says(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream"
			 "\r\nConnection: close\r\n\r\ndata: first\n\n");
	} else if (path_ends(c->head, "/slow")) {
		c->mode = SLOW;
		c->ticks = 3;
	} else if (path_ends(c->head, "/never")) {
		c->mode = SLOW;
		c->ticks = 0;
	} else if (path_ends(c->head, "/fail")) {
		keep = false;
	} else if (path_ends(c->head, "/accel")) {
		says(fd, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"
			 "X-Accel-Redirect: @cordon_pages\r\n\r\nup\n");
	} else if (strstr(c->head, "/only/")) {
		answer_only(fd, c->head);
	} else {
		answer_echo(fd, c->head, head_len);
	}
	c->head[head_len] = after;
	return keep;
}

/* Takes requests out of what was read; false: close. */
static bool take_requests(int fd, struct client *c)
{
	while (c->len) {
		char *end = memmem(c->head, c->len, "\r\n\r\n", 4);
		const char *length, *coding;
		size_t head_len, used;

		if (c->len >= 3 && !memcmp(c->head, "TCP", 3)) {
			c->mode = ECHO_BYTES;
			say(fd, c->head, c->len);
			c->len = 0;
			return true;
		}
		if (!end)
			return c->len < HEAD_MAX;
		head_len = (size_t)(end - c->head) + 4;
		length = header(c->head, "Content-Length");
		coding = header(c->head, "Transfer-Encoding");
		used = head_len;
		if (length && length < end)
			used += strtoul(length, NULL, 10);
		if (coding && coding < end) {
			char *last = memmem(end, c->len - head_len + 4,
					    "0\r\n\r\n", 5);

			if (!last)
				return true;
			used = (size_t)(last - c->head) + 5;
		}
		if (c->len < used)
			return c->len < HEAD_MAX;
		if (!answer(fd, c, head_len))
			return false;
		memmove(c->head, c->head + used, c->len - used);
		c->len -= used;
		c->head[c->len] = '\0';
		if (c->mode != HEAD)
			return true;
	}
	return true;
}

/* Sends a WebSocket's frames back without their mask; small frames only. */
static void echo_frames(int fd, unsigned char *p, size_t len)
{
	while (len >= 6) {
		size_t n = p[1] & 0x7f;

		if (n > 125 || len < 6 + n)
			return;
		for (size_t i = 0; i < n; i++)
			p[6 + i] ^= p[2 + i % 4];
		p[4] = p[0];
		p[5] = (unsigned char)n;
		say(fd, (char *)p + 4, 2 + n);
		p += 6 + n;
		len -= 6 + n;
	}
}

static bool readable(int fd, struct client *c)
{
	ssize_t n = recv(fd, c->head + c->len, HEAD_MAX - c->len, 0);

	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	switch (c->mode) {
	case HEAD:
		c->len += (size_t)n;
		c->head[c->len] = '\0';
		return take_requests(fd, c);
	case WEBSOCKET:
		echo_frames(fd, (unsigned char *)c->head, (size_t)n);
		return true;
	case ECHO_BYTES:
		say(fd, c->head, (size_t)n);
		return true;
	default:
		return true;
	}
}

static void tick(void)
{
	for (int fd = 0; fd < FDS_MAX; fd++) {
		struct client *c = clients[fd];

		if (c && c->mode == SSE)
			says(fd, "data: tick\n\n");
		if (c && c->mode == SLOW && --c->ticks == 0) {
			c->mode = HEAD;
			answer_echo(fd, "", 0);
		}
	}
}

static void welcome(int listener)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP};
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (fd >= FDS_MAX) {
		close(fd);
		return;
	}
	clients[fd] = calloc(1, sizeof(struct client));
	clients[fd]->head = calloc(1, HEAD_MAX + 1);
	ev.data.fd = fd;
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

static int listen_unix(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	unlink(path);
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) ||
	    chmod(path, 0666)) {
		perror(path);
		exit(1);
	}
	return fd;
}

/* PORT, or ADDRESS:PORT */
static int listen_tcp(const char *where)
{
	const char *colon = strchr(where, ':');
	int port = atoi(colon ? colon + 1 : where);
	struct sockaddr_in sin = {.sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	char addr[INET_ADDRSTRLEN] = "127.0.0.1";
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (colon)
		snprintf(addr, sizeof(addr), "%.*s", (int)(colon - where),
			 where);
	if (inet_pton(AF_INET, addr, &sin.sin_addr) != 1 ||
	    bind(fd, (struct sockaddr *)&sin, sizeof(sin))) {
		perror("bind");
		exit(1);
	}
	return fd;
}

static int listen_tcp6(int port)
{
	struct sockaddr_in6 sin = {.sin6_family = AF_INET6,
				   .sin6_port = htons((uint16_t)port),
				   .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin))) {
		perror("bind");
		exit(1);
	}
	return fd;
}

static int listen_on(const char *where)
{
	int fd;

	if (!strncmp(where, "unix:", 5))
		fd = listen_unix(where + 5);
	else if (!strncmp(where, "[::1]:", 6))
		fd = listen_tcp6(atoi(where + 6));
	else
		fd = listen_tcp(where);
	if (listen(fd, 4096)) {
		perror("listen");
		exit(1);
	}
	return fd;
}

static int timer(void)
{
	struct itimerspec every = {{0, 100000000}, {0, 100000000}};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	timerfd_settime(fd, 0, &every, NULL);
	return fd;
}

static void watch(int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

int main(int argc, char **argv)
{
	struct rlimit rl = {FDS_MAX, FDS_MAX};
	struct epoll_event evs[256];
	int listener, ticker;
	uint64_t many;

	if (argc < 2)
		return 2;
	if (argc > 2)
		name = argv[2];
	setrlimit(RLIMIT_NOFILE, &rl);
	ep = epoll_create1(EPOLL_CLOEXEC);
	listener = listen_on(argv[1]);
	ticker = timer();
	watch(listener);
	watch(ticker);
	for (;;) {
		int n = epoll_wait(ep, evs, 256, -1);

		for (int i = 0; i < n; i++) {
			int fd = evs[i].data.fd;

			if (fd == listener)
				welcome(fd);
			else if (fd == ticker &&
				 read(fd, &many, sizeof(many)) > 0)
				tick();
			else if (clients[fd] && !readable(fd, clients[fd]))
				drop(fd);
		}
	}
}
