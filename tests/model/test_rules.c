/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The language's rules as properties of the engine alone, over random
 * policies and requests: what must hold whatever the verdict is.
 */
#include "engine.h"
#include "tap.h"

#define REQUESTS 30
#define POLICIES 50000

struct sample {
	struct m_policy p;
	struct engine e;
	unsigned long refused;
};

static struct cd_decision decide(const struct engine *e,
				 const struct m_request *q)
{
	struct storage s;
	struct cd_request r;

	engine_request(&r, q, &s);
	return cd_decide(e->snapshot, &r);
}

static const struct m_rule *rule_named(const struct sample *s, uint32_t rule)
{
	struct cd_str name = cd_rule_name(s->e.snapshot, rule);

	for (int i = 0; i < s->p.n_rules; i++)
		if (cd_str_equal(name, cd_str_from(s->p.rules[i].name)))
			return &s->p.rules[i];
	return NULL;
}

/* Calls check() for random policies and requests until one fails. */
static void for_all(uint64_t salt, struct rng *r,
		    bool (*check)(struct sample *, const struct m_request *,
				  struct rng *))
{
	uint64_t n = rng_count(POLICIES);

	*r = rng_init(salt);
	for (uint64_t i = 0; i < n; i++) {
		struct sample s = {0};
		bool good = engine_random(&s.e, &s.p, r, &s.refused) == 0;

		for (int k = 0; good && k < REQUESTS; k++) {
			struct m_request q;

			m_request_random(&q, r);
			good = check(&s, &q, r);
			if (!good) {
				struct cd_decision d = decide(&s.e, &q);

				note("%s %s explained %d failed %d",
				     cd_verdict_name(
					     (enum cd_verdict)d.verdict),
				     cd_reason_name((enum cd_reason)d.reason),
				     (int)d.explained, d.n_failed);
				engine_note(&s.e);
				m_request_print(&q, stdout);
			}
		}
		engine_done(&s.e);
		if (!ok_true(good))
			return;
	}
}

static bool same_outcome(const struct engine *a, const struct cd_decision *da,
			 const struct engine *b, const struct cd_decision *db)
{
	return da->verdict == db->verdict && da->reason == db->reason &&
	       da->recheck_at == db->recheck_at &&
	       cd_str_equal(cd_rule_name(a->snapshot, da->rule),
			    cd_rule_name(b->snapshot, db->rule)) &&
	       cd_str_equal(cd_rule_name(a->snapshot, da->explained),
			    cd_rule_name(b->snapshot, db->explained)) &&
	       memcmp(&da->obligations, &db->obligations,
		      sizeof(da->obligations)) == 0;
}

/* Rule 1. */
TEST(nothing_is_reachable_that_no_allow_names)
{
	struct rng r = rng_init(21);
	struct m_policy p;
	struct engine e;

	memset(&p, 0, sizeof(p));
	for (int i = 0; i < M_POSTURES; i++) {
		p.n_posture[i] = 1; /* device.managed */
		p.posture[i][0].atom = A_MANAGED;
	}
	if (!ok_true(engine_new(&e, &p) == 0))
		return;
	for (int i = 0; i < 2000; i++) {
		struct m_request q;
		struct cd_decision d;

		m_request_random(&q, &r);
		d = decide(&e, &q);
		if (!ok_true(d.verdict == CD_DENY &&
			     d.reason == CD_REASON_DEFAULT_DENY &&
			     d.rule == CD_NO_RULE))
			break;
	}
	engine_done(&e);
}

/* Without its allows a policy opens nothing; and what is allowed, the rule that
 * is named allows, with the denies about it and nothing else. */
static bool allow_is_needed(struct sample *s, const struct m_request *q,
			    struct rng *r)
{
	struct cd_decision d = decide(&s->e, q);
	const struct m_rule *named = rule_named(s, d.rule);
	struct m_policy some = s->p;
	struct engine e;
	bool good;

	(void)r;
	if (d.verdict == CD_DENY)
		return true;
	some.n_rules = 0;
	for (int i = 0; i < s->p.n_rules; i++)
		if (s->p.rules[i].deny ||
		    (d.verdict == CD_ALLOW && &s->p.rules[i] == named))
			some.rules[some.n_rules++] = s->p.rules[i];
	good = named && (d.verdict != CD_ALLOW || !named->deny) &&
	       engine_new(&e, &some) == 0;
	if (good) {
		good = decide(&e, q).verdict ==
		       (d.verdict == CD_ALLOW ? CD_ALLOW : CD_DENY);
		engine_done(&e);
	}
	return good;
}

TEST(no_verdict_without_an_allow)
{
	struct rng r;

	for_all(30, &r, allow_is_needed);
}

/* Rule 2: what an allow lets in, the same words as a deny keep out. A TLS hello
 * or a name may be let by only because a later point decides. */
static bool deny_wins(struct sample *s, const struct m_request *q,
		      struct rng *r)
{
	struct cd_decision d = decide(&s->e, q);
	struct m_policy turned = s->p;
	struct m_rule *u;
	struct engine e;
	bool good;

	(void)r;
	if (d.verdict != CD_ALLOW || q->kind == M_K_TLS ||
	    q->kind == M_K_NAME || turned.n_rules == M_RULES)
		return true;
	u = &turned.rules[turned.n_rules++];
	*u = *rule_named(s, d.rule);
	u->deny = true;
	u->max = 0;
	u->record = u->record_required = u->no_upload = false;
	u->mode = 0; /* a canary is another share under another name */
	strcpy(u->name, "zz");
	good = engine_new(&e, &turned) == 0 &&
	       decide(&e, q).reason == CD_REASON_DENY_RULE &&
	       cd_str_equal(cd_rule_name(e.snapshot, decide(&e, q).rule),
			    CD_STR("zz"));
	engine_done(&e);
	return good;
}

TEST(any_matching_deny_wins)
{
	struct rng r;

	for_all(31, &r, deny_wins);
}

/* Rule 2: order never matters. */
static bool order_is_nothing(struct sample *s, const struct m_request *q,
			     struct rng *r)
{
	struct m_policy shuffled = s->p;
	struct engine other;
	bool good;

	for (int i = shuffled.n_rules - 1; i > 0; i--) {
		int k = (int)rng_below(r, (uint64_t)i + 1);
		struct m_rule u = shuffled.rules[i];

		shuffled.rules[i] = shuffled.rules[k];
		shuffled.rules[k] = u;
	}
	good = engine_new(&other, &shuffled) == 0;
	if (good) {
		struct cd_decision a = decide(&s->e, q);
		struct cd_decision b = decide(&other, q);

		good = same_outcome(&s->e, &a, &other, &b);
	}
	engine_done(&other);
	return good;
}

TEST(order_never_matters)
{
	struct rng r;

	for_all(22, &r, order_is_nothing);
}

/* Rule 6: a name is an id: two rules of one name are refused, and other names in
 * the same order change nothing but the names. */
static bool names_are_ids(struct sample *s, const struct m_request *q,
			  struct rng *r)
{
	struct m_policy other = s->p;
	struct cd_decision a, b;
	struct engine e;
	bool good;
	int i = (int)rng_below(r, (uint64_t)s->p.n_rules + 1);

	/* A canary's share follows its name. */
	for (int k = 0; k < s->p.n_rules; k++)
		if (s->p.rules[k].mode == 2)
			return true;
	if (i > 0 && i < s->p.n_rules) {
		strcpy(other.rules[i].name, other.rules[i - 1].name);
		good = engine_new(&e, &other) == 1;
		engine_done(&e);
		return good;
	}
	for (int k = 0; k < other.n_rules; k++)
		other.rules[k].name[0] = 'q';
	good = engine_new(&e, &other) == 0;
	if (good) {
		a = decide(&s->e, q);
		b = decide(&e, q);
		good = a.verdict == b.verdict && a.reason == b.reason &&
		       a.rule == b.rule && a.explained == b.explained &&
		       a.n_failed == b.n_failed;
	}
	engine_done(&e);
	return good;
}

TEST(names_are_ids)
{
	struct rng r;

	for_all(32, &r, names_are_ids);
}

/* Rule 4: hosts are never challenged, nobody is at a point that cannot ask; and
 * there it is the same decision, told as a deny. */
static bool nobody_is_asked_in_vain(struct sample *s, const struct m_request *q,
				    struct rng *r)
{
	struct m_request mute = *q, able = *q;
	struct cd_decision a, b;
	bool asks;

	(void)r;
	able.can_ask = true;
	mute.can_ask = false;
	a = decide(&s->e, &able);
	b = decide(&s->e, &mute);
	asks = a.verdict == CD_CHALLENGE || a.verdict == CD_ASK;
	if (asks && (q->subject == M_S_HOST || q->kind == M_K_PACKET ||
		     q->kind == M_K_NAME))
		return false;
	if (!asks)
		return a.verdict == b.verdict && a.reason == b.reason;
	return b.verdict == CD_DENY && b.reason == CD_REASON_CANNOT_ASK &&
	       a.rule == b.rule;
}

TEST(nobody_is_asked_in_vain)
{
	struct rng r;

	for_all(33, &r, nobody_is_asked_in_vain);
}

/* Rule 13: of an app the rules that name it or anything are looked at, and the
 * denies on places; no other. */
static bool can_speak(const struct m_rule *u, int app)
{
	for (int i = 0; i < u->n_to; i++) {
		const struct m_item *to = &u->to[i];

		if (to->kind == OBJ_ANY ||
		    (to->kind == OBJ_APP && to->index == app) ||
		    (u->deny && to->kind != OBJ_APP && to->kind != OBJ_DOMAINS))
			return true;
	}
	return false;
}

static bool looks_at_candidates(struct sample *s, const struct m_request *q,
				struct rng *r)
{
	struct cd_decision d = decide(&s->e, q);
	uint32_t most = 0;

	(void)r;
	if (d.candidates > (uint32_t)s->p.n_rules)
		return false;
	for (int i = 0; i < s->p.n_rules; i++)
		most += can_speak(&s->p.rules[i], q->app);
	return q->app < 0 || d.candidates <= most;
}

TEST(only_candidates_are_looked_at)
{
	struct rng r;

	for_all(34, &r, looks_at_candidates);
}

/* Rule 14: an app's upstream is reached by nothing that does not name the app;
 * a packet to it is somebody else's to decide. */
static bool upstream_is_closed(struct sample *s, const struct m_request *q,
			       struct rng *r)
{
	struct m_request to = *q;
	int app = (int)rng_below(r, M_APPS);

	if (q->kind == M_K_NAME)
		return true;
	to.app = -1;
	to.dst = m_apps[app].addr;
	to.dst_port = m_apps[app].port;
	if (q->kind == M_K_UNKNOWN)
		to.domain = -1; /* a question for a name goes nowhere yet */
	return decide(&s->e, &to).verdict != CD_ALLOW;
}

TEST(an_upstream_is_closed_to_all_but_its_app)
{
	struct rng r;

	for_all(35, &r, upstream_is_closed);
}

/* Rule 7: a rule in report mode is absent. */
static bool report_is_absent(struct sample *s, const struct m_request *q,
			     struct rng *r)
{
	struct m_policy without = s->p, report = s->p;
	struct engine a, b;
	int victim;
	bool good;

	if (s->p.n_rules < 2)
		return true;
	victim = (int)rng_below(r, (uint64_t)s->p.n_rules);
	report.rules[victim].mode = 1;
	without.rules[victim] = without.rules[--without.n_rules];
	good = engine_new(&a, &report) == 0;
	if (good && engine_new(&b, &without) == 0) {
		struct cd_decision da = decide(&a, q), db = decide(&b, q);

		good = da.verdict == db.verdict && da.reason == db.reason &&
		       cd_str_equal(cd_rule_name(a.snapshot, da.rule),
				    cd_rule_name(b.snapshot, db.rule));
		engine_done(&b);
	}
	engine_done(&a);
	return good;
}

TEST(a_reported_rule_is_absent)
{
	struct rng r;

	for_all(23, &r, report_is_absent);
}

/* Rule 9: until recheck_at the clock turns nothing; what ages, ages. */
static bool clock_is_foreseen(struct sample *s, const struct m_request *q,
			      struct rng *r)
{
	struct storage store;
	struct cd_request now, later;
	struct cd_decision a, b;
	int64_t span;

	engine_request(&now, q, &store);
	now.started_at = now.v[CD_ATTR_TIME].u.i;
	a = cd_decide(s->e.snapshot, &now);
	span = a.recheck_at == INT64_MAX ?
		       INT64_C(20) * 86400 * 1000000000 :
		       a.recheck_at - now.v[CD_ATTR_TIME].u.i;
	if (span <= 0)
		return span == 0; /* already now: decided at once again */
	later = now;
	span = (int64_t)rng_below(r, (uint64_t)span) / 1000000000;
	later.v[CD_ATTR_TIME].u.i += span * 1000000000;
	later.v[CD_ATTR_DEVICE_MANAGED].age += (uint32_t)span;
	later.v[CD_ATTR_DEVICE_ENCRYPTED].age += (uint32_t)span;
	later.v[CD_ATTR_DEVICE_OS_AGE].age += (uint32_t)span;
	if (later.v[CD_ATTR_DEVICE_OS_AGE].state == CD_KNOWN)
		later.v[CD_ATTR_DEVICE_OS_AGE].u.i += span;
	b = cd_decide(s->e.snapshot, &later);
	if (a.verdict == b.verdict)
		return true;
	note("after %lld s of %lld", (long long)span,
	     (long long)((a.recheck_at - now.v[CD_ATTR_TIME].u.i) /
			 1000000000));
	return false;
}

TEST(nothing_turns_before_recheck_at)
{
	struct rng r;

	for_all(24, &r, clock_is_foreseen);
}

/* ---- rule 4: what is asked for helps ----------------------------------- */
static int times_read(const struct m_node *nodes, int n, enum m_atom atom)
{
	int times = 0;

	for (int i = 0; i < n; i++)
		times += nodes[i].kind == N_ATOM && nodes[i].atom == atom;
	return times;
}

/* How often the rule asks for it, in its posture and its condition. */
static int rule_reads(const struct m_policy *p, const struct m_rule *u,
		      enum m_atom atom)
{
	int times = times_read(u->when, u->n_when, atom);

	if (u->posture >= 0)
		times += times_read(p->posture[u->posture],
				    p->n_posture[u->posture], atom);
	return times;
}

/* Denies are looked at as things are: one that reads what a cure changes can
 * match afterwards. It is the only thing that may stand in the way. */
static bool new_deny(const struct sample *s, const struct cd_decision *d)
{
	static const enum m_atom cured[] = {A_MFA_AGE, A_MFA_KIND,
					    A_SESSION_AGE, A_MANAGED};
	const struct m_rule *u = rule_named(s, d->rule);
	bool reads = false;

	for (size_t i = 0; u && i < CD_ARRAY_SIZE(cured); i++)
		reads |= rule_reads(&s->p, u, cured[i]) > 0;
	return d->verdict == CD_DENY && reads && u->deny &&
	       (d->reason == CD_REASON_DENY_RULE ||
		d->reason == CD_REASON_DENY_UNKNOWN);
}

static bool lets_in(const struct sample *s, const struct m_request *q)
{
	struct cd_decision d = decide(&s->e, q);

	return d.verdict == CD_ALLOW || new_deny(s, &d);
}

/* With what a new attestation may say, when the old one is too old. */
static bool attested_lets_in(const struct sample *s, struct m_request q)
{
	if (q.managed < 0 || !q.managed_stale)
		return lets_in(s, &q);
	q.managed_stale = 0;
	for (q.managed = 0; q.managed < 2; q.managed++)
		if (lets_in(s, &q))
			return true;
	return false;
}

/* With the factor that signing in proves: the best, or any if none is known. */
static bool signed_in_lets_in(const struct sample *s, struct m_request q)
{
	int best = q.best;

	q.mfa_age = q.session_age = 0;
	for (q.mfa_kind = best < 0 ? 0 : best;
	     q.mfa_kind <= (best < 0 ? 3 : best); q.mfa_kind++)
		if (attested_lets_in(s, q))
			return true;
	return false;
}

/* Who does what a challenge asks is let in, unless a deny reads just that.
 * What is not known now may turn out either way, and each part of a rule is
 * looked at for itself: a rule that asks the same twice may not be met by one
 * answer, so those are counted apart. Nothing is promised to an anonymous
 * visitor: who signs in may turn out to be anybody. */
static unsigned long challenges[2];

static bool challenge_is_honest(struct sample *s, const struct m_request *q,
				struct rng *r)
{
	struct cd_decision d = decide(&s->e, q);
	const struct m_rule *u;

	(void)r;
	if (d.verdict != CD_CHALLENGE || q->subject == M_S_ANONYMOUS)
		return true;
	u = rule_named(s, d.rule);
	if ((q->managed_stale && rule_reads(&s->p, u, A_MANAGED) > 1) ||
	    (q->best < 0 && rule_reads(&s->p, u, A_MFA_KIND) > 1))
		return true;
	challenges[d.reason == CD_REASON_ATTEST]++;
	return d.reason == CD_REASON_ATTEST ? attested_lets_in(s, *q) :
					      signed_in_lets_in(s, *q);
}

TEST(a_challenge_that_is_met_lets_in)
{
	struct rng r;

	challenges[0] = challenges[1] = 0;
	for_all(25, &r, challenge_is_honest);
	note("%lu to sign in again, %lu to attest", challenges[0],
	     challenges[1]);
	ok_true(challenges[0] > 0 && challenges[1] > 0);
}

/* ---- rule 5: every refusal says why, within bounds ---------------------- */
static bool names_any(const struct m_item *items, int n, int any)
{
	for (int i = 0; i < n; i++)
		if (items[i].kind == any)
			return true;
	return false;
}

/* A rule of anything to anything, without a word more, rests on nothing. */
static bool says_nothing(const struct m_rule *u)
{
	return u && names_any(u->from, u->n_from, SUB_ANY) &&
	       u->n_from_except == 0 && u->posture < 0 &&
	       names_any(u->to, u->n_to, OBJ_ANY) && u->n_to_except == 0 &&
	       u->port == 0 && u->n_when == 0 && u->until == 0;
}

/* One part that is told: of the registry, and with words for people. */
static bool is_told(const struct engine *e, const struct cd_request *request,
		    const struct cd_decision *d, const struct cd_failure *f)
{
	char text[64];

	/* CD_ATTR_NONE: an obligation that this point cannot honour */
	if (f->attr >= CD_ATTR_COUNT && f->attr != CD_ATTR_NONE)
		return false;
	if (d->reason == CD_REASON_ATTEST &&
	    cd_attr_get((enum cd_attr)f->attr)->cure != CD_CURE_DEVICE)
		return false;
	cd_failure_have(e->snapshot, request, f, CD_FOR_USER, text,
			sizeof(text));
	return cd_failure_need(e->snapshot, f, CD_FOR_ADMIN, text,
			       sizeof(text)) > 0;
}

static bool refusal_has_a_reason(struct sample *s, const struct m_request *q,
				 struct rng *r)
{
	struct cd_decision d = decide(&s->e, q);
	struct storage store;
	struct cd_request request;

	(void)r;
	if (d.n_failed > CD_FAILED_MAX || d.n_report > CD_REPORT_MAX)
		return false;
	if (d.verdict == CD_ALLOW)
		return d.n_failed == 0 && d.rule != CD_NO_RULE;
	if (d.explained != CD_NO_RULE && d.n_failed == 0 &&
	    !(d.reason == CD_REASON_DENY_RULE &&
	      says_nothing(rule_named(s, d.explained))))
		return false;
	if (d.reason != CD_REASON_DEFAULT_DENY && d.rule == CD_NO_RULE)
		return false;
	engine_request(&request, q, &store);
	for (int i = 0; i < d.n_failed; i++)
		if (!is_told(&s->e, &request, &d, &d.failed[i]))
			return false;
	return true;
}

TEST(every_refusal_says_why)
{
	struct rng r;

	for_all(26, &r, refusal_has_a_reason);
}

/* Rule 8: obligations need a point that can honour them. */
static bool obligations_are_honoured(struct sample *s,
				     const struct m_request *q, struct rng *r)
{
	struct storage store;
	struct cd_request request;
	struct cd_decision d;

	(void)r;
	engine_request(&request, q, &store);
	request.capabilities = CD_CAN_ASK;
	d = cd_decide(s->e.snapshot, &request);
	return !d.obligations.record_required && !d.obligations.max &&
	       !d.obligations.no_upload;
}

TEST(a_point_is_never_asked_for_what_it_cannot_do)
{
	struct rng r;

	for_all(27, &r, obligations_are_honoured);
}

/* The same image twice: snapshots are named by their content. */
static bool compile_is_repeatable(struct sample *s, const struct m_request *q,
				  struct rng *r)
{
	struct engine again;
	bool good;

	(void)q;
	if (!rng_chance(r, 1, REQUESTS))
		return true;
	good = engine_new(&again, &s->p) == 0 && again.size == s->e.size &&
	       memcmp(again.image, s->e.image, again.size) == 0;
	engine_done(&again);
	return good;
}

TEST(equal_policies_give_equal_bytes)
{
	struct rng r;

	for_all(28, &r, compile_is_repeatable);
}

/* The JSON form and the canonical layout mean the same policy. */
static bool forms_agree(struct sample *s, const struct m_request *q,
			struct rng *r)
{
	struct engine other;
	struct cd_policy *back = NULL;
	struct cd_decision a, b;
	char *json = NULL, *text = NULL;
	size_t json_len, text_len;
	bool good;

	if (!rng_chance(r, 1, 5))
		return true;
	good = cd_policy_to_json(s->e.policy, &json, &json_len) == 0 &&
	       cd_policy_from_json((struct cd_str){json, json_len}, NULL,
				   &back) == 0 &&
	       cd_policy_format(back, 0, &text, &text_len) == 0;
	if (good) {
		good = engine_from_text(&other, text, text_len) == 0;
		a = decide(&s->e, q);
		if (good) {
			b = decide(&other, q);
			good = same_outcome(&s->e, &a, &other, &b);
		}
		engine_done(&other);
	}
	free(json);
	cd_policy_free(&back);
	return good;
}

TEST(json_and_canonical_text_mean_the_same)
{
	struct rng r;

	for_all(29, &r, forms_agree);
}
