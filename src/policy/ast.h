/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The syntax tree of a policy: what cd_policy_parse() makes and the checker,
 * the formatter, the JSON forms, the compiler and the test runner read. It is
 * read-only after the parse and lives in the policy's arena.
 *
 * What a reader may rely on, without looking at text again:
 *  - values are typed: durations in seconds, addresses as bytes with host
 *    bits zero beyond the prefix, enums as numbers, DNS names lower case
 *    without final dot, attributes as enum cd_attr that exist;
 *  - every operator fits the type of its attribute;
 *  - lists have 1..CD_MAX_LIST elements where the grammar asks for one, trees
 *    are at most CD_MAX_NESTING deep, a condition has at most CD_MAX_ATOMS;
 *  - names are not empty and at most CD_MAX_NAME bytes, strings at most
 *    CD_MAX_STRING, all valid UTF-8 without control characters.
 * What only cd_policy_check() promises: that a name which is referred to is
 * defined, that nothing is defined twice, that nothing refers to itself.
 *
 * Arrays are `T *x; uint32_t n_x`. Strings are borrowed from the sources or
 * the arena; all of them live as long as the policy.
 */
#ifndef CD_POLICY_AST_H
#define CD_POLICY_AST_H

#include <cordon/policy.h>

#include "base/arena.h"

/* Where a node begins. file indexes cd_policy.files; line and column count
 * from 1, the column in bytes. */
struct cd_ast_span {
	uint32_t file, line, column;
};

/* A name or string and where it stands; s.ptr NULL: not given. */
struct cd_ast_name {
	struct cd_str s;
	struct cd_ast_span span;
};

/* ---- comments ----------------------------------------------------------
 * A comment belongs to a clause of a statement: own-line comments stand
 * before the clause, an end comment behind its last word. Clause 0 is the
 * statement's first line; rules number theirs by enum cd_ast_clause, an app's
 * setting i is clause i + 1; CD_AST_TAIL: indented, after the last clause. */
#define CD_AST_TAIL UINT32_MAX

struct cd_ast_comment {
	struct cd_str text; /* with its '#', without trailing blanks */
	uint32_t clause;
	bool own_line;
	bool blank_before; /* an empty line stood before it */
};

enum cd_ast_clause {
	CD_CLAUSE_HEAD,
	CD_CLAUSE_FROM, /* a test's `given` */
	CD_CLAUSE_TO,
	CD_CLAUSE_WHEN,
	CD_CLAUSE_WITH,
	CD_CLAUSE_MODE,
	CD_CLAUSE_CHANGE,
	CD_CLAUSE_OWNER,
	CD_CLAUSE_REASON,
	CD_CLAUSE_UNTIL,
	CD_CLAUSE_EXPECT,
};

/* ---- statements -------------------------------------------------------- */
enum cd_ast_kind {
	CD_AST_VERSION,
	CD_AST_SEGMENT,
	CD_AST_HOSTS,
	CD_AST_GROUP,
	CD_AST_SERVICE,
	CD_AST_DOMAINS,
	CD_AST_FEED,
	CD_AST_POSTURE,
	CD_AST_APP,
	CD_AST_RULE,
	CD_AST_TEST,
	CD_AST_ASSERT,
	CD_AST_KINDS
};

/* First member of every statement: cast by kind, or use cd_ast_segment()...
 * below. name: of a rule or test its quoted string; empty for version and
 * assert. */
struct cd_ast {
	enum cd_ast_kind kind;
	struct cd_ast_span span;
	struct cd_ast_name name;
	uint32_t number; /* of_kind[kind][number] is this */
	bool blank_before; /* layout only */
	struct cd_ast_comment *comments;
	uint32_t n_comments;
};

struct cd_ast_prefix {
	struct cd_addr addr;
	uint8_t bits; /* 0..32 or 0..128 */
	struct cd_ast_span span;
};

/* What enforcement points do when their bundle is past its not-after. */
enum cd_ast_fail { CD_FAIL_CLOSED, CD_FAIL_OPEN, CD_FAIL_HOLD };

/* segment NAME [in PARENT] cidr ... [interface ...] [fail ...] */
struct cd_ast_segment {
	struct cd_ast head;
	struct cd_ast_name parent; /* not given: top level */
	struct cd_ast_prefix *prefixes;
	uint32_t n_prefixes;
	struct cd_ast_name *interfaces;
	uint32_t n_interfaces;
	bool fail_given;
	enum cd_ast_fail fail; /* CLOSED when not given */
	uint32_t hold; /* seconds, for HOLD */
};

/* ---- conditions -------------------------------------------------------- */
enum cd_ast_op {
	CD_OP_EQ,
	CD_OP_NE,
	CD_OP_LT,
	CD_OP_LE,
	CD_OP_GT,
	CD_OP_GE,
	CD_OP_IN,
	CD_OP_NOT_IN,
	CD_OP_LIKE, /* glob: '*' is any run of bytes; nothing else is special */
	CD_OP_HAS,
};

/* A literal, typed as its attribute (enum cd_type):
 *   BOOL 0 1; DURATION s; INT; RISK 1 2 3; FACTOR 0..3; PROTO number;
 *   SUBJECT enum cd_subject; PORT lo in i, hi in j (i == j: one port);
 *   TIME ns since 1970                                    -> i (and j)
 *   STRING SET APPROVERS NAME PATH METHOD APP COUNTRY     -> s
 *   ADDR                                                  -> addr, bits
 *   LABELS: one pair                                      -> s = key, s2 = value
 */
struct cd_ast_value {
	enum cd_type type;
	int64_t i, j;
	struct cd_str s, s2;
	struct cd_addr addr;
	uint8_t bits;
	struct cd_ast_span span;
};

enum cd_ast_cond_kind {
	CD_COND_AND, /* kids, two or more */
	CD_COND_OR,
	CD_COND_NOT, /* one kid */
	CD_COND_COMPARE, /* attr op values: one value, or a list for IN */
	CD_COND_BOOL, /* bare attribute: it is yes */
	CD_COND_FEED, /* attr IN or NOT_IN feed `name`; ADDR or NAME */
	CD_COND_TIME, /* `time in`: days, from, to, zone */
	CD_COND_APPROVAL, /* approval by group `name`, `count` people */
	CD_COND_POSTURE, /* in a posture only: another posture's `name` */
	CD_COND_LABEL, /* in `hosts` only: values[0] is the key=value pair */
};

/* One node. attr is set for COMPARE, BOOL and FEED. COMPARE has no LIST but
 * for IN and NOT_IN. Kids are an array of pointers. */
struct cd_ast_cond {
	enum cd_ast_cond_kind kind;
	struct cd_ast_span span;
	struct cd_ast_cond **kids;
	uint32_t n_kids;
	enum cd_attr attr;
	enum cd_ast_op op;
	struct cd_ast_value *values;
	uint32_t n_values;
	struct cd_ast_name name; /* FEED APPROVAL POSTURE */
	uint32_t count; /* APPROVAL: 1..CD_MAX_LIST */
	/* TIME: bit 0 Monday .. bit 6 Sunday; minutes of the day, from in
	 * 0..1439, to in 1..1440; to <= from ends on the next day and belongs
	 * to the starting day; zone: IANA name or UTC. */
	uint8_t days;
	uint16_t from, to;
	struct cd_ast_name zone;
};

/* hosts NAME where SELECTOR: cond of AND OR NOT LABEL */
struct cd_ast_hosts {
	struct cd_ast head;
	struct cd_ast_cond *where;
};

/* group NAME = members: beside what the directory says about it */
struct cd_ast_member {
	bool is_group; /* else a user */
	struct cd_ast_name name;
};

struct cd_ast_group {
	struct cd_ast head;
	struct cd_ast_member *members;
	uint32_t n_members;
};

/* proto is an IP protocol number; 0 with lo 0 and hi 65535: `any`. icmp (1)
 * and icmp6 (58) have no ports: lo 0, hi 65535. */
struct cd_ast_port {
	uint8_t proto;
	uint16_t lo, hi;
	struct cd_ast_span span;
};

struct cd_ast_service {
	struct cd_ast head;
	struct cd_ast_port *ports;
	uint32_t n_ports;
};

/* domains NAME ...: name is without "*."; wildcard: everything below it, not
 * the name itself */
struct cd_ast_domain {
	struct cd_str name;
	bool wildcard;
	struct cd_ast_span span;
};

struct cd_ast_domains {
	struct cd_ast head;
	struct cd_ast_domain *names;
	uint32_t n_names;
};

struct cd_ast_feed {
	struct cd_ast head;
	bool is_url; /* else a file */
	struct cd_ast_name location;
	uint32_t refresh; /* seconds, 0: not given */
	bool report; /* `mode report`: a match is logged only */
};

struct cd_ast_posture {
	struct cd_ast head;
	struct cd_ast_cond *cond; /* COMPARE BOOL on device.*, POSTURE */
};

/* ---- apps -------------------------------------------------------------- */
/* Rows of src/policy/settings.def: one line of an app block each. */
enum cd_setting {
#define CD_SETTING(id, word, parse, kinds, form, doc) CD_SETTING_##id,
#include "policy/settings.def"
#undef CD_SETTING
	CD_SETTING_COUNT
};

/* text: the canonical text behind the word, what cd_snapshot_app_setting()
 * gives. At most one of each kind in an app. */
struct cd_ast_setting {
	enum cd_setting id;
	struct cd_str text;
	struct cd_ast_span span;
};

struct cd_ast_endpoint {
	struct cd_str host; /* name lower case, or address as written */
	uint16_t port; /* never 0: the scheme's when not written */
	bool tls; /* https upstream */
	struct cd_addr addr; /* family 0: host is a name */
	struct cd_ast_span span;
};

/* kind follows from the line that says where it runs: upstream -> HTTP, tcp,
 * udp, ssh, rdp; exactly one of them is there (checked by the parser). */
struct cd_ast_app {
	struct cd_ast head;
	enum cd_app_kind kind;
	struct cd_ast_setting *settings;
	uint32_t n_settings;
	/* url https://HOST[:PORT] (HTTP), tls://HOST[:PORT] (TCP, by SNI);
	 * empty when there is no url line */
	struct cd_str url, url_host;
	uint16_t url_port; /* 0: not written */
	struct cd_ast_span url_span;
	struct cd_ast_endpoint *upstreams;
	uint32_t n_upstreams;
	struct cd_str user; /* ssh ... as USER, or empty */
	struct cd_str via; /* connector, or empty */
};

/* ---- subjects and objects ---------------------------------------------- */
enum cd_ast_subject_kind {
	CD_SUBJ_ANY,
	CD_SUBJ_PEOPLE,
	CD_SUBJ_ANONYMOUS,
	CD_SUBJ_INTERNET,
	CD_SUBJ_USER, /* from here on with a name */
	CD_SUBJ_GROUP,
	CD_SUBJ_HOSTS,
	CD_SUBJ_SEGMENT,
	CD_SUBJ_SERVICE_ACCOUNT,
	CD_SUBJ_KINDS
};

struct cd_ast_subject {
	enum cd_ast_subject_kind kind;
	struct cd_ast_name name;
	struct cd_ast_span span;
};

enum cd_ast_object_kind {
	CD_OBJ_ANY,
	CD_OBJ_INTERNET,
	CD_OBJ_APP, /* from here on with a name */
	CD_OBJ_HOSTS,
	CD_OBJ_SEGMENT,
	CD_OBJ_DOMAINS,
	CD_OBJ_CATEGORY, /* name of the feed that lists its names */
	CD_OBJ_KINDS
};

/* APP alone may have methods (upper case) and a path glob, which begins with
 * '/': a final "/ *" (without the blank) is everything below and the folder
 * itself, an inner '*' is one segment. */
struct cd_ast_object {
	enum cd_ast_object_kind kind;
	struct cd_ast_name name;
	struct cd_ast_name *methods;
	uint32_t n_methods;
	struct cd_ast_name path;
	struct cd_ast_span span;
};

struct cd_ast_subjects {
	struct cd_ast_subject *items;
	uint32_t n_items;
	struct cd_ast_subject *except;
	uint32_t n_except;
	struct cd_ast_name posture; /* `on NAME` */
};

/* `service` names and `port` list exclude each other; neither: every port */
struct cd_ast_objects {
	struct cd_ast_object *items;
	uint32_t n_items;
	struct cd_ast_object *except;
	uint32_t n_except;
	struct cd_ast_name *services; /* defined or built in */
	uint32_t n_services;
	struct cd_ast_port *ports;
	uint32_t n_ports;
};

/* ---- rules ------------------------------------------------------------- */
enum cd_ast_mode { CD_MODE_ENFORCE, CD_MODE_REPORT, CD_MODE_CANARY };

struct cd_ast_rule {
	struct cd_ast head;
	bool deny;
	struct cd_ast_subjects from;
	struct cd_ast_objects to;
	struct cd_ast_cond *when; /* NULL: no condition */
	bool has_obligations; /* an allow only */
	struct cd_obligations with;
	struct cd_ast_span with_span;
	bool mode_given;
	enum cd_ast_mode mode;
	uint8_t canary; /* percent, 0..100 */
	struct cd_ast_span mode_span;
	bool on_change_given;
	enum cd_on_change on_change; /* CUT when not given */
	uint32_t drain; /* seconds, for DRAIN */
	struct cd_ast_name owner, reason;
	bool until_given;
	int64_t until; /* seconds since 1970 of 24:00 UTC of the date */
	struct cd_ast_span until_span;
};

/* ---- tests and assertions ---------------------------------------------- */
/* ATTR=VALUE,... or `posture NAME` (then attr is CD_ATTR_NONE). Several
 * values only for SET, APPROVERS and LABELS. */
struct cd_ast_given {
	enum cd_attr attr;
	struct cd_ast_name posture;
	struct cd_ast_value *values;
	uint32_t n_values;
	struct cd_ast_span span;
};

struct cd_ast_test {
	struct cd_ast head;
	struct cd_ast_given *given;
	uint32_t n_given;
	bool at_given;
	int64_t at; /* ns since 1970 */
	struct cd_ast_objects to; /* one item, no except, at most one port */
	enum cd_verdict expect;
	struct cd_ast_name by; /* rule name, not given: any */
};

enum cd_ast_assert_form { CD_ASSERT_NO_PATH, CD_ASSERT_PATH, CD_ASSERT_ONLY };

struct cd_ast_assert {
	struct cd_ast head;
	enum cd_ast_assert_form form;
	struct cd_ast_subjects from;
	struct cd_ast_objects to;
};

/* ---- the policy -------------------------------------------------------- */
struct cd_ast_file {
	struct cd_str name; /* NUL terminated: for messages */
	struct cd_ast **items; /* statements in their order */
	uint32_t n_items;
	struct cd_ast_comment *end; /* comments behind the last statement */
	uint32_t n_end;
};

struct cd_policy {
	struct cd_arena *arena;
	struct cd_policy *from; /* owns the text, for a policy from JSON */
	struct cd_ast_file *files;
	uint32_t n_files;
	/* Every statement of a kind, all files, in their order. */
	struct cd_ast **of_kind[CD_AST_KINDS];
	uint32_t n_of_kind[CD_AST_KINDS];
	/* (kind, name) -> first statement; open addressing, see cd_ast_find */
	struct cd_ast **index;
	uint32_t index_size;
};

/* Fills the index; the parse ends with it. -ENOMEM, CD_E_LIMIT. */
int cd_ast_index(struct cd_policy *policy);

/* The first statement of that kind and name, or NULL. Constant time. */
struct cd_ast *cd_ast_find(const struct cd_policy *policy,
			   enum cd_ast_kind kind, struct cd_str name);

/* Statement i of a kind: cd_ast_rule(policy, i), cd_ast_app(policy, i)... */
#define CD_AST_GETTER(type, kind)                           \
	static inline struct cd_ast_##type *cd_ast_##type(  \
		const struct cd_policy *policy, uint32_t i) \
	{                                                   \
		return (struct cd_ast_##type *)(void *)     \
			policy->of_kind[kind][i];           \
	}
CD_AST_GETTER(segment, CD_AST_SEGMENT)
CD_AST_GETTER(hosts, CD_AST_HOSTS)
CD_AST_GETTER(group, CD_AST_GROUP)
CD_AST_GETTER(service, CD_AST_SERVICE)
CD_AST_GETTER(domains, CD_AST_DOMAINS)
CD_AST_GETTER(feed, CD_AST_FEED)
CD_AST_GETTER(posture, CD_AST_POSTURE)
CD_AST_GETTER(app, CD_AST_APP)
CD_AST_GETTER(rule, CD_AST_RULE)
CD_AST_GETTER(test, CD_AST_TEST)
CD_AST_GETTER(assert, CD_AST_ASSERT)

/* Ports of a built-in service (http https ssh dns rdp smtp ntp), or NULL. */
const struct cd_ast_port *cd_ast_builtin_service(struct cd_str name,
						 uint32_t *ret_n);
/* The ports a name stands for, defined or built in; NULL when neither. */
const struct cd_ast_port *cd_ast_service_ports(const struct cd_policy *policy,
					       struct cd_str name,
					       uint32_t *ret_n);

/* Adds a message at a node's place. */
void cd_ast_diag(const struct cd_policy *policy, struct cd_diag *diag,
		 enum cd_severity severity, struct cd_ast_span span,
		 const char *fmt, ...) cd_printf(5, 6);

/* Words of the language, by their enums. A rule's kind is "rule". */
const char *cd_ast_kind_word(enum cd_ast_kind kind);
const char *cd_ast_op_word(enum cd_ast_op op);
const char *cd_ast_subject_word(enum cd_ast_subject_kind kind);
const char *cd_ast_object_word(enum cd_ast_object_kind kind);
const char *cd_setting_word(enum cd_setting id);

/* The text of one condition or value in the canonical layout, appended:
 * for explanations. */
struct cd_buf;
void cd_ast_print_cond(struct cd_buf *out, const struct cd_ast_cond *cond);
void cd_ast_print_value(struct cd_buf *out, const struct cd_ast_value *value);

#endif
