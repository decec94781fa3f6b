/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule 9 as a property. TCP connections, requests of HTTP/1 and streams of
 * HTTP/2 are open through the gateway's own code (gate.h) while a random world
 * changes under them: rules, groups, risk, devices, sessions, tables, time, and
 * a clock that is set. After each change exactly those are cut that the slow
 * evaluator no longer allows, as their `on change` says, and no other; and
 * idle connections are closed when a session ended that was shown on them. The
 * slow side asks about each of them every time: it has no index, no epoch
 * and no recheck_at that could be wrong.
 */
#include "gate.h"
#include "tap.h"
#include "world.h"

#define CONNS 24 /* requests, streams, TCP connections */
#define LINES 16 /* connections of clients */
#define STREAMS 5 /* on one line */
#define SHOWN 4 /* sessions that a line remembers, the last ones */
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
					      "kept"};

enum kind { TCP, HTTP1, HTTP2, KINDS };
static const char *const kind_names[KINDS] = {"TCP", "HTTP/1", "HTTP/2"};

struct line {
	struct gate_line *g; /* NULL: a free place */
	enum kind kind;
	struct m_addr src;
	int open; /* conns */
	int shown[SHOWN]; /* sessions that somebody was let in by */
	unsigned n_shown;
	bool ended; /* one of them: closes when nothing is open */
};

struct conn {
	struct gate_conn *g; /* NULL: a free place */
	struct line *line;
	struct gate_ask ask;
	int app, method, path, session; /* session -1: none is shown */
	/* bound as it began */
	bool person, bound;
	int mfa_age, session_age; /* minutes */
	int64_t began; /* as world.lived */
	/* of the last allow */
	int on_change, drain, max;
	int64_t drain_at; /* as world.lived; 0: does not drain */
	enum fate fate;
};

struct run {
	struct world w;
	struct line lines[LINES];
	struct conn conns[CONNS];
	unsigned long opened[W_APPS], anonymous, refused, looks;
	unsigned long fates[FATES], changes[W_CHANGES];
	unsigned long kinds[KINDS], shared, closed;
};

/* ---- what the evaluator is asked ---------------------------------------- */
static const struct w_session *session_of(const struct world *w,
					  const struct conn *c)
{
	return c->session < 0 ? NULL : &w->sessions[c->session];
}

/* Both ages count from when the connection began. What lies an hour ahead or
 * more is of a clock that was set back since. */
static int age_of(const struct world *w, int64_t since)
{
	return w->now > since ? (int)((w->now - since) / 60) : 0;
}

static void bind(const struct world *w, struct conn *c)
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
static void take(struct conn *c, const struct m_decision *d)
{
	c->on_change = d->on_change;
	c->drain = d->drain;
	c->max = d->max;
	c->drain_at = 0;
}

static bool is_over(const struct conn *c, int max, const struct world *w)
{
	return max && w->lived - c->began >= max;
}

static enum fate fallen(struct conn *c, const struct world *w)
{
	if (c->on_change == 2)
		return STAYS;
	if (c->on_change == 0)
		return FELL;
	if (!c->drain_at)
		c->drain_at = w->lived + c->drain;
	return w->lived >= c->drain_at ? DRAINED : DRAINS;
}

static enum fate expect(const struct world *w, struct conn *c)
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

static bool ends(enum fate f)
{
	return f != KEPT && f != DRAINS && f != STAYS;
}

/* Ended by somebody, not by its own limits: those refuse the next request. */
static bool is_taken_away(const struct world *w, int session)
{
	const struct w_session *s = &w->sessions[session];

	return !s->there || s->revoked || w->people[s->user].disabled;
}

static bool must_close(const struct world *w, struct line *l)
{
	for (unsigned i = 0; i < CD_MIN(l->n_shown, SHOWN); i++)
		l->ended |= is_taken_away(w, l->shown[i]);
	return l->ended && l->open == 0;
}

/* ---- the property ------------------------------------------------------- */
static void tell(const struct run *run, struct conn *c, const char *what)
{
	const struct w_session *s = session_of(&run->w, c);
	struct m_request q;
	struct m_decision d;

	ask(&q, &run->w, c);
	m_decide(&run->w.p, &q, &d);
	note("%s %s, expected: %s", kind_names[c->line->kind], what,
	     fate_names[c->fate]);
	note("verdict %d \"%s\" %s, on change %d, max %d, for %lld s",
	     d.verdict, d.rule, d.reason, c->on_change, c->max,
	     (long long)(run->w.lived - c->began));
	if (s)
		note("%s there %d revoked %d expires in %lld s, idle %lld, "
		     "used %lld or %lld s ago, person %d",
		     s->token, s->there, s->revoked,
		     (long long)(s->expires - run->w.now), (long long)s->idle,
		     (long long)(run->w.now - s->told),
		     (long long)(run->w.now - s->used), c->person);
	m_request_print(&q, stdout);
	world_note(&run->w);
}

static void hang_up(struct run *run, struct line *l)
{
	for (int i = 0; i < CONNS; i++)
		if (run->conns[i].line == l)
			gate_close(&run->conns[i].g);
	gate_hang_up(&l->g);
}

static void conn_over(struct conn *c)
{
	gate_close(&c->g);
	c->line->open--;
	if (c->line->kind == TCP)
		gate_hang_up(&c->line->g);
}

static bool compare(struct run *run, struct conn *c)
{
	bool good = gate_is_cut(c->g) == ends(c->fate);

	run->looks++;
	run->fates[c->fate]++;
	if (!good)
		tell(run, c, ends(c->fate) ? "not cut" : "cut");
	if (!ends(c->fate))
		return good;
	conn_over(c);
	if (c->line->kind == HTTP1) { /* goes with it */
		good &= gate_is_closed(c->line->g);
		gate_hang_up(&c->line->g);
	}
	return good;
}

static bool compare_line(struct run *run, struct line *l)
{
	bool closes = must_close(&run->w, l), good;

	good = gate_is_closed(l->g) == closes;
	if (!good)
		note("a line of %s with %d open is %s", kind_names[l->kind],
		     l->open, closes ? "not closed" : "closed");
	run->closed += closes;
	if (closes)
		hang_up(run, l);
	return good;
}

/* What the timer made of changes. */
static bool look(struct run *run)
{
	bool good = true;

	gate_clock(run->w.now, run->w.steady);
	gate_tick();
	for (int i = 0; i < CONNS && good; i++) {
		struct conn *c = &run->conns[i];

		if (!c->g)
			continue;
		c->fate = expect(&run->w, c);
		good = compare(run, c);
	}
	for (int i = 0; i < LINES && good; i++)
		if (run->lines[i].g && run->lines[i].kind != TCP)
			good = compare_line(run, &run->lines[i]);
	return good;
}

/* The second time it finds nothing more to do. A clock that is set twice
 * between two looks of the gateway is as if set once. */
static bool step(struct run *run)
{
	enum w_change change = W_NOTHING;
	int n = 1 + (int)rng_below(run->w.r, 2);

	while (n-- && change != W_FORTH && change != W_BACK) {
		change = world_change(&run->w);
		run->changes[change]++;
	}
	return look(run) && look(run) && !run->w.broken;
}

/* ---- opening ------------------------------------------------------------ */
static void line_dial(struct world *w, struct line *l, enum kind kind)
{
	static const uint8_t sources[][4] = {{10, 1, 1, 1},
					     {192, 168, 50, 4},
					     {203, 0, 113, 5},
					     {8, 8, 8, 8},
					     {192, 168, 1, 1}};

	memset(l, 0, sizeof(*l));
	l->kind = kind;
	l->src.known = true;
	memcpy(l->src.b, sources[rng_below(w->r, 5)], 4);
	l->g = gate_dial(l->src.b, kind == HTTP2);
}

/* One that has room for a request, or a new one; NULL: none. */
static struct line *line_for(struct run *run, bool http)
{
	enum kind kind = !http			    ? TCP :
			 rng_chance(run->w.r, 1, 2) ? HTTP1 :
						      HTTP2;
	int room = kind == HTTP2 ? STREAMS : kind == HTTP1;
	bool old = http && rng_chance(run->w.r, 2, 3);

	for (int i = 0; i < LINES; i++) {
		struct line *l = &run->lines[i];

		if (l->g && old && l->kind == kind && l->open < room)
			return l;
		if (!l->g && !old) {
			line_dial(&run->w, l, kind);
			return l;
		}
	}
	return NULL;
}

static void ask_random(struct world *w, struct conn *c)
{
	static const char *const hosts[W_APPS] = {"payroll.example.com",
						  "wiki.example.com",
						  "ledger.example.com"};
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
	c->began = w->lived;
}

static void show(struct line *l, int session)
{
	for (unsigned i = 0; i < CD_MIN(l->n_shown, SHOWN); i++)
		if (l->shown[i] == session)
			return;
	l->shown[l->n_shown++ % SHOWN] = session;
}

/* It was let in. */
static void opened(struct run *run, struct conn *c)
{
	struct world *w = &run->w;

	c->person = c->session >= 0 &&
		    world_is_good(w, &w->sessions[c->session]);
	if (c->person) {
		world_used(w, &w->sessions[c->session]);
		show(c->line, c->session);
	}
	run->shared += c->line->open++ > 0;
	run->opened[c->app]++;
	run->kinds[c->line->kind]++;
	run->anonymous += !c->person;
}

static bool open_one(struct run *run, struct conn *c)
{
	struct m_request q;
	struct m_decision d;
	bool wanted;

	ask_random(&run->w, c);
	c->line = line_for(run, c->ask.path);
	if (!c->line)
		return true;
	ask(&q, &run->w, c);
	m_decide(&run->w.p, &q, &d);
	wanted = d.verdict == V_ALLOW && run->w.now < run->w.not_after;
	c->g = gate_open(c->line->g, &c->ask);
	if (!!c->g != wanted) {
		tell(run, c, c->g ? "let in" : "kept out");
		return false;
	}
	run->refused += !wanted;
	if (wanted) {
		take(c, &d);
		opened(run, c);
	} else if (c->line->kind == TCP) {
		gate_hang_up(&c->line->g);
	}
	return true;
}

/* Some are over by themselves; the free places are taken again. */
static bool open_some(struct run *run)
{
	struct rng *r = run->w.r;
	bool good = true;

	for (int i = 0; i < CONNS; i++)
		if (run->conns[i].g && rng_chance(r, 1, 12))
			conn_over(&run->conns[i]);
	for (int i = 0; i < LINES; i++)
		if (run->lines[i].g && rng_chance(r, 1, 30))
			hang_up(run, &run->lines[i]);
	for (int i = 0; i < CONNS && good; i++)
		if (!run->conns[i].g)
			good = open_one(run, &run->conns[i]);
	return good;
}

static bool one_world(struct run *run, struct rng *r)
{
	bool good;

	world_new(&run->w, r);
	gate_clock(run->w.now, run->w.steady);
	good = gate_start(world_run());
	gate_tick(); /* knows the clock from here on */
	for (int i = 0; i < CHANGES && good; i++)
		good = open_some(run) && step(run);
	for (int i = 0; i < LINES; i++)
		hang_up(run, &run->lines[i]);
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
	for (int i = 0; i < KINDS; i++) {
		note("%s: %lu", kind_names[i], run->kinds[i]);
		ok_true(run->kinds[i] * 200 >= run->looks);
	}
	note("streams beside others: %lu, idle lines closed: %lu", run->shared,
	     run->closed);
	ok_true(run->shared * 200 >= run->looks && run->closed > 0);
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
