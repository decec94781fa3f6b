/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A name server for one test: answers questions for A records over UDP.
 *
 *	gw-dns PORT NAME=ADDRESS[,ADDRESS...]...
 *
 * "NAME=" without an address is never answered; names that nobody gave do not
 * exist. It runs on loopback for programs that behave: what is no question of
 * one name is passed over.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define HEAD 12
#define NXDOMAIN 3
#define ADDRESSES_MAX 8
#define RECORD 16

/* The name of the question with dots; 0, or the offset behind it. */
static size_t question(const uint8_t *p, size_t len, char *name, size_t size)
{
	size_t at = HEAD, n = 0;

	while (at < len && p[at]) {
		size_t label = p[at++];

		if (label > 63 || label > len - at || n + label + 2 > size)
			return 0;
		if (n)
			name[n++] = '.';
		memcpy(name + n, p + at, label);
		n += label;
		at += label;
	}
	name[n] = '\0';
	/* the root label, type and class */
	return n && at + 5 <= len ? at + 5 : 0;
}

/* What stands behind "NAME=", or NULL. */
static const char *address(int argc, char **argv, const char *name)
{
	size_t len = strlen(name);

	for (int i = 2; i < argc; i++)
		if (!strncasecmp(argv[i], name, len) && argv[i][len] == '=')
			return argv[i] + len + 1;
	return NULL;
}

/* One record for each address of the list; how many. */
static uint8_t records(uint8_t *p, const char *text)
{
	static const uint8_t record[] = {0xc0, HEAD, 0, 1, 0, 1,
					 0,    0,    0, 1, 0, 4};
	char list[ADDRESSES_MAX * INET_ADDRSTRLEN];
	char *rest = list, *one;
	struct in_addr in;
	uint8_t n = 0;

	snprintf(list, sizeof(list), "%s", text);
	while (n < ADDRESSES_MAX && (one = strsep(&rest, ",")) != NULL) {
		if (inet_pton(AF_INET, one, &in) != 1)
			return 0;
		memcpy(p, record, sizeof(record));
		memcpy(p + sizeof(record), &in, 4);
		p += RECORD;
		n++;
	}
	return n;
}

/* Turns the question in p into its answer; 0: none is given. */
static size_t answer(uint8_t *p, size_t end, const char *text)
{
	p[2] = 0x81; /* an answer, recursion was asked for */
	p[3] = 0x80;
	memset(p + 6, 0, 6);
	if (!text) {
		p[3] |= NXDOMAIN;
		return end;
	}
	p[7] = records(p + end, text);
	return p[7] ? end + p[7] * RECORD : 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in sin = {.sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (argc < 2)
		return 2;
	sin.sin_port = htons((uint16_t)atoi(argv[1]));
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin))) {
		perror("bind");
		return 1;
	}
	for (;;) {
		struct sockaddr_in from;
		socklen_t from_len = sizeof(from);
		uint8_t p[1024];
		char name[256];
		ssize_t n = recvfrom(fd, p, 512, 0, (struct sockaddr *)&from,
				     &from_len);
		size_t end = n < HEAD ?
				     0 :
				     question(p, (size_t)n, name, sizeof(name));

		if (end)
			end = answer(p, end, address(argc, argv, name));
		if (end)
			sendto(fd, p, end, 0, (struct sockaddr *)&from,
			       from_len);
	}
}
