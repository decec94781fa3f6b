/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decision: (snapshot, request) -> verdict, reason, obligations, and the
 * explanation from the same evaluation.
 *
 * cd_decide() cannot fail, does not allocate, takes no lock, reads no clock:
 * the instant is CD_ATTR_TIME of the request. Any number of threads may
 * decide on one snapshot at once. Semantics: docs/policy-semantics.md.
 */
#ifndef CORDON_DECIDE_H
#define CORDON_DECIDE_H

#include <cordon/attrs.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cd_snapshot; /* see <cordon/snapshot.h> */

struct cd_addr {
	uint8_t family; /* 4, 6; 0: none */
	uint8_t bytes[16]; /* network order; IPv4 in the first four */
};

/* A name with its hash (cd_name_make), so that sets are hashed once when a
 * session starts and not per request. */
struct cd_name {
	struct cd_str s;
	uint64_t hash;
};

struct cd_name cd_name_make(struct cd_str s);

struct cd_label {
	struct cd_name key;
	struct cd_name value;
};

enum cd_state { CD_UNKNOWN = 0, CD_KNOWN = 1, CD_ABSENT = 2 };

/* One attribute's value. Everything is borrowed for the call. */
struct cd_value {
	uint8_t state; /* enum cd_state */
	uint8_t pad[3];
	uint32_t age; /* seconds since its source last vouched for it */
	uint32_t n; /* number of elements of set, labels, approvers */
	union {
		bool b;
		int64_t i; /* DURATION s, INT, RISK, FACTOR, PORT, PROTO,
				   SUBJECT (enum cd_subject), TIME ns */
		struct cd_name s; /* STRING COUNTRY NAME PATH METHOD APP; the
				     hash may be 0 for PATH and METHOD */
		const struct cd_name *set; /* SET, APPROVERS */
		const struct cd_label *labels;
		struct cd_addr addr;
	} u;
};

/* What the enforcement point can honour: an allow whose obligations need a
 * capability that is missing is no match there (POLICY rule 8). */
enum cd_capability {
	CD_CAN_ASK = 1 << 0, /* can challenge: sign-in, step-up, request */
	CD_CAN_RECORD = 1 << 1,
	CD_CAN_MAX = 1 << 2, /* can end a session after a time */
	CD_CAN_RATE = 1 << 3, /* can limit a rate */
	CD_CAN_CLIPBOARD = 1 << 4, /* can forbid the clipboard */
	CD_CAN_UPLOAD = 1 << 5, /* can forbid uploads */
	CD_CAN_DOWNLOAD = 1 << 6, /* can forbid downloads */
	CD_CAN_ALL = 0x7f,
};

struct cd_request {
	/* enum cd_kind, one bit; 0: not known, then nothing counts as absent
	 * by kind */
	uint8_t kind;
	uint8_t pad[3];
	uint32_t capabilities; /* enum cd_capability bits */
	/* When the connection, shell or session started, ns; `max D` counts
	 * from here. 0: at CD_ATTR_TIME. */
	int64_t started_at;
	struct cd_value v[CD_ATTR_COUNT];
	/* Strongest factor this person has enrolled (CD_T_FACTOR), -1: not
	 * known. What curing can give mfa.kind. */
	int32_t best_factor;
};

/* Everything unknown, kind 0, all capabilities, best_factor -1. */
void cd_request_init(struct cd_request *request);
void cd_request_set_bool(struct cd_request *r, enum cd_attr a, bool value);
void cd_request_set_int(struct cd_request *r, enum cd_attr a, int64_t value);
void cd_request_set_str(struct cd_request *r, enum cd_attr a, struct cd_str s);
void cd_request_set_addr(struct cd_request *r, enum cd_attr a,
			 struct cd_addr addr);
void cd_request_set_names(struct cd_request *r, enum cd_attr a,
			  const struct cd_name *names, uint32_t n);
void cd_request_set_labels(struct cd_request *r, enum cd_attr a,
			   const struct cd_label *labels, uint32_t n);

/* Ordered: the smaller wins across points, the greater among allows. */
enum cd_verdict { CD_DENY = 0, CD_ASK = 1, CD_CHALLENGE = 2, CD_ALLOW = 3 };
/* "deny" "request" "challenge" "allow" */
const char *cd_verdict_name(enum cd_verdict v);

/* Reasons: append-only; the number is in events, the name in every output. */
#define CD_REASONS(X)                                                               \
	X(DEFAULT_DENY, "no rule allows this")                                      \
	X(ALLOWED, "a rule allows this")                                            \
	X(DENY_RULE, "a rule denies this")                                          \
	X(DENY_UNKNOWN,                                                             \
	  "a rule denies this because something it needs to know is unknown")       \
	X(SIGN_IN, "sign in first")                                                 \
	X(STEP_UP, "prove your second factor again")                                \
	X(ATTEST, "this device has to report its state again")                      \
	X(APPROVAL, "needs approval by others")                                     \
	X(CANNOT_ASK,                                                               \
	  "would need a sign-in, proof or approval that this point cannot ask for") \
	X(NO_SNAPSHOT, "no policy is in force at this point")                       \
	X(SNAPSHOT_EXPIRED, "the policy at this point is past its not-after")       \
	X(SESSION_REVOKED, "the session was revoked")                               \
	X(SESSION_EXPIRED, "the session ended")                                     \
	X(BAD_REQUEST, "the request is ambiguous or malformed")                     \
	X(NO_SUCH_APP, "no app has this name")                                      \
	X(INTERNAL, "this point met an error of its own")

enum cd_reason {
#define X(id, text) CD_REASON_##id,
	CD_REASONS(X)
#undef X
		CD_REASON_COUNT,
};
/* "DEFAULT_DENY"...; and the sentence for people. */
const char *cd_reason_name(enum cd_reason r);
const char *cd_reason_text(enum cd_reason r);

enum cd_on_change { CD_CHANGE_CUT, CD_CHANGE_DRAIN, CD_CHANGE_KEEP };

struct cd_obligations {
	bool record; /* record if possible */
	bool record_required; /* no recording, no session */
	bool no_clipboard;
	bool no_upload;
	bool no_download;
	uint32_t max; /* seconds a session may last; 0: none */
	uint32_t rate_count; /* requests per rate_period; 0: none */
	uint32_t rate_period; /* seconds */
};

#define CD_NO_RULE UINT32_MAX
#define CD_FAILED_MAX 8
#define CD_REPORT_MAX 4

/* One atom that failed in the rule the explanation is about. `atom` numbers
 * it in the snapshot; text comes from cd_failure_need() and _have(). */
struct cd_failure {
	uint8_t attr; /* enum cd_attr */
	uint8_t cure; /* enum cd_cure: what the person can do; or NONE */
	uint8_t state; /* enum cd_state of the value met */
	uint8_t approval; /* 1: an `approval by` atom */
	uint32_t atom;
};

#define CD_WATCHED_MAX 8

struct cd_decision {
	uint8_t verdict; /* enum cd_verdict; starts as CD_DENY */
	uint8_t reason; /* enum cd_reason */
	uint8_t on_change; /* enum cd_on_change of the rule(s) that allowed */
	uint8_t n_failed;
	uint8_t n_report;
	uint8_t cut_always; /* the deny rests on risk: cut whatever on_change */
	uint8_t n_watched;
	uint8_t pad;
	uint32_t rule; /* the rule that gave the verdict or CD_NO_RULE */
	uint32_t explained; /* the rule that `failed` is about */
	uint32_t drain; /* seconds, for CD_CHANGE_DRAIN */
	uint32_t candidates; /* rules visited */
	int64_t recheck_at; /* ns; INT64_MAX: no clock can turn it */
	struct cd_obligations obligations;
	struct cd_failure failed[CD_FAILED_MAX];
	/* `mode report` and canary rules outside their share that would have
	 * matched: rule and the verdict it argues for. */
	struct {
		uint32_t rule;
		uint8_t verdict;
	} report[CD_REPORT_MAX];
	/* Feeds in `mode report` that have an address or name of the request
	 * of which some rule asks them. They decide nothing. */
	uint32_t watched[CD_WATCHED_MAX];
};

/* snapshot may be NULL: deny with CD_REASON_NO_SNAPSHOT. */
struct cd_decision cd_decide(const struct cd_snapshot *snapshot,
			     const struct cd_request *request);

/* Explanation levels: people outside the admin role see the name of a check,
 * never its list of values. */
enum cd_audience { CD_FOR_USER, CD_FOR_ADMIN };

/* Text of an atom's need ("< 12h", "in DE, AT") and of what the request has
 * ("13h", "unknown"), NUL-terminated and cut to size. Returns the length. */
size_t cd_failure_need(const struct cd_snapshot *snapshot,
		       const struct cd_failure *f, enum cd_audience audience,
		       char *out, size_t size);
size_t cd_failure_have(const struct cd_snapshot *snapshot,
		       const struct cd_request *request,
		       const struct cd_failure *f, enum cd_audience audience,
		       char *out, size_t size);
/* Name of a rule; empty for CD_NO_RULE. */
struct cd_str cd_rule_name(const struct cd_snapshot *snapshot, uint32_t rule);
/* Name of a feed of `watched`, or empty. */
struct cd_str cd_feed_name(const struct cd_snapshot *snapshot, uint32_t feed);

#ifdef __cplusplus
}
#endif
#endif
