/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The most connections that one address (IPv6: one /64) may have open at one
 * worker, kept from the moment of accept().
 */
#ifndef _NGX_CORDON_LIMIT_H_INCLUDED_
#define _NGX_CORDON_LIMIT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


/*
 * In init_process: puts the bound before every listening socket that has this
 * handler (ngx_http_init_connection, ngx_stream_init_connection). Not above
 * 0: no bound.
 */
void ngx_cordon_limit_init(ngx_cycle_t *cycle,
    ngx_connection_handler_pt handler, ngx_int_t max);


#endif /* _NGX_CORDON_LIMIT_H_INCLUDED_ */
