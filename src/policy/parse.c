// SPDX-License-Identifier: Apache-2.0
/*
 * The parser's tools: tokens with their comments, words, names, lists and
 * messages. The statements themselves are in parse_statement.c and
 * parse_rule.c, conditions in parse_cond.c, app lines in settings.c.
 *
 * Recursive descent with one token in hand and, at three places, one more in
 * sight. A statement that does not parse is dropped and the next one tried,
 * so that one run shows every mistake; what is returned then is an error and
 * no policy, so nobody can compile what was left.
 */
#include "policy/parser.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/addr.h"
#include "policy/suggest.h"

#define QUOTE_SIZE 80

void *cd_parse_grow(struct cd_parser *p, void *items, uint32_t n, size_t size)
{
	size_t cap = n == 0 ? 2 : (size_t)n * 2;
	void *bigger;

	if (n != 0 && (n < 2 || (n & (n - 1)) != 0))
		return items;
	bigger = cd_arena_array(p->arena, cap, size);
	if (!bigger) {
		p->fatal = cd_arena_is_full(p->arena) ? CD_E_LIMIT : -ENOMEM;
		return NULL;
	}
	if (n)
		memcpy(bigger, items, n * size);
	return bigger;
}

struct cd_ast_span cd_parse_span(const struct cd_parser *p)
{
	return (struct cd_ast_span){p->file, p->tok.line, p->tok.column};
}

/* ---- tokens and comments ----------------------------------------------- */
static int add_comment(struct cd_parser *p, const struct cd_lex_comment *c,
		       uint32_t clause)
{
	struct cd_ast_comment comment = {
		.text = c->text,
		.clause = clause,
		.own_line = c->own_line,
		.blank_before = c->blank_before,
	};

	return cd_parse_push(p, p->statement->comments,
			     p->statement->n_comments, comment);
}

/* The comments that waited belong to the clause that takes the token. */
static int give_pending(struct cd_parser *p)
{
	int err = 0;

	for (uint32_t i = 0; i < p->n_pending && !err; i++) {
		struct cd_ast_comment comment = p->pending[i];

		comment.clause = p->clause;
		err = cd_parse_push(p, p->statement->comments,
				    p->statement->n_comments, comment);
	}
	p->n_pending = 0;
	p->pending = NULL;
	return err;
}

/* A comment between two tokens: behind the last one on its line, indented
 * behind the whole statement, or before whatever comes next. */
static int sort_comment(struct cd_parser *p, const struct cd_lex_comment *c,
			bool tail)
{
	struct cd_ast_comment pending = {
		.text = c->text,
		.own_line = true,
		.blank_before = c->blank_before,
	};

	if (p->statement && !c->own_line)
		return add_comment(p, c, p->clause);
	if (p->statement && tail && c->column > 1)
		return add_comment(p, c, CD_AST_TAIL);
	return cd_parse_push(p, p->pending, p->n_pending, pending);
}

struct cd_token cd_parse_peek(const struct cd_parser *p)
{
	struct cd_lexer ahead = p->lx;
	struct cd_token tok = {.kind = CD_TOK_END};

	if (cd_lex_token(&ahead, &tok))
		tok.kind = CD_TOK_END;
	return tok;
}

/* Reads the token behind the current one. */
static int fetch(struct cd_parser *p)
{
	struct cd_lex_comment comment;
	struct cd_token ahead = {.kind = CD_TOK_END};
	bool looked = false;
	int err = 0;

	while (!err && cd_lex_comment(&p->lx, &comment)) {
		if (!looked)
			ahead = cd_parse_peek(p);
		looked = true;
		err = sort_comment(p, &comment, ahead.kind == CD_TOK_END);
	}
	p->blank = p->lx.blank;
	if (!err)
		err = cd_lex_token(&p->lx, &p->tok);
	if (err)
		p->fatal = err;
	else if (p->tok.text.len > CD_MAX_STRING && p->tok.kind != CD_TOK_BAD)
		err = cd_parse_limit(p, "bytes in one word or string",
				     CD_MAX_STRING);
	return err;
}

int cd_parse_next(struct cd_parser *p)
{
	int err = p->statement ? give_pending(p) : 0;

	p->end = (struct cd_ast_span){p->file, p->lx.line, p->lx.column};
	return err ? err : fetch(p);
}

/* ---- messages ---------------------------------------------------------- */
static const char *file_name(const struct cd_parser *p)
{
	return p->policy->files[p->file].name.ptr;
}

int cd_parse_error(struct cd_parser *p, struct cd_ast_span span,
		   const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	cd_diag_add(p->diag, CD_ERROR, file_name(p), span.line, span.column,
		    "%s", text);
	return CD_E_SYNTAX;
}

int cd_parse_expected(struct cd_parser *p, const char *what)
{
	char quoted[QUOTE_SIZE];

	switch (p->tok.kind) {
	case CD_TOK_BAD:
		return cd_parse_error(p, cd_parse_span(p), "%.*s",
				      CD_STR_FMT(p->tok.text));
	case CD_TOK_END:
		cd_parse_error(p, p->end,
			       "expected %s before the end of the statement",
			       what);
		if (p->tok.next_column)
			cd_diag_hint(
				p->diag,
				"further lines of a statement are indented");
		return CD_E_SYNTAX;
	default:
		return cd_parse_error(
			p, cd_parse_span(p), "expected %s, found %s", what,
			cd_quote(p->tok.text, quoted, sizeof(quoted)));
	}
}

int cd_parse_limit(struct cd_parser *p, const char *what, unsigned int max)
{
	cd_parse_error(p, cd_parse_span(p), "more than %u %s", max, what);
	return CD_E_LIMIT;
}

void cd_parse_suggest(struct cd_parser *p, struct cd_str got,
		      const char *const *words)
{
	if (p->tok.kind != CD_TOK_BAD)
		cd_suggest_near(p->diag, got, words);
}

/* The prefix that has these bits in front. */
static void suggest_exact(struct cd_parser *p, struct cd_str text)
{
	char shown[CD_ADDR_SIZE];
	struct cd_prefix prefix;
	struct cd_addr first;

	if (cd_prefix_parse(text, &prefix))
		return;
	first = cd_prefix_first(&prefix);
	cd_addr_format(&first, shown, sizeof(shown));
	cd_diag_hint(p->diag, "did you mean '%s/%u'?", shown, prefix.len);
}

int cd_parse_literal_error(struct cd_parser *p, struct cd_ast_span span,
			   int err, struct cd_str text, const char *wanted)
{
	char quoted[QUOTE_SIZE];

	cd_quote(text, quoted, sizeof(quoted));
	if (err == -ENOMEM || err == CD_E_LIMIT)
		return p->fatal = err;
	if (err == -ERANGE) {
		err = cd_parse_error(p, span, "%s is out of range", quoted);
		cd_diag_hint(p->diag, "expected %s", wanted);
		return err;
	}
	if (err == -EDOM) {
		err = cd_parse_error(p, span,
				     "%s has bits set beyond its prefix length",
				     quoted);
		suggest_exact(p, text);
		return err;
	}
	return cd_parse_error(p, span, "expected %s, found %s", wanted, quoted);
}

/* ---- words ------------------------------------------------------------- */
bool cd_parse_at(const struct cd_parser *p, const char *word)
{
	return p->tok.kind == CD_TOK_WORD &&
	       cd_str_equal(p->tok.text, cd_str_from(word));
}

int cd_parse_accept(struct cd_parser *p, const char *word)
{
	int err;

	if (!cd_parse_at(p, word))
		return 0;
	err = cd_parse_next(p);
	return err ? err : 1;
}

int cd_parse_word(struct cd_parser *p, const char *word)
{
	const char *words[] = {word, NULL};
	char what[40];
	int err;

	if (cd_parse_at(p, word))
		return cd_parse_next(p);
	snprintf(what, sizeof(what), "'%s'", word);
	err = cd_parse_expected(p, what);
	if (p->tok.kind == CD_TOK_WORD)
		cd_parse_suggest(p, p->tok.text, words);
	return err;
}

int cd_parse_comma(struct cd_parser *p)
{
	int err;

	if (p->tok.kind != CD_TOK_COMMA)
		return 0;
	err = cd_parse_next(p);
	return err ? err : 1;
}

int cd_parse_choice(struct cd_parser *p, const char *const *words,
		    const char *what)
{
	int err;

	for (int i = 0; words[i]; i++)
		if (cd_parse_at(p, words[i])) {
			err = cd_parse_next(p);
			return err ? err : i;
		}
	err = cd_parse_expected(p, what);
	if (p->tok.kind == CD_TOK_WORD)
		cd_parse_suggest(p, p->tok.text, words);
	return err;
}

int cd_parse_text(struct cd_parser *p, const char *what, struct cd_str *ret)
{
	if (p->tok.kind != CD_TOK_WORD && p->tok.kind != CD_TOK_STRING)
		return cd_parse_expected(p, what);
	*ret = p->tok.text;
	return cd_parse_next(p);
}

/* Words that begin or join clauses. A name that is one of them is quoted
 * where it is used, and cannot be given to something new: `from group to app
 * x` must be an error about a missing name. */
static const char *const reserved[] = {
	"from", "to",	   "except",	"on",	  "when",    "with",
	"mode", "owner",   "reason",	"until",  "and",     "or",
	"not",	"in",	   "where",	"cidr",	  "given",   "expect",
	"by",	"at",	   "method",	"path",	  "service", "port",
	"fail", "reaches", "interface", "change", NULL,
};

bool cd_word_is_reserved(struct cd_str word)
{
	for (const char *const *w = reserved; *w; w++)
		if (cd_str_equal(word, cd_str_from(*w)))
			return true;
	return false;
}

static bool is_name_byte(char c, bool definition)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-')
		return true;
	return !definition && (c == '@' || c == '+');
}

bool cd_name_is_bare(struct cd_str name, bool definition)
{
	if (name.len == 0 || name.ptr[0] == '-' || name.ptr[0] == '.' ||
	    cd_word_is_reserved(name))
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!is_name_byte(name.ptr[i], definition))
			return false;
	return true;
}

static int take_name(struct cd_parser *p, struct cd_ast_name *ret)
{
	if (p->tok.text.len > CD_MAX_NAME)
		return cd_parse_limit(p, "bytes in a name", CD_MAX_NAME);
	*ret = (struct cd_ast_name){p->tok.text, cd_parse_span(p)};
	return cd_parse_next(p);
}

int cd_parse_name(struct cd_parser *p, const char *what,
		  struct cd_ast_name *ret)
{
	if (p->tok.kind == CD_TOK_STRING && p->tok.text.len)
		return take_name(p, ret);
	if (p->tok.kind != CD_TOK_WORD || cd_word_is_reserved(p->tok.text))
		return cd_parse_expected(p, what);
	if (!cd_name_is_bare(p->tok.text, false)) {
		cd_parse_expected(p, what);
		cd_diag_hint(
			p->diag,
			"put a name that is not letters, digits and _ . - @ + in quotes");
		return CD_E_SYNTAX;
	}
	return take_name(p, ret);
}

int cd_parse_new_name(struct cd_parser *p, struct cd_ast_name *ret)
{
	if (p->tok.kind == CD_TOK_WORD && cd_name_is_bare(p->tok.text, true))
		return take_name(p, ret);
	cd_parse_expected(p, "a new name");
	if (p->tok.kind == CD_TOK_WORD && cd_word_is_reserved(p->tok.text))
		cd_diag_hint(p->diag, "'%.*s' is a word of the language",
			     CD_STR_FMT(p->tok.text));
	else if (p->tok.kind == CD_TOK_WORD || p->tok.kind == CD_TOK_STRING)
		cd_diag_hint(p->diag, "names are letters, digits and _ . -");
	return CD_E_SYNTAX;
}

int cd_parse_string(struct cd_parser *p, const char *what, uint32_t max,
		    struct cd_ast_name *ret)
{
	if (p->tok.kind != CD_TOK_STRING || p->tok.text.len == 0)
		return cd_parse_expected(p, what);
	if (p->tok.text.len > max)
		return cd_parse_limit(p, "bytes in this string", max);
	*ret = (struct cd_ast_name){p->tok.text, cd_parse_span(p)};
	return cd_parse_next(p);
}

int cd_parse_duration(struct cd_parser *p, uint32_t *ret_seconds)
{
	struct cd_ast_span span = cd_parse_span(p);
	const char *wanted = cd_literal_wanted(CD_T_DURATION);
	struct cd_str text;
	int err = cd_parse_text(p, wanted, &text);

	if (err)
		return err;
	err = cd_literal_duration(text, ret_seconds);
	return err ? cd_parse_literal_error(p, span, err, text, wanted) : 0;
}

int cd_parse_uint(struct cd_parser *p, const char *what, uint32_t min,
		  uint32_t max, uint32_t *ret)
{
	struct cd_ast_span span = cd_parse_span(p);
	struct cd_str text;
	uint64_t n;
	int err = cd_parse_text(p, what, &text);

	if (err)
		return err;
	err = cd_str_parse_u64(text, &n);
	if (err)
		return cd_parse_literal_error(p, span, err, text, what);
	if (n < min || n > max)
		return cd_parse_error(p, span, "expected %s from %u to %u",
				      what, min, max);
	*ret = (uint32_t)n;
	return 0;
}
