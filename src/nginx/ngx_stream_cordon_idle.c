// SPDX-License-Identifier: Apache-2.0
/*
 * The timeout line of a TCP app: a connection on which neither side sent
 * anything for so long is closed. nginx's proxy_timeout is one for all apps
 * and part of a configuration that we never reload; this counts beside it,
 * and ends a connection at most an eighth late.
 */
#include "ngx_stream_cordon.h"


#define NGX_STREAM_CORDON_LOOKS     8       /* in one timeout */
#define NGX_STREAM_CORDON_LOOK_MIN  100     /* ms */


static void
ngx_stream_cordon_idle_plan(ngx_stream_cordon_ctx_t *ctx)
{
    ngx_msec_t  look;

    look = ctx->timeout / NGX_STREAM_CORDON_LOOKS;

    ngx_add_timer(&ctx->idle, ngx_max(look, NGX_STREAM_CORDON_LOOK_MIN));
}


static void
ngx_stream_cordon_idle_look(ngx_event_t *ev)
{
    off_t                     bytes;
    ngx_stream_session_t     *s;
    ngx_stream_cordon_ctx_t  *ctx;

    ctx = (ngx_stream_cordon_ctx_t *) (void *)
              ((u_char *) ev - offsetof(ngx_stream_cordon_ctx_t, idle));
    s = ctx->session;

    bytes = s->received + (s->upstream ? s->upstream->received : 0);

    if (bytes != ctx->bytes) {
        ctx->bytes = bytes;
        ctx->moved_at = ngx_current_msec;

    } else if (ngx_current_msec - ctx->moved_at >= ctx->timeout) {
        ngx_log_error(NGX_LOG_NOTICE, s->connection->log, 0,
                      "cordon: nothing was sent for %M ms, the timeout of "
                      "app \"%V\"", ctx->timeout, &ctx->app);
        ngx_stream_cordon_shut(s);
        return;
    }

    ngx_stream_cordon_idle_plan(ctx);
}


void
ngx_stream_cordon_idle_start(ngx_stream_cordon_ctx_t *ctx, uint32_t seconds)
{
    if (seconds == 0) {
        return;
    }

    ctx->timeout = (ngx_msec_t) seconds * 1000;
    ctx->moved_at = ngx_current_msec;

    ctx->idle.handler = ngx_stream_cordon_idle_look;
    ctx->idle.data = ctx->session->connection;
    ctx->idle.log = ctx->session->connection->log;
    ctx->idle.cancelable = 1;

    ngx_stream_cordon_idle_plan(ctx);
}
