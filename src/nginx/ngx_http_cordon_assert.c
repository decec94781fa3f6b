// SPDX-License-Identifier: Apache-2.0
/*
 * The identity assertion that an upstream is given: signed by the key broker
 * against the session that the client presented, kept for a session and app
 * for 30 s. This worker never names a person; it can only show a token.
 *
 * One connection to the broker, requests pipelined, answers in order. A
 * request waits outside the phases and is resumed by the answer. When the
 * connection breaks, all who wait are told so and the next asks on a new one.
 */
#include "ngx_http_cordon.h"

#include "base/buf.h"
#include "shm/peer.h"
#include "token/broker_proto.h"

#define NGX_HTTP_CORDON_CACHE      4096     /* assertions kept, at most */
#define NGX_HTTP_CORDON_KEEP       30       /* s */
#define NGX_HTTP_CORDON_ASKED      1024     /* unanswered, at most */
#define NGX_HTTP_CORDON_JWT_MAX    4096


typedef enum {
    NGX_HTTP_CORDON_ASKING = 0,
    NGX_HTTP_CORDON_KNOWN,
    NGX_HTTP_CORDON_FAILED
} ngx_http_cordon_assertion_state_e;


struct ngx_http_cordon_assertion_s {
    ngx_rbtree_node_t                  node;
    ngx_queue_t                        recent;  /* oldest last */
    ngx_queue_t                        asked;   /* in the order of asking */
    ngx_queue_t                        waiters; /* ngx_http_cordon_ctx_t */
    ngx_http_cordon_assertion_state_e  state;
    time_t                             since;   /* good from then, */
    time_t                             until;   /* until before then */
    uint64_t                           epoch;   /* of the session */
    unsigned                           in_asked:1;
    unsigned                           pinned:1;    /* waiters are woken */
    ngx_str_t                          jwt;
    u_char                             key[CD_SESSION_KEY_LEN];
};


typedef struct {
    ngx_peer_connection_t              peer;
    ngx_connection_t                  *connection;
    struct cd_buf                      out;
    size_t                             sent;
    size_t                             have;
    u_char                             in[CD_BROKER_FRAME
                                          + CD_BROKER_BODY_MAX];
    struct sockaddr_un                 address;
    ngx_str_t                          name;
    ngx_queue_t                        asked;
    ngx_uint_t                         n_asked;
    ngx_rbtree_t                       tree;
    ngx_rbtree_node_t                  sentinel;
    ngx_queue_t                        recent;
    ngx_uint_t                         n;
    unsigned                           ready:1;
} ngx_http_cordon_broker_t;


static ngx_http_cordon_broker_t  ngx_http_cordon_broker;


static void ngx_http_cordon_broker_read(ngx_event_t *ev);
static void ngx_http_cordon_broker_write(ngx_event_t *ev);


/* ---- cache ---- */

/* A session is of one app, so its key alone tells what is asserted. */

static ngx_http_cordon_assertion_t *
ngx_http_cordon_assertion_find(ngx_rbtree_t *tree, u_char *key)
{
    ngx_int_t                     rc;
    ngx_rbtree_key_t              hash;
    ngx_rbtree_node_t            *node;
    ngx_http_cordon_assertion_t  *a;

    ngx_memcpy(&hash, key, sizeof(hash));
    node = tree->root;

    while (node != tree->sentinel) {
        if (hash != node->key) {
            node = (hash < node->key) ? node->left : node->right;
            continue;
        }

        a = (ngx_http_cordon_assertion_t *) node;
        rc = ngx_memcmp(key, a->key, CD_SESSION_KEY_LEN);
        if (rc == 0) {
            return a;
        }

        node = (rc < 0) ? node->left : node->right;
    }

    return NULL;
}


static void
ngx_http_cordon_assertion_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel)
{
    ngx_rbtree_node_t            **p;
    ngx_http_cordon_assertion_t   *a, *b;

    for ( ;; ) {
        if (node->key != temp->key) {
            p = (node->key < temp->key) ? &temp->left : &temp->right;

        } else {
            a = (ngx_http_cordon_assertion_t *) node;
            b = (ngx_http_cordon_assertion_t *) temp;
            p = (ngx_memcmp(a->key, b->key, CD_SESSION_KEY_LEN) < 0)
                ? &temp->left : &temp->right;
        }

        if (*p == sentinel) {
            break;
        }

        temp = *p;
    }

    *p = node;
    node->parent = temp;
    node->left = sentinel;
    node->right = sentinel;
    ngx_rbt_red(node);
}


static void
ngx_http_cordon_assertion_free(ngx_http_cordon_assertion_t *a)
{
    ngx_http_cordon_broker_t  *b = &ngx_http_cordon_broker;

    ngx_rbtree_delete(&b->tree, &a->node);
    ngx_queue_remove(&a->recent);
    b->n--;

    if (a->jwt.data) {
        ngx_free(a->jwt.data);
    }

    ngx_free(a);
}


/* Room for one more: the least recently used that nobody waits for goes. */

static void
ngx_http_cordon_assertion_evict(void)
{
    ngx_queue_t                  *q;
    ngx_http_cordon_broker_t     *b = &ngx_http_cordon_broker;
    ngx_http_cordon_assertion_t  *a;

    if (b->n < NGX_HTTP_CORDON_CACHE) {
        return;
    }

    for (q = ngx_queue_last(&b->recent);
         q != ngx_queue_sentinel(&b->recent);
         q = ngx_queue_prev(q))
    {
        a = ngx_queue_data(q, ngx_http_cordon_assertion_t, recent);

        if (!a->in_asked && !a->pinned && ngx_queue_empty(&a->waiters)) {
            ngx_http_cordon_assertion_free(a);
            return;
        }
    }
}


static ngx_http_cordon_assertion_t *
ngx_http_cordon_assertion_new(u_char *key)
{
    ngx_http_cordon_broker_t     *b = &ngx_http_cordon_broker;
    ngx_http_cordon_assertion_t  *a;

    ngx_http_cordon_assertion_evict();

    if (b->n >= NGX_HTTP_CORDON_CACHE) {
        return NULL;
    }

    a = ngx_calloc(sizeof(ngx_http_cordon_assertion_t), ngx_cycle->log);
    if (a == NULL) {
        return NULL;
    }

    ngx_memcpy(a->key, key, CD_SESSION_KEY_LEN);
    ngx_memcpy(&a->node.key, key, sizeof(a->node.key));
    ngx_queue_init(&a->waiters);
    ngx_rbtree_insert(&b->tree, &a->node);
    ngx_queue_insert_head(&b->recent, &a->recent);
    b->n++;

    return a;
}


/* ---- the broker ---- */

static void
ngx_http_cordon_broker_setup(void)
{
    ngx_str_t                 *path;
    ngx_http_cordon_broker_t  *b = &ngx_http_cordon_broker;

    if (b->ready) {
        return;
    }

    b->ready = 1;
    path = &ngx_http_cordon.conf->keys;

    ngx_rbtree_init(&b->tree, &b->sentinel, ngx_http_cordon_assertion_insert);
    ngx_queue_init(&b->recent);
    ngx_queue_init(&b->asked);
    cd_buf_init(&b->out, 1024 * 1024);

    b->address.sun_family = AF_UNIX;
    ngx_memcpy(b->address.sun_path, path->data,
               ngx_min(path->len, sizeof(b->address.sun_path) - 1));
    ngx_str_set(&b->name, "key broker");
}


/* Wakes all who wait for one. A waiter may end, and with it others; one whose
 * session moved meanwhile asks again, and waits for that answer. */

static void
ngx_http_cordon_wake(ngx_http_cordon_assertion_t *a)
{
    ngx_queue_t            *q, woken;
    ngx_connection_t       *c;
    ngx_http_request_t     *r;
    ngx_http_cordon_ctx_t  *ctx;

    if (ngx_queue_empty(&a->waiters)) {
        return;
    }

    ngx_queue_init(&woken);
    ngx_queue_add(&woken, &a->waiters);
    ngx_queue_init(&a->waiters);

    a->pinned = 1;

    while (!ngx_queue_empty(&woken)) {
        q = ngx_queue_head(&woken);
        ctx = ngx_queue_data(q, ngx_http_cordon_ctx_t, waiting);
        r = ctx->request;
        c = r->connection;

        /* it finds the answer in the cache, or that there is none */

        ngx_queue_remove(q);
        ctx->assertion = NULL;

        ngx_http_core_run_phases(r);
        ngx_http_run_posted_requests(c);
    }

    a->pinned = 0;
}


/*
 * An answer for a question. A failed one is known as such for this second, so
 * that its waiters do not ask again.
 */

static void
ngx_http_cordon_answer(ngx_queue_t *q, ngx_str_t *jwt, time_t exp)
{
    ngx_http_cordon_assertion_t  *a;

    a = ngx_queue_data(q, ngx_http_cordon_assertion_t, asked);

    ngx_queue_remove(q);
    a->in_asked = 0;

    a->state = NGX_HTTP_CORDON_FAILED;
    a->since = ngx_time();
    a->until = a->since + 1;

    if (jwt && jwt->len && jwt->len <= NGX_HTTP_CORDON_JWT_MAX) {

        if (a->jwt.data) {
            ngx_free(a->jwt.data);
        }

        a->jwt.data = ngx_alloc(jwt->len, ngx_cycle->log);

        if (a->jwt.data) {
            ngx_memcpy(a->jwt.data, jwt->data, jwt->len);
            a->jwt.len = jwt->len;
            a->state = NGX_HTTP_CORDON_KNOWN;
            a->until = ngx_min(a->since + NGX_HTTP_CORDON_KEEP, exp - 5);
        }
    }

    ngx_http_cordon_wake(a);
}


static void
ngx_http_cordon_broker_close(void)
{
    ngx_queue_t                failed;
    ngx_connection_t          *c;
    ngx_http_cordon_broker_t  *b = &ngx_http_cordon_broker;

    c = b->connection;
    b->connection = NULL;

    if (c) {
        ngx_close_connection(c);
    }

    cd_buf_clear(&b->out);
    b->sent = 0;
    b->have = 0;

    /* whoever is told may ask again, on a new connection */

    ngx_queue_init(&failed);

    if (!ngx_queue_empty(&b->asked)) {
        ngx_queue_add(&failed, &b->asked);
        ngx_queue_init(&b->asked);
    }

    b->n_asked = 0;

    while (!ngx_queue_empty(&failed)) {
        ngx_http_cordon_answer(ngx_queue_head(&failed), NULL, 0);
    }
}


static ngx_int_t
ngx_http_cordon_broker_connect(void)
{
    ngx_int_t                  rc;
    ngx_connection_t          *c;
    ngx_http_cordon_broker_t  *b = &ngx_http_cordon_broker;

    if (b->connection) {
        return NGX_OK;
    }

    ngx_memzero(&b->peer, sizeof(b->peer));
    b->peer.sockaddr = (struct sockaddr *) &b->address;
    b->peer.socklen = sizeof(b->address);
    b->peer.name = &b->name;
    b->peer.get = ngx_event_get_peer;
    b->peer.log = ngx_cycle->log;
    b->peer.log_error = NGX_ERROR_ERR;

    rc = ngx_event_connect_peer(&b->peer);

    if (rc != NGX_OK && rc != NGX_AGAIN) {
        if (b->peer.connection) {
            ngx_close_connection(b->peer.connection);
        }

        return NGX_ERROR;
    }

    c = b->peer.connection;

    /* tokens of live sessions are sent there */

    if (cd_peer_vouch(c->fd, b->address.sun_path) < 0) {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, 0,
                      "cordon: who listens at \"%V\" does not own its "
                      "folder, or others may write there", &b->name);
        ngx_close_connection(c);
        return NGX_ERROR;
    }

    c->data = b;
    c->log = ngx_cycle->log;
    c->read->log = c->log;
    c->write->log = c->log;
    c->read->handler = ngx_http_cordon_broker_read;
    c->write->handler = ngx_http_cordon_broker_write;

    c->read->cancelable = 1;

    b->connection = c;
    b->sent = 0;
    b->have = 0;

    return NGX_OK;
}


static void
ngx_http_cordon_broker_timer(void)
{
    ngx_event_t               *rev;
    ngx_http_cordon_broker_t  *b = &ngx_http_cordon_broker;

    rev = b->connection->read;

    /* an idle one is closed when the worker ends, one in use is not */
    b->connection->idle = (b->n_asked == 0);

    if (b->n_asked == 0) {
        if (rev->timer_set) {
            ngx_del_timer(rev);
        }

    } else if (!rev->timer_set) {
        ngx_add_timer(rev, ngx_http_cordon.conf->keys_timeout);
    }
}


static ngx_int_t
ngx_http_cordon_broker_take(void)
{
    int                        n;
    size_t                     used;
    int64_t                    exp;
    ngx_str_t                  jwt;
    ngx_queue_t               *q;
    ngx_connection_t          *c;
    struct cd_reader           reader;
    struct cd_broker_frame     frame;
    ngx_http_cordon_broker_t  *b = &ngx_http_cordon_broker;

    c = b->connection;

    for ( ;; ) {
        n = cd_broker_take(cd_str_make(b->in, b->have), &frame, &used);

        if (n == 0) {
            return NGX_OK;
        }

        if (n < 0 || frame.verb != CD_VERB_ASSERT
            || ngx_queue_empty(&b->asked))
        {
            return NGX_ERROR;
        }

        reader = cd_reader_make(frame.body.ptr, frame.body.len);
        exp = (int64_t) cd_read_u64(&reader);

        jwt.len = cd_reader_left(&reader);
        jwt.data = (u_char *) (uintptr_t) (frame.body.ptr + frame.body.len
                                           - jwt.len);

        if (frame.status != CD_BROKER_OK) {
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                          "cordon: key broker answered %s",
                          cd_broker_status_name(frame.status));
            jwt.len = 0;
        }

        q = ngx_queue_head(&b->asked);
        b->n_asked--;

        /* jwt lies in the buffer: it is copied before anything else runs */

        ngx_http_cordon_answer(q, &jwt, (time_t) exp);

        if (b->connection != c) {
            return NGX_DONE;
        }

        b->have -= used;
        ngx_memmove(b->in, b->in + used, b->have);
    }
}


static void
ngx_http_cordon_broker_read(ngx_event_t *ev)
{
    ssize_t                    n;
    ngx_connection_t          *c;
    ngx_http_cordon_broker_t  *b = &ngx_http_cordon_broker;

    c = ev->data;

    if (ev->timedout || c->close) {
        if (ev->timedout) {
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, NGX_ETIMEDOUT,
                          "cordon: key broker does not answer");
        }

        ngx_http_cordon_broker_close();
        return;
    }

    while (c == b->connection) {
        n = c->recv(c, b->in + b->have, sizeof(b->in) - b->have);

        if (n == NGX_AGAIN) {
            break;
        }

        if (n <= 0) {
            ngx_http_cordon_broker_close();
            return;
        }

        b->have += (size_t) n;

        if (ngx_http_cordon_broker_take() == NGX_ERROR) {
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                          "cordon: key broker sent nonsense");
            ngx_http_cordon_broker_close();
            return;
        }
    }

    if (c != b->connection) {
        return;
    }

    if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        ngx_http_cordon_broker_close();
        return;
    }

    if (c->read->timer_set) {
        ngx_del_timer(c->read);
    }

    ngx_http_cordon_broker_timer();
}


static void
ngx_http_cordon_broker_write(ngx_event_t *ev)
{
    ssize_t                    n;
    ngx_connection_t          *c;
    ngx_http_cordon_broker_t  *b = &ngx_http_cordon_broker;

    c = ev->data;

    while (b->sent < b->out.len) {
        n = c->send(c, (u_char *) b->out.data + b->sent,
                    b->out.len - b->sent);

        if (n == NGX_AGAIN) {
            break;
        }

        if (n <= 0) {
            /* from its own event: whoever asked is not on the stack twice */
            c->close = 1;
            ngx_post_event(c->read, &ngx_posted_events);
            return;
        }

        b->sent += (size_t) n;
    }

    if (b->sent == b->out.len) {
        cd_buf_clear(&b->out);
        b->sent = 0;
    }

    (void) ngx_handle_write_event(c->write, 0);
}


static ngx_int_t
ngx_http_cordon_ask(ngx_http_cordon_assertion_t *a, ngx_http_cordon_ctx_t *ctx)
{
    struct cd_buf              body;
    ngx_http_cordon_broker_t  *b = &ngx_http_cordon_broker;

    if (b->n_asked >= NGX_HTTP_CORDON_ASKED
        || ngx_http_cordon_broker_connect() != NGX_OK)
    {
        return NGX_ERROR;
    }

    cd_buf_init(&body, CD_BROKER_BODY_MAX);
    cd_broker_put_str(&body, cd_str_make(ctx->token.data, ctx->token.len));
    cd_broker_put_str(&body, cd_str_make(ctx->app.data, ctx->app.len));

    if (!body.err) {
        cd_broker_put(&b->out, CD_VERB_ASSERT, 0, cd_buf_get(&body));
    }

    if (body.err || b->out.err) {
        cd_buf_wipe(&body);
        return NGX_ERROR;
    }

    cd_buf_wipe(&body);

    a->state = NGX_HTTP_CORDON_ASKING;
    a->in_asked = 1;
    ngx_queue_insert_tail(&b->asked, &a->asked);
    b->n_asked++;

    ngx_http_cordon_broker_timer();

    if (b->connection->write->ready) {
        ngx_post_event(b->connection->write, &ngx_posted_events);
    }

    return NGX_OK;
}


/* ---- for the access handler ---- */

static ngx_int_t
ngx_http_cordon_assert_add(ngx_http_request_t *r, ngx_str_t *jwt)
{
    ngx_str_t  value;

    value.len = jwt->len;
    value.data = ngx_pstrdup(r->pool, jwt);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    return ngx_http_cordon_add(r, NGX_HTTP_CORDON_ASSERTION, &value);
}


ngx_int_t
ngx_http_cordon_assert(ngx_http_request_t *r, ngx_http_cordon_ctx_t *ctx)
{
    ngx_http_cordon_broker_t     *b = &ngx_http_cordon_broker;
    ngx_http_cordon_assertion_t  *a;

    if (!ctx->who.live) {
        return NGX_OK;                          /* nobody to speak of */
    }

    if (ctx->asks++ > 3) {
        return NGX_ERROR;                       /* answers nobody can use */
    }

    ngx_http_cordon_broker_setup();

    a = ngx_http_cordon_assertion_find(&b->tree, ctx->who.key);

    if (a == NULL) {
        a = ngx_http_cordon_assertion_new(ctx->who.key);
        if (a == NULL) {
            return NGX_ERROR;
        }
    }

    ngx_queue_remove(&a->recent);
    ngx_queue_insert_head(&b->recent, &a->recent);

    /* one from before the clock was set back has a time that is to come */

    if (!a->in_asked && a->since <= ngx_time() && a->until > ngx_time()
        && a->epoch == ctx->who.epoch)
    {
        return a->state == NGX_HTTP_CORDON_KNOWN
               ? ngx_http_cordon_assert_add(r, &a->jwt) : NGX_ERROR;
    }

    if (!a->in_asked) {
        a->epoch = ctx->who.epoch;

        if (ngx_http_cordon_ask(a, ctx) != NGX_OK) {
            a->until = 0;
            a->state = NGX_HTTP_CORDON_FAILED;
            return NGX_ERROR;
        }
    }

    ctx->assertion = a;
    ngx_queue_insert_tail(&a->waiters, &ctx->waiting);

    return NGX_AGAIN;
}


void
ngx_http_cordon_assert_forget(ngx_http_cordon_ctx_t *ctx)
{
    if (ctx->assertion) {
        ngx_queue_remove(&ctx->waiting);
        ctx->assertion = NULL;
    }
}
