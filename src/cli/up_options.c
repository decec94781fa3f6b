// SPDX-License-Identifier: Apache-2.0
/*
 * Options of `cordon up`: one table row each. The demo's defaults differ from
 * an installation's in every path and port, so that both run side by side.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/up.h"

struct option_row {
	const char *name, *value, *demo_default, *default_value, *text;
	size_t offset;
};

#define ROW(name, value, demo, normal, field, text)        \
	{                                                  \
		name, value, demo, normal, text,           \
			offsetof(struct up_options, field) \
	}

static const struct option_row rows[] = {
	ROW("--listen", "ADDR,...", NULL, NULL, listen,
	    "addresses to listen on (this machine only)"),
	ROW("--port", "N", "8443", "443", port, "https and WebSocket"),
	ROW("--http-port", "N", "8080", "80", http_port,
	    "http, which only redirects; 0: none"),
	ROW("--tcp-port", "N", "8444", "1443", tcp_port,
	    "TLS for tcp apps, by name; 0: none"),
	ROW("--domain", "NAME", "localhost", "localhost", domain,
	    "host of the sign-in page"),
	ROW("--run", "DIR", "/run/cordon-demo", "/run/cordon", run,
	    "sockets and what processes share"),
	ROW("--state", "DIR", "/var/lib/cordon-demo", "/var/lib/cordon", state,
	    "what must last; the demo's is removed at its end"),
	ROW("--conf", "DIR", "/etc/cordon-demo", "/etc/cordon", conf,
	    "policy/*.cordon of a first start"),
	ROW("--ca", "DIR", NULL, NULL, ca, "where the demo's CA survives"),
	ROW("--workers", "N", NULL, NULL, workers, "gateway processes"),
	ROW("--agents-ca", "FILE", NULL, NULL, agents_ca,
	    "PEM: who signs certificates of agents elsewhere"),
};

static void print_help(void)
{
	puts("usage: cordon up [--demo] [OPTION...]\n"
	     "Runs every part on this machine until Ctrl-C.\n\n"
	     "  --demo               a small organisation in network namespaces");
	for (size_t i = 0; i < CD_ARRAY_SIZE(rows); i++) {
		const struct option_row *r = &rows[i];

		printf("  %-11s %-8s %s", r->name, r->value, r->text);
		if (r->default_value &&
		    !strcmp(r->default_value, r->demo_default))
			printf(" (%s)", r->default_value);
		else if (r->default_value)
			printf(" (%s; demo %s)", r->default_value,
			       r->demo_default);
		putchar('\n');
	}
}

static const char **field(struct up_options *o, const struct option_row *r)
{
	return (const char **)(void *)((char *)o + r->offset);
}

static int usage(const char *what, const char *arg)
{
	fprintf(stderr, "cordon up: %s '%s' (see cordon up --help)\n", what,
		arg);
	return -2;
}

/* --name VALUE or --name=VALUE; returns how many words it took. */
static int parse_one(struct up_options *o, int argc, char **argv)
{
	const char *eq = strchr(argv[0], '=');
	size_t len = eq ? (size_t)(eq - argv[0]) : strlen(argv[0]);

	for (size_t i = 0; i < CD_ARRAY_SIZE(rows); i++) {
		if (strlen(rows[i].name) != len ||
		    strncmp(rows[i].name, argv[0], len) != 0)
			continue;
		if (!eq && argc < 2)
			return usage("a value is missing after", argv[0]);
		*field(o, &rows[i]) = eq ? eq + 1 : argv[1];
		return eq ? 1 : 2;
	}
	return usage("unknown option", argv[0]);
}

static int parse_port(const char *text, const char *name, unsigned int least,
		      unsigned int *ret)
{
	uint64_t n;

	if (cd_str_parse_u64(cd_str_from(text), &n) < 0 || n > 65535 ||
	    n < least) {
		fprintf(stderr, "cordon up: %s is not a port: '%s'\n", name,
			text);
		return -2;
	}
	*ret = (unsigned int)n;
	return 0;
}

/* Names go into a configuration file, into URLs and into certificates. */
static bool domain_is_plain(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789.-");
	const char *p = s;

	if (s[n] || n >= 200)
		return false;
	for (;; p++) {
		size_t len = strcspn(p, ".");

		if (len < 1 || len > 63 || *p == '-' || p[len - 1] == '-')
			return false;
		p += len;
		if (!*p)
			return true;
	}
}

/* Two of our own sockets at one port would blame one another for it. */
static int check_ports(const struct up *up)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", up->port);
	if (up->port == up->http_port)
		return usage("--port and --http-port are both", text);
	if (up->port == up->tcp_port)
		return usage("--port and --tcp-port are both", text);
	snprintf(text, sizeof(text), "%u", up->tcp_port);
	if (up->tcp_port && up->tcp_port == up->http_port)
		return usage("--http-port and --tcp-port are both", text);
	return 0;
}

/* Paths too; nginx's own quoting has no escape for all of them. */
static bool path_is_plain(const char *s)
{
	return *s == '/' && s[1] && strlen(s) < 80 && !strstr(s, "/../") &&
	       s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			   "0123456789._+-/")] == '\0';
}

static int check(struct up *up)
{
	struct up_options *o = &up->opt;
	const char *paths[] = {o->run, o->state, o->conf};
	uint64_t workers = 0;

	if (!domain_is_plain(o->domain))
		return usage("not a host name in lower case:", o->domain);
	for (size_t i = 0; i < CD_ARRAY_SIZE(paths); i++) {
		if (!path_is_plain(paths[i]))
			return usage("not a plain absolute path of at most 80 "
				     "characters:",
				     paths[i]);
	}
	if (parse_port(o->port, "--port", 1, &up->port) ||
	    parse_port(o->http_port, "--http-port", 0, &up->http_port) ||
	    parse_port(o->tcp_port, "--tcp-port", 0, &up->tcp_port) ||
	    check_ports(up))
		return -2;
	if (o->workers &&
	    (cd_str_parse_u64(cd_str_from(o->workers), &workers) < 0 ||
	     workers < 1 || workers > 12))
		return usage("--workers is from 1 to 12, not", o->workers);
	up->workers = (unsigned int)workers;
	return 0;
}

static void derive(struct up *up)
{
	ssize_t n = readlink("/proc/self/exe", up->self, sizeof(up->self) - 1);
	char probe[PATH_MAX], *slash;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	up->self[n > 0 ? n : 0] = '\0';
	slash = strrchr(up->self, '/');
	if (slash)
		*slash = '\0';
	up_path(probe, up->self, "build.ninja");
	up->from_build = access(probe, F_OK) == 0;
	if (!up->opt.ca) {
		bool usual = !strcmp(up->opt.domain, "localhost");

		snprintf(up->ca_default, sizeof(up->ca_default),
			 "%.3000s/demo-ca%s%s",
			 up->from_build ? up->self : "/var/cache/cordon",
			 usual ? "" : "-", usual ? "" : up->opt.domain);
		up->opt.ca = up->ca_default;
	}
	if (up->workers == 0)
		up->workers = (unsigned int)CD_MAX(1, CD_MIN(cpus, 8));
	if (up->port == 443)
		snprintf(up->auth_url, sizeof(up->auth_url), "https://%s",
			 up->opt.domain);
	else
		snprintf(up->auth_url, sizeof(up->auth_url), "https://%s:%u",
			 up->opt.domain, up->port);
}

int up_options_parse(struct up *up, int argc, char **argv)
{
	for (int i = 1; i < argc;) {
		int took = 1;

		if (!strcmp(argv[i], "--demo")) {
			up->opt.demo = true;
		} else if (!strcmp(argv[i], "--help") ||
			   !strcmp(argv[i], "-h")) {
			print_help();
			return 1;
		} else {
			took = parse_one(&up->opt, argc - i, argv + i);
		}
		if (took < 0)
			return took;
		i += took;
	}
	for (size_t i = 0; i < CD_ARRAY_SIZE(rows); i++) {
		const char **value = field(&up->opt, &rows[i]);

		if (!*value)
			*value = up->opt.demo ? rows[i].demo_default :
						rows[i].default_value;
	}
	if (check(up) < 0)
		return -2;
	derive(up);
	return 0;
}
