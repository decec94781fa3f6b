// SPDX-License-Identifier: Apache-2.0
/*
 * One HTTP/2 request, field by field as it is told, for requests that no
 * library would send.
 *
 *	gw-h2 PORT SNI [--data TEXT]... [--trailer FIELD]... [--split] FIELD...
 *
 * A FIELD is "NAME: VALUE"; in both, \r \n \\ and \xNN are bytes. They go out
 * in this order as literals, without Huffman and without an index (RFC 7541,
 * section 6.2.2). Each --data is a frame of its own; --split puts one byte
 * of the block into HEADERS and the rest into CONTINUATION. Prints "status
 * NNN" and then the body; or "reset CODE", "goaway CODE", "closed". The
 * server's fields are not read but for its status.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "gw_frames.h"

#define BODY_MAX 65536

static SSL *ssl;

static void fail(const char *what)
{
	puts(what);
	exit(0);
}

static void put(const void *p, size_t len)
{
	if (len && SSL_write(ssl, p, (int)len) != (int)len)
		fail("closed");
}

static void get(void *p, size_t len)
{
	for (size_t at = 0; at < len;) {
		int n = SSL_read(ssl, (uint8_t *)p + at, (int)(len - at));

		if (n <= 0)
			fail("closed");
		at += (size_t)n;
	}
}

/* ---- what goes out ------------------------------------------------------ */
static void put_frame(uint8_t type, uint8_t flags, uint32_t stream,
		      const void *p, size_t len)
{
	uint8_t out[FRAME_HEAD + BLOCK_MAX];

	put(out, frame_make(out, type, flags, stream, p, len));
}

static void put_block(const struct block *b, bool split, uint8_t flags)
{
	size_t first = split ? 1 : b->len;

	put_frame(HEADERS, split ? flags : flags | END_HEADERS, 1, b->p, first);
	if (split)
		put_frame(CONT, END_HEADERS, 1, b->p + first, b->len - first);
}

static void request(int n, char **args)
{
	static struct block head, trailer;
	const char *data[16];
	int n_data = 0;
	bool split = false;

	for (int i = 0; i < n; i++) {
		if (!strcmp(args[i], "--split"))
			split = true;
		else if (!strcmp(args[i], "--data") && i + 1 < n && n_data < 16)
			data[n_data++] = args[++i];
		else if (!strcmp(args[i], "--trailer") && i + 1 < n)
			block_add(&trailer, args[++i]);
		else
			block_add(&head, args[i]);
	}
	put("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
	put_frame(SETTINGS, 0, 0, "", 0);
	put_block(&head, split, n_data || trailer.len ? 0 : END_STREAM);
	for (int i = 0; i < n_data; i++)
		put_frame(DATA,
			  i + 1 == n_data && !trailer.len ? END_STREAM : 0, 1,
			  data[i], strlen(data[i]));
	if (trailer.len)
		put_block(&trailer, false, END_STREAM);
}

/* ---- what comes back ---------------------------------------------------- */

static void read_answer(void)
{
	static uint8_t p[1 << 24];
	bool told = false;

	for (;;) {
		uint8_t h[9];
		size_t len;

		get(h, sizeof(h));
		len = (size_t)h[0] << 16 | (size_t)h[1] << 8 | h[2];
		get(p, len);
		if (h[3] == SETTINGS && !(h[4] & ACK))
			put_frame(SETTINGS, ACK, 0, "", 0);
		if (h[3] == RESET && len == 4) {
			printf("reset %u\n", frame_u32(p));
			return;
		}
		if (h[3] == GOAWAY && len >= 8) {
			printf("goaway %u\n", frame_u32(p + 4));
			return;
		}
		if (h[3] == HEADERS && !told) {
			printf("status %d\n", frame_status(p, len));
			told = true;
		}
		if (h[3] == DATA && !(h[4] & PADDED))
			fwrite(p, 1, len, stdout);
		if ((h[3] == DATA || h[3] == HEADERS) && h[4] & END_STREAM)
			return;
	}
}

int main(int argc, char **argv)
{
	static const unsigned char h2[] = {2, 'h', '2'};
	struct sockaddr_in sin = {.sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval tv = {.tv_sec = 10};
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (argc < 4 || fd < 0)
		return 2;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	sin.sin_port = htons((uint16_t)atoi(argv[1]));
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)))
		return 1;
	ssl = SSL_new(ctx);
	SSL_set_fd(ssl, fd);
	SSL_set_tlsext_host_name(ssl, argv[2]);
	SSL_set_alpn_protos(ssl, h2, sizeof(h2));
	if (SSL_connect(ssl) != 1)
		return 1;
	request(argc - 3, argv + 3);
	read_answer();
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
	return 0;
}
