// SPDX-License-Identifier: Apache-2.0
/*
 * Finding one session among 1,000,000 and among 1,000.
 *
 *	bench-sessions			both tables by turns
 *	bench-sessions SESSIONS		one table, 20,000 look-ups: for counting
 *
 * Input: 100,000 people (1,000 in the small table) in 5 to 50 of 2,000 groups,
 * every session with a device of six values; keys are uniform, as hashes are;
 * lookups go through all of them in an order without a pattern. Both tables
 * have the same shape and are read by turns, A B B A, so that each finds the
 * caches as the other left them; CPU time of the thread.
 *
 * The small one fits into the caches and the large one does not, so what is
 * left of the difference is memory, not steps. Where a session lies is known
 * from its key, and where its person lies only from the session: two loads of
 * which one waits for the other are the least there can be, unless every
 * session had a copy of its person's groups (more than 160 MiB, and a change
 * of groups would be many writes). The peer is therefore a chain of loads at
 * random places of the large table's own file, mapped as the readers map it:
 * what one wait costs here. The last line says how many of them the large
 * table adds.
 *
 * To see that the steps are the same, count both (of a look-up: the sums of the
 * last table divided by 20,000):
 *
 *	valgrind --tool=callgrind --toggle-collect=cd_session_lookup \
 *		--cache-sim=yes build/bench/bench-sessions 1000000
 *
 * The files are made in TMPDIR (/tmp).
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "rng.h"
#include "shm/session_table.h"
#include "shm/table_map.h"

#define ROUNDS 40
#define LOOKUPS 20000

struct side {
	const char *name;
	uint32_t sessions, people;
	char path[256];
	struct cd_table *table;
	struct cd_table_map *map;
	double ns[ROUNDS * 2];
	int n;
};

static int64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void key_of(uint64_t n, uint8_t key[CD_SESSION_KEY_LEN])
{
	struct rng r = {n + 1};

	for (int i = 0; i < CD_SESSION_KEY_LEN; i += 8) {
		uint64_t v = rng_u64(&r);

		memcpy(key + i, &v, 8);
	}
}

static void need(int err, const char *what)
{
	if (!err)
		return;
	fprintf(stderr, "%s: %s\n", what, cd_strerror(err));
	exit(1);
}

static void add_person(struct side *s, struct rng *r, uint32_t i)
{
	static char words[50][16];
	char name[32], device[32];
	struct cd_str groups[50];
	struct cd_subject_row row = {.groups = groups,
				     .n_groups = 5 + (uint32_t)rng_below(r, 46),
				     .risk = 1,
				     .best_factor = 2};
	struct cd_device_row d = {.name = CD_STR_NULL};

	for (uint32_t g = 0; g < row.n_groups; g++) {
		snprintf(words[g], sizeof(words[g]), "group-%u",
			 (unsigned int)rng_below(r, 2000));
		groups[g] = cd_str_from(words[g]);
	}
	snprintf(name, sizeof(name), "person-%u", i);
	snprintf(device, sizeof(device), "laptop-%u", i);
	row.name = cd_str_from(name);
	d.name = cd_str_from(device);
	for (int a = 0; a < CD_DEVICE_ATTRS; a++) {
		d.attrs[a].known = true;
		d.attrs[a].value = 1;
		d.attrs[a].text = CD_STR("linux");
		d.attrs[a].vouched_at = 1;
	}
	need(cd_table_subject_put(s->table, &row), name);
	need(cd_table_device_put(s->table, &d), device);
}

static void add_session(struct side *s, uint32_t i)
{
	char name[32], device[32];
	struct cd_session_row row = {.id = i + 1,
				     .app = CD_STR("payroll"),
				     .created = 1,
				     .state = CD_SESSION_LIVE};

	snprintf(name, sizeof(name), "person-%u", i % s->people);
	snprintf(device, sizeof(device), "laptop-%u", i % s->people);
	row.subject = cd_str_from(name);
	row.device = cd_str_from(device);
	key_of(i, row.key);
	need(cd_table_session_put(s->table, &row), "session");
}

static void fill(struct side *s)
{
	struct cd_table_limits l = {s->sessions, s->people, s->people};
	struct cd_table_stats st;
	struct rng r = rng_init(s->sessions);

	const char *tmp = getenv("TMPDIR");

	snprintf(s->path, sizeof(s->path), "%.200s/cordon-bench-XXXXXX",
		 tmp ? tmp : "/tmp");
	close(mkstemp(s->path));
	need(cd_table_create(s->path, &l, 0600, &s->table), "create");
	need(cd_table_publish(s->table), "publish");
	for (uint32_t i = 0; i < s->people; i++)
		add_person(s, &r, i);
	for (uint32_t i = 0; i < s->sessions; i++)
		add_session(s, i);
	need(cd_table_map(s->path, &s->map), "map");
	cd_table_stats(s->table, &st);
	printf("%s: %u sessions, %u people: %.1f MiB for all workers\n",
	       s->name, st.sessions, st.subjects,
	       (double)st.file_size / (1 << 20));
}

static void round_of(struct side *s, struct rng *r)
{
	static uint8_t keys[LOOKUPS][CD_SESSION_KEY_LEN];
	static struct cd_session_view v;
	int64_t start;

	for (int i = 0; i < LOOKUPS; i++)
		key_of(rng_below(r, s->sessions), keys[i]);
	start = cpu_ns();
	for (int i = 0; i < LOOKUPS; i++)
		need(cd_session_lookup(s->map, keys[i], &v), "lookup");
	s->ns[s->n++] = (double)(cpu_ns() - start) / LOOKUPS;
}

/* The peer: loads that wait for one another. */
struct chain {
	char *base;
	size_t size;
	double ns[ROUNDS * 2];
	int n;
};

static void chain_map(struct chain *c, const struct side *s)
{
	int fd = open(s->path, O_RDONLY | O_CLOEXEC);
	off_t size = lseek(fd, 0, SEEK_END);

	c->size = (size_t)size;
	c->base = size > 0 ? cd_table_map_file(fd, c->size, PROT_READ) : NULL;
	need(c->base ? 0 : -EIO, "map");
	close(fd);
}

/* What was loaded is a part of what the next place is made of. */
static void chain_round(struct chain *c, struct rng *r)
{
	uint64_t lines = c->size / 64;
	int64_t start = cpu_ns();

	for (int i = 0; i < LOOKUPS; i++) {
		const char *line =
			c->base + 64 * ((rng_u64(r) >> 32) * lines >> 32);

		r->s += *(const volatile uint64_t *)(const void *)line;
	}
	c->ns[c->n++] = (double)(cpu_ns() - start) / LOOKUPS;
}

static int order(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static double tell(const char *what, double *ns, int n)
{
	qsort(ns, (size_t)n, sizeof(*ns), order);
	printf("%s: median %.0f ns, p10 %.0f, p90 %.0f, n=%d\n", what,
	       ns[n / 2], ns[n / 10], ns[n * 9 / 10], n);
	return ns[n / 2];
}

static void done(struct side *s)
{
	cd_table_unmap(&s->map);
	cd_table_free(&s->table);
	unlink(s->path);
}

/* Nothing but the look-ups, for a program that counts what they do. */
static int count_only(const char *sessions)
{
	static struct side s = {.name = "alone"};
	struct rng r = rng_init(1);

	s.sessions = (uint32_t)strtoul(sessions, NULL, 10);
	s.people = s.sessions < 100000 ? s.sessions : 100000;
	if (!s.sessions)
		return 2;
	fill(&s);
	round_of(&s, &r);
	printf("%d look-ups\n", LOOKUPS);
	done(&s);
	return 0;
}

int main(int argc, char **argv)
{
	static struct side a = {
		.name = "1e3", .sessions = 1000, .people = 1000};
	static struct side b = {
		.name = "1e6", .sessions = 1000000, .people = 100000};
	static struct chain c;
	struct rng r = rng_init(1);
	double small, large, wait;

	if (argc > 1)
		return count_only(argv[1]);
	fill(&a);
	fill(&b);
	chain_map(&c, &b);
	for (int i = 0; i < ROUNDS / 2; i++) {
		round_of(&a, &r);
		round_of(&b, &r);
		chain_round(&c, &r);
		chain_round(&c, &r);
		round_of(&b, &r);
		round_of(&a, &r);
	}
	small = tell("a lookup in 1e3", a.ns, a.n);
	large = tell("a lookup in 1e6", b.ns, b.n);
	wait = tell("a load that waits for another", c.ns, c.n);
	printf("1e6 / 1e3: %.2f; 1e6 - 1e3: %.0f ns, %.1f waits\n",
	       large / small, large - small, (large - small) / wait);
	munmap(c.base, c.size);
	done(&a);
	done(&b);
	return 0;
}
