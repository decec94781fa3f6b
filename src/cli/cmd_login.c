/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cordon login URL`: makes a key, asks the sign-in host for a certificate
 * for it, shows the address where the person agrees, and waits. The key is
 * made here and never leaves this machine; both files are private to the user.
 */
#include "cli/cli.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sys/file.h"
#include "sys/httpc.h"
#include "token/x509.h"

enum { PATH_BYTES = 1024, CHAIN_MAX = 64 * 1024 };

struct login {
	struct cd_cli *cli;
	const char *url, *ca, *out;
	struct cd_tls_key *key;
	json_t *request; /* what the sign-in host answered */
};

/* ---- where the files go ---- */

/* DIR/HOST.SUFFIX; the host is the URL's, which was checked. */
static void file_path(const struct login *l, const char *suffix,
		      char out[PATH_BYTES])
{
	struct cd_str rest, host = cd_str_from(l->url + strlen("https://"));

	host = cd_str_split(host, ':', &rest);
	host = cd_str_split(host, '/', &rest);
	snprintf(out, PATH_BYTES, "%s/%.*s.%s", l->out, CD_STR_FMT(host),
		 suffix);
}

static int default_folder(const struct cd_cli *cli, char out[PATH_BYTES])
{
	const char *home = getenv("HOME");

	if (!home || home[0] != '/')
		return cd_cli_fail(cli, "HOME is not set; name a folder with "
					"--out");
	snprintf(out, PATH_BYTES, "%.900s/.cordon", home);
	if (mkdir(out, 0700) < 0 && errno != EEXIST)
		return cd_cli_fail(cli, "cannot make %s: %s", out,
				   cd_strerror(-errno));
	return 0;
}

static bool is_url(const char *url)
{
	const char *p = url + strlen("https://");

	if (!cd_str_has_prefix(cd_str_from(url), CD_STR("https://")) || !*p)
		return false;
	for (; *p; p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') ||
		      strchr(".-:", *p)))
			return false;
	return true;
}

static int store(const struct login *l, const char *suffix, struct cd_str text)
{
	char path[PATH_BYTES];
	int r;

	file_path(l, suffix, path);
	r = cd_file_write(path, text, 0600, (uid_t)-1, (gid_t)-1);
	return r < 0 ? cd_cli_fail(l->cli, "cannot write %s: %s", path,
				   cd_strerror(r)) :
		       0;
}

/* ---- talking to the sign-in host ---- */

static int talk(const struct login *l, const char *path, struct cd_str body,
		struct cd_httpc_answer *answer)
{
	char url[PATH_BYTES];
	struct cd_httpc_request q = {
		.url = url,
		.ca_file = l->ca,
		.body = body,
		/* of a body: it would make a poll a POST */
		.content_type = body.len ? "application/x-pem-file" : NULL,
		.answer_max = CHAIN_MAX,
	};
	/* curl quotes what a server's certificate says */
	struct cd_buf why cd_auto(cd_buf_done) = {0};

	snprintf(url, sizeof(url), "%.500s%.400s", l->url, path);
	if (!cd_httpc_run(&q, answer))
		return 0;
	cd_buf_init(&why, 4096);
	cd_cli_put_safe(&why,
			cd_str_from(answer->why[0] ? answer->why :
						     cd_strerror(answer->err)));
	fprintf(stderr, "cordon login: %s: %s\n", l->url,
		why.data ? why.data : "");
	return CD_EXIT_UNREACHABLE;
}

static int ask(struct login *l)
{
	struct cd_httpc_answer answer cd_auto(cd_httpc_answer_done) = {0};
	struct cd_buf csr cd_auto(cd_buf_done);
	int r;

	cd_buf_init(&csr, CHAIN_MAX);
	r = cd_csr_new(l->key, &csr);
	if (r < 0)
		return cd_cli_fail(l->cli, "cannot make a request: %s",
				   cd_strerror(r));
	r = talk(l, "/.cordon/login", cd_buf_get(&csr), &answer);
	if (r)
		return r;
	if (answer.status == 201)
		l->request = json_loadb(answer.body.data, answer.body.len,
					JSON_REJECT_DUPLICATES, NULL);
	if (!l->request)
		return cd_cli_fail(l->cli,
				   "%s refused with status %u: is it the "
				   "sign-in host?",
				   l->url, answer.status);
	return 0;
}

/* What the host said is shown with nothing that moves the cursor. */
static void show(const struct login *l)
{
	struct cd_buf text cd_auto(cd_buf_done);

	cd_buf_init(&text, 4096);
	cd_buf_puts(&text, "Open this address and agree:\n\n  ");
	cd_cli_put_safe(&text, cd_str_from(cd_cli_text(l->request, "url")));
	cd_buf_puts(&text, "\n\nThe page must show the code ");
	cd_cli_put_safe(&text, cd_str_from(cd_cli_text(l->request, "code")));
	fprintf(stderr, "%s. Waiting...\n", text.data ? text.data : "");
}

/* Until there is an answer, 10 minutes at most. */
static int await_chain(struct login *l, struct cd_buf *chain)
{
	static const struct timespec second = {1, 0};
	char path[PATH_BYTES];
	int i, r;

	snprintf(path, sizeof(path), "/.cordon/login/poll?token=%.100s",
		 cd_cli_text(l->request, "token"));
	for (i = 0; i < 600; i++) {
		struct cd_httpc_answer answer cd_auto(cd_httpc_answer_done) = {
			0};

		r = talk(l, path, CD_STR_NULL, &answer);
		if (r)
			return r;
		if (answer.status == 200) {
			cd_buf_str(chain, cd_buf_get(&answer.body));
			return 0;
		}
		if (answer.status != 202)
			break;
		nanosleep(&second, NULL);
	}
	return cd_cli_fail(l->cli, "it was refused, or nobody agreed in time");
}

static int save(struct login *l, struct cd_str chain)
{
	struct cd_secret *pem cd_auto(cd_secret_free) = NULL;
	char key[PATH_BYTES], cert[PATH_BYTES];
	struct cd_cert_info info;
	int r = cd_tls_key_pem(l->key, &pem);

	if (!r)
		r = cd_cert_read(chain, pem, &info);
	if (r < 0)
		return cd_cli_fail(l->cli, "the certificate is not ours: %s",
				   cd_strerror(r));
	r = store(l, "key", cd_secret_reveal(pem));
	if (!r)
		r = store(l, "pem", chain);
	if (r)
		return r;
	file_path(l, "key", key);
	file_path(l, "pem", cert);
	if (l->cli->json)
		cd_cli_print_json(json_pack("{s:s, s:s, s:I}", "key", key,
					    "certificate", cert, "not_after",
					    (json_int_t)info.not_after));
	else
		printf("key          %s\ncertificate  %s\n", key, cert);
	return CD_EXIT_DONE;
}

static int run(struct login *l)
{
	struct cd_buf chain cd_auto(cd_buf_done);
	int r = cd_tls_key_new(&l->key);

	cd_buf_init(&chain, CHAIN_MAX);
	if (r < 0)
		return cd_cli_fail(l->cli, "cannot make a key: %s",
				   cd_strerror(r));
	r = ask(l);
	if (r)
		return r;
	show(l);
	r = await_chain(l, &chain);
	return r ? r : save(l, cd_buf_get(&chain));
}

int cd_cmd_login(struct cd_cli *cli, int argc, char **argv)
{
	struct login l = {.cli = cli};
	const struct cd_cli_option options[] = {
		{"ca", "FILE", &l.ca, NULL, "CA of the sign-in host, PEM"},
		{"out", "DIR", &l.out, NULL, "folder for key and certificate"},
		{0},
	};
	char folder[PATH_BYTES];
	int n, r = cd_cli_parse(cli, argc, argv, options, 1, 1, &n);

	if (r >= 0)
		return r;
	l.url = argv[1];
	if (!is_url(l.url))
		return cd_cli_usage(cli,
				    "the address is https://HOST[:PORT], in "
				    "lower case");
	r = 0;
	if (!l.out) {
		r = default_folder(cli, folder);
		l.out = folder;
	}
	if (!r)
		r = run(&l);
	cd_tls_key_free(&l.key);
	json_decref(l.request);
	return r;
}
