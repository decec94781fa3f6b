/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random tests: a seeded generator and the count to run.
 *
 * The seed comes from CORDON_SEED (default 1, so that "make test" is the same
 * for everyone) and is printed; the count a test names is the full one, of
 * which CORDON_PART (default 100) says which part is run: 100 is a hundredth
 * (make test), 10 a tenth (.ci/run), 1 all of it.
 *
 * splitmix64 (Steele, Lea, Flood 2014): one word of state, passes BigCrush,
 * and any seed is as good as any other. Not for secrets.
 */
#ifndef TESTS_RNG_H
#define TESTS_RNG_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct rng {
	uint64_t s;
};

static uint64_t rng_env(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

__attribute__((unused)) static uint64_t rng_u64(struct rng *r)
{
	uint64_t z = (r->s += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* A generator of its own for each purpose: salt keeps them apart. The
 * seed is mixed first: of neighbours as they are, one would be the other a step
 * later. */
__attribute__((unused)) static struct rng rng_init(uint64_t salt)
{
	uint64_t seed = rng_env("CORDON_SEED", 1);
	struct rng r = {seed};

	printf("# CORDON_SEED=%llu\n", (unsigned long long)seed);
	r.s = rng_u64(&r) ^ salt;
	return r;
}

/* In [0, n), n > 0. The bias of n / 2^64 is of no interest to tests. */
__attribute__((unused)) static uint64_t rng_below(struct rng *r, uint64_t n)
{
	return rng_u64(r) % n;
}

/* True n times in d. */
__attribute__((unused)) static int rng_chance(struct rng *r, unsigned n,
					      unsigned d)
{
	return rng_below(r, d) < n;
}

/* How many of the full count to run now; never 0. */
__attribute__((unused)) static uint64_t rng_count(uint64_t full)
{
	uint64_t part = rng_env("CORDON_PART", 100);

	return part && full / part ? full / part : 1;
}

#endif
