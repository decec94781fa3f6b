// SPDX-License-Identifier: Apache-2.0
/*
 * What somebody sees who is not let through: a redirect to the sign-in, JSON
 * for programs, the refusal page that cordond writes, or a plain one when
 * cordond is away. And cordond's own pages, on every host.
 */
#include "ngx_http_cordon.h"

#include "base/str.h"

#define NGX_HTTP_CORDON_FORM_MAX  65536     /* bytes of a body for cordond */


/* Serves the request by another location, as it is known there. */

ngx_int_t
ngx_http_cordon_jump(ngx_http_request_t *r, ngx_http_cordon_ctx_t *ctx,
    const char *location)
{
    ngx_str_t  name;

    name.data = (u_char *) (uintptr_t) location;
    name.len = ngx_strlen(location);

    ctx->state = NGX_HTTP_CORDON_ROUTED;
    r->valid_unparsed_uri = 1;

    (void) ngx_http_named_location(r, &name);
    ngx_http_finalize_request(r, NGX_DONE);

    return NGX_DONE;
}


static ngx_int_t
ngx_http_cordon_page_headers(ngx_http_request_t *r,
    ngx_http_cordon_ctx_t *ctx)
{
    ngx_str_t  trace;

    ngx_http_cordon_strip(r, ctx, 0);

    if (ngx_http_cordon_trace_hex(r, ctx, &trace) != NGX_OK
        || ngx_http_cordon_add_header(r, "X-Cordon-Client-Addr",
                                      &r->connection->addr_text)
           != NGX_OK
        || ngx_http_cordon_add_header(r, "X-Cordon-Trace", &trace) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ctx->app.len ? ngx_http_cordon_add_header(r, "X-Cordon-App",
                                                     &ctx->app)
                        : NGX_OK;
}


ngx_int_t
ngx_http_cordon_page(ngx_http_request_t *r, ngx_http_cordon_ctx_t *ctx)
{
    if (ngx_http_cordon_page_headers(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->page = 1;

    /* it waits for its end in memory (named locations are past nginx's own
     * look at the length) */

    if (r->headers_in.content_length_n > NGX_HTTP_CORDON_FORM_MAX) {
        return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
    }

    r->unparsed_uri = ctx->uri;

    return ngx_http_cordon_jump(r, ctx, "@cordon_pages");
}


/* ---- who is asking: a browser or a program ---- */

ngx_uint_t
ngx_http_cordon_wants_html(ngx_http_request_t *r)
{
    ngx_table_elt_t            *h;
    ngx_http_cordon_headers_t   at;

    at = ngx_http_cordon_headers(r);

    while ((h = ngx_http_cordon_header_next(&at)) != NULL) {
        if (ngx_http_cordon_header_is(h, "accept")) {
            return ngx_strlcasestrn(h->value.data,
                                    h->value.data + h->value.len,
                                    (u_char *) "text/html", 8)
                   != NULL;
        }
    }

    return 0;
}


/* Where to sign in, and back to what was asked for. */

static ngx_int_t
ngx_http_cordon_start_url(ngx_http_request_t *r, ngx_http_cordon_ctx_t *ctx,
    ngx_str_t *url)
{
    size_t      len;
    u_char     *p;
    ngx_str_t  *auth, to;

    static const char  start[] = "/.cordon/start?app=";
    static const char  back[] = "&to=";
    static const char  need[] = "&need=stepup";

    auth = &ngx_http_cordon.conf->auth_url;
    to = ctx->uri;

    if (r->method != NGX_HTTP_GET && r->method != NGX_HTTP_HEAD) {
        ngx_str_set(&to, "/");
    }

    len = auth->len + sizeof(start) + sizeof(back) + sizeof(need)
          + 3 * (ctx->app.len + to.len);

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    url->data = p;

    p = ngx_cpymem(p, auth->data, auth->len);
    p = ngx_cpymem(p, start, sizeof(start) - 1);
    p = (u_char *) ngx_escape_uri(p, ctx->app.data, ctx->app.len,
                                  NGX_ESCAPE_URI_COMPONENT);
    p = ngx_cpymem(p, back, sizeof(back) - 1);
    p = (u_char *) ngx_escape_uri(p, to.data, to.len,
                                  NGX_ESCAPE_URI_COMPONENT);

    if (ctx->reason == CD_REASON_STEP_UP) {
        p = ngx_cpymem(p, need, sizeof(need) - 1);
    }

    url->len = (size_t) (p - url->data);

    return NGX_OK;
}


static ngx_int_t
ngx_http_cordon_redirect(ngx_http_request_t *r, ngx_str_t *url)
{
    ngx_table_elt_t  *location;

    if (ngx_http_discard_request_body(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    location = ngx_list_push(&r->headers_out.headers);
    if (location == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    location->hash = 1;
    ngx_str_set(&location->key, "Location");
    location->value = *url;
    r->headers_out.location = location;

    return NGX_HTTP_SEE_OTHER;
}


/* ---- a body of our own ---- */

static ngx_int_t
ngx_http_cordon_no_store(ngx_http_request_t *r)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    ngx_str_set(&h->key, "Cache-Control");
    ngx_str_set(&h->value, "no-store");

    return NGX_OK;
}


ngx_int_t
ngx_http_cordon_send(ngx_http_request_t *r, ngx_uint_t status,
    const char *type, ngx_str_t *body)
{
    ngx_int_t    rc;
    ngx_buf_t   *b;
    ngx_chain_t  out;

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    r->headers_out.status = status;
    r->headers_out.content_length_n = (off_t) body->len;
    r->headers_out.content_type.data = (u_char *) (uintptr_t) type;
    r->headers_out.content_type.len = ngx_strlen(type);
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    if (ngx_http_cordon_no_store(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_send_header(r);
    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = body->data;
    b->last = body->data + body->len;
    b->memory = (body->len != 0);
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


/* In the access phase nobody finalizes what we sent ourselves. */

static ngx_int_t
ngx_http_cordon_send_now(ngx_http_request_t *r, ngx_uint_t status,
    const char *type, ngx_str_t *body)
{
    ngx_http_finalize_request(r, ngx_http_cordon_send(r, status, type, body));

    return NGX_DONE;
}


/* The names of what failed, once each: never values. */

static void
ngx_http_cordon_failed(struct cd_decision *d, const char *between,
    const char *quote, struct cd_buf *out)
{
    uint64_t    said;
    ngx_uint_t  i, attr;

    said = 0;

    for (i = 0; i < d->n_failed; i++) {
        attr = d->failed[i].attr;

        if (attr >= CD_ATTR_COUNT || (said & ((uint64_t) 1 << attr))) {
            continue;
        }

        cd_buf_printf(out, "%s%s%s%s", said ? between : "", quote,
                      cd_attr_get((enum cd_attr) attr)->name, quote);
        said |= (uint64_t) 1 << attr;
    }
}


static ngx_int_t
ngx_http_cordon_json(ngx_http_request_t *r, ngx_http_cordon_ctx_t *ctx,
    struct cd_decision *d, ngx_str_t *url, ngx_str_t *body)
{
    ngx_int_t      rc;
    struct cd_buf  out;

    cd_buf_init(&out, 16384);
    cd_buf_printf(&out, "{\"verdict\":\"%s\",\"reason\":\"%s\",\"failed\":[",
                  cd_verdict_name((enum cd_verdict) d->verdict),
                  cd_reason_name((enum cd_reason) ctx->reason));
    ngx_http_cordon_failed(d, ",", "\"", &out);
    cd_buf_puts(&out, "]");

    if (url->len) {
        /* percent-encoded: nothing in it needs an escape in JSON */
        cd_buf_puts(&out, ",\"url\":\"");
        cd_buf_put(&out, url->data, url->len);
        cd_buf_puts(&out, "\"");
    }

    cd_buf_puts(&out, "}\n");

    rc = NGX_ERROR;

    if (!out.err) {
        body->len = out.len;
        body->data = ngx_pnalloc(r->pool, out.len);

        if (body->data) {
            ngx_memcpy(body->data, out.data, out.len);
            rc = NGX_OK;
        }
    }

    cd_buf_done(&out);

    return rc;
}


/* A form that somebody sends when the session is over: no redirect, which
 * would lose it silently, and a page that says so. */

static ngx_int_t
ngx_http_cordon_lost_form(ngx_http_request_t *r, ngx_str_t *url)
{
    u_char     *p;
    uintptr_t   more;
    ngx_str_t   body;

    static const char  before[] =
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">"
        "<title>Sign in again</title><h1>Sign in again</h1>"
        "<p>Your session is over, or has to be confirmed, and what you sent "
        "did not reach the app. Go back to keep what you wrote, or "
        "<a href=\"";
    static const char  after[] = "\">sign in</a>.</p>\n";

    more = ngx_escape_html(NULL, url->data, url->len);

    body.data = ngx_pnalloc(r->pool, sizeof(before) + url->len + more
                                     + sizeof(after));
    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = ngx_cpymem(body.data, before, sizeof(before) - 1);
    p = (u_char *) ngx_escape_html(p, url->data, url->len);
    p = ngx_cpymem(p, after, sizeof(after) - 1);
    body.len = (size_t) (p - body.data);

    return ngx_http_cordon_send_now(r, NGX_HTTP_UNAUTHORIZED, "text/html",
                                    &body);
}


/* ---- the refusal page ---- */

static ngx_int_t
ngx_http_cordon_add_text(ngx_http_request_t *r, const char *name,
    const char *text, size_t len)
{
    size_t     i;
    ngx_str_t  value;

    value.data = ngx_pnalloc(r->pool, len + 1);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    /* the name of a rule is text of an administrator, in a header */

    for (i = 0; i < len; i++) {
        value.data[i] = (u_char) text[i];

        if (value.data[i] < 0x20 || value.data[i] == 0x7f) {
            value.data[i] = ' ';
        }
    }

    value.len = len;

    return ngx_http_cordon_add_header(r, name, &value);
}


static ngx_int_t
ngx_http_cordon_denied_headers(ngx_http_request_t *r,
    ngx_http_cordon_ctx_t *ctx, struct cd_decision *d)
{
    ngx_int_t             rc;
    const char           *verdict, *reason;
    struct cd_buf         failed;
    struct cd_str         rule;
    ngx_cordon_worker_t  *w;

    w = &ngx_http_cordon.w;
    verdict = cd_verdict_name((enum cd_verdict) d->verdict);
    reason = cd_reason_name((enum cd_reason) ctx->reason);
    rule = (w->policy && d->rule != CD_NO_RULE)
           ? cd_rule_name(w->policy->snapshot, d->rule) : CD_STR_NULL;

    if (ngx_http_cordon_page_headers(r, ctx) != NGX_OK
        || ngx_http_cordon_add_text(r, "X-Cordon-Verdict", verdict,
                                    ngx_strlen(verdict))
           != NGX_OK
        || ngx_http_cordon_add_text(r, "X-Cordon-Reason", reason,
                                    ngx_strlen(reason))
           != NGX_OK
        || ngx_http_cordon_add_text(r, "X-Cordon-Rule", rule.ptr, rule.len)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    cd_buf_init(&failed, 4096);
    ngx_http_cordon_failed(d, ", ", "", &failed);
    rc = failed.err ? NGX_ERROR
                    : ngx_http_cordon_add_text(r, "X-Cordon-Failed",
                                               failed.data, failed.len);
    cd_buf_done(&failed);

    return rc;
}


static ngx_int_t
ngx_http_cordon_denied(ngx_http_request_t *r, ngx_http_cordon_ctx_t *ctx,
    struct cd_decision *d)
{
    ngx_int_t         rc;
    static ngx_str_t  get = ngx_string("GET");

    if (ngx_http_cordon_denied_headers(r, ctx, d) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    /* a HEAD stays one: its answer has no body */

    if (r->method != NGX_HTTP_HEAD) {
        r->method = NGX_HTTP_GET;
        r->method_name = get;
    }

    ngx_str_set(&r->unparsed_uri, "/.cordon/denied");

    /* which sends no length: nginx would announce the body that is thrown
     * away, and cordond would wait for it */

    return ngx_http_cordon_jump(r, ctx, "@cordon_denied");
}


/* ---- entry ---- */

ngx_int_t
ngx_http_cordon_refuse(ngx_http_request_t *r, ngx_http_cordon_ctx_t *ctx,
    struct cd_decision *d)
{
    ngx_str_t   url, body;
    ngx_uint_t  html, status;

    html = ngx_http_cordon_wants_html(r);
    status = NGX_HTTP_FORBIDDEN;
    url.len = 0;

    if (d->verdict == CD_CHALLENGE) {
        status = NGX_HTTP_UNAUTHORIZED;

        if (ngx_http_cordon_start_url(r, ctx, &url) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        if (html && (r->method == NGX_HTTP_GET || r->method == NGX_HTTP_HEAD))
        {
            return ngx_http_cordon_redirect(r, &url);
        }

        if (html) {
            return ngx_http_cordon_lost_form(r, &url);
        }

    } else if (html) {
        return ngx_http_cordon_denied(r, ctx, d);
    }

    if (ngx_http_cordon_json(r, ctx, d, &url, &body) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_cordon_send_now(r, status, "application/json", &body);
}


/* ---- cordond is away ---- */

static ngx_int_t
ngx_http_cordon_away_handler(ngx_http_request_t *r)
{
    u_char                 *p;
    ngx_str_t               body;
    ngx_uint_t              status;
    const char             *text;
    ngx_http_cordon_ctx_t  *ctx;

    static const char  page[] =
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">"
        "<title>%s</title><h1>%s</h1><p>%s.</p>\n";

    ctx = ngx_http_cordon_ctx(r);

    if (ctx && !ctx->page && ctx->verdict != CD_ALLOW) {
        status = NGX_HTTP_FORBIDDEN;
        text = cd_reason_text((enum cd_reason) ctx->reason);

    } else {
        status = NGX_HTTP_SERVICE_UNAVAILABLE;
        text = "This page is not available at the moment";
    }

    body.len = sizeof(page) + 64 + ngx_strlen(text);
    body.data = ngx_pnalloc(r->pool, body.len);
    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = ngx_snprintf(body.data, body.len, page,
                     status == NGX_HTTP_FORBIDDEN ? "Refused" : "Unavailable",
                     status == NGX_HTTP_FORBIDDEN ? "Refused" : "Unavailable",
                     text);
    body.len = (size_t) (p - body.data);

    return ngx_http_cordon_send(r, status, "text/html", &body);
}


char *
ngx_http_cordon_away(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    (void) cmd;
    (void) conf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_cordon_away_handler;

    return NGX_CONF_OK;
}
