/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A second, slow and obvious implementation of the policy's semantics, written
 * from docs/policy-semantics.md alone. It shares no code with the engine: no
 * parser, no index, no interning, no bit tricks. A random estate and random
 * rules exist twice: as these structs, which model_decide() walks, and as
 * policy text, which the engine parses, compiles and decides.
 */
#ifndef TESTS_MODEL_MODEL_H
#define TESTS_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "rng.h"

#define M_SEGMENTS 5
#define M_HOSTS 3
#define M_GROUPS 5
#define M_USERS 4
#define M_APPS 4
#define M_POSTURES 2
#define M_DOMAINS 2
#define M_RULES 10
#define M_NODES 8
#define M_LIST 3

/* ---- the request, as the model sees it: -1 or NULL is unknown ---------- */
enum m_subject { M_S_UNKNOWN = -1, M_S_PERSON, M_S_ANONYMOUS, M_S_HOST };
enum m_kind { M_K_UNKNOWN, M_K_PACKET, M_K_NAME, M_K_TLS, M_K_HTTP, M_K_SHELL };

struct m_addr {
	bool known;
	uint8_t b[4];
};

struct m_request {
	enum m_kind kind;
	enum m_subject subject;
	int user; /* index, -1 unknown */
	int groups; /* bits, -1 unknown */
	int managed, encrypted; /* 0 1, -1 unknown */
	int managed_stale; /* known, but older than its row allows */
	int os_age; /* seconds, -1 unknown */
	int mfa_age; /* minutes, -1 unknown */
	int mfa_kind; /* 0..3, -1 unknown */
	int session_age; /* minutes */
	int risk; /* 1..3, -1 */
	int country; /* index, -1 */
	struct m_addr src, dst;
	int src_tier, src_env; /* label values 0.., -1: label not there */
	bool src_labels, dst_labels; /* given at all */
	int dst_tier, dst_env;
	int dst_port; /* -1 */
	int proto; /* 6 17, -1 */
	int app; /* -1 */
	int domain; /* dst.name: index into m_names, -1 */
	int method, path;
	int approvers; /* bits of users, -1 unknown */
	int best; /* best factor, -1 */
	int64_t now; /* seconds */
	bool can_ask, can_record;
};

extern const char *const m_users[M_USERS];
extern const char *const m_groups[M_GROUPS];
extern const char *const m_countries[];
extern const char *const m_tiers[];
extern const char *const m_envs[];
extern const char *const m_methods[];
extern const char *const m_paths[];
extern const char *const m_names[];
#define M_COUNTRIES 4
#define M_TIERS 3
#define M_ENVS 2
#define M_METHODS 3
#define M_PATHS 5
#define M_NAMES 4

/* ---- the policy -------------------------------------------------------- */
enum m_atom {
	A_MANAGED, /* bare */
	A_ENCRYPTED, /* = value */
	A_OS_AGE, /* op value days */
	A_MFA_AGE, /* op value minutes */
	A_MFA_KIND, /* op value */
	A_SESSION_AGE, /* op value minutes */
	A_RISK, /* op value */
	A_COUNTRY, /* in, not in: bits */
	A_USER, /* =, !=: value */
	A_GROUPS, /* has value */
	A_SRC_FEED, /* in feed */
	A_DST_FEED,
	A_DST_PORT, /* op value */
	A_METHOD, /* = value */
	A_TIME, /* weekdays 08:00-18:00 UTC, or its nights */
	A_APPROVAL, /* group value, n */
	A_COUNT
};

enum m_op { OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE };
enum m_node_kind { N_ATOM, N_AND, N_OR, N_NOT };

struct m_node {
	enum m_node_kind kind;
	int left, right; /* nodes; right unused by NOT */
	enum m_atom atom;
	enum m_op op;
	int value;
	int count;
	bool negated; /* country: not in */
};

enum m_sub {
	SUB_ANY,
	SUB_PEOPLE,
	SUB_ANON,
	SUB_USER,
	SUB_GROUP,
	SUB_HOSTS,
	SUB_SEGMENT,
	SUB_INTERNET,
	SUB_COUNT
};
enum m_obj {
	OBJ_ANY,
	OBJ_APP,
	OBJ_HOSTS,
	OBJ_SEGMENT,
	OBJ_DOMAINS,
	OBJ_INTERNET,
	OBJ_COUNT
};

struct m_item {
	int kind; /* enum m_sub or m_obj */
	int index;
	int methods; /* bits, 0: any */
	int path; /* index into m_globs, -1: any */
};

extern const char *const m_globs[];
#define M_GLOBS 4

struct m_rule {
	char name[16];
	bool deny;
	struct m_item from[M_LIST], from_except[M_LIST];
	int n_from, n_from_except;
	int posture; /* -1 */
	struct m_item to[M_LIST], to_except[M_LIST];
	int n_to, n_to_except;
	int port; /* 0: any; else tcp/port */
	struct m_node when[M_NODES];
	int n_when; /* node 0 is the root */
	int mode; /* 0 enforce, 1 report, 2 canary */
	int canary; /* percent */
	int max; /* seconds, 0 */
	bool record, record_required, no_upload;
	int until; /* 0 none, 1 past, 2 future date */
	int on_change; /* 0 cut, 1 drain, 2 keep */
	int drain; /* minutes */
};

struct m_policy {
	struct m_node posture[M_POSTURES][M_NODES];
	int n_posture[M_POSTURES];
	struct m_rule rules[M_RULES];
	int n_rules;
};

/* Rule i of a policy: i alone makes its name. */
void m_rule_random(struct m_rule *u, int i, struct rng *r);
void m_policy_random(struct m_policy *p, struct rng *r);
void m_policy_print(const struct m_policy *p, FILE *f);
void m_request_random(struct m_request *q, struct rng *r);
void m_request_print(const struct m_request *q, FILE *f);

/* The estate is fixed; what it says about an address. */
struct m_segment {
	const char *name;
	int parent;
	uint8_t net[4];
	int bits;
};
extern const struct m_segment m_segments[M_SEGMENTS];
struct m_app {
	const char *name;
	const char *lines; /* its statement's lines */
	int kind; /* enum m_kind of a request to it */
	struct m_addr addr; /* upstream */
	int port;
};
extern const struct m_app m_apps[M_APPS];
extern const uint8_t m_feed[2][4]; /* /24 networks of feed "bad" */
extern const char m_feed_text[];
/* bits of the groups that group g contains, itself included */
int m_group_closure(int g);
/* which users policy group g names; -1: the directory's, not enumerable */
int m_group_users(int g);
bool m_domain_has(int domains, int name);

/* ---- the decision ------------------------------------------------------ */
enum m_verdict { V_DENY, V_REQUEST, V_CHALLENGE, V_ALLOW };

struct m_decision {
	enum m_verdict verdict;
	char rule[16]; /* empty: none */
	const char *reason;
	bool record, record_required, no_upload;
	int max;
	int on_change, drain; /* of an allow; seconds */
	bool on_risk; /* a deny that matches reads the risk */
};

void m_decide(const struct m_policy *p, const struct m_request *q,
	      struct m_decision *d);

#endif
