/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory: people, their groups, and the record that tells enforcement
 * points about them. Functions that change something run inside a
 * transaction of the caller.
 */
#ifndef CD_CONTROLLER_PEOPLE_H
#define CD_CONTROLLER_PEOPLE_H

#include <jansson.h>

#include "controller/ctl.h"
#include "token/change.h"
#include "token/password.h"

#define CD_NAME_MAX 64 /* of a person, group or device */
#define CD_TEXT_MAX 200 /* display name, mail address */

/* Whose members are admins: the first admin gets it. */
#define CD_ADMIN_GROUP "admins"

struct cd_person {
	int64_t id;
	char name[CD_NAME_MAX + 1];
	char display[CD_TEXT_MAX + 1];
	char email[CD_TEXT_MAX + 1];
	bool disabled;
	int64_t risk; /* CD_T_RISK */
	int64_t epoch;
	char password[CD_PASSWORD_HASH_MAX]; /* empty: none */
	bool has_totp;
	int64_t totp_step;
	int64_t created;
};

/* Lower case letters, digits and ._@+- after a letter or digit; at most
 * CD_NAME_MAX bytes: what a cookie, a log line and a policy can hold. */
bool cd_name_is_valid(struct cd_str name);

/* 0, CD_E_NOTFOUND or an error of the store. */
int cd_person_get(struct cd_ctl *ctl, struct cd_str name,
		  struct cd_person *ret);
int cd_person_by_id(struct cd_ctl *ctl, int64_t id, struct cd_person *ret);
/* The sealed second factor, appended to out. */
int cd_person_totp(struct cd_ctl *ctl, int64_t id, struct cd_buf *out);
/* "user:17": ties sealed values to the person. */
struct cd_str cd_person_context(int64_t id, char out[32]);

/* -EEXIST when the name is taken, -EINVAL when it is none. */
int cd_person_create(struct cd_ctl *ctl, struct cd_str name, int64_t *ret_id);
/* The groups become exactly these; new ones are created. */
int cd_person_set_groups(struct cd_ctl *ctl, int64_t id, json_t *names);
/* Password hash and sealed second factor; either may be empty: stays. */
int cd_person_set_credentials(struct cd_ctl *ctl, int64_t id,
			      struct cd_str hash, struct cd_str totp);
/* Ends the sessions, appends SUBJECT_GONE, deletes. */
int cd_person_delete(struct cd_ctl *ctl, int64_t id);

/* The person changed: new epoch, and a record in the change stream. */
int cd_person_publish(struct cd_ctl *ctl, int64_t id);
/* All members of a group changed. */
int cd_group_publish(struct cd_ctl *ctl, struct cd_str group);
/* Every person's record, for a resync; a negative return of fn stops. */
int cd_people_each(struct cd_ctl *ctl,
		   int (*fn)(void *ctx, struct cd_change *record), void *ctx);

/* Sorted names of a person's groups. */
json_t *cd_person_groups(struct cd_ctl *ctl, int64_t id);
/* Schema User; NULL without memory. */
json_t *cd_person_json(struct cd_ctl *ctl, const struct cd_person *p);
json_t *cd_group_json(struct cd_ctl *ctl, struct cd_str name);

const char *cd_risk_name(int64_t risk);
/* 1..3, or 0. */
int64_t cd_risk_parse(const char *name);

#endif
