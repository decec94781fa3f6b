// SPDX-License-Identifier: Apache-2.0
/*
 * The lines of an app that bind what was let through: how large a request's
 * body may be, how long an upstream may be silent, which headers an answer
 * has; and that none switches the protocol unasked. A module of its own within
 * this file's .so, because nginx orders filters by module: ours sees the
 * headers after add_header, so that an app's own line has the last word.
 *
 * What we send ourselves, refusals and pages, is not the app's and stays as
 * it is.
 */
#include "ngx_http_cordon.h"

#include "base/str.h"


static ngx_int_t ngx_http_cordon_filter_init(ngx_conf_t *cf);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_request_body_filter_pt   ngx_http_next_request_body_filter;


static ngx_http_module_t  ngx_http_cordon_filter_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_cordon_filter_init,           /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_cordon_filter_module = {
    NGX_MODULE_V1,
    &ngx_http_cordon_filter_module_ctx,    /* module context */
    NULL,                                  /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/* ---- body ---- */

/* What the app's lines say of this request. Declined: its body is known to be
 * too large. */

ngx_int_t
ngx_http_cordon_bind(ngx_http_request_t *r, ngx_http_cordon_ctx_t *ctx,
    struct cd_app *app)
{
    const struct cd_snapshot  *snapshot;

    snapshot = ngx_http_cordon.w.policy->snapshot;

    (void) cd_snapshot_app_timeout(snapshot, app->index, &ctx->timeout);
    (void) cd_snapshot_app_body(snapshot, app->index, &ctx->body_max);

    return ctx->body_max && r->headers_in.content_length_n > 0
           && (uint64_t) r->headers_in.content_length_n > ctx->body_max
           ? NGX_DECLINED : NGX_OK;
}


/* Of a body without a length, the bytes are counted as they come, decoded. */

static ngx_int_t
ngx_http_cordon_request_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_chain_t            *cl;
    ngx_http_cordon_ctx_t  *ctx;

    ctx = ngx_http_cordon_ctx(r);

    if (ctx == NULL || ctx->body_max == 0) {
        return ngx_http_next_request_body_filter(r, in);
    }

    for (cl = in; cl; cl = cl->next) {
        ctx->body_read += (uint64_t) ngx_buf_size(cl->buf);
    }

    if (ctx->body_read > ctx->body_max) {
        return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
    }

    return ngx_http_next_request_body_filter(r, in);
}


/* ---- headers of the answer ---- */

/* Headers that nginx keeps a pointer to and would write anew. */

static ngx_table_elt_t **
ngx_http_cordon_known(ngx_http_request_t *r, ngx_str_t *name)
{
    ngx_uint_t               i;
    ngx_http_headers_out_t  *out = &r->headers_out;

    struct {
        const char        *name;
        ngx_table_elt_t  **place;
    } known[] = {
        { "server", &out->server },
        { "date", &out->date },
        { "location", &out->location },
        { "last-modified", &out->last_modified },
        { "etag", &out->etag }
    };

    for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (name->len == ngx_strlen(known[i].name)
            && ngx_strncasecmp(name->data,
                               (u_char *) (uintptr_t) known[i].name, name->len)
               == 0)
        {
            return known[i].place;
        }
    }

    return NULL;
}


static void
ngx_http_cordon_hide(ngx_http_request_t *r, ngx_str_t *name)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    part = &r->headers_out.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                break;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].key.len == name->len
            && ngx_strncasecmp(h[i].key.data, name->data, name->len) == 0)
        {
            h[i].hash = 0;
        }
    }
}


static ngx_uint_t
ngx_http_cordon_is_type(ngx_str_t *name)
{
    return name->len == 12
           && ngx_strncasecmp(name->data, (u_char *) "content-type", 12) == 0;
}


/* An element that is not sent stands in the place of what nginx would write
 * of its own accord. */

static ngx_int_t
ngx_http_cordon_put(ngx_http_request_t *r, ngx_str_t *name, ngx_str_t *value,
    ngx_uint_t remove)
{
    ngx_table_elt_t  *h, **place;

    if (ngx_http_cordon_is_type(name)) {
        r->headers_out.content_type = *value;
        r->headers_out.content_type_len = value->len;
        r->headers_out.content_type_lowcase = NULL;
        r->headers_out.charset.len = 0;
        return NGX_OK;
    }

    ngx_http_cordon_hide(r, name);
    place = ngx_http_cordon_known(r, name);

    if (place == &r->headers_out.last_modified) {
        r->headers_out.last_modified_time = -1;
    }

    if (place == &r->headers_out.location) {
        *place = NULL;                          /* would be made absolute */
        place = NULL;
    }

    if (remove && place == NULL) {
        return NGX_OK;
    }

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = remove ? 0 : 1;
    h->key = *name;
    h->value = *value;
    h->lowcase_key = NULL;

    if (place) {
        *place = h;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_cordon_put_text(ngx_http_request_t *r, struct cd_str text)
{
    ngx_str_t         name, value;
    struct cd_header  header;

    while (cd_header_next(&text, &header)) {

        if (ngx_cordon_copy(r->pool, &name, header.name) != NGX_OK) {
            return NGX_ERROR;
        }

        value.data = ngx_pnalloc(r->pool, header.value.len + 1);
        if (value.data == NULL) {
            return NGX_ERROR;
        }

        value.len = cd_header_value(&header, (char *) value.data);

        if (ngx_http_cordon_put(r, &name, &value, header.remove) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* Of the policy in force now: most answers come under the one that decided,
 * where the app has the number it had. */

static ngx_uint_t
ngx_http_cordon_headers_line(ngx_http_cordon_ctx_t *ctx, struct cd_str *text)
{
    uint32_t              index;
    struct cd_app         app;
    ngx_cordon_worker_t  *w;

    w = &ngx_http_cordon.w;

    if (w->policy == NULL) {
        return 0;
    }

    index = ctx->app_index;

    if (ctx->policy_gen != w->policy_gen) {

        if (!cd_snapshot_app_by_name(w->policy->snapshot,
                                     ngx_cordon_str(&ctx->app), &app))
        {
            return 0;
        }

        index = app.index;
    }

    return cd_snapshot_app_setting(w->policy->snapshot, index,
                                   CD_STR("headers"), text);
}


/*
 * A server may answer 101 to what never asked for it. nginx would open the
 * tunnel for any header Upgrade that the client sent, and of HTTP/2 give the
 * server the whole connection: every other stream's bytes.
 */

static ngx_int_t
ngx_http_cordon_switched(ngx_http_request_t *r, ngx_http_cordon_ctx_t *ctx)
{
    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "cordon: a server of app \"%V\" switched to another "
                  "protocol unasked", &ctx->app);

    ngx_http_clean_header(r);

    return NGX_HTTP_BAD_GATEWAY;
}


static ngx_int_t
ngx_http_cordon_header_filter(ngx_http_request_t *r)
{
    struct cd_str           text;
    ngx_http_cordon_ctx_t  *ctx;

    ctx = (r == r->main) ? ngx_http_cordon_ctx(r) : NULL;

    if (ctx && r->headers_out.status == NGX_HTTP_SWITCHING_PROTOCOLS
        && !ngx_http_cordon_is_websocket(r))
    {
        return ngx_http_cordon_switched(r, ctx);
    }

    if (ctx == NULL || ctx->page || ctx->trouble || ctx->verdict != CD_ALLOW
        || !ngx_http_cordon_headers_line(ctx, &text))
    {
        return ngx_http_next_header_filter(r);
    }

    if (ngx_http_cordon_put_text(r, text) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_http_cordon_filter_init(ngx_conf_t *cf)
{
    (void) cf;

    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_cordon_header_filter;

    ngx_http_next_request_body_filter = ngx_http_top_request_body_filter;
    ngx_http_top_request_body_filter = ngx_http_cordon_request_body_filter;

    return NGX_OK;
}
