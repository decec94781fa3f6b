// SPDX-License-Identifier: Apache-2.0
/*
 * What nginx looks up in a dynamic module; its own build writes this file by
 * script (auto/make), which would bring nginx's makefiles into ours.
 */
#include <ngx_config.h>
#include <ngx_core.h>


extern ngx_module_t  ngx_http_cordon_module;
extern ngx_module_t  ngx_http_cordon_filter_module;

ngx_module_t *ngx_modules[] = {
    &ngx_http_cordon_module,
    &ngx_http_cordon_filter_module,
    NULL
};

char *ngx_module_names[] = {
    "ngx_http_cordon_module",
    "ngx_http_cordon_filter_module",
    NULL
};

/* Before the other in the list is behind it on the way of an answer. */

char *ngx_module_order[] = {
    "ngx_http_cordon_filter_module",
    "ngx_http_headers_filter_module",
    NULL
};
