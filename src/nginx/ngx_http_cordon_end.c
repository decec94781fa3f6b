// SPDX-License-Identifier: Apache-2.0
/*
 * How a request ended that was let through: one short event, which names the
 * decision's event for what went into it. A refused request has none: its
 * status follows from its verdict, and strangers can make very many.
 */
#include "ngx_http_cordon.h"


/* What came from the client. Of a WebSocket nginx counts the handshake alone;
 * the rest was sent on to the upstream as it came. */

static off_t
ngx_http_cordon_received(ngx_http_request_t *r)
{
    ngx_http_upstream_state_t  *state;

    if (r->headers_out.status == NGX_HTTP_SWITCHING_PROTOCOLS
        && r->upstream && (state = r->upstream->state) != NULL
        && state->bytes_sent > r->request_length)
    {
        return state->bytes_sent;
    }

    return r->request_length;
}


/* Microseconds since the first byte. Of the cached time, as all of nginx's. */

static uint64_t
ngx_http_cordon_took(ngx_http_request_t *r)
{
    int64_t               ms;
    volatile ngx_time_t  *tp;

    tp = ngx_cached_time;
    ms = (int64_t) (tp->sec - r->start_sec) * 1000
         + ((int64_t) tp->msec - (int64_t) r->start_msec);

    return ms > 0 ? (uint64_t) ms * 1000 : 0;
}


ngx_int_t
ngx_http_cordon_end(ngx_http_request_t *r)
{
    struct cd_addr           ip;
    ngx_cordon_addr_t       *addr;
    ngx_cordon_worker_t     *w;
    ngx_http_cordon_ctx_t   *ctx;
    struct cd_event_encoder  e;

    ctx = ngx_http_cordon_ctx(r);

    if (ctx == NULL || ctx->decision == 0) {
        return NGX_OK;
    }

    w = &ngx_http_cordon.w;

    ngx_cordon_event_begin_of(w, &e, CD_EVENT_REQUEST_END, &ctx->who,
                              r->connection, ctx->trace);
    cd_event_put_num(&e, CD_EVENT_F_DECISION, ctx->decision);
    cd_event_put_num(&e, CD_EVENT_F_STATUS,
                     r->err_status ? r->err_status : r->headers_out.status);
    cd_event_put_num(&e, CD_EVENT_F_BYTES_IN,
                     (uint64_t) ngx_http_cordon_received(r));
    cd_event_put_num(&e, CD_EVENT_F_BYTES_OUT,
                     (uint64_t) r->connection->sent);
    cd_event_put_num(&e, CD_EVENT_F_DURATION, ngx_http_cordon_took(r));
    cd_event_put_str(&e, CD_EVENT_F_APP, ngx_cordon_str(&ctx->app));

    if (ctx->user.len) {
        cd_event_put_str(&e, CD_EVENT_F_USER, ngx_cordon_str(&ctx->user));
    }

    if (ctx->tried) {
        addr = &ctx->upstreams[ctx->current];
        ip = ngx_cordon_addr(&addr->u.sockaddr);
        cd_event_put_addr(&e, CD_EVENT_F_DST_IP, &ip);
        cd_event_put_num(&e, CD_EVENT_F_DST_PORT,
                         ngx_inet_get_port(&addr->u.sockaddr));
    }

    ngx_cordon_event_end(w, &e);

    return NGX_OK;
}
