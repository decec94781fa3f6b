// SPDX-License-Identifier: Apache-2.0
/*
 * What the language can say and no enforcement point of this version does. A
 * policy may be written ahead of the program that keeps it; its author must
 * not believe that it is kept. So each such line gets a warning at its place
 * that says what happens instead. A row goes when its line is enforced.
 *
 * A large policy would drown every other message: a kind is told SHOWN
 * times, then once more with how many are left.
 */
#include "policy/checker.h"

#define SHOWN 3

enum idle {
	IDLE_WAF,
	IDLE_LIMIT,
	IDLE_VIA,
	IDLE_KIND,
	IDLE_RECORD,
	IDLE_OBLIGATION,
	IDLE_APPROVAL,
	IDLE_NEVER,
	IDLE_ALWAYS,
	IDLE_OBJECT,
	IDLE_SUBJECT,
	IDLE_FAIL,
	IDLE_INTERFACE,
	IDLE_COUNT
};

static const char *const texts[] = {
	[IDLE_WAF] =
		"the waf is not enforced in this version: requests reach the server unfiltered",
	[IDLE_LIMIT] =
		"limit is not enforced in this version: requests are not counted",
	[IDLE_VIA] =
		"via is not enforced in this version: the gateway connects to the server by itself",
	[IDLE_KIND] =
		"no gateway of this version serves apps of this kind: nobody reaches it through Cordon",
	[IDLE_RECORD] =
		"record is not enforced in this version: what this rule allows is not recorded",
	[IDLE_OBLIGATION] =
		"no enforcement point of this version can keep this obligation: the rule lets nobody in",
	[IDLE_APPROVAL] =
		"nobody can approve anything in this version: this never holds",
	[IDLE_NEVER] =
		"no enforcement point of this version knows this attribute: here it never holds",
	[IDLE_ALWAYS] =
		"no enforcement point of this version knows this attribute: here it counts as a match",
	[IDLE_OBJECT] =
		"no enforcement point of this version sees connections between hosts, or names: this opens nothing",
	[IDLE_SUBJECT] =
		"no enforcement point of this version recognises hosts or service accounts: this lets none of them in",
	[IDLE_FAIL] =
		"fail is not enforced in this version: no enforcement point sees packets",
	[IDLE_INTERFACE] =
		"interface is not enforced in this version: no enforcement point sees packets",
};

struct idles {
	struct cd_checker *c;
	uint32_t count[IDLE_COUNT];
	struct cd_ast_span next[IDLE_COUNT]; /* the first that is not shown */
};

static void tell(struct idles *i, enum idle what, struct cd_ast_span span)
{
	uint32_t n = i->count[what]++;

	if (n < SHOWN)
		cd_check_warning(i->c, span, "%s", texts[what]);
	else if (n == SHOWN)
		i->next[what] = span;
}

static void tell_rest(struct idles *i)
{
	for (int what = 0; what < IDLE_COUNT; what++)
		if (i->count[what] > SHOWN)
			cd_check_warning(i->c, i->next[what],
					 "%s (here and %u times more)",
					 texts[what],
					 i->count[what] - SHOWN - 1);
}

/* ---- apps -------------------------------------------------------------- */
static void app_line(struct idles *i, const struct cd_ast_app *app,
		     const struct cd_ast_setting *s)
{
	switch (s->id) {
	case CD_SETTING_UDP:
	case CD_SETTING_SSH:
	case CD_SETTING_RDP:
		tell(i, IDLE_KIND, s->span);
		break;
	case CD_SETTING_TCP:
	case CD_SETTING_VIA:
		if (app->via.len &&
		    (app->kind == CD_APP_HTTP || app->kind == CD_APP_TCP))
			tell(i, IDLE_VIA, s->span);
		break;
	case CD_SETTING_WAF:
		if (!cd_str_has_prefix(s->text, CD_STR("off")))
			tell(i, IDLE_WAF, s->span);
		break;
	case CD_SETTING_LIMIT:
		tell(i, IDLE_LIMIT, s->span);
		break;
	default:
		break;
	}
}

/* ---- rules ------------------------------------------------------------- */
/* The obligations that src/nginx says it can keep: max alone. */
static bool is_impossible(const struct cd_obligations *o)
{
	return o->record_required || o->rate_count || o->no_clipboard ||
	       o->no_upload || o->no_download;
}

/* Attributes that nobody sets: unknown is no match in an allow and one in a
 * deny, also behind `not`. */
static bool is_known(enum cd_attr attr)
{
	return attr != CD_ATTR_GEO_COUNTRY && attr != CD_ATTR_SRC_LABELS &&
	       attr != CD_ATTR_DST_LABELS;
}

static void condition(struct idles *i, const struct cd_ast_cond *cond,
		      bool deny)
{
	if (cond->kind == CD_COND_APPROVAL)
		tell(i, IDLE_APPROVAL, cond->span);
	else if (cond->n_kids == 0 && !is_known(cond->attr))
		tell(i, deny ? IDLE_ALWAYS : IDLE_NEVER, cond->span);
	for (uint32_t k = 0; k < cond->n_kids; k++)
		condition(i, cond->kids[k], deny);
}

static bool is_seen(const struct cd_ast_object *o)
{
	return o->kind == CD_OBJ_ANY || o->kind == CD_OBJ_APP;
}

/* An allow on hosts or names opens nothing; a deny on them looks at the
 * servers of apps as well, and does. */
static void allow(struct idles *i, const struct cd_ast_rule *r)
{
	bool seen = false;

	for (uint32_t k = 0; k < r->to.n_items; k++) {
		if (is_seen(&r->to.items[k]))
			seen = true;
		else
			tell(i, IDLE_OBJECT, r->to.items[k].span);
	}
	for (uint32_t k = 0; seen && k < r->from.n_items; k++)
		if (r->from.items[k].kind == CD_SUBJ_HOSTS ||
		    r->from.items[k].kind == CD_SUBJ_SERVICE_ACCOUNT)
			tell(i, IDLE_SUBJECT, r->from.items[k].span);
	if (r->has_obligations && is_impossible(&r->with))
		tell(i, IDLE_OBLIGATION, r->with_span);
	else if (r->has_obligations && r->with.record)
		tell(i, IDLE_RECORD, r->with_span);
}

/* ---- segments ---------------------------------------------------------- */
static void segment(struct idles *i, const struct cd_ast_segment *s)
{
	if (s->fail_given)
		tell(i, IDLE_FAIL, s->head.name.span);
	for (uint32_t k = 0; k < s->n_interfaces; k++)
		tell(i, IDLE_INTERFACE, s->interfaces[k].span);
}

void cd_check_enforced(struct cd_checker *c)
{
	const struct cd_policy *p = c->policy;
	struct idles i = {.c = c};

	for (uint32_t k = 0; k < p->n_of_kind[CD_AST_SEGMENT]; k++)
		segment(&i, cd_ast_segment(p, k));
	for (uint32_t k = 0; k < p->n_of_kind[CD_AST_APP]; k++)
		for (uint32_t s = 0; s < cd_ast_app(p, k)->n_settings; s++)
			app_line(&i, cd_ast_app(p, k),
				 &cd_ast_app(p, k)->settings[s]);
	for (uint32_t k = 0; k < p->n_of_kind[CD_AST_RULE]; k++) {
		const struct cd_ast_rule *r = cd_ast_rule(p, k);

		if (r->when)
			condition(&i, r->when, r->deny);
		if (!r->deny)
			allow(&i, r);
	}
	tell_rest(&i);
}
