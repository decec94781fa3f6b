/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP client over a unix socket or https, on libcurl: one call that waits
 * (command line), and one that answers in the caller's libevent loop
 * (daemons). Bodies are bounded; redirects are not followed; certificates are
 * always verified.
 */
#ifndef CD_SYS_HTTPC_H
#define CD_SYS_HTTPC_H

#include "base/buf.h"

struct cd_httpc_request {
	const char *unix_path; /* socket, or NULL for a real connection */
	const char *url; /* http://cordon/v1/... or https://... */
	const char *method; /* NULL: GET, or POST with a body */
	const char *content_type; /* of the body */
	struct cd_str body; /* copied */
	const char *ca_file; /* PEM instead of the system's, or NULL */
	const char *const *headers; /* "Name: value", NULL ended; or NULL */
	size_t answer_max; /* bytes; 0: 64 MiB */
	unsigned int timeout_ms; /* whole request; 0: 30 s */
};

struct cd_httpc_answer {
	int err; /* 0; -ECONNREFUSED -ENOENT -ETIMEDOUT -EIO CD_E_LIMIT... */
	unsigned int status; /* HTTP, when err is 0 */
	struct cd_buf body;
	char content_type[64];
	char etag[256], modified[64]; /* validators, RFC 9110 8.8; or empty */
	char redirect[2048]; /* where a 3xx points to, absolute; or empty */
	char why[256]; /* words of a failure, for people */
};

/* Waits. Returns answer->err. Give the answer back with _answer_done(). */
int cd_httpc_run(const struct cd_httpc_request *request,
		 struct cd_httpc_answer *ret_answer);
void cd_httpc_answer_done(struct cd_httpc_answer *answer);

/* ---- in an event loop --------------------------------------------------*/
struct event_base;
struct cd_httpc;
struct cd_httpc_call;

/* answer is borrowed for the call; its body may be taken (cd_buf_take). */
typedef void (*cd_httpc_done)(void *ctx, struct cd_httpc_answer *answer);

int cd_httpc_new(struct event_base *base, struct cd_httpc **ret_client);
/* Calls that are still out are dropped without their callback. */
void cd_httpc_free(struct cd_httpc **client);
/* done is called once, from the loop, never from inside this function.
 * *ret_call (may be NULL) is valid until then. */
int cd_httpc_start(struct cd_httpc *client,
		   const struct cd_httpc_request *request, cd_httpc_done done,
		   void *ctx, struct cd_httpc_call **ret_call);
/* Drops it: done is not called. */
void cd_httpc_cancel(struct cd_httpc_call *call);

#endif
