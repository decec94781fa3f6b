/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set-associative table of counters under a keyed hash: a stranger can
 * neither fill memory nor aim at the entry of somebody else.
 */
#include "controller/throttle.h"

#include <stdlib.h>

#include "base/addr.h"
#include "base/buf.h"
#include "token/random.h"
#include "token/sha256.h"

enum { SETS = 1024, CODE_SETS = 256, WAYS = 8 };

#define FIRST_WAIT_S INT64_C(4)

struct entry {
	uint64_t key; /* 0: free */
	int64_t last; /* of the last failure */
	uint32_t failures;
};

struct cd_throttle {
	uint8_t secret[32];
	struct entry entries[SETS][WAYS];
	struct entry codes[CODE_SETS][WAYS];
};

int cd_throttle_new(struct cd_throttle **ret_throttle)
{
	struct cd_throttle *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	cd_random(t->secret, sizeof(t->secret));
	*ret_throttle = t;
	return 0;
}

void cd_throttle_free(struct cd_throttle **throttle)
{
	free(*throttle);
	*throttle = NULL;
}

static uint64_t key_of(const struct cd_throttle *t, struct cd_str account,
		       struct cd_str addr)
{
	struct cd_buf text;
	uint8_t mac[CD_SHA256_SIZE];
	uint64_t key;

	cd_buf_init(&text, 4096);
	cd_buf_str(&text, account);
	cd_buf_char(&text, 0);
	cd_buf_str(&text, addr);
	cd_hmac_sha256(cd_str_make(t->secret, sizeof(t->secret)),
		       cd_buf_get(&text), mac);
	cd_buf_done(&text);
	memcpy(&key, mac, sizeof(key));
	return key ? key : 1;
}

static struct entry *find_in(struct entry set[WAYS], uint64_t key)
{
	struct entry *oldest = set;
	size_t i;

	for (i = 0; i < WAYS; i++) {
		if (set[i].key == key)
			return &set[i];
		if (set[i].last < oldest->last)
			oldest = &set[i];
	}
	*oldest = (struct entry){.key = key};
	return oldest;
}

static struct entry *find(struct cd_throttle *t, uint64_t key)
{
	return find_in(t->entries[key % SETS], key);
}

static int64_t wait_of(const struct entry *e, uint32_t allowance, int64_t now)
{
	int64_t wait, since = now - e->last;
	uint32_t over;

	if (e->failures < allowance)
		return 0;
	over = CD_MIN(e->failures - allowance, 16u);
	wait = CD_MIN(FIRST_WAIT_S << over, CD_THROTTLE_MAX_S);
	/* A clock that was set back must not lock anybody out for long. */
	return since >= 0 && since < wait ? wait - since : 0;
}

static void count(struct entry *e, int64_t forget, int64_t now)
{
	if (now - e->last > forget)
		e->failures = 0;
	e->failures++;
	e->last = now;
}

/* One customer's worth of IPv6 is one address here. */
static struct cd_str network(struct cd_str addr, char out[64])
{
	struct cd_addr a;
	size_t i;

	if (cd_addr_parse(addr, &a) < 0 || a.family != 6)
		return addr;
	for (i = 0; i < 8; i++) {
		out[2 * i] = (char)('a' + (a.bytes[i] >> 4));
		out[2 * i + 1] = (char)('a' + (a.bytes[i] & 15));
	}
	return cd_str_make(out, 16);
}

int64_t cd_throttle_try(struct cd_throttle *t, struct cd_str account,
			struct cd_str addr, int64_t now)
{
	char net[64];
	struct cd_str from = network(addr, net);
	struct entry *pair, *all;
	int64_t a, b;

	all = find(t, key_of(t, CD_STR_NULL, from));
	b = wait_of(all, CD_THROTTLE_FREE_ADDR, now);
	pair = find(t, key_of(t, account, from));
	a = wait_of(pair, CD_THROTTLE_FREE, now);
	if (a || b)
		return CD_MAX(a, b);
	count(pair, CD_THROTTLE_MAX_S, now);
	count(find(t, key_of(t, CD_STR_NULL, from)), CD_THROTTLE_MAX_S, now);
	return 0;
}

void cd_throttle_forgive(struct cd_throttle *t, struct cd_str account,
			 struct cd_str addr)
{
	char net[64];
	struct cd_str from = network(addr, net);
	struct entry *e = find(t, key_of(t, account, from));

	e->failures = 0;
	e = find(t, key_of(t, CD_STR_NULL, from));
	if (e->failures)
		e->failures--;
}

static struct entry *codes_of(struct cd_throttle *t, struct cd_str person)
{
	uint64_t key = key_of(t, person, CD_STR_NULL);

	return find_in(t->codes[key % CODE_SETS], key);
}

int64_t cd_throttle_code(struct cd_throttle *t, struct cd_str person,
			 int64_t now)
{
	struct entry *e = codes_of(t, person);
	int64_t wait = wait_of(e, CD_THROTTLE_CODES, now);

	if (!wait)
		count(e, CD_THROTTLE_CODES_S, now);
	return wait;
}

void cd_throttle_code_forgive(struct cd_throttle *t, struct cd_str person)
{
	codes_of(t, person)->failures = 0;
}
