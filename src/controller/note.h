/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events of cordond itself: what was done, for the journal. Notes taken in a
 * transaction are written after its commit and forgotten with a rollback, so
 * that the journal tells of nothing that did not happen.
 */
#ifndef CD_CONTROLLER_NOTE_H
#define CD_CONTROLLER_NOTE_H

#include "controller/ctl.h"
#include "event/event.h"

#define CD_NOTES_MAX 4096 /* of one transaction; beyond: counted */

/* Strings are copied; empty ones and zeros are left out of the event. trace:
 * 32 hexadecimal digits, else it is left out too. */
struct cd_note {
	enum cd_event_class event_class;
	struct cd_str actor, action, target, user, app, addr, detail, factor;
	struct cd_str trace; /* of the request that it came from */
	int64_t session, policy;
	bool failed; /* outcome */
};

/* Now, or after the transaction that is open. */
void cd_note(struct cd_ctl *ctl, const struct cd_note *note);

/* For cd_ctl_commit() and _rollback(). */
void cd_notes_write(struct cd_ctl *ctl);
void cd_notes_drop(struct cd_ctl *ctl);

#endif
