// SPDX-License-Identifier: Apache-2.0
/*
 * What readers of the tree need beside its structs: the index of names, the
 * built-in services, the words of the language, messages at a node.
 */
#include "policy/ast.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void cd_policy_free(struct cd_policy **policy)
{
	if (!*policy)
		return;
	cd_policy_free(&(*policy)->from);
	cd_arena_free(&(*policy)->arena);
	free(*policy);
	*policy = NULL;
}

/* ---- index ------------------------------------------------------------- */
static uint32_t slot_of(const struct cd_policy *policy, enum cd_ast_kind kind,
			struct cd_str name)
{
	uint64_t h = cd_str_hash(name) + (uint64_t)kind * 0x9e3779b97f4a7c15u;

	return (uint32_t)(h ^ h >> 32) & (policy->index_size - 1);
}

static bool is_it(const struct cd_ast *s, enum cd_ast_kind kind,
		  struct cd_str name)
{
	return s->kind == kind && cd_str_equal(s->name.s, name);
}

static void add(struct cd_policy *policy, struct cd_ast *s)
{
	uint32_t i = slot_of(policy, s->kind, s->name.s);

	while (policy->index[i] && !is_it(policy->index[i], s->kind, s->name.s))
		i = (i + 1) & (policy->index_size - 1);
	if (!policy->index[i])
		policy->index[i] = s;
}

int cd_ast_index(struct cd_policy *policy)
{
	uint32_t n = 0, size = 16;

	for (int k = 0; k < CD_AST_KINDS; k++)
		n += policy->n_of_kind[k];
	while (size < 2 * n)
		size *= 2;
	policy->index =
		cd_arena_array(policy->arena, size, sizeof(*policy->index));
	if (!policy->index)
		return cd_arena_is_full(policy->arena) ? CD_E_LIMIT : -ENOMEM;
	policy->index_size = size;
	for (int k = 0; k < CD_AST_KINDS; k++)
		for (uint32_t i = 0; i < policy->n_of_kind[k]; i++)
			add(policy, policy->of_kind[k][i]);
	return 0;
}

struct cd_ast *cd_ast_find(const struct cd_policy *policy,
			   enum cd_ast_kind kind, struct cd_str name)
{
	uint32_t i = slot_of(policy, kind, name);

	while (policy->index[i] && !is_it(policy->index[i], kind, name))
		i = (i + 1) & (policy->index_size - 1);
	return policy->index[i];
}

/* ---- services ---------------------------------------------------------- */
#define TCP(n)                                   \
	{                                        \
		.proto = 6, .lo = (n), .hi = (n) \
	}
#define UDP(n)                                    \
	{                                         \
		.proto = 17, .lo = (n), .hi = (n) \
	}

static const struct builtin {
	const char *name;
	uint32_t n;
	struct cd_ast_port ports[2];
} builtins[] = {
	{"http", 1, {TCP(80)}},
	{"https", 1, {TCP(443)}},
	{"ssh", 1, {TCP(22)}},
	{"dns", 2, {UDP(53), TCP(53)}},
	{"rdp", 2, {TCP(3389), UDP(3389)}},
	{"smtp", 1, {TCP(25)}},
	{"ntp", 1, {UDP(123)}},
};

const struct cd_ast_port *cd_ast_builtin_service(struct cd_str name,
						 uint32_t *ret_n)
{
	for (size_t i = 0; i < CD_ARRAY_SIZE(builtins); i++)
		if (cd_str_equal(name, cd_str_from(builtins[i].name))) {
			*ret_n = builtins[i].n;
			return builtins[i].ports;
		}
	return NULL;
}

const struct cd_ast_port *cd_ast_service_ports(const struct cd_policy *policy,
					       struct cd_str name,
					       uint32_t *ret_n)
{
	const struct cd_ast_service *s =
		(void *)cd_ast_find(policy, CD_AST_SERVICE, name);

	if (!s)
		return cd_ast_builtin_service(name, ret_n);
	*ret_n = s->n_ports;
	return s->ports;
}

/* ---- messages and words ------------------------------------------------ */
void cd_ast_diag(const struct cd_policy *policy, struct cd_diag *diag,
		 enum cd_severity severity, struct cd_ast_span span,
		 const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	cd_diag_add(diag, severity, policy->files[span.file].name.ptr,
		    span.line, span.column, "%s", text);
}

const char *cd_ast_kind_word(enum cd_ast_kind kind)
{
	static const char *const words[CD_AST_KINDS] = {
		[CD_AST_VERSION] = "version", [CD_AST_SEGMENT] = "segment",
		[CD_AST_HOSTS] = "hosts",     [CD_AST_GROUP] = "group",
		[CD_AST_SERVICE] = "service", [CD_AST_DOMAINS] = "domains",
		[CD_AST_FEED] = "feed",	      [CD_AST_POSTURE] = "posture",
		[CD_AST_APP] = "app",	      [CD_AST_RULE] = "rule",
		[CD_AST_TEST] = "test",	      [CD_AST_ASSERT] = "assert",
	};

	return words[kind];
}

const char *cd_ast_op_word(enum cd_ast_op op)
{
	static const char *const words[] = {
		[CD_OP_EQ] = "=",      [CD_OP_NE] = "!=",
		[CD_OP_LT] = "<",      [CD_OP_LE] = "<=",
		[CD_OP_GT] = ">",      [CD_OP_GE] = ">=",
		[CD_OP_IN] = "in",     [CD_OP_NOT_IN] = "not in",
		[CD_OP_LIKE] = "like", [CD_OP_HAS] = "has",
	};

	return words[op];
}
