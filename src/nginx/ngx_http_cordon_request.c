// SPDX-License-Identifier: Apache-2.0
/*
 * One request, one meaning. What is decided is what is forwarded: the path is
 * decoded once, decided, and encoded again in one canonical form; whatever two
 * programs could read in two ways is refused with 400.
 *
 * Refused in a path: encoded '/' or '\' or NUL or control bytes, a raw
 * backslash, ';' in either form (path parameters), empty, "." and ".."
 * segments in either form, a '%' that stays before two hexadecimal digits
 * (decoded twice it would be another path), bytes that are not UTF-8, a fragment.
 * Refused beside it: absolute-form, more than one Host, a Host that holds more
 * than a name and a port, names of headers that are no tokens or hold '_'
 * (which CGI turns into '-'), headers that name another method, TRACE and
 * CONNECT at all.
 */
#include "ngx_http_cordon.h"

#include "base/http.h"


ngx_int_t
ngx_http_cordon_path(ngx_pool_t *pool, ngx_str_t *raw, ngx_str_t *path,
    ngx_str_t *encoded)
{
    char           *out;
    struct cd_str   p, e;

    /* decoded and, behind it, encoded: three bytes for one at most */

    out = ngx_pnalloc(pool, raw->len * 4);
    if (out == NULL) {
        return NGX_ERROR;
    }

    if (cd_path_normalize(ngx_cordon_str(raw), out, &p, &e) != 0) {
        return NGX_DECLINED;
    }

    path->data = (u_char *) out;
    path->len = p.len;
    encoded->data = path->data + p.len;
    encoded->len = e.len;

    return NGX_OK;
}


/* The query goes as it came; only what no query may hold is refused. */

static ngx_int_t
ngx_http_cordon_query(u_char *p, u_char *end)
{
    for ( ; p < end; p++) {
        if (*p <= 0x20 || *p >= 0x7f || *p == '#') {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_cordon_target(ngx_http_request_t *r, ngx_http_cordon_ctx_t *ctx)
{
    u_char     *question, *end, *p;
    ngx_int_t   rc;
    ngx_str_t   raw, encoded;

    raw = r->unparsed_uri;
    end = raw.data + raw.len;

    question = ngx_strlchr(raw.data, end, '?');

    if (question) {
        raw.len = (size_t) (question - raw.data);

        if (ngx_http_cordon_query(question, end) != NGX_OK) {
            return NGX_DECLINED;
        }
    }

    rc = ngx_http_cordon_path(r->pool, &raw, &ctx->path, &encoded);
    if (rc != NGX_OK) {
        return rc;
    }

    if (question == NULL) {
        ctx->uri = encoded;
        return NGX_OK;
    }

    ctx->uri.len = encoded.len + (size_t) (end - question);
    ctx->uri.data = ngx_pnalloc(r->pool, ctx->uri.len);
    if (ctx->uri.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(ctx->uri.data, encoded.data, encoded.len);
    ngx_memcpy(p, question, (size_t) (end - question));

    return NGX_OK;
}


/* A bit for each byte that the name of a header may hold: letters, digits and
 * '-'. A token may hold more (RFC 9110, 5.6.2), which nobody uses; programs
 * behind CGI and its kin read all of it as '_', so that one name would have
 * many spellings. */
static const uint32_t  ngx_http_cordon_token_bytes[8] = {
    0x00000000,
    0x03ff2000,         /* - and digits */
    0x07fffffe,         /* A-Z */
    0x07fffffe,         /* a-z */
    0, 0, 0, 0
};


static ngx_uint_t
ngx_http_cordon_is_token(ngx_str_t *s)
{
    u_char  c, *p, *end;

    end = s->data + s->len;

    for (p = s->data; p < end; p++) {
        c = *p;

        if (!(ngx_http_cordon_token_bytes[c >> 5] >> (c & 0x1f) & 1)) {
            return 0;
        }
    }

    return s->len != 0;
}


/* Another method than the one that is decided; some frameworks obey. */

static ngx_uint_t
ngx_http_cordon_is_override(ngx_table_elt_t *h)
{
    return ngx_http_cordon_header_is(h, "x-http-method-override")
           || ngx_http_cordon_header_is(h, "x-http-method")
           || ngx_http_cordon_header_is(h, "x-method-override");
}


static ngx_int_t
ngx_http_cordon_check_headers(ngx_http_request_t *r)
{
    ngx_uint_t                  hosts, lengths, codings;
    ngx_table_elt_t            *h;
    ngx_http_cordon_headers_t   at;

    hosts = lengths = codings = 0;
    at = ngx_http_cordon_headers(r);

    while ((h = ngx_http_cordon_header_next(&at)) != NULL) {

        if (!ngx_http_cordon_is_token(&h->key)
            || ngx_http_cordon_is_override(h))
        {
            return NGX_DECLINED;
        }

        hosts += ngx_http_cordon_header_is(h, "host");
        lengths += ngx_http_cordon_header_is(h, "content-length");
        codings += ngx_http_cordon_header_is(h, "transfer-encoding");
    }

    if (hosts > 1 || lengths > 1 || codings > 1 || (lengths && codings)
        || (codings && r->http_version != NGX_HTTP_VERSION_11))
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/*
 * The Host is forwarded as it came, and apps make addresses of it. nginx reads
 * the name as far as a colon and takes anything behind it: "app:@evil" names
 * this app to us, and another site in a link that the app mails to somebody.
 */

static ngx_uint_t
ngx_http_cordon_host_is_plain(ngx_http_request_t *r)
{
    u_char     *p, *end;
    ngx_int_t   port;
    ngx_str_t  *host, *name;

    if (r->headers_in.host == NULL) {
        return 0;
    }

    host = &r->headers_in.host->value;
    name = &r->headers_in.server;

    if (host->len < name->len) {
        return 0;
    }

    /* nearly always sent in lower case, as nginx keeps it */

    if (ngx_memcmp(host->data, name->data, name->len) != 0
        && ngx_strncasecmp(host->data, name->data, name->len) != 0)
    {
        return 0;
    }

    p = host->data + name->len;
    end = host->data + host->len;

    if (p == end) {
        return 1;
    }

    if (*p++ != ':') {
        return 0;
    }

    port = ngx_atoi(p, (size_t) (end - p));

    return port > 0 && port <= 65535;
}


ngx_int_t
ngx_http_cordon_request(ngx_http_request_t *r, ngx_http_cordon_ctx_t *ctx)
{
    ctx->method = r->method_name;
    ctx->host = r->headers_in.server;

    if (r->http_version < NGX_HTTP_VERSION_10
        || r->headers_in.server.len == 0
        || r->method == NGX_HTTP_TRACE || r->method == NGX_HTTP_CONNECT)
    {
        return NGX_DECLINED;
    }

    /* absolute-form names a second host */

    if (r->http_version < NGX_HTTP_VERSION_20 && r->host_start) {
        return NGX_DECLINED;
    }

    if (ngx_http_cordon_check_headers(r) != NGX_OK
        || !ngx_http_cordon_host_is_plain(r))
    {
        return NGX_DECLINED;
    }

    return ngx_http_cordon_target(r, ctx);
}
