// SPDX-License-Identifier: Apache-2.0
/*
 * What nginx looks up in a dynamic module; its own build writes this file by
 * script (auto/make), which would bring nginx's makefiles into ours.
 */
#include <ngx_config.h>
#include <ngx_core.h>


extern ngx_module_t  ngx_stream_cordon_module;

ngx_module_t *ngx_modules[] = {
    &ngx_stream_cordon_module,
    NULL
};

char *ngx_module_names[] = {
    "ngx_stream_cordon_module",
    NULL
};

char *ngx_module_order[] = {
    NULL
};
