/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who did what to which thing, with the SHA-256 of its JSON before and after:
 * inside the transaction of the act, so that nothing happens unaudited and
 * nothing is audited that did not happen.
 */
#ifndef CD_CONTROLLER_AUDIT_H
#define CD_CONTROLLER_AUDIT_H

#include <jansson.h>

#include "controller/api.h"

/* before and after are borrowed and may be NULL. */
int cd_audit(struct cd_ctl *ctl, const char *who, const char *action,
	     struct cd_str target, json_t *before, json_t *after);
/* The same for what a person did on our pages: the event also has where the
 * request came from, its trace and, unless 0, the session. */
int cd_audit_page(struct cd_call *call, const char *who, const char *action,
		  struct cd_str target, int64_t session);

#endif
