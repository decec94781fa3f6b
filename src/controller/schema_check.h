/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of api/schemas.def as data, for the check of request bodies and
 * for the OpenAPI description.
 */
#ifndef CD_CONTROLLER_SCHEMA_CHECK_H
#define CD_CONTROLLER_SCHEMA_CHECK_H

#include <stdbool.h>
#include <stddef.h>

enum cd_field_type {
	CD_FIELD_STRING,
	CD_FIELD_BOOL,
	CD_FIELD_INT,
	CD_FIELD_TIME,
	CD_FIELD_NAMES,
	CD_FIELD_LIST,
	CD_FIELD_OBJECT,
	CD_FIELD_MAP,
};

struct cd_field {
	const char *name; /* "*": any member */
	enum cd_field_type type;
	bool required;
	const char *ref; /* a schema, for LIST and OBJECT; may be empty */
	const char *doc;
};

struct cd_schema {
	const char *name, *doc;
	const struct cd_field *fields;
	size_t n_fields;
};

extern const struct cd_schema cd_schemas[];
extern const size_t cd_schemas_count;

const struct cd_schema *cd_schema_find(const char *name);

#endif
