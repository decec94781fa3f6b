/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that come as text: one JSON object with flat keys named as in the
 * attribute registry (`cordon decide`), or ATTR and VALUE as the policy
 * language writes them (`cordon why ... with risk.user=medium`).
 *
 * Every absent key is unknown; null says the request has no such thing. The
 * kind of the request is said by the extension "kind", or a known app makes it
 * what the app is. It never follows from what is missing, so that leaving a
 * key out cannot open anything.
 */
#ifndef CD_DECIDE_INPUT_H
#define CD_DECIDE_INPUT_H

#include <cordon/snapshot.h>

#include "base/arena.h"

#define CD_INPUT_LINE_MAX (1u << 20) /* bytes of one request */
#define CD_INPUT_ERROR_MAX 256

/* Parses one request. Strings live in the arena (or in line); the kind is 0
 * where the line does not say it. -EINVAL with a sentence in error;
 * ret_request is then untouched. */
int cd_input_json(struct cd_str line, struct cd_arena *arena,
		  struct cd_request *ret_request,
		  char error[CD_INPUT_ERROR_MAX]);

/* The kind of a request to the app that it names (a web app is asked by HTTP);
 * 0 when it names none that the policy has. */
uint8_t cd_input_app_kind(const struct cd_snapshot *snapshot,
			  const struct cd_request *request);

/* Decides a parsed line; a kind it does not say is that of its app. As
 * cd_decide(), but for lines whose keys contradict each other as well: removing
 * a key from any line never turns a refusal into an allow. A line that is
 * refused as it stands and contradicts itself is allowed when a line is that
 * it contains; request is then that one, else the line with its kind. */
struct cd_decision cd_input_decide(const struct cd_snapshot *snapshot,
				   struct cd_request *request);

/* Sets one attribute from text: "yes", "12d", "low", "203.0.113.5",
 * "finance, ops", "tier=web, env=prod", "unknown" (forgets it). */
int cd_input_text(struct cd_request *request, enum cd_attr attr,
		  struct cd_str text, struct cd_arena *arena,
		  char error[CD_INPUT_ERROR_MAX]);

/* "packet", "http"... -> enum cd_kind; 0 when it is none. */
uint8_t cd_input_kind(struct cd_str name);

#endif
