// SPDX-License-Identifier: Apache-2.0
/*
 * What somebody sees who was let in, and whose request failed behind that: a
 * sentence in place of nginx's bare status. nginx comes here by error_page,
 * so that what our own handlers return and what the proxy finds out look the
 * same. What an upstream itself answers is passed on as it is.
 */
#include "ngx_http_cordon.h"


static const char *
ngx_http_cordon_trouble_text(ngx_http_cordon_ctx_t *ctx, ngx_uint_t status)
{
    switch (status) {

    case NGX_HTTP_REQUEST_ENTITY_TOO_LARGE:
        return "The request is larger than this app takes";

    case NGX_HTTP_BAD_GATEWAY:
        return "The server of this app did not answer";

    case NGX_HTTP_GATEWAY_TIME_OUT:
        return "The server of this app took too long to answer";

    default:
        return ctx && ctx->unhealthy && ctx->n_upstreams == 0
               ? "No server of this app is healthy at the moment"
               : "This app is not available at the moment";
    }
}


static ngx_int_t
ngx_http_cordon_trouble_handler(ngx_http_request_t *r)
{
    ngx_str_t               body;
    ngx_uint_t              html, status;
    const char             *text, *form;
    ngx_http_cordon_ctx_t  *ctx;

    static const char  page[] =
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">"
        "<title>%ui</title><h1>%ui</h1><p>%s.</p>\n";
    static const char  json[] = "{\"status\":%ui,\"error\":\"%s\"}\n";

    status = r->err_status ? r->err_status : NGX_HTTP_SERVICE_UNAVAILABLE;
    ctx = ngx_http_cordon_ctx(r);
    text = ngx_http_cordon_trouble_text(ctx, status);
    html = ngx_http_cordon_wants_html(r);
    form = html ? page : json;

    if (ctx) {
        ctx->trouble = 1;
    }

    body.len = sizeof(page) + 2 * NGX_INT_T_LEN + ngx_strlen(text);
    body.data = ngx_pnalloc(r->pool, body.len);
    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.len = (size_t) ((html ? ngx_snprintf(body.data, body.len, form,
                                              status, status, text)
                               : ngx_snprintf(body.data, body.len, form,
                                              status, text))
                         - body.data);

    return ngx_http_cordon_send(r, status, html ? "text/html"
                                                : "application/json", &body);
}


char *
ngx_http_cordon_trouble(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    (void) cmd;
    (void) conf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_cordon_trouble_handler;

    return NGX_CONF_OK;
}
