/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One decision's working state: what a request resolves to in a snapshot,
 * found once, and the evaluation of clauses and conditions over it. Lives on
 * the caller's stack (about 20 KiB), nothing is allocated.
 *
 * Truth values and their tables: docs/policy-semantics.md.
 */
#ifndef CD_DECIDE_CTX_H
#define CD_DECIDE_CTX_H

#include "base/addr.h"
#include "snapshot/layout.h"

enum cd_truth {
	CD_F, /* known false */
	CD_U, /* unknown */
	CD_N, /* absent */
	CD_W, /* the person can make it true */
	CD_T, /* known true */
	CD_TRUTHS
};

/* How a value is there, for this request. */
enum cd_there {
	CD_IS_UNKNOWN,
	CD_IS_KNOWN,
	CD_IS_ABSENT,
	CD_IS_CURABLE, /* unknown until an anonymous visitor signs in */
	CD_IS_STALE, /* known once; unknown until attested again */
};

/* Which of the three looks at an allow; a deny has the first only. ATTESTED
 * cures stale device values alone: it tells which challenge is asked for, and
 * never changes a verdict. */
enum cd_look {
	CD_LOOK_NOW,
	CD_LOOK_CURED,
	CD_LOOK_APPROVED,
	CD_LOOK_ATTESTED,
};

/* One address and port that the request may reach. */
struct cd_dest {
	enum cd_there addr_there, port_there;
	struct cd_addr addr;
	uint16_t port;
	uint32_t segment; /* CD_NIL: in none, or no address */
};

#define CD_CTX_LABELS 64 /* labels of the policy that a host may have */
#define CD_CTX_DOMAINS 128 /* suffixes of a name (RFC 1035: 127 labels) */
#define CD_CTX_ATOMS 256 /* atoms whose answer is kept; power of two */
#define CD_CTX_MEMO 32 /* feeds whose answer is kept */

struct cd_side_labels {
	enum cd_there there;
	uint32_t n;
	uint32_t key[CD_CTX_LABELS], value[CD_CTX_LABELS];
};

/* A suffix of dst.name that the policy knows. */
struct cd_suffix {
	uint32_t domain; /* DOMAINS */
	bool whole;
};

struct cd_ctx {
	const struct cd_snapshot *s;
	const struct cd_request *r;
	uint8_t kind;
	uint8_t subject; /* enum cd_subject, 0: unknown */
	uint8_t there[CD_ATTR_COUNT]; /* enum cd_there */
	uint32_t str[CD_ATTR_COUNT]; /* string of a STRING-like value */
	int64_t now; /* ns; valid when time is known */

	uint8_t app_there; /* enum cd_there: known, absent or unknown */
	uint32_t app; /* APPS, CD_NIL: no app of the policy */
	int64_t proto;

	uint32_t src_segment;
	struct cd_dest dest[CD_SNAP_DESTS + 1];
	uint32_t n_dest;
	uint8_t maybe_upstream; /* truth: the destination is an app's
				   upstream that the request does not name */

	bool labels_done[2];
	struct cd_side_labels labels[2]; /* source, destination */
	bool suffixes_done;
	uint32_t n_suffix;
	struct cd_suffix suffix[CD_CTX_DOMAINS];
	uint8_t feed_memo[2][CD_CTX_MEMO]; /* 1 + truth */

	/* Answers of atoms, by cd_snap_node.same: 1 + truth for each of the
	 * three looks and for a deny; 0 not asked yet. */
	struct {
		uint32_t node; /* + 1 */
		uint8_t truth[4];
	} memo[CD_CTX_ATOMS];

	int64_t recheck; /* ns */
	uint64_t groups[CD_MAX_SETS / 64]; /* those the person is known in */
};

/* Resolves a request. */
void cd_ctx_init(struct cd_ctx *c, const struct cd_snapshot *s,
		 const struct cd_request *r);

/* The string of the policy that equals a name of the request, or CD_NIL. */
uint32_t cd_ctx_str(const struct cd_ctx *c, const struct cd_name *name);

/* ---- truth ------------------------------------------------------------- */
/* The tables of an allow, of a deny (inside a `not` as well), and of an allow
 * inside a `not`. */
enum cd_tables { CD_TABLES_ALLOW, CD_TABLES_DENY, CD_TABLES_NOT, CD_TABLES };

extern const uint8_t cd_truth_and[CD_TABLES][CD_TRUTHS][CD_TRUTHS];
extern const uint8_t cd_truth_or[CD_TABLES][CD_TRUTHS][CD_TRUTHS];
extern const uint8_t cd_truth_not[CD_TRUTHS];

static inline enum cd_truth cd_not(enum cd_truth a)
{
	return (enum cd_truth)cd_truth_not[a];
}

/* The truth of a value that is not known (there is not CD_IS_KNOWN). */
enum cd_truth cd_there_truth(uint8_t there, bool deny, enum cd_look look);

/* ---- evaluation -------------------------------------------------------- */
struct cd_eval {
	struct cd_ctx *c;
	bool deny;
	bool except; /* inside an `except`: restricts, opens nothing */
	bool negated; /* inside an odd number of `not` and `except` */
	enum cd_look look;
};

static inline enum cd_tables cd_tables(const struct cd_eval *e)
{
	return e->deny	  ? CD_TABLES_DENY :
	       e->negated ? CD_TABLES_NOT :
			    CD_TABLES_ALLOW;
}

static inline enum cd_truth cd_and(const struct cd_eval *e, enum cd_truth a,
				   enum cd_truth b)
{
	return (enum cd_truth)cd_truth_and[cd_tables(e)][a][b];
}

static inline enum cd_truth cd_or(const struct cd_eval *e, enum cd_truth a,
				  enum cd_truth b)
{
	return (enum cd_truth)cd_truth_or[cd_tables(e)][a][b];
}

/* A condition tree from its root node. */
enum cd_truth cd_eval_tree(const struct cd_eval *e, uint32_t root);
/* One atom, not AND OR NOT. */
enum cd_truth cd_eval_atom(const struct cd_eval *e,
			   const struct cd_snap_node *n);
/* A hosts selector over the labels of side 0 source, 1 destination. */
enum cd_truth cd_eval_selector(const struct cd_eval *e, uint32_t root,
			       unsigned int side);

enum cd_truth cd_eval_subject(const struct cd_eval *e,
			      const struct cd_snap_item *item);
enum cd_truth cd_eval_object(const struct cd_eval *e,
			     const struct cd_snap_item *item);
/* An `or` of items of one list; of none: false. */
enum cd_truth cd_eval_list(const struct cd_eval *e, uint32_t first, uint32_t n,
			   bool object);
/* As cd_eval_object(), without the methods and the path of an app. */
enum cd_truth cd_eval_target(const struct cd_eval *e,
			     const struct cd_snap_item *item);
enum cd_truth cd_eval_ports(const struct cd_eval *e, uint32_t first,
			    uint32_t n);
enum cd_truth cd_eval_group(const struct cd_eval *e, uint32_t group);
bool cd_group_has_user(const struct cd_snapshot *s, uint32_t group,
		       uint32_t user);
enum cd_truth cd_eval_method(const struct cd_eval *e,
			     const struct cd_snap_item *item);
enum cd_truth cd_eval_path(const struct cd_eval *e,
			   const struct cd_snap_item *item);

/* Is now in the window; *ret_turn: when that ends, ns (INT64_MAX: never). */
bool cd_window_has(const struct cd_snapshot *s, const struct cd_snap_window *w,
		   int64_t now, int64_t *ret_turn);

/* The segment of an address, or CD_NIL. */
uint32_t cd_find_segment(const struct cd_snapshot *s, const struct cd_addr *a);
bool cd_spans_have(const struct cd_snapshot *s, const struct cd_snap_spans *l,
		   const struct cd_addr *a);
/* Resolved labels of a side, the suffixes of dst.name: made on first use. */
const struct cd_side_labels *cd_ctx_labels(struct cd_ctx *c, unsigned int side);
void cd_ctx_suffixes(struct cd_ctx *c);
bool cd_ctx_name_in(struct cd_ctx *c, uint32_t domset);

/* '*' is any run of bytes. Linear in both. */
bool cd_glob_match(struct cd_str pattern, struct cd_str text);
/* Path glob of an object: see POLICY, "Forms". */
bool cd_path_match(struct cd_str pattern, struct cd_str path);

/* Takes ns as an instant at which a clock may turn what was evaluated. */
static inline void cd_ctx_recheck(struct cd_ctx *c, int64_t ns)
{
	if (ns < c->recheck && c->there[CD_ATTR_TIME] == CD_IS_KNOWN)
		c->recheck = ns;
}

#endif
