// SPDX-License-Identifier: Apache-2.0
/*
 * Rules, tests and assertions: subjects, objects, ports, obligations. The
 * clauses behind `to` may come in any order and each once; the formatter puts
 * them into one.
 */
#include "policy/parser.h"

/* ---- ports and services ------------------------------------------------ */
int cd_parse_ports(struct cd_parser *p, struct cd_ast_port **ports, uint32_t *n)
{
	const char *wanted =
		"a port such as tcp/443, udp/53, tcp/8000-8100, icmp, icmp6 or any";
	int err;

	do {
		struct cd_ast_port port = {.span = cd_parse_span(p)};
		struct cd_str text;

		err = cd_parse_text(p, wanted, &text);
		if (err)
			return err;
		err = cd_literal_port(text, &port);
		if (err)
			return cd_parse_literal_error(p, port.span, err, text,
						      wanted);
		err = cd_parse_push_item(p, *ports, *n, port);
		if (!err)
			err = cd_parse_comma(p);
	} while (err == 1);
	return err;
}

static int parse_services(struct cd_parser *p, struct cd_ast_objects *to)
{
	int err;

	do {
		struct cd_ast_name name;

		err = cd_parse_name(p, "the name of a service", &name);
		if (!err)
			err = cd_parse_push_item(p, to->services,
						 to->n_services, name);
		if (!err)
			err = cd_parse_comma(p);
	} while (err == 1);
	return err;
}

/* [service NAME,... | port PORTS] */
static int parse_where_to(struct cd_parser *p, struct cd_ast_objects *to)
{
	int err = cd_parse_accept(p, "service");

	if (err)
		return err < 0 ? err : parse_services(p, to);
	err = cd_parse_accept(p, "port");
	return err <= 0 ? err : cd_parse_ports(p, &to->ports, &to->n_ports);
}

/* ---- subjects ---------------------------------------------------------- */
static const char *const subject_words[CD_SUBJ_KINDS + 1] = {
	[CD_SUBJ_ANY] = "any",
	[CD_SUBJ_PEOPLE] = "people",
	[CD_SUBJ_ANONYMOUS] = "anonymous",
	[CD_SUBJ_INTERNET] = "internet",
	[CD_SUBJ_USER] = "user",
	[CD_SUBJ_GROUP] = "group",
	[CD_SUBJ_HOSTS] = "hosts",
	[CD_SUBJ_SEGMENT] = "segment",
	[CD_SUBJ_SERVICE_ACCOUNT] = "service-account",
};

const char *cd_ast_subject_word(enum cd_ast_subject_kind kind)
{
	return subject_words[kind];
}

static int parse_subject(struct cd_parser *p, struct cd_ast_subject *ret)
{
	struct cd_ast_subject s = {.span = cd_parse_span(p)};
	int kind = cd_parse_choice(
		p, subject_words,
		"who (any, people, anonymous, internet, user, group, hosts, segment, service-account)");
	int err = 0;

	if (kind < 0)
		return kind;
	s.kind = (enum cd_ast_subject_kind)kind;
	if (s.kind >= CD_SUBJ_USER)
		err = cd_parse_name(p, "a name", &s.name);
	if (!err)
		*ret = s;
	return err;
}

static int parse_subject_list(struct cd_parser *p,
			      struct cd_ast_subject **items, uint32_t *n)
{
	struct cd_ast_subject s;
	int err;

	do {
		err = parse_subject(p, &s);
		if (!err)
			err = cd_parse_push_item(p, *items, *n, s);
		if (!err)
			err = cd_parse_comma(p);
	} while (err == 1);
	return err;
}

/* `on` begins the posture here, unless it is `on change`. */
static bool at_posture(const struct cd_parser *p)
{
	struct cd_token next;

	if (!cd_parse_at(p, "on"))
		return false;
	next = cd_parse_peek(p);
	return next.kind != CD_TOK_WORD ||
	       !cd_str_equal(next.text, CD_STR("change"));
}

static int parse_subjects(struct cd_parser *p, struct cd_ast_subjects *ret)
{
	int err = parse_subject_list(p, &ret->items, &ret->n_items);

	if (!err)
		err = cd_parse_accept(p, "except");
	if (err == 1)
		err = parse_subject_list(p, &ret->except, &ret->n_except);
	if (!err && at_posture(p)) {
		err = cd_parse_next(p);
		if (!err)
			err = cd_parse_name(p, "the name of a posture",
					    &ret->posture);
	}
	return err;
}

/* ---- objects ----------------------------------------------------------- */
static const char *const object_words[CD_OBJ_KINDS + 1] = {
	[CD_OBJ_ANY] = "any",		[CD_OBJ_INTERNET] = "internet",
	[CD_OBJ_APP] = "app",		[CD_OBJ_HOSTS] = "hosts",
	[CD_OBJ_SEGMENT] = "segment",	[CD_OBJ_DOMAINS] = "domains",
	[CD_OBJ_CATEGORY] = "category",
};

const char *cd_ast_object_word(enum cd_ast_object_kind kind)
{
	return object_words[kind];
}

/* Does a word continue a list of methods? They are upper case. */
static bool is_method(struct cd_str s)
{
	struct cd_ast_value v = {0};

	return !cd_literal_parse(NULL, CD_T_METHOD, s, &v);
}

static int parse_methods(struct cd_parser *p, struct cd_ast_object *o)
{
	struct cd_ast_value v;
	struct cd_token next;
	int err = cd_parse_next(p);

	while (!err) {
		struct cd_ast_name name;

		err = cd_parse_value(p, CD_T_METHOD, &v);
		if (err)
			return err;
		name = (struct cd_ast_name){v.s, v.span};
		err = cd_parse_push_item(p, o->methods, o->n_methods, name);
		if (err || p->tok.kind != CD_TOK_COMMA)
			return err;
		next = cd_parse_peek(p);
		if (next.kind != CD_TOK_WORD || !is_method(next.text))
			return 0;
		err = cd_parse_next(p);
	}
	return err;
}

static int parse_path(struct cd_parser *p, struct cd_ast_object *o)
{
	const char *problem;
	int err = cd_parse_next(p);

	if (!err)
		err = cd_parse_string(p, "a path in quotes such as \"/api/*\"",
				      CD_MAX_STRING, &o->path);
	if (err)
		return err;
	problem = cd_literal_path_problem(o->path.s);
	return problem ? cd_parse_error(p, o->path.span, "%s", problem) : 0;
}

static int parse_object(struct cd_parser *p, struct cd_ast_object *ret)
{
	struct cd_ast_object o = {.span = cd_parse_span(p)};
	int kind = cd_parse_choice(
		p, object_words,
		"what (any, internet, app, hosts, segment, domains, category)");
	int err = 0;

	if (kind < 0)
		return kind;
	o.kind = (enum cd_ast_object_kind)kind;
	if (o.kind >= CD_OBJ_APP)
		err = cd_parse_name(p, "a name", &o.name);
	if (!err && o.kind == CD_OBJ_APP && cd_parse_at(p, "method"))
		err = parse_methods(p, &o);
	if (!err && o.kind == CD_OBJ_APP && cd_parse_at(p, "path"))
		err = parse_path(p, &o);
	if (!err)
		*ret = o;
	return err;
}

static int parse_object_list(struct cd_parser *p, struct cd_ast_object **items,
			     uint32_t *n)
{
	struct cd_ast_object o;
	int err;

	do {
		err = parse_object(p, &o);
		if (!err)
			err = cd_parse_push_item(p, *items, *n, o);
		if (!err)
			err = cd_parse_comma(p);
	} while (err == 1);
	return err;
}

static int parse_objects(struct cd_parser *p, struct cd_ast_objects *ret)
{
	int err = parse_object_list(p, &ret->items, &ret->n_items);

	if (!err)
		err = cd_parse_accept(p, "except");
	if (err == 1)
		err = parse_object_list(p, &ret->except, &ret->n_except);
	return err ? err : parse_where_to(p, ret);
}

/* ---- obligations ------------------------------------------------------- */
static int again(struct cd_parser *p, struct cd_ast_span span, bool given)
{
	return given ? cd_parse_error(p, span,
				      "this obligation is given twice") :
		       0;
}

static int parse_record(struct cd_parser *p, struct cd_obligations *o,
			struct cd_ast_span span)
{
	int err = again(p, span, o->record);

	if (!err)
		err = cd_parse_accept(p, "required");
	if (err < 0)
		return err;
	o->record = true;
	o->record_required = err == 1;
	return 0;
}

static int parse_max(struct cd_parser *p, struct cd_obligations *o,
		     struct cd_ast_span span)
{
	int err = again(p, span, o->max);

	return err ? err : cd_parse_duration(p, &o->max);
}

static int parse_rate(struct cd_parser *p, struct cd_obligations *o,
		      struct cd_ast_span span)
{
	const char *wanted = "a rate such as 100/1m";
	struct cd_ast_span at = cd_parse_span(p);
	struct cd_str text;
	int err = again(p, span, o->rate_count);

	if (!err)
		err = cd_parse_text(p, wanted, &text);
	if (err)
		return err;
	err = cd_literal_rate(text, &o->rate_count, &o->rate_period);
	return err ? cd_parse_literal_error(p, at, err, text, wanted) : 0;
}

static int parse_no(struct cd_parser *p, struct cd_obligations *o,
		    struct cd_ast_span span)
{
	static const char *const words[] = {"clipboard", "upload", "download",
					    NULL};
	bool *const flags[] = {&o->no_clipboard, &o->no_upload,
			       &o->no_download};
	int i = cd_parse_choice(p, words, "clipboard, upload or download");
	int err = i < 0 ? i : again(p, span, *flags[i]);

	if (!err)
		*flags[i] = true;
	return err;
}

static int parse_obligations(struct cd_parser *p, struct cd_ast_rule *rule)
{
	static const char *const words[] = {"record", "max", "rate", "no",
					    NULL};
	static int (*const parsers[])(struct cd_parser *,
				      struct cd_obligations *,
				      struct cd_ast_span) = {
		parse_record, parse_max, parse_rate, parse_no};
	int err, i;

	rule->has_obligations = true;
	rule->with_span = cd_parse_span(p);
	do {
		struct cd_ast_span span = cd_parse_span(p);

		i = cd_parse_choice(p, words,
				    "an obligation (record, max, rate, no)");
		if (i < 0)
			return i;
		err = parsers[i](p, &rule->with, span);
		if (!err)
			err = cd_parse_comma(p);
	} while (err == 1);
	return err;
}

/* ---- clauses of a rule ------------------------------------------------- */
static int clause_when(struct cd_parser *p, struct cd_ast_rule *rule)
{
	return cd_parse_cond(p, CD_IN_RULE, &rule->when);
}

/* canary N% */
static int parse_canary(struct cd_parser *p, struct cd_ast_rule *rule)
{
	struct cd_ast_span span = cd_parse_span(p);
	const char *wanted = "a share such as 5%";
	struct cd_str text;
	uint64_t n;
	int err = cd_parse_text(p, wanted, &text);

	if (err)
		return err;
	if (!cd_str_has_suffix(text, CD_STR("%")) ||
	    cd_str_parse_u64(cd_str_make(text.ptr, text.len - 1), &n))
		return cd_parse_literal_error(p, span, -EINVAL, text, wanted);
	if (n > 100)
		return cd_parse_literal_error(p, span, -ERANGE, text, wanted);
	rule->canary = (uint8_t)n;
	return 0;
}

static int clause_mode(struct cd_parser *p, struct cd_ast_rule *rule)
{
	static const char *const words[] = {"enforce", "report", "canary",
					    NULL};
	int i;

	rule->mode_given = true;
	rule->mode_span = cd_parse_span(p);
	i = cd_parse_choice(p, words, "enforce, report or canary");
	if (i < 0)
		return i;
	rule->mode = (enum cd_ast_mode)i;
	return rule->mode == CD_MODE_CANARY ? parse_canary(p, rule) : 0;
}

static int clause_change(struct cd_parser *p, struct cd_ast_rule *rule)
{
	static const char *const words[] = {"cut", "drain", "keep", NULL};
	int i, err = cd_parse_word(p, "change");

	if (err)
		return err;
	i = cd_parse_choice(p, words, "cut, drain or keep");
	if (i < 0)
		return i;
	rule->on_change_given = true;
	rule->on_change = (enum cd_on_change)i;
	return i == CD_CHANGE_DRAIN ? cd_parse_duration(p, &rule->drain) : 0;
}

static int clause_owner(struct cd_parser *p, struct cd_ast_rule *rule)
{
	return cd_parse_string(p, "an owner in quotes", CD_MAX_STRING,
			       &rule->owner);
}

static int clause_reason(struct cd_parser *p, struct cd_ast_rule *rule)
{
	return cd_parse_string(p, "a reason in quotes", CD_MAX_STRING,
			       &rule->reason);
}

static int clause_until(struct cd_parser *p, struct cd_ast_rule *rule)
{
	const char *wanted = "a date such as 2027-01-31";
	struct cd_str text;
	int err;

	rule->until_span = cd_parse_span(p);
	err = cd_parse_text(p, wanted, &text);
	if (err)
		return err;
	err = cd_literal_until(text, &rule->until);
	if (err)
		return cd_parse_literal_error(p, rule->until_span, err, text,
					      wanted);
	rule->until_given = true;
	return 0;
}

static const struct {
	const char *word;
	enum cd_ast_clause clause;
	int (*parse)(struct cd_parser *p, struct cd_ast_rule *rule);
} clauses[] = {
	{"when", CD_CLAUSE_WHEN, clause_when},
	{"with", CD_CLAUSE_WITH, parse_obligations},
	{"mode", CD_CLAUSE_MODE, clause_mode},
	{"on", CD_CLAUSE_CHANGE, clause_change},
	{"owner", CD_CLAUSE_OWNER, clause_owner},
	{"reason", CD_CLAUSE_REASON, clause_reason},
	{"until", CD_CLAUSE_UNTIL, clause_until},
};

static int no_clause(struct cd_parser *p)
{
	static const char *const words[] = {"when",   "with",	 "mode",
					    "on",     "owner",	 "reason",
					    "until",  "service", "port",
					    "except", NULL};
	int err;

	if (cd_parse_at(p, "service") || cd_parse_at(p, "port") ||
	    cd_parse_at(p, "except"))
		return cd_parse_error(
			p, cd_parse_span(p),
			"'%.*s' does not go here: to OBJECTS [except OBJECTS] [service NAME,... | port PORTS]",
			CD_STR_FMT(p->tok.text));
	err = cd_parse_expected(
		p, "when, with, mode, on change, owner, reason or until");

	if (p->tok.kind == CD_TOK_WORD)
		cd_parse_suggest(p, p->tok.text, words);
	return err;
}

static int parse_clauses(struct cd_parser *p, struct cd_ast_rule *rule)
{
	unsigned int seen = 0;
	int err = 0;

	while (!err && p->tok.kind != CD_TOK_END) {
		size_t i = 0;

		while (i < CD_ARRAY_SIZE(clauses) &&
		       !cd_parse_at(p, clauses[i].word))
			i++;
		if (i == CD_ARRAY_SIZE(clauses))
			return no_clause(p);
		if (seen & 1u << i)
			return cd_parse_error(p, cd_parse_span(p),
					      "'%s' is given twice",
					      clauses[i].word);
		seen |= 1u << i;
		p->clause = clauses[i].clause;
		err = cd_parse_next(p);
		if (!err)
			err = clauses[i].parse(p, rule);
	}
	return err;
}

int cd_parse_rule(struct cd_parser *p, struct cd_ast *head)
{
	struct cd_ast_rule *rule = (void *)head;
	int err = cd_parse_string(p, "the rule's name in quotes", CD_MAX_NAME,
				  &head->name);

	p->clause = CD_CLAUSE_FROM;
	if (!err)
		err = cd_parse_word(p, "from");
	if (!err)
		err = parse_subjects(p, &rule->from);
	p->clause = CD_CLAUSE_TO;
	if (!err)
		err = cd_parse_word(p, "to");
	if (!err)
		err = parse_objects(p, &rule->to);
	if (!err)
		err = parse_clauses(p, rule);
	if (!err && rule->deny && rule->has_obligations)
		err = cd_parse_error(p, rule->with_span,
				     "obligations belong to an allow");
	return err;
}

/* ---- tests ------------------------------------------------------------- */
/* Is the token behind the comma another value of a set, and not the next
 * ATTR=VALUE or `posture NAME`? */
static bool continues_values(const struct cd_parser *p, enum cd_type type)
{
	struct cd_lexer ahead = p->lx;
	struct cd_token word, next;

	if (type != CD_T_SET && type != CD_T_APPROVERS && type != CD_T_LABELS)
		return false;
	if (p->tok.kind != CD_TOK_COMMA || cd_lex_token(&ahead, &word))
		return false;
	if (word.kind == CD_TOK_STRING)
		return true;
	if (word.kind != CD_TOK_WORD || cd_lex_token(&ahead, &next))
		return false;
	if (next.kind == CD_TOK_OP)
		return type == CD_T_LABELS &&
		       cd_attr_find(word.text) == CD_ATTR_NONE;
	return type != CD_T_LABELS &&
	       !(cd_str_equal(word.text, CD_STR("posture")) &&
		 (next.kind == CD_TOK_WORD || next.kind == CD_TOK_STRING));
}

static int given_values(struct cd_parser *p, struct cd_ast_given *g)
{
	enum cd_type type = cd_attr_get(g->attr)->type;
	struct cd_ast_value v;
	bool more;
	int err = 0;

	do {
		struct cd_ast_span span = cd_parse_span(p);

		err = cd_parse_value(p, type, &v);
		if (!err && type == CD_T_PORT && v.i != v.j)
			err = cd_parse_error(p, span, "a request has one port");
		if (!err && type == CD_T_ADDR &&
		    v.bits != (v.addr.family == 4 ? 32 : 128))
			err = cd_parse_error(p, span,
					     "a request has one address");
		if (!err)
			err = cd_parse_push_item(p, g->values, g->n_values, v);
		more = !err && continues_values(p, type);
		if (more)
			err = cd_parse_next(p);
	} while (more && !err);
	return err;
}

static int parse_given(struct cd_parser *p, struct cd_ast_given *ret)
{
	struct cd_ast_given g = {.attr = CD_ATTR_NONE,
				 .span = cd_parse_span(p)};
	int err = cd_parse_accept(p, "posture");

	if (err < 0)
		return err;
	if (err == 1) {
		err = cd_parse_name(p, "the name of a posture", &g.posture);
	} else {
		err = cd_parse_attr(p, &g.attr);
		if (!err && (p->tok.kind != CD_TOK_OP || p->tok.op != CD_OP_EQ))
			err = cd_parse_expected(p, "'='");
		if (!err)
			err = cd_parse_next(p);
		if (!err)
			err = given_values(p, &g);
	}
	if (!err)
		*ret = g;
	return err;
}

static int parse_givens(struct cd_parser *p, struct cd_ast_test *t)
{
	struct cd_ast_given g;
	int err;

	do {
		err = parse_given(p, &g);
		if (!err)
			err = cd_parse_push_item(p, t->given, t->n_given, g);
		if (!err)
			err = cd_parse_comma(p);
	} while (err == 1);
	return err;
}

static int parse_at(struct cd_parser *p, struct cd_ast_test *t)
{
	struct cd_ast_value v;
	int err = cd_parse_accept(p, "at");

	if (err <= 0)
		return err;
	err = cd_parse_value(p, CD_T_TIME, &v);
	if (!err) {
		t->at_given = true;
		t->at = v.i;
	}
	return err;
}

/* to OBJECT [port PORT]: one thing is asked for. */
static int parse_asked(struct cd_parser *p, struct cd_ast_objects *to)
{
	struct cd_ast_object o;
	int err = cd_parse_word(p, "to");

	if (!err)
		err = parse_object(p, &o);
	if (!err && o.n_methods > 1)
		err = cd_parse_error(p, o.methods[1].span,
				     "a test asks with one method");
	if (!err)
		err = cd_parse_push_item(p, to->items, to->n_items, o);
	if (!err)
		err = cd_parse_accept(p, "port");
	if (err == 1)
		err = cd_parse_ports(p, &to->ports, &to->n_ports);
	if (!err && to->n_ports &&
	    (to->n_ports > 1 || to->ports[0].proto == 0 ||
	     (to->ports[0].lo != to->ports[0].hi &&
	      (to->ports[0].proto == 6 || to->ports[0].proto == 17))))
		err = cd_parse_error(p, to->ports[0].span,
				     "a test asks for one port");
	return err;
}

static int parse_expect(struct cd_parser *p, struct cd_ast_test *t)
{
	static const char *const words[] = {"deny", "request", "challenge",
					    "allow", NULL};
	int i, err = cd_parse_word(p, "expect");

	if (err)
		return err;
	i = cd_parse_choice(p, words, "allow, challenge, request or deny");
	if (i < 0)
		return i;
	t->expect = (enum cd_verdict)i;
	err = cd_parse_accept(p, "by");
	if (err == 1)
		err = cd_parse_string(p, "the rule's name in quotes",
				      CD_MAX_NAME, &t->by);
	return err;
}

int cd_parse_test(struct cd_parser *p, struct cd_ast *head)
{
	struct cd_ast_test *t = (void *)head;
	int err = cd_parse_string(p, "the test's name in quotes", CD_MAX_NAME,
				  &head->name);

	p->clause = CD_CLAUSE_FROM;
	if (!err)
		err = cd_parse_word(p, "given");
	if (!err)
		err = parse_givens(p, t);
	if (!err)
		err = parse_at(p, t);
	p->clause = CD_CLAUSE_TO;
	if (!err)
		err = parse_asked(p, &t->to);
	p->clause = CD_CLAUSE_EXPECT;
	return err ? err : parse_expect(p, t);
}

/* ---- assertions -------------------------------------------------------- */
static int parse_assert_path(struct cd_parser *p, struct cd_ast_assert *a)
{
	int err = cd_parse_word(p, "path");

	if (!err)
		err = cd_parse_word(p, "from");
	if (!err)
		err = parse_subjects(p, &a->from);
	if (!err)
		err = cd_parse_word(p, "to");
	return err ? err : parse_objects(p, &a->to);
}

int cd_parse_assert(struct cd_parser *p, struct cd_ast *head)
{
	static const char *const words[] = {"no", "path", "only", NULL};
	struct cd_ast_assert *a = (void *)head;
	int err;

	if (cd_parse_at(p, "path")) {
		a->form = CD_ASSERT_PATH;
		return parse_assert_path(p, a);
	}
	err = cd_parse_choice(p, words, "no path, path or only");
	if (err < 0)
		return err;
	if (err == 0) {
		a->form = CD_ASSERT_NO_PATH;
		return parse_assert_path(p, a);
	}
	a->form = CD_ASSERT_ONLY;
	err = parse_subjects(p, &a->from);
	if (!err)
		err = cd_parse_word(p, "reaches");
	return err ? err : parse_objects(p, &a->to);
}
