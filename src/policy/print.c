// SPDX-License-Identifier: Apache-2.0
/*
 * The tree as text, piece by piece; where lines end is format.c's part. What
 * is printed here parses back to the same tree.
 */
#include "policy/print.h"

#include "policy/lex.h"
#include "policy/literal.h"
#include "policy/parser.h"

static void brk(struct cd_buf *out)
{
	cd_buf_char(out, CD_PRINT_BREAK);
}

/* ", " between the elements of a list */
static void comma(struct cd_buf *out, uint32_t i)
{
	if (i == 0)
		return;
	cd_buf_char(out, ',');
	brk(out);
}

void cd_print_quoted(struct cd_buf *out, struct cd_str s)
{
	cd_buf_char(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '"' || s.ptr[i] == '\\')
			cd_buf_char(out, '\\');
		cd_buf_char(out, s.ptr[i]);
	}
	cd_buf_char(out, '"');
}

void cd_print_name(struct cd_buf *out, struct cd_str name)
{
	if (cd_name_is_bare(name, false))
		cd_buf_str(out, name);
	else
		cd_print_quoted(out, name);
}

/* A word that stands for a value. `feed` behind `in`, and `posture` in a
 * test, would be taken for words of the language. */
static bool is_word(struct cd_str s)
{
	if (cd_str_equal(s, CD_STR("feed")) ||
	    cd_str_equal(s, CD_STR("posture")))
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!cd_lex_is_word((unsigned char)s.ptr[i]))
			return false;
	return s.len > 0 && !cd_word_is_reserved(s);
}

static void print_word(struct cd_buf *out, struct cd_str s)
{
	if (is_word(s))
		cd_buf_str(out, s);
	else
		cd_print_quoted(out, s);
}

/* tier=web; in quotes when a part is not a word, or where the key would be
 * taken for an attribute in a test. */
static void print_label(struct cd_buf *out, const struct cd_ast_value *v)
{
	struct cd_str parts[] = {v->s, CD_STR("="), v->s2};

	if (is_word(v->s) && is_word(v->s2) &&
	    cd_attr_find(v->s) == CD_ATTR_NONE) {
		cd_buf_printf(out, "%.*s=%.*s", CD_STR_FMT(v->s),
			      CD_STR_FMT(v->s2));
		return;
	}
	cd_buf_char(out, '"');
	for (size_t k = 0; k < CD_ARRAY_SIZE(parts); k++)
		for (size_t i = 0; i < parts[k].len; i++) {
			char c = parts[k].ptr[i];

			if (c == '"' || c == '\\')
				cd_buf_char(out, '\\');
			cd_buf_char(out, c);
		}
	cd_buf_char(out, '"');
}

void cd_print_value(struct cd_buf *out, const struct cd_ast_value *v)
{
	switch (v->type) {
	case CD_T_LABELS:
		print_label(out, v);
		return;
	case CD_T_STRING:
	case CD_T_COUNTRY:
	case CD_T_SET:
	case CD_T_NAME:
	case CD_T_PATH:
	case CD_T_METHOD:
	case CD_T_APP:
	case CD_T_APPROVERS:
		print_word(out, v->s);
		return;
	default:
		cd_literal_print(out, v);
	}
}

/* ---- conditions -------------------------------------------------------- */
static void print_compare(struct cd_buf *out, const struct cd_ast_cond *c)
{
	cd_buf_printf(out, "%s %s ", cd_attr_get(c->attr)->name,
		      cd_ast_op_word(c->op));
	for (uint32_t i = 0; i < c->n_values; i++) {
		comma(out, i);
		cd_print_value(out, &c->values[i]);
	}
}

static void print_time(struct cd_buf *out, const struct cd_ast_cond *c)
{
	cd_buf_puts(out, "time in ");
	cd_literal_print_days(out, c->days);
	cd_buf_char(out, ' ');
	cd_literal_print_hours(out, c->from, c->to);
	cd_buf_char(out, ' ');
	cd_buf_str(out, c->zone.s);
}

static void print_atom(struct cd_buf *out, const struct cd_ast_cond *c)
{
	switch (c->kind) {
	case CD_COND_COMPARE:
		print_compare(out, c);
		return;
	case CD_COND_BOOL:
		cd_buf_puts(out, cd_attr_get(c->attr)->name);
		return;
	case CD_COND_FEED:
		cd_buf_printf(out, "%s %s feed ", cd_attr_get(c->attr)->name,
			      cd_ast_op_word(c->op));
		cd_print_name(out, c->name.s);
		return;
	case CD_COND_TIME:
		print_time(out, c);
		return;
	case CD_COND_APPROVAL:
		cd_buf_puts(out, "approval by group ");
		cd_print_name(out, c->name.s);
		cd_buf_printf(out, " %u", c->count);
		return;
	case CD_COND_POSTURE:
		cd_buf_str(out, c->name.s);
		return;
	case CD_COND_LABEL:
		cd_print_value(out, &c->values[0]);
		return;
	default:
		return;
	}
}

/* How tightly a kind binds; a kid that binds no tighter needs parentheses. */
static int strength(enum cd_ast_cond_kind kind)
{
	switch (kind) {
	case CD_COND_OR:
		return 0;
	case CD_COND_AND:
		return 1;
	case CD_COND_NOT:
		return 2;
	default:
		return 3;
	}
}

static void print_kid(struct cd_buf *out, const struct cd_ast_cond *parent,
		      const struct cd_ast_cond *kid)
{
	bool parens = strength(kid->kind) <= strength(parent->kind) &&
		      kid->kind != CD_COND_NOT;

	if (parens)
		cd_buf_char(out, '(');
	cd_print_cond(out, kid);
	if (parens)
		cd_buf_char(out, ')');
}

void cd_print_cond(struct cd_buf *out, const struct cd_ast_cond *c)
{
	if (c->kind == CD_COND_NOT) {
		cd_buf_puts(out, "not ");
		print_kid(out, c, c->kids[0]);
		return;
	}
	if (c->kind != CD_COND_AND && c->kind != CD_COND_OR) {
		print_atom(out, c);
		return;
	}
	for (uint32_t i = 0; i < c->n_kids; i++) {
		if (i) {
			brk(out);
			cd_buf_puts(out,
				    c->kind == CD_COND_AND ? "and " : "or ");
		}
		print_kid(out, c, c->kids[i]);
	}
}

/* ---- subjects, objects, ports ------------------------------------------ */
static void print_subject_list(struct cd_buf *out,
			       const struct cd_ast_subject *items, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		comma(out, i);
		cd_buf_puts(out, cd_ast_subject_word(items[i].kind));
		if (items[i].kind < CD_SUBJ_USER)
			continue;
		cd_buf_char(out, ' ');
		cd_print_name(out, items[i].name.s);
	}
}

void cd_print_subjects(struct cd_buf *out, const struct cd_ast_subjects *s)
{
	print_subject_list(out, s->items, s->n_items);
	if (s->n_except) {
		brk(out);
		cd_buf_puts(out, "except ");
		print_subject_list(out, s->except, s->n_except);
	}
	if (s->posture.s.ptr) {
		brk(out);
		cd_buf_puts(out, "on ");
		cd_print_name(out, s->posture.s);
	}
}

static void print_object(struct cd_buf *out, const struct cd_ast_object *o)
{
	cd_buf_puts(out, cd_ast_object_word(o->kind));
	if (o->kind < CD_OBJ_APP)
		return;
	cd_buf_char(out, ' ');
	cd_print_name(out, o->name.s);
	for (uint32_t i = 0; i < o->n_methods; i++) {
		cd_buf_puts(out, i ? ", " : " method ");
		cd_buf_str(out, o->methods[i].s);
	}
	if (o->path.s.ptr) {
		cd_buf_puts(out, " path ");
		cd_print_quoted(out, o->path.s);
	}
}

static void print_object_list(struct cd_buf *out,
			      const struct cd_ast_object *items, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		comma(out, i);
		print_object(out, &items[i]);
	}
}

static void print_ports(struct cd_buf *out, const struct cd_ast_port *ports,
			uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		comma(out, i);
		cd_literal_print_port(out, &ports[i]);
	}
}

static void print_names(struct cd_buf *out, const struct cd_ast_name *names,
			uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		comma(out, i);
		cd_print_name(out, names[i].s);
	}
}

void cd_print_objects(struct cd_buf *out, const struct cd_ast_objects *o)
{
	print_object_list(out, o->items, o->n_items);
	if (o->n_except) {
		brk(out);
		cd_buf_puts(out, "except ");
		print_object_list(out, o->except, o->n_except);
	}
	if (o->n_services) {
		brk(out);
		cd_buf_puts(out, "service ");
		print_names(out, o->services, o->n_services);
	}
	if (o->n_ports) {
		brk(out);
		cd_buf_puts(out, "port ");
		print_ports(out, o->ports, o->n_ports);
	}
}

/* ---- short statements -------------------------------------------------- */
static void print_segment(struct cd_buf *out, const struct cd_ast *head)
{
	static const char *const fails[] = {"closed", "open", "hold "};
	const struct cd_ast_segment *s = (const void *)head;

	if (s->parent.s.ptr) {
		cd_buf_puts(out, " in ");
		cd_print_name(out, s->parent.s);
	}
	cd_buf_puts(out, " cidr ");
	for (uint32_t i = 0; i < s->n_prefixes; i++) {
		comma(out, i);
		cd_literal_print_prefix(out, &s->prefixes[i].addr,
					s->prefixes[i].bits);
	}
	if (s->n_interfaces) {
		brk(out);
		cd_buf_puts(out, "interface ");
		print_names(out, s->interfaces, s->n_interfaces);
	}
	if (!s->fail_given)
		return;
	brk(out);
	cd_buf_printf(out, "fail %s", fails[s->fail]);
	if (s->fail == CD_FAIL_HOLD)
		cd_literal_print_duration(out, s->hold);
}

static void print_hosts(struct cd_buf *out, const struct cd_ast *head)
{
	cd_buf_puts(out, " where ");
	cd_print_cond(out,
		      ((const struct cd_ast_hosts *)(const void *)head)->where);
}

static void print_group(struct cd_buf *out, const struct cd_ast *head)
{
	const struct cd_ast_group *g = (const void *)head;

	cd_buf_puts(out, " = ");
	for (uint32_t i = 0; i < g->n_members; i++) {
		comma(out, i);
		cd_buf_puts(out, g->members[i].is_group ? "group " : "user ");
		cd_print_name(out, g->members[i].name.s);
	}
}

static void print_service(struct cd_buf *out, const struct cd_ast *head)
{
	const struct cd_ast_service *s = (const void *)head;

	cd_buf_char(out, ' ');
	print_ports(out, s->ports, s->n_ports);
}

static void print_domains(struct cd_buf *out, const struct cd_ast *head)
{
	const struct cd_ast_domains *d = (const void *)head;

	cd_buf_char(out, ' ');
	for (uint32_t i = 0; i < d->n_names; i++) {
		comma(out, i);
		cd_buf_puts(out, d->names[i].wildcard ? "*." : "");
		cd_buf_str(out, d->names[i].name);
	}
}

static void print_feed(struct cd_buf *out, const struct cd_ast *head)
{
	const struct cd_ast_feed *f = (const void *)head;

	cd_buf_puts(out, f->is_url ? " url " : " file ");
	cd_print_quoted(out, f->location.s);
	if (f->refresh) {
		brk(out);
		cd_buf_puts(out, "refresh ");
		cd_literal_print_duration(out, f->refresh);
	}
	if (f->report) {
		brk(out);
		cd_buf_puts(out, "mode report");
	}
}

static void print_posture(struct cd_buf *out, const struct cd_ast *head)
{
	cd_buf_puts(out, " = ");
	cd_print_cond(
		out, ((const struct cd_ast_posture *)(const void *)head)->cond);
}

static void print_assert(struct cd_buf *out, const struct cd_ast *head)
{
	static const char *const forms[] = {" no path from ", " path from ",
					    " only "};
	const struct cd_ast_assert *a = (const void *)head;

	cd_buf_puts(out, forms[a->form]);
	cd_print_subjects(out, &a->from);
	brk(out);
	cd_buf_puts(out, a->form == CD_ASSERT_ONLY ? "reaches " : "to ");
	cd_print_objects(out, &a->to);
}

static void print_version(struct cd_buf *out,
			  const struct cd_ast *head cd_unused)
{
	cd_buf_puts(out, " 1");
}

/* ---- clauses of rules -------------------------------------------------- */
void cd_print_obligations(struct cd_buf *out, const struct cd_obligations *o)
{
	const struct {
		bool given;
		const char *text;
	} flags[] = {
		{o->no_clipboard, "no clipboard"},
		{o->no_upload, "no upload"},
		{o->no_download, "no download"},
	};
	uint32_t n = 0;

	if (o->record)
		cd_buf_puts(out,
			    o->record_required ? "record required" : "record");
	n += o->record;
	if (o->max) {
		comma(out, n++);
		cd_buf_puts(out, "max ");
		cd_literal_print_duration(out, o->max);
	}
	if (o->rate_count) {
		comma(out, n++);
		cd_buf_printf(out, "rate %u/", o->rate_count);
		cd_literal_print_duration(out, o->rate_period);
	}
	for (size_t i = 0; i < CD_ARRAY_SIZE(flags); i++) {
		if (!flags[i].given)
			continue;
		comma(out, n++);
		cd_buf_puts(out, flags[i].text);
	}
}

static void print_mode(struct cd_buf *out, const struct cd_ast_rule *r)
{
	static const char *const modes[] = {"enforce", "report", "canary"};

	cd_buf_printf(out, "mode %s", modes[r->mode]);
	if (r->mode == CD_MODE_CANARY)
		cd_buf_printf(out, " %u%%", r->canary);
}

static void print_change(struct cd_buf *out, const struct cd_ast_rule *r)
{
	static const char *const words[] = {"cut", "drain ", "keep"};

	cd_buf_printf(out, "on change %s", words[r->on_change]);
	if (r->on_change == CD_CHANGE_DRAIN)
		cd_literal_print_duration(out, r->drain);
}

static bool print_text_clause(struct cd_buf *out, const char *word,
			      const struct cd_ast_name *text)
{
	if (!text->s.ptr)
		return false;
	cd_buf_puts(out, word);
	cd_print_quoted(out, text->s);
	return true;
}

/* The clauses behind the name, from and to. */
static bool print_rule_end(struct cd_buf *out, const struct cd_ast_rule *r,
			   uint32_t clause)
{
	switch (clause) {
	case CD_CLAUSE_WITH:
		if (!r->has_obligations)
			return false;
		cd_buf_puts(out, "with ");
		cd_print_obligations(out, &r->with);
		return true;
	case CD_CLAUSE_MODE:
		if (r->mode_given)
			print_mode(out, r);
		return r->mode_given;
	case CD_CLAUSE_CHANGE:
		if (r->on_change_given)
			print_change(out, r);
		return r->on_change_given;
	case CD_CLAUSE_OWNER:
		return print_text_clause(out, "owner ", &r->owner);
	case CD_CLAUSE_REASON:
		return print_text_clause(out, "reason ", &r->reason);
	case CD_CLAUSE_UNTIL:
		if (!r->until_given)
			return false;
		cd_buf_puts(out, "until ");
		cd_literal_print_until(out, r->until);
		return true;
	default:
		return false;
	}
}

static bool print_rule(struct cd_buf *out, const struct cd_ast *head,
		       uint32_t clause)
{
	const struct cd_ast_rule *r = (const void *)head;

	switch (clause) {
	case CD_CLAUSE_HEAD:
		cd_buf_puts(out, r->deny ? "deny " : "allow ");
		cd_print_quoted(out, head->name.s);
		return true;
	case CD_CLAUSE_FROM:
		cd_buf_puts(out, "from ");
		cd_print_subjects(out, &r->from);
		return true;
	case CD_CLAUSE_TO:
		cd_buf_puts(out, "to   ");
		cd_print_objects(out, &r->to);
		return true;
	case CD_CLAUSE_WHEN:
		if (!r->when)
			return false;
		cd_buf_puts(out, "when ");
		cd_print_cond(out, r->when);
		return true;
	default:
		return print_rule_end(out, r, clause);
	}
}

static void print_given(struct cd_buf *out, const struct cd_ast_given *g)
{
	if (g->attr == CD_ATTR_NONE) {
		cd_buf_puts(out, "posture ");
		cd_print_name(out, g->posture.s);
		return;
	}
	cd_buf_printf(out, "%s=", cd_attr_get(g->attr)->name);
	for (uint32_t i = 0; i < g->n_values; i++) {
		comma(out, i);
		cd_print_value(out, &g->values[i]);
	}
}

static bool print_test(struct cd_buf *out, const struct cd_ast *head,
		       uint32_t clause)
{
	const struct cd_ast_test *t = (const void *)head;

	switch (clause) {
	case CD_CLAUSE_HEAD:
		cd_buf_puts(out, "test ");
		cd_print_quoted(out, head->name.s);
		return true;
	case CD_CLAUSE_FROM:
		cd_buf_puts(out, "given ");
		for (uint32_t i = 0; i < t->n_given; i++) {
			comma(out, i);
			print_given(out, &t->given[i]);
		}
		if (!t->at_given)
			return true;
		brk(out);
		cd_buf_puts(out, "at ");
		cd_literal_print_instant(out, t->at);
		return true;
	case CD_CLAUSE_TO:
		cd_buf_puts(out, "to ");
		cd_print_objects(out, &t->to);
		return true;
	case CD_CLAUSE_EXPECT:
		cd_buf_printf(out, "expect %s", cd_verdict_name(t->expect));
		if (t->by.s.ptr) {
			cd_buf_puts(out, " by ");
			cd_print_quoted(out, t->by.s);
		}
		return true;
	default:
		return false;
	}
}

/* ---- apps -------------------------------------------------------------- */
static bool print_app(struct cd_buf *out, const struct cd_ast *head,
		      uint32_t clause)
{
	const struct cd_ast_app *app = (const void *)head;
	const struct cd_ast_setting *s;
	size_t width = 0, len;

	if (clause == 0) {
		cd_buf_printf(out, "app %.*s", CD_STR_FMT(head->name.s));
		return true;
	}
	if (clause > app->n_settings)
		return false;
	for (uint32_t i = 0; i < app->n_settings; i++) {
		len = strlen(cd_setting_word(app->settings[i].id));
		width = CD_MAX(width, len);
	}
	s = &app->settings[clause - 1];
	cd_buf_printf(out, "%-*s %.*s", (int)width, cd_setting_word(s->id),
		      CD_STR_FMT(s->text));
	return true;
}

bool cd_print_clause(struct cd_buf *out, const struct cd_ast *s,
		     uint32_t clause)
{
	static void (*const printers[CD_AST_KINDS])(struct cd_buf *,
						    const struct cd_ast *) = {
		[CD_AST_VERSION] = print_version,
		[CD_AST_SEGMENT] = print_segment,
		[CD_AST_HOSTS] = print_hosts,
		[CD_AST_GROUP] = print_group,
		[CD_AST_SERVICE] = print_service,
		[CD_AST_DOMAINS] = print_domains,
		[CD_AST_FEED] = print_feed,
		[CD_AST_POSTURE] = print_posture,
		[CD_AST_ASSERT] = print_assert,
	};

	if (s->kind == CD_AST_RULE)
		return print_rule(out, s, clause);
	if (s->kind == CD_AST_TEST)
		return print_test(out, s, clause);
	if (s->kind == CD_AST_APP)
		return print_app(out, s, clause);
	if (clause != 0)
		return false;
	cd_buf_puts(out, cd_ast_kind_word(s->kind));
	if (s->name.s.len) {
		cd_buf_char(out, ' ');
		cd_buf_str(out, s->name.s);
	}
	printers[s->kind](out, s);
	return true;
}

/* ---- for explanations -------------------------------------------------- */
static void plain(struct cd_buf *out, size_t from)
{
	for (size_t i = from; !out->err && i < out->len; i++)
		if (out->data[i] == CD_PRINT_BREAK)
			out->data[i] = ' ';
}

void cd_ast_print_cond(struct cd_buf *out, const struct cd_ast_cond *cond)
{
	size_t from = out->len;

	cd_print_cond(out, cond);
	plain(out, from);
}

void cd_ast_print_value(struct cd_buf *out, const struct cd_ast_value *value)
{
	cd_print_value(out, value);
}
