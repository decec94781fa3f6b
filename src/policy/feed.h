/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of a feed: one entry a line, the first column counts (columns end
 * at a comma, semicolon or blank), '#' begins a comment. An entry is an
 * address, a prefix, a DNS name or *.NAME. The first line of a feed with
 * commas may be a heading. Any other line is an error: a list whose format
 * changed must not quietly become a shorter list.
 */
#ifndef CD_POLICY_FEED_H
#define CD_POLICY_FEED_H

#include <cordon/policy.h>

#include "base/addr.h"

struct cd_feed_entry {
	struct cd_prefix prefix; /* when name is empty */
	struct cd_str name; /* lower case, without *. and final dot */
	bool wildcard;
};

/* Calls fn (may be NULL) for each entry before the first bad line. 0,
 * CD_E_SYNTAX (ret_found->line says where) or CD_E_LIMIT. */
int cd_feed_read(struct cd_str text,
		 void (*fn)(void *ctx, const struct cd_feed_entry *entry),
		 void *ctx, struct cd_feed_found *ret_found);

#endif
