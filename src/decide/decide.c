/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decision: one pass over the candidate rules that keeps, for each
 * verdict, the least rule that argues for it; then the verdict, and the
 * explanation of the rule that gave it.
 */
#include "decide/candidates.h"
#include "decide/rule.h"

#include "base/time.h"

/* What the pass over the rules found. Rules are numbered by name, and visited
 * in that order: the first is the least. */
struct tally {
	uint32_t allow[4]; /* first allow that argues for each verdict */
	uint32_t deny_true; /* first deny that is T, U, W */
	uint32_t deny_unknown;
	uint32_t deny_curable;
	bool risk; /* a deny that matched reads the risk */
};

static void note_first(uint32_t *first, uint32_t rule)
{
	if (*first == CD_NO_RULE)
		*first = rule;
}

static enum cd_truth look(const struct cd_ctx *c, struct cd_eval *e,
			  const struct cd_snap_rule *r, enum cd_truth base,
			  enum cd_look which)
{
	enum cd_truth t;

	e->look = which;
	t = cd_rule_truth(e, r, base);
	return t == CD_N && cd_ctx_is_followed(c) ? CD_T : t;
}

/* How an allow stands at one look; *ret_hope: can a later look do better. */
static bool allow_holds(struct cd_ctx *c, const struct cd_snap_rule *r,
			enum cd_look which, bool *ret_hope)
{
	bool anonymous = c->subject == CD_SUBJECT_ANONYMOUS;
	/* signing in changes the subject clauses, nothing else does */
	struct cd_eval e = {.c = c, .look = anonymous ? which : CD_LOOK_NOW};
	enum cd_truth base = cd_rule_base(&e, r), t;

	t = look(c, &e, r, base, which);
	*ret_hope = c->subject != CD_SUBJECT_HOST &&
		    (anonymous ||
		     (base != CD_F &&
		      r->flags & (CD_RULE_CURABLE | CD_RULE_APPROVAL)));
	return t == CD_T || (t == CD_W && which != CD_LOOK_NOW);
}

/* Is the look worth having: does the rule have a part that it changes. */
static bool look_matters(const struct cd_ctx *c, const struct cd_snap_rule *r,
			 enum cd_look which)
{
	if (which == CD_LOOK_APPROVED)
		return (r->flags & CD_RULE_APPROVAL) != 0;
	return c->subject == CD_SUBJECT_ANONYMOUS || r->flags & CD_RULE_CURABLE;
}

static const enum cd_verdict look_gives[] = {
	[CD_LOOK_NOW] = CD_ALLOW,
	[CD_LOOK_CURED] = CD_CHALLENGE,
	[CD_LOOK_APPROVED] = CD_ASK,
};

/* What one allow argues for, whatever the others do; CD_DENY: nothing. */
static enum cd_verdict judge_allow(struct cd_ctx *c,
				   const struct cd_snap_rule *r)
{
	bool hope = true;

	for (int which = CD_LOOK_NOW; hope && which <= CD_LOOK_APPROVED;
	     which++) {
		if (which != CD_LOOK_NOW &&
		    !look_matters(c, r, (enum cd_look)which))
			continue;
		if (allow_holds(c, r, (enum cd_look)which, &hope))
			return look_gives[which];
	}
	return CD_DENY;
}

static enum cd_truth judge_deny(struct cd_ctx *c, const struct cd_snap_rule *r)
{
	struct cd_eval e = {.c = c, .deny = true};

	return cd_rule_truth(&e, r, cd_rule_base(&e, r));
}

/* ---- canary -------------------------------------------------------------- */
/* The key of a canary: the person's name; without a person the source. A
 * person whose name is not known has no key, so that taking the name away
 * can never move a request into the share. */
static struct cd_str canary_key(const struct cd_ctx *c, char out[CD_ADDR_SIZE])
{
	const struct cd_value *v = c->r->v;

	if (c->there[CD_ATTR_USER_NAME] == CD_IS_KNOWN)
		return v[CD_ATTR_USER_NAME].u.s.s;
	if ((c->subject != CD_SUBJECT_HOST &&
	     c->subject != CD_SUBJECT_ANONYMOUS) ||
	    c->there[CD_ATTR_SRC_IP] != CD_IS_KNOWN)
		return CD_STR_NULL;
	return cd_str_make(out, cd_addr_format(&v[CD_ATTR_SRC_IP].u.addr, out,
					       CD_ADDR_SIZE));
}

static bool in_share(const struct cd_ctx *c, const struct cd_snap_rule *r)
{
	char text[CD_ADDR_SIZE], joined[CD_MAX_NAME + 1 + 256];
	struct cd_str key = canary_key(c, text);
	struct cd_str name = cd_snap_text(c->s, r->name);
	size_t n;

	if (!key.ptr)
		return r->deny;
	name.len = CD_MIN(name.len, (size_t)CD_MAX_NAME);
	key.len = CD_MIN(key.len, (size_t)256);
	memcpy(joined, name.ptr, name.len);
	n = name.len;
	joined[n++] = 0;
	memcpy(joined + n, key.ptr, key.len);
	return cd_hash(joined, n + key.len) % 100 < r->canary;
}

static bool counts(const struct cd_ctx *c, const struct cd_snap_rule *r)
{
	return r->mode == CD_SNAP_ENFORCE ||
	       (r->mode == CD_SNAP_CANARY && in_share(c, r));
}

static void report(struct cd_decision *d, uint32_t rule, enum cd_verdict v)
{
	if (d->n_report == CD_REPORT_MAX)
		return;
	d->report[d->n_report].rule = rule;
	d->report[d->n_report++].verdict = (uint8_t)v;
}

/* ---- obligations ---------------------------------------------------------- */
static uint32_t least(uint32_t a, uint32_t b)
{
	return a == 0 || (b && b < a) ? b : a;
}

static void join_rate(struct cd_obligations *o, const struct cd_snap_rule *r)
{
	if (r->rate_count == 0)
		return;
	/* Fewer per second is stricter; compared without division. */
	if (o->rate_count && (uint64_t)o->rate_count * r->rate_period <=
				     (uint64_t)r->rate_count * o->rate_period)
		return;
	o->rate_count = r->rate_count;
	o->rate_period = r->rate_period;
}

static void join(struct cd_decision *d, const struct cd_snap_rule *r,
		 bool first)
{
	struct cd_obligations *o = &d->obligations;

	o->record |= (r->obligations & CD_OBL_RECORD) != 0;
	o->record_required |= (r->obligations & CD_OBL_RECORD_REQUIRED) != 0;
	o->no_clipboard |= (r->obligations & CD_OBL_NO_CLIPBOARD) != 0;
	o->no_upload |= (r->obligations & CD_OBL_NO_UPLOAD) != 0;
	o->no_download |= (r->obligations & CD_OBL_NO_DOWNLOAD) != 0;
	o->max = least(o->max, r->max);
	join_rate(o, r);
	/* The strictest of those that allowed: cut < drain < keep. */
	if (first || r->on_change < d->on_change)
		d->on_change = r->on_change;
	if (r->on_change == CD_CHANGE_DRAIN)
		d->drain = least(d->drain, r->drain);
}

/* ---- one candidate -------------------------------------------------------- */
static void take_deny(struct cd_ctx *c, uint32_t rule, struct tally *t,
		      struct cd_decision *d)
{
	const struct cd_snap_rule *r = &cd_snap_RULES(c->s)[rule];
	enum cd_truth v = judge_deny(c, r);

	if (v == CD_F || v == CD_N)
		return;
	if (!counts(c, r)) {
		report(d, rule, v == CD_W ? CD_CHALLENGE : CD_DENY);
		return;
	}
	if (v == CD_T)
		note_first(&t->deny_true, rule);
	else
		note_first(v == CD_U ? &t->deny_unknown : &t->deny_curable,
			   rule);
	if (v != CD_W && r->flags & CD_RULE_RISK)
		t->risk = true;
}

/* Are the groups known so that a rule for one group can be passed over. */
static bool can_reject(const struct cd_ctx *c)
{
	return c->subject == CD_SUBJECT_HOST ||
	       (c->subject != CD_SUBJECT_ANONYMOUS &&
		c->there[CD_ATTR_USER_GROUPS] == CD_IS_KNOWN &&
		c->there[CD_ATTR_USER_NAME] == CD_IS_KNOWN);
}

/* Candidates that a later look may still bring to more, by their place: in the
 * list, or without one the number of the rule. cd_candidates_next() leaves the
 * place behind it. */
struct live {
	bool any;
	uint64_t bits[CD_MAX_RULES / 64];
};

static uint32_t live_words(const struct cd_candidates *k)
{
	return k->list ? (k->n + 63) / 64 : k->words;
}

static void set_live(struct live *l, uint32_t place, bool on)
{
	uint64_t bit = UINT64_C(1) << (place % 64);

	l->bits[place / 64] = on ? l->bits[place / 64] | bit :
				   l->bits[place / 64] & ~bit;
}

/* Candidates that a failing screen rules out at one look, by their place in
 * the list. */
struct dead {
	uint64_t bits[CD_MAX_CANDIDATES / 64];
};

/* Can a rule hold that has a part of this truth in its outermost `and`. */
static bool passes(enum cd_truth t, bool deny, enum cd_look which)
{
	if (deny)
		return t != CD_F;
	return t == CD_T || t == CD_N || (t == CD_W && which != CD_LOOK_NOW);
}

static void screen(struct cd_ctx *c, const struct cd_candidates *k, bool deny,
		   enum cd_look which, struct dead *ret)
{
	const struct cd_snap_node *nodes = cd_snap_NODES(c->s);
	struct cd_eval e = {.c = c, .deny = deny, .look = which};

	memset(ret, 0, sizeof(*ret));
	for (uint32_t i = 0; i < k->n_screens; i++) {
		const struct cd_snap_screen *s = &k->screens[i];

		if (passes(cd_eval_atom(&e, &nodes[s->node]), deny, which))
			continue;
		for (size_t j = 0; j < CD_ARRAY_SIZE(s->mask); j++)
			ret->bits[j] |= s->mask[j];
	}
}

/* at: as cd_candidates_next() left it. */
static bool is_dead(const struct cd_candidates *k, const struct dead *dead,
		    uint32_t at)
{
	return k->n_screens && dead->bits[(at - 1) / 64] >> ((at - 1) % 64) & 1;
}

/* The next place that is live and not dead, as cd_candidates_next() tells it. */
static bool next_live(const struct cd_candidates *k, const struct live *l,
		      const struct dead *dead, uint32_t *at)
{
	uint32_t words = live_words(k);

	for (uint32_t w = *at / 64; w < words; w++) {
		uint64_t rest = l->bits[w];

		if (k->n_screens)
			rest &= ~dead->bits[w];
		if (w == *at / 64)
			rest &= ~UINT64_C(0) << (*at % 64);
		if (!rest)
			continue;
		*at = w * 64 + (uint32_t)__builtin_ctzll(rest) + 1;
		return true;
	}
	return false;
}

/* The rule is for one group, and the person is known not to be in it. */
static bool is_other_group(const struct cd_ctx *c,
			   const struct cd_snap_cand *cand)
{
	return cand->group != CD_NIL &&
	       !(c->groups[cand->group / 64] >> (cand->group % 64) & 1);
}

static void pass_denies(struct cd_ctx *c, const struct cd_candidates *k,
			struct live *l, struct tally *t, struct cd_decision *d)
{
	const struct cd_snap_rule *rules = cd_snap_RULES(c->s);
	bool reject = can_reject(c);
	struct cd_snap_cand cand;
	struct dead dead;
	uint32_t at = 0;

	screen(c, k, true, CD_LOOK_NOW, &dead);
	while (cd_candidates_next(k, &at, &cand)) {
		if (reject && is_other_group(c, &cand))
			continue;
		d->candidates++;
		if (cand.deny) {
			if (!is_dead(k, &dead, at))
				take_deny(c, cand.rule, t, d);
		} else if (cand.mode == CD_SNAP_ENFORCE ||
			   counts(c, &rules[cand.rule])) {
			set_live(l, at - 1, true);
			l->any = true;
		} else {
			enum cd_verdict v = judge_allow(c, &rules[cand.rule]);

			if (v != CD_DENY)
				report(d, cand.rule, v);
		}
	}
}

/* With one allow that holds, another matters only by what it adds. */
static bool adds_nothing(const struct cd_snap_rule *r,
			 const struct cd_decision *d)
{
	return r->obligations == 0 && r->max == 0 && r->rate_count == 0 &&
	       r->on_change >= d->on_change && r->on_change != CD_CHANGE_DRAIN;
}

/* One look at the live allows. Every one counts for `allow`, since their
 * obligations join; of a lesser verdict only the least rule is wanted. */
static void pass_look(struct cd_ctx *c, const struct cd_candidates *k,
		      struct live *l, enum cd_look which, struct tally *t,
		      struct cd_decision *d)
{
	const struct cd_snap_rule *rules = cd_snap_RULES(c->s);
	uint32_t *first = &t->allow[look_gives[which]];
	struct dead dead;
	uint32_t at = 0;
	bool hope;

	screen(c, k, false, which, &dead);
	while (next_live(k, l, &dead, &at)) {
		uint32_t rule = k->list ? k->list[at - 1].rule : at - 1;
		const struct cd_snap_rule *r = &rules[rule];

		if ((which != CD_LOOK_NOW && !look_matters(c, r, which)) ||
		    (*first != CD_NO_RULE && adds_nothing(r, d)))
			continue;
		if (allow_holds(c, r, which, &hope)) {
			if (which == CD_LOOK_NOW)
				join(d, r, *first == CD_NO_RULE);
			note_first(first, rule);
			if (which != CD_LOOK_NOW)
				return;
		}
		set_live(l, at - 1, hope);
	}
}

/* Denies first: one that matches makes every allow pointless. Then the looks
 * at the allows, each only while none before it was enough. */
static void visit(struct cd_ctx *c, const struct cd_candidates *k,
		  struct tally *t, struct cd_decision *d)
{
	struct live l;

	l.any = false;
	memset(l.bits, 0, (size_t)live_words(k) * 8);
	pass_denies(c, k, &l, t, d);
	if (!l.any || t->deny_true != CD_NO_RULE ||
	    t->deny_unknown != CD_NO_RULE)
		return;
	for (int which = CD_LOOK_NOW; which <= CD_LOOK_APPROVED; which++) {
		pass_look(c, k, &l, (enum cd_look)which, t, d);
		if (t->allow[look_gives[which]] != CD_NO_RULE ||
		    c->subject == CD_SUBJECT_HOST)
			return;
	}
}

/* ---- explanation ---------------------------------------------------------- */
/* cure: the look that makes the rule hold; NOW when there is none. */
static void explain(struct cd_ctx *c, uint32_t rule, enum cd_walk_mode mode,
		    enum cd_truth truth, enum cd_look cure,
		    struct cd_decision *d)
{
	const struct cd_snap_rule *r = &cd_snap_RULES(c->s)[rule];
	struct cd_walk w = {
		.e = {.c = c, .deny = r->deny},
		.rule = r,
		.mode = mode,
		.truth = truth,
		.cure = cure,
		.d = d,
		.limit = UINT32_MAX - 1,
	};

	d->explained = rule;
	d->n_failed = 0;
	cd_walk_rule(&w);
}

/* Is the rule about what the request asks for, methods and paths aside. */
static bool is_on_object(struct cd_ctx *c, const struct cd_snap_rule *r)
{
	struct cd_eval e = {.c = c};

	for (uint32_t i = 0; i < r->to_n; i++)
		if (cd_eval_target(&e, &cd_snap_ITEMS(c->s)[r->to_first + i]) !=
		    CD_F)
			return true;
	return false;
}

/* At least so many parts of each candidate fail, by its place in the list. */
static void count_failing(struct cd_ctx *c, const struct cd_candidates *k,
			  uint8_t counts_out[CD_MAX_CANDIDATES])
{
	const struct cd_snap_node *nodes = cd_snap_NODES(c->s);
	struct cd_eval e = {.c = c};

	memset(counts_out, 0, CD_MAX_CANDIDATES);
	for (uint32_t i = 0; i < k->n_screens; i++) {
		const struct cd_snap_screen *s = &k->screens[i];

		if (passes(cd_eval_atom(&e, &nodes[s->node]), false,
			   CD_LOOK_NOW))
			continue;
		for (size_t j = 0; j < CD_ARRAY_SIZE(s->mask); j++)
			for (uint64_t m = s->mask[j]; m; m &= m - 1) {
				uint8_t *n =
					&counts_out[j * 64 +
						    (size_t)__builtin_ctzll(m)];

				*n = (uint8_t)(*n + (*n < UINT8_MAX - 1));
			}
	}
}

struct nearest {
	uint32_t rule, n;
};

static void try_nearest(struct cd_ctx *c, uint32_t rule, struct nearest *best)
{
	const struct cd_snap_rule *r = &cd_snap_RULES(c->s)[rule];
	struct cd_walk w = {
		.e = {.c = c},
		.rule = r,
		.mode = CD_WALK_FAILING,
		.limit = best->n == UINT32_MAX ? best->n - 1 : best->n,
	};
	uint32_t n;

	if (r->deny || !counts(c, r) || !is_on_object(c, r))
		return;
	n = cd_walk_rule(&w);
	if (n < best->n || (n == best->n && rule < best->rule)) {
		best->n = n;
		best->rule = rule;
	}
}

/* Of a list: at least so many parts of each candidate fail, by its place;
 * UINT8_MAX for a deny. Returns the least of them. */
static uint32_t count_lacks(struct cd_ctx *c, const struct cd_candidates *k,
			    uint8_t lacks[CD_MAX_CANDIDATES])
{
	bool reject = can_reject(c);
	uint32_t least = UINT8_MAX;

	count_failing(c, k, lacks);
	for (uint32_t i = 0; i < k->n; i++) {
		const struct cd_snap_cand *cand = &k->list[i];

		if (cand->deny)
			lacks[i] = UINT8_MAX;
		else if (reject && is_other_group(c, cand))
			lacks[i] = (uint8_t)(lacks[i] + (lacks[i] < 254));
		least = CD_MIN(least, lacks[i]);
	}
	return least;
}

/* Tried in the order of the least they can lack, so that few are; and of
 * names: behind one that lacks as few as can be no other is nearer. */
static void nearest_of_list(struct cd_ctx *c, const struct cd_candidates *k,
			    struct nearest *best)
{
	uint8_t lacks[CD_MAX_CANDIDATES];
	uint32_t lack = count_lacks(c, k, lacks);

	for (; lack < UINT8_MAX && best->n > lack; lack++)
		for (uint32_t i = 0; i < k->n; i++) {
			if (lacks[i] != lack)
				continue;
			if (best->n <= lack && best->rule < k->list[i].rule)
				break;
			try_nearest(c, k->list[i].rule, best);
		}
}

/* Every rule on an object that is not known: one after the other. */
static void nearest_of_all(struct cd_ctx *c, const struct cd_candidates *k,
			   struct nearest *best)
{
	struct cd_snap_cand cand;
	uint32_t at = 0;

	while (best->n > 1 && cd_candidates_next(k, &at, &cand))
		if (!cand.deny)
			try_nearest(c, cand.rule, best);
}

/* The allow that lacks least, ties by name. */
static void explain_default(struct cd_ctx *c, const struct cd_candidates *k,
			    struct cd_decision *d)
{
	struct nearest best = {CD_NO_RULE, UINT32_MAX};
	int64_t recheck = c->recheck;

	if (k->list)
		nearest_of_list(c, k, &best);
	else
		nearest_of_all(c, k, &best);
	if (best.rule != CD_NO_RULE)
		explain(c, best.rule, CD_WALK_FAILING, CD_F, CD_LOOK_NOW, d);
	c->recheck = recheck;
}

/* ---- verdicts ------------------------------------------------------------- */
static void set_deny(struct cd_ctx *c, const struct tally *t,
		     struct cd_decision *d)
{
	bool known = t->deny_true != CD_NO_RULE;

	d->rule = CD_MIN(t->deny_true, t->deny_unknown);
	d->reason = known ? CD_REASON_DENY_RULE : CD_REASON_DENY_UNKNOWN;
	d->cut_always = t->risk;
	if (d->rule == t->deny_true)
		explain(c, d->rule, CD_WALK_WITNESS, CD_T, CD_LOOK_NOW, d);
	else
		explain(c, d->rule, CD_WALK_SAME, CD_U, CD_LOOK_NOW, d);
}

/* Would the allow hold if the device alone said again how it is. */
static bool attesting_does(struct cd_ctx *c, uint32_t rule)
{
	bool hope;

	return allow_holds(c, &cd_snap_RULES(c->s)[rule], CD_LOOK_ATTESTED,
			   &hope);
}

static void set_challenge(struct cd_ctx *c, const struct tally *t,
			  struct cd_decision *d)
{
	int64_t recheck = c->recheck;
	enum cd_look cure = CD_LOOK_CURED;

	d->reason = c->subject == CD_SUBJECT_ANONYMOUS ? CD_REASON_SIGN_IN :
							 CD_REASON_STEP_UP;
	/* An allow that gives more than a challenge was held by a deny. */
	d->rule = t->deny_curable;
	if (t->allow[CD_ALLOW] == CD_NO_RULE)
		d->rule = CD_MIN(t->allow[CD_CHALLENGE], d->rule);
	if (d->rule == t->deny_curable) {
		explain(c, d->rule, CD_WALK_SAME, CD_W, cure, d);
		return;
	}
	if (d->reason == CD_REASON_STEP_UP && attesting_does(c, d->rule)) {
		d->reason = CD_REASON_ATTEST;
		cure = CD_LOOK_ATTESTED;
	}
	c->recheck = recheck;
	explain(c, d->rule, CD_WALK_FAILING, CD_F, cure, d);
}

static void set_allow(struct cd_ctx *c, const struct tally *t,
		      struct cd_decision *d)
{
	int64_t start = c->r->started_at ? c->r->started_at : c->now;
	int64_t end;

	d->rule = t->allow[CD_ALLOW];
	d->reason = CD_REASON_ALLOWED;
	if (d->obligations.max == 0 || start == 0)
		return;
	if (__builtin_add_overflow(
		    start, (int64_t)d->obligations.max * CD_NS_PER_S, &end))
		return;
	if (c->there[CD_ATTR_TIME] == CD_IS_KNOWN && c->now < end) {
		cd_ctx_recheck(c, end);
		return;
	}
	d->verdict = CD_DENY;
	d->reason = CD_REASON_SESSION_EXPIRED;
}

static bool can_ask(const struct cd_ctx *c)
{
	return c->r->capabilities & CD_CAN_ASK && c->kind != CD_KIND_PACKET &&
	       c->kind != CD_KIND_NAME;
}

static void conclude(struct cd_ctx *c, const struct cd_candidates *k,
		     const struct tally *t, struct cd_decision *d)
{
	int v = CD_ALLOW;

	if (t->deny_true != CD_NO_RULE || t->deny_unknown != CD_NO_RULE) {
		set_deny(c, t, d);
		return;
	}
	while (v > CD_DENY && t->allow[v] == CD_NO_RULE)
		v--;
	if (v == CD_ALLOW && t->deny_curable != CD_NO_RULE)
		v = CD_CHALLENGE;
	d->verdict = (uint8_t)v;
	switch (v) {
	case CD_ALLOW:
		set_allow(c, t, d);
		return;
	case CD_CHALLENGE:
		set_challenge(c, t, d);
		break;
	case CD_ASK:
		d->rule = t->allow[CD_ASK];
		d->reason = CD_REASON_APPROVAL;
		explain(c, d->rule, CD_WALK_FAILING, CD_F, CD_LOOK_APPROVED, d);
		break;
	default:
		explain_default(c, k, d);
		return;
	}
	if (!can_ask(c)) {
		d->verdict = CD_DENY;
		d->reason = CD_REASON_CANNOT_ASK;
	}
}

/* ---- feeds in report mode ------------------------------------------------- */
static bool is_watched(struct cd_ctx *c, const struct cd_snap_feed *f)
{
	if (f->watch & CD_WATCH_SRC &&
	    c->there[CD_ATTR_SRC_IP] == CD_IS_KNOWN &&
	    cd_spans_have(c->s, &f->spans, &c->r->v[CD_ATTR_SRC_IP].u.addr))
		return true;
	for (uint32_t i = 0; f->watch & CD_WATCH_DST && i < c->n_dest; i++)
		if (c->dest[i].addr_there == CD_IS_KNOWN &&
		    cd_spans_have(c->s, &f->spans, &c->dest[i].addr))
			return true;
	return f->watch & CD_WATCH_NAME &&
	       c->there[CD_ATTR_DST_NAME] == CD_IS_KNOWN &&
	       cd_ctx_name_in(c, f->names);
}

/* They are the last rows: without any this is one comparison. */
static void watch(struct cd_ctx *c, struct cd_decision *d)
{
	const struct cd_snap_feed *feeds = cd_snap_FEEDS(c->s);

	for (uint32_t i = cd_snap_FEEDS_n(c->s);
	     i > 0 && feeds[i - 1].watch && d->n_watched < CD_WATCHED_MAX; i--)
		if (is_watched(c, &feeds[i - 1]))
			d->watched[d->n_watched++] = i - 1;
}

struct cd_decision cd_decide(const struct cd_snapshot *snapshot,
			     const struct cd_request *request)
{
	struct cd_decision d = {
		.verdict = CD_DENY,
		.reason = CD_REASON_DEFAULT_DENY,
		.rule = CD_NO_RULE,
		.explained = CD_NO_RULE,
		.recheck_at = INT64_MAX,
	};
	struct tally t = {
		.allow = {CD_NO_RULE, CD_NO_RULE, CD_NO_RULE, CD_NO_RULE},
		.deny_true = CD_NO_RULE,
		.deny_unknown = CD_NO_RULE,
		.deny_curable = CD_NO_RULE,
	};
	struct cd_candidates k;
	struct cd_ctx c;

	if (!snapshot) {
		d.reason = CD_REASON_NO_SNAPSHOT;
		return d;
	}
	cd_ctx_init(&c, snapshot, request);
	cd_candidates_find(&k, &c);
	visit(&c, &k, &t, &d);
	conclude(&c, &k, &t, &d);
	if (d.verdict != CD_ALLOW)
		memset(&d.obligations, 0, sizeof(d.obligations));
	d.recheck_at = c.recheck;
	watch(&c, &d);
	return d;
}
