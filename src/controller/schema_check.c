/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies are checked against the same rows that describe them to clients: a
 * field that is not documented does not work, a documented one does.
 */
#include "controller/schema_check.h"

#include <stdio.h>
#include <string.h>

#include "controller/api.h"

enum { NEST_MAX = 8 };

#define REQUIRED true
#define OPTIONAL false
#define CD_FIELD(name, type, need, ref, doc) \
	{name, CD_FIELD_##type, need, ref, doc},
#define CD_SCHEMA(id, doc, ...) \
	static const struct cd_field fields_##id[] = {__VA_ARGS__};
#include "api/schemas.def"
#undef CD_SCHEMA

const struct cd_schema cd_schemas[] = {
#define CD_SCHEMA(id, doc, ...) \
	{#id, doc, fields_##id, CD_ARRAY_SIZE(fields_##id)},
#include "api/schemas.def"
#undef CD_SCHEMA
};

const size_t cd_schemas_count = CD_ARRAY_SIZE(cd_schemas);

const struct cd_schema *cd_schema_find(const char *name)
{
	size_t i;

	for (i = 0; i < cd_schemas_count; i++)
		if (!strcmp(cd_schemas[i].name, name))
			return &cd_schemas[i];
	return NULL;
}

static bool check_object(const struct cd_schema *s, json_t *object, char *why,
			 size_t size, unsigned int depth);

static bool check_names(json_t *v)
{
	json_t *item;
	size_t i;

	json_array_foreach(v, i, item) if (!json_is_string(item)) return false;
	return json_is_array(v);
}

static bool has_type(enum cd_field_type type, json_t *v)
{
	switch (type) {
	case CD_FIELD_STRING:
	case CD_FIELD_TIME:
		return json_is_string(v) &&
		       !memchr(json_string_value(v), 0, json_string_length(v));
	case CD_FIELD_BOOL:
		return json_is_boolean(v);
	case CD_FIELD_INT:
		return json_is_integer(v) && json_integer_value(v) >= 0;
	case CD_FIELD_NAMES:
		return check_names(v);
	case CD_FIELD_LIST:
		return json_is_array(v);
	case CD_FIELD_OBJECT:
	case CD_FIELD_MAP:
		return json_is_object(v);
	}
	return false;
}

static const char *type_word(enum cd_field_type type)
{
	static const char *const words[] = {
		"a text",
		"true or false",
		"a number, not negative",
		"an instant as text",
		"a list of texts",
		"a list",
		"an object",
		"an object",
	};

	return words[type];
}

static bool check_field(const struct cd_field *f, json_t *v, char *why,
			size_t size, unsigned int depth)
{
	const struct cd_schema *ref = *f->ref ? cd_schema_find(f->ref) : NULL;
	json_t *item;
	size_t i;

	if (!has_type(f->type, v)) {
		snprintf(why, size, "\"%s\" must be %s", f->name,
			 type_word(f->type));
		return false;
	}
	if (!ref)
		return true;
	if (f->type == CD_FIELD_OBJECT)
		return check_object(ref, v, why, size, depth + 1);
	json_array_foreach(v, i,
			   item) if (!check_object(ref, item, why, size,
						   depth + 1)) return false;
	return true;
}

static const struct cd_field *field_of(const struct cd_schema *s,
				       const char *name)
{
	size_t i;

	for (i = 0; i < s->n_fields; i++)
		if (!strcmp(s->fields[i].name, name))
			return &s->fields[i];
	return NULL;
}

static bool check_members(const struct cd_schema *s, json_t *object, char *why,
			  size_t size, unsigned int depth)
{
	const struct cd_field *f;
	char quoted[80];
	const char *name;
	json_t *v;

	json_object_foreach(object, name, v)
	{
		f = field_of(s, name);
		if (!f) {
			snprintf(why, size, "unknown field %s",
				 cd_quote(cd_str_from(name), quoted,
					  sizeof(quoted)));
			return false;
		}
		if (!check_field(f, v, why, size, depth))
			return false;
	}
	return true;
}

static bool check_object(const struct cd_schema *s, json_t *object, char *why,
			 size_t size, unsigned int depth)
{
	size_t i;

	if (!json_is_object(object) || depth > NEST_MAX) {
		snprintf(why, size, "expected an object (%s)", s->name);
		return false;
	}
	if (s->n_fields && !strcmp(s->fields[0].name, "*"))
		return true;
	for (i = 0; i < s->n_fields; i++)
		if (s->fields[i].required &&
		    !json_object_get(object, s->fields[i].name)) {
			snprintf(why, size, "\"%s\" is missing",
				 s->fields[i].name);
			return false;
		}
	return check_members(s, object, why, size, depth);
}

bool cd_schema_check(const char *schema, json_t *object, char *why, size_t size)
{
	const struct cd_schema *s = cd_schema_find(schema);

	cd_assert(s);
	return check_object(s, object, why, size, 0);
}
