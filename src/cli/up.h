/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cordon up`: what its parts (up*.c) share. One struct up for one run; the
 * parts are called in the order of up.c and undo themselves at its end.
 */
#ifndef CD_CLI_UP_H
#define CD_CLI_UP_H

#include <limits.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "sys/supervise.h"

#define UP_ADDRS_MAX 5
#define UP_NS_MAX 4

/* Who the parts run as; named users when the machine has them. */
enum up_user {
	UP_CORDON,
	UP_KEYS,
	UP_AGENT,
	UP_GW,
	UP_DEMO, /* the demo's own programs */
	UP_USERS,
};

struct up_ids {
	uid_t uid;
	gid_t gid;
};

struct up_options {
	bool demo;
	const char *listen; /* addresses, comma separated; NULL: loopback */
	const char *domain; /* sign-in host; apps of the demo are below it */
	const char *port, *http_port, *tcp_port; /* decimal, as typed */
	const char *run, *state, *conf;
	const char *ca; /* where the demo's CA survives */
	const char *workers;
	const char *agents_ca; /* signs agents of other machines; NULL: none */
};

/* One listening socket of the gateway. */
struct up_socket {
	int fd;
	char text[INET6_ADDRSTRLEN + 16]; /* 127.0.0.1:8443, [::1]:8443 */
	enum up_role { UP_HTTPS, UP_HTTP, UP_TCP } role;
};

struct up {
	struct up_options opt;
	unsigned int port, http_port, tcp_port, workers;
	char bin[PATH_MAX]; /* folder of cordond and cordon-agent */
	char modules[PATH_MAX]; /* folder of our nginx modules */
	char share[PATH_MAX]; /* folder of the demo's files */
	char self[PATH_MAX]; /* folder this program was started from */
	bool from_build; /* ... is a build folder */
	char ca_default[PATH_MAX];
	char auth_url[300]; /* https://localhost:8443 */
	struct up_ids ids[UP_USERS];
	struct up_socket sockets[3 * UP_ADDRS_MAX];
	size_t n_sockets;
	int lock; /* of run/up.pid */
	int record; /* state/up.state, appended */
	struct cd_supervisor *supervisor;
	struct up_demo *demo;
	bool ready;
};

/* Prints "cordon up: ..." to standard error; returns -1 so that a check can
 * `return up_fail(...)`. */
int up_fail(const char *fmt, ...) cd_printf(1, 2);
/* A path below run, state... into a buffer of PATH_MAX. Returns out. */
const char *up_path(char *out, const char *dir, const char *fmt, ...)
	cd_printf(3, 4);

/* All functions below return 0, or -1 after up_fail(). */

/* up_options.c: fills opt and what follows from it. 1: help was printed. */
int up_options_parse(struct up *up, int argc, char **argv);

/* up_dirs.c: users, folders, lock, record of what must go, programs. */
int up_users_find(struct up *up);
int up_lock_take(struct up *up); /* says who holds it */
int up_leftovers_clear(struct up *up); /* of an instance that was killed */
int up_dirs_make(struct up *up);
int up_programs_stage(struct up *up); /* readable by the other users */
void up_record(struct up *up, const char *fmt, ...) cd_printf(2, 3);
void up_dirs_remove(struct up *up); /* the demo's; nothing of an installation */
/* Deletes a tree without following links. Nothing there: no error. */
int up_tree_remove(const char *path);
/* A file of our own at `path`, 0600, in place of what is there: some folders
 * belong to users who could have planted a link. A descriptor, or -1 with
 * errno. */
int up_file_new(const char *path);
int up_file_copy(const char *from, const char *to, const struct up_ids *owner,
		 mode_t mode);
/* Copies the files of one folder into another. */
int up_tree_copy(const char *from, const char *to, const struct up_ids *owner,
		 mode_t dir_mode, mode_t file_mode);

/* up_ports.c: binds everything, or names who holds a port. */
int up_ports_bind(struct up *up);
void up_ports_close(struct up *up);
/* Who listens on this TCP port: "nginx (pid 12)"; false when not found. */
bool up_port_holder(unsigned int port, char *out, size_t size);

/* up_nginx.c: writes run/nginx.conf. */
int up_nginx_configure(struct up *up);
int up_nginx_start(struct up *up);

/* up_resolver.c: nginx's lines about name servers. */
int up_resolver_put(struct up *up, struct cd_buf *b);

/* up_parts.c: key broker, cordond, agent; the first policy. */
int up_parts_start(struct up *up);
/* Starts a service with its log file; says why it does not come up. */
int up_service_start(struct up *up, struct cd_service *service);
/* Output of a short program of ours (cordond --keys-...) into a file. */
int up_output_store(struct up *up, const char *option, const char *path,
		    enum up_user owner, mode_t mode);
/* Opens state/log/NAME.log for a child's output; -1: nothing can be opened. */
int up_log_open(struct up *up, const char *name);
/* The last of it, on standard error. */
void up_log_show(struct up *up, const char *name);
void up_logs_trim(struct up *up);

/* up_api.c: what is asked of cordond. */
/* Applies `text`, or all files of conf/policy when it is NULL, unless cordond
 * already has a policy. */
int up_policy_ensure(struct up *up, const char *text);
/* A link for the first administrator; empty when there is one already. */
int up_setup_link(struct up *up, char *out, size_t size);
int up_person_add(struct up *up, const char *name, const char *display,
		  const char *group, const char *password, const char *totp);

/* up_demo.c and up_net.c */
int up_demo_check(struct up *up); /* can this machine run it? */
int up_demo_prepare(struct up *up); /* namespaces and programs */
int up_demo_people(struct up *up); /* accounts; after the policy */
int up_demo_policy(struct up *up, char **ret_text);
const char *up_demo_netns(struct up *up); /* nginx's namespace file, NULL */
void up_demo_print(struct up *up);
void up_demo_done(struct up *up);

int up_net_make(struct up *up, const char *names[UP_NS_MAX], size_t n);
void up_net_remove(const char *name);

/* `cordon up`: exit codes. argv[0] is the verb. */
int cd_cli_up(int argc, char **argv);

#endif
