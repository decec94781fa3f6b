// SPDX-License-Identifier: Apache-2.0
/*
 * What `cordon up` asks of cordond at a start: the first policy, the demo's
 * accounts, the link for the first administrator. All through the admin API,
 * as anyone else would.
 */
#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/up.h"
#include "sys/httpc.h"

#define ANSWER_MAX (1 << 20)
#define FILE_MAX (16 << 20)

/* The policy of a machine that has none yet: nobody gets anywhere. */
static const char first_policy[] =
	"version 1\n\n"
	"# Nothing is reachable that no allow names. An app and a rule:\n"
	"#\n"
	"# app wiki\n"
	"#   url       https://wiki.example.com\n"
	"#   upstream  http://127.0.0.1:3000\n"
	"#\n"
	"# allow \"staff use the wiki\"\n"
	"#   from group staff  to app wiki\n"
	"#   when mfa.age < 12h\n";

static void json_done(json_t **json)
{
	json_decref(*json);
}

/* Calls the admin API. Returns the status, or a negative error. *ret_json is
 * NULL when the answer is no JSON. */
static int call(struct up *up, const char *method, const char *path,
		const json_t *body, json_t **ret_json)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	char socket_path[PATH_MAX], url[256];
	struct cd_httpc_request request = {
		.unix_path = up_path(socket_path, up->opt.run, "api.sock"),
		.url = url,
		.method = method,
		.content_type = text ? "application/json" : NULL,
		.body = cd_str_from(text),
		.answer_max = ANSWER_MAX,
	};
	struct cd_httpc_answer answer;
	int status;

	if (body && !text)
		return -ENOMEM;
	snprintf(url, sizeof(url), "http://cordon%s", path);
	status = cd_httpc_run(&request, &answer);
	if (status == 0) {
		status = (int)answer.status;
		*ret_json = json_loadb(answer.body.data ? answer.body.data : "",
				       answer.body.len, 0, NULL);
	}
	cd_httpc_answer_done(&answer);
	if (text)
		cd_wipe(text, strlen(text));
	free(text);
	return status;
}

/* Prints what cordond says against it: for a policy, place by place. */
static int refused(const char *what, int status, const json_t *answer)
{
	const json_t *error = json_object_get(answer, "error"), *detail;
	const char *text = json_string_value(json_object_get(error, "message"));
	size_t i;

	if (status < 0)
		return up_fail("%s: cordond does not answer (%s)", what,
			       strerror(-status));
	json_array_foreach(json_object_get(error, "details"), i, detail)
	{
		const char *file, *say;
		int line, column;

		if (json_unpack((json_t *)(uintptr_t)detail,
				"{s:s, s:i, s:i, s:s}", "file", &file, "line",
				&line, "column", &column, "text", &say) == 0)
			fprintf(stderr, "%s:%d:%d: %s\n", file, line, column,
				say);
	}
	return up_fail("%s: %s (%d)", what, text ? text : "refused", status);
}

static int add_file(json_t *files, const char *dir, const char *name)
{
	struct cd_buf b cd_auto(cd_buf_done);
	char path[PATH_MAX], chunk[16384];
	ssize_t n;
	int fd;

	cd_buf_init(&b, FILE_MAX);
	up_path(path, dir, "%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return up_fail("cannot read %s: %s", path, strerror(errno));
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		cd_buf_put(&b, chunk, (size_t)n);
	close(fd);
	if (n < 0 || b.err ||
	    json_array_append_new(files,
				  json_pack("{s:s, s:s%}", "name", name, "text",
					    b.data ? b.data : "", (int)b.len)))
		return up_fail("cannot use %s: not a policy text", path);
	return 0;
}

static bool is_policy_name(const char *name)
{
	size_t n = strlen(name);

	return n > 7 && n < 200 && !strcmp(name + n - 7, ".cordon") &&
	       name[0] != '.';
}

/* conf/policy, or the text for a machine without any. */
static int add_conf(struct up *up, json_t *files)
{
	char dir[PATH_MAX];
	struct dirent *e;
	int err = 0;
	DIR *d;

	up_path(dir, up->opt.conf, "policy");
	d = opendir(dir);
	while (d && !err && (e = readdir(d))) {
		if (is_policy_name(e->d_name))
			err = add_file(files, dir, e->d_name);
	}
	if (d)
		closedir(d);
	if (!err && json_array_size(files) == 0)
		json_array_append_new(files, json_pack("{s:s, s:s}", "name",
						       "first.cordon", "text",
						       first_policy));
	return err;
}

int up_policy_ensure(struct up *up, const char *text)
{
	json_t *answer cd_auto(json_done) = NULL;
	json_t *body cd_auto(json_done) = NULL;
	json_t *files;
	int status = call(up, "GET", "/v1/policy", NULL, &answer);

	if (status == 200)
		return 0;
	if (status != 404)
		return refused("policy", status, answer);
	body = json_pack("{s:[], s:s}", "files", "note",
			 "the first policy, by cordon up");
	files = json_object_get(body, "files");
	if (text)
		json_array_append_new(files,
				      json_pack("{s:s, s:s}", "name",
						"demo.cordon", "text", text));
	else if (add_conf(up, files))
		return -1;
	json_done(&answer);
	answer = NULL;
	status = call(up, "POST", "/v1/policy", body, &answer);
	return status == 200 ? 0 : refused("policy", status, answer);
}

int up_person_add(struct up *up, const char *name, const char *display,
		  const char *group, const char *password, const char *totp)
{
	json_t *answer cd_auto(json_done) = NULL;
	json_t *body cd_auto(json_done) = json_pack(
		"{s:s, s:s, s:[s], s:s, s:s}", "name", name, "display", display,
		"groups", group, "password", password, "totp", totp);
	int status = call(up, "POST", "/v1/users", body, &answer);

	return status == 201 ? 0 : refused(name, status, answer);
}

int up_setup_link(struct up *up, char *out, size_t size)
{
	json_t *answer cd_auto(json_done) = NULL;
	json_t *body cd_auto(json_done) = json_object();
	int status = call(up, "POST", "/v1/setup", body, &answer);
	const json_t *link = json_object_get(answer, "link");
	const char *url =
		json_string_value(json_object_get(link ? link : answer, "url"));

	out[0] = '\0';
	if (status == 409)
		return 0;
	if (status / 100 != 2 || !url)
		return refused("setup", status, answer);
	snprintf(out, size, "%s", url);
	return 0;
}
