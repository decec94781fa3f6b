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

#include "base/str.h"


/* Bytes that stand for themselves in a path: RFC 3986 pchar without ';',
 * and the slash. */
static uint32_t  ngx_http_cordon_plain[] = {
    0x00000000, /* 0000 0000 0000 0000  0000 0000 0000 0000 */

                /* ?>=< ;:98 7654 3210  /.-, +*)( '&%$ #"!  */
    0x27ffffd2, /* 0010 0111 1111 1111  1111 1111 1101 0010 */

                /* _^]\ [ZYX WVUT SRQP  ONML KJIH GFED CBA@ */
    0x87ffffff, /* 1000 0111 1111 1111  1111 1111 1111 1111 */

                /*  ~}| {zyx wvut srqp  onml kjih gfed cba` */
    0x47fffffe, /* 0100 0111 1111 1111  1111 1111 1111 1110 */

    0x00000000, 0x00000000, 0x00000000, 0x00000000
};


static ngx_int_t
ngx_http_cordon_hex(u_char c)
{
    u_char  lower;

    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    lower = (u_char) (c | 0x20);

    if (lower >= 'a' && lower <= 'f') {
        return lower - 'a' + 10;
    }

    return -1;
}


/* One byte of the path, decoded. -1: it must not be in a path. */

static ngx_int_t
ngx_http_cordon_unescape(u_char **pos, u_char *end)
{
    u_char     *p;
    ngx_int_t   high, low, c;

    p = *pos;

    if (*p != '%') {
        *pos = p + 1;

        return (*p <= 0x20 || *p >= 0x7f || *p == '\\' || *p == ';'
                || *p == '#')
               ? -1 : *p;
    }

    if (end - p < 3) {
        return -1;
    }

    high = ngx_http_cordon_hex(p[1]);
    low = ngx_http_cordon_hex(p[2]);

    if (high < 0 || low < 0) {
        return -1;
    }

    c = high * 16 + low;
    *pos = p + 3;

    if (c < 0x20 || c == 0x7f || c == '/' || c == '\\' || c == ';'
        || c == '.')
    {
        return -1;
    }

    return c;
}


/* Decoded, no byte sequence may be left that could be decoded once more. */

static ngx_int_t
ngx_http_cordon_is_final(u_char *p, u_char *end)
{
    while ((p = ngx_strlchr(p, end, '%')) != NULL) {
        p++;

        if (end - p >= 2 && ngx_http_cordon_hex(p[0]) >= 0
            && ngx_http_cordon_hex(p[1]) >= 0)
        {
            return 0;
        }
    }

    return 1;
}


/* No empty, "." or ".." segment; an empty last one is a final slash. */

static ngx_int_t
ngx_http_cordon_segments(u_char *p, u_char *end)
{
    size_t   len;
    u_char  *slash;

    while (p < end) {
        p++;                                    /* the slash before it */

        slash = ngx_strlchr(p, end, '/');
        len = (size_t) ((slash ? slash : end) - p);

        if ((len == 0 && slash) || (len == 1 && p[0] == '.')
            || (len == 2 && p[0] == '.' && p[1] == '.'))
        {
            return NGX_DECLINED;
        }

        p += len;
    }

    return NGX_OK;
}


static u_char *
ngx_http_cordon_escape(u_char *out, u_char *p, u_char *end)
{
    static u_char  hex[] = "0123456789ABCDEF";

    for ( ; p < end; p++) {

        if (ngx_http_cordon_plain[*p >> 5] & (1U << (*p & 0x1f))) {
            *out++ = *p;
            continue;
        }

        *out++ = '%';
        *out++ = hex[*p >> 4];
        *out++ = hex[*p & 0xf];
    }

    return out;
}


ngx_int_t
ngx_http_cordon_path(ngx_pool_t *pool, ngx_str_t *raw, ngx_str_t *path,
    ngx_str_t *encoded)
{
    u_char     *p, *end, *out;
    ngx_int_t   c;

    if (raw->len == 0 || raw->data[0] != '/') {
        return NGX_DECLINED;
    }

    /* decoded and, behind it, encoded: three bytes for one at most */

    out = ngx_pnalloc(pool, raw->len * 4);
    if (out == NULL) {
        return NGX_ERROR;
    }

    path->data = out;

    for (p = raw->data, end = p + raw->len; p < end; /* void */ ) {
        c = ngx_http_cordon_unescape(&p, end);
        if (c < 0) {
            return NGX_DECLINED;
        }

        *out++ = (u_char) c;
    }

    path->len = (size_t) (out - path->data);

    if (ngx_http_cordon_segments(path->data, out) != NGX_OK
        || !ngx_http_cordon_is_final(path->data, out)
        || !cd_utf8_is_valid(cd_str_make(path->data, path->len)))
    {
        return NGX_DECLINED;
    }

    encoded->data = out;
    out = ngx_http_cordon_escape(out, path->data, path->data + path->len);
    encoded->len = (size_t) (out - encoded->data);

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


static ngx_uint_t
ngx_http_cordon_is_token(ngx_str_t *s)
{
    size_t  i;
    u_char  c;

    for (i = 0; i < s->len; i++) {
        c = s->data[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
            || (c >= '0' && c <= '9')
            || (c && ngx_strchr("!#$%&'*+-.^`|~", c)))
        {
            continue;
        }

        return 0;                               /* '_' among others */
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

    if (host->len < name->len
        || ngx_strncasecmp(host->data, name->data, name->len) != 0)
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
