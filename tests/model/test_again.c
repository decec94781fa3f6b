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
#include "fate.h"
#include "gate.h"
#include "tap.h"

#define CONNS 24 /* requests, streams, TCP connections */
#define LINES 16 /* connections of clients */
#define STREAMS 5 /* on one line */
#define CHANGES 60 /* in one world */
#define WORLDS 30000

struct line {
	struct gate_line *g; /* NULL: a free place */
	struct f_line f;
};

struct conn {
	struct gate_conn *g; /* NULL: a free place */
	struct line *line;
	struct gate_ask ask;
	struct f_conn f;
};

struct run {
	struct world w;
	struct line lines[LINES];
	struct conn conns[CONNS];
	unsigned long opened[W_APPS], anonymous, refused, looks;
	unsigned long fates[FATES], changes[W_CHANGES];
	unsigned long kinds[F_KINDS], shared, closed;
};

/* ---- the property ------------------------------------------------------- */
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
	c->line->f.open--;
	if (c->line->f.kind == F_TCP)
		gate_hang_up(&c->line->g);
}

static bool compare(struct run *run, struct conn *c)
{
	bool goes = f_ends(f_expect(&run->w, &c->f));
	bool good = gate_is_cut(c->g) == goes;

	run->looks++;
	run->fates[c->f.fate]++;
	if (!good)
		f_note(&run->w, &c->f, goes ? "not cut" : "cut");
	if (!goes)
		return good;
	conn_over(c);
	if (c->line->f.kind == F_HTTP1) { /* goes with it */
		good &= gate_is_closed(c->line->g);
		gate_hang_up(&c->line->g);
	}
	return good;
}

static bool compare_line(struct run *run, struct line *l)
{
	bool closes = f_must_close(&run->w, &l->f);
	bool good = gate_is_closed(l->g) == closes;

	if (!good)
		note("a line of %s with %d open is %s", f_kind_names[l->f.kind],
		     l->f.open, closes ? "not closed" : "closed");
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
	for (int i = 0; i < CONNS && good; i++)
		if (run->conns[i].g)
			good = compare(run, &run->conns[i]);
	for (int i = 0; i < LINES && good; i++)
		if (run->lines[i].g && run->lines[i].f.kind != F_TCP)
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
/* One that has room for a request, or a new one; NULL: none. */
static struct line *line_for(struct run *run, bool http)
{
	enum f_kind kind = !http		      ? F_TCP :
			   rng_chance(run->w.r, 1, 2) ? F_HTTP1 :
							F_HTTP2;
	int room = kind == F_HTTP2 ? STREAMS : kind == F_HTTP1;
	bool old = http && rng_chance(run->w.r, 2, 3);

	for (int i = 0; i < LINES; i++) {
		struct line *l = &run->lines[i];

		if (l->g && old && l->f.kind == kind && l->f.open < room)
			return l;
		if (!l->g && !old) {
			f_line_random(&run->w, &l->f, kind);
			l->g = gate_dial(l->f.src.b, kind == F_HTTP2);
			return l;
		}
	}
	return NULL;
}

static void ask_random(struct run *run, struct conn *c)
{
	struct f_conn *f = &c->f;
	bool http;

	f_random(&run->w, f);
	http = f->path >= 0;
	c->ask.host = f_hosts[f->app];
	c->ask.token = f->session < 0 ? NULL :
					run->w.sessions[f->session].token;
	c->ask.method = http ? m_methods[f->method] : NULL;
	c->ask.path = http ? m_paths[f->path] : NULL;
	c->line = line_for(run, http);
	f->line = c->line ? &c->line->f : NULL;
}

static void opened(struct run *run, struct conn *c)
{
	f_opened(&run->w, &c->f);
	run->shared += c->f.line->open > 1;
	run->opened[c->f.app]++;
	run->kinds[c->f.line->kind]++;
	run->anonymous += !c->f.person;
}

static bool open_one(struct run *run, struct conn *c)
{
	bool wanted;

	ask_random(run, c);
	if (!c->line)
		return true;
	wanted = f_opens(&run->w, &c->f);
	c->g = gate_open(c->line->g, &c->ask);
	if (!!c->g != wanted) {
		f_note(&run->w, &c->f, c->g ? "let in" : "kept out");
		return false;
	}
	run->refused += !wanted;
	if (wanted)
		opened(run, c);
	else if (c->f.line->kind == F_TCP)
		gate_hang_up(&c->line->g);
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
	for (int i = 0; i < F_KINDS; i++) {
		note("%s: %lu", f_kind_names[i], run->kinds[i]);
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
