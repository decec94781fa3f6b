/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options, socket, loop and audit lines of the key broker.
 */
#include "controller/keys_main.h"

#include <event2/event.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "controller/keys_broker.h"
#include "controller/keys_client.h"
#include "sys/drop.h"
#include "sys/file.h"
#include "sys/ipc.h"
#include "sys/log.h"

#define PATH_BYTES 512
#define PEERS_MAX 1024
#define PEERS_PER_UID 200

struct options {
	const char *run, *state, *issuer;
	struct cd_ids ids;
	bool drop, have_controller;
	struct cd_broker_config broker;
	struct cd_str domains[CD_KEYS_DOMAINS_MAX];
	size_t n_domains;
};

static const char usage[] =
	"usage: cordond --keys --run DIR --state DIR --issuer URL\n"
	"               --uid-controller N --uid-gateway N...\n"
	"               [--user UID:GID[,GID...]] [--ca-domain DOMAIN...]\n"
	"       cordond --keys-trust|--keys-server-ca|--keys-client-ca|"
	"--keys-jwks --run DIR\n";

static const struct {
	const char *option;
	enum cd_public_what what;
} prints[] = {
	{"--keys-trust", CD_PUBLIC_TRUST},
	{"--keys-server-ca", CD_PUBLIC_SERVER_CA},
	{"--keys-client-ca", CD_PUBLIC_CLIENT_CA},
	{"--keys-jwks", CD_PUBLIC_JWKS},
};

bool cd_keys_is_wanted(int argc, char **argv)
{
	if (argc < 2)
		return false;
	for (size_t i = 0; i < CD_ARRAY_SIZE(prints); i++)
		if (!strcmp(argv[1], prints[i].option))
			return true;
	return !strcmp(argv[1], "--keys");
}

/* ---- options ---- */

static bool parse_uid(const char *text, uid_t *ret)
{
	uint64_t n;

	if (cd_str_parse_u64(cd_str_from(text), &n) < 0 || n >= UINT32_MAX)
		return false;
	*ret = (uid_t)n;
	return true;
}

static bool add_gateway(struct options *o, const char *text)
{
	return o->broker.n_gateways < CD_KEYS_GATEWAYS_MAX &&
	       parse_uid(text, &o->broker.gateways[o->broker.n_gateways++]);
}

static bool add_domain(struct options *o, const char *text)
{
	if (o->n_domains == CD_KEYS_DOMAINS_MAX)
		return false;
	o->domains[o->n_domains++] = cd_str_from(text);
	return true;
}

static bool take_option(struct options *o, int c, const char *arg)
{
	switch (c) {
	case 'r':
		o->run = arg;
		return true;
	case 's':
		o->state = arg;
		return true;
	case 'i':
		o->issuer = arg;
		return true;
	case 'c':
		o->have_controller = true;
		return parse_uid(arg, &o->broker.controller);
	case 'g':
		return add_gateway(o, arg);
	case 'u':
		o->drop = true;
		return cd_ids_parse(cd_str_from(arg), &o->ids) == 0;
	case 'd':
		return add_domain(o, arg);
	case 'a': /* agents ask nothing; accepted for a uniform table */
		return true;
	default:
		return false;
	}
}

static bool parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"run", 1, NULL, 'r'},
		{"state", 1, NULL, 's'},
		{"issuer", 1, NULL, 'i'},
		{"uid-controller", 1, NULL, 'c'},
		{"uid-gateway", 1, NULL, 'g'},
		{"uid-agent", 1, NULL, 'a'},
		{"user", 1, NULL, 'u'},
		{"ca-domain", 1, NULL, 'd'},
		{NULL, 0, NULL, 0},
	};
	int c;

	o->run = "/run/cordon";
	o->state = "/var/lib/cordon";
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		if (!take_option(o, c, optarg))
			return false;
	return optind == argc;
}

/* ---- the loop ---- */

struct loop {
	struct cd_broker *broker;
	struct event_base *base;
	uid_t controller;
	struct cd_log_source sources[16]; /* by verb */
};

static int64_t unix_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec;
}

static int64_t monotonic_ms(void)
{
	return cd_ipc_deadline(0);
}

/* One line for each use; bodies hold secrets and never come here. What
 * cordond asks for is logged without a gap. Gateways and strangers, who may ask
 * thousands of times a second, are limited by verb, and what is left out is
 * counted in the log. */
static void audit(struct loop *l, const struct cd_ipc_peer *peer, uint16_t verb,
		  enum cd_broker_status status)
{
	uid_t uid = cd_ipc_peer_uid(peer);
	const struct cd_log_item items[] = {
		cd_log_z("verb", cd_verb_name(verb)),
		cd_log_num("uid", uid),
		cd_log_num("pid", cd_ipc_peer_pid(peer)),
		cd_log_z("status", cd_broker_status_name((uint16_t)status)),
		{.type = CD_LOG_END},
	};
	struct cd_log_source fresh = {0};
	bool limited = uid != l->controller;

	cd_log_write(limited ? &l->sources[verb % CD_ARRAY_SIZE(l->sources)] :
			       &fresh,
		     CD_LOG_L_INFO, "KEY_USE", items);
}

static ssize_t on_input(struct cd_ipc_peer *peer, struct cd_str bytes,
			void *ctx)
{
	struct loop *l = ctx;
	struct cd_broker_frame f;
	struct cd_buf out;
	enum cd_broker_status s;
	size_t used = 0;
	int r = cd_broker_take(bytes, &f, &used);

	if (r <= 0)
		return r;
	if (f.status != 0 || !cd_verb_peers(f.verb))
		return CD_E_CORRUPT;
	cd_buf_init(&out, CD_BROKER_FRAME + CD_BROKER_BODY_MAX);
	s = cd_broker_answer(l->broker, cd_ipc_peer_uid(peer), &f, &out);
	if (!out.err)
		cd_ipc_reply(peer, cd_buf_get(&out));
	audit(l, peer, f.verb, s);
	r = out.err;
	cd_buf_wipe(&out);
	return r < 0 ? r : (ssize_t)used;
}

static void on_signal(evutil_socket_t sig cd_unused, short what cd_unused,
		      void *ctx)
{
	event_base_loopbreak(ctx);
}

static int serve(struct loop *l)
{
	struct event *term = evsignal_new(l->base, SIGTERM, on_signal, l->base);
	struct event *intr = evsignal_new(l->base, SIGINT, on_signal, l->base);
	int r = -ENOMEM;

	if (term && intr && evsignal_add(term, NULL) == 0 &&
	    evsignal_add(intr, NULL) == 0) {
		CD_LOG_INFO("KEYS_READY");
		r = event_base_dispatch(l->base) < 0 ? -EIO : 0;
	}
	if (term)
		event_free(term);
	if (intr)
		event_free(intr);
	return r;
}

static const struct cd_ipc_ops ops = {
	.input = on_input,
	.input_max = CD_BROKER_FRAME + CD_BROKER_BODY_MAX,
	.output_max = 4 * (CD_BROKER_FRAME + CD_BROKER_BODY_MAX),
	.peers_max = PEERS_MAX,
	.peers_per_uid = PEERS_PER_UID,
};

static int say(int r, const char *what)
{
	CD_LOG_ERROR("KEYS_FAILED", cd_log_z("at", what), cd_log_err(r));
	return r;
}

/* With the socket bound and root gone: keys, then requests. */
static int run_with(struct options *o, struct loop *l, const char *dir)
{
	struct cd_keystore_options ko = {o->domains, o->n_domains, unix_now()};
	struct cd_keystore keys;
	const char *what = "keys";
	int r = cd_keystore_open(dir, &ko, &keys, &what);

	if (r < 0)
		return say(r, what);
	r = cd_broker_new(&o->broker, &keys, &l->broker);
	if (r == 0)
		r = serve(l);
	cd_broker_free(&l->broker);
	cd_keystore_done(&keys);
	return r;
}

static int make_folder(const struct options *o, const char *dir, mode_t mode)
{
	int r = o->drop ? cd_dir_make(dir, mode, o->ids.uid, o->ids.gid) :
			  cd_dir_make(dir, mode, (uid_t)-1, (gid_t)-1);

	return r < 0 ? say(r, dir) : 0;
}

static int run_broker(struct options *o)
{
	char keys[PATH_BYTES], table[PATH_BYTES];
	char folder[PATH_BYTES], sock[PATH_BYTES];
	struct loop l = {.controller = o->broker.controller};
	struct cd_ipc_server *server = NULL;
	int r;

	if (!cd_path_join(keys, sizeof(keys), o->state, "keys") ||
	    !cd_path_join(folder, sizeof(folder), o->run, CD_BROKER_FOLDER) ||
	    !cd_path_join(sock, sizeof(sock), o->run, CD_BROKER_SOCKET) ||
	    !cd_path_join(table, sizeof(table), o->run, "shm/sessions"))
		return say(-ENAMETOOLONG, "paths");
	o->broker.sessions_path = table;
	l.base = event_base_new();
	if (!l.base)
		return say(-ENOMEM, "loop");
	umask(077);
	if (make_folder(o, keys, 0700) < 0 || make_folder(o, folder, 0755) < 0)
		return -1;
	/* root binds nothing: clients know the broker by the folder's owner */
	r = o->drop ? cd_ids_drop(&o->ids) : cd_process_harden();
	if (r < 0)
		return say(r, "privileges");
	r = cd_ipc_listen(l.base, sock, 0666, &ops, &l, &server);
	r = r < 0 ? say(r, sock) : run_with(o, &l, keys);
	cd_ipc_server_free(&server);
	event_base_free(l.base);
	return r;
}

/* ---- printing what the broker says of itself ---- */

static int print_public(const char *run, enum cd_public_what what)
{
	struct cd_buf out cd_auto(cd_buf_done);
	char path[PATH_BYTES];
	struct cd_keys *keys = NULL;
	int r;

	cd_buf_init(&out, CD_BROKER_BODY_MAX);
	if (!cd_path_join(path, sizeof(path), run, CD_BROKER_SOCKET))
		return 2;
	r = cd_keys_new(path, &keys);
	if (r == 0)
		r = cd_keys_public(keys, what, &out);
	cd_keys_free(&keys);
	if (r < 0) {
		fprintf(stderr, "cordond: %s: %s\n", path, cd_strerror(r));
		return 3;
	}
	return fwrite(out.data, 1, out.len, stdout) == out.len &&
			       fflush(stdout) == 0 ?
		       0 :
		       1;
}

int cd_keys_main(int argc, char **argv)
{
	struct options o = {0};

	if (!parse_options(argc - 1, argv + 1, &o)) {
		fputs(usage, stderr);
		return 2;
	}
	for (size_t i = 0; i < CD_ARRAY_SIZE(prints); i++)
		if (!strcmp(argv[1], prints[i].option))
			return print_public(o.run, prints[i].what);
	if (!o.issuer || !o.have_controller) {
		fputs(usage, stderr);
		return 2;
	}
	cd_log_init("cordond-keys", CD_LOG_L_INFO);
	o.broker.issuer = cd_str_from(o.issuer);
	o.broker.now = unix_now;
	o.broker.monotonic = monotonic_ms;
	return run_broker(&o) < 0 ? 1 : 0;
}
