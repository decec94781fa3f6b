/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the provider's word to a person here. A person is found by (issuer,
 * sub) and by nothing else: a mail address or a name at a provider may be
 * given to somebody else tomorrow.
 *
 * Linking rule: the first sign-in of an unknown (issuer, sub) creates a new
 * person (when oidc_create is yes), named by the name claim. A name that is
 * taken here refuses the sign-in: an account that exists is linked only by an
 * admin, who writes the provider's subject into it.
 *
 * Groups the claim gave are remembered as the provider's: the next sign-in
 * takes away those that it no longer gives. Groups that an admin gave here
 * stay. CD_ADMIN_GROUP never comes from a provider.
 */
#ifndef CD_CONTROLLER_OIDC_PERSON_H
#define CD_CONTROLLER_OIDC_PERSON_H

#include "controller/oidc_token.h"
#include "controller/people.h"

/* Finds, or creates, and brings up to date. Inside a transaction. CD_E_DENIED:
 * the person is disabled; CD_E_NOTFOUND: unknown, and may not be created;
 * -EEXIST: the name is taken; -EINVAL: the name claim names nobody. */
int cd_oidc_person(struct cd_ctl *ctl, struct cd_str issuer,
		   const struct cd_oidc_claims *claims, bool create,
		   struct cd_person *ret_person);

/* Who has this subject: 0 or CD_E_NOTFOUND. */
int cd_oidc_person_find(struct cd_ctl *ctl, struct cd_str issuer,
			struct cd_str subject, int64_t *ret_id);
/* An admin's word that this person is that subject; empty: nobody at the
 * provider. -EEXIST when another person is. Inside a transaction. */
int cd_oidc_person_link(struct cd_ctl *ctl, int64_t id, struct cd_str issuer,
			struct cd_str subject);
#endif
