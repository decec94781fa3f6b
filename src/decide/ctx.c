/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a request to what the policy knows of it. Everything that rules ask
 * often (subject, groups, app, destination) is resolved at once; what few
 * rules ask (labels, suffixes of a name) on first use.
 */
#include "decide/ctx.h"

const uint8_t cd_truth_not[CD_TRUTHS] = {
	[CD_F] = CD_T, [CD_U] = CD_U, [CD_N] = CD_N,
	[CD_W] = CD_W, [CD_T] = CD_F,
};

/* The first in order of what occurs. allow: F U N W T for `and`, T W U N F for
 * `or`; deny: F U W N T, T U W N F. Inside a `not` the other way round, as if
 * the `not` stood at each atom: an allow's `and` is there what `or` is outside
 * with T and F exchanged. A deny's tables are their own opposites. */
const uint8_t cd_truth_and[CD_TABLES][CD_TRUTHS][CD_TRUTHS] = {
	{
		{CD_F, CD_F, CD_F, CD_F, CD_F},
		{CD_F, CD_U, CD_U, CD_U, CD_U},
		{CD_F, CD_U, CD_N, CD_N, CD_N},
		{CD_F, CD_U, CD_N, CD_W, CD_W},
		{CD_F, CD_U, CD_N, CD_W, CD_T},
	},
	{
		{CD_F, CD_F, CD_F, CD_F, CD_F},
		{CD_F, CD_U, CD_U, CD_U, CD_U},
		{CD_F, CD_U, CD_N, CD_W, CD_N},
		{CD_F, CD_U, CD_W, CD_W, CD_W},
		{CD_F, CD_U, CD_N, CD_W, CD_T},
	},
	{
		{CD_F, CD_F, CD_F, CD_F, CD_F},
		{CD_F, CD_U, CD_U, CD_W, CD_U},
		{CD_F, CD_U, CD_N, CD_W, CD_N},
		{CD_F, CD_W, CD_W, CD_W, CD_W},
		{CD_F, CD_U, CD_N, CD_W, CD_T},
	},
};

const uint8_t cd_truth_or[CD_TABLES][CD_TRUTHS][CD_TRUTHS] = {
	{
		{CD_F, CD_U, CD_N, CD_W, CD_T},
		{CD_U, CD_U, CD_U, CD_W, CD_T},
		{CD_N, CD_U, CD_N, CD_W, CD_T},
		{CD_W, CD_W, CD_W, CD_W, CD_T},
		{CD_T, CD_T, CD_T, CD_T, CD_T},
	},
	{
		{CD_F, CD_U, CD_N, CD_W, CD_T},
		{CD_U, CD_U, CD_U, CD_U, CD_T},
		{CD_N, CD_U, CD_N, CD_W, CD_T},
		{CD_W, CD_U, CD_W, CD_W, CD_T},
		{CD_T, CD_T, CD_T, CD_T, CD_T},
	},
	{
		{CD_F, CD_U, CD_N, CD_W, CD_T},
		{CD_U, CD_U, CD_U, CD_U, CD_T},
		{CD_N, CD_U, CD_N, CD_N, CD_T},
		{CD_W, CD_U, CD_N, CD_W, CD_T},
		{CD_T, CD_T, CD_T, CD_T, CD_T},
	},
};

enum cd_truth cd_there_truth(uint8_t there, bool deny, enum cd_look look)
{
	switch (there) {
	case CD_IS_ABSENT:
		return CD_N;
	case CD_IS_CURABLE:
		return deny || look != CD_LOOK_NOW ? CD_W : CD_U;
	case CD_IS_STALE:
		return !deny && look != CD_LOOK_NOW ? CD_W : CD_U;
	default:
		return CD_U;
	}
}

static uint8_t find_there(const struct cd_ctx *c, const struct cd_attr_row *row,
			  const struct cd_value *v)
{
	if ((c->kind && !(row->kinds & c->kind)) ||
	    (c->subject && !(row->subjects & c->subject)) ||
	    v->state == CD_ABSENT)
		return CD_IS_ABSENT;
	if (c->subject == CD_SUBJECT_ANONYMOUS &&
	    (row->cure == CD_CURE_SIGN_IN || row->cure == CD_CURE_PERSON ||
	     (row->cure == CD_CURE_DEVICE && v->state != CD_KNOWN)))
		return CD_IS_CURABLE;
	if (v->state != CD_KNOWN)
		return CD_IS_UNKNOWN;
	if (row->max_age && v->age > row->max_age)
		return CD_IS_STALE;
	/* No such name exists (RFC 1035): what it would be in is not known. */
	if (row->type == CD_T_NAME && v->u.s.s.len > 255)
		return CD_IS_UNKNOWN;
	return CD_IS_KNOWN;
}

/* Types that are compared as whole strings, so by their number. */
#define STRINGS                                                     \
	(1u << CD_T_STRING | 1u << CD_T_COUNTRY | 1u << CD_T_NAME | \
	 1u << CD_T_METHOD | 1u << CD_T_APP)

uint32_t cd_ctx_str(const struct cd_ctx *c, const struct cd_name *name)
{
	/* No string that a rule compares is longer: not worth its hash. */
	if (name->s.len > CD_MAX_STRING)
		return CD_NIL;
	return cd_snap_find(c->s, name->s,
			    name->hash ? name->hash : cd_str_hash(name->s));
}

/* Who has a value at all, without the rest of the registry: a decision looks
 * at each, and a whole row is a line of cache. */
static const struct {
	uint8_t kinds, subjects;
} scopes[CD_ATTR_COUNT] = {
#define X(id, name_, type_, kinds_, subjects_, cure_, max_age_, source_, doc_) \
	[CD_ATTR_##id] = {kinds_, subjects_},
	CD_ATTRS(X)
#undef X
};

static void find_values(struct cd_ctx *c)
{
	/* Nothing is curable for such a subject. */
	bool plain = c->kind && c->subject &&
		     c->subject != CD_SUBJECT_ANONYMOUS;

	memset(c->str, 0xff, sizeof(c->str)); /* CD_NIL */
	for (unsigned int i = 0; i < CD_ATTR_COUNT; i++) {
		const struct cd_value *v = &c->r->v[i];

		/* Most of a request's values are not given. */
		if (v->state == CD_UNKNOWN && plain) {
			bool has = scopes[i].kinds & c->kind &&
				   scopes[i].subjects & c->subject;

			c->there[i] = has ? CD_IS_UNKNOWN : CD_IS_ABSENT;
			continue;
		}
		c->there[i] = find_there(c, &cd_attr_rows[i], v);
		if (c->there[i] == CD_IS_KNOWN &&
		    STRINGS >> cd_attr_rows[i].type & 1)
			c->str[i] = cd_ctx_str(c, &v->u.s);
	}
}

static void add_groups(struct cd_ctx *c, uint32_t first, uint32_t n)
{
	const uint32_t *w = cd_snap_WORDS(c->s) + first;

	for (uint32_t i = 0; i < n; i++)
		c->groups[w[i] / 64] |= UINT64_C(1) << (w[i] % 64);
}

static void find_groups(struct cd_ctx *c)
{
	const struct cd_value *v = &c->r->v[CD_ATTR_USER_GROUPS];
	const struct cd_snap_str *strs = cd_snap_STRS(c->s);
	uint32_t str = c->str[CD_ATTR_USER_NAME];

	memset(c->groups, 0, ((size_t)cd_snap_GROUPS_n(c->s) + 63) / 64 * 8);
	if (str != CD_NIL)
		add_groups(c, strs[str].user_first, strs[str].user_n);
	if (c->there[CD_ATTR_USER_GROUPS] != CD_IS_KNOWN)
		return;
	for (uint32_t i = 0; i < v->n; i++) {
		str = cd_ctx_str(c, &v->u.set[i]);
		if (str != CD_NIL)
			add_groups(c, strs[str].group_first, strs[str].group_n);
	}
}

static void find_app(struct cd_ctx *c)
{
	uint32_t str = c->str[CD_ATTR_APP];

	c->app_there = c->there[CD_ATTR_APP];
	c->app = str == CD_NIL ? CD_NIL : cd_snap_STRS(c->s)[str].app;
}

static void set_dest(struct cd_ctx *c, struct cd_dest *d)
{
	d->segment = d->addr_there == CD_IS_KNOWN ?
			     cd_find_segment(c->s, &d->addr) :
			     CD_NIL;
}

/* The destination as the request says it. */
static struct cd_dest given_dest(const struct cd_ctx *c)
{
	struct cd_dest d = {
		.addr_there = (enum cd_there)c->there[CD_ATTR_DST_IP],
		.port_there = (enum cd_there)c->there[CD_ATTR_DST_PORT],
		.segment = CD_NIL,
	};

	if (d.addr_there == CD_IS_KNOWN)
		d.addr = c->r->v[CD_ATTR_DST_IP].u.addr;
	if (d.port_there == CD_IS_KNOWN)
		d.port = (uint16_t)c->r->v[CD_ATTR_DST_PORT].u.i;
	return d;
}

/* An app's destinations are its upstreams; one whose host is a name may be at
 * the address that the request gives. */
static void app_dests(struct cd_ctx *c)
{
	const struct cd_snap_app *app = &cd_snap_APPS(c->s)[c->app];
	const struct cd_snap_upstream *u =
		cd_snap_UPSTREAMS(c->s) + app->upstream_first;
	struct cd_dest given = given_dest(c);

	for (uint32_t i = 0; i < app->upstream_n; i++) {
		struct cd_dest *d = &c->dest[c->n_dest++];

		*d = given;
		if (i == CD_SNAP_DESTS) {
			d->addr_there = d->port_there = CD_IS_UNKNOWN;
			d->segment = CD_NIL;
			break;
		}
		d->port_there = CD_IS_KNOWN;
		d->port = u[i].port;
		if (u[i].family) {
			d->addr_there = CD_IS_KNOWN;
			d->addr.family = u[i].family;
			memcpy(d->addr.bytes, u[i].addr, 16);
		}
		set_dest(c, d);
	}
	c->proto = app->kind == CD_APP_UDP ? 17 : 6;
}

static int compare_target(const struct cd_snap_target *t,
			  const struct cd_addr *a)
{
	if (t->family != a->family)
		return t->family < a->family ? -1 : 1;
	return memcmp(t->addr, a->bytes, a->family == 4 ? 4 : 16);
}

/* First of TARGETS not below an address. */
static uint32_t lower_target(const struct cd_snapshot *s,
			     const struct cd_addr *a)
{
	const struct cd_snap_target *t = cd_snap_TARGETS(s);
	uint32_t lo = 0, hi = cd_snap_TARGETS_n(s);

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (compare_target(&t[mid], a) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool has_port(const struct cd_snapshot *s, uint32_t port)
{
	const uint32_t *w = cd_snap_WORDS(s) + s->named_port_first;

	for (uint32_t i = 0; i < s->named_port_n; i++)
		if (w[i] == port)
			return true;
	return false;
}

/* Could the destination be the upstream of an app whose upstream's address
 * the policy does not say? Asked only when the request may be to an app. */
static bool maybe_named(const struct cd_ctx *c, const struct cd_dest *d)
{
	if (c->kind == CD_KIND_PACKET || c->app_there != CD_IS_UNKNOWN ||
	    c->s->named_port_n == 0)
		return false;
	return d->port_there != CD_IS_KNOWN || has_port(c->s, d->port);
}

/* Is the destination some app's upstream: T, F, or U. Each upstream address
 * is in TARGETS, few apps share one. */
static enum cd_truth find_upstream(const struct cd_ctx *c)
{
	const struct cd_snap_target *t = cd_snap_TARGETS(c->s);
	const struct cd_dest *d = &c->dest[0];
	uint32_t n = cd_snap_TARGETS_n(c->s), i;
	enum cd_truth may = maybe_named(c, d) ? CD_U : CD_F;

	if (c->app_there == CD_IS_KNOWN || c->kind == CD_KIND_NAME ||
	    c->kind == CD_KIND_LOGIN)
		return CD_F;
	if (d->addr_there != CD_IS_KNOWN) {
		for (i = 0; i < n; i++)
			if (d->port_there != CD_IS_KNOWN ||
			    t[i].port == d->port)
				return CD_U;
		return may;
	}
	for (i = lower_target(c->s, &d->addr);
	     i < n && compare_target(&t[i], &d->addr) == 0; i++) {
		if (d->port_there != CD_IS_KNOWN)
			return CD_U;
		if (t[i].port == d->port)
			return CD_T;
	}
	return may;
}

static void find_dest(struct cd_ctx *c)
{
	c->proto = c->there[CD_ATTR_PROTO] == CD_IS_KNOWN ?
			   c->r->v[CD_ATTR_PROTO].u.i :
			   -1;
	c->n_dest = 0;
	if (c->app_there == CD_IS_KNOWN && c->app != CD_NIL &&
	    cd_snap_APPS(c->s)[c->app].upstream_n) {
		app_dests(c);
		/* Derived: known whatever the request gives. */
		c->there[CD_ATTR_PROTO] = CD_IS_KNOWN;
	} else {
		c->dest[0] = given_dest(c);
		set_dest(c, &c->dest[0]);
		c->n_dest = 1;
	}
	c->maybe_upstream = (uint8_t)find_upstream(c);
}

void cd_ctx_init(struct cd_ctx *c, const struct cd_snapshot *s,
		 const struct cd_request *r)
{
	const struct cd_value *subject = &r->v[CD_ATTR_SUBJECT];

	c->s = s;
	c->r = r;
	c->kind = r->kind;
	c->subject = 0;
	if (subject->state == CD_KNOWN)
		c->subject = (uint8_t)(subject->u.i & CD_SUBJECT_ALL);
	c->recheck = INT64_MAX;
	c->labels_done[0] = c->labels_done[1] = false;
	c->suffixes_done = false;
	memset(c->feed_memo, 0, sizeof(c->feed_memo));
	/* `same` is the number of a node: places beyond are not asked for */
	memset(c->memo, 0,
	       CD_MIN((size_t)cd_snap_NODES_n(s), CD_ARRAY_SIZE(c->memo)) *
		       sizeof(c->memo[0]));
	find_values(c);
	c->now = c->there[CD_ATTR_TIME] == CD_IS_KNOWN ?
			 r->v[CD_ATTR_TIME].u.i :
			 0;
	find_groups(c);
	find_app(c);
	c->src_segment = CD_NIL;
	if (c->there[CD_ATTR_SRC_IP] == CD_IS_KNOWN)
		c->src_segment =
			cd_find_segment(s, &r->v[CD_ATTR_SRC_IP].u.addr);
	find_dest(c);
}
