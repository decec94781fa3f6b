/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside src/event: one value of a record with its type, for text and JSON.
 */
#ifndef CD_EVENT_VALUE_H
#define CD_EVENT_VALUE_H

#include "event/event.h"

#define CD_EVENT_SCALAR_MAX (CD_EVENT_MAX + 1)

struct cd_event_value {
	enum cd_event_type type;
	struct cd_str bytes;
	uint32_t age; /* of an input */
};

/* Type and bytes of a field as it stands in a record; false when the table
 * has no such field or the bytes cannot be of its type. */
bool cd_event_value_make(unsigned int field, struct cd_str bytes,
			 struct cd_event_value *ret);
/* The first value of that field, or of the input that stands for it. */
bool cd_event_value_find(const struct cd_event *event, unsigned int field,
			 struct cd_event_value *ret);

bool cd_event_is_list(enum cd_event_type type);
/* JSON shows it without quotes. */
bool cd_event_is_bare(enum cd_event_type type);
/* Number of the value's bytes, little endian. */
uint64_t cd_event_value_num(const struct cd_event_value *v);
/* Text of a value that is no list; cut to size, terminated. */
size_t cd_event_scalar(const struct cd_event_value *v, char *out, size_t size);
/* The next element of a list; false at its end. */
bool cd_event_element(struct cd_reader *r, struct cd_str *ret);

#endif
