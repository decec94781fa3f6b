/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a gateway's connections rest on, as plain structs and, at the same
 * time, in a run directory as an agent keeps it: a policy, people, devices,
 * sessions, a clock. world_change() changes one of them at random in both.
 * Sessions end by revoking, removal, an end of their own and idleness.
 */
#ifndef TESTS_MODEL_WORLD_H
#define TESTS_MODEL_WORLD_H

#include "engine.h"

#define W_DEVICES 4
#define W_SESSIONS 128 /* ever, in one world */
#define W_APPS 3 /* payroll, wiki: HTTP; ledger: TCP */

struct w_person {
	bool there, disabled;
	int groups; /* bits */
	int risk; /* 0: unknown */
	int best; /* -1: unknown */
};

struct w_device {
	bool there;
	int managed, encrypted, os_age; /* -1: unknown */
	int64_t vouched_at;
};

struct w_session {
	char token[24];
	bool there, revoked;
	int cert; /* known by this client certificate; -1: by its token */
	int user, app, device; /* device -1: none */
	int mfa_kind;
	int64_t created, auth_time; /* auth_time 0: never */
	int64_t expires; /* 0: never */
	int64_t idle; /* seconds that it may lie unused; 0: any */
	int64_t told, used; /* last use: in the table, by the gateway here */
};

enum w_change {
	W_RULE, /* a rule is changed, added or dropped */
	W_POLICY, /* another policy */
	W_SHORT, /* the same, with an end that is near */
	W_GROUPS,
	W_RISK,
	W_DISABLE, /* or enable */
	W_GONE, /* a person */
	W_DEVICE, /* says something else */
	W_ATTEST, /* says the same again */
	W_DEVICE_GONE,
	W_REVOKE,
	W_REMOVE, /* a session */
	W_SESSION, /* a new one */
	W_STEP_UP, /* its person proves a second factor */
	W_TABLE, /* the same rows in another file */
	W_TIME, /* passes */
	W_FORTH, /* the clock is set: up to a day */
	W_BACK,
	W_NOTHING,
	W_CHANGES
};
extern const char *const w_change_names[W_CHANGES];

struct world {
	struct rng *r;
	struct m_policy p;
	int64_t now, not_after; /* Unix seconds; of the policy */
	int64_t steady; /* seconds, that nobody sets */
	int64_t lived; /* seconds: as `now`, but never goes back */
	struct w_person people[M_USERS];
	struct w_device devices[W_DEVICES];
	struct w_session sessions[W_SESSIONS];
	int n_sessions, n_certs; /* certificates in use */
	int canaries, dead; /* the first ones are dead */
	unsigned long refused; /* rules that the checker did not take */
	bool broken; /* something could not be written */
};

/*
 * Before world_new(), for a gateway with a clock of its own: the run directory
 * is this one, in which an agent's folders are; the world's time is this
 * machine's, and none of what it says turns by the clock for some minutes.
 * The first policy lets everybody do everything. Sessions of TCP apps are known
 * by the `n` certificates whose SHA-256 are given.
 */
void world_real(const char *dir, const uint8_t (*certs)[32], int n);
/* Reads the clock. */
void world_clock(struct world *w);
/* Another policy, as W_POLICY makes it. */
void world_policy(struct world *w);
/* Sessions "canary-N" that no change touches, N below `n`, of app payroll; and
 * the end of the next one: when a connection that showed it is closed, the
 * gateway has looked at all that was changed before. */
void world_canaries(struct world *w, int n);
int world_canary_ends(struct world *w);
/* The run directory, made at the first call and gone at exit. */
const char *world_run(void);
void world_new(struct world *w, struct rng *r);
void world_done(struct world *w);
enum w_change world_change(struct world *w);
/* Live, neither idle nor past its end, its person not disabled. */
bool world_is_good(const struct world *w, const struct w_session *s);
/* A gateway let somebody in by this session; the agent may write it down. */
void world_used(struct world *w, struct w_session *s);
/* The text of the policy, as notes. */
void world_note(const struct world *w);

#endif
