/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule 9 as a property. Connections are open through the gateway's own code
 * (gate.h) while a random world changes under them: rules, groups, risk,
 * devices, sessions, tables, and the clock. After each change exactly those
 * are cut that the slow evaluator no longer allows, as their `on change` says,
 * and no other. The slow side asks about every connection every time: it has no
 * index, no epoch and no recheck_at that could be wrong.
 */
#include "gate.h"
#include "tap.h"
#include "world.h"

#define CONNS 24
#define CHANGES 60 /* in one world */
#define WORLDS 30000

/* Why one ended, or why it did not although its verdict fell. */
enum fate {
	KEPT, /* allowed still */
	FELL, /* on change cut */
	SESSION, /* revoked, removed, ended, its person disabled */
	RISK, /* in spite of keep or drain */
	EXPIRED, /* the policy */
	MAX,
	DRAINED,
	DRAINS, /* may stay for now */
	STAYS, /* on change keep */
	CLOSED, /* an idle one, when its session went */
	FATES
};
static const char *const fate_names[FATES] = {"allowed still",
					      "cut: verdict fell",
					      "cut: session over",
					      "cut: risk",
					      "cut: policy ended",
					      "cut: max",
					      "cut: drained",
					      "drains",
					      "kept",
					      "closed: idle"};

struct conn {
	struct gate_conn *g; /* NULL: a free place */
	struct gate_ask ask;
	int app, method, path, session; /* session -1: none is shown */
	struct m_addr src;
	bool idle;
	/* bound as it began */
	bool person, bound;
	int mfa_age, session_age; /* minutes */
	int64_t started_at;
	/* of the last allow */
	int on_change, drain, max;
	int64_t drain_at; /* 0: does not drain */
	enum fate fate;
};

struct run {
	struct world w;
	struct conn conns[CONNS];
	unsigned long opened[W_APPS], anonymous, refused, looks;
	unsigned long fates[FATES], changes[W_CHANGES], by_clock;
};

/* ---- what the evaluator is asked ---------------------------------------- */
static const struct w_session *session_of(const struct world *w,
					  const struct conn *c)
{
	return c->session < 0 ? NULL : &w->sessions[c->session];
}

static bool is_good(const struct world *w, const struct w_session *s)
{
	return s && s->there && !s->revoked && !w->people[s->user].disabled &&
	       (s->expires == 0 || w->now < s->expires);
}

/* Both ages count from when the connection began. */
static void bind(const struct world *w, struct conn *c)
{
	const struct w_session *s = session_of(w, c);

	if (c->bound || !s || !s->there)
		return;
	c->bound = true;
	c->mfa_age = s->auth_time ? (int)((w->now - s->auth_time) / 60) : -1;
	c->session_age = (int)((w->now - s->created) / 60);
}

static void ask_device(struct m_request *q, const struct world *w, int device)
{
	const struct w_device *d = &w->devices[device];
	int64_t age = w->now - d->vouched_at;

	if (!d->there)
		return;
	q->managed = d->managed;
	q->managed_stale = age > 86400;
	if (age > 86400)
		return;
	q->encrypted = d->encrypted;
	if (d->os_age >= 0)
		q->os_age = d->os_age + (int)age;
}

static void ask_person(struct m_request *q, const struct world *w,
		       const struct conn *c, const struct w_session *s)
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

static void ask(struct m_request *q, const struct world *w, struct conn *c)
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
	q->src = c->src;
	q->proto = 6;
	q->domain = 3; /* like the names of the apps in no set of domains */
	q->app = c->app;
	q->method = c->method;
	q->path = c->path;
	q->now = w->now;
	q->can_ask = q->kind == M_K_HTTP;
	if (is_good(w, s))
		ask_person(q, w, c, s);
}

/* ---- what has to become of one ------------------------------------------ */
static void take(struct conn *c, const struct m_decision *d)
{
	c->on_change = d->on_change;
	c->drain = d->drain;
	c->max = d->max;
	c->drain_at = 0;
}

static bool is_over(const struct conn *c, int max, int64_t now)
{
	return max && now - c->started_at >= max;
}

static enum fate fallen(struct conn *c, int64_t now)
{
	if (c->on_change == 2)
		return STAYS;
	if (c->on_change == 0)
		return FELL;
	if (!c->drain_at)
		c->drain_at = now + c->drain;
	return now >= c->drain_at ? DRAINED : DRAINS;
}

static enum fate expect(const struct world *w, struct conn *c)
{
	const struct w_session *s = session_of(w, c);
	bool expired = w->now >= w->not_after;
	struct m_request q;
	struct m_decision d;

	if (c->idle)
		return !c->person || (s->there && !s->revoked &&
				      !w->people[s->user].disabled) ?
			       KEPT :
			       CLOSED;
	ask(&q, w, c);
	m_decide(&w->p, &q, &d);
	if (c->person && !is_good(w, s))
		return SESSION;
	if (is_over(c, c->max, w->now))
		return MAX;
	if (expired)
		return EXPIRED;
	if (d.verdict == V_ALLOW && !is_over(c, d.max, w->now)) {
		take(c, &d);
		return KEPT;
	}
	if (d.verdict == V_DENY && d.on_risk)
		return RISK;
	return fallen(c, w->now);
}

static bool ends(enum fate f)
{
	return f != KEPT && f != DRAINS && f != STAYS;
}

/* ---- the property ------------------------------------------------------- */
static void tell(const struct run *run, struct conn *c, const char *what)
{
	const struct w_session *s = session_of(&run->w, c);
	struct m_request q;
	struct m_decision d;

	ask(&q, &run->w, c);
	m_decide(&run->w.p, &q, &d);
	note("%s, expected: %s", what, fate_names[c->fate]);
	note("verdict %d \"%s\" %s, on change %d, max %d, started %lld s ago",
	     d.verdict, d.rule, d.reason, c->on_change, c->max,
	     (long long)(run->w.now - c->started_at));
	if (s)
		note("%s there %d revoked %d expires in %lld s, person %d",
		     s->token, s->there, s->revoked,
		     (long long)(s->expires - run->w.now), c->person);
	m_request_print(&q, stdout);
	world_note(&run->w);
}

static bool compare(struct run *run)
{
	bool good = true;

	for (int i = 0; i < CONNS && good; i++) {
		struct conn *c = &run->conns[i];

		if (!c->g)
			continue;
		run->looks++;
		run->fates[c->fate]++;
		good = gate_is_cut(c->g) == ends(c->fate);
		if (!good)
			tell(run, c, ends(c->fate) ? "not cut" : "cut");
		if (ends(c->fate))
			gate_close(&c->g);
	}
	return good;
}

/* Changes, and what the timer makes of them; the second time it finds nothing
 * more to do. */
static bool step(struct run *run)
{
	enum w_change change;
	int n = 1 + (int)rng_below(run->w.r, 2);

	while (n--) {
		change = world_change(&run->w);
		run->changes[change]++;
	}
	for (int again = 0; again < 2; again++) {
		gate_clock(run->w.now);
		gate_tick();
		for (int i = 0; i < CONNS; i++)
			if (run->conns[i].g)
				run->conns[i].fate =
					expect(&run->w, &run->conns[i]);
		if (!compare(run))
			return false;
	}
	return !run->w.broken;
}

/* ---- opening ------------------------------------------------------------ */
static void ask_random(struct world *w, struct conn *c)
{
	static const char *const hosts[W_APPS] = {"payroll.example.com",
						  "wiki.example.com",
						  "ledger.example.com"};
	static const uint8_t sources[][4] = {{10, 1, 1, 1},
					     {192, 168, 50, 4},
					     {203, 0, 113, 5},
					     {8, 8, 8, 8},
					     {192, 168, 1, 1}};
	bool http;

	memset(c, 0, sizeof(*c));
	c->session = -1;
	c->app = (int)rng_below(w->r, W_APPS);
	if (rng_chance(w->r, 4, 5)) {
		c->session = (int)rng_below(w->r, (uint64_t)w->n_sessions);
		c->app = w->sessions[c->session].app;
		c->ask.token = w->sessions[c->session].token;
	}
	http = m_apps[c->app].kind == M_K_HTTP;
	c->method = http ? (int)rng_below(w->r, M_METHODS) : -1;
	c->path = http ? (int)rng_below(w->r, M_PATHS) : -1;
	c->ask.host = hosts[c->app];
	c->ask.method = http ? m_methods[c->method] : NULL;
	c->ask.path = http ? m_paths[c->path] : NULL;
	memcpy(c->ask.src, sources[rng_below(w->r, 5)], 4);
	c->src.known = true;
	memcpy(c->src.b, c->ask.src, 4);
	c->started_at = w->now;
}

static bool open_one(struct run *run, struct conn *c)
{
	struct m_request q;
	struct m_decision d;
	bool wanted;

	ask_random(&run->w, c);
	ask(&q, &run->w, c);
	m_decide(&run->w.p, &q, &d);
	wanted = d.verdict == V_ALLOW && run->w.now < run->w.not_after;
	c->g = gate_open(&c->ask);
	if (!!c->g != wanted) {
		tell(run, c, c->g ? "let in" : "kept out");
		return false;
	}
	run->refused += !wanted;
	if (!wanted)
		return true;
	take(c, &d);
	c->person = is_good(&run->w, session_of(&run->w, c));
	c->idle = c->person && c->ask.path && rng_chance(run->w.r, 1, 8);
	if (c->idle)
		gate_answered(c->g);
	run->opened[c->app]++;
	run->anonymous += !c->person;
	return true;
}

/* Some of the free places are taken again. */
static bool open_some(struct run *run)
{
	bool good = true;

	for (int i = 0; i < CONNS && good; i++)
		if (!run->conns[i].g)
			good = open_one(run, &run->conns[i]);
	return good;
}

static bool one_world(struct run *run, struct rng *r)
{
	bool good;

	world_new(&run->w, r);
	gate_clock(run->w.now);
	good = gate_start(world_run());
	for (int i = 0; i < CHANGES && good; i++)
		good = open_some(run) && step(run);
	for (int i = 0; i < CONNS; i++)
		gate_close(&run->conns[i].g);
	gate_stop();
	world_done(&run->w);
	return good;
}

/* Each way to end or to stay must be met often, or little is shown. */
static void check_spread(const struct run *run)
{
	for (int i = 0; i < W_CHANGES; i++) {
		note("change %s: %lu", w_change_names[i], run->changes[i]);
		ok_true(run->changes[i] > 0);
	}
	for (int i = 0; i < W_APPS; i++) {
		note("opened to %s: %lu", m_apps[i].name, run->opened[i]);
		ok_true(run->opened[i] * 200 >= run->looks);
	}
	note("opened by nobody known: %lu, refused: %lu", run->anonymous,
	     run->refused);
	ok_true(run->anonymous * 200 >= run->looks && run->refused > 0);
	for (int i = 0; i < FATES; i++) {
		note("%s: %lu of %lu", fate_names[i], run->fates[i],
		     run->looks);
		ok_true(run->fates[i] * 10000 >= run->looks);
	}
}

TEST(exactly_what_is_no_longer_allowed_is_cut)
{
	static struct run run;
	struct rng r = rng_init(41);
	uint64_t n = rng_count(WORLDS);

	for (uint64_t i = 0; i < n; i++)
		if (!ok_true(one_world(&run, &r))) {
			note("in world %llu", (unsigned long long)i);
			return;
		}
	check_spread(&run);
}
