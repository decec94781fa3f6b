/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Literals: from text to typed values and back, for the parser, the JSON
 * forms and the formatter. Nothing here knows about tokens.
 */
#ifndef CD_POLICY_LITERAL_H
#define CD_POLICY_LITERAL_H

#include "base/buf.h"
#include "policy/ast.h"

/* The value `text` as a literal of `type`. Strings are borrowed from text,
 * but a name that has capitals is copied to the arena in lower case. -EINVAL
 * (then cd_literal_wanted() says what would have been right), -ERANGE (a
 * number that is too big), -ENOMEM, CD_E_LIMIT. The span is left alone. */
int cd_literal_parse(struct cd_arena *arena, enum cd_type type,
		     struct cd_str text, struct cd_ast_value *ret);
/* "a duration such as 12h" */
const char *cd_literal_wanted(enum cd_type type);
/* The canonical text, unquoted. */
void cd_literal_print(struct cd_buf *out, const struct cd_ast_value *value);
/* Does the operator fit the type? */
bool cd_literal_has_op(enum cd_type type, enum cd_ast_op op);
/* Does the literal of this operator allow a '*'? (`like`) */
int cd_literal_parse_glob(struct cd_arena *arena, enum cd_type type,
			  struct cd_str text, struct cd_ast_value *ret);

/* DNS name: labels of letters, digits, '-', '_', at most 63 and 253 bytes, no
 * final dot, lower-cased into the arena when needed. */
int cd_literal_dns(struct cd_arena *arena, struct cd_str text,
		   struct cd_str *ret);
int cd_literal_domain(struct cd_arena *arena, struct cd_str text,
		      struct cd_ast_domain *ret);
/* "10.0.0.0/8"; -EDOM: bits beyond the prefix length are set. */
int cd_literal_prefix(struct cd_str text, struct cd_ast_prefix *ret);
void cd_literal_print_prefix(struct cd_buf *out, const struct cd_addr *addr,
			     uint8_t bits);
/* "tcp/443" "udp/8000-8100" "icmp" "any" */
int cd_literal_port(struct cd_str text, struct cd_ast_port *ret);
void cd_literal_print_port(struct cd_buf *out, const struct cd_ast_port *port);
/* "mon-fri", or one day: bits to add. */
int cd_literal_days(struct cd_str text, uint8_t *ret_days);
void cd_literal_print_days(struct cd_buf *out, uint8_t days);
/* "07:00-19:00" in minutes; 24:00 only as the end. */
int cd_literal_hours(struct cd_str text, uint16_t *ret_from, uint16_t *ret_to);
void cd_literal_print_hours(struct cd_buf *out, uint16_t from, uint16_t to);
/* A duration that fits 32 bits and is not 0. */
int cd_literal_duration(struct cd_str text, uint32_t *ret_seconds);
void cd_literal_print_duration(struct cd_buf *out, int64_t seconds);
/* A date -> seconds since 1970 of its end, 24:00 UTC. */
int cd_literal_until(struct cd_str text, int64_t *ret);
void cd_literal_print_until(struct cd_buf *out, int64_t until);
void cd_literal_print_instant(struct cd_buf *out, int64_t ns);
/* "100/1m" */
int cd_literal_rate(struct cd_str text, uint32_t *ret_n, uint32_t *ret_period);

/* A path glob: begins with '/', no blank, no "//", "." or "..", no '?', '#'
 * or '%' (the path is matched decoded); '*' is a whole segment. NULL: fine,
 * else what is wrong with it. */
const char *cd_literal_path_problem(struct cd_str path);

#endif
