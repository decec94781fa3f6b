/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new link as the API shows it, once.
 */
#ifndef CD_CONTROLLER_LINK_API_H
#define CD_CONTROLLER_LINK_API_H

#include <jansson.h>

#include "controller/api.h"
#include "controller/link.h"

/* Inside a transaction. Schema Link. */
int cd_link_json(struct cd_ctl *ctl, enum cd_link_kind kind, int64_t target,
		 int64_t life, json_t **ret_json);
/* Makes one as the call asks, audits it as action on name, and answers with
 * it. found: what looking for the target gave; a negative one is answered. */
void cd_call_link(struct cd_call *call, int found, enum cd_link_kind kind,
		  int64_t target, const char *action, struct cd_str name);

#endif
