/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What both modules share: the worker's view of the run directory (policy,
 * sessions, rings, certificates), and how a session becomes the inputs of a
 * decision. Each module is linked with its own copy, so each has its own maps;
 * the pages behind them are the same.
 *
 * Everything here runs in one worker and one thread; nothing blocks but the
 * mapping of a new policy and the read of a changed certificate file.
 */
#ifndef _NGX_CORDON_H_INCLUDED_
#define _NGX_CORDON_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_openssl.h>

#include <cordon/decide.h>
#include <cordon/snapshot.h>

#include "event/event.h"
#include "shm/control.h"
#include "shm/ring.h"
#include "shm/session_table.h"
#include "shm/snapmap.h"


#define NGX_CORDON_TICK         50      /* ms between two looks */
#define NGX_CORDON_SLACK        2000000000  /* ns back that are let pass */
#define NGX_CORDON_SEEN_EVERY   15      /* s between two reports of a session */
#define NGX_CORDON_USED_EVERY   1000    /* ms between two looks at what is open */
#define NGX_CORDON_UPSTREAMS    16      /* of one app */


typedef struct {
    ngx_str_t                    run;           /* directory, no final slash */
    const char                  *pep;           /* "http" or "stream" */

    const struct cd_control     *control;
    struct cd_snapmap           *policy;        /* NULL: everything is denied */
    struct cd_table_map         *table;         /* NULL: everything is denied */
    struct cd_ring              *ring;

    uint64_t                     policy_gen;    /* last ones looked at */
    uint64_t                     table_gen;
    uint64_t                     change_gen;
    uint64_t                     swept;         /* sum at the last sweep */

    uint32_t                    *seen;          /* by slot: when reported */
    uint32_t                     seen_n;
    ngx_msec_t                   used_at;       /* last look at what is open */

    int64_t                      ahead;         /* ns, of the steady clock */

    uint64_t                     lost;          /* events without a ring */
    uint64_t                     event;         /* id of the last one */
    uint64_t                     random[2];
    struct cd_event_ids          ids;
    struct cd_session_view       view;          /* of the decision at hand */

    ngx_event_t                  tick;
    ngx_connection_t             tick_connection;
    uint64_t                     decided_gen;   /* policy and table swept */
    int64_t                      next_recheck;  /* of what lives */

    u_char                       record[CD_EVENT_MAX];
} ngx_cordon_worker_t;


/* Who asks, as far as it is bound when the connection or request starts. */
typedef struct {
    u_char                       key[CD_SESSION_KEY_LEN];
    uint64_t                     id;            /* of the session; 0: none */
    uint64_t                     epoch;
    int64_t                      mfa_age;       /* s, -1: unknown */
    int64_t                      session_age;
    uint32_t                     slot;
    uint32_t                     idle;          /* limit, s; 0: none */
    ngx_uint_t                   verdict;       /* enum cd_session_verdict */
    unsigned                     has_key:1;     /* a session was presented */
    unsigned                     live:1;        /* ... and is good */
    unsigned                     bound:1;       /* the two ages are set */
    unsigned                     lost:1;        /* ... is not in the table */
} ngx_cordon_who_t;


/* What the client sent on a connection that stays open. */
typedef struct {
    off_t                        bytes;         /* ... when it was reported */
    unsigned                     known:1;
} ngx_cordon_used_t;


/* What an allow says about the rest of a request or connection. */
typedef struct {
    int64_t                      started_at;    /* ns */
    int64_t                      recheck_at;
    int64_t                      drain_at;      /* 0: not draining */
    uint32_t                     max;           /* s; of the allow; 0: none */
    uint32_t                     drain;         /* s */
    uint8_t                      on_change;
} ngx_cordon_allow_t;


/* What the timer found. */
typedef struct {
    int64_t                      now;
    int64_t                      back;          /* ns the clock was set back */
    ngx_uint_t                   moved;         /* any generation */
    ngx_uint_t                   policy;        /* policy or table: all */
    ngx_uint_t                   used;          /* look at what is open */
} ngx_cordon_look_t;


/* An upstream server, with what this worker knows of its health. */
typedef struct {
    union {
        struct sockaddr          sockaddr;
        struct sockaddr_in       in;
        struct sockaddr_in6      in6;
    } u;
    socklen_t                    socklen;
} ngx_cordon_addr_t;


/* worker */
ngx_int_t ngx_cordon_worker_init(ngx_cordon_worker_t *w, ngx_str_t *run,
    const char *pep, ngx_cycle_t *cycle);
void ngx_cordon_worker_done(ngx_cordon_worker_t *w);
/* Takes what was replaced: a load from a shared line when nothing was. */
void ngx_cordon_refresh(ngx_cordon_worker_t *w, ngx_log_t *log);
/* As above, and also looks for what was missing so far; from the timer. */
void ngx_cordon_refresh_all(ngx_cordon_worker_t *w, ngx_log_t *log);
/* Whether any generation moved since the last call. */
ngx_uint_t ngx_cordon_moved(ngx_cordon_worker_t *w);
int64_t ngx_cordon_now(void);                   /* ns */
/* By how many ns the clock was set back since the last call. */
int64_t ngx_cordon_set_back(ngx_cordon_worker_t *w);
void ngx_cordon_random(ngx_cordon_worker_t *w, u_char *out, size_t len);

/* who asks */
ngx_int_t ngx_cordon_digest(const void *data, size_t len,
    u_char key[CD_SESSION_KEY_LEN]);
void ngx_cordon_who_find(ngx_cordon_worker_t *w, ngx_cordon_who_t *who,
    struct cd_str app);
void ngx_cordon_who_fill(ngx_cordon_worker_t *w, ngx_cordon_who_t *who,
    struct cd_request *request);
void ngx_cordon_who_seen(ngx_cordon_worker_t *w, ngx_cordon_who_t *who);
/* The same of what stays open, when bytes came since the last report; the
 * first call only takes note. */
void ngx_cordon_who_used(ngx_cordon_worker_t *w, ngx_cordon_who_t *who,
    ngx_cordon_used_t *used, off_t bytes);
struct cd_addr ngx_cordon_addr(struct sockaddr *sockaddr);
struct cd_str ngx_cordon_str(ngx_str_t *s);
/* A copy in pool memory. */
ngx_int_t ngx_cordon_copy(ngx_pool_t *pool, ngx_str_t *to, struct cd_str from);
/* Starts a request: all that is known of any kind of one. Empty: unknown. */
void ngx_cordon_fill(ngx_cordon_worker_t *w, struct cd_request *request,
    ngx_cordon_who_t *who, ngx_connection_t *c, ngx_str_t *host,
    ngx_str_t *app);
/* cd_decide, or why there can be no decision. */
struct cd_decision ngx_cordon_decide(ngx_cordon_worker_t *w,
    ngx_cordon_who_t *who, struct cd_request *request);
/* A refusal that no policy was asked about. */
struct cd_decision ngx_cordon_refusal(enum cd_reason reason);
/* The reason that people and logs are told. */
ngx_uint_t ngx_cordon_reason(ngx_cordon_who_t *who,
    struct cd_decision *decision);

/* events */
void ngx_cordon_event_begin(ngx_cordon_worker_t *w, struct cd_event_encoder *e,
    ngx_uint_t event_class, ngx_cordon_who_t *who);
/* As above, of what came in on a connection. */
void ngx_cordon_event_begin_of(ngx_cordon_worker_t *w,
    struct cd_event_encoder *e, ngx_uint_t event_class, ngx_cordon_who_t *who,
    ngx_connection_t *c, u_char trace[16]);
void ngx_cordon_event_decision(ngx_cordon_worker_t *w,
    struct cd_event_encoder *e, struct cd_request *request,
    struct cd_decision *d);
void ngx_cordon_event_end(ngx_cordon_worker_t *w, struct cd_event_encoder *e);

/* live: an allow, and when it has to be decided again */
void ngx_cordon_allow_take(ngx_cordon_worker_t *w, ngx_cordon_allow_t *allow,
    struct cd_decision *d);
/* The timer looks no later than this one needs. */
void ngx_cordon_allow_plan(ngx_cordon_worker_t *w, ngx_cordon_allow_t *allow);
ngx_uint_t ngx_cordon_allow_is_over(ngx_cordon_allow_t *allow, int64_t now);
/* What is measured against the clock goes back with it. */
void ngx_cordon_allow_set_back(ngx_cordon_allow_t *allow,
    ngx_cordon_look_t *look);
ngx_uint_t ngx_cordon_allow_is_due(ngx_cordon_worker_t *w,
    ngx_cordon_allow_t *allow, ngx_cordon_who_t *who, ngx_cordon_look_t *look);
/* Whether a verdict that fell cuts now, as its on_change says. gone: who it
 * was allowed for has no session any more, which always cuts. */
ngx_uint_t ngx_cordon_allow_has_ended(ngx_cordon_allow_t *allow,
    struct cd_decision *d, ngx_uint_t gone, int64_t now);
void ngx_cordon_tick_start(ngx_cordon_worker_t *w,
    ngx_event_handler_pt handler, ngx_cycle_t *cycle);
/* From the timer. Returns 1 when what lives has to be gone through; each that
 * stays is then planned again. */
ngx_uint_t ngx_cordon_tick(ngx_cordon_worker_t *w, ngx_cordon_look_t *look);

/* directives and variables */
void ngx_cordon_conf_trim(ngx_str_t *path);     /* a final slash */
char *ngx_cordon_conf_check(ngx_conf_t *cf, ngx_str_t *run,
    ngx_uint_t needed);
ngx_uint_t ngx_cordon_conf_works(ngx_str_t *run);
ngx_int_t ngx_cordon_variable_set(ngx_variable_value_t *v, u_char *data,
    size_t len);
ngx_int_t ngx_cordon_variable_none(ngx_variable_value_t *v);

/* certificates */
int ngx_cordon_certificate(ngx_ssl_conn_t *ssl_conn, void *arg);
void ngx_cordon_certificates_done(void);

/* upstreams */
ngx_int_t ngx_cordon_addr_make(ngx_cordon_addr_t *addr,
    const struct cd_upstream *upstream);
ngx_uint_t ngx_cordon_health_ok(ngx_cordon_addr_t *addr);
/* Returns 1 when the server changed between reachable and not. */
ngx_uint_t ngx_cordon_health_failed(ngx_cordon_addr_t *addr);
ngx_uint_t ngx_cordon_health_good(ngx_cordon_addr_t *addr);


#endif /* _NGX_CORDON_H_INCLUDED_ */
