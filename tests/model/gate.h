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
 * session is shown. Strings are borrowed as long as the connection lives. */
struct gate_ask {
	const char *host, *method, *path, *token;
	uint8_t src[4];
};

struct gate_conn;

/* Maps the run directory, as a worker does when it starts. */
bool gate_start(const char *run);
void gate_stop(void);
/* Unix seconds; only forward. */
void gate_clock(int64_t now);
/* NULL: it was refused. */
struct gate_conn *gate_open(const struct gate_ask *ask);
/* HTTP: the request is answered, its connection stays for a next one. */
void gate_answered(struct gate_conn *c);
/* What the 50 ms timer of a worker does. */
void gate_tick(void);
bool gate_is_cut(const struct gate_conn *c);
void gate_close(struct gate_conn **c);

#endif
