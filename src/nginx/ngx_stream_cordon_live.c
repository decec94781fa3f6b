// SPDX-License-Identifier: Apache-2.0
/*
 * Live TCP connections: decided again when policy or sessions moved or a clock
 * says so, and cut when the verdict fell. When that is: ngx_cordon_live.c.
 */
#include "ngx_stream_cordon.h"

#include "base/str.h"


ngx_int_t
ngx_stream_cordon_log(ngx_stream_session_t *s)
{
    struct cd_request              request;
    ngx_stream_cordon_ctx_t       *ctx;
    ngx_stream_upstream_state_t   *state;

    ctx = ngx_stream_get_module_ctx(s, ngx_stream_cordon_module);

    if (ctx == NULL || !ctx->allowed) {
        return NGX_OK;
    }

    if (s->upstream_states && s->upstream_states->nelts && ctx->upstream.socklen)
    {
        state = s->upstream_states->elts;

        if (state[s->upstream_states->nelts - 1].connect_time
            == (ngx_msec_t) -1)
        {
            (void) ngx_cordon_health_failed(&ctx->upstream);

        } else {
            (void) ngx_cordon_health_good(&ctx->upstream);
        }
    }

    if (ctx->cut) {
        return NGX_OK;                          /* has its own event */
    }

    (void) ngx_stream_cordon_decide(ctx, &request);
    ngx_stream_cordon_event(ctx, CD_EVENT_CONNECTION_END, &request, NULL);

    return NGX_OK;
}


void
ngx_stream_cordon_shut(ngx_stream_session_t *s)
{
    (void) ngx_shutdown_socket(s->connection->fd, SHUT_RDWR);

    if (s->upstream && s->upstream->peer.connection) {
        (void) ngx_shutdown_socket(s->upstream->peer.connection->fd,
                                   SHUT_RDWR);
    }
}


static void
ngx_stream_cordon_cut(ngx_stream_cordon_ctx_t *ctx)
{
    ngx_stream_cordon_leave(ctx);
    ctx->cut = 1;

    ngx_log_error(NGX_LOG_NOTICE, ctx->session->connection->log, 0,
                  "cordon: live connection cut");

    ngx_stream_cordon_shut(ctx->session);
}


/* 1: the connection has to go. */

static ngx_uint_t
ngx_stream_cordon_again(ngx_stream_cordon_ctx_t *ctx, int64_t now)
{
    ngx_uint_t          gone;
    struct cd_request   request;
    struct cd_decision  d;

    d = ngx_stream_cordon_decide(ctx, &request);

    /* also where anybody is let in: it was opened as this person */

    gone = ctx->person && !ctx->who.live;

    if (gone && d.verdict == CD_ALLOW) {
        d = ngx_cordon_refusal(CD_REASON_SESSION_EXPIRED);
        d.reason = (uint8_t) ngx_cordon_reason(&ctx->who, &d);
    }

    if (d.verdict == CD_ALLOW && !ngx_cordon_allow_is_over(&ctx->allow, now)) {
        ngx_cordon_allow_take(&ngx_stream_cordon.w, &ctx->allow, &d);
        return 0;
    }

    if (!ngx_cordon_allow_has_ended(&ctx->allow, &d, gone, now)) {
        return 0;
    }

    ngx_stream_cordon_event(ctx, CD_EVENT_CONNECTION_CUT, &request, &d);

    return 1;
}


static void
ngx_stream_cordon_sweep(ngx_cordon_look_t *look)
{
    ngx_queue_t                 *q, *next;
    ngx_stream_cordon_ctx_t     *ctx;
    ngx_stream_cordon_worker_t  *sw = &ngx_stream_cordon;

    for (q = ngx_queue_head(&sw->live);
         q != ngx_queue_sentinel(&sw->live);
         q = next)
    {
        next = ngx_queue_next(q);
        ctx = ngx_queue_data(q, ngx_stream_cordon_ctx_t, live);

        ngx_cordon_allow_set_back(&ctx->allow, look);

        if (ngx_cordon_allow_is_due(&sw->w, &ctx->allow, &ctx->who, look)
            && ngx_stream_cordon_again(ctx, look->now))
        {
            /* only shuts sockets: nothing leaves the list but this one */
            ngx_stream_cordon_cut(ctx);
            continue;
        }

        ngx_cordon_allow_plan(&sw->w, &ctx->allow);
    }
}


static void
ngx_stream_cordon_report_used(void)
{
    ngx_queue_t                 *q;
    ngx_stream_cordon_ctx_t     *ctx;
    ngx_stream_cordon_worker_t  *sw = &ngx_stream_cordon;

    for (q = ngx_queue_head(&sw->live);
         q != ngx_queue_sentinel(&sw->live);
         q = ngx_queue_next(q))
    {
        ctx = ngx_queue_data(q, ngx_stream_cordon_ctx_t, live);

        ngx_cordon_who_used(&sw->w, &ctx->who, &ctx->used,
                            ctx->session->received);
    }
}


void
ngx_stream_cordon_tick(ngx_event_t *ev)
{
    ngx_uint_t         moved;
    ngx_cordon_look_t  look;

    (void) ev;

    moved = ngx_cordon_tick(&ngx_stream_cordon.w, &look);

    if (look.used) {
        ngx_stream_cordon_report_used();        /* before a limit has passed */
    }

    if (moved) {
        ngx_stream_cordon_sweep(&look);
    }
}
