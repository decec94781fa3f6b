// SPDX-License-Identifier: Apache-2.0
/*
 * Directives and variables that both modules have.
 */
#include "ngx_cordon.h"


void
ngx_cordon_conf_trim(ngx_str_t *path)
{
    if (path->len > 1 && path->data[path->len - 1] == '/') {
        path->len--;
    }
}


char *
ngx_cordon_conf_check(ngx_conf_t *cf, ngx_str_t *run, ngx_uint_t needed)
{
    if (needed && run->len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"cordon\" needs \"cordon_run\"");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* Whether this process decides anything. */

ngx_uint_t
ngx_cordon_conf_works(ngx_str_t *run)
{
    return (ngx_process == NGX_PROCESS_WORKER
            || ngx_process == NGX_PROCESS_SINGLE)
           && run->len != 0;
}


ngx_int_t
ngx_cordon_variable_set(ngx_variable_value_t *v, u_char *data, size_t len)
{
    v->data = data;
    v->len = len & 0xfffffff;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


ngx_int_t
ngx_cordon_variable_none(ngx_variable_value_t *v)
{
    v->not_found = 1;

    return NGX_OK;
}
