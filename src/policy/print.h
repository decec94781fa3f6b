/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts of statements as canonical text. A blank at which a long line may be
 * broken is written as CD_PRINT_BREAK; cd_policy_format() turns it into a
 * blank or a line end. No text of a policy holds that byte.
 */
#ifndef CD_POLICY_PRINT_H
#define CD_POLICY_PRINT_H

#include "base/buf.h"
#include "policy/ast.h"

#define CD_PRINT_BREAK '\x01'

void cd_print_quoted(struct cd_buf *out, struct cd_str s);
/* A reference: bare where it may be, else quoted. */
void cd_print_name(struct cd_buf *out, struct cd_str name);
void cd_print_value(struct cd_buf *out, const struct cd_ast_value *v);
void cd_print_cond(struct cd_buf *out, const struct cd_ast_cond *c);
void cd_print_subjects(struct cd_buf *out, const struct cd_ast_subjects *s);
void cd_print_objects(struct cd_buf *out, const struct cd_ast_objects *o);
void cd_print_obligations(struct cd_buf *out, const struct cd_obligations *o);

/* Appends the statement's clause text; clause as in struct cd_ast_comment.
 * False when the statement does not have it. */
bool cd_print_clause(struct cd_buf *out, const struct cd_ast *s,
		     uint32_t clause);

#endif
