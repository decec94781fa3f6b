/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Talking to cordond, and saying what is wrong when that fails: who is asked,
 * why it did not answer, and what to type.
 */
#include "cli/cli.h"

#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <stdlib.h>
#include <unistd.h>

#include "sys/httpc.h"

#define RUN_DEFAULT "/run/cordon"
#define RUN_DEMO "/run/cordon-demo"

static bool is_there(const char *dir)
{
	char path[4096];
	struct stat st;

	snprintf(path, sizeof(path), "%s/api.sock", dir);
	return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

const char *cd_cli_run_dir(struct cd_cli *cli)
{
	if (cli->run)
		return cli->run;
	if (is_there(RUN_DEFAULT) || !is_there(RUN_DEMO))
		return RUN_DEFAULT;
	if (!cli->quiet_demo)
		fprintf(stderr, "cordon: asking the demo (%s)\n", RUN_DEMO);
	cli->quiet_demo = true;
	return RUN_DEMO;
}

static void put_escaped(char *out, size_t size, size_t *n, const char *s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

	for (; *s && *n + 4 < size; s++) {
		if (strchr(plain, *s))
			out[(*n)++] = *s;
		else
			*n += (size_t)snprintf(out + *n, 4, "%%%02X",
					       (unsigned char)*s);
	}
}

struct cd_cli_path cd_cli_path(const char *fmt, ...)
{
	struct cd_cli_path p;
	size_t n = 0;
	va_list ap;

	va_start(ap, fmt);
	for (; *fmt && n + 4 < sizeof(p.text); fmt++) {
		if (fmt[0] == '%' && fmt[1] == 's') {
			put_escaped(p.text, sizeof(p.text), &n,
				    va_arg(ap, const char *));
			fmt++;
		} else {
			p.text[n++] = *fmt;
		}
	}
	va_end(ap);
	p.text[n] = 0;
	return p;
}

static int unreachable(struct cd_cli *cli, const char *socket_path, int err,
		       const char *why)
{
	if (err == -EACCES || err == -EPERM) {
		cd_cli_fail(cli,
			    "%s: permission denied: only root may ask "
			    "cordond. Try: sudo cordon %s ...",
			    socket_path, cli->verb);
		return CD_EXIT_UNREACHABLE;
	}
	if (err == -ENOENT || err == -ECONNREFUSED)
		cd_cli_fail(cli,
			    "cordond is not running here (%s: %s).\n"
			    "Start it: cordon up. Another instance: --run DIR",
			    socket_path,
			    err == -ENOENT ? "no such socket" :
					     "nobody listens");
	else if (err == -ETIMEDOUT)
		cd_cli_fail(cli,
			    "cordond does not answer on %s (time-out).\n"
			    "Look at its log: the supervisor restarts it when "
			    "it hangs",
			    socket_path);
	else
		cd_cli_fail(cli, "%s: %s", socket_path,
			    why[0] ? why : cd_strerror(err));
	return CD_EXIT_UNREACHABLE;
}

static void print_detail(const json_t *detail)
{
	const char *file = cd_cli_text(detail, "file");
	const char *hint = cd_cli_text(detail, "hint");
	struct cd_buf b;

	cd_buf_init(&b, 1 << 16);
	cd_buf_puts(&b, file[0] ? file : "policy");
	if (json_is_integer(json_object_get(detail, "line"))) {
		cd_buf_char(&b, ':');
		cd_buf_puts(&b, cd_cli_text(detail, "line"));
		cd_buf_char(&b, ':');
		cd_buf_puts(&b, cd_cli_text(detail, "column"));
	}
	cd_buf_puts(&b, ": ");
	cd_buf_puts(&b, cd_cli_text(detail, "severity"));
	cd_buf_puts(&b, ": ");
	cd_buf_puts(&b, cd_cli_text(detail, "text"));
	if (hint[0]) {
		cd_buf_puts(&b, " (");
		cd_buf_puts(&b, hint);
		cd_buf_char(&b, ')');
	}
	if (!b.err) {
		struct cd_buf safe;

		cd_buf_init(&safe, 1 << 18);
		cd_cli_put_safe(&safe, cd_buf_get(&b));
		fprintf(stderr, "%s\n", safe.data ? safe.data : "");
		cd_buf_done(&safe);
	}
	cd_buf_done(&b);
}

void cd_cli_details(const json_t *details)
{
	size_t i;
	json_t *detail;

	json_array_foreach(details, i, detail) print_detail(detail);
}

/* cordond says no: its words, then each place of a policy. */
static int refused(struct cd_cli *cli, unsigned int status, const char *path,
		   const json_t *answer)
{
	const json_t *error = json_object_get(answer, "error");
	const char *message = cd_cli_text(error, "message");
	struct cd_buf safe;

	cd_buf_init(&safe, 1 << 16);
	cd_cli_put_safe(&safe, cd_str_from(message));
	if (cli->json && answer)
		cd_cli_print_json(answer);
	cd_cli_details(json_object_get(error, "details"));
	/* What is missing is the path, unless the message names it. */
	if (!strcmp(message, "there is no such thing"))
		cd_cli_fail(cli, "%s: %s", safe.data, path + strlen("/v1/"));
	else if (safe.len)
		cd_cli_fail(cli, "%s", safe.data);
	else
		cd_cli_fail(cli, "cordond answered %u", status);
	cd_buf_done(&safe);
	return status == 503 ? CD_EXIT_UNREACHABLE : CD_EXIT_REFUSED;
}

/* One exchange; the answer's body in a->body. Exit code, 0: it is 2xx. */
static int exchange(struct cd_cli *cli, struct cd_httpc_request *q,
		    const char *path, struct cd_httpc_answer *a)
{
	char socket_path[4096], url[4096];
	int r;

	snprintf(socket_path, sizeof(socket_path), "%s/api.sock",
		 cd_cli_run_dir(cli));
	snprintf(url, sizeof(url), "http://cordon%s", path);
	q->unix_path = socket_path;
	q->url = url;
	r = cd_httpc_run(q, a);
	if (r)
		return unreachable(cli, socket_path, r, a->why);
	if (a->status < 200 || a->status > 299) {
		json_t *json = json_loadb(a->body.data ? a->body.data : "",
					  a->body.len, 0, NULL);

		r = refused(cli, a->status, path, json);
		json_decref(json);
	}
	return r;
}

int cd_cli_call(struct cd_cli *cli, const char *method, const char *path,
		json_t *body, json_t **ret_json)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct cd_httpc_request q = {
		.method = method,
		.body = cd_str_from(text),
		.content_type = text ? "application/json" : NULL,
	};
	struct cd_httpc_answer a;
	int r;

	json_decref(body);
	r = exchange(cli, &q, path, &a);
	if (!r && ret_json) {
		*ret_json = a.body.len ? json_loadb(a.body.data, a.body.len, 0,
						    NULL) :
					 NULL;
		if (a.body.len && !*ret_json)
			r = cd_cli_fail(cli, "cordond's answer is no JSON");
	}
	if (text)
		cd_wipe(text, strlen(text));
	free(text);
	cd_httpc_answer_done(&a);
	return r;
}

int cd_cli_fetch(struct cd_cli *cli, const char *path, unsigned int timeout_ms,
		 struct cd_buf *ret_body)
{
	struct cd_httpc_request q = {.timeout_ms = timeout_ms};
	struct cd_httpc_answer a;
	int r = exchange(cli, &q, path, &a);

	if (!r) {
		*ret_body = a.body;
		a.body = (struct cd_buf){.max = 0};
	}
	cd_httpc_answer_done(&a);
	return r;
}
