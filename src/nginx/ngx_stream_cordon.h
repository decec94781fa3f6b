/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The enforcement point for TCP apps, from inside: _preread.c decides a
 * connection as it begins, _live.c decides it again and cuts it.
 */
#ifndef _NGX_STREAM_CORDON_H_INCLUDED_
#define _NGX_STREAM_CORDON_H_INCLUDED_


#include "ngx_cordon.h"
#include <ngx_stream.h>


typedef struct {
    ngx_str_t             run;
    ngx_int_t             per_address;  /* connections; not above 0: any */
    ngx_shm_zone_t       *check_zone;
} ngx_stream_cordon_main_conf_t;


typedef struct {
    ngx_flag_t            enable;
    ngx_flag_t            certificates;
} ngx_stream_cordon_srv_conf_t;


typedef struct {
    ngx_stream_session_t *session;
    ngx_queue_t           live;
    ngx_str_t             app;
    ngx_str_t             host;
    ngx_str_t             target;
    ngx_str_t             user;         /* copy: who was let through */
    ngx_cordon_addr_t     upstream;
    ngx_cordon_who_t      who;
    ngx_cordon_allow_t    allow;
    u_char                trace[16];
    ngx_event_t           idle;         /* looks whether bytes still move */
    ngx_msec_t            timeout;
    ngx_msec_t            moved_at;
    off_t                 bytes;
    ngx_cordon_used_t     used;
    unsigned              linked:1;
    unsigned              person:1;     /* allowed as somebody */
    unsigned              allowed:1;
    unsigned              cut:1;
} ngx_stream_cordon_ctx_t;


typedef struct {
    ngx_cordon_worker_t   w;
    ngx_queue_t           live;
    ngx_uint_t            turn;
    unsigned              ready:1;
} ngx_stream_cordon_worker_t;


extern ngx_module_t                ngx_stream_cordon_module;
extern ngx_stream_cordon_worker_t  ngx_stream_cordon;


/* _preread.c */
ngx_int_t ngx_stream_cordon_preread(ngx_stream_session_t *s);
struct cd_decision ngx_stream_cordon_decide(ngx_stream_cordon_ctx_t *ctx,
    struct cd_request *request);
/* d NULL: no decision is told, only what is known of the connection. */
void ngx_stream_cordon_event(ngx_stream_cordon_ctx_t *ctx,
    ngx_uint_t event_class, struct cd_request *request,
    struct cd_decision *d);
void ngx_stream_cordon_leave(void *ctx);

/* _live.c */
ngx_int_t ngx_stream_cordon_log(ngx_stream_session_t *s);
void ngx_stream_cordon_tick(ngx_event_t *ev);
/* nginx's own handlers see the end of both connections and clean up. */
void ngx_stream_cordon_shut(ngx_stream_session_t *s);

/* _idle.c: 0: no timeout */
void ngx_stream_cordon_idle_start(ngx_stream_cordon_ctx_t *ctx,
    uint32_t seconds);


#endif /* _NGX_STREAM_CORDON_H_INCLUDED_ */
