// SPDX-License-Identifier: Apache-2.0
/*
 * Whom nginx asks for the names of upstreams. Its own resolver needs the
 * addresses of name servers and reads neither /etc/resolv.conf nor /etc/hosts:
 * they come from `resolver` in cordon.conf, else from the machine's
 * resolv.conf at the start. Without any, names of upstreams cannot be used,
 * addresses can.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "cli/up.h"
#include "sys/conf.h"
#include "sys/file.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define RESOLV_MAX (64 * 1024)
#define SERVERS_MAX 8

/* ADDR, ADDR:PORT, [ADDR6] or [ADDR6]:PORT as nginx wants it; false: none of
 * these. What is written is made of the parsed address alone. */
static bool put_server(struct cd_str s, struct cd_buf *out)
{
	struct cd_str host = s, port = CD_STR_NULL;
	char text[CD_ADDR_SIZE];
	struct cd_addr a;
	uint64_t n = 53;

	if (s.len && s.ptr[0] == '[') {
		const char *end = memchr(s.ptr, ']', s.len);

		if (!end)
			return false;
		host = cd_str_make(s.ptr + 1, (size_t)(end - s.ptr) - 1);
		port = cd_str_make(end + 1, s.len - host.len - 2);
		if (port.len && *port.ptr++ != ':')
			return false;
		port.len -= port.len > 0;
	} else if (cd_addr_parse(s, &a) < 0) {
		host = cd_str_split(s, ':', &port);
	}
	if (cd_addr_parse(host, &a) < 0 ||
	    (port.len && (cd_str_parse_u64(port, &n) || !n || n > 65535)))
		return false;
	cd_addr_format(&a, text, sizeof(text));
	cd_buf_printf(out, a.family == 6 ? " [%s]:%u" : " %s:%u", text,
		      (unsigned int)n);
	return true;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == ',';
}

/* The next word, an empty one at the end. */
static struct cd_str next_word(struct cd_str *s)
{
	struct cd_str w;

	while (s->len && is_blank(*s->ptr))
		*s = cd_str_make(s->ptr + 1, s->len - 1);
	w = cd_str_make(s->ptr, 0);
	while (s->len && !is_blank(*s->ptr)) {
		w.len++;
		*s = cd_str_make(s->ptr + 1, s->len - 1);
	}
	return w;
}

static int put_configured(struct up *up, struct cd_str servers,
			  struct cd_buf *out)
{
	struct cd_str w;

	while ((w = next_word(&servers)).len)
		if (!put_server(w, out))
			return up_fail("%s/cordon.conf: resolver: '%.*s' is no "
				       "address of a name server (want "
				       "ADDRESS[:PORT], several with commas)",
				       up->opt.conf, CD_STR_FMT(w));
	return 0;
}

/* Lines that we cannot use, such as link-local addresses with an interface,
 * are passed over, as other programs do. */
static void put_machines(struct cd_buf *out)
{
	struct cd_str text, line;
	char *data = NULL;
	size_t len = 0;
	int n = 0;

	if (cd_file_read(RESOLV_CONF, RESOLV_MAX, &data, &len) < 0)
		return;
	text = cd_str_make(data, len);
	while (text.len && n < SERVERS_MAX) {
		line = cd_str_split(text, '\n', &text);
		if (cd_str_equal(next_word(&line), CD_STR("nameserver")))
			n += put_server(next_word(&line), out);
	}
	free(data);
}

int up_resolver_put(struct up *up, struct cd_buf *b)
{
	struct cd_diag *diag cd_auto(cd_diag_free) = NULL;
	struct cd_buf servers cd_auto(cd_buf_done);
	struct cd_conf conf cd_auto(cd_conf_done) = {0};
	char path[PATH_MAX];
	int r = cd_diag_new(&diag);

	cd_buf_init(&servers, CD_CONF_LINE_MAX);
	if (up->opt.demo)
		return 0; /* its namespace has no way to one */
	if (r == 0)
		r = cd_conf_load(up_path(path, up->opt.conf, "cordon.conf"),
				 diag, &conf);
	if (r < 0)
		return up_fail("%s: %s", path,
			       diag && cd_diag_count(diag) ?
				       cd_diag_get(diag, 0)->text :
				       cd_strerror(r));
	if (conf.resolver)
		r = put_configured(up, cd_str_from(conf.resolver), &servers);
	else
		put_machines(&servers);
	if (r == 0 && servers.len)
		cd_buf_printf(b, "resolver%.*s;\nresolver_timeout 5s;\n",
			      CD_STR_FMT(cd_buf_get(&servers)));
	return r;
}
