/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inventory: devices, what is known about each, and since when. A browser
 * is bound to a device by a single-use link; sign-ins of that browser then
 * carry the device. Functions that change something run inside a transaction
 * of the caller.
 */
#ifndef CD_CONTROLLER_DEVICE_H
#define CD_CONTROLLER_DEVICE_H

#include <jansson.h>

#include "controller/ctl.h"
#include "controller/people.h"

struct cd_device {
	int64_t id;
	char name[CD_NAME_MAX + 1];
	char owner[CD_NAME_MAX + 1]; /* empty: nobody's */
	int64_t epoch, enrolled, created;
};

int cd_device_get(struct cd_ctl *ctl, struct cd_str name,
		  struct cd_device *ret);
int cd_device_by_id(struct cd_ctl *ctl, int64_t id, struct cd_device *ret);
/* The device whose browser holds this token; 0 and CD_E_NOTFOUND: none. */
int cd_device_by_token(struct cd_ctl *ctl, struct cd_str token,
		       int64_t *ret_id);
/* owner 0: nobody's. */
int cd_device_create(struct cd_ctl *ctl, struct cd_str name, int64_t owner,
		     int64_t *ret_id);
int cd_device_delete(struct cd_ctl *ctl, int64_t id);
/* Binds a browser: the key of its token. */
int cd_device_enrol(struct cd_ctl *ctl, int64_t id, struct cd_str key);

/* Sets attributes {"encrypted": "no", "os_age": "12d", "managed": true}, null
 * forgets. -EINVAL with the reason in diag. */
int cd_device_set(struct cd_ctl *ctl, int64_t id, json_t *attributes,
		  struct cd_diag *diag);
/* The device changed: new epoch, and a record in the change stream. */
int cd_device_publish(struct cd_ctl *ctl, int64_t id);
/* ... and all that have attributes. */
int cd_devices_publish(struct cd_ctl *ctl);
/* The inventory vouches again for what it says itself; own transaction. */
int cd_devices_vouch(struct cd_ctl *ctl);

/* The record of one device: fn borrows it. */
int cd_device_record(struct cd_ctl *ctl, int64_t id,
		     int (*fn)(void *ctx, struct cd_change *record), void *ctx);
int cd_devices_each(struct cd_ctl *ctl,
		    int (*fn)(void *ctx, struct cd_change *record), void *ctx);
/* Schema Device. */
json_t *cd_device_json(struct cd_ctl *ctl, const struct cd_device *d);

/* A value as policies write it, by the attribute's type: 0, or -EINVAL.
 * Numbers, booleans, durations and risks become *ret_int, texts stay. */
int cd_attr_value(enum cd_attr attr, json_t *value, int64_t *ret_int,
		  struct cd_str *ret_text);

#endif
