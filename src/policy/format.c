// SPDX-License-Identifier: Apache-2.0
/*
 * The one canonical layout: clauses of rules, tests and apps on lines of
 * their own, everything else on one, lines broken at 80 columns, comments
 * where they were. Formatting formatted text changes nothing, because where
 * things go depends on the tree alone.
 *
 * A comment behind a clause stays behind it; of several, all but the last
 * move before it. Own-line comments stand before their clause.
 */
#include "policy/print.h"

#include <stdlib.h>

#define WIDTH 80
#define CLAUSES_MAX (CD_CLAUSE_EXPECT + 1)

struct printer {
	struct cd_buf *out;
	struct cd_buf clause; /* text of the clause in hand */
	int err; /* of any clause so far */
	const struct cd_ast *statement;
};

static void line_end(struct printer *pr)
{
	cd_buf_char(pr->out, '\n');
}

static void blanks(struct printer *pr, unsigned int n)
{
	cd_buf_printf(pr->out, "%*s", (int)n, "");
}

/* An empty line, but never at the beginning of the file. */
static void empty_line(struct printer *pr, bool wanted)
{
	if (wanted && pr->out->len)
		line_end(pr);
}

static void comment_line(struct printer *pr, struct cd_str text,
			 unsigned int indent)
{
	blanks(pr, indent);
	cd_buf_str(pr->out, text);
	line_end(pr);
}

/* The comment that stays behind the clause, or NULL. */
static const struct cd_ast_comment *end_comment(const struct cd_ast *s,
						uint32_t clause)
{
	const struct cd_ast_comment *last = NULL;

	for (uint32_t i = 0; i < s->n_comments; i++)
		if (s->comments[i].clause == clause && !s->comments[i].own_line)
			last = &s->comments[i];
	return last;
}

/* Comments before a clause. `force`: an empty line before the first thing;
 * what is left of it is returned. */
static bool comments_before(struct printer *pr, uint32_t clause,
			    unsigned int indent, bool force)
{
	const struct cd_ast *s = pr->statement;
	const struct cd_ast_comment *end = end_comment(s, clause);

	for (uint32_t i = 0; i < s->n_comments; i++) {
		const struct cd_ast_comment *c = &s->comments[i];

		if (c->clause != clause || c == end)
			continue;
		if (clause == 0)
			empty_line(pr, force || c->blank_before);
		force = false;
		comment_line(pr, c->text, indent);
	}
	return force;
}

/* Columns up to the next place where the line may be broken. */
static size_t piece_length(struct cd_str text)
{
	const char *end = memchr(text.ptr, CD_PRINT_BREAK, text.len);

	return end ? (size_t)(end - text.ptr) : text.len;
}

static void put_wrapped(struct printer *pr, struct cd_str text,
			unsigned int indent, unsigned int hang)
{
	size_t column = indent, n;

	blanks(pr, indent);
	while (text.len) {
		n = piece_length(text);
		cd_buf_put(pr->out, text.ptr, n);
		column += n;
		text = cd_str_make(text.ptr + n, text.len - n);
		if (!text.len)
			break;
		text = cd_str_make(text.ptr + 1, text.len - 1);
		if (column + 1 + piece_length(text) <= WIDTH) {
			cd_buf_char(pr->out, ' ');
			column++;
			continue;
		}
		line_end(pr);
		blanks(pr, hang);
		column = hang;
	}
}

static void put_clause(struct printer *pr, uint32_t clause, unsigned int indent,
		       unsigned int hang)
{
	const struct cd_ast_comment *end = end_comment(pr->statement, clause);

	put_wrapped(pr, cd_buf_get(&pr->clause), indent, hang);
	if (end) {
		cd_buf_puts(pr->out, "  ");
		cd_buf_str(pr->out, end->text);
	}
	line_end(pr);
}

static bool is_block(const struct cd_ast *s)
{
	return s->kind == CD_AST_APP || s->kind == CD_AST_RULE ||
	       s->kind == CD_AST_TEST;
}

static uint32_t clause_count(const struct cd_ast *s)
{
	if (s->kind == CD_AST_APP)
		return ((const struct cd_ast_app *)(const void *)s)->n_settings +
		       1;
	return is_block(s) ? CLAUSES_MAX : 1;
}

/* The clause's text into pr->clause; the buffer forgets its error when it is
 * cleared for the next one, so the error is kept here. */
static bool print_clause(struct printer *pr, uint32_t clause)
{
	bool there;

	cd_buf_clear(&pr->clause);
	there = cd_print_clause(&pr->clause, pr->statement, clause);
	if (!pr->err)
		pr->err = pr->clause.err;
	return there;
}

/* The indented line of each clause; comments of one that is not there (it
 * cannot be, but for trees from elsewhere) are kept as lines. */
static void put_clauses(struct printer *pr)
{
	uint32_t n = clause_count(pr->statement);

	for (uint32_t clause = 1; clause < n; clause++) {
		comments_before(pr, clause, 2, false);
		if (print_clause(pr, clause))
			put_clause(pr, clause, 2,
				   pr->statement->kind == CD_AST_TEST ? 8 : 7);
	}
	comments_before(pr, CD_AST_TAIL, 2, false);
}

static void put_statement(struct printer *pr, const struct cd_ast *s,
			  bool force)
{
	pr->statement = s;
	force = comments_before(pr, 0, 0, force);
	empty_line(pr, force || s->blank_before);
	print_clause(pr, 0);
	put_clause(pr, 0, 0, 4);
	put_clauses(pr);
}

static void put_file(struct printer *pr, const struct cd_ast_file *file)
{
	bool after_block = false;

	for (uint32_t i = 0; i < file->n_items; i++) {
		const struct cd_ast *s = file->items[i];

		put_statement(pr, s, after_block || is_block(s));
		after_block = is_block(s);
	}
	for (uint32_t i = 0; i < file->n_end; i++) {
		empty_line(pr, after_block || file->end[i].blank_before);
		after_block = false;
		comment_line(pr, file->end[i].text, 0);
	}
}

int cd_policy_format(const struct cd_policy *policy, size_t file,
		     char **ret_text, size_t *ret_len)
{
	struct cd_buf out cd_auto(cd_buf_done);
	struct printer pr = {.out = &out};
	size_t len;
	char *text;
	int err;

	cd_buf_init(&out, CD_MAX_FILE_SIZE * (size_t)8);
	if (file >= policy->n_files)
		return -EINVAL;
	cd_buf_init(&pr.clause, CD_MAX_FILE_SIZE * (size_t)8);
	put_file(&pr, &policy->files[file]);
	err = out.err ? out.err : pr.err;
	cd_buf_done(&pr.clause);
	len = out.len;
	text = err ? NULL : cd_buf_take(&out);
	if (!text)
		return err ? err : -ENOMEM;
	*ret_text = text;
	*ret_len = len;
	return 0;
}
