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

/* Parses one request. Strings live in the arena (or in line). snapshot may
 * be NULL: then the kind is not taken from the app. -EINVAL with a sentence
 * in error; ret_request is then untouched. */
int cd_input_json(struct cd_str line, const struct cd_snapshot *snapshot,
		  struct cd_arena *arena, struct cd_request *ret_request,
		  char error[CD_INPUT_ERROR_MAX]);

/* Does the request contradict itself (a host with a user.name, an app at
 * another address, a path that is not normalised)? -EINVAL with a sentence in
 * error. cd_input_json() does not ask: such a line is answered, and what a kind
 * or subject never has is absent. But only of a request that passes is it sure
 * that removing a key can never turn a refusal into an allow. */
int cd_input_check(const struct cd_snapshot *snapshot,
		   const struct cd_request *request,
		   char error[CD_INPUT_ERROR_MAX]);

/* Sets one attribute from text: "yes", "12d", "low", "203.0.113.5",
 * "finance, ops", "tier=web, env=prod", "unknown" (forgets it). */
int cd_input_text(struct cd_request *request, enum cd_attr attr,
		  struct cd_str text, struct cd_arena *arena,
		  char error[CD_INPUT_ERROR_MAX]);

/* "packet", "http"... -> enum cd_kind; 0 when it is none. */
uint8_t cd_input_kind(struct cd_str name);

#endif
