// SPDX-License-Identifier: Apache-2.0
/*
 * A TCP connection as it begins, after its TLS handshake: which app, who,
 * the decision, and which server.
 */
#include "ngx_stream_cordon.h"
#include "ngx_cordon_check.h"

#include "base/str.h"

#include <openssl/x509.h>


/* ---- who, and the decision ---- */

void
ngx_stream_cordon_leave(void *data)
{
    ngx_stream_cordon_ctx_t  *ctx = data;

    if (ctx->linked) {
        ngx_queue_remove(&ctx->live);
        ctx->linked = 0;
    }

    if (ctx->idle.timer_set) {
        ngx_del_timer(&ctx->idle);
    }
}


static ngx_stream_cordon_ctx_t *
ngx_stream_cordon_create_ctx(ngx_stream_session_t *s)
{
    ngx_pool_cleanup_t       *cln;
    ngx_stream_cordon_ctx_t  *ctx;

    cln = ngx_pool_cleanup_add(s->connection->pool,
                               sizeof(ngx_stream_cordon_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(*ctx));

    ctx->session = s;
    ctx->allow.started_at = ngx_cordon_now();
    ctx->allow.recheck_at = INT64_MAX;
    cln->handler = ngx_stream_cordon_leave;

    ngx_cordon_random(&ngx_stream_cordon.w, ctx->trace, sizeof(ctx->trace));
    ngx_stream_set_ctx(s, ctx, ngx_stream_cordon_module);

    return ctx;
}


/* The verified client certificate, as the session table knows it. */

static ngx_int_t
ngx_stream_cordon_identify(ngx_stream_session_t *s,
    ngx_stream_cordon_ctx_t *ctx)
{
    int          len;
    X509        *cert;
    u_char      *der;
    SSL         *ssl;
    ngx_int_t    rc;

    if (s->connection->ssl == NULL) {
        return NGX_OK;
    }

    ssl = s->connection->ssl->connection;
    cert = SSL_get1_peer_certificate(ssl);

    if (cert == NULL) {
        return NGX_OK;
    }

    rc = NGX_OK;
    der = NULL;

    if (SSL_get_verify_result(ssl) == X509_V_OK) {
        len = i2d_X509(cert, &der);
        rc = NGX_ERROR;

        if (len > 0) {
            rc = ngx_cordon_digest(der, (size_t) len, ctx->who.key);
            ctx->who.has_key = 1;
        }

        OPENSSL_free(der);
    }

    X509_free(cert);

    return rc;
}


static ngx_int_t
ngx_stream_cordon_name(ngx_stream_session_t *s, ngx_stream_cordon_ctx_t *ctx)
{
    const char  *sni;

    sni = NULL;

    if (s->connection->ssl) {
        sni = SSL_get_servername(s->connection->ssl->connection,
                                 TLSEXT_NAMETYPE_host_name);
    }

    if (sni == NULL) {
        return NGX_DECLINED;
    }

    ctx->host.len = ngx_strlen(sni);
    ctx->host.data = ngx_pnalloc(s->connection->pool, ctx->host.len + 1);
    if (ctx->host.data == NULL) {
        return NGX_ERROR;
    }

    ngx_strlow(ctx->host.data, (u_char *) (uintptr_t) sni, ctx->host.len);

    return NGX_OK;
}


static void
ngx_stream_cordon_fill(ngx_stream_cordon_ctx_t *ctx,
    struct cd_request *request)
{
    ngx_cordon_fill(&ngx_stream_cordon.w, request, &ctx->who,
                    ctx->session->connection, &ctx->host, &ctx->app);

    request->kind = CD_KIND_TLS;
    request->capabilities = CD_CAN_MAX;
    request->started_at = ctx->allow.started_at;
}


/* A session of a certificate is of no app. */

struct cd_decision
ngx_stream_cordon_decide(ngx_stream_cordon_ctx_t *ctx,
    struct cd_request *request)
{
    struct cd_decision  d;

    ngx_cordon_who_find(&ngx_stream_cordon.w, &ctx->who, CD_STR_NULL);
    ngx_stream_cordon_fill(ctx, request);

    d = ngx_cordon_decide(&ngx_stream_cordon.w, &ctx->who, request);
    d.reason = (uint8_t) ngx_cordon_reason(&ctx->who, &d);

    return d;
}


void
ngx_stream_cordon_event(ngx_stream_cordon_ctx_t *ctx, ngx_uint_t event_class,
    struct cd_request *request, struct cd_decision *d)
{
    ngx_connection_t        *c;
    ngx_cordon_worker_t     *w;
    struct cd_event_encoder  e;

    w = &ngx_stream_cordon.w;
    c = ctx->session->connection;

    ngx_cordon_event_begin_of(w, &e, event_class, &ctx->who, c, ctx->trace);

    /* whose session is gone is nobody any more to the decision */

    if (ctx->user.len && !ctx->who.live) {
        cd_event_put_str(&e, CD_EVENT_F_USER, ngx_cordon_str(&ctx->user));
    }

    if (event_class == CD_EVENT_CONNECTION_END) {
        cd_event_put_num(&e, CD_EVENT_F_BYTES_IN,
                         (uint64_t) ctx->session->received);
        cd_event_put_num(&e, CD_EVENT_F_BYTES_OUT, (uint64_t) c->sent);
        cd_event_put_num(&e, CD_EVENT_F_DURATION,
                         (uint64_t) (ngx_cordon_now() - ctx->allow.started_at)
                         / 1000);
    }

    if (d) {
        ngx_cordon_event_decision(w, &e, request, d);

    } else {
        cd_event_put_inputs(&e, request);
    }

    ngx_cordon_event_end(w, &e);
}


static ngx_int_t
ngx_stream_cordon_reject(ngx_stream_cordon_ctx_t *ctx, enum cd_reason reason)
{
    struct cd_request   request;
    struct cd_decision  d;

    d = ngx_cordon_refusal(reason);

    ngx_stream_cordon_fill(ctx, &request);
    ngx_stream_cordon_event(ctx, CD_EVENT_DECISION, &request, &d);

    return NGX_STREAM_FORBIDDEN;
}


/* ---- where to ---- */

/* Of a server that is checked and a name, one of its healthy addresses; it
 * stays a name while none is known. */

static ngx_int_t
ngx_stream_cordon_address(struct cd_app *app, struct cd_health *health,
    struct cd_upstream *up, uint32_t turn)
{
    ngx_int_t           rc;
    ngx_uint_t          i, n;
    ngx_cordon_addr_t  *addr, addrs[NGX_CORDON_UPSTREAMS];

    rc = ngx_cordon_check_addrs(app, health, up, addrs, &n);

    if (rc != NGX_OK) {
        return rc;
    }

    addr = &addrs[turn % n];

    for (i = 1; i < n && !ngx_cordon_health_ok(addr); i++) {
        addr = &addrs[(turn + i) % n];
    }

    up->addr = ngx_cordon_addr(&addr->u.sockaddr);

    return NGX_OK;
}


/* In turn among those that answered lately; any of them when none did, but
 * none that checks found unhealthy (busy: that leaves none). */

static ngx_int_t
ngx_stream_cordon_route(ngx_stream_cordon_ctx_t *ctx, struct cd_app *app)
{
    uint32_t                   i, n, start;
    ngx_int_t                  rc;
    ngx_uint_t                 pass, checked;
    struct cd_health           health;
    ngx_cordon_addr_t          addr;
    struct cd_upstream         up;
    const struct cd_snapshot  *snapshot;

    snapshot = ngx_stream_cordon.w.policy->snapshot;
    checked = cd_snapshot_app_health(snapshot, app->index, &health);
    rc = NGX_DECLINED;
    n = app->n_upstreams;
    start = (uint32_t) ngx_stream_cordon.turn++;

    for (pass = 0; pass < 2; pass++) {
        for (i = 0; i < n; i++) {

            if (!cd_snapshot_upstream(snapshot, app->index, (start + i) % n,
                                      &up))
            {
                continue;
            }

            if (checked && up.addr.family == 0
                && ngx_stream_cordon_address(app, &health, &up, start / n)
                   == NGX_BUSY)
            {
                rc = NGX_BUSY;
                continue;
            }

            if (checked && ngx_cordon_check_is_down(app, &health, &up)) {
                rc = NGX_BUSY;
                continue;
            }

            if (pass == 0
                && ngx_cordon_addr_make(&ctx->upstream, &up) == NGX_OK
                && !ngx_cordon_health_ok(&ctx->upstream))
            {
                continue;
            }

            ctx->target.data = ngx_pnalloc(ctx->session->connection->pool,
                                           up.host.len + NGX_SOCKADDR_STRLEN);
            if (ctx->target.data == NULL) {
                return NGX_ERROR;
            }

            /* an address as such: localhost is one, and asks nobody */

            if (ngx_cordon_addr_make(&addr, &up) == NGX_OK) {
                ctx->target.len = ngx_sock_ntop(&addr.u.sockaddr, addr.socklen,
                                                ctx->target.data,
                                                NGX_SOCKADDR_STRLEN, 1);

            } else {
                ctx->target.len = (size_t)
                    (ngx_sprintf(ctx->target.data, "%*s:%ud",
                                 up.host.len, up.host.ptr, (uint32_t) up.port)
                     - ctx->target.data);
            }

            return NGX_OK;
        }
    }

    return rc;
}


static ngx_int_t
ngx_stream_cordon_app(ngx_stream_session_t *s, ngx_stream_cordon_ctx_t *ctx,
    struct cd_app *app)
{
    uint32_t            timeout;
    struct cd_request   request;
    struct cd_decision  d;

    if (ngx_cordon_copy(s->connection->pool, &ctx->app, app->name) != NGX_OK
        || ngx_stream_cordon_identify(s, ctx) != NGX_OK)
    {
        return NGX_STREAM_INTERNAL_SERVER_ERROR;
    }

    /* in the list before it is decided */

    ngx_queue_insert_tail(&ngx_stream_cordon.live, &ctx->live);
    ctx->linked = 1;

    d = ngx_stream_cordon_decide(ctx, &request);

    ngx_stream_cordon_event(ctx, CD_EVENT_DECISION, &request, &d);

    if (d.verdict != CD_ALLOW) {
        ngx_stream_cordon_leave(ctx);
        return NGX_STREAM_FORBIDDEN;
    }

    switch (ngx_stream_cordon_route(ctx, app)) {

    case NGX_OK:
        break;

    case NGX_BUSY:
        ngx_log_error(NGX_LOG_ERR, s->connection->log, 0,
                      "cordon: no server of app \"%V\" is healthy", &ctx->app);
        return NGX_STREAM_SERVICE_UNAVAILABLE;

    default:
        ngx_log_error(NGX_LOG_ERR, s->connection->log, 0,
                      "cordon: app \"%V\" has no server that can be asked",
                      &ctx->app);
        return NGX_STREAM_BAD_GATEWAY;
    }

    ctx->allowed = 1;
    ctx->person = ctx->who.live;

    if (ctx->person
        && ngx_cordon_copy(s->connection->pool, &ctx->user,
                           ngx_stream_cordon.w.view.user)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_cordon_allow_take(&ngx_stream_cordon.w, &ctx->allow, &d);
    ngx_cordon_who_seen(&ngx_stream_cordon.w, &ctx->who);
    ngx_stream_cordon_event(ctx, CD_EVENT_CONNECTION_BEGIN, &request, NULL);

    if (cd_snapshot_app_timeout(ngx_stream_cordon.w.policy->snapshot,
                                app->index, &timeout))
    {
        ngx_stream_cordon_idle_start(ctx, timeout);
    }

    return NGX_OK;
}


ngx_int_t
ngx_stream_cordon_preread(ngx_stream_session_t *s)
{
    ngx_int_t                      rc;
    struct cd_app                  app;
    ngx_cordon_worker_t           *w;
    ngx_stream_cordon_ctx_t       *ctx;
    ngx_stream_cordon_srv_conf_t  *scf;

    scf = ngx_stream_get_module_srv_conf(s, ngx_stream_cordon_module);

    if (!scf->enable) {
        return NGX_DECLINED;
    }

    w = &ngx_stream_cordon.w;

    /* At the end our close_notify is sent and the client's is not waited for,
     * as nginx does for HTTP: what it sent meanwhile would come instead, and
     * nginx logs that as critical. */

    if (s->connection->ssl) {
        s->connection->ssl->no_wait_shutdown = 1;
    }

    ctx = ngx_stream_cordon_create_ctx(s);
    if (ctx == NULL) {
        return NGX_STREAM_INTERNAL_SERVER_ERROR;
    }

    ngx_cordon_refresh(w, s->connection->log);

    rc = ngx_stream_cordon_name(s, ctx);

    if (rc == NGX_ERROR) {
        return NGX_STREAM_INTERNAL_SERVER_ERROR;
    }

    if (w->policy == NULL) {
        return ngx_stream_cordon_reject(ctx, CD_REASON_NO_SNAPSHOT);
    }

    if (rc != NGX_OK
        || !cd_snapshot_app_by_host(w->policy->snapshot,
                                    ngx_cordon_str(&ctx->host), &app)
        || app.kind != CD_APP_TCP)
    {
        return ngx_stream_cordon_reject(ctx, CD_REASON_NO_SUCH_APP);
    }

    return ngx_stream_cordon_app(s, ctx, &app);
}
