/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The slow evaluator: docs/policy-semantics.md, sentence by sentence. Every
 * rule is looked at for every request; nothing is prepared or remembered.
 */
#include "model.h"

#include <string.h>

enum truth { F, T, U, N, W };

/* A look: which rule effect's tables are used and what is cured. */
struct look {
	const struct m_policy *p;
	const struct m_request *q;
	bool deny;
	bool cured;
	bool approved;
	bool attested; /* stale device values alone are cured */
};

static enum truth first_of(const enum truth order[5], enum truth a,
			   enum truth b)
{
	for (int i = 0; i < 5; i++)
		if (a == order[i] || b == order[i])
			return order[i];
	return F;
}

static enum truth and_(const struct look *l, enum truth a, enum truth b)
{
	static const enum truth allow[5] = {F, U, N, W, T};
	static const enum truth deny[5] = {F, U, W, N, T};

	return first_of(l->deny ? deny : allow, a, b);
}

static enum truth or_(const struct look *l, enum truth a, enum truth b)
{
	static const enum truth allow[5] = {T, W, U, N, F};
	static const enum truth deny[5] = {T, U, W, N, F};

	return first_of(l->deny ? deny : allow, a, b);
}

static enum truth not_(enum truth a)
{
	return a == T ? F : a == F ? T : a;
}

static enum truth yes(bool b)
{
	return b ? T : F;
}

static bool compare(enum m_op op, int64_t a, int64_t b)
{
	switch (op) {
	case OP_EQ:
		return a == b;
	case OP_NE:
		return a != b;
	case OP_LT:
		return a < b;
	case OP_LE:
		return a <= b;
	case OP_GT:
		return a > b;
	case OP_GE:
		return a >= b;
	}
	return false;
}

/* ---- what the request does not say ------------------------------------ */
static bool anonymous(const struct look *l)
{
	return l->q->subject == M_S_ANONYMOUS;
}

/* What an unknown value about the person, session or device counts as. As it
 * is, an allow has no use for what signing in might bring. */
static enum truth unknown_personal(const struct look *l)
{
	return anonymous(l) && (l->deny || l->cured) ? W : U;
}

static bool absent_person(const struct look *l)
{
	return l->q->subject == M_S_HOST;
}

static bool has_destination(const struct look *l)
{
	return l->q->kind != M_K_NAME;
}

static struct m_addr destination(const struct m_request *q)
{
	if (!q->dst.known && q->app >= 0)
		return m_apps[q->app].addr;
	return q->dst;
}

static int destination_port(const struct m_request *q)
{
	return q->dst_port < 0 && q->app >= 0 ? m_apps[q->app].port :
						q->dst_port;
}

static int protocol(const struct m_request *q)
{
	return q->app >= 0 ? 6 : q->proto; /* it is the upstream's */
}

static bool inside(const uint8_t *addr, const uint8_t *net, int bits)
{
	for (int i = 0; i < bits; i++)
		if ((addr[i / 8] ^ net[i / 8]) >> (7 - i % 8) & 1)
			return false;
	return true;
}

static bool in_any_segment(const struct m_addr *a)
{
	for (int i = 0; i < M_SEGMENTS; i++)
		if (inside(a->b, m_segments[i].net, m_segments[i].bits))
			return true;
	return false;
}

static bool is_private(const uint8_t *b)
{
	return b[0] == 10 || (b[0] == 192 && b[1] == 168);
}

static enum truth in_segment(const struct m_addr *a, int segment)
{
	if (!a->known)
		return U;
	return yes(inside(a->b, m_segments[segment].net,
			  m_segments[segment].bits));
}

static enum truth on_internet(const struct m_addr *a)
{
	if (!a->known)
		return U;
	return yes(!is_private(a->b) && !in_any_segment(a));
}

static enum truth in_feed(const struct m_addr *a)
{
	if (!a->known)
		return U;
	return yes(inside(a->b, m_feed[0], 24) || inside(a->b, m_feed[1], 24));
}

static enum truth selected(int hosts, int tier, int env)
{
	if (hosts == 0)
		return yes(tier == 0);
	if (hosts == 1)
		return yes(tier == 1 && env == 0);
	return yes(tier != 0);
}

static enum truth hosts_source(const struct look *l, int hosts)
{
	const struct m_request *q = l->q;
	bool person = q->subject == M_S_PERSON || q->subject == M_S_ANONYMOUS;

	if (q->src_labels)
		return selected(hosts, q->src_tier, q->src_env);
	if (!q->src.known || (!person && in_any_segment(&q->src)))
		return U;
	return selected(hosts, -1, -1);
}

static enum truth hosts_destination(const struct look *l, int hosts)
{
	const struct m_request *q = l->q;
	struct m_addr dst = destination(q);

	if (q->dst_labels)
		return selected(hosts, q->dst_tier, q->dst_env);
	if (!dst.known || in_any_segment(&dst))
		return U;
	return selected(hosts, -1, -1);
}

/* ---- subjects ---------------------------------------------------------- */
static enum truth in_group(const struct look *l, int g)
{
	const struct m_request *q = l->q;
	int users = m_group_users(g), any = m_group_closure(g);
	bool by_user = users >= 0 && q->user >= 0 && (users >> q->user & 1);

	if (anonymous(l))
		return unknown_personal(l);
	if (by_user || (q->groups >= 0 && (q->groups & any)))
		return T;
	if (q->groups < 0 || (users >= 0 && q->user < 0))
		return U;
	return F;
}

static enum truth people(const struct look *l)
{
	switch (l->q->subject) {
	case M_S_PERSON:
		return T;
	case M_S_ANONYMOUS:
		return l->cured ? W : F;
	case M_S_HOST:
		return F;
	case M_S_UNKNOWN:
		break;
	}
	return U;
}

static enum truth subject(const struct look *l, const struct m_item *it)
{
	const struct m_request *q = l->q;

	switch (it->kind) {
	case SUB_ANY:
		return T;
	case SUB_PEOPLE:
		return people(l);
	case SUB_ANON:
		return q->subject == M_S_UNKNOWN ?
			       U :
			       yes(q->subject == M_S_ANONYMOUS);
	case SUB_USER:
		if (absent_person(l))
			return F;
		if (anonymous(l) || q->user < 0)
			return unknown_personal(l);
		return yes(q->user == it->index);
	case SUB_GROUP:
		return absent_person(l) ? F : in_group(l, it->index);
	case SUB_HOSTS:
		return hosts_source(l, it->index);
	case SUB_SEGMENT:
		return in_segment(&q->src, it->index);
	default:
		return on_internet(&q->src);
	}
}

/* ---- conditions -------------------------------------------------------- */
static enum truth device(const struct look *l, int value, bool stale,
			 bool result)
{
	if (value < 0)
		return unknown_personal(l);
	if (stale)
		return l->cured || l->attested ? W : U;
	return yes(result);
}

static enum truth age(const struct look *l, const struct m_node *n, int value)
{
	if (absent_person(l))
		return N;
	if (l->cured)
		return yes(compare(n->op, 0, n->value));
	if (value < 0)
		return unknown_personal(l);
	return yes(compare(n->op, value, n->value));
}

static enum truth factor(const struct look *l, const struct m_node *n)
{
	int value = l->cured ? l->q->best : l->q->mfa_kind;

	if (absent_person(l))
		return N;
	if (l->cured && (value < 0 || anonymous(l))) {
		int would_do = 0;

		for (int k = 0; k < 4; k++)
			would_do += compare(n->op, k, n->value);
		return would_do == 4 ? T : would_do ? W : F;
	}
	if (value < 0)
		return unknown_personal(l);
	return yes(compare(n->op, value, n->value));
}

static enum truth risk(const struct look *l, const struct m_node *n)
{
	if (absent_person(l))
		return N;
	if (l->q->risk < 0)
		return unknown_personal(l);
	return yes(compare(n->op, l->q->risk, n->value));
}

static enum truth user(const struct look *l, const struct m_node *n)
{
	if (absent_person(l))
		return N;
	if (l->q->user < 0)
		return unknown_personal(l);
	return yes(compare(n->op, l->q->user, n->value));
}

/* The attribute as the directory gives it: groups are not expanded. */
static enum truth has_group(const struct look *l, int g)
{
	if (absent_person(l))
		return N;
	if (l->q->groups < 0)
		return unknown_personal(l);
	return yes(l->q->groups >> g & 1);
}

static enum truth approval(const struct look *l, const struct m_node *n)
{
	const struct m_request *q = l->q;
	int users = m_group_users(n->value), have;

	if (absent_person(l))
		return N;
	if (l->approved)
		return T;
	if (q->approvers < 0 || q->user < 0)
		return U;
	have = q->approvers & ~(1 << q->user);
	if (users >= 0)
		have &= users;
	return yes(__builtin_popcount((unsigned)have) >= n->count);
}

static enum truth clock_(const struct look *l, const struct m_node *n)
{
	int64_t day = l->q->now / 86400, second = l->q->now % 86400;
	int weekday = (int)((day + 3) % 7); /* 0 is Monday */

	if (n->value == 0)
		return yes(weekday < 5 && second >= 8 * 3600 &&
			   second < 18 * 3600);
	if (second >= 22 * 3600)
		return yes(weekday < 5);
	return yes(second < 6 * 3600 && (weekday + 6) % 7 < 5);
}

static enum truth network(const struct look *l, const struct m_node *n)
{
	const struct m_request *q = l->q;
	struct m_addr dst = destination(q);
	int port = destination_port(q);

	if (n->atom == A_SRC_FEED)
		return in_feed(&q->src);
	if (!has_destination(l))
		return N;
	if (n->atom == A_DST_FEED)
		return in_feed(&dst);
	return port < 0 ? U : yes(compare(n->op, port, n->value));
}

static enum truth method(const struct look *l, int want)
{
	if (l->q->kind != M_K_HTTP && l->q->kind != M_K_UNKNOWN)
		return N;
	return l->q->method < 0 ? U : yes(l->q->method == want);
}

static enum truth atom(const struct look *l, const struct m_node *n)
{
	const struct m_request *q = l->q;

	switch (n->atom) {
	case A_MANAGED:
		return device(l, q->managed, q->managed_stale, q->managed == 1);
	case A_ENCRYPTED:
		return device(l, q->encrypted, false, q->encrypted == n->value);
	case A_OS_AGE:
		return device(l, q->os_age, false,
			      compare(n->op, q->os_age,
				      n->value * INT64_C(86400)));
	case A_MFA_AGE:
		return age(l, n, q->mfa_age);
	case A_SESSION_AGE:
		return age(l, n, q->session_age);
	case A_MFA_KIND:
		return factor(l, n);
	case A_RISK:
		return risk(l, n);
	case A_COUNTRY:
		if (q->country < 0)
			return U;
		return yes((n->value >> q->country & 1) != n->negated);
	case A_USER:
		return user(l, n);
	case A_GROUPS:
		return has_group(l, n->value);
	case A_METHOD:
		return method(l, n->value);
	case A_TIME:
		return clock_(l, n);
	case A_APPROVAL:
		return approval(l, n);
	default:
		return network(l, n);
	}
}

/* `not` is pushed down to the atoms, by De Morgan. */
static enum truth tree_not(const struct look *l, const struct m_node *nodes,
			   int i, bool not )
{
	const struct m_node *n = &nodes[i];
	enum truth a, b;

	if (n->kind == N_ATOM)
		return not ? not_(atom(l, n)) : atom(l, n);
	if (n->kind == N_NOT)
		return tree_not(l, nodes, n->left, !not );
	a = tree_not(l, nodes, n->left, not );
	b = tree_not(l, nodes, n->right, not );
	return (n->kind == N_AND) != not ? and_(l, a, b) : or_(l, a, b);
}

static enum truth tree(const struct look *l, const struct m_node *nodes, int i)
{
	return tree_not(l, nodes, i, false);
}

/* ---- objects ----------------------------------------------------------- */
static bool is_app_request(const struct m_request *q)
{
	return q->kind == M_K_TLS || q->kind == M_K_HTTP ||
	       q->kind == M_K_SHELL;
}

static bool glob(int pattern, int path)
{
	/* "/api/ *": the folder and all below; "/api/ * /7": one segment */
	static const bool table[M_GLOBS][M_PATHS] = {
		{false, true, true, true, false},
		{false, false, false, true, false},
		{false, false, false, false, true},
		{true, true, true, true, true},
	};

	return table[pattern][path];
}

static enum truth http_part(const struct look *l, const struct m_item *it)
{
	const struct m_request *q = l->q;
	enum truth methods = T, path = T;
	bool http = q->kind == M_K_HTTP || q->kind == M_K_UNKNOWN;

	if (it->methods)
		methods = !http		? N :
			  q->method < 0 ? U :
					  yes(it->methods >> q->method & 1);
	if (it->path >= 0)
		path = !http	   ? N :
		       q->path < 0 ? U :
				     yes(glob(it->path, q->path));
	return and_(l, methods, path);
}

/* A packet may reach the app later, when it goes to the app's upstream. */
static enum truth packet_to_app(const struct m_request *q, int i)
{
	if (q->dst.known && memcmp(q->dst.b, m_apps[i].addr.b, 4) != 0)
		return F;
	if (q->dst_port >= 0 && q->dst_port != m_apps[i].port)
		return F;
	return q->dst.known && q->dst_port >= 0 ? N : U;
}

static enum truth app(const struct look *l, const struct m_item *it)
{
	const struct m_request *q = l->q;

	if (q->kind == M_K_PACKET)
		return and_(l, packet_to_app(q, it->index), http_part(l, it));
	if (q->kind == M_K_NAME) /* none of m_names is an app's */
		return and_(l, q->domain < 0 ? U : F, http_part(l, it));
	if (q->app < 0)
		return and_(l, U, http_part(l, it));
	return and_(l, yes(q->app == it->index), http_part(l, it));
}

/* Is the destination an app's upstream? Then only the app's name opens it. */
static enum truth is_upstream(const struct m_request *q)
{
	enum truth any = F;

	for (int i = 0; i < M_APPS; i++) {
		enum truth t = packet_to_app(q, i);

		if (t == N)
			return T;
		if (t == U)
			any = U;
	}
	return any;
}

static enum truth place(const struct look *l, const struct m_item *it)
{
	struct m_addr dst = destination(l->q);

	if (it->kind == OBJ_HOSTS)
		return hosts_destination(l, it->index);
	if (it->kind == OBJ_SEGMENT)
		return in_segment(&dst, it->index);
	return on_internet(&dst);
}

/* A request that does not say which app it is to may be to no app. */
static enum truth domains(const struct look *l, const struct m_item *it,
			  bool guarded)
{
	const struct m_request *q = l->q;

	if (q->kind == M_K_PACKET || q->kind == M_K_SHELL || q->app >= 0)
		return F;
	if (q->domain < 0)
		return U;
	if (!m_domain_has(it->index, q->domain))
		return F;
	return is_app_request(q) && guarded && !l->deny ? U : T;
}

static enum truth object(const struct look *l, const struct m_item *it,
			 bool guarded)
{
	const struct m_request *q = l->q;
	enum truth open = T;

	if (it->kind == OBJ_APP)
		return app(l, it);
	if (it->kind == OBJ_DOMAINS)
		return domains(l, it, guarded);
	if (guarded && !l->deny && q->kind != M_K_NAME && q->app < 0)
		open = not_(is_upstream(q));
	if (it->kind == OBJ_ANY)
		return open;
	if (q->kind == M_K_NAME)
		return F;
	if (is_app_request(q) && !l->deny && guarded)
		return F;
	return and_(l, open, place(l, it));
}

static enum truth port(const struct look *l, int want)
{
	const struct m_request *q = l->q;

	if (want == 0)
		return T;
	if (!has_destination(l))
		return N;
	return and_(l,
		    destination_port(q) < 0 ? U :
					      yes(destination_port(q) == want),
		    protocol(q) < 0 ? U : yes(protocol(q) == 6));
}

/* ---- rules ------------------------------------------------------------- */
static enum truth clauses(const struct look *l, const struct m_rule *u)
{
	enum truth from = F, to = F, except = T, out = T, rule;

	for (int i = 0; i < u->n_from; i++)
		from = or_(l, from, subject(l, &u->from[i]));
	for (int i = 0; i < u->n_from_except; i++)
		except = and_(l, except, not_(subject(l, &u->from_except[i])));
	for (int i = 0; i < u->n_to; i++)
		to = or_(l, to, object(l, &u->to[i], true));
	for (int i = 0; i < u->n_to_except; i++)
		out = and_(l, out, not_(object(l, &u->to_except[i], false)));
	rule = and_(l, from, except);
	rule = and_(l, rule, and_(l, to, out));
	if (u->posture >= 0)
		rule = and_(l, rule, tree(l, l->p->posture[u->posture], 0));
	rule = and_(l, rule, port(l, u->port));
	if (u->n_when)
		rule = and_(l, rule, tree(l, u->when, 0));
	return u->until == 1 ? F : rule;
}

static bool followed(const struct m_request *q)
{
	return q->kind == M_K_NAME || (q->kind == M_K_TLS && q->app >= 0 &&
				       m_apps[q->app].kind == M_K_HTTP);
}

static bool holds(const struct m_request *q, enum truth t)
{
	return t == T || t == W || (t == N && followed(q));
}

static enum m_verdict allow_gives(const struct m_policy *p,
				  const struct m_request *q,
				  const struct m_rule *u)
{
	struct look l = {.p = p, .q = q};
	enum truth t = clauses(&l, u);

	if (u->record_required && !q->can_record)
		return V_DENY;
	if (t == T || (t == N && followed(q)))
		return V_ALLOW;
	if (q->subject == M_S_HOST)
		return V_DENY;
	l.cured = true;
	if (holds(q, clauses(&l, u)))
		return V_CHALLENGE;
	l.approved = true;
	return holds(q, clauses(&l, u)) ? V_REQUEST : V_DENY;
}

/* FNV-1a with a final mix, the hash that docs/protocol names. */
static uint64_t name_hash(const char *p, size_t n)
{
	uint64_t h = 0xcbf29ce484222325u;

	while (n--)
		h = (h ^ (unsigned char)*p++) * 0x100000001b3u;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93u;
	return h ^ h >> 32;
}

static bool in_force(const struct m_rule *u, const struct m_request *q)
{
	char text[64];
	int n;

	if (u->mode == 0)
		return true;
	if (u->mode == 1)
		return false;
	/* a person without a name has no key: nothing may move them in */
	if (q->user >= 0 && q->subject != M_S_HOST)
		n = snprintf(text, sizeof(text), "%s%c%s", u->name, 0,
			     m_users[q->user]);
	else if (q->src.known &&
		 (q->subject == M_S_HOST || q->subject == M_S_ANONYMOUS))
		n = snprintf(text, sizeof(text), "%s%c%d.%d.%d.%d", u->name, 0,
			     q->src.b[0], q->src.b[1], q->src.b[2],
			     q->src.b[3]);
	else
		return u->deny;
	return name_hash(text, (size_t)n) % 100 < (uint64_t)u->canary;
}

/* Keeps the least name. */
static void take_name(char *name, const char *other)
{
	if (!name[0] || strcmp(other, name) < 0)
		strcpy(name, other);
}

struct sums {
	enum m_verdict best;
	char best_rule[16]; /* gave `best` */
	char denied[16]; /* least deny that matches */
	char held[16]; /* least deny that holds at challenge */
	bool deny_true;
};

/* Whether the rule asks for the risk, in its posture it cannot. */
static bool reads_risk(const struct m_rule *u)
{
	for (int i = 0; i < u->n_when; i++)
		if (u->when[i].kind == N_ATOM && u->when[i].atom == A_RISK)
			return true;
	return false;
}

static void add_deny(struct sums *s, struct m_decision *d,
		     const struct m_rule *u, enum truth t)
{
	if (t == T || t == U) {
		take_name(s->denied, u->name);
		d->on_risk |= reads_risk(u);
	}
	if (t == T)
		s->deny_true = true;
	if (t == W)
		take_name(s->held, u->name);
}

/* Of several that allow the strictest: cut, else the soonest drain, else keep. */
static void take_on_change(struct m_decision *d, const struct m_rule *u)
{
	if (u->on_change < d->on_change)
		d->on_change = u->on_change;
	if (u->on_change == 1 && (!d->drain || u->drain * 60 < d->drain))
		d->drain = u->drain * 60;
}

static void add_allow(struct sums *s, struct m_decision *d,
		      const struct m_rule *u, enum m_verdict v)
{
	if (v > s->best) {
		s->best = v;
		s->best_rule[0] = 0;
	}
	if (v == s->best && v != V_DENY)
		take_name(s->best_rule, u->name);
	if (v != V_ALLOW)
		return;
	d->record |= u->record;
	d->record_required |= u->record_required;
	d->no_upload |= u->no_upload;
	if (u->max && (!d->max || u->max < d->max))
		d->max = u->max;
	take_on_change(d, u);
}

/* Would it hold if the device alone said again how it is? */
static bool only_device(const struct m_policy *p, const struct m_request *q,
			const char *name)
{
	for (int i = 0; i < p->n_rules; i++) {
		struct look l = {.p = p, .q = q, .attested = true};

		if (strcmp(p->rules[i].name, name) || p->rules[i].deny)
			continue;
		if (holds(q, clauses(&l, &p->rules[i])))
			return true;
	}
	return false;
}

static void finish(const struct m_policy *p, const struct m_request *q,
		   const struct sums *s, struct m_decision *d)
{
	d->verdict = s->best;
	strcpy(d->rule, s->best_rule);
	d->reason = s->best == V_ALLOW	 ? "ALLOWED" :
		    s->best == V_REQUEST ? "APPROVAL" :
		    s->best == V_DENY	 ? "DEFAULT_DENY" :
					   "STEP_UP";
	if (s->denied[0]) {
		d->verdict = V_DENY;
		strcpy(d->rule, s->denied);
		d->reason = s->deny_true ? "DENY_RULE" : "DENY_UNKNOWN";
	} else if (s->held[0] && s->best >= V_CHALLENGE) {
		d->verdict = V_CHALLENGE;
		if (s->best == V_ALLOW)
			d->rule[0] = 0;
		take_name(d->rule, s->held);
	}
	if (d->verdict == V_CHALLENGE)
		d->reason = q->subject == M_S_ANONYMOUS ? "SIGN_IN" :
			    only_device(p, q, d->rule)	? "ATTEST" :
							  "STEP_UP";
	if ((d->verdict == V_CHALLENGE || d->verdict == V_REQUEST) &&
	    !q->can_ask) {
		d->verdict = V_DENY;
		d->reason = "CANNOT_ASK";
	}
	if (d->verdict != V_ALLOW) {
		d->record = d->record_required = d->no_upload = false;
		d->max = 0;
	}
}

void m_decide(const struct m_policy *p, const struct m_request *q,
	      struct m_decision *d)
{
	struct sums s = {.best = V_DENY};

	memset(d, 0, sizeof(*d));
	d->on_change = 2;
	for (int i = 0; i < p->n_rules; i++) {
		const struct m_rule *u = &p->rules[i];
		struct look l = {.p = p, .q = q, .deny = true};

		if (!in_force(u, q))
			continue;
		if (u->deny)
			add_deny(&s, d, u, clauses(&l, u));
		else
			add_allow(&s, d, u, allow_gives(p, q, u));
	}
	finish(p, q, &s, d);
}
