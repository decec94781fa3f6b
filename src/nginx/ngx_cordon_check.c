// SPDX-License-Identifier: Apache-2.0
/*
 * Active health checks.
 *
 * One worker checks, so that a server is asked as often as its app's line
 * says, however many workers there are; if it dies, its successor has the same
 * number and finds the outcomes in the zone. A worker that drains after a
 * reload stops at once. Checks in every worker, without a zone, were rejected:
 * the load on a server would depend on the machine, and workers would differ.
 *
 * A server begins as healthy and is left out after `fall` failures in a row,
 * so a gateway that starts serves at once. What is newer than the last check
 * is not known: the balancer's own marks see to that.
 *
 * Servers that are written as a name are not checked: whose addresses they
 * are is only known while a request asks for them.
 */
#include "ngx_cordon_check.h"
#include <ngx_event_connect.h>

#include "base/str.h"
#include "shm/health.h"


#define NGX_CORDON_CHECK_ZONE     (256 * 1024)
#define NGX_CORDON_CHECK_TIMEOUT  5000      /* ms, for all of a check */
#define NGX_CORDON_CHECK_FIRST    1000      /* ms, all first checks begin in */
#define NGX_CORDON_CHECK_AT_ONCE  256       /* under way at the same time */
#define NGX_CORDON_CHECK_DETAIL   160


typedef enum {
    NGX_CORDON_CHECK_IDLE = 0,
    NGX_CORDON_CHECK_CONNECT,
    NGX_CORDON_CHECK_HANDSHAKE,
    NGX_CORDON_CHECK_SEND,
    NGX_CORDON_CHECK_READ
} ngx_cordon_check_step_e;


typedef struct {
    ngx_rbtree_node_t        node;          /* key: cd_health_key() */
    ngx_queue_t              queue;
    ngx_event_t              timer;         /* the next one; or a timeout */
    ngx_cordon_addr_t        addr;
    struct cd_health_state   state;
    uint32_t                 every;
    uint32_t                 fall;
    uint32_t                 rise;
    ngx_cordon_check_step_e  step;
    ngx_connection_t        *connection;
    size_t                   sent;
    size_t                   got;
    u_char                   answer[CD_HEALTH_LINE];
    unsigned                 tls:1;
    ngx_str_t                app;
    ngx_str_t                host;          /* for the certificate */
    ngx_str_t                request;       /* empty: only connects */
    u_char                   text[1];       /* ... all three */
} ngx_cordon_check_t;


typedef struct {
    ngx_rbtree_t             tree;
    ngx_rbtree_node_t        sentinel;
    ngx_queue_t              queue;
    ngx_uint_t               n;
} ngx_cordon_check_set_t;


static struct {
    ngx_cordon_worker_t     *w;
    ngx_slab_pool_t         *pool;
    struct cd_health_map    *map;
    enum cd_app_kind         kind;
    ngx_ssl_t               *ssl;
    ngx_log_t                log;           /* of the checks' sockets */
    ngx_log_t               *cycle_log;
    ngx_connection_t         dummy;         /* what timers belong to */
    ngx_cordon_check_set_t   sets[2];
    ngx_cordon_check_set_t  *set;           /* NULL: not our work */
    ngx_uint_t               running;
    unsigned                 taken:1;       /* `hash` is of the set */
    uint8_t                  hash[CD_SNAPMAP_HASH_LEN];
} ngx_cordon_checks;


static void ngx_cordon_check_timer(ngx_event_t *ev);
static void ngx_cordon_check_io(ngx_event_t *ev);
static void ngx_cordon_check_go(ngx_cordon_check_t *t);


/* ---- the zone ---- */

static ngx_int_t
ngx_cordon_check_init_zone(ngx_shm_zone_t *zone, void *data)
{
    ngx_slab_pool_t  *pool;

    pool = (ngx_slab_pool_t *) (void *) zone->shm.addr;

    if (data) {
        zone->data = data;                      /* outlives a reload */
        return NGX_OK;
    }

    if (!zone->shm.exists) {
        pool->data = ngx_slab_calloc(pool, sizeof(struct cd_health_map));
    }

    zone->data = pool->data;

    return zone->data ? NGX_OK : NGX_ERROR;
}


ngx_shm_zone_t *
ngx_cordon_check_zone(ngx_conf_t *cf, ngx_str_t *name, void *tag)
{
    ngx_shm_zone_t  *zone;

    zone = ngx_shared_memory_add(cf, name, NGX_CORDON_CHECK_ZONE, tag);

    if (zone) {
        zone->init = ngx_cordon_check_init_zone;
    }

    return zone;
}


ngx_ssl_t *
ngx_cordon_check_ssl(ngx_conf_t *cf, ngx_str_t *trust)
{
    ngx_ssl_t           *ssl;
    ngx_pool_cleanup_t  *cln;

    ssl = ngx_pcalloc(cf->pool, sizeof(ngx_ssl_t));
    if (ssl == NULL) {
        return NULL;
    }

    ssl->log = cf->log;

    if (ngx_ssl_create(ssl, NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3, NULL) != NGX_OK) {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        ngx_ssl_cleanup_ctx(ssl);
        return NULL;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = ssl;

    if (trust->len) {
        return ngx_ssl_trusted_certificate(cf, ssl, trust, 4) == NGX_OK ? ssl
                                                                    : NULL;
    }

    return SSL_CTX_set_default_verify_paths(ssl->ctx) ? ssl : NULL;
}


static uint64_t
ngx_cordon_check_key(const struct cd_app *app, const struct cd_health *health,
    const struct cd_upstream *upstream)
{
    return cd_health_key(app->name, health->path, app->upstream_tls,
                         &upstream->addr, upstream->port);
}


ngx_uint_t
ngx_cordon_check_is_down(const struct cd_app *app,
    const struct cd_health *health, const struct cd_upstream *upstream)
{
    return ngx_cordon_checks.map
           && cd_health_is_down(ngx_cordon_checks.map,
                                ngx_cordon_check_key(app, health, upstream));
}


/* ---- outcomes ---- */

static void
ngx_cordon_check_close(ngx_cordon_check_t *t)
{
    ngx_pool_t        *pool;
    ngx_connection_t  *c;

    if (t->timer.timer_set) {
        ngx_del_timer(&t->timer);
    }

    if (t->step != NGX_CORDON_CHECK_IDLE) {
        t->step = NGX_CORDON_CHECK_IDLE;
        ngx_cordon_checks.running--;
    }

    c = t->connection;

    if (c == NULL) {
        return;
    }

    t->connection = NULL;

    if (c->ssl) {
        c->ssl->no_wait_shutdown = 1;
        c->ssl->no_send_shutdown = 1;
        (void) ngx_ssl_shutdown(c);
    }

    pool = c->pool;
    ngx_close_connection(c);

    if (pool) {
        ngx_destroy_pool(pool);
    }
}


/* Not all at once, and not in step with other gateways. */

static void
ngx_cordon_check_later(ngx_cordon_check_t *t, ngx_msec_t delay)
{
    uint32_t  random;

    ngx_cordon_random(ngx_cordon_checks.w, (u_char *) &random, sizeof(random));

    ngx_add_timer(&t->timer, delay - delay / 10 + random % (delay / 5 + 1));
}


static void
ngx_cordon_check_event(ngx_cordon_check_t *t, ngx_str_t *detail)
{
    struct cd_addr           ip;
    struct cd_event_encoder  e;

    ip = ngx_cordon_addr(&t->addr.u.sockaddr);

    ngx_cordon_event_begin(ngx_cordon_checks.w, &e, CD_EVENT_UPSTREAM_HEALTH,
                           NULL);
    cd_event_put_str(&e, CD_EVENT_F_APP,
                     cd_str_make(t->app.data, t->app.len));
    cd_event_put_num(&e, CD_EVENT_F_OUTCOME, t->state.down
                                             ? CD_OUTCOME_FAILURE
                                             : CD_OUTCOME_SUCCESS);
    cd_event_put_addr(&e, CD_EVENT_F_DST_IP, &ip);
    cd_event_put_num(&e, CD_EVENT_F_DST_PORT,
                     ngx_inet_get_port(&t->addr.u.sockaddr));
    cd_event_put_str(&e, CD_EVENT_F_DETAIL,
                     cd_str_make(detail->data, detail->len));
    ngx_cordon_event_end(ngx_cordon_checks.w, &e);
}


static void
ngx_cordon_check_changed(ngx_cordon_check_t *t, ngx_str_t *detail)
{
    u_char     name[NGX_SOCKADDR_STRLEN];
    ngx_str_t  server;

    ngx_shmtx_lock(&ngx_cordon_checks.pool->mutex);

    /* no room: it counts as healthy, and the next change says so again */
    (void) cd_health_put(ngx_cordon_checks.map, t->node.key, t->state.down);

    ngx_shmtx_unlock(&ngx_cordon_checks.pool->mutex);

    server.data = name;
    server.len = ngx_sock_ntop(&t->addr.u.sockaddr, t->addr.socklen, name,
                               sizeof(name), 1);

    ngx_log_error((t->state.down ? NGX_LOG_WARN : NGX_LOG_NOTICE),
                  ngx_cordon_checks.cycle_log, 0,
                  "cordon: server %V of app \"%V\" is %s: %V", &server,
                  &t->app, t->state.down ? "not healthy" : "healthy again",
                  detail);

    ngx_cordon_check_event(t, detail);
}


static void
ngx_cordon_check_finish(ngx_cordon_check_t *t, ngx_uint_t good,
    const char *fmt, ...)
{
    u_char     buf[NGX_CORDON_CHECK_DETAIL];
    va_list    args;
    ngx_str_t  detail;

    ngx_cordon_check_close(t);

    if (cd_health_count(&t->state, good, t->fall, t->rise)) {
        va_start(args, fmt);
        detail.data = buf;
        detail.len = (size_t) (ngx_vslprintf(buf, buf + sizeof(buf), fmt, args)
                               - buf);
        va_end(args);

        ngx_cordon_check_changed(t, &detail);
    }

    ngx_cordon_check_later(t, (ngx_msec_t) t->every * 1000);
}


static void
ngx_cordon_check_failed(ngx_cordon_check_t *t, const char *what, ngx_err_t err)
{
    u_char   buf[NGX_CORDON_CHECK_DETAIL / 2];
    u_char  *end;

    end = ngx_strerror(err, buf, sizeof(buf));

    ngx_cordon_check_finish(t, 0, "%s: %*s", what, (size_t) (end - buf), buf);
}


/* ---- one check ---- */

static void
ngx_cordon_check_connected(ngx_cordon_check_t *t)
{
    int               err;
    socklen_t         len;
    ngx_connection_t *c;

    c = t->connection;

    if (!c->write->ready) {
        return;
    }

    err = 0;
    len = sizeof(err);

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len) == -1) {
        err = ngx_socket_errno;
    }

    if (err) {
        ngx_cordon_check_failed(t, "no connection", err);
        return;
    }

    if (t->request.len == 0) {
        ngx_cordon_check_finish(t, 1, "it accepts connections");
        return;
    }

    t->step = t->tls ? NGX_CORDON_CHECK_HANDSHAKE : NGX_CORDON_CHECK_SEND;
    ngx_cordon_check_go(t);
}


/* The same certificate that requests would insist on. */

static void
ngx_cordon_check_shaken(ngx_connection_t *c)
{
    long                 verified;
    ngx_cordon_check_t  *t;

    t = c->data;

    c->read->handler = ngx_cordon_check_io;
    c->write->handler = ngx_cordon_check_io;

    if (!c->ssl->handshaked) {
        ngx_cordon_check_finish(t, 0, "the TLS handshake failed");
        return;
    }

    verified = SSL_get_verify_result(c->ssl->connection);

    if (verified != X509_V_OK) {
        ngx_cordon_check_finish(t, 0, "its certificate is not trusted: %s",
                                X509_verify_cert_error_string(verified));
        return;
    }

    if (ngx_ssl_check_host(c, &t->host) != NGX_OK) {
        ngx_cordon_check_finish(t, 0, "its certificate is not for %V",
                                &t->host);
        return;
    }

    t->step = NGX_CORDON_CHECK_SEND;
    ngx_cordon_check_go(t);
}


static ngx_uint_t
ngx_cordon_check_is_address(ngx_str_t *host)
{
    u_char  in6[16];

    return ngx_inet_addr(host->data, host->len) != INADDR_NONE
#if (NGX_HAVE_INET6)
           || ngx_inet6_addr(host->data, host->len, in6) == NGX_OK
#endif
           ;
}


static void
ngx_cordon_check_handshake(ngx_cordon_check_t *t)
{
    ngx_int_t          rc;
    ngx_connection_t  *c;

    c = t->connection;

    if (c->ssl == NULL) {

        if (ngx_ssl_create_connection(ngx_cordon_checks.ssl, c,
                                      NGX_SSL_BUFFER|NGX_SSL_CLIENT)
            != NGX_OK
            /* the name is text of `text`, and has a zero behind it */
            || (!ngx_cordon_check_is_address(&t->host)
                && !SSL_set_tlsext_host_name(c->ssl->connection,
                                             (char *) t->host.data)))
        {
            ngx_cordon_check_close(t);
            ngx_cordon_check_later(t, (ngx_msec_t) t->every * 1000);
            return;
        }
    }

    rc = ngx_ssl_handshake(c);

    if (rc == NGX_AGAIN) {
        c->ssl->handler = ngx_cordon_check_shaken;
        return;
    }

    ngx_cordon_check_shaken(c);
}


static void
ngx_cordon_check_send(ngx_cordon_check_t *t)
{
    ssize_t            n;
    ngx_connection_t  *c;

    c = t->connection;

    while (t->sent < t->request.len) {
        n = c->send(c, t->request.data + t->sent, t->request.len - t->sent);

        if (n == NGX_AGAIN) {
            if (ngx_handle_write_event(c->write, 0) != NGX_OK) {
                ngx_cordon_check_finish(t, 0, "the connection broke");
            }

            return;
        }

        if (n <= 0) {
            ngx_cordon_check_finish(t, 0, "it closed the connection");
            return;
        }

        t->sent += (size_t) n;
    }

    t->step = NGX_CORDON_CHECK_READ;
    ngx_cordon_check_go(t);
}


static void
ngx_cordon_check_read(ngx_cordon_check_t *t)
{
    int                status;
    ssize_t            n;
    ngx_connection_t  *c;

    c = t->connection;

    for ( ;; ) {
        n = c->recv(c, t->answer + t->got, sizeof(t->answer) - t->got);

        if (n == NGX_AGAIN) {
            if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
                ngx_cordon_check_finish(t, 0, "the connection broke");
            }

            return;
        }

        if (n <= 0) {
            ngx_cordon_check_finish(t, 0, "it closed without an answer");
            return;
        }

        t->got += (size_t) n;
        status = cd_health_status(cd_str_make(t->answer, t->got));

        if (status == -EAGAIN) {
            continue;
        }

        if (status < 0) {
            ngx_cordon_check_finish(t, 0, "its answer is not HTTP");
            return;
        }

        ngx_cordon_check_finish(t, status >= 200 && status < 400,
                                "it answered %d", status);
        return;
    }
}


static void
ngx_cordon_check_go(ngx_cordon_check_t *t)
{
    switch (t->step) {

    case NGX_CORDON_CHECK_CONNECT:
        ngx_cordon_check_connected(t);
        return;

    case NGX_CORDON_CHECK_HANDSHAKE:
        ngx_cordon_check_handshake(t);
        return;

    case NGX_CORDON_CHECK_SEND:
        ngx_cordon_check_send(t);
        return;

    case NGX_CORDON_CHECK_READ:
        ngx_cordon_check_read(t);
        return;

    default:
        return;
    }
}


static void
ngx_cordon_check_io(ngx_event_t *ev)
{
    ngx_connection_t  *c;

    c = ev->data;

    ngx_cordon_check_go(c->data);
}


/* A check that could not begin for reasons of our own says nothing about the
 * server. */

static void
ngx_cordon_check_begin(ngx_cordon_check_t *t)
{
    ngx_int_t              rc;
    ngx_msec_t             timeout;
    ngx_connection_t      *c;
    ngx_peer_connection_t  pc;

    ngx_memzero(&pc, sizeof(pc));
    pc.sockaddr = &t->addr.u.sockaddr;
    pc.socklen = t->addr.socklen;
    pc.name = &t->app;
    pc.get = ngx_event_get_peer;
    pc.log = &ngx_cordon_checks.log;
    pc.log_error = NGX_ERROR_INFO;

    rc = ngx_event_connect_peer(&pc);
    c = pc.connection;

    if (c) {
        t->connection = c;
        t->step = NGX_CORDON_CHECK_CONNECT;
        t->sent = 0;
        t->got = 0;
        ngx_cordon_checks.running++;

        c->data = t;
        c->pool = ngx_create_pool(1024, &ngx_cordon_checks.log);
        c->read->handler = ngx_cordon_check_io;
        c->write->handler = ngx_cordon_check_io;
    }

    if (rc == NGX_DECLINED) {
        ngx_cordon_check_failed(t, "no connection", ngx_socket_errno);
        return;
    }

    if (c == NULL || c->pool == NULL) {
        ngx_cordon_check_close(t);
        ngx_cordon_check_later(t, (ngx_msec_t) t->every * 1000);
        return;
    }

    timeout = (ngx_msec_t) t->every * 1000;
    timeout = ngx_min(timeout, NGX_CORDON_CHECK_TIMEOUT);

    ngx_add_timer(&t->timer, timeout);
    ngx_cordon_check_go(t);
}


static void
ngx_cordon_check_timer(ngx_event_t *ev)
{
    ngx_cordon_check_t  *t;

    t = (ngx_cordon_check_t *) (void *)
            ((u_char *) ev - offsetof(ngx_cordon_check_t, timer));

    if (t->step != NGX_CORDON_CHECK_IDLE) {
        ngx_cordon_check_finish(t, 0, t->step == NGX_CORDON_CHECK_CONNECT
                                      ? "no connection in time"
                                      : "no answer in time");
        return;
    }

    if (ngx_exiting) {
        return;
    }

    if (ngx_cordon_checks.running >= NGX_CORDON_CHECK_AT_ONCE) {
        ngx_cordon_check_later(t, 200);
        return;
    }

    ngx_cordon_check_begin(t);
}


/* ---- the set ---- */

static void
ngx_cordon_check_set_init(ngx_cordon_check_set_t *set)
{
    ngx_rbtree_init(&set->tree, &set->sentinel, ngx_rbtree_insert_value);
    ngx_queue_init(&set->queue);
    set->n = 0;
}


static void
ngx_cordon_check_set_done(ngx_cordon_check_set_t *set)
{
    ngx_queue_t         *q;
    ngx_cordon_check_t  *t;

    while (!ngx_queue_empty(&set->queue)) {
        q = ngx_queue_head(&set->queue);
        ngx_queue_remove(q);

        t = ngx_queue_data(q, ngx_cordon_check_t, queue);
        ngx_cordon_check_close(t);
        ngx_free(t);
    }

    ngx_cordon_check_set_init(set);
}


static ngx_cordon_check_t *
ngx_cordon_check_find(ngx_cordon_check_set_t *set, uint64_t key)
{
    ngx_rbtree_node_t  *node;

    node = set->tree.root;

    while (node != set->tree.sentinel) {
        if (node->key == key) {
            return (ngx_cordon_check_t *) (void *) node;
        }

        node = key < node->key ? node->left : node->right;
    }

    return NULL;
}


static bool
ngx_cordon_check_wanted(void *ctx, uint64_t key)
{
    return ngx_cordon_check_find(ctx, key) != NULL;
}


/* Text behind the struct: name of the app, name for the certificate with a
 * zero, request. */

static ngx_cordon_check_t *
ngx_cordon_check_create(const struct cd_app *app, struct cd_str first,
    const struct cd_health *health, const struct cd_upstream *upstream)
{
    size_t               size;
    u_char              *p;
    ngx_uint_t           brackets;
    ngx_cordon_check_t  *t;

    static const char  form[] = "GET %*s HTTP/1.1\r\nHost: %s%*s%s:%ud\r\n"
        "User-Agent: cordon-health\r\nAccept: */*\r\nConnection: close\r\n\r\n";

    size = app->name.len + first.len + 1 + sizeof(form) + health->path.len
           + upstream->host.len + 16;

    t = ngx_alloc(sizeof(ngx_cordon_check_t) + size,
                  ngx_cordon_checks.cycle_log);
    if (t == NULL) {
        return NULL;
    }

    ngx_memzero(t, sizeof(ngx_cordon_check_t));

    t->app.data = t->text;
    t->app.len = app->name.len;
    p = ngx_cpymem(t->text, app->name.ptr, app->name.len);

    t->host.data = p;
    t->host.len = first.len;
    p = ngx_cpymem(p, first.ptr, first.len);
    *p++ = '\0';

    t->request.data = p;

    if (health->path.len) {
        brackets = upstream->addr.family == 6;
        t->request.len = (size_t)
            (ngx_snprintf(p, size, form, health->path.len, health->path.ptr,
                          brackets ? "[" : "", upstream->host.len,
                          upstream->host.ptr, brackets ? "]" : "",
                          (uint32_t) upstream->port)
             - p);
    }

    return t;
}


static void
ngx_cordon_check_add(const struct cd_app *app, struct cd_str first,
    const struct cd_health *health, const struct cd_upstream *upstream,
    ngx_cordon_check_set_t *set, ngx_cordon_check_set_t *old)
{
    uint64_t             key;
    ngx_msec_t           wait;
    ngx_msec_int_t       left;
    ngx_cordon_check_t  *t, *was;

    key = ngx_cordon_check_key(app, health, upstream);

    if (ngx_cordon_check_find(set, key)) {
        return;                                 /* written twice */
    }

    t = ngx_cordon_check_create(app, first, health, upstream);

    if (t == NULL) {
        return;
    }

    (void) ngx_cordon_addr_make(&t->addr, upstream);

    t->every = health->every;
    t->fall = health->fall;
    t->rise = health->rise;
    t->tls = app->upstream_tls;
    t->state.down = cd_health_is_down(ngx_cordon_checks.map, key);
    t->timer.handler = ngx_cordon_check_timer;
    t->timer.data = &ngx_cordon_checks.dummy;
    t->timer.log = ngx_cordon_checks.cycle_log;
    t->timer.cancelable = 1;
    t->node.key = key;

    ngx_rbtree_insert(&set->tree, &t->node);
    ngx_queue_insert_tail(&set->queue, &t->queue);
    set->n++;

    wait = ngx_min((ngx_msec_t) t->every * 1000, NGX_CORDON_CHECK_FIRST);
    was = ngx_cordon_check_find(old, key);

    if (was == NULL) {
        ngx_cordon_random(ngx_cordon_checks.w, (u_char *) &key, sizeof(key));
        ngx_add_timer(&t->timer, key % wait);
        return;
    }

    /* goes on as it was, also when policies come faster than checks */

    t->state = was->state;
    left = was->step == NGX_CORDON_CHECK_IDLE
           ? (ngx_msec_int_t) (was->timer.timer.key - ngx_current_msec) : 0;
    left = ngx_min(left, (ngx_msec_int_t) t->every * 1000);

    ngx_add_timer(&t->timer, (ngx_msec_t) ngx_max(left, 0));
}


static void
ngx_cordon_check_app(const struct cd_snapshot *snapshot,
    const struct cd_app *app, ngx_cordon_check_set_t *set,
    ngx_cordon_check_set_t *old)
{
    uint32_t            i;
    struct cd_str       first;
    struct cd_health    health;
    struct cd_upstream  upstream;

    if (!cd_snapshot_app_health(snapshot, app->index, &health)) {
        return;
    }

    first = CD_STR_NULL;

    for (i = 0; i < app->n_upstreams && i < NGX_CORDON_UPSTREAMS; i++) {

        if (!cd_snapshot_upstream(snapshot, app->index, i, &upstream)) {
            continue;
        }

        if (i == 0) {
            first = upstream.host;              /* what requests insist on */
        }

        if (upstream.addr.family && set->n < CD_HEALTH_MAX) {
            ngx_cordon_check_add(app, first, &health, &upstream, set, old);
        }
    }
}


static void
ngx_cordon_check_take(const struct cd_snapshot *snapshot)
{
    uint32_t                 i;
    struct cd_app            app;
    ngx_cordon_check_set_t  *set, *old;

    old = ngx_cordon_checks.set;
    set = old == &ngx_cordon_checks.sets[0] ? &ngx_cordon_checks.sets[1]
                                            : &ngx_cordon_checks.sets[0];
    ngx_cordon_check_set_init(set);

    for (i = 0; i < cd_snapshot_app_count(snapshot); i++) {
        if (cd_snapshot_app(snapshot, i, &app)
            && app.kind == ngx_cordon_checks.kind)
        {
            ngx_cordon_check_app(snapshot, &app, set, old);
        }
    }

    if (set->n == CD_HEALTH_MAX) {
        ngx_log_error(NGX_LOG_ERR, ngx_cordon_checks.cycle_log, 0,
                      "cordon: the health of %ui servers is checked, of no "
                      "more", set->n);
    }

    ngx_cordon_check_set_done(old);
    ngx_cordon_checks.set = set;

    ngx_shmtx_lock(&ngx_cordon_checks.pool->mutex);
    cd_health_keep(ngx_cordon_checks.map, ngx_cordon_check_wanted, set);
    ngx_shmtx_unlock(&ngx_cordon_checks.pool->mutex);
}


void
ngx_cordon_check_tick(void)
{
    ngx_cordon_worker_t  *w;

    if (ngx_cordon_checks.set == NULL) {
        return;
    }

    if (ngx_exiting) {
        ngx_cordon_check_done();                /* the successor's work */
        return;
    }

    w = ngx_cordon_checks.w;

    if (w->policy == NULL
        || (ngx_cordon_checks.taken
            && ngx_memcmp(w->policy->hash, ngx_cordon_checks.hash,
                          CD_SNAPMAP_HASH_LEN)
               == 0))
    {
        return;
    }

    ngx_memcpy(ngx_cordon_checks.hash, w->policy->hash, CD_SNAPMAP_HASH_LEN);
    ngx_cordon_checks.taken = 1;

    ngx_cordon_check_take(w->policy->snapshot);
}


/* ---- the worker ---- */

void
ngx_cordon_check_init(ngx_cordon_worker_t *w, ngx_shm_zone_t *zone,
    enum cd_app_kind kind, ngx_ssl_t *ssl, ngx_cycle_t *cycle)
{
    ngx_cordon_checks.w = w;
    ngx_cordon_checks.map = zone->data;
    ngx_cordon_checks.pool = (ngx_slab_pool_t *) (void *) zone->shm.addr;
    ngx_cordon_checks.kind = kind;
    ngx_cordon_checks.ssl = ssl;
    ngx_cordon_checks.cycle_log = cycle->log;
    ngx_cordon_checks.dummy.fd = (ngx_socket_t) -1;

    /* a server that is down is said once, when it changes */

    ngx_cordon_checks.log = *cycle->log;
    ngx_cordon_checks.log.log_level = NGX_LOG_ALERT;

    if (ngx_worker == 0) {
        ngx_cordon_checks.set = &ngx_cordon_checks.sets[0];
        ngx_cordon_check_set_init(ngx_cordon_checks.set);
    }
}


void
ngx_cordon_check_done(void)
{
    if (ngx_cordon_checks.set) {
        ngx_cordon_check_set_done(ngx_cordon_checks.set);
        ngx_cordon_checks.set = NULL;
    }
}
