/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cordon-agent: one per host. This process is the root half: it makes the
 * folders, reads the pinned keys, starts the front half as a user without
 * rights, decides which bundle is in force, and starts the front again when it
 * ends. The front is forked, not executed: until here the process has read
 * options and public keys only, so there is nothing in its memory to keep
 * from it.
 */
#include <cordon/version.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/broker.h"
#include "agent/front.h"
#include "sys/drop.h"
#include "sys/file.h"
#include "sys/log.h"
#include "token/x509.h"

#define PATH_BYTES 512
#define SLOTS_DEFAULT 16
#define DELAY_MIN_MS 50
#define DELAY_MAX_MS 2000

static const char usage[] =
	"usage: cordon-agent --run DIR --state DIR --name NAME\n"
	"                    [--user UID:GID[,GID...]] [--slots N]\n"
	"                    [--sessions N] [--cert-file HOST=CHAIN[,KEY]]...\n"
	"       cordon-agent --version | --help\n";

struct options {
	struct cd_agent_config config;
	struct cd_ids ids;
	bool drop;
};

/* ---- options ---- */

static bool take_number(const char *text, uint64_t max, uint32_t *ret)
{
	uint64_t n;

	if (cd_str_parse_u64(cd_str_from(text), &n) < 0 || n == 0 || n > max)
		return false;
	*ret = (uint32_t)n;
	return true;
}

static bool take_name(struct cd_agent_config *c, const char *text)
{
	c->name = cd_str_from(text);
	for (size_t i = 0; i < c->name.len; i++) {
		char ch = text[i];

		if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
		      (ch >= '0' && ch <= '9') || ch == '.' || ch == '_' ||
		      ch == '-'))
			return false;
	}
	return c->name.len > 0 && c->name.len <= CD_BUNDLE_AUDIENCE;
}

static bool take_cert(struct cd_agent_config *c, const char *text)
{
	const char *eq = strchr(text, '='), *comma;
	struct cd_agent_cert *cert = &c->certs[c->n_certs];

	if (!eq || eq == text || c->n_certs == CD_AGENT_CERTS_MAX)
		return false;
	cert->host = cd_str_make(text, (size_t)(eq - text));
	if (!cd_leaf_name_is_valid(cert->host))
		return false;
	comma = strchr(eq, ',');
	cert->path = comma ? cd_str_dup(cd_str_make(eq + 1,
						    (size_t)(comma - eq - 1))) :
			     eq + 1;
	cert->key_path = comma ? comma + 1 : NULL;
	c->n_certs++;
	return cert->path && *cert->path == '/' &&
	       (!comma || *cert->key_path == '/');
}

static bool take_option(struct options *o, int c, const char *arg)
{
	switch (c) {
	case 'r':
		o->config.run = arg;
		return true;
	case 's':
		o->config.state = arg;
		return true;
	case 'n':
		return take_name(&o->config, arg);
	case 'u':
		o->drop = true;
		return cd_ids_parse(cd_str_from(arg), &o->ids) == 0;
	case 'l':
		return take_number(arg, CD_AGENT_SLOTS_MAX, &o->config.slots);
	case 'm':
		return take_number(arg, 1u << 24, &o->config.sessions_min);
	case 'c':
		return take_cert(&o->config, arg);
	default:
		return false;
	}
}

static bool parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"run", 1, NULL, 'r'},	     {"state", 1, NULL, 's'},
		{"name", 1, NULL, 'n'},	     {"user", 1, NULL, 'u'},
		{"slots", 1, NULL, 'l'},     {"sessions", 1, NULL, 'm'},
		{"cert-file", 1, NULL, 'c'}, {NULL, 0, NULL, 0},
	};
	int c;

	o->config.run = "/run/cordon";
	o->config.state = "/var/lib/cordon";
	o->config.slots = SLOTS_DEFAULT;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		if (!take_option(o, c, optarg))
			return false;
	return optind == argc && o->config.name.len > 0;
}

/* ---- folders ---- */

/* Folders of the front carry the set-group-id bit: what it makes there belongs
 * to the group that the folder has, the gateway's, without its being in it. */
static int make_folders(const struct options *o)
{
	const uid_t front = o->drop ? o->ids.uid : (uid_t)-1;
	const gid_t gid = o->drop ? o->ids.gid : (gid_t)-1, same = (gid_t)-1;
	const struct {
		const char *base, *name;
		mode_t mode;
		uid_t uid;
		gid_t gid;
	} dirs[] = {
		{o->config.run, "policy", 0755, (uid_t)-1, same},
		{o->config.run, "shm", 02755, front, same},
		{o->config.run, "shm/rings", 02755, front, same},
		{o->config.run, "tls", 02750, front, same},
		{o->config.state, "agent", 0700, front, gid},
		{o->config.state, "broker", 0700, (uid_t)-1, same},
	};
	char path[PATH_BYTES];

	for (size_t i = 0; i < CD_ARRAY_SIZE(dirs); i++) {
		int r = cd_path_join(path, sizeof(path), dirs[i].base,
				     dirs[i].name) ?
				cd_dir_make(path, dirs[i].mode, dirs[i].uid,
					    dirs[i].gid) :
				-ENAMETOOLONG;

		if (r < 0) {
			CD_LOG_ERROR("AGENT_FAILED", cd_log_z("at", path),
				     cd_log_err(r));
			return r;
		}
	}
	return 0;
}

static int read_trust(const struct options *o, struct cd_trust *ret)
{
	char path[PATH_BYTES], *text = NULL;
	size_t len = 0;
	int r = -ENAMETOOLONG;

	if (cd_path_join(path, sizeof(path), o->config.state, "broker/trust"))
		r = cd_file_read(path, CD_TRUST_MAX, &text, &len);
	if (r == 0)
		r = cd_trust_parse(cd_str_make(text, len), ret);
	free(text);
	if (r < 0)
		CD_LOG_ERROR("AGENT_FAILED", cd_log_z("at", path),
			     cd_log_err(r));
	return r;
}

/* ---- the two halves ---- */

static volatile sig_atomic_t stopping;
static volatile sig_atomic_t front_pid;

/* Pass the wish on; the front closes its end, which ends the serving. */
static void on_stop(int sig)
{
	stopping = 1;
	if (front_pid > 0)
		kill(front_pid, sig);
}

static int64_t unix_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec;
}

static int64_t monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

_Noreturn static void be_front(const struct options *o, int sock, pid_t parent)
{
	int r;

	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	r = o->drop ? cd_ids_drop(&o->ids) : cd_process_harden();
	if (r < 0) {
		CD_LOG_ERROR("AGENT_FAILED", cd_log_z("at", "privileges"),
			     cd_log_err(r));
		_exit(1);
	}
	if (fcntl(sock, F_SETFL, O_NONBLOCK) < 0)
		_exit(1);
	exit(cd_agent_front_run(&o->config, sock));
}

/* One life of the front. */
static int run_front(const struct options *o, struct cd_agent_broker *b)
{
	pid_t parent = getpid(), pid;
	int pair[2], r, status = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		be_front(o, pair[1], parent);
	}
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return -errno;
	}
	front_pid = pid;
	if (stopping)
		kill(pid, SIGTERM);
	r = cd_agent_broker_serve(b, pair[0]);
	close(pair[0]);
	/* it closed its end, or broke the protocol: it has no further use */
	if (r < 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	front_pid = 0;
	CD_LOG_INFO("FRONT_ENDED", cd_log_num("status", status), cd_log_err(r));
	return r;
}

static void pause_ms(unsigned int ms)
{
	poll(NULL, 0, (int)ms); /* a signal ends it */
}

static void supervise(const struct options *o, struct cd_agent_broker *b)
{
	unsigned int delay = DELAY_MIN_MS;

	while (!stopping) {
		int64_t began = monotonic_ms();

		run_front(o, b);
		if (monotonic_ms() - began > 10 * DELAY_MAX_MS)
			delay = DELAY_MIN_MS;
		if (!stopping)
			pause_ms(delay);
		delay = CD_MIN(2 * delay, DELAY_MAX_MS);
	}
}

static void catch_signals(void)
{
	struct sigaction sa = {.sa_handler = on_stop, .sa_flags = SA_RESTART};

	sigemptyset(&sa.sa_mask);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int run(struct options *o)
{
	char policy[PATH_BYTES], state[PATH_BYTES];
	struct cd_agent_broker b = {.policy_dir = policy,
				    .state_dir = state,
				    .name = o->config.name,
				    .now = unix_now,
				    .monotonic = monotonic_ms};
	struct cd_trust trust;
	int r;

	umask(022);
	r = make_folders(o);
	if (r == 0)
		r = read_trust(o, &trust);
	if (r < 0)
		return r;
	if (!cd_path_join(policy, sizeof(policy), o->config.run, "policy") ||
	    !cd_path_join(state, sizeof(state), o->config.state, "broker"))
		return -ENAMETOOLONG;
	b.key = trust.bundle;
	o->config.changes_key = trust.changes;
	r = cd_agent_broker_start(&b);
	if (r < 0)
		return r;
	catch_signals();
	supervise(o, &b);
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = {0};

	if (argc == 2 && !strcmp(argv[1], "--version")) {
		printf("cordon-agent %s\n", cd_version());
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "--help")) {
		fputs(usage, stdout);
		return 0;
	}
	if (!parse_options(argc, argv, &o)) {
		fputs(usage, stderr);
		return 2;
	}
	cd_log_init("cordon-agent", CD_LOG_L_INFO);
	return run(&o) < 0 ? 1 : 0;
}
