/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words for the parts that an explanation lists. Administrators read the
 * policy's own terms and values; other people read what is asked of them, and
 * never a list of the policy.
 */
#include "decide/rule.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/time.h"

/* Bounded text: what does not fit is cut, the rest is not lost track of. */
struct out {
	char *p;
	size_t size, len;
};

static void put(struct out *o, struct cd_str s)
{
	size_t room = o->size ? o->size - 1 - o->len : 0;
	size_t n = CD_MIN(s.len, room);

	if (n)
		memcpy(o->p + o->len, s.ptr, n);
	o->len += n;
}

static void puts_out(struct out *o, const char *z)
{
	put(o, cd_str_from(z));
}

cd_printf(2, 3) static void putf(struct out *o, const char *fmt, ...)
{
	char text[128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	puts_out(o, text);
}

static size_t finish(struct out *o)
{
	if (o->size)
		o->p[o->len] = 0;
	return o->len;
}

/* Elements of a list that are told; then how many more. */
#define LIST_MAX 8

static bool list_step(struct out *o, uint32_t i, uint32_t n)
{
	if (i == LIST_MAX && n > LIST_MAX + 1) {
		putf(o, " and %u more", n - LIST_MAX);
		return false;
	}
	if (i)
		puts_out(o, ", ");
	return true;
}

/* ---- numbers by their type -------------------------------------------------- */
static void put_named(struct out *o, int64_t v, const char *const *names,
		      int64_t n)
{
	if (v >= 0 && v < n && names[v])
		puts_out(o, names[v]);
	else
		putf(o, "%lld", (long long)v);
}

static void put_proto(struct out *o, int64_t v)
{
	static const char *const names[] = {
		[1] = "icmp", [6] = "tcp", [17] = "udp", [58] = "icmp6"};

	put_named(o, v, names, CD_ARRAY_SIZE(names));
}

static void put_duration(struct out *o, int64_t v)
{
	char text[CD_DURATION_SIZE];

	cd_duration_format(CD_MAX(v, 0), text, sizeof(text));
	puts_out(o, text);
}

static void put_instant(struct out *o, int64_t ns)
{
	char text[CD_RFC3339_SIZE];

	cd_rfc3339_format(ns, text, sizeof(text));
	puts_out(o, text);
}

static void put_int(struct out *o, enum cd_type type, int64_t v)
{
	static const char *const risks[] = {NULL, "low", "medium", "high"};
	static const char *const factors[] = {"none", "password", "totp",
					      "webauthn"};
	static const char *const subjects[] = {NULL, "person", "anonymous",
					       NULL, "host"};

	switch (type) {
	case CD_T_DURATION:
		put_duration(o, v);
		break;
	case CD_T_RISK:
		put_named(o, v, risks, CD_ARRAY_SIZE(risks));
		break;
	case CD_T_FACTOR:
		put_named(o, v, factors, CD_ARRAY_SIZE(factors));
		break;
	case CD_T_SUBJECT:
		put_named(o, v, subjects, CD_ARRAY_SIZE(subjects));
		break;
	case CD_T_PROTO:
		put_proto(o, v);
		break;
	case CD_T_TIME:
		put_instant(o, v);
		break;
	case CD_T_BOOL:
		puts_out(o, v ? "yes" : "no");
		break;
	default:
		putf(o, "%lld", (long long)v);
	}
}

/* ---- needs of atoms ----------------------------------------------------------- */
static void need_order(struct out *o, const struct cd_snap_node *n, bool neg)
{
	static const char *const words[2][CD_CMPS] = {
		{"< ", "<= ", "> ", ">= "},
		{">= ", "> ", "<= ", "< "},
	};

	puts_out(o, words[neg][n->cmp]);
	put_int(o, cd_attr_get((enum cd_attr)n->attr)->type, n->i);
}

static void need_equal(struct out *o, const struct cd_snap_node *n, bool neg)
{
	if (n->flags & CD_NODE_LISTED)
		puts_out(o, neg ? "not in " : "in ");
	else
		puts_out(o, neg ? "!= " : "= ");
}

static void need_ints(struct out *o, const struct cd_snapshot *s,
		      const struct cd_snap_node *n, bool neg)
{
	const struct cd_snap_span8 *p = cd_snap_SPANS8(s) + n->a;
	enum cd_type type = cd_attr_get((enum cd_attr)n->attr)->type;

	need_equal(o, n, neg);
	for (uint32_t i = 0; i < n->n && list_step(o, i, n->n); i++) {
		put_int(o, type, p[i].lo);
		if (p[i].hi != p[i].lo) {
			puts_out(o, "-");
			put_int(o, type, p[i].hi);
		}
	}
}

static void need_strs(struct out *o, const struct cd_snapshot *s,
		      const struct cd_snap_node *n, bool neg)
{
	const uint32_t *w = cd_snap_WORDS(s) + n->a;

	if (cd_attr_get((enum cd_attr)n->attr)->type == CD_T_SET)
		puts_out(o, neg ? "not has " : "has ");
	else if (n->op == CD_NODE_LIKE)
		puts_out(o, neg ? "not like " : "like ");
	else
		need_equal(o, n, neg);
	for (uint32_t i = 0; i < n->n && list_step(o, i, n->n); i++)
		put(o, cd_snap_text(s, w[i]));
}

static void need_addrs(struct out *o, const struct cd_snapshot *s,
		       const struct cd_snap_node *n, bool neg)
{
	const struct cd_snap_spans *l = &cd_snap_LISTS(s)[n->a];
	uint32_t all = l->n4 > UINT32_MAX - l->n6 ? UINT32_MAX : l->n4 + l->n6;

	need_equal(o, n, neg);
	for (uint32_t i = 0; i < all && list_step(o, i, all); i++) {
		char text[CD_ADDR_SIZE];
		uint8_t lo[16], hi[16];
		struct cd_addr a;

		if (i < l->n4) {
			const struct cd_snap_span4 *p =
				&cd_snap_SPANS4(s)[l->first4 + i];
			uint32_t edge[] = {__builtin_bswap32(p->lo),
					   __builtin_bswap32(p->hi)};

			memcpy(lo, &edge[0], 4);
			memcpy(hi, &edge[1], 4);
		} else {
			const struct cd_snap_span6 *p =
				&cd_snap_SPANS6(s)[l->first6 + i - l->n4];

			memcpy(lo, p->lo, 16);
			memcpy(hi, p->hi, 16);
		}
		a = cd_addr_make(lo, i < l->n4 ? 4 : 16);
		cd_addr_format(&a, text, sizeof(text));
		puts_out(o, text);
		if (memcmp(lo, hi, i < l->n4 ? 4 : 16) == 0)
			continue;
		a = cd_addr_make(hi, i < l->n4 ? 4 : 16);
		cd_addr_format(&a, text, sizeof(text));
		putf(o, "-%s", text);
	}
}

static void need_window(struct out *o, const struct cd_snapshot *s,
			const struct cd_snap_node *n, bool neg)
{
	static const char *const days[] = {"mon", "tue", "wed", "thu",
					   "fri", "sat", "sun"};
	const struct cd_snap_window *w = &cd_snap_WINDOWS(s)[n->a];
	bool first = true;

	puts_out(o, neg ? "not in " : "in ");
	for (unsigned int d = 0; d < 7; d++) {
		unsigned int end = d;

		if (!(w->days >> d & 1))
			continue;
		while (end < 6 && w->days >> (end + 1) & 1)
			end++;
		putf(o, "%s%s", first ? "" : ",", days[d]);
		if (end > d)
			putf(o, "%s%s", end > d + 1 ? "-" : ",", days[end]);
		first = false;
		d = end;
	}
	putf(o, " %02u:%02u-%02u:%02u ", w->from / 60u, w->from % 60u,
	     w->to / 60u, w->to % 60u);
	put(o, cd_snap_text(s, cd_snap_ZONES(s)[w->zone].name));
}

static void need_named(struct out *o, bool neg, const char *what,
		       struct cd_str name)
{
	putf(o, "%s%s ", neg ? "not " : "", what);
	put(o, name);
}

static void need_node(struct out *o, const struct cd_snapshot *s,
		      const struct cd_snap_node *n, bool neg)
{
	if (n->flags & CD_NODE_NEGATED)
		neg = !neg;
	switch (n->op) {
	case CD_NODE_BOOL:
		puts_out(o, (n->i != 0) != neg ? "yes" : "no");
		break;
	case CD_NODE_ORDER:
		need_order(o, n, neg);
		break;
	case CD_NODE_INTS:
		need_ints(o, s, n, neg);
		break;
	case CD_NODE_STRS:
	case CD_NODE_LIKE:
		need_strs(o, s, n, neg);
		break;
	case CD_NODE_ADDRS:
		need_addrs(o, s, n, neg);
		break;
	case CD_NODE_FEED:
		need_named(o, neg, "in feed",
			   cd_snap_text(s, cd_snap_FEEDS(s)[n->a].name));
		break;
	case CD_NODE_LABEL:
		need_named(o, neg, "has", cd_snap_text(s, n->a));
		puts_out(o, "=");
		put(o, cd_snap_text(s, n->n));
		break;
	case CD_NODE_TIME:
		need_window(o, s, n, neg);
		break;
	default:
		putf(o, "%s%u of group ", neg ? "not by " : "by ", n->n);
		put(o, cd_snap_text(s, cd_snap_GROUPS(s)[n->a].name));
	}
}

/* ---- needs of clauses ----------------------------------------------------------- */
static void put_subject(struct out *o, const struct cd_snapshot *s,
			const struct cd_snap_item *item)
{
	static const char *const words[CD_FROM_KINDS] = {
		"any",	 "people", "anonymous", "internet",	   "user",
		"group", "hosts",  "segment",	"service-account",
	};
	struct cd_str name = CD_STR_NULL;

	puts_out(o, words[item->kind]);
	switch (item->kind) {
	case CD_FROM_USER:
	case CD_FROM_SERVICE_ACCOUNT:
		name = cd_snap_text(s, item->id);
		break;
	case CD_FROM_GROUP:
		name = cd_snap_text(s, cd_snap_GROUPS(s)[item->id].name);
		break;
	case CD_FROM_HOSTS:
		name = cd_snap_text(s, cd_snap_HOSTS(s)[item->id].name);
		break;
	case CD_FROM_SEGMENT:
		name = cd_snap_text(s, cd_snap_SEGMENTS(s)[item->id].name);
		break;
	default:
		return;
	}
	puts_out(o, " ");
	put(o, name);
}

static void put_app(struct out *o, const struct cd_snapshot *s,
		    const struct cd_snap_item *item)
{
	put(o, cd_snap_text(s, cd_snap_APPS(s)[item->id].name));
	for (uint32_t i = 0; i < item->method_n; i++) {
		puts_out(o, i ? ", " : " method ");
		put(o,
		    cd_snap_text(s, cd_snap_WORDS(s)[item->method_first + i]));
	}
	if (item->path != CD_NIL) {
		puts_out(o, " path ");
		put(o, cd_snap_text(s, item->path));
	}
}

static void put_object(struct out *o, const struct cd_snapshot *s,
		       const struct cd_snap_item *item)
{
	static const char *const words[CD_TO_KINDS] = {
		"any", "internet", "app ", "hosts ", "segment ", "domains ",
	};

	puts_out(o, item->category ? "category " : words[item->kind]);
	switch (item->kind) {
	case CD_TO_APP:
		put_app(o, s, item);
		break;
	case CD_TO_HOSTS:
		put(o, cd_snap_text(s, cd_snap_HOSTS(s)[item->id].name));
		break;
	case CD_TO_SEGMENT:
		put(o, cd_snap_text(s, cd_snap_SEGMENTS(s)[item->id].name));
		break;
	case CD_TO_DOMAINS:
		put(o, cd_snap_text(s, cd_snap_DOMSETS(s)[item->id].name));
		break;
	default:
		break;
	}
}

static void put_items(struct out *o, const struct cd_snapshot *s,
		      uint32_t first, uint32_t n, bool object)
{
	for (uint32_t i = 0; i < n && list_step(o, i, n); i++) {
		const struct cd_snap_item *item = &cd_snap_ITEMS(s)[first + i];

		if (object)
			put_object(o, s, item);
		else
			put_subject(o, s, item);
	}
}

static void put_ports(struct out *o, const struct cd_snapshot *s,
		      const struct cd_snap_rule *r)
{
	for (uint32_t i = 0; i < r->port_n && list_step(o, i, r->port_n); i++) {
		const struct cd_snap_port *p =
			&cd_snap_PORTS(s)[r->port_first + i];

		if (p->proto)
			put_proto(o, p->proto);
		else
			puts_out(o, "any");
		if (p->lo == 0 && p->hi == UINT16_MAX)
			continue;
		putf(o, "/%u", p->lo);
		if (p->hi != p->lo)
			putf(o, "-%u", p->hi);
	}
}

static void need_clause(struct out *o, const struct cd_snapshot *s,
			enum cd_clause clause, const struct cd_snap_rule *r,
			bool neg)
{
	bool except = clause == CD_CLAUSE_SUBJECT_EXCEPT ||
		      clause == CD_CLAUSE_OBJECT_EXCEPT;

	if (except != neg)
		puts_out(o, "not ");
	switch (clause) {
	case CD_CLAUSE_SUBJECT:
		put_items(o, s, r->from_first, r->from_n, false);
		break;
	case CD_CLAUSE_SUBJECT_EXCEPT:
		put_items(o, s, r->from_except_first, r->from_except_n, false);
		break;
	case CD_CLAUSE_OBJECT:
		put_items(o, s, r->to_first, r->to_n, true);
		break;
	case CD_CLAUSE_OBJECT_EXCEPT:
		put_items(o, s, r->to_except_first, r->to_except_n, true);
		break;
	case CD_CLAUSE_PORTS:
		put_ports(o, s, r);
		break;
	case CD_CLAUSE_LIFE:
		puts_out(o, "before ");
		put_instant(o, r->until * CD_NS_PER_S);
		break;
	default:
		puts_out(o, "a point that can honour the obligations");
	}
}

/* What a person is asked for; never a value of the policy. */
static const char *const for_user[CD_ATTR_COUNT] = {
	[CD_ATTR_SUBJECT] = "to be signed in",
	[CD_ATTR_TIME] = "a permitted time",
	[CD_ATTR_USER_NAME] = "a permitted account",
	[CD_ATTR_USER_GROUPS] = "membership in a permitted group",
	[CD_ATTR_DEVICE_NAME] = "a known device",
	[CD_ATTR_DEVICE_MANAGED] = "a managed device",
	[CD_ATTR_DEVICE_ENCRYPTED] = "an encrypted device",
	[CD_ATTR_DEVICE_OS] = "a permitted operating system",
	[CD_ATTR_DEVICE_OS_AGE] = "a recently updated operating system",
	[CD_ATTR_DEVICE_FIREWALL] = "a device with its firewall on",
	[CD_ATTR_DEVICE_SCREEN_LOCK] = "a device that locks its screen",
	[CD_ATTR_MFA_AGE] = "a recent second factor",
	[CD_ATTR_MFA_KIND] = "a stronger second factor",
	[CD_ATTR_SESSION_AGE] = "a recent sign-in",
	[CD_ATTR_RISK_USER] = "an account without warnings",
	[CD_ATTR_GEO_COUNTRY] = "a permitted country",
	[CD_ATTR_SRC_IP] = "a permitted network",
	[CD_ATTR_SRC_LABELS] = "a permitted host",
	[CD_ATTR_DST_IP] = "a permitted destination",
	[CD_ATTR_DST_LABELS] = "a permitted destination",
	[CD_ATTR_DST_PORT] = "a permitted port",
	[CD_ATTR_PROTO] = "a permitted protocol",
	[CD_ATTR_DST_NAME] = "a permitted name",
	[CD_ATTR_APP] = "a permitted app",
	[CD_ATTR_HTTP_METHOD] = "a permitted method",
	[CD_ATTR_HTTP_PATH] = "a permitted page",
	[CD_ATTR_APPROVAL] = "approval by others",
};

size_t cd_failure_need(const struct cd_snapshot *snapshot,
		       const struct cd_failure *f, enum cd_audience audience,
		       char *out, size_t size)
{
	struct out o = {out, size, 0};
	uint32_t index = CD_ATOM_INDEX(f->atom);
	bool neg = (f->atom & CD_ATOM_NEGATED) != 0;
	enum cd_clause clause = CD_ATOM_CLAUSE(f->atom);

	if (audience == CD_FOR_USER)
		puts_out(&o, f->attr < CD_ATTR_COUNT ?
				     for_user[f->attr] :
				     "another way to reach this");
	else if (clause == CD_CLAUSE_TREE && index < cd_snap_NODES_n(snapshot))
		need_node(&o, snapshot, &cd_snap_NODES(snapshot)[index], neg);
	else if (clause != CD_CLAUSE_TREE && index < cd_snap_RULES_n(snapshot))
		need_clause(&o, snapshot, clause,
			    &cd_snap_RULES(snapshot)[index], neg);
	return finish(&o);
}

/* ---- what the request has -------------------------------------------------------- */
static void have_list(struct out *o, const struct cd_value *v,
		      enum cd_type type)
{
	if (v->n == 0)
		puts_out(o, "none");
	for (uint32_t i = 0; i < v->n && list_step(o, i, v->n); i++) {
		if (type != CD_T_LABELS) {
			put(o, v->u.set[i].s);
			continue;
		}
		put(o, v->u.labels[i].key.s);
		puts_out(o, "=");
		put(o, v->u.labels[i].value.s);
	}
}

static void have_value(struct out *o, enum cd_type type,
		       const struct cd_value *v)
{
	char text[CD_ADDR_SIZE];

	switch (type) {
	case CD_T_BOOL:
		puts_out(o, v->u.b ? "yes" : "no");
		break;
	case CD_T_ADDR:
		cd_addr_format(&v->u.addr, text, sizeof(text));
		puts_out(o, text);
		break;
	case CD_T_SET:
	case CD_T_APPROVERS:
	case CD_T_LABELS:
		have_list(o, v, type);
		break;
	case CD_T_STRING:
	case CD_T_COUNTRY:
	case CD_T_NAME:
	case CD_T_PATH:
	case CD_T_METHOD:
	case CD_T_APP:
		put(o, v->u.s.s);
		break;
	default:
		put_int(o, type, v->u.i);
	}
}

/* People see what they told us of themselves, not what others think of them. */
static bool is_own(unsigned int attr)
{
	return attr != CD_ATTR_RISK_USER && attr != CD_ATTR_APPROVAL &&
	       attr != CD_ATTR_SRC_LABELS && attr != CD_ATTR_DST_LABELS &&
	       attr != CD_ATTR_DST_IP && attr != CD_ATTR_DST_PORT;
}

/* Where an app is: what dst.ip and dst.port of a request to it are. */
static bool have_upstreams(struct out *o, const struct cd_snapshot *s,
			   const struct cd_request *r, unsigned int attr)
{
	const struct cd_value *v = &r->v[CD_ATTR_APP];
	struct cd_upstream u;
	struct cd_app app;

	if ((attr != CD_ATTR_DST_IP && attr != CD_ATTR_DST_PORT) ||
	    v->state != CD_KNOWN ||
	    !cd_snapshot_app_by_name(s, v->u.s.s, &app) || app.n_upstreams == 0)
		return false;
	for (uint32_t i = 0;
	     i < app.n_upstreams && list_step(o, i, app.n_upstreams); i++) {
		if (!cd_snapshot_upstream(s, app.index, i, &u))
			break;
		if (attr == CD_ATTR_DST_PORT)
			putf(o, "%u", u.port);
		else if (u.addr.family)
			put(o, u.host);
		else if (r->v[attr].state == CD_KNOWN)
			have_value(o, CD_T_ADDR, &r->v[attr]);
		else
			puts_out(o, "unknown");
	}
	return true;
}

size_t cd_failure_have(const struct cd_snapshot *snapshot,
		       const struct cd_request *request,
		       const struct cd_failure *f, enum cd_audience audience,
		       char *out, size_t size)
{
	struct out o = {out, size, 0};
	const struct cd_attr_row *row;
	const struct cd_value *v;

	if (f->attr >= CD_ATTR_COUNT ||
	    (audience == CD_FOR_USER && !is_own(f->attr)) ||
	    have_upstreams(&o, snapshot, request, f->attr))
		return finish(&o);
	row = cd_attr_get((enum cd_attr)f->attr);
	v = &request->v[f->attr];
	if (f->state == CD_ABSENT) {
		puts_out(&o, "absent");
	} else if (v->state != CD_KNOWN) {
		puts_out(&o, "unknown");
	} else {
		have_value(&o, row->type, v);
		if (f->state == CD_UNKNOWN && row->max_age &&
		    v->age > row->max_age) {
			puts_out(&o, ", ");
			put_duration(&o, v->age);
			puts_out(&o, " ago");
		}
	}
	return finish(&o);
}
