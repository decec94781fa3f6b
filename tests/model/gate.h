/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway's own code for live connections, without nginx around it: both
 * modules' deciding, indexing and sweeping as they are compiled into the
 * gateway, on connections that are only structs, and with a clock that the
 * test sets. One at a time, one thread.
 */
#ifndef TESTS_MODEL_GATE_H
#define TESTS_MODEL_GATE_H

#include <stdbool.h>
#include <stdint.h>

/* What a client asks for. path NULL: a TCP app; else HTTP. token NULL: no
 * session is shown. Strings are borrowed as long as what was asked lives. */
struct gate_ask {
	const char *host, *method, *path, *token;
};

/* A client's connection: of TCP or HTTP/1 with one thing asked at a time, of
 * HTTP/2 with any number. It must outlive what is asked on it. */
struct gate_line;
struct gate_conn; /* a TCP connection, a request, a stream */

/* Maps the run directory, as a worker does when it starts. */
bool gate_start(const char *run);
void gate_stop(void);
/* Unix seconds, and seconds of a clock that is never set. */
void gate_clock(int64_t now, int64_t steady);
struct gate_line *gate_dial(const uint8_t src[4], bool http2);
void gate_hang_up(struct gate_line **line);
/* NULL: it was refused. HTTP: the connection stays for a next one. */
struct gate_conn *gate_open(struct gate_line *line, const struct gate_ask *ask);
/* It is answered, or given up, if it is not cut. */
void gate_close(struct gate_conn **c);
/* What the 50 ms timer of a worker does. */
void gate_tick(void);
/* ... and the client was told. */
bool gate_is_cut(const struct gate_conn *c);
/* By the gateway. */
bool gate_is_closed(const struct gate_line *line);

#endif
