// SPDX-License-Identifier: Apache-2.0
/*
 * Many long-lived connections through a gateway, and when each ended.
 *
 *	gw-client KIND PORT HOST TOKEN-PREFIX FIRST LAST [tls [CERT KEY]]
 *
 * PORT "[::1]:NUMBER" is by IPv6. A prefix "=TOKEN" is the whole cookie, for every connection.
 *
 * KIND: ws (WebSocket), sse (event stream), keep (one request, then an idle
 * keep-alive connection), tcp (TLS to a TCP app, SNI is HOST). Connection N
 * shows the cookie PREFIX-N. Prints "open COUNT" when all were answered, then
 * for every end "end N MS", monotonic milliseconds. Commands on standard
 * input: "ping" sends something through every WebSocket or TCP connection and
 * prints "pong COUNT" for the answers within two seconds. Ends at the end of
 * standard input, with "left COUNT".
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#define MAX 8192

struct conn {
	int fd;
	SSL *ssl;
	bool ponged;
};

static struct conn conns[MAX];
static int first, n_conns, left;
static SSL_CTX *ctx;
static const char *kind, *host;

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static ssize_t get(struct conn *c, char *p, size_t len)
{
	if (!c->ssl)
		return recv(c->fd, p, len, 0);
	ERR_clear_error(); /* of another connection */
	return SSL_read(c->ssl, p, (int)len);
}

static bool put(struct conn *c, const char *p, size_t len)
{
	if (c->ssl)
		return SSL_write(c->ssl, p, (int)len) == (int)len;
	return send(c->fd, p, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static int reach(const char *port)
{
	const bool six = !strncmp(port, "[::1]:", 6);
	const in_port_t nr = htons((uint16_t)atoi(six ? port + 6 : port));
	struct sockaddr_in sin = {.sin_family = AF_INET,
				  .sin_port = nr,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6,
				    .sin6_port = nr,
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd =
		socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval tv = {.tv_sec = 10};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (six ? connect(fd, (struct sockaddr *)&sin6, sizeof(sin6)) :
		  connect(fd, (struct sockaddr *)&sin, sizeof(sin))) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool dial(struct conn *c, const char *port)
{
	c->fd = reach(port);
	if (c->fd < 0)
		return false;
	if (!ctx)
		return true;
	c->ssl = SSL_new(ctx);
	SSL_set_fd(c->ssl, c->fd);
	SSL_set_tlsext_host_name(c->ssl, (char *)(uintptr_t)host);
	return SSL_connect(c->ssl) == 1;
}

static bool request(struct conn *c, const char *prefix, int nr)
{
	char out[1024], token[256];
	const char *more = "";

	if (!strcmp(kind, "tcp"))
		return put(c, "TCP", 3);
	if (!strcmp(kind, "ws"))
		more = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
		       "Sec-WebSocket-Version: 13\r\n"
		       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
	if (prefix[0] == '=')
		snprintf(token, sizeof(token), "%s", prefix + 1);
	else
		snprintf(token, sizeof(token), "%s-%d", prefix, nr);
	snprintf(out, sizeof(out),
		 "GET /%s HTTP/1.1\r\nHost: %s\r\n"
		 "Cookie: __Host-cordon=%s\r\n%s\r\n",
		 kind, host, token, more);
	return put(c, out, strlen(out));
}

/* Reads until the answer to the first request is there. */
static bool answered(struct conn *c)
{
	const char *want = !strcmp(kind, "ws")	? "HTTP/1.1 101" :
			   !strcmp(kind, "tcp") ? "TCP" :
						  "HTTP/1.1 200";
	char in[8192];
	size_t len = 0;

	while (len < sizeof(in) - 1) {
		ssize_t n = get(c, in + len, sizeof(in) - 1 - len);

		if (n <= 0)
			break;
		len += (size_t)n;
		in[len] = '\0';
		if (!strcmp(kind, "tcp"))
			return !strncmp(in, want, strlen(want));
		if (strstr(in, "\r\n\r\n"))
			return !strncmp(in, want, strlen(want));
	}
	return false;
}

static int open_all(const char *port, const char *prefix)
{
	int opened = 0;

	for (int i = 0; i < n_conns; i++) {
		struct conn *c = conns + i;

		if (dial(c, port) && request(c, prefix, first + i) &&
		    answered(c)) {
			opened++;
			fcntl(c->fd, F_SETFL, O_NONBLOCK);
		} else {
			close(c->fd);
			c->fd = -1;
		}
	}
	return opened;
}

/* Reads what there is; false: the connection ended. */
static bool drain(struct conn *c)
{
	char in[16384];
	ssize_t n;

	for (;;) {
		n = get(c, in, sizeof(in));
		if (n > 0) {
			c->ponged = true;
			continue;
		}
		if (!c->ssl)
			return n < 0 && errno == EAGAIN;
		return SSL_get_error(c->ssl, (int)n) == SSL_ERROR_WANT_READ;
	}
}

static void look(int timeout)
{
	static struct pollfd p[MAX + 1];
	int n = 0;

	for (int i = 0; i < n_conns; i++) {
		p[n] = (struct pollfd){.fd = conns[i].fd, .events = POLLIN};
		n++;
	}
	p[n++] = (struct pollfd){.fd = 0, .events = POLLIN};
	poll(p, (nfds_t)n, timeout);
	for (int i = 0; i < n_conns; i++) {
		if (conns[i].fd < 0 || !p[i].revents || drain(conns + i))
			continue;
		printf("end %d %lld\n", first + i, now_ms());
		close(conns[i].fd);
		conns[i].fd = -1;
		left--;
	}
}

static void ping(void)
{
	static const char frame[] = "\x81\x84\0\0\0\0ping";
	long long until = now_ms() + 2000;
	int pongs = 0;

	for (int i = 0; i < n_conns; i++) {
		conns[i].ponged = false;
		if (conns[i].fd < 0)
			continue;
		if (!strcmp(kind, "ws"))
			put(conns + i, frame, 10);
		else
			put(conns + i, "TCP", 3);
	}
	while (pongs < left && now_ms() < until) {
		look(50);
		pongs = 0;
		for (int i = 0; i < n_conns; i++)
			pongs += conns[i].fd >= 0 && conns[i].ponged;
	}
	printf("pong %d\n", pongs);
}

static bool command(void)
{
	struct pollfd p = {.fd = 0, .events = POLLIN};
	char line[64];
	ssize_t n;

	if (poll(&p, 1, 0) <= 0)
		return true;
	n = read(0, line, sizeof(line));
	if (n <= 0)
		return false;
	if (!strncmp(line, "ping", 4))
		ping();
	return true;
}

static void set_tls(int argc, char **argv)
{
	ctx = SSL_CTX_new(TLS_client_method());
	if (argc > 9 &&
	    (SSL_CTX_use_certificate_file(ctx, argv[8], SSL_FILETYPE_PEM) !=
		     1 ||
	     SSL_CTX_use_PrivateKey_file(ctx, argv[9], SSL_FILETYPE_PEM) != 1))
		exit(2);
}

int main(int argc, char **argv)
{
	struct rlimit rl = {20000, 20000};

	if (argc < 7)
		return 2;
	setrlimit(RLIMIT_NOFILE, &rl);
	setvbuf(stdout, NULL, _IOLBF, 0);
	kind = argv[1];
	host = argv[3];
	first = atoi(argv[5]);
	n_conns = atoi(argv[6]) - first + 1;
	if (n_conns < 1 || n_conns > MAX)
		return 2;
	if (argc > 7)
		set_tls(argc, argv);
	left = open_all(argv[2], argv[4]);
	printf("open %d\n", left);
	while (command())
		look(100);
	printf("left %d\n", left);
	return 0;
}
