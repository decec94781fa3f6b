/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Agents of other machines that hold their long polls through the gateway.
 *
 *	chain-agents PORT HOST SERVER-CA CA-CERT CA-KEY API-SOCKET AGENTS ROUNDS
 *
 * Agent i is a TLS connection of its own with a certificate CN=a<i>, made here
 * by the CA. When all polls are held by cordond, "held SECONDS" is printed, and
 * at a line on standard input a person is created ROUNDS times: each time the
 * change must reach every agent, which then polls again as an agent does.
 * Prints "reached ROUND FIRST P50 P99 LAST" in ms, from the moment the request
 * that creates the person is sent. Exit 1 when an answer was no change.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

enum { AGENTS_MAX = 16000, ANSWER_MAX = 1400, OPEN_AT_ONCE = 50 };

struct agent {
	SSL *ssl;
	int fd;
	bool answered; /* in this round */
	uint64_t from;
	size_t len;
	char answer[ANSWER_MAX + 1];
};

static struct {
	char *host; /* OpenSSL takes it without const */
	const char *api;
	int port, agents, rounds;
} opt;
static struct agent agents[AGENTS_MAX];
static int64_t times[AGENTS_MAX];
static int n_answered, wrong, poller;
static SSL_CTX *ctx;
static X509 *ca;
static EVP_PKEY *ca_key, *key;

static void die(const char *what)
{
	fprintf(stderr, "chain-agents: %s: %s\n", what, strerror(errno));
	ERR_print_errors_fp(stderr);
	exit(2);
}

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* ---- the admin's API ---- */

/* One request; the answer is borrowed until the next. */
static const char *ask(const char *method, const char *path, const char *body)
{
	static char answer[8 << 20]; /* status names every agent */
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t len = 0;
	ssize_t n;

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", opt.api);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		die("api");
	if (dprintf(fd,
		    "%s %s HTTP/1.1\r\nHost: c\r\nConnection: close\r\n"
		    "Content-Length: %zu\r\n\r\n%s",
		    method, path, strlen(body), body) < 0)
		die("api");
	while (len < sizeof(answer) - 1 &&
	       (n = read(fd, answer + len, sizeof(answer) - 1 - len)) > 0)
		len += (size_t)n;
	answer[len] = 0;
	close(fd);
	return answer;
}

static long status_of(const char *name)
{
	const char *p = strstr(ask("GET", "/v1/status", ""), name);

	return p ? strtol(p + strlen(name), NULL, 10) : -1;
}

/* ---- certificates ---- */

static X509 *cert_of(int i)
{
	X509_EXTENSION *use;
	X509 *x = X509_new();
	X509_NAME *subject;
	char name[32];

	snprintf(name, sizeof(name), "a%d", i);
	subject = X509_get_subject_name(x);
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), i + 2);
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
				   (unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(ca));
	X509_set_pubkey(x, key);
	use = X509V3_EXT_conf_nid(NULL, NULL, NID_ext_key_usage, "clientAuth");
	X509_add_ext(x, use, -1);
	X509_EXTENSION_free(use);
	if (!X509_sign(x, ca_key, EVP_sha256()))
		die("sign");
	return x;
}

static void load(const char *server_ca, const char *cert, const char *ca_file)
{
	FILE *c = fopen(cert, "r"), *k = fopen(ca_file, "r");

	if (!c || !k)
		die("open");
	ca = PEM_read_X509(c, NULL, NULL, NULL);
	ca_key = PEM_read_PrivateKey(k, NULL, NULL, NULL);
	key = EVP_EC_gen("P-256");
	ctx = SSL_CTX_new(TLS_client_method());
	if (!ca || !ca_key || !key || !ctx ||
	    !SSL_CTX_load_verify_locations(ctx, server_ca, NULL))
		die("load");
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	fclose(c);
	fclose(k);
}

/* ---- polls ---- */

static void poll_again(struct agent *a)
{
	char text[256];
	int n = snprintf(text, sizeof(text),
			 "GET /v1/stream?agent=a%d&from=%llu&wait=55 HTTP/1.1"
			 "\r\nHost: %s\r\n\r\n",
			 (int)(a - agents), (unsigned long long)a->from,
			 opt.host);

	a->len = 0;
	if (SSL_write(a->ssl, text, n) != n)
		die("write");
}

static void dial(struct agent *a, uint64_t from)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)opt.port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = a};
	X509 *x = cert_of((int)(a - agents));
	int one = 1;

	a->from = from;
	a->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (a->fd < 0 || connect(a->fd, (struct sockaddr *)&in, sizeof(in)) < 0)
		die("connect");
	setsockopt(a->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	a->ssl = SSL_new(ctx);
	if (!a->ssl || !SSL_set_fd(a->ssl, a->fd) ||
	    !SSL_set1_host(a->ssl, opt.host) ||
	    !SSL_set_tlsext_host_name(a->ssl, opt.host) ||
	    SSL_use_certificate(a->ssl, x) != 1 ||
	    SSL_use_PrivateKey(a->ssl, key) != 1 || SSL_connect(a->ssl) != 1)
		die("handshake");
	X509_free(x);
	if (fcntl(a->fd, F_SETFL, O_NONBLOCK) < 0 ||
	    epoll_ctl(poller, EPOLL_CTL_ADD, a->fd, &ev) < 0)
		die("poll");
	poll_again(a);
}

/* A whole answer has come: 204, time is up; 200, changes. */
static void answered(struct agent *a)
{
	const char *last = strcasestr(a->answer, "x-cordon-last: ");

	if (!strncmp(a->answer, "HTTP/1.1 204", 12)) {
		poll_again(a);
		return;
	}
	if (strncmp(a->answer, "HTTP/1.1 200", 12) || !last) {
		if (!wrong++)
			fprintf(stderr, "a%d got: %.300s\n", (int)(a - agents),
				a->answer);
	}
	a->from = last ? strtoull(last + 15, NULL, 10) + 1 : a->from;
	if (!a->answered)
		times[n_answered++] = now_us();
	a->answered = true;
	poll_again(a);
}

/* Is this all of it? A person's record is short: one batch below 1 KiB. */
static bool is_whole(const struct agent *a)
{
	const char *body = strstr(a->answer, "\r\n\r\n");
	const char *length = strcasestr(a->answer, "content-length: ");
	size_t head;

	if (!body)
		return false;
	head = (size_t)(body + 4 - a->answer);
	return !length || length > body ||
	       a->len - head >= strtoul(length + 16, NULL, 10);
}

static void receive(struct agent *a)
{
	int n;

	ERR_clear_error();
	n = SSL_read(a->ssl, a->answer + a->len, (int)(ANSWER_MAX - a->len));
	if (n <= 0 && SSL_get_error(a->ssl, n) == SSL_ERROR_WANT_READ)
		return;
	if (n <= 0)
		die("an agent's connection ended");
	a->len += (size_t)n;
	a->answer[a->len] = 0;
	if (is_whole(a))
		answered(a);
	else if (a->len == ANSWER_MAX)
		die("an answer is too long");
}

/* Takes what came within `ms`; false: nothing. */
static bool turn(int ms)
{
	struct epoll_event ev[256];
	int n = epoll_wait(poller, ev, 256, ms);

	for (int i = 0; i < n; i++) {
		receive(ev[i].data.ptr);
		while (SSL_pending(((struct agent *)ev[i].data.ptr)->ssl) > 0)
			receive(ev[i].data.ptr);
	}
	return n > 0;
}

static void await_held(void)
{
	int64_t end = now_us() + 60000000, next = 0;

	for (;;) {
		turn(20);
		if (now_us() < next)
			continue;
		if (status_of("\"held\":") >= opt.agents)
			return;
		if (now_us() > end)
			die("polls are not held");
		next = now_us() + 500000;
	}
}

/* ---- rounds ---- */

static int order(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static double at(int64_t from, int percent)
{
	int i = (opt.agents * percent + 99) / 100 - 1;

	return (double)(times[i < 0 ? 0 : i] - from) / 1000;
}

static void one_round(int round)
{
	char body[64];
	int64_t from, end;
	int i;

	for (i = 0; i < opt.agents; i++)
		agents[i].answered = false;
	n_answered = 0;
	snprintf(body, sizeof(body), "{\"name\":\"person-%d\"}", round);
	from = now_us();
	end = from + 60000000;
	ask("POST", "/v1/users", body);
	while (n_answered < opt.agents) {
		turn(100);
		if (now_us() > end)
			die("a change did not reach all");
	}
	qsort(times, (size_t)opt.agents, sizeof(*times), order);
	printf("reached %d %.1f %.1f %.1f %.1f\n", round, at(from, 0),
	       at(from, 50), at(from, 99), at(from, 100));
	fflush(stdout);
	await_held();
}

int main(int argc, char **argv)
{
	struct rlimit files;
	int64_t began;
	uint64_t from;
	char line[16];
	int i;

	if (argc != 9)
		die("PORT HOST SERVER-CA CA-CERT CA-KEY API AGENTS ROUNDS");
	opt.port = atoi(argv[1]);
	opt.host = argv[2];
	load(argv[3], argv[4], argv[5]);
	opt.api = argv[6];
	opt.agents = atoi(argv[7]);
	opt.rounds = atoi(argv[8]);
	if (opt.agents < 1 || opt.agents > AGENTS_MAX)
		die("AGENTS");
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	poller = epoll_create1(EPOLL_CLOEXEC);
	began = now_us();
	from = (uint64_t)status_of("\"seq\":") + 1;
	for (i = 0; i < opt.agents; i++) {
		dial(&agents[i], from);
		while (i % OPEN_AT_ONCE == 0 && turn(0))
			;
	}
	await_held();
	printf("held %.1f\n", (double)(now_us() - began) / 1e6);
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 2;
	for (i = 0; i < opt.rounds; i++)
		one_round(i);
	return wrong != 0;
}
