/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What gateways found of the servers of apps: the last word of each on each,
 * from the events of their health checks, so that `status` and `apps` show it
 * without a search through the journal. Kept over restarts; what the policy in
 * force no longer checks is not shown.
 */
#ifndef CD_CONTROLLER_SERVERS_H
#define CD_CONTROLLER_SERVERS_H

#include <cordon/snapshot.h>
#include <jansson.h>

#include "controller/ctl.h"
#include "event/batch.h"

#define CD_SERVERS_MAX 32768 /* rows; the oldest go first */

/* A batch that was checked: takes what it says of health, skips the rest. Of
 * two events of the same server the later counts, in whatever order they
 * come. */
void cd_servers_take(struct cd_ctl *ctl, const struct cd_batch *batch);
/* Schema Server, of one app; empty without a health line. */
json_t *cd_servers_of(struct cd_ctl *ctl, const struct cd_app *app);
/* Schema Server, of all apps: those that are not healthy. */
json_t *cd_servers_down(struct cd_ctl *ctl);

#endif
