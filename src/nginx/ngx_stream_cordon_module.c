// SPDX-License-Identifier: Apache-2.0
/*
 * The enforcement point for TCP apps. TLS ends here: the server name says
 * which app is asked for, a client certificate of our CA who asks (its
 * SHA-256 is the key of a session). Without one the visitor is anonymous.
 * Nobody can be asked anything here, so the decision turns a challenge into
 * a refusal.
 *
 *	cordon_run DIR;            the run directory (main)
 *	cordon_per_address N;      connections of one address (IPv6: one /64)
 *				   at one worker; 0, no bound (main)
 *	cordon on;                 decide here (server)
 *	cordon_certificates on;    certificates from run/tls (server)
 *
 * $cordon_target: the server that was chosen, for proxy_pass.
 * $cordon_certificate: stands where nginx asks for a file.
 */
#include "ngx_stream_cordon.h"
#include "ngx_cordon_check.h"
#include "ngx_cordon_limit.h"


ngx_stream_cordon_worker_t  ngx_stream_cordon;


static char *ngx_stream_cordon_run(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_stream_cordon_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_stream_cordon_postconfiguration(ngx_conf_t *cf);
static void *ngx_stream_cordon_create_main_conf(ngx_conf_t *cf);
static void *ngx_stream_cordon_create_srv_conf(ngx_conf_t *cf);
static char *ngx_stream_cordon_merge_srv_conf(ngx_conf_t *cf, void *parent,
    void *child);
static ngx_int_t ngx_stream_cordon_init_process(ngx_cycle_t *cycle);
static void ngx_stream_cordon_exit_process(ngx_cycle_t *cycle);


static ngx_command_t  ngx_stream_cordon_commands[] = {

    { ngx_string("cordon_run"),
      NGX_STREAM_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_stream_cordon_run,
      NGX_STREAM_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("cordon_per_address"),
      NGX_STREAM_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_STREAM_MAIN_CONF_OFFSET,
      offsetof(ngx_stream_cordon_main_conf_t, per_address),
      NULL },

    { ngx_string("cordon"),
      NGX_STREAM_MAIN_CONF|NGX_STREAM_SRV_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_STREAM_SRV_CONF_OFFSET,
      offsetof(ngx_stream_cordon_srv_conf_t, enable),
      NULL },

    { ngx_string("cordon_certificates"),
      NGX_STREAM_MAIN_CONF|NGX_STREAM_SRV_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_STREAM_SRV_CONF_OFFSET,
      offsetof(ngx_stream_cordon_srv_conf_t, certificates),
      NULL },

      ngx_null_command
};


static ngx_stream_module_t  ngx_stream_cordon_module_ctx = {
    ngx_stream_cordon_preconfiguration,    /* preconfiguration */
    ngx_stream_cordon_postconfiguration,   /* postconfiguration */

    ngx_stream_cordon_create_main_conf,    /* create main configuration */
    NULL,                                  /* init main configuration */

    ngx_stream_cordon_create_srv_conf,     /* create server configuration */
    ngx_stream_cordon_merge_srv_conf       /* merge server configuration */
};


ngx_module_t  ngx_stream_cordon_module = {
    NGX_MODULE_V1,
    &ngx_stream_cordon_module_ctx,         /* module context */
    ngx_stream_cordon_commands,            /* module directives */
    NGX_STREAM_MODULE,                     /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_stream_cordon_init_process,        /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_stream_cordon_exit_process,        /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_stream_cordon_target_variable(ngx_stream_session_t *s,
    ngx_stream_variable_value_t *v, uintptr_t data)
{
    ngx_stream_cordon_ctx_t  *ctx;

    (void) data;

    ctx = ngx_stream_get_module_ctx(s, ngx_stream_cordon_module);

    if (ctx == NULL || !ctx->allowed) {
        return ngx_cordon_variable_none(v);
    }

    return ngx_cordon_variable_set(v, ctx->target.data, ctx->target.len);
}


static ngx_int_t
ngx_stream_cordon_certificate_variable(ngx_stream_session_t *s,
    ngx_stream_variable_value_t *v, uintptr_t data)
{
    (void) s;
    (void) data;

    return ngx_cordon_variable_none(v);
}


static ngx_stream_variable_t  ngx_stream_cordon_variables[] = {

    { ngx_string("cordon_target"), NULL,
      ngx_stream_cordon_target_variable, 0, 0, 0 },

    { ngx_string("cordon_certificate"), NULL,
      ngx_stream_cordon_certificate_variable, 0, 0, 0 },

      ngx_stream_null_variable
};


static ngx_int_t
ngx_stream_cordon_preconfiguration(ngx_conf_t *cf)
{
    ngx_stream_variable_t  *var, *v;

    for (v = ngx_stream_cordon_variables; v->name.len; v++) {
        var = ngx_stream_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static char *
ngx_stream_cordon_run(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                      *value;
    ngx_stream_cordon_main_conf_t  *mcf = conf;

    (void) cmd;

    value = cf->args->elts;
    mcf->run = value[1];

    ngx_cordon_conf_trim(&mcf->run);

    return NGX_CONF_OK;
}


static void *
ngx_stream_cordon_create_main_conf(ngx_conf_t *cf)
{
    ngx_stream_cordon_main_conf_t  *mcf;

    mcf = ngx_pcalloc(cf->pool, sizeof(ngx_stream_cordon_main_conf_t));

    if (mcf) {
        mcf->per_address = NGX_CONF_UNSET;  /* as good as none */
    }

    return mcf;
}


static void *
ngx_stream_cordon_create_srv_conf(ngx_conf_t *cf)
{
    ngx_stream_cordon_srv_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_stream_cordon_srv_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->enable = NGX_CONF_UNSET;
    conf->certificates = NGX_CONF_UNSET;

    return conf;
}


static char *
ngx_stream_cordon_merge_srv_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_stream_ssl_conf_t          *sslcf;
    ngx_stream_cordon_srv_conf_t   *prev = parent;
    ngx_stream_cordon_srv_conf_t   *conf = child;
    ngx_stream_cordon_main_conf_t  *mcf;

    ngx_conf_merge_value(conf->enable, prev->enable, 0);
    ngx_conf_merge_value(conf->certificates, prev->certificates, 0);

    mcf = ngx_stream_conf_get_module_main_conf(cf, ngx_stream_cordon_module);

    if (ngx_cordon_conf_check(cf, &mcf->run,
                              conf->enable || conf->certificates)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    /* the ssl module is compiled into nginx and was merged before */

    sslcf = ngx_stream_conf_get_module_srv_conf(cf, ngx_stream_ssl_module);

    if (conf->certificates && sslcf->ssl.ctx) {
        SSL_CTX_set_cert_cb(sslcf->ssl.ctx, ngx_cordon_certificate,
                            &ngx_stream_cordon.w);
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_stream_cordon_checks(ngx_conf_t *cf)
{
    ngx_str_t                       name = ngx_string("cordon_stream_health");
    ngx_stream_cordon_main_conf_t  *mcf;

    mcf = ngx_stream_conf_get_module_main_conf(cf, ngx_stream_cordon_module);

    if (mcf->run.len == 0) {
        return NGX_OK;
    }

    mcf->check_zone = ngx_cordon_check_zone(cf, &name,
                                            &ngx_stream_cordon_module);

    return mcf->check_zone ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_stream_cordon_postconfiguration(ngx_conf_t *cf)
{
    ngx_stream_handler_pt        *h;
    ngx_stream_core_main_conf_t  *cmcf;

    cmcf = ngx_stream_conf_get_module_main_conf(cf, ngx_stream_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_STREAM_PREREAD_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_stream_cordon_preread;

    h = ngx_array_push(&cmcf->phases[NGX_STREAM_LOG_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_stream_cordon_log;

    return ngx_stream_cordon_checks(cf);
}


static ngx_int_t
ngx_stream_cordon_init_process(ngx_cycle_t *cycle)
{
    ngx_stream_conf_ctx_t          *confs;
    ngx_stream_core_srv_conf_t     *cscf;
    ngx_stream_cordon_worker_t     *sw = &ngx_stream_cordon;
    ngx_stream_cordon_main_conf_t  *mcf;

    mcf = ngx_stream_cycle_get_module_main_conf(cycle,
                                                ngx_stream_cordon_module);

    if (mcf == NULL || !ngx_cordon_conf_works(&mcf->run)) {
        return NGX_OK;
    }

    ngx_queue_init(&sw->live);

    if (ngx_cordon_worker_init(&sw->w, &mcf->run, "stream", cycle) != NGX_OK) {
        return NGX_ERROR;
    }

    sw->ready = 1;
    ngx_cordon_check_init(&sw->w, mcf->check_zone, CD_APP_TCP, NULL, cycle);

    /* that of stream{}: a check belongs to no server{} */

    confs = (ngx_stream_conf_ctx_t *) ngx_get_conf(cycle->conf_ctx,
                                                   ngx_stream_module);
    cscf = confs->srv_conf[ngx_stream_core_module.ctx_index];
    ngx_cordon_check_resolver(cscf->resolver, cscf->resolver_timeout);

    ngx_cordon_tick_start(&sw->w, ngx_stream_cordon_tick, cycle);
    ngx_cordon_limit_init(cycle, ngx_stream_init_connection,
                          mcf->per_address);

    return NGX_OK;
}


static void
ngx_stream_cordon_exit_process(ngx_cycle_t *cycle)
{
    (void) cycle;

    if (ngx_stream_cordon.ready) {
        ngx_cordon_worker_done(&ngx_stream_cordon.w);
    }
}
