// SPDX-License-Identifier: Apache-2.0
/*
 * The HTTP enforcement point: directives, variables and the worker's life.
 *
 *	cordon_run DIR;            the run directory (main)
 *	cordon_auth_url URL;       where people sign in (main)
 *	cordon_keys PATH [TIME];   the key broker; run/keys/keys.sock, 2s
 *				   (main); its listener must own the folder
 *	cordon_per_address N;      connections of one address (IPv6: one /64)
 *				   at one worker; 0, no bound (main)
 *	cordon on;                 decide here
 *	cordon_certificates on;    certificates from run/tls (server)
 *	cordon_assertion off;      go on without one when the broker is away
 *	cordon_balancer;           servers from the policy (upstream)
 *	cordon_away;               the page for when cordond is away (location)
 *	cordon_trouble;            the page for 413, 502, 503, 504 (location)
 *	cordon_health_trust FILE;  authorities of servers with TLS when they are
 *	                           checked; those of the system (main)
 *
 * $cordon_connection, $cordon_upgrade: for the proxy's headers;
 * $cordon_upstream_host: name of an app's server, for its certificate;
 * $cordon_trace: the request's trace id; $cordon_hsts: the header's value,
 * empty for localhost and addresses; $cordon_certificate: stands where nginx
 * asks for a file.
 */
#include "ngx_http_cordon.h"

#include "ngx_cordon_check.h"
#include "ngx_cordon_limit.h"

#include "base/str.h"
#include "token/broker_proto.h"


ngx_http_cordon_worker_t  ngx_http_cordon;


static ngx_int_t ngx_http_cordon_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_cordon_postconfiguration(ngx_conf_t *cf);
static void *ngx_http_cordon_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_cordon_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_http_cordon_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_cordon_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static ngx_int_t ngx_http_cordon_init_process(ngx_cycle_t *cycle);
static void ngx_http_cordon_exit_process(ngx_cycle_t *cycle);
static char *ngx_http_cordon_keys(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


#define NGX_HTTP_CORDON_ANY  (NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF            \
                              |NGX_HTTP_LOC_CONF)


static ngx_command_t  ngx_http_cordon_commands[] = {

    { ngx_string("cordon_run"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_cordon_main_conf_t, run),
      NULL },

    { ngx_string("cordon_auth_url"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_cordon_main_conf_t, auth_url),
      NULL },

    { ngx_string("cordon_keys"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE12,
      ngx_http_cordon_keys,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("cordon_per_address"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_cordon_main_conf_t, per_address),
      NULL },

    { ngx_string("cordon"),
      NGX_HTTP_CORDON_ANY|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_cordon_loc_conf_t, enable),
      NULL },

    { ngx_string("cordon_certificates"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_cordon_loc_conf_t, certificates),
      NULL },

    { ngx_string("cordon_assertion"),
      NGX_HTTP_CORDON_ANY|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_cordon_loc_conf_t, assertion),
      NULL },

    { ngx_string("cordon_balancer"),
      NGX_HTTP_UPS_CONF|NGX_CONF_NOARGS,
      ngx_http_cordon_balancer,
      0,
      0,
      NULL },

    { ngx_string("cordon_trouble"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_cordon_trouble,
      0,
      0,
      NULL },

    { ngx_string("cordon_health_trust"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_cordon_main_conf_t, trust),
      NULL },

    { ngx_string("cordon_away"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_cordon_away,
      0,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_cordon_module_ctx = {
    ngx_http_cordon_preconfiguration,      /* preconfiguration */
    ngx_http_cordon_postconfiguration,     /* postconfiguration */

    ngx_http_cordon_create_main_conf,      /* create main configuration */
    ngx_http_cordon_init_main_conf,        /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_cordon_create_loc_conf,       /* create location configuration */
    ngx_http_cordon_merge_loc_conf         /* merge location configuration */
};


ngx_module_t  ngx_http_cordon_module = {
    NGX_MODULE_V1,
    &ngx_http_cordon_module_ctx,           /* module context */
    ngx_http_cordon_commands,              /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_cordon_init_process,          /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_cordon_exit_process,          /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/* ---- variables ---- */

static ngx_int_t
ngx_http_cordon_upstream_host_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_cordon_ctx_t  *ctx;

    (void) data;

    ctx = ngx_http_cordon_ctx(r);

    if (ctx == NULL || ctx->upstream_host.len == 0) {
        return ngx_cordon_variable_none(v);
    }

    return ngx_cordon_variable_set(v, ctx->upstream_host.data,
                                   ctx->upstream_host.len);
}


static ngx_int_t
ngx_http_cordon_trace_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t               trace;
    ngx_http_cordon_ctx_t  *ctx;

    (void) data;

    ctx = ngx_http_cordon_ctx(r);

    if (ctx == NULL) {
        return ngx_cordon_variable_none(v);
    }

    if (ngx_http_cordon_trace_hex(r, ctx, &trace) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_cordon_variable_set(v, trace.data, trace.len);
}


static ngx_uint_t
ngx_http_cordon_is_local(ngx_str_t *host)
{
    struct cd_str  s = { (const char *) host->data, host->len };

    return host->len == 0
           || host->data[0] == '['
           || ngx_inet_addr(host->data, host->len) != INADDR_NONE
           || cd_str_equal(s, CD_STR("localhost"))
           || cd_str_has_suffix(s, CD_STR(".localhost"));
}


/* Browsers would keep a promise about localhost for every other program that
 * ever serves there; addresses cannot make one. */

static ngx_int_t
ngx_http_cordon_hsts_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t  hsts = ngx_string("max-age=31536000");

    (void) data;

    if (ngx_http_cordon_is_local(&r->headers_in.server)) {
        hsts.len = 0;
    }

    return ngx_cordon_variable_set(v, hsts.data, hsts.len);
}


static ngx_int_t
ngx_http_cordon_certificate_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    (void) r;
    (void) data;

    return ngx_cordon_variable_none(v);
}


static ngx_http_variable_t  ngx_http_cordon_variables[] = {

    { ngx_string("cordon_connection"), NULL,
      ngx_http_cordon_connection_variable, 0, 0, 0 },

    { ngx_string("cordon_upgrade"), NULL,
      ngx_http_cordon_upgrade_variable, 0, 0, 0 },

    { ngx_string("cordon_upstream_host"), NULL,
      ngx_http_cordon_upstream_host_variable, 0, 0, 0 },

    { ngx_string("cordon_trace"), NULL,
      ngx_http_cordon_trace_variable, 0, 0, 0 },

    { ngx_string("cordon_hsts"), NULL,
      ngx_http_cordon_hsts_variable, 0, 0, 0 },

    { ngx_string("cordon_certificate"), NULL,
      ngx_http_cordon_certificate_variable, 0, 0, 0 },

      ngx_http_null_variable
};


static ngx_int_t
ngx_http_cordon_preconfiguration(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_cordon_variables; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


/* ---- configuration ---- */

static char *
ngx_http_cordon_keys(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_int_t                     ms;
    ngx_str_t                    *value;
    ngx_http_cordon_main_conf_t  *mcf = conf;

    (void) cmd;

    value = cf->args->elts;
    mcf->keys = value[1];

    if (cf->args->nelts < 3) {
        return NGX_CONF_OK;
    }

    ms = ngx_parse_time(&value[2], 0);
    if (ms == NGX_ERROR) {
        return "invalid time";
    }

    mcf->keys_timeout = (ngx_msec_t) ms;

    return NGX_CONF_OK;
}


static void *
ngx_http_cordon_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_cordon_main_conf_t  *mcf;

    mcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_cordon_main_conf_t));
    if (mcf == NULL) {
        return NULL;
    }

    mcf->keys_timeout = NGX_CONF_UNSET_MSEC;
    mcf->per_address = NGX_CONF_UNSET;

    return mcf;
}


/* "https://AUTH_HOST[:port]" -> the host, as a Host header is compared */

static char *
ngx_http_cordon_auth_host(ngx_conf_t *cf, ngx_http_cordon_main_conf_t *mcf)
{
    u_char     *p, *end;
    ngx_str_t  *url;

    url = &mcf->auth_url;

    if (url->len && url->data[url->len - 1] == '/') {
        url->len--;
    }

    p = ngx_strlchr(url->data, url->data + url->len, ':');

    if (p == NULL || url->data + url->len - p < 4
        || ngx_strncmp(p, "://", 3) != 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"cordon_auth_url\" is no URL: \"%V\"", url);
        return NGX_CONF_ERROR;
    }

    p += 3;
    end = url->data + url->len;

    mcf->auth_host.data = p;
    mcf->auth_host.len = (size_t) (end - p);

    if (*p == '[') {
        p = ngx_strlchr(p, end, ']');
        p = (p == NULL) ? end : p + 1;

    } else {
        p = ngx_strlchr(p, end, ':');
    }

    if (p && p < end) {
        mcf->auth_host.len = (size_t) (p - mcf->auth_host.data);
    }

    ngx_strlow(mcf->auth_host.data, mcf->auth_host.data, mcf->auth_host.len);

    return NGX_CONF_OK;
}


static char *
ngx_http_cordon_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_cordon_main_conf_t  *mcf = conf;

    ngx_conf_init_msec_value(mcf->keys_timeout, 2000);
    ngx_conf_init_value(mcf->per_address, 0);

    if (mcf->run.len == 0) {
        return NGX_CONF_OK;
    }

    ngx_cordon_conf_trim(&mcf->run);

    if (mcf->keys.len == 0) {
        mcf->keys.data = ngx_pnalloc(cf->pool, mcf->run.len
                                     + sizeof("/" CD_BROKER_SOCKET));
        if (mcf->keys.data == NULL) {
            return NGX_CONF_ERROR;
        }

        mcf->keys.len = (size_t) (ngx_sprintf(mcf->keys.data,
                                              "%V/" CD_BROKER_SOCKET,
                                              &mcf->run)
                                  - mcf->keys.data);
    }

    if (mcf->keys.len >= sizeof(((struct sockaddr_un *) 0)->sun_path)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "path of the key broker is too long: \"%V\"",
                           &mcf->keys);
        return NGX_CONF_ERROR;
    }

    return ngx_http_cordon_auth_host(cf, mcf);
}


static void *
ngx_http_cordon_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_cordon_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_cordon_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->enable = NGX_CONF_UNSET;
    conf->certificates = NGX_CONF_UNSET;
    conf->assertion = NGX_CONF_UNSET;

    return conf;
}


static char *
ngx_http_cordon_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_cordon_loc_conf_t   *prev = parent;
    ngx_http_cordon_loc_conf_t   *conf = child;
    ngx_http_cordon_main_conf_t  *mcf;

    ngx_conf_merge_value(conf->enable, prev->enable, 0);
    ngx_conf_merge_value(conf->certificates, prev->certificates, 0);
    ngx_conf_merge_value(conf->assertion, prev->assertion, 1);

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_cordon_module);

    return ngx_cordon_conf_check(cf, &mcf->run,
                                 conf->enable || conf->certificates);
}


/*
 * Servers that decide see every header as it was sent: nginx would drop
 * invalid names and underscores silently, and we refuse them. Certificates
 * come from our callback in place of nginx's.
 */

static ngx_int_t
ngx_http_cordon_server(ngx_http_core_srv_conf_t *cscf)
{
    ngx_http_ssl_srv_conf_t     *sscf;
    ngx_http_cordon_loc_conf_t  *lcf;

    lcf = cscf->ctx->loc_conf[ngx_http_cordon_module.ctx_index];

    if (lcf->enable) {
        cscf->ignore_invalid_headers = 0;
        cscf->underscores_in_headers = 1;
        cscf->merge_slashes = 0;
    }

    if (!lcf->certificates) {
        return NGX_OK;
    }

    sscf = cscf->ctx->srv_conf[ngx_http_ssl_module.ctx_index];

    if (sscf->ssl.ctx) {
        SSL_CTX_set_cert_cb(sscf->ssl.ctx, ngx_cordon_certificate,
                            &ngx_http_cordon.w);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_cordon_checks(ngx_conf_t *cf)
{
    ngx_str_t                     name = ngx_string("cordon_http_health");
    ngx_http_cordon_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_cordon_module);

    if (mcf->run.len == 0) {
        return NGX_OK;
    }

    mcf->check_ssl = ngx_cordon_check_ssl(cf, &mcf->trust);
    mcf->check_zone = ngx_cordon_check_zone(cf, &name,
                                            &ngx_http_cordon_module);

    return mcf->check_ssl && mcf->check_zone ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_cordon_postconfiguration(ngx_conf_t *cf)
{
    ngx_uint_t                   i;
    ngx_http_handler_pt         *h;
    ngx_http_core_srv_conf_t   **cscfp;
    ngx_http_core_main_conf_t   *cmcf;

    ngx_http_cordon_headers_init();

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_POST_READ_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_cordon_log;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_ACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_cordon_access;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_LOG_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_cordon_end;

    cscfp = cmcf->servers.elts;

    for (i = 0; i < cmcf->servers.nelts; i++) {
        if (ngx_http_cordon_server(cscfp[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_http_cordon_checks(cf);
}


/* ---- the worker ---- */

static ngx_int_t
ngx_http_cordon_init_process(ngx_cycle_t *cycle)
{
    ngx_http_cordon_worker_t     *hw = &ngx_http_cordon;
    ngx_http_conf_ctx_t          *confs;
    ngx_http_core_loc_conf_t     *clcf;
    ngx_http_cordon_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_cordon_module);

    if (mcf == NULL || !ngx_cordon_conf_works(&mcf->run)) {
        return NGX_OK;
    }

    hw->conf = mcf;
    ngx_queue_init(&hw->live);
    ngx_queue_init(&hw->conns);

    if (ngx_cordon_worker_init(&hw->w, &mcf->run, "http", cycle) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_cordon_check_init(&hw->w, mcf->check_zone, CD_APP_HTTP,
                          mcf->check_ssl, cycle);

    /* that of http{}: a check belongs to no server{} */

    confs = (ngx_http_conf_ctx_t *) ngx_get_conf(cycle->conf_ctx,
                                                 ngx_http_module);
    clcf = confs->loc_conf[ngx_http_core_module.ctx_index];
    ngx_cordon_check_resolver(clcf->resolver, clcf->resolver_timeout);

    ngx_cordon_tick_start(&hw->w, ngx_http_cordon_tick, cycle);
    ngx_cordon_limit_init(cycle, ngx_http_init_connection, mcf->per_address);

    return NGX_OK;
}


static void
ngx_http_cordon_exit_process(ngx_cycle_t *cycle)
{
    (void) cycle;

    if (ngx_http_cordon.conf) {
        ngx_cordon_worker_done(&ngx_http_cordon.w);
    }
}
