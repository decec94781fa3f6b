// SPDX-License-Identifier: Apache-2.0
/*
 * How long an allow holds, and the timer that looks whether it still does.
 * Both modules keep their own list and cut in their own way; when something
 * has to be decided again is one rule and stands here.
 */
#include "ngx_cordon_check.h"


void
ngx_cordon_allow_take(ngx_cordon_worker_t *w, ngx_cordon_allow_t *allow,
    struct cd_decision *d)
{
    allow->recheck_at = d->recheck_at;
    allow->on_change = d->on_change;
    allow->drain = d->drain;
    allow->max = d->obligations.max;
    allow->drain_at = 0;

    ngx_cordon_allow_plan(w, allow);
}


void
ngx_cordon_allow_plan(ngx_cordon_worker_t *w, ngx_cordon_allow_t *allow)
{
    w->next_recheck = ngx_min(w->next_recheck, allow->recheck_at);

    if (allow->max) {
        w->next_recheck = ngx_min(w->next_recheck, allow->started_at
                                  + (int64_t) allow->max * 1000000000);
    }
}


ngx_uint_t
ngx_cordon_allow_is_over(ngx_cordon_allow_t *allow, int64_t now)
{
    return allow->max
           && now - allow->started_at >= (int64_t) allow->max * 1000000000;
}


void
ngx_cordon_allow_set_back(ngx_cordon_allow_t *allow, ngx_cordon_look_t *look)
{
    allow->started_at -= look->back;

    if (allow->drain_at) {
        allow->drain_at -= look->back;
    }
}


ngx_uint_t
ngx_cordon_allow_is_due(ngx_cordon_worker_t *w, ngx_cordon_allow_t *allow,
    ngx_cordon_who_t *who, ngx_cordon_look_t *look)
{
    return look->policy
           || look->now >= allow->recheck_at
           || ngx_cordon_allow_is_over(allow, look->now)
           || (look->moved && who->has_key && w->table
               && cd_session_epoch(w->table, who->key) != who->epoch);
}


ngx_uint_t
ngx_cordon_allow_has_ended(ngx_cordon_allow_t *allow, struct cd_decision *d,
    ngx_uint_t gone, int64_t now)
{
    if (gone || d->cut_always || ngx_cordon_allow_is_over(allow, now)) {
        return 1;
    }

    /* kept for now; its session and the policy still end by the clock */

    allow->recheck_at = d->recheck_at;

    switch (allow->on_change) {

    case CD_CHANGE_KEEP:
        return 0;

    case CD_CHANGE_DRAIN:
        if (allow->drain_at == 0) {
            allow->drain_at = now + (int64_t) allow->drain * 1000000000;
        }

        allow->recheck_at = ngx_min(allow->recheck_at, allow->drain_at);

        return now >= allow->drain_at;

    default:
        return 1;
    }
}


void
ngx_cordon_tick_start(ngx_cordon_worker_t *w, ngx_event_handler_pt handler,
    ngx_cycle_t *cycle)
{
    ngx_event_t  *tick;

    w->next_recheck = INT64_MAX;
    w->tick_connection.fd = (ngx_socket_t) -1;

    tick = &w->tick;
    tick->handler = handler;
    tick->data = &w->tick_connection;
    tick->log = cycle->log;
    tick->cancelable = 1;

    ngx_add_timer(tick, NGX_CORDON_TICK);
}


ngx_uint_t
ngx_cordon_tick(ngx_cordon_worker_t *w, ngx_cordon_look_t *look)
{
    uint64_t  gen;

    ngx_cordon_refresh_all(w, w->tick.log);
    ngx_cordon_check_tick();

    gen = w->policy_gen + w->table_gen;

    look->now = ngx_cordon_now();
    look->moved = ngx_cordon_moved(w);
    look->policy = (gen != w->decided_gen);

    look->used = ngx_current_msec - w->used_at >= NGX_CORDON_USED_EVERY;

    if (look->used) {
        w->used_at = ngx_current_msec;
    }

    look->back = ngx_cordon_set_back(w);

    if (look->back) {
        look->policy = 1;
        look->moved = 1;
    }

    /* not while (!ngx_exiting): a worker that drains is the only one that can
     * reach what it still serves. The timer is cancelable, it never keeps a
     * worker that has nothing left from ending. */

    ngx_add_timer(&w->tick, NGX_CORDON_TICK);

    if (!look->moved && look->now < w->next_recheck) {
        return 0;
    }

    w->decided_gen = gen;
    w->next_recheck = INT64_MAX;

    return 1;
}
