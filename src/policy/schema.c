// SPDX-License-Identifier: Apache-2.0
/*
 * The tables behind schema.h. Only tables: whoever adds a field to the tree
 * adds its line here.
 */
#include "policy/schema.h"

#define SIZE_OF(type, member) sizeof(((type *)0)->member)
#define SCALAR(type_, member_, name_, kind_, ...)            \
	{                                                    \
		.name = name_, .kind = kind_,                \
		.offset = offsetof(type_, member_),          \
		.size = SIZE_OF(type_, member_), __VA_ARGS__ \
	}
#define LIST(type_, member_, n_, name_, item_, ...)              \
	{                                                        \
		.name = name_, .kind = CD_F_LIST, .item = item_, \
		.offset = offsetof(type_, member_),              \
		.size = sizeof(*((type_ *)0)->member_),          \
		.n_offset = offsetof(type_, n_), __VA_ARGS__     \
	}
#define GIVEN(type_, member_) .given_offset = offsetof(type_, member_)
#define END                  \
	{                    \
		.name = NULL \
	}

static const char *const fail_words[] = {"closed", "open", "hold", NULL};
static const char *const op_words[] = {
	"=", "!=", "<", "<=", ">", ">=", "in", "not in", "like", "has", NULL};
static const char *const cond_words[] = {"and",	    "or",    "not",  "compare",
					 "bool",    "feed",  "time", "approval",
					 "posture", "label", NULL};
static const char *const member_words[] = {"user", "group", NULL};
static const char *const feed_words[] = {"file", "url", NULL};
static const char *const effect_words[] = {"allow", "deny", NULL};
static const char *const mode_words[] = {"enforce", "report", "canary", NULL};
static const char *const change_words[] = {"cut", "drain", "keep", NULL};
static const char *const verdict_words[] = {"deny", "request", "challenge",
					    "allow", NULL};
static const char *const form_words[] = {"no path", "path", "only", NULL};
static const char *const subject_words[] = {
	"any",	 "people", "anonymous", "internet",	   "user",
	"group", "hosts",  "segment",	"service-account", NULL};
static const char *const object_words[] = {"any",      "internet", "app",
					   "hosts",    "segment",  "domains",
					   "category", NULL};
static const char *const setting_words[] = {
#define CD_SETTING(id, word, parse, kinds, form, doc) word,
#include "policy/settings.def"
#undef CD_SETTING
	NULL};

#define COMMENT(member, name, kind, ...) \
	SCALAR(struct cd_ast_comment, member, name, kind, __VA_ARGS__)
const struct cd_schema cd_schema_comment = {
	.size = sizeof(struct cd_ast_comment),
	.fields =
		(const struct cd_field[]){
			COMMENT(text, "text", CD_F_STR, .flags = CD_F_REQUIRED),
			COMMENT(clause, "clause", CD_F_UINT),
			COMMENT(own_line, "own_line", CD_F_BOOL),
			COMMENT(blank_before, "blank_before", CD_F_BOOL),
			END,
		},
};

/* What every statement has. */
#define HEAD                                                                   \
	SCALAR(struct cd_ast, name, "name", CD_F_NAME),                        \
		SCALAR(struct cd_ast, blank_before, "blank_before", CD_F_BOOL, \
		       .flags = CD_F_LAYOUT),                                  \
		LIST(struct cd_ast, comments, n_comments, "comments",          \
		     CD_F_OBJECT, .flags = CD_F_LAYOUT,                        \
		     .sub = &cd_schema_comment)
#define STATEMENT(type_, ...)                                              \
	{                                                                  \
		.size = sizeof(type_), .fields = (const struct cd_field[]) \
		{                                                          \
			HEAD, __VA_ARGS__                                  \
		}                                                          \
	}

#define COND(member, name, kind, ...) \
	SCALAR(struct cd_ast_cond, member, name, kind, __VA_ARGS__)
static const struct cd_schema cond_schema = {
	.size = sizeof(struct cd_ast_cond),
	.has_attr = true,
	.attr_offset = offsetof(struct cd_ast_cond, attr),
	.fields =
		(const struct cd_field[]){
			COND(kind, "kind", CD_F_ENUM, .words = cond_words,
			     .flags = CD_F_ALWAYS | CD_F_REQUIRED),
			COND(attr, "attr", CD_F_ATTR),
			COND(op, "op", CD_F_ENUM, .words = op_words),
			LIST(struct cd_ast_cond, values, n_values, "values",
			     CD_F_VALUE),
			COND(name, "name", CD_F_NAME),
			COND(count, "count", CD_F_UINT),
			COND(days, "days", CD_F_DAYS),
			COND(from, "from", CD_F_MINUTES),
			COND(to, "to", CD_F_MINUTES),
			COND(zone, "zone", CD_F_NAME),
			LIST(struct cd_ast_cond, kids, n_kids, "of",
			     CD_F_POINTER, .sub = &cond_schema),
			END,
		},
};

#define MEMBER(member, name, kind, ...) \
	SCALAR(struct cd_ast_member, member, name, kind, __VA_ARGS__)
static const struct cd_schema member_schema = {
	.size = sizeof(struct cd_ast_member),
	.fields =
		(const struct cd_field[]){
			MEMBER(is_group, "kind", CD_F_ENUM,
			       .words = member_words,
			       .flags = CD_F_ALWAYS | CD_F_REQUIRED),
			MEMBER(name, "name", CD_F_NAME, .flags = CD_F_REQUIRED),
			END,
		},
};

#define SETTING(member, name, kind, ...) \
	SCALAR(struct cd_ast_setting, member, name, kind, __VA_ARGS__)
static const struct cd_schema setting_schema = {
	.size = sizeof(struct cd_ast_setting),
	.fields =
		(const struct cd_field[]){
			SETTING(id, "set", CD_F_ENUM, .words = setting_words,
				.flags = CD_F_ALWAYS | CD_F_REQUIRED),
			/* the same line may be written in several ways */
			SETTING(text, "value", CD_F_STR,
				.flags = CD_F_REQUIRED | CD_F_LAYOUT),
			END,
		},
};

#define SUBJECT(member, name, kind, ...) \
	SCALAR(struct cd_ast_subject, member, name, kind, __VA_ARGS__)
static const struct cd_schema subject_schema = {
	.size = sizeof(struct cd_ast_subject),
	.fields =
		(const struct cd_field[]){
			SUBJECT(kind, "kind", CD_F_ENUM, .words = subject_words,
				.flags = CD_F_ALWAYS | CD_F_REQUIRED),
			SUBJECT(name, "name", CD_F_NAME),
			END,
		},
};

static const struct cd_schema subjects_schema = {
	.size = sizeof(struct cd_ast_subjects),
	.fields =
		(const struct cd_field[]){
			LIST(struct cd_ast_subjects, items, n_items, "items",
			     CD_F_OBJECT, .sub = &subject_schema,
			     .flags = CD_F_REQUIRED),
			LIST(struct cd_ast_subjects, except, n_except, "except",
			     CD_F_OBJECT, .sub = &subject_schema),
			SCALAR(struct cd_ast_subjects, posture, "on",
			       CD_F_NAME),
			END,
		},
};

#define OBJECT(member, name, kind, ...) \
	SCALAR(struct cd_ast_object, member, name, kind, __VA_ARGS__)
static const struct cd_schema object_schema = {
	.size = sizeof(struct cd_ast_object),
	.fields =
		(const struct cd_field[]){
			OBJECT(kind, "kind", CD_F_ENUM, .words = object_words,
			       .flags = CD_F_ALWAYS | CD_F_REQUIRED),
			OBJECT(name, "name", CD_F_NAME),
			LIST(struct cd_ast_object, methods, n_methods,
			     "methods", CD_F_NAME),
			OBJECT(path, "path", CD_F_NAME),
			END,
		},
};

#define OBJECTS(member, n, name, item, ...) \
	LIST(struct cd_ast_objects, member, n, name, item, __VA_ARGS__)
static const struct cd_schema objects_schema = {
	.size = sizeof(struct cd_ast_objects),
	.fields =
		(const struct cd_field[]){
			OBJECTS(items, n_items, "items", CD_F_OBJECT,
				.sub = &object_schema, .flags = CD_F_REQUIRED),
			OBJECTS(except, n_except, "except", CD_F_OBJECT,
				.sub = &object_schema),
			OBJECTS(services, n_services, "services", CD_F_NAME),
			OBJECTS(ports, n_ports, "ports", CD_F_PORT),
			END,
		},
};

#define DUTY(member, name, kind) \
	SCALAR(struct cd_obligations, member, name, kind)
static const struct cd_schema obligations_schema = {
	.size = sizeof(struct cd_obligations),
	.fields =
		(const struct cd_field[]){
			DUTY(record, "record", CD_F_BOOL),
			DUTY(record_required, "record_required", CD_F_BOOL),
			DUTY(max, "max", CD_F_DURATION),
			DUTY(rate_count, "rate_count", CD_F_UINT),
			DUTY(rate_period, "rate_period", CD_F_DURATION),
			DUTY(no_clipboard, "no_clipboard", CD_F_BOOL),
			DUTY(no_upload, "no_upload", CD_F_BOOL),
			DUTY(no_download, "no_download", CD_F_BOOL),
			END,
		},
};

static const struct cd_schema given_schema = {
	.size = sizeof(struct cd_ast_given),
	.has_attr = true,
	.attr_offset = offsetof(struct cd_ast_given, attr),
	.fields =
		(const struct cd_field[]){
			SCALAR(struct cd_ast_given, attr, "attr", CD_F_ATTR),
			LIST(struct cd_ast_given, values, n_values, "values",
			     CD_F_VALUE),
			SCALAR(struct cd_ast_given, posture, "posture",
			       CD_F_NAME),
			END,
		},
};

#define SEGMENT(member, name, kind, ...) \
	SCALAR(struct cd_ast_segment, member, name, kind, __VA_ARGS__)
#define FEED(member, name, kind, ...) \
	SCALAR(struct cd_ast_feed, member, name, kind, __VA_ARGS__)
#define RULE(member, name, kind, ...) \
	SCALAR(struct cd_ast_rule, member, name, kind, __VA_ARGS__)
#define TEST(member, name, kind, ...) \
	SCALAR(struct cd_ast_test, member, name, kind, __VA_ARGS__)
#define ASSERT(member, name, kind, ...) \
	SCALAR(struct cd_ast_assert, member, name, kind, __VA_ARGS__)

static const struct cd_schema statements[CD_AST_KINDS] = {
	[CD_AST_VERSION] = STATEMENT(struct cd_ast, END),
	[CD_AST_SEGMENT] = STATEMENT(
		struct cd_ast_segment, SEGMENT(parent, "in", CD_F_NAME),
		LIST(struct cd_ast_segment, prefixes, n_prefixes, "cidr",
		     CD_F_PREFIX, .flags = CD_F_REQUIRED),
		LIST(struct cd_ast_segment, interfaces, n_interfaces,
		     "interfaces", CD_F_NAME),
		SEGMENT(fail, "fail", CD_F_ENUM, .words = fail_words,
			GIVEN(struct cd_ast_segment, fail_given)),
		SEGMENT(hold, "hold", CD_F_DURATION), END),
	[CD_AST_HOSTS] = STATEMENT(struct cd_ast_hosts,
				   SCALAR(struct cd_ast_hosts, where, "where",
					  CD_F_POINTER, .sub = &cond_schema,
					  .flags = CD_F_REQUIRED),
				   END),
	[CD_AST_GROUP] =
		STATEMENT(struct cd_ast_group,
			  LIST(struct cd_ast_group, members, n_members,
			       "members", CD_F_OBJECT, .sub = &member_schema,
			       .flags = CD_F_REQUIRED),
			  END),
	[CD_AST_SERVICE] =
		STATEMENT(struct cd_ast_service,
			  LIST(struct cd_ast_service, ports, n_ports, "ports",
			       CD_F_PORT, .flags = CD_F_REQUIRED),
			  END),
	[CD_AST_DOMAINS] =
		STATEMENT(struct cd_ast_domains,
			  LIST(struct cd_ast_domains, names, n_names, "names",
			       CD_F_DOMAIN, .flags = CD_F_REQUIRED),
			  END),
	[CD_AST_FEED] = STATEMENT(
		struct cd_ast_feed,
		FEED(is_url, "from", CD_F_ENUM, .words = feed_words,
		     .flags = CD_F_ALWAYS | CD_F_REQUIRED),
		FEED(location, "location", CD_F_NAME, .flags = CD_F_REQUIRED),
		FEED(refresh, "refresh", CD_F_DURATION),
		FEED(report, "report", CD_F_BOOL), END),
	[CD_AST_POSTURE] = STATEMENT(struct cd_ast_posture,
				     SCALAR(struct cd_ast_posture, cond, "cond",
					    CD_F_POINTER, .sub = &cond_schema,
					    .flags = CD_F_REQUIRED),
				     END),
	[CD_AST_APP] =
		STATEMENT(struct cd_ast_app,
			  LIST(struct cd_ast_app, settings, n_settings,
			       "settings", CD_F_OBJECT, .sub = &setting_schema,
			       .flags = CD_F_REQUIRED),
			  END),
	[CD_AST_RULE] = STATEMENT(
		struct cd_ast_rule,
		RULE(deny, "effect", CD_F_ENUM, .words = effect_words,
		     .flags = CD_F_ALWAYS | CD_F_REQUIRED),
		RULE(from, "from", CD_F_OBJECT, .sub = &subjects_schema,
		     .flags = CD_F_ALWAYS | CD_F_REQUIRED),
		RULE(to, "to", CD_F_OBJECT, .sub = &objects_schema,
		     .flags = CD_F_ALWAYS | CD_F_REQUIRED),
		RULE(when, "when", CD_F_POINTER, .sub = &cond_schema),
		RULE(with, "with", CD_F_OBJECT, .sub = &obligations_schema,
		     GIVEN(struct cd_ast_rule, has_obligations)),
		RULE(mode, "mode", CD_F_ENUM, .words = mode_words,
		     GIVEN(struct cd_ast_rule, mode_given)),
		RULE(canary, "canary", CD_F_UINT),
		RULE(on_change, "on_change", CD_F_ENUM, .words = change_words,
		     GIVEN(struct cd_ast_rule, on_change_given)),
		RULE(drain, "drain", CD_F_DURATION),
		RULE(owner, "owner", CD_F_NAME),
		RULE(reason, "reason", CD_F_NAME),
		RULE(until, "until", CD_F_UNTIL,
		     GIVEN(struct cd_ast_rule, until_given)),
		END),
	[CD_AST_TEST] = STATEMENT(
		struct cd_ast_test,
		LIST(struct cd_ast_test, given, n_given, "given", CD_F_OBJECT,
		     .sub = &given_schema, .flags = CD_F_REQUIRED),
		TEST(at, "at", CD_F_INSTANT,
		     GIVEN(struct cd_ast_test, at_given)),
		TEST(to, "to", CD_F_OBJECT, .sub = &objects_schema,
		     .flags = CD_F_ALWAYS | CD_F_REQUIRED),
		TEST(expect, "expect", CD_F_ENUM, .words = verdict_words,
		     .flags = CD_F_ALWAYS | CD_F_REQUIRED),
		TEST(by, "by", CD_F_NAME), END),
	[CD_AST_ASSERT] = STATEMENT(
		struct cd_ast_assert,
		ASSERT(form, "form", CD_F_ENUM, .words = form_words,
		       .flags = CD_F_ALWAYS | CD_F_REQUIRED),
		ASSERT(from, "from", CD_F_OBJECT, .sub = &subjects_schema,
		       .flags = CD_F_ALWAYS | CD_F_REQUIRED),
		ASSERT(to, "to", CD_F_OBJECT, .sub = &objects_schema,
		       .flags = CD_F_ALWAYS | CD_F_REQUIRED),
		END),
};

const struct cd_schema *cd_schema_statement(enum cd_ast_kind kind)
{
	return &statements[kind];
}
