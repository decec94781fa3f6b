/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Active health checks: the servers of apps with a "health" line are asked
 * from time to time, by the first worker; every worker sees the outcome in a
 * shared zone. A new policy changes the set of servers, no reload does.
 *
 * The addresses of servers that are written as a name are known to each worker
 * by itself, from its own resolver.
 *
 * Each module checks the apps of its own kind and has its own zone.
 */
#ifndef _NGX_CORDON_CHECK_H_INCLUDED_
#define _NGX_CORDON_CHECK_H_INCLUDED_


#include "ngx_cordon.h"


/* The zone, once a configuration; NULL: no memory. */
ngx_shm_zone_t *ngx_cordon_check_zone(ngx_conf_t *cf, ngx_str_t *name,
    void *tag);
/* For servers with TLS: trusts the authorities in this file, empty: those of
 * the system. NULL: an error, told. */
ngx_ssl_t *ngx_cordon_check_ssl(ngx_conf_t *cf, ngx_str_t *trust);
/* As a worker begins. ssl: of the above, or NULL: none has TLS. */
void ngx_cordon_check_init(ngx_cordon_worker_t *w, ngx_shm_zone_t *zone,
    enum cd_app_kind kind, ngx_ssl_t *ssl, ngx_cycle_t *cycle);
/* Who is asked for the addresses of names. timeout: NGX_CONF_UNSET_MSEC is
 * nginx's default. */
void ngx_cordon_check_resolver(ngx_resolver_t *resolver, ngx_msec_t timeout);
/* From the worker's timer: takes a new policy. */
void ngx_cordon_check_tick(void);
void ngx_cordon_check_done(void);

/* Whether checks found that this server of an app is not healthy. */
ngx_uint_t ngx_cordon_check_is_down(const struct cd_app *app,
    const struct cd_health *health, const struct cd_upstream *upstream);
/* Of a checked server that is a name, the addresses that are healthy, at most
 * NGX_CORDON_UPSTREAMS. NGX_BUSY: none is; NGX_DECLINED: none is known. */
ngx_int_t ngx_cordon_check_addrs(const struct cd_app *app,
    const struct cd_health *health, const struct cd_upstream *upstream,
    ngx_cordon_addr_t *addrs, ngx_uint_t *n);


#endif /* _NGX_CORDON_CHECK_H_INCLUDED_ */
