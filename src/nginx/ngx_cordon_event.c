// SPDX-License-Identifier: Apache-2.0
/*
 * Events into the worker's ring. Nothing here waits: a full ring counts what
 * it drops, a worker without a ring counts for itself.
 */
#include "ngx_cordon.h"


void
ngx_cordon_event_begin(ngx_cordon_worker_t *w, struct cd_event_encoder *e,
    ngx_uint_t event_class, ngx_cordon_who_t *who)
{
    int64_t  now;

    now = ngx_cordon_now();
    w->event = cd_event_id_next(&w->ids, now);

    cd_event_begin(e, w->record, sizeof(w->record),
                   (enum cd_event_class) event_class, w->event, now);

    cd_event_puts(e, CD_EVENT_F_PEP, w->pep);

    if (who && who->id) {
        cd_event_put_num(e, CD_EVENT_F_SESSION, who->id);
    }

    /* of an end, the decision that it names tells the policy */

    if (w->policy && event_class != CD_EVENT_SEEN
        && event_class != CD_EVENT_REQUEST_END)
    {
        cd_event_put_num(e, CD_EVENT_F_POLICY_SERIAL, w->policy->serial);
        cd_event_put_bytes(e, CD_EVENT_F_POLICY_HASH, w->policy->hash,
                           sizeof(w->policy->hash));
    }
}


void
ngx_cordon_event_begin_of(ngx_cordon_worker_t *w, struct cd_event_encoder *e,
    ngx_uint_t event_class, ngx_cordon_who_t *who, ngx_connection_t *c,
    u_char trace[16])
{
    ngx_cordon_event_begin(w, e, event_class, who);
    cd_event_put_bytes(e, CD_EVENT_F_TRACE, trace, 16);
    cd_event_put_num(e, CD_EVENT_F_SRC_PORT, ngx_inet_get_port(c->sockaddr));
}


void
ngx_cordon_event_decision(ngx_cordon_worker_t *w, struct cd_event_encoder *e,
    struct cd_request *request, struct cd_decision *d)
{
    cd_event_put_decision(e, w->policy ? w->policy->snapshot : NULL, request,
                          d);
}


void
ngx_cordon_event_end(ngx_cordon_worker_t *w, struct cd_event_encoder *e)
{
    size_t  len;

    len = cd_event_end(e);

    if (w->ring == NULL) {
        w->lost++;
        return;
    }

    (void) cd_ring_put(w->ring, w->record, len);
}
