/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients' connections through a gateway, of every kind, in one process, and
 * what came back on each. Waits for states, with one bound for all.
 */
#ifndef TESTS_NGINX_GW_LINES_H
#define TESTS_NGINX_GW_LINES_H

#include <stdbool.h>
#include <sys/types.h>

#include <openssl/ssl.h>

#include "fate.h"
#include "gw_frames.h"

#define PATIENCE 30000 /* ms for any one state */
#define CONNS 24
#define LINES 20
#define BUF 65536

enum how { ONCE, SSE, WEBSOCKET, STREAM, TCP, HOWS };
extern const char *const how_names[HOWS];

struct line {
	int fd; /* -1: a free place */
	SSL *ssl;
	bool ended;
	uint32_t last_stream;
	size_t len; /* of what is not understood yet */
	char buf[BUF + 1];
	struct f_line f;
};

struct conn {
	bool there;
	struct line *line;
	enum how how;
	uint32_t stream;
	int status; /* 0: not answered */
	bool over, ended; /* by the app; by the gateway */
	size_t bytes, mark;
	struct f_conn f;
};

extern struct line lines[LINES];
extern struct conn conns[CONNS];

int64_t now_ms(void); /* monotonic */
/* To 127.0.0.1, from src; blocking until line_ready(). */
bool line_dial(struct line *l, const uint8_t src[4], const char *port);
bool line_tls(struct line *l, SSL_CTX *ctx, const char *name);
bool line_h2(struct line *l); /* the preface */
void line_ready(struct line *l);
/* And what is asked on it is no more there. */
void line_hang_up(struct line *l);
bool line_put(struct line *l, const void *p, size_t len);
bool line_frame(struct line *l, uint8_t type, uint8_t flags, uint32_t stream,
		const void *p, size_t len);
/* Behind what is in buf; -EAGAIN: nothing yet; 0, or less: it ended. */
ssize_t line_get(struct line *l);
/* Reads what comes on all lines within `ms`, into conns. */
void pump(int ms);
/* Until it is good, PATIENCE at most. */
bool until(bool (*good)(void *), void *what);

#endif
