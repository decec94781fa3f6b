/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who did what to which thing, with the SHA-256 of its JSON before and after:
 * inside the transaction of the act, so that nothing happens unaudited and
 * nothing is audited that did not happen.
 */
#ifndef CD_CONTROLLER_AUDIT_H
#define CD_CONTROLLER_AUDIT_H

#include <jansson.h>

#include "controller/ctl.h"

/* before and after are borrowed and may be NULL. */
int cd_audit(struct cd_ctl *ctl, const char *who, const char *action,
	     struct cd_str target, json_t *before, json_t *after);

#endif
