/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything happens in the caller's transaction: a sign-in that fails later
 * leaves no half-made person. A record goes into the change stream only when
 * something that enforcement points know has changed.
 */
#include "controller/oidc_person.h"

#include "controller/audit.h"
#include "sys/store.h"

int cd_oidc_person_find(struct cd_ctl *ctl, struct cd_str issuer,
			struct cd_str subject, int64_t *ret_id)
{
	return cd_store_int(ctl->store, ret_id,
			    "SELECT id FROM person WHERE issuer = ?1"
			    " AND subject = ?2 AND issuer <> ''",
			    "ss", issuer, subject);
}

int cd_oidc_person_link(struct cd_ctl *ctl, int64_t id, struct cd_str issuer,
			struct cd_str subject)
{
	int64_t n;

	if (subject.len > CD_OIDC_SUB_MAX)
		return -EINVAL;
	n = cd_store_run(ctl->store,
			 "UPDATE person SET issuer = ?2, subject = ?3"
			 " WHERE id = ?1",
			 "iss", id, subject.len ? issuer : CD_STR(""),
			 subject.len ? subject : CD_STR(""));
	return n < 0 ? (int)n : n ? 0 : CD_E_NOTFOUND;
}

/* ---- groups ---- */

/* The group may exist already, and the person may be in it by an admin's
 * word: then it is not the provider's to take away. */
static int give(struct cd_ctl *ctl, int64_t id, struct cd_str group)
{
	int64_t n;

	if (cd_str_equal(group, CD_STR(CD_ADMIN_GROUP)))
		return 0;
	n = cd_store_run(ctl->store,
			 "INSERT OR IGNORE INTO grp(name, created)"
			 " VALUES(?1, ?2)",
			 "si", group, cd_now());
	if (n >= 0)
		n = cd_store_run(ctl->store,
				 "INSERT OR IGNORE INTO membership(person, grp)"
				 " VALUES(?1, ?2)",
				 "is", id, group);
	if (n > 0)
		n = cd_store_run(ctl->store,
				 "INSERT OR IGNORE INTO oidc_group(person, grp)"
				 " VALUES(?1, ?2)",
				 "is", id, group);
	return n < 0 ? (int)n : 0;
}

static int take_all(struct cd_ctl *ctl, int64_t id)
{
	int64_t n;

	n = cd_store_run(ctl->store,
			 "DELETE FROM membership WHERE person = ?1 AND grp IN"
			 " (SELECT grp FROM oidc_group WHERE person = ?1)",
			 "i", id);
	if (n >= 0)
		n = cd_store_run(ctl->store,
				 "DELETE FROM oidc_group WHERE person = ?1",
				 "i", id);
	return n < 0 ? (int)n : 0;
}

static int set_groups(struct cd_ctl *ctl, int64_t id, const json_t *groups,
		      bool *ret_changed)
{
	json_t *before, *after, *item;
	size_t i;
	int r;

	if (!groups)
		return 0;
	before = cd_person_groups(ctl, id);
	r = before ? take_all(ctl, id) : -ENOMEM;
	json_array_foreach(groups, i, item) if (!r)
		r = give(ctl, id, cd_str_from(json_string_value(item)));
	after = r ? NULL : cd_person_groups(ctl, id);
	if (!r && !after)
		r = -ENOMEM;
	if (!r && json_array_size(after) > CD_CHANGE_GROUPS_MAX)
		r = CD_E_LIMIT;
	if (!r && !json_equal(before, after))
		*ret_changed = true;
	json_decref(before);
	json_decref(after);
	return r;
}

/* ---- people ---- */

/* The claim in lower case; what is no name then is refused. */
static int name_of(const struct cd_oidc_claims *c, char out[CD_NAME_MAX + 1])
{
	size_t i, n = strlen(c->name);

	if (n > CD_NAME_MAX)
		return -EINVAL;
	for (i = 0; i <= n; i++)
		out[i] = c->name[i] >= 'A' && c->name[i] <= 'Z' ?
				 (char)(c->name[i] | 0x20) :
				 c->name[i];
	return cd_name_is_valid(cd_str_make(out, n)) ? 0 : -EINVAL;
}

static int create(struct cd_ctl *ctl, struct cd_str issuer,
		  const struct cd_oidc_claims *c, int64_t *ret_id)
{
	char name[CD_NAME_MAX + 1];
	int64_t id = 0;
	int r = name_of(c, name);

	if (!r)
		r = cd_person_create(ctl, cd_str_from(name), &id);
	if (!r)
		r = cd_oidc_person_link(ctl, id, issuer, cd_str_from(c->sub));
	if (!r)
		r = cd_audit(ctl, "oidc", "user.create", cd_str_from(name),
			     NULL, NULL);
	if (!r)
		*ret_id = id;
	return r;
}

static int update_texts(struct cd_ctl *ctl, int64_t id,
			const struct cd_oidc_claims *c)
{
	int64_t n;

	n = cd_store_run(ctl->store,
			 "UPDATE person SET"
			 " display = iif(?2 = '', display, ?2),"
			 " email = iif(?3 = '', email, ?3) WHERE id = ?1",
			 "izz", id, c->display, c->email);
	return n < 0 ? (int)n : 0;
}

int cd_oidc_person(struct cd_ctl *ctl, struct cd_str issuer,
		   const struct cd_oidc_claims *claims, bool may_create,
		   struct cd_person *ret_person)
{
	struct cd_person p;
	bool changed = false;
	int64_t id = 0;
	int r;

	r = cd_oidc_person_find(ctl, issuer, cd_str_from(claims->sub), &id);
	if (r == CD_E_NOTFOUND && may_create) {
		changed = true;
		r = create(ctl, issuer, claims, &id);
	}
	if (!r)
		r = cd_person_by_id(ctl, id, &p);
	if (!r && p.disabled)
		r = CD_E_DENIED;
	if (!r)
		r = update_texts(ctl, id, claims);
	if (!r)
		r = set_groups(ctl, id, claims->groups, &changed);
	if (!r && changed)
		r = cd_person_publish(ctl, id);
	if (!r)
		r = cd_person_by_id(ctl, id, ret_person);
	return r;
}
