// SPDX-License-Identifier: Apache-2.0
/*
 * Servers that are written as a name: every worker asks nginx's resolver for
 * the name from time to time and keeps its addresses; each of them is checked
 * like a server that is written so. Requests take the addresses from here, so
 * that a silent resolver stops no app: the last ones known stay. An address
 * that leaves the answer is forgotten, in the zone too.
 *
 * Rejected: to keep the addresses in the zone. They would need a lock or a
 * second protocol there, and nginx's resolver, which remembers an answer for
 * as long as it is good, is each worker's own anyway.
 *
 * Many names: nothing waits for more than its own question, and there are at
 * most CD_HEALTH_MAX of them, with NGX_CORDON_UPSTREAMS addresses each.
 */
#include "ngx_cordon_check_set.h"


/* An answer is as old as this when an app is checked more seldom. */
#define NGX_CORDON_CHECK_NAME_EVERY    10       /* s */
#define NGX_CORDON_CHECK_NAME_TIMEOUT  30000    /* ms, nginx's own */


typedef struct {
    ngx_rbtree_node_t        node;          /* key: of app and server */
    ngx_queue_t              queue;
    ngx_event_t              timer;         /* the next question */
    ngx_resolver_ctx_t      *resolve;       /* the one under way */
    struct cd_app            app;           /* its name: of `text` */
    struct cd_health         health;        /* its path: of `text` */
    struct cd_upstream       upstream;      /* its host: of `text` */
    ngx_cordon_addr_t        addrs[NGX_CORDON_UPSTREAMS];
    ngx_uint_t               n;
    ngx_uint_t               held;          /* bit per address: is checked */
    unsigned                 failed:1;      /* which was told */
    u_char                   text[1];
} ngx_cordon_check_name_t;


void
ngx_cordon_check_resolver(ngx_resolver_t *resolver, ngx_msec_t timeout)
{
    ngx_cordon_checks.resolver = resolver;
    ngx_cordon_checks.resolver_timeout =
        timeout == NGX_CONF_UNSET_MSEC || timeout == 0
        ? NGX_CORDON_CHECK_NAME_TIMEOUT : timeout;
}


static uint64_t
ngx_cordon_check_name_key(const struct cd_app *app,
    const struct cd_health *health, const struct cd_upstream *upstream)
{
    uint64_t        host;
    struct cd_addr  addr;

    ngx_memzero(&addr, sizeof(addr));
    host = cd_str_hash(upstream->host);
    ngx_memcpy(addr.bytes, &host, sizeof(host));

    return cd_health_key(app->name, health->path, app->upstream_tls, &addr,
                         upstream->port);
}


/* The server as it would be if this address were written. */

static struct cd_upstream
ngx_cordon_check_name_server(const struct cd_upstream *upstream,
    ngx_cordon_addr_t *addr)
{
    struct cd_upstream  server;

    server = *upstream;
    server.addr = ngx_cordon_addr(&addr->u.sockaddr);

    return server;
}


ngx_int_t
ngx_cordon_check_addrs(const struct cd_app *app,
    const struct cd_health *health, const struct cd_upstream *upstream,
    ngx_cordon_addr_t *addrs, ngx_uint_t *n)
{
    ngx_uint_t                i;
    struct cd_upstream        server;
    ngx_cordon_check_name_t  *name;

    *n = 0;

    if (ngx_cordon_checks.set == NULL) {
        return NGX_DECLINED;
    }

    name = (ngx_cordon_check_name_t *) (void *)
        ngx_cordon_check_node(&ngx_cordon_checks.set->names,
                              ngx_cordon_check_name_key(app, health,
                                                        upstream));

    if (name == NULL || name->n == 0) {
        return NGX_DECLINED;
    }

    for (i = 0; i < name->n; i++) {
        server = ngx_cordon_check_name_server(upstream, &name->addrs[i]);

        if (!ngx_cordon_check_is_down(app, health, &server)) {
            addrs[(*n)++] = name->addrs[i];
        }
    }

    return *n ? NGX_OK : NGX_BUSY;
}


/* ---- an answer ---- */

static ngx_uint_t
ngx_cordon_check_name_find(ngx_cordon_addr_t *addrs, ngx_uint_t n,
    ngx_cordon_addr_t *addr)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        if (addrs[i].socklen == addr->socklen
            && ngx_memcmp(&addrs[i].u, &addr->u, addr->socklen) == 0)
        {
            break;
        }
    }

    return i;
}


/* Each once, however often the answer has it. */

static ngx_uint_t
ngx_cordon_check_name_read(ngx_resolver_ctx_t *resolve, in_port_t port,
    ngx_cordon_addr_t *addrs)
{
    ngx_uint_t           i, n;
    struct cd_upstream   server;
    ngx_cordon_addr_t   *addr;

    n = 0;

    for (i = 0; i < resolve->naddrs && n < NGX_CORDON_UPSTREAMS; i++) {
        addr = &addrs[n];

        /* written anew: every byte of it counts when two are compared */

        server.addr = ngx_cordon_addr(resolve->addrs[i].sockaddr);
        server.port = port;

        if (ngx_cordon_addr_make(addr, &server) == NGX_OK
            && ngx_cordon_check_name_find(addrs, n, addr) == n)
        {
            n++;
        }
    }

    return n;
}


static void
ngx_cordon_check_name_hold(ngx_cordon_check_name_t *name, ngx_uint_t i,
    ngx_cordon_check_set_t *set, ngx_cordon_check_set_t *old)
{
    struct cd_upstream  server;

    if (!ngx_cordon_checks.asks) {
        return;
    }

    server = ngx_cordon_check_name_server(&name->upstream, &name->addrs[i]);

    if (ngx_cordon_check_hold(&name->app, server.host, &name->health, &server,
                              1, set, old)
        == NGX_OK)
    {
        name->held |= (ngx_uint_t) 1 << i;
    }
}


static void
ngx_cordon_check_name_take(ngx_cordon_check_name_t *name,
    ngx_cordon_addr_t *addrs, ngx_uint_t n)
{
    ngx_uint_t           i, j, held, were, gone;
    struct cd_upstream   server;
    ngx_cordon_addr_t    old[NGX_CORDON_UPSTREAMS];

    were = name->n;
    held = name->held;
    gone = 0;

    ngx_memcpy(old, name->addrs, were * sizeof(ngx_cordon_addr_t));
    ngx_memcpy(name->addrs, addrs, n * sizeof(ngx_cordon_addr_t));
    name->n = n;
    name->held = 0;

    for (i = 0; i < n; i++) {
        j = ngx_cordon_check_name_find(old, were, &addrs[i]);

        if (j < were && (held & ((ngx_uint_t) 1 << j))) {
            name->held |= (ngx_uint_t) 1 << i;
            held &= ~((ngx_uint_t) 1 << j);

        } else {
            ngx_cordon_check_name_hold(name, i, ngx_cordon_checks.set, NULL);
        }
    }

    for (j = 0; j < were; j++) {
        if (held & ((ngx_uint_t) 1 << j)) {
            server = ngx_cordon_check_name_server(&name->upstream, &old[j]);
            gone |= ngx_cordon_check_drop(ngx_cordon_checks.set,
                                          ngx_cordon_check_key(&name->app,
                                                               &name->health,
                                                               &server));
        }
    }

    if (gone) {
        ngx_cordon_check_keep(ngx_cordon_checks.set);
    }
}


/* ---- a question ---- */

static void
ngx_cordon_check_name_later(ngx_cordon_check_name_t *name)
{
    uint32_t  every;

    every = ngx_min(name->health.every, NGX_CORDON_CHECK_NAME_EVERY);

    ngx_cordon_check_later(&name->timer, (ngx_msec_t) every * 1000);
}


static void
ngx_cordon_check_name_failed(ngx_cordon_check_name_t *name, const char *why)
{
    ngx_str_t  app, host;

    if (name->failed || !ngx_cordon_checks.asks) {
        return;                                 /* of the workers one tells */
    }

    name->failed = 1;
    app.data = (u_char *) (uintptr_t) name->app.name.ptr;
    app.len = name->app.name.len;
    host.data = (u_char *) (uintptr_t) name->upstream.host.ptr;
    host.len = name->upstream.host.len;

    ngx_log_error(NGX_LOG_WARN, ngx_cordon_checks.cycle_log, 0,
                  "cordon: %V, a server of app \"%V\", could not be resolved "
                  "(%s), its addresses stay as they are", &host, &app, why);
}


/* Addresses that were told before this worker or this line began may have left
 * the name without a word. */

static void
ngx_cordon_check_name_first(ngx_cordon_check_name_t *name)
{
    ngx_cordon_check_word_t  word;

    ngx_memzero(&word, sizeof(word));
    word.app = name->app.name;
    word.name = name->upstream.host;
    word.port = name->upstream.port;
    word.detail = CD_STR("each of its addresses is checked from here on");

    ngx_cordon_check_tell(&word);
}


/* May run inside of ngx_resolve_name(). The answer ends with it. */

static void
ngx_cordon_check_name_resolved(ngx_resolver_ctx_t *resolve)
{
    ngx_uint_t                n;
    ngx_cordon_addr_t         addrs[NGX_CORDON_UPSTREAMS];
    ngx_cordon_check_name_t  *name;

    name = resolve->data;
    name->resolve = NULL;
    n = 0;

    if (resolve->state) {
        ngx_cordon_check_name_failed(name,
                                     ngx_resolver_strerror(resolve->state));

    } else {
        n = ngx_cordon_check_name_read(resolve, name->upstream.port, addrs);
    }

    ngx_resolve_name_done(resolve);

    if (n && name->n == 0 && ngx_cordon_checks.asks) {
        ngx_cordon_check_name_first(name);
    }

    if (n) {
        name->failed = 0;
        ngx_cordon_check_name_take(name, addrs, n);
    }

    ngx_cordon_check_name_later(name);
}


static void
ngx_cordon_check_name_timer(ngx_event_t *ev)
{
    ngx_resolver_ctx_t       *resolve;
    ngx_cordon_check_name_t  *name;

    name = (ngx_cordon_check_name_t *) (void *)
               ((u_char *) ev - offsetof(ngx_cordon_check_name_t, timer));

    if (ngx_exiting) {
        return;
    }

    resolve = ngx_resolve_start(ngx_cordon_checks.resolver, NULL);

    if (resolve == NULL || resolve == NGX_NO_RESOLVER) {
        ngx_cordon_check_name_failed(name, resolve ? "no resolver is there"
                                                   : "no memory");
        ngx_cordon_check_name_later(name);
        return;
    }

    resolve->name.data = (u_char *) (uintptr_t) name->upstream.host.ptr;
    resolve->name.len = name->upstream.host.len;
    resolve->handler = ngx_cordon_check_name_resolved;
    resolve->data = name;
    resolve->timeout = ngx_cordon_checks.resolver_timeout;
    resolve->cancelable = 1;

    name->resolve = resolve;

    if (ngx_resolve_name(resolve) != NGX_OK) {
        name->resolve = NULL;                   /* it is freed */
        ngx_cordon_check_name_failed(name, "the question could not be asked");
        ngx_cordon_check_name_later(name);
    }
}


/* ---- of a set ---- */

static struct cd_str
ngx_cordon_check_name_copy(u_char **p, struct cd_str from)
{
    struct cd_str  to;

    to = cd_str_make(*p, from.len);
    *p = ngx_cpymem(*p, from.ptr, from.len);

    return to;
}


static ngx_cordon_check_name_t *
ngx_cordon_check_name_create(const struct cd_app *app,
    const struct cd_health *health, const struct cd_upstream *upstream)
{
    u_char                   *p;
    ngx_cordon_check_name_t  *name;

    name = ngx_calloc(sizeof(ngx_cordon_check_name_t) + app->name.len
                      + health->path.len + upstream->host.len,
                      ngx_cordon_checks.cycle_log);
    if (name == NULL) {
        return NULL;
    }

    p = name->text;

    name->app.upstream_tls = app->upstream_tls;
    name->app.name = ngx_cordon_check_name_copy(&p, app->name);
    name->health = *health;
    name->health.path = ngx_cordon_check_name_copy(&p, health->path);
    name->upstream = *upstream;
    name->upstream.host = ngx_cordon_check_name_copy(&p, upstream->host);

    name->timer.handler = ngx_cordon_check_name_timer;
    name->timer.data = &ngx_cordon_checks.dummy;
    name->timer.log = ngx_cordon_checks.cycle_log;
    name->timer.cancelable = 1;

    return name;
}


void
ngx_cordon_check_name(const struct cd_app *app, const struct cd_health *health,
    const struct cd_upstream *upstream, ngx_cordon_check_set_t *set,
    ngx_cordon_check_set_t *old)
{
    uint64_t                  key;
    ngx_uint_t                i;
    ngx_msec_int_t            left;
    ngx_cordon_check_name_t  *name, *was;

    key = ngx_cordon_check_name_key(app, health, upstream);

    if (ngx_cordon_checks.resolver == NULL || set->n_names >= CD_HEALTH_MAX
        || ngx_cordon_check_node(&set->names, key))
    {
        return;
    }

    name = ngx_cordon_check_name_create(app, health, upstream);

    if (name == NULL) {
        return;
    }

    name->node.key = key;
    ngx_rbtree_insert(&set->names, &name->node);
    ngx_queue_insert_tail(&set->names_queue, &name->queue);

    /* a few at once, not thousands */

    left = (ngx_msec_int_t) ++set->n_names;
    was = (ngx_cordon_check_name_t *) (void *)
              ngx_cordon_check_node(&old->names, key);

    if (was) {
        ngx_memcpy(name->addrs, was->addrs, sizeof(name->addrs));
        name->n = was->n;
        name->failed = was->failed;

        for (i = 0; i < name->n; i++) {
            ngx_cordon_check_name_hold(name, i, set, old);
        }

        if (was->resolve == NULL && was->n) {
            left = (ngx_msec_int_t) (was->timer.timer.key - ngx_current_msec);
            left = ngx_min(left, (ngx_msec_int_t) name->health.every * 1000);
        }
    }

    ngx_add_timer(&name->timer, (ngx_msec_t) ngx_max(left, 0));
}


void
ngx_cordon_check_names_done(ngx_cordon_check_set_t *set)
{
    ngx_queue_t              *q;
    ngx_cordon_check_name_t  *name;

    while (!ngx_queue_empty(&set->names_queue)) {
        q = ngx_queue_head(&set->names_queue);
        ngx_queue_remove(q);

        name = ngx_queue_data(q, ngx_cordon_check_name_t, queue);

        if (name->resolve) {
            ngx_resolve_name_done(name->resolve);
        }

        if (name->timer.timer_set) {
            ngx_del_timer(&name->timer);
        }

        ngx_free(name);
    }
}
