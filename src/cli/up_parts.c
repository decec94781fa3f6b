// SPDX-License-Identifier: Apache-2.0
/*
 * The three programs behind the gateway, in the order in which each needs the
 * one before: key broker (root until its socket is bound), cordond, agent
 * (its broker half stays root). And where their words go: one file each in
 * state/log, cut when it has grown, so that no pipe of ours can hold up a
 * child.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/up.h"
#include "sys/conf.h"
#include "sys/file.h"
#include "token/broker_proto.h"
#include "token/x509.h"

#define AGENT_NAME "local" /* of the agent on this machine */
#define READY_MS 15000
#define STOP_MS 4000
#define LOG_MAX (16 << 20)
#define TAIL 600
#define TRUST_MAX 65536
#define CERTS_MAX 32 /* of the agent */
#define CERT_BYTES_MAX 65536

int up_log_open(struct up *up, const char *name)
{
	char path[PATH_MAX];

	up_path(path, up->opt.state, "log/%s.log", name);
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

/* A log that has grown becomes NAME.log.1: the writer appends, so emptying
 * the file under it is safe. Lines written in between are lost: logs are for
 * people, what must last is in the journal. */
static void trim(struct up *up, const char *name)
{
	char path[PATH_MAX], old[PATH_MAX], chunk[1 << 16];
	struct stat st;
	ssize_t n;
	int in, out;

	up_path(path, up->opt.state, "log/%s.log", name);
	if (stat(path, &st) < 0 || st.st_size < LOG_MAX)
		return;
	up_path(old, up->opt.state, "log/%s.log.1", name);
	in = open(path, O_RDWR | O_CLOEXEC);
	out = open(old, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	while (in >= 0 && out >= 0 &&
	       (n = read(in, chunk, sizeof(chunk))) > 0) {
		if (write(out, chunk, (size_t)n) != n)
			break;
	}
	if (in >= 0 && ftruncate(in, 0) == 0)
		close(in);
	if (out >= 0)
		close(out);
}

void up_logs_trim(struct up *up)
{
	static const char *const names[] = {"keys",  "cordond",	   "agent",
					    "nginx", "prometheus", "stats"};

	for (size_t i = 0; i < CD_ARRAY_SIZE(names); i++)
		trim(up, names[i]);
}

void up_log_show(struct up *up, const char *name)
{
	char path[PATH_MAX], text[TAIL + 1];
	ssize_t n;
	int fd;

	up_path(path, up->opt.state, "log/%s.log", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (lseek(fd, -TAIL, SEEK_END) < 0)
		lseek(fd, 0, SEEK_SET);
	n = read(fd, text, TAIL);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	if (n > 0)
		fprintf(stderr, "%s", text);
}

/* Starts one and says why it did not come up. */
int up_service_start(struct up *up, struct cd_service *service)
{
	int fd = up_log_open(up, service->name), err;

	service->spawn.output = fd;
	service->spawn.dir = up->opt.run;
	if (!service->ready_ms)
		service->ready_ms = READY_MS;
	if (!service->stop_ms)
		service->stop_ms = STOP_MS;
	err = fd < 0 ? -errno : cd_supervisor_start(up->supervisor, service);
	if (err == -ECANCELED || !err)
		return err ? -1 : 0;
	up_log_show(up, service->name);
	if (err == -ETIMEDOUT)
		return up_fail("%s did not get ready in %u s", service->name,
			       service->ready_ms / 1000);
	if (err == -ECHILD)
		return up_fail("%s ends as soon as it is started",
			       service->name);
	return up_fail("cannot start %s: %s", service->name, strerror(-err));
}

static bool answers(void *path)
{
	return cd_socket_answers(path);
}

static bool exists(void *path)
{
	return access(path, F_OK) == 0;
}

static void use_ids(struct up *up, struct cd_spawn *s, enum up_user user)
{
	s->uid = up->ids[user].uid;
	s->gid = up->ids[user].gid;
}

/* Texts that services point to; they live as long as the program. */
static char *keep(const char *fmt, ...) cd_printf(1, 2);
static char *keep(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	return text;
}

static int start_keys(struct up *up)
{
	const char **argv = cd_calloc(24, sizeof(*argv));
	struct cd_service s = {.name = "keys", .ready = answers};
	size_t n = 0;

	cd_assert(argv);
	argv[n++] = keep("%s/cordond", up->bin);
	argv[n++] = "--keys";
	argv[n++] = "--run";
	argv[n++] = up->opt.run;
	argv[n++] = "--state";
	argv[n++] = up->opt.state;
	argv[n++] = "--issuer";
	argv[n++] = up->auth_url;
	argv[n++] = "--uid-controller";
	argv[n++] = keep("%u", up->ids[UP_CORDON].uid);
	argv[n++] = "--uid-gateway";
	argv[n++] = keep("%u", up->ids[UP_GW].uid);
	argv[n++] = "--user";
	/* with the gateway's group it reads the session table */
	argv[n++] = keep("%u:%u,%u", up->ids[UP_KEYS].uid, up->ids[UP_KEYS].gid,
			 up->ids[UP_GW].gid);
	if (up->opt.demo) {
		argv[n++] = "--ca-domain";
		argv[n++] = up->opt.domain;
	}
	s.spawn.argv = argv;
	s.spawn.as_root = true;
	s.ctx = keep("%s/" CD_BROKER_SOCKET, up->opt.run);
	return up_service_start(up, &s);
}

int up_output_store(struct up *up, const char *option, const char *path,
		    enum up_user owner, mode_t mode)
{
	char program[PATH_MAX], new[PATH_MAX];
	const char *argv[] = {up_path(program, up->bin, "cordond"), option,
			      "--run", up->opt.run, NULL};
	struct cd_spawn s = {.argv = argv};
	int status = -1;

	snprintf(new, sizeof(new), "%.4000s.new", path);
	s.output = up_file_new(new);
	use_ids(up, &s, UP_AGENT);
	if (s.output >= 0) {
		status = cd_process_run(&s, READY_MS);
		if (fchmod(s.output, mode) < 0 ||
		    (owner != UP_USERS && fchown(s.output, up->ids[owner].uid,
						 up->ids[owner].gid) < 0))
			status = -errno;
		close(s.output);
	}
	if (status != 0)
		return up_fail("the key broker does not answer %s (%d)", option,
			       status);
	if (rename(new, path) < 0)
		return up_fail("cannot write %s: %s", path, strerror(errno));
	return 0;
}

/* The agent's broker half trusts what it is told here and nothing that comes
 * by a socket: which keys sign bundles and changes. */
static int store_public(struct up *up)
{
	char path[PATH_MAX];
	int err;

	up_path(path, up->opt.state, "broker/trust");
	if (up_output_store(up, "--keys-trust", path, UP_USERS, 0600))
		return -1;
	up_path(path, up->opt.run, "gw/client-ca.pem");
	if (up_output_store(up, "--keys-client-ca", path, UP_GW, 0644))
		return -1;
	if (!up->opt.agents_ca)
		return 0;
	up_path(path, up->opt.run, "gw/agents-ca.pem");
	err = up_file_copy(up->opt.agents_ca, path, &up->ids[UP_GW], 0644);
	return err ? up_fail("--agents-ca: cannot read %s: %s",
			     up->opt.agents_ca, cd_strerror(err)) :
		     0;
}

static int start_cordond(struct up *up)
{
	const char **argv = cd_calloc(24, sizeof(*argv));
	struct cd_service s = {.name = "cordond", .ready = answers};
	size_t n = 0;

	cd_assert(argv);
	argv[n++] = keep("%s/cordond", up->bin);
	argv[n++] = "--run";
	argv[n++] = up->opt.run;
	argv[n++] = "--state";
	argv[n++] = up->opt.state;
	argv[n++] = "--conf";
	argv[n++] = up->opt.conf;
	argv[n++] = "--auth-url";
	argv[n++] = up->auth_url;
	argv[n++] = "--gateway-agent";
	argv[n++] = AGENT_NAME;
	argv[n++] = "--gateway-group";
	argv[n++] = keep("%u", up->ids[UP_GW].gid);
	argv[n++] = "--agent-group";
	argv[n++] = keep("%u", up->ids[UP_AGENT].gid);
	if (up->opt.agents_ca) {
		argv[n++] = "--remote-group";
		argv[n++] = keep("%u", up->ids[UP_GW].gid);
	}
	s.spawn.argv = argv;
	use_ids(up, &s.spawn, UP_CORDON);
	/* to hand its sockets to these groups */
	s.spawn.groups[s.spawn.n_groups++] = up->ids[UP_GW].gid;
	s.spawn.groups[s.spawn.n_groups++] = up->ids[UP_AGENT].gid;
	s.spawn.nofile = 65536;
	s.ctx = keep("%s/api.sock", up->opt.run);
	return up_service_start(up, &s);
}

/* HOST=CHAIN,KEY or HOST=PEM */
static bool is_certificate(struct cd_str word)
{
	struct cd_str rest, host = cd_str_split(word, '=', &rest);
	const char *comma = rest.len ? memchr(rest.ptr, ',', rest.len) : NULL;

	return cd_leaf_name_is_valid(host) && rest.len > 1 &&
	       rest.ptr[0] == '/' &&
	       (!comma || (comma + 1 < rest.ptr + rest.len && comma[1] == '/'));
}

/* What cordon.conf says of certificates goes to the agent, which watches them.
 * Mistakes are told here, before anything waits for a certificate. */
static int put_certificates(struct up *up, const char **argv, size_t *n)
{
	struct cd_diag *diag cd_auto(cd_diag_free) = NULL;
	struct cd_conf conf cd_auto(cd_conf_done) = {0};
	struct cd_str rest, word;
	char path[PATH_MAX];
	size_t found = 0;

	up_path(path, up->opt.conf, "cordon.conf");
	if (cd_diag_new(&diag) < 0 || cd_conf_load(path, diag, &conf) < 0)
		return up_fail("%s has a mistake: cordond says which", path);
	rest = cd_str_from(conf.certificate_files);
	while (rest.len) {
		word = cd_str_split(rest, ' ', &rest);
		if (!word.len)
			continue;
		if (++found > CERTS_MAX || !is_certificate(word))
			return up_fail("%s: certificate_files: at most %d of "
				       "HOST=CHAIN,KEY or HOST=PEM, not "
				       "'%.*s'",
				       path, CERTS_MAX, CD_STR_FMT(word));
		argv[(*n)++] = "--cert-file";
		argv[(*n)++] = keep("%.*s", CD_STR_FMT(word));
	}
	return 0;
}

/* Is it of our CA, whose certificate stands behind the leaf? Of a file that
 * cordon.conf still names, the agent decides. */
static bool belongs(const char *path, const char *name, struct cd_str ca,
		    const char **argv)
{
	char *pem = NULL, host[PATH_MAX];
	size_t len = 0;
	bool ours;

	snprintf(host, sizeof(host), "%s%.*s=", *name == '_' ? "*" : "",
		 (int)(strlen(name) - strlen(".pem") - (*name == '_')),
		 name + (*name == '_'));
	for (; *argv; argv++)
		if (!strncmp(*argv, host, strlen(host)))
			return true;
	if (cd_file_read(path, CERT_BYTES_MAX, &pem, &len) < 0)
		return false;
	ours = memmem(pem, len, ca.ptr, ca.len) != NULL;
	cd_wipe(pem, len);
	free(pem);
	return ours;
}

/* What an earlier start left in run/tls is served as long as it is fresh:
 * not what came from a file that is no longer named, nor from another CA. */
static void drop_foreign(struct up *up, const char **argv)
{
	char dir[PATH_MAX], path[PATH_MAX], *ca = NULL;
	struct dirent *e;
	size_t len = 0;
	DIR *d;

	up_path(path, up->opt.state, "keys/server-ca.pem");
	if (cd_file_read(path, CERT_BYTES_MAX, &ca, &len) < 0)
		return;
	d = opendir(up_path(dir, up->opt.run, "tls"));
	while (d && (e = readdir(d))) {
		size_t n = strlen(e->d_name);

		if (n <= 4 || strcmp(e->d_name + n - 4, ".pem") != 0)
			continue;
		up_path(path, dir, "%s", e->d_name);
		if (!belongs(path, e->d_name, cd_str_make(ca, len), argv))
			unlink(path);
	}
	if (d)
		closedir(d);
	free(ca);
}

static int start_agent(struct up *up)
{
	const char **argv = cd_calloc(24 + 2 * CERTS_MAX, sizeof(*argv));
	struct cd_service s = {.name = "agent", .ready = exists};
	size_t n = 0;

	cd_assert(argv);
	argv[n++] = keep("%s/cordon-agent", up->bin);
	argv[n++] = "--run";
	argv[n++] = up->opt.run;
	argv[n++] = "--state";
	argv[n++] = up->opt.state;
	argv[n++] = "--name";
	argv[n++] = AGENT_NAME;
	argv[n++] = "--user";
	argv[n++] = keep("%u:%u", up->ids[UP_AGENT].uid, up->ids[UP_AGENT].gid);
	if (put_certificates(up, argv, &n))
		return -1;
	drop_foreign(up, argv);
	s.spawn.argv = argv;
	s.spawn.as_root = true;
	s.ctx = keep("%s/shm/sessions", up->opt.run);
	return up_service_start(up, &s);
}

int up_parts_start(struct up *up)
{
	if (start_keys(up) || store_public(up) || start_cordond(up) ||
	    start_agent(up))
		return -1;
	return 0;
}
