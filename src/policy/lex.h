/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text to tokens, one at a time, without allocation but for strings that hold
 * escapes. A lexer is a small value: copying it is looking ahead.
 *
 * cd_lex_scan() must have accepted the text: the lexer relies on clean UTF-8,
 * no control characters and lines that end with LF or CR LF.
 */
#ifndef CD_POLICY_LEX_H
#define CD_POLICY_LEX_H

#include "policy/ast.h"

enum cd_token_kind {
	CD_TOK_END, /* of the statement: column 1 follows, or the file ends */
	CD_TOK_WORD, /* printable ASCII without blanks and " ( ) , = < > ! # */
	CD_TOK_STRING, /* "..." with \" and \\, text decoded */
	CD_TOK_COMMA,
	CD_TOK_LPAREN,
	CD_TOK_RPAREN,
	CD_TOK_OP, /* = != < <= > >= */
	CD_TOK_BAD, /* `text` says what is wrong, for people */
};

struct cd_token {
	enum cd_token_kind kind;
	enum cd_ast_op op; /* of CD_TOK_OP */
	struct cd_str text;
	uint32_t line, column;
	uint32_t next_column; /* of a CD_TOK_END: 0 is the end of the file */
};

struct cd_lexer {
	struct cd_arena *arena;
	struct cd_str text;
	size_t at;
	uint32_t line, column;
	bool fresh; /* the next token may stand in column 1 */
	bool blank; /* an empty line was passed since the last token */
	uint32_t last_line; /* of the last token */
};

struct cd_lex_comment {
	struct cd_str text;
	uint32_t line, column;
	bool own_line, blank_before;
};

/* Where the first byte stands that a policy may not hold, and what it is;
 * false when the text is clean. Looks for UTF-8, NUL and other control
 * characters (tabs too), a BOM, CR without LF. */
bool cd_lex_scan(struct cd_str text, uint32_t *ret_line, uint32_t *ret_column,
		 const char **ret_what);

void cd_lex_init(struct cd_lexer *lx, struct cd_arena *arena,
		 struct cd_str text);
/* The next comment before the next token, false when the token is next. */
bool cd_lex_comment(struct cd_lexer *lx, struct cd_lex_comment *ret);
/* The next token; comments before it are passed over. 0, -ENOMEM or
 * CD_E_LIMIT (the arena's). */
int cd_lex_token(struct cd_lexer *lx, struct cd_token *ret);

/* May c stand in a word? */
bool cd_lex_is_word(unsigned char c);

#endif
