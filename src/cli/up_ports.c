// SPDX-License-Identifier: Apache-2.0
/*
 * The gateway's listening sockets. They are bound here, by root, before
 * anything is started, and inherited by an nginx that never was root. A taken
 * port is the most common reason for a failed start, so its holder is looked
 * up: inode of the listening socket in /proc/net/tcp{,6}, then who has it
 * open.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/up.h"

#define BACKLOG 4096
#define TCP_LISTEN_STATE 0x0a
#define INODES_MAX 16

static size_t find_inodes(const char *file, unsigned int port,
			  unsigned long *inodes, size_t n)
{
	FILE *f = fopen(file, "re");
	char line[512];

	if (!f)
		return n;
	while (n < INODES_MAX && fgets(line, sizeof(line), f)) {
		unsigned int lport, state;
		unsigned long inode;

		if (sscanf(line,
			   " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x "
			   "%*x:%*x %*x:%*x %*x %*u %*d %lu",
			   &lport, &state, &inode) == 3 &&
		    lport == port && state == TCP_LISTEN_STATE)
			inodes[n++] = inode;
	}
	fclose(f);
	return n;
}

/* Does process `pid` have one of these sockets open? */
static bool has_socket(const char *pid, const unsigned long *inodes, size_t n)
{
	char path[300], link[64];
	struct dirent *e;
	bool found = false;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	d = opendir(path);
	if (!d)
		return false;
	while (!found && (e = readdir(d))) {
		unsigned long inode;
		ssize_t len =
			readlinkat(dirfd(d), e->d_name, link, sizeof(link) - 1);

		link[len > 0 ? len : 0] = '\0';
		if (sscanf(link, "socket:[%lu]", &inode) != 1)
			continue;
		for (size_t i = 0; i < n; i++)
			found = found || inodes[i] == inode;
	}
	closedir(d);
	return found;
}

static void process_name(const char *pid, char *out, size_t size)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	f = fopen(path, "re");
	if (!f || !fgets(out, (int)size, f))
		snprintf(out, size, "a process");
	out[strcspn(out, "\n")] = '\0';
	if (f)
		fclose(f);
}

bool up_port_holder(unsigned int port, char *out, size_t size)
{
	unsigned long inodes[INODES_MAX];
	size_t n = find_inodes("/proc/net/tcp", port, inodes, 0);
	struct dirent *e;
	bool found = false;
	char name[64];
	DIR *proc;

	n = find_inodes("/proc/net/tcp6", port, inodes, n);
	proc = n > 0 ? opendir("/proc") : NULL;
	if (!proc)
		return false;
	while (!found && (e = readdir(proc))) {
		if (!isdigit((unsigned char)e->d_name[0]) ||
		    !has_socket(e->d_name, inodes, n))
			continue;
		process_name(e->d_name, name, sizeof(name));
		snprintf(out, size, "%s (pid %.20s)", name, e->d_name);
		found = true;
	}
	closedir(proc);
	return found;
}

static int port_taken(struct up *up, enum up_role role, unsigned int port)
{
	static const char *const options[] = {
		[UP_HTTPS] = "--port",
		[UP_HTTP] = "--http-port",
		[UP_TCP] = "--tcp-port",
	};
	static const char *const variables[] = {
		[UP_HTTPS] = "PORT",
		[UP_HTTP] = "HTTP_PORT",
		[UP_TCP] = "TCP_PORT",
	};
	unsigned int other = port < 1024 ? port + 8000 : port + 1000;
	char holder[128] = "another process";

	up_port_holder(port, holder, sizeof(holder));
	if (other > 65535)
		other = 9443;
	if (up->from_build && up->opt.demo)
		return up_fail("port %u is taken by %s; another one: "
			       "make run %s=%u (or cordon up %s %u)",
			       port, holder, variables[role], other,
			       options[role], other);
	return up_fail("port %u is taken by %s; another one: %s %u", port,
		       holder, options[role], other);
}

struct address {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
	socklen_t len;
};

static int parse_address(const char *text, unsigned int port,
			 struct address *ret)
{
	struct address a = {.len = 0};

	if (inet_pton(AF_INET, text, &a.in.sin_addr) == 1) {
		struct in_addr keep = a.in.sin_addr;

		a.in = (struct sockaddr_in){.sin_family = AF_INET,
					    .sin_port = htons((uint16_t)port),
					    .sin_addr = keep};
		a.len = sizeof(a.in);
	} else if (inet_pton(AF_INET6, text, &a.in6.sin6_addr) == 1) {
		struct in6_addr keep = a.in6.sin6_addr;

		a.in6 = (struct sockaddr_in6){
			.sin6_family = AF_INET6,
			.sin6_port = htons((uint16_t)port),
			.sin6_addr = keep,
		};
		a.len = sizeof(a.in6);
	} else {
		return -EINVAL;
	}
	*ret = a;
	return 0;
}

static int listen_on(const struct address *a)
{
	int one = 1, err;
	int fd = socket(a->sa.sa_family,
			SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (a->sa.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, &a->sa, a->len) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* optional: an address that this machine may lack (::1). */
static int bind_one(struct up *up, const char *addr, unsigned int port,
		    enum up_role role, bool optional)
{
	struct up_socket *s = &up->sockets[up->n_sockets];
	struct address a;
	int fd;

	if (port == 0)
		return 0;
	if (up->n_sockets == CD_ARRAY_SIZE(up->sockets))
		return up_fail("--listen takes at most %d addresses",
			       UP_ADDRS_MAX);
	if (parse_address(addr, port, &a) < 0)
		return up_fail("--listen: '%s' is not an address such as "
			       "192.0.2.1, 0.0.0.0 or ::",
			       addr);
	fd = listen_on(&a);
	if (fd == -EADDRINUSE)
		return port_taken(up, role, port);
	if (fd < 0 && optional)
		return 0;
	if (fd < 0)
		return up_fail("cannot listen on %s port %u: %s", addr, port,
			       strerror(-fd));
	s->fd = fd;
	s->role = role;
	snprintf(s->text, sizeof(s->text),
		 a.sa.sa_family == AF_INET6 ? "[%s]:%u" : "%s:%u", addr, port);
	up->n_sockets++;
	return 0;
}

static int bind_address(struct up *up, const char *addr, bool optional)
{
	if (bind_one(up, addr, up->port, UP_HTTPS, optional) ||
	    bind_one(up, addr, up->http_port, UP_HTTP, optional) ||
	    bind_one(up, addr, up->tcp_port, UP_TCP, optional))
		return -1;
	return 0;
}

/* Is this address said once more further on? */
static bool comes_again(struct cd_str one, struct cd_str rest)
{
	while (rest.ptr)
		if (cd_str_equal(cd_str_split(rest, ',', &rest), one))
			return true;
	return false;
}

int up_ports_bind(struct up *up)
{
	struct cd_str rest = cd_str_from(up->opt.listen);
	char addr[INET6_ADDRSTRLEN];

	if (!up->opt.listen)
		return bind_address(up, "127.0.0.1", false) ||
				       bind_address(up, "::1", true) ?
			       -1 :
			       0;
	while (rest.ptr) {
		struct cd_str one = cd_str_split(rest, ',', &rest);

		if (comes_again(one, rest))
			continue;
		snprintf(addr, sizeof(addr), "%.*s", CD_STR_FMT(one));
		if (bind_address(up, addr, false))
			return -1;
	}
	return 0;
}

void up_ports_close(struct up *up)
{
	for (size_t i = 0; i < up->n_sockets; i++)
		close(up->sockets[i].fd);
	up->n_sockets = 0;
}
