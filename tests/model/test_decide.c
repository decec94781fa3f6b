/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine against the model, and the rules of the language as properties.
 * Each random policy is printed, parsed, compiled, mapped and asked; verdict,
 * rule, reason and obligations must be those of the slow evaluator. A failure
 * prints the policy and the request.
 */
#include "decide/input.h"

#include "engine.h"
#include "tap.h"

#define REQUESTS 40

/* ---- comparing --------------------------------------------------------- */
static const char *const verdicts[] = {"deny", "request", "challenge", "allow"};

static bool same(const struct m_decision *m, const struct cd_decision *d,
		 const struct cd_snapshot *s)
{
	struct cd_str rule = cd_rule_name(s, d->rule);
	const struct cd_obligations *o = &d->obligations;

	return (int)m->verdict == d->verdict &&
	       cd_str_equal(rule, cd_str_from(m->rule)) &&
	       strcmp(m->reason, cd_reason_name(d->reason)) == 0 &&
	       m->record_required == o->record_required &&
	       m->no_upload == o->no_upload && (uint32_t)m->max == o->max &&
	       (m->record || m->record_required) ==
		       (o->record || o->record_required);
}

static void report(const struct engine *e, const struct m_request *q,
		   const struct m_decision *m, const struct cd_decision *d)
{
	struct cd_str rule = cd_rule_name(e->snapshot, d->rule);

	engine_note(e);
	m_request_print(q, stdout);
	note("model:  %s \"%s\" %s max %d", verdicts[m->verdict], m->rule,
	     m->reason, m->max);
	note("engine: %s \"%.*s\" %s max %u", cd_verdict_name(d->verdict),
	     CD_STR_FMT(rule), cd_reason_name(d->reason), d->obligations.max);
}

struct tally {
	unsigned long verdict[4], reason[CD_REASON_COUNT];
	unsigned long policies, rules, refused, requests;
};

static bool one_policy(struct rng *r, struct tally *t)
{
	struct m_policy p;
	struct engine e;
	bool good = true;
	int err = engine_random(&e, &p, r, &t->refused);

	t->policies++;
	t->rules += (unsigned long)p.n_rules;
	for (int i = 0; err == 0 && good && i < REQUESTS; i++) {
		struct m_request q;
		struct m_decision m;
		struct storage s;
		struct cd_request request;
		struct cd_decision d;

		m_request_random(&q, r);
		engine_request(&request, &q, &s);
		m_decide(&p, &q, &m);
		d = cd_decide(e.snapshot, &request);
		t->verdict[d.verdict]++;
		t->reason[d.reason]++;
		t->requests++;
		good = same(&m, &d, e.snapshot);
		if (!good)
			report(&e, &q, &m, &d);
	}
	engine_done(&e);
	return ok_true(err == 0) && ok_true(good);
}

/* Every outcome must be met often, or the comparison shows little. */
static void check_spread(const struct tally *t)
{
	note("%lu policies, %lu rules (%lu refused), %lu requests", t->policies,
	     t->rules, t->refused, t->requests);
	for (int i = 0; i < 4; i++) {
		note("%s: %lu", verdicts[i], t->verdict[i]);
		ok_true(t->verdict[i] * 200 >= t->requests);
	}
	for (int i = CD_REASON_DEFAULT_DENY; i <= CD_REASON_CANNOT_ASK; i++) {
		note("%s: %lu", cd_reason_name((enum cd_reason)i),
		     t->reason[i]);
		ok_true(t->reason[i] * 5000 >= t->requests);
	}
	ok_true(t->refused < t->rules);
}

TEST(engine_decides_as_the_model_does)
{
	struct tally t = {0};
	struct rng r = rng_init(1);
	uint64_t n = rng_count(250000);

	for (uint64_t i = 0; i < n; i++)
		if (!one_policy(&r, &t))
			return;
	check_spread(&t);
}

/* ---- rule 3 ------------------------------------------------------------ */
typedef struct cd_decision decide_fn(const struct cd_snapshot *s,
				     struct cd_request *r);

static struct cd_decision decide_request(const struct cd_snapshot *s,
					 struct cd_request *r)
{
	return cd_decide(s, r);
}

/* What an enforcement point sends: nothing personal of a host. Its kind and app
 * are given, and labels derived from the address. */
static void as_point(struct cd_request *r, const struct m_request *q)
{
	for (int a = 0; a < CD_ATTR_COUNT && q->subject == M_S_HOST; a++)
		if (cd_attr_get((enum cd_attr)a)->subjects ==
		    (CD_SUBJECT_PERSON | CD_SUBJECT_ANONYMOUS))
			memset(&r->v[a], 0, sizeof(r->v[a]));
}

static bool is_kept(int attr, bool point)
{
	return attr == CD_ATTR_TIME || (point && (attr == CD_ATTR_SRC_LABELS ||
						  attr == CD_ATTR_DST_LABELS));
}

static bool stays_refused(const struct engine *e, const struct m_request *q,
			  struct cd_request less, decide_fn *decide,
			  const char *without)
{
	if (decide(e->snapshot, &less).verdict != CD_ALLOW)
		return true;
	note("without %s a refusal became an allow", without);
	engine_note(e);
	m_request_print(q, stdout);
	return false;
}

/* Of a line of `cordon decide` any key may be missing, the kind as well. */
static bool removal_holds(const struct engine *e, const struct m_request *q,
			  bool point)
{
	decide_fn *decide = point ? decide_request : cd_input_decide;
	struct storage s;
	struct cd_request full, asked, less;
	bool good = true;

	engine_request(&full, q, &s);
	if (point)
		as_point(&full, q);
	asked = full;
	if (decide(e->snapshot, &asked).verdict == CD_ALLOW)
		return true;
	for (int a = 0; a < CD_ATTR_COUNT && good; a++) {
		if (full.v[a].state == CD_UNKNOWN || is_kept(a, point))
			continue;
		less = full;
		memset(&less.v[a], 0, sizeof(less.v[a]));
		good = stays_refused(e, q, less, decide,
				     cd_attr_get((enum cd_attr)a)->name);
	}
	less = full;
	less.kind = 0;
	return good && (point || stays_refused(e, q, less, decide, "kind"));
}

static void removals(uint64_t salt, bool point)
{
	struct rng r = rng_init(salt);
	uint64_t n = rng_count(100000);
	unsigned long requests = 0, refused = 0;

	for (uint64_t i = 0; i < n; i++) {
		struct m_policy p;
		struct engine e;
		bool good = true;
		int err = engine_random(&e, &p, &r, &refused);

		for (int k = 0; err == 0 && good && k < REQUESTS; k++) {
			struct m_request q;

			m_request_random(&q, &r);
			good = removal_holds(&e, &q, point);
			requests++;
		}
		engine_done(&e);
		if (!ok_true(err == 0) || !ok_true(good))
			return;
	}
	note("%lu requests", requests);
	ok_true(requests > n);
}

TEST(removing_an_attribute_never_opens)
{
	removals(2, true);
}

TEST(removing_a_key_of_a_line_never_opens)
{
	removals(3, false);
}
