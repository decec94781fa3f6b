/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has to become of live connections when a world changes, by the slow
 * evaluator and a few sentences of the documents: which are let in, which are
 * cut and why, and which idle ones are closed. It asks about each of them every
 * time: it has no index, no epoch and no recheck_at that could be wrong.
 */
#ifndef TESTS_MODEL_FATE_H
#define TESTS_MODEL_FATE_H

#include "world.h"

#define F_SHOWN 4 /* sessions that a connection remembers, the last ones */

/* Why one ended, or why it did not although its verdict fell. */
enum fate {
	KEPT, /* allowed still */
	FELL, /* on change cut */
	SESSION, /* revoked, removed, ended, its person disabled */
	RISK, /* in spite of keep or drain */
	EXPIRED, /* the policy */
	MAX,
	DRAINED,
	DRAINS, /* may stay for now */
	STAYS, /* on change keep */
	FATES
};
extern const char *const fate_names[FATES];

enum f_kind { F_TCP, F_HTTP1, F_HTTP2, F_KINDS };
extern const char *const f_kind_names[F_KINDS];

/* A client's connection. */
struct f_line {
	enum f_kind kind;
	struct m_addr src;
	int open; /* requests, streams; its holder counts them down */
	int shown[F_SHOWN]; /* sessions that somebody was let in by */
	unsigned n_shown;
	bool ended; /* one of them: closes when nothing is open */
};

/* What is asked on it: a TCP connection, a request, a stream. */
struct f_conn {
	struct f_line *line;
	int app, method, path, session; /* session -1: none is shown */
	/* bound as it began */
	bool person, bound;
	int mfa_age, session_age; /* minutes */
	int64_t began; /* as world.lived */
	/* of the last allow */
	int on_change, drain, max;
	int64_t drain_at; /* as world.lived; 0: does not drain */
	enum fate fate;
};

extern const char *const f_hosts[W_APPS];
extern const uint8_t f_sources[5][4];

void f_line_random(struct world *w, struct f_line *l, enum f_kind kind);
/* What may be asked, on no line yet. */
void f_random(struct world *w, struct f_conn *c);
/* Whether it has to be let in, on its line; changes nothing else. */
bool f_opens(const struct world *w, struct f_conn *c);
/* It was. */
void f_opened(struct world *w, struct f_conn *c);
/* Sets its fate, and what an allow says anew; once after each change. */
enum fate f_expect(const struct world *w, struct f_conn *c);
bool f_ends(enum fate f);
/* After each change, of HTTP: the gateway closes it now. */
bool f_must_close(const struct world *w, struct f_line *l);
/* All that there is to say about one, as notes, the policy too. */
void f_note(const struct world *w, struct f_conn *c, const char *what);

#endif
