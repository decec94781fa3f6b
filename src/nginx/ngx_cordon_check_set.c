// SPDX-License-Identifier: Apache-2.0
/*
 * Which servers are checked: those of the policy in force. A new policy makes
 * a new set, into which servers that stay bring what is known of them and when
 * they are due; what is left of the old set is forgotten, in the zone too.
 */
#include "ngx_cordon_check_set.h"


#define NGX_CORDON_CHECK_FIRST  1000        /* ms, all first checks begin in */


void
ngx_cordon_check_set_init(ngx_cordon_check_set_t *set)
{
    ngx_rbtree_init(&set->tree, &set->sentinel, ngx_rbtree_insert_value);
    ngx_queue_init(&set->queue);
    set->n = 0;

    ngx_rbtree_init(&set->names, &set->names_sentinel,
                    ngx_rbtree_insert_value);
    ngx_queue_init(&set->names_queue);
    set->n_names = 0;
}


static void
ngx_cordon_check_set_done(ngx_cordon_check_set_t *set)
{
    ngx_queue_t         *q;
    ngx_cordon_check_t  *t;

    ngx_cordon_check_names_done(set);

    while (!ngx_queue_empty(&set->queue)) {
        q = ngx_queue_head(&set->queue);
        ngx_queue_remove(q);

        t = ngx_queue_data(q, ngx_cordon_check_t, queue);
        ngx_cordon_check_close(t);
        ngx_free(t);
    }

    ngx_cordon_check_set_init(set);
}


ngx_rbtree_node_t *
ngx_cordon_check_node(ngx_rbtree_t *tree, uint64_t key)
{
    ngx_rbtree_node_t  *node;

    node = tree->root;

    while (node != tree->sentinel) {
        if (node->key == key) {
            return node;
        }

        node = key < node->key ? node->left : node->right;
    }

    return NULL;
}


static ngx_cordon_check_t *
ngx_cordon_check_find(ngx_cordon_check_set_t *set, uint64_t key)
{
    return (ngx_cordon_check_t *) (void *)
               ngx_cordon_check_node(&set->tree, key);
}


static bool
ngx_cordon_check_wanted(void *ctx, uint64_t key)
{
    return ngx_cordon_check_find(ctx, key) != NULL;
}


void
ngx_cordon_check_keep(ngx_cordon_check_set_t *set)
{
    ngx_shmtx_lock(&ngx_cordon_checks.pool->mutex);
    cd_health_keep(ngx_cordon_checks.map, ngx_cordon_check_wanted, set);
    ngx_shmtx_unlock(&ngx_cordon_checks.pool->mutex);
}


ngx_uint_t
ngx_cordon_check_drop(ngx_cordon_check_set_t *set, uint64_t key)
{
    ngx_cordon_check_t  *t;

    t = ngx_cordon_check_find(set, key);

    if (t == NULL || --t->holders) {
        return 0;
    }

    if (t->told) {
        ngx_cordon_check_word(t, 0, CD_STR("the name has it no more"));
    }

    ngx_rbtree_delete(&set->tree, &t->node);
    ngx_queue_remove(&t->queue);
    set->n--;

    ngx_cordon_check_close(t);
    ngx_free(t);

    return 1;
}


/* Text behind the struct: name of the app, name for the certificate with a
 * zero, request. */

static ngx_cordon_check_t *
ngx_cordon_check_create(const struct cd_app *app, struct cd_str first,
    const struct cd_health *health, const struct cd_upstream *upstream)
{
    size_t               size;
    u_char              *p;
    ngx_uint_t           brackets;
    ngx_cordon_check_t  *t;

    static const char  form[] = "GET %*s HTTP/1.1\r\nHost: %s%*s%s:%ud\r\n"
        "User-Agent: cordon-health\r\nAccept: */*\r\nConnection: close\r\n\r\n";

    size = app->name.len + first.len + 1 + sizeof(form) + health->path.len
           + upstream->host.len + 16;

    t = ngx_alloc(sizeof(ngx_cordon_check_t) + size,
                  ngx_cordon_checks.cycle_log);
    if (t == NULL) {
        return NULL;
    }

    ngx_memzero(t, sizeof(ngx_cordon_check_t));

    t->app.data = t->text;
    t->app.len = app->name.len;
    p = ngx_cpymem(t->text, app->name.ptr, app->name.len);

    t->host.data = p;
    t->host.len = first.len;
    p = ngx_cpymem(p, first.ptr, first.len);
    *p++ = '\0';

    t->request.data = p;

    if (health->path.len) {
        brackets = ngx_strlchr((u_char *) (uintptr_t) upstream->host.ptr,
                               (u_char *) (uintptr_t) upstream->host.ptr
                               + upstream->host.len, ':')
                   != NULL;                     /* a name has none */
        t->request.len = (size_t)
            (ngx_snprintf(p, size, form, health->path.len, health->path.ptr,
                          brackets ? "[" : "", upstream->host.len,
                          upstream->host.ptr, brackets ? "]" : "",
                          (uint32_t) upstream->port)
             - p);
    }

    return t;
}


/* It goes on as it was, also when policies come faster than checks. */

static void
ngx_cordon_check_start(ngx_cordon_check_t *t, ngx_cordon_check_t *was)
{
    uint64_t        random;
    ngx_msec_t      wait;
    ngx_msec_int_t  left;

    wait = ngx_min((ngx_msec_t) t->every * 1000, NGX_CORDON_CHECK_FIRST);

    if (was == NULL) {
        ngx_cordon_random(ngx_cordon_checks.w, (u_char *) &random,
                          sizeof(random));
        ngx_add_timer(&t->timer, random % wait);
        return;
    }

    t->state = was->state;
    t->told = was->told;
    left = was->step == NGX_CORDON_CHECK_IDLE
           ? (ngx_msec_int_t) (was->timer.timer.key - ngx_current_msec) : 0;
    left = ngx_min(left, (ngx_msec_int_t) t->every * 1000);

    ngx_add_timer(&t->timer, (ngx_msec_t) ngx_max(left, 0));
}


ngx_int_t
ngx_cordon_check_hold(const struct cd_app *app, struct cd_str first,
    const struct cd_health *health, const struct cd_upstream *upstream,
    ngx_uint_t named, ngx_cordon_check_set_t *set, ngx_cordon_check_set_t *old)
{
    uint64_t             key;
    ngx_cordon_check_t  *t;

    key = ngx_cordon_check_key(app, health, upstream);
    t = ngx_cordon_check_find(set, key);

    if (t) {
        t->holders++;                           /* written so, or named */
        return NGX_OK;
    }

    if (set->n >= CD_HEALTH_MAX) {
        return NGX_DECLINED;
    }

    t = ngx_cordon_check_create(app, first, health, upstream);

    if (t == NULL) {
        return NGX_ERROR;
    }

    t->holders = 1;
    t->named = named != 0;
    (void) ngx_cordon_addr_make(&t->addr, upstream);

    t->every = health->every;
    t->fall = health->fall;
    t->rise = health->rise;
    t->tls = app->upstream_tls;
    t->state.down = cd_health_is_down(ngx_cordon_checks.map, key);
    t->timer.handler = ngx_cordon_check_timer;
    t->timer.data = &ngx_cordon_checks.dummy;
    t->timer.log = ngx_cordon_checks.cycle_log;
    t->timer.cancelable = 1;
    t->node.key = key;

    ngx_rbtree_insert(&set->tree, &t->node);
    ngx_queue_insert_tail(&set->queue, &t->queue);
    set->n++;

    ngx_cordon_check_start(t, old ? ngx_cordon_check_find(old, key) : NULL);

    return NGX_OK;
}


static void
ngx_cordon_check_app(const struct cd_snapshot *snapshot,
    const struct cd_app *app, ngx_cordon_check_set_t *set,
    ngx_cordon_check_set_t *old)
{
    uint32_t            i;
    struct cd_str       first;
    struct cd_health    health;
    struct cd_upstream  upstream;

    if (!cd_snapshot_app_health(snapshot, app->index, &health)) {
        return;
    }

    first = CD_STR_NULL;

    for (i = 0; i < app->n_upstreams && i < NGX_CORDON_UPSTREAMS; i++) {

        if (!cd_snapshot_upstream(snapshot, app->index, i, &upstream)) {
            continue;
        }

        if (i == 0) {
            first = upstream.host;              /* what requests insist on */
        }

        if (upstream.addr.family == 0) {
            ngx_cordon_check_name(app, &health, &upstream, set, old);

        } else if (ngx_cordon_checks.asks) {
            (void) ngx_cordon_check_hold(app, first, &health, &upstream, 0,
                                         set, old);
        }
    }
}


static void
ngx_cordon_check_take(const struct cd_snapshot *snapshot)
{
    uint32_t                 i;
    struct cd_app            app;
    ngx_cordon_check_set_t  *set, *old;

    old = ngx_cordon_checks.set;
    set = old == &ngx_cordon_checks.sets[0] ? &ngx_cordon_checks.sets[1]
                                            : &ngx_cordon_checks.sets[0];
    ngx_cordon_check_set_init(set);

    for (i = 0; i < cd_snapshot_app_count(snapshot); i++) {
        if (cd_snapshot_app(snapshot, i, &app)
            && app.kind == ngx_cordon_checks.kind)
        {
            ngx_cordon_check_app(snapshot, &app, set, old);
        }
    }

    if (set->n == CD_HEALTH_MAX) {
        ngx_log_error(NGX_LOG_ERR, ngx_cordon_checks.cycle_log, 0,
                      "cordon: the health of %ui servers is checked, of no "
                      "more", set->n);
    }

    ngx_cordon_check_set_done(old);
    ngx_cordon_checks.set = set;

    if (ngx_cordon_checks.asks) {
        ngx_cordon_check_keep(set);
    }
}


void
ngx_cordon_check_tick(void)
{
    ngx_cordon_worker_t  *w;

    if (ngx_cordon_checks.set == NULL) {
        return;
    }

    if (ngx_exiting) {
        ngx_cordon_check_done();                /* the successor's work */
        return;
    }

    w = ngx_cordon_checks.w;

    if (w->policy == NULL
        || (ngx_cordon_checks.taken
            && ngx_memcmp(w->policy->hash, ngx_cordon_checks.hash,
                          CD_SNAPMAP_HASH_LEN)
               == 0))
    {
        return;
    }

    ngx_memcpy(ngx_cordon_checks.hash, w->policy->hash, CD_SNAPMAP_HASH_LEN);
    ngx_cordon_checks.taken = 1;

    ngx_cordon_check_take(w->policy->snapshot);
}


void
ngx_cordon_check_done(void)
{
    if (ngx_cordon_checks.set) {
        ngx_cordon_check_set_done(ngx_cordon_checks.set);
        ngx_cordon_checks.set = NULL;
    }
}
