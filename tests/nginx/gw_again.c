// SPDX-License-Identifier: Apache-2.0
/*
 * Rule 9 with a real gateway: connections of every kind are open through it
 * while a random world changes under them (tests/model/world.h), one thing
 * after the other. After each change exactly those end that the slow evaluator
 * no longer allows (fate.h), and through each of the others bytes go on to pass.
 *
 *	gw-again RUN HTTP-PORT TLS-PORT TCP-PORT CERT-FILE...
 *
 * RUN holds an agent's folders and is filled from here. The apps of
 * tests/model are reached at 127.0.0.1, from the addresses of f_sources. Each
 * CERT-FILE holds a key and a certificate that the gateway's CA signed. Prints what
 * it did and, if that is not right, why, and ends with 0 or 1; CORDON_SEED is taken.
 *
 * It waits for states, up to PATIENCE, and for nothing else: a connection that
 * has to end is waited for, one that has to stay must still pass bytes after
 * the gateway has looked. That it has is told by canaries, idle connections
 * whose sessions end behind the change, one after the other: the gateway's two
 * modules look by timers of one period, in one worker, so that between two
 * looks of HTTP lies one of TCP.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/sha.h>

#include "gw_lines.h"

#define LONG_ENOUGH 20000 /* ms, after which no more is changed */
#define CHANGES 40
#define STREAMS 5 /* on one line */
#define CERTS 16
#define CANARIES (2 * (CHANGES + 2))

static struct world w;
static struct line canaries[CANARIES];
static const char *ports[3];
static SSL_CTX *h2_ctx, *cert_ctx[CERTS];
static uint8_t cert_keys[CERTS][SHA256_DIGEST_LENGTH];
static int n_certs;
static unsigned long opened[HOWS], cut[HOWS], stayed[HOWS], refused, closed,
	again;

__attribute__((format(printf, 1, 2))) static void note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("# ");
	vprintf(fmt, ap);
	putchar('\n');
	va_end(ap);
}

/* ---- opening ------------------------------------------------------------ */
static bool dial_for(struct line *l, const struct f_conn *f)
{
	enum f_kind kind = l->f.kind;
	SSL_CTX *ctx = h2_ctx;
	bool good = line_dial(l, l->f.src.b,
			      ports[kind == F_TCP   ? 2 :
				    kind == F_HTTP2 ? 1 :
						      0]);

	if (kind == F_TCP)
		ctx = f->session < 0 ? cert_ctx[CERTS - 1] :
				       cert_ctx[w.sessions[f->session].cert];
	if (good && kind != F_HTTP1)
		good = line_tls(l, ctx, f_hosts[f->app]);
	if (good && kind == F_HTTP2)
		good = line_h2(l);
	line_ready(l);
	return good;
}

static bool ask_h1(struct conn *c)
{
	const struct f_conn *f = &c->f;
	char out[1024], cookie[64] = "";

	if (f->session >= 0)
		snprintf(cookie, sizeof(cookie), "Cookie: __Host-cordon=%s\r\n",
			 w.sessions[f->session].token);
	snprintf(out, sizeof(out), "%s %s%s HTTP/1.1\r\nHost: %s\r\n%s%s\r\n",
		 m_methods[f->method], m_paths[f->path],
		 c->how == SSE	     ? "?sse" :
		 c->how == WEBSOCKET ? "?ws" :
				       "",
		 f_hosts[f->app], cookie,
		 c->how == WEBSOCKET ?
			 "Upgrade: websocket\r\nConnection: Upgrade\r\n"
			 "Sec-WebSocket-Version: 13\r\n"
			 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" :
			 "Content-Length: 0\r\n");
	return line_put(c->line, out, strlen(out));
}

static bool ask_h2(struct conn *c)
{
	static struct block b;
	const struct f_conn *f = &c->f;
	char field[128];

	b.len = 0;
	snprintf(field, sizeof(field), ":method: %s", m_methods[f->method]);
	block_add(&b, field);
	block_add(&b, ":scheme: https");
	snprintf(field, sizeof(field), ":authority: %s", f_hosts[f->app]);
	block_add(&b, field);
	snprintf(field, sizeof(field), ":path: %s?sse", m_paths[f->path]);
	block_add(&b, field);
	if (f->session >= 0) {
		snprintf(field, sizeof(field), "cookie: __Host-cordon=%s",
			 w.sessions[f->session].token);
		block_add(&b, field);
	}
	return line_frame(c->line, HEADERS, END_HEADERS | END_STREAM, c->stream,
			  b.p, b.len);
}

static bool ask(struct conn *c)
{
	struct line *l = c->line;

	if (c->how == TCP)
		return line_put(l, "TCP", 3);
	if (c->how != STREAM)
		return ask_h1(c);
	l->last_stream += l->last_stream ? 2 : 1;
	c->stream = l->last_stream;
	return ask_h2(c);
}

static bool is_answered(void *what)
{
	struct conn *c = what;

	return c->status || c->ended || c->over || c->line->ended;
}

static bool is_let_in(const struct conn *c)
{
	return c->status == 200 || c->status == 101;
}

static enum how how_of(const struct f_conn *f, enum f_kind kind)
{
	bool get = f->method == 0;

	if (kind != F_HTTP1)
		return kind == F_TCP ? TCP : STREAM;
	if (rng_chance(w.r, 1, 3))
		return ONCE;
	return get && rng_chance(w.r, 2, 3) ? WEBSOCKET : SSE;
}

/* An open line with room, else a free place for a new one. */
static struct line *line_for(enum f_kind kind)
{
	int room = kind == F_HTTP2 ? STREAMS : kind == F_HTTP1;
	bool old = kind != F_TCP && rng_chance(w.r, 1, 2);
	struct line *fresh = NULL;

	for (int i = 0; i < LINES; i++) {
		struct line *l = &lines[i];

		/* with nothing open the gateway may be closing it already */
		if (l->f.ended && !l->f.open && l->fd >= 0)
			continue;
		if (old && l->fd >= 0 && !l->ended && l->f.kind == kind &&
		    l->f.open < room)
			return l;
		if (l->fd < 0)
			fresh = l;
	}
	if (fresh)
		f_line_random(&w, &fresh->f, kind);
	return fresh;
}

/* What is let in, as a rule, since refusals are cheap to think of. */
static bool choose(struct conn *c)
{
	for (int tries = 0; tries < 40; tries++) {
		bool wanted;

		memset(c, 0, sizeof(*c));
		f_random(&w, &c->f);
		c->line = line_for(c->f.path < 0	 ? F_TCP :
				   rng_chance(w.r, 2, 3) ? F_HTTP1 :
							   F_HTTP2);
		if (!c->line)
			continue;
		c->f.line = &c->line->f;
		c->how = how_of(&c->f, c->f.line->kind);
		wanted = f_opens(&w, &c->f);
		if (wanted || rng_chance(w.r, 1, 12))
			return true;
	}
	return false;
}

static bool tell(struct conn *c, const char *what)
{
	note("%s, status %d, %zu bytes, over %d, ended %d, line ended %d: %s",
	     how_names[c->how], c->status, c->bytes, c->over, c->ended,
	     c->line->ended, what);
	f_note(&w, &c->f, what);
	return false;
}

static void conn_over(struct conn *c)
{
	static const uint8_t cancel[4] = {0, 0, 0, 8};

	c->there = false;
	c->f.line->open--;
	if (c->how == STREAM && !c->ended && !c->over)
		line_frame(c->line, RESET, 0, c->stream, cancel, 4);
	if (c->how != STREAM && c->how != ONCE)
		line_hang_up(c->line);
}

/* It was let in: counted, and if it is over with the answer, over. */
static void took(struct conn *c)
{
	f_opened(&w, &c->f);
	opened[c->how]++;
	if (c->how == ONCE)
		conn_over(c);
}

static bool open_one(struct conn *c)
{
	bool wanted, fresh, sent;

	if (!choose(c))
		return true;
	world_clock(&w);
	wanted = f_opens(&w, &c->f);
	fresh = c->line->fd < 0;
	again += !fresh;
	c->f.began = w.lived;
	c->there = true;
	sent = (!fresh || dial_for(c->line, &c->f)) && ask(c);
	if (sent && !until(is_answered, c))
		return tell(c, "not answered");
	if (is_let_in(c) != wanted)
		return tell(c, wanted ? "kept out" : "let in");
	refused += !wanted;
	if (wanted) {
		took(c);
	} else if (c->how == STREAM) {
		c->there = false;
	} else {
		line_hang_up(c->line);
	}
	return true;
}

static bool open_some(void)
{
	for (int i = 0; i < CONNS; i++)
		if (conns[i].there && rng_chance(w.r, 1, 12))
			conn_over(&conns[i]);
	for (int i = 0; i < LINES; i++)
		if (lines[i].fd >= 0 && rng_chance(w.r, 1, 20))
			line_hang_up(&lines[i]);
	for (int i = 0; i < CONNS; i++)
		if (!conns[i].there && !open_one(&conns[i]))
			return false;
	return true;
}

/* ---- canaries ----------------------------------------------------------- */
static bool canary_opens(int i)
{
	struct line *l = &canaries[i];
	char out[256];
	ssize_t n;

	l->fd = -1;
	if (!line_dial(l, f_sources[0], ports[0]))
		return false;
	snprintf(out, sizeof(out),
		 "GET /canary HTTP/1.1\r\nHost: %s\r\n"
		 "Cookie: __Host-cordon=canary-%d\r\n\r\n",
		 f_hosts[0], i);
	if (!line_put(l, out, strlen(out)))
		return false;
	n = line_get(l); /* small, and sent in one piece */
	return n > 12 && !memcmp(l->buf, "HTTP/1.1 200", 12);
}

/* The policy is in force when the first one is let in. */
static bool canaries_open(void)
{
	int64_t end = now_ms() + PATIENCE;

	while (!canary_opens(0)) {
		SSL_free(canaries[0].ssl);
		close(canaries[0].fd);
		if (now_ms() > end)
			return false;
		pump(20);
	}
	for (int i = 1; i < CANARIES; i++)
		if (!canary_opens(i))
			return false;
	return true;
}

static bool canary_is_dead(void *what)
{
	struct line *l = what;
	char byte[512];
	ssize_t n = recv(l->fd, byte, sizeof(byte), MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN);
}

static bool has_looked(void)
{
	for (int i = 0; i < 2; i++) {
		struct line *l = &canaries[world_canary_ends(&w)];

		if (!until(canary_is_dead, l)) {
			note("a canary lives");
			return false;
		}
		close(l->fd);
	}
	return true;
}

/* ---- the property ------------------------------------------------------- */
static bool is_gone(void *what)
{
	struct conn *c = what;

	return c->ended || c->line->ended;
}

static bool moves(void *what)
{
	struct conn *c = what;

	return c->bytes > c->mark || c->over || is_gone(c);
}

/* Something that comes back, where nothing comes by itself. */
static void ping(struct conn *c)
{
	static const char frame[] = "\x81\x84\0\0\0\0ping";

	c->mark = c->bytes;
	if (c->how == TCP)
		line_put(c->line, "TCP", 3);
	if (c->how == WEBSOCKET)
		line_put(c->line, frame, 10);
}

/* Of those that have to end. */
static bool all_end(void)
{
	for (int i = 0; i < CONNS; i++) {
		struct conn *c = &conns[i];

		if (!c->there || !f_ends(c->f.fate))
			continue;
		if (!until(is_gone, c))
			return tell(c, "not cut");
		cut[c->how]++;
		conn_over(c);
	}
	return true;
}

static bool others_stay(void)
{
	pump(0);
	for (int i = 0; i < CONNS; i++)
		if (conns[i].there)
			ping(&conns[i]);
	for (int i = 0; i < CONNS; i++) {
		struct conn *c = &conns[i];

		if (!c->there)
			continue;
		if (!until(moves, c))
			return tell(c, "silent");
		if (c->over || is_gone(c))
			return tell(c, "cut");
		stayed[c->how]++;
	}
	return true;
}

static bool line_is_closed(void *what)
{
	return ((struct line *)what)->ended;
}

static bool lines_close(void)
{
	for (int i = 0; i < LINES; i++) {
		struct line *l = &lines[i];
		bool closes;

		if (l->fd < 0 || l->f.kind == F_TCP)
			continue;
		closes = f_must_close(&w, &l->f);
		if (closes ? !until(line_is_closed, l) : l->ended) {
			note("a line of %s with %d open is %s",
			     f_kind_names[l->f.kind], l->f.open,
			     closes ? "not closed" : "closed");
			return false;
		}
		closed += closes;
		if (closes)
			line_hang_up(l);
	}
	return true;
}

static bool look(void)
{
	world_clock(&w);
	for (int i = 0; i < CONNS; i++)
		if (conns[i].there)
			f_expect(&w, &conns[i].f);
	return !w.broken && has_looked() && all_end() && others_stay() &&
	       lines_close();
}

/* ---- the run ------------------------------------------------------------ */
static SSL_CTX *tls(const char *file)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx && file &&
	    (SSL_CTX_use_certificate_file(ctx, file, SSL_FILETYPE_PEM) != 1 ||
	     SSL_CTX_use_PrivateKey_file(ctx, file, SSL_FILETYPE_PEM) != 1))
		return NULL;
	return ctx;
}

static bool cert_load(const char *file, int i)
{
	unsigned char *der = NULL;
	int len;

	cert_ctx[i] = tls(file);
	if (!cert_ctx[i])
		return false;
	len = i2d_X509(SSL_CTX_get0_certificate(cert_ctx[i]), &der);
	if (len <= 0)
		return false;
	SHA256(der, (size_t)len, cert_keys[i]);
	OPENSSL_free(der);
	return true;
}

static bool set_up(int n, char **args)
{
	static const unsigned char h2[] = {2, 'h', '2'};

	for (int i = 0; i < 3; i++)
		ports[i] = args[2 + i];
	for (int i = 0; i < LINES; i++)
		lines[i].fd = -1;
	h2_ctx = tls(NULL);
	cert_ctx[CERTS - 1] = tls(NULL); /* without one */
	SSL_CTX_set_alpn_protos(h2_ctx, h2, sizeof(h2));
	for (int i = 5; i < n && n_certs < CERTS - 1; i++)
		if (!cert_load(args[i], n_certs++))
			return false;
	world_real(args[1], cert_keys, n_certs);
	return true;
}

static bool changes(void)
{
	int64_t start = now_ms();
	int n = 0;

	/* all are open to everybody at first */
	if (!open_some())
		return false;
	world_clock(&w);
	world_policy(&w);
	if (!look())
		return false;
	while (n < CHANGES && now_ms() - start < LONG_ENOUGH) {
		enum w_change change;

		if (!open_some())
			return false;
		world_clock(&w);
		change = world_change(&w);
		if (!look()) {
			note("change %d: %s", n, w_change_names[change]);
			return false;
		}
		n++;
	}
	note("%d changes in %lld ms", n, (long long)(now_ms() - start));
	return true;
}

/* Also whether enough happened to mean something: each place is taken once,
 * when all is open, and has to be cut or to stay. */
static bool count(void)
{
	unsigned long all = 0, looked = 0;

	for (int i = 0; i < HOWS; i++) {
		note("%s: %lu opened, %lu cut, %lu times it stayed",
		     how_names[i], opened[i], cut[i], stayed[i]);
		all += opened[i];
		looked += cut[i] + stayed[i];
	}
	note("%lu refused, %lu asked on an open connection, %lu idle ones "
	     "closed",
	     refused, again, closed);
	return all >= CONNS / 2 && looked > 0;
}

int main(int argc, char **argv)
{
	struct rng r = rng_init(43);
	bool good;

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	if (argc < 6 || !set_up(argc, argv))
		return 2;
	world_new(&w, &r);
	world_canaries(&w, CANARIES);
	good = canaries_open();
	if (!good)
		note("the gateway does not answer");
	good = good && changes();
	good &= count();
	world_done(&w);
	return !good;
}
