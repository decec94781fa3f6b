/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Health checks from inside: _check.c is the zone and one check, _check_set.c
 * which servers are checked, _check_name.c the addresses of names.
 */
#ifndef _NGX_CORDON_CHECK_SET_H_INCLUDED_
#define _NGX_CORDON_CHECK_SET_H_INCLUDED_


#include "ngx_cordon_check.h"

#include "base/str.h"
#include "shm/health.h"


typedef enum {
    NGX_CORDON_CHECK_IDLE = 0,
    NGX_CORDON_CHECK_CONNECT,
    NGX_CORDON_CHECK_HANDSHAKE,
    NGX_CORDON_CHECK_SEND,
    NGX_CORDON_CHECK_READ
} ngx_cordon_check_step_e;


typedef struct {
    ngx_rbtree_node_t        node;          /* key: cd_health_key() */
    ngx_queue_t              queue;
    ngx_event_t              timer;         /* the next one; or a timeout */
    ngx_cordon_addr_t        addr;
    struct cd_health_state   state;
    uint32_t                 every;
    uint32_t                 fall;
    uint32_t                 rise;
    uint32_t                 holders;       /* written so, and names' */
    ngx_cordon_check_step_e  step;
    ngx_connection_t        *connection;
    size_t                   sent;
    size_t                   got;
    u_char                   answer[CD_HEALTH_LINE];
    unsigned                 tls:1;
    unsigned                 told:1;        /* how it was found, once */
    unsigned                 named:1;       /* `host` is written, not addr */
    ngx_str_t                app;
    ngx_str_t                host;          /* for the certificate */
    ngx_str_t                request;       /* empty: only connects */
    u_char                   text[1];       /* ... all three */
} ngx_cordon_check_t;


typedef struct {
    ngx_rbtree_t             tree;
    ngx_rbtree_node_t        sentinel;
    ngx_queue_t              queue;
    ngx_uint_t               n;
    ngx_rbtree_t             names;
    ngx_rbtree_node_t        names_sentinel;
    ngx_queue_t              names_queue;
    ngx_uint_t               n_names;
} ngx_cordon_check_set_t;


typedef struct {
    ngx_cordon_worker_t     *w;
    ngx_slab_pool_t         *pool;
    struct cd_health_map    *map;
    enum cd_app_kind         kind;
    ngx_ssl_t               *ssl;
    ngx_log_t                log;           /* of the checks' sockets */
    ngx_log_t               *cycle_log;
    ngx_connection_t         dummy;         /* what timers belong to */
    ngx_cordon_check_set_t   sets[2];
    ngx_cordon_check_set_t  *set;           /* NULL: no more */
    ngx_uint_t               running;
    ngx_resolver_t          *resolver;      /* NULL: names stay names */
    ngx_msec_t               resolver_timeout;
    unsigned                 asks:1;        /* this worker checks */
    unsigned                 taken:1;       /* `hash` is of the set */
    uint8_t                  hash[CD_SNAPMAP_HASH_LEN];
} ngx_cordon_checks_t;


/* An event. Without an outcome it is no server any more; without an address,
 * none of those that were told of its name is known to be one. */
typedef struct {
    struct cd_str            app;
    struct cd_str            name;          /* empty: the address is written */
    struct cd_addr           ip;
    in_port_t                port;
    ngx_uint_t               outcome;       /* 0: none */
    struct cd_str            detail;
} ngx_cordon_check_word_t;


/* of this worker */
extern ngx_cordon_checks_t  ngx_cordon_checks;


uint64_t ngx_cordon_check_key(const struct cd_app *app,
    const struct cd_health *health, const struct cd_upstream *upstream);
void ngx_cordon_check_set_init(ngx_cordon_check_set_t *set);
/* Ends what is under way, without an outcome. */
void ngx_cordon_check_close(ngx_cordon_check_t *t);
void ngx_cordon_check_timer(ngx_event_t *ev);
void ngx_cordon_check_later(ngx_event_t *timer, ngx_msec_t delay);
void ngx_cordon_check_tell(const ngx_cordon_check_word_t *word);
void ngx_cordon_check_word(ngx_cordon_check_t *t, ngx_uint_t outcome,
    struct cd_str detail);

/* One more wants this server checked; old: what is known of it, or NULL.
 * first: whose certificate requests insist on. named: the host is a name. */
ngx_int_t ngx_cordon_check_hold(const struct cd_app *app, struct cd_str first,
    const struct cd_health *health, const struct cd_upstream *upstream,
    ngx_uint_t named, ngx_cordon_check_set_t *set,
    ngx_cordon_check_set_t *old);
/* One less does; 1: it was the last, ngx_cordon_check_keep() has to follow. */
ngx_uint_t ngx_cordon_check_drop(ngx_cordon_check_set_t *set, uint64_t key);
/* Forgets in the zone what is not of this set. */
void ngx_cordon_check_keep(ngx_cordon_check_set_t *set);
ngx_rbtree_node_t *ngx_cordon_check_node(ngx_rbtree_t *tree, uint64_t key);

/* A server that is a name joins a set. */
void ngx_cordon_check_name(const struct cd_app *app,
    const struct cd_health *health, const struct cd_upstream *upstream,
    ngx_cordon_check_set_t *set, ngx_cordon_check_set_t *old);
void ngx_cordon_check_names_done(ngx_cordon_check_set_t *set);


#endif /* _NGX_CORDON_CHECK_SET_H_INCLUDED_ */
