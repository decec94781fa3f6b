/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree's structs as tables: what a field is called in JSON, where it lies
 * and what it holds. Writer, reader and comparison walk these tables, so a
 * field that is in one is in all of them.
 */
#ifndef CD_POLICY_SCHEMA_H
#define CD_POLICY_SCHEMA_H

#include "policy/ast.h"

enum cd_field_kind {
	CD_F_NAME, /* struct cd_ast_name: string */
	CD_F_STR, /* struct cd_str: string */
	CD_F_BOOL, /* bool */
	CD_F_UINT, /* uintN_t of `size` bytes: number */
	CD_F_ENUM, /* unsigned of `size` bytes: one of `words` */
	CD_F_ATTR, /* enum cd_attr: its name; CD_ATTR_NONE: not given */
	CD_F_VALUE, /* struct cd_ast_value: the literal's text */
	CD_F_PREFIX, /* struct cd_ast_prefix: "10.0.0.0/8" */
	CD_F_PORT, /* struct cd_ast_port: "tcp/443" */
	CD_F_DOMAIN, /* struct cd_ast_domain: "*.example.com" */
	CD_F_DURATION, /* uint32_t: "12h" */
	CD_F_UNTIL, /* int64_t: "2027-01-31" */
	CD_F_INSTANT, /* int64_t ns: RFC 3339 */
	CD_F_DAYS, /* uint8_t: "mon-fri,sun" */
	CD_F_MINUTES, /* uint16_t: "07:00" */
	CD_F_OBJECT, /* struct in place, of `sub` */
	CD_F_POINTER, /* pointer to a struct of `sub`, or NULL */
	CD_F_LIST, /* array of `item`, with `sub` for CD_F_OBJECT and
			  CD_F_POINTER */
};

/* Flags */
#define CD_F_ALWAYS 1u /* written even when it is zero */
#define CD_F_REQUIRED 2u /* an object without it is refused */
#define CD_F_LAYOUT 4u /* says where text stands, not what it means */

struct cd_schema;

struct cd_field {
	const char *name;
	enum cd_field_kind kind;
	enum cd_field_kind item; /* of a list */
	unsigned int flags;
	uint16_t offset, size; /* size: of a number, or a list's element */
	uint16_t n_offset; /* CD_F_LIST: of its uint32_t count */
	uint16_t given_offset; /* 0: none; else a bool: it is given */
	const char *const *words; /* of an enum, ends with NULL */
	const struct cd_schema *sub;
};

struct cd_schema {
	size_t size;
	const struct cd_field *fields; /* ends with a NULL name */
	bool has_attr; /* `attr_offset` begins as NONE */
	uint16_t attr_offset;
};

/* Of a statement by its kind; the fields of struct cd_ast come first. */
const struct cd_schema *cd_schema_statement(enum cd_ast_kind kind);
/* Of comments behind the last statement. */
extern const struct cd_schema cd_schema_comment;

/* An unsigned number of f->size bytes. */
uint64_t cd_field_uint(const struct cd_field *f, const void *p);
/* Is the field of this object written? */
bool cd_field_is_given(const struct cd_field *f, const void *base);

#endif
