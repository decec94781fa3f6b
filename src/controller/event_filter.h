/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which events somebody wants: terms that must all hold. A term is a name and
 * values, of which one must fit: NAME=VALUE,VALUE...
 *
 *   class, activity, severity, node, any field of the table, in.ATTRIBUTE
 *   VALUE   equal, "prefix*", or for addresses a prefix 10.0.0.0/8
 *   since, until   an instant (RFC 3339) or how long ago (90m)
 */
#ifndef CD_CONTROLLER_EVENT_FILTER_H
#define CD_CONTROLLER_EVENT_FILTER_H

#include "event/event.h"

#define CD_FILTER_TERMS_MAX 32
#define CD_FILTER_TEXT_MAX 1024

enum cd_filter_kind {
	CD_FILTER_FIELD,
	CD_FILTER_CLASS,
	CD_FILTER_ACTIVITY,
	CD_FILTER_SEVERITY,
	CD_FILTER_NODE,
};

struct cd_event_filter {
	int64_t since, until; /* ns; INT64_MIN, INT64_MAX: not asked */
	size_t n;
	struct {
		enum cd_filter_kind kind;
		unsigned int field;
		char values[CD_FILTER_TEXT_MAX];
	} terms[CD_FILTER_TERMS_MAX];
};

void cd_event_filter_init(struct cd_event_filter *filter);
/* Adds NAME=VALUES. -EINVAL a value makes no sense, CD_E_NOTFOUND no such
 * name, CD_E_LIMIT. now: for "how long ago", ns. */
int cd_event_filter_add(struct cd_event_filter *filter, const char *name,
			const char *values, int64_t now);
/* Calls fn for every name that a filter knows. */
void cd_event_filter_names(void (*fn)(void *ctx, const char *name), void *ctx);
bool cd_event_filter_match(const struct cd_event_filter *filter,
			   const struct cd_event *event, struct cd_str node);

#endif
