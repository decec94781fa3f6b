// SPDX-License-Identifier: Apache-2.0
/*
 * A session becomes inputs of a decision, and a decision is asked for. No
 * policy is known here: attributes go in as the registry defines them.
 */
#include "ngx_cordon.h"

#include <openssl/evp.h>


static const enum cd_attr  ngx_cordon_device_attrs[CD_DEVICE_ATTRS] = {
    [CD_DEVICE_MANAGED] = CD_ATTR_DEVICE_MANAGED,
    [CD_DEVICE_ENCRYPTED] = CD_ATTR_DEVICE_ENCRYPTED,
    [CD_DEVICE_OS] = CD_ATTR_DEVICE_OS,
    [CD_DEVICE_OS_AGE] = CD_ATTR_DEVICE_OS_AGE,
    [CD_DEVICE_FIREWALL] = CD_ATTR_DEVICE_FIREWALL,
    [CD_DEVICE_SCREEN_LOCK] = CD_ATTR_DEVICE_SCREEN_LOCK,
};


/* The digest is fetched once: looking it up costs more than 43 bytes do. */

ngx_int_t
ngx_cordon_digest(const void *data, size_t len, u_char key[CD_SESSION_KEY_LEN])
{
    static EVP_MD      *md;
    static EVP_MD_CTX  *ctx;

    if (md == NULL) {
        md = EVP_MD_fetch(NULL, "SHA256", NULL);
    }

    if (ctx == NULL) {
        ctx = EVP_MD_CTX_new();
    }

    if (md == NULL || ctx == NULL
        || !EVP_DigestInit_ex2(ctx, md, NULL)
        || !EVP_DigestUpdate(ctx, data, len)
        || !EVP_DigestFinal_ex(ctx, key, NULL))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* When this worker itself saw the session used last. */

static uint32_t
ngx_cordon_last_seen(ngx_cordon_worker_t *w, struct cd_session_view *v)
{
    return (w->seen && v->slot < w->seen_n) ? w->seen[v->slot] : 0;
}


/*
 * Looks the session up and checks its limits. A session of another app is no
 * session: an app that was sent the cookie of another one learns nothing.
 */

void
ngx_cordon_who_find(ngx_cordon_worker_t *w, ngx_cordon_who_t *who,
    struct cd_str app)
{
    uint32_t                 now;
    struct cd_session_view  *v;

    who->live = 0;
    who->lost = 0;
    who->verdict = CD_SESSION_OK;
    who->epoch = 0;

    if (!who->has_key || w->table == NULL) {
        return;
    }

    v = &w->view;

    if (cd_session_lookup(w->table, who->key, v) != 0
        || !cd_str_equal(v->app, app))
    {
        who->lost = 1;
        return;
    }

    now = (uint32_t) ngx_time();

    who->id = v->id;
    who->slot = v->slot;
    who->epoch = v->epoch;
    who->verdict = cd_session_check(v, ngx_cordon_last_seen(w, v), now);
    who->live = (who->verdict == CD_SESSION_OK);
    who->idle = v->idle_limit;

    if (who->bound) {
        return;
    }

    who->bound = 1;
    who->mfa_age = -1;
    who->session_age = now > v->created ? now - v->created : 0;

    /* a proof from before the clock was set back has no age */

    if (v->auth_time && v->auth_time <= now + CD_SESSION_AHEAD) {
        who->mfa_age = now > v->auth_time ? now - v->auth_time : 0;
    }
}


static void
ngx_cordon_who_device(struct cd_session_view *v, struct cd_request *request,
    uint32_t now)
{
    uint32_t                 age;
    ngx_uint_t               i;
    enum cd_attr             attr;
    struct cd_device_value  *value;

    cd_request_set_str(request, CD_ATTR_DEVICE_NAME, v->device);

    for (i = 0; i < CD_DEVICE_ATTRS; i++) {
        value = &v->attrs[i];
        attr = ngx_cordon_device_attrs[i];

        if (!value->known || value->vouched_at > now + CD_SESSION_AHEAD) {
            continue;
        }

        age = now > value->vouched_at ? now - value->vouched_at : 0;

        switch (i) {

        case CD_DEVICE_OS:
            cd_request_set_str(request, attr, value->text);
            break;

        case CD_DEVICE_OS_AGE:
            /* it went on growing since it was vouched for */
            cd_request_set_int(request, attr, (int64_t) value->value + age);
            break;

        default:
            cd_request_set_bool(request, attr, value->value != 0);
        }

        request->v[attr].age = age;
    }
}


/* After ngx_cordon_who_find(), with the view still at hand. */

void
ngx_cordon_who_fill(ngx_cordon_worker_t *w, ngx_cordon_who_t *who,
    struct cd_request *request)
{
    struct cd_session_view  *v;

    if (!who->live) {
        cd_request_set_int(request, CD_ATTR_SUBJECT, CD_SUBJECT_ANONYMOUS);
        return;
    }

    v = &w->view;

    cd_request_set_int(request, CD_ATTR_SUBJECT, CD_SUBJECT_PERSON);
    cd_request_set_str(request, CD_ATTR_USER_NAME, v->user);
    cd_request_set_names(request, CD_ATTR_USER_GROUPS, v->groups, v->n_groups);
    cd_request_set_int(request, CD_ATTR_MFA_KIND, v->mfa_kind);
    cd_request_set_int(request, CD_ATTR_SESSION_AGE, who->session_age);

    if (who->mfa_age >= 0) {
        cd_request_set_int(request, CD_ATTR_MFA_AGE, who->mfa_age);
    }

    if (v->risk) {
        cd_request_set_int(request, CD_ATTR_RISK_USER, v->risk);
    }

    request->best_factor = v->best_factor;

    if (v->has_device) {
        ngx_cordon_who_device(v, request, (uint32_t) ngx_time());
    }
}


/* Lately enough for its idle limit, when that is short. */

static ngx_uint_t
ngx_cordon_who_is_reported(ngx_cordon_worker_t *w, ngx_cordon_who_t *who)
{
    uint32_t  now, every;

    if (w->seen == NULL || who->slot >= w->seen_n) {
        return 1;                               /* nothing to note it in */
    }

    now = (uint32_t) ngx_time();
    every = NGX_CORDON_SEEN_EVERY;

    if (who->idle) {
        every = ngx_min(every, who->idle / 4);
    }

    return now - w->seen[who->slot] < every;
}


/* Reports the use of a session, through the worker's own ring. */

void
ngx_cordon_who_seen(ngx_cordon_worker_t *w, ngx_cordon_who_t *who)
{
    struct cd_event_encoder  e;

    if (!who->live || ngx_cordon_who_is_reported(w, who)) {
        return;
    }

    w->seen[who->slot] = (uint32_t) ngx_time();

    ngx_cordon_event_begin(w, &e, CD_EVENT_SEEN, who);
    ngx_cordon_event_end(w, &e);
}


/*
 * Somebody who works for hours on one connection uses the session, too: bytes
 * of the client count, what a server pushes does not. A session whose limit has
 * passed is not brought back, and its slot may be another's by now.
 *
 * Bytes that came too soon after a report stay unreported until the next one
 * is due.
 */

void
ngx_cordon_who_used(ngx_cordon_worker_t *w, ngx_cordon_who_t *who,
    ngx_cordon_used_t *used, off_t bytes)
{
    if (!used->known) {
        used->known = 1;
        used->bytes = bytes;
        return;
    }

    if (bytes == used->bytes || !who->live || w->table == NULL
        || ngx_cordon_who_is_reported(w, who)
        || cd_session_lookup(w->table, who->key, &w->view) != 0
        || cd_session_check(&w->view, ngx_cordon_last_seen(w, &w->view),
                            (uint32_t) ngx_time())
           != CD_SESSION_OK)
    {
        return;
    }

    used->bytes = bytes;
    who->slot = w->view.slot;
    ngx_cordon_who_seen(w, who);
}


struct cd_addr
ngx_cordon_addr(struct sockaddr *sockaddr)
{
    struct cd_addr        addr;
    struct sockaddr_in   *sin;
    struct sockaddr_in6  *sin6;

    ngx_memzero(&addr, sizeof(addr));

    switch (sockaddr->sa_family) {

    case AF_INET:
        sin = (struct sockaddr_in *) sockaddr;
        addr.family = 4;
        ngx_memcpy(addr.bytes, &sin->sin_addr, 4);
        break;

    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) sockaddr;

        if (IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr)) {
            addr.family = 4;
            ngx_memcpy(addr.bytes, sin6->sin6_addr.s6_addr + 12, 4);
            break;
        }

        addr.family = 6;
        ngx_memcpy(addr.bytes, &sin6->sin6_addr, 16);
        break;

    default:
        break;
    }

    return addr;
}


struct cd_str
ngx_cordon_str(ngx_str_t *s)
{
    return cd_str_make(s->data, s->len);
}


ngx_int_t
ngx_cordon_copy(ngx_pool_t *pool, ngx_str_t *to, struct cd_str from)
{
    to->len = from.len;
    to->data = ngx_pnalloc(pool, from.len + 1);
    if (to->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(to->data, from.ptr, from.len);

    return NGX_OK;
}


void
ngx_cordon_fill(ngx_cordon_worker_t *w, struct cd_request *request,
    ngx_cordon_who_t *who, ngx_connection_t *c, ngx_str_t *host,
    ngx_str_t *app)
{
    cd_request_init(request);

    cd_request_set_int(request, CD_ATTR_TIME, ngx_cordon_now());
    cd_request_set_addr(request, CD_ATTR_SRC_IP, ngx_cordon_addr(c->sockaddr));
    cd_request_set_int(request, CD_ATTR_PROTO, IPPROTO_TCP);

    if (host->len) {
        cd_request_set_str(request, CD_ATTR_DST_NAME, ngx_cordon_str(host));
    }

    if (app->len) {
        cd_request_set_str(request, CD_ATTR_APP, ngx_cordon_str(app));
    }

    ngx_cordon_who_fill(w, who, request);
}


struct cd_decision
ngx_cordon_refusal(enum cd_reason reason)
{
    struct cd_decision  d;

    ngx_memzero(&d, sizeof(d));

    d.verdict = CD_DENY;
    d.reason = (uint8_t) reason;
    d.rule = CD_NO_RULE;
    d.explained = CD_NO_RULE;
    d.recheck_at = INT64_MAX;

    return d;
}


/*
 * A decision holds no longer than what it was made from: the policy has an
 * end, and the session has limits. All come by the clock, with nobody to tell,
 * for the control plane may be away and the agent dead by then.
 */

static int64_t
ngx_cordon_holds_until(ngx_cordon_worker_t *w, ngx_cordon_who_t *who)
{
    int64_t  end, turns;

    end = w->policy->not_after;

    if (who->has_key && !who->lost) {
        turns = cd_session_turns_at(&w->view,
                                    ngx_cordon_last_seen(w, &w->view),
                                    (uint32_t) ngx_time());
        end = ngx_min(end, turns);
    }

    return end < INT64_MAX / 1000000000 ? end * 1000000000 : INT64_MAX;
}


/* After ngx_cordon_who_find(), with the view still at hand. */

struct cd_decision
ngx_cordon_decide(ngx_cordon_worker_t *w, ngx_cordon_who_t *who,
    struct cd_request *request)
{
    struct cd_decision  d;

    if (w->policy && w->table && !cd_snapmap_is_expired(w->policy, ngx_time()))
    {
        d = cd_decide(w->policy->snapshot, request);
        d.recheck_at = ngx_min(d.recheck_at, ngx_cordon_holds_until(w, who));

        return d;
    }

    d = ngx_cordon_refusal(CD_REASON_INTERNAL);
    d.cut_always = 1;

    if (w->policy == NULL) {
        d.reason = CD_REASON_NO_SNAPSHOT;

    } else if (w->table) {
        d.reason = CD_REASON_SNAPSHOT_EXPIRED;
    }

    return d;
}


ngx_uint_t
ngx_cordon_reason(ngx_cordon_who_t *who, struct cd_decision *decision)
{
    if (decision->verdict != CD_ALLOW) {

        /* was good when this began, and is no more in the table: ended before
         * its time */

        if (who->verdict == CD_SESSION_IS_REVOKED
            || (who->bound && who->lost))
        {
            return CD_REASON_SESSION_REVOKED;
        }

        if (who->verdict == CD_SESSION_IS_EXPIRED) {
            return CD_REASON_SESSION_EXPIRED;
        }
    }

    return decision->reason;
}
