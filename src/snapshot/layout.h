/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image of a compiled policy, byte for byte. A header with a table of
 * sections; each section is an array of one of the structs below; everything
 * refers to everything by index, never by pointer, so that the image can be
 * mapped anywhere, read-only, by any number of processes.
 *
 * Native little-endian layout, 8-aligned, no padding that is not named (equal
 * policies give equal bytes: the image is addressed by its hash).
 * cd_snapshot_check() proves every index; after it readers trust them.
 *
 * Conventions: CD_NIL is "none". (first, n) is a slice of the section that
 * the comment names. Rules are numbered in bytewise order of their names, so
 * the least name is the least number; everything else that has a name
 * likewise, unless said otherwise.
 */
#ifndef CD_SNAPSHOT_LAYOUT_H
#define CD_SNAPSHOT_LAYOUT_H

#include <cordon/policy.h>

#include "base/str.h"

#define CD_SNAP_MAGIC "CDPOLICY"
#define CD_NIL UINT32_MAX

/* Deepest tree of a condition with its postures put in; the decision's only
 * recursion. */
#define CD_SNAP_DEPTH 160
/* Nodes of one tree with its postures put in. */
#define CD_SNAP_NODES 4096
/* A set of more strings than this is sorted and searched by halves. */
#define CD_SNAP_SORTED 16
/* Upstream addresses of an app that a decision tells apart; further ones
 * count as one unknown address. */
#define CD_SNAP_DESTS 8

/* A string and the roles it plays, so that a request's string is looked up
 * once: as a group, a user, an app, the host name of an app. */
struct cd_snap_str {
	uint64_t hash; /* cd_str_hash */
	uint32_t off; /* in CHARS; a NUL follows */
	uint32_t len;
	uint32_t group_first, group_n; /* WORDS: groups that a member of this
					  directory group is in */
	uint32_t user_first, user_n; /* WORDS: groups that this user is in */
	uint32_t app; /* app of this name */
	uint32_t app_host; /* app served under this host name */
};

/* A group that a rule names. */
struct cd_snap_group {
	uint32_t name;
	uint32_t user_first, user_n; /* WORDS: strings, the users it names */
	uint8_t by_users; /* user.name decides about it */
	uint8_t by_groups; /* it has members that only the directory lists */
	uint16_t zero;
};

/* Numbered so that everything declared in a segment follows it up to `last`. */
struct cd_snap_segment {
	uint32_t name;
	uint32_t last;
	uint32_t parent;
	uint32_t cand_first, cand_n; /* CANDS: naming it or one it lies in */
	uint32_t hold; /* seconds */
	uint8_t fail; /* 0 closed 1 open 2 hold */
	uint8_t zero[3];
};

/* Disjoint, sorted, inclusive. */
struct cd_snap_range4 {
	uint32_t lo, hi; /* host order */
	uint32_t segment;
};

struct cd_snap_range6 {
	uint8_t lo[16], hi[16];
	uint32_t segment;
	uint32_t zero;
};

/* Feed and prefix lists: sorted and merged within a slice. */
struct cd_snap_span4 {
	uint32_t lo, hi;
};

struct cd_snap_span6 {
	uint8_t lo[16], hi[16];
};

struct cd_snap_spans {
	uint32_t first4, n4; /* SPANS4 */
	uint32_t first6, n6; /* SPANS6 */
};

/* Feeds in report mode are there twice: empty, as rules see them, and at the
 * end of the section in full, to be watched. */
enum cd_snap_watch {
	CD_WATCH = 1, /* this row is only watched */
	CD_WATCH_SRC = 2, /* what rules ask of it */
	CD_WATCH_DST = 4,
	CD_WATCH_NAME = 8,
};

struct cd_snap_feed {
	uint32_t name;
	uint32_t names; /* domain set of the names it lists */
	struct cd_snap_spans spans;
	uint32_t watch; /* bits of enum cd_snap_watch; 0: rules ask it */
	uint32_t zero;
};

struct cd_snap_hosts {
	uint32_t name;
	uint32_t root; /* NODES */
};

/* key=value and the rules on hosts that need this label of the destination. */
struct cd_snap_label {
	uint32_t key, value; /* strings; sorted by (key, value) */
	uint32_t cand_first, cand_n;
};

struct cd_snap_domset {
	uint32_t name;
	uint32_t cand_first, cand_n;
};

/* A name in a domain set; hash: over its bytes from the last to the first. */
struct cd_snap_domain {
	uint64_t hash;
	uint32_t name; /* string */
	uint32_t exact_first, exact_n; /* WORDS: domain sets with the name */
	uint32_t below_first, below_n; /* WORDS: with *.name */
	uint32_t zero;
};

struct cd_snap_port {
	uint8_t proto; /* 0: any */
	uint8_t zero;
	uint16_t lo, hi;
	uint16_t zero2;
};

enum cd_snap_op {
	CD_NODE_AND, /* kids up to `end`, each up to its own */
	CD_NODE_OR,
	CD_NODE_NOT,
	CD_NODE_BOOL, /* attr is i */
	CD_NODE_ORDER, /* attr cmp i */
	CD_NODE_INTS, /* attr in SPANS8 (a, n) */
	CD_NODE_STRS, /* attr in WORDS (a, n), sorted strings; any of a set */
	CD_NODE_LIKE, /* attr like one of WORDS (a, n), patterns */
	CD_NODE_ADDRS, /* attr in LISTS a */
	CD_NODE_FEED, /* attr in FEEDS a */
	CD_NODE_LABEL, /* labels hold key a = value n */
	CD_NODE_TIME, /* in WINDOWS a */
	CD_NODE_APPROVAL, /* by n members of GROUPS a */
	CD_NODE_OPS
};

enum cd_snap_cmp { CD_CMP_LT, CD_CMP_LE, CD_CMP_GT, CD_CMP_GE, CD_CMPS };

#define CD_NODE_NEGATED 1 /* the atom is != or `not in` */
#define CD_NODE_LISTED 2 /* written with `in` */

/* Prefix order: a node, then its kids. */
struct cd_snap_node {
	uint8_t op;
	uint8_t attr;
	uint8_t cmp;
	uint8_t flags;
	uint32_t end; /* first node behind the subtree */
	uint32_t a, n;
	int64_t i;
	/* An atom: the first node that asks the very same, often itself; a
	 * decision asks once. Else its own number. */
	uint32_t same;
	uint32_t zero;
};

struct cd_snap_span8 {
	int64_t lo, hi;
};

struct cd_snap_window {
	uint32_t zone;
	uint16_t from, to; /* minutes of the local day */
	uint8_t days; /* bit 0 Monday */
	uint8_t zero[7];
};

/* Offsets of a zone: turn 0 holds before turn 1's instant. */
struct cd_snap_zone {
	uint32_t name;
	uint32_t turn_first, turn_n; /* TURNS, sorted by at; n >= 1 */
};

struct cd_snap_turn {
	int64_t at; /* s since 1970 from which on... */
	int32_t offset; /* ...local time is UTC plus this many seconds */
	uint32_t zero;
};

enum cd_snap_subject {
	CD_FROM_ANY,
	CD_FROM_PEOPLE,
	CD_FROM_ANONYMOUS,
	CD_FROM_INTERNET,
	CD_FROM_USER, /* id: string */
	CD_FROM_GROUP, /* id: GROUPS */
	CD_FROM_HOSTS, /* id: HOSTS */
	CD_FROM_SEGMENT, /* id: SEGMENTS */
	CD_FROM_SERVICE_ACCOUNT, /* id: string */
	CD_FROM_KINDS
};

enum cd_snap_object {
	CD_TO_ANY,
	CD_TO_INTERNET,
	CD_TO_APP, /* id: APPS */
	CD_TO_HOSTS, /* id: HOSTS */
	CD_TO_SEGMENT, /* id: SEGMENTS */
	CD_TO_DOMAINS, /* id: DOMSETS; also `category` */
	CD_TO_KINDS
};

/* One item of a subject or object list. */
struct cd_snap_item {
	uint8_t kind;
	uint8_t category; /* written as `category` */
	uint16_t zero;
	uint32_t id;
	uint32_t path; /* APP: string or CD_NIL */
	uint32_t method_first, method_n; /* APP: WORDS, strings; n 0: any */
};

/* What a candidate's subject clause is, when it is one group: a decision
 * then rejects it with one bit test. */
struct cd_snap_cand {
	uint32_t rule;
	uint32_t group; /* GROUPS or CD_NIL */
	/* As in the rule, so that most rules need not be touched. */
	uint8_t deny;
	uint8_t mode;
	uint16_t zero;
};

enum cd_snap_mode { CD_SNAP_ENFORCE, CD_SNAP_REPORT, CD_SNAP_CANARY };

#define CD_RULE_CURABLE 1 /* reads mfa.*, session.* or device.* */
#define CD_RULE_APPROVAL 2 /* has an `approval by` */
#define CD_RULE_RISK 4 /* reads risk.user */
#define CD_RULE_PLAIN 8 /* one subject, one object, no other clause but trees */
#define CD_RULE_FLAGS 15

#define CD_OBL_RECORD 1
#define CD_OBL_RECORD_REQUIRED 2
#define CD_OBL_NO_CLIPBOARD 4
#define CD_OBL_NO_UPLOAD 8
#define CD_OBL_NO_DOWNLOAD 16
#define CD_OBL_ALL 31

struct cd_snap_rule {
	uint32_t name;
	uint8_t deny;
	uint8_t mode; /* enum cd_snap_mode */
	uint8_t canary; /* percent */
	uint8_t on_change;
	uint32_t flags; /* CD_RULE_ */
	uint32_t group; /* as in struct cd_snap_cand */
	uint32_t from_first, from_n; /* ITEMS */
	uint32_t from_except_first, from_except_n;
	uint32_t to_first, to_n;
	uint32_t to_except_first, to_except_n;
	uint32_t port_first, port_n; /* PORTS; n 0: every port */
	uint32_t posture; /* NODES or CD_NIL */
	uint32_t posture_name; /* string or CD_NIL */
	uint32_t when; /* NODES or CD_NIL */
	uint32_t capabilities; /* that its obligations need */
	int64_t until; /* s since 1970; INT64_MAX: none */
	uint32_t obligations; /* CD_OBL_ */
	uint32_t max, rate_count, rate_period;
	uint32_t drain;
	uint32_t owner, reason; /* strings or CD_NIL */
	uint32_t zero;
};

/* What CD_RULE_PLAIN says, from the other members. */
static inline bool cd_snap_rule_is_plain(const struct cd_snap_rule *r)
{
	return r->from_n == 1 && r->to_n == 1 && r->from_except_n == 0 &&
	       r->to_except_n == 0 && r->port_n == 0 && r->capabilities == 0 &&
	       r->until == INT64_MAX;
}

struct cd_snap_app {
	uint32_t name;
	uint32_t url; /* string or CD_NIL */
	uint32_t host; /* string or CD_NIL */
	uint32_t upstream_first, upstream_n; /* UPSTREAMS */
	uint32_t setting_first, setting_n; /* SETTINGS */
	uint32_t cand_first, cand_n; /* CANDS: rules that can decide about it */
	uint32_t screen_first, screen_n; /* SCREENS over these */
	uint16_t port;
	uint8_t kind; /* enum cd_app_kind */
	uint8_t zero;
};

struct cd_snap_upstream {
	uint32_t host; /* string */
	uint16_t port;
	uint8_t tls;
	uint8_t family; /* 4 6; 0: a name */
	uint8_t addr[16];
};

/* Upstream addresses of all apps, sorted by (family, addr, port, app). */
struct cd_snap_target {
	uint8_t addr[16];
	uint32_t app;
	uint16_t port;
	uint8_t family;
	uint8_t zero;
};

/* Lists shorter than this have no screens. */
#define CD_SNAP_SCREENED 2

/* An atom in the outermost `and` of these candidates of an app, by their
 * place in the app's list: without it none of them holds. */
struct cd_snap_screen {
	uint64_t mask[CD_MAX_CANDIDATES / 64];
	uint32_t node; /* NODES, one that is its own `same` */
	uint32_t zero;
};

struct cd_snap_setting {
	uint32_t name, text; /* strings */
};

/* Sections: (id, type). */
#define CD_SNAP_SECTIONS(X)                   \
	X(CHARS, char)                        \
	X(STRS, struct cd_snap_str)           \
	X(STR_SLOTS, uint32_t)                \
	X(WORDS, uint32_t)                    \
	X(GROUPS, struct cd_snap_group)       \
	X(SEGMENTS, struct cd_snap_segment)   \
	X(RANGES4, struct cd_snap_range4)     \
	X(RANGES6, struct cd_snap_range6)     \
	X(SPANS4, struct cd_snap_span4)       \
	X(SPANS6, struct cd_snap_span6)       \
	X(SPANS8, struct cd_snap_span8)       \
	X(LISTS, struct cd_snap_spans)        \
	X(FEEDS, struct cd_snap_feed)         \
	X(HOSTS, struct cd_snap_hosts)        \
	X(LABELS, struct cd_snap_label)       \
	X(DOMSETS, struct cd_snap_domset)     \
	X(DOMAINS, struct cd_snap_domain)     \
	X(DOMAIN_SLOTS, uint32_t)             \
	X(PORTS, struct cd_snap_port)         \
	X(NODES, struct cd_snap_node)         \
	X(WINDOWS, struct cd_snap_window)     \
	X(ZONES, struct cd_snap_zone)         \
	X(TURNS, struct cd_snap_turn)         \
	X(ITEMS, struct cd_snap_item)         \
	X(CANDS, struct cd_snap_cand)         \
	X(RULES, struct cd_snap_rule)         \
	X(APPS, struct cd_snap_app)           \
	X(UPSTREAMS, struct cd_snap_upstream) \
	X(TARGETS, struct cd_snap_target)     \
	X(SETTINGS, struct cd_snap_setting)   \
	X(SCREENS, struct cd_snap_screen)

enum cd_snap_section {
#define X(id, type) CD_SEC_##id,
	CD_SNAP_SECTIONS(X)
#undef X
		CD_SEC_COUNT
};

struct cd_snap_table {
	uint64_t off; /* from the image's start, 8-aligned */
	uint32_t count; /* elements */
	uint32_t size; /* bytes of one */
};

/* Rows of the registry, for loops that cannot afford a call for each. */
extern const struct cd_attr_row cd_attr_rows[CD_ATTR_COUNT];

/* struct cd_snapshot is the image's first bytes. */
struct cd_snapshot {
	char magic[8];
	uint32_t version;
	uint32_t header_size;
	uint64_t size;
	uint32_t sections; /* CD_SEC_COUNT */
	uint32_t zero;
	/* CANDS: rules `to any`; `to internet`; to hosts whose selector needs
	 * no label. */
	uint32_t any_first, any_n;
	uint32_t internet_first, internet_n;
	uint32_t unkeyed_first, unkeyed_n;
	/* Ports of upstreams whose host is a name: WORDS, sorted. */
	uint32_t named_port_first, named_port_n;
	struct cd_snap_table table[CD_SEC_COUNT];
};

_Static_assert(sizeof(struct cd_snap_str) == 40, "layout");
_Static_assert(sizeof(struct cd_snap_node) == 32, "layout");
_Static_assert(sizeof(struct cd_snap_rule) == 112, "layout");
_Static_assert(sizeof(struct cd_snap_app) == 48, "layout");
_Static_assert(sizeof(struct cd_snapshot) % 8 == 0, "layout");

/* cd_snap_STRS(s) is the array, cd_snap_STRS_n(s) its length. */
#define X(id, type)                                                             \
	static inline const type *cd_snap_##id(const struct cd_snapshot *s)     \
	{                                                                       \
		return (const type *)(const void *)((const char *)s +           \
						    s->table[CD_SEC_##id].off); \
	}                                                                       \
	static inline uint32_t cd_snap_##id##_n(const struct cd_snapshot *s)    \
	{                                                                       \
		return s->table[CD_SEC_##id].count;                             \
	}
CD_SNAP_SECTIONS(X)
#undef X

static inline struct cd_str cd_snap_text(const struct cd_snapshot *s,
					 uint32_t str)
{
	const struct cd_snap_str *e;

	if (str == CD_NIL)
		return CD_STR("");
	e = &cd_snap_STRS(s)[str];
	return cd_str_make(cd_snap_CHARS(s) + e->off, e->len);
}

/* The string's number or CD_NIL: one probe for what is there. */
uint32_t cd_snap_find(const struct cd_snapshot *s, struct cd_str text,
		      uint64_t hash);

/* Hash of a DNS name from its last byte to its first, taken one byte at a
 * time so that every suffix of a name is hashed in one pass. */
#define CD_DOMAIN_HASH_INIT UINT64_C(0xcbf29ce484222325)
static inline uint64_t cd_domain_hash_add(uint64_t h, char c)
{
	return (h ^ (unsigned char)c) * UINT64_C(0x100000001b3);
}
static inline uint64_t cd_domain_hash_end(uint64_t h)
{
	h ^= h >> 32;
	h *= UINT64_C(0xd6e8feb86659fd93);
	return h ^ h >> 32;
}
/* The domain of that text and hash, or NULL. */
const struct cd_snap_domain *cd_snap_domain_find(const struct cd_snapshot *s,
						 struct cd_str text,
						 uint64_t hash);

#endif
