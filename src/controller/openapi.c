/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OpenAPI 3.1 description, written from the two tables that the router
 * and the body check use: it cannot say anything they do not do.
 */
#include <cordon/version.h>

#include <stdio.h>

#include "controller/api.h"
#include "controller/schema_check.h"

static const struct row {
	const char *socket, *method, *path, *id, *request, *response, *summary;
} rows[] = {
#define CD_ENDPOINT(socket, method, path, handler, request, response, summary) \
	{#socket, #method, path, #handler, #request, #response, summary},
#include "api/endpoints.def"
#undef CD_ENDPOINT
};

static json_t *ref_json(const char *name)
{
	return json_pack("{s:s+}", "$ref", "#/components/schemas/", name);
}

static json_t *list_json(const char *ref)
{
	return json_pack("{s:s, s:o}", "type", "array", "items",
			 *ref ? ref_json(ref) : json_object());
}

static json_t *type_json(const struct cd_field *f)
{
	switch (f->type) {
	case CD_FIELD_STRING:
		return json_pack("{s:s}", "type", "string");
	case CD_FIELD_BOOL:
		return json_pack("{s:s}", "type", "boolean");
	case CD_FIELD_INT:
		return json_pack("{s:s, s:i}", "type", "integer", "minimum", 0);
	case CD_FIELD_TIME:
		return json_pack("{s:s, s:s}", "type", "string", "format",
				 "date-time");
	case CD_FIELD_NAMES:
		return json_pack("{s:s, s:{s:s}}", "type", "array", "items",
				 "type", "string");
	case CD_FIELD_LIST:
		return list_json(f->ref);
	case CD_FIELD_OBJECT:
		return ref_json(f->ref);
	case CD_FIELD_MAP:
		return json_pack("{s:s}", "type", "object");
	}
	return NULL;
}

static json_t *schema_json(const struct cd_schema *s)
{
	json_t *props = json_object(), *need = json_array(), *type;
	bool open = false;
	size_t i;

	for (i = 0; i < s->n_fields; i++) {
		if (!strcmp(s->fields[i].name, "*")) {
			open = true;
			continue;
		}
		type = type_json(&s->fields[i]);
		if (*s->fields[i].doc)
			json_object_set_new(type, "description",
					    json_string(s->fields[i].doc));
		json_object_set_new(props, s->fields[i].name, type);
		if (s->fields[i].required)
			json_array_append_new(need,
					      json_string(s->fields[i].name));
	}
	return json_pack("{s:s, s:s, s:o, s:o, s:b}", "type", "object",
			 "description", s->doc, "properties", props, "required",
			 need, "additionalProperties", open);
}

static json_t *content_json(const char *schema)
{
	if (!strcmp(schema, "raw"))
		return json_pack("{s:{s:{}}}", "application/octet-stream",
				 "schema");
	return json_pack("{s:{s:o}}", "application/json", "schema",
			 ref_json(schema));
}

/* {x} in a path becomes a parameter. */
static json_t *params_json(const char *path)
{
	json_t *list = json_array();
	struct cd_str rest = cd_str_from(path), part;

	while (rest.ptr) {
		part = cd_str_split(rest, '/', &rest);
		if (part.len < 3 || part.ptr[0] != '{')
			continue;
		json_array_append_new(
			list, json_pack("{s:s%, s:s, s:b, s:{s:s}}", "name",
					part.ptr + 1, part.len - 2, "in",
					"path", "required", true, "schema",
					"type", "string"));
	}
	return list;
}

static json_t *operation_json(const struct row *r)
{
	bool empty = !strcmp(r->response, "none");
	json_t *ok, *op;

	ok = json_pack("{s:s}", "description", r->summary);
	if (!empty)
		json_object_set_new(ok, "content", content_json(r->response));
	op = json_pack("{s:s, s:s, s:[s], s:o, s:{s:o, s:{s:s, s:o}}}",
		       "operationId", r->id, "summary", r->summary, "tags",
		       r->socket, "parameters", params_json(r->path),
		       "responses", empty ? "204" : "200", ok, "default",
		       "description", "an error", "content",
		       content_json("Error"));
	if (strcmp(r->request, "none"))
		json_object_set_new(op, "requestBody",
				    json_pack("{s:o}", "content",
					      content_json(r->request)));
	return op;
}

static void put_operation(json_t *paths, const struct row *r)
{
	json_t *path = json_object_get(paths, r->path);
	char method[8];
	size_t i;

	for (i = 0; r->method[i] && i < sizeof(method) - 1; i++)
		method[i] = (char)(r->method[i] | 0x20);
	method[i] = 0;
	if (!path) {
		path = json_object();
		json_object_set_new(paths, r->path, path);
	}
	json_object_set_new(path, method, operation_json(r));
}

json_t *cd_openapi(void)
{
	json_t *paths = json_object(), *schemas = json_object();
	size_t i;

	for (i = 0; i < CD_ARRAY_SIZE(rows); i++)
		put_operation(paths, &rows[i]);
	for (i = 0; i < cd_schemas_count; i++)
		json_object_set_new(schemas, cd_schemas[i].name,
				    schema_json(&cd_schemas[i]));
	return json_pack("{s:s, s:{s:s, s:s, s:s}, s:o, s:{s:o}}", "openapi",
			 "3.1.0", "info", "title", "Cordon control plane",
			 "version", cd_version(), "description",
			 "HTTP on unix sockets; the tag of an operation names "
			 "its socket.",
			 "paths", paths, "components", "schemas", schemas);
}

void answer_openapi(struct cd_call *call)
{
	cd_call_json(call, 200, cd_openapi());
}
