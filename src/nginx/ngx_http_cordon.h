/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP enforcement point, from inside. One request's way:
 *
 *	access (_access.c)
 *	  path and headers: one meaning, or 400 (_request.c)
 *	  host -> app; /.cordon/ and the sign-in host -> pages (_pages.c)
 *	  who -> inputs -> decision -> event
 *	  allow: headers for the upstream (_headers.c), its assertion
 *	         (_assert.c), its servers (_balancer.c)
 *	  otherwise: redirect, JSON or the refusal page (_pages.c)
 *	while it lives: _live.c decides it again and cuts it
 */
#ifndef _NGX_HTTP_CORDON_H_INCLUDED_
#define _NGX_HTTP_CORDON_H_INCLUDED_


#include "ngx_cordon.h"
#include <ngx_http.h>


typedef struct {
    ngx_str_t                   run;
    ngx_str_t                   auth_url;       /* no final slash */
    ngx_str_t                   auth_host;      /* of it, lower case */
    ngx_str_t                   keys;           /* socket of the key broker */
    ngx_msec_t                  keys_timeout;
    ngx_int_t                   per_address;    /* connections; 0: any */
    ngx_str_t                   trust;          /* file, of TLS servers */
    ngx_ssl_t                  *check_ssl;
    ngx_shm_zone_t             *check_zone;
} ngx_http_cordon_main_conf_t;


typedef struct {
    ngx_flag_t                  enable;
    ngx_flag_t                  certificates;
    ngx_flag_t                  assertion;      /* 0: go on without one */
} ngx_http_cordon_loc_conf_t;


typedef enum {
    NGX_HTTP_CORDON_NEW = 0,
    NGX_HTTP_CORDON_WAITING,                    /* for an assertion */
    NGX_HTTP_CORDON_RESOLVING,                  /* an upstream's name */
    NGX_HTTP_CORDON_ROUTED                      /* decided, on its way */
} ngx_http_cordon_state_e;


typedef struct ngx_http_cordon_assertion_s  ngx_http_cordon_assertion_t;


typedef struct {
    ngx_http_request_t          *request;
    ngx_http_cordon_state_e      state;
    ngx_str_t                    location;      /* "@cordon_tls"; or empty */

    /* the request, in the one form that is decided and forwarded */
    ngx_str_t                    host;          /* lower case, no port */
    ngx_str_t                    path;          /* decoded */
    ngx_str_t                    uri;           /* path encoded, and query */
    ngx_str_t                    method;
    ngx_str_t                    app;           /* name; copy */
    uint32_t                     app_index;     /* in the policy of ... */
    uint64_t                     policy_gen;    /* ... when it was decided */
    ngx_str_t                    token;         /* of the cookie; borrowed */
    u_char                       trace[16];
    u_char                       span[8];
    unsigned                     traced:1;      /* trace is the client's */
    unsigned                     sampled:1;

    /* who, and what was decided */
    uint64_t                     decision;      /* id of its event; 0: none */
    ngx_cordon_who_t             who;
    ngx_str_t                    user;          /* copy */
    ngx_uint_t                   verdict;
    ngx_uint_t                   reason;
    ngx_cordon_allow_t           allow;

    /* where it goes */
    ngx_cordon_addr_t           *upstreams;
    ngx_uint_t                   n_upstreams;
    ngx_uint_t                   tried;         /* bit per upstream */
    ngx_uint_t                   current;
    ngx_str_t                    upstream_host;
    in_port_t                    upstream_port;
    uint32_t                     timeout;       /* s; 0: nginx's own */
    uint64_t                     body_max;      /* bytes; 0: any */
    uint64_t                     body_read;
    unsigned                     upstream_tls:1;
    unsigned                     unhealthy:1;   /* some server of the app */

    unsigned                     linked:1;      /* in the live list */
    unsigned                     page:1;        /* serves a page of ours */
    unsigned                     trouble:1;     /* ... about a failed allow */
    ngx_queue_t                  live;
    ngx_cordon_used_t            used;
    unsigned                     upgraded:1;    /* as `used` saw it */

    ngx_http_cordon_assertion_t *assertion;
    ngx_queue_t                  waiting;       /* in assertion's waiters */
    ngx_uint_t                   asks;
    ngx_resolver_ctx_t          *resolve;
} ngx_http_cordon_ctx_t;


/* A connection that sessions were used on, so that an idle one is closed
 * when one of them ends. */
#define NGX_HTTP_CORDON_CONN_KEYS  4

/* the longest that is taken for a session's */
#define NGX_HTTP_CORDON_TOKEN_MAX  128

typedef struct {
    ngx_queue_t                  queue;
    ngx_connection_t            *connection;
#if (NGX_HTTP_V2)
    ngx_http_v2_connection_t    *h2c;           /* NULL: HTTP/1 */
#endif
    ngx_uint_t                   n;             /* keys ever noted */
    unsigned                     ended:1;       /* close it when idle */
    u_char                       keys[NGX_HTTP_CORDON_CONN_KEYS]
                                     [CD_SESSION_KEY_LEN];

    /* the last one of a live session, so that the next request need not hash
     * it again; wiped with the connection */
    size_t                       token_len;     /* 0: none */
    u_char                       token[NGX_HTTP_CORDON_TOKEN_MAX];
    u_char                       token_key[CD_SESSION_KEY_LEN];
} ngx_http_cordon_conn_t;


/* all of this worker's state */
typedef struct {
    ngx_cordon_worker_t          w;
    ngx_http_cordon_main_conf_t *conf;
    ngx_queue_t                  live;          /* ngx_http_cordon_ctx_t */
    ngx_queue_t                  conns;
    ngx_uint_t                   conns_ended;   /* to close once idle */
    ngx_uint_t                   turn;          /* of the balancer */
} ngx_http_cordon_worker_t;


/* Goes over the headers that a client sent. */
typedef struct {
    ngx_list_part_t             *part;
    ngx_uint_t                   i;
} ngx_http_cordon_headers_t;


static ngx_inline ngx_http_cordon_headers_t
ngx_http_cordon_headers(ngx_http_request_t *r)
{
    ngx_http_cordon_headers_t  at;

    at.part = &r->headers_in.headers.part;
    at.i = 0;

    return at;
}


/* NULL after the last one. */

static ngx_inline ngx_table_elt_t *
ngx_http_cordon_header_next(ngx_http_cordon_headers_t *at)
{
    ngx_table_elt_t  *h;

    while (at->i >= at->part->nelts) {
        if (at->part->next == NULL) {
            return NULL;
        }

        at->part = at->part->next;
        at->i = 0;
    }

    h = at->part->elts;

    return &h[at->i++];
}


/* name: a literal, lower case; its length is known when this is compiled */
#define ngx_http_cordon_header_is(h, name)                                    \
    ((h)->key.len == sizeof(name "") - 1                                      \
     && ngx_memcmp((h)->lowcase_key, name, sizeof(name "") - 1) == 0)


/* Headers that we give to nearly every request. */
typedef enum {
    NGX_HTTP_CORDON_KEEP_ALIVE = 0,
    NGX_HTTP_CORDON_USER,
    NGX_HTTP_CORDON_ASSERTION,
    NGX_HTTP_CORDON_FORWARDED_FOR,
    NGX_HTTP_CORDON_FORWARDED_PROTO,
    NGX_HTTP_CORDON_FORWARDED_HOST,
    NGX_HTTP_CORDON_TRACEPARENT,
    NGX_HTTP_CORDON_REQUEST_ID,
    NGX_HTTP_CORDON_NAMES
} ngx_http_cordon_name_e;


extern ngx_module_t               ngx_http_cordon_module;
extern ngx_http_cordon_worker_t   ngx_http_cordon;


/* _end.c: log phase, how a request ended that was let through */
ngx_int_t ngx_http_cordon_end(ngx_http_request_t *r);

/* _log.c */
ngx_int_t ngx_http_cordon_log(ngx_http_request_t *r);

/* _access.c */
ngx_int_t ngx_http_cordon_access(ngx_http_request_t *r);
ngx_http_cordon_ctx_t *ngx_http_cordon_ctx(ngx_http_request_t *r);
struct cd_decision ngx_http_cordon_decide(ngx_http_cordon_ctx_t *ctx,
    struct cd_request *request);
void ngx_http_cordon_event(ngx_http_cordon_ctx_t *ctx, ngx_uint_t event_class,
    struct cd_request *request, struct cd_decision *d);
/* Called again when what an allowed request waited for is there. */
ngx_int_t ngx_http_cordon_resume(ngx_http_request_t *r,
    ngx_http_cordon_ctx_t *ctx);

/* _request.c: NGX_OK, NGX_DECLINED (ambiguous: 400), NGX_ERROR */
ngx_int_t ngx_http_cordon_request(ngx_http_request_t *r,
    ngx_http_cordon_ctx_t *ctx);
/* Decodes `raw` (a path) and encodes it again; both into pool memory. */
ngx_int_t ngx_http_cordon_path(ngx_pool_t *pool, ngx_str_t *raw,
    ngx_str_t *path, ngx_str_t *encoded);

/* _headers.c */
ngx_int_t ngx_http_cordon_token(ngx_http_request_t *r, ngx_str_t *token);
/* Drops what only we may say, and our own cookies where asked to. */
void ngx_http_cordon_strip(ngx_http_request_t *r, ngx_http_cordon_ctx_t *ctx,
    ngx_uint_t cookies);
/* Makes what is known of names beforehand; once, with the configuration. */
void ngx_http_cordon_headers_init(void);
ngx_int_t ngx_http_cordon_add(ngx_http_request_t *r,
    ngx_http_cordon_name_e name, ngx_str_t *value);
/* Any other name than those: hashed at each call. */
ngx_int_t ngx_http_cordon_add_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value);
ngx_int_t ngx_http_cordon_trace_hex(ngx_http_request_t *r,
    ngx_http_cordon_ctx_t *ctx, ngx_str_t *trace);
ngx_int_t ngx_http_cordon_forward_headers(ngx_http_request_t *r,
    ngx_http_cordon_ctx_t *ctx);
/* Asks for a WebSocket: no other change of protocol goes through. */
ngx_uint_t ngx_http_cordon_is_websocket(ngx_http_request_t *r);
/* A WebSocket that the page of another site opens. */
ngx_uint_t ngx_http_cordon_is_foreign_websocket(ngx_http_request_t *r);
ngx_int_t ngx_http_cordon_connection_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
ngx_int_t ngx_http_cordon_upgrade_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);

/* _balancer.c */
char *ngx_http_cordon_balancer(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
ngx_int_t ngx_http_cordon_route(ngx_http_request_t *r,
    ngx_http_cordon_ctx_t *ctx, struct cd_app *app);

/* _assert.c: NGX_OK (header added, or not needed), NGX_AGAIN, NGX_ERROR */
ngx_int_t ngx_http_cordon_assert(ngx_http_request_t *r,
    ngx_http_cordon_ctx_t *ctx);
void ngx_http_cordon_assert_forget(ngx_http_cordon_ctx_t *ctx);

/* _pages.c: what the access handler returns */
ngx_int_t ngx_http_cordon_page(ngx_http_request_t *r,
    ngx_http_cordon_ctx_t *ctx);
ngx_int_t ngx_http_cordon_refuse(ngx_http_request_t *r,
    ngx_http_cordon_ctx_t *ctx, struct cd_decision *d);
ngx_int_t ngx_http_cordon_jump(ngx_http_request_t *r,
    ngx_http_cordon_ctx_t *ctx, const char *location);
char *ngx_http_cordon_away(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
ngx_uint_t ngx_http_cordon_wants_html(ngx_http_request_t *r);
/* A body of our own; what a content handler returns. */
ngx_int_t ngx_http_cordon_send(ngx_http_request_t *r, ngx_uint_t status,
    const char *type, ngx_str_t *body);

/* _filter.c: the app's lines about what is let through. NGX_DECLINED: too
 * large a body */
ngx_int_t ngx_http_cordon_bind(ngx_http_request_t *r,
    ngx_http_cordon_ctx_t *ctx, struct cd_app *app);

/* _trouble.c: what went wrong behind an allow, for people and programs */
char *ngx_http_cordon_trouble(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* _live.c */
void ngx_http_cordon_live_enter(ngx_http_cordon_ctx_t *ctx);
void ngx_http_cordon_live_leave(ngx_http_cordon_ctx_t *ctx);
ngx_int_t ngx_http_cordon_conn_note(ngx_http_request_t *r,
    ngx_http_cordon_ctx_t *ctx);
/* The key of a token, without hashing when it is the connection's last one. */
ngx_int_t ngx_http_cordon_conn_key(ngx_http_request_t *r, ngx_str_t *token,
    u_char key[CD_SESSION_KEY_LEN]);
void ngx_http_cordon_tick(ngx_event_t *ev);


#endif /* _NGX_HTTP_CORDON_H_INCLUDED_ */
