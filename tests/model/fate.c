/* SPDX-License-Identifier: Apache-2.0 */
/* See fate.h. */
#include "fate.h"

#include <string.h>

const char *const fate_names[FATES] = {"allowed still",
				       "cut: verdict fell",
				       "cut: session over",
				       "cut: risk",
				       "cut: policy ended",
				       "cut: max",
				       "cut: drained",
				       "drains",
				       "kept"};
const char *const f_kind_names[F_KINDS] = {"TCP", "HTTP/1", "HTTP/2"};
const char *const f_hosts[W_APPS] = {"payroll.example.com", "wiki.example.com",
				     "ledger.example.com"};
const uint8_t f_sources[5][4] = {{10, 1, 1, 1},
				 {192, 168, 50, 4},
				 {203, 0, 113, 5},
				 {8, 8, 8, 8},
				 {192, 168, 1, 1}};

void f_line_random(struct world *w, struct f_line *l, enum f_kind kind)
{
	memset(l, 0, sizeof(*l));
	l->kind = kind;
	l->src.known = true;
	memcpy(l->src.b, f_sources[rng_below(w->r, 5)], 4);
}

void f_random(struct world *w, struct f_conn *c)
{
	bool http;

	memset(c, 0, sizeof(*c));
	c->session = -1;
	c->app = (int)rng_below(w->r, W_APPS);
	if (rng_chance(w->r, 4, 5)) {
		c->session = (int)rng_below(w->r, (uint64_t)w->n_sessions);
		c->app = w->sessions[c->session].app;
	}
	http = m_apps[c->app].kind == M_K_HTTP;
	c->method = http ? (int)rng_below(w->r, M_METHODS) : -1;
	c->path = http ? (int)rng_below(w->r, M_PATHS) : -1;
	c->began = w->lived;
}

/* ---- what the evaluator is asked ---------------------------------------- */
static const struct w_session *session_of(const struct world *w,
					  const struct f_conn *c)
{
	return c->session < 0 ? NULL : &w->sessions[c->session];
}

/* Both ages count from when the connection began. What lies an hour ahead or
 * more is of a clock that was set back since. */
static int age_of(const struct world *w, int64_t since)
{
	return w->now > since ? (int)((w->now - since) / 60) : 0;
}

static void bind(const struct world *w, struct f_conn *c)
{
	const struct w_session *s = session_of(w, c);

	if (c->bound || !s || !s->there)
		return;
	c->bound = true;
	c->mfa_age = s->auth_time && s->auth_time - w->now <= 3600 ?
			     age_of(w, s->auth_time) :
			     -1;
	c->session_age = age_of(w, s->created);
}

static void ask_device(struct m_request *q, const struct world *w, int device)
{
	const struct w_device *d = &w->devices[device];
	int64_t age = w->now - d->vouched_at;

	if (!d->there || age < -3600)
		return;
	if (age < 0)
		age = 0;
	q->managed = d->managed;
	q->managed_stale = age > 86400;
	if (age > 86400)
		return;
	q->encrypted = d->encrypted;
	if (d->os_age >= 0)
		q->os_age = d->os_age + (int)age;
}

static void ask_person(struct m_request *q, const struct world *w,
		       const struct f_conn *c, const struct w_session *s)
{
	const struct w_person *p = &w->people[s->user];

	q->subject = M_S_PERSON;
	q->user = s->user;
	q->groups = p->groups;
	q->risk = p->risk ? p->risk : -1;
	q->best = p->best;
	q->mfa_kind = s->mfa_kind;
	q->mfa_age = c->mfa_age;
	q->session_age = c->session_age;
	if (s->device >= 0)
		ask_device(q, w, s->device);
}

static void ask(struct m_request *q, const struct world *w, struct f_conn *c)
{
	const struct w_session *s = session_of(w, c);

	bind(w, c);
	memset(q, 0, sizeof(*q));
	q->kind = (enum m_kind)m_apps[c->app].kind;
	q->subject = M_S_ANONYMOUS;
	q->user = q->groups = q->managed = q->encrypted = q->os_age = -1;
	q->mfa_age = q->mfa_kind = q->session_age = q->risk = q->country = -1;
	q->approvers = q->best = q->dst_port = -1;
	q->src_tier = q->src_env = q->dst_tier = q->dst_env = -1;
	q->src = c->line->src;
	q->proto = 6;
	q->domain = 3; /* like the names of the apps in no set of domains */
	q->app = c->app;
	q->method = c->method;
	q->path = c->path;
	q->now = w->now;
	q->can_ask = q->kind == M_K_HTTP;
	if (s && world_is_good(w, s))
		ask_person(q, w, c, s);
}

/* ---- what has to become of one ------------------------------------------ */
static void take(struct f_conn *c, const struct m_decision *d)
{
	c->on_change = d->on_change;
	c->drain = d->drain;
	c->max = d->max;
	c->drain_at = 0;
}

static bool is_over(const struct f_conn *c, int max, const struct world *w)
{
	return max && w->lived - c->began >= max;
}

static enum fate fallen(struct f_conn *c, const struct world *w)
{
	if (c->on_change == 2)
		return STAYS;
	if (c->on_change == 0)
		return FELL;
	if (!c->drain_at)
		c->drain_at = w->lived + c->drain;
	return w->lived >= c->drain_at ? DRAINED : DRAINS;
}

static enum fate look(const struct world *w, struct f_conn *c)
{
	const struct w_session *s = session_of(w, c);
	struct m_request q;
	struct m_decision d;

	ask(&q, w, c);
	m_decide(&w->p, &q, &d);
	if (c->person && !world_is_good(w, s))
		return SESSION;
	if (is_over(c, c->max, w))
		return MAX;
	if (w->now >= w->not_after)
		return EXPIRED;
	if (d.verdict == V_ALLOW && !is_over(c, d.max, w)) {
		take(c, &d);
		return KEPT;
	}
	if (d.verdict == V_DENY && d.on_risk)
		return RISK;
	return fallen(c, w);
}

bool f_ends(enum fate f)
{
	return f != KEPT && f != DRAINS && f != STAYS;
}

enum fate f_expect(const struct world *w, struct f_conn *c)
{
	c->fate = look(w, c);
	return c->fate;
}

/* Ended by somebody, not by its own limits: those refuse the next request. */
static bool is_taken_away(const struct world *w, int session)
{
	const struct w_session *s = &w->sessions[session];

	return !s->there || s->revoked || w->people[s->user].disabled;
}

bool f_must_close(const struct world *w, struct f_line *l)
{
	for (unsigned i = 0; i < CD_MIN(l->n_shown, F_SHOWN); i++)
		l->ended |= is_taken_away(w, l->shown[i]);
	return l->ended && l->open == 0;
}

/* ---- opening ------------------------------------------------------------ */
bool f_opens(const struct world *w, struct f_conn *c)
{
	struct m_request q;
	struct m_decision d;

	ask(&q, w, c);
	m_decide(&w->p, &q, &d);
	take(c, &d);
	return d.verdict == V_ALLOW && w->now < w->not_after;
}

static void show(struct f_line *l, int session)
{
	for (unsigned i = 0; i < CD_MIN(l->n_shown, F_SHOWN); i++)
		if (l->shown[i] == session)
			return;
	l->shown[l->n_shown++ % F_SHOWN] = session;
}

void f_opened(struct world *w, struct f_conn *c)
{
	c->line->open++;
	c->person = c->session >= 0 &&
		    world_is_good(w, &w->sessions[c->session]);
	if (!c->person)
		return;
	world_used(w, &w->sessions[c->session]);
	if (c->line->kind != F_TCP)
		show(c->line, c->session);
}

void f_note(const struct world *w, struct f_conn *c, const char *what)
{
	const struct w_session *s = session_of(w, c);
	struct m_request q;
	struct m_decision d;

	ask(&q, w, c);
	m_decide(&w->p, &q, &d);
	printf("# %s %s, expected: %s\n", f_kind_names[c->line->kind], what,
	       fate_names[c->fate]);
	printf("# verdict %d \"%s\" %s, on change %d, max %d, for %lld s\n",
	       d.verdict, d.rule, d.reason, c->on_change, c->max,
	       (long long)(w->lived - c->began));
	if (s)
		printf("# %s there %d revoked %d expires in %lld s, idle %lld, "
		       "used %lld or %lld s ago, person %d\n",
		       s->token, s->there, s->revoked,
		       (long long)(s->expires - w->now), (long long)s->idle,
		       (long long)(w->now - s->told),
		       (long long)(w->now - s->used), c->person);
	m_request_print(&q, stdout);
	world_note(w);
}
