/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of the API: routes, checks of bodies, and that the description
 * says all of it.
 */
#include "tap.h"

#include "controller/api.h"
#include "controller/schema_check.h"

TEST(routes)
{
	static const struct {
		const char *pattern, *path, *first, *second;
		bool match;
	} rows[] = {
		{"/v1/users", "/v1/users", "", "", true},
		{"/v1/users", "/v1/users/", "", "", false},
		{"/v1/users", "/v1/user", "", "", false},
		{"/v1/users/{name}", "/v1/users/alice", "alice", "", true},
		{"/v1/users/{name}", "/v1/users/", "", "", false},
		{"/v1/users/{name}", "/v1/users/a/b", "", "", false},
		{"/v1/users/{name}/link", "/v1/users/a/link", "a", "", true},
		{"/v1/{a}/{b}", "/v1/x/y", "x", "y", true},
		{"/", "/", "", "", true},
		{"/", "", "", "", false},
		{"/", "/x", "", "", false},
	};
	size_t i;

	for (i = 0; i < CD_ARRAY_SIZE(rows); i++) {
		struct cd_str p[CD_PARAM_MAX] = {{0}};
		bool m = cd_route_match(rows[i].pattern, rows[i].path, p);

		if (m != rows[i].match ||
		    (m && (!cd_str_equal(p[0], cd_str_from(rows[i].first)) ||
			   !cd_str_equal(p[1], cd_str_from(rows[i].second)))))
			fail("%s on %s", rows[i].pattern, rows[i].path);
	}
}

static const char *check(const char *schema, const char *text)
{
	static char why[200];
	json_t *json = json_loads(text, 0, NULL);

	why[0] = 0;
	if (!json)
		return "not JSON";
	if (!cd_schema_check(schema, json, why, sizeof(why)) && !why[0])
		snprintf(why, sizeof(why), "no reason");
	json_decref(json);
	return why;
}

TEST(bodies)
{
	ok_eq_str(check("UserNew", "{\"name\":\"a\"}"), "");
	ok_eq_str(check("UserNew", "{\"name\":\"a\",\"groups\":[\"x\"]}"), "");
	ok_eq_str(check("UserNew", "{}"), "\"name\" is missing");
	ok_true(strstr(check("UserNew", "{\"name\":\"a\",\"x\":1}"),
		       "unknown field"));
	ok_true(strstr(check("UserNew", "{\"name\":null}"), "must be a text"));
	ok_eq_str(check("UserNew", "{\"name\":\"a\\u0000b\"}"), "not JSON");
	ok_true(strstr(check("UserNew", "{\"name\":\"a\",\"groups\":[1]}"),
		       "must be a list of texts"));
	ok_true(strstr(check("UserNew", "[]"), "expected an object"));
	ok_true(strstr(check("LinkNew", "{\"ttl\":-1}"), "must be a number"));
	ok_true(strstr(check("LinkNew", "{\"ttl\":1.5}"), "must be a number"));
	ok_eq_str(check("PolicyNew",
			"{\"files\":[{\"name\":\"a\",\"text\":\"b\"}]}"),
		  "");
	ok_eq_str(check("PolicyNew", "{\"files\":[{\"name\":\"a\"}]}"),
		  "\"text\" is missing");
	ok_true(strstr(check("PolicyNew", "{\"files\":[1]}"),
		       "expected an object"));
	ok_eq_str(check("Attributes", "{\"anything\":[1,2]}"), "");
}

/* Each name in a row is the name of a schema. */
TEST(the_tables_fit_together)
{
	static const char *const names[] = {
#define CD_ENDPOINT(socket, method, path, handler, request, response, summary) \
#request, #response,
#include "api/endpoints.def"
#undef CD_ENDPOINT
	};
	size_t i, k;

	for (i = 0; i < CD_ARRAY_SIZE(names); i++)
		if (strcmp(names[i], "none") && strcmp(names[i], "raw") &&
		    !cd_schema_find(names[i]))
			fail("no schema %s", names[i]);
	for (i = 0; i < cd_schemas_count; i++)
		for (k = 0; k < cd_schemas[i].n_fields; k++)
			if (*cd_schemas[i].fields[k].ref &&
			    !cd_schema_find(cd_schemas[i].fields[k].ref))
				fail("%s.%s refers to nothing",
				     cd_schemas[i].name,
				     cd_schemas[i].fields[k].name);
}

TEST(the_description_has_every_row)
{
	static const struct {
		const char *method, *path;
	} rows[] = {
#define CD_ENDPOINT(socket, method, path, handler, request, response, summary) \
	{#method, path},
#include "api/endpoints.def"
#undef CD_ENDPOINT
	};
	json_t *doc = cd_openapi(), *paths, *op;
	char method[8];
	size_t i, k;

	ok_true(doc);
	paths = json_object_get(doc, "paths");
	for (i = 0; i < CD_ARRAY_SIZE(rows); i++) {
		for (k = 0; rows[i].method[k]; k++)
			method[k] = (char)(rows[i].method[k] | 0x20);
		method[k] = 0;
		op = json_object_get(json_object_get(paths, rows[i].path),
				     method);
		if (!json_object_get(op, "responses"))
			fail("%s %s is not described", rows[i].method,
			     rows[i].path);
	}
	op = json_object_get(json_object_get(doc, "components"), "schemas");
	ok_eq_uint(json_object_size(op), cd_schemas_count);
	json_decref(doc);
}
