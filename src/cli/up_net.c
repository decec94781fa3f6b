// SPDX-License-Identifier: Apache-2.0
/*
 * The demo's network:
 *
 *	this machine            cdn-demo-gw             cdn-demo-prometheus
 *	127.0.0.1:8443  ......  nginx                   prometheus
 *	(sockets only)          10.77.0.1/30 --------- 10.77.0.2/30 :9090
 *	                        10.77.1.1/30 ----.
 *	                                          '--- 10.77.1.2/30 :8080
 *	                                                websocketd
 *	                                                cdn-demo-stats
 *
 * nginx's listening sockets were bound on this machine and keep belonging to
 * it; nginx itself lives in a namespace of its own, the only one with links
 * to the programs behind. So nothing on this machine, root included, reaches
 * them but through the gateway, and this machine's own links, routes and
 * firewall are not touched. Rejected: veth pairs into the machine with rules
 * per user, which change its routing and hang on its rp_filter settings.
 *
 * The namespaces' names carry a hash of the run folder unless it is the usual
 * one, so that tests run beside a demo.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/up.h"

#define IP "/usr/sbin/ip"
#define IP_TIMEOUT_MS 10000
#define WORDS_MAX 24

/*
 * Runs "ip" with the words of a formatted line, in a namespace by its name or
 * in ours. Not by "ip -n": that remounts /sys, which a chroot does not allow.
 * log: where it may say why it fails, or -1.
 */
static int ip(int log, const char *ns, const char *fmt, ...) cd_printf(3, 4);
static int ip(int log, const char *ns, const char *fmt, ...)
{
	const char *argv[WORDS_MAX] = {IP};
	struct cd_spawn s = {.argv = argv, .as_root = true, .output = log};
	char line[512], path[PATH_MAX], *save = NULL;
	size_t n = 1;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	for (char *w = strtok_r(line, " ", &save); w && n < WORDS_MAX - 1;
	     w = strtok_r(NULL, " ", &save))
		argv[n++] = w;
	if (ns)
		s.netns = up_path(path, "/run/netns", "%s", ns);
	return cd_process_run(&s, IP_TIMEOUT_MS);
}

void up_net_remove(const char *name)
{
	/* Only names of ours, whatever a record says. */
	if (!strncmp(name, "cdn-", 4) && !strchr(name, '/'))
		ip(-1, NULL, "netns delete %s", name);
}

static int add_namespace(struct up *up, int log, const char *name)
{
	char path[PATH_MAX];

	up_path(path, "/run/netns", "%s", name);
	if (access(path, F_OK) == 0)
		return up_fail("a network namespace %s exists and was not made "
			       "by this demo; ip netns delete %s",
			       name, name);
	up_record(up, "netns %s\n", name);
	if (ip(log, NULL, "netns add %s", name) ||
	    ip(log, name, "link set lo up"))
		return up_fail("cannot make the network namespace %s", name);
	return 0;
}

/* A link from the gateway's namespace to the i-th other one. */
static int add_link(int log, const char *gw, const char *ns, size_t i)
{
	if (ip(log, NULL,
	       "link add to-%zu netns %s type veth peer name eth0 netns %s", i,
	       gw, ns) ||
	    ip(log, gw, "addr add 10.77.%zu.1/30 dev to-%zu", i - 1, i) ||
	    ip(log, gw, "link set to-%zu up", i) ||
	    ip(log, ns, "addr add 10.77.%zu.2/30 dev eth0", i - 1) ||
	    ip(log, ns, "link set eth0 up"))
		return up_fail("cannot link %s and %s", gw, ns);
	return 0;
}

/* names[0] is the gateway's; each further one gets a link to it. */
int up_net_make(struct up *up, const char *names[UP_NS_MAX], size_t n)
{
	int log = up_log_open(up, "ip"), err = 0;

	for (size_t i = 0; !err && i < n; i++)
		err = add_namespace(up, log, names[i]);
	for (size_t i = 1; !err && i < n; i++)
		err = add_link(log, names[0], names[i], i);
	if (err)
		up_log_show(up, "ip");
	if (log >= 0)
		close(log);
	return err;
}
