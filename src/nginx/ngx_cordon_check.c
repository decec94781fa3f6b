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
 * Of a server that is written as a name, each of its addresses is checked
 * (ngx_cordon_check_name.c).
 */
#include "ngx_cordon_check_set.h"
#include <ngx_event_connect.h>


#define NGX_CORDON_CHECK_ZONE     (256 * 1024)
#define NGX_CORDON_CHECK_TIMEOUT  5000      /* ms, for all of a check */
#define NGX_CORDON_CHECK_AT_ONCE  256       /* under way at the same time */
#define NGX_CORDON_CHECK_DETAIL   160


ngx_cordon_checks_t  ngx_cordon_checks;


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


uint64_t
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

void
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

void
ngx_cordon_check_later(ngx_event_t *timer, ngx_msec_t delay)
{
    uint32_t  random;

    ngx_cordon_random(ngx_cordon_checks.w, (u_char *) &random, sizeof(random));

    ngx_add_timer(timer, delay - delay / 10 + random % (delay / 5 + 1));
}


void
ngx_cordon_check_tell(const ngx_cordon_check_word_t *word)
{
    struct cd_event_encoder  e;

    ngx_cordon_event_begin(ngx_cordon_checks.w, &e, CD_EVENT_UPSTREAM_HEALTH,
                           NULL);
    cd_event_put_str(&e, CD_EVENT_F_APP, word->app);

    if (word->outcome) {
        cd_event_put_num(&e, CD_EVENT_F_OUTCOME, word->outcome);
    }

    if (word->name.len) {
        cd_event_put_str(&e, CD_EVENT_F_HOST, word->name);
    }

    cd_event_put_addr(&e, CD_EVENT_F_DST_IP, &word->ip);
    cd_event_put_num(&e, CD_EVENT_F_DST_PORT, word->port);
    cd_event_put_str(&e, CD_EVENT_F_DETAIL, word->detail);
    ngx_cordon_event_end(ngx_cordon_checks.w, &e);
}


void
ngx_cordon_check_word(ngx_cordon_check_t *t, ngx_uint_t outcome,
    struct cd_str detail)
{
    ngx_cordon_check_word_t  word;

    word.app = ngx_cordon_str(&t->app);
    word.name = t->named ? ngx_cordon_str(&t->host) : CD_STR_NULL;
    word.ip = ngx_cordon_addr(&t->addr.u.sockaddr);
    word.port = ngx_inet_get_port(&t->addr.u.sockaddr);
    word.outcome = outcome;
    word.detail = detail;

    ngx_cordon_check_tell(&word);
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
}


static void
ngx_cordon_check_finish(ngx_cordon_check_t *t, ngx_uint_t good,
    const char *fmt, ...)
{
    u_char      buf[NGX_CORDON_CHECK_DETAIL];
    va_list     args;
    ngx_str_t   detail;
    ngx_uint_t  first, changed;

    ngx_cordon_check_close(t);

    /* who shows the last event must not show one of before a restart */

    first = good != t->state.down && !t->told;
    changed = cd_health_count(&t->state, good, t->fall, t->rise);

    if (changed || first) {
        t->told = 1;
        va_start(args, fmt);
        detail.data = buf;
        detail.len = (size_t) (ngx_vslprintf(buf, buf + sizeof(buf), fmt, args)
                               - buf);
        va_end(args);

        if (changed) {
            ngx_cordon_check_changed(t, &detail);
        }

        ngx_cordon_check_word(t, t->state.down ? CD_OUTCOME_FAILURE
                                               : CD_OUTCOME_SUCCESS,
                              ngx_cordon_str(&detail));
    }

    ngx_cordon_check_later(&t->timer, (ngx_msec_t) t->every * 1000);
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
            ngx_cordon_check_later(&t->timer, (ngx_msec_t) t->every * 1000);
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
        ngx_cordon_check_later(&t->timer, (ngx_msec_t) t->every * 1000);
        return;
    }

    timeout = (ngx_msec_t) t->every * 1000;
    timeout = ngx_min(timeout, NGX_CORDON_CHECK_TIMEOUT);

    ngx_add_timer(&t->timer, timeout);
    ngx_cordon_check_go(t);
}


void
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
        ngx_cordon_check_later(&t->timer, 200);
        return;
    }

    ngx_cordon_check_begin(t);
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

    ngx_cordon_checks.asks = ngx_worker == 0;
    ngx_cordon_checks.set = &ngx_cordon_checks.sets[0];
    ngx_cordon_check_set_init(ngx_cordon_checks.set);
}
