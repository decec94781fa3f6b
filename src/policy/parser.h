/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parser's files share. Every function that parses returns 0, or
 * negative after it has put a message into the diag: CD_E_SYNTAX and
 * CD_E_LIMIT lose the statement (the next one is tried), -ENOMEM and
 * CD_E_LIMIT of the arena lose the parse.
 */
#ifndef CD_POLICY_PARSER_H
#define CD_POLICY_PARSER_H

#include "policy/lex.h"
#include "policy/literal.h"

struct cd_parser {
	struct cd_policy *policy;
	struct cd_arena *arena;
	struct cd_diag *diag;
	struct cd_lexer lx;
	struct cd_token tok; /* the next token, not yet taken */
	struct cd_ast_span end; /* behind the token taken last */
	bool blank; /* an empty line stands before tok */
	uint32_t file;
	/* Comments seen before tok that no clause has yet. */
	struct cd_ast_comment *pending;
	uint32_t n_pending;
	struct cd_ast *statement; /* being parsed, or NULL */
	uint32_t clause;
	uint32_t depth; /* of parentheses and `not` */
	uint32_t atoms; /* of this condition */
	uint32_t n_rules, n_sets, n_apps;
	int fatal; /* -ENOMEM or CD_E_LIMIT: the parse ends */
	int result; /* the first error */
};

/* Adds a value to an array of the arena: items is `T *`, n its `uint32_t`.
 * 0, or p->fatal. Room doubles at each power of two, so no capacity is
 * stored. */
void *cd_parse_grow(struct cd_parser *p, void *items, uint32_t n, size_t size);
#define cd_parse_push(p, items, n, ...)                               \
	({                                                            \
		__typeof__(items) cd_new_ =                           \
			cd_parse_grow(p, items, n, sizeof(*(items))); \
		if (cd_new_) {                                        \
			(items) = cd_new_;                            \
			(items)[(n)++] = __VA_ARGS__;                 \
		}                                                     \
		cd_new_ ? 0 : (p)->fatal;                             \
	})
/* As above for an element of a list in the text, of which there are at most
 * CD_MAX_LIST. */
#define cd_parse_push_item(p, items, n, ...)                              \
	((n) >= CD_MAX_LIST ?                                             \
		 cd_parse_limit(p, "elements in one list", CD_MAX_LIST) : \
		 cd_parse_push(p, items, n, __VA_ARGS__))

struct cd_ast_span cd_parse_span(const struct cd_parser *p);
/* Takes the token. */
int cd_parse_next(struct cd_parser *p);
/* The token after this one. */
struct cd_token cd_parse_peek(const struct cd_parser *p);

/* Messages at the token or a span; they return CD_E_SYNTAX. */
int cd_parse_expected(struct cd_parser *p, const char *what);
int cd_parse_error(struct cd_parser *p, struct cd_ast_span span,
		   const char *fmt, ...) cd_printf(3, 4);
int cd_parse_limit(struct cd_parser *p, const char *what, unsigned int max);
/* A hint for the last message when one of the words is near. words ends with
 * NULL. */
void cd_parse_suggest(struct cd_parser *p, struct cd_str got,
		      const char *const *words);

bool cd_parse_at(const struct cd_parser *p, const char *word);
/* Takes the word if it is next: 1, else 0, or an error. */
int cd_parse_accept(struct cd_parser *p, const char *word);
int cd_parse_word(struct cd_parser *p, const char *word);
int cd_parse_comma(struct cd_parser *p); /* accept: 1, 0 or an error */
/* One of words (ends with NULL): its index, or an error that names `what`. */
int cd_parse_choice(struct cd_parser *p, const char *const *words,
		    const char *what);
/* The text of a word or string. */
int cd_parse_text(struct cd_parser *p, const char *what, struct cd_str *ret);
/* A reference: a bare name, or any text in quotes. */
int cd_parse_name(struct cd_parser *p, const char *what,
		  struct cd_ast_name *ret);
/* What a definition may be called. */
int cd_parse_new_name(struct cd_parser *p, struct cd_ast_name *ret);
/* A quoted string of at most max bytes. */
int cd_parse_string(struct cd_parser *p, const char *what, uint32_t max,
		    struct cd_ast_name *ret);
int cd_parse_duration(struct cd_parser *p, uint32_t *ret_seconds);
int cd_parse_uint(struct cd_parser *p, const char *what, uint32_t min,
		  uint32_t max, uint32_t *ret);
/* Turns the error of a literal into a message at span. */
int cd_parse_literal_error(struct cd_parser *p, struct cd_ast_span span,
			   int err, struct cd_str text, const char *wanted);

/* Is this word one that clauses begin with? Then a name has to be quoted. */
bool cd_word_is_reserved(struct cd_str word);
/* May the name stand without quotes, as a reference or a definition? */
bool cd_name_is_bare(struct cd_str name, bool definition);

/* parse_cond.c */
enum cd_cond_place { CD_IN_RULE, CD_IN_POSTURE, CD_IN_HOSTS };
int cd_parse_cond(struct cd_parser *p, enum cd_cond_place place,
		  struct cd_ast_cond **ret);
/* A registered attribute; hints at the nearest one. */
int cd_parse_attr(struct cd_parser *p, enum cd_attr *ret);
/* One literal of the type. */
int cd_parse_value(struct cd_parser *p, enum cd_type type,
		   struct cd_ast_value *ret);
uint32_t cd_cond_depth(const struct cd_ast_cond *cond);

/* parse_rule.c */
int cd_parse_ports(struct cd_parser *p, struct cd_ast_port **ports,
		   uint32_t *n);
int cd_parse_rule(struct cd_parser *p, struct cd_ast *head);
int cd_parse_test(struct cd_parser *p, struct cd_ast *head);
int cd_parse_assert(struct cd_parser *p, struct cd_ast *head);

/* settings.c */
int cd_parse_app(struct cd_parser *p, struct cd_ast *head);

#endif
