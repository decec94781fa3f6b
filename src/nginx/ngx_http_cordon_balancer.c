// SPDX-License-Identifier: Apache-2.0
/*
 * Servers of an app come from the policy, so that they change without a
 * reload. "cordon_balancer" takes the place of nginx's own methods in an
 * upstream block; the server line that nginx asks for there is never used.
 */
#include "ngx_http_cordon.h"
#include "ngx_cordon_check.h"

#include "base/str.h"


static ngx_int_t ngx_http_cordon_init_peers(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us);
static ngx_int_t ngx_http_cordon_get_peer(ngx_peer_connection_t *pc,
    void *data);
static void ngx_http_cordon_free_peer(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t state);


static ngx_int_t
ngx_http_cordon_init_balancer(ngx_conf_t *cf, ngx_http_upstream_srv_conf_t *us)
{
    (void) cf;

    us->peer.init = ngx_http_cordon_init_peers;

    return NGX_OK;
}


char *
ngx_http_cordon_balancer(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_upstream_srv_conf_t  *uscf;

    (void) cmd;
    (void) conf;

    uscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_upstream_module);

    if (uscf->peer.init_upstream) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "load balancing method redefined");
    }

    uscf->peer.init_upstream = ngx_http_cordon_init_balancer;
    uscf->flags = NGX_HTTP_UPSTREAM_CREATE;

    return NGX_CONF_OK;
}


#if (NGX_HTTP_SSL)

/* nginx calls both for every server with TLS. Sessions are not taken up again:
 * they would be of another server of the app, or of one that left it. */

static ngx_int_t
ngx_http_cordon_set_session(ngx_peer_connection_t *pc, void *data)
{
    (void) pc;
    (void) data;

    return NGX_OK;
}


static void
ngx_http_cordon_save_session(ngx_peer_connection_t *pc, void *data)
{
    (void) pc;
    (void) data;
}

#endif


/* The app's own timeout, in a copy of what the location says for all. */

static ngx_int_t
ngx_http_cordon_set_timeout(ngx_http_request_t *r, ngx_http_cordon_ctx_t *ctx)
{
    ngx_http_upstream_conf_t  *conf;

    if (ctx->timeout == 0) {
        return NGX_OK;
    }

    conf = ngx_palloc(r->pool, sizeof(ngx_http_upstream_conf_t));
    if (conf == NULL) {
        return NGX_ERROR;
    }

    *conf = *r->upstream->conf;
    conf->read_timeout = (ngx_msec_t) ctx->timeout * 1000;
    r->upstream->conf = conf;

    return NGX_OK;
}


static ngx_int_t
ngx_http_cordon_init_peers(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us)
{
    ngx_http_upstream_t    *u;
    ngx_http_cordon_ctx_t  *ctx;

    (void) us;

    ctx = ngx_http_cordon_ctx(r);

    if (ctx == NULL || ctx->n_upstreams == 0) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "cordon: request without a decided upstream");
        return NGX_ERROR;
    }

    u = r->upstream;
    u->peer.data = ctx;
    u->peer.get = ngx_http_cordon_get_peer;
    u->peer.free = ngx_http_cordon_free_peer;
    u->peer.tries = ctx->n_upstreams;

#if (NGX_HTTP_SSL)
    u->peer.set_session = ngx_http_cordon_set_session;
    u->peer.save_session = ngx_http_cordon_save_session;

    if (ctx->upstream_host.len) {
        u->ssl_name = ctx->upstream_host;
    }
#endif

    return ngx_http_cordon_set_timeout(r, ctx);
}


/* In turn, those first that answered lately; then any that was not tried. */

static ngx_int_t
ngx_http_cordon_get_peer(ngx_peer_connection_t *pc, void *data)
{
    ngx_uint_t              i, n, pass, start;
    ngx_cordon_addr_t      *addr;
    ngx_http_cordon_ctx_t  *ctx;

    ctx = data;
    start = ngx_http_cordon.turn++;

    for (pass = 0; pass < 2; pass++) {
        for (n = 0; n < ctx->n_upstreams; n++) {

            i = (start + n) % ctx->n_upstreams;
            addr = &ctx->upstreams[i];

            if ((ctx->tried & ((ngx_uint_t) 1 << i))
                || (pass == 0 && !ngx_cordon_health_ok(addr)))
            {
                continue;
            }

            ctx->tried |= (ngx_uint_t) 1 << i;
            ctx->current = i;

            pc->sockaddr = &addr->u.sockaddr;
            pc->socklen = addr->socklen;
            pc->name = &ctx->app;
            pc->cached = 0;
            pc->connection = NULL;

            return NGX_OK;
        }
    }

    return NGX_BUSY;
}


static void
ngx_http_cordon_health_event(ngx_http_cordon_ctx_t *ctx,
    ngx_cordon_addr_t *addr, ngx_uint_t outcome)
{
    struct cd_addr           ip;
    ngx_cordon_worker_t     *w;
    struct cd_event_encoder  e;

    w = &ngx_http_cordon.w;
    ip = ngx_cordon_addr(&addr->u.sockaddr);

    ngx_cordon_event_begin(w, &e, CD_EVENT_UPSTREAM_HEALTH, NULL);
    cd_event_put_str(&e, CD_EVENT_F_APP,
                     cd_str_make(ctx->app.data, ctx->app.len));
    cd_event_put_num(&e, CD_EVENT_F_OUTCOME, outcome);
    cd_event_put_addr(&e, CD_EVENT_F_DST_IP, &ip);
    cd_event_put_num(&e, CD_EVENT_F_DST_PORT,
                     ngx_inet_get_port(&addr->u.sockaddr));
    ngx_cordon_event_end(w, &e);
}


static void
ngx_http_cordon_free_peer(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t state)
{
    ngx_cordon_addr_t      *addr;
    ngx_http_cordon_ctx_t  *ctx;

    ctx = data;
    addr = &ctx->upstreams[ctx->current];

    if (state & NGX_PEER_FAILED) {

        if (ngx_cordon_health_failed(addr)) {
            ngx_log_error(NGX_LOG_WARN, pc->log, 0,
                          "cordon: a server of app \"%V\" is down",
                          &ctx->app);
            ngx_http_cordon_health_event(ctx, addr, CD_OUTCOME_FAILURE);
        }

    } else if (ngx_cordon_health_good(addr)) {
        ngx_http_cordon_health_event(ctx, addr, CD_OUTCOME_SUCCESS);
    }

    if (pc->tries) {
        pc->tries--;
    }
}


/* ---- names ---- */

/* By the policy in force now: outcomes of checks are of no other. */

static ngx_uint_t
ngx_http_cordon_is_checked(ngx_http_cordon_ctx_t *ctx, struct cd_app *app,
    struct cd_health *health)
{
    struct cd_snapmap  *policy;

    policy = ngx_http_cordon.w.policy;

    return policy
           && cd_snapshot_app_by_name(policy->snapshot,
                                      ngx_cordon_str(&ctx->app), app)
           && cd_snapshot_app_health(policy->snapshot, app->index, health);
}


static void
ngx_http_cordon_resolved(ngx_resolver_ctx_t *resolve)
{
    ngx_uint_t              i, n, checked;
    struct cd_app           app;
    struct cd_health        health;
    ngx_connection_t       *c;
    ngx_cordon_addr_t      *addr;
    struct cd_upstream      up;
    ngx_http_request_t     *r;
    ngx_http_cordon_ctx_t  *ctx;

    ctx = resolve->data;
    r = ctx->request;
    c = r->connection;

    if (resolve->state) {
        ngx_log_error(NGX_LOG_ERR, c->log, 0,
                      "cordon: %V could not be resolved (%i: %s)",
                      &resolve->name, resolve->state,
                      ngx_resolver_strerror(resolve->state));
    }

    n = resolve->state ? 0 : ngx_min(resolve->naddrs, NGX_CORDON_UPSTREAMS);
    checked = ngx_http_cordon_is_checked(ctx, &app, &health);
    up.port = ctx->upstream_port;

    for (i = 0; i < n; i++) {
        addr = &ctx->upstreams[ctx->n_upstreams];

        if (resolve->addrs[i].socklen > (socklen_t) sizeof(addr->u)) {
            continue;
        }

        up.addr = ngx_cordon_addr(resolve->addrs[i].sockaddr);

        if (checked && ngx_cordon_check_is_down(&app, &health, &up)) {
            ctx->unhealthy = 1;
            continue;
        }

        ngx_memcpy(&addr->u, resolve->addrs[i].sockaddr,
                   resolve->addrs[i].socklen);
        addr->socklen = resolve->addrs[i].socklen;
        ngx_inet_set_port(&addr->u.sockaddr, ctx->upstream_port);
        ctx->n_upstreams++;
    }

    ngx_resolve_name_done(resolve);
    ctx->resolve = NULL;

    if (ctx->state != NGX_HTTP_CORDON_RESOLVING) {
        return;                                 /* answered at once */
    }

    ngx_http_core_run_phases(r);
    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_http_cordon_resolve(ngx_http_request_t *r, ngx_http_cordon_ctx_t *ctx,
    struct cd_upstream *upstream)
{
    ngx_resolver_ctx_t        *resolve, temp;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    temp.name = ctx->upstream_host;

    resolve = ngx_resolve_start(clcf->resolver, &temp);

    if (resolve == NULL) {
        return NGX_ERROR;
    }

    if (resolve == NGX_NO_RESOLVER) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "cordon: the server of app \"%V\" is a name, \"%V\", "
                      "and no resolver is configured", &ctx->app, &temp.name);
        return NGX_ERROR;
    }

    resolve->name = ctx->upstream_host;
    resolve->handler = ngx_http_cordon_resolved;
    resolve->data = ctx;
    resolve->timeout = clcf->resolver_timeout;

    ctx->resolve = resolve;
    ctx->upstream_port = upstream->port;

    if (ngx_resolve_name(resolve) != NGX_OK) {
        ctx->resolve = NULL;
        return NGX_ERROR;
    }

    if (ctx->resolve == NULL) {
        return ctx->n_upstreams ? NGX_OK : NGX_ERROR;
    }

    ctx->state = NGX_HTTP_CORDON_RESOLVING;

    return NGX_AGAIN;
}


/* health: NULL: it is not checked. The addresses of a name that is are at
 * hand, but for a moment as the worker or the app begins. */

static ngx_int_t
ngx_http_cordon_route_name(ngx_http_request_t *r, ngx_http_cordon_ctx_t *ctx,
    struct cd_app *app, struct cd_health *health, struct cd_upstream *upstream)
{
    ngx_int_t  rc;

    /* not the first server's, when that one is an address and not healthy */

    if (ngx_cordon_copy(r->pool, &ctx->upstream_host, upstream->host)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* a name may have more addresses than the app has servers */

    ctx->upstreams = ngx_palloc(r->pool,
                          sizeof(ngx_cordon_addr_t) * NGX_CORDON_UPSTREAMS);
    if (ctx->upstreams == NULL) {
        return NGX_ERROR;
    }

    rc = health ? ngx_cordon_check_addrs(app, health, upstream, ctx->upstreams,
                                         &ctx->n_upstreams)
                : NGX_DECLINED;

    switch (rc) {

    case NGX_OK:
        return NGX_OK;

    case NGX_BUSY:
        ctx->unhealthy = 1;
        return NGX_ERROR;

    default:
        return ngx_http_cordon_resolve(r, ctx, upstream);
    }
}


/* NGX_OK, NGX_AGAIN (a name is being resolved), NGX_ERROR. Servers that checks
 * found unhealthy are not tried, also when that leaves none. */

ngx_int_t
ngx_http_cordon_route(ngx_http_request_t *r, ngx_http_cordon_ctx_t *ctx,
    struct cd_app *app)
{
    uint32_t                   i, n;
    ngx_uint_t                 checked;
    struct cd_health           health;
    struct cd_upstream         upstream, named;
    const struct cd_snapshot  *snapshot;

    snapshot = ngx_http_cordon.w.policy->snapshot;
    n = ngx_min(app->n_upstreams, NGX_CORDON_UPSTREAMS);
    named.host.len = 0;
    named.port = 0;
    checked = cd_snapshot_app_health(snapshot, app->index, &health);

    ctx->upstream_tls = app->upstream_tls;
    ctx->upstreams = ngx_palloc(r->pool, sizeof(ngx_cordon_addr_t) * n);
    if (ctx->upstreams == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        if (!cd_snapshot_upstream(snapshot, app->index, i, &upstream)) {
            continue;
        }

        if (ngx_cordon_addr_make(&ctx->upstreams[ctx->n_upstreams], &upstream)
            == NGX_OK)
        {
            if (checked && ngx_cordon_check_is_down(app, &health, &upstream)) {
                ctx->unhealthy = 1;

            } else {
                ctx->n_upstreams++;
            }

        } else {
            named = upstream;
        }

        if (ctx->upstream_host.len == 0
            && ngx_cordon_copy(r->pool, &ctx->upstream_host, upstream.host)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (ctx->n_upstreams) {
        return NGX_OK;
    }

    if (named.host.len == 0) {
        return NGX_ERROR;
    }

    return ngx_http_cordon_route_name(r, ctx, app, checked ? &health : NULL,
                                      &named);
}
