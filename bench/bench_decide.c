/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decision at size: 10,000 rules, 100,000 people, and what one cd_decide()
 * costs in thread CPU time, beside the same engine made to look at every rule
 * (a request whose kind and app are unknown has no index to use).
 *
 * The input. Groups: 160, sizes by Zipf's law (exponent 1); each person is in
 * 5 to 50 of them. Apps: 120; rules are dealt to them by Zipf's law (exponent
 * 0.5), at most 250 each, so that a few apps have many rules. Each rule has 3
 * to 6 conditions (group or any, posture, path, and atoms of `when`); a tenth
 * is `from any`, a fifth names a path; one in twelve is a deny; in every sixth
 * app all allows need an approval, elsewhere one in twenty. Requests: a random person with random device,
 * factor age, risk, country and path, to an app drawn as the rules were.
 */
#include <cordon/policy.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "rng.h"

#define RULES 10000
#define PEOPLE 100000
#define GROUPS 160
#define APPS 120
#define APP_RULES 250
#define INPUTS 20000
#define REPEAT 16 /* decisions of one input in one timing */
#define ROUNDS 20 /* A B B A rounds for the comparison */

/* ---- counting allocations ---------------------------------------------- */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

static unsigned long allocations;

void *malloc(size_t n)
{
	allocations++;
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	allocations++;
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	allocations++;
	return __libc_realloc(p, n);
}

/* ---- input ------------------------------------------------------------- */
struct person {
	char name[16];
	uint32_t n;
	struct cd_name groups[50];
};

static struct person *people;
static char group_names[GROUPS][16];
static char app_names[APPS][16];
static double group_sum[GROUPS], app_sum[APPS];
static unsigned int app_rules[APPS];

static void make_names(void)
{
	double g = 0, a = 0;

	for (int i = 0; i < GROUPS; i++) {
		snprintf(group_names[i], sizeof(group_names[i]), "g%d", i);
		group_sum[i] = g += 1.0 / (i + 1);
	}
	for (int i = 0; i < APPS; i++) {
		snprintf(app_names[i], sizeof(app_names[i]), "app%d", i);
		app_sum[i] = a += 1.0 / sqrt(i + 1);
	}
}

static int draw(struct rng *r, const double *sum, int n)
{
	double x = (double)(rng_u64(r) >> 11) * 0x1p-53 * sum[n - 1];
	int lo = 0, hi = n - 1;

	while (lo < hi) {
		int mid = (lo + hi) / 2;

		if (sum[mid] < x)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void make_person(struct person *p, int i, struct rng *r)
{
	uint32_t want = 5 + (uint32_t)rng_below(r, 46);
	bool in[GROUPS] = {false};

	snprintf(p->name, sizeof(p->name), "u%d", i);
	while (p->n < want) {
		int g = draw(r, group_sum, GROUPS);

		if (in[g])
			continue;
		in[g] = true;
		p->groups[p->n++] = cd_name_make((
			struct cd_str){group_names[g], strlen(group_names[g])});
	}
}

static int pick_app(struct rng *r)
{
	for (;;) {
		int a = draw(r, app_sum, APPS);

		if (app_rules[a] < APP_RULES) {
			app_rules[a]++;
			return a;
		}
	}
}

static const char *const whens[] = {
	"mfa.age < 12h",
	"mfa.age < 1h",
	"risk.user < high",
	"risk.user = low",
	"geo.country in DE, AT, CH, FR, IT",
	"geo.country not in BR, US",
	"session.age < 8h",
	"device.encrypted",
};
#define WHENS (sizeof(whens) / sizeof(whens[0]))

static void put_when(struct cd_buf *b, struct rng *r, bool deny, int app)
{
	unsigned int n = 2 + (unsigned int)rng_below(r, 3);
	size_t first = rng_below(r, WHENS);

	if (deny) {
		cd_buf_puts(b, "  when risk.user = high and "
			       "geo.country in BR, US\n");
		return;
	}
	for (unsigned int i = 0; i < n; i++)
		cd_buf_printf(b, "%s%s", i ? " and " : "  when ",
			      whens[(first + i * 3) % WHENS]);
	if (app % 6 == 5 || rng_chance(r, 1, 20))
		cd_buf_printf(b, " and approval by group g%d 1",
			      (int)rng_below(r, 20));
	cd_buf_puts(b, "\n");
}

static void put_rule(struct cd_buf *b, int i, struct rng *r)
{
	bool deny = rng_chance(r, 1, 12);
	int app = pick_app(r);

	cd_buf_printf(b, "%s \"rule %d\"\n", deny ? "deny" : "allow", i);
	if (rng_chance(r, 1, 10))
		cd_buf_puts(b, "  from any");
	else
		cd_buf_printf(b, "  from group g%d",
			      draw(r, group_sum, GROUPS));
	if (rng_chance(r, 1, 4))
		cd_buf_puts(b, " on healthy");
	cd_buf_printf(b, "\n  to app app%d", app);
	if (rng_chance(r, 1, 5))
		cd_buf_printf(b, " path \"/p%d/*\"", (int)rng_below(r, 4));
	cd_buf_puts(b, "\n");
	put_when(b, r, deny, app);
}

static void make_policy(struct cd_buf *b)
{
	struct rng r = rng_init(11);

	cd_buf_puts(b, "version 1\n"
		       "posture healthy = device.managed and "
		       "device.encrypted and device.os_age < 30d\n");
	for (int i = 0; i < APPS; i++)
		cd_buf_printf(b,
			      "app app%d\n  url https://app%d.example.com\n"
			      "  upstream http://10.1.%d.%d:8080\n",
			      i, i, i / 250, i % 250);
	for (int i = 0; i < RULES; i++)
		put_rule(b, i, &r);
}

static void make_request(struct cd_request *q, struct rng *r)
{
	static const char *const countries[] = {"DE", "AT", "FR",
						"US", "BR", "PL"};
	static const char *const paths[] = {"/p0/a", "/p1/b", "/p2", "/x"};
	const struct person *p = &people[rng_below(r, PEOPLE)];
	const char *app = app_names[draw(r, app_sum, APPS)];
	const char *country = countries[rng_below(r, 6)];
	const char *path = paths[rng_below(r, 4)];

	cd_request_init(q);
	q->kind = CD_KIND_HTTP;
	cd_request_set_int(q, CD_ATTR_TIME, INT64_C(1790553600000000000));
	cd_request_set_int(q, CD_ATTR_SUBJECT, CD_SUBJECT_PERSON);
	cd_request_set_str(q, CD_ATTR_USER_NAME,
			   (struct cd_str){p->name, strlen(p->name)});
	cd_request_set_names(q, CD_ATTR_USER_GROUPS, p->groups, p->n);
	cd_request_set_bool(q, CD_ATTR_DEVICE_MANAGED, rng_chance(r, 1, 2));
	cd_request_set_bool(q, CD_ATTR_DEVICE_ENCRYPTED, rng_chance(r, 1, 2));
	cd_request_set_int(q, CD_ATTR_DEVICE_OS_AGE,
			   (int64_t)rng_below(r, 60) * 86400);
	cd_request_set_int(q, CD_ATTR_MFA_AGE,
			   (int64_t)rng_below(r, 48) * 3600);
	cd_request_set_int(q, CD_ATTR_SESSION_AGE,
			   (int64_t)rng_below(r, 24) * 3600);
	cd_request_set_int(q, CD_ATTR_RISK_USER, 1 + (int64_t)rng_below(r, 3));
	cd_request_set_str(q, CD_ATTR_GEO_COUNTRY, (struct cd_str){country, 2});
	cd_request_set_str(q, CD_ATTR_APP, (struct cd_str){app, strlen(app)});
	cd_request_set_str(q, CD_ATTR_HTTP_METHOD, (struct cd_str){"GET", 3});
	cd_request_set_str(q, CD_ATTR_HTTP_PATH,
			   (struct cd_str){path, strlen(path)});
	cd_request_set_names(q, CD_ATTR_APPROVAL, NULL, 0);
}

/* ---- measuring --------------------------------------------------------- */
static int64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double at(double *v, size_t n, double share)
{
	qsort(v, n, sizeof(*v), compare_double);
	return v[(size_t)((double)(n - 1) * share)];
}

static int compile(struct cd_str text, void **image, size_t *size)
{
	struct cd_source source = {.name = "bench", .text = text};
	struct cd_policy *policy = NULL;
	struct cd_diag *diag = NULL;
	int err = cd_diag_new(&diag);

	if (!err)
		err = cd_policy_parse(&source, 1, diag, &policy);
	if (!err)
		err = cd_policy_compile(policy, NULL, diag, image, size);
	for (size_t i = 0; err && i < cd_diag_count(diag) && i < 5; i++)
		fprintf(stderr, "%u: %s\n", cd_diag_get(diag, i)->line,
			cd_diag_get(diag, i)->text);
	cd_policy_free(&policy);
	cd_diag_free(&diag);
	return err;
}

/* In a child of its own, so that its peak memory is its own. */
static void bench_compile(struct cd_str text)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct rusage before, after;
		void *image = NULL;
		size_t size = 0;
		int64_t start = cpu_ns();
		int err;

		getrusage(RUSAGE_SELF, &before);
		err = compile(text, &image, &size);
		getrusage(RUSAGE_SELF, &after);
		printf("check+compile: %.3f s CPU (goal <= 1), peak memory "
		       "%.1f MiB (goal <= 256), image %.2f MiB, %s\n",
		       (double)(cpu_ns() - start) / 1e9,
		       (double)(after.ru_maxrss - before.ru_maxrss) / 1024,
		       (double)size / 1048576, cd_strerror(err));
		fflush(stdout);
		_exit(err != 0);
	}
	waitpid(pid, NULL, 0);
}

static struct cd_request inputs[INPUTS];

static void print_spread(const struct cd_snapshot *s)
{
	static double candidates[INPUTS];
	unsigned int verdicts[4] = {0};

	for (int i = 0; i < INPUTS; i++) {
		struct cd_decision d = cd_decide(s, &inputs[i]);

		candidates[i] = d.candidates;
		verdicts[d.verdict]++;
	}
	for (int v = 0; v < 4; v++)
		printf("%s %.1f %%  ", cd_verdict_name((enum cd_verdict)v),
		       100.0 * verdicts[v] / INPUTS);
	printf("(goal each >= 10 %%)\n");
	printf("candidates a request: median %.0f (goal >= 20), maximum %.0f "
	       "(goal >= 200)\n",
	       at(candidates, INPUTS, .5), at(candidates, INPUTS, 1));
}

static void print_times(const struct cd_snapshot *s)
{
	static double ns[INPUTS];
	unsigned long before = allocations;
	unsigned int sink = 0;

	for (int i = 0; i < INPUTS; i++) {
		int64_t start = cpu_ns();

		for (int k = 0; k < REPEAT; k++)
			sink += cd_decide(s, &inputs[i]).verdict;
		ns[i] = (double)(cpu_ns() - start) / REPEAT;
	}
	printf("cd_decide: p50 %.2f us, p90 %.2f us, p99 %.2f us (goal <= 5), "
	       "max %.2f us; n = %d distinct inputs; %lu allocations "
	       "(goal 0) [%u]\n",
	       at(ns, INPUTS, .5) / 1e3, at(ns, INPUTS, .9) / 1e3,
	       at(ns, INPUTS, .99) / 1e3, at(ns, INPUTS, 1) / 1e3, INPUTS,
	       allocations - before, sink % 2);
}

static double time_some(const struct cd_snapshot *s, int first, bool all)
{
	int n = all ? 20 : 2000;
	int64_t start = cpu_ns();
	unsigned int sink = 0;

	for (int i = 0; i < n; i++) {
		struct cd_request q = inputs[(first + i) % INPUTS];

		if (all) { /* no index without kind and app */
			q.kind = 0;
			q.v[CD_ATTR_APP].state = CD_UNKNOWN;
		}
		sink += cd_decide(s, &q).verdict;
	}
	return (double)(cpu_ns() - start) / n + (sink == UINT32_MAX);
}

static void compare_with_scan(const struct cd_snapshot *s)
{
	double a[2 * ROUNDS], b[2 * ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		a[2 * i] = time_some(s, i * 97, false);
		b[2 * i] = time_some(s, i * 97, true);
		b[2 * i + 1] = time_some(s, i * 89, true);
		a[2 * i + 1] = time_some(s, i * 89, false);
	}
	printf("indexed %.2f us (p10 %.2f, p90 %.2f), every rule looked at "
	       "%.0f us (p10 %.0f, p90 %.0f), ratio %.0f; n = %d rounds ABBA\n",
	       at(a, 2 * ROUNDS, .5) / 1e3, at(a, 2 * ROUNDS, .1) / 1e3,
	       at(a, 2 * ROUNDS, .9) / 1e3, at(b, 2 * ROUNDS, .5) / 1e3,
	       at(b, 2 * ROUNDS, .1) / 1e3, at(b, 2 * ROUNDS, .9) / 1e3,
	       at(b, 2 * ROUNDS, .5) / at(a, 2 * ROUNDS, .5), ROUNDS);
}

int main(void)
{
	const struct cd_snapshot *s;
	struct rng r;
	struct cd_buf text;
	void *image;
	size_t size;

	make_names();
	r = rng_init(12);
	people = calloc(PEOPLE, sizeof(*people));
	if (!people)
		return 1;
	for (int i = 0; i < PEOPLE; i++)
		make_person(&people[i], i, &r);
	cd_buf_init(&text, (size_t)64 << 20);
	make_policy(&text);
	printf("%d rules, %d people in 5 to 50 of %d groups, %d apps, %.1f "
	       "MiB of text\n",
	       RULES, PEOPLE, GROUPS, APPS, (double)text.len / 1048576);
	bench_compile(cd_buf_get(&text));
	if (compile(cd_buf_get(&text), &image, &size) ||
	    cd_snapshot_open(image, size, &s))
		return 1;
	for (int i = 0; i < INPUTS; i++)
		make_request(&inputs[i], &r);
	print_spread(s);
	print_times(s);
	compare_with_scan(s);
	cd_buf_done(&text);
	free(image);
	free(people);
	return 0;
}
