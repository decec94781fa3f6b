// SPDX-License-Identifier: Apache-2.0
/*
 * Bodies of the API. The first byte chooses the schema, the rest is JSON. What
 * is accepted has every required member, none that is not described, and is
 * accepted again when written down; what is refused is refused with words that
 * are safe to show.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>

#include "controller/api.h"
#include "controller/schema_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_described(const struct cd_schema *s, const char *name)
{
	for (size_t i = 0; i < s->n_fields; i++)
		if (!strcmp(s->fields[i].name, name) ||
		    !strcmp(s->fields[i].name, "*"))
			return true;
	return false;
}

static void accepted(const struct cd_schema *s, json_t *v)
{
	char *text = json_dumps(v, JSON_COMPACT);
	json_t *again = text ? json_loads(text, 0, NULL) : NULL;
	const char *name;
	char why[256];
	json_t *member;

	cd_assert(json_is_object(v));
	for (size_t i = 0; i < s->n_fields; i++)
		cd_assert(!s->fields[i].required ||
			  json_object_get(v, s->fields[i].name));
	json_object_foreach(v, name, member) cd_assert(is_described(s, name));
	cd_assert(again && json_equal(v, again));
	cd_assert(cd_schema_check(s->name, again, why, sizeof(why)));
	json_decref(again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct cd_schema *s;
	char why[256] = "";
	json_t *v;

	if (size < 1)
		return 0;
	s = &cd_schemas[data[0] % cd_schemas_count];
	/* as the API reads a body */
	v = json_loadb((const char *)data + 1, size - 1, JSON_REJECT_DUPLICATES,
		       NULL);
	if (!v)
		return 0;
	if (cd_schema_check(s->name, v, why, sizeof(why)))
		accepted(s, v);
	else
		cd_assert(*why && strlen(why) < sizeof(why));
	for (const char *p = why; *p; p++)
		cd_assert((unsigned char)*p >= ' ' && *p != 0x7f);
	json_decref(v);
	return 0;
}
