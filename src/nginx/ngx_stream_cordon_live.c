// SPDX-License-Identifier: Apache-2.0
/*
 * Live TCP connections: decided again when policy or sessions moved or a clock
 * says so, and cut when the verdict fell. The timer goes on in a worker that
 * drains after a reload.
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


/* nginx's own handlers see the end of both connections and clean up. */

static void
ngx_stream_cordon_cut(ngx_stream_cordon_ctx_t *ctx)
{
    ngx_connection_t      *c;
    ngx_stream_session_t  *s;

    s = ctx->session;
    c = s->connection;

    ngx_stream_cordon_leave(ctx);
    ctx->cut = 1;

    ngx_log_error(NGX_LOG_NOTICE, c->log, 0, "cordon: live connection cut");

    (void) ngx_shutdown_socket(c->fd, SHUT_RDWR);

    if (s->upstream && s->upstream->peer.connection) {
        (void) ngx_shutdown_socket(s->upstream->peer.connection->fd,
                                   SHUT_RDWR);
    }
}


static ngx_uint_t
ngx_stream_cordon_is_over(ngx_stream_cordon_ctx_t *ctx, int64_t now)
{
    return ctx->max
           && now - ctx->started_at >= (int64_t) ctx->max * 1000000000;
}


/* 1: the connection has to go. */

static ngx_uint_t
ngx_stream_cordon_again(ngx_stream_cordon_ctx_t *ctx, int64_t now)
{
    ngx_uint_t          over;
    struct cd_request   request;
    struct cd_decision  d;

    d = ngx_stream_cordon_decide(ctx, &request);
    over = ngx_stream_cordon_is_over(ctx, now);

    if (d.verdict == CD_ALLOW && !over) {
        ngx_stream_cordon_enter(ctx, &d);
        return 0;
    }

    if (!over && !d.cut_always && !(ctx->person && !ctx->who.live)) {

        if (ctx->on_change == CD_CHANGE_KEEP) {
            ctx->recheck_at = INT64_MAX;
            return 0;
        }

        if (ctx->on_change == CD_CHANGE_DRAIN) {

            if (ctx->drain_at == 0) {
                ctx->drain_at = now + (int64_t) ctx->drain * 1000000000;
            }

            if (now < ctx->drain_at) {
                ctx->recheck_at = ctx->drain_at;
                return 0;
            }
        }
    }

    ngx_stream_cordon_event(ctx, CD_EVENT_CONNECTION_CUT, &request, &d);

    return 1;
}


static void
ngx_stream_cordon_sweep(ngx_uint_t policy_moved, ngx_uint_t moved,
    int64_t now)
{
    ngx_queue_t                 *q, *next;
    ngx_stream_cordon_ctx_t     *ctx;
    ngx_stream_cordon_worker_t  *sw = &ngx_stream_cordon;

    sw->next_recheck = INT64_MAX;

    for (q = ngx_queue_head(&sw->live);
         q != ngx_queue_sentinel(&sw->live);
         q = next)
    {
        next = ngx_queue_next(q);
        ctx = ngx_queue_data(q, ngx_stream_cordon_ctx_t, live);

        if ((policy_moved || now >= ctx->recheck_at
             || ngx_stream_cordon_is_over(ctx, now)
             || (moved && ctx->who.has_key && sw->w.table
                 && cd_session_epoch(sw->w.table, ctx->who.key)
                    != ctx->who.epoch))
            && ngx_stream_cordon_again(ctx, now))
        {
            /* only shuts sockets: nothing leaves the list but this one */
            ngx_stream_cordon_cut(ctx);
            continue;
        }

        sw->next_recheck = ngx_min(sw->next_recheck, ctx->recheck_at);

        if (ctx->max) {
            sw->next_recheck = ngx_min(sw->next_recheck, ctx->started_at
                                       + (int64_t) ctx->max * 1000000000);
        }
    }
}


/* Goes on in a worker that drains after a reload. */

void
ngx_stream_cordon_tick(ngx_event_t *ev)
{
    int64_t                      now;
    uint64_t                     gen;
    ngx_uint_t                   moved;
    ngx_stream_cordon_worker_t  *sw = &ngx_stream_cordon;

    ngx_cordon_refresh_all(&sw->w, ev->log);

    now = ngx_cordon_now();
    gen = sw->w.policy_gen + sw->w.table_gen;
    moved = ngx_cordon_moved(&sw->w);

    if (moved || now >= sw->next_recheck) {
        ngx_stream_cordon_sweep(gen != sw->decided_gen, moved, now);
        sw->decided_gen = gen;
    }

    ngx_add_timer(ev, NGX_CORDON_TICK);
}
