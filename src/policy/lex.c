// SPDX-License-Identifier: Apache-2.0
/*
 * The lexer. Written by hand: there are eight tokens, and a generated one
 * would neither keep comments nor say in words what is wrong with a byte. A
 * first pass over the file (cd_lex_scan) refuses the bytes that are wrong
 * anywhere, so that the lexer itself can look at clean text only.
 */
#include "policy/lex.h"

bool cd_lex_is_word(unsigned char c)
{
	return c > 0x20 && c < 0x7f && !strchr("\"(),=<>!#", c);
}

static const char *byte_problem(struct cd_str text, size_t i)
{
	unsigned char c = (unsigned char)text.ptr[i];

	if (c == '\t')
		return "tab: indent with blanks";
	if (c == '\r')
		return i + 1 < text.len && text.ptr[i + 1] == '\n' ?
			       NULL :
			       "carriage return without line feed";
	if (c == 0)
		return "NUL byte";
	if ((c < 0x20 && c != '\n') || c == 0x7f)
		return "control character";
	return NULL;
}

/* Length of the UTF-8 sequence that begins at i, 0 when it is not one. */
static size_t sequence(struct cd_str text, size_t i)
{
	unsigned char c = (unsigned char)text.ptr[i];
	size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

	if (c < 0x80)
		return 1;
	if (n > text.len - i || !cd_utf8_is_valid(cd_str_make(text.ptr + i, n)))
		return 0;
	/* U+0080..U+009F: control characters of a terminal */
	if (c == 0xc2 && (unsigned char)text.ptr[i + 1] < 0xa0)
		return 0;
	return n;
}

bool cd_lex_scan(struct cd_str text, uint32_t *ret_line, uint32_t *ret_column,
		 const char **ret_what)
{
	uint32_t line = 1, column = 1;
	const char *what = NULL;

	if (cd_str_has_prefix(text, CD_STR("\xef\xbb\xbf")))
		what = "byte order mark: save the file as UTF-8 without it";
	for (size_t i = 0, n; !what && i < text.len; i += n) {
		n = sequence(text, i);
		what = n ? byte_problem(text, i) :
			   "bytes that are not UTF-8 text";
		if (what)
			break;
		column += (uint32_t)n;
		if (text.ptr[i] == '\n') {
			line++;
			column = 1;
		}
	}
	if (!what)
		return false;
	*ret_line = line;
	*ret_column = column;
	*ret_what = what;
	return true;
}

void cd_lex_init(struct cd_lexer *lx, struct cd_arena *arena,
		 struct cd_str text)
{
	*lx = (struct cd_lexer){
		.arena = arena,
		.text = text,
		.line = 1,
		.column = 1,
		.last_line = 0,
	};
}

static int peek(const struct cd_lexer *lx)
{
	return lx->at < lx->text.len ? (unsigned char)lx->text.ptr[lx->at] : -1;
}

static void skip_blanks(struct cd_lexer *lx)
{
	for (int c = peek(lx); c == ' ' || c == '\r' || c == '\n';
	     c = peek(lx)) {
		lx->at++;
		lx->column++;
		if (c != '\n')
			continue;
		/* Nothing but a line end since the line began. */
		if (lx->column == 2 || (lx->column == 3 && lx->at > 1 &&
					lx->text.ptr[lx->at - 2] == '\r'))
			lx->blank = true;
		lx->line++;
		lx->column = 1;
	}
}

bool cd_lex_comment(struct cd_lexer *lx, struct cd_lex_comment *ret)
{
	const char *begin, *end;
	size_t left;

	skip_blanks(lx);
	if (peek(lx) != '#')
		return false;
	begin = lx->text.ptr + lx->at;
	left = lx->text.len - lx->at;
	end = memchr(begin, '\n', left);
	left = end ? (size_t)(end - begin) : left;
	*ret = (struct cd_lex_comment){
		.text = cd_str_trim(cd_str_make(begin, left)),
		.line = lx->line,
		.column = lx->column,
		.own_line = lx->line != lx->last_line,
		.blank_before = lx->blank,
	};
	lx->at += left;
	lx->column += (uint32_t)left;
	lx->blank = false;
	return true;
}

/* Copies raw string text without its backslashes. */
static int unescape(struct cd_lexer *lx, struct cd_str raw, struct cd_str *ret)
{
	char *p = cd_arena_alloc(lx->arena, raw.len + 1);
	size_t n = 0;

	if (!p)
		return cd_arena_is_full(lx->arena) ? CD_E_LIMIT : -ENOMEM;
	for (size_t i = 0; i < raw.len; i++) {
		i += raw.ptr[i] == '\\';
		p[n++] = raw.ptr[i];
	}
	*ret = cd_str_make(p, n);
	return 0;
}

static void bad(struct cd_token *tok, const char *what)
{
	tok->kind = CD_TOK_BAD;
	tok->text = cd_str_from(what);
}

static int lex_string(struct cd_lexer *lx, struct cd_token *tok)
{
	size_t begin = ++lx->at, i = begin;
	bool escaped = false;

	while (i < lx->text.len && lx->text.ptr[i] != '"') {
		if (lx->text.ptr[i] == '\n')
			break;
		if (lx->text.ptr[i] == '\\') {
			escaped = true;
			i++;
			if (i >= lx->text.len ||
			    !strchr("\"\\", lx->text.ptr[i])) {
				lx->at = i;
				bad(tok,
				    "in a string, '\\' comes before '\"' or '\\' only");
				return 0;
			}
		}
		i++;
	}
	lx->at = i;
	if (i >= lx->text.len || lx->text.ptr[i] != '"') {
		bad(tok, "this string does not end on its line");
		return 0;
	}
	lx->at = i + 1;
	tok->kind = CD_TOK_STRING;
	tok->text = cd_str_make(lx->text.ptr + begin, i - begin);
	return escaped ? unescape(lx, tok->text, &tok->text) : 0;
}

static void lex_word(struct cd_lexer *lx, struct cd_token *tok)
{
	size_t begin = lx->at;
	int c = peek(lx);

	while (c >= 0 && cd_lex_is_word((unsigned char)c)) {
		lx->at++;
		c = peek(lx);
	}
	tok->kind = CD_TOK_WORD;
	tok->text = cd_str_make(lx->text.ptr + begin, lx->at - begin);
	if (c == '#')
		bad(tok, "put a blank before '#', or the word in quotes");
	else if (c >= 0x80)
		bad(tok, "letters beyond ASCII need quotes");
	for (; c >= 0x80; c = peek(lx))
		lx->at++;
}

static void lex_operator(struct cd_lexer *lx, struct cd_token *tok)
{
	static const struct {
		const char *text;
		enum cd_ast_op op;
	} ops[] = {
		{"!=", CD_OP_NE}, {"<=", CD_OP_LE},
		{">=", CD_OP_GE}, {"==", CD_OP_HAS /* refused */},
		{"=", CD_OP_EQ},  {"<", CD_OP_LT},
		{">", CD_OP_GT},
	};
	struct cd_str rest =
		cd_str_make(lx->text.ptr + lx->at, lx->text.len - lx->at);

	for (size_t i = 0; i < CD_ARRAY_SIZE(ops); i++) {
		struct cd_str op = cd_str_from(ops[i].text);

		if (!cd_str_has_prefix(rest, op))
			continue;
		lx->at += op.len;
		tok->kind = CD_TOK_OP;
		tok->op = ops[i].op;
		tok->text = cd_str_make(rest.ptr, op.len);
		if (ops[i].op == CD_OP_HAS)
			bad(tok, "equality is one '='");
		return;
	}
	lx->at++;
	bad(tok, "unexpected '!'");
}

static int lex_any(struct cd_lexer *lx, struct cd_token *tok, int c)
{
	tok->text = cd_str_make(lx->text.ptr + lx->at, 1);
	switch (c) {
	case '"':
		return lex_string(lx, tok);
	case ',':
		tok->kind = CD_TOK_COMMA;
		lx->at++;
		return 0;
	case '(':
		tok->kind = CD_TOK_LPAREN;
		lx->at++;
		return 0;
	case ')':
		tok->kind = CD_TOK_RPAREN;
		lx->at++;
		return 0;
	case '=':
	case '!':
	case '<':
	case '>':
		lex_operator(lx, tok);
		return 0;
	default:
		lex_word(lx, tok);
		return 0;
	}
}

int cd_lex_token(struct cd_lexer *lx, struct cd_token *ret)
{
	struct cd_lex_comment comment;
	struct cd_token tok = {.kind = CD_TOK_END};
	size_t begin;
	int c, err;

	while (cd_lex_comment(lx, &comment))
		;
	c = peek(lx);
	tok.line = lx->line;
	tok.column = lx->column;
	tok.next_column = c < 0 ? 0 : lx->column;
	if (c < 0 || (lx->column == 1 && !lx->fresh)) {
		*ret = tok;
		return 0;
	}
	begin = lx->at;
	err = lex_any(lx, &tok, c);
	if (err)
		return err;
	/* Strings are copied from lines without line ends, so this is right. */
	lx->column += (uint32_t)(lx->at - begin);
	lx->last_line = lx->line;
	lx->fresh = false;
	lx->blank = false;
	*ret = tok;
	return 0;
}
