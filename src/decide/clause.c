/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One item of a rule's subjects or objects, and its ports, against the
 * request. What is here follows docs/policy-semantics.md line by line; an
 * object needs the care, because an address may be an app's upstream and a
 * request may not say whether it is to an app.
 */
#include "decide/ctx.h"

static enum cd_truth truth(bool b)
{
	return b ? CD_T : CD_F;
}

static bool is_host(const struct cd_eval *e)
{
	return e->c->subject == CD_SUBJECT_HOST;
}

bool cd_group_has_user(const struct cd_snapshot *s, uint32_t group,
		       uint32_t user)
{
	const struct cd_snap_group *g = &cd_snap_GROUPS(s)[group];
	const uint32_t *w = cd_snap_WORDS(s) + g->user_first;
	uint32_t lo = 0, hi = g->user_n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (w[mid] < user)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < g->user_n && w[lo] == user;
}

enum cd_truth cd_eval_group(const struct cd_eval *e, uint32_t group)
{
	const struct cd_snap_group *g = &cd_snap_GROUPS(e->c->s)[group];
	uint8_t groups = e->c->there[CD_ATTR_USER_GROUPS];
	uint8_t name = e->c->there[CD_ATTR_USER_NAME];
	enum cd_truth t = CD_F;

	if (is_host(e))
		return CD_F;
	if (e->c->subject == CD_SUBJECT_ANONYMOUS)
		return cd_there_truth(CD_IS_CURABLE, e->deny, e->look);
	if (e->c->groups[group / 64] >> (group % 64) & 1)
		return CD_T;
	if (groups != CD_IS_KNOWN)
		t = cd_there_truth(groups, e->deny, e->look);
	if (g->by_users && name != CD_IS_KNOWN)
		t = cd_or(e, t, cd_there_truth(name, e->deny, e->look));
	return t;
}

static enum cd_truth eval_people(const struct cd_eval *e)
{
	switch (e->c->subject) {
	case CD_SUBJECT_PERSON:
		return CD_T;
	case CD_SUBJECT_HOST:
		return CD_F;
	case CD_SUBJECT_ANONYMOUS:
		return e->deny || e->look == CD_LOOK_NOW ? CD_F : CD_W;
	default:
		return CD_U;
	}
}

static enum cd_truth eval_user(const struct cd_eval *e, uint32_t user)
{
	uint8_t there = e->c->there[CD_ATTR_USER_NAME];

	if (is_host(e))
		return CD_F;
	if (e->c->subject == CD_SUBJECT_ANONYMOUS)
		return cd_there_truth(CD_IS_CURABLE, e->deny, e->look);
	if (there != CD_IS_KNOWN)
		return cd_there_truth(there, e->deny, e->look);
	return truth(e->c->str[CD_ATTR_USER_NAME] == user);
}

/* No attribute says which service account asks: absent for a host. */
static enum cd_truth eval_account(const struct cd_eval *e)
{
	if (e->c->subject == 0)
		return CD_U;
	return is_host(e) ? CD_N : CD_F;
}

static bool segment_has(const struct cd_snapshot *s, uint32_t segment,
			uint32_t leaf)
{
	return leaf != CD_NIL && segment <= leaf &&
	       leaf <= cd_snap_SEGMENTS(s)[segment].last;
}

static enum cd_truth eval_from_address(const struct cd_eval *e,
				       const struct cd_snap_item *item)
{
	uint8_t there = e->c->there[CD_ATTR_SRC_IP];

	if (there != CD_IS_KNOWN)
		return cd_there_truth(there, e->deny, e->look);
	if (item->kind == CD_FROM_SEGMENT)
		return truth(segment_has(e->c->s, item->id, e->c->src_segment));
	return truth(e->c->src_segment == CD_NIL &&
		     cd_addr_is_global(&e->c->r->v[CD_ATTR_SRC_IP].u.addr));
}

enum cd_truth cd_eval_subject(const struct cd_eval *e,
			      const struct cd_snap_item *item)
{
	switch (item->kind) {
	case CD_FROM_ANY:
		return CD_T;
	case CD_FROM_PEOPLE:
		return eval_people(e);
	case CD_FROM_ANONYMOUS:
		if (e->c->subject == 0)
			return CD_U;
		return truth(e->c->subject == CD_SUBJECT_ANONYMOUS);
	case CD_FROM_USER:
		return eval_user(e, item->id);
	case CD_FROM_GROUP:
		return cd_eval_group(e, item->id);
	case CD_FROM_HOSTS:
		return cd_eval_selector(
			e, cd_snap_HOSTS(e->c->s)[item->id].root, 0);
	case CD_FROM_SERVICE_ACCOUNT:
		return eval_account(e);
	default:
		return eval_from_address(e, item);
	}
}

/* ---- objects ----------------------------------------------------------- */
static bool is_app_kind(const struct cd_ctx *c)
{
	return (c->kind & (CD_KIND_TLS | CD_KIND_HTTP | CD_KIND_SHELL)) != 0;
}

/* An allow that does not name the app opens no upstream of one. */
static enum cd_truth not_upstream(const struct cd_eval *e)
{
	if (e->deny || e->except)
		return CD_T;
	return cd_not((enum cd_truth)e->c->maybe_upstream);
}

/* A packet may reach the app later, when its destination is the app's
 * upstream; a name, when it is the app's host. */
static enum cd_truth app_by_packet(const struct cd_eval *e, uint32_t app)
{
	const struct cd_snap_app *a = &cd_snap_APPS(e->c->s)[app];
	const struct cd_snap_upstream *u =
		cd_snap_UPSTREAMS(e->c->s) + a->upstream_first;
	const struct cd_dest *d = &e->c->dest[0];
	enum cd_truth t = CD_F;

	for (uint32_t i = 0; i < a->upstream_n; i++) {
		struct cd_addr at = {.family = u[i].family};

		memcpy(at.bytes, u[i].addr, sizeof(at.bytes));
		if ((d->port_there == CD_IS_KNOWN && d->port != u[i].port) ||
		    (d->addr_there == CD_IS_KNOWN &&
		     cd_addr_compare(&at, &d->addr) != 0))
			continue;
		if (d->port_there == CD_IS_KNOWN &&
		    d->addr_there == CD_IS_KNOWN)
			return CD_N;
		t = CD_U;
	}
	return t;
}

static enum cd_truth app_by_name(const struct cd_eval *e, uint32_t app)
{
	uint32_t host = cd_snap_APPS(e->c->s)[app].host;

	if (e->c->there[CD_ATTR_DST_NAME] != CD_IS_KNOWN)
		return CD_U;
	return host != CD_NIL && e->c->str[CD_ATTR_DST_NAME] == host ? CD_N :
								       CD_F;
}

static enum cd_truth eval_app(const struct cd_eval *e, uint32_t app)
{
	const struct cd_ctx *c = e->c;

	if (c->kind == CD_KIND_PACKET)
		return app_by_packet(e, app);
	if (c->kind == CD_KIND_NAME)
		return app_by_name(e, app);
	if (c->app_there == CD_IS_KNOWN)
		return truth(c->app == app);
	return c->app_there == CD_IS_ABSENT ? CD_F : CD_U;
}

enum cd_truth cd_eval_method(const struct cd_eval *e,
			     const struct cd_snap_item *item)
{
	const uint32_t *w = cd_snap_WORDS(e->c->s) + item->method_first;
	uint8_t there = e->c->there[CD_ATTR_HTTP_METHOD];

	if (item->method_n == 0)
		return CD_T;
	if (there != CD_IS_KNOWN)
		return cd_there_truth(there, e->deny, e->look);
	for (uint32_t i = 0; i < item->method_n; i++)
		if (w[i] == e->c->str[CD_ATTR_HTTP_METHOD])
			return CD_T;
	return CD_F;
}

enum cd_truth cd_eval_path(const struct cd_eval *e,
			   const struct cd_snap_item *item)
{
	uint8_t there = e->c->there[CD_ATTR_HTTP_PATH];

	if (item->path == CD_NIL)
		return CD_T;
	if (there != CD_IS_KNOWN)
		return cd_there_truth(there, e->deny, e->look);
	return truth(cd_path_match(cd_snap_text(e->c->s, item->path),
				   e->c->r->v[CD_ATTR_HTTP_PATH].u.s.s));
}

static enum cd_truth merge(enum cd_truth a, enum cd_truth b, bool first)
{
	return first || a == b ? b : CD_U;
}

static enum cd_truth dest_in(const struct cd_eval *e,
			     const struct cd_snap_item *item)
{
	enum cd_truth t = CD_U;

	for (uint32_t i = 0; i < e->c->n_dest; i++) {
		const struct cd_dest *d = &e->c->dest[i];
		enum cd_truth one;

		if (d->addr_there != CD_IS_KNOWN)
			one = cd_there_truth((uint8_t)d->addr_there, e->deny,
					     e->look);
		else if (item->kind == CD_TO_SEGMENT)
			one = truth(segment_has(e->c->s, item->id, d->segment));
		else
			one = truth(d->segment == CD_NIL &&
				    cd_addr_is_global(&d->addr));
		t = merge(t, one, i == 0);
	}
	return t;
}

/* hosts, segment, internet: things with an address. */
static enum cd_truth eval_to_address(const struct cd_eval *e,
				     const struct cd_snap_item *item)
{
	const struct cd_ctx *c = e->c;
	enum cd_truth t;

	if (c->kind == CD_KIND_NAME || c->kind == CD_KIND_LOGIN)
		return CD_F;
	if (c->app_there == CD_IS_KNOWN && !e->deny && !e->except)
		return CD_F;
	if (item->kind == CD_TO_HOSTS)
		t = cd_eval_selector(e, cd_snap_HOSTS(c->s)[item->id].root, 1);
	else
		t = dest_in(e, item);
	if (e->deny || e->except)
		return t;
	/* An app's kind of request that does not say which app. */
	if (c->app_there == CD_IS_UNKNOWN && is_app_kind(c) && t == CD_T)
		t = CD_U;
	return cd_and(e, t, not_upstream(e));
}

static enum cd_truth eval_domains(const struct cd_eval *e,
				  const struct cd_snap_item *item)
{
	struct cd_ctx *c = e->c;
	uint8_t there = c->there[CD_ATTR_DST_NAME];
	uint32_t str = c->str[CD_ATTR_DST_NAME];

	if (c->kind == CD_KIND_PACKET || c->kind == CD_KIND_LOGIN ||
	    c->kind == CD_KIND_SHELL || c->app_there == CD_IS_KNOWN)
		return CD_F;
	if (there != CD_IS_KNOWN)
		return cd_there_truth(there, e->deny, e->look);
	if (!cd_ctx_name_in(c, item->id))
		return CD_F;
	/* The request may be to an app, and then it is to no domain. */
	if (!e->deny && !e->except && c->app_there == CD_IS_UNKNOWN &&
	    (is_app_kind(c) ||
	     (str != CD_NIL && cd_snap_STRS(c->s)[str].app_host != CD_NIL)))
		return CD_U;
	return CD_T;
}

enum cd_truth cd_eval_target(const struct cd_eval *e,
			     const struct cd_snap_item *item)
{
	switch (item->kind) {
	case CD_TO_ANY:
		return not_upstream(e);
	case CD_TO_APP:
		return e->c->kind == CD_KIND_LOGIN ? CD_F :
						     eval_app(e, item->id);
	case CD_TO_DOMAINS:
		return eval_domains(e, item);
	default:
		return eval_to_address(e, item);
	}
}

enum cd_truth cd_eval_object(const struct cd_eval *e,
			     const struct cd_snap_item *item)
{
	enum cd_truth t = cd_eval_target(e, item);

	if (item->kind != CD_TO_APP || t == CD_F)
		return t;
	t = cd_and(e, t, cd_eval_method(e, item));
	return t == CD_F ? t : cd_and(e, t, cd_eval_path(e, item));
}

/* ---- ports ------------------------------------------------------------- */
static enum cd_truth port_matches(const struct cd_eval *e,
				  const struct cd_snap_port *p,
				  const struct cd_dest *d)
{
	uint8_t there = e->c->there[CD_ATTR_PROTO];
	enum cd_truth t = CD_T;

	if (p->proto)
		t = there == CD_IS_KNOWN ?
			    truth(e->c->proto == p->proto) :
			    cd_there_truth(there, e->deny, e->look);
	/* The whole range asks nothing about the port: icmp has none. */
	if (p->lo == 0 && p->hi == UINT16_MAX)
		return t;
	return cd_and(e, t,
		      d->port_there == CD_IS_KNOWN ?
			      truth(p->lo <= d->port && d->port <= p->hi) :
			      cd_there_truth((uint8_t)d->port_there, e->deny,
					     e->look));
}

enum cd_truth cd_eval_ports(const struct cd_eval *e, uint32_t first, uint32_t n)
{
	const struct cd_snap_port *p = cd_snap_PORTS(e->c->s) + first;
	enum cd_truth all = CD_U;

	for (uint32_t i = 0; i < e->c->n_dest; i++) {
		enum cd_truth t = CD_F;

		for (uint32_t k = 0; k < n && t != CD_T; k++)
			t = cd_or(e, t, port_matches(e, &p[k], &e->c->dest[i]));
		all = merge(all, t, i == 0);
	}
	return all;
}

enum cd_truth cd_eval_list(const struct cd_eval *e, uint32_t first, uint32_t n,
			   bool object)
{
	const struct cd_snap_item *items = cd_snap_ITEMS(e->c->s) + first;
	enum cd_truth t = CD_F;

	for (uint32_t i = 0; i < n && t != CD_T; i++)
		t = cd_or(e, t,
			  object ? cd_eval_object(e, &items[i]) :
				   cd_eval_subject(e, &items[i]));
	return t;
}
