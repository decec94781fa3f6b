/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request as one JSON object, the form of `cordon decide`: flat keys named
 * as in the registry.
 *
 *	{"subject":"person","user.name":"alice","user.groups":["finance"],
 *	 "mfa.age":"40m","app":"payroll","src.ip":"203.0.113.5"}
 *
 * Durations are "12d" or a number of seconds, booleans true/false or "yes"
 * "no", sets arrays of strings, labels an object. `null`: the request has
 * none (absent); a key that is not there: unknown. A value may be given as
 * {"value": V, "age": "2h"}: when its source last vouched for it.
 * "kind" (packet name tls http shell login) may be said; otherwise it follows
 * from the app, or from an http.* key when no app is named, or stays unknown.
 *
 * A line that contradicts itself is no request (a host with a user.name, an
 * app at another address than its own): what a key says would count for
 * nothing while it is there, and for something once another key is removed.
 */
#ifndef CD_PROVE_REQUEST_H
#define CD_PROVE_REQUEST_H

#include <cordon/decide.h>

#include "base/arena.h"

#define CD_REQUEST_TEXT_MAX (1u << 20) /* bytes of one object */
#define CD_REQUEST_LABELS 256 /* labels of one host */

/* Texts of *ret_request live in the arena or the text. -EINVAL: error holds
 * what is wrong, NUL terminated. */
int cd_request_parse(const struct cd_snapshot *snapshot, struct cd_str text,
		     struct cd_arena *arena, struct cd_request *ret_request,
		     char *error, size_t error_size);

/* "packet"... for one enum cd_kind bit, or NULL. */
const char *cd_kind_name(unsigned int kind);

#endif
