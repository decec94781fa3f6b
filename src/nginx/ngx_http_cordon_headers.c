// SPDX-License-Identifier: Apache-2.0
/*
 * What an upstream is told. Headers that claim what only we may say are
 * dropped whoever sent them; ours are added after that.
 *
 * A header is dropped in place by giving it the name of one that the proxy
 * never passes on (Keep-Alive). Shifting the list was rejected: nginx holds
 * pointers into it.
 *
 * This runs for every header of every request: what nginx looks names up by
 * (hash, lower case) is made once, and a name is compared with those forged
 * ones alone that begin with its letter.
 */
#include "ngx_http_cordon.h"

#include "base/http.h"


typedef struct {
    const char  *name;
    size_t       len;
    ngx_uint_t   prefix;
} ngx_http_cordon_forged_t;


typedef struct {
    ngx_str_t    key;
    u_char      *lowcase;
    ngx_uint_t   hash;                          /* of lowcase */
} ngx_http_cordon_name_t;


#define ngx_http_cordon_name(name, lower)                                     \
    { ngx_string(name), (u_char *) lower, 0 }


/* lower case */
static ngx_http_cordon_forged_t  ngx_http_cordon_forged[] = {
    { "x-cordon-", 9, 1 },
    { "x-request-id", 12, 0 },

    /* where from, and to which host */
    { "x-forwarded", 11, 1 },
    { "x-real-ip", 9, 0 },
    { "forwarded", 9, 0 },
    { "client-ip", 9, 0 },
    { "x-client-ip", 11, 0 },
    { "x-cluster-client-ip", 19, 0 },
    { "true-client-ip", 14, 0 },
    { "cf-connecting-ip", 16, 0 },
    { "fastly-client-ip", 16, 0 },
    { "x-originating-ip", 16, 0 },
    { "x-azure-clientip", 16, 0 },
    { "x-envoy-external-address", 24, 0 },
    { "x-host", 6, 0 },

    /* another path than the one that was decided */
    { "x-original-", 11, 1 },
    { "x-rewrite-url", 13, 0 },
    { "x-envoy-original-path", 21, 0 },

    /* who, as other gateways say it */
    { "remote-", 7, 1 },
    { "x-remote-", 9, 1 },
    { "x-webauth-", 10, 1 },
    { "x-auth-request-", 15, 1 },
    { "ssl-client-", 11, 1 },
    { "x-ssl-client-", 13, 1 },
    { "client-cert", 11, 1 },                   /* RFC 9440 */
    { "x-client-cert", 13, 1 },
    { "x-authenticated-", 16, 1 },
    { "x-authentik-", 12, 1 },
    { "x-pomerium-", 11, 1 },
    { "cf-access-", 10, 1 },
    { "x-goog-authenticated-", 21, 1 },
    { "x-goog-iap-", 11, 1 },
    { "x-ms-client-principal", 21, 1 },
    { "tailscale-user-", 15, 1 },
    { "x-amzn-oidc-", 12, 1 },
    { "x-amzn-mtls-", 12, 1 },
    { "x-consumer-", 11, 1 },
    { "x-credential-identifier", 23, 0 },
    { "x-vouch-", 8, 1 },
    { "x-auth-user", 11, 1 },
    { "x-token-subject", 15, 0 },
    { "gap-auth", 8, 0 },

    { "traceparent", 11, 0 },
    { "proxy", 5, 0 },                          /* httpoxy */
    { "http2-settings", 14, 0 },                /* with Upgrade: h2c */
    { "proxy-connection", 16, 0 },              /* of the client's, not ours */
};


#define NGX_HTTP_CORDON_FORGED  (sizeof(ngx_http_cordon_forged)               \
                                 / sizeof(ngx_http_cordon_forged[0]))


/* rows of the table above by the first letter of their names */
static uint64_t  ngx_http_cordon_forged_by[26];


static ngx_http_cordon_name_t  ngx_http_cordon_names[NGX_HTTP_CORDON_NAMES] = {
    [NGX_HTTP_CORDON_KEEP_ALIVE] =
        ngx_http_cordon_name("Keep-Alive", "keep-alive"),
    [NGX_HTTP_CORDON_USER] =
        ngx_http_cordon_name("X-Cordon-User", "x-cordon-user"),
    [NGX_HTTP_CORDON_ASSERTION] =
        ngx_http_cordon_name("X-Cordon-Assertion", "x-cordon-assertion"),
    [NGX_HTTP_CORDON_FORWARDED_FOR] =
        ngx_http_cordon_name("X-Forwarded-For", "x-forwarded-for"),
    [NGX_HTTP_CORDON_FORWARDED_PROTO] =
        ngx_http_cordon_name("X-Forwarded-Proto", "x-forwarded-proto"),
    [NGX_HTTP_CORDON_FORWARDED_HOST] =
        ngx_http_cordon_name("X-Forwarded-Host", "x-forwarded-host"),
    [NGX_HTTP_CORDON_TRACEPARENT] =
        ngx_http_cordon_name("traceparent", "traceparent"),
    [NGX_HTTP_CORDON_REQUEST_ID] =
        ngx_http_cordon_name("X-Request-Id", "x-request-id"),
};


void
ngx_http_cordon_headers_init(void)
{
    ngx_uint_t               i;
    ngx_http_cordon_name_t  *name;

    _Static_assert(NGX_HTTP_CORDON_FORGED <= 64, "one bit a row");

    for (i = 0; i < NGX_HTTP_CORDON_FORGED; i++) {
        ngx_http_cordon_forged_by[ngx_http_cordon_forged[i].name[0] - 'a']
            |= (uint64_t) 1 << i;
    }

    for (i = 0; i < NGX_HTTP_CORDON_NAMES; i++) {
        name = &ngx_http_cordon_names[i];
        name->hash = ngx_hash_key(name->lowcase, name->key.len);
    }
}


static void
ngx_http_cordon_name_set(ngx_table_elt_t *h, ngx_http_cordon_name_t *name)
{
    h->key = name->key;
    h->lowcase_key = name->lowcase;
    h->hash = name->hash;
}


static void
ngx_http_cordon_drop(ngx_table_elt_t *h)
{
    ngx_http_cordon_name_set(h,
                          &ngx_http_cordon_names[NGX_HTTP_CORDON_KEEP_ALIVE]);
}


static ngx_uint_t
ngx_http_cordon_is_forged(ngx_table_elt_t *h)
{
    u_char                     first;
    uint64_t                   rows;
    ngx_http_cordon_forged_t  *f;

    first = h->lowcase_key[0];

    if (first < 'a' || first > 'z') {
        return 0;
    }

    for (rows = ngx_http_cordon_forged_by[first - 'a']; rows;
         rows &= rows - 1)
    {
        f = &ngx_http_cordon_forged[__builtin_ctzll(rows)];

        if ((f->prefix ? h->key.len >= f->len : h->key.len == f->len)
            && ngx_memcmp(h->lowcase_key, f->name, f->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/*
 * The value of __Host-cordon. Declined when there is none, or more than one:
 * which of two was meant is not ours to guess.
 */

ngx_int_t
ngx_http_cordon_token(ngx_http_request_t *r, ngx_str_t *token)
{
    ngx_uint_t         i, found;
    struct cd_str      value;
    ngx_table_elt_t  **h;

    found = 0;
    value = CD_STR_NULL;
    h = r->headers_in.cookies.elts;

    for (i = 0; i < r->headers_in.cookies.nelts; i++) {
        found += cd_cookie_count(ngx_cordon_str(&h[i]->value),
                                 CD_STR("__Host-cordon"), &value);
    }

    token->data = (u_char *) (uintptr_t) value.ptr;
    token->len = value.len;

    return found == 1 && token->len
           && token->len <= NGX_HTTP_CORDON_TOKEN_MAX
           ? NGX_OK : NGX_DECLINED;
}


/* The token that the broker is asked with was copied before. */

static void
ngx_http_cordon_strip_cookie(ngx_table_elt_t *h)
{
    h->value.len = cd_cookie_strip((char *) h->value.data, h->value.len,
                                   CD_STR("__Host-cordon"));

    if (h->value.len == 0) {
        ngx_http_cordon_drop(h);
    }
}


void
ngx_http_cordon_strip(ngx_http_request_t *r, ngx_http_cordon_ctx_t *ctx,
    ngx_uint_t cookies)
{
    ngx_table_elt_t            *h;
    ngx_http_cordon_headers_t   at;

    at = ngx_http_cordon_headers(r);

    while ((h = ngx_http_cordon_header_next(&at)) != NULL) {

        if (ngx_http_cordon_is_forged(h)
            || (!ctx->traced && ngx_http_cordon_header_is(h, "tracestate")))
        {
            /* a state belongs to a trace, and that one does not go on */
            ngx_http_cordon_drop(h);

        } else if (cookies && ngx_http_cordon_header_is(h, "cookie")) {
            ngx_http_cordon_strip_cookie(h);
        }
    }
}


ngx_int_t
ngx_http_cordon_add(ngx_http_request_t *r, ngx_http_cordon_name_e name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_in.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_http_cordon_name_set(h, &ngx_http_cordon_names[name]);
    h->value = *value;

    return NGX_OK;
}


ngx_int_t
ngx_http_cordon_add_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_in.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->key.len = ngx_strlen(name);
    h->key.data = (u_char *) (uintptr_t) name;
    h->value = *value;

    h->lowcase_key = ngx_pnalloc(r->pool, h->key.len);
    if (h->lowcase_key == NULL) {
        return NGX_ERROR;
    }

    h->hash = ngx_hash_strlow(h->lowcase_key, h->key.data, h->key.len);

    return NGX_OK;
}


ngx_int_t
ngx_http_cordon_trace_hex(ngx_http_request_t *r, ngx_http_cordon_ctx_t *ctx,
    ngx_str_t *trace)
{
    trace->len = 2 * sizeof(ctx->trace);
    trace->data = ngx_pnalloc(r->pool, trace->len);
    if (trace->data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_hex_dump(trace->data, ctx->trace, sizeof(ctx->trace));

    return NGX_OK;
}


/* The trace id is a part of the text that the other header has. */

static ngx_int_t
ngx_http_cordon_add_trace(ngx_http_request_t *r, ngx_http_cordon_ctx_t *ctx)
{
    u_char     *p;
    ngx_str_t   trace, parent;

    /* "00-" trace "-" span "-01"; 00 where the client does not sample */

    parent.len = 3 + 32 + 1 + 16 + 3;
    parent.data = ngx_pnalloc(r->pool, parent.len);
    if (parent.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(parent.data, "00-", 3);
    trace.data = p;
    trace.len = 2 * sizeof(ctx->trace);
    p = ngx_hex_dump(p, ctx->trace, sizeof(ctx->trace));
    *p++ = '-';
    p = ngx_hex_dump(p, ctx->span, sizeof(ctx->span));
    (void) ngx_cpymem(p, ctx->sampled ? "-01" : "-00", 3);

    if (ngx_http_cordon_add(r, NGX_HTTP_CORDON_TRACEPARENT, &parent)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_cordon_add(r, NGX_HTTP_CORDON_REQUEST_ID, &trace);
}


ngx_int_t
ngx_http_cordon_forward_headers(ngx_http_request_t *r,
    ngx_http_cordon_ctx_t *ctx)
{
    ngx_str_t  proto = ngx_string("https");

#if (NGX_HTTP_SSL)
    if (r->connection->ssl == NULL) {
        ngx_str_set(&proto, "http");
    }
#endif

    ngx_http_cordon_strip(r, ctx, 1);

    if (ctx->user.len
        && ngx_http_cordon_add(r, NGX_HTTP_CORDON_USER, &ctx->user) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_cordon_add(r, NGX_HTTP_CORDON_FORWARDED_FOR,
                            &r->connection->addr_text)
        != NGX_OK
        || ngx_http_cordon_add(r, NGX_HTTP_CORDON_FORWARDED_PROTO, &proto)
           != NGX_OK
        || ngx_http_cordon_add(r, NGX_HTTP_CORDON_FORWARDED_HOST,
                               &r->headers_in.host->value)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_cordon_add_trace(r, ctx);
}


/* Upgrade is a door to whatever protocol the upstream speaks: only WebSocket
 * goes through. */

ngx_uint_t
ngx_http_cordon_is_websocket(ngx_http_request_t *r)
{
    ngx_table_elt_t  *h;

    h = r->headers_in.upgrade;

    return h != NULL && r->method == NGX_HTTP_GET
           && r->http_version == NGX_HTTP_VERSION_11
           && h->value.len == 9
           && ngx_strncasecmp(h->value.data, (u_char *) "websocket", 9) == 0;
}


/* "https://" and the Host; browsers leave the usual port out of both. */

static ngx_uint_t
ngx_http_cordon_is_own_origin(ngx_http_request_t *r, ngx_str_t *origin)
{
    ngx_str_t  host, scheme = ngx_string("http://"), port = ngx_string(":80");

#if (NGX_HTTP_SSL)
    if (r->connection->ssl) {
        ngx_str_set(&scheme, "https://");
        ngx_str_set(&port, ":443");
    }
#endif

    host = r->headers_in.host->value;

    if (host.len == r->headers_in.server.len + port.len
        && ngx_strncmp(host.data + r->headers_in.server.len, port.data,
                       port.len)
           == 0)
    {
        host.len -= port.len;
    }

    return origin->len == scheme.len + host.len
           && ngx_strncasecmp(origin->data, scheme.data, scheme.len) == 0
           && ngx_strncasecmp(origin->data + scheme.len, host.data, host.len)
              == 0;
}


/*
 * A browser opens a WebSocket for any page, with the cookies of where it goes,
 * and lets the page read it: no same-origin policy, no CORS. SameSite does not
 * help against another app below the same domain.
 */

ngx_uint_t
ngx_http_cordon_is_foreign_websocket(ngx_http_request_t *r)
{
    ngx_table_elt_t            *h;
    ngx_http_cordon_headers_t   at;

    if (!ngx_http_cordon_is_websocket(r)) {
        return 0;
    }

    at = ngx_http_cordon_headers(r);

    while ((h = ngx_http_cordon_header_next(&at)) != NULL) {

        if (ngx_http_cordon_header_is(h, "origin")
            && !ngx_http_cordon_is_own_origin(r, &h->value))
        {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_cordon_variable(ngx_http_variable_value_t *v, const char *value)
{
    v->data = (u_char *) (uintptr_t) value;
    v->len = ngx_strlen(value) & 0xfffffff;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


ngx_int_t
ngx_http_cordon_connection_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    (void) data;

    return ngx_http_cordon_variable(v, ngx_http_cordon_is_websocket(r)
                                       ? "upgrade" : "");
}


ngx_int_t
ngx_http_cordon_upgrade_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    (void) data;

    return ngx_http_cordon_variable(v, ngx_http_cordon_is_websocket(r)
                                       ? "websocket" : "");
}
