/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of the API, for people or as they are.
 */
#include "cli/cli.h"

#include <stdarg.h>

/* Instants are told by how long ago they are. */
static void put_cell(struct cd_cli_table *t, const json_t *value)
{
	char ago[32] = "";

	if (json_is_string(value))
		cd_cli_ago(json_string_value(value), ago, sizeof(ago));
	if (ago[0])
		cd_cli_cell(t, ago);
	else
		cd_cli_cell_json(t, value);
}

int cd_cli_list(struct cd_cli *cli, const char *path, const char *const *titles,
		const char *const *keys, const char *none)
{
	json_t *answer cd_auto(cd_cli_json_done) = NULL;
	struct cd_cli_table t;
	json_t *item;
	size_t i;
	int r = cd_cli_call(cli, "GET", path, NULL, &answer);

	if (r)
		return r;
	if (cli->json) {
		cd_cli_print_json(answer);
		return CD_EXIT_DONE;
	}
	cd_cli_table_init(&t, titles);
	json_array_foreach(json_object_get(answer, "items"), i,
			   item) for (size_t k = 0; keys[k]; k++)
		put_cell(&t, json_object_get(item, keys[k]));
	cd_cli_table_print(&t, none);
	cd_cli_table_done(&t);
	return CD_EXIT_DONE;
}

int cd_cli_list_all(struct cd_cli *cli, int argc, char **argv, const char *path,
		    const char *const *titles, const char *const *keys,
		    const char *none)
{
	int r = cd_cli_parse(cli, argc, argv, NULL, 0, 0, &argc);

	return r >= 0 ? r : cd_cli_list(cli, path, titles, keys, none);
}

static void put_row(struct cd_cli_table *t, const char *prefix, const char *key,
		    const json_t *value)
{
	char name[200];
	const char *sub;
	json_t *v;

	snprintf(name, sizeof(name), "%s%s%s", prefix, prefix[0] ? "." : "",
		 key);
	if (json_is_object(value) && json_object_get(value, "value")) {
		/* an attribute with the time of its report */
		cd_cli_cell(t, name);
		cd_cli_cell_json(t, json_object_get(value, "value"));
		put_cell(t, json_object_get(value, "at"));
	} else if (json_is_object(value)) {
		json_object_foreach((json_t *)(uintptr_t)value, sub, v)
			put_row(t, name, sub, v);
	} else {
		cd_cli_cell(t, name);
		cd_cli_cell_json(t, value);
		cd_cli_cell(t, " ");
	}
}

int cd_cli_print_object(const struct cd_cli *cli, const json_t *object)
{
	static const char *const titles[] = {"NAME", "VALUE", "REPORTED", NULL};
	struct cd_cli_table t;
	const char *key;
	json_t *value;

	if (cli->json) {
		cd_cli_print_json(object);
		return CD_EXIT_DONE;
	}
	cd_cli_table_init(&t, titles);
	json_object_foreach((json_t *)(uintptr_t)object, key, value)
		put_row(&t, "", key, value);
	cd_cli_table_print(&t, "nothing");
	cd_cli_table_done(&t);
	return CD_EXIT_DONE;
}

int cd_cli_show(struct cd_cli *cli, int argc, char **argv, const char *before)
{
	json_t *answer cd_auto(cd_cli_json_done) = NULL;
	int r = cd_cli_parse(cli, argc, argv, NULL, 1, 1, &argc);
	char path[2200];

	if (r >= 0)
		return r;
	snprintf(path, sizeof(path), "%s/%s", before,
		 cd_cli_path("%s", argv[1]).text);
	r = cd_cli_call(cli, "GET", path, NULL, &answer);
	return r ? r : cd_cli_print_object(cli, answer);
}

int cd_cli_act(struct cd_cli *cli, int argc, char **argv, const char *method,
	       const char *before, const char *after, const char *done)
{
	json_t *answer cd_auto(cd_cli_json_done) = NULL;
	int r = cd_cli_parse(cli, argc, argv, NULL, 1, 1, &argc);
	char path[2200];

	if (r >= 0)
		return r;
	snprintf(path, sizeof(path), "%s%s%s", before,
		 cd_cli_path("%s", argv[1]).text, after);
	r = cd_cli_call(cli, method, path, NULL, &answer);
	return r ? r : cd_cli_done(cli, answer, "%s: %s", argv[1], done);
}

json_t *cd_cli_names(const char *text)
{
	struct cd_str rest = cd_str_from(text ? text : "");
	json_t *list = json_array();

	while (rest.ptr) {
		struct cd_str one = cd_str_trim(cd_str_split(rest, ',', &rest));

		if (one.len)
			json_array_append_new(list,
					      json_stringn(one.ptr, one.len));
	}
	return list;
}

int cd_cli_done(const struct cd_cli *cli, const json_t *answer, const char *fmt,
		...)
{
	char line[1024];
	struct cd_buf safe;
	va_list ap;

	if (cli->json) {
		if (answer)
			cd_cli_print_json(answer);
		else
			puts("{}");
		return CD_EXIT_DONE;
	}
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	cd_buf_init(&safe, 1 << 16);
	cd_cli_put_safe(&safe, cd_str_from(line));
	puts(safe.data ? safe.data : "");
	cd_buf_done(&safe);
	return CD_EXIT_DONE;
}
