/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside policy*.c: what is kept in memory of the policy in force.
 */
#ifndef CD_CONTROLLER_POLICY_STATE_H
#define CD_CONTROLLER_POLICY_STATE_H

#include "controller/policy.h"

#define CD_POLICY_HEX (2 * CD_SHA256_SIZE + 1)

struct cd_policy_state {
	void *image;
	size_t size;
	const struct cd_snapshot *snapshot;
	int64_t serial; /* of the version; 0: none */
	int64_t confirm_by; /* 0: stays */
	char hash[CD_POLICY_HEX]; /* of the image */
	int64_t bundle; /* serial of the bundle */
	uint8_t bundle_hash[CD_SHA256_SIZE];
	int64_t not_after;
	int64_t retry_at; /* after a failure to sign; cd_steady() */
};

/* The files of a version, as the API has them. CD_E_NOTFOUND. */
int cd_policy_files(struct cd_ctl *ctl, int64_t serial, json_t **ret_files);

#endif
