/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a browser may be sent. A target is always a path on a host that the
 * policy names: the host comes from the app, only the path from the request.
 */
#ifndef CD_CONTROLLER_REDIRECT_H
#define CD_CONTROLLER_REDIRECT_H

#include "base/buf.h"

#define CD_TARGET_MAX 2048

/* A path (with query) that stays on its host and out of /.cordon/. */
bool cd_target_is_safe(struct cd_str target);
/* The same target, or "/" when it is not safe. */
struct cd_str cd_target_or_root(struct cd_str target);

/* "https://HOST[:PORT]" -> HOST in lower case; false when it is not that. */
bool cd_url_host(struct cd_str url, char *out, size_t size);
/* "HOST[:PORT]" of a Host header or after a scheme, the host in lower case. */
bool cd_host_of(struct cd_str authority, char *out, size_t size);

/* Percent-encodes everything but unreserved characters and '/'. */
void cd_buf_url(struct cd_buf *out, struct cd_str s);

#endif
