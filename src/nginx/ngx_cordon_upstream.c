// SPDX-License-Identifier: Apache-2.0
/*
 * Health of upstream servers, as this worker meets them: after MAX_FAILS
 * failures in a row a server is left alone for a time that doubles with every
 * further failure. The table is direct-mapped and bounded; a collision makes a
 * server look healthy, which costs an attempt and no request.
 */
#include "ngx_cordon.h"


#define NGX_CORDON_HEALTH_SLOTS  1024
#define NGX_CORDON_MAX_FAILS     2
#define NGX_CORDON_BACKOFF_FIRST 1000       /* ms */
#define NGX_CORDON_BACKOFF_MAX   30000


typedef struct {
    ngx_cordon_addr_t  addr;
    ngx_uint_t         fails;
    ngx_msec_t         backoff;
    ngx_msec_t         until;
} ngx_cordon_health_t;


static ngx_cordon_health_t  ngx_cordon_health[NGX_CORDON_HEALTH_SLOTS];


ngx_int_t
ngx_cordon_addr_make(ngx_cordon_addr_t *addr,
    const struct cd_upstream *upstream)
{
    ngx_memzero(addr, sizeof(*addr));

    switch (upstream->addr.family) {

    case 4:
        addr->u.in.sin_family = AF_INET;
        addr->u.in.sin_port = htons(upstream->port);
        ngx_memcpy(&addr->u.in.sin_addr, upstream->addr.bytes, 4);
        addr->socklen = sizeof(struct sockaddr_in);
        return NGX_OK;

    case 6:
        addr->u.in6.sin6_family = AF_INET6;
        addr->u.in6.sin6_port = htons(upstream->port);
        ngx_memcpy(&addr->u.in6.sin6_addr, upstream->addr.bytes, 16);
        addr->socklen = sizeof(struct sockaddr_in6);
        return NGX_OK;

    default:
        return NGX_DECLINED;
    }
}


static ngx_cordon_health_t *
ngx_cordon_health_slot(ngx_cordon_addr_t *addr, ngx_uint_t make)
{
    uint32_t              hash;
    ngx_cordon_health_t  *h;

    hash = ngx_murmur_hash2((u_char *) &addr->u, addr->socklen);
    h = &ngx_cordon_health[hash % NGX_CORDON_HEALTH_SLOTS];

    if (h->addr.socklen == addr->socklen
        && ngx_memcmp(&h->addr.u, &addr->u, addr->socklen) == 0)
    {
        return h;
    }

    if (!make) {
        return NULL;
    }

    ngx_memzero(h, sizeof(*h));
    h->addr = *addr;

    return h;
}


ngx_uint_t
ngx_cordon_health_ok(ngx_cordon_addr_t *addr)
{
    ngx_cordon_health_t  *h;

    h = ngx_cordon_health_slot(addr, 0);

    return h == NULL || h->fails < NGX_CORDON_MAX_FAILS
           || (ngx_msec_int_t) (ngx_current_msec - h->until) >= 0;
}


ngx_uint_t
ngx_cordon_health_failed(ngx_cordon_addr_t *addr)
{
    ngx_cordon_health_t  *h;

    h = ngx_cordon_health_slot(addr, 1);

    if (++h->fails < NGX_CORDON_MAX_FAILS) {
        return 0;
    }

    h->backoff = h->backoff ? ngx_min(h->backoff * 2, NGX_CORDON_BACKOFF_MAX)
                            : NGX_CORDON_BACKOFF_FIRST;
    h->until = ngx_current_msec + h->backoff;

    return h->fails == NGX_CORDON_MAX_FAILS;
}


ngx_uint_t
ngx_cordon_health_good(ngx_cordon_addr_t *addr)
{
    ngx_uint_t            was;
    ngx_cordon_health_t  *h;

    h = ngx_cordon_health_slot(addr, 0);

    if (h == NULL) {
        return 0;
    }

    was = h->fails;
    h->fails = 0;
    h->backoff = 0;

    return was >= NGX_CORDON_MAX_FAILS;
}
