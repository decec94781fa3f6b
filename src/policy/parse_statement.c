// SPDX-License-Identifier: Apache-2.0
/*
 * Statements by their first word, and the parse of whole files. The short
 * statements (segment to posture) are here; rules, tests and assertions are
 * in parse_rule.c, apps in settings.c.
 */
#include "policy/parser.h"

/* ---- short statements -------------------------------------------------- */
static int parse_version(struct cd_parser *p, struct cd_ast *head cd_unused)
{
	struct cd_ast_span span = cd_parse_span(p);
	struct cd_str text;
	int err = cd_parse_text(p, "a version number", &text);

	if (!err && !cd_str_equal(text, CD_STR("1")))
		err = cd_parse_error(
			p, span,
			"this program reads version 1 of the policy language only");
	return err;
}

static int parse_cidr(struct cd_parser *p, struct cd_ast_segment *s)
{
	const char *wanted = "a prefix such as 10.0.0.0/8";
	int err;

	do {
		struct cd_ast_prefix prefix = {.span = cd_parse_span(p)};
		struct cd_str text;

		err = cd_parse_text(p, wanted, &text);
		if (err)
			return err;
		err = cd_literal_prefix(text, &prefix);
		if (err)
			return cd_parse_literal_error(p, prefix.span, err, text,
						      wanted);
		err = cd_parse_push_item(p, s->prefixes, s->n_prefixes, prefix);
		if (!err)
			err = cd_parse_comma(p);
	} while (err == 1);
	return err;
}

/* Interface names as the kernel takes them: up to 15 bytes. */
static int parse_interfaces(struct cd_parser *p, struct cd_ast_segment *s)
{
	struct cd_ast_name name;
	int err;

	do {
		err = cd_parse_name(p, "the name of an interface", &name);
		if (!err && name.s.len > 15)
			err = cd_parse_error(
				p, name.span,
				"an interface has at most 15 letters");
		if (!err)
			err = cd_parse_push_item(p, s->interfaces,
						 s->n_interfaces, name);
		if (!err)
			err = cd_parse_comma(p);
	} while (err == 1);
	return err;
}

static int parse_fail(struct cd_parser *p, struct cd_ast_segment *s)
{
	static const char *const words[] = {"closed", "open", "hold", NULL};
	int i = cd_parse_choice(p, words, "closed, open or hold");

	if (i < 0)
		return i;
	s->fail_given = true;
	s->fail = (enum cd_ast_fail)i;
	return s->fail == CD_FAIL_HOLD ? cd_parse_duration(p, &s->hold) : 0;
}

static int parse_segment(struct cd_parser *p, struct cd_ast *head)
{
	struct cd_ast_segment *s = (void *)head;
	int err = cd_parse_new_name(p, &head->name);

	if (!err)
		err = cd_parse_accept(p, "in");
	if (err == 1)
		err = cd_parse_name(p, "the name of a segment", &s->parent);
	if (!err)
		err = cd_parse_word(p, "cidr");
	if (!err)
		err = parse_cidr(p, s);
	if (!err)
		err = cd_parse_accept(p, "interface");
	if (err == 1)
		err = parse_interfaces(p, s);
	if (!err)
		err = cd_parse_accept(p, "fail");
	return err == 1 ? parse_fail(p, s) : err;
}

static int parse_hosts(struct cd_parser *p, struct cd_ast *head)
{
	struct cd_ast_hosts *h = (void *)head;
	int err = cd_parse_new_name(p, &head->name);

	if (!err)
		err = cd_parse_word(p, "where");
	return err ? err : cd_parse_cond(p, CD_IN_HOSTS, &h->where);
}

static int parse_equals(struct cd_parser *p)
{
	if (p->tok.kind != CD_TOK_OP || p->tok.op != CD_OP_EQ)
		return cd_parse_expected(p, "'='");
	return cd_parse_next(p);
}

/* `group` or `user` before each, or once for those that follow. */
static int parse_members(struct cd_parser *p, struct cd_ast_group *g)
{
	static const char *const words[] = {"user", "group", NULL};
	int kind, err = 0;

	kind = cd_parse_choice(p, words, "user or group");
	while (kind >= 0) {
		struct cd_ast_member m = {.is_group = kind == 1};
		struct cd_token next;

		err = cd_parse_name(p, "a name", &m.name);
		if (!err)
			err = cd_parse_push_item(p, g->members, g->n_members,
						 m);
		if (!err)
			err = cd_parse_comma(p);
		if (err != 1)
			return err;
		next = cd_parse_peek(p);
		if ((cd_parse_at(p, "user") || cd_parse_at(p, "group")) &&
		    (next.kind == CD_TOK_WORD || next.kind == CD_TOK_STRING))
			kind = cd_parse_choice(p, words, "user or group");
	}
	return kind;
}

static int parse_group(struct cd_parser *p, struct cd_ast *head)
{
	int err = cd_parse_new_name(p, &head->name);

	if (!err)
		err = parse_equals(p);
	return err ? err : parse_members(p, (void *)head);
}

static int parse_service(struct cd_parser *p, struct cd_ast *head)
{
	struct cd_ast_service *s = (void *)head;
	int err = cd_parse_new_name(p, &head->name);

	return err ? err : cd_parse_ports(p, &s->ports, &s->n_ports);
}

static int parse_domains(struct cd_parser *p, struct cd_ast *head)
{
	const char *wanted =
		"a DNS name such as www.example.com or *.example.com";
	struct cd_ast_domains *d = (void *)head;
	int err = cd_parse_new_name(p, &head->name);

	while (!err) {
		struct cd_ast_domain name = {.span = cd_parse_span(p)};
		struct cd_str text;

		err = cd_parse_text(p, wanted, &text);
		if (err)
			return err;
		err = cd_literal_domain(p->arena, text, &name);
		if (err)
			return cd_parse_literal_error(p, name.span, err, text,
						      wanted);
		err = cd_parse_push_item(p, d->names, d->n_names, name);
		if (!err)
			err = cd_parse_comma(p);
		if (err != 1)
			return err;
		err = 0;
	}
	return err;
}

static int parse_feed(struct cd_parser *p, struct cd_ast *head)
{
	static const char *const words[] = {"file", "url", NULL};
	static const char *const modes[] = {"report", NULL};
	struct cd_ast_feed *f = (void *)head;
	int i, err = cd_parse_new_name(p, &head->name);

	if (err)
		return err;
	i = cd_parse_choice(p, words, "file or url");
	if (i < 0)
		return i;
	f->is_url = i == 1;
	err = cd_parse_string(p, "a place in quotes", CD_MAX_STRING,
			      &f->location);
	if (!err)
		err = cd_parse_accept(p, "refresh");
	if (err == 1)
		err = cd_parse_duration(p, &f->refresh);
	if (!err)
		err = cd_parse_accept(p, "mode");
	if (err != 1)
		return err;
	i = cd_parse_choice(p, modes, "report");
	f->report = true;
	return i < 0 ? i : 0;
}

static int parse_posture(struct cd_parser *p, struct cd_ast *head)
{
	struct cd_ast_posture *posture = (void *)head;
	int err = cd_parse_new_name(p, &head->name);

	if (!err)
		err = parse_equals(p);
	return err ? err : cd_parse_cond(p, CD_IN_POSTURE, &posture->cond);
}

static int parse_deny(struct cd_parser *p, struct cd_ast *head)
{
	((struct cd_ast_rule *)(void *)head)->deny = true;
	return cd_parse_rule(p, head);
}

/* ---- one statement ----------------------------------------------------- */
static const struct statement_form {
	const char *word;
	enum cd_ast_kind kind;
	size_t size;
	int (*parse)(struct cd_parser *p, struct cd_ast *head);
} forms[] = {
	{"version", CD_AST_VERSION, sizeof(struct cd_ast), parse_version},
	{"segment", CD_AST_SEGMENT, sizeof(struct cd_ast_segment),
	 parse_segment},
	{"hosts", CD_AST_HOSTS, sizeof(struct cd_ast_hosts), parse_hosts},
	{"group", CD_AST_GROUP, sizeof(struct cd_ast_group), parse_group},
	{"service", CD_AST_SERVICE, sizeof(struct cd_ast_service),
	 parse_service},
	{"domains", CD_AST_DOMAINS, sizeof(struct cd_ast_domains),
	 parse_domains},
	{"feed", CD_AST_FEED, sizeof(struct cd_ast_feed), parse_feed},
	{"posture", CD_AST_POSTURE, sizeof(struct cd_ast_posture),
	 parse_posture},
	{"app", CD_AST_APP, sizeof(struct cd_ast_app), cd_parse_app},
	{"allow", CD_AST_RULE, sizeof(struct cd_ast_rule), cd_parse_rule},
	{"deny", CD_AST_RULE, sizeof(struct cd_ast_rule), parse_deny},
	{"test", CD_AST_TEST, sizeof(struct cd_ast_test), cd_parse_test},
	{"assert", CD_AST_ASSERT, sizeof(struct cd_ast_assert),
	 cd_parse_assert},
};

static const struct statement_form *find_form(struct cd_parser *p)
{
	static const char *const words[] = {"version", "segment", "hosts",
					    "group",   "service", "domains",
					    "feed",    "posture", "app",
					    "allow",   "deny",	  "test",
					    "assert",  NULL};

	for (size_t i = 0; i < CD_ARRAY_SIZE(forms); i++)
		if (cd_parse_at(p, forms[i].word))
			return &forms[i];
	cd_parse_expected(p, "a statement (segment, app, allow, deny, ...)");
	if (p->tok.kind == CD_TOK_WORD)
		cd_parse_suggest(p, p->tok.text, words);
	return NULL;
}

/* Statements, counted against their limit. */
static int count(struct cd_parser *p, enum cd_ast_kind kind)
{
	if (kind == CD_AST_VERSION)
		return 0;
	if (kind == CD_AST_APP)
		return ++p->n_apps > CD_MAX_APPS ?
			       cd_parse_limit(p, "apps", CD_MAX_APPS) :
			       0;
	if (kind >= CD_AST_RULE)
		return ++p->n_rules > CD_MAX_RULES ?
			       cd_parse_limit(p, "rules, tests and assertions",
					      CD_MAX_RULES) :
			       0;
	return ++p->n_sets > CD_MAX_SETS ?
		       cd_parse_limit(p, "definitions", CD_MAX_SETS) :
		       0;
}

static int keep_statement(struct cd_parser *p, struct cd_ast *s)
{
	struct cd_policy *policy = p->policy;
	struct cd_ast_file *file = &policy->files[p->file];
	int err = cd_parse_push(p, file->items, file->n_items, s);

	s->number = policy->n_of_kind[s->kind];
	return err ? err :
		     cd_parse_push(p, policy->of_kind[s->kind],
				   policy->n_of_kind[s->kind], s);
}

static int parse_statement(struct cd_parser *p)
{
	const struct statement_form *form = find_form(p);
	struct cd_ast *s;
	int err;

	if (!form)
		return CD_E_SYNTAX;
	err = count(p, form->kind);
	if (err)
		return err;
	s = cd_arena_alloc(p->arena, form->size);
	if (!s)
		return p->fatal = cd_arena_is_full(p->arena) ? CD_E_LIMIT :
							       -ENOMEM;
	s->kind = form->kind;
	s->span = cd_parse_span(p);
	s->name.span = s->span;
	s->blank_before = p->blank;
	p->statement = s;
	p->clause = CD_CLAUSE_HEAD;
	err = cd_parse_next(p);
	if (!err)
		err = form->parse(p, s);
	if (!err && p->tok.kind != CD_TOK_END)
		err = cd_parse_expected(p, "the end of the statement");
	return err ? err : keep_statement(p, s);
}

/* ---- files ------------------------------------------------------------- */
/* Passes over what is left of a statement that did not parse. */
static int recover(struct cd_parser *p)
{
	int err = 0;

	p->statement = NULL;
	while (!err && p->tok.kind != CD_TOK_END)
		err = cd_lex_token(&p->lx, &p->tok);
	p->n_pending = 0;
	p->pending = NULL;
	return err;
}

static int note_result(struct cd_parser *p, int err)
{
	if (err && !p->result)
		p->result = err;
	return p->fatal;
}

static int parse_file(struct cd_parser *p, struct cd_str text)
{
	struct cd_ast_file *file = &p->policy->files[p->file];
	int err;

	cd_lex_init(&p->lx, p->arena, text);
	p->pending = NULL;
	p->n_pending = 0;
	p->tok = (struct cd_token){.kind = CD_TOK_END, .next_column = 1};
	for (;;) {
		p->statement = NULL;
		p->lx.fresh = true;
		err = cd_parse_next(p);
		if (note_result(p, err))
			return p->fatal;
		if (!err && p->tok.kind == CD_TOK_END)
			break;
		if (!err && p->tok.column > 1)
			err = cd_parse_error(p, cd_parse_span(p),
					     "a statement begins in column 1");
		if (!err)
			err = parse_statement(p);
		if (note_result(p, err))
			return p->fatal;
		if (err)
			p->fatal = recover(p);
		if (p->fatal)
			return p->fatal;
	}
	file->end = p->pending;
	file->n_end = p->n_pending;
	return 0;
}

/* What can be said without parsing: size and bytes. */
static int check_source(struct cd_parser *p, const struct cd_source *source)
{
	struct cd_ast_span span = {.file = p->file};
	const char *what;

	if (source->text.len > CD_MAX_FILE_SIZE) {
		cd_parse_error(p, span, "the file has more than %u bytes",
			       CD_MAX_FILE_SIZE);
		return CD_E_LIMIT;
	}
	if (cd_lex_scan(source->text, &span.line, &span.column, &what))
		return cd_parse_error(p, span, "%s", what);
	return 0;
}

static int parse_sources(struct cd_parser *p, const struct cd_source *sources,
			 size_t n)
{
	int err;

	for (p->file = 0; p->file < n; p->file++) {
		err = check_source(p, &sources[p->file]);
		if (!err)
			err = parse_file(p, sources[p->file].text);
		if (note_result(p, err))
			return p->fatal;
	}
	return p->result;
}

/* Arena room for n bytes of source: a tree takes some tens of bytes for each
 * byte of text, in the worst case. */
static size_t arena_limit(const struct cd_source *sources, size_t n)
{
	size_t total = (size_t)1 << 20;

	for (size_t i = 0; i < n; i++)
		total += CD_MIN(sources[i].text.len, CD_MAX_FILE_SIZE);
	return CD_MIN(total * 96, (size_t)1 << 32);
}

/* Names are borrowed: messages outlive a policy that did not parse. */
static int name_files(struct cd_policy *policy, const struct cd_source *sources,
		      size_t n)
{
	policy->files = cd_arena_array(policy->arena, n ? n : 1,
				       sizeof(*policy->files));
	if (!policy->files)
		return -ENOMEM;
	policy->n_files = (uint32_t)n;
	for (size_t i = 0; i < n; i++)
		policy->files[i].name = cd_str_from(
			sources[i].name ? sources[i].name : "policy");
	return 0;
}

int cd_policy_parse(const struct cd_source *sources, size_t n,
		    struct cd_diag *diag, struct cd_policy **ret_policy)
{
	struct cd_policy *policy cd_auto(cd_policy_free) = NULL;
	struct cd_parser p = {.diag = diag};
	int err;

	if (n > CD_MAX_FILES) {
		cd_diag_add(diag, CD_ERROR, NULL, 0, 0, "more than %u files",
			    CD_MAX_FILES);
		return CD_E_LIMIT;
	}
	policy = cd_calloc(1, sizeof(*policy));
	if (!policy)
		return -ENOMEM;
	err = cd_arena_new(arena_limit(sources, n), &policy->arena);
	if (!err)
		err = name_files(policy, sources, n);
	if (err)
		return err;
	p.policy = policy;
	p.arena = policy->arena;
	err = parse_sources(&p, sources, n);
	if (!err)
		err = cd_ast_index(policy);
	if (err == CD_E_LIMIT && p.fatal)
		cd_diag_add(diag, CD_ERROR, NULL, 0, 0,
			    "the policy needs too much memory");
	if (!err)
		*ret_policy = CD_TAKE(policy);
	return err;
}
