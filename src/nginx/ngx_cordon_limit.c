// SPDX-License-Identifier: Apache-2.0
/*
 * How many connections one address may have open at a worker. nginx counts
 * (limit_conn) only when a request's header was read, so whoever never sends
 * one could take every place of a worker with idle or slow handshakes. Here
 * the handler of the listening sockets is ours: a connection above the bound
 * is closed before a byte of it is read, and the place it had is free again.
 *
 * Counted by worker, because a worker's places are what runs out; nothing is
 * shared and nothing waits. One address of IPv6 is a /64, which is what one
 * customer of a provider has at least. Addresses are kept while they have
 * connections: there are never more of them than a worker has places.
 */
#include "ngx_cordon_limit.h"


#define NGX_CORDON_LIMIT_SAY  10    /* s between two lines of the log */


typedef struct {
    ngx_rbtree_node_t        node;
    ngx_rbtree_t            *tree;
    ngx_uint_t               n;         /* connections */
} ngx_cordon_limit_peer_t;


typedef struct {
    ngx_rbtree_t             v4;        /* by address */
    ngx_rbtree_t             v6;        /* by /64 */
    ngx_rbtree_node_t        v4_sentinel;
    ngx_rbtree_node_t        v6_sentinel;
    ngx_uint_t               max;
    ngx_connection_handler_pt  next;
    ngx_uint_t               closed;    /* since it was said */
    time_t                   said;
} ngx_cordon_limit_t;


static ngx_cordon_limit_t  ngx_cordon_limit;


_Static_assert(sizeof(ngx_rbtree_key_t) == 8, "a key holds a /64");


static void
ngx_cordon_limit_leave(void *data)
{
    ngx_cordon_limit_peer_t  *p = data;

    if (--p->n == 0) {
        ngx_rbtree_delete(p->tree, &p->node);
        ngx_free(p);
    }
}


/* What is counted together; NULL: a peer without an address. */

static ngx_rbtree_t *
ngx_cordon_limit_key(struct sockaddr *sa, ngx_rbtree_key_t *key)
{
    in_addr_t             v4;
    struct sockaddr_in   *sin;
    struct sockaddr_in6  *sin6;

    switch (sa->sa_family) {

    case AF_INET:
        sin = (struct sockaddr_in *) sa;
        *key = sin->sin_addr.s_addr;
        return &ngx_cordon_limit.v4;

    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) sa;

        if (IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr)) {
            ngx_memcpy(&v4, &sin6->sin6_addr.s6_addr[12], sizeof(v4));
            *key = v4;
            return &ngx_cordon_limit.v4;
        }

        ngx_memcpy(key, sin6->sin6_addr.s6_addr, sizeof(*key));
        return &ngx_cordon_limit.v6;

    default:
        return NULL;
    }
}


static ngx_cordon_limit_peer_t *
ngx_cordon_limit_find(ngx_rbtree_t *tree, ngx_rbtree_key_t key)
{
    ngx_rbtree_node_t        *node;
    ngx_cordon_limit_peer_t  *p;

    node = tree->root;

    while (node != tree->sentinel) {
        if (node->key == key) {
            return (ngx_cordon_limit_peer_t *) node;
        }

        node = (key < node->key) ? node->left : node->right;
    }

    p = ngx_calloc(sizeof(ngx_cordon_limit_peer_t), ngx_cycle->log);

    if (p) {
        p->node.key = key;
        p->tree = tree;
        ngx_rbtree_insert(tree, &p->node);
    }

    return p;
}


/* As nginx's own modules close a connection that has nothing yet. */

static void
ngx_cordon_limit_close(ngx_connection_t *c)
{
    ngx_pool_t  *pool;

#if (NGX_STAT_STUB)
    (void) ngx_atomic_fetch_add(ngx_stat_active, -1);
#endif

    c->destroyed = 1;
    pool = c->pool;

    ngx_close_connection(c);
    ngx_destroy_pool(pool);
}


static void
ngx_cordon_limit_refuse(ngx_connection_t *c)
{
    ngx_cordon_limit_t  *l = &ngx_cordon_limit;

    l->closed++;

    if (ngx_time() - l->said >= NGX_CORDON_LIMIT_SAY || ngx_time() < l->said) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "cordon: %V has %ui connections at this worker, the "
                      "most of one address: %ui closed", &c->addr_text,
                      l->max, l->closed);
        l->said = ngx_time();
        l->closed = 0;
    }

    ngx_cordon_limit_close(c);
}


static void
ngx_cordon_limit_accept(ngx_connection_t *c)
{
    ngx_rbtree_t             *tree;
    ngx_rbtree_key_t          key;
    ngx_pool_cleanup_t       *cln;
    ngx_cordon_limit_peer_t  *p;

    tree = ngx_cordon_limit_key(c->sockaddr, &key);

    if (tree == NULL) {
        ngx_cordon_limit.next(c);
        return;
    }

    cln = ngx_pool_cleanup_add(c->pool, 0);
    p = cln ? ngx_cordon_limit_find(tree, key) : NULL;

    if (p == NULL) {
        ngx_cordon_limit_close(c);
        return;
    }

    if (p->n >= ngx_cordon_limit.max) {
        ngx_cordon_limit_refuse(c);
        return;
    }

    p->n++;
    cln->handler = ngx_cordon_limit_leave;
    cln->data = p;

    ngx_cordon_limit.next(c);
}


void
ngx_cordon_limit_init(ngx_cycle_t *cycle, ngx_connection_handler_pt handler,
    ngx_int_t max)
{
    ngx_uint_t           i;
    ngx_listening_t     *ls;
    ngx_cordon_limit_t  *l = &ngx_cordon_limit;

    if (max <= 0) {
        return;
    }

    ngx_rbtree_init(&l->v4, &l->v4_sentinel, ngx_rbtree_insert_value);
    ngx_rbtree_init(&l->v6, &l->v6_sentinel, ngx_rbtree_insert_value);
    l->max = (ngx_uint_t) max;
    l->next = handler;

    ls = cycle->listening.elts;

    for (i = 0; i < cycle->listening.nelts; i++) {
        if (ls[i].handler == handler && ls[i].type == SOCK_STREAM) {
            ls[i].handler = ngx_cordon_limit_accept;
        }
    }
}
