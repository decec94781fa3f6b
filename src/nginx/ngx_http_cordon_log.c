// SPDX-License-Identifier: Apache-2.0
/*
 * What nginx's error log says of a request. nginx's own words hold the whole
 * request line, the address of the upstream with its query, and the referrer:
 * tokens, passwords and one-time codes that programs put into a query would be
 * in the log for whoever reads logs. Ours stop where the query begins.
 */
#include "ngx_http_cordon.h"


static u_char *
ngx_http_cordon_log_handler(ngx_http_request_t *r, ngx_http_request_t *sr,
    u_char *buf, size_t len)
{
    size_t                     path;
    u_char                    *p, *end;
    ngx_http_upstream_t       *u;
    ngx_http_core_srv_conf_t  *cscf;

    end = buf + len;

    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);

    p = ngx_slprintf(buf, end, ", server: %V", &cscf->server_name);

    /* as it came, escapes and all */

    for (path = 0; path < r->unparsed_uri.len; path++) {
        if (r->unparsed_uri.data[path] == '?'
            || r->unparsed_uri.data[path] == '#')
        {
            break;
        }
    }

    p = ngx_slprintf(p, end, ", request: \"%V %*s%s\"", &r->method_name, path,
                     r->unparsed_uri.data,
                     path < r->unparsed_uri.len ? "?..." : "");

    if (r != sr) {
        p = ngx_slprintf(p, end, ", subrequest: \"%V\"", &sr->uri);
    }

    u = sr->upstream;

    if (u && u->peer.name) {
        p = ngx_slprintf(p, end, ", upstream: \"%V%V\"", &u->schema,
                         u->peer.name);
    }

    if (r->headers_in.host) {
        p = ngx_slprintf(p, end, ", host: \"%V\"", &r->headers_in.host->value);
    }

    return p;
}


/* The first phase: before it nginx logs what is wrong with a request at the
 * level "info", which nobody keeps. */

ngx_int_t
ngx_http_cordon_log(ngx_http_request_t *r)
{
    r->log_handler = ngx_http_cordon_log_handler;

    return NGX_DECLINED;
}
