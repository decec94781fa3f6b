/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters over events: linear in fields and terms, no pattern language.
 */
#include "controller/event_filter.h"

#include <stdio.h>

#include "base/addr.h"
#include "base/time.h"

static const struct {
	const char *name;
	enum cd_filter_kind kind;
} special[] = {
	{"class", CD_FILTER_CLASS},
	{"activity", CD_FILTER_ACTIVITY},
	{"severity", CD_FILTER_SEVERITY},
	{"node", CD_FILTER_NODE},
};

void cd_event_filter_init(struct cd_event_filter *filter)
{
	filter->since = INT64_MIN;
	filter->until = INT64_MAX;
	filter->n = 0;
}

static int parse_instant(const char *text, int64_t now, int64_t *ret)
{
	int64_t s;

	if (cd_duration_parse(cd_str_from(text), &s) == 0) {
		*ret = now - s * CD_NS_PER_S;
		return 0;
	}
	return cd_rfc3339_parse(cd_str_from(text), ret);
}

static int add_term(struct cd_event_filter *f, enum cd_filter_kind kind,
		    unsigned int field, const char *values)
{
	if (f->n == CD_FILTER_TERMS_MAX || strlen(values) >= CD_FILTER_TEXT_MAX)
		return CD_E_LIMIT;
	f->terms[f->n].kind = kind;
	f->terms[f->n].field = field;
	snprintf(f->terms[f->n].values, CD_FILTER_TEXT_MAX, "%s", values);
	f->n++;
	return 0;
}

int cd_event_filter_add(struct cd_event_filter *filter, const char *name,
			const char *values, int64_t now)
{
	unsigned int field;

	if (!strcmp(name, "since"))
		return parse_instant(values, now, &filter->since);
	if (!strcmp(name, "until"))
		return parse_instant(values, now, &filter->until);
	for (size_t i = 0; i < CD_ARRAY_SIZE(special); i++)
		if (!strcmp(name, special[i].name))
			return add_term(filter, special[i].kind, 0, values);
	field = cd_event_field_find(cd_str_from(name));
	return field ? add_term(filter, CD_FILTER_FIELD, field, values) :
		       CD_E_NOTFOUND;
}

void cd_event_filter_names(void (*fn)(void *ctx, const char *name), void *ctx)
{
	const struct cd_event_field_row *row;
	char name[64];

	fn(ctx, "since");
	fn(ctx, "until");
	for (size_t i = 0; i < CD_ARRAY_SIZE(special); i++)
		fn(ctx, special[i].name);
	for (size_t i = 0; (row = cd_event_field_at(i)); i++)
		if (row->number != CD_EVENT_F_SEVERITY &&
		    row->number != CD_EVENT_F_NODE)
			fn(ctx, row->name);
	for (unsigned int a = 0; a < CD_ATTR_COUNT; a++) {
		snprintf(name, sizeof(name), "in.%s",
			 cd_attr_get((enum cd_attr)a)->name);
		fn(ctx, name);
	}
}

/* Does the text lie in the prefix? Both may be nonsense: then no. */
static bool in_prefix(struct cd_str text, struct cd_str prefix)
{
	struct cd_prefix p;
	struct cd_addr a;

	return cd_prefix_parse(prefix, &p) == 0 &&
	       cd_addr_parse(text, &a) == 0 && cd_prefix_has(&p, &a);
}

static bool fits(struct cd_str text, struct cd_str value)
{
	if (cd_str_has_suffix(value, CD_STR("*")))
		return cd_str_has_prefix(text,
					 cd_str_make(value.ptr, value.len - 1));
	if (cd_str_equal(text, value))
		return true;
	return memchr(value.ptr ? value.ptr : "", '/', value.len) &&
	       in_prefix(text, value);
}

static const char *severity_of(const struct cd_event *event, char *out,
			       size_t size)
{
	const struct cd_event_class_row *row =
		cd_event_class_get(event->event_class);

	if (cd_event_text(event, CD_EVENT_F_SEVERITY, out, size, NULL) == 0)
		snprintf(out, size, "%s",
			 cd_event_severity_name(row ? row->severity : 0));
	return out;
}

/* The text that a term looks at. */
static struct cd_str subject(const struct cd_event *event,
			     enum cd_filter_kind kind, unsigned int field,
			     struct cd_str node, char *out, size_t size)
{
	const struct cd_event_class_row *row =
		cd_event_class_get(event->event_class);
	size_t n;

	switch (kind) {
	case CD_FILTER_CLASS:
		return cd_str_from(row ? row->name : "");
	case CD_FILTER_ACTIVITY:
		return cd_str_from(row ? row->activity : "");
	case CD_FILTER_SEVERITY:
		return cd_str_from(severity_of(event, out, size));
	case CD_FILTER_NODE:
		n = cd_event_text(event, CD_EVENT_F_NODE, out, size, NULL);
		return n ? cd_str_make(out, n) : node;
	default:
		n = cd_event_text(event, field, out, size, NULL);
		return cd_str_make(out, n);
	}
}

static bool term_holds(const struct cd_event *event, enum cd_filter_kind kind,
		       unsigned int field, const char *values,
		       struct cd_str node)
{
	char text[CD_EVENT_TEXT_MAX + 1];
	struct cd_str s = subject(event, kind, field, node, text, sizeof(text));
	struct cd_str rest = cd_str_from(values);

	while (rest.ptr) {
		struct cd_str value = cd_str_split(rest, ',', &rest);

		/* one of a list, or all of the text */
		if (fits(s, value) || (kind == CD_FILTER_FIELD && value.len &&
				       cd_event_has(event, field, value)))
			return true;
	}
	return false;
}

bool cd_event_filter_match(const struct cd_event_filter *filter,
			   const struct cd_event *event, struct cd_str node)
{
	if (event->ts < filter->since || event->ts >= filter->until)
		return false;
	for (size_t i = 0; i < filter->n; i++)
		if (!term_holds(event, filter->terms[i].kind,
				filter->terms[i].field, filter->terms[i].values,
				node))
			return false;
	return true;
}
