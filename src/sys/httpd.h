/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP/1.1 server on a unix socket, in the caller's event loop: one thread,
 * no locks. libmicrohttpd parses; this adds body limits, answers that come
 * later (a held request is a suspended connection that costs a few KiB), one
 * answer shared by many requests, and who the peer is.
 *
 * A request lives from the handler's call until its answer is sent. The
 * handler answers before it returns, or later, exactly once.
 */
#ifndef CD_SYS_HTTPD_H
#define CD_SYS_HTTPD_H

#include <sys/types.h>

#include "base/buf.h"

struct event_base;
struct cd_httpd;
struct cd_http_req;
struct cd_http_answer;

typedef void (*cd_http_handler)(void *ctx, struct cd_http_req *req);

struct cd_httpd_config {
	const char *path; /* of the socket; an old one is replaced */
	unsigned int mode; /* of the socket, 0660 */
	gid_t gid; /* group of the socket; (gid_t)-1: as created */
	size_t body_max; /* a longer body is answered 413 */
	unsigned int connections_max;
	unsigned int timeout_s; /* idle connections; 0: never */
	cd_http_handler handle;
	void *ctx;
};

int cd_httpd_new(struct event_base *base, const struct cd_httpd_config *config,
		 struct cd_httpd **ret_httpd);
/* Held requests are answered 503 first; then the socket is removed. */
void cd_httpd_free(struct cd_httpd **httpd);
/* Requests whose answer is still to come. */
size_t cd_httpd_held(const struct cd_httpd *httpd);

/* What was asked. Strings are borrowed and live until the answer. A name that
 * is not there is NULL. The path is percent-decoded and never empty. */
const char *cd_http_method(const struct cd_http_req *req);
const char *cd_http_path(const struct cd_http_req *req);
const char *cd_http_query(const struct cd_http_req *req, const char *name);
const char *cd_http_header(const struct cd_http_req *req, const char *name);
/* A cookie's value as it stands in the header; the first of that name. */
bool cd_http_cookie(const struct cd_http_req *req, const char *name,
		    struct cd_str *ret_value);
struct cd_str cd_http_body(const struct cd_http_req *req);
/* SO_PEERCRED of the connection; (uid_t)-1 when it cannot be had. */
uid_t cd_http_peer_uid(const struct cd_http_req *req);

/* A word of the handler's own: freed by `done` when the request ends, answered
 * or not (the client may go while the answer is awaited). */
void cd_http_set_user(struct cd_http_req *req, void *user,
		      void (*done)(void *user));
void *cd_http_user(const struct cd_http_req *req);

/* Answers. The body is copied. NULL: no memory. */
struct cd_http_answer *cd_http_answer_new(unsigned int status,
					  const char *content_type,
					  struct cd_str body);
/* Values with a control character are refused: -EINVAL. */
int cd_http_answer_header(struct cd_http_answer *answer, const char *name,
			  const char *value);
struct cd_http_answer *cd_http_answer_ref(struct cd_http_answer *answer);
void cd_http_answer_unref(struct cd_http_answer **answer);
/* Sends; keeps a reference of its own. NULL is answered as 500. */
void cd_http_send(struct cd_http_req *req, struct cd_http_answer *answer);
/* new, send and unref in one. */
void cd_http_reply(struct cd_http_req *req, unsigned int status,
		   const char *content_type, struct cd_str body);

/* The value of one cookie in a Cookie header. */
bool cd_cookie_find(struct cd_str header, struct cd_str name,
		    struct cd_str *ret_value);

#endif
