/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads options.def. A table and three small parsers instead of a switch that
 * grows: adding an option is adding a row.
 */
#include "controller/options.h"

#include <grp.h>

#include "base/time.h"

enum opt_type { OPT_TEXT, OPT_SECONDS, OPT_GROUP };

static const struct row {
	const char *name;
	enum opt_type type;
	const char *def, *arg, *doc;
	size_t at;
} rows[] = {
#define CD_OPTION(field, name, type, def, arg, doc) \
	{name, OPT_##type, def, arg, doc, offsetof(struct cd_options, field)},
#include "controller/options.def"
#undef CD_OPTION
};

static int parse_group(struct cd_str value, int64_t *ret)
{
	struct group *g;
	uint64_t n;

	if (!value.len) {
		*ret = -1;
		return 0;
	}
	if (!cd_str_parse_u64(value, &n) && n < UINT32_MAX) {
		*ret = (int64_t)n;
		return 0;
	}
	g = getgrnam(value.ptr);
	if (!g)
		return -ENOENT;
	*ret = g->gr_gid;
	return 0;
}

static int set(struct cd_options *opt, const struct row *row, const char *value)
{
	void *field = (char *)opt + row->at;
	struct cd_str s = cd_str_from(value);

	switch (row->type) {
	case OPT_TEXT:
		*(const char **)field = value;
		return s.len ? 0 : -EINVAL;
	case OPT_SECONDS:
		return cd_duration_parse(s, field);
	case OPT_GROUP:
		return parse_group(s, field);
	}
	return -EINVAL;
}

static const struct row *find(struct cd_str name)
{
	size_t i;

	for (i = 0; i < CD_ARRAY_SIZE(rows); i++)
		if (cd_str_equal(name, cd_str_from(rows[i].name)))
			return &rows[i];
	return NULL;
}

int cd_options_parse(int argc, char **argv, struct cd_diag *diag,
		     struct cd_options *ret_opt)
{
	struct cd_str name, value;
	const struct row *row;
	size_t i;
	int at;

	for (i = 0; i < CD_ARRAY_SIZE(rows); i++)
		cd_assert(!set(ret_opt, &rows[i], rows[i].def));
	for (at = 1; at < argc; at++) {
		name = cd_str_from(argv[at]);
		row = NULL;
		value = CD_STR_NULL;
		if (cd_str_has_prefix(name, CD_STR("--"))) {
			name = cd_str_make(name.ptr + 2, name.len - 2);
			name = cd_str_split(name, '=', &value);
			row = find(name);
		}
		if (!row) {
			cd_diag_add(diag, CD_ERROR, NULL, 0, 0,
				    "unknown option %s", argv[at]);
			return -EINVAL;
		}
		if (!value.ptr)
			value = cd_str_from(++at < argc ? argv[at] : NULL);
		if (!value.ptr || set(ret_opt, row, value.ptr) < 0) {
			cd_diag_add(diag, CD_ERROR, NULL, 0, 0,
				    "--%s: needs a %s", row->name, row->arg);
			return -EINVAL;
		}
	}
	return 0;
}

void cd_options_help(struct cd_buf *out)
{
	size_t i;

	for (i = 0; i < CD_ARRAY_SIZE(rows); i++)
		cd_buf_printf(out, "  --%s %s\n\t%s%s%s%s\n", rows[i].name,
			      rows[i].arg, rows[i].doc,
			      *rows[i].def ? " (" : "", rows[i].def,
			      *rows[i].def ? ")" : "");
}
