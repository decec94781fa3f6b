// SPDX-License-Identifier: Apache-2.0
/*
 * Live requests and connections, and their end.
 *
 * Every allowed request is in a list from before it was decided until it
 * ends. When policy or sessions moved, those whose epoch or policy is not the
 * one they were decided on are decided again; a clock that can turn a decision
 * is the decision's own recheck_at. A verdict that fell cuts the request: the
 * client's connection is closed, or in HTTP/2 its stream reset, and the
 * upstream's connection is closed with it.
 *
 * When that is, and the timer: ngx_cordon_live.c.
 */
#include "ngx_http_cordon.h"


void
ngx_http_cordon_live_enter(ngx_http_cordon_ctx_t *ctx)
{
    if (!ctx->linked) {
        ngx_queue_insert_tail(&ngx_http_cordon.live, &ctx->live);
        ctx->linked = 1;
    }
}


void
ngx_http_cordon_live_leave(ngx_http_cordon_ctx_t *ctx)
{
    if (ctx->linked) {
        ngx_queue_remove(&ctx->live);
        ctx->linked = 0;
    }
}


/* ---- cutting ---- */

static void
ngx_http_cordon_cut(ngx_http_cordon_ctx_t *ctx)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;
#if (NGX_HTTP_V2)
    ngx_connection_t    *h2;
#endif

    r = ctx->request;
    c = r->connection;

    ngx_http_cordon_live_leave(ctx);

    ngx_log_error(NGX_LOG_NOTICE, c->log, 0,
                  "cordon: live request cut, reason %s",
                  cd_reason_name((enum cd_reason) ctx->reason));

#if (NGX_HTTP_V2)
    h2 = r->stream ? r->stream->connection->connection : NULL;
#endif

    /* both ends: termination runs the upstream's cleanup */

    c->error = 1;
    r->main->count++;
    ngx_http_finalize_request(r, NGX_ERROR);
    ngx_http_run_posted_requests(c);

#if (NGX_HTTP_V2)
    if (h2) {
        /* the frame that resets the stream is queued and nobody else's event
         * would send it */
        ngx_post_event(h2->write, &ngx_posted_events);
    }
#endif
}


/* Decides a live request again. 1: it has to go. */

static ngx_uint_t
ngx_http_cordon_again(ngx_http_cordon_ctx_t *ctx, int64_t now)
{
    ngx_uint_t          gone;
    struct cd_request   request;
    struct cd_decision  d;

    d = ngx_http_cordon_decide(ctx, &request);

    /* session over, or person disabled: an app that is open to anybody still
     * serves this one as the person it was told */

    gone = ctx->who.has_key && !ctx->who.live && ctx->user.len;

    if (gone && d.verdict == CD_ALLOW) {
        d = ngx_cordon_refusal(CD_REASON_SESSION_EXPIRED);
    }

    if (d.verdict == CD_ALLOW && !ngx_cordon_allow_is_over(&ctx->allow, now)) {
        ngx_cordon_allow_take(&ngx_http_cordon.w, &ctx->allow, &d);
        return 0;
    }

    ctx->reason = ngx_cordon_reason(&ctx->who, &d);

    if (!ngx_cordon_allow_has_ended(&ctx->allow, &d, gone, now)) {
        return 0;
    }

    d.reason = (uint8_t) ctx->reason;
    ngx_http_cordon_event(ctx, CD_EVENT_CONNECTION_CUT, &request, &d);

    return 1;
}


/* ---- connections ---- */

static void
ngx_http_cordon_conn_gone(void *data)
{
    ngx_http_cordon_conn_t  *conn = data;

    ngx_queue_remove(&conn->queue);
    ngx_explicit_memzero(conn->token, sizeof(conn->token));
}


/* The client's connection: of a stream of HTTP/2 the one that carries it. */

static ngx_connection_t *
ngx_http_cordon_conn_of(ngx_http_request_t *r)
{
#if (NGX_HTTP_V2)
    if (r->stream) {
        return r->stream->connection->connection;
    }
#endif

    return r->connection;
}


static ngx_http_cordon_conn_t *
ngx_http_cordon_conn_find(ngx_connection_t *c)
{
    ngx_pool_cleanup_t  *cln;

    for (cln = c->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_cordon_conn_gone) {
            return cln->data;
        }
    }

    return NULL;
}


static ngx_http_cordon_conn_t *
ngx_http_cordon_conn_get(ngx_connection_t *c)
{
    ngx_pool_cleanup_t      *cln;
    ngx_http_cordon_conn_t  *conn;

    conn = ngx_http_cordon_conn_find(c);
    if (conn) {
        return conn;
    }

    cln = ngx_pool_cleanup_add(c->pool, sizeof(ngx_http_cordon_conn_t));
    if (cln == NULL) {
        return NULL;
    }

    conn = cln->data;
    ngx_memzero(conn, sizeof(*conn));
    conn->connection = c;
    ngx_queue_insert_tail(&ngx_http_cordon.conns, &conn->queue);
    cln->handler = ngx_http_cordon_conn_gone;

    return conn;
}


/*
 * Browsers and proxies show the same token on a connection again and again.
 * One that another person showed on it before is compared with in constant
 * time: a proxy in front may share its connections.
 */

ngx_int_t
ngx_http_cordon_conn_key(ngx_http_request_t *r, ngx_str_t *token,
    u_char key[CD_SESSION_KEY_LEN])
{
    ngx_http_cordon_conn_t  *conn;

    conn = ngx_http_cordon_conn_find(ngx_http_cordon_conn_of(r));

    if (conn && conn->token_len == token->len
        && CRYPTO_memcmp(conn->token, token->data, token->len) == 0)
    {
        ngx_memcpy(key, conn->token_key, CD_SESSION_KEY_LEN);
        return NGX_OK;
    }

    return ngx_cordon_digest(token->data, token->len, key);
}


/* Remembers that a session was used on this connection. */

ngx_int_t
ngx_http_cordon_conn_note(ngx_http_request_t *r, ngx_http_cordon_ctx_t *ctx)
{
    ngx_uint_t               i, n;
    ngx_http_cordon_conn_t  *conn;

    conn = ngx_http_cordon_conn_get(ngx_http_cordon_conn_of(r));
    if (conn == NULL) {
        return NGX_ERROR;
    }

    if (conn->token_len
        && ngx_memcmp(conn->token_key, ctx->who.key, CD_SESSION_KEY_LEN) == 0)
    {
        return NGX_OK;                          /* noted when it was kept */
    }

    conn->token_len = ctx->token.len;
    ngx_memcpy(conn->token, ctx->token.data, ctx->token.len);
    ngx_memcpy(conn->token_key, ctx->who.key, CD_SESSION_KEY_LEN);

#if (NGX_HTTP_V2)
    conn->h2c = r->stream ? r->stream->connection : NULL;
#endif

    n = ngx_min(conn->n, NGX_HTTP_CORDON_CONN_KEYS);

    for (i = 0; i < n; i++) {
        if (ngx_memcmp(conn->keys[i], ctx->who.key, CD_SESSION_KEY_LEN) == 0) {
            return NGX_OK;
        }
    }

    ngx_memcpy(conn->keys[conn->n++ % NGX_HTTP_CORDON_CONN_KEYS],
               ctx->who.key, CD_SESSION_KEY_LEN);

    return NGX_OK;
}


static ngx_uint_t
ngx_http_cordon_conn_is_idle(ngx_http_cordon_conn_t *conn)
{
#if (NGX_HTTP_V2)

    /* a connection of HTTP/2 is marked idle for all of its life */

    if (conn->h2c) {
        return conn->h2c->processing == 0 && conn->h2c->pushing == 0;
    }

#endif

    return conn->connection->idle;
}


static void
ngx_http_cordon_sweep_conns(void)
{
    ngx_uint_t               i, n;
    ngx_queue_t             *q, *next;
    ngx_http_cordon_conn_t  *conn;
    struct cd_session_view  *v;
    ngx_http_cordon_worker_t *hw = &ngx_http_cordon;

    for (q = ngx_queue_head(&hw->conns);
         q != ngx_queue_sentinel(&hw->conns);
         q = ngx_queue_next(q))
    {
        conn = ngx_queue_data(q, ngx_http_cordon_conn_t, queue);
        n = ngx_min(conn->n, NGX_HTTP_CORDON_CONN_KEYS);
        v = &hw->w.view;

        for (i = 0; i < n && hw->w.table; i++) {
            if (cd_session_lookup(hw->w.table, conn->keys[i], v) != 0
                || v->state != CD_SESSION_LIVE || v->disabled)
            {
                conn->ended = 1;
            }
        }
    }

    /* closing one takes it out of the list and no other */

    hw->conns_ended = 0;

    for (q = ngx_queue_head(&hw->conns);
         q != ngx_queue_sentinel(&hw->conns);
         q = next)
    {
        next = ngx_queue_next(q);
        conn = ngx_queue_data(q, ngx_http_cordon_conn_t, queue);

        if (!conn->ended) {
            continue;
        }

        if (!ngx_http_cordon_conn_is_idle(conn)) {
            hw->conns_ended++;
            continue;
        }

        conn->connection->close = 1;
        conn->connection->read->handler(conn->connection->read);
    }
}


/* ---- the timer ---- */

/*
 * Cutting one request may end others (pipelined behind it, streams of its
 * connection), so those that have to go are gathered first, and looked for in
 * the gathered list only.
 */

static void
ngx_http_cordon_sweep_live(ngx_cordon_look_t *look)
{
    ngx_queue_t               cut, *q, *next;
    ngx_http_cordon_ctx_t    *ctx;
    ngx_http_cordon_worker_t *hw = &ngx_http_cordon;

    ngx_queue_init(&cut);

    for (q = ngx_queue_head(&hw->live);
         q != ngx_queue_sentinel(&hw->live);
         q = next)
    {
        next = ngx_queue_next(q);
        ctx = ngx_queue_data(q, ngx_http_cordon_ctx_t, live);

        ngx_cordon_allow_set_back(&ctx->allow, look);

        if (ngx_cordon_allow_is_due(&hw->w, &ctx->allow, &ctx->who, look)
            && ngx_http_cordon_again(ctx, look->now))
        {
            ngx_queue_remove(q);
            ngx_queue_insert_tail(&cut, q);
            continue;
        }

        ngx_cordon_allow_plan(&hw->w, &ctx->allow);
    }

    while (!ngx_queue_empty(&cut)) {
        ctx = ngx_queue_data(ngx_queue_head(&cut), ngx_http_cordon_ctx_t,
                             live);
        ngx_http_cordon_cut(ctx);
    }
}


/* After an upgrade nginx passes on what comes, and counts what it passed. */

static void
ngx_http_cordon_look_used(ngx_http_cordon_ctx_t *ctx)
{
    off_t                 bytes;
    ngx_http_upstream_t  *u;

    bytes = ctx->request->request_length;
    u = ctx->request->upstream;

    if (u && u->upgrade && u->peer.connection) {
        bytes = u->peer.connection->sent;

        if (!ctx->upgraded) {
            ctx->upgraded = 1;
            ctx->used.known = 0;                /* counted from here on */
        }
    }

    ngx_cordon_who_used(&ngx_http_cordon.w, &ctx->who, &ctx->used, bytes);
}


static void
ngx_http_cordon_report_used(void)
{
    ngx_queue_t               *q;
    ngx_http_cordon_worker_t  *hw = &ngx_http_cordon;

    for (q = ngx_queue_head(&hw->live);
         q != ngx_queue_sentinel(&hw->live);
         q = ngx_queue_next(q))
    {
        ngx_http_cordon_look_used(ngx_queue_data(q, ngx_http_cordon_ctx_t,
                                                 live));
    }
}


void
ngx_http_cordon_tick(ngx_event_t *ev)
{
    ngx_uint_t                 moved;
    ngx_cordon_look_t          look;
    ngx_http_cordon_worker_t  *hw = &ngx_http_cordon;

    (void) ev;

    moved = ngx_cordon_tick(&hw->w, &look);

    if (look.used) {
        ngx_http_cordon_report_used();          /* before a limit has passed */
    }

    if (moved) {
        ngx_http_cordon_sweep_live(&look);
    }

    if (look.moved || hw->conns_ended) {
        ngx_http_cordon_sweep_conns();
    }
}
