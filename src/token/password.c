/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Argon2's reference library writes and reads the PHC string. Its own verify
 * would run whatever memory cost a stored text names; a database that someone
 * else wrote must not be able to ask for 4 TiB, so the costs are read and
 * bounded here first.
 */
#include "token/password.h"

#include <argon2.h>
#include <stdlib.h>

#include "token/random.h"

#define SALT 16
#define HASH 32

const struct cd_password_cost cd_password_cost_default = {
	.memory_kib = 64 * 1024,
	.passes = 3,
	.lanes = 1,
};
const struct cd_password_cost cd_password_cost_floor = {
	.memory_kib = 19 * 1024,
	.passes = 2,
	.lanes = 1,
};

static bool cost_ok(const struct cd_password_cost *c)
{
	return c->passes >= 1 && c->passes <= 64 && c->lanes >= 1 &&
	       c->lanes <= 16 && c->memory_kib >= 8 * c->lanes &&
	       c->memory_kib <= 1024 * 1024;
}

int cd_password_hash(const struct cd_secret *password,
		     const struct cd_password_cost *cost, char **ret_hash)
{
	struct cd_str pw = cd_secret_reveal(password);
	uint8_t salt[SALT];
	char *text;
	int r;

	if (!cost)
		cost = &cd_password_cost_default;
	if (!cost_ok(cost) || pw.len < CD_PASSWORD_MIN ||
	    pw.len > CD_PASSWORD_MAX)
		return -EINVAL;
	text = calloc(1, CD_PASSWORD_HASH_MAX);
	if (!text)
		return -ENOMEM;
	cd_random(salt, sizeof(salt));
	r = argon2id_hash_encoded(cost->passes, cost->memory_kib, cost->lanes,
				  pw.ptr, pw.len, salt, sizeof(salt), HASH,
				  text, CD_PASSWORD_HASH_MAX);
	if (r != ARGON2_OK) {
		free(text);
		return r == ARGON2_MEMORY_ALLOCATION_ERROR ? -ENOMEM : -EINVAL;
	}
	*ret_hash = text;
	return 0;
}

/* One "k=123" of the parameter field, and what stands behind it. */
static bool read_cost(struct cd_str *rest, char name, uint32_t *ret)
{
	struct cd_str part = cd_str_split(*rest, ',', rest);
	uint64_t n;

	if (part.len < 3 || part.ptr[0] != name || part.ptr[1] != '=' ||
	    cd_str_parse_u64(cd_str_make(part.ptr + 2, part.len - 2), &n) < 0 ||
	    n > UINT32_MAX)
		return false;
	*ret = (uint32_t)n;
	return true;
}

static bool read_params(struct cd_str params, struct cd_password_cost *ret)
{
	return read_cost(&params, 'm', &ret->memory_kib) &&
	       read_cost(&params, 't', &ret->passes) &&
	       read_cost(&params, 'p', &ret->lanes) && !params.ptr &&
	       cost_ok(ret);
}

int cd_password_cost_parse(struct cd_str text, struct cd_password_cost *ret)
{
	const struct cd_password_cost *floor = &cd_password_cost_floor;
	struct cd_password_cost c;

	if (!read_params(text, &c))
		return -EINVAL;
	if (c.memory_kib < floor->memory_kib || c.passes < floor->passes)
		return -ERANGE;
	*ret = c;
	return 0;
}

static int read_costs(struct cd_str hash, struct cd_password_cost *ret)
{
	struct cd_password_cost c;
	struct cd_str params;

	if (hash.len >= CD_PASSWORD_HASH_MAX || memchr(hash.ptr, 0, hash.len) ||
	    !cd_str_has_prefix(hash, CD_STR("$argon2id$v=19$")))
		return CD_E_CORRUPT;
	params = cd_str_make(hash.ptr + 15, hash.len - 15);
	params = cd_str_split(params, '$', &hash);
	if (!read_params(params, &c))
		return CD_E_CORRUPT;
	*ret = c;
	return 0;
}

/* The same work as for a known user; whatever comes out, it is a refusal. */
static int dummy(struct cd_str pw, const struct cd_password_cost *c)
{
	uint8_t salt[SALT] = {0}, hash[HASH];
	int r = argon2id_hash_raw(c->passes, c->memory_kib, c->lanes, pw.ptr,
				  pw.len, salt, sizeof(salt), hash,
				  sizeof(hash));

	cd_wipe(hash, sizeof(hash));
	return r == ARGON2_MEMORY_ALLOCATION_ERROR ? -ENOMEM : CD_E_DENIED;
}

int cd_password_verify(struct cd_str hash, const struct cd_password_cost *cost,
		       const struct cd_secret *password)
{
	struct cd_str pw = cd_secret_reveal(password);
	char text[CD_PASSWORD_HASH_MAX] = {0};
	struct cd_password_cost own;
	int r;

	if (pw.len > CD_PASSWORD_MAX)
		return CD_E_DENIED;
	if (hash.len == 0)
		return dummy(pw, cost ? cost : &cd_password_cost_default);
	r = read_costs(hash, &own);
	if (r < 0)
		return r;
	memcpy(text, hash.ptr, hash.len);
	switch (argon2id_verify(text, pw.ptr, pw.len)) {
	case ARGON2_OK:
		return 0;
	case ARGON2_VERIFY_MISMATCH:
		return CD_E_DENIED;
	case ARGON2_MEMORY_ALLOCATION_ERROR:
		return -ENOMEM;
	default:
		return CD_E_CORRUPT;
	}
}

bool cd_password_is_outdated(struct cd_str hash,
			     const struct cd_password_cost *cost)
{
	struct cd_password_cost c;

	if (!cost)
		cost = &cd_password_cost_default;
	return read_costs(hash, &c) < 0 || c.memory_kib != cost->memory_kib ||
	       c.passes != cost->passes || c.lanes != cost->lanes;
}
