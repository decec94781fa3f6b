/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one form that obligations have in JSON, whoever tells them: `cordon
 * decide`, `cordon why` and events.
 *
 *	{"record":"required","max":"4h","rate":"10/1m","no_upload":true}
 *
 * A member that is not there does not bind. record is "required" or "if
 * possible"; max a duration as cd_duration_format() writes it; rate a number
 * of requests, a slash and the duration in which they may come;
 * no_clipboard, no_upload and no_download are true.
 */
#ifndef CD_BASE_OBLIGATIONS_H
#define CD_BASE_OBLIGATIONS_H

#include <cordon/decide.h>

#include "base/json.h"

/* One object, as the next value of w. */
void cd_obligations_put(struct cd_json_writer *w,
			const struct cd_obligations *obligations);

#endif
