/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict: a trust file is written by us, so whatever differs from what we
 * write is damage, or someone's hand.
 */
#include "token/trust.h"

#include "token/base64.h"

static struct cd_public_key *slot(struct cd_trust *t, struct cd_str purpose)
{
	if (cd_str_equal(purpose, CD_STR("bundle")))
		return &t->bundle;
	if (cd_str_equal(purpose, CD_STR("changes")))
		return &t->changes;
	if (cd_str_equal(purpose, CD_STR("assertion")))
		return &t->assertion;
	return NULL;
}

static int parse_line(struct cd_str line, struct cd_trust *t,
		      struct cd_public_key **ret_slot)
{
	struct cd_str rest, purpose, id;
	struct cd_public_key *key;
	char want[CD_KEY_ID + 1];

	purpose = cd_str_split(line, ' ', &rest);
	id = cd_str_split(rest, ' ', &rest);
	key = slot(t, purpose);
	if (!key ||
	    cd_base64url_decode_fixed(rest, key->bytes, sizeof(key->bytes)) ||
	    cd_public_key_is_weak(key))
		return CD_E_CORRUPT;
	cd_key_id(key, want);
	if (!cd_str_equal(id, cd_str_from(want)))
		return CD_E_CORRUPT;
	*ret_slot = key;
	return 0;
}

int cd_trust_parse(struct cd_str text, struct cd_trust *ret)
{
	struct cd_public_key *seen[3] = {NULL};
	struct cd_trust t;
	size_t n = 0;

	if (text.len > CD_TRUST_MAX || text.len == 0 ||
	    text.ptr[text.len - 1] != '\n' ||
	    !cd_str_equal(cd_str_split(text, '\n', &text),
			  CD_STR("cordon-trust 1")))
		return CD_E_CORRUPT;
	for (; text.len; n++) {
		if (n == CD_ARRAY_SIZE(seen) ||
		    parse_line(cd_str_split(text, '\n', &text), &t, &seen[n]))
			return CD_E_CORRUPT;
		for (size_t i = 0; i < n; i++)
			if (seen[i] == seen[n])
				return CD_E_CORRUPT;
	}
	if (n != CD_ARRAY_SIZE(seen))
		return CD_E_CORRUPT;
	*ret = t;
	return 0;
}

static void put_line(const char *purpose, const struct cd_public_key *key,
		     struct cd_buf *out)
{
	char id[CD_KEY_ID + 1];

	cd_key_id(key, id);
	cd_buf_printf(out, "%s %s ", purpose, id);
	cd_base64url_put(out, key->bytes, sizeof(key->bytes));
	cd_buf_char(out, '\n');
}

void cd_trust_put(const struct cd_trust *trust, struct cd_buf *out)
{
	cd_buf_puts(out, "cordon-trust 1\n");
	put_line("bundle", &trust->bundle, out);
	put_line("changes", &trust->changes, out);
	put_line("assertion", &trust->assertion, out);
}
