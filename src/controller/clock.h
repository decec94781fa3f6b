/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of stored instants when the machine's clock is set.
 *
 * Limits of sessions, links and codes are kept as Unix seconds, because they
 * outlive processes and machines. A clock that is set forward only lets time
 * pass: what it passes has ended, for good. A clock that is set back would give
 * everything that much longer, and let what had expired be good again. So every
 * stored instant goes back with it: what had ended stays ended, what lives has
 * as long left as before.
 *
 * A step back is seen as the wall clock falling behind CLOCK_BOOTTIME between
 * two looks; one that happened while cordond was away, as the wall clock being
 * behind the last time that was noted in the database. Steps up to
 * CD_CLOCK_SLACK_S are let pass: they lengthen nothing by more.
 *
 * The step of the last second factor is not shifted: a code that was used is
 * never good again, so somebody who used one while the clock was ahead has to
 * wait until it gets there, or be given a new factor.
 */
#ifndef CD_CONTROLLER_CLOCK_H
#define CD_CONTROLLER_CLOCK_H

#include "controller/ctl.h"

#define CD_CLOCK_SLACK_S 2 /* while running */
#define CD_CLOCK_NOTED_S 60 /* between two notes in the database */

/* At the start, before anybody is answered: steps while it was away. */
int cd_clock_start(struct cd_ctl *ctl);
/* Once a second. */
int cd_clock_tick(struct cd_ctl *ctl);

/* Seconds that only grow, whatever happens to the wall clock; those of a
 * suspended machine count. For waits and lives that end with the process. */
int64_t cd_steady(void);

#endif
