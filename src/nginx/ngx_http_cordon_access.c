// SPDX-License-Identifier: Apache-2.0
/*
 * The access phase: translate the request, ask for a decision, act on it.
 * Runs again when what an allowed request waited for has arrived, and after
 * the jump to the location that serves it.
 */
#include "ngx_http_cordon.h"

#include "base/http.h"
#include "base/str.h"


static void
ngx_http_cordon_done(void *data)
{
    ngx_http_cordon_ctx_t  *ctx = data;

    ngx_http_cordon_live_leave(ctx);
    ngx_http_cordon_assert_forget(ctx);

    if (ctx->resolve) {
        ngx_resolve_name_done(ctx->resolve);
        ctx->resolve = NULL;
    }
}


/* nginx clears module contexts at an internal redirect; the cleanup stays. */

ngx_http_cordon_ctx_t *
ngx_http_cordon_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t     *cln;
    ngx_http_cordon_ctx_t  *ctx;

    r = r->main;
    ctx = ngx_http_get_module_ctx(r, ngx_http_cordon_module);

    if (ctx || r->pool == NULL) {
        return ctx;
    }

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_cordon_done) {
            ctx = cln->data;
            ngx_http_set_ctx(r, ctx, ngx_http_cordon_module);
            return ctx;
        }
    }

    return NULL;
}


/* W3C trace context: the client's trace goes on, the span is ours. Of two
 * headers none counts. */

static void
ngx_http_cordon_trace(ngx_http_request_t *r, ngx_http_cordon_ctx_t *ctx)
{
    ngx_uint_t                  n;
    ngx_table_elt_t            *h;
    struct cd_traceparent       parent;
    ngx_http_cordon_headers_t   at;

    n = 0;
    at = ngx_http_cordon_headers(r);

    while ((h = ngx_http_cordon_header_next(&at)) != NULL) {
        if (ngx_http_cordon_header_is(h, "traceparent")) {
            ctx->traced = cd_traceparent_parse(ngx_cordon_str(&h->value),
                                               &parent)
                          && n == 0;
            n++;
        }
    }

    ngx_cordon_random(&ngx_http_cordon.w, ctx->span, sizeof(ctx->span));

    if (ctx->traced) {
        ngx_memcpy(ctx->trace, parent.trace, sizeof(ctx->trace));
        ctx->sampled = parent.sampled;
        return;
    }

    ngx_cordon_random(&ngx_http_cordon.w, ctx->trace, sizeof(ctx->trace));
    ctx->sampled = 1;
}


static ngx_http_cordon_ctx_t *
ngx_http_cordon_create_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t     *cln;
    ngx_http_cordon_ctx_t  *ctx;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_cordon_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(*ctx));

    ctx->request = r;
    ctx->allow.started_at = ngx_cordon_now();
    ctx->allow.recheck_at = INT64_MAX;
    cln->handler = ngx_http_cordon_done;

    ngx_http_set_ctx(r, ctx, ngx_http_cordon_module);
    ngx_http_cordon_trace(r, ctx);

    return ctx;
}


static void
ngx_http_cordon_fill(ngx_http_cordon_ctx_t *ctx, struct cd_request *request)
{
    ngx_cordon_fill(&ngx_http_cordon.w, request, &ctx->who,
                    ctx->request->connection, &ctx->host, &ctx->app);

    request->kind = CD_KIND_HTTP;
    request->capabilities = CD_CAN_ASK|CD_CAN_MAX;
    request->started_at = ctx->allow.started_at;

    cd_request_set_str(request, CD_ATTR_HTTP_METHOD,
                       ngx_cordon_str(&ctx->method));
    cd_request_set_str(request, CD_ATTR_HTTP_PATH,
                       ngx_cordon_str(&ctx->path));
}


/* Of a request as it begins, and of a live one again. */

struct cd_decision
ngx_http_cordon_decide(ngx_http_cordon_ctx_t *ctx, struct cd_request *request)
{
    ngx_cordon_who_find(&ngx_http_cordon.w, &ctx->who,
                        ngx_cordon_str(&ctx->app));
    ngx_http_cordon_fill(ctx, request);

    return ngx_cordon_decide(&ngx_http_cordon.w, &ctx->who, request);
}


void
ngx_http_cordon_event(ngx_http_cordon_ctx_t *ctx, ngx_uint_t event_class,
    struct cd_request *request, struct cd_decision *d)
{
    ngx_cordon_worker_t     *w;
    struct cd_event_encoder  e;

    w = &ngx_http_cordon.w;

    ngx_cordon_event_begin_of(w, &e, event_class, &ctx->who,
                              ctx->request->connection, ctx->trace);

    /* whose session is gone is nobody any more to the decision */

    if (event_class == CD_EVENT_CONNECTION_CUT && ctx->user.len
        && !ctx->who.live)
    {
        cd_event_put_str(&e, CD_EVENT_F_USER, ngx_cordon_str(&ctx->user));
    }

    ngx_cordon_event_decision(w, &e, request, d);
    ngx_cordon_event_end(w, &e);
}


/* A refusal that no policy was asked about. */

static ngx_int_t
ngx_http_cordon_reject(ngx_http_cordon_ctx_t *ctx, enum cd_reason reason,
    ngx_int_t status)
{
    struct cd_request   request;
    struct cd_decision  d;

    d = ngx_cordon_refusal(reason);

    ngx_http_cordon_fill(ctx, &request);
    ngx_http_cordon_event(ctx, CD_EVENT_DECISION, &request, &d);

    ctx->verdict = CD_DENY;
    ctx->reason = reason;

    /* what follows on this connection is not to be trusted either */

    if (status == NGX_HTTP_BAD_REQUEST) {
        ctx->request->keepalive = 0;
    }

    return status;
}


/* The key that the session table knows a token by. The copy of the token is
 * for the key broker: the header it came in is rewritten for the upstream. */

static ngx_int_t
ngx_http_cordon_identify(ngx_http_request_t *r, ngx_http_cordon_ctx_t *ctx)
{
    ngx_str_t  token;

    if (ngx_http_cordon_token(r, &token) != NGX_OK) {
        return NGX_OK;
    }

    ctx->token.data = ngx_pstrdup(r->pool, &token);
    if (ctx->token.data == NULL) {
        return NGX_ERROR;
    }

    ctx->token.len = token.len;
    ctx->who.has_key = 1;

    return ngx_http_cordon_conn_key(r, &token, ctx->who.key);
}


/* ---- allowed ---- */

static ngx_int_t
ngx_http_cordon_upstream_away(ngx_http_cordon_ctx_t *ctx)
{
    if (ctx->unhealthy) {
        ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0,
                      "cordon: no server of app \"%V\" is healthy",
                      &ctx->app);

        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0,
                  "cordon: app \"%V\" has no server that can be asked",
                  &ctx->app);

    return NGX_HTTP_BAD_GATEWAY;
}


static ngx_int_t
ngx_http_cordon_assertion(ngx_http_request_t *r, ngx_http_cordon_ctx_t *ctx)
{
    ngx_int_t                     rc;
    ngx_http_cordon_loc_conf_t   *lcf;

    rc = ngx_http_cordon_assert(r, ctx);

    if (rc != NGX_ERROR) {
        return rc;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_cordon_module);

    if (!lcf->assertion) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "cordon: no assertion for app \"%V\"", &ctx->app);

    return NGX_ERROR;
}


/* All that follows an allow, resumed after each thing it waits for. */

ngx_int_t
ngx_http_cordon_resume(ngx_http_request_t *r, ngx_http_cordon_ctx_t *ctx)
{
    ngx_int_t  rc;

    if (ctx->n_upstreams == 0) {
        return ngx_http_cordon_upstream_away(ctx);
    }

    rc = ngx_http_cordon_assertion(r, ctx);

    if (rc == NGX_AGAIN) {
        ctx->state = NGX_HTTP_CORDON_WAITING;
        return NGX_AGAIN;
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    ctx->state = NGX_HTTP_CORDON_ROUTED;

    r->unparsed_uri = ctx->uri;
    r->valid_unparsed_uri = 1;

    return ctx->upstream_tls
           ? ngx_http_cordon_jump(r, ctx, "@cordon_tls") : NGX_OK;
}


static ngx_int_t
ngx_http_cordon_allow(ngx_http_request_t *r, ngx_http_cordon_ctx_t *ctx,
    struct cd_app *app, struct cd_decision *d)
{
    ngx_int_t  rc;

    ngx_cordon_allow_take(&ngx_http_cordon.w, &ctx->allow, d);

    if (ctx->who.live) {
        ngx_cordon_who_seen(&ngx_http_cordon.w, &ctx->who);

        if (ngx_http_cordon_conn_note(r, ctx) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (ngx_http_cordon_bind(r, ctx, app) != NGX_OK) {
        return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
    }

    if (ngx_http_cordon_forward_headers(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_cordon_route(r, ctx, app);

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    return ngx_http_cordon_resume(r, ctx);
}


static ngx_int_t
ngx_http_cordon_app(ngx_http_request_t *r, ngx_http_cordon_ctx_t *ctx,
    struct cd_app *app)
{
    struct cd_request   request;
    struct cd_decision  d;

    if (ngx_http_cordon_identify(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->who.has_key && ngx_http_cordon_is_foreign_websocket(r)) {
        return ngx_http_cordon_reject(ctx, CD_REASON_BAD_REQUEST,
                                      NGX_HTTP_FORBIDDEN);
    }

    /* in the list first: what moves from here on is seen by the sweep */

    ngx_http_cordon_live_enter(ctx);

    d = ngx_http_cordon_decide(ctx, &request);

    ctx->verdict = d.verdict;
    ctx->reason = ngx_cordon_reason(&ctx->who, &d);
    d.reason = (uint8_t) ctx->reason;

    ngx_http_cordon_event(ctx, CD_EVENT_DECISION, &request, &d);

    if (d.verdict != CD_ALLOW) {
        ngx_http_cordon_live_leave(ctx);
        return ngx_http_cordon_refuse(r, ctx, &d);
    }

    if (ctx->who.live
        && ngx_cordon_copy(r->pool, &ctx->user, ngx_http_cordon.w.view.user)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->decision = ngx_http_cordon.w.event;

    return ngx_http_cordon_allow(r, ctx, app, &d);
}


/* ---- the way of a request ---- */

static ngx_uint_t
ngx_http_cordon_is_ours(ngx_str_t *path)
{
    static const char  prefix[] = "/.cordon/";

    return path->len >= sizeof(prefix) - 1
           && ngx_strncmp(path->data, prefix, sizeof(prefix) - 1) == 0;
}


static ngx_int_t
ngx_http_cordon_start(ngx_http_request_t *r)
{
    ngx_int_t               rc;
    ngx_str_t              *auth;
    struct cd_app           app;
    ngx_http_cordon_ctx_t  *ctx;
    ngx_cordon_worker_t    *w;

    w = &ngx_http_cordon.w;

    ctx = ngx_http_cordon_create_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_cordon_refresh(w, r->connection->log);

    rc = ngx_http_cordon_request(r, ctx);

    if (rc == NGX_DECLINED) {
        return ngx_http_cordon_reject(ctx, CD_REASON_BAD_REQUEST,
                                      NGX_HTTP_BAD_REQUEST);
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    auth = &ngx_http_cordon.conf->auth_host;

    if (ctx->host.len == auth->len
        && ngx_strncmp(ctx->host.data, auth->data, auth->len) == 0)
    {
        return ngx_http_cordon_page(r, ctx);
    }

    if (w->policy == NULL) {
        return ngx_http_cordon_reject(ctx, CD_REASON_NO_SNAPSHOT,
                                      NGX_HTTP_SERVICE_UNAVAILABLE);
    }

    if (!cd_snapshot_app_by_host(w->policy->snapshot,
                                 ngx_cordon_str(&ctx->host), &app)
        || app.kind != CD_APP_HTTP)
    {
        return ngx_http_cordon_reject(ctx, CD_REASON_NO_SUCH_APP,
                                      NGX_HTTP_MISDIRECTED_REQUEST);
    }

    ctx->app_index = app.index;
    ctx->policy_gen = w->policy_gen;

    if (ngx_cordon_copy(r->pool, &ctx->app, app.name) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_cordon_is_ours(&ctx->path)) {
        return ngx_http_cordon_page(r, ctx);
    }

    return ngx_http_cordon_app(r, ctx, &app);
}


ngx_int_t
ngx_http_cordon_access(ngx_http_request_t *r)
{
    ngx_http_cordon_ctx_t       *ctx;
    ngx_http_cordon_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_cordon_module);

    if (!lcf->enable) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_cordon_ctx(r);

    if (ctx == NULL) {
        /* an error page of a request that was never decided stays inside */
        return r->internal ? NGX_HTTP_FORBIDDEN : ngx_http_cordon_start(r);
    }

    switch (ctx->state) {

    case NGX_HTTP_CORDON_ROUTED:
        return NGX_OK;

    case NGX_HTTP_CORDON_WAITING:
        return ctx->assertion ? NGX_AGAIN : ngx_http_cordon_resume(r, ctx);

    case NGX_HTTP_CORDON_RESOLVING:
        return ctx->resolve ? NGX_AGAIN : ngx_http_cordon_resume(r, ctx);

    default:
        /* refused before; only a page about that may still be sent */
        return r->internal ? NGX_OK : NGX_HTTP_FORBIDDEN;
    }
}
