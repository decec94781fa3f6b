/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The feeds of the policy in force: lists of addresses and names that others
 * keep, as files of this machine or at urls. Each is read again at its
 * interval; a change compiles the policy anew, and only another image makes
 * another bundle. What fails keeps the last good copy (feed_copy.h) and is
 * told once, until it is well again.
 *
 * Waiting is the loop's (urls) or a thread's (files, checks, compiling):
 * nothing here holds up an answer of the API.
 */
#ifndef CD_CONTROLLER_FEED_H
#define CD_CONTROLLER_FEED_H

#include <cordon/policy.h>

#include <jansson.h>

#include "controller/ctl.h"

#define CD_FEED_TIMEOUT_MS 30000 /* of one request */
#define CD_FEED_HOPS 5 /* redirects of one fetch */
#define CD_FEED_RETRY_S 60 /* after a failure, or sooner by refresh */
#define CD_FEED_FETCHES 4 /* at a time */

struct cd_feeds;

/* Settings from CONF/cordon.conf. The policy in force is not known yet. */
int cd_feeds_new(struct cd_ctl *ctl, struct cd_diag *diag,
		 struct cd_feeds **ret_feeds);
void cd_feeds_free(struct cd_feeds **feeds);

/* This policy is in force: its feeds are all due at the next tick. */
void cd_feeds_follow(struct cd_ctl *ctl, const struct cd_policy *policy);
/* Due now; name NULL: all. False: there is no such feed. */
bool cd_feeds_hurry(struct cd_ctl *ctl, const char *name);
/* Once a second. */
void cd_feeds_tick(struct cd_ctl *ctl);

/* Schema Feed of each. */
json_t *cd_feeds_json(struct cd_ctl *ctl);

/* For policy.c: a compile that cd_feeds_tick() asked for has ended. err:
 * what refused it (why: in words); a CD_E_ error waits for another change,
 * others are tried again. */
void cd_feeds_compiled(struct cd_ctl *ctl, int err, const char *why);

#endif
