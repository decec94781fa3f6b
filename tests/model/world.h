/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a gateway's connections rest on, as plain structs and, at the same
 * time, in a run directory as an agent keeps it: a policy, people, devices,
 * sessions, a clock. world_change() changes one of them at random in both.
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
	int user, app, device; /* device -1: none */
	int mfa_kind;
	int64_t created, auth_time; /* auth_time 0: never */
	int64_t expires; /* 0: never */
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
	W_TABLE, /* the same rows in another file */
	W_TIME,
	W_NOTHING,
	W_CHANGES
};
extern const char *const w_change_names[W_CHANGES];

struct world {
	struct rng *r;
	struct m_policy p;
	int64_t now, not_after; /* Unix seconds; of the policy */
	struct w_person people[M_USERS];
	struct w_device devices[W_DEVICES];
	struct w_session sessions[W_SESSIONS];
	int n_sessions;
	unsigned long refused; /* rules that the checker did not take */
	bool broken; /* something could not be written */
};

/* The run directory, made at the first call and gone at exit. */
const char *world_run(void);
void world_new(struct world *w, struct rng *r);
void world_done(struct world *w);
enum w_change world_change(struct world *w);
/* The text of the policy, as notes. */
void world_note(const struct world *w);

#endif
