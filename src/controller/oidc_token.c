/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of the checks matters: nothing of a token is looked at before its
 * signature, and no claim of a person before the token is known to belong to
 * this sign-in.
 */
#include "controller/oidc_token.h"

#include "controller/people.h"

static const char *const verdicts[] = {
	[CD_OIDC_FINE] = "FINE",
	[CD_OIDC_UNKNOWN_KEY] = "UNKNOWN_KEY",
	[CD_OIDC_BAD_TOKEN] = "BAD_TOKEN",
	[CD_OIDC_EXPIRED] = "EXPIRED",
	[CD_OIDC_BAD_NONCE] = "BAD_NONCE",
	[CD_OIDC_BAD_PARTY] = "BAD_PARTY",
	[CD_OIDC_BAD_CLAIMS] = "BAD_CLAIMS",
	[CD_OIDC_TOO_OLD] = "TOO_OLD",
};

const char *cd_oidc_verdict_name(enum cd_oidc_verdict v)
{
	return verdicts[v];
}

/* ---- amr ---- */

/* RFC 8176 section 2 and what providers say beside it. A call or a text
 * message counts as a password does: the provider says "mfa" beside it when
 * it was a second factor. A method that is not here (kba, geo, rba, face...)
 * proves nothing we could name. */
static const struct {
	const char *method;
	int64_t factor;
} methods[] = {
	{"pwd", 1}, {"pin", 1},	 {"sms", 1},  {"tel", 1},      {"otp", 2},
	{"mfa", 2}, {"totp", 2}, {"mca", 2},  {"swk", 2},      {"pop", 2},
	{"hwk", 3}, {"sc", 3},	 {"fido", 3}, {"webauthn", 3},
};

static int64_t method_factor(const char *method)
{
	size_t i;

	for (i = 0; i < CD_ARRAY_SIZE(methods); i++)
		if (!strcmp(methods[i].method, method))
			return methods[i].factor;
	return 0;
}

int64_t cd_oidc_amr_factor(const json_t *amr)
{
	const json_t *item;
	int64_t best = 0;
	size_t i;

	json_array_foreach(amr, i, item) if (json_is_string(item))
		best = CD_MAX(best, method_factor(json_string_value(item)));
	return best;
}

static int read_amr(const json_t *o, struct cd_oidc_claims *c)
{
	const json_t *amr = json_object_get(o, "amr");

	if (amr && !json_is_array(amr))
		return CD_E_CORRUPT;
	if (json_array_size(amr) > CD_OIDC_AMR_MAX)
		return CD_E_LIMIT;
	c->factor = cd_oidc_amr_factor(amr);
	return 0;
}

/* ---- texts ---- */

static bool is_printable(struct cd_str s)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7f)
			return false;
	return true;
}

/* A text for show: left out when it is absent, too long or not printable. */
static void read_text(const json_t *o, struct cd_str name, char *out,
		      size_t size)
{
	const json_t *v = json_object_getn(o, name.ptr, name.len);
	struct cd_str s =
		cd_str_make(json_string_value(v), json_string_length(v));

	out[0] = 0;
	if (!s.len || s.len >= size || !is_printable(s))
		return;
	memcpy(out, s.ptr, s.len);
	out[s.len] = 0;
}

/* ---- groups ---- */

static bool has(const json_t *list, const char *name)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item) if (!strcmp(json_string_value(item),
						      name)) return true;
	return false;
}

/* The claim is a list of names, or one name. */
static int add_group(struct cd_oidc_claims *c, const json_t *item)
{
	struct cd_str s =
		cd_str_make(json_string_value(item), json_string_length(item));

	if (!json_is_string(item))
		return CD_E_CORRUPT;
	if (!cd_name_is_valid(s)) {
		c->ignored++;
		return 0;
	}
	if (has(c->groups, s.ptr))
		return 0;
	return json_array_append_new(c->groups, json_stringn(s.ptr, s.len)) ?
		       -ENOMEM :
		       0;
}

static int read_groups(const json_t *o, struct cd_str name,
		       struct cd_oidc_claims *c)
{
	const json_t *v = json_object_getn(o, name.ptr, name.len), *item;
	const json_t *away = json_object_get(o, "_claim_names");
	size_t i;
	int r = 0;

	if (!name.len)
		return 0;
	if (!v && json_object_getn(away, name.ptr, name.len))
		return CD_E_UNSUPPORTED;
	c->groups = json_array();
	if (!c->groups)
		return -ENOMEM;
	if (!v)
		return 0;
	if (!json_is_array(v))
		return add_group(c, v);
	if (json_array_size(v) > CD_OIDC_GROUPS_MAX)
		return CD_E_LIMIT;
	json_array_foreach(v, i, item) if (!r) r = add_group(c, item);
	return r;
}

/* ---- claims ---- */

static int read_auth_time(const json_t *o, struct cd_oidc_claims *c)
{
	const json_t *v = json_object_get(o, "auth_time");

	if (v && (!json_is_integer(v) || json_integer_value(v) <= 0))
		return CD_E_CORRUPT;
	c->auth_time = json_integer_value(v);
	return 0;
}

static int read_sub(const json_t *o, struct cd_oidc_claims *c)
{
	read_text(o, CD_STR("sub"), c->sub, sizeof(c->sub));
	return c->sub[0] ? 0 : CD_E_CORRUPT;
}

static int read_claims(const json_t *o, const struct cd_oidc_names *names,
		       struct cd_oidc_claims *c)
{
	int r = read_sub(o, c);

	if (!r)
		r = read_auth_time(o, c);
	if (!r)
		r = read_amr(o, c);
	if (!r)
		r = read_groups(o, names->groups, c);
	read_text(o, names->name, c->name, sizeof(c->name));
	read_text(o, CD_STR("name"), c->display, sizeof(c->display));
	read_text(o, CD_STR("email"), c->email, sizeof(c->email));
	return r;
}

int cd_oidc_claims_parse(struct cd_str payload,
			 const struct cd_oidc_names *names,
			 struct cd_oidc_claims *ret_claims)
{
	struct cd_oidc_claims c cd_auto(cd_oidc_claims_done) = {0};
	json_error_t e;
	json_t *o;
	int r = CD_E_CORRUPT;

	if (payload.len > CD_JWT_MAX)
		return CD_E_LIMIT;
	o = json_loadb(payload.ptr, payload.len, JSON_REJECT_DUPLICATES, &e);
	if (json_is_object(o))
		r = read_claims(o, names, &c);
	json_decref(o);
	if (r < 0)
		return r;
	*ret_claims = c;
	c.groups = NULL;
	return 0;
}

void cd_oidc_claims_done(struct cd_oidc_claims *claims)
{
	json_decref(claims->groups);
	claims->groups = NULL;
}

/* ---- the whole check ---- */

static enum cd_oidc_verdict verdict_of(int r)
{
	switch (r) {
	case 0:
		return CD_OIDC_FINE;
	case CD_E_NOTFOUND:
		return CD_OIDC_UNKNOWN_KEY;
	case CD_E_EXPIRED:
		return CD_OIDC_EXPIRED;
	default:
		return CD_OIDC_BAD_TOKEN;
	}
}

/* Core 3.1.3.7 steps 4 and 5, 11. */
static enum cd_oidc_verdict check_binding(const struct cd_jwt *jwt,
					  const struct cd_oidc_expect *e)
{
	if (jwt->n_aud > 1 && !jwt->azp.len)
		return CD_OIDC_BAD_PARTY;
	if (jwt->azp.len && !cd_str_equal(jwt->azp, e->client_id))
		return CD_OIDC_BAD_PARTY;
	if (!e->nonce.len || jwt->nonce.len != e->nonce.len ||
	    !cd_equal_ct(jwt->nonce.ptr, e->nonce.ptr, e->nonce.len))
		return CD_OIDC_BAD_NONCE;
	/* A token made before the question is not its answer. */
	if (!jwt->iat || jwt->iat < e->begun - CD_JWT_LEEWAY)
		return CD_OIDC_EXPIRED;
	return CD_OIDC_FINE;
}

/* We always ask with max_age, so auth_time is required (Core section 2). */
static enum cd_oidc_verdict check_age(int64_t auth_time,
				      const struct cd_oidc_expect *e)
{
	int64_t least = e->max_age ? e->now - e->max_age : e->begun;

	if (!auth_time || auth_time > e->now + CD_JWT_LEEWAY ||
	    auth_time < least - CD_JWT_LEEWAY)
		return CD_OIDC_TOO_OLD;
	return CD_OIDC_FINE;
}

enum cd_oidc_verdict cd_oidc_token_check(struct cd_str token,
					 const struct cd_jwks *keys,
					 const struct cd_oidc_expect *expect,
					 const struct cd_oidc_names *names,
					 struct cd_oidc_claims *ret_claims)
{
	struct cd_jwt_expect e = {.iss = expect->issuer,
				  .aud = expect->client_id,
				  .now = expect->now,
				  .leeway = CD_JWT_LEEWAY};
	struct cd_oidc_claims c cd_auto(cd_oidc_claims_done) = {0};
	struct cd_jwt *jwt cd_auto(cd_jwt_free) = NULL;
	enum cd_oidc_verdict v;

	v = verdict_of(cd_jwt_verify(token, keys, &e, &jwt));
	if (v == CD_OIDC_FINE)
		v = check_binding(jwt, expect);
	if (v == CD_OIDC_FINE && cd_oidc_claims_parse(jwt->payload, names, &c))
		v = CD_OIDC_BAD_CLAIMS;
	if (v == CD_OIDC_FINE)
		v = check_age(c.auth_time, expect);
	if (v != CD_OIDC_FINE)
		return v;
	*ret_claims = c;
	c.groups = NULL;
	return v;
}
