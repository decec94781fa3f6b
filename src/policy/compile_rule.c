/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules, in the order of their names.
 */
#include "policy/compile.h"

_Static_assert((int)CD_FROM_KINDS == (int)CD_SUBJ_KINDS &&
		       (int)CD_FROM_SERVICE_ACCOUNT ==
			       (int)CD_SUBJ_SERVICE_ACCOUNT &&
		       (int)CD_FROM_GROUP == (int)CD_SUBJ_GROUP &&
		       (int)CD_FROM_INTERNET == (int)CD_SUBJ_INTERNET,
	       "subjects keep their numbers");

static uint32_t must(uint32_t number, struct cd_compile *c,
		     const struct cd_ast_name *name)
{
	char quoted[200];

	/* The checker has found this already, unless it was not asked. */
	if (number == CD_NIL)
		cd_ast_diag(c->policy, c->diag, CD_ERROR, name->span,
			    "%s is not defined",
			    cd_quote(name->s, quoted, sizeof(quoted)));
	return number;
}

static uint32_t segment_number(struct cd_compile *c, struct cd_str name)
{
	uint32_t at = cd_compile_find(c, CD_AST_SEGMENT, name);

	return at == CD_NIL ? CD_NIL : c->segment_number[at];
}

static void put_subject(struct cd_compile *c, const struct cd_ast_subject *s)
{
	struct cd_snap_item item = {.kind = (uint8_t)s->kind, .path = CD_NIL};

	switch (s->kind) {
	case CD_SUBJ_USER:
	case CD_SUBJ_SERVICE_ACCOUNT:
		item.id = cd_writer_str(&c->w, s->name.s);
		break;
	case CD_SUBJ_GROUP:
		item.id = must(cd_compile_group(c, s->name.s), c, &s->name);
		break;
	case CD_SUBJ_HOSTS:
		item.id = must(cd_compile_find(c, CD_AST_HOSTS, s->name.s), c,
			       &s->name);
		break;
	case CD_SUBJ_SEGMENT:
		item.id = must(segment_number(c, s->name.s), c, &s->name);
		break;
	default:
		break;
	}
	cd_writer_add(&c->w, CD_SEC_ITEMS, &item);
}

static int put_methods(struct cd_compile *c, const struct cd_ast_object *o,
		       struct cd_snap_item *item)
{
	struct cd_words w;
	int err;

	cd_words_init(&w);
	for (uint32_t i = 0; i < o->n_methods; i++)
		cd_words_add(&w, cd_writer_str(&c->w, o->methods[i].s));
	err = cd_words_put(c, &w, &item->method_first, &item->method_n);
	cd_words_done(&w);
	return err;
}

static void object_id(struct cd_compile *c, const struct cd_ast_object *o,
		      struct cd_snap_item *item)
{
	uint32_t at = CD_NIL;

	switch (o->kind) {
	case CD_OBJ_APP:
		at = cd_compile_find(c, CD_AST_APP, o->name.s);
		break;
	case CD_OBJ_HOSTS:
		at = cd_compile_find(c, CD_AST_HOSTS, o->name.s);
		break;
	case CD_OBJ_SEGMENT:
		at = segment_number(c, o->name.s);
		break;
	case CD_OBJ_DOMAINS:
		at = cd_compile_find(c, CD_AST_DOMAINS, o->name.s);
		break;
	case CD_OBJ_CATEGORY:
		at = cd_compile_find(c, CD_AST_FEED, o->name.s);
		cd_compile_ask_feed(c, at, CD_WATCH_NAME);
		at = at == CD_NIL ? at : c->n_domains + at;
		break;
	default:
		return;
	}
	item->id = must(at, c, &o->name);
}

static int put_object(struct cd_compile *c, const struct cd_ast_object *o)
{
	static const uint8_t kinds[CD_OBJ_KINDS] = {
		[CD_OBJ_ANY] = CD_TO_ANY,
		[CD_OBJ_INTERNET] = CD_TO_INTERNET,
		[CD_OBJ_APP] = CD_TO_APP,
		[CD_OBJ_HOSTS] = CD_TO_HOSTS,
		[CD_OBJ_SEGMENT] = CD_TO_SEGMENT,
		[CD_OBJ_DOMAINS] = CD_TO_DOMAINS,
		[CD_OBJ_CATEGORY] = CD_TO_DOMAINS,
	};
	struct cd_snap_item item = {
		.kind = kinds[o->kind],
		.category = o->kind == CD_OBJ_CATEGORY,
		.path = cd_writer_str(&c->w, o->path.s),
	};
	int err = put_methods(c, o, &item);

	object_id(c, o, &item);
	cd_writer_add(&c->w, CD_SEC_ITEMS, &item);
	return err ? err : c->w.err;
}

static void put_from(struct cd_compile *c, const struct cd_ast_subjects *s,
		     struct cd_snap_rule *r)
{
	r->from_first = cd_writer_count(&c->w, CD_SEC_ITEMS);
	r->from_n = s->n_items;
	for (uint32_t i = 0; i < s->n_items; i++)
		put_subject(c, &s->items[i]);
	r->from_except_first = cd_writer_count(&c->w, CD_SEC_ITEMS);
	r->from_except_n = s->n_except;
	for (uint32_t i = 0; i < s->n_except; i++)
		put_subject(c, &s->except[i]);
	if (s->n_items == 1 && s->items[0].kind == CD_SUBJ_GROUP)
		r->group = cd_compile_group(c, s->items[0].name.s);
}

static int put_to(struct cd_compile *c, const struct cd_ast_objects *o,
		  struct cd_snap_rule *r)
{
	int err = 0;

	r->to_first = cd_writer_count(&c->w, CD_SEC_ITEMS);
	r->to_n = o->n_items;
	for (uint32_t i = 0; i < o->n_items && !err; i++)
		err = put_object(c, &o->items[i]);
	r->to_except_first = cd_writer_count(&c->w, CD_SEC_ITEMS);
	r->to_except_n = o->n_except;
	for (uint32_t i = 0; i < o->n_except && !err; i++)
		err = put_object(c, &o->except[i]);
	return err;
}

static void put_ports(struct cd_compile *c, const struct cd_ast_port *ports,
		      uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct cd_snap_port p = {.proto = ports[i].proto,
					 .lo = ports[i].lo,
					 .hi = ports[i].hi};

		cd_writer_add(&c->w, CD_SEC_PORTS, &p);
	}
}

static void put_services(struct cd_compile *c, const struct cd_ast_objects *o,
			 struct cd_snap_rule *r)
{
	r->port_first = cd_writer_count(&c->w, CD_SEC_PORTS);
	put_ports(c, o->ports, o->n_ports);
	for (uint32_t i = 0; i < o->n_services; i++) {
		uint32_t n = 0;
		const struct cd_ast_port *ports =
			cd_ast_service_ports(c->policy, o->services[i].s, &n);

		if (!ports)
			must(CD_NIL, c, &o->services[i]);
		put_ports(c, ports, n);
	}
	r->port_n = cd_writer_count(&c->w, CD_SEC_PORTS) - r->port_first;
}

static void put_obligations(const struct cd_obligations *o,
			    struct cd_snap_rule *r)
{
	r->obligations = (o->record ? CD_OBL_RECORD : 0) |
			 (o->record_required ? CD_OBL_RECORD_REQUIRED : 0) |
			 (o->no_clipboard ? CD_OBL_NO_CLIPBOARD : 0) |
			 (o->no_upload ? CD_OBL_NO_UPLOAD : 0) |
			 (o->no_download ? CD_OBL_NO_DOWNLOAD : 0);
	r->max = o->max;
	r->rate_count = o->rate_count;
	r->rate_period = o->rate_period;
	r->capabilities = (o->record_required ? CD_CAN_RECORD : 0) |
			  (o->max ? CD_CAN_MAX : 0) |
			  (o->rate_count ? CD_CAN_RATE : 0) |
			  (o->no_clipboard ? CD_CAN_CLIPBOARD : 0) |
			  (o->no_upload ? CD_CAN_UPLOAD : 0) |
			  (o->no_download ? CD_CAN_DOWNLOAD : 0);
}

static int put_posture(struct cd_compile *c, const struct cd_ast_name *name,
		       struct cd_snap_rule *r)
{
	const struct cd_ast_posture *p;
	uint32_t at;

	if (!name->s.ptr)
		return 0;
	at = must(cd_compile_find(c, CD_AST_POSTURE, name->s), c, name);
	if (at == CD_NIL)
		return CD_E_CHECK;
	p = (const void *)c->sorted[CD_AST_POSTURE][at];
	r->posture_name = cd_writer_str(&c->w, name->s);
	return cd_compile_cond(c, p->cond, &r->flags, &r->posture);
}

static int put_rule(struct cd_compile *c, const struct cd_ast_rule *ast)
{
	static const uint8_t modes[] = {
		[CD_MODE_ENFORCE] = CD_SNAP_ENFORCE,
		[CD_MODE_REPORT] = CD_SNAP_REPORT,
		[CD_MODE_CANARY] = CD_SNAP_CANARY,
	};
	struct cd_snap_rule r = {
		.name = cd_writer_str(&c->w, ast->head.name.s),
		.deny = ast->deny,
		.mode = modes[ast->mode],
		.canary = ast->canary,
		.on_change = (uint8_t)ast->on_change,
		.drain = ast->drain,
		.group = CD_NIL,
		.posture = CD_NIL,
		.posture_name = CD_NIL,
		.until = ast->until_given ? ast->until : INT64_MAX,
	};
	int err;

	put_from(c, &ast->from, &r);
	err = put_to(c, &ast->to, &r);
	put_services(c, &ast->to, &r);
	if (!err)
		err = put_posture(c, &ast->from.posture, &r);
	if (!err)
		err = cd_compile_cond(c, ast->when, &r.flags, &r.when);
	put_obligations(&ast->with, &r);
	r.owner = cd_writer_str(&c->w, ast->owner.s);
	r.reason = cd_writer_str(&c->w, ast->reason.s);
	if (cd_snap_rule_is_plain(&r))
		r.flags |= CD_RULE_PLAIN;
	cd_writer_add(&c->w, CD_SEC_RULES, &r);
	return err ? err : c->w.err;
}

int cd_compile_rules(struct cd_compile *c)
{
	int err = 0;

	for (uint32_t i = 0; i < c->policy->n_of_kind[CD_AST_RULE] && !err; i++)
		err = put_rule(c, (const void *)c->sorted[CD_AST_RULE][i]);
	return err;
}
