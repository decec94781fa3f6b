/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policy versions: text in, a checked, tested, compiled and signed bundle
 * out. A policy that fails anywhere leaves the one in force as it is. Going
 * back is a new version with the old text; a version applied with a deadline
 * goes back by itself unless it was confirmed, also when cordond was
 * restarted meanwhile.
 */
#ifndef CD_CONTROLLER_POLICY_H
#define CD_CONTROLLER_POLICY_H

#include <cordon/policy.h>

#include <jansson.h>

#include "controller/ctl.h"
#include "token/change.h"

int cd_policy_state_new(struct cd_ctl *ctl, struct cd_diag *diag,
			struct cd_policy_state **ret_state);
void cd_policy_state_free(struct cd_policy_state **state);

/* In force now; NULL before the first. Borrowed until the loop goes on. */
const struct cd_snapshot *cd_policy_snapshot(const struct cd_ctl *ctl);
int64_t cd_policy_serial(const struct cd_ctl *ctl);

/* The BUNDLE record of what is in force; false: there is none. */
bool cd_policy_bundle_record(struct cd_ctl *ctl, struct cd_change *ret);
/* Schema PolicyState, or NULL. */
json_t *cd_policy_state_json(struct cd_ctl *ctl);

/* Compiles the version in force once more, in a thread, for feeds changed;
 * another image becomes another bundle. Ends with cd_feeds_compiled(). */
int cd_policy_compile_again(struct cd_ctl *ctl);

/* Once a second: deadlines, and a fresh bundle before the old one ends. */
void cd_policy_tick(struct cd_ctl *ctl);
/* The wall clock was set back by so many seconds; the rows know already. */
void cd_policy_clock_back(struct cd_ctl *ctl, int64_t by);

#endif
