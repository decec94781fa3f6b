/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of events.def as arrays, and names both ways.
 */
#include "event/event.h"

static const struct cd_event_class_row classes[] = {
#define CD_EVENT_CLASS(number, id, class_, activity, severity, ocsf, doc) \
	{(number), class_, activity, CD_SEVERITY_##severity, (ocsf), doc},
#include "event/events.def"
#undef CD_EVENT_CLASS
};

static const struct cd_event_field_row fields[] = {
#define CD_EVENT_FIELD(number, id, name, type, input, doc) \
	{(number), name, CD_EVENT_T_##type, CD_ATTR_##input, doc},
#include "event/events.def"
#undef CD_EVENT_FIELD
};

const struct cd_event_class_row *cd_event_class_at(size_t index)
{
	return index < CD_ARRAY_SIZE(classes) ? &classes[index] : NULL;
}

const struct cd_event_field_row *cd_event_field_at(size_t index)
{
	return index < CD_ARRAY_SIZE(fields) ? &fields[index] : NULL;
}

/* Numbers are dense from 1; a test holds the tables to it. */
const struct cd_event_class_row *cd_event_class_get(unsigned int number)
{
	return number ? cd_event_class_at(number - 1) : NULL;
}

const struct cd_event_field_row *cd_event_field_get(unsigned int number)
{
	return number ? cd_event_field_at(number - 1) : NULL;
}

unsigned int cd_event_field_find(struct cd_str name)
{
	struct cd_str in = CD_STR("in.");
	enum cd_attr attr;

	for (size_t i = 0; i < CD_ARRAY_SIZE(fields); i++)
		if (cd_str_equal(name, cd_str_from(fields[i].name)))
			return fields[i].number;
	if (!cd_str_has_prefix(name, in))
		return 0;
	attr = cd_attr_find(cd_str_make(name.ptr + in.len, name.len - in.len));
	return attr == CD_ATTR_NONE ? 0 : CD_EVENT_INPUT_BASE + attr;
}

const char *cd_event_severity_name(unsigned int severity)
{
	static const char *const names[] = {"unknown", "info", "low",
					    "medium",  "high", "critical"};

	return names[severity < CD_ARRAY_SIZE(names) ? severity : 0];
}

const char *cd_event_outcome_name(unsigned int outcome)
{
	static const char *const names[] = {"unknown", "success", "failure"};

	return names[outcome < CD_ARRAY_SIZE(names) ? outcome : 0];
}
