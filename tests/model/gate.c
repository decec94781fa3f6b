/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See gate.h. What stands here in place of nginx does as little as can be:
 * memory that lives as long as its pool, timers that the test fires, requests
 * that have been read, servers that take everything. Nothing here decides,
 * remembers or cuts.
 */
#include "gate.h"

#include "ngx_http_cordon.h"
#include "ngx_stream_cordon.h"

#include <openssl/crypto.h>
#include <openssl/ssl.h>

#include "ngx_cordon_check.h"

/* ---- memory ------------------------------------------------------------- */
struct piece {
	struct piece *next;
	max_align_t data[];
};

struct pool {
	ngx_pool_t pool; /* first: nginx's code walks its cleanups */
	struct piece *pieces;
};

static struct pool *pool_of(ngx_pool_t *pool)
{
	return (struct pool *)(void *)pool;
}

void *ngx_pnalloc(ngx_pool_t *pool, size_t size)
{
	struct piece *p = calloc(1, sizeof(*p) + size);

	if (!p)
		abort();
	p->next = pool_of(pool)->pieces;
	pool_of(pool)->pieces = p;
	return p->data;
}

u_char *ngx_pstrdup(ngx_pool_t *pool, ngx_str_t *src)
{
	return memcpy(ngx_pnalloc(pool, src->len), src->data, src->len);
}

ngx_pool_cleanup_t *ngx_pool_cleanup_add(ngx_pool_t *pool, size_t size)
{
	ngx_pool_cleanup_t *cln = ngx_pnalloc(pool, sizeof(*cln));

	cln->data = ngx_pnalloc(pool, size);
	cln->next = pool->cleanup;
	pool->cleanup = cln;
	return cln;
}

void ngx_explicit_memzero(void *buf, size_t n)
{
	memset(buf, 0, n);
}

static void pool_done(struct pool *p)
{
	ngx_pool_cleanup_t *cln = p->pool.cleanup;
	struct piece *next;

	for (; cln; cln = cln->next)
		if (cln->handler)
			cln->handler(cln->data);
	for (struct piece *at = p->pieces; at; at = next) {
		next = at->next;
		free(at);
	}
	memset(p, 0, sizeof(*p));
}

/* ---- clock, timers, log ------------------------------------------------- */
static ngx_time_t clock_now;
volatile ngx_time_t *ngx_cached_time = &clock_now;
volatile ngx_msec_t ngx_current_msec;
ngx_rbtree_t ngx_event_timer_rbtree;
ngx_queue_t ngx_posted_events;
ngx_uint_t ngx_process, ngx_worker;
ngx_pid_t ngx_parent;

static ngx_log_t quiet;

void ngx_rbtree_insert(ngx_rbtree_t *tree, ngx_rbtree_node_t *node)
{
	(void)tree;
	(void)node;
}

void ngx_rbtree_delete(ngx_rbtree_t *tree, ngx_rbtree_node_t *node)
{
	(void)tree;
	(void)node;
}

/* log_level 0: nothing that only tells comes here. */
void ngx_log_error_core(ngx_uint_t level, ngx_log_t *log, ngx_err_t err,
			const char *fmt, ...)
{
	(void)log;
	fprintf(stderr, "# log %d %d: %s\n", (int)level, (int)err, fmt);
}

/* ---- strings and addresses ---------------------------------------------- */

/* Only ever "%V/%s": a file of the run directory. */
u_char *ngx_snprintf(u_char *buf, size_t max, const char *fmt, ...)
{
	ngx_str_t *dir;
	va_list ap;
	int n;

	if (strcmp(fmt, "%V/%s") != 0)
		abort();
	va_start(ap, fmt);
	dir = va_arg(ap, ngx_str_t *);
	n = snprintf((char *)buf, max, "%.*s/%s", (int)dir->len, dir->data,
		     va_arg(ap, const char *));
	va_end(ap);
	return buf + n;
}

/* Of an upstream's name; the model's upstreams are addresses. */
u_char *ngx_sprintf(u_char *buf, const char *fmt, ...)
{
	(void)buf;
	(void)fmt;
	abort();
}

void ngx_strlow(u_char *dst, u_char *src, size_t n)
{
	while (n--)
		*dst++ = ngx_tolower(*src), src++;
}

size_t ngx_sock_ntop(struct sockaddr *sa, socklen_t socklen, u_char *text,
		     size_t len, ngx_uint_t port)
{
	(void)sa;
	(void)socklen;
	(void)text;
	(void)len;
	(void)port;
	return 0;
}

in_port_t ngx_inet_get_port(struct sockaddr *sa)
{
	(void)sa;
	return 0;
}

uint32_t ngx_murmur_hash2(u_char *data, size_t len)
{
	(void)data;
	return (uint32_t)len;
}

/* ---- a client's connection, and what is asked on it ---------------------- */
struct gate_line {
	ngx_connection_t c;
	struct pool pool;
	ngx_event_t read, write;
	struct sockaddr_in peer;
	ngx_http_v2_connection_t h2c; /* .connection NULL: not HTTP/2 */
	bool closed;
	unsigned resets, told; /* streams that were cut; of which it was told */
};

struct gate_conn {
	const struct gate_ask *ask;
	struct gate_line *line;
	bool cut;
	/* HTTP */
	ngx_http_request_t r;
	struct pool r_pool;
	ngx_connection_t fake; /* HTTP/2: in place of the line's */
	ngx_http_v2_stream_t stream;
	/* TCP */
	ngx_stream_session_t s;
	ngx_ssl_connection_t ssl;
	void *ctx[1]; /* of the module, either kind */
};

static ngx_http_cordon_loc_conf_t http_conf = {.enable = 1};
static ngx_stream_cordon_srv_conf_t stream_conf = {.enable = 1};
static void *http_confs[] = {&http_conf}, *stream_confs[] = {&stream_conf};
static ngx_http_cordon_main_conf_t http_main = {
	.auth_host = ngx_string("auth.example.com")};

ngx_module_t ngx_http_cordon_module, ngx_stream_cordon_module;
ngx_http_cordon_worker_t ngx_http_cordon;
ngx_stream_cordon_worker_t ngx_stream_cordon;

static ngx_str_t text(const char *z)
{
	ngx_str_t s = {strlen(z), (u_char *)(uintptr_t)z};

	return s;
}

static bool is_http2(const struct gate_line *l)
{
	return l->h2c.connection;
}

static void line_close(struct gate_line *l)
{
	l->closed = true;
	pool_done(&l->pool);
}

/* An idle connection is closed by its read handler, as nginx does it. */
static void on_read(ngx_event_t *ev)
{
	struct gate_line *l = ev->data;

	if (!l->c.close || l->h2c.processing)
		abort();
	line_close(l);
}

/* Frames that wait go out. */
static void on_write(ngx_event_t *ev)
{
	struct gate_line *l = ev->data;

	l->told = l->resets;
}

struct gate_line *gate_dial(const uint8_t src[4], bool http2)
{
	struct gate_line *l = calloc(1, sizeof(*l));

	if (!l)
		abort();
	l->peer.sin_family = AF_INET;
	memcpy(&l->peer.sin_addr, src, 4);
	l->c.fd = -1;
	l->c.log = &quiet;
	l->c.pool = &l->pool.pool;
	l->c.sockaddr = (struct sockaddr *)&l->peer;
	l->c.read = &l->read;
	l->c.write = &l->write;
	l->c.idle = http2; /* for all of its life */
	l->read.log = l->write.log = &quiet;
	l->read.handler = on_read;
	l->write.handler = on_write;
	l->read.data = l->write.data = l;
	if (http2)
		l->h2c.connection = &l->c;
	return l;
}

void gate_hang_up(struct gate_line **l)
{
	if (!*l)
		return;
	pool_done(&(*l)->pool);
	free(*l);
	*l = NULL;
}

/* A stream's requests have a connection of their own, a copy. */
static ngx_connection_t *stream_open(struct gate_conn *g)
{
	g->fake = g->line->c;
	g->fake.data = &g->r;
	g->stream.request = &g->r;
	g->stream.connection = &g->line->h2c;
	g->r.stream = &g->stream;
	g->line->h2c.processing++;
	return &g->fake;
}

static bool open_http(struct gate_conn *g)
{
	struct gate_line *l = g->line;

	if (is_http2(l)) {
		g->r.connection = stream_open(g);
	} else {
		l->c.idle = 0;
		l->c.data = &g->r;
		g->r.connection = &l->c;
	}
	g->r.main = &g->r;
	g->r.pool = &g->r_pool.pool;
	g->r.ctx = g->ctx;
	g->r.loc_conf = http_confs;
	return ngx_http_cordon_access(&g->r) == NGX_OK;
}

static bool open_tcp(struct gate_conn *g)
{
	g->line->c.data = &g->s;
	g->line->c.ssl = &g->ssl;
	g->ssl.connection = (SSL *)(void *)g;
	g->s.connection = &g->line->c;
	g->s.ctx = g->ctx;
	g->s.srv_conf = stream_confs;
	return ngx_stream_cordon_preread(&g->s) == NGX_OK;
}

struct gate_conn *gate_open(struct gate_line *line, const struct gate_ask *ask)
{
	struct gate_conn *g = calloc(1, sizeof(*g));

	if (!g)
		abort();
	g->ask = ask;
	g->line = line;
	if (!(ask->path ? open_http(g) : open_tcp(g)))
		gate_close(&g);
	return g;
}

static void request_done(struct gate_conn *g)
{
	pool_done(&g->r_pool);
	if (is_http2(g->line))
		g->line->h2c.processing--;
	else
		g->line->c.idle = 1;
}

void gate_close(struct gate_conn **c)
{
	if (!*c)
		return;
	if (!(*c)->ask->path)
		line_close((*c)->line);
	else if (!(*c)->cut)
		request_done(*c);
	free(*c);
	*c = NULL;
}

bool gate_is_cut(const struct gate_conn *c)
{
	const ngx_stream_cordon_ctx_t *ctx = c->ctx[0];

	if (!c->ask->path)
		return ctx->cut;
	return c->cut && c->line->told == c->line->resets;
}

bool gate_is_closed(const struct gate_line *line)
{
	return line->closed;
}

/* ---- HTTP: a request that was read, and servers that take it ------------- */
static struct gate_conn *conn_of(ngx_http_request_t *r)
{
	return ngx_queue_data(r, struct gate_conn, r);
}

ngx_int_t ngx_http_cordon_request(ngx_http_request_t *r,
				  ngx_http_cordon_ctx_t *ctx)
{
	const struct gate_ask *ask = conn_of(r)->ask;

	ctx->host = text(ask->host);
	ctx->method = text(ask->method);
	ctx->path = text(ask->path);
	return NGX_OK;
}

ngx_int_t ngx_http_cordon_token(ngx_http_request_t *r, ngx_str_t *token)
{
	const struct gate_ask *ask = conn_of(r)->ask;

	if (!ask->token)
		return NGX_DECLINED;
	*token = text(ask->token);
	return NGX_OK;
}

ngx_uint_t ngx_http_cordon_is_foreign_websocket(ngx_http_request_t *r)
{
	(void)r;
	return 0;
}

ngx_int_t ngx_http_cordon_forward_headers(ngx_http_request_t *r,
					  ngx_http_cordon_ctx_t *ctx)
{
	(void)r;
	(void)ctx;
	return NGX_OK;
}

ngx_int_t ngx_http_cordon_bind(ngx_http_request_t *r,
			       ngx_http_cordon_ctx_t *ctx, struct cd_app *app)
{
	(void)r;
	(void)ctx;
	(void)app;
	return NGX_OK;
}

ngx_int_t ngx_http_cordon_route(ngx_http_request_t *r,
				ngx_http_cordon_ctx_t *ctx, struct cd_app *app)
{
	(void)r;
	(void)app;
	ctx->n_upstreams = 1;
	return NGX_OK;
}

ngx_int_t ngx_http_cordon_assert(ngx_http_request_t *r,
				 ngx_http_cordon_ctx_t *ctx)
{
	(void)r;
	(void)ctx;
	return NGX_OK;
}

void ngx_http_cordon_assert_forget(ngx_http_cordon_ctx_t *ctx)
{
	(void)ctx;
}

ngx_int_t ngx_http_cordon_refuse(ngx_http_request_t *r,
				 ngx_http_cordon_ctx_t *ctx,
				 struct cd_decision *d)
{
	(void)r;
	(void)ctx;
	(void)d;
	return NGX_HTTP_FORBIDDEN;
}

ngx_int_t ngx_http_cordon_page(ngx_http_request_t *r,
			       ngx_http_cordon_ctx_t *ctx)
{
	(void)r;
	(void)ctx;
	abort();
}

ngx_int_t ngx_http_cordon_jump(ngx_http_request_t *r,
			       ngx_http_cordon_ctx_t *ctx, const char *location)
{
	(void)r;
	(void)ctx;
	(void)location;
	abort();
}

void ngx_resolve_name_done(ngx_resolver_ctx_t *ctx)
{
	(void)ctx;
	abort();
}

/* The end of a request that is cut; its connection goes with it. Of a stream
 * a frame says so to the client, once somebody sends it. */
void ngx_http_finalize_request(ngx_http_request_t *r, ngx_int_t rc)
{
	struct gate_conn *g = conn_of(r);

	if (rc != NGX_ERROR || !r->connection->error)
		abort();
	g->cut = true;
	request_done(g);
	if (is_http2(g->line))
		g->line->resets++;
	else
		line_close(g->line);
}

void ngx_http_run_posted_requests(ngx_connection_t *c)
{
	(void)c;
}

/* ---- TCP: a handshake with SNI and, with a token, a certificate ---------- */
static const struct gate_ask *ask_of(const void *p)
{
	return ((const struct gate_conn *)p)->ask;
}

const char *SSL_get_servername(const SSL *ssl, const int type)
{
	(void)type;
	return ask_of(ssl)->host;
}

X509 *SSL_get1_peer_certificate(const SSL *ssl)
{
	return ask_of(ssl)->token ? (X509 *)(uintptr_t)ssl : NULL;
}

long SSL_get_verify_result(const SSL *ssl)
{
	(void)ssl;
	return X509_V_OK;
}

int i2d_X509(const X509 *cert, unsigned char **out)
{
	const char *token = ask_of(cert)->token;

	*out = OPENSSL_memdup(token, strlen(token));
	return (int)strlen(token);
}

void X509_free(X509 *cert)
{
	(void)cert;
}

void ngx_stream_cordon_idle_start(ngx_stream_cordon_ctx_t *ctx,
				  uint32_t seconds)
{
	(void)ctx;
	(void)seconds;
	abort();
}

/* ---- what neither has: checks of servers, certificates ------------------- */
ngx_uint_t ngx_cordon_check_is_down(const struct cd_app *app,
				    const struct cd_health *health,
				    const struct cd_upstream *up)
{
	(void)app;
	(void)health;
	(void)up;
	return 0;
}

ngx_int_t ngx_cordon_check_addrs(const struct cd_app *app,
				 const struct cd_health *health,
				 const struct cd_upstream *up,
				 ngx_cordon_addr_t *addrs, ngx_uint_t *n)
{
	(void)app;
	(void)health;
	(void)up;
	(void)addrs;
	*n = 0;
	return NGX_DECLINED;
}

void ngx_cordon_check_tick(void)
{
}

void ngx_cordon_check_done(void)
{
}

void ngx_cordon_certificates_done(void)
{
}

/* ---- the worker --------------------------------------------------------- */
void gate_clock(int64_t now, int64_t steady)
{
	clock_now.sec = (time_t)now;
	ngx_current_msec = (ngx_msec_t)steady * 1000;
}

bool gate_start(const char *run)
{
	static ngx_cycle_t cycle;
	ngx_http_cordon_worker_t *hw = &ngx_http_cordon;
	ngx_stream_cordon_worker_t *sw = &ngx_stream_cordon;
	ngx_str_t dir = text(run);

	cycle.log = &quiet;
	quiet.log_level = 0;
	memset(hw, 0, sizeof(*hw));
	memset(sw, 0, sizeof(*sw));
	hw->conf = &http_main;
	ngx_queue_init(&ngx_posted_events);
	ngx_queue_init(&hw->live);
	ngx_queue_init(&hw->conns);
	ngx_queue_init(&sw->live);
	if (ngx_cordon_worker_init(&hw->w, &dir, "http", &cycle) != NGX_OK ||
	    ngx_cordon_worker_init(&sw->w, &dir, "stream", &cycle) != NGX_OK)
		return false;
	ngx_cordon_tick_start(&hw->w, ngx_http_cordon_tick, &cycle);
	ngx_cordon_tick_start(&sw->w, ngx_stream_cordon_tick, &cycle);
	return hw->w.policy && hw->w.table && sw->w.policy && sw->w.table;
}

void gate_stop(void)
{
	ngx_cordon_worker_done(&ngx_http_cordon.w);
	ngx_cordon_worker_done(&ngx_stream_cordon.w);
}

static void fire(ngx_event_t *timer)
{
	if (!timer->timer_set)
		abort(); /* it would never come again */
	timer->timer_set = 0;
	timer->handler(timer);
}

static void run_posted(void)
{
	while (!ngx_queue_empty(&ngx_posted_events)) {
		ngx_event_t *ev = ngx_queue_data(
			ngx_queue_head(&ngx_posted_events), ngx_event_t, queue);

		ngx_delete_posted_event(ev);
		ev->handler(ev);
	}
}

void gate_tick(void)
{
	fire(&ngx_http_cordon.w.tick);
	fire(&ngx_stream_cordon.w.tick);
	run_posted();
}
