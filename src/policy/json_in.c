// SPDX-License-Identifier: Apache-2.0
/*
 * JSON to a policy, in three steps: the tables of schema.c turn JSON into a
 * raw tree; the raw tree is printed as text; the text is parsed. So a policy
 * from JSON passes through every check that a written one does, and there is
 * one parser to trust. Then raw and parsed tree are compared: what the
 * language has no form for (a name on `any`, an operator on `and`) would
 * silently be lost otherwise, and is an error instead.
 */
#include "policy/schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "policy/lex.h"
#include "policy/literal.h"
#include "policy/suggest.h"

/* Messages outlive the policy, so the name must be a constant. */
#define FILE_NAME "json"
#define TEXT_NAME "policy from json"
#define JSON_MAX ((size_t)CD_MAX_FILE_SIZE * 16)

struct in {
	struct cd_json j;
	struct cd_arena *arena;
	struct cd_policy *policy; /* the raw one */
	struct cd_diag *diag;
	int err; /* the first, sticky */
};

/* ---- messages ---------------------------------------------------------- */
static int fail(struct in *in, const char *fmt, ...) cd_printf(2, 3);

static int fail(struct in *in, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (in->err)
		return in->err;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	cd_diag_add(in->diag, CD_ERROR, FILE_NAME, in->j.line, in->j.column,
		    "%s", text);
	return in->err = CD_E_SYNTAX;
}

static int no_memory(struct in *in)
{
	if (!in->err)
		in->err = cd_arena_is_full(in->arena) ? CD_E_LIMIT : -ENOMEM;
	return in->err;
}

static enum cd_json_event next(struct in *in)
{
	enum cd_json_event event = cd_json_next(&in->j);

	if (event == CD_JSON_ERROR)
		fail(in, "%s", in->j.error ? in->j.error : "not JSON");
	return event;
}

/* ---- scalars ----------------------------------------------------------- */
/* The text of the string at hand, clean as the lexer wants it. */
static int read_text(struct in *in, const char *what, struct cd_str *ret)
{
	uint32_t line, column;
	const char *problem;
	struct cd_str s;
	char *store;

	if (in->j.event != CD_JSON_STRING && in->j.event != CD_JSON_KEY)
		return fail(in, "'%s' is a string", what);
	store = cd_arena_alloc(in->arena, in->j.raw.len + 1);
	if (!store)
		return no_memory(in);
	if (cd_json_text(&in->j, store, in->j.raw.len + 1, &s))
		return fail(in, "'%s' is not text", what);
	/* The policy outlives the JSON: nothing is borrowed from it. */
	if (s.len && s.ptr != store)
		memcpy(store, s.ptr, s.len);
	s.ptr = store;
	if (cd_lex_scan(s, &line, &column, &problem))
		return fail(in, "'%s': %s", what, problem);
	if (memchr(s.len ? s.ptr : "", '\n', s.len))
		return fail(in, "'%s' is one line", what);
	if (s.len > CD_MAX_STRING * 4)
		return fail(in, "more than %u bytes in '%s'", CD_MAX_STRING * 4,
			    what);
	*ret = s;
	return 0;
}

static int find_word(struct in *in, const char *what, const char *const *words,
		     struct cd_str s)
{
	char quoted[80];

	for (int i = 0; words[i]; i++)
		if (cd_str_equal(s, cd_str_from(words[i])))
			return i;
	if (in->err)
		return in->err;
	fail(in, "'%s' is never %s", what, cd_quote(s, quoted, sizeof(quoted)));
	cd_suggest_word(in->diag, s, words);
	return in->err;
}

static void store_uint(const struct cd_field *f, void *p, uint64_t n)
{
	if (f->size == 1)
		*(uint8_t *)p = (uint8_t)n;
	else if (f->size == 2)
		*(uint16_t *)p = (uint16_t)n;
	else
		*(uint32_t *)p = (uint32_t)n;
}

static int read_uint(struct in *in, const struct cd_field *f, void *p)
{
	uint64_t max = f->size == 1 ? UINT8_MAX :
		       f->size == 2 ? UINT16_MAX :
				      UINT32_MAX;
	int64_t n;

	if (in->j.event != CD_JSON_NUMBER || cd_json_int(&in->j, &n) || n < 0 ||
	    (uint64_t)n > max)
		return fail(in, "'%s' is a whole number up to %llu", f->name,
			    (unsigned long long)max);
	store_uint(f, p, (uint64_t)n);
	return 0;
}

static int read_days(struct cd_str s, uint8_t *ret)
{
	struct cd_str rest = s;
	int err = 0;

	while (!err && rest.ptr)
		err = cd_literal_days(cd_str_split(rest, ',', &rest), ret);
	return err;
}

/* One time of day, by the reader of two. */
static int read_minutes(struct cd_str s, uint16_t *ret)
{
	char both[12];
	uint16_t other;

	if (s.len != 5)
		return -EINVAL;
	if (cd_str_equal(s, CD_STR("24:00"))) {
		*ret = 1440;
		return 0;
	}
	snprintf(both, sizeof(both), "%.*s-01:00", CD_STR_FMT(s));
	return cd_literal_hours(cd_str_from(both), ret, &other);
}

static int read_attr(struct cd_str s, enum cd_attr *ret)
{
	*ret = cd_attr_find(s);
	return *ret == CD_ATTR_NONE ? -EINVAL : 0;
}

static int read_literal(struct in *in, enum cd_field_kind kind, struct cd_str s,
			void *p)
{
	switch (kind) {
	case CD_F_VALUE:
		*(struct cd_ast_value *)p =
			(struct cd_ast_value){.type = CD_T_STRING, .s = s};
		return s.len ? 0 : -EINVAL;
	case CD_F_PREFIX:
		return cd_literal_prefix(s, p);
	case CD_F_PORT:
		return cd_literal_port(s, p);
	case CD_F_DOMAIN:
		return cd_literal_domain(in->arena, s, p);
	case CD_F_DURATION:
		return cd_literal_duration(s, p);
	case CD_F_UNTIL:
		return cd_literal_until(s, p);
	case CD_F_INSTANT: {
		struct cd_ast_value v = {.type = CD_T_TIME};
		int err = cd_literal_parse(in->arena, CD_T_TIME, s, &v);

		*(int64_t *)p = v.i;
		return err;
	}
	case CD_F_DAYS:
		return read_days(s, p);
	case CD_F_MINUTES:
		return read_minutes(s, p);
	case CD_F_ATTR:
		return read_attr(s, p);
	default:
		return -EINVAL;
	}
}

/* ---- objects and lists ------------------------------------------------- */
static int read_object(struct in *in, const struct cd_schema *schema,
		       void *base, bool has_kind);

static void *new_object(struct in *in, const struct cd_schema *schema)
{
	void *p = cd_arena_alloc(in->arena, schema->size);

	if (!p)
		no_memory(in);
	return p;
}

/* The value whose first event is at hand. */
static int read_item(struct in *in, const struct cd_field *f,
		     enum cd_field_kind kind, void *p)
{
	char quoted[80];
	struct cd_str s;
	int i;

	switch (kind) {
	case CD_F_BOOL:
		if (in->j.event != CD_JSON_TRUE && in->j.event != CD_JSON_FALSE)
			return fail(in, "'%s' is true or false", f->name);
		*(bool *)p = in->j.event == CD_JSON_TRUE;
		return 0;
	case CD_F_UINT:
		return read_uint(in, f, p);
	case CD_F_OBJECT:
		return read_object(in, f->sub, p, false);
	case CD_F_POINTER:
		*(void **)p = new_object(in, f->sub);
		return *(void **)p ?
			       read_object(in, f->sub, *(void **)p, false) :
			       in->err;
	default:
		break;
	}
	if (read_text(in, f->name, &s))
		return in->err;
	if (kind == CD_F_NAME) {
		((struct cd_ast_name *)p)->s = s;
	} else if (kind == CD_F_STR) {
		*(struct cd_str *)p = s;
	} else if (kind == CD_F_ENUM) {
		i = find_word(in, f->name, f->words, s);
		if (i < 0)
			return i;
		store_uint(f, p, (uint64_t)i);
	} else if ((i = read_literal(in, kind, s, p)) != 0) {
		if (i == -ENOMEM || i == CD_E_LIMIT)
			return no_memory(in);
		fail(in, "'%s' is never %s", f->name,
		     cd_quote(s, quoted, sizeof(quoted)));
		if (kind == CD_F_ATTR && cd_attr_nearest(s) != CD_ATTR_NONE)
			cd_diag_hint(in->diag, "did you mean '%s'?",
				     cd_attr_get(cd_attr_nearest(s))->name);
		return in->err;
	}
	return 0;
}

/* Room for one more element, doubling. */
static char *grow(struct in *in, char *items, uint32_t n, size_t size)
{
	char *bigger;

	if (n != 0 && (n < 2 || (n & (n - 1)) != 0))
		return items;
	bigger = cd_arena_array(in->arena, n ? (size_t)n * 2 : 2, size);
	if (!bigger)
		no_memory(in);
	else if (n)
		memcpy(bigger, items, n * size);
	return bigger;
}

static int read_list(struct in *in, const struct cd_field *f, void *base)
{
	char **items = (char **)(void *)((char *)base + f->offset);
	uint32_t *n = (uint32_t *)(void *)((char *)base + f->n_offset);

	if (in->j.event != CD_JSON_ARRAY)
		return fail(in, "'%s' is a list", f->name);
	while (!in->err && next(in) != CD_JSON_ARRAY_END) {
		char *room = in->err ? NULL : grow(in, *items, *n, f->size);

		if (!room)
			return in->err;
		*items = room;
		if (*n == CD_MAX_LIST)
			return fail(in, "more than %u elements in '%s'",
				    CD_MAX_LIST, f->name);
		read_item(in, f, f->item, room + (size_t)(*n)++ * f->size);
	}
	return in->err;
}

#define FIELDS_MAX 64

static void suggest_field(struct in *in, const struct cd_schema *schema)
{
	const char *names[FIELDS_MAX + 1];
	size_t n = 0;

	for (; schema->fields[n].name && n < FIELDS_MAX; n++)
		names[n] = schema->fields[n].name;
	names[n] = NULL;
	cd_suggest_word(in->diag, in->j.raw, names);
}

static int find_field(struct in *in, const struct cd_schema *schema,
		      bool has_kind)
{
	char quoted[80];
	int i = 0;

	if (has_kind && cd_json_is(&in->j, "kind"))
		return -1;
	while (schema->fields[i].name &&
	       !cd_json_is(&in->j, schema->fields[i].name))
		i++;
	if (!schema->fields[i].name && !in->err) {
		fail(in, "there is no member %s here",
		     cd_quote(in->j.raw, quoted, sizeof(quoted)));
		suggest_field(in, schema);
	}
	return i;
}

static int read_field(struct in *in, const struct cd_field *f, void *base)
{
	next(in);
	if (in->err)
		return in->err;
	if (f->given_offset)
		*(bool *)((char *)base + f->given_offset) = true;
	if (f->kind == CD_F_LIST)
		return read_list(in, f, base);
	return read_item(in, f, f->kind, (char *)base + f->offset);
}

static void check_required(struct in *in, const struct cd_schema *schema,
			   uint32_t seen)
{
	for (int i = 0; schema->fields[i].name; i++)
		if (schema->fields[i].flags & CD_F_REQUIRED &&
		    !(seen & 1u << i))
			fail(in, "'%s' is missing", schema->fields[i].name);
}

static int read_object(struct in *in, const struct cd_schema *schema,
		       void *base, bool has_kind)
{
	uint32_t seen = 0;

	if (in->j.event != CD_JSON_OBJECT)
		return fail(in, "an object belongs here");
	if (schema->has_attr)
		*(enum cd_attr *)(void *)((char *)base + schema->attr_offset) =
			CD_ATTR_NONE;
	while (!in->err && next(in) == CD_JSON_KEY) {
		int i = find_field(in, schema, has_kind);

		if (in->err)
			return in->err;
		if (i < 0 && seen & 1u << 31)
			return fail(in, "'kind' is given twice");
		if (i < 0) {
			seen |= 1u << 31;
			cd_json_skip(&in->j);
			continue;
		}
		if (seen & 1u << i)
			return fail(in, "'%s' is given twice",
				    schema->fields[i].name);
		seen |= 1u << i;
		read_field(in, &schema->fields[i], base);
	}
	check_required(in, schema, seen);
	return in->err;
}

/* ---- statements and files ---------------------------------------------- */
/* "kind" may be anywhere in the object, so it is looked for first. */
static int find_kind(struct in *in, enum cd_ast_kind *ret)
{
	const char *words[CD_AST_KINDS + 1] = {NULL};
	struct in ahead = *in;
	struct cd_str s;
	int i;

	for (int k = 0; k < CD_AST_KINDS; k++)
		words[k] = cd_ast_kind_word((enum cd_ast_kind)k);
	if (in->j.event != CD_JSON_OBJECT)
		return fail(in, "a statement is an object");
	while (cd_json_next(&ahead.j) == CD_JSON_KEY &&
	       !cd_json_is(&ahead.j, "kind"))
		if (!cd_json_skip(&ahead.j))
			break;
	if (ahead.j.event != CD_JSON_KEY)
		return fail(in, "a statement has a 'kind'");
	cd_json_next(&ahead.j);
	if (read_text(&ahead, "kind", &s))
		return in->err = ahead.err;
	i = find_word(&ahead, "kind", words, s);
	if (i < 0)
		return in->err = ahead.err;
	*ret = (enum cd_ast_kind)i;
	return 0;
}

static int read_statement(struct in *in, struct cd_ast_file *file)
{
	enum cd_ast_kind kind = CD_AST_VERSION;
	struct cd_ast *s, **room;

	if (find_kind(in, &kind))
		return in->err;
	s = new_object(in, cd_schema_statement(kind));
	room = (struct cd_ast **)(void *)grow(in, (char *)file->items,
					      file->n_items, sizeof(*room));
	if (!s || !room)
		return no_memory(in);
	s->kind = kind;
	s->span = (struct cd_ast_span){0, in->j.line, in->j.column};
	file->items = room;
	file->items[file->n_items++] = s;
	return read_object(in, cd_schema_statement(kind), s, true);
}

static int read_statements(struct in *in, struct cd_ast_file *file)
{
	if (in->j.event != CD_JSON_ARRAY)
		return fail(in, "'statements' is a list");
	while (!in->err && next(in) != CD_JSON_ARRAY_END)
		if (!in->err)
			read_statement(in, file);
	return in->err;
}

static int read_end(struct in *in, struct cd_ast_file *file)
{
	const struct cd_field f = {
		.name = "end",
		.kind = CD_F_LIST,
		.item = CD_F_OBJECT,
		.offset = offsetof(struct cd_ast_file, end),
		.n_offset = offsetof(struct cd_ast_file, n_end),
		.size = sizeof(*file->end),
		.sub = &cd_schema_comment,
	};

	return read_list(in, &f, file);
}

static int read_file(struct in *in, struct cd_ast_file *file)
{
	unsigned int seen = 0, bit;

	file->name = CD_STR("policy");
	if (in->j.event != CD_JSON_OBJECT)
		return fail(in, "a file is an object");
	while (!in->err && next(in) == CD_JSON_KEY) {
		bit = cd_json_is(&in->j, "name")       ? 1 :
		      cd_json_is(&in->j, "statements") ? 2 :
		      cd_json_is(&in->j, "end")	       ? 4 :
							 0;
		if (!bit || seen & bit)
			return fail(
				in,
				"a file has name, statements and end, once each");
		seen |= bit;
		next(in);
		if (in->err)
			break;
		if (bit == 1)
			read_text(in, "name", &file->name);
		else if (bit == 2)
			read_statements(in, file);
		else
			read_end(in, file);
	}
	return in->err;
}

static int read_files(struct in *in)
{
	struct cd_policy *p = in->policy;

	if (in->j.event != CD_JSON_ARRAY)
		return fail(in, "'files' is a list");
	p->files = cd_arena_array(in->arena, CD_MAX_FILES, sizeof(*p->files));
	if (!p->files)
		return no_memory(in);
	while (!in->err && next(in) != CD_JSON_ARRAY_END && !in->err) {
		if (p->n_files == CD_MAX_FILES)
			return fail(in, "more than %u files", CD_MAX_FILES);
		read_file(in, &p->files[p->n_files++]);
	}
	return in->err;
}

static int read_policy(struct in *in)
{
	unsigned int seen = 0, bit;
	int64_t version = 0;

	if (next(in) != CD_JSON_OBJECT)
		return fail(in, "a policy is an object");
	while (!in->err && next(in) == CD_JSON_KEY) {
		bit = cd_json_is(&in->j, "cordon") ? 1 :
		      cd_json_is(&in->j, "files")  ? 2 :
						     0;
		if (!bit || seen & bit)
			return fail(in,
				    "a policy has cordon and files, once each");
		seen |= bit;
		next(in);
		if (bit == 2)
			read_files(in);
		else if (in->j.event != CD_JSON_NUMBER ||
			 cd_json_int(&in->j, &version) || version != 1)
			fail(in,
			     "this program reads version 1 of the JSON form");
	}
	if (!in->err && seen != 3)
		fail(in, "a policy has cordon and files");
	if (!in->err && next(in) != CD_JSON_END)
		fail(in, "nothing follows a policy");
	return in->err;
}

/* ---- what a printer may rely on ---------------------------------------- */
static int check_cond(const struct cd_ast_cond *c, unsigned int depth)
{
	bool kids = c->kind == CD_COND_AND || c->kind == CD_COND_OR ||
		    c->kind == CD_COND_NOT;

	if (depth > CD_MAX_NESTING)
		return -EINVAL;
	if (kids != (c->n_kids > 0) ||
	    (c->kind == CD_COND_NOT && c->n_kids != 1))
		return -EINVAL;
	for (uint32_t i = 0; i < c->n_kids; i++)
		if (check_cond(c->kids[i], depth + 1))
			return -EINVAL;
	switch (c->kind) {
	case CD_COND_COMPARE:
		return c->attr != CD_ATTR_NONE && c->n_values ? 0 : -EINVAL;
	case CD_COND_BOOL:
	case CD_COND_FEED:
		return c->attr != CD_ATTR_NONE ? 0 : -EINVAL;
	case CD_COND_LABEL:
		return c->n_values == 1 ? 0 : -EINVAL;
	default:
		return 0;
	}
}

static const struct cd_ast_cond *cond_of(const struct cd_ast *s)
{
	if (s->kind == CD_AST_HOSTS)
		return ((const struct cd_ast_hosts *)(const void *)s)->where;
	if (s->kind == CD_AST_POSTURE)
		return ((const struct cd_ast_posture *)(const void *)s)->cond;
	if (s->kind == CD_AST_RULE)
		return ((const struct cd_ast_rule *)(const void *)s)->when;
	return NULL;
}

static int say(struct in *in, const struct cd_ast *s, const char *what)
{
	cd_diag_add(in->diag, CD_ERROR, FILE_NAME, s->span.line, s->span.column,
		    "%s", what);
	return in->err = CD_E_SYNTAX;
}

static int check_raw(struct in *in)
{
	const struct cd_policy *p = in->policy;

	for (uint32_t f = 0; f < p->n_files; f++)
		for (uint32_t i = 0; i < p->files[f].n_items; i++) {
			const struct cd_ast *s = p->files[f].items[i];
			const struct cd_ast_cond *c = cond_of(s);

			if (c && check_cond(c, 1))
				return say(
					in, s,
					"a condition of this statement is incomplete, or nested too deep");
		}
	return 0;
}

/* ---- comparison -------------------------------------------------------- */
static bool same_object(const struct cd_schema *schema, const void *a,
			const void *b);

static bool same_item(const struct cd_field *f, enum cd_field_kind kind,
		      const void *a, const void *b)
{
	switch (kind) {
	case CD_F_VALUE: /* has several spellings; its parse was the check */
		return true;
	case CD_F_NAME:
		return cd_str_equal(((const struct cd_ast_name *)a)->s,
				    ((const struct cd_ast_name *)b)->s);
	case CD_F_STR:
		return cd_str_equal(*(const struct cd_str *)a,
				    *(const struct cd_str *)b);
	case CD_F_OBJECT:
		return same_object(f->sub, a, b);
	case CD_F_POINTER:
		return same_object(f->sub, *(const void *const *)a,
				   *(const void *const *)b);
	case CD_F_PREFIX: {
		const struct cd_ast_prefix *x = a, *y = b;

		return x->bits == y->bits &&
		       !memcmp(&x->addr, &y->addr, sizeof(x->addr));
	}
	case CD_F_PORT: {
		const struct cd_ast_port *x = a, *y = b;

		return x->proto == y->proto && x->lo == y->lo && x->hi == y->hi;
	}
	case CD_F_DOMAIN: {
		const struct cd_ast_domain *x = a, *y = b;

		return x->wildcard == y->wildcard &&
		       cd_str_equal(x->name, y->name);
	}
	default:
		return !memcmp(a, b, f->size);
	}
}

static bool same_list(const struct cd_field *f, const char *a, const char *b)
{
	const char *x = *(const char *const *)(const void *)(a + f->offset);
	const char *y = *(const char *const *)(const void *)(b + f->offset);
	uint32_t n = *(const uint32_t *)(const void *)(a + f->n_offset);

	if (n != *(const uint32_t *)(const void *)(b + f->n_offset))
		return false;
	/* Comments may have moved, and are all there. */
	if (f->flags & CD_F_LAYOUT)
		return true;
	for (uint32_t i = 0; i < n; i++)
		if (!same_item(f, f->item, x + (size_t)i * f->size,
			       y + (size_t)i * f->size))
			return false;
	return true;
}

static bool same_object(const struct cd_schema *schema, const void *a,
			const void *b)
{
	for (const struct cd_field *f = schema->fields; f->name; f++) {
		bool given = cd_field_is_given(f, a);

		if (f->kind == CD_F_LIST) {
			if (!same_list(f, a, b))
				return false;
			continue;
		}
		if (f->flags & CD_F_LAYOUT)
			continue;
		if (given != cd_field_is_given(f, b))
			return false;
		if (given && !same_item(f, f->kind, (const char *)a + f->offset,
					(const char *)b + f->offset))
			return false;
	}
	return true;
}

static int compare(struct in *in, const struct cd_policy *parsed)
{
	for (uint32_t f = 0; f < parsed->n_files; f++) {
		const struct cd_ast_file *a = &in->policy->files[f];
		const struct cd_ast_file *b = &parsed->files[f];

		for (uint32_t i = 0; i < a->n_items; i++) {
			const struct cd_ast *s = a->items[i];

			if (i >= b->n_items || b->items[i]->kind != s->kind ||
			    !same_object(cd_schema_statement(s->kind), s,
					 b->items[i]))
				return say(
					in, s,
					"this statement says something that the policy language has no form for");
		}
		if (a->n_items != b->n_items || a->n_end != b->n_end) {
			cd_diag_add(in->diag, CD_ERROR, FILE_NAME, 0, 0,
				    "a file has comments that are none");
			return CD_E_SYNTAX;
		}
	}
	return 0;
}

/* ---- from raw to parsed ------------------------------------------------ */
/* Every file as text in the raw policy's arena. */
static int print_files(struct in *in, struct cd_source *sources)
{
	int err = 0;

	for (uint32_t i = 0; i < in->policy->n_files && !err; i++) {
		char *text cd_auto(cd_freep) = NULL;
		size_t len;

		err = cd_policy_format(in->policy, i, &text, &len);
		if (!err)
			err = cd_arena_str(in->arena, cd_str_make(text, len),
					   &sources[i].text);
		sources[i].name = TEXT_NAME;
	}
	return err;
}

static int parse_printed(struct in *in, struct cd_policy **ret)
{
	struct cd_policy *parsed cd_auto(cd_policy_free) = NULL;
	struct cd_source *sources cd_auto(cd_freep) = NULL;
	uint32_t n = in->policy->n_files;
	int err;

	sources = cd_calloc(n, sizeof(*sources));
	if (!sources)
		return -ENOMEM;
	err = print_files(in, sources);
	if (!err)
		err = cd_policy_parse(sources, n, in->diag, &parsed);
	if (!err)
		err = compare(in, parsed);
	if (err)
		return err;
	for (uint32_t i = 0; i < n; i++)
		parsed->files[i].name = in->policy->files[i].name;
	*ret = CD_TAKE(parsed);
	return 0;
}

static int read_and_parse(struct in *in, struct cd_policy **ret)
{
	int err = read_policy(in);

	if (!err)
		err = check_raw(in);
	return err ? err : parse_printed(in, ret);
}

int cd_policy_from_json(struct cd_str json, struct cd_diag *diag,
			struct cd_policy **ret_policy)
{
	struct cd_policy *raw cd_auto(cd_policy_free) = NULL;
	struct cd_policy *parsed;
	struct in in = {.diag = diag};
	int err;

	if (json.len > JSON_MAX) {
		cd_diag_add(diag, CD_ERROR, FILE_NAME, 0, 0,
			    "the JSON has more than %zu bytes", JSON_MAX);
		return CD_E_LIMIT;
	}
	raw = cd_calloc(1, sizeof(*raw));
	if (!raw)
		return -ENOMEM;
	err = cd_arena_new(((size_t)1 << 20) + json.len * 64, &raw->arena);
	if (err)
		return err;
	in.policy = raw;
	in.arena = raw->arena;
	cd_json_init(&in.j, json);
	err = read_and_parse(&in, &parsed);
	if (err == CD_E_LIMIT && cd_diag_errors(diag) == 0)
		cd_diag_add(diag, CD_ERROR, FILE_NAME, 0, 0,
			    "the policy needs too much memory");
	if (err)
		return err;
	/* Its strings are borrowed from the raw policy's text. */
	parsed->from = CD_TAKE(raw);
	*ret_policy = parsed;
	return 0;
}
